//! Hand models in a graph against the rig's own skinning, and how many dispatches they take.

use std::time::Instant;

use glam::{Quat, Vec3};
use knuckle::data::PoseSampler;
use knuckle::hand::joints::JOINTS;
use knuckle::hand::{PosedHand, RiggedHand, Side};
use knuckle::nn::hand::{HandModel, HandRig, HandVars};
use knuckle::rng::Rng;
use knuckle::{Gpu, Recorder, Result};

/// A batch of hands as a graph takes them, and what the rig makes of each by itself.
struct Hands {
    rotation: Vec<f32>,
    translation: Vec<f32>,
    pose: Vec<f32>,
    shape: Vec<f32>,
    expected: Vec<PosedHand>,
}

fn hands(n: usize) -> Hands {
    let hand = RiggedHand::right();
    let sampler = PoseSampler::new(&hand);
    let mut hands = Hands { rotation: vec![], translation: vec![], pose: vec![], shape: vec![], expected: vec![] };
    for k in 0..n {
        let mut rng = Rng::new(31, k as u64);
        let (mut pose, shape) = sampler.sample(&mut rng);
        let turn = Vec3::new(rng.range(-2.0, 2.0), rng.range(-2.0, 2.0), rng.range(-2.0, 2.0));
        pose.rotation = Quat::from_scaled_axis(turn);
        pose.translation_mm = Vec3::new(rng.range(-90.0, 90.0), rng.range(-90.0, 90.0), rng.range(300.0, 900.0));
        hands.rotation.extend(turn.to_array());
        hands.translation.extend(pose.translation_mm.to_array());
        hands.pose.extend(pose.angles());
        hands.shape.extend(shape.logs());
        hands.expected.push(hand.pose(&pose, &shape));
    }
    hands
}

fn run(model: &dyn HandModel, n: usize, h: &Hands) -> Result<(Vec<f32>, Vec<f32>)> {
    let r = Recorder::new();
    let posed = model.record(&HandVars::inputs(&r, "hand", n, model))?;
    let mut executable = Gpu::new()?.compile(&r, [posed.vertices, posed.joints])?;
    let results = executable.run([
        ("hand/rotation", &h.rotation[..]),
        ("hand/translation_mm", &h.translation),
        ("hand/pose", &h.pose),
        ("hand/shape", &h.shape),
    ])?;
    Ok((results.f32(0).to_vec(), results.f32(1).to_vec()))
}

#[test]
fn a_graph_poses_and_shapes_the_rig_as_its_own_skinning_does() -> Result<()> {
    const N: usize = 6;
    let right = hands(N);
    // A left hand is the mirror's: turns about y and z, and x, the other way.
    let mut left = hands(N);
    left.rotation.chunks_mut(3).for_each(|turn| turn[1..].iter_mut().for_each(|v| *v = -*v));
    left.translation.chunks_mut(3).for_each(|place| place[0] = -place[0]);
    for (side, input) in [(Side::Right, &right), (Side::Left, &left)] {
        let model = HandRig::shipped(side)?;
        let (vertices, joints) = run(&model, N, input)?;
        let mirror = Vec3::new(if side == Side::Left { -1.0 } else { 1.0 }, 1.0, 1.0);
        let mut worst = 0.0f32;
        for (k, expected) in right.expected.iter().enumerate() {
            let got = vertices[3 * k * model.vertices()..].chunks(3).take(model.vertices());
            let got = got.chain(joints[3 * k * JOINTS..].chunks(3).take(JOINTS));
            let wanted = expected.vertices.iter().chain(&expected.joints);
            let far = wanted.zip(got).map(|(want, got)| want.distance(Vec3::from_slice(got) * mirror));
            worst = far.fold(worst, f32::max);
        }
        assert!(worst < 2e-3, "{side:?}: {worst} mm");
        println!("{side:?}: {worst} mm at most");
    }
    Ok(())
}

