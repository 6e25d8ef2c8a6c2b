//! Hand and body models in a graph: blend shapes, poses and skinning, differentiable from the parameters to the vertices.

use std::sync::Arc;

use glam::{DAffine3, DMat3, DVec3, Mat3};

use crate::error::{Error, Mismatch, Result};
use crate::graph::{Recorder, Var};
use crate::hand::joints::RIG_PARENTS;
use crate::hand::{JointFrame, RiggedHand};
use crate::ops::{Skeleton, SkinWeights};

/// Vertices N×V×3 of a shape: `template + Σ_k weights_k · shapes_k`, of a template V×3, shapes K×V×3 (offsets from it) and weights
/// N×K.
#[track_caller]
pub fn blend_shapes<'r>(template: Var<'r>, shapes: Var<'r>, weights: Var<'r>) -> Result<Var<'r>> {
    let of = [template.shape(), shapes.shape(), weights.shape()];
    let (wrong, [v, k, n]) = match of.each_ref().map(|shape| shape.dims()) {
        [&[v, 3], &[k, w, 3], &[n, j]] if w == v && j == k => (None, [v, k, n]),
        [&[v, 3], &[k, w, 3], _] if w == v => (Some(Mismatch::new("weights", format!("N×{k}"), weights.ty())), [0; 3]),
        [&[v, 3], _, _] => (Some(Mismatch::new("shapes", format!("K×{v}×3"), shapes.ty())), [0; 3]),
        _ => (Some(Mismatch::new("template", "V×3", template.ty())), [0; 3]),
    };
    if let Some(wrong) = wrong {
        return template.recorder().expect("blend_shapes", &[template, shapes, weights], Err(wrong));
    }
    let width = v.saturating_mul(3);
    let flat = weights.linear(shapes.reshape([k, width])?, template.reshape([width])?, false)?;
    flat.reshape([n, v, 3])
}

/// Affine maps …×12 (3×4 row by row) from rotations …×9 and translations …×3.
#[track_caller]
pub fn rigid_transforms<'r>(rotations: Var<'r>, translations: Var<'r>) -> Result<Var<'r>> {
    let (turns, steps) = (rotations.shape(), translations.shape());
    let wrong = match (turns.dims().split_last(), steps.dims().split_last()) {
        (Some((9, lead)), Some((3, other))) if lead == other => None,
        (Some((9, _)), _) => Some(Mismatch::new("translations", turns.with_channels(3), translations.ty())),
        _ => Some(Mismatch::new("rotations", "9 channels", rotations.ty())),
    };
    if let Some(wrong) = wrong {
        return rotations.recorder().expect("rigid_transforms", &[rotations, translations], Err(wrong));
    }
    let rows = turns.rows();
    let parts = [rotations.reshape([rows, 3, 3])?, translations.reshape([rows, 3, 1])?];
    rotations.recorder().concat(&parts, 2)?.reshape(turns.with_channels(12))
}

/// The translations …×3 of affine maps …×12 (3×4 row by row): of joints' maps, where the joints are.
#[track_caller]
pub fn translations(transforms: Var<'_>) -> Result<Var<'_>> {
    let shape = transforms.shape();
    if shape.rank() == 0 || shape.channels() != 12 {
        let wrong = Mismatch::new("transforms", "12 channels", transforms.ty());
        return transforms.recorder().expect("translations", &[transforms], Err(wrong));
    }
    transforms.reshape([shape.rows(), 3, 4])?.slice(2, 3, 1)?.reshape(shape.with_channels(3))
}

/// A rigged mesh at rest: what stays the same whatever the pose.
#[derive(Debug, Clone)]
pub struct SkinnedModel {
    /// V×3.
    vertices: Vec<f32>,
    /// J×12: each joint's axes at rest, in its parent's.
    rest: Vec<f32>,
    /// J×12: from the rest space to each joint's axes.
    inverse: Vec<f32>,
    skeleton: Arc<Skeleton>,
    weights: Arc<SkinWeights>,
}

/// A [`SkinnedModel`] in poses.
#[derive(Debug, Clone, Copy)]
pub struct PosedModel<'r> {
    /// Each joint's axes and place, N×J×12: affine maps to the model's space, 3×4 row by row.
    pub frames: Var<'r>,
    /// Where the joints are, N×J×3.
    pub joints: Var<'r>,
    /// The vertices, N×V×3.
    pub vertices: Var<'r>,
}

