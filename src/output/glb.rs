//! Meshes as binary glTF 2.0 files, with joints that move them, for Blender, three.js and everything else that reads glTF.

use std::path::Path;

use glam::{DAffine3, DMat3, DQuat, DVec3, Quat, Vec3};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::files::write_atomically;
use crate::hand::joints::{
    JOINTS, MIDDLE_MCP, PARENTS, RIG_JOINT_NAMES, RIG_JOINTS, RIG_OF_JOINT, RIG_PARENTS, TIPS, WRIST,
    finger_of_rig_joint,
};
use crate::hand::{JointFrame, Pose, RiggedHand, Shape};

const METRES_PER_MILLIMETRE: f64 = 1e-3;

/// Writes a mesh in millimetres and camera axes (x right, y down, z away) as a binary glTF file, in metres and with y up.
///
/// [`Error::NotFinite`] for coordinates that are not finite, [`Error::Invalid`] for a mesh without faces or with an index of no
/// vertex, [`Error::File`] if the file cannot be written.
pub fn save_glb(path: impl AsRef<Path>, vertices_mm: &[Vec3], faces: &[[u32; 3]]) -> Result<()> {
    write_bytes(path.as_ref(), &plain(vertices_mm, faces)?)
}

fn plain(vertices_mm: &[Vec3], faces: &[[u32; 3]]) -> Result<Vec<u8>> {
    let mut file = File::default();
    let attributes = file.mesh(vertices_mm, faces)?;
    file.nodes.push(json!({"name": "mesh", "mesh": 0}));
    Ok(file.finish(&attributes, &[0], None))
}

/// A joint of a [`SkinnedMesh`].
#[derive(Debug, Clone, PartialEq)]
pub struct SkinnedJoint {
    /// The name that programs show.
    pub name: String,
    /// The joint it hangs from: an earlier one.
    pub parent: Option<usize>,
    /// Where it is and how it is turned at rest, mm, camera axes.
    pub rest: JointFrame,
    /// The same in the pose.
    pub posed: JointFrame,
}

/// A mesh in a pose, with the joints that move it.
///
/// ```
/// use knuckle::hand::{Pose, RiggedHand, Shape};
/// use knuckle::output::SkinnedMesh;
/// # fn main() -> knuckle::Result<()> {
/// let hand = RiggedHand::right();
/// let mut pose = Pose::default();
/// pose.bend(6, 1.0, 0.0, 0.0); // the index finger, at its knuckle
/// let path = std::env::temp_dir().join("knuckle-doc-pointing.glb");
/// SkinnedMesh::of_hand(&hand, &pose, &Shape::default())?.save_glb(&path)?;
/// assert_eq!(RiggedHand::from_glb(&std::fs::read(&path).unwrap()).unwrap().faces(), hand.faces());
/// # std::fs::remove_file(path).unwrap();
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SkinnedMesh {
    rest_mm: Vec<Vec3>,
    faces: Vec<[u32; 3]>,
    joints: Vec<SkinnedJoint>,
    influences: Vec<[(u8, f32); 4]>,
}

impl SkinnedMesh {
    /// A mesh as it is in the pose, mm, camera axes, and the (joint, weight) of each vertex; of more than four the strongest
    /// count, and weights are scaled to a sum of 1.
    ///
    /// The vertices at rest, which glTF stores, are found by undoing the skinning: so the file shows exactly these vertices in
    /// the pose, whatever moved them besides the joints. A vertex whose joints leave no way back (two of them at half a turn from
    /// each other) follows the strongest alone.
    ///
    /// [`Error::Invalid`] for lists of wrong lengths, joints that do not exist or hang from later ones, more than 256 joints and
    /// weights that are negative or all 0; [`Error::NotFinite`] for numbers that are not finite.
    pub fn new<W: AsRef<[(usize, f32)]>>(
        posed_mm: &[Vec3],
        faces: &[[u32; 3]],
        joints: Vec<SkinnedJoint>,
        weights: &[W],
    ) -> Result<Self> {
        check_joints(&joints)?;
        check_mesh(posed_mm, faces)?;
        if weights.len() != posed_mm.len() {
            return Err(Error::invalid("skinned mesh: weights", format!("{} lists", posed_mm.len()), weights.len()));
        }
        let moved: Vec<DAffine3> = joints.iter().map(|j| affine(&j.posed) * affine(&j.rest).inverse()).collect();
        let mut mesh = SkinnedMesh {
            rest_mm: Vec::with_capacity(posed_mm.len()),
            faces: faces.to_vec(),
            joints,
            influences: Vec::with_capacity(posed_mm.len()),
        };
        for (vertex, (posed, weights)) in posed_mm.iter().zip(weights).enumerate() {
            let influences = strongest(vertex, weights.as_ref(), mesh.joints.len())?;
            let (rest, influences) = unposed(posed.as_dvec3(), influences, &moved);
            mesh.rest_mm.push(rest.as_vec3());
            mesh.influences.push(influences);
        }
        Ok(mesh)
    }

