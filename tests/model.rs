//! The graph CNN as a whole, in sizes that a test can afford: it plans, lifts, trains, resumes and stops on NaN.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use glam::{Vec2, Vec3};
use knuckle::data::{Photo, SceneSampler};
use knuckle::exec::{CompileOptions, Target, compile};
use knuckle::graph::TensorData;
use knuckle::hand::RiggedHand;
use knuckle::models::{GraphCnn, GraphCnnConfig, InferOptions, Lifting, MeshGraph, Network, TruthBatch};
use knuckle::rng::Rng;
use knuckle::train::{Control, ROUND, Rule, TrainOptions, Trainer, checkpoint_path};
use knuckle::{Error, Gpu, Recorder, Result, States, nn};
use safetensors::SafeTensors;

fn mesh() -> MeshGraph {
    MeshGraph::new(&RiggedHand::right()).expect("the shipped hand")
}

/// The real network with hardly any channels.
fn tiny() -> GraphCnnConfig {
    GraphCnnConfig {
        name: "tiny".into(),
        input_px: 64,
        stem: 4,
        features: 8,
        stacks: 1,
        depth: 1,
        levels: Vec::new(),
        residual: nn::Residual::Bottleneck,
        encoder: [8; 4],
        latent: 8,
        graph: [4; 4],
        pose: [2, 2],
        sigma_px: 1.0,
        reads_joints: false,
        carries_mesh: false,
        vertex_l1: 0.0,
        second_look: None,
    }
}

fn options() -> TrainOptions {
    TrainOptions {
        batch: 2,
        pretrain_steps: 3,
        full_steps: 4,
        validation_samples: 0,
        checkpoint_every: 0,
        ..TrainOptions::new(tiny())
    }
}

/// An empty folder for one test.
fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("knuckle-model-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    path
}

/// Every tensor of a checkpoint by name; the order in the file's header is not fixed.
fn checkpoint(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(checkpoint_path(out)).expect("a checkpoint");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    file.iter().map(|(name, tensor)| (name.to_string(), tensor.data().to_vec())).collect()
}

#[test]
fn inference_plans_reuse_memory() -> Result<()> {
    let mesh = mesh();
    let target = Target::webgpu_defaults();
    for config in [GraphCnnConfig::small(), GraphCnnConfig::paper()] {
        let r = Recorder::new();
        let photo = r.input("photo", [1, config.photo_px(), config.photo_px(), 3]);
        let uvd = Network { config: &config, mesh: &mesh }.find(photo, r.input("fill", [1]))?;
        let outputs = [(String::new(), uvd.id())];
        let options = CompileOptions { effects: false, ..CompileOptions::default() };
        let program = r.with_graph(|graph| compile(graph, &outputs, &target, options))?;
        let memory = program.plan.report(&program);
        println!("{}: {memory}; {:.3} GFLOP", config.name, program.cost().flops as f64 * 1e-9);
        assert!(memory.slots * 4 <= memory.without_reuse, "{memory}");
    }
    Ok(())
}

#[test]
fn lifting_undoes_projection() -> Result<()> {
    let (gpu, mesh, size) = (Gpu::new()?, mesh(), 64);
    let sampler = SceneSampler::new(&RiggedHand::right(), size, 5);
    let mut truth = TruthBatch::default();
    let mut uvd = Vec::new();
    for index in 0..2 {
        let scene = sampler.sample(index);
        let known = scene.truth();
        truth.push(&known, &mesh, size);
        let wrist = known.joints[0].z;
        for &v in known.vertices {
            let uv = known.camera.project(v) / (size as f32 / 2.0) - 1.0;
            uvd.extend([uv.x, uv.y, (v.z - wrist) / known.scale_mm()]);
        }
    }
    let r = Recorder::new();
    let xyz = Lifting::record(&r, 2).lift(r.input("uvd", [2, mesh.vertices, 3]))?;
    let expected = r.input("mesh_xyz", [2, mesh.vertices, 3]);
    let error = xyz.sub(expected)?;
    let mut exe = gpu.compile(&r, [error])?;
    let wanted = ["rays", "root", "mesh_xyz"];
    let inputs = truth.inputs().into_iter().filter(|(name, _)| wanted.contains(name));
    let out = exe.run(inputs.chain([("uvd", &uvd[..])]))?;
    let worst = out.f32(0).iter().fold(0.0f32, |m, v| m.max(v.abs()));
    assert!(worst < 2e-5, "{worst} of a bone's length");
    Ok(())
}