impl SkinnedModel {
    /// A model from its vertices at rest, the frame of each joint at rest (3×4 row by row: from the joint's axes to the model's
    /// space; invertible), the tree of joints and the weights of each vertex.
    pub fn new(
        vertices: &[[f32; 3]],
        frames: &[[f32; 12]],
        skeleton: Arc<Skeleton>,
        weights: Arc<SkinWeights>,
    ) -> Result<Self> {
        let counts = [
            ("vertices", weights.vertices(), vertices.len()),
            ("frames", skeleton.joints(), frames.len()),
            ("joints of the weights", skeleton.joints(), weights.joints()),
        ];
        for (what, expected, got) in counts {
            if got != expected {
                return Err(Error::invalid(format!("skinned model: {what}"), expected, got));
            }
        }
        let all = vertices.as_flattened().iter().chain(frames.as_flattened());
        if let Some(bad) = all.copied().find(|v| !v.is_finite()) {
            return Err(Error::NotFinite {
                what: "skinned model".to_string(),
                detail: format!("a coordinate is {bad}"),
            });
        }
        let frames: Vec<DAffine3> = frames.iter().map(affine).collect();
        let inverses: Vec<DAffine3> = frames.iter().map(DAffine3::inverse).collect();
        if let Some(joint) = inverses.iter().position(|inverse| !inverse.is_finite()) {
            return Err(Error::invalid("skinned model: frames", "invertible maps", format!("none for joint {joint}")));
        }
        let local = |joint: usize| match skeleton.parents()[joint] as usize {
            parent if parent == joint => frames[joint],
            parent => inverses[parent] * frames[joint],
        };
        Ok(SkinnedModel {
            vertices: vertices.concat(),
            rest: (0..frames.len()).flat_map(|joint| rows(local(joint))).collect(),
            inverse: inverses.iter().flat_map(|&inverse| rows(inverse)).collect(),
            skeleton,
            weights,
        })
    }

    /// The shipped hand, or another rigged one, in millimetres.
    pub fn from_rig(hand: &RiggedHand) -> Result<Self> {
        let vertices: Vec<[f32; 3]> = hand.rest_vertices().iter().map(|v| v.to_array()).collect();
        let frame = |frame: &JointFrame| -> [f32; 12] {
            let axes = Mat3::from_quat(frame.axes);
            std::array::from_fn(|k| if k % 4 == 3 { frame.origin[k / 4] } else { axes.col(k % 4)[k / 4] })
        };
        let frames: Vec<[f32; 12]> = hand.rest_frames().iter().map(frame).collect();
        let each = |list: &[(u8, f32); 4]| list.map(|(joint, weight)| (usize::from(joint), weight));
        let weights: Vec<_> = hand.influences().iter().map(each).collect();
        Self::new(&vertices, &frames, Skeleton::new(&RIG_PARENTS)?, SkinWeights::new(frames.len(), &weights)?)
    }

    /// The model with each joint turned in its own rest axes by `rotations`, N×J×9 (row by row): from
    /// [`Var::axis_angle_to_matrix`], say. The frames of joints without a parent turn about their places at rest.
    #[track_caller]
    pub fn pose<'r>(&self, rotations: Var<'r>) -> Result<PosedModel<'r>> {
        let (r, joints) = (rotations.recorder(), self.skeleton.joints());
        let n = match *rotations.shape().dims() {
            [n, j, 9] if j == joints && n > 0 => n,
            _ => {
                let wrong = Mismatch::new("rotations", format!("N×{joints}×9"), rotations.ty());
                return r.expect("pose", &[rotations], Err(wrong));
            }
        };
        let turns = rigid_transforms(rotations, r.scalar(0.0).broadcast([n, joints, 3])?)?;
        let frames = each(r, n, &self.rest)?.compose(turns)?.forward_kinematics(&self.skeleton)?;
        let vertices = r.constant([self.weights.vertices(), 3], &self.vertices)?;
        let vertices = vertices.skin(frames.compose(each(r, n, &self.inverse)?)?, &self.weights)?;
        Ok(PosedModel { frames, joints: translations(frames)?, vertices })
    }
}

/// The joints' maps, for each of `n` poses.
#[track_caller]
fn each<'r>(r: &'r Recorder, n: usize, maps: &[f32]) -> Result<Var<'r>> {
    let joints = maps.len() / 12;
    r.constant([1, joints, 12], maps)?.broadcast([n, joints, 12])
}

fn affine(rows: &[f32; 12]) -> DAffine3 {
    let at = |k: usize| f64::from(rows[k]);
    let column = |c: usize| DVec3::new(at(c), at(4 + c), at(8 + c));
    DAffine3::from_mat3_translation(DMat3::from_cols(column(0), column(1), column(2)), column(3))
}

fn rows(map: DAffine3) -> [f32; 12] {
    let columns = map.to_cols_array();
    std::array::from_fn(|k| columns[3 * (k % 4) + k / 4] as f32)
}
