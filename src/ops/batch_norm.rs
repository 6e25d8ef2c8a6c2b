//! Batch normalisation over all axes but the channels (Ioffe and Szegedy 2015, algorithm 1), with its ReLU.

use std::sync::Arc;

use super::detach::vjp_of_formula;
use super::reduce::column_sum;
use super::{Comparison, Cost, Ending, Operator, Storage, VjpCall, expect_f32, operands, span, splits};
use crate::error::{Mismatch, Result};
use crate::exec::{AdapterClass, BufferRef, Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::{Shape, TensorType};

/// A shader for one channel a thread, and for four.
macro_rules! by_width {
    ($file:literal) => {
        [
            shader!($file, with "common/index.wgsl", with "common/f32x1.wgsl"),
            shader!($file, with "common/index.wgsl", with "common/f32x4.wgsl"),
        ]
    };
}

const STATS_PARTIAL: [Shader; 2] = by_width!("norm/batch_stats_partial.wgsl");
const STATS: [Shader; 2] = by_width!("norm/batch_stats.wgsl");
const NORMALIZE: [Shader; 2] = by_width!("norm/batch_norm.wgsl");
const SUMS_PARTIAL: [Shader; 2] = by_width!("norm/batch_norm_sums_partial.wgsl");
const GRADIENT: [Shader; 2] = by_width!("norm/batch_norm_grad.wgsl");
const FOLLOW: Shader = shader!("norm/follow.wgsl", with "common/index.wgsl");

/// Rows a thread walks where it writes as many.
const ROWS_PER_BLOCK: usize = 16;
/// Threads a reduction over rows is split over, at least, where there are rows enough.
const REDUCTION_THREADS: usize = 256;
/// Rows that a software adapter's threads walk rather than share, and take one channel of.
const SERIAL_ROWS: usize = 1024;

/// How a rows × channels tensor is cut up among threads.
#[derive(Debug, Clone, Copy)]
struct Blocks {
    /// 1 if a thread takes four channels at once, else 0: indexes the shader pairs.
    wide: usize,
    rows: usize,
    /// Channels, in units of what a thread takes.
    channels: usize,
    rows_per_block: usize,
    count: usize,
    /// How many of these channels a thread takes.
    span: usize,
}

impl Blocks {
    /// For a kernel that writes as many rows as it reads.
    fn new(shape: &Shape, class: AdapterClass) -> Self {
        let (rows, c) = (shape.rows(), shape.channels());
        let wide = usize::from(c % 4 == 0);
        let channels = if wide == 1 { c / 4 } else { c };
        let span = if rows > SERIAL_ROWS { span::of(channels, class) } else { 1 };
        Blocks { wide, rows, channels, rows_per_block: 1, count: rows, span }.with_rows(ROWS_PER_BLOCK)
    }

    /// The same, cut into blocks of so many rows.
    fn with_rows(self, rows_per_block: usize) -> Self {
        Blocks { rows_per_block, count: self.rows.div_ceil(rows_per_block), ..self }
    }

    /// For a sum over rows: blocks enough to keep threads busy, long enough to be worth a partial sum.
    fn for_reduction(shape: &Shape, class: AdapterClass) -> Self {
        let blocks = Self::new(shape, class);
        // On a software adapter the dispatch that adds up the blocks takes longer than so many rows.
        if class == AdapterClass::Software && blocks.rows <= SERIAL_ROWS {
            return blocks.with_rows(blocks.rows);
        }
        let count = (REDUCTION_THREADS * blocks.span / blocks.channels).clamp(1, blocks.count);
        let count = count.max(blocks.rows.div_ceil(splits::longest(1)));
        blocks.with_rows(blocks.rows.div_ceil(count))
    }

    fn threads(&self) -> usize {
        self.count * self.channels / self.span
    }
}

macro_rules! dispatch_blocks {
    ($lowering:expr, $shaders:expr, $blocks:expr) => {{
        let lanes = $lowering.target().lanes();
        let dispatch = $lowering.dispatch(&$shaders[$blocks.wide]).define("WG", lanes);
        let dispatch = dispatch.param("rows", $blocks.rows).param("channels", $blocks.channels);
        let dispatch = dispatch.param("rows_per_block", $blocks.rows_per_block).param("blocks", $blocks.count);
        span::taking(dispatch, $blocks.span)
    }};
}

fn expect_pair(operand: &'static str, ty: &TensorType, channels: usize) -> Result<(), Mismatch> {
    expect_f32(operand, ty)?;
    match ty.shape == Shape::from([2, channels]) {
        true => Ok(()),
        false => Err(Mismatch::new(operand, Shape::from([2, channels]), ty)),
    }
}

fn expect_rows(x: &TensorType) -> Result<(), Mismatch> {
    expect_f32("x", x)?;
    match x.shape.rank() >= 2 && x.shape.numel() > 0 {
        true => Ok(()),
        false => Err(Mismatch::new("x", "at least 2 axes and none of extent 0", x)),
    }
}

/// Mean and biased variance of each channel: `[2, C]`. Not differentiated: [`Normalize`] accounts for them.
#[derive(Debug, Clone, Copy)]
struct Statistics;

impl Operator for Statistics {
    fn name(&self) -> &'static str {
        "batch_stats"
    }

    fn storage(&self) -> Storage {
        Storage::Wide
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        expect_rows(x)?;
        Ok(TensorType::f32([2, x.shape.channels()]))
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, stats) = (lowering.input(0), lowering.output());
        let blocks = Blocks::for_reduction(&x.ty.shape, lowering.target().class);
        let only = blocks.count == 1;
        let partial = if only { stats } else { lowering.scratch(2 * blocks.count * x.ty.shape.channels()) };
        let dispatch = dispatch_blocks!(lowering, STATS_PARTIAL, blocks).define("ONLY", only).bind("x", x.buffer);
        dispatch.bind("partial", partial).threads(blocks.threads())?;
        if only {
            return Ok(());
        }
        let dispatch = dispatch_blocks!(lowering, STATS, blocks).bind("partial", partial);
        dispatch.bind("stats", stats).threads(blocks.channels)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 4 * inputs[0].shape.numel() as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

/// Operands x, statistics `[2, C]` and affine `[2, C]`. With `train` the statistics are x's own, and the gradient with
/// respect to x goes through them too.
#[derive(Debug, Clone, Copy)]
struct Normalize {
    eps: f32,
    relu: bool,
    train: bool,
}

impl Operator for Normalize {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, stats, affine] = operands(inputs)?;
        expect_rows(x)?;
        expect_pair("statistics", stats, x.shape.channels())?;
        expect_pair("affine", affine, x.shape.channels())?;
        if !(self.eps.is_finite() && self.eps > 0.0) {
            return Err(Mismatch::new("eps", "a positive number", self.eps));
        }
        Ok(x.clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, stats, affine) = (call.inputs[0], call.inputs[1], call.inputs[2]);
        let (gy, r) = (call.cotangent, x.recorder());
        let sums = r.apply(Sums(*self), &[gy, x, stats, affine])?;
        let gx =
            call.grad(0, || r.apply(InputGradient { normalize: *self, addend: false }, &[gy, x, stats, affine, sums]))?;
        Ok(vec![gx, None, call.grad(2, || Ok(sums))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [x, stats, affine] = [0, 1, 2].map(|i| lowering.input(i).buffer);
        let y = lowering.output();
        let blocks = Blocks::new(&lowering.output_ty().shape, lowering.target().class);
        let dispatch = dispatch_blocks!(lowering, NORMALIZE, blocks).define("RELU", self.relu).param("eps", self.eps);
        let dispatch = dispatch.bind("x", x).bind("stats", stats).bind("affine", affine).bind("y", y);
        dispatch.threads(blocks.threads())
    }

    fn ending(&self) -> Option<Ending> {
        (!self.train).then_some(Ending::Normalize { eps: self.eps, relu: self.relu })
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 3 * output.shape.numel() as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

impl Normalize {
    /// x̂ and the reciprocal of its deviation as rows × channels, by simple operators.
    fn formula<'r>(&self, x: Var<'r>, stats: Var<'r>) -> Result<(Var<'r>, Var<'r>)> {
        let x = x.reshape([x.shape().rows(), x.shape().channels()])?;
        let (d, variance) = if self.train {
            let d = x.sub(x.mean(&[0])?)?;
            (d, d.square()?.mean(&[0])?)
        } else {
            (x.sub(stats.slice(0, 0, 1)?)?, stats.slice(0, 1, 1)?)
        };
        let inverse = variance.offset(self.eps)?.power(-0.5)?;
        Ok((d.mul(inverse)?, inverse))
    }

    /// The gradient before the ReLU, as rows × channels.
    fn unmasked<'r>(&self, gy: Var<'r>, normal: Var<'r>, affine: Var<'r>) -> Result<Var<'r>> {
        let gy = gy.reshape(normal.shape())?;
        if !self.relu {
            return Ok(gy);
        }
        let y = normal.mul(affine.slice(0, 0, 1)?)?.add(affine.slice(0, 1, 1)?)?;
        gy.mul(y.compare(Comparison::Greater, gy.recorder().scalar(0.0))?)
    }
}

