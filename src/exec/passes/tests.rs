//! On which graphs passes do something, and where they must not.

use super::{Pass, Passes};
use crate::exec::{AdapterClass, CompileOptions, Program, Target, compile};
use crate::exec::{BufferRef, Piece};
use crate::ops::{Comparison, Conv2d};
use crate::{Recorder, Var};

fn program(r: &Recorder, outputs: &[Var<'_>], options: CompileOptions) -> Program {
    let outputs: Vec<_> = outputs.iter().map(|v| (String::new(), v.id())).collect();
    // Of kernels that take one dispatch, with whatever ends them and without: those for GPUs may split their sums.
    let target = Target { class: AdapterClass::Software, ..Target::webgpu_defaults() };
    r.with_graph(|g| compile(g, &outputs, &target, options)).expect("valid")
}

/// The operators that run with these passes alone. What passes claim to save must be what is missing.
fn operators(r: &Recorder, outputs: &[Var<'_>], passes: &[Pass]) -> Vec<&'static str> {
    let chosen = passes.iter().fold(Passes::none(), |passes, &pass| passes.with(pass));
    let [plain, program] =
        [Passes::none(), chosen].map(|passes| program(r, outputs, CompileOptions { passes, ..Default::default() }));
    let claimed: usize = program.savings.iter().map(|saving| saving.dispatches).sum();
    assert_eq!(plain.steps.len() - program.steps.len(), claimed, "{}", program.dump());
    let names = program.nodes.iter().map(|n| n.op);
    names.filter(|op| !["reshape", "detach"].contains(op)).collect()
}

#[test]
fn only_values_that_nothing_else_wants_are_absorbed() {
    let r = Recorder::new();
    let (x, w) = (r.input("x", [1, 4, 4, 8]), r.input("w", [3, 3, 8, 8]));
    let y = x.conv2d(w, Conv2d { padding: 1, ..Conv2d::default() }).unwrap();
    let sum = y.add(x).unwrap();
    let residual = |outputs: &[Var<'_>]| operators(&r, outputs, &[Pass::Residual]);
    assert_eq!(residual(&[sum]), ["conv2d"]);
    assert_eq!(residual(&[sum, y]), ["conv2d", "add"]);
    let also = y.relu().unwrap();
    assert_eq!(residual(&[sum, also]), ["conv2d", "add", "relu"]);
    let doubled = y.add(y).unwrap();
    assert_eq!(residual(&[doubled]), ["conv2d", "add"]);
    let kept = CompileOptions { keep_values: true, ..Default::default() };
    let names: Vec<_> = program(&r, &[sum], kept).nodes.iter().map(|n| n.op).collect();
    assert_eq!(names, ["conv2d", "add"]);
}

#[test]
fn an_activation_is_made_with_what_it_ends() {
    let r = Recorder::new();
    let (x, w) = (r.input("x", [1, 4, 4, 8]), r.input("w", [3, 3, 8, 8]));
    let y = x.conv2d(w, Conv2d { padding: 1, ..Conv2d::default() }).unwrap();
    let joined = y.add(x).unwrap().relu().unwrap();
    assert_eq!(operators(&r, &[joined], &[Pass::Activation]), ["conv2d", "add", "relu"]);
    assert_eq!(operators(&r, &[joined], &[Pass::Residual, Pass::Activation]), ["conv2d"]);
    let (a, b) = (r.input("a", [5, 4]), r.input("b", [4, 3]));
    let product = a.matmul(b).unwrap();
    let active = product.relu().unwrap();
    assert_eq!(operators(&r, &[active], &[Pass::Activation]), ["matmul"]);
    assert_eq!(operators(&r, &[active, product], &[Pass::Activation]), ["matmul", "relu"]);
    // A residual after the activation is none of the product's.
    let after = active.add(r.input("c", [5, 3])).unwrap();
    assert_eq!(operators(&r, &[after], &[Pass::Residual, Pass::Activation]), ["matmul", "add"]);
}

#[test]
fn a_normalisation_by_known_statistics_is_made_with_its_convolution() {
    let pass = [Pass::Normalization];
    fn norm<'r>(y: Var<'r>, name: &str) -> Var<'r> {
        let [statistics, affine] = ["statistics", "affine"]
            .map(|part| y.recorder().param(&format!("{name}/{part}"), [2, y.shape().channels()]));
        y.batch_norm_infer(affine, statistics, 1e-5, true).unwrap()
    }
    for kernel in [1, 3] {
        let r = Recorder::new();
        let x = r.input("x", [1, 6, 6, 8]);
        let y = x.conv2d(r.param("w", [kernel, kernel, 8, 12]), Conv2d::default()).unwrap();
        assert_eq!(operators(&r, &[norm(y, "n")], &pass), ["conv2d"]);
        assert_eq!(operators(&r, &[norm(y, "n"), y], &pass), ["conv2d", "batch_norm"]);
        // Its residual comes behind; one before it, or an activation, does not fit.
        let behind = norm(y, "n").add(r.input("r", y.shape())).unwrap();
        assert_eq!(operators(&r, &[behind], &[Pass::Normalization, Pass::Residual]), ["conv2d", "add"]);
        let before = norm(y.add(r.input("r", y.shape())).unwrap(), "n");
        assert_eq!(operators(&r, &[before], &[Pass::Normalization, Pass::Residual]), ["conv2d", "batch_norm"]);
        let odd = x.conv2d(r.param("odd", [kernel, kernel, 8, 6]), Conv2d::default()).unwrap();
        assert_eq!(operators(&r, &[norm(odd, "m")], &pass), ["conv2d", "batch_norm"]);
    }
    let r = Recorder::training();
    let y = r.input("x", [2, 6, 6, 8]).conv2d(r.param("w", [1, 1, 8, 12]), Conv2d::default()).unwrap();
    let own = y.batch_norm_train(None, 1e-5, true).unwrap().y;
    assert!(operators(&r, &[own], &pass).contains(&"batch_norm"));
}

#[test]
fn functions_of_elements_become_one_dispatch() {
    let r = Recorder::new();
    let (x, z) = (r.input("x", [3, 5]), r.input("z", [3, 5]));
    let inner = x.sub(z).unwrap();
    let y = inner.square().unwrap().scale(2.0).unwrap().tanh().unwrap();
    assert_eq!(operators(&r, &[y], &[Pass::Chain]), ["chain"]);
    // What is wanted outside is made once, and the rest from it.
    assert_eq!(operators(&r, &[y, inner], &[Pass::Chain]), ["sub", "chain"]);
    assert_eq!(operators(&r, &[y, inner.sum_all().unwrap()], &[Pass::Chain]), ["sub", "chain", "sum"]);
    // What two chains take is made in both.
    let other = inner.abs().unwrap();
    assert_eq!(operators(&r, &[y, other], &[Pass::Chain]), ["chain", "chain"]);
    // A row and a single number are repeated; a tensor that is computed smaller stays apart.
    let row = r.input("row", [5]).exp().unwrap();
    let factor = r.input("factor", [1]).exp().unwrap().scale(0.5).unwrap();
    let mixed = x.mul(row).unwrap().add(factor).unwrap();
    assert_eq!(operators(&r, &[mixed], &[Pass::Chain]), ["exp", "chain"]);
    // Another shape is the same memory.
    let flat = x.exp().unwrap().reshape([15]).unwrap().log().unwrap();
    assert_eq!(operators(&r, &[flat], &[Pass::Chain]), ["chain"]);
    assert_eq!(operators(&r, &[flat], &[]), ["exp", "log"]);
}

#[test]
fn a_long_chain_is_cut() {
    let r = Recorder::new();
    let mut y = r.input("x", [40]);
    for _ in 0..20 {
        y = y.sin().unwrap();
    }
    let cut = operators(&r, &[y], &[Pass::Chain]);
    assert!((3..=4).contains(&cut.len()), "{cut:?}");
    // And one with many operands.
    let mut sum = r.input("s", [40]);
    for i in 0..12 {
        sum = sum.mul(r.input(&format!("o{i}"), [40])).unwrap();
    }
    let cut = operators(&r, &[sum], &[Pass::Chain]);
    assert!((3..=4).contains(&cut.len()), "{cut:?}");
}

#[test]
fn what_is_computed_twice_is_computed_once() {
    let r = Recorder::new();
    let (x, z) = (r.input("x", [3, 5]), r.input("z", [3, 5]));
    let twice = x
        .add(z)
        .unwrap()
        .square()
        .unwrap()
        .mul(x.add(z).unwrap().reshape([15]).unwrap().abs().unwrap().reshape([3, 5]).unwrap());
    let twice = twice.unwrap();
    assert_eq!(operators(&r, &[twice], &[Pass::Common]), ["add", "square", "abs", "mul"]);
    assert_eq!(operators(&r, &[twice], &[]), ["add", "square", "add", "abs", "mul"]);
    // Attributes count, and so does the order of operands.
    let apart = x.sub(z).unwrap().mul(z.sub(x).unwrap()).unwrap();
    assert_eq!(operators(&r, &[apart], &[Pass::Common]), ["sub", "sub", "mul"]);
    let apart = x.scale(2.0).unwrap().mul(x.scale(3.0).unwrap()).unwrap();
    assert_eq!(operators(&r, &[apart], &[Pass::Common]), ["affine", "affine", "mul"]);
    // An output stays what it is.
    let (first, second) = (x.exp().unwrap(), x.exp().unwrap());
    assert_eq!(operators(&r, &[first, second], &[Pass::Common]), ["exp", "exp"]);
}

#[test]
fn state_that_changes_is_read_before() {
    let r = Recorder::new();
    let (x, w) = (r.input("x", [6]), r.param("w", [6]));
    let before = w.mul(x).unwrap().exp().unwrap();
    let changed = w.assign(before).unwrap();
    let after = changed.mul(x).unwrap().exp().unwrap();
    let all = [Pass::Common, Pass::Residual, Pass::Activation, Pass::Chain];
    assert_eq!(operators(&r, &[after], &all), ["chain", "assign", "mul", "exp"]);
    let positive = w.compare(Comparison::Greater, r.scalar(0.0)).unwrap().mul(w).unwrap();
    assert_eq!(operators(&r, &[positive], &all)[..2], ["chain", "chain"]);
}

/// A program with one pass alone, for a class of adapter.
fn with(r: &Recorder, outputs: &[Var<'_>], pass: Pass, class: AdapterClass) -> Program {
    let outputs: Vec<_> = outputs.iter().map(|v| (String::new(), v.id())).collect();
    let target = Target { class, ..Target::webgpu_defaults() };
    let options = CompileOptions { passes: Passes::none().with(pass), ..Default::default() };
    r.with_graph(|g| compile(g, &outputs, &target, options)).expect("valid")
}

/// How many slabs are copied where pieces lie where they belong. What the pass claims to save must be what is missing.
fn copies(r: &Recorder, outputs: &[Var<'_>]) -> usize {
    operators(r, outputs, &[Pass::Pieces]);
    let program = with(r, outputs, Pass::Pieces, AdapterClass::Software);
    program.steps.iter().filter(|step| program.kernels[step.kernel].shader == "copy/slab.wgsl").count()
}

#[test]
fn what_is_concatenated_is_written_where_it_belongs() {
    let r = Recorder::new();
    let (x, w) = (r.input("x", [1, 4, 4, 8]), r.input("w", [3, 3, 8, 12]));
    let y = || x.conv2d(w, Conv2d { padding: 1, ..Conv2d::default() }).unwrap();
    let e = || x.exp().unwrap();
    let joined = r.concat(&[y(), e()], 3).unwrap();
    assert_eq!(copies(&r, &[joined]), 0);
    let lowered = with(&r, &[joined], Pass::Pieces, AdapterClass::Software);
    let memory: Vec<u64> = lowered.temps.iter().map(|temp| temp.bytes).collect();
    assert_eq!(memory, [joined.ty().bytes()], "{}", lowered.dump());
    let pieces: Vec<_> = lowered.nodes.iter().map(|node| (node.op, node.piece, node.cost.bytes)).collect();
    assert_eq!(pieces[0].1, Some(Piece::new(16, 12, 20, 0)));
    assert_eq!(pieces[1].1, Some(Piece::new(16, 8, 20, 12)));
    assert_eq!(pieces[2], ("concat", None, 0));
    assert!(lowered.dump().contains("[16×8 from 12 by 20]"), "{}", lowered.dump());
    assert!(lowered.excerpt(lowered.nodes[0].id).is_none(), "its memory is another's too");
    // What was given, is wanted besides, or is there twice is copied.
    assert_eq!(copies(&r, &[r.concat(&[y(), x], 3).unwrap()]), 1);
    let (wanted, twice) = (y(), e());
    assert_eq!(copies(&r, &[r.concat(&[wanted, twice, twice], 3).unwrap(), wanted]), 3);
    // Along any axis and under another shape, but by whole vectors.
    let flat = e().reshape([4, 32]).unwrap();
    assert_eq!(copies(&r, &[r.concat(&[flat, e().reshape([4, 32]).unwrap()], 0).unwrap()]), 0);
    let odd = |c: usize| r.input(&format!("odd{c}"), [5, c]).exp().unwrap();
    assert_eq!(copies(&r, &[r.concat(&[odd(4), odd(3), odd(8)], 1).unwrap()]), 3);
    assert_eq!(copies(&r, &[r.concat(&[odd(8), odd(4), odd(3)], 1).unwrap()]), 3);
    assert_eq!(copies(&r, &[r.concat(&[odd(8), odd(4)], 1).unwrap()]), 0);
    // A concatenation in another.
    let inner = r.concat(&[y(), e()], 3).unwrap();
    assert_eq!(copies(&r, &[r.concat(&[inner, y(), x], 3).unwrap()]), 1);
    let inner = r.concat(&[y(), e()], 3).unwrap();
    assert_eq!(copies(&r, &[r.concat(&[inner, y(), x], 3).unwrap(), inner]), 2);
    let across = r.concat(&[odd(8).reshape([5, 2, 4]).unwrap(), odd(4).reshape([5, 1, 4]).unwrap()], 1).unwrap();
    assert_eq!(copies(&r, &[r.concat(&[across.reshape([5, 12]).unwrap(), odd(4)], 1).unwrap()]), 0);
    let deep = r.concat(&[e(), e()], 3).unwrap().reshape([4, 64]).unwrap();
    // Its rows are not those of the outer one's operand.
    assert_eq!(copies(&r, &[r.concat(&[deep, r.input("m", [4, 8]).exp().unwrap()], 1).unwrap()]), 2);
    let kept = CompileOptions { keep_values: true, ..Default::default() };
    assert!(program(&r, &[joined], kept).nodes.iter().all(|node| node.piece.is_none()));
}

#[test]
fn what_waits_long_takes_no_more_memory_before() {
    let r = Recorder::new();
    let (small, large) = (r.input("small", [6, 4]).exp().unwrap(), r.input("large", [6, 12]));
    let mut y = large;
    for _ in 0..40 {
        y = y.sin().unwrap();
    }
    assert_eq!(copies(&r, &[r.concat(&[small, y], 1).unwrap()]), 1);
    let half = r.input("half", [6, 12]).exp().unwrap();
    let mut y = large;
    for _ in 0..40 {
        y = y.sin().unwrap();
    }
    assert_eq!(copies(&r, &[r.concat(&[half, y], 1).unwrap()]), 0);
}

#[test]
fn a_slice_is_read_where_it_lies() {
    let r = Recorder::new();
    let x = r.input("x", [3, 5, 16]);
    let part = |axis, first, len| x.slice(axis, first, len).unwrap();
    assert_eq!(copies(&r, &[part(2, 4, 8).exp().unwrap()]), 0);
    assert_eq!(copies(&r, &[part(2, 4, 8).reshape([120]).unwrap().exp().unwrap()]), 0);
    assert_eq!(copies(&r, &[part(1, 1, 2).sum(&[0]).unwrap()]), 0);
    assert_eq!(copies(&r, &[part(2, 0, 8).mul(part(2, 8, 8)).unwrap()]), 0);
    assert_eq!(copies(&r, &[part(2, 3, 8).exp().unwrap()]), 1, "no whole vectors");
    assert_eq!(copies(&r, &[part(2, 4, 8)]), 1, "an output");
    let w = r.input("w", [8, 64]);
    assert_eq!(copies(&r, &[part(2, 4, 8).matmul(w).unwrap()]), 1, "read again and again");
    // Of what is computed, unless it would be kept for a small part of it.
    let y = x.exp().unwrap();
    assert_eq!(copies(&r, &[y.slice(2, 4, 4).unwrap().exp().unwrap(), y]), 0);
    assert_eq!(copies(&r, &[y.slice(2, 4, 4).unwrap().exp().unwrap()]), 0);
    let later = |len| {
        let part = y.slice(2, 4, len).unwrap();
        let mut z = r.input(&format!("z{len}"), [3, 5, len]);
        for _ in 0..40 {
            z = z.sin().unwrap();
        }
        z.mul(part).unwrap()
    };
    assert_eq!(copies(&r, &[later(4)]), 1);
    assert_eq!(copies(&r, &[later(8)]), 0);
    // From one into another.
    let moved = r.concat(&[part(2, 4, 8), part(2, 0, 4).exp().unwrap()], 2).unwrap();
    assert_eq!(copies(&r, &[moved]), 1);
    // Of state, before it changes alone.
    let state = r.param("state", [8]);
    let before = state.slice(0, 4, 4).unwrap();
    let early = before.exp().unwrap();
    let changed = state.assign(state.scale(2.0).unwrap()).unwrap();
    assert_eq!(copies(&r, &[early, changed]), 0);
    assert_eq!(copies(&r, &[early, before.mul(changed.slice(0, 0, 4).unwrap()).unwrap()]), 2);
}

#[test]
fn a_function_of_elements_writes_over_what_nothing_needs() {
    let r = Recorder::new();
    let (x, z) = (r.input("x", [5, 8]), r.input("z", [5, 8]));
    let over = |outputs: &[Var<'_>]| {
        let program = with(&r, outputs, Pass::Over, AdapterClass::Hardware);
        let temps: std::collections::HashSet<BufferRef> = program
            .steps
            .iter()
            .flat_map(|step| &step.buffers)
            .copied()
            .filter(|b| matches!(b, BufferRef::Temp(_)))
            .collect();
        let over = |step: &crate::exec::Step| program.kernels[step.kernel].bindings.iter().any(|binding| binding.over);
        let sites = program.steps.iter().filter(|step| over(step)).count();
        assert_eq!(program.savings[0].sites, sites, "{}", program.dump());
        (sites, temps.len())
    };
    assert_eq!(over(&[x.exp().unwrap()]), (0, 1), "an input is given");
    assert_eq!(over(&[x.exp().unwrap().log().unwrap().sin().unwrap()]), (2, 1));
    assert_eq!(over(&[x.exp().unwrap().reshape([40]).unwrap().log().unwrap()]), (1, 1));
    let e = || x.exp().unwrap();
    assert_eq!(over(&[e().mul(z.sin().unwrap()).unwrap()]), (1, 2));
    let twice = e();
    assert_eq!(over(&[twice.mul(twice).unwrap()]), (1, 1));
    let later = e();
    assert_eq!(over(&[later.log().unwrap().add(later).unwrap()]), (1, 2), "the first still needs it");
    assert_eq!(over(&[later.log().unwrap(), later]), (0, 2), "an output");
    let row = r.input("row", [8]).exp().unwrap();
    assert_eq!(over(&[z.mul(row).unwrap()]), (0, 2), "a row is read again and again");
    assert_eq!(over(&[e().mul(row).unwrap()]), (1, 2));
    let both = e();
    assert_eq!(over(&[both.mul(both.slice(0, 0, 1).unwrap()).unwrap()]), (1, 2));
    let program = with(&r, &[e().log().unwrap()], Pass::Over, AdapterClass::Hardware);
    assert!(program.dump().contains("y*=slot0") && program.dump().contains("x:-"), "{}", program.dump());
    assert!(program.excerpt(program.nodes[1].id).is_none() && program.excerpt(program.nodes[0].id).is_some());
    let software = with(&r, &[e().log().unwrap()], Pass::Over, AdapterClass::Software);
    assert_eq!(software.savings[0].sites, 0);
    let changed = r.param("w", [5, 8]);
    let after = changed.assign(e()).unwrap().exp().unwrap();
    assert_eq!(over(&[after.log().unwrap()]).0, 0, "behind a change of state");
}

#[test]
fn passes_are_chosen_by_name() {
    assert!(Pass::ALL.iter().all(|&pass| Pass::named(pass.name()) == Some(pass) && Passes::all().has(pass)));
    assert_eq!(Pass::named("none"), None);
    let but = Passes::all().without(Pass::Chain);
    assert!(!but.has(Pass::Chain) && but.has(Pass::Common) && but.with(Pass::Chain) == Passes::all());
    let r = Recorder::new();
    let y = r.input("x", [4]).exp().unwrap().log().unwrap();
    let program = program(&r, &[y], CompileOptions { passes: Passes::none().with(Pass::Chain), ..Default::default() });
    assert!(program.dump().contains("pass chain         1 sites, −1 dispatches, −0.00 MiB"), "{}", program.dump());
}
