//! Rows and columns around images, and their adjoint, which folds them back.

use super::{Cost, Operator, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::{Shape, TensorType};

/// Each for one and for four channels a thread.
const PAD: [Shader; 2] = [
    shader!("copy/pad2d.wgsl", with "common/index.wgsl", with "common/f32x1.wgsl"),
    shader!("copy/pad2d.wgsl", with "common/index.wgsl", with "common/f32x4.wgsl"),
];
const PAD_GRAD: [Shader; 2] = [
    shader!("copy/pad2d_grad.wgsl", with "common/index.wgsl", with "common/f32x1.wgsl"),
    shader!("copy/pad2d_grad.wgsl", with "common/index.wgsl", with "common/f32x4.wgsl"),
];

/// The most rows or columns on a side; keeps extents from overflowing.
const MAX_AMOUNT: usize = 65_535;

/// What is put around an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PadMode {
    /// Zeros.
    #[default]
    Zero,
    /// The image mirrored at its outermost pixels, which are not repeated: `c b | a b c | b a`.
    Reflect,
    /// The outermost pixels: `a a | a b c | c c`.
    Replicate,
}

/// Rows and columns around an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Pad2d {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the left.
    pub left: usize,
    /// Columns to the right.
    pub right: usize,
    /// What they hold.
    pub mode: PadMode,
}

impl Pad2d {
    /// The result's type.
    fn result(&self, x: &TensorType) -> Result<TensorType, Mismatch> {
        expect_f32("x", x)?;
        let Some([n, h, w, c]) = x.shape.nhwc() else {
            return Err(Mismatch::new("x", "N×H×W×C", x));
        };
        if x.shape.dims().contains(&0) {
            return Err(Mismatch::new("x", "extents of at least 1", x));
        }
        let amounts =
            [("top", self.top, h), ("bottom", self.bottom, h), ("left", self.left, w), ("right", self.right, w)];
        for (name, amount, extent) in amounts {
            let most = if self.mode == PadMode::Reflect { (extent - 1).min(MAX_AMOUNT) } else { MAX_AMOUNT };
            if amount > most {
                return Err(Mismatch::new(name, format!("at most {most}"), amount));
            }
        }
        let (rows, columns) = (self.top + self.bottom, self.left + self.right);
        Ok(TensorType::f32([n, h.saturating_add(rows), w.saturating_add(columns), c]))
    }

    /// Emits `shaders`, one thread for every element or four of the result; `image` is the image without padding.
    fn emit(&self, lowering: &mut Lowering<'_>, shaders: &[Shader; 2], image: &Shape) -> Result<()> {
        let (x, y, lanes) = (lowering.input(0).buffer, lowering.output(), lowering.target().lanes());
        let [_, h, w, c] = image.nhwc().expect("checked by infer");
        let by = if c.is_multiple_of(4) { 4 } else { 1 };
        let total = lowering.output_ty().shape.numel() / by;
        let mode = match self.mode {
            PadMode::Zero => 0u32,
            PadMode::Reflect => 1,
            PadMode::Replicate => 2,
        };
        let dispatch = lowering.dispatch(&shaders[by / 4]).define("WG", lanes).define("CHANNELS_A_THREAD", by);
        let dispatch = dispatch.define("MODE", mode).param("total", total).param("h", h).param("w", w);
        let dispatch = dispatch.param("c", c / by).param("top", self.top).param("bottom", self.bottom);
        let dispatch = dispatch.param("left", self.left).param("right", self.right);
        dispatch.bind("x", x).bind("y", y).threads(total)
    }
}

impl Operator for Pad2d {
    fn name(&self) -> &'static str {
        "pad2d"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        self.result(x)
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let grad = || Pad2dGrad { pad: *self, image: call.inputs[0].shape() };
        Ok(vec![call.grad(0, || call.cotangent.recorder().apply(grad(), &[call.cotangent]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let image = lowering.input_ty(0).shape.clone();
        self.emit(lowering, &PAD, &image)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 0, bytes: inputs[0].bytes() + output.bytes() }
    }
}

/// The adjoint of padding an image of shape `image`: every pixel gets the sum of those that were copied from it.
#[derive(Debug, Clone)]
struct Pad2dGrad {
    pad: Pad2d,
    image: Shape,
}

impl Operator for Pad2dGrad {
    fn name(&self) -> &'static str {
        "pad2d_grad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [_] = operands(inputs)?;
        Ok(TensorType::f32(self.image.clone()))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![call.grad(0, || call.cotangent.pad2d(self.pad))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        self.pad.emit(lowering, &PAD_GRAD, &self.image)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: inputs[0].shape.numel() as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

impl<'r> Var<'r> {
    /// This image N×H×W×C with rows and columns around it: N×(top + H + bottom)×(left + W + right)×C. Amounts of
    /// [`PadMode::Reflect`] must be less than the extent they mirror.
    #[track_caller]
    pub fn pad2d(self, pad: Pad2d) -> Result<Var<'r>> {
        self.recorder().apply(pad, &[self])
    }
}
