//! The arm that continues a hand beyond its wrist: a tube of rings that begins at the hand's own outline.

use glam::{Quat, Vec2, Vec3};

use crate::hand::{JointFrame, PosedHand, RiggedHand, Shape};

/// Rings of the arm, mm beyond the hand's rim. The first lie inside the hand.
const ARM_RINGS: [f32; 15] =
    [-14.0, -6.0, -1.0, 3.0, 10.0, 20.0, 34.0, 52.0, 76.0, 104.0, 136.0, 170.0, 206.0, 244.0, 284.0];
const ARM_SIDES: usize = 16;
/// How far the arm's axis lies from the wrist joint: across to the thumb, out of the palm, mm.
const WRIST_CENTRE: [f32; 2] = [-1.0, 0.0];

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
    /// Number of vertices: its rings, and one that closes its end.
    pub const VERTICES: usize = ARM_RINGS.len() * ARM_SIDES + 1;
    /// Number of rings of an arm.
    pub const RINGS: usize = ARM_RINGS.len();
}

/// Where the hand ends and the arm begins, in the rest frame: the plane `y + slope·z = level`, and how far the skin is from the
/// centre of the wrist in each direction there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rim {
    slope: f32,
    level: f32,
    /// Distance in the directions of the arm's sides, first across to the thumb, then out of the palm.
    reach: [f32; ARM_SIDES],
}

impl Rim {
    /// Half depth of the wrist, mm.
    pub(super) fn half_depth(&self) -> f32 {
        0.5 * (self.reach[ARM_SIDES / 4] + self.reach[3 * ARM_SIDES / 4])
    }
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

/// Appends the vertices of an arm.
pub(super) fn extend(vertices: &mut Vec<Vec3>, posed: &PosedHand, shape: &Shape, arm: &Arm, rim: Rim) {
    let mut path = ArmPath::new(&posed.frames[0], shape, arm, rim);
    for ring in 0..ARM_RINGS.len() {
        path.ring(ring, vertices);
    }
    vertices.push(path.centre);
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
pub(super) fn closes_wrist(hand: &RiggedHand, face: &[u32; 3]) -> bool {
    let [a, b, c] = face.map(|v| hand.rest_vertices()[v as usize]);
    let normal = (b - a).cross(c - a).normalize_or_zero();
    normal.y > 0.8 && (a.y + b.y + c.y) > 0.0
}

/// Measures the rim of a hand: the plane of the faces that close it, and its outline a little before that plane.
pub(super) fn rim(hand: &RiggedHand) -> Rim {
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

/// Faces of the arm, whose vertices begin at `first`.
pub(super) fn faces(first: u32, part: u32) -> Vec<[u32; 4]> {
    let (rings, sides) = (ARM_RINGS.len() as u32, ARM_SIDES as u32);
    let at = |ring: u32, side: u32| first + ring * sides + side % sides;
    let mut faces = Vec::new();
    for ring in 0..rings - 1 {
        for side in 0..sides {
            let (a, b, c, d) = (at(ring, side), at(ring, side + 1), at(ring + 1, side + 1), at(ring + 1, side));
            faces.push([a, b, c, part]);
            faces.push([a, c, d, part]);
        }
    }
    let end = first + rings * sides;
    faces.extend((0..sides).map(|side| [at(rings - 1, side), at(rings - 1, side + 1), end, part]));
    faces
}

/// Where on the arm its vertex `vertex` is at rest, in 400 mm, and its ring in 16: see `shade.wgsl`.
pub(super) fn chart(vertex: usize, rim: &Rim) -> [f32; 4] {
    let (ring, side) = (vertex / ARM_SIDES, vertex % ARM_SIDES);
    let Some(at) = ARM_RINGS.get(ring) else {
        let end = rim.level + ARM_RINGS[ARM_RINGS.len() - 1];
        return [0.0, end / 400.0, 0.0, 1.0];
    };
    let (sin, cos) = direction(side);
    let place = Vec3::new(cos, 0.0, -sin) * rim.reach[side] + Vec3::Y * (rim.level + at);
    (place / 400.0).extend(ring as f32 / 16.0).to_array()
}
