//! A cheap test for hands that run into themselves: bones as capsules.

use glam::Vec3;

use super::joints::{RIG_JOINTS, RIG_PARENTS, TIPS, finger_of_rig_joint, finger_rig_joints};
use super::{PosedHand, RiggedHand, Shape};

/// The bones of a hand as capsules, with radii measured from its skin at rest.
#[derive(Clone, Debug)]
pub struct Capsules {
    /// Mean distance of the vertices that follow each rig joint from its bone, mm; for the palm's bones only across the
    /// palm, which is broader than deep. 0 for joints that move none.
    radii: [f32; RIG_JOINTS],
}

/// A bone in space.
#[derive(Clone, Copy)]
struct Capsule {
    joint: usize,
    from: Vec3,
    to: Vec3,
    radius: f32,
}

/// Flesh gives way: capsules may overlap by this share of their radii before it counts.
const SOFTNESS: f32 = 0.3;

impl Capsules {
    /// Measures the radii of a hand.
    pub fn new(hand: &RiggedHand) -> Self {
        let frames = hand.rest_frames();
        let (mut sum, mut count) = ([0.0; RIG_JOINTS], [0u32; RIG_JOINTS]);
        for (vertex, &joint) in hand.rest_vertices().iter().zip(hand.dominant_joint()) {
            let joint = joint as usize;
            let end = (1..RIG_JOINTS).find(|&j| joint > 0 && RIG_PARENTS[j] == joint);
            let end = frames[end.unwrap_or(joint)].origin;
            let away = *vertex - closest(frames[joint].origin, end, *vertex);
            let across = away.dot(frames[joint].axes * Vec3::Z).abs();
            sum[joint] += finger_of_rig_joint(joint).map_or(across, |_| away.length());
            count[joint] += 1;
        }
        let radii = std::array::from_fn(|j| sum[j] / count[j].max(1) as f32);
        Self { radii }
    }

    /// How deep fingers run into one another or into the palm, mm: the deepest overlap of two capsules beyond what soft
    /// flesh takes up; 0 for a hand that could be real.
    pub fn penetration(&self, hand: &PosedHand, shape: &Shape) -> f32 {
        let capsules: Vec<Capsule> = (1..RIG_JOINTS).filter_map(|j| self.capsule(j, hand, shape)).collect();
        let mut deepest = 0.0f32;
        for (i, a) in capsules.iter().enumerate() {
            for b in capsules[..i].iter().filter(|b| can_collide(a.joint, b.joint)) {
                let room = (1.0 - SOFTNESS) * (a.radius + b.radius);
                deepest = deepest.max(room - distance(a, b));
            }
        }
        deepest
    }

    fn capsule(&self, joint: usize, hand: &PosedHand, shape: &Shape) -> Option<Capsule> {
        let thickness = finger_of_rig_joint(joint).map_or(shape.palm_depth, |f| shape.finger_thickness[f]);
        let radius = self.radii[joint] * thickness * shape.scale;
        let from = hand.frames[joint].origin;
        let to = match finger_of_rig_joint(joint) {
            // The last bone ends a radius inside the tip's skin.
            Some(f) if finger_rig_joints(f)[2] == joint => {
                let tip = hand.joints[TIPS[f]];
                tip - (tip - from).normalize_or_zero() * radius
            }
            _ => hand.frames[joint + 1..].first()?.origin,
        };
        (radius > 0.0).then_some(Capsule { joint, from, to, radius })
    }
}

/// Bones that may meet: not those of one finger, of the palm, or beside each other at the roots of the fingers.
fn can_collide(a: usize, b: usize) -> bool {
    // The thumb's metacarpal counts as palm; a phalanx is given as (finger, 0 for the one next to the palm).
    let phalanx = |joint: usize| {
        let finger = finger_of_rig_joint(joint)?;
        let place = joint - finger_rig_joints(finger)[0];
        if finger == 0 { place.checked_sub(1).map(|p| (0, p)) } else { Some((finger, place)) }
    };
    match (phalanx(a), phalanx(b)) {
        (None, None) => false,
        (Some((_, place)), None) | (None, Some((_, place))) => place > 0,
        (Some((f, p)), Some((g, q))) => f != g && (p > 0 || q > 0),
    }
}

/// The point of a segment closest to `p`.
fn closest(from: Vec3, to: Vec3, p: Vec3) -> Vec3 {
    let along = to - from;
    let t = along.dot(p - from) / along.length_squared().max(1e-12);
    from + along * t.clamp(0.0, 1.0)
}

/// The distance of two segments (Ericson, *Real-Time Collision Detection*, 2005, §5.1.9).
fn distance(a: &Capsule, b: &Capsule) -> f32 {
    let (u, v, w) = (a.to - a.from, b.to - b.from, a.from - b.from);
    let (uu, uv, vv) = (u.length_squared(), u.dot(v), v.length_squared());
    let (uw, vw) = (u.dot(w), v.dot(w));
    let determinant = uu * vv - uv * uv;
    let s = if determinant > 1e-6 * uu * vv { (uv * vw - vv * uw) / determinant } else { 0.0 };
    // The clamped point of one line, its nearest on the other segment, and back once: exact for segments.
    let on_b = closest(b.from, b.to, a.from + u * s.clamp(0.0, 1.0));
    let on_a = closest(a.from, a.to, on_b);
    on_a.distance(closest(b.from, b.to, on_a))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand::Pose;

    #[test]
    fn segment_distances_match_a_fine_search() {
        let mut rng = crate::rng::Rng::new(5, 0);
        for _ in 0..50 {
            let mut point = || Vec3::new(rng.normal(), rng.normal(), rng.normal());
            let mut capsule = || Capsule { joint: 0, from: point(), to: point(), radius: 0.0 };
            let (a, b) = (capsule(), capsule());
            let along = |c: &Capsule, t: usize| c.from.lerp(c.to, t as f32 / 400.0);
            let searched = (0..=400).map(|t| along(&a, t).distance(closest(b.from, b.to, along(&a, t))));
            let searched = searched.fold(f32::MAX, f32::min);
            assert!((distance(&a, &b) - searched).abs() < 1e-2, "{} against {searched}", distance(&a, &b));
        }
        let parallel = |y: f32| Capsule { joint: 0, from: Vec3::Y * y, to: Vec3::new(3.0, y, 0.0), radius: 0.0 };
        assert_eq!(distance(&parallel(0.0), &parallel(2.0)), 2.0);
    }

    #[test]
    fn the_rest_pose_is_free_and_a_finger_through_the_palm_is_not() {
        let hand = RiggedHand::right();
        let capsules = Capsules::new(&hand);
        let shape = Shape::default();
        assert_eq!(capsules.penetration(&hand.pose(&Pose::default(), &shape), &shape), 0.0);
        let mut through = Pose::default();
        through.bend(11, 3.0, 0.0, 0.0);
        assert!(capsules.penetration(&hand.pose(&through, &shape), &shape) > 3.0);
        let mut crossed = Pose::default();
        crossed.bend(6, 0.0, 0.5, 0.0);
        assert!(capsules.penetration(&hand.pose(&crossed, &shape), &shape) > 2.0);
    }

    #[test]
    fn radii_are_those_of_fingers() {
        let capsules = Capsules::new(&RiggedHand::right());
        for finger in 0..5 {
            let last = capsules.radii[finger_rig_joints(finger)[2]];
            assert!((4.0..12.0).contains(&last), "finger {finger}: {last} mm");
        }
    }
}
