//! Hand models in a graph: pose, shape and place in, vertices and joints out, differentiable from one to the other.

mod mano;
mod rig;

use std::fmt;

use crate::error::{Mismatch, Result};
use crate::graph::{Recorder, Var};

pub use mano::{Mano, ManoOptions};
pub use rig::HandRig;

/// The parameters of N hands.
#[derive(Debug, Clone, Copy)]
pub struct HandVars<'r> {
    /// Turn of each hand from the model's rest frame to the camera's axes, about the wrist: N×3, axis times angle in radians.
    pub rotation: Var<'r>,
    /// Where the wrist is, N×3, mm.
    pub translation_mm: Var<'r>,
    /// N×[`HandModel::pose_size`]; 0 is the model's rest pose.
    pub pose: Var<'r>,
    /// N×[`HandModel::shape_size`]; 0 is the model's own shape.
    pub shape: Var<'r>,
}

/// N hands in camera axes (x right, y down, z away), mm.
#[derive(Debug, Clone, Copy)]
pub struct PosedVars<'r> {
    /// N×V×3.
    pub vertices: Var<'r>,
    /// N×21×3, in the order of [`crate::hand::joints::JOINT_NAMES`]; fingertips lie on the skin.
    pub joints: Var<'r>,
}

/// What hands mostly do: a weighted sum of pose parameters, about normally distributed among hands.
#[derive(Debug, Clone, PartialEq)]
pub struct PoseHabit {
    /// Indices of pose parameters and what each counts.
    pub terms: Vec<(usize, f32)>,
    /// The sum's mean.
    pub mean: f32,
    /// The sum's standard deviation.
    pub spread: f32,
}

/// A hand that can be posed and shaped in a graph.
pub trait HandModel: fmt::Debug + Send + Sync {
    /// How many pose parameters a hand has.
    fn pose_size(&self) -> usize;

    /// How many shape parameters a hand has.
    fn shape_size(&self) -> usize;

    /// How many vertices a hand has.
    fn vertices(&self) -> usize;

    /// Triangles, counter-clockwise from outside.
    fn faces(&self) -> &[[u32; 3]];

    /// Lowest and highest plausible value of each pose parameter.
    fn pose_limits(&self) -> Vec<(f32, f32)>;

    /// What poses hands prefer within their limits: as many habits as pose parameters, and independent ones, so that their sums are
    /// coordinates of poses too.
    fn pose_habits(&self) -> Vec<PoseHabit>;

    /// Mean and standard deviation of each shape parameter among hands.
    fn shape_prior(&self) -> Vec<(f32, f32)>;

    /// Records the hands. Operands of other extents than [`HandVars`] says are refused.
    #[track_caller]
    fn record<'r>(&self, hand: &HandVars<'r>) -> Result<PosedVars<'r>>;
}

impl<'r> HandVars<'r> {
    /// `n` hands of a model whose parameters are uploaded at every run: inputs `name/rotation`, `name/translation_mm`, `name/pose`
    /// and `name/shape`.
    #[track_caller]
    pub fn inputs(r: &'r Recorder, name: &str, n: usize, model: &dyn HandModel) -> Self {
        HandVars {
            rotation: r.input(&format!("{name}/rotation"), [n, 3]),
            translation_mm: r.input(&format!("{name}/translation_mm"), [n, 3]),
            pose: r.input(&format!("{name}/pose"), [n, model.pose_size()]),
            shape: r.input(&format!("{name}/shape"), [n, model.shape_size()]),
        }
    }

    /// How many hands there are, if all operands are as a model needs them.
    #[track_caller]
    fn samples(&self, model: &dyn HandModel) -> Result<usize> {
        let n = self.rotation.shape().dims().first().copied().unwrap_or(0).max(1);
        let operands = [
            ("rotation", self.rotation, 3),
            ("translation_mm", self.translation_mm, 3),
            ("pose", self.pose, model.pose_size()),
            ("shape", self.shape, model.shape_size()),
        ];
        let fits = operands.iter().try_for_each(|&(operand, var, channels)| {
            Mismatch::unless(var.shape().dims() == [n, channels], operand, format!("{n}×{channels}"), var.ty())
        });
        let vars = operands.map(|(_, var, _)| var);
        self.rotation.recorder().expect("hand_model", &vars, fits).map(|()| n)
    }
}

/// Vertices and joints of posed rows, N×(V + 21)×3: the joints come last.
fn posed<'r>(rows: Var<'r>, vertices: usize) -> Result<PosedVars<'r>> {
    let joints = crate::hand::joints::JOINTS;
    Ok(PosedVars { vertices: rows.slice(1, 0, vertices)?, joints: rows.slice(1, vertices, joints)? })
}