    /// The rigged hand in a pose and shape. The joints have the names and axes of WebXR Hand Input, which
    /// [`RiggedHand::from_glb`] reads again.
    pub fn of_hand(hand: &RiggedHand, pose: &Pose, shape: &Shape) -> Result<Self> {
        let (rest, posed) = (hand.pose(&Pose::default(), shape), hand.pose(pose, shape));
        let joint = |j: usize| SkinnedJoint {
            name: RIG_JOINT_NAMES[j].to_string(),
            parent: (j != 0).then_some(RIG_PARENTS[j]),
            rest: webxr(rest.frames[j]),
            posed: webxr(posed.frames[j]),
        };
        Self::new(&posed.vertices, hand.faces(), (0..RIG_JOINTS).map(joint).collect(), &weights(hand))
    }

    /// A hand of which only the mesh and the 21 joints are known, as [`GraphCnn`](crate::models::GraphCnn) finds it: vertices in the
    /// order of `hand`, mm, camera axes. Its joints, with the axes of [`JointFrame`], follow from the places: y along the bone, x
    /// across the palm. What was found is the rest pose.
    pub fn of_joints(
        hand: &RiggedHand,
        vertices_mm: &[Vec3],
        faces: &[[u32; 3]],
        joints_mm: &[Vec3; JOINTS],
        left: bool,
    ) -> Result<Self> {
        let moving: Vec<usize> = (0..JOINTS).filter(|j| !TIPS.contains(j)).collect();
        let place = |joint: usize| moving.iter().position(|&j| j == joint);
        let [index, little] = [5, 17].map(|j| joints_mm[j]);
        let across = if left { little - index } else { index - little };
        let joint = |&j: &usize| {
            let next = if j == WRIST { MIDDLE_MCP } else { j + 1 };
            let frame = JointFrame { origin: joints_mm[j], axes: axes(joints_mm[next] - joints_mm[j], across) };
            let name = RIG_JOINT_NAMES[RIG_OF_JOINT[j]].to_string();
            SkinnedJoint { name, parent: place(PARENTS[j]).filter(|_| j != WRIST), rest: frame, posed: frame }
        };
        // What follows a metacarpal follows the wrist: the palm is one.
        let of_rig = |rig: usize| match finger_of_rig_joint(rig) {
            Some(_) => (0..moving.len()).find(|&k| RIG_OF_JOINT[moving[k]] == rig).unwrap_or(0),
            None => 0,
        };
        let weights: Vec<Vec<(usize, f32)>> = weights(hand)
            .into_iter()
            .map(|list| {
                let mut merged: Vec<(usize, f32)> = Vec::new();
                for (joint, weight) in list.map(|(joint, weight)| (of_rig(joint), weight)) {
                    match merged.iter_mut().find(|(j, _)| *j == joint) {
                        Some((_, sum)) => *sum += weight,
                        None => merged.push((joint, weight)),
                    }
                }
                merged
            })
            .collect();
        Self::new(vertices_mm, faces, moving.iter().map(joint).collect(), &weights)
    }

    /// The vertices at rest, mm, camera axes.
    pub fn rest_mm(&self) -> &[Vec3] {
        &self.rest_mm
    }

    /// The joints, parents first.
    pub fn joints(&self) -> &[SkinnedJoint] {
        &self.joints
    }

    /// Up to four (joint, weight) of each vertex; weights sum to 1, unused ones are 0.
    pub fn influences(&self) -> &[[(u8, f32); 4]] {
        &self.influences
    }

    /// Writes a binary glTF file in metres with y up: the mesh at rest with normals, weights and inverse bind matrices, and a node
    /// for each joint that stands as in the pose.
    pub fn save_glb(&self, path: impl AsRef<Path>) -> Result<()> {
        write_bytes(path.as_ref(), &self.to_glb()?)
    }

