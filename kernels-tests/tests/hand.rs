use std::time::Instant;

use kernels_tests::reference::Tensor;
use kernels_tests::{cases, harness};
use knuckle::hand::{Array, ManoData, Side};
use knuckle::nn::hand::{HandModel, HandVars, Mano, ManoOptions};
use knuckle::rng::Rng;
use knuckle::{Error, Recorder, Result};

#[test]
fn agrees_with_the_reference_in_both_directions() {
    harness::prove(&cases::hand::cases());
}

/// Rotation, translation, pose and shape of a hand drawn at random.
fn parameters(model: &dyn HandModel) -> [Vec<f32>; 4] {
    let mut rng = Rng::new(3, 0);
    [(3, 1.5), (3, 200.0), (model.pose_size(), 0.5), (model.shape_size(), 1.0)]
        .map(|(width, most)| (0..width).map(|_| rng.range(-most, most)).collect())
}

/// Vertices, then joints.
fn posed(model: &dyn HandModel, [rotation, translation, pose, shape]: &[Vec<f32>; 4]) -> Result<Vec<f32>> {
    let r = Recorder::new();
    let posed = model.record(&HandVars::inputs(&r, "hand", 1, model))?;
    let mut executable = harness::TRUSTED.compile(&r, [r.concat(&[posed.vertices, posed.joints], 1)?])?;
    let inputs =
        [("hand/rotation", rotation), ("hand/translation_mm", translation), ("hand/pose", pose), ("hand/shape", shape)];
    Ok(executable.run(inputs.map(|(name, values)| (name, &values[..])))?.f32(0).to_vec())
}

fn worst(a: impl IntoIterator<Item = f64>, b: &[f32]) -> f64 {
    a.into_iter().zip(b).map(|(a, b)| (a - f64::from(*b)).abs()).fold(0.0, f64::max)
}

/// Axis-angles (x, y, z) to (x, −y, −z).
fn mirror_turns(turns: &mut [f32]) {
    turns.chunks_mut(3).for_each(|turn| turn[1..].iter_mut().for_each(|v| *v = -*v));
}

#[test]
fn a_mirrored_mano_is_the_other_hand() -> Result<()> {
    let lookup = |name: &str| Ok(cases::hand::made_up_mano(name));
    let right = ManoData::from_arrays(Side::Right, lookup).expect("arrays of the right shapes");
    let left = right.mirrored();
    assert_eq!((right.side(), left.side()), (Side::Right, Side::Left));
    for components in [None, Some(9)] {
        let options = ManoOptions { components, ..ManoOptions::default() };
        let (right, left) = (Mano::new(&right, &options)?, Mano::new(&left, &options)?);
        let hand = parameters(&right);
        let mut other = hand.clone();
        other[1][0] *= -1.0;
        mirror_turns(&mut other[0]);
        if components.is_none() {
            mirror_turns(&mut other[2]);
        }
        let (a, b) = (posed(&right, &hand)?, posed(&left, &other)?);
        let mirrored = a.iter().enumerate().map(|(i, v)| f64::from(if i % 3 == 0 { -*v } else { *v }));
        let far = worst(mirrored, &b);
        assert!(far < 1e-3, "{far} mm");
        for (a, b) in right.faces().iter().zip(left.faces()) {
            assert_eq!([a[0], a[2], a[1]], *b);
        }
    }
    Ok(())
}

/// A dispatch costs a tenth of a millisecond on a software GPU, whatever it does.
#[test]
fn a_mano_takes_few_dispatches() -> Result<()> {
    let data = ManoData::from_arrays(Side::Right, |name| Ok(cases::hand::made_up_mano(name)));
    let model = Mano::new(&data.expect("arrays of the right shapes"), &ManoOptions::default())?;
    let r = Recorder::new();
    let hand = HandVars::inputs(&r, "hand", 1, &model);
    let posed = model.record(&hand)?;
    let forward = harness::TRUSTED.compile(&r, [posed.vertices, posed.joints])?;
    let loss = posed.vertices.square()?.mean_all()?.add(posed.joints.square()?.mean_all()?)?;
    const OF_LOSS: usize = 12;
    let operands = [hand.rotation, hand.translation_mm, hand.pose, hand.shape];
    let gradients = loss.backward_to(&operands)?;
    let gradients = operands.map(|x| gradients.of(x).expect("a gradient"));
    let mut both = harness::TRUSTED.compile(&r, [&[loss][..], &gradients].concat())?;
    let [steps, all] = [&forward, &both].map(|e| e.program().steps.len());
    let values = parameters(&model);
    let names = ["hand/rotation", "hand/translation_mm", "hand/pose", "hand/shape"];
    let inputs = || names.iter().copied().zip(values.iter().map(|v| &v[..]));
    both.run(inputs())?;
    let start = Instant::now();
    for _ in 0..20 {
        both.run(inputs())?;
    }
    println!("{steps} dispatches forward, {all} with gradient and loss, {:?} a step", start.elapsed() / 20);
    assert!(steps <= 15, "{}", forward.dump());
    assert!(all <= 35 + OF_LOSS, "{}", both.dump());
    Ok(())
}

#[test]
fn options_that_mano_cannot_have_are_refused() {
    let data = ManoData::from_arrays(Side::Right, |name| Ok(cases::hand::made_up_mano(name)));
    let data = data.expect("arrays of the right shapes");
    let tips = [745, 317, 444, 556, 778];
    let wrong = [
        ManoOptions { components: Some(0), ..ManoOptions::default() },
        ManoOptions { components: Some(46), ..ManoOptions::default() },
        ManoOptions { tips, ..ManoOptions::default() },
    ];
    for options in wrong {
        let error = Mano::new(&data, &options).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
    }
}

/// The user's own file, since none may be shipped.
#[test]
fn the_real_mano_is_as_its_formulas_say() -> Result<()> {
    for (variable, side) in [("KNUCKLE_MANO_RIGHT", Side::Right), ("KNUCKLE_MANO_LEFT", Side::Left)] {
        let Ok(path) = std::env::var(variable) else {
            harness::say(&format!("MANO skipped: {variable} names no .npz or .safetensors file"));
            continue;
        };
        let data = ManoData::open(&path, side)?;
        let bytes = std::fs::read(&path).map_err(|e| Error::file(&path, e))?;
        let lookup = |name: &str| Array::find(&bytes, name).ok().flatten();
        for options in [ManoOptions::default(), ManoOptions { components: Some(12), flat: true, ..Default::default() }]
        {
            let mano = Mano::new(&data, &options)?;
            let hand = parameters(&mano);
            let tensors = hand.each_ref().map(|values| Tensor {
                dims: vec![1, values.len()],
                data: values.iter().map(|v| f64::from(*v)).collect(),
            });
            let exact = cases::hand::exact_mano(lookup, &options, side);
            let expected = exact.hands(&tensors[0], &tensors[1], &tensors[2], &tensors[3]);
            let far = worst(expected.data, &posed(&mano, &hand)?);
            assert!(far < 5e-3, "{side:?}: {far} mm");
            // The wrist is where it was put.
            let wrist = &posed(&mano, &hand)?[3 * mano.vertices()..][..3];
            assert!(worst(wrist.iter().map(|v| f64::from(*v)), &hand[1]) < 1e-3);
        }
    }
    Ok(())
}