/// `Σ g·x̂` and `Σ g` over rows, `[2, C]`: the gradient of the affine pair, and what the input's gradient needs.
/// Operands gy, x, statistics, affine.
#[derive(Debug, Clone, Copy)]
struct Sums(Normalize);

impl Operator for Sums {
    fn name(&self) -> &'static str {
        "batch_norm_sums"
    }

    fn storage(&self) -> Storage {
        Storage::Wide
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [_, _, _, affine] = operands(inputs)?;
        Ok(affine.clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        vjp_of_formula(call, |operands| {
            let [gy, x, stats, affine] = [0, 1, 2, 3].map(|i| operands[i]);
            let (normal, _) = self.0.formula(x, stats)?;
            let g = self.0.unmasked(gy, normal, affine)?;
            g.recorder().concat(&[g.mul(normal)?.sum(&[0])?, g.sum(&[0])?], 0)
        })
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [gy, x, stats, affine] = [0, 1, 2, 3].map(|i| lowering.input(i).buffer);
        let shape = lowering.input_ty(1).shape.clone();
        let blocks = Blocks::for_reduction(&shape, lowering.target().class);
        let pair = 2 * shape.channels();
        let sums = lowering.output();
        let partial = if blocks.count == 1 { sums } else { lowering.scratch(pair * blocks.count) };
        let dispatch = dispatch_blocks!(lowering, SUMS_PARTIAL, blocks).define("RELU", self.0.relu);
        let dispatch = dispatch.param("eps", self.0.eps).bind("gy", gy).bind("x", x).bind("stats", stats);
        dispatch.bind("affine", affine).bind("partial", partial).threads(blocks.threads())?;
        if blocks.count == 1 {
            return Ok(());
        }
        column_sum(lowering, partial, sums, blocks.count, pair)
    }

    fn cost(&self, inputs: &[&TensorType], _: &TensorType) -> Cost {
        Cost { flops: 6 * inputs[1].shape.numel() as u64, bytes: 2 * inputs[1].bytes() }
    }
}