#[test]
fn joints_move_and_scale_with_the_mesh() -> Result<()> {
    let (gpu, mesh, config) = (Gpu::new()?, mesh(), tiny());
    let r = Recorder::new();
    let joints = Network { config: &config, mesh: &mesh }.joints(r.input("xyz", [3, mesh.vertices, 3]))?;
    let mut exe = gpu.compile(&r, [joints])?;
    let rest = RiggedHand::right();
    let shift = Vec3::new(0.5, -2.0, 7.0);
    let unit: Vec<Vec3> = rest.rest_vertices().iter().map(|v| *v / 40.0).collect();
    let batch = [unit.clone(), unit.iter().map(|v| *v * 3.0).collect(), unit.iter().map(|v| *v + shift).collect()];
    let flat: Vec<f32> = batch.iter().flatten().flat_map(|v| v.to_array()).collect();
    let out = exe.run([("xyz", &flat)])?;
    let joints: Vec<Vec3> = out.f32(0).chunks_exact(3).map(Vec3::from_slice).collect();
    for j in 0..21 {
        assert!((joints[21 + j] - joints[j] * 3.0).length() < 1e-3, "linear");
        assert!((joints[42 + j] - joints[j] - shift).length() < 1e-3, "moves along");
    }
    Ok(())
}

#[test]
fn a_resumed_training_ends_with_the_same_bits() -> Result<()> {
    let gpu = Gpu::new()?;
    let whole = folder("whole");
    let mut losses = Vec::new();
    Trainer::new(&gpu, options(), &whole)?.run(|step| {
        losses.push(step.loss);
        Control::Continue
    })?;
    assert_eq!(losses.len(), 7);
    // Stopped within the first stage, at its end, and within the second.
    for stop in [2, 3, 5] {
        let parts = folder(&format!("stopped-{stop}"));
        Trainer::new(&gpu, options(), &parts)?.run(|step| match step.step == stop {
            true => Control::Stop,
            false => Control::Continue,
        })?;
        let mut trainer = Trainer::resume(&gpu, &parts)?;
        assert_eq!(trainer.steps_done(), stop);
        trainer.run(|step| {
            assert_eq!(step.loss, losses[step.step as usize - 1], "step {}", step.step);
            Control::Continue
        })?;
        assert!(checkpoint(&parts) == checkpoint(&whole), "stopped after {stop}");
        std::fs::remove_dir_all(&parts).ok();
    }
    std::fs::remove_dir_all(&whole).ok();
    Ok(())
}

#[test]
fn a_training_can_be_made_longer() -> Result<()> {
    let gpu = Gpu::new()?;
    let out = folder("longer");
    let options = TrainOptions { pretrain_steps: 0, full_steps: 2, optimizer: Rule::RmsProp, ..options() };
    Trainer::new(&gpu, options, &out)?.run(|_| Control::Continue)?;
    let error = Trainer::resume_with(&gpu, &out, |o| o.full_steps = 1).err().expect("two are done").to_string();
    assert!(error.contains("steps") && error.contains("at least the 2"), "{error}");
    let error = Trainer::resume_with(&gpu, &out, |o| o.seed += 1).err().expect("another training").to_string();
    assert!(error.contains("options") && error.contains("seed"), "{error}");
    let mut trainer = Trainer::resume_with(&gpu, &out, |o| o.full_steps = 3)?;
    trainer.run(|_| Control::Continue)?;
    let longer = Trainer::resume(&gpu, &out)?;
    assert_eq!((longer.steps_done(), longer.options().steps(), longer.options().optimizer), (3, 3, Rule::RmsProp));
    assert!(longer.states().names().iter().any(|name| name.ends_with(".mean_square")));
    assert!(!longer.states().names().iter().any(|name| name.ends_with(".mean")), "RMSprop keeps no mean");
    std::fs::remove_dir_all(&out).ok();
    Ok(())
}

