//! The whole road on a device: record, differentiate, compile, run, read back.

use knuckle::gpu::GpuOptions;
use knuckle::graph::TensorData;
use knuckle::{Error, Gpu, Init, Recorder, Result, States, TensorType};

fn gpu() -> Gpu {
    Gpu::open(&GpuOptions::default()).expect("an adapter (on Debian: mesa-vulkan-drivers)")
}

#[test]
fn values_and_gradients_of_a_small_expression() -> Result<()> {
    let gpu = gpu();
    let r = Recorder::new();
    let x = r.input("x", [2, 3]);
    let w = r.param_with("w", [3], Init::Data(TensorData::f32([3], &[1.0, -2.0, 3.0]).unwrap()));
    let y = x.mul(w)?.relu()?;
    let loss = y.square()?.sum_all()?;
    let grads = loss.backward_to(&[x])?;
    let mut exe = gpu.compile(&r, [loss, grads.of(w).unwrap(), grads.of(x).unwrap()])?;
    let out = exe.run([("x", &[1.0, 1.0, 1.0, 2.0, -1.0, 0.5])])?;
    // x·w = [1, -2, 3; 2, 2, 1.5], relu clears the -2.
    assert_eq!(out.scalar(0), 1.0 + 9.0 + 4.0 + 4.0 + 2.25);
    assert_eq!(out.f32(1), [2.0 + 8.0, -4.0, 6.0 + 1.5]);
    assert_eq!(out.f32(2), [2.0, 0.0, 18.0, 4.0, -8.0, 9.0]);
    Ok(())
}

#[test]
fn state_changes_take_effect_after_the_run_and_not_when_the_guard_is_nan() -> Result<()> {
    let gpu = gpu();
    let r = Recorder::new();
    let x = r.input("x", [1]);
    let count = r.buffer("count", TensorType::f32([1]), Init::Constant(0.0));
    let next = count.add(x)?;
    count.assign(next)?;
    r.guard_updates(next);
    let before = count.scale(1.0)?;
    let states = States::new(&gpu);
    let mut exe = gpu.compile_with(&r, [before], &states)?;
    assert_eq!(exe.run([("x", &[2.0])])?.scalar(0), 0.0);
    assert_eq!(exe.run([("x", &[f32::NAN])])?.scalar(0), 2.0);
    assert_eq!(exe.run([("x", &[f32::INFINITY])])?.scalar(0), 2.0);
    assert_eq!(exe.run([("x", &[3.0])])?.scalar(0), 2.0);
    assert_eq!(states.read(&["count"])?[0].to_f32(), [5.0]);
    Ok(())
}

#[test]
fn inputs_reach_the_run_they_were_given_for() -> Result<()> {
    let gpu = gpu();
    let r = Recorder::new();
    let (x, y) = (r.input("x", [3]), r.input("y", [1]));
    let sum = r.buffer("sum", TensorType::f32([3]), Init::Constant(0.0));
    sum.assign(sum.add(x.mul(y)?)?)?;
    let states = States::new(&gpu);
    let mut exe = gpu.compile_with(&r, [x.mul(y)?], &states)?;
    exe.upload([("y", &[1.0])])?;
    // None of these waits for the one before.
    for i in 0..10 {
        exe.submit([("x", &[i as f32, 1.0, -1.0])])?;
    }
    assert_eq!(states.read(&["sum"])?[0].to_f32(), [45.0, 10.0, -10.0]);
    // The last of several counts, and what is not given stays.
    exe.upload([("x", &[5.0; 3])])?;
    exe.upload([("y", &[2.0])])?;
    exe.upload([("x", &[1.0, 2.0, 3.0])])?;
    assert_eq!(exe.run([("y", &[3.0])])?.f32(0), [3.0, 6.0, 9.0]);
    assert_eq!(exe.run([("x", &[2.0; 3])])?.f32(0), [6.0; 3]);
    let nothing: [(&str, &[f32]); 0] = [];
    assert_eq!(exe.run(nothing)?.f32(0), [6.0; 3]);
    // Timing runs on them too.
    let before = states.read(&["sum"])?[0].to_f32();
    exe.upload([("x", &[7.0; 3])])?;
    exe.profile()?;
    let after = states.read(&["sum"])?[0].to_f32();
    assert!(before.iter().zip(&after).all(|(b, a)| a - b == 21.0), "{before:?} {after:?}");
    Ok(())
}

