//! Passes change no value: graphs and the models are run with and without each.

use knuckle::data::{SceneBatch, SceneSampler};
use knuckle::error::Mismatch;
use knuckle::exec::{AdapterClass, CompileOptions, Lowering, Pass, Passes, Program, Shader, Step, Target, compile};
use knuckle::gpu::Data;
use knuckle::graph::TensorData;
use knuckle::hand::RiggedHand;
use knuckle::models::{GraphCnnConfig, MeshGraph, Network, TruthBatch};
use knuckle::ops::{Adam, Comparison, Conv2d, Operator, Sgd, VjpCall};
use knuckle::rng::Rng;
use knuckle::train::{Stage, TrainOptions, record_step};
use knuckle::{Error, Executable, Gpu, Mode, Recorder, Result, States, TensorType, Var, nn};

/// What a graph gives: every output after each of a few runs, and every state after the last.
struct Values {
    program: Program,
    outputs: Vec<Vec<f32>>,
    states: Vec<(String, Vec<f32>)>,
}

const RUNS: u64 = 2;

/// Runs a graph on inputs that are the same for every choice of passes.
fn run(
    gpu: &Gpu,
    mode: Mode,
    feed: impl Fn(&mut Executable, u64) -> Result<()>,
    record: impl Fn(&Recorder) -> Result<Vec<Var<'_>>>,
    options: CompileOptions,
) -> Result<Values> {
    let r = Recorder::with_mode(mode);
    let outputs = record(&r)?;
    let states = States::seeded(gpu, 7);
    let mut exe = gpu.compile_as(&r, &outputs, &states, options)?;
    // Statistics and affine pairs that normalise, unlike those that states begin with.
    for name in states.names() {
        let (ty, _) = states.describe(&name).expect("a state");
        if let [2, channels] = *ty.shape.dims() {
            let mut rng = Rng::new(9, channels as u64);
            let values: Vec<f32> = (0..2 * channels).map(|_| rng.range(0.5, 1.5)).collect();
            states.write(&name, &TensorData::f32([2, channels], &values).expect("as many"))?;
        }
    }
    // Nothing may depend on what buffers held before.
    exe.poison(0x7fc0_dead)?;
    let mut values = Vec::new();
    for run in 0..RUNS {
        feed(&mut exe, run)?;
        let out = exe.run(std::iter::empty::<(&str, &[f32])>())?;
        values.extend((0..out.len()).map(|i| out.f32(i).to_vec()));
    }
    let names = states.names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let data = states.read(&names)?.into_iter().map(|data| data.to_f32());
    let states = names.iter().map(|name| name.to_string()).zip(data).collect();
    Ok(Values { program: exe.program().clone(), outputs: values, states })
}