#[test]
fn replicas_end_with_one_mean_and_resume_with_the_same_bits() -> Result<()> {
    let gpu = Gpu::new()?;
    let options = TrainOptions { pretrain_steps: 2, full_steps: 6, replicas: 2, ..options() };
    let (whole, parts) = (folder("replicas-whole"), folder("replicas-parts"));
    Trainer::new(&gpu, options.clone(), &whole)?.run(|_| Control::Continue)?;
    // Asked to stop within a round, it stops at the round's end.
    let mut trainer = Trainer::new(&gpu, options.clone(), &parts)?;
    trainer.run(|step| if step.step >= 3 { Control::Stop } else { Control::Continue })?;
    assert_eq!(trainer.steps_done(), ROUND);
    Trainer::resume(&gpu, &parts)?.run(|_| Control::Continue)?;
    assert!(checkpoint(&parts) == checkpoint(&whole));

    // The mean of two replicas with the same samples would be either; it is not, so both count.
    let alone = folder("replicas-alone");
    Trainer::new(&gpu, TrainOptions { replicas: 1, ..options }, &alone)?.run(|_| Control::Continue)?;
    let (both, one) = (checkpoint(&whole), checkpoint(&alone));
    assert_eq!(both.keys().collect::<Vec<_>>(), one.keys().collect::<Vec<_>>());
    assert!(both["hourglass/stem/weight"] != one["hourglass/stem/weight"]);
    for folder in [whole, parts, alone] {
        std::fs::remove_dir_all(folder).ok();
    }
    Ok(())
}

/// The tiny network with what the small one has besides.
fn tiny_reader() -> GraphCnnConfig {
    GraphCnnConfig {
        levels: vec![12],
        residual: nn::Residual::Conv3x3,
        reads_joints: true,
        carries_mesh: true,
        vertex_l1: 0.1,
        ..tiny()
    }
}

#[test]
fn joints_are_the_means_of_their_maps() -> Result<()> {
    let (gpu, mesh, config) = (Gpu::new()?, mesh(), tiny_reader());
    let r = Recorder::new();
    let seen = Network { config: &config, mesh: &mesh }.hourglass(r.input("photo", [1, 64, 64, 3]))?;
    let mut exe = gpu.compile(&r, [seen.joints_uvd.expect("it reads joints")])?;
    let photo: Vec<f32> = (0..64 * 64 * 3).map(|i| (i % 7) as f32 / 7.0).collect();
    let random = exe.run([("photo", &photo)])?;
    assert_eq!(random.ty(0).shape.dims(), [1, 21, 3]);
    assert!(random.f32(0).chunks_exact(3).all(|j| j[0].abs() < 1.0 && j[1].abs() < 1.0), "inside the photo");
    // Under level maps a joint is in the middle, as deep as its depth map is everywhere.
    let depths: Vec<f32> = (0..24).map(|j| j as f32 / 8.0 - 1.0).collect();
    for map in ["places", "depths"] {
        let zeros = TensorData::f32([1, 1, 8, 24], &[0.0; 8 * 24]).expect("as many");
        exe.states().write(&format!("hourglass/joints/{map}/weight"), &zeros)?;
        exe.states()
            .write(&format!("hourglass/joints/{map}/bias"), &TensorData::f32([24], &depths).expect("as many"))?;
    }
    for (j, joint) in exe.run([("photo", &photo)])?.f32(0).chunks_exact(3).enumerate() {
        let error = Vec3::from_slice(joint) - Vec3::new(0.0, 0.0, depths[j]);
        assert!(error.abs().max_element() < 1e-5, "joint {j}: {joint:?}");
    }
    Ok(())
}

#[test]
fn joints_carry_the_mesh() -> Result<()> {
    let (gpu, mesh, config) = (Gpu::new()?, mesh(), tiny_reader());
    let r = Recorder::new();
    let prediction = Network { config: &config, mesh: &mesh }.predict(r.input("photo", [1, 64, 64, 3]))?;
    let mut exe = gpu.compile(&r, [prediction.joints_uvd.expect("it reads joints"), prediction.mesh_uvd])?;
    // A graph CNN that says nothing leaves the mesh where the joints have it.
    for name in ["theta0", "theta1", "theta2"].map(|part| format!("graph/last/{part}")) {
        let ty = exe.states().describe(&name).expect("a parameter of the last layer").0;
        exe.states()
            .write(&name, &TensorData::f32(ty.shape.clone(), &vec![0.0; ty.shape.numel()]).expect("as many"))?;
    }
    let photo: Vec<f32> = (0..64 * 64 * 3).map(|i| (i % 5) as f32 / 5.0).collect();
    let out = exe.run([("photo", &photo)])?;
    let joints: Vec<Vec3> = out.f32(0).chunks_exact(3).map(Vec3::from_slice).collect();
    let mut expected = vec![Vec3::ZERO; mesh.vertices];
    for (vertex, joint, weight) in RiggedHand::right().vertices_from_joints() {
        expected[vertex] += weight * joints[joint];
    }
    let worst = out.f32(1).chunks_exact(3).zip(&expected).map(|(got, want)| Vec3::from_slice(got).distance(*want));
    assert!(worst.fold(0.0, f32::max) < 1e-4);
    assert!(expected.iter().any(|v| v.distance(expected[0]) > 1e-3), "the joints lie apart");
    Ok(())
}

