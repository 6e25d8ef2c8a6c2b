//! The mesh that scenes show: the hand, and an arm that continues it beyond the wrist. Everything about it that no pose
//! changes, ready to be constants of the rendering program.

use glam::Vec3;

use super::arm::{self, Arm, Rim};
use crate::graph::TensorData;
use crate::hand::joints::{RIG_JOINTS, finger_of_rig_joint, finger_rig_joints};
use crate::hand::{PosedHand, RiggedHand, Shape};

/// Capsules that stand for the hand when it shades itself: a bone each, but the tips, then the arm.
pub(super) const CAPSULES: usize = 20;
/// What a face shows, see `shade.wgsl`.
const PART_PALM: u32 = 10;
const PART_ARM: u32 = 11;

/// Connectivity and rest data of hand and arm together. The hand's vertices and faces come first.
#[derive(Clone, Debug)]
pub struct SceneMesh {
    /// Vertices of the hand.
    pub hand_vertices: usize,
    /// All vertices.
    pub vertices: usize,
    /// Faces of the hand: those of the rig without the ones that close it at the wrist.
    pub hand_faces: usize,
    /// Corners and part of each face, counter-clockwise from outside.
    pub faces: Vec<[u32; 4]>,
    /// Eight words a face for shading.
    skins: Vec<u32>,
    /// Where each vertex's fan starts, and the capsules it is part of, as a set of bits; one more row closes the last.
    rows: Vec<[u32; 2]>,
    /// The other two corners of each face around each vertex, 16 bits each.
    fans: Vec<u32>,
    bones: Vec<Bone>,
    rim: Rim,
}

/// The bone behind a capsule: rig joints at its ends, and its radius at rest.
#[derive(Clone, Copy, Debug)]
struct Bone {
    from: usize,
    to: usize,
    radius: f32,
}

impl SceneMesh {
    /// The mesh of a hand and its arm.
    pub fn new(hand: &RiggedHand) -> Self {
        let hand_vertices = hand.rest_vertices().len();
        let vertices = hand_vertices + Arm::VERTICES;
        let skin = hand.faces().iter().filter(|f| !arm::closes_wrist(hand, f));
        let mut faces: Vec<[u32; 4]> = skin.map(|f| [f[0], f[1], f[2], part(hand, f)]).collect();
        let hand_faces = faces.len();
        faces.extend(arm::faces(hand_vertices as u32, PART_ARM));
        let rim = arm::rim(hand);
        let bones = bones(hand);
        let mut rows = Vec::with_capacity(vertices + 1);
        let mut fans = Vec::with_capacity(3 * faces.len());
        let mut around = vec![Vec::new(); vertices];
        for &[a, b, c, _] in &faces {
            for (v, next, last) in [(a, b, c), (b, c, a), (c, a, b)] {
                around[v as usize].push(next | last << 16);
            }
        }
        for (v, fan) in around.iter().enumerate() {
            let joint = hand.dominant_joint().get(v).map(|&j| j as usize);
            rows.push([fans.len() as u32, own_capsules(&bones, joint)]);
            fans.extend(fan);
        }
        rows.push([fans.len() as u32, 0]);
        let skins = skins(hand, &faces, &rim);
        SceneMesh { hand_vertices, vertices, hand_faces, faces, skins, rows, fans, bones, rim }
    }

    pub(super) fn faces_data(&self) -> TensorData {
        words([self.faces.len(), 4], self.faces.as_flattened())
    }

    pub(super) fn skins_data(&self) -> TensorData {
        words([self.faces.len(), 8], &self.skins)
    }

    pub(super) fn rows_data(&self) -> TensorData {
        words([self.rows.len(), 2], self.rows.as_flattened())
    }

    pub(super) fn fans_data(&self) -> TensorData {
        words([self.fans.len()], &self.fans)
    }

    /// Vertices of the posed hand followed by those of its arm.
    pub fn vertices_of(&self, posed: &PosedHand, shape: &Shape, arm: &Arm) -> Vec<Vec3> {
        let mut all = Vec::with_capacity(self.vertices);
        all.extend_from_slice(&posed.vertices);
        arm::extend(&mut all, posed, shape, arm, self.rim);
        all
    }

