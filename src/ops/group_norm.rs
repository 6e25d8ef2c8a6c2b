//! Normalisation of each sample over groups of its elements: instance norm (Ulyanov et al. 2016, "Instance Normalization"),
//! layer norm (Ba et al. 2016, "Layer Normalization") and group norm (Wu and He 2018, "Group Normalization") are one
//! operator over groups of different shapes.

use super::detach::vjp_of_formula;
use super::reduce::sum_stages;
use super::unit::{Unit, by_unit};
use super::{Cost, Operator, Storage, VjpCall, expect_f32, expect_float, operands, span, splits};
use crate::error::{Mismatch, Result};
use crate::exec::{AdapterClass, Dispatch, Lowering, Shader};
use crate::graph::Var;
use crate::shape::{Shape, TensorType};

const STATS_PARTIAL: [Shader; 3] = by_unit!("norm/group_stats_partial.wgsl");
const STATS: [Shader; 3] = by_unit!("norm/group_stats.wgsl");
const NORMALIZE: [Shader; 3] = by_unit!("norm/group_norm.wgsl");
const SUMS_PARTIAL: [Shader; 3] = by_unit!("norm/group_norm_sums_partial.wgsl");
const GRADIENT: [Shader; 3] = by_unit!("norm/group_norm_grad.wgsl");
const AFFINE_PARTIAL: [Shader; 3] = by_unit!("norm/group_norm_affine_partial.wgsl");

/// The longest run of units one thread looks through where splitting gives other threads work.
const CHUNK: usize = 128;
/// Rows a thread walks where it writes as many.
const ROWS_PER_THREAD: usize = 8;
/// Threads a sum over rows is split over, at least, where there are rows enough,
const REDUCTION_THREADS: usize = 256;
/// and the rows each then has at least.
const ROWS_PER_BLOCK: usize = 16;

/// What is normalised together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// Each channel of each sample.
    Instance,
    /// The channels of each row.
    Layer,
    /// Each of so many groups of consecutive channels of each sample.
    Group(usize),
}

/// A tensor as batches × rows × groups × width; a group spans the rows and the width.
#[derive(Debug, Clone, Copy)]
struct Extents {
    batches: usize,
    rows: usize,
    groups: usize,
    width: usize,
}

impl Over {
    fn name(self) -> &'static str {
        match self {
            Over::Instance => "instance_norm",
            Over::Layer => "layer_norm",
            Over::Group(_) => "group_norm",
        }
    }

    fn extents(self, x: &TensorType) -> Result<Extents, Mismatch> {
        expect_float("x", x)?;
        let least = if self == Over::Layer { 1 } else { 2 };
        if x.shape.rank() < least || x.shape.numel() == 0 {
            return Err(Mismatch::new("x", format!("at least {least} axes and none of extent 0"), x));
        }
        let c = x.shape.channels();
        if self == Over::Layer {
            return Ok(Extents { batches: x.shape.rows(), rows: 1, groups: 1, width: c });
        }
        let groups = if let Over::Group(groups) = self { groups } else { c };
        if groups == 0 || !c.is_multiple_of(groups) {
            return Err(Mismatch::new("groups", format!("a divisor of the {c} channels"), groups));
        }
        let batches = x.shape.dims()[0];
        Ok(Extents { batches, rows: x.shape.rows() / batches, groups, width: c / groups })
    }
}

impl Extents {
    fn unit(&self) -> Unit {
        match (self.groups, self.width) {
            (_, width) if width.is_multiple_of(4) => Unit::FourAlong,
            (groups, 1) if groups.is_multiple_of(4) => Unit::FourAcross,
            _ => Unit::One,
        }
    }

    /// Groups and width in units.
    fn units(&self) -> (usize, usize) {
        match self.unit() {
            Unit::One => (self.groups, self.width),
            Unit::FourAlong => (self.groups, self.width / 4),
            Unit::FourAcross => (self.groups / 4, 1),
        }
    }

    fn channels(&self) -> usize {
        self.groups * self.width
    }

    fn dims(&self) -> [usize; 4] {
        [self.batches, self.rows, self.groups, self.width]
    }

    /// Into how many chunks a group is cut, and the units of each but the last.
    fn chunks(&self) -> (usize, usize) {
        let length = self.rows * self.units().1;
        let chunks = length.div_ceil(CHUNK);
        (chunks, length.div_ceil(chunks))
    }