/// Random numbers for every input.
fn random(exe: &mut Executable, run: u64) -> Result<()> {
    let inputs = exe.program().inputs.clone();
    for (i, port) in inputs.iter().enumerate() {
        let mut rng = Rng::new(100 + run, i as u64);
        let values: Vec<f32> = (0..port.ty.shape.numel()).map(|_| rng.range(0.0, 1.0)).collect();
        exe.upload([(port.name.as_str(), &values[..])])?;
    }
    Ok(())
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[track_caller]
fn compare(name: &str, plain: &Values, with: &Values) {
    for (i, (a, b)) in plain.outputs.iter().zip(&with.outputs).enumerate() {
        assert!(bits(a) == bits(b), "output {i} with {name}");
    }
    assert_eq!(plain.states.len(), with.states.len());
    for ((state, a), (_, b)) in plain.states.iter().zip(&with.states) {
        assert!(bits(a) == bits(b), "{state} with {name}");
    }
}

/// Runs the graph plainly, with each pass alone and with all, a training also with a fifth less memory for values, and
/// compares bits. Gives the programs without and with all.
#[track_caller]
fn unchanged(
    mode: Mode,
    feed: impl Fn(&mut Executable, u64) -> Result<()>,
    record: impl Fn(&Recorder) -> Result<Vec<Var<'_>>>,
) -> Result<[Program; 2]> {
    let gpu = Gpu::new()?;
    let plain = run(&gpu, mode, &feed, &record, CompileOptions { passes: Passes::none(), ..Default::default() })?;
    assert!(plain.outputs.iter().flatten().all(|v| v.is_finite()));
    let alone = Pass::ALL.map(|pass| (pass.name(), Passes::none().with(pass)));
    let mut last = None;
    for (name, passes) in alone.into_iter().chain([("all", Passes::all())]) {
        let with = run(&gpu, mode, &feed, &record, CompileOptions { passes, ..Default::default() })?;
        let claimed: usize = with.program.savings.iter().map(|saving| saving.dispatches).sum();
        assert_eq!(plain.program.steps.len() - with.program.steps.len(), claimed, "{name}");
        compare(name, &plain, &with);
        last = Some(with.program);
    }
    let all = last.expect("at least one");
    if mode == Mode::Train {
        let memory = all.plan.report(&all);
        let memory_budget = Some(memory.total() - memory.slots / 5);
        let tight = run(&gpu, mode, &feed, &record, CompileOptions { memory_budget, ..Default::default() })?;
        assert!(tight.program.remade > 0);
        compare("a memory budget", &plain, &tight);
    }
    Ok([plain.program, all])
}

fn sites(program: &Program, pass: Pass) -> usize {
    program.savings.iter().find(|saving| saving.pass == pass).map_or(0, |saving| saving.sites)
}

#[test]
fn operands_of_every_shape_in_a_chain() -> Result<()> {
    let [_, all] = unchanged(Mode::Infer, random, |r| {
        let x = r.input("x", [3, 7, 8]);
        let y = x.mul(r.input("row", [8]))?.add(r.input("column", [3, 7, 1]))?.sub(r.input("between", [3, 1, 8]))?;
        let y = y.max(r.input("one", [1]))?.sin()?;
        let odd = r.input("odd", [5, 3]).mul(r.input("odd_row", [3]))?.sub(r.input("odd_column", [5, 1]))?;
        let odd = odd.compare(Comparison::Greater, r.scalar(0.1))?.select(odd.square()?, odd.cos()?)?;
        // Of a single element, of nothing, and along four axes, which stay apart.
        let single = r.input("a", [1]).exp()?.add(r.input("b", [1]))?;
        let none = r.input("none", [0, 3]).exp()?.abs()?;
        let far = r.input("far", [2, 3, 4, 5]).mul(r.input("scattered", [2, 1, 4, 1]))?.exp()?;
        Ok(vec![y, odd, single, none, far])
    })?;
    let names: Vec<_> = all.nodes.iter().map(|n| n.op).collect();
    assert_eq!(names.iter().filter(|op| **op == "chain").count(), 4, "{names:?}");
    Ok(())
}

#[test]
fn endings_of_convolutions_in_tiles() -> Result<()> {
    let [_, all] = unchanged(Mode::Infer, random, |r| {
        let (x, conv) = (r.input("x", [2, 30, 33, 64]), Conv2d { padding: 1, ..Conv2d::default() });
        let y = nn::batch_norm_relu(nn::conv(x, "first", 64, 3, conv)?, "norm")?;
        Ok(vec![nn::conv(y, "second", 64, 3, conv)?.add(x)?.relu()?])
    })?;
    for pass in [Pass::Normalization, Pass::Residual, Pass::Activation] {
        assert_eq!(sites(&all, pass), 1, "{}", pass.name());
    }
    if Gpu::new()?.target().class == AdapterClass::Software {
        let choices = all.nodes.iter().filter_map(|n| n.choice.as_ref());
        assert_eq!(choices.filter(|c| c.variant.starts_with("winograd")).count(), 2);
    }
    Ok(())
}

#[test]
fn results_of_many_kernels_lie_in_one_tensor() -> Result<()> {
    let [plain, all] = unchanged(Mode::Infer, random, |r| {
        let (x, conv) = (r.input("x", [2, 30, 33, 64]), Conv2d { padding: 1, ..Conv2d::default() });
        let half = r.input("half", [2, 10, 11, 8]).upsample_nearest(3)?;
        let parts = [
            nn::conv(x, "wide", 20, 5, Conv2d { padding: 2, ..conv })?,
            nn::conv(x, "product", 12, 1, Conv2d::default())?,
            x.conv2d(r.param("grouped", [3, 3, 16, 16]), Conv2d { groups: 4, ..conv })?,
            nn::batch_norm_relu(nn::conv(x, "normalised", 8, 1, Conv2d::default())?, "norm")?,
            nn::conv(x, "layer", 8, 1, Conv2d::default())?.layer_norm(None, 1e-5)?,
            nn::conv(x, "group", 8, 1, Conv2d::default())?.group_norm(2, None, 1e-5)?,
            half.exp()?,
            half.reshape([2 * 30 * 33, 8])?.softmax(1)?.reshape([2, 30, 33, 8])?,
            nn::conv(x, "tiles", 64, 3, conv)?,
        ];
        let y = r.concat(&parts, 3)?;
        // Read whole, in slices, and with its slices' gradients.
        let slices = [y.slice(3, 64, 20)?, y.slice(3, 0, 64)?];
        let sums = [slices[0].sum(&[1, 2])?, slices[1].square()?.sum(&[0])?.mul(r.input("column", [30, 1, 1]))?];
        let loss = sums[0].square()?.sum_all()?.add(sums[1].sum_all()?)?.add(y.sum_all()?)?;
        let gradients = loss.backward_to(&[x, half])?;
        let [gx, gh] = [x, half].map(|x| gradients.of(x).expect("a gradient"));
        Ok(vec![y, sums[0], sums[1], gx, gh])
    })?;
    let copies = |program: &Program| {
        program.steps.iter().filter(|step| program.kernels[step.kernel].shader == "copy/slab.wgsl").count()
    };
    // What is left is read again and again by convolutions, or embedded.
    println!("{} copies as recorded, {} with every pass", copies(&plain), copies(&all));
    assert!(copies(&plain) - copies(&all) >= 12, "{}", all.dump());
    let placed = |kernel: &str| {
        let of =
            |step: &Step| program_kernel(&all, step, kernel) && all.node(step.node).is_some_and(|n| n.piece.is_some());
        all.steps.iter().any(of)
    };
    if Gpu::new()?.target().class == AdapterClass::Software {
        assert!(placed("winograd/transform.wgsl"), "{}", all.dump());
    }
    Ok(())
}

fn program_kernel(program: &Program, step: &Step, shader: &str) -> bool {
    program.kernels[step.kernel].shader == shader
}

/// The sum of neighbours, round the end, by a kernel that asks for the length of its operand.
#[derive(Debug)]
struct Neighbours;

impl Operator for Neighbours {
    fn name(&self) -> &'static str {
        "neighbours"
    }

    fn infer(&self, inputs: &[&TensorType]) -> std::result::Result<TensorType, Mismatch> {
        Ok(inputs[0].clone())
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        const SHADER: Shader = Shader {
            name: "neighbours",
            sources: &["
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let n = arrayLength(&x);
    if id.x < n {
        y[id.x] = x[id.x] + x[(id.x + 1u) % n];
    }
}
"],
        };
        let (x, y, n) = (lowering.input(0).buffer, lowering.output(), lowering.output_ty().shape.numel());
        lowering.dispatch(&SHADER).bind("x", x).bind("y", y).threads(n / 4)
    }
}

