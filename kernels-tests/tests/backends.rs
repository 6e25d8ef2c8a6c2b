//! Every kernel in every form is translated for Vulkan, Metal and DX12 as wgpu would do it there, and Vulkan's modules are
//! judged by the SPIR-V tools where they are installed. No device is needed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::{env, fmt, fs, thread};

use kernels_tests::harness::say;
use kernels_tests::variants::{self, Variant};
use knuckle::exec::{Access, Kernel};
use naga::back::{hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, ResourceBinding, ShaderStage};

/// A language that shaders are translated to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    /// Of Vulkan.
    SpirV,
    /// Of Metal.
    Msl,
    /// Of DX12.
    Hlsl,
}

/// What an API cannot have: the beginning of a shader's path under `shaders/`, the language, and why. Who adds a row sees to
/// it that the operator is lowered to something else there.
const MISSING: &[(&str, Language, &str)] = &[
    ("tile/cooperative", Language::Hlsl, "naga writes no cooperative matrices there, and wgpu offers none on DX12"),
    ("bench/cooperative", Language::Hlsl, "naga writes no cooperative matrices there, and wgpu offers none on DX12"),
];

/// The oldest and the newest form of the languages that wgpu asks for: of SPIR-V for Vulkan 1.1 and 1.3, of MSL for macOS
/// 10.13 and 15, of HLSL for the old compiler (FXC) and for the new one (DXC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Oldest,
    Newest,
}

/// Whether wgpu adds bounds checks, as in [`Checks`](knuckle::gpu::Checks).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checks {
    Trusted,
    Checked,
}

/// Each way of writing with checks and each form of the languages once.
const WAYS: [(Age, Checks); 2] = [(Age::Oldest, Checks::Checked), (Age::Newest, Checks::Trusted)];

/// A translation.
enum Translation {
    SpirV(Vec<u32>),
    Text(String),
}

/// A parsed and validated shader.
struct Parsed {
    module: Module,
    info: ModuleInfo,
    /// Whether it asks for f16, which devices may have.
    half: bool,
    /// Whether its lanes exchange values, which devices may let them.
    subgroups: bool,
    /// Whether it uses cooperative matrices, which devices may have.
    cooperative: bool,
}

static VARIANTS: LazyLock<Vec<Variant>> = LazyLock::new(variants::all);

fn parse(source: &str) -> Result<Parsed, String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    let capabilities = Capabilities::default()
        | Capabilities::SHADER_FLOAT16
        | Capabilities::SUBGROUP
        | Capabilities::COOPERATIVE_MATRIX;
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    let info = validator.validate(&module).map_err(|e| e.emit_to_string(source))?;
    let cooperative = source.contains("enable wgpu_cooperative_matrix;");
    let subgroups = cooperative || source.contains("subgroupShuffle(");
    Ok(Parsed { module, info, half: source.contains("enable f16;"), subgroups, cooperative })
}

/// Where a shader's bindings are in its pipeline's layout: the `@binding`, and what is bound there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Uniform,
    Read,
    Written,
    Image,
}

fn slots(kernel: &Kernel) -> Vec<(u32, Slot)> {
    let operands = kernel.bindings.iter().map(|b| match (b.image, b.access) {
        (Some(_), _) => (b.index, Slot::Image),
        (None, Access::Read) => (b.index, Slot::Read),
        (None, Access::Write) => (b.index, Slot::Written),
    });
    let mut slots: Vec<_> = operands.chain(kernel.uniform.map(|index| (index, Slot::Uniform))).collect();
    slots.sort_by_key(|slot| slot.0);
    slots
}

fn place(binding: u32) -> ResourceBinding {
    ResourceBinding { group: 0, binding }
}

fn policies(checks: Checks) -> BoundsCheckPolicies {
    let policy = match checks {
        Checks::Trusted => BoundsCheckPolicy::Unchecked,
        Checks::Checked => BoundsCheckPolicy::Restrict,
    };
    BoundsCheckPolicies {
        index: policy,
        buffer: policy,
        image_load: policy,
        binding_array: BoundsCheckPolicy::Unchecked,
    }
}

