//! The rigged hand: rest mesh, skeleton and skin weights, in millimetres and in our axes.

use std::collections::HashMap;

use glam::{Mat3, Quat, Vec3};

use super::HandError;
use super::glb::SkinnedMesh;
use super::joints::{RIG_JOINT_NAMES, RIG_JOINTS, RIG_PARENTS, finger_rig_joints};

const RIGHT_HAND: &[u8] = include_bytes!("../../assets/hand/right.glb");
const MILLIMETRES_PER_METRE: f32 = 1000.0;

/// Where a rig joint is and how it is turned.
///
/// `axes` takes the joint's own axes to the surrounding ones: x is the axis of flexion (positive bends towards the palm), y runs
/// along the bone to the next joint, z points out of the palm. A positive turn about z leads away from the thumb.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JointFrame {
    /// Position, mm.
    pub origin: Vec3,
    /// The joint's axes.
    pub axes: Quat,
}

/// A skinned right hand at rest.
///
/// Rest frame: camera axes (x right, y down, z away), origin at the wrist, the flat hand held up to the camera: fingers
/// up (−y), palm towards the camera (−z), thumb to the right (+x). Millimetres. Faces turn counter-clockwise seen from outside,
/// so `(b − a) × (c − a)` points out of the hand.
#[derive(Clone, Debug)]
pub struct RiggedHand {
    vertices: Vec<Vec3>,
    faces: Vec<[u32; 3]>,
    influences: Vec<[(u8, f32); 4]>,
    dominant: Vec<u8>,
    frames: [JointFrame; RIG_JOINTS],
    tips: [u32; 5],
}

impl RiggedHand {
    /// The hand that ships with the crate: 1159 vertices, 2314 faces, closed. See `assets/hand/LICENSE.md`.
    pub fn right() -> Self {
        Self::from_glb(RIGHT_HAND).expect("the shipped hand is read by a unit test")
    }

    /// A right hand from a glTF binary: one mesh of triangles with a skin of the 25 joints of WebXR Hand Input (found by name,
    /// oriented as that specification says: −z along the bone, y out of the back of the hand), metres, at most four influences a vertex.
    ///
    /// Vertices that share a position (seams of texture or normals) become one. The hierarchy of the file's nodes is not needed.
    pub fn from_glb(bytes: &[u8]) -> Result<Self, HandError> {
        let mesh = SkinnedMesh::read(bytes)?;
        let vertex_count = mesh.positions.len();
        for (face, corners) in mesh.faces.iter().enumerate() {
            if let Some(&got) = corners.iter().find(|&&v| v as usize >= vertex_count) {
                return Err(HandError::FaceIndex { face, got, vertices: vertex_count });
            }
        }
        let (frames, to_rest) = skeleton(&mesh)?;
        let influences = influences(&mesh)?;

        let mut of_position = HashMap::new();
        let (mut vertices, mut kept) = (Vec::new(), Vec::new());
        let mut merged = Vec::with_capacity(vertex_count);
        for (position, influence) in mesh.positions.iter().zip(influences) {
            let key = position.to_array().map(|x| (x + 0.0).to_bits()); // + 0.0 makes −0 the same place as 0
            let index = *of_position.entry(key).or_insert_with(|| {
                vertices.push(to_rest(*position));
                kept.push(influence);
                vertices.len() as u32 - 1
            });
            merged.push(index);
        }
        let faces = mesh.faces.iter().map(|f| f.map(|v| merged[v as usize]));
        let faces: Vec<_> = faces.filter(|[a, b, c]| a != b && b != c && c != a).collect();
        let dominant: Vec<u8> = kept.iter().map(dominant_joint).collect();
        let mut tips = [0; 5];
        for (finger, tip) in tips.iter_mut().enumerate() {
            *tip = tip_vertex(finger, &vertices, &dominant, &frames)?;
        }
        Ok(Self { vertices, faces, influences: kept, dominant, frames, tips })
    }

    /// Rest positions of the vertices, mm, in the rest frame.
    pub fn rest_vertices(&self) -> &[Vec3] {
        &self.vertices
    }

    /// Triangles, counter-clockwise from outside.
    pub fn faces(&self) -> &[[u32; 3]] {
        &self.faces
    }

    /// Up to four (rig joint, weight) of each vertex; weights sum to 1, unused ones are 0.
    pub fn influences(&self) -> &[[(u8, f32); 4]] {
        &self.influences
    }

    /// The rig joint with the largest weight at each vertex (see [`super::joints::RIG_JOINT_NAMES`]).
    pub fn dominant_joint(&self) -> &[u8] {
        &self.dominant
    }

    /// The joints at rest.
    pub fn rest_frames(&self) -> &[JointFrame; RIG_JOINTS] {
        &self.frames
    }

