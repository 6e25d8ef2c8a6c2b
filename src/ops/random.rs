//! Random numbers from a counter: element i of step s under a seed is a function of those three alone, so that a step can be
//! run again and gives the same numbers, and a gradient needs no mask that was kept.

use super::{Cost, Operator, VjpCall, expect_f32, operands, within_count};
use crate::error::{Mismatch, Result};
use crate::exec::{Dispatch, Lowering, Shader};
use crate::graph::{Mode, Recorder, Var};
use crate::shader;
use crate::shape::{DType, Shape, TensorType};

const NOISE: Shader = shader!("random/noise.wgsl", with "common/index.wgsl", with "random/philox.wgsl");
const DROPOUT: Shader = shader!("random/dropout.wgsl", with "common/index.wgsl", with "random/philox.wgsl");

/// A dispatch with what every kernel with random numbers takes.
fn with_seed<'d>(dispatch: Dispatch<'d>, lanes: u32, step: &TensorType, seed: u64) -> Dispatch<'d> {
    let dispatch = dispatch.define("WG", lanes).define("FLOAT_STEP", step.dtype == DType::F32);
    dispatch.param("seed_low", seed as u32).param("seed_high", (seed >> 32) as u32)
}

fn expect_step(step: &TensorType) -> Result<(), Mismatch> {
    match step.shape.numel() {
        1 => Ok(()),
        _ => Err(Mismatch::new("step", "one element", step)),
    }
}

/// How numbers are distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distribution {
    Uniform,
    Normal,
}

/// Random numbers of a shape, for a step.
#[derive(Debug, Clone)]
struct Noise {
    distribution: Distribution,
    shape: Shape,
    seed: u64,
}

impl Operator for Noise {
    fn name(&self) -> &'static str {
        match self.distribution {
            Distribution::Uniform => "uniform",
            Distribution::Normal => "normal",
        }
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [step] = operands(inputs)?;
        expect_step(step)?;
        if self.shape.dims().contains(&0) {
            return Err(Mismatch::new("shape", "extents of at least 1", &self.shape));
        }
        within_count("shape", self.shape.dims())?;
        Ok(TensorType::f32(&self.shape))
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (step, y, lanes) = (lowering.input(0), lowering.output(), lowering.target().lanes());
        let quads = self.shape.numel().div_ceil(4);
        let dispatch = with_seed(lowering.dispatch(&NOISE), lanes, &step.ty, self.seed);
        let dispatch = dispatch.define("NORMAL", self.distribution == Distribution::Normal);
        dispatch.bind("step_word", step.buffer).bind("y", y).param("quads", quads).threads(quads)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        // Ten rounds of two wide products for four elements.
        Cost { flops: 80 * output.shape.numel() as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

/// Elements set to 0 with a probability, the others divided by the rest of it; from x and step.
#[derive(Debug, Clone, Copy)]
struct Dropout {
    probability: f32,
    seed: u64,
}

impl Operator for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, step] = operands(inputs)?;
        expect_f32("x", x)?;
        expect_step(step)?;
        within_count("x", x.shape.dims())?;
        if !(0.0..1.0).contains(&self.probability) {
            return Err(Mismatch::new("probability", "a number from 0 to below 1", self.probability));
        }
        Ok(x.clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        // The same elements fall out of the gradient.
        let (step, gy) = (call.inputs[1], call.cotangent);
        Ok(vec![call.grad(0, || gy.recorder().apply(*self, &[gy, step]))?, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, step, y) = (lowering.input(0), lowering.input(1), lowering.output());
        let lanes = lowering.target().lanes();
        let quads = x.ty.shape.numel().div_ceil(4);
        let dispatch = with_seed(lowering.dispatch(&DROPOUT), lanes, &step.ty, self.seed);
        let dispatch = dispatch.bind("x", x.buffer).bind("step_word", step.buffer).bind("y", y);
        let threshold = (f64::from(self.probability) * 2f64.powi(32)) as u32;
        let dispatch = dispatch.param("quads", quads).param("threshold", threshold);
        dispatch.param("scale", (1.0 / (1.0 - f64::from(self.probability))) as f32).threads(quads)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 80 * output.shape.numel() as u64, bytes }
    }
}

impl Recorder {
    /// Numbers uniform in [0, 1), multiples of 2⁻²⁴, of `shape`: Philox-4×32-10 (Salmon et al. 2011, "Parallel random numbers: as
    /// easy as 1, 2, 3") keyed by `seed` and counting elements and `step`, one element, u32 or f32 (a whole number below
    /// 2²⁴). The same seed, step and place in memory give the same bits on every adapter; give each use a seed of its own. Has no
    /// gradient.
    #[track_caller]
    pub fn uniform<'r>(&'r self, shape: impl Into<Shape>, seed: u64, step: Var<'r>) -> Result<Var<'r>> {
        self.apply(Noise { distribution: Distribution::Uniform, shape: shape.into(), seed }, &[step])
    }

    /// Numbers from the standard normal distribution, within ±5.8, as [`Recorder::uniform`] takes seed and step; from pairs of its
    /// words by Box and Muller's formula, so that last bits may differ between adapters. Has no gradient.
    #[track_caller]
    pub fn normal<'r>(&'r self, shape: impl Into<Shape>, seed: u64, step: Var<'r>) -> Result<Var<'r>> {
        self.apply(Noise { distribution: Distribution::Normal, shape: shape.into(), seed }, &[step])
    }
}

impl<'r> Var<'r> {
    /// Each element 0 with `probability` (at least 0, below 1), else divided by 1 − probability, so that the mean stays (Srivastava
    /// et al. 2014, "Dropout", §10); as it is in [`Mode::Infer`]. Which fall out follows from `seed`, `step` and the
    /// element's place as in [`Recorder::uniform`]: those whose word is below 2³² · probability, the same on every adapter.
    #[track_caller]
    pub fn dropout(self, probability: f32, seed: u64, step: Var<'r>) -> Result<Var<'r>> {
        let (r, dropout) = (self.recorder(), Dropout { probability, seed });
        if r.mode() == Mode::Infer {
            r.expect("dropout", &[self, step], dropout.infer(&[&self.ty(), &step.ty()]))?;
            return Ok(self);
        }
        r.apply(dropout, &[self, step])
    }
}
