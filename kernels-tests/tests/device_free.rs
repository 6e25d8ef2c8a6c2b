//! Everything left of the device: lowering for adapters that are not there, and what `backward` records.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kernels_tests::{budget, cases, harness, variants};
use knuckle::error::Result;
use knuckle::exec::{Access, AdapterClass, Binding, Choice, CompileOptions, Passes, Program, Target, compile};
use knuckle::ops::{Conv2d, CumulativeSum, SortOrder, SpmmMatrix};
use knuckle::sparse::Csr;
use knuckle::{Error, Recorder, Var};

/// The least that a program may count on, but for f16, with either class of kernels.
fn least() -> [Target; 2] {
    [AdapterClass::Hardware, AdapterClass::Software].map(|class| Target {
        class,
        f16: true,
        ..Target::webgpu_defaults()
    })
}

fn lower(r: &Recorder, outputs: &[Var<'_>], effects: bool) -> Result<Program> {
    let outputs: Vec<_> = outputs.iter().map(|v| (String::new(), v.id())).collect();
    let options = CompileOptions { effects, passes: Passes::none(), ..CompileOptions::default() };
    r.with_graph(|graph| compile(graph, &outputs, &Target::webgpu_defaults(), options))
}

/// The operators a program runs, forward and backward, in order.
fn operators(program: &Program) -> Vec<(&'static str, bool)> {
    program.nodes.iter().map(|n| (n.op, n.gradient)).collect()
}

/// What [`harness::Stage::Pieces`] proves.
#[test]
fn results_of_most_cases_are_made_in_larger_tensors_and_over_operands() {
    let (mut cases, mut written, mut over) = (0, BTreeSet::new(), BTreeSet::new());
    for case in cases::all() {
        let [hardware, software] = least().map(|target| {
            harness::lower_in_pieces(&case, &target).unwrap_or_else(|e| panic!("{} in pieces: {e}", case.name()))
        });
        for program in [&hardware, &software] {
            for binding in program.kernels.iter().flat_map(|k| k.bindings.iter().map(|b| (k.shader, b))) {
                match binding {
                    (shader, Binding { piece: Some(_), access: Access::Write, .. }) => written.insert(shader),
                    (shader, Binding { over: true, .. }) => over.insert(shader),
                    _ => false,
                };
            }
        }
        let pieces = software.nodes.iter().filter(|n| n.piece.is_some() && n.op != "slice" && n.op != "relu");
        cases += usize::from(pieces.count() > 0);
        assert!(software.kernels.iter().all(|k| k.bindings.iter().all(|b| !b.over)), "{}", case.name());
    }
    let all = cases::all().len();
    println!("{cases} of {all} cases; into pieces {written:?}; over operands {over:?}");
    assert!(2 * cases > all, "{cases} of {all} cases");
    for shader in ["conv/conv2d_forward.wgsl", "matmul/product.wgsl", "tile/tile.wgsl", "norm/batch_norm.wgsl"] {
        assert!(written.contains(shader), "{shader} writes into no piece");
    }
    assert!(over.contains("pointwise/unary.wgsl") && over.contains("pointwise/binary.wgsl"), "{over:?}");
}

#[test]
fn every_case_lowers_within_the_limits_of_every_adapter_and_meets_every_kernel() {
    let mut met = BTreeSet::new();
    for target in least().into_iter().chain(variants::cooperative_targets()) {
        for case in cases::all() {
            let program = harness::lower(&case, &target).unwrap_or_else(|e| panic!("{}: {e}", case.name()));
            met.extend(program.kernels.iter().map(|k| k.shader));
            for node in &program.nodes {
                let steps = program.steps.iter().filter(|s| s.node == node.id).count();
                let moved = node.ty.bytes();
                assert!(steps == 0 || node.cost.bytes >= moved, "{}: {} costs {:?}", case.name(), node.op, node.cost);
            }
        }
    }
    for (name, program) in variants::state_changes(&Target::webgpu_defaults()) {
        let program = program.unwrap_or_else(|e| panic!("{name}: {e}"));
        met.extend(program.kernels.iter().map(|k| k.shader));
    }
    let shaders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shaders");
    const FAMILIES: [&str; 16] = [
        "conv",
        "copy",
        "graph",
        "index",
        "matmul",
        "mesh",
        "norm",
        "optim",
        "pointwise",
        "pool",
        "random",
        "raster",
        "reduce",
        "sample",
        "sort",
        "tile",
    ];
    for family in FAMILIES {
        for entry in fs::read_dir(shaders.join(family)).expect("a family's folder") {
            let path = entry.expect("a file").path();
            if !fs::read_to_string(&path).expect("text").contains("@compute") {
                continue;
            }
            let name = format!("{family}/{}", path.file_name().expect("a name").to_string_lossy());
            assert!(met.contains(name.as_str()), "no case runs {name}");
        }
    }
}

#[test]
fn a_few_cases_meet_every_variant_of_every_kernel() {
    let [hardware, _] = variants::cooperative_targets();
    // The kernel and the variant, without the shapes and for how many lanes, but of cooperative matrices with how operands are stored.
    let kind = |choice: &Choice, name: &str| {
        let class = choice.class.to_string();
        let kernel = class.split(' ').next().expect("a kernel").to_string();
        let variant = name.split(" for ").next().expect("a variant");
        let stored = if variant.starts_with("cooperative") && class.ends_with("f16") { " f16" } else { "" };
        (kernel, format!("{variant}{stored}"))
    };
    let (mut offered, mut proved) = (BTreeSet::new(), BTreeSet::new());
    for case in cases::all() {
        let program = harness::lower(&case, &hardware).unwrap_or_else(|e| panic!("{}: {e}", case.name()));
        for choice in program.nodes.iter().filter_map(|n| n.choice.as_ref()) {
            let shared = ["tile", "cooperative", "winograd"];
            let tiled = |name: &&String| shared.iter().any(|beginning| name.starts_with(beginning));
            let tiles = || choice.offered.iter().filter(tiled);
            offered.extend(tiles().map(|name| kind(choice, name)));
            if case.every_variant {
                proved.extend(tiles().map(|name| kind(choice, name)));
            }
        }
    }
    let least = 6 * (6 + 3 + 3) + 2 * 3;
    assert!(
        offered.len() >= least,
        "for three products and three passes six tiles, and three of cooperative matrices of either type; Winograd's two for \
         the passes: {offered:?}"
    );
    assert_eq!(offered, proved);
}

#[test]
fn every_operator_has_a_budget_with_a_reason_and_every_budget_a_case() {
    let used: BTreeSet<_> = cases::all().iter().map(|c| (c.op, c.dtype.to_string())).collect();
    let rows: BTreeSet<_> = budget::BUDGETS.iter().map(|b| (b.op, b.dtype.to_string())).collect();
    assert_eq!(used, rows);
    assert_eq!(rows.len(), budget::BUDGETS.len(), "a row stands twice");
    for row in budget::BUDGETS {
        assert!(row.why.len() > 5, "{} gives no reason", row.op);
    }
    let names: Vec<String> = cases::all().iter().map(|c| c.name()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "a case stands twice");
}

#[test]
fn inference_runs_nothing_that_backward_recorded() -> Result<()> {
    let r = Recorder::new();
    let y = r.input("x", [2, 6, 6, 4]).conv2d(r.param("w", [3, 3, 4, 8]), Conv2d::default())?.relu()?;
    let before = operators(&lower(&r, &[y], true)?);
    let gradients = y.sum_all()?.backward()?;
    assert_eq!(operators(&lower(&r, &[y], true)?), before);
    assert!(gradients.of(r.param("w", [3, 3, 4, 8])).is_some());
    Ok(())
}

#[test]
fn only_wanted_gradients_are_recorded() -> Result<()> {
    let r = Recorder::new();
    let (x, w) = (r.input("x", [1, 6, 6, 4]), r.param("w", [3, 3, 4, 8]));
    let loss = x.conv2d(w, Conv2d::default())?.sum_all()?;
    let gradients = loss.backward()?;
    assert!(gradients.of(x).is_none());
    let program = lower(&r, &[gradients.of(w).expect("the weight's")], false)?;
    let names: Vec<_> = operators(&program).into_iter().filter(|(_, gradient)| *gradient).map(|(op, _)| op).collect();
    assert!(names.contains(&"conv2d_weight_grad"), "{names:?}");
    let all = r.with_graph(|g| g.nodes.iter().filter_map(|n| n.operator().map(|op| op.name())).collect::<Vec<_>>());
    assert!(!all.contains(&"conv2d_input_grad"), "{all:?}");
    Ok(())
}

#[test]
fn a_pullback_reaches_what_was_asked_for_alone() -> Result<()> {
    let r = Recorder::new();
    let (x, w) = (r.input("x", [2, 3]), r.param("w", [3, 4]));
    let hidden = x.scale(2.0)?;
    let y = hidden.matmul(w)?;
    let gradients = y.pullback(r.constant([2, 4], &[1.0; 8])?, &[hidden])?;
    assert!(gradients.of(hidden).is_some());
    assert!(gradients.of(x).is_none() && gradients.of(w).is_none());
    Ok(())
}

#[test]
fn no_gradient_passes_a_detached_value_but_it_can_be_asked_for_its_own() -> Result<()> {
    let r = Recorder::new();
    let w = r.param("w", [3]);
    let fixed = w.square()?.detach()?;
    let loss = fixed.mul(w)?.sum_all()?;
    let gradients = loss.backward_to(&[fixed])?;
    let names = |v: Var<'_>| -> Result<Vec<_>> { Ok(operators(&lower(&r, &[v], false)?)) };
    // Of fixed·w by w: fixed alone; by fixed: w alone.
    assert_eq!(names(gradients.of(w).expect("a gradient"))?.iter().filter(|n| n.0 == "square").count(), 1);
    assert_eq!(names(gradients.of(fixed).expect("a gradient"))?.iter().filter(|n| n.0 == "square").count(), 0);
    assert!(fixed.sum_all()?.backward()?.of(w).is_none());
    Ok(())
}

#[test]
fn a_value_used_twice_gets_the_sum_of_its_gradients() -> Result<()> {
    let r = Recorder::new();
    let x = r.param("x", [3]);
    let loss = x.exp()?.add(x.square()?)?.sum_all()?;
    let gradient = loss.backward()?.of(x).expect("a gradient");
    let program = lower(&r, &[gradient], false)?;
    let adds = operators(&program).iter().filter(|n| **n == ("add", true)).count();
    assert_eq!(adds, 1, "{}", program.dump());
    Ok(())
}

#[test]
fn gradients_are_attributed_to_the_line_they_differentiate() -> Result<()> {
    let r = Recorder::new();
    let x = r.param("x", [2, 4]);
    let line = line!() + 1;
    let y = x.sigmoid()?;
    let loss = y.sum_all()?;
    let gradient = loss.backward()?.of(x).expect("a gradient");
    let site = r.with_graph(|g| g.node(gradient.id()).site);
    assert_eq!((site.0.file(), site.0.line()), (file!(), line));
    assert!(lower(&r, &[gradient], false)?.dump().contains(&site.to_string()));
    Ok(())
}

#[test]
fn reshaping_runs_no_kernel() -> Result<()> {
    let r = Recorder::new();
    let x = r.input("x", [2, 6]);
    let y = x.reshape([3, 4])?.reshape([12])?;
    assert_eq!(lower(&r, &[y], false)?.steps.len(), 0);
    assert_eq!(lower(&r, &[r.concat(&[x], 0)?], false)?.steps.len(), 0);
    Ok(())
}

#[test]
fn a_symmetric_matrix_is_on_the_device_once() -> Result<()> {
    let constants = |triplets: &[(usize, usize, f32)]| -> Result<usize> {
        let matrix = SpmmMatrix::new(Csr::from_triplets(3, 3, triplets).expect("inside"))?;
        let r = Recorder::new();
        let x = r.param("x", [1, 3, 4]);
        let loss = x.spmm(&matrix)?.spmm(&matrix)?.square()?.sum_all()?;
        let gradient = loss.backward()?.of(x).expect("a gradient");
        let program = lower(&r, &[loss, gradient], false)?;
        assert_eq!(operators(&program).iter().filter(|(op, _)| *op == "spmm").count(), 4);
        Ok(program.constants.len())
    };
    let symmetric = constants(&[(0, 1, 2.0), (1, 0, 2.0), (2, 2, 1.0)])?;
    let skew = constants(&[(0, 1, 2.0), (0, 2, 3.0), (1, 0, 4.0)])?;
    assert_eq!(skew, symmetric + 2, "rows and entries of the transpose");
    Ok(())
}

#[test]
fn pooling_tiles_forgets_its_result() -> Result<()> {
    let operands = |kernel: usize, stride: usize| -> Result<usize> {
        let r = Recorder::new();
        let x = r.param("x", [1, 9, 9, 4]);
        let gradient = x.max_pool2d(kernel, stride, 0)?.sum_all()?.backward()?.of(x).expect("a gradient");
        Ok(r.with_graph(|g| g.node(gradient.id()).inputs.len()))
    };
    assert_eq!(operands(2, 2)?, 2, "x and gy");
    assert_eq!(operands(3, 2)?, 3, "x, gy and y");
    Ok(())
}

#[test]
fn sorting_and_running_sums_take_as_many_dispatches_as_their_length_asks_for() -> Result<()> {
    let steps = |record: fn(&Recorder) -> Result<Var<'_>>| -> Result<usize> {
        let r = Recorder::new();
        Ok(lower(&r, &[record(&r)?], false)?.steps.len())
    };
    assert_eq!(steps(|r| r.input("x", [32]).arg_sort(0, SortOrder::Ascending))?, 1);
    assert_eq!(steps(|r| r.input("x", [33]).arg_sort(0, SortOrder::Ascending))?, 2);
    assert_eq!(steps(|r| r.input("x", [100_000]).arg_sort(0, SortOrder::Ascending))?, 7, "32 · 4⁶ > 100,000");
    assert_eq!(steps(|r| Ok(r.input("x", [32]).top_k(0, 3)?.places))?, 1);
    assert_eq!(steps(|r| r.input("x", [64]).cumulative_sum(0, CumulativeSum::default()))?, 1);
    assert_eq!(steps(|r| r.input("x", [100_000]).cumulative_sum(0, CumulativeSum::default()))?, 5);
    assert_eq!(steps(|r| r.input("x", [64, 4]).scatter_add(0, r.input_u32("i", [64, 1]), 9))?, 1);
    assert_eq!(steps(|r| r.input("x", [65, 4]).scatter_add(0, r.input_u32("i", [65, 1]), 9))?, 3);
    Ok(())
}

