//! Cooperative matrices on products of several tiles: in subgroups as they are and as if they might be wider, with and without bounds
//! checks. The case table meets them on smaller shapes.

use kernels_tests::harness::{self, CHECKED, TRUSTED, say};
use kernels_tests::reference::{conv, matmul};
use kernels_tests::{Case, Operand};
use knuckle::exec::{Choices, Cooperative, Target};
use knuckle::gpu::{GpuOptions, Tuning};
use knuckle::ops::Conv2d;
use knuckle::{DType, Gpu, Recorder, Result};

/// Shapes of several tiles with some elements beyond the last whole one, and so many that each subgroup has several blocks.
fn cases() -> Vec<Case> {
    let conv2d = Conv2d { padding: 1, ..Conv2d::default() };
    let cases = [
        Case::new(
            "matmul",
            "several tiles",
            [Operand::normal([150, 70]), Operand::normal([70, 141])],
            |_, x| x[0].matmul(x[1]),
            |x| matmul::linear(&x[0], &x[1], None, false),
        ),
        Case::new(
            "batch_matmul",
            "several tiles, transposed both",
            [Operand::normal([2, 36, 72]), Operand::normal([2, 68, 36])],
            |_, x| x[0].batch_matmul(x[1], true, true),
            |x| matmul::batch_matmul(&x[0], &x[1], true, true),
        ),
        Case::new(
            "conv2d",
            "several tiles",
            [Operand::normal([2, 9, 8, 20]), Operand::normal([3, 3, 20, 36]), Operand::normal([36])],
            move |_, x| x[0].conv2d_bias(x[1], x[2], conv2d, true),
            |x| conv::conv2d(&x[0], &x[1], Some(&x[2]), [1, 1, 1], true),
        ),
    ];
    cases.map(Case::half).into()
}

/// The targets, made of `target`, by which nodes take each way by cooperative matrices that they are offered.
fn cooperative(case: &Case, target: &Target) -> Vec<Target> {
    let targets = harness::variants(case, target).unwrap_or_else(|e| panic!("{}: {e}", case.name()));
    let prefers = |choices: &Choices| {
        choices.iter().any(|(_, known)| known.best().is_some_and(|(name, _)| name.starts_with("cooperative")))
    };
    targets.into_iter().filter(|target| target.choices.as_deref().is_some_and(prefers)).collect()
}

#[test]
fn products_of_several_tiles_agree_with_the_reference() {
    let own = TRUSTED.target();
    let Some(form) = own.cooperative(DType::F16) else {
        return say("skipped: the adapter has no cooperative matrices of f16 with sums in f32");
    };
    let mut ran = 0;
    // Where there may be subgroups eight times as wide, blocks are larger, and some subgroups get none.
    for widest_subgroup in [form.widest_subgroup, (8 * form.widest_subgroup).min(64)] {
        let target = Target { cooperative: vec![Cooperative { widest_subgroup, ..form }], ..own.clone() };
        for case in cases() {
            for target in cooperative(&case, &target) {
                for gpu in [&*TRUSTED, &*CHECKED] as [&Gpu; 2] {
                    let checked = harness::check_on(&case, gpu, &target);
                    checked.unwrap_or_else(|e| panic!("{form} in subgroups of {widest_subgroup} at most: {e}"));
                    ran += 1;
                }
            }
        }
    }
    println!("{ran} runs of {form}");
    assert!(ran >= 2 * 2 * 3 * 3, "three tiles for each case: {ran}");
}

#[test]
fn tuning_times_them_and_finds_nothing_to_reject() -> Result<()> {
    let gpu = Gpu::open(&GpuOptions { tuning: Tuning::Cached, ..GpuOptions::default() })?;
    if gpu.target().cooperative(DType::F16).is_none() {
        say("skipped: the adapter has no cooperative matrices of f16 with sums in f32");
        return Ok(());
    }
    let r = Recorder::new();
    let [a, b] = [("a", [40, 24]), ("b", [24, 36])].map(|(name, shape)| r.input(name, shape).cast(DType::F16));
    let mut timed = 0;
    gpu.tune(&r, [a?.matmul(b?)?], true, |tuned| {
        assert!(tuned.measured.rejected.is_empty(), "{tuned:?}");
        timed += tuned.measured.ms.keys().filter(|name| name.starts_with("cooperative")).count();
    })?;
    assert_eq!(timed, 3, "every tile");
    Ok(())
}