#[test]
fn sums_over_any_axes_and_of_many_elements() -> Result<()> {
    let gpu = gpu();
    let r = Recorder::new();
    let x = r.input("x", [2, 3, 4, 5]);
    let big = r.input("big", [1_000_003]);
    let outputs = [x.sum(&[1])?, x.sum(&[0, 2])?, x.mean(&[0, 1, 2, 3])?, x.sum(&[3])?, big.mean_all()?];
    let values: Vec<f32> = (0..120).map(|i| i as f32).collect();
    let ones = vec![0.1f32; 1_000_003];
    let mut exe = gpu.compile(&r, outputs)?;
    let out = exe.run([("x", &values), ("big", &ones)])?;
    let at = |i: usize, j: usize, k: usize, l: usize| values[((i * 3 + j) * 4 + k) * 5 + l];
    assert_eq!(out.ty(0).shape.dims(), [2, 1, 4, 5]);
    assert_eq!(out.f32(0)[25], (0..3).map(|j| at(1, j, 1, 0)).sum::<f32>());
    let expected: f32 = (0..2).flat_map(|i| (0..4).map(move |k| (i, k))).map(|(i, k)| at(i, 2, k, 3)).sum();
    assert_eq!(out.f32(1)[2 * 5 + 3], expected);
    assert!((out.scalar(2) - 59.5).abs() < 1e-5);
    assert_eq!(out.f32(3)[7], (0..5).map(|l| at(0, 1, 3, l)).sum::<f32>());
    assert!((out.scalar(4) - 0.1).abs() < 1e-7, "{}", out.scalar(4));
    Ok(())
}

#[test]
fn mistakes_are_typed_and_name_the_line() -> Result<()> {
    let gpu = gpu();
    let r = Recorder::new();
    let (a, b) = (r.input("a", [2, 3]), r.input("b", [4]));
    let line = line!() + 1;
    let error = a.add(b).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Operand { .. }), "{text}");
    assert!(text.contains(&format!("tests/engine.rs:{line}")), "{text}");
    assert!(text.contains("a [2,3]") && text.contains("b [4]"), "{text}");
    assert!(a.backward().is_err());
    let mut exe = gpu.compile(&r, [a.scale(2.0)?])?;
    assert!(exe.run([("a", &[1.0])]).unwrap_err().to_string().contains("6 elements"));
    assert!(exe.run([("c", &[1.0])]).unwrap_err().to_string().contains("one of [a]"));
    r.param("w", [3]);
    r.param("w", [4]);
    assert!(gpu.compile(&r, [a]).unwrap_err().to_string().contains("state `w`"));
    Ok(())
}

#[test]
fn the_first_non_finite_value_is_named() -> Result<()> {
    let gpu = gpu();
    let r = Recorder::new();
    let x = r.input("x", [4]);
    let line = line!() + 1;
    let bad = x.log()?;
    let loss = bad.scale(0.0)?.sum_all()?;
    let mut exe = gpu.compile_debug(&r, [loss], &States::new(&gpu))?;
    assert!(exe.run([("x", &[1.0, 2.0, -1.0, 4.0])])?.scalar(0).is_nan());
    let found = exe.first_non_finite()?.expect("a NaN");
    assert_eq!(found.node.as_ref().unwrap().op, "log");
    assert!(
        found.what.contains(&format!("tests/engine.rs:{line}")) && found.what.contains("element 2"),
        "{}",
        found.what
    );
    exe.run([("x", &[1.0, 2.0, 1.0, 4.0])])?;
    assert!(exe.first_non_finite()?.is_none());
    Ok(())
}

#[test]
fn a_missing_adapter_is_an_error_that_lists_those_found() {
    let options = GpuOptions { adapter: Some("no such adapter".into()), ..Default::default() };
    let error = Gpu::open(&options).unwrap_err();
    assert!(matches!(error, Error::NoAdapter { .. }), "{error}");
    assert!(error.to_string().contains("no such adapter"));
}

#[test]
fn a_small_network_learns() -> Result<()> {
    use knuckle::ops::{Adam, Conv2d};
    let gpu = gpu();
    let r = Recorder::training();
    let x = r.input("x", [4, 6, 6, 3]);
    let y = x.conv2d_bias(
        r.param("w", [3, 3, 3, 8]),
        r.param("b", [8]),
        Conv2d { padding: 1, ..Default::default() },
        false,
    )?;
    let y = y.batch_norm_train(r.param_with("affine", [2, 8], Init::Constant(1.0)), 1e-5, true)?.y;
    let y = y.mean(&[1, 2])?.reshape([4, 8])?.linear(r.param("fc", [8, 1]), r.param("fb", [1]), false)?;
    let loss = y.sub(r.input("target", [4, 1]))?.square()?.mean_all()?;
    let grads = loss.backward()?;
    r.step(&Adam::default(), &grads, r.scalar(0.01))?;
    let mut exe = gpu.compile(&r, [loss])?;
    let mut rng = knuckle::rng::Rng::new(1, 1);
    let x: Vec<f32> = (0..4 * 6 * 6 * 3).map(|_| rng.normal()).collect();
    let target = [1.0f32, -1.0, 0.5, 2.0];
    let first = exe.run([("x", &x[..]), ("target", &target[..])])?.scalar(0);
    for _ in 0..199 {
        exe.submit([("x", &x[..])])?;
    }
    let last = exe.run([("x", &x[..])])?.scalar(0);
    assert!(first > 0.5 && last < 0.01 * first, "{first} → {last}");
    Ok(())
}

