//! Transposed convolution of N×H×W×C images: the adjoint of [`Conv2d`], which makes an image larger where that makes it
//! smaller. It shares all kernels with it.

use std::sync::Arc;

use super::conv2d::{Conv2d, conv_cost, lower_adjoint, weight_gradient};
use super::operand::Epilogue;
use super::{Cost, Ending, Operator, Storage, VjpCall, expect_f32};
use crate::error::{Mismatch, Result};
use crate::exec::Lowering;
use crate::graph::Var;
use crate::shape::{Shape, TensorType};

/// Attributes of a transposed convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvTranspose2d {
    /// Pixels of the result between what neighbouring input pixels give to one tap.
    pub stride: usize,
    /// Pixels cut off the result on every side.
    pub padding: usize,
    /// Rows and columns added to the result at its end, fewer than `stride`: which of the sizes is meant that a convolution
    /// would have brought to the input's.
    pub output_padding: usize,
    /// Pixels between neighbouring taps.
    pub dilation: usize,
    /// How many groups the channels are cut into, as [`Conv2d::groups`].
    pub groups: usize,
}

impl Default for ConvTranspose2d {
    fn default() -> Self {
        ConvTranspose2d { stride: 1, padding: 0, output_padding: 0, dilation: 1, groups: 1 }
    }
}

impl ConvTranspose2d {
    /// The convolution this is the adjoint of.
    fn adjoint(&self) -> Conv2d {
        Conv2d { stride: self.stride, padding: self.padding, dilation: self.dilation, groups: self.groups }
    }

    /// The result's type.
    fn result(&self, x: &Shape, w: &Shape) -> Result<TensorType, Mismatch> {
        let Some([n, h, width, ci]) = x.nhwc() else {
            return Err(Mismatch::new("input", "4 axes N×H×W×C", x));
        };
        let Some([kh, kw, wo, wi]) = w.nhwc() else {
            return Err(Mismatch::new("weight", "4 axes KH×KW×Co/groups×Ci", w));
        };
        for (operand, shape) in [("input", x), ("weight", w)] {
            if shape.dims().contains(&0) {
                return Err(Mismatch::new(operand, "no axis of extent 0", shape));
            }
        }
        let co = wo.saturating_mul(self.groups);
        self.adjoint().check(co, ci)?;
        if wi != ci {
            return Err(Mismatch::new("weight", format!("{ci} input channels"), format!("{wi} in {w}")));
        }
        if self.output_padding >= self.stride {
            let expected = format!("less than the stride of {}", self.stride);
            return Err(Mismatch::new("output_padding", expected, self.output_padding));
        }
        let out = |size: usize, kernel: usize| {
            let full = (size - 1).checked_mul(self.stride)?.checked_add((kernel - 1).checked_mul(self.dilation)?)?;
            full.checked_add(self.output_padding + 1)
        };
        let (Some(full_h), Some(full_w)) = (out(h, kh), out(width, kw)) else {
            return Err(Mismatch::new("weight", "a result whose extents can be counted", w));
        };
        let cut = |full: usize| full.checked_sub(2 * self.padding).filter(|&n| n > 0);
        let (Some(oh), Some(ow)) = (cut(full_h), cut(full_w)) else {
            let expected = format!("some of {full_h}×{full_w} pixels left between twice the padding");
            return Err(Mismatch::new("padding", expected, self.padding));
        };
        Ok(TensorType::f32([n, oh, ow, co]))
    }
}

/// A transposed convolution with its epilogue: operands x, w, the bias if there is one, and if `addend` what is added to the
/// result.
#[derive(Debug, Clone, Copy)]
struct Transposed {
    conv: ConvTranspose2d,
    bias: bool,
    addend: bool,
    relu: bool,
}

impl Operator for Transposed {
    fn name(&self) -> &'static str {
        "conv_transpose2d"
    }

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let expected = 2 + usize::from(self.bias) + usize::from(self.addend);
        if inputs.len() != expected {
            return Err(Mismatch::new("operands", expected, inputs.len()));
        }
        let [x, w] = [inputs[0], inputs[1]];
        expect_f32("input", x)?;
        expect_f32("weight", w)?;
        let ty = self.conv.result(&x.shape, &w.shape)?;
        let channels = TensorType::f32([ty.shape.channels()]);
        if let Some(bias) = inputs.get(2).filter(|b| self.bias && ***b != channels) {
            return Err(Mismatch::new("bias", channels, bias));
        }
        match inputs.last().filter(|t| self.addend && ***t != ty) {
            Some(addend) => Err(Mismatch::new("addend", ty, addend)),
            None => Ok(ty),
        }
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, w, conv) = (call.inputs[0], call.inputs[1], self.conv.adjoint());
        let gy = if self.relu { call.cotangent.relu_mask(call.output)? } else { call.cotangent };
        let mut grads = vec![
            call.grad(0, || gy.conv2d(w, conv))?,
            // The adjoint's input is this one's result and the other way round.
            call.grad(1, || weight_gradient(gy, x, conv, w.shape()))?,
        ];
        if self.bias {
            grads.push(call.grad(2, || gy.sum_to(call.inputs[2].shape()))?);
        }
        if self.addend {
            grads.push(call.grad(grads.len(), || Ok(gy))?);
        }
        Ok(grads)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let bias = self.bias.then(|| lowering.input(2).buffer);
        let addend = self.addend.then(|| lowering.input(lowering.input_count() - 1).buffer);
        let shape = lowering.output_ty().shape.clone();
        lower_adjoint(lowering, &self.conv.adjoint(), &shape, Epilogue { bias, norm: None, addend, relu: self.relu })
    }

    fn with_ending(&self, ending: Ending, _: &[&TensorType]) -> Option<Arc<dyn Operator>> {
        match ending {
            Ending::Addend if !self.addend && !self.relu => Some(Arc::new(Transposed { addend: true, ..*self })),
            Ending::Relu if !self.relu => Some(Arc::new(Transposed { relu: true, ..*self })),
            _ => None,
        }
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        conv_cost(inputs[1], inputs[0], inputs, output)
    }
}

impl<'r> Var<'r> {
    /// The transposed convolution of this N×H×W×Ci image with `weight` KH×KW×Co/groups×Ci: every pixel gives its channels,
    /// times the weight's taps, to the pixels around `stride` times its place (Dumoulin and Visin 2016, "A guide to
    /// convolution arithmetic", §4). The result is N×OH×OW×Co with
    /// OH = (H − 1)·stride − 2·padding + dilation·(KH − 1) + output_padding + 1. Fails if a channel count does not fit, the
    /// groups do not divide both, a stride or dilation is 0, the output padding is not less than the stride, or the padding
    /// leaves nothing.
    #[track_caller]
    pub fn conv_transpose2d(self, weight: Var<'r>, conv: ConvTranspose2d) -> Result<Var<'r>> {
        self.recorder().apply(Transposed { conv, bias: false, addend: false, relu: false }, &[self, weight])
    }

    /// [`Var::conv_transpose2d`] with a bias and, if `relu`, a ReLU, in the same dispatch.
    #[track_caller]
    pub fn conv_transpose2d_bias(
        self,
        weight: Var<'r>,
        bias: Var<'r>,
        conv: ConvTranspose2d,
        relu: bool,
    ) -> Result<Var<'r>> {
        self.recorder().apply(Transposed { conv, bias: true, addend: false, relu }, &[self, weight, bias])
    }
}
