//! The mesh that scenes show: the hand, and an arm that continues it beyond the wrist. Everything about it that no pose
//! changes, ready to be constants of the rendering program.

use glam::{Quat, Vec2, Vec3};

use crate::graph::TensorData;
use crate::hand::joints::{RIG_JOINTS, finger_of_rig_joint, finger_rig_joints};
use crate::hand::{JointFrame, PosedHand, RiggedHand, Shape};

/// Rings of the arm, mm beyond the hand's rim. The first lie inside the hand.
const ARM_RINGS: [f32; 15] =
    [-14.0, -6.0, -1.0, 3.0, 10.0, 20.0, 34.0, 52.0, 76.0, 104.0, 136.0, 170.0, 206.0, 244.0, 284.0];
const ARM_SIDES: usize = 16;
/// How far the arm's axis lies from the wrist joint: across to the thumb, out of the palm, mm.
const WRIST_CENTRE: [f32; 2] = [-1.0, 0.0];
/// Capsules that stand for the hand when it shades itself: a bone each, but the tips, then the arm.
pub(super) const CAPSULES: usize = 20;
/// What a face shows, see `shade.wgsl`.
const PART_PALM: u32 = 10;
const PART_ARM: u32 = 11;

/// How an arm leaves the hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arm {
    /// Bend towards the palm at the wrist, radians.
    pub flexion: f32,
    /// Bend towards the thumb, radians.
    pub deviation: f32,
    /// Factor on its thickness away from the wrist.
    pub thickness: f32,
    /// The first ring under the sleeve; none if beyond the last ring.
    pub sleeve_ring: usize,
    /// How far the sleeve stands off, mm.
    pub sleeve_mm: f32,
}

impl Arm {
    /// Number of rings of an arm.
    pub const RINGS: usize = ARM_RINGS.len();
}

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

/// Where the hand ends and the arm begins, in the rest frame: the plane `y + slope·z = level`, and how far the skin is from the
/// centre of the wrist in each direction there.
#[derive(Clone, Copy, Debug)]
struct Rim {
    slope: f32,
    level: f32,
    /// Distance in the directions of the arm's sides, first across to the thumb, then out of the palm.
    reach: [f32; ARM_SIDES],
}

impl Rim {
    /// Half depth of the wrist, mm.
    fn half_depth(&self) -> f32 {
        0.5 * (self.reach[ARM_SIDES / 4] + self.reach[3 * ARM_SIDES / 4])
    }
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
        let vertices = hand_vertices + ARM_RINGS.len() * ARM_SIDES + 1;
        let skin = hand.faces().iter().filter(|f| !closes_wrist(hand, f));
        let mut faces: Vec<[u32; 4]> = skin.map(|f| [f[0], f[1], f[2], part(hand, f)]).collect();
        let hand_faces = faces.len();
        faces.extend(arm_faces(hand_vertices as u32));
        let rim = rim(hand);
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
        let mut path = ArmPath::new(&posed.frames[0], shape, arm, self.rim);
        for ring in 0..ARM_RINGS.len() {
            path.ring(ring, &mut all);
        }
        all.push(path.centre);
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

/// The arm's centre line, ring by ring from the wrist.
struct ArmPath {
    centre: Vec3,
    start: Quat,
    arm: Arm,
    rim: Rim,
    /// Factors across, along and out of the palm.
    size: Vec3,
    at: f32,
}

impl ArmPath {
    fn new(wrist: &JointFrame, shape: &Shape, arm: &Arm, rim: Rim) -> Self {
        let size = Vec3::new(shape.palm_width, shape.palm_length, shape.palm_depth) * shape.scale;
        let first = ARM_RINGS[0];
        let aside = Vec3::new(WRIST_CENTRE[0], -(rim.level + first), WRIST_CENTRE[1]);
        ArmPath {
            centre: wrist.origin + wrist.axes * (aside * size),
            start: wrist.axes,
            arm: *arm,
            rim,
            size,
            at: first,
        }
    }