    /// The bytes of such a file.
    pub fn to_glb(&self) -> Result<Vec<u8>> {
        let mut file = File::default();
        let mut attributes = file.mesh(&self.rest_mm, &self.faces)?;
        let joints: Vec<u8> = self.influences.iter().flat_map(|list| list.map(|(joint, _)| joint)).collect();
        let weights: Vec<f32> = self.influences.iter().flat_map(|list| list.map(|(_, weight)| weight)).collect();
        let inverse = self.joints.iter().flat_map(|j| columns(in_file(&j.rest).inverse()));
        let inverse: Vec<f32> = inverse.map(|v| v as f32).collect();
        attributes["JOINTS_0"] = file.accessor(&joints, "VEC4", UNSIGNED_BYTE, self.rest_mm.len(), Some(VERTICES));
        attributes["WEIGHTS_0"] = file.floats(&weights, "VEC4", Some(VERTICES));
        let inverse = file.floats(&inverse, "MAT4", None);
        file.nodes.push(json!({"name": "hand", "mesh": 0, "skin": 0}));
        for (j, joint) in self.joints.iter().enumerate() {
            let posed = in_file(&joint.posed);
            let local = joint.parent.map_or(posed, |parent| in_file(&self.joints[parent].posed).inverse() * posed);
            let turn = DQuat::from_mat3(&local.matrix3).normalize().as_quat();
            let mut node = json!({
                "name": joint.name,
                "translation": local.translation.as_vec3().to_array(),
                "rotation": turn.to_array(),
            });
            let children: Vec<usize> =
                (0..self.joints.len()).filter(|&k| self.joints[k].parent == Some(j)).map(|k| 1 + k).collect();
            if !children.is_empty() {
                node["children"] = json!(children);
            }
            file.nodes.push(node);
        }
        let roots = (0..self.joints.len()).filter(|&j| self.joints[j].parent.is_none()).map(|j| 1 + j);
        let scene: Vec<usize> = std::iter::once(0).chain(roots).collect();
        let nodes: Vec<usize> = (1..=self.joints.len()).collect();
        let skin = json!({"name": "hand", "joints": nodes, "inverseBindMatrices": inverse});
        Ok(file.finish(&attributes, &scene, Some(skin)))
    }
}

fn weights(hand: &RiggedHand) -> Vec<[(usize, f32); 4]> {
    hand.influences().iter().map(|list| list.map(|(joint, weight)| (usize::from(joint), weight))).collect()
}

/// The axes of a bone, as [`JointFrame`] has them, from its direction and that of the flexion axis, more or less.
fn axes(bone: Vec3, across: Vec3) -> Quat {
    let y = bone.try_normalize().unwrap_or(Vec3::NEG_Y);
    let x = across.reject_from_normalized(y).try_normalize().unwrap_or_else(|| y.any_orthonormal_vector());
    Quat::from_mat3(&glam::Mat3::from_cols(x, y, x.cross(y)))
}

/// Our axes of a joint (x flexion, y along the bone, z out of the palm) as WebXR has them: −z along the bone, y out of the back.
fn webxr(frame: JointFrame) -> JointFrame {
    let turn = glam::Mat3::from_cols(Vec3::NEG_X, Vec3::NEG_Z, Vec3::NEG_Y);
    JointFrame { axes: (frame.axes * Quat::from_mat3(&turn)).normalize(), ..frame }
}

fn affine(frame: &JointFrame) -> DAffine3 {
    DAffine3::from_rotation_translation(frame.axes.as_dquat().normalize(), frame.origin.as_dvec3())
}

/// Half a turn about x: y up, z towards the camera.
fn upright(v: DVec3) -> DVec3 {
    DVec3::new(v.x, -v.y, -v.z)
}

/// A joint in the file's axes and metres.
fn in_file(frame: &JointFrame) -> DAffine3 {
    let map = affine(frame);
    let turn = DMat3::from_diagonal(DVec3::new(1.0, -1.0, -1.0));
    DAffine3::from_mat3_translation(turn * map.matrix3, upright(map.translation) * METRES_PER_MILLIMETRE)
}

/// Column by column, with the last row.
fn columns(map: DAffine3) -> [f64; 16] {
    glam::DMat4::from(map).to_cols_array()
}

