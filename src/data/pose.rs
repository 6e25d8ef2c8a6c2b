//! Poses and shapes of hands drawn at random: gestures, blends of gestures, and fingers that each do something of their
//! own, within joint limits, coupled as tendons couple them, and not running into themselves.

use super::gestures::{FingerAngles, GESTURES, HandAngles, pose_of};
use crate::hand::contact::Capsules;
use crate::hand::{Pose, RiggedHand, Shape};
use crate::rng::Rng;

/// Deepest overlap of a finger with another or with the palm that a sample may have, mm; see [`Capsules::penetration`].
const DEEPEST_MM: f32 = 1.0;

/// Draws poses and shapes of one hand.
#[derive(Clone, Debug)]
pub struct PoseSampler {
    hand: RiggedHand,
    capsules: Capsules,
}

impl PoseSampler {
    /// A sampler for `hand`, which lends its skin to tell which poses are possible.
    pub fn new(hand: &RiggedHand) -> Self {
        PoseSampler { hand: hand.clone(), capsules: Capsules::new(hand) }
    }

    /// A pose, the hand itself unturned at the origin, and a shape. Depends on nothing but the state of `rng`.
    pub fn sample(&self, rng: &mut Rng) -> (Pose, Shape) {
        const TRIES: usize = 8;
        let shape = draw_shape(rng);
        let mut angles = draw_angles(rng);
        for _ in 1..TRIES {
            if self.is_free(&angles, &shape) {
                return (pose_of(&angles), shape);
            }
            angles = draw_angles(rng);
        }
        // Rarely needed: open the last attempt step by step. The open hand at its end is free whatever the shape.
        let open = &GESTURES.iter().find(|g| g.name == "five").expect("the table has an open hand").angles;
        for step in 1..=4 {
            if self.is_free(&angles, &shape) {
                break;
            }
            let t = step as f32 / 4.0;
            angles = std::array::from_fn(|f| angles[f].towards(&open[f], t));
        }
        (pose_of(&angles), shape)
    }

    fn is_free(&self, angles: &HandAngles, shape: &Shape) -> bool {
        let posed = self.hand.pose(&pose_of(angles), shape);
        self.capsules.penetration(&posed, shape) <= DEEPEST_MM
    }
}

/// A hand as hands differ: size by some 6 %, proportions by less, fingers of one hand alike.
///
/// Means and spreads of the factors are those of [`crate::hand::shape::SHAPE_PRIOR`], which names their source.
fn draw_shape(rng: &mut Rng) -> Shape {
    let mut factor = |mean: f32, spread: f32| mean + spread * rng.normal().clamp(-2.5, 2.5);
    let scale = factor(0.97, 0.06);
    let (palm_width, palm_length, palm_depth) = (factor(1.0, 0.04), factor(1.0, 0.035), factor(1.0, 0.07));
    let (long, thick) = (factor(1.0, 0.03), factor(1.04, 0.07));
    let finger_length = std::array::from_fn(|_| long * factor(1.0, 0.02));
    let finger_thickness = std::array::from_fn(|_| thick * factor(1.0, 0.025));
    Shape { scale, palm_width, palm_length, palm_depth, finger_length, finger_thickness }
}

/// Angles within the limits: a gesture, two blended, or finger by finger; then what no two hands do alike.
fn draw_angles(rng: &mut Rng) -> HandAngles {
    let kind = rng.uniform();
    let mut angles = if kind < 0.4 {
        *draw_gesture(rng)
    } else if kind < 0.6 {
        let (a, b, t) = (draw_gesture(rng), draw_gesture(rng), rng.uniform());
        std::array::from_fn(|f| a[f].towards(&b[f], t))
    } else {
        draw_fingers(rng)
    };
    vary(rng, &mut angles);
    std::array::from_fn(|f| angles[f].limited(f))
}

fn draw_gesture(rng: &mut Rng) -> &'static HandAngles {
    let mut left = rng.uniform() * GESTURES.iter().map(|g| g.weight).sum::<f32>();
    let chosen = GESTURES.iter().find(|g| {
        left -= g.weight;
        left < 0.0
    });
    &chosen.unwrap_or(&GESTURES[0]).angles
}

/// Every finger extended, curled or in between. Neighbours tend to do the same, and are held back by tendons they share.
fn draw_fingers(rng: &mut Rng) -> HandAngles {
    let thumb = draw_gesture(rng)[0];
    let mut angles = [thumb; 5];
    let mut state = rng.uniform();
    for angle in &mut angles[1..] {
        if rng.chance(0.5) {
            state = rng.uniform();
        }
        let (base, middle) = match state {
            x if x < 0.35 => (-2.0 + 7.0 * rng.normal(), 4.0 + 5.0 * rng.normal()),
            x if x < 0.68 => (65.0 + 12.0 * rng.normal(), 88.0 + 10.0 * rng.normal()),
            _ => (rng.range(-10.0, 75.0), rng.range(0.0, 95.0)),
        };
        // DIP ≈ 2/3 PIP: both hang on one tendon (Rijpkema and Girard, "Computer animation of knowledge-based
        // human grasping", 1991).
        let end = middle * 2.0 / 3.0 + 5.0 * rng.normal();
        *angle = FingerAngles { flexion: [base, middle, end], abduction: 0.0, twist: 0.0 };
    }
    // The long flexors and extensors of middle, ring and little finger are partly joined: none bends or stretches all alone.
    const SHARED: [f32; 4] = [0.05, 0.12, 0.2, 0.15];
    let alone = angles;
    for f in 1..5 {
        let neighbour = |g: usize| if (1..5).contains(&g) { alone[g] } else { alone[f] };
        let mean = neighbour(f - 1).towards(&neighbour(f + 1), 0.5);
        angles[f] = angles[f].towards(&mean, SHARED[f - 1]);
    }
    angles
}