/// A picture at positions in [−1, 1], bilinear, its border repeated.
fn sampled(photo: &[f32], side: usize, positions: impl Iterator<Item = Vec2>) -> Vec<f32> {
    let last = side as f32 - 1.0;
    positions
        .flat_map(|at| {
            let at = ((at + 1.0) * side as f32 / 2.0 - 0.5).clamp(Vec2::ZERO, Vec2::splat(last));
            let (low, part) = (at.floor(), at.fract());
            let high = (low + 1.0).min(Vec2::splat(last));
            let pixel = move |x: f32, y: f32, c: usize| photo[(y as usize * side + x as usize) * 3 + c];
            (0..3).map(move |c| {
                let row = |y| pixel(low.x, y, c) * (1.0 - part.x) + pixel(high.x, y, c) * part.x;
                row(low.y) * (1.0 - part.y) + row(high.y) * part.y
            })
        })
        .collect()
}

#[test]
fn further_looks_are_at_the_square_around_the_first() -> Result<()> {
    let (gpu, mesh, fill) = (Gpu::new()?, mesh(), 0.6);
    let once = tiny_reader();
    let twice = GraphCnnConfig { second_look: Some(fill), ..once.clone() };
    assert_eq!((once.photo_px(), twice.photo_px()), (64, 128));
    let states = States::seeded(&gpu, 3);
    let r = Recorder::new();
    let uvd = Network { config: &twice, mesh: &mesh }.find(r.input("photo", [1, 128, 128, 3]), r.scalar(fill))?;
    let mut found = gpu.compile_with(&r, [uvd], &states)?;
    let r = Recorder::new();
    let uvd = Network { config: &once, mesh: &mesh }.find(r.input("photo", [1, 64, 64, 3]), r.scalar(1.0))?;
    let mut look = gpu.compile_with(&r, [uvd], &states)?;
    let points = |values: &[f32]| values.chunks_exact(3).map(Vec3::from_slice).collect::<Vec<_>>();

    let mut rng = Rng::new(8, 0);
    let photo: Vec<f32> = (0..128 * 128 * 3).map(|_| rng.uniform()).collect();
    let got = points(found.run([("photo", &photo)])?.f32(0));
    let centres = |side: usize| {
        let centre = move |i: usize| (2 * i + 1) as f32 / side as f32 - 1.0;
        (0..side * side).map(move |i| Vec2::new(centre(i % side), centre(i / side)))
    };
    // Half-way between four pixels a bilinear sample is their mean.
    let whole = sampled(&photo, 128, centres(64));
    let first = points(look.run([("photo", &whole)])?.f32(0));
    let low = first.iter().map(|p| p.truncate()).fold(Vec2::INFINITY, Vec2::min);
    let high = first.iter().map(|p| p.truncate()).fold(Vec2::NEG_INFINITY, Vec2::max);
    let (middle, half) = ((low + high) / 2.0, (high - low).max_element() / 2.0 / fill);
    assert!(half.is_finite() && !(0.9..=1.1).contains(&half), "the square {half} is not the photo");
    let mut wanted = first.clone();
    for angle in [-0.2, 0.2] {
        let turn = Vec2::from_angle(angle);
        let out = |at: Vec2| turn.rotate(at) * half + middle;
        let square = sampled(&photo, 128, centres(64).map(out));
        let again = points(look.run([("photo", &square)])?.f32(0));
        wanted.iter_mut().zip(&again).for_each(|(sum, p)| *sum += out(p.truncate()).extend(p.z));
    }
    let worst = got.iter().zip(&wanted).map(|(got, sum)| got.distance(*sum / 3.0)).fold(0.0, f32::max);
    assert!(worst < 1e-3, "{worst}");
    let moved = got.iter().zip(&first).map(|(got, first)| got.distance(*first)).fold(0.0, f32::max);
    assert!(moved > 0.02, "further looks say what the first did, within {moved}");
    Ok(())
}

