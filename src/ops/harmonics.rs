//! Spherical harmonics: what light that comes from everywhere depends on.

use super::vectors::rows;
use super::{Cost, Operator, VjpCall, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;

const HARMONICS: Shader = shader!("mesh/harmonics.wgsl", with "common/index.wgsl", with "mesh/harmonic.wgsl");

/// …×3 to …×9.
#[derive(Debug, Clone, Copy)]
struct Harmonics;

/// The gradient with respect to x from x and gy.
#[derive(Debug, Clone, Copy)]
struct HarmonicsGrad;

impl Operator for Harmonics {
    fn name(&self) -> &'static str {
        "spherical_harmonics"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        rows("x", x, 3)?;
        Ok(TensorType::f32(x.shape.with_channels(9)))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, gy) = (call.inputs[0], call.cotangent);
        Ok(vec![call.grad(0, || x.recorder().apply(HarmonicsGrad, &[x, gy]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y, lanes) = (lowering.input(0), lowering.output(), lowering.target().lanes());
        let directions = x.ty.shape.rows();
        let dispatch = lowering.dispatch(&HARMONICS).define("WG", lanes).define("GRAD", false);
        let dispatch = dispatch.bind("x", x.buffer).unused("gy").bind("y", y);
        dispatch.param("directions", directions).threads(directions)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 2 * output.shape.numel() as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

impl Operator for HarmonicsGrad {
    fn name(&self) -> &'static str {
        "spherical_harmonics"
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
        let (lanes, directions) = (lowering.target().lanes(), x.ty.shape.rows());
        let dispatch = lowering.dispatch(&HARMONICS).define("WG", lanes).define("GRAD", true);
        let dispatch = dispatch.bind("x", x.buffer).bind("gy", gy).bind("y", gx);
        dispatch.param("directions", directions).threads(directions)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 8 * output.shape.numel() as u64, bytes }
    }
}

impl<'r> Var<'r> {
    /// The real spherical harmonics of degrees 0, 1 and 2 at unit directions (x, y, z), …×3 to …×9 (Ramamoorthi and Hanrahan
    /// 2001, "An Efficient Representation for Irradiance Environment Maps", equation 3): Y₀₀; Y₁₋₁, Y₁₀, Y₁₁, which are
    /// multiples of y, z and x; Y₂₋₂, Y₂₋₁, Y₂₀, Y₂₁, Y₂₂, of xy, yz, 3z² − 1, xz and x² − y². Directions are not made
    /// unit: of other lengths the polynomials are what they are, and so are their gradients.
    #[track_caller]
    pub fn spherical_harmonics(self) -> Result<Var<'r>> {
        self.recorder().apply(Harmonics, &[self])
    }
}