#[test]
fn a_kernel_that_cannot_do_with_a_piece_gets_a_copy() -> Result<()> {
    let [_, all] = unchanged(Mode::Infer, random, |r| {
        let x = r.input("x", [6, 16]);
        let of_slice = r.apply(Neighbours, &[x.slice(1, 4, 8)?])?;
        let joined = r.concat(&[of_slice, x.slice(1, 0, 8)?.exp()?.sin()?], 1)?;
        Ok(vec![joined, r.apply(Neighbours, &[x.slice(0, 2, 2)?])?])
    })?;
    let of = |op: &str| all.nodes.iter().filter(|n| n.op == op).map(|n| n.piece.is_some()).collect::<Vec<_>>();
    assert_eq!(of("neighbours"), [true, false], "{}", all.dump());
    Ok(())
}

/// Results of a graph lowered for a GPU, on whatever adapter there is.
fn as_on_a_gpu(
    mode: Mode,
    record: impl Fn(&Recorder) -> Result<Vec<Var<'_>>>,
    passes: Passes,
) -> Result<(Program, Vec<Vec<f32>>)> {
    let (gpu, r) = (Gpu::new()?, Recorder::with_mode(mode));
    let outputs: Vec<_> = record(&r)?.iter().map(|v| (String::new(), v.id())).collect();
    let target = Target { class: AdapterClass::Hardware, images: 0, ..gpu.target().clone() };
    let options = CompileOptions { passes, ..Default::default() };
    let program = r.with_graph(|graph| compile(graph, &outputs, &target, options))?;
    let mut exe = gpu.load(program.clone(), &States::seeded(&gpu, 7))?;
    exe.poison(0x7fc0_dead)?;
    let mut values = Vec::new();
    for run in 0..RUNS {
        random(&mut exe, run)?;
        let out = exe.run(std::iter::empty::<(&str, &[f32])>())?;
        values.extend((0..out.len()).map(|i| out.f32(i).to_vec()));
    }
    Ok((program, values))
}

