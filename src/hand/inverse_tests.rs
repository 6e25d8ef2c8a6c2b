use glam::Quat;

use super::*;
use crate::data::PoseSampler;
use crate::rng::Rng;

/// A hand drawn at random somewhere before a camera, and its shape.
fn sample(sampler: &PoseSampler, k: u64) -> (Pose, Shape) {
    let mut rng = Rng::new(77, k);
    let (mut pose, shape) = sampler.sample(&mut rng);
    let mut draw = |size: f32| Vec3::new(rng.range(-size, size), rng.range(-size, size), rng.range(-size, size));
    (pose.rotation, pose.translation_mm) = (Quat::from_scaled_axis(draw(2.0)), draw(300.0));
    (pose, shape)
}

fn within_limits(fit: &IkFit) -> bool {
    let within = |(angle, limits): (&f32, (f32, f32))| (limits.0 - 1e-5..=limits.1 + 1e-5).contains(angle);
    fit.angles.iter().zip(HAND_FREEDOMS.map(|f| f.limits())).all(within)
}

#[test]
fn poses_come_back_from_their_joints() {
    let hand = RiggedHand::right();
    let sampler = PoseSampler::new(&hand);
    let mut mean_skin = 0.0;
    const POSES: u64 = 200;
    for k in 0..POSES {
        let (pose, shape) = sample(&sampler, k);
        let posed = hand.pose(&pose, &shape);
        let fit = inverse_kinematics(&hand, &posed.joints, &shape).unwrap();
        let again = hand.pose(&fit.pose, &shape);
        let far = again.joints.iter().zip(&posed.joints).map(|(a, b)| a.distance(*b)).fold(0.0, f32::max);
        assert!((far - fit.residual_mm).abs() < 0.01, "{k}: {far} mm, told as {}", fit.residual_mm);
        assert!(far <= 0.01, "{k}: {far} mm");
        assert!(within_limits(&fit), "{k}");
        let skin = again.vertices.iter().zip(&posed.vertices).map(|(a, b)| a.distance(*b)).fold(0.0, f32::max);
        mean_skin += skin / POSES as f32;
    }
    // The thumb's twist too, which moves no joint of a thumb that is straight but its tip.
    assert!(mean_skin < 0.05, "{mean_skin}");
}

#[test]
fn bones_alone_are_exact_for_most_reachable_joints() {
    let hand = RiggedHand::right();
    let sampler = PoseSampler::new(&hand);
    let exact = (0..100).filter(|&k| {
        let (pose, shape) = sample(&sampler, k);
        let bones = Bones::new(&hand, &shape);
        let targets = hand.pose(&pose, &shape).joints.map(|p| p.as_dvec3());
        let mut state = State::rest(&bones, &targets);
        state.match_bones(&bones, &targets);
        state.residual(&bones, &targets) < 0.05
    });
    let exact = exact.count();
    assert!(exact > 90, "{exact}");
}

#[test]
fn joints_out_of_reach_give_the_best_there_is() {
    let hand = RiggedHand::right();
    let sampler = PoseSampler::new(&hand);
    let shape = Shape::default();
    let finite = |fit: &IkFit| {
        let pose = &fit.pose;
        pose.joints.iter().chain([&pose.rotation]).all(|q| q.is_finite()) && pose.translation_mm.is_finite()
    };
    for k in 0..40 {
        let (pose, _) = sample(&sampler, k);
        let mut rng = Rng::new(5, k);
        let mut noisy = hand.pose(&pose, &shape).joints;
        noisy.iter_mut().for_each(|p| *p += 5.0 * Vec3::new(rng.normal(), rng.normal(), rng.normal()));
        let fit = inverse_kinematics(&hand, &noisy, &shape).unwrap();
        let far = hand.pose(&fit.pose, &shape).joints;
        let square = far.iter().zip(&noisy).map(|(a, b)| a.distance_squared(*b)).sum::<f32>() / 21.0;
        assert!(finite(&fit) && within_limits(&fit) && fit.residual_mm > 1.0);
        // The true pose is √75 mm off in the root of the mean square: the best is no worse.
        assert!(square.sqrt() < 8.7, "{k}: {} mm", square.sqrt());
    }
    let places: [fn(usize) -> Vec3; 6] = [
        |_| Vec3::ZERO,
        |k| Vec3::X * k as f32,
        |k| Vec3::splat(1e38) * if k % 2 == 0 { 1.0 } else { -1.0 },
        |k| Vec3::new(k as f32, 0.0, 1e-38),
        |k| Vec3::splat(f32::MIN_POSITIVE) * k as f32,
        |k| Vec3::Y * 1000.0 * (k as f32).sin(),
    ];
    for (i, place) in places.into_iter().enumerate() {
        let fit = inverse_kinematics(&hand, &std::array::from_fn(place), &shape).unwrap();
        assert!(finite(&fit) && within_limits(&fit), "{i}: {fit:?}");
        assert!(fit.residual_mm.is_finite() && fit.residual_mm > 1.0, "{i}: {}", fit.residual_mm);
    }
    // A finger bent backwards stops at its limit.
    let mut backwards = Pose::default();
    backwards.bend(6, -1.2, 0.0, 0.0);
    let fit = inverse_kinematics(&hand, &hand.pose(&backwards, &shape).joints, &shape).unwrap();
    assert!(within_limits(&fit) && fit.residual_mm > 10.0, "{}", fit.residual_mm);
}

#[test]
fn what_is_no_place_and_no_shape_is_refused() {
    let hand = RiggedHand::right();
    let rest = hand.pose(&Pose::default(), &Shape::default()).joints;
    for bad in [f32::NAN, f32::INFINITY] {
        let mut joints = rest;
        joints[7].y = bad;
        let error = inverse_kinematics(&hand, &joints, &Shape::default()).unwrap_err();
        assert!(matches!(error, HandError::Joint { joint: 7, .. }), "{error}");
    }
    for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let shape = Shape { palm_width: bad, ..Shape::default() };
        let error = inverse_kinematics(&hand, &rest, &shape).unwrap_err();
        assert!(matches!(error, HandError::Shape { .. }), "{error}");
    }
}