#[test]
fn photos_are_looked_at_again_as_the_options_say() -> Result<()> {
    let gpu = Gpu::new()?;
    let config = GraphCnnConfig { second_look: Some(0.65), ..tiny_reader() };
    let mut model = GraphCnn::new(&gpu, config.clone(), &States::seeded(&gpu, 3))?;
    let mut rng = Rng::new(9, 0);
    let photo = Photo::from_rgb(128, 128, (0..128 * 128 * 3).map(|_| rng.below(256) as u8).collect())?;
    // The image coordinates of the mesh, found by the network at the side of it.
    let pixels: Vec<f32> = photo.rgb().iter().map(|v| f32::from(*v) / 255.0).collect();
    let mesh = mesh();
    let uv = |fill: f32| -> Result<Vec<Vec2>> {
        let r = Recorder::new();
        let uvd = Network { config: &config, mesh: &mesh }.find(r.input("photo", [1, 128, 128, 3]), r.scalar(fill))?;
        let out = gpu.compile_with(&r, [uvd], model.states())?.run([("photo", &pixels)])?;
        Ok(out.f32(0).chunks_exact(3).map(|p| (Vec2::from_slice(p) + 1.0) * 64.0).collect())
    };
    let (wanted, usual) = (uv(0.8)?, uv(0.55)?);
    let worst = |a: &[Vec2], b: &[Vec2]| a.iter().zip(b).map(|(a, b)| a.distance(*b)).fold(0.0, f32::max);
    let options = InferOptions { root_depth_mm: Some(500.0), ..InferOptions::default() };
    let found = model.infer(&photo, &options)?;
    assert!(worst(&found.vertices_uv, &usual) < 1e-3 && worst(&usual, &wanted) > 0.01);
    let found = model.infer(&photo, &InferOptions { fill: Some(0.8), ..options })?;
    assert!(worst(&found.vertices_uv, &wanted) < 1e-3);
    for fill in [0.0, 2.0, f32::NAN] {
        let error = model.infer(&photo, &InferOptions { fill: Some(fill), ..options }).unwrap_err().to_string();
        assert!(error.contains("fill") && error.contains("0.3 to 1"), "{error}");
    }
    let mut once = GraphCnn::new(&gpu, tiny_reader(), &States::seeded(&gpu, 3))?;
    once.infer(&photo, &options)?;
    let error = once.infer(&photo, &InferOptions { fill: Some(0.8), ..options }).unwrap_err().to_string();
    assert!(error.contains("fill") && error.contains("looks once"), "{error}");
    Ok(())
}

#[test]
fn a_training_may_begin_to_look_again() -> Result<()> {
    let (gpu, out) = (Gpu::new()?, folder("twice"));
    let once = TrainOptions { pretrain_steps: 0, full_steps: 1, validation_samples: 2, ..options() };
    Trainer::new(&gpu, once, &out)?.run(|_| Control::Continue)?;
    let mut trainer = Trainer::resume_with(&gpu, &out, |options| {
        options.config.second_look = Some(0.7);
        options.full_steps = 2;
    })?;
    let mut seen = None;
    trainer.run(|step| {
        seen = step.validation;
        Control::Continue
    })?;
    assert!(seen.and_then(|v| v.mesh_error).is_some_and(f32::is_finite), "{seen:?}");
    let other = Trainer::resume_with(&gpu, &out, |options| options.config.features = 12).err().expect("other weights");
    assert!(other.to_string().contains("network"), "{other}");
    std::fs::remove_dir_all(&out).ok();
    Ok(())
}