    /// Ends and radii of the capsules, eight numbers each.
    pub(super) fn capsules_of(&self, posed: &PosedHand, shape: &Shape, arm_end: Vec3) -> Vec<f32> {
        let mut out = Vec::with_capacity(8 * CAPSULES);
        let mut push = |p: Vec3, radius: f32| out.extend([p.x, p.y, p.z, radius]);
        for bone in &self.bones {
            let thickness = finger_of_rig_joint(bone.from).map_or(shape.palm_depth, |f| shape.finger_thickness[f]);
            let radius = bone.radius * thickness * shape.scale;
            push(posed.frames[bone.from].origin, radius);
            push(posed.frames[bone.to].origin, radius);
        }
        let wrist = posed.frames[0].origin;
        push(wrist, 0.85 * self.rim.half_depth() * shape.scale);
        push(arm_end, 1.6 * self.rim.half_depth() * shape.scale);
        out
    }
}

fn words<const N: usize>(shape: [usize; N], values: &[u32]) -> TensorData {
    TensorData::u32(shape, values).expect("as many as the shape says")
}

/// What a face of the hand shows: the end of a finger, the rest of it, or the palm.
fn part(hand: &RiggedHand, face: &[u32; 3]) -> u32 {
    let joints = face.map(|v| hand.dominant_joint()[v as usize] as usize);
    let last = |f: usize| finger_rig_joints(f)[2];
    let fingers = joints.map(|j| if j == 1 { None } else { finger_of_rig_joint(j) });
    match fingers {
        [Some(f), Some(g), Some(h)] if f == g && g == h => {
            if joints.iter().all(|&j| j >= last(f)) {
                f as u32
            } else {
                5 + f as u32
            }
        }
        _ => PART_PALM,
    }
}

/// Where on the skin a vertex is, as a face of `part` wants to know: see `shade.wgsl`.
fn chart(hand: &RiggedHand, part: u32, vertex: usize, normal: Vec3) -> [f32; 4] {
    let frames = hand.rest_frames();
    let place = hand.rest_vertices()[vertex];
    if part >= PART_PALM {
        let out = frames[0].axes * Vec3::Z;
        return (place / 400.0).extend(out.dot(normal)).to_array();
    }
    let finger = part as usize % 5;
    let joints = finger_rig_joints(finger);
    let last = &frames[joints[2]];
    let across = last.axes * Vec3::X;
    let on_last = hand.rest_vertices().iter().zip(hand.dominant_joint()).filter(|(_, j)| **j as usize == joints[2]);
    let half_width = on_last.map(|(v, _)| across.dot(*v - last.origin).abs()).fold(1.0, f32::max);
    let tip = hand.rest_vertices()[hand.tip_vertices()[finger] as usize];
    // The bone whose joint the vertex lies beyond, counted from the last; its end gives the unit along it.
    let ends = [frames[joints[1]].origin, last.origin, tip];
    let beyond = |k: &usize| (frames[joints[*k]].axes * Vec3::Y).dot(place - frames[joints[*k]].origin) >= 0.0;
    let bone = (1..3).rev().find(beyond).unwrap_or(0);
    let frame = &frames[joints[bone]];
    let [x, y, z] = (frame.axes.inverse() * (place - frame.origin)).to_array();
    let length = (frame.axes * Vec3::Y).dot(ends[bone] - frame.origin);
    let along = y / length + bone as f32 - 2.0;
    let side = (frame.axes * Vec3::Z).dot(normal);
    [x / half_width / 4.0, along / 4.0, z / half_width / 4.0, side]
}

