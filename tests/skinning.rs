//! The shipped rig, posed in a graph and by its own skinning.

use glam::{Quat, Vec3};
use knuckle::hand::{Pose, RiggedHand, Shape};
use knuckle::nn::skinning::SkinnedModel;
use knuckle::rng::Rng;
use knuckle::{Gpu, Recorder, Result};

const POSES: usize = 3;
const JOINTS: usize = 25;

#[test]
fn a_graph_poses_the_shipped_hand_as_its_own_skinning_does() -> Result<()> {
    let hand = RiggedHand::right();
    let model = SkinnedModel::from_rig(&hand)?;
    let mut rng = Rng::new(21, 0);
    let turns: Vec<f32> = (0..POSES * JOINTS * 3).map(|_| rng.range(-0.8, 0.8)).collect();
    let r = Recorder::new();
    let x = r.input("turns", [POSES, JOINTS, 3]);
    let posed = model.pose(x.axis_angle_to_matrix()?)?;
    let gradient = posed.vertices.square()?.mean_all()?.backward_to(&[x])?.of(x).expect("a gradient");
    let mut executable = Gpu::new()?.compile(&r, [posed.vertices, posed.joints, gradient])?;
    let results = executable.run([("turns", &turns[..])])?;
    let (vertices, joints, gradient) = (results.f32(0), results.f32(1), results.f32(2));
    let mut worst = 0.0f32;
    for sample in 0..POSES {
        let expected = posed_by_hand(&hand, &turns[3 * JOINTS * sample..]);
        let count = 3 * expected.vertices.len();
        let origins = expected.frames.iter().map(|frame| &frame.origin).zip(joints[3 * JOINTS * sample..].chunks(3));
        for (want, got) in expected.vertices.iter().zip(vertices[count * sample..].chunks(3)).chain(origins) {
            worst = worst.max(want.distance(Vec3::from_slice(got)));
        }
    }
    assert!(worst < 1e-3, "{worst} mm");

    // The mean square again a little along and against every gradient, by the hand's own skinning.
    let loss = |by: f64| -> f64 {
        let square = |sample: usize| {
            let moved: Vec<f32> = (3 * JOINTS * sample..3 * JOINTS * (sample + 1))
                .map(|i| (f64::from(turns[i]) + by * f64::from(gradient[i])) as f32)
                .collect();
            let vertices = posed_by_hand(&hand, &moved).vertices;
            vertices.iter().map(|v| f64::from(v.length_squared())).sum::<f64>() / (3 * vertices.len()) as f64
        };
        (0..POSES).map(square).sum::<f64>() / POSES as f64
    };
    let slope: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
    let step = 1e-2 / slope.sqrt();
    let difference = (loss(step) - loss(-step)) / (2.0 * step);
    assert!((difference / slope - 1.0).abs() < 1e-2, "{difference} by differences, {slope} by the gradient");
    Ok(())
}

fn posed_by_hand(hand: &RiggedHand, turns: &[f32]) -> knuckle::hand::PosedHand {
    let mut pose = Pose::default();
    for (joint, turn) in pose.joints.iter_mut().zip(turns.chunks(3)) {
        *joint = Quat::from_scaled_axis(Vec3::from_slice(turn));
    }
    hand.pose(&pose, &Shape::default())
}
