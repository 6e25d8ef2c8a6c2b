//! Every kernel that the library runs, in every form: what the tests that look at shaders go through.

use std::collections::BTreeMap;
use std::sync::Arc;

use knuckle::data::mesh::SceneMesh;
use knuckle::data::render::{self, RenderedVars};
use knuckle::exec::{AdapterClass, CompileOptions, Cooperative, Define, Kernel, Program, Shader, Target, compile};
use knuckle::hand::{RiggedHand, Side};
use knuckle::models::{FitOptions, GraphCnnConfig, MeshGraph, Network, record_fit};
use knuckle::nn::hand::HandRig;
use knuckle::ops::{Adam, Comparison, Projection, Raster, RmsProp, Sgd};
use knuckle::train::{Rule, Stage, TrainOptions, record_step};
use knuckle::{DType, Gradients, Recorder, Result, Var, nn};

use crate::case::Case;
use crate::{cases, harness};

/// As many of a kernel's arrays become images as it reads, and the lanes of a subgroup: as on llvmpipe.
const ALL_IMAGES: u32 = 16;
const SUBGROUP: u32 = 8;

/// A kernel and the first program that needs it.
#[derive(Debug, Clone)]
pub struct Variant {
    /// The kernel.
    pub kernel: Arc<Kernel>,
    /// What runs it.
    pub program: String,
}

/// A program by name.
pub type Named = (String, Result<Program>);

/// What programs are lowered for: both classes of kernels with the least that adapters have and f16, and those for software reading
/// arrays as images, in subgroups.
pub fn targets() -> [Target; 3] {
    let least = || Target { f16: true, ..Target::webgpu_defaults() };
    [
        Target { class: AdapterClass::Hardware, ..least() },
        Target { class: AdapterClass::Software, ..least() },
        Target { class: AdapterClass::Software, images: ALL_IMAGES, subgroup: Some(SUBGROUP), ..least() },
    ]
}

/// Targets with cooperative matrices: of each form once, in subgroups as wide as Vulkan may have them.
pub fn cooperative_targets() -> [Target; 2] {
    let of = |forms: &[(u32, DType)]| Target {
        f16: true,
        max_workgroup_bytes: 48 << 10,
        cooperative: forms.iter().map(|&(size, dtype)| Cooperative { size, dtype, widest_subgroup: 64 }).collect(),
        ..Target::webgpu_defaults()
    };
    [of(&[(16, DType::F16), (8, DType::F32)]), of(&[(8, DType::F16)])]
}

/// Whether a kernel uses cooperative matrices, which WebGPU does not have.
pub fn is_cooperative(kernel: &Kernel) -> bool {
    kernel.source.contains("enable wgpu_cooperative_matrix;")
}

/// The kernels that find an adapter's ceilings for `knuckle bench`, as src/bench/probes.rs makes them: no operator runs them.
fn probes() -> Vec<Arc<Kernel>> {
    macro_rules! bench {
        ($name:literal $(, $shared:literal)*) => {
            Shader {
                name: concat!("bench/", $name),
                sources: &[
                    $(include_str!(concat!("../../shaders/", $shared)),)*
                    include_str!(concat!("../../shaders/bench/", $name)),
                ],
            }
        };
    }
    const WG: (&str, Define) = ("WG", Define::U32(64));
    let reals = [(bench!("f32.wgsl"), &[][..]), (bench!("f16.wgsl"), &["y"][..])];
    let multiply_add = bench!("multiply_add.wgsl", "common/index.wgsl");
    let copy = bench!("copy.wgsl", "common/index.wgsl");
    let mut kernels = vec![Kernel::new(&bench!("nothing.wgsl"), &[], &[], &[], 0)];
    for (chains, fused) in (1..=4).flat_map(|chains| [(chains, false), (chains, true)]) {
        let defines = [WG, ("CHAINS", Define::U32(chains)), ("FUSED", Define::Bool(fused))];
        kernels.extend(reals.map(|(real, halves)| Kernel::new(&multiply_add, &defines, &[real], halves, 0)));
    }
    macro_rules! matrices {
        ($name:literal) => {
            Shader { name: $name, sources: &[include_str!(concat!("../../shaders/", $name))] }
        };
    }
    let cooperative = bench!("cooperative.wgsl");
    for form in [matrices!("common/cooperative16_f16.wgsl"), matrices!("common/cooperative8_f16.wgsl")] {
        let of = |chains| [("WG", Define::U32(128)), ("UNITS", Define::U32(16)), ("CHAINS", Define::U32(chains))];
        kernels.extend((1..=4).map(|chains| Kernel::new(&cooperative, &of(chains), &[form], &[], 0)));
    }
    kernels.extend([1, 4].map(|each| Kernel::new(&copy, &[WG, ("EACH", Define::U32(each))], &[], &[], 0)));
    kernels.into_iter().map(|kernel| kernel.unwrap_or_else(|e| panic!("a probe: {e}"))).collect()
}

