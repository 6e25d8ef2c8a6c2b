//! Optimiser steps against f64, over several steps with a learning rate that changes.

use kernels_tests::harness::TRUSTED;
use kernels_tests::reference::optim as reference;
use knuckle::graph::TensorData;
use knuckle::ops::{Adam, AdamW, Optimizer, RmsProp, Sgd};
use knuckle::rng::Rng;
use knuckle::testing::{EPSILON, Tolerance, close};
use knuckle::{DType, Init, Recorder, Result, States, Var};

const STEPS: usize = 6;

/// How far weights may be off: a part of the rounding of the weights themselves at every step, and of the way they
/// went.
struct Allowed {
    of_weight: f64,
    of_way: f64,
}

/// Minimises Σ c·w, whose gradient is the input c, and after every step holds the weights against `step`'s.
fn follow(
    shape: &[usize],
    optimizer: &impl Optimizer,
    allowed: Allowed,
    mut step: impl FnMut(&mut [f64], &[f64], f64),
) -> Result<()> {
    let n = shape.iter().product::<usize>();
    let mut rng = Rng::new(3, n as u64);
    let start: Vec<f32> = (0..n).map(|_| rng.normal()).collect();
    let r = Recorder::training();
    let init = Init::Data(TensorData::f32(shape, &start).expect("as many values as the shape says"));
    let w = r.param_with("w", shape, init);
    let loss = w.mul(r.input("c", shape))?.sum_all()?;
    r.step(optimizer, &loss.backward()?, r.input("lr", [1]))?;
    let states = States::new(&TRUSTED);
    let mut train = TRUSTED.compile_with(&r, [loss], &states)?;
    let mut expected: Vec<f64> = start.iter().map(|&v| f64::from(v)).collect();
    let mut way = 0.0;
    for t in 0..STEPS {
        // Gradients of very different sizes, and some of exactly zero.
        let c: Vec<f32> = (0..n).map(|i| rng.normal() * [1.0, 1e-3, 0.0, 50.0][(i + t) % 4]).collect();
        let lr = 0.1 / (t + 1) as f32;
        train.run([("c", &c), ("lr", &vec![lr])])?;
        let before = expected.clone();
        step(&mut expected, &c.iter().map(|&v| f64::from(v)).collect::<Vec<_>>(), f64::from(lr));
        way += expected.iter().zip(&before).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
        let got = states.read(&["w"])?[0].to_f32();
        for (i, (&got, want)) in got.iter().zip(&expected).enumerate() {
            let allowed = EPSILON * allowed.of_weight * (t + 1) as f64 * want.abs() + allowed.of_way * way;
            let error = (f64::from(got) - want).abs();
            assert!(
                error <= allowed,
                "step {t}, weight {i} is {got}, expected {want}: off by {error:e} of {allowed:e}"
            );
        }
    }
    assert!(way > 0.05, "the weights moved only {way}");
    Ok(())
}

const SHAPES: [&[usize]; 4] = [&[1], &[7], &[2, 3, 3, 4], &[5, 13]];

fn rmsprop_with(optimizer: RmsProp, reference_decay: f64) -> Result<()> {
    for shape in SHAPES {
        let mut reference = reference::RmsProp {
            rho: optimizer.rho.into(),
            eps: optimizer.eps.into(),
            weight_decay: reference_decay,
            mean_square: vec![0.0; shape.iter().product()],
        };
        let allowed = Allowed { of_weight: 2.0, of_way: 2e-6 };
        follow(shape, &optimizer, allowed, |w, g, lr| reference.step(w, g, lr))?;
    }
    Ok(())
}

fn adam_with(optimizer: Adam, reference_beta1: f32) -> Result<()> {
    adam_like(&optimizer, optimizer, reference_beta1)
}

/// Holds `recorded` against the reference with the attributes of `optimizer`, but for one.
fn adam_like(recorded: &impl Optimizer, optimizer: Adam, reference_beta1: f32) -> Result<()> {
    for shape in SHAPES {
        let n: usize = shape.iter().product();
        let mut reference = reference::Adam {
            beta1: reference_beta1.into(),
            beta2: optimizer.beta2.into(),
            eps: optimizer.eps.into(),
            weight_decay: optimizer.weight_decay.into(),
            steps: 0,
            mean: vec![0.0; n],
            mean_square: vec![0.0; n],
        };
        // 1 − β₂ᵗ keeps only some 14 bits of β₂ᵗ when β₂ is 0.999.
        let allowed = Allowed { of_weight: 2.0, of_way: 1e-4 };
        follow(shape, recorded, allowed, |w, g, lr| reference.step(w, g, lr))?;
    }
    Ok(())
}