/// Eight words a face for the shader: corners, part, and the chart at each corner as four signed 16-bit fractions.
fn skins(hand: &RiggedHand, faces: &[[u32; 4]], rim: &Rim) -> Vec<u32> {
    let normals = normals(hand.rest_vertices(), hand.faces());
    let hand_vertices = hand.rest_vertices().len();
    let pack = |a: f32, b: f32| {
        let fraction = |x: f32| u32::from((x.clamp(-1.0, 1.0) * 32767.0).round() as i16 as u16);
        fraction(a) | fraction(b) << 16
    };
    let mut words = Vec::with_capacity(8 * faces.len());
    for &[a, b, c, part] in faces {
        words.extend([a | b << 16, c | part << 16]);
        for v in [a, b, c].map(|v| v as usize) {
            let [x, y, z, w] = match v.checked_sub(hand_vertices) {
                None => chart(hand, part, v, normals[v]),
                Some(of_arm) => arm::chart(of_arm, rim),
            };
            words.extend([pack(x, y), pack(z, w)]);
        }
    }
    words
}

/// Area-weighted vertex normals.
fn normals(vertices: &[Vec3], faces: &[[u32; 3]]) -> Vec<Vec3> {
    let mut sums = vec![Vec3::ZERO; vertices.len()];
    for face in faces {
        let [a, b, c] = face.map(|v| vertices[v as usize]);
        let normal = (b - a).cross(c - a);
        face.iter().for_each(|&v| sums[v as usize] += normal);
    }
    sums.into_iter().map(Vec3::normalize_or_zero).collect()
}

/// Bones between rig joints; radii from the mean distance of the vertices they carry, a little less so that a capsule lies
/// within the skin.
fn bones(hand: &RiggedHand) -> Vec<Bone> {
    let frames = hand.rest_frames();
    let bones: Vec<Bone> = (1..RIG_JOINTS - 1)
        .filter(|&from| crate::hand::joints::RIG_PARENTS[from + 1] == from)
        .map(|from| {
            let (a, b) = (frames[from].origin, frames[from + 1].origin);
            let near = |v: &Vec3| {
                let t = (*v - a).dot(b - a) / (b - a).length_squared();
                v.distance(a + (b - a) * t.clamp(0.0, 1.0))
            };
            let own = hand.rest_vertices().iter().zip(hand.dominant_joint()).filter(|(_, j)| **j as usize == from);
            let (sum, count) = own.fold((0.0, 0), |(s, n), (v, _)| (s + near(v), n + 1));
            // Metacarpals carry few vertices: the palm's half depth.
            let radius =
                if finger_of_rig_joint(from).is_some() && count > 0 { 0.92 * sum / count as f32 } else { 10.5 };
            Bone { from, to: from + 1, radius }
        })
        .collect();
    debug_assert_eq!(bones.len() + 1, CAPSULES);
    bones
}

/// The capsules that a vertex lies in or that lie next to it, as a set of bits: they cast no shadow on it.
fn own_capsules(bones: &[Bone], joint: Option<usize>) -> u32 {
    let arm = 1 << bones.len();
    let is_palm = |j: usize| finger_of_rig_joint(j).is_none();
    let Some(joint) = joint else {
        let palm = bones.iter().enumerate().filter(|(_, b)| is_palm(b.from) || b.from == 1);
        return palm.fold(arm, |set, (k, _)| set | 1 << k);
    };
    let mut set = if is_palm(joint) || joint == 1 { arm } else { 0 };
    for (k, bone) in bones.iter().enumerate() {
        let adjacent = bone.from == joint || bone.to == joint || bone.from == joint + 1;
        let same_finger = finger_of_rig_joint(joint) == finger_of_rig_joint(bone.from);
        let palm = is_palm(bone.from) && (is_palm(joint) || joint == 1);
        // The root of a finger grows out of the palm, and its bone out of the palm's vertices.
        let root = (is_palm(joint) && is_root(bone.from)) || (is_palm(bone.from) && is_root(joint));
        if (adjacent && (same_finger || is_palm(bone.from))) || palm || root || (joint == 1 && bone.from <= 2) {
            set |= 1 << k;
        }
    }
    set
}

fn is_root(joint: usize) -> bool {
    joint == 1 || finger_of_rig_joint(joint).is_some_and(|f| finger_rig_joints(f)[0] == joint)
}
