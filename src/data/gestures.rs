//! The joint angles of a hand in degrees, and gestures that people make.

use crate::hand::Pose;
use crate::hand::freedoms::{FINGER_LIMITS, METACARPAL_LIMITS, THUMB_LIMITS};
use crate::hand::joints::finger_rig_joints;

/// Angles of one finger from the flat rest pose, degrees, about the axes of [`crate::hand::JointFrame`].
///
/// For the thumb the joints are CMC, MCP and IP; flexing its base leads it across the palm, a negative
/// abduction lifts it out of the palm's plane (palmar abduction), and twist turns its pad to the fingers (opposition).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FingerAngles {
    /// Flexion of the three joints, base first.
    pub flexion: [f32; 3],
    /// Abduction of the base; positive leads away from the thumb.
    pub abduction: f32,
    /// Twist of the base about its bone.
    pub twist: f32,
}

/// Angles of a hand, thumb first.
pub type HandAngles = [FingerAngles; 5];

impl FingerAngles {
    /// The angles pulled back into the limits of finger `finger`. A flexed base leaves little room to spread: its ligaments are
    /// taut then.
    pub fn limited(self, finger: usize) -> Self {
        let limits = if finger == 0 { &THUMB_LIMITS } else { &FINGER_LIMITS };
        let clamp = |x: f32, (low, high): (f32, f32)| x.clamp(low, high);
        let flexion: [f32; 3] = std::array::from_fn(|k| clamp(self.flexion[k], limits.flexion[k]));
        let taut = if finger == 0 { 0.0 } else { 0.75 * flexion[0].max(0.0) / 90.0 };
        Self {
            flexion,
            abduction: clamp(self.abduction, limits.abduction) * (1.0 - taut),
            twist: clamp(self.twist, limits.twist),
        }
    }

    /// The angles a fraction `t` of the way to another finger's.
    pub fn towards(&self, other: &Self, t: f32) -> Self {
        let mix = |a: f32, b: f32| a + t * (b - a);
        Self {
            flexion: std::array::from_fn(|k| mix(self.flexion[k], other.flexion[k])),
            abduction: mix(self.abduction, other.abduction),
            twist: mix(self.twist, other.twist),
        }
    }
}

/// The pose that joint angles make, the hand itself unturned.
///
/// A closing hand hollows: the ring and little fingers' metacarpals follow their fingers by up to 5 and 10 degrees.
pub fn pose_of(angles: &HandAngles) -> Pose {
    /// The base's flexion at which the metacarpal has followed as far as it goes.
    const FULL_DEG: f32 = FINGER_LIMITS.flexion[0].1;
    let mut pose = Pose::default();
    for (finger, angle) in angles.iter().enumerate() {
        let [base, middle, end] = finger_rig_joints(finger);
        let [first, second, third] = angle.flexion.map(f32::to_radians);
        pose.bend(base, first, angle.abduction.to_radians(), angle.twist.to_radians());
        pose.bend(middle, second, 0.0, 0.0);
        pose.bend(end, third, 0.0, 0.0);
        let follows = METACARPAL_LIMITS[finger].1 / FULL_DEG;
        if follows > 0.0 {
            pose.bend(base - 1, follows * first.max(0.0), 0.0, 0.0);
        }
    }
    pose
}

/// A gesture: its name, how often it is drawn compared to the others, and its angles.
pub struct Gesture {
    /// What it is called.
    pub name: &'static str,
    /// Relative frequency.
    pub weight: f32,
    /// Joint angles.
    pub angles: HandAngles,
}

const fn gesture(name: &'static str, weight: f32, angles: HandAngles) -> Gesture {
    Gesture { name, weight, angles }
}

/// Flexion of MCP, PIP, DIP, then abduction.
const fn bent(base: f32, middle: f32, end: f32, abduction: f32) -> FingerAngles {
    FingerAngles { flexion: [base, middle, end], abduction, twist: 0.0 }
}

/// CMC flexion, abduction and twist, then MCP and IP flexion.
const fn thumb(flexion: f32, abduction: f32, twist: f32, middle: f32, end: f32) -> FingerAngles {
    FingerAngles { flexion: [flexion, middle, end], abduction, twist }
}

/// A straight finger, abducted.
const fn straight(abduction: f32) -> FingerAngles {
    bent(0.0, 2.0, 1.0, abduction)
}

const EXTENDED: FingerAngles = straight(0.0);
const CURLED: FingerAngles = bent(72.0, 95.0, 60.0, 0.0);

const THUMB_OUT: FingerAngles = thumb(-5.0, 0.0, 0.0, 0.0, -5.0);
const THUMB_ALONG: FingerAngles = thumb(28.0, 5.0, 0.0, 5.0, 5.0);
const THUMB_OVER: FingerAngles = thumb(5.0, -18.0, 5.0, 50.0, 55.0);
const THUMB_ON_LITTLE: FingerAngles = thumb(33.0, -13.0, 21.0, 55.0, 60.0);
const THUMB_ACROSS: FingerAngles = thumb(40.0, -10.0, 15.0, 48.0, 45.0);
const THUMB_UP: FingerAngles = thumb(-8.0, 8.0, 0.0, -5.0, -10.0);
const THUMB_EASY: FingerAngles = thumb(8.0, -8.0, 5.0, 10.0, 12.0);
const THUMB_OPPOSED: FingerAngles = thumb(31.0, -28.0, 22.0, 6.0, 5.0);
const THUMB_GRIP: FingerAngles = thumb(10.0, -32.0, 10.0, 20.0, 25.0);
const THUMB_CLAW: FingerAngles = thumb(0.0, -25.0, 5.0, 15.0, 35.0);

