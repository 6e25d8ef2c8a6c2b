//! 2D convolution of N×H×W×C images (strictly: cross-correlation, as networks use the word).

use super::{Cost, Operator, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{BufferRef, Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::{Shape, TensorType};

const DIRECT: Shader = shader!("conv/direct.wgsl", with "common/index.wgsl");

/// Attributes of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conv2d {
    /// Pixels between neighbouring outputs.
    pub stride: usize,
    /// Zeros around the image on every side.
    pub padding: usize,
    /// Pixels between neighbouring taps.
    pub dilation: usize,
}

impl Default for Conv2d {
    fn default() -> Self {
        Conv2d { stride: 1, padding: 0, dilation: 1 }
    }
}

/// The extents a convolution works with.
#[derive(Debug, Clone, Copy)]
struct Extents {
    n: usize,
    h: usize,
    w: usize,
    ci: usize,
    kh: usize,
    kw: usize,
    co: usize,
    oh: usize,
    ow: usize,
}

impl Conv2d {
    fn extents(&self, x: &Shape, w: &Shape) -> Result<Extents, Mismatch> {
        let Some([n, h, width, ci]) = x.nhwc() else {
            return Err(Mismatch::new("input", "4 axes N×H×W×C", x));
        };
        let Some([kh, kw, wi, co]) = w.nhwc() else {
            return Err(Mismatch::new("weight", "4 axes KH×KW×Ci×Co", w));
        };
        if wi != ci {
            return Err(Mismatch::new("weight", format!("{ci} input channels"), format!("{wi} in {w}")));
        }
        for (operand, shape) in [("input", x), ("weight", w)] {
            if shape.numel() == 0 {
                return Err(Mismatch::new(operand, "no axis of extent 0", shape));
            }
        }
        if self.stride == 0 || self.dilation == 0 {
            let got = format!("stride {}, dilation {}", self.stride, self.dilation);
            return Err(Mismatch::new("attributes", "stride and dilation of at least 1", got));
        }
        let out = |size: usize, kernel: usize| {
            let reach = (kernel - 1).checked_mul(self.dilation)? + 1;
            Some(size.checked_add(self.padding.checked_mul(2)?)?.checked_sub(reach)? / self.stride + 1)
        };
        match (out(h, kh), out(width, kw)) {
            (Some(oh), Some(ow)) => Ok(Extents { n, h, w: width, ci, kh, kw, co, oh, ow }),
            _ => {
                let padded =
                    format!("a kernel within the padded input {}×{}", h + 2 * self.padding, width + 2 * self.padding);
                Err(Mismatch::new("weight", padded, format!("{kh}×{kw} at dilation {}", self.dilation)))
            }
        }
    }
}

/// A convolution with its epilogue: operands x, w and, if `bias`, b.
#[derive(Debug, Clone, Copy)]
struct Forward {
    conv: Conv2d,
    bias: bool,
    relu: bool,
}

impl Operator for Forward {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, w] = if self.bias { operands::<3>(inputs).map(|[x, w, _]| [x, w])? } else { operands(inputs)? };
        expect_f32("input", x)?;
        expect_f32("weight", w)?;
        let e = self.conv.extents(&x.shape, &w.shape)?;
        if let Some(bias) = inputs.get(2).filter(|b| b.shape != Shape::from([e.co])) {
            return Err(Mismatch::new("bias", Shape::from([e.co]), bias));
        }
        Ok(TensorType::f32([e.n, e.oh, e.ow, e.co]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, w, r) = (call.inputs[0], call.inputs[1], call.output.recorder());
        let gy = if self.relu { call.cotangent.relu_mask(call.output)? } else { call.cotangent };
        let gx = call.grad(0, || r.apply(InputGradient(self.conv, x.shape()), &[gy, w]))?;
        let gw = call.grad(1, || r.apply(WeightGradient(self.conv, w.shape()), &[x, gy]))?;
        let mut grads = vec![gx, gw];
        if self.bias {
            grads.push(call.grad(2, || gy.sum_to(call.inputs[2].shape()))?);
        }
        Ok(grads)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, w) = (lowering.input(0), lowering.input(1));
        let bias = if self.bias { lowering.input(2).buffer } else { BufferRef::Unused };
        let e = self.conv.extents(&x.ty.shape, &w.ty.shape).expect("checked by infer");
        direct(lowering, self.conv, e, 0, [x.buffer, w.buffer, bias], (self.bias, self.relu))
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        conv_cost(inputs[1], output, inputs, output)
    }
}