#[test]
fn functions_of_elements_write_over_their_operands() -> Result<()> {
    step_over(Mode::Infer, functions_of_elements, 6)?;
    step_over(Mode::Train, a_small_network, 6)
}

fn functions_of_elements(r: &Recorder) -> Result<Vec<Var<'_>>> {
    let x = r.input("x", [3, 7, 8]);
    let odd = r.input("odd", [5, 3]).exp()?;
    let y = x.exp()?.mul(r.input("row", [8]))?.add(r.input("column", [3, 7, 1]))?.sin()?.square()?;
    let y = y.compare(Comparison::Greater, r.scalar(0.1))?.select(y.cos()?, y.sqrt()?)?;
    let odd = odd.mul(r.input("odd_row", [3]))?.sub(odd.sum(&[1])?.reshape([5, 1])?)?.abs()?;
    Ok(vec![y, odd])
}

#[track_caller]
fn step_over(mode: Mode, record: impl for<'r> Fn(&'r Recorder) -> Result<Vec<Var<'r>>>, least: usize) -> Result<()> {
    let (_, plain) = as_on_a_gpu(mode, &record, Passes::none())?;
    for passes in [Passes::none().with(Pass::Over), Passes::all()] {
        let (program, over) = as_on_a_gpu(mode, &record, passes)?;
        assert!(sites(&program, Pass::Over) >= if passes == Passes::all() { 1 } else { least }, "{}", program.dump());
        for (i, (a, b)) in plain.iter().zip(&over).enumerate() {
            assert!(bits(a) == bits(b), "output {i} of {}", program.dump());
        }
    }
    Ok(())
}

fn a_small_network(r: &Recorder) -> Result<Vec<Var<'_>>> {
    let x = r.input("x", [2, 12, 12, 3]);
    let y = nn::conv(x, "stem", 8, 3, Conv2d { padding: 1, ..Conv2d::default() })?.relu()?;
    let y = nn::residual(nn::residual(y, "a", 8)?, "b", 16)?;
    let y = nn::linear(y.mean(&[1, 2])?.reshape([2, 16])?, "out", 5, false)?;
    let error = y.sub(r.input("truth", [2, 5]))?;
    let loss = error.square()?.mean_all()?.add(error.abs()?.mean_all()?.scale(0.1)?)?;
    let gradients = loss.backward()?;
    r.step(&Adam::default(), &gradients, r.scalar(1e-2))?;
    Ok(vec![loss])
}

#[test]
fn a_step_of_a_small_network() -> Result<()> {
    let [_, all] = unchanged(Mode::Train, random, a_small_network)?;
    let none = [Pass::Normalization, Pass::Pieces, Pass::Over, Pass::Repeats];
    for pass in Pass::ALL.into_iter().filter(|pass| !none.contains(pass)) {
        assert!(sites(&all, pass) > 0, "{} finds nothing", pass.name());
    }
    Ok(())
}

#[test]
fn both_gradients_of_a_convolution() -> Result<()> {
    let [_, all] = unchanged(Mode::Infer, random, |r| {
        let (x, w) = (r.input("x", [8, 24, 24, 64]), r.input("w", [3, 3, 64, 64]));
        let y = x.conv2d(w, Conv2d { padding: 1, ..Conv2d::default() })?;
        let gradients = y.pullback(r.input("gy", [8, 24, 24, 64]), &[x, w])?;
        Ok([x, w].map(|var| gradients.of(var).expect("its gradient")).to_vec())
    })?;
    if Gpu::new()?.target().images > 0 {
        assert_eq!(sites(&all, Pass::Repeats), 1, "{}", all.dump());
    } else {
        println!(
            "skipped: that they share points, since Winograd's tiles are expected only where arrays are read as images"
        );
    }
    Ok(())
}