/// The gestures that samples start from.
#[rustfmt::skip] // one gesture a row reads as the table it is
pub const GESTURES: [Gesture; 24] = [
    gesture("flat", 2.0, [THUMB_ALONG, straight(3.0), EXTENDED, straight(-7.0), straight(-13.0)]),
    gesture("five", 3.0, [THUMB_OUT, straight(-8.0), EXTENDED, straight(7.0), straight(14.0)]),
    gesture("fist", 2.0, [THUMB_OVER, CURLED, CURLED, CURLED, CURLED]),
    gesture("one", 2.0, [THUMB_OVER, EXTENDED, CURLED, CURLED, CURLED]),
    gesture("two", 2.0, [THUMB_OVER, straight(-9.0), straight(5.0), CURLED, CURLED]),
    gesture("three", 1.5, [THUMB_ON_LITTLE, straight(-7.0), EXTENDED, straight(8.0), CURLED]),
    gesture("four", 1.5, [THUMB_ACROSS, straight(-7.0), EXTENDED, straight(6.0), straight(12.0)]),
    gesture("thumb and index", 1.5, [THUMB_OUT, EXTENDED, CURLED, CURLED, CURLED]),
    gesture("thumb, index, middle", 1.5, [THUMB_OUT, straight(-6.0), straight(4.0), CURLED, CURLED]),
    gesture("thumbs-up", 2.0, [THUMB_UP, CURLED, CURLED, CURLED, CURLED]),
    gesture("OK", 2.0, [THUMB_OPPOSED, bent(46.0, 56.0, 31.0, 1.0), bent(15.0, 15.0, 8.0, 0.0), bent(6.0, 8.0, 5.0, 5.0), straight(10.0)]),
    gesture("rock", 1.0, [THUMB_OVER, EXTENDED, CURLED, CURLED, straight(8.0)]),
    gesture("rock, thumb out", 1.0, [THUMB_OUT, EXTENDED, CURLED, CURLED, straight(8.0)]),
    gesture("call me", 1.0, [THUMB_OUT, CURLED, CURLED, CURLED, straight(12.0)]),
    gesture("little finger", 0.5, [THUMB_OVER, CURLED, CURLED, CURLED, straight(8.0)]),
    gesture("relaxed", 3.0, [THUMB_EASY, bent(14.0, 22.0, 12.0, 0.0), bent(18.0, 26.0, 15.0, 0.0), bent(22.0, 30.0, 18.0, 0.0), bent(24.0, 32.0, 20.0, 0.0)]),
    gesture("claw", 1.0, [THUMB_CLAW, bent(5.0, 60.0, 40.0, -8.0), bent(5.0, 62.0, 42.0, 0.0), bent(5.0, 60.0, 40.0, 7.0), bent(5.0, 58.0, 38.0, 14.0)]),
    gesture("hook", 0.5, [THUMB_ALONG, bent(5.0, 95.0, 60.0, 0.0), bent(5.0, 95.0, 60.0, 0.0), bent(5.0, 95.0, 60.0, 0.0), bent(5.0, 92.0, 60.0, 0.0)]),
    gesture("pinch", 1.5, [THUMB_OPPOSED, bent(46.0, 56.0, 31.0, 1.0), bent(50.0, 65.0, 40.0, 0.0), bent(55.0, 70.0, 45.0, 0.0), bent(58.0, 70.0, 45.0, 0.0)]),
    gesture("all tips", 0.7, [thumb(23.0, -27.0, 33.0, 28.0, 24.0), bent(66.0, 37.0, 18.0, 0.0), bent(56.0, 46.0, 30.0, 0.0), bent(56.0, 38.0, 24.0, 0.0), bent(65.0, 15.0, 14.0, 0.0)]),
    gesture("grip", 1.5, [THUMB_GRIP, bent(32.0, 45.0, 28.0, -4.0), bent(38.0, 48.0, 30.0, 0.0), bent(42.0, 50.0, 32.0, 3.0), bent(46.0, 48.0, 30.0, 6.0)]),
    gesture("phone", 1.0, [THUMB_GRIP, bent(20.0, 30.0, 18.0, 0.0), bent(45.0, 40.0, 25.0, 0.0), bent(50.0, 45.0, 28.0, 0.0), bent(55.0, 45.0, 28.0, 0.0)]),
    gesture("index bent", 0.7, [THUMB_EASY, bent(48.0, 35.0, 20.0, 0.0), bent(8.0, 10.0, 6.0, 0.0), bent(18.0, 25.0, 14.0, 0.0), bent(22.0, 28.0, 16.0, 4.0)]),
    gesture("bent at the knuckles", 0.7, [THUMB_ALONG, bent(38.0, 3.0, 1.0, 3.0), bent(40.0, 3.0, 1.0, 0.0), bent(40.0, 3.0, 1.0, -6.0), bent(40.0, 3.0, 1.0, -10.0)]),
];
