//! Tensors stored as f16: kernels widen what they read and round what they write.

use std::collections::BTreeSet;

use kernels_tests::cases;
use kernels_tests::harness::{self, TRUSTED};
use knuckle::exec::{CompileOptions, Passes, Target, compile};
use knuckle::{DType, Error, Init, Recorder, Result, TensorType};

#[test]
fn operators_agree_with_the_reference_in_both_directions() {
    let halves = cases::stored_as_f16();
    let operators: BTreeSet<&str> = halves.iter().map(|case| case.op).collect();
    assert!(operators.len() > 25, "{operators:?}");
    harness::prove(&halves);
}

#[test]
fn results_are_stored_as_their_first_operand_and_sums_as_f32() -> Result<()> {
    let r = Recorder::new();
    let (x, w) = (r.input("x", [1, 4, 4, 4]).cast(DType::F16)?, r.param("w", [3, 3, 4, 8]));
    let y = x.conv2d(w, Default::default())?;
    assert_eq!((y.ty().dtype, y.relu()?.ty().dtype), (DType::F16, DType::F16));
    let loss = y.sum_all()?;
    assert_eq!(loss.ty().dtype, DType::F32);
    // The gradient of a weight that is f32 has never been rounded to f16.
    assert_eq!(loss.backward()?.of(w).expect("a gradient").ty().dtype, DType::F32);
    let gradients = loss.backward_to(&[x])?;
    assert_eq!(gradients.of(x).expect("a gradient").ty().dtype, DType::F16);
    Ok(())
}

#[test]
fn values_take_half_the_memory() -> Result<()> {
    let slots = |dtype: DType| -> Result<u64> {
        let r = Recorder::new();
        let y = r.input("x", [1, 16, 16, 8]).cast(dtype)?.relu()?.square()?.cast(DType::F32)?.sum_all()?;
        let target = Target { f16: true, ..Target::webgpu_defaults() };
        let options = CompileOptions { effects: false, passes: Passes::none(), ..CompileOptions::default() };
        let program = r.with_graph(|graph| compile(graph, &[(String::new(), y.id())], &target, options))?;
        let of = |op: &str| program.nodes.iter().find(|n| n.op == op).expect("a node").ty.bytes();
        Ok(of("relu"))
    };
    assert_eq!(slots(DType::F32)?, 2 * slots(DType::F16)?);
    Ok(())
}

#[test]
fn an_adapter_without_f16_answers_with_the_line() -> Result<()> {
    let r = Recorder::new();
    let line = line!() + 1;
    let y = r.input("x", [8]).cast(DType::F16)?;
    let options = CompileOptions { effects: false, ..CompileOptions::default() };
    let compiled =
        r.with_graph(|graph| compile(graph, &[(String::new(), y.id())], &Target::webgpu_defaults(), options));
    let error = compiled.unwrap_err();
    assert!(matches!(error, Error::Feature { .. }), "{error}");
    assert!(error.to_string().contains(&format!("half.rs:{line}")), "{error}");
    Ok(())
}

#[test]
fn operators_without_f16_refuse_it() -> Result<()> {
    let r = Recorder::new();
    let x = r.input("x", [4, 4]).cast(DType::F16)?;
    for refused in [
        x.softmax(1),
        r.concat(&[x, x], 0),
        x.slice(0, 0, 1),
        x.gather_rows(&[0]),
        x.cumulative_sum(0, Default::default()),
    ] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("expected f32, got f16") && error.contains("half.rs:"), "{error}");
    }
    Ok(())
}

#[test]
fn state_of_f16_is_read_as_it_was_before_it_changes() -> Result<()> {
    if !TRUSTED.target().f16 {
        harness::say("skipped: the adapter lacks f16 in shaders");
        return Ok(());
    }
    let r = Recorder::new();
    let state = r.buffer("state", TensorType::f16([5]), Init::Constant(0.5));
    state.follow(r.scalar(2.0).broadcast([5])?.cast(DType::F16)?, 0.25)?;
    let mut executable = TRUSTED.compile(&r, [state])?;
    let none = || std::iter::empty::<(&str, &[f32])>();
    assert_eq!(executable.run(none())?.f32(0), [0.5; 5]);
    assert_eq!(executable.run(none())?.f32(0), [1.625; 5]);
    Ok(())
}

#[test]
fn inputs_and_results_may_be_f16() -> Result<()> {
    if !TRUSTED.target().f16 {
        harness::say("skipped: the adapter lacks f16 in shaders");
        return Ok(());
    }
    // An odd number of elements, so that the last word is half used.
    let values = [1.0f32, -2.5, 1.0 / 3.0];
    let r = Recorder::new();
    let y = r.input("x", [3]).cast(DType::F16)?;
    let mut executable = TRUSTED.compile(&r, [y])?;
    let got = executable.run([("x", &values[..])])?;
    assert_eq!(got.f32(0), values.map(|v| half::f16::from_f32(v).to_f32()));
    assert_eq!(got.ty(0).dtype, DType::F16);
    Ok(())
}
