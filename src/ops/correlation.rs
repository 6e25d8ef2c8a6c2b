//! Correlation of two images' features over displacements, as optical flow and stereo use it.

use super::{Cost, Operator, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;

/// Each for one and for four channels at a time.
const FORWARD: [Shader; 2] = [
    shader!("conv/correlation.wgsl", with "common/index.wgsl", with "common/f32x1.wgsl", with "conv/total1.wgsl"),
    shader!("conv/correlation.wgsl", with "common/index.wgsl", with "common/f32x4.wgsl", with "conv/total4.wgsl"),
];
const GRADIENT: [Shader; 2] = [
    shader!("conv/correlation_gradient.wgsl", with "common/index.wgsl", with "common/f32x1.wgsl"),
    shader!("conv/correlation_gradient.wgsl", with "common/index.wgsl", with "common/f32x4.wgsl"),
];

/// The largest displacement and stride; keeps extents from overflowing.
const MAX_ATTRIBUTE: usize = 65_535;

/// Neighbouring displacements a thread takes: they share what it reads of the first image.
const RUN: usize = 4;

/// Attributes of a correlation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Correlation {
    /// The largest displacement along each axis, pixels.
    pub max_displacement: usize,
    /// Pixels between neighbouring displacements.
    pub stride: usize,
}

impl Default for Correlation {
    /// As in FlowNetC.
    fn default() -> Self {
        Correlation { max_displacement: 20, stride: 2 }
    }
}

impl Correlation {
    /// Displacements along an axis.
    fn side(&self) -> usize {
        2 * (self.max_displacement / self.stride) + 1
    }

    /// The result's type for two images of this type.
    fn result(&self, a: &TensorType, b: &TensorType) -> Result<TensorType, Mismatch> {
        expect_f32("a", a)?;
        expect_f32("b", b)?;
        let Some([n, h, w, _]) = a.shape.nhwc() else {
            return Err(Mismatch::new("a", "N×H×W×C", a));
        };
        if a.shape.dims().contains(&0) {
            return Err(Mismatch::new("a", "extents of at least 1", a));
        }
        if a != b {
            return Err(Mismatch::new("b", a, b));
        }
        if self.max_displacement > MAX_ATTRIBUTE {
            return Err(Mismatch::new("max_displacement", format!("at most {MAX_ATTRIBUTE}"), self.max_displacement));
        }
        if !(1..=MAX_ATTRIBUTE).contains(&self.stride) {
            return Err(Mismatch::new("stride", format!("1 to {MAX_ATTRIBUTE}"), self.stride));
        }
        Ok(TensorType::f32([n, h, w, self.side() * self.side()]))
    }

    fn work(&self, image: &TensorType, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let products = image.shape.numel() * self.side() * self.side();
        Cost { flops: 2 * products as u64, bytes: inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes() }
    }
}

/// Channels at a time, of as many.
fn by(channels: usize) -> usize {
    if channels.is_multiple_of(4) { 4 } else { 1 }
}

impl Operator for Correlation {
    fn name(&self) -> &'static str {
        "correlation"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [a, b] = operands(inputs)?;
        self.result(a, b)
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (a, b, gy) = (call.inputs[0], call.inputs[1], call.cotangent);
        Ok(vec![
            call.grad(0, || self.gradient(Image::First, gy, b))?,
            call.grad(1, || self.gradient(Image::Second, gy, a))?,
        ])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (a, b, y) = (lowering.input(0), lowering.input(1).buffer, lowering.output());
        let [n, h, w, c] = a.ty.shape.nhwc().expect("checked by infer");
        let (by, lanes) = (by(c), lowering.target().lanes());
        let (side, runs) = (self.side(), self.side().div_ceil(RUN));
        let total = n * h * w * side * runs;
        let dispatch = lowering.dispatch(&FORWARD[by / 4]).define("WG", lanes).define("BY", by).define("RUN", RUN);
        let dispatch = dispatch.param("total", total).param("h", h).param("w", w).param("c", c / by);
        let dispatch = dispatch.param("side", side).param("runs", runs).param("stride", self.stride);
        let dispatch = dispatch.param("reach", side / 2 * self.stride).param("scale", 1.0 / c as f32);
        dispatch.bind("a", a.buffer).bind("b", b).bind("y", y).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        self.work(inputs[0], inputs, output)
    }
}

/// One of the two images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Image {
    First,
    Second,
}

/// The gradient with respect to one image, from gy and the other image.
#[derive(Debug, Clone, Copy)]
struct CorrelationGradient {
    correlation: Correlation,
    of: Image,
}

impl Correlation {
    fn gradient<'r>(self, of: Image, gy: Var<'r>, other: Var<'r>) -> Result<Var<'r>> {
        gy.recorder().apply(CorrelationGradient { correlation: self, of }, &[gy, other])
    }
}

impl Operator for CorrelationGradient {
    fn name(&self) -> &'static str {
        "correlation_grad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [_, other] = operands(inputs)?;
        Ok(other.clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        // Linear in each of gy and the other image; c stands where the image itself did.
        let (gy, other, c) = (call.inputs[0], call.inputs[1], call.cotangent);
        let (a, b, opposite) = match self.of {
            Image::First => (c, other, Image::Second),
            Image::Second => (other, c, Image::First),
        };
        Ok(vec![
            call.grad(0, || a.correlation(b, self.correlation))?,
            call.grad(1, || self.correlation.gradient(opposite, gy, c))?,
        ])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (gy, other, out) = (lowering.input(0).buffer, lowering.input(1), lowering.output());
        let [n, h, w, c] = other.ty.shape.nhwc().expect("checked by infer");
        let (by, lanes, side) = (by(c), lowering.target().lanes(), self.correlation.side());
        let total = n * h * w * c / by;
        let dispatch = lowering.dispatch(&GRADIENT[by / 4]).define("WG", lanes).define("BY", by);
        let dispatch = dispatch.define("FIRST", self.of == Image::First);
        let dispatch = dispatch.param("total", total).param("h", h).param("w", w).param("c", c / by);
        let dispatch = dispatch.param("side", side).param("stride", self.correlation.stride);
        let dispatch = dispatch.param("reach", side / 2 * self.correlation.stride).param("scale", 1.0 / c as f32);
        dispatch.bind("gy", gy).bind("other", other.buffer).bind("gradient", out).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        self.correlation.work(output, inputs, output)
    }
}

impl<'r> Var<'r> {
    /// How well each pixel of this image fits the pixels of `other` around the same place, both N×H×W×C: for every
    /// displacement the mean over channels of the products, zero where it leaves the image (Dosovitskiy et al. 2015,
    /// "FlowNet", eq. 1 with k = 0, divided by the channels). The result is N×H×W×D² with
    /// D = 2·⌊max_displacement / stride⌋ + 1, displacements row by row from (−, −) to (+, +).
    #[track_caller]
    pub fn correlation(self, other: Var<'r>, correlation: Correlation) -> Result<Var<'r>> {
        self.recorder().apply(correlation, &[self, other])
    }
}
