//! The sanitizer finds every planted mistake, at its line, and nothing in a shader without one; all kernels run clean
//! under it and give the bits that they give without it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::thread;

use kernels_tests::{cases, harness, variants};
use knuckle::data::{SceneBatch, SceneSampler, render};
use knuckle::error::Mismatch;
use knuckle::exec::sanitize::{Fault, FaultKind, Sanitized, sanitize};
use knuckle::exec::{AdapterClass, Lowering, Program, Shader, Target};
use knuckle::gpu::{Checks, GpuOptions};
use knuckle::graph::TensorData;
use knuckle::hand::RiggedHand;
use knuckle::ops::{Adam, Conv2d, Faces, Operator, Projection, Raster, RmsProp, Sgd, TriangleMesh, VjpCall};
use knuckle::{DType, Error, Executable, Gpu, Recorder, Result, States, TensorType, Var, nn};

static SANITIZED: LazyLock<Gpu> = LazyLock::new(|| open(Checks::Sanitized));
static CHECKED: LazyLock<Gpu> = LazyLock::new(|| open(Checks::Checked));

fn open(checks: Checks) -> Gpu {
    Gpu::open(&GpuOptions { checks, ..GpuOptions::default() }).expect("an adapter")
}

const N: usize = 37;
const AT: [u32; 10] = [5, 0, 4, 37, 1, 2, 3, 255, 0x8000_0000, 0xffff_ffff];

macro_rules! planted {
    ($file:literal) => {
        Shader {
            name: concat!("planted/", $file, ".wgsl"),
            sources: &[
                concat!("//# file planted/head.wgsl\n", include_str!("../shaders/planted/head.wgsl")),
                concat!(
                    "//# file planted/",
                    $file,
                    ".wgsl\n",
                    include_str!(concat!("../shaders/planted/", $file, ".wgsl"))
                ),
            ],
        }
    };
}

/// Shaders with mistakes to choose from; `FAULT` 0 is the one without.
const PLANTED: [Shader; 6] = [
    planted!("indices"),
    planted!("stores"),
    planted!("vectors"),
    planted!("divisions"),
    planted!("workgroups"),
    planted!("flow"),
];

/// Runs a planted shader.
#[derive(Debug)]
struct Planted {
    shader: Shader,
    fault: u32,
}

impl Operator for Planted {
    fn name(&self) -> &'static str {
        "planted"
    }

    fn infer(&self, _: &[&TensorType]) -> Result<TensorType, Mismatch> {
        Ok(TensorType::u32([N, 4]))
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, at, y) = (lowering.input(0).buffer, lowering.input(1).buffer, lowering.output());
        let dispatch = lowering.dispatch(&self.shader).define("FAULT", self.fault).param("n", N);
        dispatch.bind("x", x).bind("at", at).bind("y", y).threads(N)
    }
}

/// What the shader writes, and the program that ran.
fn run_planted(gpu: &Gpu, shader: Shader, fault: u32) -> (Vec<u32>, Executable) {
    let r = Recorder::new();
    let y = r.apply(Planted { shader, fault }, &[r.input("x", [N]), r.input_u32("at", [AT.len()])]).expect("fits");
    let mut executable = gpu.compile(&r, [y]).unwrap_or_else(|e| panic!("{e}"));
    let x: Vec<f32> = (0..N).map(|i| i as f32 + 0.5).collect();
    // Some kernels do not read both.
    let used = |name: &str| executable.program().inputs.iter().any(|p| p.name == name);
    let (has_x, has_at) = (used("x"), used("at"));
    if has_x {
        executable.upload([("x", &x)]).expect("an input");
    }
    if has_at {
        executable.upload([("at", &AT[..])]).expect("an input");
    }
    let outputs = executable.run::<&[f32]>([]).unwrap_or_else(|e| panic!("{e}"));
    (outputs.u32(0).to_vec(), executable)
}

/// What a comment at the end of a line says of a mistake.
#[derive(Debug)]
struct Mistake {
    number: u32,
    line: u32,
    kind: String,
    variable: String,
    index: i64,
    length: u32,
    by_any: bool,
}

