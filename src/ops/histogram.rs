//! Histograms that gradients flow through: every pixel counts in several bins, by its distance from their centres.

use super::{Cost, Operator, VjpCall, image_extents, operands, within_count};
use crate::error::{Mismatch, Result};
use crate::exec::{Dispatch, Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;

const COUNTS: Shader = shader!("reduce/soft_counts.wgsl", with "common/index.wgsl");
const COUNTS_GRAD: Shader = shader!("reduce/soft_counts_grad.wgsl", with "common/index.wgsl");

/// The longest run of pixels one thread adds up.
const CHUNK: usize = 256;

/// The most bins.
const MAX_BINS: usize = 32_768;

/// The least sum that counts are divided by.
const LEAST_SUM: f32 = 1e-12;

/// How much a pixel counts in a bin, t its distance from the bin's centre in units of the bins' spacing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HistogramKernel {
    /// `max(0, 1 − |t|)`: linear between the two nearest bins (Ustinova and Lempitsky 2016, "Learning deep embeddings with
    /// histogram loss", eqs. 1–2).
    Triangular,
    /// `exp(−t² / 2σ²)`: a Parzen estimate (Parzen 1962, "On estimation of a probability density function and mode").
    Gaussian {
        /// σ in units of the bins' spacing.
        sigma: f32,
    },
}

/// Attributes of [`Var::soft_histogram`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoftHistogram {
    /// How many bins, at least 2.
    pub bins: usize,
    /// The centre of the first bin.
    pub low: f32,
    /// The centre of the last bin.
    pub high: f32,
    /// How much a pixel counts in a bin.
    pub kernel: HistogramKernel,
}

impl SoftHistogram {
    /// Bins a unit of x.
    fn per_unit(&self) -> f32 {
        ((self.bins as f64 - 1.0) / (f64::from(self.high) - f64::from(self.low))) as f32
    }

    fn falloff(&self) -> f32 {
        match self.kernel {
            HistogramKernel::Triangular => 0.0,
            HistogramKernel::Gaussian { sigma } => 0.5 / (sigma * sigma),
        }
    }

    fn check(&self) -> Result<(), Mismatch> {
        if !(2..=MAX_BINS).contains(&self.bins) {
            return Err(Mismatch::new("bins", format!("2 to {MAX_BINS}"), self.bins));
        }
        let finite = self.low.is_finite() && self.high.is_finite() && self.low < self.high;
        if !(finite && self.per_unit().is_normal()) {
            let got = format!("{} to {}", self.low, self.high);
            return Err(Mismatch::new("range", "finite numbers, low below high", got));
        }
        match self.kernel {
            HistogramKernel::Gaussian { sigma } if !(1e-6..=1e6).contains(&sigma) => {
                Err(Mismatch::new("sigma", "a positive number (1e-6 to 1e6)", sigma))
            }
            _ => Ok(()),
        }
    }

    /// The parameters of both kernels.
    fn params<'d>(&self, dispatch: Dispatch<'d>, pixels: usize, c: usize) -> Dispatch<'d> {
        let chunks = pixels.div_ceil(CHUNK);
        let dispatch = dispatch.param("pixels", pixels).param("c", c).param("chunks", chunks);
        let dispatch = dispatch.param("chunk", pixels.div_ceil(chunks)).param("bins", self.bins);
        let gaussian = u32::from(matches!(self.kernel, HistogramKernel::Gaussian { .. }));
        let dispatch = dispatch.param("low", self.low).param("per_unit", self.per_unit());
        dispatch.param("gaussian", gaussian).param("falloff", self.falloff())
    }
}

/// What each chunk of an image's pixels counts in every bin: N×chunks×bins×C.
#[derive(Debug, Clone, Copy)]
struct SoftCounts(SoftHistogram);

impl Operator for SoftCounts {
    fn name(&self) -> &'static str {
        "soft_histogram"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        let [n, h, w, c] = image_extents("x", x)?;
        self.0.check()?;
        let extents = [n, (h * w).div_ceil(CHUNK), self.0.bins, c];
        within_count("result", &extents)?;
        Ok(TensorType::f32(extents))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, gy) = (call.inputs[0], call.cotangent);
        Ok(vec![call.grad(0, || x.recorder().apply(SoftCountsGrad(self.0), &[x, gy]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y, lanes) = (lowering.input(0), lowering.output(), lowering.target().lanes());
        let [_, h, w, c] = x.ty.shape.nhwc().expect("checked by infer");
        let total = lowering.output_ty().shape.numel();
        let dispatch = lowering.dispatch(&COUNTS).define("WG", lanes).bind("x", x.buffer).bind("y", y);
        self.0.params(dispatch, h * w, c).param("total", total).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let pairs = inputs[0].shape.numel() as u64 * self.0.bins as u64;
        Cost { flops: 5 * pairs, bytes: inputs[0].bytes() + output.bytes() }
    }
}

/// The gradient with respect to x, from x and gy.
#[derive(Debug, Clone, Copy)]
struct SoftCountsGrad(SoftHistogram);

impl Operator for SoftCountsGrad {
    fn name(&self) -> &'static str {
        "soft_histogram"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, _] = operands(inputs)?;
        Ok(x.clone())
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, gy, gx) = (lowering.input(0), lowering.input(1).buffer, lowering.output());
        let lanes = lowering.target().lanes();
        let [_, h, w, c] = x.ty.shape.nhwc().expect("checked by infer");
        let total = x.ty.shape.numel();
        let dispatch = lowering.dispatch(&COUNTS_GRAD).define("WG", lanes).bind("x", x.buffer);
        let dispatch = dispatch.bind("gy", gy).bind("gx", gx).param("total", total);
        self.0.params(dispatch, h * w, c).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 5 * output.shape.numel() as u64 * self.0.bins as u64, bytes }
    }
}

impl<'r> Var<'r> {
    /// The histogram of each channel of each image, N×H×W×C to N×bins×C, bins summing to 1:
    /// `h_b = Σ_x k((x − μ_b) / Δ)`, μ_b = low + b·Δ, Δ = (high − low) / (bins − 1), divided by `Σ_b h_b`. A pixel whose kernel
    /// reaches no bin counts nowhere; where none counts anywhere, the histogram is 0.
    #[track_caller]
    pub fn soft_histogram(self, histogram: SoftHistogram) -> Result<Var<'r>> {
        let counts = self.recorder().apply(SoftCounts(histogram), &[self])?;
        let [n, chunks, bins, c] = counts.shape().nhwc().unwrap_or_default();
        let counts = if chunks == 1 { counts } else { counts.sum(&[1])? }.reshape([n, bins, c])?;
        counts.div(counts.sum(&[1])?.clamp(LEAST_SUM, f32::MAX)?)
    }
}