    /// A dispatch of the variant for this unit, with what the kernels share.
    fn dispatch<'s>(&self, lowering: &'s mut Lowering<'_>, shaders: &'s [Shader; 3]) -> Dispatch<'s> {
        let lanes = lowering.target().lanes();
        let dispatch = lowering.dispatch(&shaders[self.unit() as usize]).define("WG", lanes);
        dispatch.param("groups", self.units().0)
    }

    /// How many blocks of rows there are in a batch; if each row is one, in all of them.
    fn blocks(&self) -> usize {
        let rows = if self.rows == 1 { self.batches } else { self.rows };
        rows.div_ceil(ROWS_PER_THREAD)
    }

    /// A dispatch of a kernel whose threads write a span of units of a block of rows, and how many these are.
    fn dispatch_rows<'s>(&self, lowering: &'s mut Lowering<'_>, shaders: &'s [Shader; 3]) -> (Dispatch<'s>, usize) {
        let (groups, width) = self.units();
        let span = self.span(lowering.target().class);
        let blocks = if self.rows == 1 { self.blocks() } else { self.batches * self.blocks() };
        let threads = blocks * groups * width / span;
        let dispatch = span::taking(self.dispatch(lowering, shaders), span).define("ONE_GROUP", self.groups == 1);
        let dispatch = dispatch.define("ROWS_ALONE", self.rows == 1).param("threads", threads).param("rows", self.rows);
        let dispatch = dispatch.param("all_rows", self.batches * self.rows).param("width", width);
        (dispatch.param("rows_per_block", ROWS_PER_THREAD).param("blocks", self.blocks()), threads)
    }

    /// How many units a thread of a kernel that walks rows takes.
    fn span(&self, class: AdapterClass) -> usize {
        let (groups, width) = self.units();
        span::of(groups * width, class)
    }
}

/// Mean, biased variance and what rounding took off the mean, of each group of each batch: `[N, 3, G]`. Not
/// differentiated: [`Normalize`] accounts for them.
#[derive(Debug, Clone, Copy)]
struct Statistics(Over);

impl Operator for Statistics {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn storage(&self) -> Storage {
        Storage::Wide
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        let e = self.0.extents(x)?;
        Ok(TensorType::f32([e.batches, 3, e.groups]))
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let x = lowering.input(0);
        let e = self.0.extents(&x.ty).expect("checked by infer");
        let (groups, width) = e.units();
        let (mut entries, mut span) = e.chunks();
        let place = |lowering: &mut Lowering<'_>, entries: usize| match entries {
            1 => lowering.output(),
            _ => lowering.scratch(e.batches * entries * 3 * e.groups),
        };
        let mut from = place(lowering, entries);
        let dispatch = e.dispatch(lowering, &STATS_PARTIAL).define("FINAL", entries == 1);
        let dispatch = dispatch.bind("x", x.buffer).bind("partial", from).param("batches", e.batches);
        let dispatch = dispatch.param("rows", e.rows).param("width", width);
        dispatch.param("chunk", span).param("chunks", entries).threads(e.batches * entries * groups)?;
        while entries > 1 {
            let runs = entries.div_ceil(CHUNK);
            let run = entries.div_ceil(runs);
            let to = place(lowering, runs);
            let dispatch = e.dispatch(lowering, &STATS).define("FINAL", runs == 1).bind("partial", from);
            let dispatch = dispatch.bind("stats", to).param("batches", e.batches).param("entries", entries);
            let dispatch = dispatch.param("span", span).param("total", e.rows * width);
            dispatch.param("run", run).param("runs", runs).threads(e.batches * runs * groups)?;
            (from, entries, span) = (to, runs, span * run);
        }
        Ok(())
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 5 * inputs[0].shape.numel() as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

/// Operands x, its statistics and affine `[2, C]`. The gradient with respect to x goes through its statistics too.
#[derive(Debug, Clone, Copy)]
struct Normalize {
    over: Over,
    eps: f32,
}

impl Normalize {
    /// x̂ as N×S×G×K, and the reciprocal of its deviation, by simple operators.
    fn formula<'r>(&self, x: Var<'r>) -> Result<(Var<'r>, Var<'r>)> {
        let dims = self.over.extents(&x.ty()).expect("checked by infer").dims();
        let x = x.reshape(dims)?;
        let d = x.sub(x.mean(&[1, 3])?)?;
        let inverse = d.square()?.mean(&[1, 3])?.offset(self.eps)?.power(-0.5)?;
        Ok((d.mul(inverse)?, inverse))
    }
}

