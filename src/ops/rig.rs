//! A rig's joints: maps to their parents from angles, and from the rest space from stretches.

use std::sync::Arc;

use glam::{DMat3, DVec3};

use super::vectors::{batch, starts, words};
use super::{Cost, Operator, Skeleton, VjpCall, operands};
use crate::error::{Error, Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::{TensorData, Var};
use crate::shader;
use crate::shape::TensorType;

const POSE: Shader = shader!(
    "mesh/rig_pose.wgsl",
    with "common/index.wgsl",
    with "mesh/series.wgsl",
    with "mesh/bend.wgsl",
    with "mesh/rig.wgsl"
);
const ANGLES_GRAD: Shader = shader!(
    "mesh/rig_angles_grad.wgsl",
    with "common/index.wgsl",
    with "mesh/series.wgsl",
    with "mesh/bend.wgsl",
    with "mesh/rig.wgsl"
);
const STEPS_GRAD: Shader = shader!("mesh/rig_steps_grad.wgsl", with "common/index.wgsl", with "mesh/rig.wgsl");
const ROOT_GRAD: Shader = shader!(
    "mesh/rig_root_grad.wgsl",
    with "common/index.wgsl",
    with "mesh/series.wgsl",
    with "mesh/bend.wgsl",
    with "mesh/rig.wgsl"
);
const SHAPE: Shader = shader!("mesh/rig_shape.wgsl", with "common/index.wgsl");
const SHAPE_GRAD: Shader = shader!("mesh/rig_shape_grad.wgsl", with "common/index.wgsl");

/// How far a frame may be from a rotation, at most.
const ROUNDING: f64 = 1e-3;

/// A joint of a [`Rig`] at rest. Axes are the columns of matrices given row by row: right-handed, of length 1, orthogonal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RigFrame {
    /// Where it is, in the model's space.
    pub origin: [f64; 3],
    /// The axes it bends about: flexion about x, abduction about z, twist about y.
    pub axes: [f64; 9],
    /// The axes that space around it is stretched along.
    pub stretch: [f64; 9],
}

/// Joints that bend about axes of their own and stretch the space around them: a constant, checked once.
#[derive(Debug)]
pub struct Rig {
    skeleton: Arc<Skeleton>,
    /// J×6 rows of four, as `mesh/rig.wgsl` reads them.
    rest: Vec<f32>,
    /// J×6 rows of four, as `mesh/rig_shape.wgsl` reads them.
    inverse: Vec<f32>,
    /// Each joint's children, one list after the other, and where each begins.
    children: Vec<u32>,
    children_ptr: Vec<u32>,
}

impl Rig {
    /// From a tree with one root, its first joint, and the joints at rest.
    pub fn new(skeleton: Arc<Skeleton>, frames: &[RigFrame]) -> Result<Arc<Self>> {
        let parents = skeleton.parents();
        if frames.len() != parents.len() {
            return Err(Error::invalid("rig: frames", parents.len(), frames.len()));
        }
        if let Some(joint) = (1..parents.len()).find(|&joint| parents[joint] as usize == joint) {
            return Err(Error::invalid("rig: skeleton", "one root, the first joint", format!("joint {joint} too")));
        }
        for (joint, frame) in frames.iter().enumerate() {
            for matrix in [&frame.axes, &frame.stretch].map(matrix) {
                let off = matrix * matrix.transpose() - DMat3::IDENTITY;
                let is_rotation = off.abs().to_cols_array().iter().all(|v| *v < ROUNDING) && matrix.determinant() > 0.0;
                if !is_rotation || !frame.origin.iter().all(|v| v.is_finite()) {
                    return Err(Error::invalid(
                        "rig: frames",
                        "finite places and rotations",
                        format!("joint {joint}: {frame:?}"),
                    ));
                }
            }
        }
        let (mut rest, mut inverse, mut children) = (Vec::new(), Vec::new(), vec![Vec::new(); frames.len()]);
        for (joint, frame) in frames.iter().enumerate() {
            let (axes, stretch) = (matrix(&frame.axes), matrix(&frame.stretch));
            let origin = DVec3::from_array(frame.origin);
            let (turn, step) = match parents[joint] as usize {
                parent if parent == joint => (axes, DVec3::ZERO),
                parent => {
                    children[parent].push(joint as u32);
                    let above = &frames[parent];
                    let step = matrix(&above.stretch).transpose() * (origin - DVec3::from_array(above.origin));
                    (matrix(&above.axes).transpose() * axes, step)
                }
            };
            let own = axes.transpose() * stretch;
            rest.extend(rows(turn, step).into_iter().chain(rows(own, DVec3::ZERO)));
            let to_stretch = stretch.transpose();
            inverse.extend(rows(to_stretch, -(to_stretch * origin)).into_iter().chain(rows(own, DVec3::ZERO)));
        }
        let children_ptr = starts(children.iter().map(Vec::len));
        // A leaf has none; a rig of one joint keeps the list from being empty.
        let children = if frames.len() == 1 { vec![0] } else { children.concat() };
        Ok(Arc::new(Rig { skeleton, rest, inverse, children, children_ptr }))
    }