fn mistakes(shader: &Shader) -> Vec<Mistake> {
    let text = shader.sources[1];
    let said = text.lines().enumerate().filter_map(|(i, line)| Some((i as u32, line.split_once("// fault ")?.1)));
    let parse = |(line, said): (u32, &str)| {
        let words: Vec<&str> = said.split(' ').collect();
        let [number, kind, variable, index, length, ..] = words.as_slice() else { panic!("{said}") };
        Mistake {
            number: number.parse().expect("a number"),
            // The first line of the text says which file it is.
            line,
            kind: kind.to_string(),
            variable: variable.replace('_', " "),
            index: index.parse().expect("an index"),
            length: length.parse().expect("a length"),
            by_any: words.ends_with(&["by", "any"]),
        }
    };
    said.map(parse).collect()
}

fn describe(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}

#[test]
fn every_planted_mistake_is_found_at_its_line_and_alone() {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut missed = Vec::new();
    for shader in PLANTED {
        let mistakes = mistakes(&shader);
        let numbers: BTreeSet<u32> = mistakes.iter().map(|m| m.number).collect();
        assert_eq!(numbers, (1..=mistakes.len() as u32).collect(), "{}", shader.name);
        for mistake in mistakes {
            let (_, executable) = run_planted(&SANITIZED, shader, mistake.number);
            let faults = executable.faults().expect("sanitised");
            let right = |fault: &Fault| {
                let Mistake { line, kind, variable, index, length, by_any, .. } = &mistake;
                (&fault.file[..], &fault.shader[..], fault.line) == (shader.name, shader.name, *line)
                    && (&format!("{:?}", fault.kind), &fault.variable) == (kind, variable)
                    && (fault.index, fault.length) == (*index, *length)
                    && (*by_any || (fault.invocation, fault.count) == ([3, 0, 0], 1))
                    && fault.node.as_ref().is_some_and(|n| n.op == "planted" && n.site.0.file() == file!())
            };
            match &faults[..] {
                [fault] if right(fault) => {}
                _ => missed.push(format!("{}: {mistake:?}, but found:{}", shader.name, describe(&faults))),
            }
            *kinds.entry(mistake.kind.clone()).or_default() += 1;
            assert!(executable.faults().expect("sanitised").is_empty(), "once told, faults are forgotten");
        }
    }
    assert!(missed.is_empty(), "\n{}", missed.join("\n"));
    assert!(kinds.len() == 5 && kinds.values().all(|&n| n >= 2), "{kinds:?}");
}

#[test]
fn shaders_without_a_mistake_run_clean_and_give_the_same_bits() {
    for shader in PLANTED {
        let (sanitised, executable) = run_planted(&SANITIZED, shader, 0);
        let faults = executable.faults().expect("sanitised");
        assert!(faults.is_empty(), "{}:{}", shader.name, describe(&faults));
        let (checked, executable) = run_planted(&CHECKED, shader, 0);
        assert_eq!(sanitised, checked, "{}", shader.name);
        assert!(matches!(executable.faults(), Err(Error::Invalid { .. })), "not sanitised");
    }
}

/// Everything that a fault says, in words.
#[test]
fn a_fault_reads_as_a_sentence() {
    let says = |shader: usize, number: u32| {
        let (_, executable) = run_planted(&SANITIZED, PLANTED[shader], number);
        executable.faults().expect("sanitised").iter().map(Fault::to_string).collect::<String>()
    };
    let line = |shader: usize, number: u32| {
        mistakes(&PLANTED[shader]).iter().find(|m| m.number == number).expect("planted").line
    };
    let expected = [
        (0, 2, "index -1 into `x`, which has 37 elements, in invocation (3, 0, 0)"),
        (1, 3, "-infinity written to `y[3].place.y` (length 37), in invocation (3, 0, 0)"),
        (3, 1, "integer division by zero, `by`, in invocation (3, 0, 0)"),
        (3, 4, "the least i32 divided by -1, `minus`, in invocation (3, 0, 0)"),
        (4, 5, "`total` read before anything in its workgroup wrote it, in invocation (3, 0, 0)"),
    ];
    for (shader, number, words) in expected {
        let (said, line) = (says(shader, number), line(shader, number));
        let whole = format!("{}:{line}: {words}, for planted u32[37,4] recorded at {}:", PLANTED[shader].name, file!());
        assert!(said.starts_with(&whole), "\n{said}\n{whole}");
    }
}

