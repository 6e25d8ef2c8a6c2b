//! Rotation matrices from what networks predict and hand models are posed by.

use super::vectors::rows;
use super::{Cost, Operator, VjpCall, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;

const AXIS_ANGLE: Shader = shader!(
    "mesh/axis_angle.wgsl",
    with "common/index.wgsl",
    with "mesh/series.wgsl",
    with "mesh/rotation.wgsl"
);
const AXIS_ANGLE_GRAD: Shader = shader!(
    "mesh/axis_angle_grad.wgsl",
    with "common/index.wgsl",
    with "mesh/series.wgsl",
    with "mesh/rotation_grad.wgsl"
);
const QUATERNION: Shader = shader!("mesh/quaternion.wgsl", with "common/index.wgsl", with "mesh/rotation.wgsl");
const QUATERNION_GRAD: Shader =
    shader!("mesh/quaternion_grad.wgsl", with "common/index.wgsl", with "mesh/rotation_grad.wgsl");
const SIX_D: Shader = shader!("mesh/six_d.wgsl", with "common/index.wgsl", with "mesh/unit_vector.wgsl");
const SIX_D_GRAD: Shader = shader!("mesh/six_d_grad.wgsl", with "common/index.wgsl", with "mesh/unit_vector.wgsl");

/// Vectors no longer than this have no direction.
const SMALLEST: f32 = 1e-12;

/// How a rotation is given.
#[derive(Debug, Clone, Copy)]
enum Form {
    AxisAngle,
    Quaternion,
    SixD,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Form::AxisAngle => "axis_angle_to_matrix",
            Form::Quaternion => "quaternion_to_matrix",
            Form::SixD => "six_d_to_matrix",
        }
    }

    /// How many numbers a rotation takes.
    fn width(self) -> usize {
        match self {
            Form::AxisAngle => 3,
            Form::Quaternion => 4,
            Form::SixD => 6,
        }
    }

    /// The shader that makes matrices, or gradients.
    fn shader(self, grad: bool) -> &'static Shader {
        match (self, grad) {
            (Form::AxisAngle, false) => &AXIS_ANGLE,
            (Form::AxisAngle, true) => &AXIS_ANGLE_GRAD,
            (Form::Quaternion, false) => &QUATERNION,
            (Form::Quaternion, true) => &QUATERNION_GRAD,
            (Form::SixD, false) => &SIX_D,
            (Form::SixD, true) => &SIX_D_GRAD,
        }
    }
}

/// …×width to …×9.
#[derive(Debug, Clone, Copy)]
struct ToMatrix(Form);

/// The gradient with respect to x from x and gy.
#[derive(Debug, Clone, Copy)]
struct ToMatrixGrad(Form);

impl Operator for ToMatrix {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        rows("x", x, self.0.width())?;
        Ok(TensorType::f32(x.shape.with_channels(9)))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, gy) = (call.inputs[0], call.cotangent);
        Ok(vec![call.grad(0, || x.recorder().apply(ToMatrixGrad(self.0), &[x, gy]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y, lanes) = (lowering.input(0), lowering.output(), lowering.target().lanes());
        let rotations = x.ty.shape.rows();
        let dispatch = lowering.dispatch(self.0.shader(false)).define("WG", lanes).define("SMALLEST", SMALLEST);
        dispatch.bind("x", x.buffer).bind("y", y).param("rotations", rotations).threads(rotations)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 6 * output.shape.numel() as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

impl Operator for ToMatrixGrad {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, _] = operands(inputs)?;
        Ok(x.clone())
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, gy) = (lowering.input(0), lowering.input(1).buffer);
        let (gx, lanes, rotations) = (lowering.output(), lowering.target().lanes(), x.ty.shape.rows());
        let dispatch = lowering.dispatch(self.0.shader(true)).define("WG", lanes).define("SMALLEST", SMALLEST);
        let dispatch = dispatch.bind("x", x.buffer).bind("gy", gy).bind("gx", gx);
        dispatch.param("rotations", rotations).threads(rotations)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 16 * output.shape.numel() as u64, bytes }
    }
}

impl<'r> Var<'r> {
    /// Rotations about axes by angles: …×3, the axis times the angle in radians, to …×9, the matrix row by row (Rodrigues). Exact
    /// and smooth at and around a turn of 0; right-handed.
    #[track_caller]
    pub fn axis_angle_to_matrix(self) -> Result<Var<'r>> {
        self.recorder().apply(ToMatrix(Form::AxisAngle), &[self])
    }

    /// Rotations from quaternions (w, x, y, z) of any length: …×4 to …×9, the matrix row by row. A length of 1e-12 or less gives
    /// the identity and no gradient.
    #[track_caller]
    pub fn quaternion_to_matrix(self) -> Result<Var<'r>> {
        self.recorder().apply(ToMatrix(Form::Quaternion), &[self])
    }

    /// Rotations from two vectors each, made orthonormal (Zhou et al. 2019, "On the Continuity of Rotation Representations in
    /// Neural Networks", eq. 15): …×6 to …×9, the matrix row by row; the vectors become its first two columns. Where one is
    /// no longer than 1e-12, or the second than that across the first, the columns it decides are 0, and so is its gradient.
    #[track_caller]
    pub fn six_d_to_matrix(self) -> Result<Var<'r>> {
        self.recorder().apply(ToMatrix(Form::SixD), &[self])
    }
}
