//! The degrees of freedom of the rig: which joints turn about which of their axes, and how far.

use glam::{EulerRot, Quat};

use super::Pose;

/// Lowest and highest angle of a finger's joints, degrees from the rest pose.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Flexion of the three joints.
    pub flexion: [(f32, f32); 3],
    /// Abduction of the base.
    pub abduction: (f32, f32),
    /// Twist of the base.
    pub twist: (f32, f32),
}

/// Limits of the thumb.
///
/// MCP and IP after the American Academy of Orthopaedic Surgeons, *Joint Motion* (1965): 0–50 and 0–80 degrees, with
/// some hyperextension. The CMC's are counted from the rig's rest pose, which already holds the thumb out by some 45
/// degrees, so that it reaches from beside the palm to the base of the little finger.
pub const THUMB_LIMITS: Limits =
    Limits { flexion: [(-20.0, 45.0), (-10.0, 55.0), (-15.0, 80.0)], abduction: (-50.0, 15.0), twist: (-15.0, 45.0) };

/// Limits of the other fingers: MCP, PIP, DIP of 0–90, 0–100, 0–90 degrees (same source) with the hyperextension of a
/// relaxed hand; abduction of ± 15 (Lin, Wu and Huang, "Modeling the constraints of human hand motion", 2000) and a little
/// more for the outer ones.
pub const FINGER_LIMITS: Limits =
    Limits { flexion: [(-25.0, 90.0), (-5.0, 105.0), (-8.0, 85.0)], abduction: (-18.0, 20.0), twist: (0.0, 0.0) };

/// Limits of each finger's metacarpal within the palm, thumb first: a closing hand hollows, and the outer ones give way.
pub const METACARPAL_LIMITS: [(f32, f32); 5] = [(0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 5.0), (0.0, 10.0)];

/// An axis of a joint, see [`super::JointFrame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// About x: positive bends towards the palm.
    Flexion,
    /// About z: positive leads away from the thumb.
    Abduction,
    /// About y, the bone.
    Twist,
}

/// One angle of a hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Freedom {
    /// The rig joint that turns.
    pub joint: usize,
    /// About which of its axes.
    pub turn: Turn,
    /// Lowest and highest angle from the rest pose, degrees.
    pub limits_deg: (f32, f32),
}

impl Freedom {
    /// Lowest and highest angle from the rest pose, radians.
    pub fn limits(&self) -> (f32, f32) {
        (self.limits_deg.0.to_radians(), self.limits_deg.1.to_radians())
    }
}

/// How many angles a hand has.
pub const FREEDOMS: usize = 23;

/// The angles of a hand, finger by finger, thumb first: metacarpal where it moves, base (flexion, abduction, for the thumb
/// twist), middle, end.
pub const HAND_FREEDOMS: [Freedom; FREEDOMS] = {
    use Turn::{Abduction, Flexion, Twist};
    const fn of(joint: usize, turn: Turn, limits_deg: (f32, f32)) -> Freedom {
        Freedom { joint, turn, limits_deg }
    }
    const THUMB: Limits = THUMB_LIMITS;
    const FINGER: Limits = FINGER_LIMITS;
    [
        of(1, Flexion, THUMB.flexion[0]),
        of(1, Abduction, THUMB.abduction),
        of(1, Twist, THUMB.twist),
        of(2, Flexion, THUMB.flexion[1]),
        of(3, Flexion, THUMB.flexion[2]),
        of(6, Flexion, FINGER.flexion[0]),
        of(6, Abduction, FINGER.abduction),
        of(7, Flexion, FINGER.flexion[1]),
        of(8, Flexion, FINGER.flexion[2]),
        of(11, Flexion, FINGER.flexion[0]),
        of(11, Abduction, FINGER.abduction),
        of(12, Flexion, FINGER.flexion[1]),
        of(13, Flexion, FINGER.flexion[2]),
        of(15, Flexion, METACARPAL_LIMITS[3]),
        of(16, Flexion, FINGER.flexion[0]),
        of(16, Abduction, FINGER.abduction),
        of(17, Flexion, FINGER.flexion[1]),
        of(18, Flexion, FINGER.flexion[2]),
        of(20, Flexion, METACARPAL_LIMITS[4]),
        of(21, Flexion, FINGER.flexion[0]),
        of(21, Abduction, FINGER.abduction),
        of(22, Flexion, FINGER.flexion[1]),
        of(23, Flexion, FINGER.flexion[2]),
    ]
};

impl Pose {
    /// The pose of these angles (radians, see [`HAND_FREEDOMS`]), the hand itself unturned at the origin. All 0 is the rest pose.
    pub fn from_angles(angles: &[f32; FREEDOMS]) -> Self {
        let mut pose = Pose::default();
        for joint in 1..pose.joints.len() {
            let angle = |turn: Turn| {
                let place = HAND_FREEDOMS.iter().position(|f| f.joint == joint && f.turn == turn);
                place.map_or(0.0, |k| angles[k])
            };
            pose.bend(joint, angle(Turn::Flexion), angle(Turn::Abduction), angle(Turn::Twist));
        }
        pose
    }

    /// The angles of a pose (radians, see [`HAND_FREEDOMS`]). What joints turn beyond their freedoms is left out.
    pub fn angles(&self) -> [f32; FREEDOMS] {
        HAND_FREEDOMS.map(|freedom| {
            let [flexion, abduction, twist] = bend_angles(self.joints[freedom.joint]);
            match freedom.turn {
                Turn::Flexion => flexion,
                Turn::Abduction => abduction,
                Turn::Twist => twist,
            }
        })
    }
}

/// Flexion, abduction and twist of a joint's turn: the inverse of [`Pose::bend`] for flexions within ± 90 degrees, and for
/// larger ones without abduction and twist.
fn bend_angles(turn: Quat) -> [f32; 3] {
    let (abduction, flexion, twist) = turn.to_euler(EulerRot::ZXY);
    // Beyond 90 degrees Euler's angles turn abduction and twist half about instead: the bend with less of both is meant.
    let half = |angle: f32| angle - std::f32::consts::PI.copysign(angle);
    let other = [std::f32::consts::PI.copysign(flexion) - flexion, half(abduction), half(twist)];
    let sideways = |angles: [f32; 3]| angles[1].abs() + angles[2].abs();
    let plain = [flexion, abduction, twist];
    if sideways(other) < sideways(plain) { other } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn angles_make_poses_and_come_back() {
        let mut rng = Rng::new(8, 0);
        for _ in 0..200 {
            let angles = HAND_FREEDOMS.map(|f| rng.range(f.limits().0, f.limits().1));
            let back = Pose::from_angles(&angles).angles();
            for ((a, b), freedom) in angles.iter().zip(&back).zip(&HAND_FREEDOMS) {
                assert!((a - b).abs() < 2e-3, "{freedom:?}: {a} came back as {b}");
            }
        }
        assert_eq!(Pose::from_angles(&[0.0; FREEDOMS]), Pose::default());
    }

    #[test]
    fn freedoms_are_in_order_and_none_stands_twice() {
        for (a, b) in HAND_FREEDOMS.iter().zip(&HAND_FREEDOMS[1..]) {
            assert!(a.joint <= b.joint && (a.joint, a.turn) != (b.joint, b.turn));
            assert!(a.limits_deg.0 < a.limits_deg.1 && a.limits_deg.0 <= 0.0 && a.limits_deg.1 >= 0.0);
        }
    }
}