/// The kernels of the case table, of the operators that change state, of what is too large for the table, and of the models, for
/// every target, of cases that meet cooperative matrices, and the probes of `knuckle bench`: each text once, in the order of their
/// shaders' names.
///
/// # Panics
/// If one of the programs does not lower.
pub fn all() -> Vec<Variant> {
    let mut variants = BTreeMap::new();
    for kernel in probes() {
        variants
            .insert((kernel.shader, kernel.source.clone()), Variant { kernel, program: "knuckle bench".to_string() });
    }
    let lowered = |target: &Target, wanted: fn(&Case) -> bool| -> Vec<Named> {
        let lower = |case: Case| {
            // The other cases meet no other text but for their operands' alignment.
            let others = if case.every_variant { harness::variants(&case, target) } else { Ok(Vec::new()) };
            let others = others.unwrap_or_else(|e| panic!("{}: {e}", case.name()));
            let targets = [target.clone()].into_iter().chain(others);
            targets.map(|target| (case.name(), harness::lower(&case, &target))).collect::<Vec<_>>()
        };
        cases::all().into_iter().filter(wanted).flat_map(lower).collect()
    };
    let mut add = |programs: Vec<Named>| {
        for (program, lowered) in programs {
            for kernel in lowered.unwrap_or_else(|e| panic!("{program}: {e}")).kernels {
                let key = (kernel.shader, kernel.source.clone());
                variants.entry(key).or_insert_with(|| Variant { kernel, program: program.clone() });
            }
        }
    };
    for target in targets() {
        add(lowered(&target, |_| true));
        add(state_changes(&target));
        add(large(&target));
        add(models(&target, 2));
    }
    for target in cooperative_targets() {
        add(lowered(&target, |case| case.every_variant || case.dtype == DType::F16));
    }
    variants.into_values().collect()
}