    /// The tree of joints.
    pub fn skeleton(&self) -> &Arc<Skeleton> {
        &self.skeleton
    }

    /// How many joints there are.
    pub fn joints(&self) -> usize {
        self.skeleton.joints()
    }
}

fn matrix(rows: &[f64; 9]) -> DMat3 {
    DMat3::from_cols_array(rows).transpose()
}

/// A map's rows of four.
fn rows(linear: DMat3, offset: DVec3) -> [f32; 12] {
    std::array::from_fn(|k| if k % 4 == 3 { offset[k / 4] } else { linear.col(k % 4)[k / 4] } as f32)
}

fn numbers(values: &[f32]) -> TensorData {
    TensorData::f32([values.len()], values).expect("as long as itself")
}

/// Checks N×J×3 operands; how many samples there are.
fn joints(operand: &'static str, ty: &TensorType, rig: &Rig) -> Result<usize, Mismatch> {
    Ok(batch(operand, ty, Some(rig.joints()), 3)?[0])
}

/// Checks an operand of a vector of `channels` for each of `n` samples.
fn each(operand: &'static str, ty: &TensorType, n: usize, channels: usize) -> Result<(), Mismatch> {
    super::expect_f32(operand, ty)?;
    Mismatch::unless(ty.shape.dims() == [n, channels], operand, format!("{n}×{channels}"), ty)
}

/// Maps to the parents, N×J×12, from angles and stretches N×J×3, rotation N×9 and translation N×3.
#[derive(Debug, Clone)]
struct RigPose(Arc<Rig>);

/// An operand of [`RigPose`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Angles,
    Stretches,
    Rotation,
    Translation,
}

/// The gradient of [`RigPose`] with respect to one operand, from angles, stretches, rotation and gy.
#[derive(Debug, Clone)]
struct RigPoseGrad {
    rig: Arc<Rig>,
    part: Part,
}

impl Operator for RigPose {
    fn name(&self) -> &'static str {
        "rig_pose"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [angles, stretches, rotation, translation] = operands(inputs)?;
        let n = joints("angles", angles, &self.0)?;
        joints("stretches", stretches, &self.0)?;
        Mismatch::unless(stretches == angles, "stretches", angles, stretches)?;
        each("rotation", rotation, n, 9)?;
        each("translation", translation, n, 3)?;
        Ok(TensorType::f32([n, self.0.joints(), 12]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let [angles, stretches, rotation] = [0, 1, 2].map(|i| call.inputs[i]);
        let grad = |(i, part)| {
            let operator = RigPoseGrad { rig: self.0.clone(), part };
            call.grad(i, || call.output.recorder().apply(operator, &[angles, stretches, rotation, call.cotangent]))
        };
        let parts = [Part::Angles, Part::Stretches, Part::Rotation, Part::Translation];
        parts.into_iter().enumerate().map(grad).collect()
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [angles, stretches, rotation, translation] = [0, 1, 2, 3].map(|i| lowering.input(i).buffer);
        let (y, lanes, total) = (lowering.output(), lowering.target().lanes(), lowering.output_ty().shape.rows());
        let parents = lowering.constant(words(self.0.skeleton.parents()));
        let rest = lowering.constant(numbers(&self.0.rest));
        let dispatch = lowering.dispatch(&POSE).define("WG", lanes).bind("angles", angles).bind("stretches", stretches);
        let dispatch = dispatch.bind("rotation", rotation).bind("translation", translation);
        let dispatch = dispatch.bind("parents", parents).bind("rest", rest).bind("y", y);
        dispatch.param("total", total).param("joints", self.0.joints()).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes() + 4 * self.0.rest.len() as u64;
        Cost { flops: 16 * output.shape.numel() as u64, bytes }
    }
}

impl Operator for RigPoseGrad {
    fn name(&self) -> &'static str {
        "rig_pose"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [angles, _, rotation, _] = operands(inputs)?;
        Ok(match self.part {
            Part::Angles | Part::Stretches => angles.clone(),
            Part::Rotation => rotation.clone(),
            Part::Translation => TensorType::f32([angles.shape.dims()[0], 3]),
        })
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; 4])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [angles, stretches, rotation, gy] = [0, 1, 2, 3].map(|i| lowering.input(i).buffer);
        let (gx, lanes, rig) = (lowering.output(), lowering.target().lanes(), &self.rig);
        let rest = lowering.constant(numbers(&rig.rest));
        let (total, joints) = (lowering.input(0).ty.shape.rows(), rig.joints());
        match self.part {
            Part::Angles => {
                let dispatch = lowering.dispatch(&ANGLES_GRAD).define("WG", lanes).bind("angles", angles);
                let dispatch = dispatch.bind("rotation", rotation).bind("rest", rest).bind("gy", gy).bind("gx", gx);
                dispatch.param("total", total).param("joints", joints).threads(total)
            }
            Part::Stretches => {
                let [ptr, children] = [&rig.children_ptr, &rig.children].map(|list| lowering.constant(words(list)));
                let dispatch = lowering.dispatch(&STEPS_GRAD).define("WG", lanes).bind("stretches", stretches);
                let dispatch = dispatch.bind("children_ptr", ptr).bind("children", children).bind("rest", rest);
                let dispatch = dispatch.bind("gy", gy).bind("gx", gx);
                dispatch.param("total", total).param("joints", joints).threads(total)
            }
            Part::Rotation | Part::Translation => {
                let samples = total / joints;
                let dispatch = lowering.dispatch(&ROOT_GRAD).define("WG", lanes);
                let dispatch = dispatch.define("TRANSLATION", self.part == Part::Translation);
                let dispatch = dispatch.bind("angles", angles).bind("rest", rest).bind("gy", gy).bind("gx", gx);
                dispatch.param("samples", samples).param("joints", joints).threads(samples)
            }
        }
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes() + 4 * self.rig.rest.len() as u64;
        Cost { flops: 32 * output.shape.numel() as u64, bytes }
    }
}