/// Translates as wgpu-hal 30 does (`vulkan/adapter.rs`, `metal/device.rs`, `dx12/device.rs`) on a device without optional
/// features but f16, subgroups and cooperative matrices for shaders that ask for them, for a pipeline that does not ask for workgroup memory to be zeroed.
fn translate(
    shader: &Parsed,
    slots: &[(u32, Slot)],
    language: Language,
    (age, checks): (Age, Checks),
) -> Result<Translation, String> {
    let Parsed { module, info, half, subgroups, cooperative } = shader;
    // Subgroups are in SPIR-V for Vulkan 1.1, but not in the other languages' oldest forms.
    let oldest = age == Age::Oldest && (!subgroups || language == Language::SpirV);
    let checked = checks == Checks::Checked;
    match language {
        Language::SpirV => {
            use spv::Capability as C;
            let mut capabilities = vec![
                C::Shader,
                C::Matrix,
                C::Sampled1D,
                C::Image1D,
                C::ImageQuery,
                C::DerivativeControl,
                C::StorageImageExtendedFormats,
            ];
            if *half {
                capabilities.extend([C::Float16, C::StorageBuffer16BitAccess, C::UniformAndStorageBuffer16BitAccess]);
            }
            if *subgroups {
                capabilities.extend([C::GroupNonUniform, C::GroupNonUniformShuffle]);
            }
            if *cooperative {
                capabilities.extend([C::CooperativeMatrixKHR, C::VulkanMemoryModel]);
            }
            let bound = |&(binding, _): &(u32, Slot)| {
                (place(binding), spv::BindingInfo { descriptor_set: 0, binding, binding_array_size: None })
            };
            let options = spv::Options {
                lang_version: if oldest { (1, 3) } else { (1, 6) },
                flags: spv::WriterFlags::LABEL_VARYINGS | spv::WriterFlags::FORCE_POINT_SIZE,
                fake_missing_bindings: false,
                binding_map: slots.iter().map(bound).collect(),
                capabilities: Some(capabilities.into_iter().collect()),
                bounds_check_policies: policies(checks),
                zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
                force_loop_bounding: checked,
                use_storage_input_output_16: false,
                debug_info: None,
                emit_int_div_checks: checked,
                ..spv::Options::default()
            };
            let entry = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: "main".into() };
            let words = spv::write_vec(module, info, &options, Some(&entry)).map_err(|e| e.to_string())?;
            Ok(Translation::SpirV(words))
        }
        Language::Msl => {
            let (mut buffers, mut textures) = (0, 0);
            let next = |counter: &mut u8| std::mem::replace(counter, *counter + 1);
            let resources = slots.iter().map(|&(binding, slot)| {
                let target = match slot {
                    Slot::Image => msl::BindTarget { texture: Some(next(&mut textures)), ..Default::default() },
                    _ => msl::BindTarget {
                        buffer: Some(next(&mut buffers)),
                        mutable: slot == Slot::Written,
                        ..Default::default()
                    },
                };
                (place(binding), target)
            });
            let resources: msl::BindingMap = resources.collect();
            let entry = msl::EntryPointResources { resources, immediates_buffer: None, sizes_buffer: Some(buffers) };
            let options = msl::Options {
                lang_version: if oldest { (2, 0) } else { (3, 2) },
                per_entry_point_map: [("main".to_string(), entry)].into_iter().collect(),
                fake_missing_bindings: false,
                bounds_check_policies: policies(checks),
                zero_initialize_workgroup_memory: false,
                force_loop_bounding: checked,
                emit_int_div_checks: checked,
                ..msl::Options::default()
            };
            let entry = msl::PipelineOptions {
                entry_point: Some((ShaderStage::Compute, "main".into())),
                vertex_pulling_transform: true,
                ..Default::default()
            };
            let (text, translated) = msl::write_string(module, info, &options, &entry).map_err(|e| e.to_string())?;
            translated.entry_point_names[0].as_ref().map_err(|e| e.to_string())?;
            Ok(Translation::Text(text))
        }
        // Its writer would panic.
        Language::Hlsl if *cooperative => Err("cooperative matrices".to_string()),
        Language::Hlsl => {
            let (mut uniforms, mut read, mut written) = (0, 0, 0);
            let next = |counter: &mut u32| hlsl::BindTarget {
                register: std::mem::replace(counter, *counter + 1),
                restrict_indexing: true,
                ..Default::default()
            };
            let bound = slots.iter().map(|&(binding, slot)| {
                let target = match slot {
                    Slot::Uniform => next(&mut uniforms),
                    Slot::Read => next(&mut read),
                    // Storage textures are UAVs whatever their access.
                    Slot::Written | Slot::Image => next(&mut written),
                };
                (place(binding), target)
            });
            let binding_map: hlsl::BindingMap = bound.collect();
            let options = hlsl::Options {
                shader_model: if oldest { hlsl::ShaderModel::V5_1 } else { hlsl::ShaderModel::V6_6 },
                binding_map,
                fake_missing_bindings: false,
                special_constants_binding: Some(next(&mut uniforms)),
                zero_initialize_workgroup_memory: false,
                restrict_indexing: checked,
                force_loop_bounding: checked,
                ..hlsl::Options::default()
            };
            let mut text = String::new();
            let entry = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, "main".into())) };
            let mut writer = hlsl::Writer::new(&mut text, &options, &entry);
            let translated = writer.write(module, info, None).map_err(|e| e.to_string())?;
            translated.entry_point_names[0].as_ref().map_err(|e| e.to_string())?;
            Ok(Translation::Text(text))
        }
    }
}