#[test]
fn fused_batch_norm_is_its_composition() -> Result<()> {
    let gpu = gpu();
    let mut rng = knuckle::rng::Rng::new(3, 0);
    for c in [3usize, 8] {
        let r = Recorder::new();
        let x = r.input("x", [5, 7, 11, c]);
        let values: Vec<f32> = (0..2 * c).map(|_| rng.range(0.5, 1.5)).collect();
        let affine = r.param_with("affine", [2, c], Init::Data(TensorData::f32([2, c], &values).unwrap()));
        let weight = r.input("weight", [5, 7, 11, c]);
        let fused = x.batch_norm_train(affine, 1e-3, true)?.y;
        let centred = x.sub(x.mean(&[0, 1, 2])?)?;
        let deviation = centred.square()?.mean(&[0, 1, 2])?.offset(1e-3)?.sqrt()?;
        let [scale, shift] = [affine.slice(0, 0, 1)?, affine.slice(0, 1, 1)?];
        let composed = centred.div(deviation)?.mul(scale)?.add(shift)?.relu()?;
        let mut outputs = Vec::new();
        for y in [fused, composed] {
            let gradients = y.mul(weight)?.sum_all()?.backward_to(&[x])?;
            outputs.extend([y, gradients.of(x).unwrap(), gradients.of(affine).unwrap()]);
        }
        let mut exe = gpu.compile(&r, outputs)?;
        let x: Vec<f32> = (0..385 * c).map(|_| 3.0 + rng.normal()).collect();
        let w: Vec<f32> = (0..385 * c).map(|_| rng.normal()).collect();
        let out = exe.run([("x", &x), ("weight", &w)])?;
        for i in 0..3 {
            for (a, b) in out.f32(i).iter().zip(out.f32(i + 3)) {
                assert!((a - b).abs() < 2e-4 * (1.0 + b.abs()), "{c} channels, output {i}: {a} and {b}");
            }
        }
    }
    Ok(())
}

#[test]
fn every_dispatch_is_timed() -> Result<()> {
    let gpu = gpu();
    let r = Recorder::new();
    let x = r.input("x", [1 << 18]);
    let mut exe = gpu.compile(&r, [x.square()?.sum_all()?])?;
    let ones = vec![1.0f32; 1 << 18];
    exe.run([("x", &ones)])?;
    let times = exe.profile()?;
    let steps: Vec<usize> = times.iter().map(|t| t.step).collect();
    assert_eq!(steps, (0..exe.program().steps.len()).collect::<Vec<_>>());
    assert!(times.iter().all(|t| t.ms.is_finite() && t.ms >= 0.0), "{times:?}");
    assert!(times.iter().any(|t| t.ms > 0.0), "no dispatch took any time: {times:?}");
    Ok(())
}

#[test]
fn some_dispatches_are_timed_with_and_without_a_device_clock() -> Result<()> {
    for webgpu_defaults in [false, true] {
        let gpu = Gpu::open(&GpuOptions { webgpu_defaults, ..Default::default() })?;
        assert!(!(webgpu_defaults && gpu.has_timestamps()), "not asked for");
        assert_eq!(gpu.timestamp_period_ns().is_some(), gpu.has_timestamps());
        let r = Recorder::new();
        let x = r.input("x", [1 << 16]);
        let mut exe = gpu.compile(&r, [x.square()?.sum_all()?])?;
        exe.upload([("x", &vec![1.0f32; 1 << 16])])?;
        let steps = exe.program().steps.len();
        assert!(steps > 1);
        let first: Vec<bool> = (0..steps).map(|step| step == 0).collect();
        for (timed, runs) in [(vec![true; steps], 3), (first, 3), (vec![true; steps], 0)] {
            let ms = exe.time(&timed, runs)?;
            assert!(ms.is_finite() && ms > 0.0, "{timed:?}: {ms}");
        }
        assert_eq!(exe.time(&vec![false; steps], 2)?, 0.0);
        // More passes than one query set has timestamps for.
        let alternating: Vec<bool> = (0..steps).map(|step| step % 2 == 0).collect();
        assert!(exe.time(&alternating, 2100)?.is_finite());
        assert!(matches!(exe.time(&[true], 1), Err(Error::Invalid { .. })));
        // Whole runs were repeated, so that the result is what one run gives.
        assert_eq!(exe.run(std::iter::empty::<(&str, &[f32])>())?.scalar(0), 65_536.0);
    }
    Ok(())
}

#[test]
fn a_device_that_was_given_back_is_lost_to_all_who_use_it() -> Result<()> {
    let gpu = gpu();
    let r = Recorder::new();
    let mut exe = gpu.compile(&r, [r.input("x", [4]).square()?])?;
    gpu.clone().destroy();
    let lost = |result: Result<()>| assert!(matches!(result, Err(Error::DeviceLost(_))), "{result:?}");
    lost(gpu.wait());
    lost(exe.run([("x", &[1.0f32; 4])]).map(|_| ()));
    lost(exe.profile().map(|_| ()));
    lost(gpu.compile(&r, [r.input("y", [4]).square()?]).map(|_| ()));
    // Another is none the worse.
    let mut exe = gpu.reopened()?.compile(&r, [r.input("x", [4]).square()?])?;
    assert_eq!(exe.run([("x", &[3.0f32; 4])])?.f32(0), [9.0; 4]);
    Ok(())
}