/// Looser or tighter, wider or narrower, and a tremble in every joint.
fn vary(rng: &mut Rng, angles: &mut HandAngles) {
    let tightness = 1.0 + 0.10 * rng.normal();
    let droop = 4.0 * rng.normal();
    // Fingers spread together; people who show a hand to a camera rather open it.
    let spread = rng.range(-0.5, 1.0);
    const FAN_DEG: [f32; 5] = [0.0, -9.0, 0.0, 7.0, 14.0];
    for (f, angle) in angles.iter_mut().enumerate() {
        // A closed finger lies against its neighbours and cannot wander far.
        let open = 1.0 - 0.6 * (angle.flexion[1] / 100.0).clamp(0.0, 1.0);
        for flexion in &mut angle.flexion {
            *flexion = *flexion * tightness + open * (droop + 5.0 * rng.normal());
        }
        // DIPs move with their PIPs more than on their own.
        if f > 0 {
            let coupled = angle.flexion[1] * 2.0 / 3.0;
            angle.flexion[2] += 0.4 * (coupled - angle.flexion[2]);
        }
        angle.abduction += spread * FAN_DEG[f] * open + 2.5 * rng.normal();
        if f == 0 {
            angle.flexion[0] += 4.0 * rng.normal();
            angle.abduction += 5.0 * rng.normal();
            angle.twist += 6.0 * rng.normal();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand::freedoms::{FINGER_LIMITS, THUMB_LIMITS};
    use crate::hand::joints::{TIPS, finger_rig_joints};
    use crate::hand::shape::SHAPE_PRIOR;

    fn samples(n: u64) -> impl Iterator<Item = (Pose, Shape)> {
        let sampler = PoseSampler::new(&RiggedHand::right());
        (0..n).map(move |i| sampler.sample(&mut Rng::new(11, i)))
    }

    #[test]
    fn same_seed_same_hand() {
        assert!(samples(20).eq(samples(20)));
        let different = samples(20).zip(samples(21).skip(1)).filter(|(a, b)| a != b).count();
        assert_eq!(different, 20);
    }

    #[test]
    fn gestures_are_possible() {
        let hand = RiggedHand::right();
        let (capsules, shape) = (Capsules::new(&hand), Shape::default());
        for gesture in &GESTURES {
            let limited = std::array::from_fn(|f| gesture.angles[f].limited(f));
            let deep = capsules.penetration(&hand.pose(&pose_of(&limited), &shape), &shape);
            assert!(deep <= DEEPEST_MM, "{}: {deep} mm deep", gesture.name);
            for (f, (a, b)) in limited.iter().zip(&gesture.angles).enumerate() {
                assert_eq!(a.flexion, b.flexion, "{}: finger {f} beyond its limits", gesture.name);
            }
        }
    }

    #[test]
    fn samples_are_possible_and_varied() {
        let hand = RiggedHand::right();
        let capsules = Capsules::new(&hand);
        let n = 300;
        let mut reach = [[0.0f32; 300]; 5];
        for (i, (pose, shape)) in samples(n).enumerate() {
            let posed = hand.pose(&pose, &shape);
            assert!(posed.vertices.iter().all(|v| v.is_finite()));
            assert!(capsules.penetration(&posed, &shape) <= DEEPEST_MM, "sample {i}");
            for f in 0..5 {
                let base = posed.frames[finger_rig_joints(f)[0]].origin;
                let rest = hand.rest_frames()[finger_rig_joints(f)[0]].origin;
                let tip = hand.rest_vertices()[hand.tip_vertices()[f] as usize];
                reach[f][i] = posed.joints[TIPS[f]].distance(base) / tip.distance(rest);
            }
        }
        // Each finger is stretched in some and curled in some.
        for (f, reach) in reach.iter().enumerate().skip(1) {
            let stretched = reach.iter().filter(|&&r| r > 0.9).count();
            let curled = reach.iter().filter(|&&r| r < 0.55).count();
            assert!(stretched > 60 && curled > 20, "finger {f}: {stretched} stretched, {curled} curled of {n}");
        }
    }

    #[test]
    fn shapes_vary_as_the_prior_says() {
        const N: usize = 4000;
        let mut rng = Rng::new(12, 0);
        let logs: Vec<_> = (0..N).map(|_| draw_shape(&mut rng).logs()).collect();
        for (k, (mean, spread)) in SHAPE_PRIOR.into_iter().enumerate() {
            let drawn = logs.iter().map(|logs| logs[k]).sum::<f32>() / N as f32;
            let square = logs.iter().map(|logs| (logs[k] - drawn).powi(2)).sum::<f32>() / N as f32;
            assert!((drawn - mean).abs() < 0.1 * spread, "factor {k}: mean {drawn}, told as {mean}");
            assert!(
                (square.sqrt() / spread - 1.0).abs() < 0.1,
                "factor {k}: spread {}, told as {spread}",
                square.sqrt()
            );
        }
    }

    #[test]
    fn angles_stay_within_limits() {
        let mut rng = Rng::new(4, 2);
        for _ in 0..500 {
            for (f, angle) in draw_angles(&mut rng).iter().enumerate() {
                let limits = if f == 0 { THUMB_LIMITS } else { FINGER_LIMITS };
                for (x, (low, high)) in angle.flexion.into_iter().zip(limits.flexion) {
                    assert!((low..=high).contains(&x));
                }
                assert!((limits.abduction.0..=limits.abduction.1).contains(&angle.abduction));
                assert!((limits.twist.0..=limits.twist.1).contains(&angle.twist));
            }
        }
    }
}