#[test]
fn inference_of_a_small_model_of_bottlenecks() -> Result<()> {
    let mesh = MeshGraph::new(&RiggedHand::right())?;
    // In which normalisations follow convolutions.
    let bottlenecks = nn::Residual::Bottleneck;
    let config = GraphCnnConfig { stem: 8, features: 32, stacks: 2, residual: bottlenecks, ..GraphCnnConfig::small() };
    let [plain, all] = unchanged(Mode::Infer, random, |r| {
        let photo = r.input("photo", [1, config.input_px, config.input_px, 3]);
        let prediction = Network { config: &config, mesh: &mesh }.predict(photo)?;
        Ok(prediction.heatmaps.iter().copied().chain([prediction.mesh_uvd]).collect())
    })?;
    let mib = |p: &Program| p.plan.report(p).slots as f64 / f64::from(1 << 20);
    let (before, after) = (plain.steps.len(), all.steps.len());
    println!("{before} dispatches, {:.2} MiB as recorded; {after}, {:.2} with every pass", mib(&plain), mib(&all));
    assert!(
        sites(&all, Pass::Normalization) >= 60 && sites(&all, Pass::Residual) >= 30 && sites(&all, Pass::Chain) >= 4
    );
    Ok(())
}

#[test]
fn a_training_step_of_the_small_model() -> Result<()> {
    let (hand, config) = (RiggedHand::right(), GraphCnnConfig::small());
    let mesh = MeshGraph::new(&hand)?;
    // So many that values are more than gradients of weights, which no budget can spare.
    const BATCH: usize = 4;
    let options = TrainOptions { batch: BATCH, ..TrainOptions::new(config.clone()) };
    let sampler = SceneSampler::new(&hand, config.input_px, 3);
    let feed = |exe: &mut Executable, run: u64| {
        let scene = SceneBatch::sample(&sampler, run * BATCH as u64, BATCH);
        let mut truth = TruthBatch::default();
        scene.scenes.iter().for_each(|scene| truth.push(&scene.truth(), &mesh, config.input_px));
        let rate = [1e-3];
        let truths = truth.inputs().into_iter().map(|(name, values)| (name, Data::from(values)));
        let inputs = scene.inputs().into_iter().chain(truths).chain([("learning_rate", Data::from(&rate))]);
        let known = |name: &str| exe.program().inputs.iter().any(|port| port.name == name);
        let inputs: Vec<_> = inputs.filter(|(name, _)| known(name)).collect();
        exe.upload(inputs)
    };
    let [plain, all] = unchanged(Mode::Train, feed, |r| {
        let losses = record_step(r, &options, &hand, &mesh, Stage::Full)?;
        Ok(losses.into_iter().map(|(_, loss)| loss).collect())
    })?;
    println!("dispatches: {} as recorded, {} with every pass", plain.steps.len(), all.steps.len());
    assert!(sites(&all, Pass::Common) > 0 && sites(&all, Pass::Residual) > 40 && sites(&all, Pass::Chain) > 40);
    Ok(())
}

