//! Parameters, moments and gradients that lie behind each other: the same bits as apart, still by name for everyone.

use knuckle::exec::{BufferRef, CompileOptions, compile};
use knuckle::graph::TensorData;
use knuckle::ops::{Adam, Optimizer, RmsProp, Sgd};
use knuckle::rng::Rng;
use knuckle::{Error, Executable, Gpu, Recorder, Result, States, TensorType, Var};

/// Layers with weights of odd sizes, one used twice; running statistics; clipped gradients; averages of the weights.
fn record<'r>(r: &'r Recorder, optimizer: &impl Optimizer) -> Result<Var<'r>> {
    let x = r.input("x", [6, 9]);
    let shared = r.param("shared", [9, 9]);
    let mut y = x.matmul(shared)?.matmul(shared)?;
    for (i, (from, to)) in [(9, 13), (13, 70), (70, 3)].into_iter().enumerate() {
        y = y.linear(r.param(&format!("w{i}"), [from, to]), r.param(&format!("b{i}"), [to]), false)?;
        let norm = y.batch_norm_train(r.param(&format!("affine{i}"), [2, to]), 1e-5, true)?;
        let init = knuckle::Init::Rows(vec![0.0, 1.0]);
        r.buffer(&format!("statistics{i}"), TensorType::f32([2, to]), init).follow(norm.statistics, 0.9)?;
        y = norm.y;
    }
    // Two parameters with one gradient between them.
    let y = y.add(r.param("left", [6, 3]).add(r.param("right", [6, 3]))?)?;
    let loss = y.sub(r.input("target", [6, 3]))?.square()?.mean_all()?;
    let clipped = r.clip_by_norm(&loss.backward()?, 0.5)?;
    r.step(optimizer, &clipped.gradients, r.input("rate", [1]))?;
    r.average_parameters(0.9)?;
    Ok(loss)
}