#[test]
fn a_rest_hand_has_parameters_of_zero_and_faces_outwards() -> Result<()> {
    for side in [Side::Right, Side::Left] {
        let model = HandRig::shipped(side)?;
        let zeros = |width: usize| vec![0.0; width];
        let h = Hands {
            rotation: zeros(3),
            translation: zeros(3),
            pose: zeros(model.pose_size()),
            shape: zeros(model.shape_size()),
            expected: vec![],
        };
        let (vertices, joints) = run(&model, 1, &h)?;
        let point = |v: u32| Vec3::from_slice(&vertices[3 * v as usize..]);
        for (rest, got) in RiggedHand::right().rest_vertices().iter().zip(vertices.chunks(3)) {
            let mirror = Vec3::new(if side == Side::Left { -1.0 } else { 1.0 }, 1.0, 1.0);
            assert!(rest.distance(Vec3::from_slice(got) * mirror) < 1e-3);
        }
        let volume: f32 = model.faces().iter().map(|f| point(f[0]).dot(point(f[1]).cross(point(f[2])))).sum();
        assert!(volume > 0.0, "{side:?}: faces turn inwards");
        assert!(joints[..3].iter().all(|v| v.abs() < 1e-4), "the wrist is at the origin");
        assert_eq!(model.pose_limits().len(), model.pose_size());
        assert_eq!(model.shape_prior().len(), model.shape_size());
    }
    Ok(())
}

#[test]
fn operands_that_do_not_fit_are_refused_at_the_callers_line() -> Result<()> {
    let model = HandRig::shipped(Side::Right)?;
    let r = Recorder::new();
    let fits = HandVars::inputs(&r, "hand", 2, &model);
    let wrong = [
        ("rotation", HandVars { rotation: r.input("a", [2, 4]), ..fits }),
        ("rotation", HandVars { rotation: r.input("b", [0, 3]), ..fits }),
        ("translation_mm", HandVars { translation_mm: r.input("c", [1, 3]), ..fits }),
        ("pose", HandVars { pose: r.input("d", [2, 22]), ..fits }),
        ("shape", HandVars { shape: r.input("e", [2, 14, 1]), ..fits }),
    ];
    for (name, hand) in wrong {
        let error = model.record(&hand).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("hand_model.rs"), "{error}");
    }
    Ok(())
}

/// A dispatch costs a tenth of a millisecond on a software GPU, whatever it does.
#[test]
fn a_hand_takes_few_dispatches() -> Result<()> {
    let model = HandRig::shipped(Side::Right)?;
    let r = Recorder::new();
    let hand = HandVars::inputs(&r, "hand", 1, &model);
    let posed = model.record(&hand)?;
    let gpu = Gpu::new()?;
    let forward = gpu.compile(&r, [posed.vertices, posed.joints])?;
    let steps = forward.program().steps.len();
    let loss = posed.vertices.square()?.mean_all()?.add(posed.joints.square()?.mean_all()?)?;
    let of_loss = 12;
    let operands = [hand.rotation, hand.translation_mm, hand.pose, hand.shape];
    let gradients = loss.backward_to(&operands)?;
    let gradients = operands.map(|x| gradients.of(x).expect("a gradient"));
    let mut both = gpu.compile(&r, [&[loss][..], &gradients].concat())?;
    let all = both.program().steps.len();
    let h = hands(1);
    let inputs = [
        ("hand/rotation", &h.rotation[..]),
        ("hand/translation_mm", &h.translation),
        ("hand/pose", &h.pose),
        ("hand/shape", &h.shape),
    ];
    both.run(inputs)?;
    let start = Instant::now();
    for _ in 0..20 {
        both.run(inputs)?;
    }
    println!("{steps} dispatches forward, {all} with gradient and loss, {:?} a step", start.elapsed() / 20);
    assert!(steps <= 10, "{}", forward.dump());
    assert!(all <= 27 + of_loss, "{}", both.dump());
    Ok(())
}
