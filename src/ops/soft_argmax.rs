//! The mean position of a map's softmax: an arg-max that gradients flow through.

use super::{Cost, Operator, VjpCall, image_extents, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;

const PARTIAL: Shader = shader!("reduce/soft_argmax_partial.wgsl", with "common/index.wgsl");
const WHOLE: Shader = shader!("reduce/soft_argmax.wgsl", with "common/index.wgsl");
const GRAD: Shader = shader!("reduce/soft_argmax_grad.wgsl", with "common/index.wgsl");

/// The least run of pixels that one thread adds up, of maps that have more.
const CHUNK: usize = 128;

/// For each map its mean position (u, v) under the softmax of x / temperature, its largest element m and ln Σ exp((x − m) /
/// temperature): N×C×4. The last two serve the gradient alone, and none flows through them.
#[derive(Debug, Clone, Copy)]
struct SoftArgmax {
    temperature: f32,
}

impl SoftArgmax {
    fn beta(&self) -> f32 {
        1.0 / self.temperature
    }
}

impl Operator for SoftArgmax {
    fn name(&self) -> &'static str {
        "soft_argmax2d"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        let [n, _, _, c] = image_extents("x", x)?;
        let fits = |v: f32| v.is_finite() && v > 0.0;
        if !(fits(self.temperature) && fits(self.beta())) {
            return Err(Mismatch::new("temperature", "a positive number that has an inverse", self.temperature));
        }
        Ok(TensorType::f32([n, c, 4]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, y, gy) = (call.inputs[0], call.output, call.cotangent);
        Ok(vec![call.grad(0, || x.recorder().apply(SoftArgmaxGrad(*self), &[x, y, gy]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y, lanes) = (lowering.input(0), lowering.output(), lowering.target().lanes());
        let [n, h, w, c] = x.ty.shape.nhwc().expect("checked by infer");
        let pixels = h * w;
        // No longer than the square root of the map's size: the chunks are added up in one run too.
        let chunks = pixels.div_ceil(CHUNK.max(pixels.isqrt()));
        let parts = lowering.scratch(4 * n * chunks * c);
        let dispatch = lowering.dispatch(&PARTIAL).define("WG", lanes).bind("x", x.buffer).bind("parts", parts);
        let dispatch = dispatch.param("total", n * chunks * c).param("pixels", pixels).param("w", w).param("c", c);
        let dispatch = dispatch.param("chunks", chunks).param("chunk", pixels.div_ceil(chunks));
        dispatch.param("beta", self.beta()).threads(n * chunks * c)?;
        let dispatch = lowering.dispatch(&WHOLE).define("WG", lanes).bind("parts", parts).bind("y", y);
        let dispatch = dispatch.param("total", n * c).param("c", c).param("chunks", chunks);
        dispatch.param("beta", self.beta()).threads(n * c)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 8 * inputs[0].shape.numel() as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

/// The gradient with respect to x, from x, y and gy.
#[derive(Debug, Clone, Copy)]
struct SoftArgmaxGrad(SoftArgmax);

impl Operator for SoftArgmaxGrad {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, _, _] = operands(inputs)?;
        Ok(x.clone())
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; 3])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y, gy) = (lowering.input(0), lowering.input(1).buffer, lowering.input(2).buffer);
        let (gx, lanes) = (lowering.output(), lowering.target().lanes());
        let [n, h, w, c] = x.ty.shape.nhwc().expect("checked by infer");
        let dispatch = lowering.dispatch(&GRAD).define("WG", lanes).bind("x", x.buffer).bind("y", y);
        let dispatch = dispatch.bind("gy", gy).bind("gx", gx).param("total", n * h * w * c).param("pixels", h * w);
        dispatch.param("w", w).param("c", c).param("beta", self.0.beta()).threads(n * h * w * c)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 8 * output.shape.numel() as u64, bytes }
    }
}

impl<'r> Var<'r> {
    /// The mean position of each map of N×H×W×C under its softmax, `Σ p·(u, v)` with p = softmax(x / temperature) over the map's
    /// pixels: N×C×2, u right and v down in pixels, the first pixel's centre at 0.5 (Luvizon et al. 2019, "Human pose
    /// regression by combining indirect part detection and contextual information", eqs. 1–2; Sun et al. 2018, "Integral human
    /// pose regression", eq. 2). The lower the temperature, the nearer to the arg-max.
    #[track_caller]
    pub fn soft_argmax2d(self, temperature: f32) -> Result<Var<'r>> {
        self.recorder().apply(SoftArgmax { temperature }, &[self])?.slice(2, 0, 2)
    }
}
