//! Rotations about points other than the origin.

use super::vectors::rows;
use super::{Cost, Operator, VjpCall, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;

const FORWARD: Shader = shader!("mesh/turn_about.wgsl", with "common/index.wgsl");
const GRAD: Shader = shader!("mesh/turn_about_grad.wgsl", with "common/index.wgsl");

/// Rotations …×9 and points …×3 to affine maps …×12.
#[derive(Debug, Clone, Copy)]
struct TurnAbout;

/// The gradient with respect to the rotations, or to the points, from rotations, points and gy.
#[derive(Debug, Clone, Copy)]
struct TurnAboutGrad {
    points: bool,
}

impl Operator for TurnAbout {
    fn name(&self) -> &'static str {
        "turn_about"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [rotations, points] = operands(inputs)?;
        rows("rotations", rotations, 9)?;
        rows("points", points, 3)?;
        let expected = rotations.shape.with_channels(3);
        Mismatch::unless(points.shape == expected, "points", expected, points)?;
        Ok(TensorType::f32(rotations.shape.with_channels(12)))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (rotations, points, gy) = (call.inputs[0], call.inputs[1], call.cotangent);
        let grad = |points_wanted| TurnAboutGrad { points: points_wanted };
        let apply = |operator| gy.recorder().apply(operator, &[rotations, points, gy]);
        Ok(vec![call.grad(0, || apply(grad(false)))?, call.grad(1, || apply(grad(true)))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [rotations, points] = [0, 1].map(|i| lowering.input(i).buffer);
        let (y, lanes, turns) = (lowering.output(), lowering.target().lanes(), lowering.output_ty().shape.rows());
        let dispatch = lowering.dispatch(&FORWARD).define("WG", lanes).bind("rotations", rotations);
        dispatch.bind("points", points).bind("y", y).param("turns", turns).threads(turns)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 2 * output.shape.numel() as u64, bytes }
    }
}

impl Operator for TurnAboutGrad {
    fn name(&self) -> &'static str {
        "turn_about"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [rotations, points, _] = operands(inputs)?;
        Ok(if self.points { points.clone() } else { rotations.clone() })
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; 3])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [rotations, points, gy] = [0, 1, 2].map(|i| lowering.input(i).buffer);
        let (gx, lanes, turns) = (lowering.output(), lowering.target().lanes(), lowering.output_ty().shape.rows());
        let dispatch = lowering.dispatch(&GRAD).define("WG", lanes).define("POINTS", self.points);
        let dispatch = dispatch.bind("rotations", rotations).bind("points", points).bind("gy", gy).bind("gx", gx);
        dispatch.param("turns", turns).threads(turns)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 2 * output.shape.numel() as u64, bytes }
    }
}

impl<'r> Var<'r> {
    /// These rotations (…×9, row by row) about points (…×3) instead of the origin: affine maps `x ↦ R·(x − p) + p`, …×12 (3×4 row
    /// by row). Down a tree of joints at rest, each turned about its own place, [`Var::forward_kinematics`] of them moves what
    /// is fixed to each joint.
    #[track_caller]
    pub fn turn_about(self, points: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(TurnAbout, &[self, points])
    }
}