#[test]
fn a_training_goes_on_from_weights() -> Result<()> {
    let gpu = Gpu::new()?;
    let out = folder("from");
    let options = TrainOptions { pretrain_steps: 0, full_steps: 2, config: tiny_reader(), ..options() };
    let trained = GraphCnn::new(&gpu, options.config.clone(), &States::seeded(&gpu, 9))?;
    let replicas = TrainOptions { replicas: 2, ..options.clone() };
    let mut trainer = Trainer::fine_tune(&gpu, replicas, &out, &trained)?;
    let names = trained.states().names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let before = trained.states().read(&names)?;
    assert!(names.len() > 30 && trainer.states().read(&names)? == before, "every weight is the trained one");
    let mut terms = Vec::new();
    trainer.run(|step| {
        terms = step.terms.iter().map(|(name, _)| *name).collect();
        Control::Continue
    })?;
    assert!(terms.contains(&"vertex_l1") && terms.contains(&"vertex"), "{terms:?}");
    assert_ne!(trainer.states().read(&names)?, before, "and learns");

    for (other, what) in [
        (TrainOptions { config: tiny(), ..options.clone() }, "network"),
        (TrainOptions { pretrain_steps: 1, ..options }, "first stage"),
    ] {
        let error = Trainer::fine_tune(&gpu, other, &out, &trained).err().expect(what).to_string();
        assert!(error.contains(what), "{error}");
    }
    std::fs::remove_dir_all(&out).ok();
    Ok(())
}

#[test]
fn sizes_are_read_from_a_file() {
    let folder = folder("sizes");
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    let path = folder.join("sizes.json");
    let write = |text: &str| std::fs::write(&path, text).expect("the folder is there");
    write(&serde_json::to_string(&tiny_reader()).expect("plain data"));
    let name = path.to_str().expect("UTF-8");
    assert_eq!(GraphCnnConfig::named(name).expect("what was written"), tiny_reader());
    for (text, what) in [("{", "configuration"), ("{\"name\": \"x\"}", "missing field")] {
        write(text);
        let error = GraphCnnConfig::open(&path).expect_err(what).to_string();
        assert!(error.contains(what), "{error}");
    }
    write(&serde_json::to_string(&GraphCnnConfig { depth: 9, ..tiny() }).expect("plain data"));
    assert!(GraphCnnConfig::open(&path).expect_err("too deep").to_string().contains("depth"));
    assert!(matches!(GraphCnnConfig::open(folder.join("none.json")), Err(Error::File { .. })));
    std::fs::remove_dir_all(&folder).ok();
}

#[test]
fn what_is_read_off_maps_is_learned_in_both_stages() -> Result<()> {
    let gpu = Gpu::new()?;
    let out = folder("reading");
    let options = TrainOptions { pretrain_steps: 2, full_steps: 2, config: tiny_reader(), ..options() };
    let mut terms = 0;
    let mut trainer = Trainer::new(&gpu, options, &out)?;
    let names = ["hourglass/joints/places/weight", "hourglass/joints/depths/weight"];
    let mut learned = Vec::new();
    for stop in [1, 2, 3] {
        trainer.run(|step| {
            terms += step.terms.iter().filter(|(name, value)| *name == "reading" && *value > 0.0).count();
            if step.step == stop { Control::Stop } else { Control::Continue }
        })?;
        learned.push(trainer.states().read(&names)?);
    }
    assert_eq!(terms, 3, "a term of both stages");
    for pair in learned.windows(2) {
        assert!(pair[0].iter().zip(&pair[1]).all(|(before, after)| before != after));
    }
    let widened = trainer.states().read(&["hourglass/stack0/down/conv/weight"])?.remove(0);
    assert_eq!(widened.ty.shape.dims(), [3, 3, 8, 12]);
    std::fs::remove_dir_all(&out).ok();
    Ok(())
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let refused = |config: GraphCnnConfig, what: &str, expected: &str| {
        let error = config.check().expect_err(what).to_string();
        assert!(error.contains(what) && error.contains(expected), "{error}");
    };
    refused(GraphCnnConfig { levels: vec![8, 8], ..tiny() }, "levels", "one a halving");
    refused(GraphCnnConfig { levels: vec![0], ..tiny() }, "channels", "65536");
    refused(GraphCnnConfig { depth: 9, ..tiny() }, "depth", "1 to 8");
    refused(GraphCnnConfig { input_px: 65, ..tiny() }, "input_px", "64");
    refused(GraphCnnConfig { carries_mesh: true, ..tiny() }, "carries_mesh", "reads_joints");
    refused(GraphCnnConfig { vertex_l1: -1.0, ..tiny() }, "vertex_l1", "at least 0");
    refused(GraphCnnConfig { second_look: Some(0.0), ..tiny() }, "second_look", "0.3 to 1");
    refused(GraphCnnConfig { second_look: Some(f32::NAN), ..tiny() }, "second_look", "0.3 to 1");
    refused(GraphCnnConfig { sigma_px: f32::NAN, ..tiny() }, "sigma_px", "positive");
}

