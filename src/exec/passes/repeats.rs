//! Dispatches that would make once more what another has just made.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Pass, Saving};
use crate::exec::kernel::{Access, Kernel};
use crate::exec::program::{BufferRef, Step};

/// How many steps back the first may be. What it made is kept until then: the two gradients of an operator are as near.
const WITHIN: usize = 16;

/// Removes steps that run the same kernel with the same parameters on the same contents as one shortly before; what they made is
/// read from where that one wrote it. Only what lives inside an operator is so shared: nothing in `kept`.
pub(in crate::exec) fn remove(
    steps: &mut Vec<Step>,
    kernels: &[Arc<Kernel>],
    kept: &HashSet<BufferRef>,
    bytes: impl Fn(BufferRef) -> u64,
) -> Saving {
    let mut writers: HashMap<BufferRef, usize> = HashMap::new();
    for step in steps.iter() {
        for buffer in of(step, kernels, Access::Write) {
            *writers.entry(buffer).or_default() += 1;
        }
    }
    let is_inner = |buffer: &BufferRef| {
        matches!(buffer, BufferRef::Temp(_)) && !kept.contains(buffer) && writers.get(buffer) == Some(&1)
    };
    let mut saving = Saving::none(Pass::Repeats);
    let mut instead: HashMap<BufferRef, BufferRef> = HashMap::new();
    let mut left: Vec<Step> = Vec::with_capacity(steps.len());
    for mut step in steps.drain(..) {
        for buffer in &mut step.buffers {
            *buffer = instead.get(buffer).copied().unwrap_or(*buffer);
        }
        let written: Vec<BufferRef> = of(&step, kernels, Access::Write).collect();
        let first = earlier(&left, &step, kernels).filter(|_| written.iter().all(is_inner));
        let first = first.map(|first| of(first, kernels, Access::Write).collect::<Vec<_>>());
        let Some(first) = first.filter(|first| first.iter().all(is_inner)) else {
            left.push(step);
            continue;
        };
        saving.sites += 1;
        saving.dispatches += 1;
        saving.bytes += step.buffers.iter().map(|&buffer| bytes(buffer)).sum::<u64>();
        saving.memory += written.iter().map(|&buffer| bytes(buffer)).sum::<u64>();
        instead.extend(written.into_iter().zip(first));
    }
    *steps = left;
    saving
}

/// What a step reads, or writes.
fn of<'s>(step: &'s Step, kernels: &'s [Arc<Kernel>], access: Access) -> impl Iterator<Item = BufferRef> + 's {
    let bound = kernels[step.kernel].bindings.iter().zip(&step.buffers);
    bound.filter(move |(binding, _)| binding.access == access).map(|(_, &buffer)| buffer)
}