#[test]
fn what_has_no_gradient_says_so() -> Result<()> {
    let r = Recorder::new();
    // The gradient of pooling by maxima has none of its own.
    let gradient_of_maxima = r.param("x", [1, 4, 4, 1]).max_pool2d(3, 1, 0)?.sum_all()?.backward()?;
    let gradient = gradient_of_maxima.of(r.param("x", [1, 4, 4, 1])).expect("a gradient");
    let error = gradient.sum_all()?.backward().unwrap_err();
    assert!(matches!(&error, Error::NotDifferentiable { op, .. } if op == "max_pool2d"), "{error}");
    assert!(r.param("w", [2]).backward().is_err(), "a loss has one element");
    Ok(())
}

#[test]
fn a_tensor_too_large_to_bind_is_refused_with_its_line() -> Result<()> {
    let r = Recorder::new();
    let line = line!() + 1;
    let y = r.input("x", [1, 64, 64, 64]).upsample_nearest(16)?;
    let error = lower(&r, &[y], false).unwrap_err();
    assert!(matches!(error, Error::BindingTooLarge { .. }), "{error}");
    assert!(error.to_string().contains(&format!("device_free.rs:{line}")), "{error}");
    Ok(())
}

/// Every model's programs, as they run.
#[test]
fn plans_are_within_a_tenth_of_what_is_alive_at_one_moment() {
    // Some kilobytes more or less are not worth a search.
    const FREE_BYTES: u64 = 128 << 10;
    let mut over = Vec::new();
    for target in &variants::targets() {
        for (name, program) in variants::models(target, 8) {
            let program = program.unwrap_or_else(|e| panic!("{name}: {e}")).flattened(target);
            let memory = program.plan.report(&program);
            let ratio = memory.slots as f64 / memory.lower_bound as f64;
            println!("{name}, {:?}: {} dispatches, {memory}: {ratio:.3}", target.class, program.steps.len());
            if 10 * memory.slots.saturating_sub(FREE_BYTES) > 11 * memory.lower_bound {
                over.push(format!("{name}, {:?}: {ratio:.3} of the bound; {memory}", target.class));
            }
        }
    }
    assert!(over.is_empty(), "{over:#?}");
}