    /// The vertex at the tip of each finger, thumb first: the one farthest along the last bone.
    pub fn tip_vertices(&self) -> &[u32; 5] {
        &self.tips
    }
}

/// Rest frames of the joints, and the map of file positions to the rest frame.
fn skeleton(mesh: &SkinnedMesh) -> Result<([JointFrame; RIG_JOINTS], impl Fn(Vec3) -> Vec3 + use<>), HandError> {
    let mut bind = [(Vec3::ZERO, Mat3::IDENTITY); RIG_JOINTS];
    for (slot, name) in bind.iter_mut().zip(RIG_JOINT_NAMES) {
        let index = mesh.joints.iter().position(|(n, _)| n == name).ok_or(HandError::MissingJoint { name })?;
        let pose = mesh.joints[index].1.inverse();
        if !pose.is_finite() {
            return Err(HandError::NotFinite { what: "inverseBindMatrices", index });
        }
        *slot = (pose.w_axis.truncate(), Mat3::from_mat4(pose));
    }
    // WebXR's wrist: x to the little finger, y out of the back, −z to the fingers; ours: x to the thumb, y down, z away.
    let (wrist, axes) = bind[0];
    let turn = Mat3::from_cols(-axes.x_axis.normalize(), axes.z_axis.normalize(), axes.y_axis.normalize()).transpose();
    let to_rest = move |p: Vec3| turn * (p - wrist) * MILLIMETRES_PER_METRE;

    let origins = bind.map(|(p, _)| to_rest(p));
    let frames = std::array::from_fn(|joint| {
        let axes = bind[joint].1;
        let next = joint + 1;
        // The bone itself where there is one, so that lengths scale along it; the wrist has five and takes the rig's axis.
        let has_bone = joint != 0 && next < RIG_JOINTS && RIG_PARENTS[next] == joint;
        let bone = if has_bone { origins[next] - origins[joint] } else { turn * -axes.z_axis };
        let y = bone.normalize();
        let x = (turn * -axes.x_axis).reject_from_normalized(y).normalize();
        let axes = Quat::from_mat3(&Mat3::from_cols(x, y, x.cross(y)));
        JointFrame { origin: origins[joint], axes }
    });
    match frames.iter().position(|f| !f.origin.is_finite() || !f.axes.is_finite()) {
        Some(index) => Err(HandError::NotFinite { what: "joint", index }),
        None => Ok((frames, to_rest)),
    }
}

/// Influences by rig joint, weights normalised to a sum of exactly about 1.
fn influences(mesh: &SkinnedMesh) -> Result<Vec<[(u8, f32); 4]>, HandError> {
    let rig_of_skin = |name: &str| RIG_JOINT_NAMES.iter().position(|n| *n == name);
    let rig_of_skin: Vec<_> = mesh.joints.iter().map(|(name, _)| rig_of_skin(name)).collect();
    let convert = |(vertex, of_file): (usize, &[(usize, f32); 4])| {
        let got: f32 = of_file.iter().map(|i| i.1).sum();
        if (got - 1.0).abs() > 0.01 || of_file.iter().any(|i| i.1 < 0.0) {
            return Err(HandError::Weights { vertex, got });
        }
        let mut of_rig = [(0, 0.0); 4];
        for (slot, &(joint, weight)) in of_rig.iter_mut().zip(of_file).filter(|(_, i)| i.1 > 0.0) {
            let known = rig_of_skin.get(joint).copied().flatten();
            *slot = (known.ok_or(HandError::UnknownJoint { vertex, joint })? as u8, weight / got);
        }
        Ok(of_rig)
    };
    mesh.influences.iter().enumerate().map(convert).collect()
}

fn dominant_joint(influences: &[(u8, f32); 4]) -> u8 {
    let best = influences.iter().fold(influences[0], |best, &i| if i.1 > best.1 { i } else { best });
    best.0
}

/// The vertex of the last joint's skin that lies farthest along its bone; of equals, the first.
fn tip_vertex(
    finger: usize,
    vertices: &[Vec3],
    dominant: &[u8],
    frames: &[JointFrame; RIG_JOINTS],
) -> Result<u32, HandError> {
    let last = finger_rig_joints(finger)[2];
    let along = frames[last].axes * Vec3::Y;
    let mut best = None;
    for (index, vertex) in vertices.iter().enumerate() {
        let reach = along.dot(*vertex);
        if dominant[index] as usize == last && best.is_none_or(|(most, _)| reach > most) {
            best = Some((reach, index as u32));
        }
    }
    let joint = RIG_JOINT_NAMES[last];
    best.map(|(_, index)| index).ok_or(HandError::NoTip { joint })
}

#[cfg(test)]
#[path = "rig_tests.rs"]
mod tests;