fn sgd_with(optimizer: Sgd, nesterov: bool) -> Result<()> {
    for shape in SHAPES {
        let mut reference = reference::Sgd {
            momentum: optimizer.momentum.into(),
            nesterov,
            weight_decay: optimizer.weight_decay.into(),
            velocity: vec![0.0; shape.iter().product()],
        };
        let allowed = Allowed { of_weight: 2.0, of_way: 2e-6 };
        follow(shape, &optimizer, allowed, |w, g, lr| reference.step(w, g, lr))?;
    }
    Ok(())
}

#[test]
fn sgd_follows_the_reference() -> Result<()> {
    sgd_with(Sgd::default(), false)?;
    sgd_with(Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.05 }, false)?;
    sgd_with(Sgd { momentum: 0.9, nesterov: true, weight_decay: 0.05 }, true)
}

#[test]
#[should_panic(expected = "expected")]
fn a_reference_that_does_not_look_ahead_is_told_apart() {
    sgd_with(Sgd { momentum: 0.9, nesterov: true, weight_decay: 0.0 }, false).expect("it runs");
}

#[test]
fn rmsprop_follows_the_reference() -> Result<()> {
    rmsprop_with(RmsProp::default(), 0.0)?;
    rmsprop_with(RmsProp { rho: 0.9, eps: 1e-2, weight_decay: 0.05 }, f64::from(0.05f32))
}

#[test]
fn adam_follows_the_reference() -> Result<()> {
    adam_with(Adam::default(), 0.9)?;
    adam_with(Adam { beta1: 0.5, beta2: 0.9, eps: 1e-3, weight_decay: 0.1 }, 0.5)
}

#[test]
fn adamw_follows_the_reference() -> Result<()> {
    assert_eq!(Adam::from(AdamW::default()), Adam { weight_decay: 1e-2, ..Adam::default() });
    adam_like(&AdamW::default(), AdamW::default().into(), 0.9)?;
    let other = AdamW { beta1: 0.5, beta2: 0.9, eps: 1e-3, weight_decay: 0.3 };
    adam_like(&other, other.into(), 0.5)
}

#[test]
#[should_panic(expected = "expected")]
fn an_adamw_without_its_decay_is_told_apart() {
    adam_like(&AdamW::default(), Adam::default(), 0.9).expect("it runs");
}

/// One factor for all parameters; a gradient short enough, and one of 0, are left as they are.
#[test]
fn gradients_are_clipped_together() -> Result<()> {
    const LONGEST: f32 = 1.5;
    let shapes: [&[usize]; 4] = [&[7], &[2, 3, 4], &[1], &[300]];
    let r = Recorder::training();
    let inputs = ["a", "b", "c", "d"];
    let mut loss = r.scalar(0.0);
    for (name, shape) in inputs.into_iter().zip(shapes) {
        let w = r.param_with(&format!("w/{name}"), shape, Init::Constant(0.0));
        loss = loss.add(w.mul(r.input(name, shape))?.sum_all()?)?;
    }
    let clipped = r.clip_by_norm(&loss.backward()?, LONGEST)?;
    // Steps of plain descent with the rate 1 from 0: minus the sum of the clipped gradients.
    r.step(&Sgd::default(), &clipped.gradients, r.scalar(1.0))?;
    let states = States::new(&TRUSTED);
    let mut train = TRUSTED.compile_with(&r, [clipped.norm], &states)?;
    let mut rng = Rng::new(5, 5);
    let mut expected: Vec<Vec<f64>> = shapes.iter().map(|s| vec![0.0; s.iter().product()]).collect();
    for (step, size) in [1.0, 1e-3, 0.0, 40.0, 1e-30].into_iter().enumerate() {
        let gradients: Vec<Vec<f32>> =
            expected.iter().map(|e| e.iter().map(|_| size * rng.normal()).collect()).collect();
        let results = train.run(inputs.into_iter().zip(gradients.iter().map(|g| &g[..])))?;
        let mut exact: Vec<Vec<f64>> = gradients.iter().map(|g| g.iter().map(|&v| f64::from(v)).collect()).collect();
        let norm = reference::clip(&mut exact, LONGEST.into());
        let error = (f64::from(results.scalar(0)) - norm).abs();
        assert!(error <= 8.0 * EPSILON * norm + 1e-20, "step {step}: norm {}, expected {norm}", results.scalar(0));
        let accuracy = Tolerance { of_value: 8.0, of_largest: 8.0, absolute: 0.0 };
        for ((name, gradient), expected) in inputs.into_iter().zip(&exact).zip(&mut expected) {
            expected.iter_mut().zip(gradient).for_each(|(w, g)| *w -= g);
            let got = states.read(&[&format!("w/{name}")])?[0].to_f32();
            close(&got, expected, accuracy).unwrap_or_else(|e| panic!("step {step}, {name}: {e}"));
        }
    }
    Ok(())
}

