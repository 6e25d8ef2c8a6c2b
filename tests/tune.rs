//! Measured choices on a device: what computes something else is never chosen, and what was measured decides what runs.

use std::fmt;
use std::sync::Arc;

use knuckle::error::Mismatch;
use knuckle::exec::{
    AdapterClass, Choices, CompileOptions, Lowering, Measured, Program, Shader, ShapeClass, Target, compile,
};
use knuckle::gpu::{GpuOptions, Tuned, Tuning};
use knuckle::ops::{Conv2d, Operator, VjpCall};
use knuckle::{Gpu, Recorder, Result, States, TensorType, Var};

const HEAD: &str = "
struct Params { n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
";

/// A way to compute `y = 2x`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Product,
    Sum,
    Difference,
    /// As a driver would that compiles something else from it.
    OffInOnePlace,
    NotANumber,
    LeavesTheLast,
    DoesNotCompile,
    TooManyInvocations,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Way {
    fn shader(self) -> Shader {
        macro_rules! shader {
            ($name:literal, $body:literal) => {
                Shader { name: $name, sources: &[HEAD, $body] }
            };
        }
        match self {
            Way::Product => shader!("product", "if i < params.n { y[i] = 2.0 * x[i]; } }"),
            Way::Sum => shader!("sum", "if i < params.n { y[i] = x[i] + x[i]; } }"),
            Way::Difference => shader!("difference", "if i < params.n { y[i] = 3.0 * x[i] - x[i]; } }"),
            Way::OffInOnePlace => {
                shader!("off", "if i < params.n { y[i] = select(2.0, 2.1, i == params.n - 1u) * x[i]; } }")
            }
            Way::NotANumber => shader!("nan", "if i < params.n { y[i] = sqrt(-1.0 - x[i] * x[i]); } }"),
            Way::LeavesTheLast => shader!("last", "if i + 1u < params.n { y[i] = 2.0 * x[i]; } }"),
            Way::DoesNotCompile => shader!("none", "y[i] = 2.0 * z[i]; }"),
            Way::TooManyInvocations => shader!("many", "if i < params.n { y[i] = 2.0 * x[i]; } } const UNUSED = WG;"),
        }
    }
}

/// `y = 2x` in so many ways, the first expected to be fastest.
#[derive(Debug)]
struct Doubled(&'static [Way]);

impl Operator for Doubled {
    fn name(&self) -> &'static str {
        "doubled"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        Ok(inputs[0].clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![Some(call.cotangent.scale(2.0)?)])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y, n) = (lowering.input(0).buffer, lowering.output(), lowering.output_ty().shape.numel());
        let way = lowering.choose(class(n), self.0[0], &self.0[1..]);
        let shader = way.shader();
        let dispatch = lowering.dispatch(&shader).bind("x", x).bind("y", y).param("n", n);
        if way == Way::TooManyInvocations { dispatch.groups([1 << 20, 1, 1]) } else { dispatch.threads(n) }
    }
}

fn class(n: usize) -> ShapeClass {
    ShapeClass::of("doubled").about("n", n)
}

const N: usize = 100;

fn gpu() -> Gpu {
    let options = GpuOptions { tuning: Tuning::Off, ..GpuOptions::default() };
    Gpu::open(&options).expect("an adapter (on Debian: mesa-vulkan-drivers)")
}

/// What tuning finds of an operator with these ways, and the one that runs afterwards, whose result is checked.
fn tuned(ways: &'static [Way]) -> Result<(Measured, String)> {
    let gpu = gpu();
    let r = Recorder::new();
    let y = r.apply(Doubled(ways), &[r.input("x", [N])])?;
    let mut found: Vec<Tuned> = Vec::new();
    gpu.tune(&r, [y], false, |tuned| found.push(tuned.clone()))?;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].expected.variant, ways[0].to_string());
    let known = gpu.choices();
    assert_eq!(known.get(&class(N)), Some(&found[0].measured));
    let mut executable = gpu.compile(&r, [y])?;
    let choice = executable.program().nodes[0].choice.clone().expect("variants were offered");
    assert!(choice.measured, "{choice:?}");
    let x: Vec<f32> = (0..N).map(|i| i as f32).collect();
    let twice: Vec<f32> = x.iter().map(|v| 2.0 * v).collect();
    assert_eq!(executable.run([("x", &x)])?.f32(0), twice);
    assert!(executable.dump().contains(&format!("[{}]", choice.variant)));
    if let Some(second) = &choice.runner_up {
        assert!(!found[0].measured.rejected.contains_key(second), "{second} was rejected");
    }
    Ok((found.remove(0).measured, choice.variant))
}