/// What passes save on the models, as `docs/performance.md` says; no device is needed.
#[test]
fn the_models_take_fewer_dispatches() -> Result<()> {
    let hand = RiggedHand::right();
    let mesh = MeshGraph::new(&hand)?;
    let software = Target { class: AdapterClass::Software, images: 16, ..Target::webgpu_defaults() };
    let gpu = Target::webgpu_defaults();
    let programs = |r: &Recorder, outputs: &[Var<'_>]| {
        let outputs: Vec<_> = outputs.iter().map(|v| (String::new(), v.id())).collect();
        let all = Passes::all();
        let residual = Passes::none().with(Pass::Residual);
        let software = [Passes::none(), residual, all.without(Pass::Pieces), all].map(|passes| (&software, passes));
        let compiled = software.into_iter().chain([(&gpu, all.without(Pass::Over)), (&gpu, all)]);
        let compiled = compiled.map(|(target, passes)| {
            let options = CompileOptions { passes, ..Default::default() };
            r.with_graph(|graph| compile(graph, &outputs, target, options))
        });
        compiled.collect::<Result<Vec<_>>>()
    };
    let mut rows = Vec::new();
    for (config, least) in [(GraphCnnConfig::small(), 30), (GraphCnnConfig::paper(), 100)] {
        let r = Recorder::new();
        let photo = r.input("photo", [1, config.photo_px(), config.photo_px(), 3]);
        let y = Network { config: &config, mesh: &mesh }.find(photo, r.input("fill", [1]))?;
        rows.push((format!("{}, inference", config.name), programs(&r, &[y])?, least));
    }
    let r = Recorder::training();
    let options = TrainOptions { batch: 16, ..TrainOptions::new(GraphCnnConfig::small()) };
    let losses = record_step(&r, &options, &hand, &mesh, Stage::Full)?;
    let losses: Vec<_> = losses.into_iter().map(|(_, loss)| loss).collect();
    rows.push(("small, training step of 16".to_string(), programs(&r, &losses)?, 80));
    for (name, programs, least) in rows {
        let [none, residual, copies, all, apart, over] = &programs[..] else { unreachable!("six choices") };
        let slots = |p: &Program| p.plan.report(p).slots as f64 / f64::from(1 << 20);
        let figures = |p: &Program| {
            let bound = p.plan.report(p).lower_bound as f64 / f64::from(1 << 20);
            let (steps, kernels) = (p.steps.len(), p.kernels.len());
            format!("{steps} dispatches, {:.2} MiB (alive {bound:.2}), {kernels} kernels", slots(p))
        };
        println!("{name}: none {}; residual {}", figures(none), figures(residual));
        println!("  all but pieces {}; all {}", figures(copies), figures(all));
        println!("  on a GPU: all but over {}; all {}", figures(apart), figures(over));
        all.savings.iter().chain(over.savings.last()).for_each(|saving| println!("  {saving}"));
        assert!(none.steps.len() - all.steps.len() >= least, "{name}");
    }
    Ok(())
}

fn program(r: &Recorder, y: Var<'_>, options: CompileOptions) -> Program {
    let outputs = [(String::new(), y.id())];
    r.with_graph(|g| compile(g, &outputs, &Target::webgpu_defaults(), options)).expect("valid")
}

/// A step of a network whose activations are large beside its weights.
fn training(r: &Recorder) -> Var<'_> {
    let mut y = r.input("x", [8, 16, 16, 8]);
    for i in 0..6 {
        y = nn::batch_norm_relu(y, &format!("norm{i}")).unwrap();
        y = y.conv2d(r.param(&format!("w{i}"), [1, 1, 8, 8]), Conv2d::default()).unwrap();
    }
    let loss = y.square().unwrap().mean_all().unwrap();
    let gradients = loss.backward().unwrap();
    r.step(&Sgd::default(), &gradients, r.scalar(0.1)).unwrap();
    loss
}

#[test]
fn a_budget_makes_cheap_values_again() {
    let r = Recorder::training();
    let loss = training(&r);
    let plain = program(&r, loss, CompileOptions::default());
    let whole = plain.plan.report(&plain).total();
    assert_eq!(program(&r, loss, CompileOptions { memory_budget: Some(whole), ..Default::default() }).remade, 0);
    let budget = whole * 3 / 4;
    let tight = program(&r, loss, CompileOptions { memory_budget: Some(budget), ..Default::default() });
    assert!(tight.plan.report(&tight).total() <= budget && tight.remade > 0, "{}", tight.plan.report(&tight));
    // As many more dispatches as values that are made again.
    assert_eq!(tight.steps.len(), plain.steps.len() + tight.remade);
    let less = program(&r, loss, CompileOptions { memory_budget: Some(whole - 1), ..Default::default() });
    assert!((1..=tight.remade).contains(&less.remade));
}

#[test]
fn a_budget_that_nothing_can_keep_is_an_error_with_the_largest_tensors() {
    let r = Recorder::training();
    let loss = training(&r);
    let outputs = [(String::new(), loss.id())];
    let options = CompileOptions { memory_budget: Some(1 << 10), ..Default::default() };
    let error = r.with_graph(|g| compile(g, &outputs, &Target::webgpu_defaults(), options)).expect_err("too little");
    let Error::OutOfMemory { needs, limit, largest, .. } = &error else { panic!("{error}") };
    assert!(*needs > 1 << 10 && *limit == Some(1 << 10) && !largest.is_empty(), "{error}");
    assert_eq!(largest[0].bytes, 8 * 16 * 16 * 8 * 4);
}