fn missing(shader: &str, language: Language) -> bool {
    MISSING.iter().any(|(beginning, of, _)| shader.starts_with(beginning) && *of == language)
}

/// Runs `check` on every variant, on every core, and gives what it complained of.
fn complaints<T: Send>(check: impl Fn(usize, &Variant) -> Vec<T> + Sync) -> Vec<T> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let check = &check;
    thread::scope(|scope| {
        let worker = |first: usize| {
            move || {
                let mine = VARIANTS.iter().enumerate().skip(first).step_by(cores);
                mine.flat_map(|(i, variant)| check(i, variant)).collect::<Vec<_>>()
            }
        };
        let workers: Vec<_> = (0..cores).map(|first| scope.spawn(worker(first))).collect();
        workers.into_iter().flat_map(|w| w.join().expect("no panic")).collect()
    })
}

fn report(what: impl fmt::Display, complaints: &[String]) {
    let shown: Vec<&str> = complaints.iter().take(20).map(String::as_str).collect();
    assert!(complaints.is_empty(), "{} {what}:\n{}", complaints.len(), shown.join("\n"));
}

#[test]
fn the_variants_are_those_of_every_shader() {
    let met: BTreeSet<&str> = VARIANTS.iter().map(|v| v.kernel.shader).collect();
    let shaders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shaders");
    for family in fs::read_dir(shaders).expect("the shaders") {
        let family = family.expect("an entry").path();
        for file in fs::read_dir(&family).expect("a family") {
            let path = file.expect("an entry").path();
            let last = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
            let name = format!("{}/{}", last(&family), last(&path));
            let kernel = fs::read_to_string(&path).expect("text").contains("@compute");
            assert!(!kernel || met.contains(name.as_str()), "{name} is not translated");
        }
    }
    let images = VARIANTS.iter().filter(|v| v.kernel.bindings.iter().any(|b| b.image.is_some())).count();
    assert!(images * 4 > VARIANTS.len(), "{images} of {} with images", VARIANTS.len());
}

#[test]
fn every_variant_is_translated_for_every_api() {
    let failures = complaints(|_, Variant { kernel, program }| {
        let shader = match parse(&kernel.source) {
            Ok(shader) => shader,
            Err(e) => return vec![format!("{}: {e}", kernel.shader)],
        };
        let mut failures = Vec::new();
        for language in [Language::SpirV, Language::Msl, Language::Hlsl] {
            let translated = WAYS.map(|way| translate(&shader, &slots(kernel), language, way));
            let empty = "the translation is empty".to_string();
            let refused = translated.iter().find_map(|t| match t {
                Err(e) => Some(e),
                Ok(Translation::Text(text)) if text.is_empty() => Some(&empty),
                Ok(_) => None,
            });
            let head = || format!("{} of {program} to {language:?}", kernel.shader);
            match (refused, missing(kernel.shader, language)) {
                (Some(e), false) => failures.push(format!("{}: {e}\n{}", head(), kernel.prelude)),
                (None, true) => failures.push(format!("{} is translated after all", head())),
                _ => {}
            }
        }
        failures
    });
    report("translations", &failures);
    for (beginning, language, why) in MISSING {
        let left_out = VARIANTS.iter().filter(|v| v.kernel.shader.starts_with(beginning)).count();
        say(&format!("skipped: {left_out} shaders {beginning}* are not translated to {language:?}: {why}"));
    }
}

#[test]
fn what_is_declared_missing_has_a_reason_and_a_shader() {
    for (beginning, language, why) in MISSING {
        assert!(why.len() > 5, "{beginning} in {language:?} gives no reason");
        assert!(VARIANTS.iter().any(|v| v.kernel.shader.starts_with(beginning)), "no shader {beginning}");
    }
}