fn check_mesh(vertices: &[Vec3], faces: &[[u32; 3]]) -> Result<()> {
    if let Some(i) = vertices.iter().position(|v| !v.is_finite()) {
        let detail = format!("vertex {i} is {}", vertices[i]);
        return Err(Error::NotFinite { what: "mesh".into(), detail });
    }
    if faces.is_empty() {
        return Err(Error::invalid("mesh", "at least one face", "none"));
    }
    let outside = |(i, face): (usize, &[u32; 3])| {
        face.iter().find(|v| **v as usize >= vertices.len()).map(|v| format!("{v} in face {i}"))
    };
    match faces.iter().enumerate().find_map(outside) {
        Some(got) => Err(Error::invalid("mesh", format!("vertices below {}", vertices.len()), got)),
        None => Ok(()),
    }
}

fn check_joints(joints: &[SkinnedJoint]) -> Result<()> {
    if !(1..=256).contains(&joints.len()) {
        return Err(Error::invalid("skinned mesh: joints", "1 to 256", joints.len()));
    }
    for (j, joint) in joints.iter().enumerate() {
        if let Some(parent) = joint.parent.filter(|&parent| parent >= j) {
            return Err(Error::invalid(format!("skinned mesh: parent of joint {j}"), "an earlier joint", parent));
        }
        let sound =
            |frame: &JointFrame| frame.origin.is_finite() && frame.axes.is_finite() && frame.axes.length() > 0.1;
        if !sound(&joint.rest) || !sound(&joint.posed) {
            let detail = format!("the place or axes of joint {j} ({})", joint.name);
            return Err(Error::NotFinite { what: "skinned mesh".into(), detail });
        }
    }
    Ok(())
}

/// The four strongest influences, with weights that sum to 1.
fn strongest(vertex: usize, weights: &[(usize, f32)], joints: usize) -> Result<[(u8, f32); 4]> {
    let what = || format!("skinned mesh: weights of vertex {vertex}");
    if let Some((joint, _)) = weights.iter().find(|(joint, _)| *joint >= joints) {
        return Err(Error::invalid(what(), format!("joints below {joints}"), joint));
    }
    if let Some((_, weight)) = weights.iter().find(|(_, weight)| !(weight.is_finite() && *weight >= 0.0)) {
        return Err(Error::invalid(what(), "weights of at least 0", weight));
    }
    let mut sorted = weights.to_vec();
    sorted.sort_by(|a, b| b.1.total_cmp(&a.1));
    sorted.truncate(4);
    let sum: f32 = sorted.iter().map(|(_, weight)| weight).sum();
    if sum <= 0.0 || !sum.is_finite() {
        return Err(Error::invalid(what(), "a weight above 0", sum));
    }
    let mut four = [(0, 0.0); 4];
    for (slot, (joint, weight)) in four.iter_mut().zip(sorted).filter(|(_, (_, weight))| *weight > 0.0) {
        *slot = (joint as u8, weight / sum);
    }
    Ok(four)
}

/// Where skinning brings to `posed`, and the influences with which it does.
fn unposed(posed: DVec3, influences: [(u8, f32); 4], moved: &[DAffine3]) -> (DVec3, [(u8, f32); 4]) {
    let mut blend = DAffine3::from_mat3_translation(DMat3::ZERO, DVec3::ZERO);
    for (joint, weight) in influences {
        let map = &moved[joint as usize];
        blend.matrix3 += map.matrix3 * f64::from(weight);
        blend.translation += map.translation * f64::from(weight);
    }
    // Of rotations: 1 where they agree, near 0 where they cancel.
    if blend.matrix3.determinant() > 0.05 {
        return (blend.inverse().transform_point3(posed), influences);
    }
    let alone = [(influences[0].0, 1.0), (0, 0.0), (0, 0.0), (0, 0.0)];
    (moved[influences[0].0 as usize].inverse().transform_point3(posed), alone)
}

// Codes of the format.
const VERTICES: u32 = 34_962;
const INDICES: u32 = 34_963;
const UNSIGNED_BYTE: u32 = 5121;
const UNSIGNED_INT: u32 = 5125;
const FLOAT: u32 = 5126;

/// A file in the making: its binary chunk, and the lists that describe it.
#[derive(Default)]
struct File {
    bytes: Vec<u8>,
    views: Vec<Value>,
    accessors: Vec<Value>,
    nodes: Vec<Value>,
}