/// A multiply-add for every weight at every output pixel.
fn conv_cost(w: &TensorType, y: &TensorType, inputs: &[&TensorType], output: &TensorType) -> Cost {
    let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
    Cost { flops: 2 * (w.shape.numel() * y.shape.rows()) as u64, bytes }
}

/// The gradient with respect to the input, of the given shape, from gy and w.
#[derive(Debug, Clone)]
struct InputGradient(Conv2d, Shape);

impl Operator for InputGradient {
    fn name(&self) -> &'static str {
        "conv2d_input_grad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [_, w] = operands(inputs)?;
        self.0.extents(&self.1, &w.shape)?;
        Ok(TensorType::f32(self.1.clone()))
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (gy, w) = (lowering.input(0), lowering.input(1));
        let e = self.0.extents(&self.1, &w.ty.shape).expect("checked by infer");
        direct(lowering, self.0, e, 1, [gy.buffer, w.buffer, BufferRef::Unused], (false, false))
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        conv_cost(inputs[1], inputs[0], inputs, output)
    }
}

/// The gradient with respect to the weight, of the given shape, from x and gy.
#[derive(Debug, Clone)]
struct WeightGradient(Conv2d, Shape);

impl Operator for WeightGradient {
    fn name(&self) -> &'static str {
        "conv2d_weight_grad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, _] = operands(inputs)?;
        self.0.extents(&x.shape, &self.1)?;
        Ok(TensorType::f32(self.1.clone()))
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, gy) = (lowering.input(0), lowering.input(1));
        let e = self.0.extents(&x.ty.shape, &self.1).expect("checked by infer");
        direct(lowering, self.0, e, 2, [x.buffer, gy.buffer, BufferRef::Unused], (false, false))
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        conv_cost(output, inputs[1], inputs, output)
    }
}

fn direct(
    lowering: &mut Lowering<'_>,
    conv: Conv2d,
    e: Extents,
    pass: u32,
    [a, b, bias]: [BufferRef; 3],
    (has_bias, relu): (bool, bool),
) -> Result<()> {
    let (out, lanes) = (lowering.output(), lowering.target().lanes());
    let threads = lowering.output_ty().shape.numel();
    let dispatch = lowering.dispatch(&DIRECT).define("WG", lanes).define("PASS", pass);
    let dispatch = dispatch.define("BIAS", has_bias).define("RELU", relu);
    let dispatch = dispatch.bind("a", a).bind("b", b).bind("bias", bias).bind("out", out);
    let dispatch = dispatch.param("n", e.n).param("h", e.h).param("w", e.w).param("ci", e.ci);
    let dispatch = dispatch.param("kh", e.kh).param("kw", e.kw).param("co", e.co).param("oh", e.oh).param("ow", e.ow);
    let dispatch = dispatch.param("stride", conv.stride).param("padding", conv.padding);
    dispatch.param("dilation", conv.dilation).threads(threads)
}

impl<'r> Var<'r> {
    /// Convolves this N×H×W×Ci image with `weight` KH×KW×Ci×Co; the result is N×OH×OW×Co with
    /// OH = (H + 2·padding − dilation·(KH − 1) − 1) / stride + 1.
    #[track_caller]
    pub fn conv2d(self, weight: Var<'r>, conv: Conv2d) -> Result<Var<'r>> {
        self.recorder().apply(Forward { conv, bias: false, relu: false }, &[self, weight])
    }

    /// [`Var::conv2d`] with a bias and, if `relu`, a ReLU, in the same dispatch.
    #[track_caller]
    pub fn conv2d_bias(self, weight: Var<'r>, bias: Var<'r>, conv: Conv2d, relu: bool) -> Result<Var<'r>> {
        self.recorder().apply(Forward { conv, bias: true, relu }, &[self, weight, bias])
    }
}