impl Operator for Normalize {
    fn name(&self) -> &'static str {
        self.over.name()
    }

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, _, affine] = operands(inputs)?;
        let pair = Shape::from([2, self.over.extents(x)?.channels()]);
        expect_f32("affine", affine)?;
        if affine.shape != pair {
            return Err(Mismatch::new("affine", pair, affine));
        }
        if !(self.eps.is_finite() && self.eps > 0.0) {
            return Err(Mismatch::new("eps", "a positive number", self.eps));
        }
        Ok(x.clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, stats, affine) = (call.inputs[0], call.inputs[1], call.inputs[2]);
        let (gy, r) = (call.cotangent, x.recorder());
        let gx = call.grad(0, || r.apply(InputGradient(*self), &[gy, x, stats, affine]))?;
        let ga = call.grad(2, || r.apply(AffineGradient(*self), &[gy, x, stats]))?;
        Ok(vec![gx, None, ga])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [x, stats, affine] = [0, 1, 2].map(|i| lowering.input(i).buffer);
        let (e, y) = (self.over.extents(lowering.output_ty()).expect("checked by infer"), lowering.output());
        let (dispatch, threads) = e.dispatch_rows(lowering, &NORMALIZE);
        let dispatch = dispatch.param("eps", self.eps).bind("x", x).bind("stats", stats);
        dispatch.bind("affine", affine).bind("y", y).threads(threads)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 5 * output.shape.numel() as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

/// Operands gy, x, its statistics and affine.
#[derive(Debug, Clone, Copy)]
struct InputGradient(Normalize);

impl Operator for InputGradient {
    fn name(&self) -> &'static str {
        "group_norm_grad"
    }

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [_, x, _, _] = operands(inputs)?;
        Ok(x.clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        vjp_of_formula(call, |operands| {
            let (gy, x, affine) = (operands[0], operands[1], operands[3]);
            let dims = self.0.over.extents(&x.ty()).expect("checked by infer").dims();
            let (normal, inverse) = self.0.formula(x)?;
            let scale = affine.slice(0, 0, 1)?.reshape([1, 1, dims[2], dims[3]])?;
            let g = gy.reshape(dims)?.mul(scale)?;
            let along = normal.mul(g.mul(normal)?.mean(&[1, 3])?)?;
            g.sub(g.mean(&[1, 3])?)?.sub(along)?.mul(inverse)?.reshape(x.shape())
        })
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [gy, x, stats, affine] = [0, 1, 2, 3].map(|i| lowering.input(i).buffer);
        let (e, gx) = (self.0.over.extents(lowering.output_ty()).expect("checked by infer"), lowering.output());
        let (groups, width) = e.units();
        let (chunks, chunk) = e.chunks();
        let pairs = e.batches * 2 * e.groups;
        let sums = lowering.scratch(pairs);
        let partial = if chunks == 1 { sums } else { lowering.scratch(pairs * chunks) };
        let dispatch = e.dispatch(lowering, &SUMS_PARTIAL).param("batches", e.batches).param("rows", e.rows);
        let dispatch = dispatch.param("width", width).param("chunk", chunk).param("chunks", chunks);
        let dispatch = dispatch.param("eps", self.0.eps).bind("gy", gy).bind("x", x).bind("stats", stats);
        let dispatch = dispatch.bind("affine", affine).bind("partial", partial);
        dispatch.threads(e.batches * chunks * groups)?;
        if chunks > 1 {
            sum_stages(lowering, partial, sums, [e.batches, chunks, 2 * e.groups])?;
        }
        let (dispatch, threads) = e.dispatch_rows(lowering, &GRADIENT);
        let dispatch = dispatch.param("eps", self.0.eps).bind("gy", gy).bind("x", x).bind("stats", stats);
        dispatch.bind("affine", affine).bind("sums", sums).bind("gx", gx).threads(threads)
    }

    fn cost(&self, _: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 14 * output.shape.numel() as u64, bytes: 5 * output.bytes() }
    }
}

/// `Σ gy·x̂` and `Σ gy` of each channel, `[2, C]`. Operands gy, x and its statistics.
#[derive(Debug, Clone, Copy)]
struct AffineGradient(Normalize);