#[test]
fn the_learning_rate_does_not_know_the_length_until_the_end() {
    let of = |full_steps| TrainOptions { pretrain_steps: 200, full_steps, learning_rate: 1.0, ..options() };
    let (short, long) = (of(800), of(1800));
    for step in 0..700 {
        assert_eq!(short.learning_rate_at(step), long.learning_rate_at(step), "step {step}");
    }
    let rate = |step| short.learning_rate_at(step);
    assert!((rate(0) - 0.01).abs() < 1e-6 && (rate(50) - 0.51).abs() < 1e-6 && rate(150) == 1.0);
    assert!((rate(200) - 0.01).abs() < 1e-6, "a stage begins slowly");
    assert!(rate(699) == 1.0 && (rate(850) - 0.505).abs() < 0.01 && rate(999) < 0.0101);
    assert!((700..999).all(|step| rate(step + 1) < rate(step)));
    let slow = TrainOptions { decay: 1.0, ..of(800) };
    assert!((slow.learning_rate_at(499) - 0.505).abs() < 0.001, "falls from the first step on");
    let level = TrainOptions { decay: 0.0, ..of(800) };
    assert_eq!(level.learning_rate_at(999), 1.0);
    assert!(TrainOptions { decay: 1.5, ..of(800) }.check().is_err());
}

#[test]
fn a_loss_that_is_nan_stops_with_the_culprit_and_harms_nothing() -> Result<()> {
    let gpu = Gpu::new()?;
    let out = folder("nan");
    let mut trainer = Trainer::new(&gpu, TrainOptions { pretrain_steps: 0, ..options() }, &out)?;
    trainer.run(|step| if step.step == 1 { Control::Stop } else { Control::Continue })?;
    let before = checkpoint(&out);
    let name = "graph/fine/theta0";
    let weight = trainer.states().read(&[name])?.remove(0);
    let mut values = weight.to_f32();
    values[3] = f32::MAX;
    trainer.states().write(name, &TensorData::f32(weight.ty.shape.clone(), &values).expect("as many"))?;
    let statistics = trainer.states().read(&["hourglass/stem_norm/statistics"])?;
    let error = trainer.run(|_| Control::Continue).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::NotFinite { .. }), "{text}");
    assert!(text.contains("step 2") && text.contains("matmul") && text.contains("recorded at"), "{text}");
    assert_eq!(trainer.states().read(&["hourglass/stem_norm/statistics"])?, statistics, "no state changed");
    assert!(checkpoint(&out) == before, "the last good checkpoint stays");
    std::fs::remove_dir_all(&out).ok();
    Ok(())
}

#[test]
fn small_network_predicts() -> Result<()> {
    let gpu = Gpu::new()?;
    let config = GraphCnnConfig::small();
    let mesh = mesh();
    let network = Network { config: &config, mesh: &mesh };
    let r = Recorder::new();
    let size = config.input_px;
    let prediction = network.predict(r.input("photo", [1, size, size, 3]))?;
    let joints = network.joints(prediction.mesh_uvd)?;
    assert_eq!(prediction.heatmaps.len(), config.stacks);
    let mut exe = gpu.compile(&r, [prediction.heatmaps[config.stacks - 1], prediction.mesh_uvd, joints])?;
    let mut rng = Rng::new(1, 1);
    let mut photo = || -> Vec<f32> { (0..size * size * 3).map(|_| rng.uniform()).collect() };
    let (first, second) = (photo(), photo());
    let a = exe.run([("photo", &first)])?;
    let side = config.heatmap_px();
    assert_eq!(a.ty(0).shape.dims(), [1, side, side, 24]);
    assert_eq!(a.ty(1).shape.dims(), [1, mesh.vertices, 3]);
    assert_eq!(a.ty(2).shape.dims(), [1, 21, 3]);
    assert!((0..3).all(|i| a.f32(i).iter().all(|v| v.is_finite())));
    let b = exe.run([("photo", &second)])?;
    let again = exe.run([("photo", &first)])?;
    for i in 0..3 {
        assert_ne!(a.f32(i), b.f32(i), "output {i} ignores the photo");
        assert_eq!(a.f32(i), again.f32(i), "output {i} is not reproducible");
    }
    Ok(())
}