impl File {
    /// Places, normals and indices of a mesh; its attributes.
    fn mesh(&mut self, vertices_mm: &[Vec3], faces: &[[u32; 3]]) -> Result<Value> {
        check_mesh(vertices_mm, faces)?;
        let places: Vec<[f32; 3]> =
            vertices_mm.iter().map(|v| (upright(v.as_dvec3()) * METRES_PER_MILLIMETRE).as_vec3().to_array()).collect();
        let normals: Vec<[f32; 3]> =
            normals(vertices_mm, faces).iter().map(|n| upright(*n).as_vec3().to_array()).collect();
        self.accessor(bytemuck::cast_slice(faces), "SCALAR", UNSIGNED_INT, 3 * faces.len(), Some(INDICES));
        let position = self.floats(places.as_flattened(), "VEC3", Some(VERTICES));
        let bound = |choose: fn(f32, f32) -> f32| -> Vec<f32> {
            (0..3).map(|k| places.iter().map(|p| p[k]).reduce(choose).unwrap_or(0.0)).collect()
        };
        let accessor = self.accessors.last_mut().expect("just added");
        accessor["min"] = json!(bound(f32::min));
        accessor["max"] = json!(bound(f32::max));
        let normal = self.floats(normals.as_flattened(), "VEC3", Some(VERTICES));
        Ok(json!({"POSITION": position, "NORMAL": normal}))
    }

    fn floats(&mut self, values: &[f32], kind: &str, target: Option<u32>) -> Value {
        let width = match kind {
            "VEC3" => 3,
            "VEC4" => 4,
            _ => 16,
        };
        self.accessor(bytemuck::cast_slice(values), kind, FLOAT, values.len() / width, target)
    }

    /// Adds elements, begun on a whole word as all numbers ask; their number.
    fn accessor(&mut self, bytes: &[u8], kind: &str, component: u32, count: usize, target: Option<u32>) -> Value {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let mut view = json!({"buffer": 0, "byteOffset": self.bytes.len(), "byteLength": bytes.len()});
        if let Some(target) = target {
            view["target"] = json!(target);
        }
        self.bytes.extend_from_slice(bytes);
        let view_number = self.views.len();
        self.views.push(view);
        self.accessors.push(json!({
            "bufferView": view_number, "componentType": component, "count": count, "type": kind,
        }));
        json!(self.accessors.len() - 1)
    }

    /// Header, JSON chunk and binary chunk (glTF 2.0, section 4).
    fn finish(mut self, attributes: &Value, scene: &[usize], skin: Option<Value>) -> Vec<u8> {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let mut document = json!({
            "asset": {"version": "2.0", "generator": concat!("knuckle ", env!("CARGO_PKG_VERSION"))},
            "scene": 0,
            "scenes": [{"nodes": scene}],
            "nodes": self.nodes,
            "meshes": [{"name": "hand", "primitives": [{"attributes": attributes, "indices": 0, "material": 0}]}],
            "materials": [{
                "name": "skin",
                "pbrMetallicRoughness": {"baseColorFactor": [0.68, 0.48, 0.38, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.6},
            }],
            "accessors": self.accessors,
            "bufferViews": self.views,
            "buffers": [{"byteLength": self.bytes.len()}],
        });
        if let Some(skin) = skin {
            document["skins"] = json!([skin]);
        }
        let mut text = document.to_string().into_bytes();
        text.resize(text.len().next_multiple_of(4), b' ');
        let mut file = Vec::with_capacity(28 + text.len() + self.bytes.len());
        let word = |file: &mut Vec<u8>, v: usize| file.extend_from_slice(&(v as u32).to_le_bytes());
        file.extend_from_slice(b"glTF");
        word(&mut file, 2);
        word(&mut file, 28 + text.len() + self.bytes.len());
        word(&mut file, text.len());
        file.extend_from_slice(b"JSON");
        file.extend_from_slice(&text);
        word(&mut file, self.bytes.len());
        file.extend_from_slice(b"BIN\0");
        file.extend_from_slice(&self.bytes);
        file
    }
}

/// Unit normals of the vertices: means of the faces' around them, weighted by area; (0, 0, −1) where there is none.
fn normals(vertices: &[Vec3], faces: &[[u32; 3]]) -> Vec<DVec3> {
    let mut sums = vec![DVec3::ZERO; vertices.len()];
    for face in faces {
        let [a, b, c] = face.map(|v| vertices[v as usize].as_dvec3());
        face.iter().for_each(|&v| sums[v as usize] += (b - a).cross(c - a));
    }
    sums.into_iter().map(|sum| sum.try_normalize().unwrap_or(DVec3::NEG_Z)).collect()
}

fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, |out| out.write_all(bytes))
}

#[cfg(test)]
#[path = "glb_tests.rs"]
mod tests;