/// Operands gy, x, statistics, affine, sums and, if `addend`, what is added to the result.
#[derive(Debug, Clone, Copy)]
struct InputGradient {
    normalize: Normalize,
    addend: bool,
}

impl Operator for InputGradient {
    fn name(&self) -> &'static str {
        "batch_norm_grad"
    }

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let expected = 5 + usize::from(self.addend);
        match inputs.len() == expected {
            true => Ok(inputs[1].clone()),
            false => Err(Mismatch::new("operands", expected, inputs.len())),
        }
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        vjp_of_formula(call, |operands| {
            let [gy, x, stats, affine, sums] = [0, 1, 2, 3, 4].map(|i| operands[i]);
            let (normal, inverse) = self.normalize.formula(x, stats)?;
            let mut g = self.normalize.unmasked(gy, normal, affine)?;
            if self.normalize.train {
                let means = sums.scale(1.0 / x.shape().rows() as f32)?;
                g = g.sub(means.slice(0, 1, 1)?)?.sub(normal.mul(means.slice(0, 0, 1)?)?)?;
            }
            let gx = g.mul(affine.slice(0, 0, 1)?.mul(inverse)?)?.reshape(x.shape())?;
            if self.addend { gx.add(operands[5]) } else { Ok(gx) }
        })
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [gy, x, stats, affine, sums] = [0, 1, 2, 3, 4].map(|i| lowering.input(i).buffer);
        let addend = if self.addend { lowering.input(5).buffer } else { BufferRef::Unused };
        let gx = lowering.output();
        let blocks = Blocks::new(&lowering.output_ty().shape, lowering.target().class);
        let dispatch = dispatch_blocks!(lowering, GRADIENT, blocks).param("eps", self.normalize.eps);
        let dispatch = dispatch.define("RELU", self.normalize.relu).define("TRAIN", self.normalize.train);
        let dispatch = dispatch.bind("gy", gy).bind("x", x).bind("stats", stats).bind("affine", affine);
        let dispatch = dispatch.define("ADD", self.addend).bind("addend", addend);
        dispatch.bind("sums", sums).bind("gx", gx).threads(blocks.threads())
    }

    fn with_ending(&self, ending: Ending, _: &[&TensorType]) -> Option<Arc<dyn Operator>> {
        let fits = ending == Ending::Addend && !self.addend;
        fits.then(|| Arc::new(InputGradient { addend: true, ..*self }) as Arc<dyn Operator>)
    }

    fn cost(&self, _: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 7 * output.shape.numel() as u64, bytes: 3 * output.bytes() }
    }
}

