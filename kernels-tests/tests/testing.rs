//! `knuckle::testing` finds what it says it finds: every kind of mistake in a shader or in its call, planted.

use knuckle::testing::{
    Call, Element, ElementKind, FaultKind, TestShader, Tolerance, below, expect_error, gpu, normal, uniform,
};
use knuckle::{Error, Result};

/// `y = a·x + b` with the statement that writes it left open.
fn line(statement: &str) -> TestShader {
    TestShader::from_source(
        "line.wgsl",
        &format!(
            "struct Params {{ a: f32, b: f32, n: u32 }}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(2) @binding(5) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
    let i = id.x;
    {statement}
}}"
        ),
    )
}

fn call<'g>(shader: &TestShader, x: &[f32]) -> Result<Call<'g>> {
    let call = shader.on(gpu()?)?.input("x", x).output("y", x.len());
    let call = call.param("a", 2.0f32).param("b", 1.0f32).param("n", x.len() as u32);
    Ok(call.threads([x.len(), 1, 1]))
}

#[test]
fn a_right_shader_passes_and_a_wrong_one_does_not() -> Result<()> {
    let x = normal(1, 1000);
    let want: Vec<f64> = x.iter().map(|&x| 2.0 * f64::from(x) + 1.0).collect();
    let right = call(&line("if i < params.n { y[i] = params.a * x[i] + params.b; }"), &x)?.run()?;
    right.close("y", &want, Tolerance { of_largest: 2.0, ..Tolerance::ulps(2.0) })?;
    right.all("y", |i, y: f32| (f64::from(y) - want[i]).abs() < 1e-5)?;
    let wrong = call(&line("if i < params.n { y[i] = params.a * x[i]; }"), &x)?.run()?;
    let error = wrong.close("y", &want, Tolerance::relative(1e-3)).unwrap_err();
    assert!(matches!(error, Error::NotClose { .. }), "{error}");
    expect_error(wrong.all("y", |i, y: f32| f64::from(y) == want[i]), "line.wgsl: `y`: element 0 is")?;
    expect_error(wrong.get::<u32>("y"), "expected array<f32>, got u32")?;
    expect_error(wrong.get::<f32>("x"), "expected `y`, got `x`")
}

#[test]
fn what_is_not_written_or_read_before_it_is_written_is_found() -> Result<()> {
    let x = normal(1, 100);
    let hole = line("if i < params.n && i != 17u { y[i] = params.a * x[i] + params.b; }");
    expect_error(call(&hole, &x)?.run(), "element 17 of `y`")?;
    let accumulates = line("if i < params.n { y[i] += params.a * x[i] + params.b; }");
    expect_error(call(&accumulates, &x)?.run(), "element 0 of `y`")?;
    // As an array that is read too it may.
    let sum = accumulates.on(gpu()?)?.input("x", &x).in_out("y", &vec![1.0f32; 100]);
    let sum = sum.param("a", 2.0f32).param("b", 1.0f32).param("n", 100u32).workgroups([2, 1, 1]).run()?;
    let want: Vec<f64> = x.iter().map(|&x| 2.0 * f64::from(x) + 2.0).collect();
    sum.close("y", &want, Tolerance::absolute(1e-5))
}

#[test]
fn nan_never_passes() -> Result<()> {
    let got = call(&line("if i < params.n { y[i] = params.b * bitcast<f32>(0x7fc00000u | (i >> 31u)); }"), &[0.0; 8])?;
    expect_error(got.run()?.close("y", &[f64::NAN; 8], Tolerance::absolute(1e9)), "element 0 is NaN")
}

#[test]
fn mistakes_in_the_text_are_told_with_file_line_and_column() -> Result<()> {
    let on = |shader: &TestShader| shader.on(gpu()?).map(|_| ());
    expect_error(on(&line("y[i] = missing;")), "line.wgsl:8:12")?;
    expect_error(on(&line("y[i] = 1u;")), "line.wgsl:8:")?;
    expect_error(on(&line("}")), "line.wgsl:")?;
    expect_error(on(&line("").entry("other")), "no compute entry point `other`; there are `main`")?;
    // Constants before the text do not move its lines, and with several files the right one is named.
    expect_error(on(&line("y[i] = missing;").define("WG", 64u32).define("SCALE", 0.5f32)), "line.wgsl:8:12")?;
    let missing = TestShader::from_file("no/such/file.wgsl").on(gpu()?).unwrap_err();
    assert!(matches!(missing, Error::File { .. }), "{missing}");
    let texture = "@group(0) @binding(0) var image: texture_2d<f32>;
@compute @workgroup_size(1) fn main() { let size = textureDimensions(image); _ = size; }";
    expect_error(on(&TestShader::from_source("texture.wgsl", texture)), "`image` is a texture")
}