/// Steps, one of them with an input that spoils the loss, and then every state's bits by name.
fn train(step: &mut Executable) -> Result<Vec<(String, Vec<u32>)>> {
    let mut rng = Rng::new(7, 0);
    let mut losses = Vec::new();
    for t in 0..5 {
        let mut x: Vec<f32> = (0..54).map(|_| rng.normal()).collect();
        let target: Vec<f32> = (0..18).map(|_| rng.normal()).collect();
        if t == 2 {
            x[3] = f32::NAN;
        }
        losses.push(step.run([("x", &x), ("target", &target), ("rate", &vec![0.01])])?.u32(0).to_vec());
    }
    let names = step.states().names();
    let values = step.states().read(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut all: Vec<_> =
        names.into_iter().zip(values.iter().map(|v| bytemuck::pod_collect_to_vec(v.bytes()))).collect();
    all.push(("losses".into(), losses.concat()));
    Ok(all)
}

fn dispatches(step: &Executable, family: &str) -> usize {
    let program = step.program();
    program.steps.iter().filter(|s| program.kernels[s.kernel].shader.starts_with(family)).count()
}

fn same_bits_apart_and_together(optimizer: &impl Optimizer) -> Result<()> {
    let gpu = Gpu::new()?;
    let r = Recorder::training();
    let loss = record(&r, optimizer)?;
    let outputs = [(String::new(), loss.id())];
    let options = CompileOptions { effects: true, ..CompileOptions::default() };
    let apart = r.with_graph(|graph| compile(graph, &outputs, gpu.target(), options))?;
    let mut apart = gpu.load(apart, &States::seeded(&gpu, 3))?;
    let mut together = gpu.compile_with(&r, [loss], &States::seeded(&gpu, 3))?;
    // All but one of the two whose gradient is one tensor; and the averages, and the statistics.
    assert_eq!(dispatches(&apart, "optim/"), 2 * 12, "{}", apart.dump());
    assert!(dispatches(&together, "optim/") <= 3, "{}", together.dump());
    assert_eq!((dispatches(&apart, "norm/follow"), dispatches(&together, "norm/follow")), (3, 1));
    assert_eq!(train(&mut apart)?, train(&mut together)?);
    Ok(())
}

#[test]
fn every_rule_gives_the_same_bits_apart_and_together() -> Result<()> {
    same_bits_apart_and_together(&Adam { weight_decay: 0.01, ..Adam::default() })?;
    same_bits_apart_and_together(&RmsProp::default())?;
    same_bits_apart_and_together(&Sgd { momentum: 0.9, nesterov: true, weight_decay: 0.01 })
}

#[test]
fn state_written_before_is_moved_and_keeps_its_values() -> Result<()> {
    let gpu = Gpu::new()?;
    let r = Recorder::training();
    let loss = record(&r, &Adam::default())?;
    let values: Vec<f32> = (0..910).map(|i| i as f32).collect();
    let data = TensorData::f32([13, 70], &values).expect("910 values");
    let states = States::new(&gpu);
    states.write("w1", &data)?;
    let step = gpu.compile_with(&r, [loss], &states)?;
    assert!(dispatches(&step, "optim/") <= 3, "{}", step.dump());
    assert_eq!(states.read(&["w1"])?, std::slice::from_ref(&data));
    // Written again where it lies now; its neighbours stay.
    let before = states.read(&["b1", "affine1", "w2"])?;
    let other = TensorData::f32([13, 70], &vec![2.0; 910]).expect("910 values");
    states.write("w1", &other)?;
    assert_eq!(states.read(&["w1"])?, [other]);
    assert_eq!(states.read(&["b1", "affine1", "w2"])?, before);
    Ok(())
}

#[test]
fn programs_that_share_state_see_each_others_changes_in_any_order() -> Result<()> {
    let gpu = Gpu::new()?;
    let predict = |r: &Recorder, states: &States| -> Result<Executable> {
        let y = r.input("x", [6, 9]).matmul(r.param("shared", [9, 9]))?.matmul(r.param("w0", [9, 13]))?;
        gpu.compile_with(r, [y], states)
    };
    let mut found = Vec::new();
    for first in [true, false] {
        let (r, looking) = (Recorder::training(), Recorder::new());
        let loss = record(&r, &Adam::default())?;
        let states = States::seeded(&gpu, 5);
        let mut look = if first { Some(predict(&looking, &states)?) } else { None };
        let mut step = gpu.compile_with(&r, [loss], &states)?;
        // What is used where it lies cannot be moved.
        let tensors = step.program().regions.iter().filter(|r| matches!(r.members[0].0, BufferRef::State(_)));
        assert_eq!(tensors.count() == 0, first, "{}", step.dump());
        let look = look.get_or_insert(predict(&looking, &states)?);
        let x: Vec<f32> = (0..54).map(|i| (i as f32).sin()).collect();
        let before = look.run([("x", &x)])?.f32(0).to_vec();
        let after = train(&mut step)?;
        let seen = look.run([("x", &x)])?.f32(0).to_vec();
        assert_ne!(before, seen);
        found.push((before, after, seen));
    }
    assert_eq!(found[0], found[1]);
    Ok(())
}

#[test]
fn memory_that_cannot_be_shared_is_a_typed_error() -> Result<()> {
    let gpu = Gpu::new()?;
    let states = States::new(&gpu);
    // One state becomes another's value while a loaded program's step has both in one buffer.
    let own = Recorder::training();
    own.param("first", [4, 4]).assign(own.param("second", [4, 4]))?;
    let r = Recorder::training();
    let loss = r.param("first", [4, 4]).square()?.sum_all()?;
    let loss = loss.add(r.param("second", [4, 4]).square()?.sum_all()?)?;
    r.step(&Sgd::default(), &loss.backward()?, r.scalar(0.1))?;
    let step = gpu.compile_with(&r, [loss], &states)?;
    let error = gpu.compile_with(&own, [], &states).expect_err("one buffer, read and written");
    let text = error.to_string();
    assert!(matches!(error, Error::Named { .. }) && text.contains("`first`") && text.contains("second"), "{text}");
    // A flat program where a loaded one has the state elsewhere.
    let others = States::new(&gpu);
    let _held = gpu.compile_with(&own, [], &others)?;
    let error = gpu.load(step.program().clone(), &others).expect_err("held elsewhere");
    assert!(matches!(error, Error::Named { what: "states", .. }), "{error}");
    Ok(())
}
