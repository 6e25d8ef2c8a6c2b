//! Programs whose parameters, moments and gradients lie behind each other, without a device: what is joined, where it lies, and
//! what has to stay apart.

use knuckle::exec::{Access, BufferRef, CompileOptions, Passes, Program, Region, Target, compile};
use knuckle::ops::{Adam, Sgd};
use knuckle::{Recorder, Var};

fn lower(r: &Recorder, outputs: &[Var<'_>], target: &Target) -> Program {
    let outputs: Vec<_> = outputs.iter().map(|v| (String::new(), v.id())).collect();
    let options = CompileOptions { effects: true, passes: Passes::none(), ..CompileOptions::default() };
    r.with_graph(|g| compile(g, &outputs, target, options)).expect("valid").flattened(target)
}

fn shaders(program: &Program) -> Vec<&'static str> {
    program.steps.iter().map(|s| program.kernels[s.kernel].shader).filter(|s| s.starts_with("optim/")).collect()
}

/// A loss of three parameters of odd sizes, each with a gradient of its own.
fn three(r: &Recorder) -> Var<'_> {
    let sizes = [("a", vec![3, 5]), ("b", vec![7]), ("c", vec![2, 2, 33])];
    let terms = sizes.map(|(name, shape)| r.param(name, shape).square().unwrap().sum_all().unwrap());
    terms[0].add(terms[1]).unwrap().add(terms[2]).unwrap()
}

#[test]
fn a_step_of_an_optimiser_is_one_dispatch() {
    let r = Recorder::training();
    let loss = three(&r);
    let gradients = loss.backward().unwrap();
    r.step(&Adam::default(), &gradients, r.input("rate", [1])).unwrap();
    r.average_parameters(0.9).unwrap();
    let program = lower(&r, &[loss], &Target::webgpu_defaults());
    assert_eq!(shaders(&program), ["optim/average.wgsl", "optim/adam.wgsl"], "{}", program.dump());
    // What the one costs is what the three would.
    let step = program.steps.iter().find(|s| program.kernels[s.kernel].shader == "optim/adam.wgsl").unwrap();
    assert_eq!(program.node(step.node).unwrap().cost.bytes, 7 * 4 * (15 + 7 + 132));
    // Averages, parameters, two moments; gradients.
    assert_eq!(program.regions.len(), 5);
    for region in &program.regions {
        assert_eq!(region.members.iter().map(|m| m.1).collect::<Vec<_>>(), [0, 256, 512]);
        assert_eq!(region.bytes, 512 + 4 * 132);
    }
}

#[test]
fn what_fits_no_binding_is_not_joined() {
    let target = Target { max_binding_bytes: 1024, ..Target::webgpu_defaults() };
    let r = Recorder::training();
    let loss = three(&r);
    r.step(&Sgd::default(), &loss.backward().unwrap(), r.scalar(0.1)).unwrap();
    // 256, 256 and 768 bytes.
    assert_eq!(shaders(&lower(&r, &[loss], &target)), ["optim/sgd.wgsl"; 2]);
}

#[test]
fn what_is_written_while_another_is_read_lies_elsewhere() {
    let r = Recorder::training();
    let loss = three(&r);
    r.step(&Sgd::default(), &loss.backward().unwrap(), r.scalar(0.1)).unwrap();
    // Reads `a` and writes `b`, so that they cannot be one buffer.
    r.param("b", [7]).assign(r.param("a", [3, 5]).reshape([15]).unwrap().slice(0, 0, 7).unwrap()).unwrap();
    let program = lower(&r, &[loss], &Target::webgpu_defaults());
    let region_of = |name: &str| {
        let state = program.states.iter().position(|s| s.name == name).expect("a state");
        let holds = |r: &Region| r.members.iter().any(|m| m.0 == BufferRef::State(state as u32));
        program.regions.iter().position(holds)
    };
    for step in &program.steps {
        let bindings = &program.kernels[step.kernel].bindings;
        for (i, a) in step.buffers.iter().enumerate().filter(|(i, _)| bindings[*i].access == Access::Write) {
            for (_, b) in step.buffers.iter().enumerate().filter(|(j, _)| *j != i) {
                let home = |buffer: &BufferRef| {
                    let first = match buffer {
                        BufferRef::Flat(f) => program.flats[*f as usize].members[0],
                        other => *other,
                    };
                    program.regions.iter().position(|r| r.members.iter().any(|m| m.0 == first))
                };
                assert!(home(a).is_none() || home(a) != home(b), "{}", program.dump());
            }
        }
    }
    assert!(region_of("a").is_some());
}

#[test]
fn a_gradient_that_two_parameters_share_is_laid_out_once() {
    let r = Recorder::training();
    let (a, b, c) = (r.param("a", [4, 4]), r.param("b", [4, 4]), r.param("c", [8]));
    let loss = a.add(b).unwrap().square().unwrap().sum_all().unwrap();
    let loss = loss.add(c.square().unwrap().sum_all().unwrap()).unwrap();
    r.step(&Sgd::default(), &loss.backward().unwrap(), r.scalar(0.1)).unwrap();
    let program = lower(&r, &[loss], &Target::webgpu_defaults());
    assert_eq!(shaders(&program).len(), 2, "{}", program.dump());
    let mut members: Vec<_> = program.regions.iter().flat_map(|r| &r.members).map(|m| m.0).collect();
    let all = members.len();
    members.sort();
    members.dedup();
    assert_eq!(members.len(), all);
}