/// Maps from the rest space to the stretched axes of the joints, N×J×12.
#[derive(Debug, Clone)]
struct RigShape(Arc<Rig>);

/// The gradient with respect to the stretches, from stretches and gy.
#[derive(Debug, Clone)]
struct RigShapeGrad(Arc<Rig>);

impl Operator for RigShape {
    fn name(&self) -> &'static str {
        "rig_shape"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [stretches] = operands(inputs)?;
        let n = joints("stretches", stretches, &self.0)?;
        Ok(TensorType::f32([n, self.0.joints(), 12]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, gy) = (call.inputs[0], call.cotangent);
        Ok(vec![call.grad(0, || x.recorder().apply(RigShapeGrad(self.0.clone()), &[x, gy]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y, lanes) = (lowering.input(0).buffer, lowering.output(), lowering.target().lanes());
        let total = lowering.output_ty().shape.rows();
        let inverse = lowering.constant(numbers(&self.0.inverse));
        let dispatch = lowering.dispatch(&SHAPE).define("WG", lanes).bind("stretches", x).bind("inverse", inverse);
        dispatch.bind("y", y).param("total", total).param("joints", self.0.joints()).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs[0].bytes() + output.bytes() + 4 * self.0.inverse.len() as u64;
        Cost { flops: 7 * output.shape.numel() as u64, bytes }
    }
}

impl Operator for RigShapeGrad {
    fn name(&self) -> &'static str {
        "rig_shape"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, _] = operands(inputs)?;
        Ok(x.clone())
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [x, gy] = [0, 1].map(|i| lowering.input(i).buffer);
        let (gx, lanes, total) = (lowering.output(), lowering.target().lanes(), lowering.output_ty().shape.rows());
        let inverse = lowering.constant(numbers(&self.0.inverse));
        let dispatch = lowering.dispatch(&SHAPE_GRAD).define("WG", lanes).bind("stretches", x).bind("inverse", inverse);
        let dispatch = dispatch.bind("gy", gy).bind("gx", gx);
        dispatch.param("total", total).param("joints", self.0.joints()).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes() + 4 * self.0.inverse.len() as u64;
        Cost { flops: 32 * output.shape.numel() as u64, bytes }
    }
}

impl<'r> Var<'r> {
    /// Maps from each joint's axes to its parent's, N×J×12 (3×4 row by row), as [`Var::forward_kinematics`] takes them: of a rig
    /// bent by these angles (N×J×3 radians: flexion, abduction, twist; twist first, abduction last) and stretched by
    /// `stretches` (N×J×3 logarithms of factors along the joint's axes of stretch), which moves its children. The root's is
    /// turned by `rotation` (N×9, row by row) and put to `translation` (N×3), wherever it was at rest.
    #[track_caller]
    pub fn rig_pose(
        self,
        stretches: Var<'r>,
        rotation: Var<'r>,
        translation: Var<'r>,
        rig: &Arc<Rig>,
    ) -> Result<Var<'r>> {
        self.recorder().apply(RigPose(rig.clone()), &[self, stretches, rotation, translation])
    }

    /// Maps from a rig's space at rest to each joint's axes, N×J×12 (3×4 row by row), stretched by these logarithms of factors
    /// (N×J×3) along the joint's axes of stretch. After them the joints' frames, [`Var::forward_kinematics`] of
    /// [`Var::rig_pose`], move what is fixed to a joint.
    #[track_caller]
    pub fn rig_shape(self, rig: &Arc<Rig>) -> Result<Var<'r>> {
        self.recorder().apply(RigShape(rig.clone()), &[self])
    }
}