#[test]
fn mistakes_in_a_call_are_told_by_name() -> Result<()> {
    let shader = line("if i < params.n { y[i] = params.a * x[i] + params.b; }");
    let x = normal(1, 8);
    let fresh = || call(&shader, &x);
    for (call, part) in [
        (fresh()?.input("z", &x), "expected `params`, `x`, `y`, which it uses, got `z`"),
        (fresh()?.input("y", &x), "`y`: expected a uniform or read-only array"),
        (fresh()?.in_out("x", &x), "`x`: expected an array that the shader writes"),
        (fresh()?.output("x", 8), "output `x`"),
        (fresh()?.output("y", 0), "elements of `y`"),
        (fresh()?.output("y", usize::MAX), "elements of `y`"),
        (
            fresh()?.input("x", &[1u32, 2]),
            "data of `x`: expected array<f32>: a multiple of 4 bytes, got 8 bytes of u32",
        ),
        (fresh()?.input::<f32>("x", &[]), "data of `x`"),
        (fresh()?.param("c", 1.0f32), "expected `a`, `b`, `n`, got `c`"),
        (fresh()?.param("n", 1.0f32), "parameter `n`: expected u32, got 1.0 (f32 of 4 bytes)"),
        (fresh()?.param("a", [1.0f32, 2.0]), "parameter `a`: expected f32"),
        (fresh()?.param("other.a", 1.0f32), "got `other.a`"),
        (fresh()?.workgroups([1 << 40, 1, 1]), "workgroups: expected at most"),
    ] {
        expect_error(call.run(), part)?;
    }
    let bare = || shader.on(gpu()?);
    expect_error(bare()?.run(), "workgroups or threads")?;
    expect_error(bare()?.threads([8, 1, 1]).run(), "parameter `a`")?;
    expect_error(fresh()?.constant("NO_SUCH", 1.0).run(), "NO_SUCH")
}

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Particle {
    position: [f32; 3],
    alive: u32,
}

impl Element for Particle {
    const KIND: ElementKind = ElementKind::Struct;
}

#[test]
fn structs_vectors_matrices_overrides_and_several_files_are_bound() -> Result<()> {
    let common = "struct Particle { position: vec3<f32>, alive: u32 }";
    let shader = "
override WG: u32 = 1;
struct Params { turn: mat2x2<f32>, shift: vec3<f32>, n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> floor: vec4<f32>;
@group(1) @binding(0) var<storage, read_write> particles: array<Particle>;
@group(1) @binding(1) var<storage, read_write> heights: array<vec2<f32>, 3>;
@group(1) @binding(2) var<storage, read_write> count: atomic<u32>;
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.n { return; }
    let p = particles[id.x];
    let turned = params.turn * p.position.xy;
    particles[id.x].position = max(vec3(turned, p.position.z) + params.shift, floor.xyz);
    heights[id.x] = vec2(p.position.z, f32(id.x));
    atomicAdd(&count, p.alive);
}";
    let folder = std::env::temp_dir().join(format!("knuckle-testing-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for temporary files");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).map(|()| path).expect("a temporary file")
    };
    let (first, second) = (write("particle.wgsl", common), write("move.wgsl", shader));
    let xs = uniform(5, 9, -1.0..1.0);
    let alive = below(6, 3, 2);
    let particle = |i: usize| Particle { position: [xs[3 * i], xs[3 * i + 1], xs[3 * i + 2]], alive: alive[i] };
    let particles = [0, 1, 2].map(particle);
    let call = TestShader::from_file(first).and_file(second).on(gpu()?)?;
    let call = call.in_out("particles", &particles).output("heights", 3).in_out("count", &[10u32]);
    let call = call.input("floor", &[-0.5f32, -0.5, -0.5, 0.0]).constant("WG", 4.0);
    // A quarter turn, columns first.
    let call = call.param("turn", [[0.0f32, 1.0], [-1.0, 0.0]]).param("params.shift", [0.0f32, 0.25, 0.0]);
    let got = call.param("n", 3u32).workgroups([1, 1, 1]).run();
    std::fs::remove_dir_all(&folder).expect("removing temporary files");
    let got = got?;
    let moved: Vec<Particle> = got.get("particles")?;
    for (i, moved) in moved.iter().enumerate() {
        let want = [-xs[3 * i + 1], xs[3 * i] + 0.25, xs[3 * i + 2]].map(|v| v.max(-0.5));
        assert_eq!(moved.position, want, "particle {i}");
    }
    assert_eq!(got.get::<u32>("count")?, [10 + alive.iter().sum::<u32>()]);
    assert_eq!(got.get::<[f32; 2]>("heights")?[2], [xs[8], 2.0]);
    Ok(())
}

#[test]
fn the_sanitizer_tells_file_line_and_variable() -> Result<()> {
    let x = normal(1, 100);
    let right = line("if i < params.n { y[i] = params.a * x[i] + params.b; }");
    assert!(call(&right, &x)?.faults()?.is_empty());
    // 128 invocations for 100 elements, and none that asks.
    let faults = call(&line("y[i] = params.a * x[i] + params.b;").define("UNUSED", 1u32), &x)?.faults()?;
    let [fault] = &faults[..] else { panic!("{faults:?}") };
    assert_eq!((fault.kind, fault.variable.as_str()), (FaultKind::OutOfRange, "y"));
    assert_eq!((fault.file.as_str(), fault.line), ("line.wgsl", 8));
    assert_eq!((fault.index, fault.length, fault.count), (100, 100, 28));
    let nan = call(&line("if i < params.n { y[i] = params.a * sqrt(-1.0 - abs(x[i])); }"), &x)?.faults()?;
    assert!(nan.iter().any(|f| f.kind == FaultKind::NotFinite && f.variable == "y" && f.length == 100), "{nan:?}");
    Ok(())
}

#[test]
fn a_benchmark_gives_ordered_times() -> Result<()> {
    let x = normal(1, 1 << 12);
    let timing = call(&line("if i < params.n { y[i] = params.a * x[i] + params.b; }"), &x)?.bench(5)?;
    let times = [0.0, 50.0, 95.0, 100.0].map(|percent| timing.percentile_ms(percent));
    assert!(times.is_sorted() && times[0] > 0.0, "{times:?}");
    assert_eq!(timing.median_ms(), times[1]);
    Ok(())
}