#[test]
fn variants_that_agree_are_timed_and_the_fastest_runs() -> Result<()> {
    let (measured, variant) = tuned(&[Way::Product, Way::Sum, Way::Difference])?;
    assert!(measured.rejected.is_empty(), "{measured:?}");
    assert_eq!(measured.ms.len(), 3);
    let least = measured.ms.values().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(measured.ms[&variant], least);
    Ok(())
}

#[test]
fn a_variant_that_computes_something_else_is_rejected_even_if_it_is_the_expected_one() -> Result<()> {
    for ways in [
        &[Way::OffInOnePlace, Way::Product, Way::Sum][..],
        &[Way::Product, Way::Sum, Way::OffInOnePlace],
        // In doubt the expected one is right.
        &[Way::Product, Way::OffInOnePlace],
    ] {
        let (measured, variant) = tuned(ways)?;
        assert_eq!(measured.rejected.keys().collect::<Vec<_>>(), ["OffInOnePlace"]);
        let why = &measured.rejected["OffInOnePlace"];
        assert!(why.starts_with("element 99 is ") && why.contains("others give"), "{why}");
        assert!(!measured.ms.contains_key("OffInOnePlace"));
        assert_ne!(variant, "OffInOnePlace");
    }
    Ok(())
}

#[test]
fn variants_that_fail_in_other_ways_are_rejected_with_the_reason() -> Result<()> {
    let ways = &[Way::Product, Way::NotANumber, Way::LeavesTheLast, Way::DoesNotCompile, Way::TooManyInvocations];
    let (measured, variant) = tuned(ways)?;
    assert_eq!(variant, "Product");
    assert_eq!(measured.ms.len(), 1);
    for (name, says) in [
        ("NotANumber", "element 0 is "),
        ("LeavesTheLast", "element 99 is "),
        ("DoesNotCompile", "no definition in scope"),
        ("TooManyInvocations", ""),
    ] {
        assert!(measured.rejected[name].contains(says), "{name}: {:?}", measured.rejected);
    }
    Ok(())
}

#[test]
fn products_and_convolutions_give_the_same_whatever_is_chosen() -> Result<()> {
    let gpu = gpu();
    let r = Recorder::training();
    let x = r.input("x", [2, 9, 10, 8]);
    let y = x.scale(1.0)?.conv2d(r.param("w", [3, 3, 8, 8]), Default::default())?.matmul(r.param("m", [8, 12]))?;
    let gradients = y.square()?.sum_all()?.backward()?;
    let outputs: Vec<Var<'_>> = [y]
        .into_iter()
        .chain(["w", "m"].map(|n| {
            let shape: &[usize] = if n == "w" { &[3, 3, 8, 8] } else { &[8, 12] };
            gradients.of(r.param(n, shape)).expect("a parameter's")
        }))
        .collect();
    let values: Vec<f32> = (0..2 * 9 * 10 * 8).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect();
    let run = || -> Result<Vec<Vec<f32>>> {
        let out = gpu.compile(&r, outputs.clone())?.run([("x", &values)])?;
        Ok((0..out.len()).map(|i| out.f32(i).to_vec()).collect())
    };
    let expected = run()?;
    let mut classes = 0;
    gpu.tune(&r, outputs.clone(), false, |tuned| {
        assert!(tuned.measured.rejected.is_empty(), "{tuned:?}");
        classes += 1;
    })?;
    assert!(classes >= 5, "{classes}: forward twice, two gradients of the product, two of the convolution");
    for (got, want) in run()?.iter().zip(&expected) {
        let largest = want.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let near = got.iter().zip(want).all(|(a, b)| (a - b).abs() <= 1e-5 * largest);
        assert!(near, "another variant, another result");
    }
    gpu.tune(&r, outputs.clone(), false, |tuned| panic!("{tuned:?} was known"))?;
    Ok(())
}