/// A step that did the same, since which nothing wrote what it read.
fn earlier<'s>(left: &'s [Step], step: &Step, kernels: &[Arc<Kernel>]) -> Option<&'s Step> {
    let read: Vec<BufferRef> = of(step, kernels, Access::Read).collect();
    for before in left.iter().rev().take(WITHIN) {
        let same = (before.kernel, before.groups, &before.params) == (step.kernel, step.groups, &step.params);
        if same && of(before, kernels, Access::Read).eq(read.iter().copied()) {
            return Some(before);
        }
        if of(before, kernels, Access::Write).any(|buffer| read.contains(&buffer)) {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::Passes;
    use super::*;
    use crate::exec::{AdapterClass, CompileOptions, Program, Target, compile};
    use crate::ops::Conv2d;
    use crate::{Recorder, Var};

    fn program(r: &Recorder, outputs: &[Var<'_>], target: &Target, passes: Passes) -> Program {
        let outputs: Vec<_> = outputs.iter().map(|v| (String::new(), v.id())).collect();
        let options = CompileOptions { effects: false, passes, ..CompileOptions::default() };
        r.with_graph(|graph| compile(graph, &outputs, target, options)).expect("valid")
    }

    /// Steps of one kernel, what each reads and writes, as they are left.
    fn left(steps: &[(u32, u32)], kept: &[u32]) -> Vec<(u32, u32)> {
        let r = Recorder::new();
        let y = r.input("x", [4]).exp().expect("a tensor");
        let Program { kernels, steps: template, .. } = program(&r, &[y], &Target::webgpu_defaults(), Passes::none());
        let step = |&(read, written): &(u32, u32)| {
            let buffers = kernels[template[0].kernel].bindings.iter().map(|binding| match binding.access {
                Access::Read => BufferRef::Temp(read),
                Access::Write => BufferRef::Temp(written),
            });
            Step { buffers: buffers.collect(), ..template[0].clone() }
        };
        let mut steps: Vec<Step> = steps.iter().map(step).collect();
        let before = steps.len();
        let kept = kept.iter().map(|&t| BufferRef::Temp(t)).collect();
        let saving = remove(&mut steps, &kernels, &kept, |_| 16);
        assert_eq!(before - steps.len(), saving.dispatches);
        assert_eq!((saving.bytes, saving.memory), (32 * saving.sites as u64, 16 * saving.sites as u64));
        let temp = |step: &Step, access| match of(step, &kernels, access).next() {
            Some(BufferRef::Temp(t)) => t,
            other => panic!("{other:?} is no temporary"),
        };
        steps.iter().map(|step| (temp(step, Access::Read), temp(step, Access::Write))).collect()
    }

    #[test]
    fn what_was_just_made_is_read_instead() {
        assert_eq!(left(&[(0, 1), (0, 2), (2, 3)], &[3]), [(0, 1), (1, 3)]);
        assert_eq!(left(&[(0, 1), (0, 2), (0, 3), (3, 4)], &[4]), [(0, 1), (1, 4)], "twice");
        assert_eq!(left(&[(0, 1), (0, 2), (1, 3), (2, 4), (4, 5)], &[5]), [(0, 1), (1, 3), (3, 5)], "and so on");
    }

    #[test]
    fn other_steps_stay() {
        for (steps, kept, why) in [
            (vec![(0, 1), (0, 2), (2, 3)], vec![2, 3], "the second is wanted"),
            (vec![(0, 1), (0, 2), (2, 3)], vec![1, 3], "so is the first"),
            (vec![(0, 1), (9, 0), (0, 2), (2, 3)], vec![3], "what they read has changed"),
            (vec![(0, 1), (9, 1), (0, 2), (2, 3)], vec![3], "the first was written over"),
            (vec![(0, 1), (8, 2), (9, 2), (2, 3)], vec![3], "others write it too"),
        ] {
            assert_eq!(left(&steps, &kept), steps, "{why}");
        }
        let mut far = vec![(0, 1)];
        far.extend((0..WITHIN as u32).map(|i| (100 + i, 200 + i)));
        far.push((0, 2));
        assert_eq!(left(&far, &[]), far, "it would be kept for long");
    }

    #[test]
    fn both_gradients_of_a_convolution_take_the_same_of_its_results() {
        let software =
            Target { class: AdapterClass::Software, images: 16, subgroup: Some(8), ..Target::webgpu_defaults() };
        let r = Recorder::new();
        let (x, w) = (r.input("x", [8, 32, 32, 64]), r.input("w", [3, 3, 64, 64]));
        let y = x.conv2d(w, Conv2d { padding: 1, ..Conv2d::default() }).expect("it fits");
        let gradients = y.pullback(r.input("gy", [8, 32, 32, 64]), &[x, w]).expect("gradients");
        let gradients = [x, w].map(|var| gradients.of(var).expect("its gradient"));
        let passes = Passes::none();
        let plain = program(&r, &gradients, &software, passes);
        let shared = program(&r, &gradients, &software, passes.with(Pass::Repeats));
        assert_eq!(plain.steps.len() - shared.steps.len(), 1, "{}", shared.dump());
        let gradient = |program: &Program, i: usize| program.excerpt(gradients[i].id()).is_some();
        assert!(gradient(&plain, 0) && gradient(&plain, 1), "each alone");
        assert!(gradient(&shared, 0) && !gradient(&shared, 1), "the second reads what the first made");
        assert!(shared.plan.report(&shared).slots <= plain.plan.report(&plain).slots * 5 / 4);
    }
}
