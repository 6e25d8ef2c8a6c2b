//! Heat-maps of joint positions: the target that the first stage of a pose network learns, and a picture of joints that
//! gradients flow through.

use super::{Cost, Operator, VjpCall, expect_f32, operands, within_count};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::{Recorder, Var};
use crate::shader;
use crate::shape::TensorType;

const HEATMAPS: Shader = shader!("pointwise/gaussian_heatmaps.wgsl", with "common/index.wgsl");
const ROWS_GRAD: Shader = shader!("pointwise/gaussian_heatmaps_grad.wgsl", with "common/index.wgsl");

/// The largest extent of a heat-map; keeps shapes from overflowing.
const MAX_EXTENT: usize = 65_535;

/// A Gaussian bump of height 1 around each joint.
#[derive(Debug, Clone, Copy)]
struct GaussianHeatmaps {
    h: usize,
    w: usize,
    sigma_px: f32,
}

impl Operator for GaussianHeatmaps {
    fn name(&self) -> &'static str {
        "gaussian_heatmaps"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [uv] = operands(inputs)?;
        expect_f32("uv", uv)?;
        let &[n, joints, 2] = uv.shape.dims() else { return Err(Mismatch::new("uv", "N×J×2", uv)) };
        if n == 0 || joints == 0 {
            return Err(Mismatch::new("uv", "extents of at least 1", uv));
        }
        for (what, extent) in [("h", self.h), ("w", self.w)] {
            if !(1..=MAX_EXTENT).contains(&extent) {
                return Err(Mismatch::new(what, format!("1 to {MAX_EXTENT}"), extent));
            }
        }
        // The kernels use its square's inverse.
        if !(1e-15..=1e15).contains(&self.sigma_px) {
            return Err(Mismatch::new("sigma_px", "a positive number (1e-15 to 1e15)", self.sigma_px));
        }
        within_count("result", &[n, self.h, self.w, joints])?;
        Ok(TensorType::f32([n, self.h, self.w, joints]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (uv, y, gy) = (call.inputs[0], call.output, call.cotangent);
        let g_uv =
            call.grad(0, || uv.recorder().apply(RowsGrad(*self), &[uv, y, gy])?.sum(&[1])?.reshape(uv.shape()))?;
        Ok(vec![g_uv])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (uv, y, lanes) = (lowering.input(0), lowering.output(), lowering.target().lanes());
        let (joints, total) = (uv.ty.shape.dims()[1], lowering.output_ty().shape.numel());
        let dispatch = lowering.dispatch(&HEATMAPS).define("WG", lanes).bind("uv", uv.buffer).bind("y", y);
        let dispatch = dispatch.param("total", total).param("h", self.h).param("w", self.w).param("joints", joints);
        dispatch.param("falloff", 0.5 / (self.sigma_px * self.sigma_px)).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 8 * output.shape.numel() as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

/// What each row of the maps adds to the gradient with respect to uv, N×h×J×2, from uv, y and gy.
#[derive(Debug, Clone, Copy)]
struct RowsGrad(GaussianHeatmaps);

impl Operator for RowsGrad {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [uv, _, _] = operands(inputs)?;
        let &[n, joints, 2] = uv.shape.dims() else { return Err(Mismatch::new("uv", "N×J×2", uv)) };
        Ok(TensorType::f32([n, self.0.h, joints, 2]))
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; 3])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [uv, y, gy] = [0, 1, 2].map(|i| lowering.input(i).buffer);
        let (rows, lanes) = (lowering.output(), lowering.target().lanes());
        let (joints, total) = (lowering.input_ty(0).shape.dims()[1], lowering.output_ty().shape.numel() / 2);
        let dispatch = lowering.dispatch(&ROWS_GRAD).define("WG", lanes).bind("uv", uv).bind("y", y).bind("gy", gy);
        let dispatch = dispatch.bind("g_rows", rows).param("total", total).param("h", self.0.h).param("w", self.0.w);
        dispatch.param("joints", joints).param("factor", -1.0 / (self.0.sigma_px * self.0.sigma_px)).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 6 * inputs[1].shape.numel() as u64, bytes }
    }
}

impl Recorder {
    /// Heat-maps N×h×w×J of joints `uv` (N×J×2: u right, v down, in heat-map pixels, the first pixel's centre at 0.5):
    /// exp(−d² / 2σ²), d the distance from the pixel's centre and σ = `sigma_px`. The gradient reaches the joints.
    #[track_caller]
    pub fn gaussian_heatmaps<'r>(&'r self, uv: Var<'r>, h: usize, w: usize, sigma_px: f32) -> Result<Var<'r>> {
        self.apply(GaussianHeatmaps { h, w, sigma_px }, &[uv])
    }
}