impl Operator for AffineGradient {
    fn name(&self) -> &'static str {
        "group_norm_affine_grad"
    }

    fn storage(&self) -> Storage {
        Storage::Wide
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [_, x, _] = operands(inputs)?;
        Ok(TensorType::f32([2, x.shape.channels()]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        vjp_of_formula(call, |operands| {
            let (gy, x) = (operands[0], operands[1]);
            let (rows, channels) = (x.shape().rows(), x.shape().channels());
            let gy = gy.reshape([rows, channels])?;
            let normal = self.0.formula(x)?.0.reshape([rows, channels])?;
            gy.recorder().concat(&[gy.mul(normal)?.sum(&[0])?, gy.sum(&[0])?], 0)
        })
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [gy, x, stats] = [0, 1, 2].map(|i| lowering.input(i).buffer);
        let e = self.0.over.extents(lowering.input_ty(1)).expect("checked by infer");
        let (groups, width) = e.units();
        let all_rows = e.batches * e.rows;
        let span = e.span(lowering.target().class);
        let blocks = (REDUCTION_THREADS * span / (groups * width)).clamp(1, all_rows.div_ceil(ROWS_PER_BLOCK));
        let blocks = blocks.max(all_rows.div_ceil(splits::longest(1)));
        let rows_per_block = all_rows.div_ceil(blocks);
        let blocks = all_rows.div_ceil(rows_per_block);
        let out = lowering.output();
        let pair = 2 * e.channels();
        let partial = if blocks == 1 { out } else { lowering.scratch(pair * blocks) };
        let dispatch = span::taking(e.dispatch(lowering, &AFFINE_PARTIAL), span).define("ONE_GROUP", e.groups == 1);
        let dispatch = dispatch.param("all_rows", all_rows).param("rows", e.rows);
        let dispatch = dispatch.param("width", width).param("rows_per_block", rows_per_block);
        let dispatch = dispatch.param("blocks", blocks).param("eps", self.0.eps).bind("gy", gy).bind("x", x);
        dispatch.bind("stats", stats).bind("partial", partial).threads(blocks * groups * width / span)?;
        if blocks > 1 {
            sum_stages(lowering, partial, out, [1, blocks, pair])?;
        }
        Ok(())
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 7 * inputs[1].shape.numel() as u64, bytes: 2 * inputs[1].bytes() + output.bytes() }
    }
}

impl<'r> Var<'r> {
    /// Instance norm of N×…×C: each channel of each sample gets mean 0 and variance 1 over its positions, then scale and
    /// shift, the rows of `affine` (`[2, C]`) if given. `eps` is added to the variance.
    #[track_caller]
    pub fn instance_norm(self, affine: impl Into<Option<Var<'r>>>, eps: f32) -> Result<Var<'r>> {
        self.normalize_groups(Over::Instance, affine.into(), eps)
    }

    /// Layer norm of …×C: each row of C channels gets mean 0 and variance 1, then scale and shift, the rows of `affine`
    /// (`[2, C]`) if given. `eps` is added to the variance. Over a whole sample, channels and positions, it is
    /// [`Var::group_norm`] with one group.
    #[track_caller]
    pub fn layer_norm(self, affine: impl Into<Option<Var<'r>>>, eps: f32) -> Result<Var<'r>> {
        self.normalize_groups(Over::Layer, affine.into(), eps)
    }

    /// Group norm of N×…×C: each of `groups` groups of C/groups consecutive channels of each sample gets mean 0 and
    /// variance 1 over channels and positions, then scale and shift, the rows of `affine` (`[2, C]`) if given. `eps` is
    /// added to the variance.
    #[track_caller]
    pub fn group_norm(self, groups: usize, affine: impl Into<Option<Var<'r>>>, eps: f32) -> Result<Var<'r>> {
        self.normalize_groups(Over::Group(groups), affine.into(), eps)
    }

    #[track_caller]
    fn normalize_groups(self, over: Over, affine: Option<Var<'r>>, eps: f32) -> Result<Var<'r>> {
        let statistics = self.recorder().apply(Statistics(over), &[self])?;
        let affine = match affine {
            Some(affine) => affine,
            None => self.neutral_affine()?,
        };
        self.recorder().apply(Normalize { over, eps }, &[self, statistics, affine])
    }
}