    /// Appends the vertices of ring `ring`; call in order.
    fn ring(&mut self, ring: usize, vertices: &mut Vec<Vec3>) {
        let arm = &self.arm;
        let sleeved = ring >= arm.sleeve_ring;
        // The cuff is a step: the last bare ring lies next to the first of the sleeve.
        let at = if ring + 1 == arm.sleeve_ring { ARM_RINGS[ring + 1] - 0.5 } else { ARM_RINGS[ring] };
        let bent = smooth(at / 45.0);
        let turn = Quat::from_rotation_x(-arm.flexion * bent) * Quat::from_rotation_z(arm.deviation * bent);
        let axes = self.start * turn;
        self.centre -= axes * Vec3::Y * ((at - self.at) * self.size.y);
        self.at = at;
        // From the rim's outline, slanted as the rim, to a forearm.
        let full = smooth((at - 15.0) / 190.0);
        let within = 0.90 + 0.10 * smooth((at + 14.0) / 17.0);
        let grow = |elbow: f32| within * (1.0 + (elbow * arm.thickness - 1.0) * full);
        let (across, out) = (grow(1.5) * self.size.x, grow(1.95) * self.size.z);
        let slant = self.rim.slope * (1.0 - smooth(at / 60.0)) * self.size.y;
        // A cuff that hangs, and folds beyond it.
        let folds = |start: f32| 1.6 * (0.09 * at).sin() * smooth((at - start) / 30.0);
        let cloth = if sleeved { arm.sleeve_mm + folds(ARM_RINGS[arm.sleeve_ring]) } else { 0.0 };
        for (side, reach) in self.rim.reach.iter().enumerate() {
            let (sin, cos) = direction(side);
            let local = Vec3::new((reach * across + cloth) * cos, -slant * reach * sin, (reach * out + cloth) * sin);
            vertices.push(self.centre + axes * local);
        }
    }
}

/// Sine and cosine of a side of the arm, counted from the thumb's towards the palm's.
fn direction(side: usize) -> (f32, f32) {
    (std::f32::consts::TAU * side as f32 / ARM_SIDES as f32).sin_cos()
}

/// Whether a face of the hand closes it towards the arm.
fn closes_wrist(hand: &RiggedHand, face: &[u32; 3]) -> bool {
    let [a, b, c] = face.map(|v| hand.rest_vertices()[v as usize]);
    let normal = (b - a).cross(c - a).normalize_or_zero();
    normal.y > 0.8 && (a.y + b.y + c.y) > 0.0
}

/// Measures the rim of a hand: the plane of the faces that close it, and its outline a little before that plane.
fn rim(hand: &RiggedHand) -> Rim {
    let vertices = hand.rest_vertices();
    let (mut normal, mut centre, mut count) = (Vec3::ZERO, Vec3::ZERO, 0.0);
    for face in hand.faces().iter().filter(|f| closes_wrist(hand, f)) {
        let [a, b, c] = face.map(|v| vertices[v as usize]);
        normal += (b - a).cross(c - a);
        centre += a + b + c;
        count += 3.0;
    }
    // A hand without such faces ends a little beyond the wrist joint.
    let slope = if count > 0.0 { normal.z / normal.y } else { 0.0 };
    let level = if count > 0.0 { (centre.y + slope * centre.z) / count } else { 10.0 };
    let above = |v: Vec3| v.y + slope * v.z - (level - 2.0);
    let mut outline = Vec::new();
    for face in hand.faces() {
        let corners = face.map(|v| vertices[v as usize]);
        let cuts: Vec<Vec3> = (0..3)
            .map(|k| (corners[k], corners[(k + 1) % 3]))
            .filter(|(a, b)| (above(*a) > 0.0) != (above(*b) > 0.0))
            .map(|(a, b)| a.lerp(b, above(a) / (above(a) - above(b))))
            .collect();
        if let [p, q] = cuts[..] {
            let flat = |v: Vec3| Vec2::new(v.x - WRIST_CENTRE[0], -v.z - WRIST_CENTRE[1]);
            outline.push((flat(p), flat(q)));
        }
    }
    let reach = std::array::from_fn(|side| {
        let (sin, cos) = direction(side);
        let ray = Vec2::new(cos, sin);
        // Where the ray from the centre crosses the outline, farthest out; an ellipse where there is none.
        let crossing = |(p, q): &(Vec2, Vec2)| {
            let (a, b) = (ray.perp_dot(*p), ray.perp_dot(*q));
            let at = p.lerp(*q, a / (a - b)).dot(ray);
            ((a > 0.0) != (b > 0.0) && at > 0.0).then_some(at)
        };
        let found = outline.iter().filter_map(crossing).fold(0.0, f32::max);
        if found > 0.0 { found } else { 1.0 / Vec2::new(cos / 26.0, sin / 18.0).length() }
    });
    Rim { slope, level, reach }
}

fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

fn arm_faces(first: u32) -> Vec<[u32; 4]> {
    let (rings, sides) = (ARM_RINGS.len() as u32, ARM_SIDES as u32);
    let at = |ring: u32, side: u32| first + ring * sides + side % sides;
    let mut faces = Vec::new();
    for ring in 0..rings - 1 {
        for side in 0..sides {
            let (a, b, c, d) = (at(ring, side), at(ring, side + 1), at(ring + 1, side + 1), at(ring + 1, side));
            faces.push([a, b, c, PART_ARM]);
            faces.push([a, c, d, PART_ARM]);
        }
    }
    let end = first + rings * sides;
    faces.extend((0..sides).map(|side| [at(rings - 1, side), at(rings - 1, side + 1), end, PART_ARM]));
    faces
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
                Some(of_arm) => arm_chart(of_arm, rim),
            };
            words.extend([pack(x, y), pack(z, w)]);
        }
    }
    words
}

fn arm_chart(vertex: usize, rim: &Rim) -> [f32; 4] {
    let (ring, side) = (vertex / ARM_SIDES, vertex % ARM_SIDES);
    let Some(at) = ARM_RINGS.get(ring) else {
        let end = rim.level + ARM_RINGS[ARM_RINGS.len() - 1];
        return [0.0, end / 400.0, 0.0, 1.0];
    };
    let (sin, cos) = direction(side);
    let place = Vec3::new(cos, 0.0, -sin) * rim.reach[side] + Vec3::Y * (rim.level + at);
    (place / 400.0).extend(ring as f32 / 16.0).to_array()
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