/// A convolution (a product, if the kernel is 1×1) with all that its kernel can end with: normalisation, residual, ReLU.
fn ended(gpu: &Gpu, kernel: usize) -> Result<()> {
    let r = Recorder::new();
    let (x, w) = (r.input("x", [2, 5, 7, 8]), r.input("w", [kernel, kernel, 8, 12]));
    let (affine, statistics) = (r.input("affine", [2, 12]), r.input("statistics", [2, 12]));
    let y = x.conv2d(w, Conv2d { padding: kernel / 2, ..Conv2d::default() })?;
    let y = y.batch_norm_infer(affine, statistics, 1e-5, false)?.add(r.input("rest", [2, 5, 7, 12]))?.relu()?;
    let inputs: Vec<(String, Vec<f32>)> =
        [("x", 560), ("w", kernel * kernel * 96), ("affine", 24), ("statistics", 24), ("rest", 840)]
            .iter()
            .map(|&(name, n)| {
                let low = if name == "statistics" { 0.5 } else { -1.0 };
                (name.to_string(), (0..n).map(|i| low + ((i * 37) % 101) as f32 / 60.0).collect())
            })
            .collect();
    let outputs = [(String::new(), y.id())];
    let run = |target: &Target, variant: Option<&str>| -> Result<(Vec<f32>, Vec<String>)> {
        let lower = |target: &Target| r.with_graph(|graph| compile(graph, &outputs, target, CompileOptions::default()));
        let offered = |program: &Program| program.nodes.iter().find_map(|n| n.choice.clone()).expect("variants");
        let mut target = target.clone();
        if let Some(variant) = variant {
            let mut choices = Choices::default();
            choices.prefer(&offered(&lower(&target)?).class, variant);
            target.choices = Some(Arc::new(choices));
        }
        let program = lower(&target)?;
        assert_eq!(program.steps.len(), 1, "one kernel does it all: {}", program.dump());
        let choice = offered(&program);
        assert!(variant.is_none_or(|variant| choice.variant == variant), "{choice:?}");
        let mut executable = gpu.load(program, &States::new(gpu))?;
        let result = executable.run(inputs.iter().map(|(name, values)| (name.as_str(), values)))?;
        Ok((result.f32(0).to_vec(), choice.offered))
    };
    let (expected, _) = run(gpu.target(), None)?;
    assert!(expected.iter().any(|&v| v > 0.1) && expected.contains(&0.0));
    let hardware = Target { class: AdapterClass::Hardware, images: 0, ..gpu.target().clone() };
    let (_, offered) = run(&hardware, Some("tile 32x32"))?;
    for variant in offered.iter().filter(|name| ["tile 32x32", "tile 16x64"].contains(&name.as_str())) {
        let (got, _) = run(&hardware, Some(variant))?;
        let apart = got.iter().zip(&expected).position(|(a, b)| (a - b).abs() > 1e-4);
        assert_eq!(apart, None, "{variant}");
    }
    Ok(())
}

#[test]
fn tiles_end_as_lanes_do() -> Result<()> {
    let gpu = gpu();
    ended(&gpu, 3)?;
    ended(&gpu, 1)
}

#[test]
fn choices_made_elsewhere_decide_and_names_that_nothing_offers_do_not() -> Result<()> {
    let gpu = gpu();
    let r = Recorder::new();
    let y = r.apply(Doubled(&[Way::Product, Way::Sum, Way::Difference]), &[r.input("x", [N])])?;
    let variant = |choices: Choices| -> Result<String> {
        gpu.add_choices(choices);
        let executable = gpu.compile(&r, [y])?;
        Ok(executable.program().nodes[0].choice.as_ref().expect("offered").variant.clone())
    };
    let prefer = |name| {
        let mut choices = Choices::default();
        choices.prefer(&class(N), name);
        choices
    };
    assert_eq!(variant(Choices::default())?, "Product");
    assert_eq!(variant(prefer("Difference"))?, "Difference");
    assert_eq!(variant(prefer("of another version"))?, "Product");
    assert_eq!(gpu.keep_choices()?, None, "a device that is not to be tuned keeps nothing");
    gpu.clear_choices()?;
    assert!(gpu.choices().is_empty());
    Ok(())
}
