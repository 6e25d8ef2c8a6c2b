//! Heat-maps of joint positions: the target that the first stage of a pose network learns.

use super::{Cost, Operator, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::{Recorder, Var};
use crate::shader;
use crate::shape::TensorType;

const HEATMAPS: Shader = shader!("pointwise/gaussian_heatmaps.wgsl", with "common/index.wgsl");

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
        for (what, extent) in [("h", self.h), ("w", self.w)] {
            if !(1..=MAX_EXTENT).contains(&extent) {
                return Err(Mismatch::new(what, format!("1 to {MAX_EXTENT}"), extent));
            }
        }
        if !(self.sigma_px.is_finite() && self.sigma_px > 0.0) {
            return Err(Mismatch::new("sigma_px", "a positive number", self.sigma_px));
        }
        Ok(TensorType::f32([n, self.h, self.w, joints]))
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None])
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

impl Recorder {
    /// Heat-maps N×h×w×J of joints `uv` (N×J×2: u right, v down, in heat-map pixels, the first pixel's centre at 0.5):
    /// exp(−d² / 2σ²), d the distance from the pixel's centre and σ = `sigma_px`. For targets: has no gradient.
    #[track_caller]
    pub fn gaussian_heatmaps<'r>(&'r self, uv: Var<'r>, h: usize, w: usize, sigma_px: f32) -> Result<Var<'r>> {
        self.apply(GaussianHeatmaps { h, w, sigma_px }, &[uv])
    }
}