#[test]
fn padding_may_be_anything_and_elements_may_not() -> Result<()> {
    let faults = |dtype: DType, values: &[f32]| -> Result<Vec<Fault>> {
        let r = Recorder::new();
        let y = r.input("x", [values.len()]).cast(dtype)?.log()?;
        let mut executable = SANITIZED.compile(&r, [y])?;
        executable.poison(0)?;
        executable.run([("x", values)])?;
        executable.faults()
    };
    for dtype in [DType::F32, DType::F16].into_iter().filter(|dtype| *dtype == DType::F32 || SANITIZED.target().f16) {
        // The last vector ends in zeros, whose logarithm is -infinity.
        assert_eq!(describe(&faults(dtype, &[1.0; 37])?), "", "{dtype}");
        for place in [35, 36] {
            let mut values = [1.0; 37];
            values[place] = 0.0;
            let found = faults(dtype, &values)?;
            let [fault] = &found[..] else { panic!("{dtype}: {}", describe(&found)) };
            assert_eq!((fault.kind, fault.variable.as_str()), (FaultKind::NotFinite, "y"));
            assert_eq!((fault.index, fault.length), (place as i64 / 4, 10));
            assert_eq!((fault.file.as_str(), f32::from_bits(fault.value)), ("pointwise/unary.wgsl", f32::NEG_INFINITY));
        }
    }
    Ok(())
}