/// Of √(c·w) at c = 0 the value is 0 and the gradient is not finite.
#[test]
fn a_run_with_a_bad_gradient_changes_nothing_if_it_is_clipped() -> Result<()> {
    let r = Recorder::training();
    let w = r.param_with("w", [5], Init::Constant(1.0));
    let loss = w.mul(r.input("c", [5]))?.sqrt()?.sum_all()?;
    r.step(&Adam::default(), &r.clip_by_norm(&loss.backward()?, 1.0)?.gradients, r.scalar(0.1))?;
    let states = States::new(&TRUSTED);
    let mut train = TRUSTED.compile_with(&r, [loss], &states)?;
    train.run([("c", &[1.0; 5])])?;
    let before = states.read(&["w", "w.mean", "adam.power"])?;
    assert_ne!(before[0].to_f32(), [1.0; 5]);
    assert_eq!(train.run([("c", &[0.0; 5])])?.scalar(0), 0.0);
    assert_eq!(states.read(&["w", "w.mean", "adam.power"])?, before);
    Ok(())
}

/// The averages follow the weights from the first on, but not in a run whose loss is not finite, and are what an inference
/// program finds under the weights' own names.
#[test]
fn averages_follow_the_weights_and_serve_inference() -> Result<()> {
    const KEEP: f32 = 0.75;
    let r = Recorder::training();
    let w = r.scoped("layer", || r.param_with("w", [5], Init::Constant(2.0)));
    let loss = w.mul(r.input("c", [5]))?.sum_all()?;
    r.step(&Sgd::default(), &loss.backward()?, r.scalar(0.5))?;
    r.scoped("elsewhere", || r.average_parameters(KEEP))?;
    let states = States::new(&TRUSTED);
    let mut train = TRUSTED.compile_with(&r, [loss], &states)?;
    let before = states.averaged()?.read(&["layer/w"])?[0].to_f32();
    assert_eq!(before, [2.0; 5], "before the first run the weights themselves");
    let mut average = reference::Average { keep: KEEP.into(), value: None };
    let mut weights = vec![2.0; 5];
    let mut rng = Rng::new(1, 2);
    for step in 0..5 {
        let mut c: Vec<f32> = (0..5).map(|_| rng.normal()).collect();
        if step == 3 {
            c[1] = f32::NAN;
        }
        train.run([("c", &c)])?;
        if step != 3 {
            average.follow(&weights);
            weights.iter_mut().zip(&c).for_each(|(w, &c)| *w -= 0.5 * f64::from(c));
        }
        let got = states.read(&["layer/w.average", "layer/w"])?;
        let accuracy = Tolerance { of_value: 8.0, of_largest: 8.0, absolute: 0.0 };
        for (got, want) in got.iter().zip([average.value.as_ref().expect("begun"), &weights]) {
            close(&got.to_f32(), want, accuracy).unwrap_or_else(|e| panic!("step {step}: {e}"));
        }
    }
    let r = Recorder::new();
    let w = r.scoped("layer", || r.param("w", [5]));
    let averaged = states.averaged()?;
    let results = TRUSTED.compile_with(&r, [w.scale(1.0)?], &averaged)?.run::<&[f32]>([])?.f32(0).to_vec();
    assert_eq!(results, states.read(&["layer/w.average"])?[0].to_f32());
    assert_eq!(averaged.describe("layer/w").map(|(_, trainable)| trainable), Some(true));
    assert!(averaged.describe("layer/w.average").is_none());
    Ok(())
}