/// `state = keep·state + (1 − keep)·value`, in place.
#[derive(Debug, Clone, Copy)]
struct Follow {
    keep: f32,
}

impl Operator for Follow {
    fn name(&self) -> &'static str {
        "follow"
    }

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [state, value] = operands(inputs)?;
        expect_f32("state", state)?;
        if state != value {
            return Err(Mismatch::new("value", state, value));
        }
        if !(0.0..=1.0).contains(&self.keep) {
            return Err(Mismatch::new("keep", "a number from 0 to 1", self.keep));
        }
        Ok(state.clone())
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (value, state, guard) = (lowering.input(1).buffer, lowering.output(), lowering.guard());
        let (quads, lanes) = (lowering.output_ty().shape.numel().div_ceil(4), lowering.target().lanes());
        let dispatch = lowering.dispatch(&FOLLOW).define("WG", lanes).bind("value", value).bind("guard", guard);
        let dispatch = dispatch.bind("state", state).param("quads", quads).param("keep", self.keep);
        dispatch.elementwise("quads", &["state", "value"]).threads(quads)
    }

    fn mutates(&self) -> &'static [usize] {
        &[0]
    }
}

/// What batch normalisation of a batch gives.
#[derive(Debug, Clone, Copy)]
pub struct Normalized<'r> {
    /// The normalised, scaled and shifted tensor.
    pub y: Var<'r>,
    /// The batch's mean and biased variance of each channel, `[2, C]`; not differentiated.
    pub statistics: Var<'r>,
}

impl<'r> Var<'r> {
    /// Normalises each channel by the batch's own mean and variance, then scales and shifts it by the rows of `affine`
    /// (`[2, C]`) if given, then ReLU if asked. `eps` is added to the variance.
    #[track_caller]
    pub fn batch_norm_train(self, affine: impl Into<Option<Var<'r>>>, eps: f32, relu: bool) -> Result<Normalized<'r>> {
        let statistics = self.recorder().apply(Statistics, &[self])?;
        let affine = match affine.into() {
            Some(affine) => affine,
            None => self.neutral_affine()?,
        };
        let y = self.recorder().apply(Normalize { eps, relu, train: true }, &[self, statistics, affine])?;
        Ok(Normalized { y, statistics })
    }

    /// Normalises each channel by given means and variances (the rows of `statistics`, `[2, C]`), then scales and shifts
    /// it by the rows of `affine` if given, then ReLU if asked.
    #[track_caller]
    pub fn batch_norm_infer(
        self,
        affine: impl Into<Option<Var<'r>>>,
        statistics: Var<'r>,
        eps: f32,
        relu: bool,
    ) -> Result<Var<'r>> {
        let affine = match affine.into() {
            Some(affine) => affine,
            None => self.neutral_affine()?,
        };
        self.recorder().apply(Normalize { eps, relu, train: false }, &[self, statistics, affine])
    }

    /// Scale 1 and shift 0 for each channel of this: `[2, C]`.
    #[track_caller]
    pub(super) fn neutral_affine(self) -> Result<Var<'r>> {
        self.recorder().constant([2, 1], &[1.0, 0.0])?.broadcast([2, self.shape().channels()])
    }

    /// Records that this named state becomes `keep·state + (1 − keep)·value` at the end of every run: an exponential
    /// moving average. Who sees which value is as with [`Var::assign`].
    #[track_caller]
    pub fn follow(self, value: Var<'r>, keep: f32) -> Result<Var<'r>> {
        self.recorder().apply(Follow { keep }, &[self, value])
    }
}