/// The kernels of every case, and of the other class of adapter too, stay valid shaders and are checked throughout. What
/// is checked is where the file says.
#[test]
fn every_kernel_can_be_sanitised() {
    let mut seen = BTreeMap::new();
    for class in [AdapterClass::Hardware, AdapterClass::Software] {
        let target = Target { class, f16: true, ..Target::webgpu_defaults() };
        for case in cases::all() {
            let program = harness::lower(&case, &target).unwrap_or_else(|e| panic!("{}: {e}", case.name()));
            for kernel in &program.kernels {
                seen.entry(kernel.source.clone()).or_insert_with(|| kernel.clone());
            }
        }
    }
    assert!(seen.len() > 100);
    let mut sites = BTreeSet::new();
    for kernel in seen.values() {
        let sanitised = sanitize(kernel.shader, &kernel.source, &Target::webgpu_defaults());
        let sanitised = sanitised.unwrap_or_else(|e| panic!("{e}\n{}", kernel.source));
        assert_eq!(sanitised.unchecked, Vec::<String>::new());
        assert!(!sanitised.sites.is_empty(), "{}", kernel.shader);
        assert!(kernel.bindings.iter().all(|b| b.index != sanitised.binding));
        sites.extend(sanitised.sites.into_iter().map(|site| (site.file, site.line, site.variable)));
    }
    for (file, line, variable) in &sites {
        let path = format!("{}/../shaders/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let there = text.lines().nth(*line as usize - 1).unwrap_or_default();
        let name = variable.split(|c: char| !c.is_alphanumeric() && c != '_').find(|word| !word.is_empty());
        assert!(there.contains(name.unwrap_or_default()), "{file}:{line}: `{variable}`: {there}");
    }
}

/// Cooperative matrices have no elements to look at: their kernels are refused, and not offered to a device that sanitises.
#[test]
fn cooperative_matrices_are_left_out() {
    let [target, _] = variants::cooperative_targets();
    let half = |case: &kernels_tests::Case| case.every_variant && case.dtype == DType::F16;
    let case = cases::all().into_iter().find(half).expect("a case of f16");
    let targets = harness::variants(&case, &target).unwrap_or_else(|e| panic!("{e}"));
    let programs = targets.iter().filter_map(|target| harness::lower(&case, target).ok());
    let kernels: Vec<_> = programs.flat_map(|program| program.kernels).collect();
    let kernel = kernels.iter().find(|kernel| variants::is_cooperative(kernel)).expect("a kernel with matrices");
    let refused = sanitize(kernel.shader, &kernel.source, &target).expect_err("unknown").to_string();
    assert!(refused.contains("cooperative"), "{refused}");
    assert!(SANITIZED.target().cooperative.is_empty());
}

fn run_case(gpu: &Gpu, program: Program, operands: &[Vec<f32>]) -> Result<(Vec<Vec<u32>>, Executable)> {
    let mut executable = gpu.load(program, &States::new(gpu))?;
    for (i, values) in operands.iter().enumerate() {
        let name = format!("operand{i}");
        if executable.program().inputs.iter().any(|p| p.name == name) {
            executable.upload([(name.as_str(), values)])?;
        }
    }
    let outputs = executable.run::<&[f32]>([])?;
    Ok(((0..outputs.len()).map(|i| outputs.u32(i).to_vec()).collect(), executable))
}

fn other_class(own: &Target) -> Target {
    let class = match own.class {
        AdapterClass::Software => AdapterClass::Hardware,
        AdapterClass::Hardware => AdapterClass::Software,
    };
    Target { class, ..own.clone() }
}

/// The kernels of a program, but for the size of their workgroups.
fn variants(program: &Program) -> BTreeSet<(&'static str, String)> {
    let but_size = |prelude: &str| prelude.lines().filter(|line| !line.starts_with("const WG:")).collect();
    program.kernels.iter().map(|kernel| (kernel.shader, but_size(&kernel.prelude))).collect()
}

/// Operands of a case, always the same.
fn operands(case: &kernels_tests::Case) -> Vec<Vec<f32>> {
    let seed = case.name().bytes().fold(17u64, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
    case.operands.iter().enumerate().map(|(i, o)| o.values(seed, i as u64)).collect()
}

/// That a program has no faults; and, unless `other_bits`, that it gives the bits that it gives without the sanitizer.
fn runs_clean(program: Program, operands: &[Vec<f32>], other_bits: bool) -> Result<(), String> {
    let unchecked = (!other_bits).then(|| program.clone());
    let (sanitised, executable) = run_case(&SANITIZED, program, operands).map_err(|e| e.to_string())?;
    let faults = executable.faults().map_err(|e| e.to_string())?;
    if !faults.is_empty() {
        return Err(describe(&faults));
    }
    match unchecked.map(|program| run_case(&CHECKED, program, operands)) {
        Some(Ok((plain, _))) if plain != sanitised => Err("other bits than without the sanitizer".into()),
        Some(Err(error)) => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// Checks all cases, two at a time.
fn all_clean(cases: &[kernels_tests::Case], check: impl Fn(&kernels_tests::Case) -> Result<(), String> + Sync) {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mine = std::iter::from_fn(|| cases.get(next.fetch_add(1, Ordering::Relaxed)));
        mine.filter_map(|case| check(case).err().map(|e| format!("{}: {e}", case.name()))).collect::<Vec<_>>()
    };
    let wrong: Vec<String> = thread::scope(|scope| {
        let workers = [(); 2].map(|()| scope.spawn(worker));
        workers.into_iter().flat_map(|w| w.join().expect("no panic")).collect()
    });
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Every case's operator and gradient; where the other class of adapter has kernels of its own, with those too.
#[test]
fn every_operator_runs_clean_and_gives_the_same_bits() {
    let runs = |case: &kernels_tests::Case| case.dtype == DType::F32 || SANITIZED.target().f16;
    let cases = cases::some_of_each(cases::all().into_iter().filter(runs).collect(), 3);
    all_clean(&cases, |case| {
        let own = harness::lower(case, SANITIZED.target()).map_err(|e| e.to_string())?;
        let other = harness::lower(case, &other_class(SANITIZED.target())).map_err(|e| e.to_string())?;
        let differs = variants(&own) != variants(&other);
        runs_clean(own, &operands(case), false)?;
        if differs { runs_clean(other, &operands(case), true) } else { Ok(()) }
    });
}

/// What the operators would not choose by themselves, of the cases that meet all of it: tiles, subgroups, splits.
#[test]
fn every_variant_runs_clean_and_gives_the_same_bits() {
    let cases: Vec<_> =
        cases::all().into_iter().filter(|case| case.every_variant && case.dtype == DType::F32).collect();
    let met = Mutex::new(BTreeSet::new());
    all_clean(&cases, |case| {
        for target in harness::variants(case, SANITIZED.target()).map_err(|e| e.to_string())? {
            let program = harness::lower(case, &target).map_err(|e| e.to_string())?;
            let chosen = program.nodes.iter().filter_map(|node| node.choice.as_ref()).map(|c| c.variant.clone());
            let chosen: Vec<_> = chosen.collect();
            met.lock().expect("no panic").extend(chosen.iter().cloned());
            runs_clean(program, &operands(case), false).map_err(|e| format!("{}: {e}", chosen.join(", ")))?;
        }
        Ok(())
    });
    let met = met.into_inner().expect("no panic");
    assert!(met.iter().any(|name| name.starts_with("winograd")), "{met:?}");
}

/// Training steps: every optimiser, normalisation with running statistics.
#[test]
fn training_steps_run_clean() -> Result<()> {
    type Step = fn(&Recorder, &knuckle::Gradients<'_>) -> Result<()>;
    let steps: [Step; 4] = [
        |r, gradients| r.step(&Sgd { nesterov: true, ..Sgd::default() }, gradients, r.scalar(0.1)),
        |r, gradients| r.step(&Sgd::default(), gradients, r.scalar(0.1)),
        |r, gradients| r.step(&RmsProp::default(), gradients, r.scalar(0.1)),
        |r, gradients| r.step(&Adam::default(), gradients, r.scalar(0.1)),
    ];
    for step in steps {
        let r = Recorder::training();
        let x = r.input("x", [2, 7, 5, 3]);
        let y = x.conv2d(r.param("w", [3, 3, 3, 5]), Conv2d { padding: 1, ..Conv2d::default() })?;
        let loss = nn::batch_norm_relu(y, "norm")?.square()?.mean_all()?;
        step(&r, &loss.backward()?)?;
        let mut executable = SANITIZED.compile(&r, [loss])?;
        let x: Vec<f32> = (0..2 * 7 * 5 * 3).map(|i| (i as f32 * 0.7).sin()).collect();
        for _ in 0..3 {
            executable.run([("x", &x)])?;
        }
        assert_eq!(describe(&executable.faults()?), "");
    }
    Ok(())
}

#[test]
fn rendering_runs_clean() -> Result<()> {
    let sampler = SceneSampler::new(&RiggedHand::right(), 32, 5);
    let r = Recorder::new();
    let rendered = render::record(&r, sampler.mesh(), 2, 32)?;
    let mut executable = SANITIZED.compile(&r, [rendered.rgb, rendered.mask, rendered.depth])?;
    for first in [0, 2] {
        executable.run(SceneBatch::sample(&sampler, first, 2).inputs())?;
    }
    assert_eq!(describe(&executable.faults()?), "");
    Ok(())
}

/// The rasteriser's kernels, each gradient too, on meshes with faces that are clipped, flat, turned away or not there, in one
/// tile and many.
#[test]
fn the_rasteriser_runs_clean() -> Result<()> {
    let vertices: Vec<f32> = [
        [[-0.9, -0.9, 4.0], [-0.2, -0.9, 4.0], [-0.9, -0.2, 4.0]],
        // Crosses the near plane; far larger than the image; at the camera's centre.
        [[0.3, 0.0, -1.0], [1.0, 0.0, 3.0], [0.0, 1.0, 2.0]],
        [[-1e6, -1e6, 3.0], [1e6, -1e6, 3.0], [0.0, 1e6, 3.0]],
        [[0.0, 0.0, 0.0], [1.0, 0.0, 3.0], [0.0, 1.0, 2.0]],
        // No area; edge-on.
        [[0.1, 0.1, 3.0]; 3],
        [[0.7922, -0.1992, 6.8850], [0.8408, -0.1622, 6.8568], [0.7922, -0.1992, 6.89]],
    ]
    .as_flattened()
    .concat();
    let camera = [16.0f32, 16.0, 8.5, 6.0];
    // The last but one face has no vertex 18.
    let listed: [u32; 24] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 0, 4, 18, 2, 1, 0];
    let known: Vec<[u32; 3]> = (0..6).map(|f| [3 * f, 3 * f + 1, 3 * f + 2]).collect();
    for (known_faces, perspective, supersample) in [(true, true, false), (false, true, true), (false, false, false)] {
        let r = Recorder::new();
        let (x, c) = (r.input("vertices", [1, 18, 3]), r.input("camera", [1, 4]));
        let raster = Raster { near: 0.1, supersample, ..Raster::new(17, 150) };
        let projection = if perspective { Projection::Perspective(c) } else { Projection::Orthographic(c) };
        let faces: Faces<'_> = match known_faces {
            true => (&TriangleMesh::new(18, &known)?).into(),
            false => r.constant_data(TensorData::u32([8, 3], &listed).expect("24 values")).into(),
        };
        let drawn = x.rasterize(faces, projection, raster)?;
        let (colours, texture) = (r.constant([18, 2], &[0.4; 36])?, r.constant([1, 3, 3, 2], &[0.5; 18])?);
        let uv = drawn.vertex_attributes(colours)?;
        let images = [
            drawn.mask()?,
            drawn.depth(9.0)?,
            uv,
            drawn.textured(texture, uv)?,
            drawn.soft_silhouette(1.5)?,
            drawn.edge_silhouette()?,
        ];
        let mut outputs = images.to_vec();
        for image in &images[1..] {
            let gradients = image.square()?.sum_all()?.backward_to(&[x, c, colours])?;
            outputs.extend([x, c].iter().map(|v| gradients.of(*v).expect("a gradient")));
            outputs.extend(gradients.of(colours));
        }
        let mut executable = SANITIZED.compile(&r, outputs)?;
        executable.run([("vertices", &vertices[..]), ("camera", &camera)])?;
        assert_eq!(describe(&executable.faults()?), "", "{known_faces}, {perspective}, {supersample}");
    }
    Ok(())
}

fn sanitised(text: &str) -> Result<Sanitized> {
    sanitize("mine.wgsl", text, &Target::webgpu_defaults())
}

/// Kind, line, variable and member of each site.
fn sites(text: &str) -> Vec<(FaultKind, u32, String, String)> {
    let sanitised = sanitised(text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(sanitised.unchecked, Vec::<String>::new());
    sanitised.sites.into_iter().map(|s| (s.kind, s.line, s.variable, s.member)).collect()
}

#[test]
fn arrays_in_uniforms_and_matrices_in_storage_are_checked() {
    let text = "struct Camera { rows: array<mat4x4<f32>, 3>, n: u32 }
        @group(0) @binding(0) var<uniform> cameras: array<Camera, 2>;
        @group(1) @binding(1) var<storage, read_write> out: mat3x3<f32>;
        @compute @workgroup_size(1) fn main(@builtin(workgroup_id) id: vec3<u32>) {
            let row = cameras[id.x].rows[id.y][1];
            out[id.z] = row.xyz;
        }";
    let found = sites(text);
    let of = |kind, line, variable: &str, member: &str| (kind, line, variable.to_string(), member.to_string());
    assert_eq!(
        found,
        [
            of(FaultKind::OutOfRange, 5, "cameras", ""),
            of(FaultKind::OutOfRange, 5, "cameras[id.x].rows", ""),
            of(FaultKind::OutOfRange, 6, "out", ""),
            of(FaultKind::NotFinite, 6, "out[id.z]", ""),
        ]
    );
    assert_eq!(sanitised(text).expect("valid").binding, 1, "the free slot of group 0");
}

#[test]
fn half_precision_and_several_entry_points_are_checked() {
    let text = "enable f16;
        struct Both { a: vec3<f16>, b: array<mat2x2<f16>, 2> }
        @group(0) @binding(0) var<storage, read_write> y: array<Both>;
        @compute @workgroup_size(4) fn one(@builtin(global_invocation_id) id: vec3<u32>) { y[id.x] = y[id.y]; }
        @compute @workgroup_size(4) fn two() { y[0].a.x = 1.0h; }";
    let found = sanitised(text).expect("valid");
    assert_eq!(found.module.entry_points.len(), 2);
    let lines: Vec<_> = found.sites.iter().map(|s| (s.kind, s.line)).collect();
    let expected = [
        (FaultKind::OutOfRange, 4),
        (FaultKind::OutOfRange, 4),
        (FaultKind::NotFinite, 4),
        (FaultKind::OutOfRange, 5),
        (FaultKind::NotFinite, 5),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_needs_no_check_has_none() {
    let text = "var<workgroup> tile: array<u32, 4>;
        @compute @workgroup_size(4) fn main(@builtin(local_invocation_index) lane: u32) {
            var values = array<u32, 4>(1u, 2u, 3u, 4u);
            let constant = values[2] / 2u + lane % 7u + vec2(lane, 3u).y;
            tile[0] = constant;
            let f = f32(lane) / 0.5;
            values[1] = u32(f % 3.0);
        }";
    assert_eq!(sites(text), []);
}

#[test]
fn faults_are_decoded_from_words() {
    let text = "@group(0) @binding(0) var<storage, read_write> y: array<i32>;
        @compute @workgroup_size(1) fn main(@builtin(workgroup_id) id: vec3<u32>) { y[i32(id.x) - 4] = y[id.y] / y[0]; }";
    let sanitised = sanitised(text).expect("valid");
    let mut words = Sanitized::padding_words([(0, 12), (99, 4)]);
    words.resize(sanitised.buffer_bytes() as usize / 4, 0);
    assert_eq!(describe(&sanitised.decode(&words)), "");
    assert_eq!(describe(&sanitised.decode(&[])), "");
    let head = words.len() - 8 * sanitised.sites.len();
    assert_eq!(words[..head].iter().sum::<u32>(), 12);
    for (i, site) in sanitised.sites.iter().enumerate() {
        let value = if site.kind == FaultKind::DivisionByZero { -1i32 as u32 } else { 0 };
        words[head + 8 * i..][..7].copy_from_slice(&[i as u32 + 1, -2i32 as u32, 9, value, 1, 2, 3]);
    }
    let faults = sanitised.decode(&words);
    assert_eq!(faults.len(), sanitised.sites.len());
    let mut signed = Vec::new();
    for fault in &faults {
        assert_eq!((fault.line, fault.length, fault.invocation), (2, 9, [1, 2, 3]));
        signed.push((fault.kind, fault.index));
    }
    assert!(signed.contains(&(FaultKind::OutOfRange, -2)) && signed.contains(&(FaultKind::OutOfRange, 0xffff_fffe)));
    assert!(signed.iter().any(|(kind, _)| *kind == FaultKind::DivisionOverflow), "{signed:?}");
}

#[test]
fn what_cannot_be_sanitised_is_said() {
    let says = |text: &str| sanitised(text).expect_err("refused").to_string();
    assert!(says("fn f() {").contains("mine.wgsl"), "not WGSL");
    assert!(says("fn f() {}").contains("no entry point"));
    assert!(says("@fragment fn main() {}").contains("no compute shader"));
    let buffer = |i: usize| format!("@group(0) @binding({i}) var<storage, read_write> b{i}: array<f32>;\n");
    let body = "@compute @workgroup_size(1) fn main() {}";
    let seven = (0..7).map(buffer).collect::<String>() + body;
    assert_eq!(sanitised(&seven).expect("one is left").binding, 7);
    let eight = (0..8).map(buffer).collect::<String>() + body;
    let error = sanitised(&eight).expect_err("none is left");
    assert!(matches!(error, Error::Shader { .. }) && error.to_string().contains("needs 9 storage buffers"), "{error}");
    // No room for flags; a size that only the pipeline knows.
    let full = "var<workgroup> tile: array<f32, 4096>;
        @compute @workgroup_size(1) fn main() { tile[0] = tile[1]; }";
    let full = sanitised(full).expect("valid");
    assert!(full.sites.is_empty() && full.unchecked[0].contains("workgroup memory"), "{:?}", full.unchecked);
    let unknown = "override N: u32 = 4u;
        var<workgroup> tile: array<f32, N>;
        @compute @workgroup_size(1) fn main(@builtin(workgroup_id) id: vec3<u32>) { tile[id.x] = tile[id.y]; }";
    let unknown = sanitised(unknown).expect("valid");
    assert!(unknown.sites.len() == 2 && unknown.unchecked[0].contains("`tile`"), "{:?}", unknown.unchecked);
}