fn lower(r: &Recorder, outputs: &[Var<'_>], target: &Target) -> Result<Program> {
    let outputs: Vec<_> = outputs.iter().map(|v| (String::new(), v.id())).collect();
    let options = CompileOptions::default();
    r.with_graph(|graph| compile(graph, &outputs, target, options))
}

/// Training steps with every operator that changes state.
pub fn state_changes(target: &Target) -> Vec<Named> {
    type Step = fn(&Recorder, &Gradients<'_>) -> Result<()>;
    let rules: [(&str, Step); 5] = [
        ("sgd", |r, gradients| r.step(&Sgd::default(), gradients, r.scalar(0.1))),
        ("sgd, nesterov", |r, gradients| r.step(&Sgd { nesterov: true, ..Sgd::default() }, gradients, r.scalar(0.1))),
        ("rmsprop", |r, gradients| r.step(&RmsProp::default(), gradients, r.scalar(0.1))),
        ("adam", |r, gradients| r.step(&Adam::default(), gradients, r.scalar(0.1))),
        ("clipped, with averaged parameters", |r, gradients| {
            r.step(&Sgd::default(), &r.clip_by_norm(gradients, 1.0)?.gradients, r.scalar(0.1))?;
            r.average_parameters(0.99)
        }),
    ];
    let mut programs: Vec<Named> = Vec::new();
    for (name, step) in rules {
        let record = || {
            let r = Recorder::training();
            let loss = r.param("w", [3, 4]).square()?.sum_all()?;
            step(&r, &loss.backward()?)?;
            lower(&r, &[loss], target)
        };
        programs.push((name.to_string(), record()));
    }
    let normalisation = || {
        let r = Recorder::training();
        let y = nn::batch_norm_relu(r.input("x", [2, 3, 3, 4]), "norm")?;
        lower(&r, &[y], target)
    };
    programs.push(("running statistics".to_string(), normalisation()));
    let kept = || {
        let r = Recorder::new();
        let (a, b) = (r.param("a", [5]), r.param("b", [5]));
        a.assign(b)?;
        b.assign(a)?;
        lower(&r, &[a], target)
    };
    programs.push(("states that change places".to_string(), kept()));
    programs.push(("a chain".to_string(), chain(target)));
    programs
}

/// Functions of elements that passes join: of tensors, rows, columns and single numbers.
fn chain(target: &Target) -> Result<Program> {
    let r = Recorder::new();
    let input = |name: &str, dims: &[usize]| r.input(name, dims);
    let x = input("x", &[3, 7, 8]);
    let y = x.mul(input("row", &[8]))?.add(input("column", &[3, 7, 1]))?.sub(input("between", &[3, 1, 8]))?;
    let y = y.max(input("one", &[1]))?.relu()?;
    let odd = input("odd", &[5, 3]).mul(input("odd_row", &[3]))?.mul(input("odd_column", &[5, 1]))?;
    let odd = odd.compare(Comparison::Greater, r.scalar(0.0))?.select(odd.square()?, odd.sin()?)?;
    lower(&r, &[y, odd], target)
}

/// Programs of what the case table leaves out because it would take long to run: soft silhouettes of so many faces that tiles
/// are large.
pub fn large(target: &Target) -> Vec<Named> {
    let silhouette = || {
        let r = Recorder::new();
        let (vertices, camera) = (r.input("vertices", [1, 9, 3]), r.input("camera", [1, 4]));
        let raster = Raster { near: 0.1, ..Raster::new(400, 400) };
        let drawn = vertices.rasterize(r.input_u32("faces", [20_000, 3]), Projection::Perspective(camera), raster)?;
        let soft = drawn.soft_silhouette(2.0)?;
        let gradient = soft.sum_all()?.backward_to(&[vertices])?.of(vertices).expect("a gradient");
        lower(&r, &[soft, gradient], target)
    };
    vec![("soft silhouette of many faces".to_string(), silhouette())]
}

/// Inference and both stages of training, rendering included, of every configuration.
pub fn models(target: &Target, batch: usize) -> Vec<Named> {
    let hand = RiggedHand::right();
    let mesh = MeshGraph::new(&hand).expect("the shipped hand");
    let rendering = || {
        let r = Recorder::new();
        let RenderedVars { rgb, mask, depth, .. } = render::record(&r, &SceneMesh::new(&hand), 1, 64)?;
        lower(&r, &[rgb, mask, depth], target)
    };
    let mut programs = vec![("rendering".to_string(), rendering())];
    for config in [GraphCnnConfig::small(), GraphCnnConfig::paper()] {
        let inference = || {
            let r = Recorder::new();
            let network = Network { config: &config, mesh: &mesh };
            let photo = r.input("photo", [1, config.photo_px(), config.photo_px(), 3]);
            let uvd = network.find(photo, r.input("fill", [1]))?;
            let joints = network.joints(r.input("xyz", [2, mesh.vertices, 3]))?;
            lower(&r, &[uvd, joints], target)
        };
        programs.push((format!("inference of {}", config.name), inference()));
        for (stage, optimizer) in [(Stage::Pretrain, Rule::RmsProp), (Stage::Full, Rule::Adam)] {
            let options = TrainOptions { batch, optimizer, ..TrainOptions::new(config.clone()) };
            let step = || {
                let r = Recorder::training();
                let losses = record_step(&r, &options, &hand, &mesh, stage)?;
                lower(&r, &losses.into_iter().map(|(_, loss)| loss).collect::<Vec<_>>(), target)
            };
            programs.push((format!("{}, {} stage", config.name, stage.name()), step()));
        }
    }
    let fit = || {
        let r = Recorder::new();
        let losses = record_fit(&r, &HandRig::shipped(Side::Right)?, &FitOptions::default())?;
        lower(&r, &[losses], target)
    };
    programs.push(("a step of fitting".to_string(), fit()));
    programs
}