/// A translation that fails is seen: a binding without a place in the layout, and a type that none of the APIs has in all of
/// its forms.
#[test]
fn what_cannot_be_translated_is_refused() {
    let text = "@group(0) @binding(0) var<storage, read_write> y: array<f32>;\n\
                @compute @workgroup_size(8) fn main(@builtin(global_invocation_id) id: vec3<u32>) { y[id.x] = 1.0; }";
    let shader = parse(text).expect("a valid shader");
    for language in [Language::SpirV, Language::Msl, Language::Hlsl] {
        for way in WAYS {
            assert!(translate(&shader, &[(0, Slot::Written)], language, way).is_ok(), "{language:?}");
            assert!(translate(&shader, &[], language, way).is_err(), "{language:?} without a binding");
        }
    }
    let half = format!("enable f16;\n{}", text.replace("f32", "f16").replace("1.0", "1.0h"));
    let module = naga::front::wgsl::parse_str(&half).expect("a shader");
    let info = Validator::new(ValidationFlags::all(), Capabilities::all()).validate(&module).expect("valid with f16");
    let shader = Parsed { module, info, half: false, subgroups: false, cooperative: false };
    let refused = |language, way| translate(&shader, &[(0, Slot::Written)], language, way).is_err();
    assert!(refused(Language::SpirV, WAYS[0]), "a capability that not every device has");
}

/// A program on the search path.
fn tool(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn spirv_val(tool: &Path, file: &Path, words: &[u32], age: Age) -> Result<(), String> {
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    fs::write(file, bytes).map_err(|e| format!("{}: {e}", file.display()))?;
    let environment = if age == Age::Oldest { "vulkan1.1" } else { "vulkan1.3" };
    let output = Command::new(tool).args(["--target-env", environment]).arg(file).output();
    let output = output.map_err(|e| format!("{}: {e}", tool.display()))?;
    let said = || String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_string();
    if output.status.success() { Ok(()) } else { Err(said()) }
}

#[test]
fn vulkan_modules_are_valid() {
    let Some(tool) = tool("spirv-val") else {
        say("skipped: SPIR-V is not validated, spirv-val is not installed (Debian package spirv-tools)");
        return;
    };
    let folder = env::temp_dir().join(format!("knuckle-spirv-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for temporary files");
    let spirv = |shader: &Parsed, slots: &[(u32, Slot)], way| match translate(shader, slots, Language::SpirV, way) {
        Ok(Translation::SpirV(words)) => words,
        Ok(Translation::Text(_)) => panic!("SPIR-V is no text"),
        Err(e) => panic!("translated elsewhere: {e}"),
    };
    // Tools before 2023.3 take cooperative matrices for words without a meaning.
    let knows_matrices = {
        let cooperative = VARIANTS.iter().find(|v| variants::is_cooperative(&v.kernel)).expect("a variant with them");
        let shader = parse(&cooperative.kernel.source).expect("parsed when lowered");
        let words = spirv(&shader, &slots(&cooperative.kernel), WAYS[1]);
        let said = spirv_val(&tool, &folder.join("cooperative.spv"), &words, Age::Newest).err().unwrap_or_default();
        !said.contains("Invalid opcode") && !said.contains("Invalid capability")
    };
    if !knows_matrices {
        say("skipped: SPIR-V with cooperative matrices is not validated, this spirv-val does not know them");
    }
    let failures = complaints(|i, Variant { kernel, .. }| {
        let unknown = variants::is_cooperative(kernel) && !knows_matrices;
        if missing(kernel.shader, Language::SpirV) || unknown {
            return Vec::new();
        }
        let shader = parse(&kernel.source).expect("parsed when lowered");
        // One way a variant, in turn: starting the tool is what takes time.
        let way = WAYS[i % 2];
        let file = folder.join(format!("{i}.spv"));
        let valid = spirv_val(&tool, &file, &spirv(&shader, &slots(kernel), way), way.0);
        valid.err().map(|e| format!("{}: {e}\n{}", kernel.shader, kernel.prelude)).into_iter().collect()
    });
    // A module that is broken is seen: one whose entry point's function is missing.
    let kernel = &VARIANTS.iter().find(|v| !variants::is_cooperative(&v.kernel)).expect("one without matrices").kernel;
    let mut words = spirv(&parse(&kernel.source).expect("parsed when lowered"), &slots(kernel), WAYS[1]);
    words.truncate(words.len() - 3);
    let broken = spirv_val(&tool, &folder.join("broken.spv"), &words, Age::Newest);
    let _ = fs::remove_dir_all(&folder);
    report("modules", &failures);
    assert!(broken.is_err(), "a module cut off was found valid");
}