#[test]
#[should_panic(expected = "expected")]
fn a_reference_without_the_decay_is_told_apart() {
    rmsprop_with(RmsProp { weight_decay: 1e-3, ..RmsProp::default() }, 0.0).expect("it runs");
}

#[test]
#[should_panic(expected = "expected")]
fn a_reference_with_another_memory_is_told_apart() {
    adam_with(Adam::default(), 0.899).expect("it runs");
}

#[test]
fn a_run_with_a_bad_loss_changes_nothing() -> Result<()> {
    for bad in [f32::NAN, f32::INFINITY] {
        let r = Recorder::training();
        let w = r.param_with("w", [5], Init::Constant(1.0));
        let loss = w.mul(r.input("c", [5]))?.sum_all()?;
        r.step(&Adam::default(), &loss.backward()?, r.scalar(0.1))?;
        let states = States::new(&TRUSTED);
        let mut train = TRUSTED.compile_with(&r, [loss], &states)?;
        let names = states.names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        train.run([("c", &[1.0; 5])])?;
        let before = states.read(&names)?;
        train.run([("c", &[1.0, bad, 1.0, 1.0, 1.0])])?;
        assert_eq!(states.read(&names)?, before, "after a loss of {bad}");
        train.run([("c", &[1.0; 5])])?;
        assert_ne!(states.read(&names)?, before);
    }
    Ok(())
}

/// Whoever reads state sees it as it was before the run, however it is read and in whatever order changes are recorded; the
/// result of a change is the state after it.
#[test]
fn state_is_read_as_it_was_before_the_run() -> Result<()> {
    let r = Recorder::training();
    let [w, a, b] = ["w", "a", "b"].map(|name| r.param_with(name, [5], Init::Constant(f32::from(name.as_bytes()[0]))));
    let average = r.buffer("average", w.ty(), Init::Constant(0.0));
    let doubled = w.scale(2.0)?;
    let loss = w.mul(r.input("c", [5]))?.sum_all()?;
    r.step(&Sgd::default(), &loss.backward()?, r.scalar(1.0))?;
    average.follow(w.detach()?.reshape([1, 5])?.reshape([5])?, 0.5)?;
    let once = a.assign(b)?;
    b.reshape([1, 5])?.assign(a.reshape([1, 5])?)?;
    let (next, own) = (once.offset(1.0)?, r.buffer("own", w.ty(), Init::Constant(4.0)));
    own.assign(own.cast(DType::F32)?)?.assign(next)?;
    let last = own.follow(own, 0.5)?;
    let states = States::new(&TRUSTED);
    let outputs = [w, w.reshape([1, 5])?, doubled, once, next, b, last.broadcast([1, 5])?];
    let mut train = TRUSTED.compile_with(&r, outputs, &states)?;
    let (mut w, mut average, mut a, mut b) = (119.0f32, 0.0f32, 97.0f32, 98.0f32);
    let mut own = 4.0;
    for step in 0..3 {
        let results = train.run([("c", &[1.0; 5])])?;
        let expected = [w, w, 2.0 * w, b, b + 1.0, b, 0.5 * (b + 1.0) + 0.5 * own];
        for (i, want) in expected.into_iter().enumerate() {
            assert_eq!(results.f32(i), [want; 5], "step {step}, output {i}");
        }
        (w, average, a, b, own) = (w - 1.0, 0.5 * average + 0.5 * w, b, a, expected[6]);
        for (name, want) in [("w", w), ("average", average), ("a", a), ("b", b), ("own", own)] {
            assert_eq!(states.read(&[name])?[0].to_f32(), [want; 5], "step {step}, {name}");
        }
    }
    Ok(())
}

/// A gradient that reaches the parameter by two ways is stepped once, with the sum.
#[test]
fn shared_parameters_get_one_step() -> Result<()> {
    let r = Recorder::training();
    let twice: [Var<'_>; 2] = [r.param("w", [3]), r.param("w", [3])];
    let loss = twice[0].scale(3.0)?.add(twice[1])?.sum_all()?;
    r.step(&RmsProp { rho: 0.0, eps: 1.0, weight_decay: 0.0 }, &loss.backward()?, r.scalar(1.0))?;
    let states = States::new(&TRUSTED);
    TRUSTED.compile_with(&r, [loss], &states)?.run::<&[f32]>([])?;
    // One step with gradient 4: 0 − 4 / (4 + 1).
    assert_eq!(states.read(&["w"])?[0].to_f32(), [-0.8; 3]);
    Ok(())
}
