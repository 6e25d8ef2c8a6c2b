//! Small dispatches that only go through their tensors element by element, all with one kernel and the same parameters, run
//! as one over tensors laid out behind each other: an optimiser's step on every parameter, the running statistics of every
//! layer. Parameters, moments and gradients are flat then, and still each is itself, by name, for everyone else.

use std::collections::{HashMap, HashSet};

use super::dispatch::grid;
use super::kernel::{Access, Binding, Kernel};
use super::plan::{Plan, lifetimes};
use super::program::{BufferRef, Program, Step};
use super::target::Target;
use super::texel::LARGEST_IMAGE_BYTES;
use crate::graph::NodeId;

/// Tensors in one buffer begin at multiples of this: what any device can bind or read as an image from there on.
pub const PLACE_ALIGNMENT: u64 = 256;

/// Which bindings of a step are gone through element by element, all at the same index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elementwise {
    /// Their positions among the kernel's bindings.
    pub bindings: Vec<usize>,
    /// Where in the uniform struct the number of array elements is.
    pub count_at: usize,
}

/// Tensors that lie in one buffer, behind each other: all of them named state, or all of them values inside the run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Region {
    /// The tensors and the byte each begins at.
    pub members: Vec<(BufferRef, u64)>,
    /// The bytes from the beginning of the first to the end of the last.
    pub bytes: u64,
}

/// Neighbours in a [`Region`], bound as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flat {
    /// The tensors, in order.
    pub members: Vec<BufferRef>,
    /// The bytes from the beginning of the first to the end of the last.
    pub bytes: u64,
}

impl Program {
    /// The same program with fewer dispatches: those that declared themselves [elementwise](super::Dispatch::elementwise)
    /// joined where nothing between them minds. No value is computed in another way.
    pub fn flattened(mut self, target: &Target) -> Program {
        let limit = match target.images {
            0 => target.max_binding_bytes,
            _ => target.max_binding_bytes.min(LARGEST_IMAGE_BYTES),
        };
        let mut pass = Pass::new(&self, limit);
        self.steps.iter().for_each(|step| pass.step(step));
        pass.close(pass.open.len());
        let Pass { steps, flats, regions, joined, .. } = pass;
        let regions = regions.into_iter().filter(|region| region.members.len() > 1).collect();
        (self.steps, self.flats, self.regions) = (steps, flats, regions);
        self.move_costs(&joined);
        for step in &mut self.steps {
            let flat = step.buffers.iter().find_map(|buffer| match buffer {
                BufferRef::Flat(i) => Some(&self.flats[*i as usize]),
                _ => None,
            });
            if let (Some(flat), Some(at)) = (flat, &step.elementwise) {
                let kernel = &self.kernels[step.kernel];
                let count = flat.bytes / element_bytes(kernel, at).expect("joined steps have elements of one size");
                step.params[at.count_at..][..4].copy_from_slice(&(count as u32).to_ne_bytes());
                step.groups = grid(count as usize, kernel, target).map(|n| n as u32);
            }
        }
        let bytes: Vec<u64> = self.temps.iter().map(|temp| temp.bytes).collect();
        self.temps = lifetimes(&self.steps, &self.flats, &self.outputs, &bytes);
        self.plan = Plan::of(&self);
        self
    }

    /// Counts what nodes cost that have no step left where their steps went: with the second node of each pair.
    fn move_costs(&mut self, joined: &[(NodeId, NodeId)]) {
        let running: HashSet<NodeId> = self.steps.iter().map(|step| step.node).collect();
        let at: HashMap<NodeId, usize> = self.nodes.iter().enumerate().map(|(i, node)| (node.id, i)).collect();
        for (gone, first) in joined.iter().filter(|(gone, _)| !running.contains(gone)) {
            if let (Some(&gone), Some(&first)) = (at.get(gone), at.get(first)) {
                let cost = std::mem::take(&mut self.nodes[gone].cost);
                self.nodes[first].cost = self.nodes[first].cost.plus(cost);
            }
        }
    }
}

/// The size of an array element, if it is the same for all the bindings.
fn element_bytes(kernel: &Kernel, at: &Elementwise) -> Option<u64> {
    let sizes = at.bindings.iter().map(|&i| {
        let binding = &kernel.bindings[i];
        binding.image.map(|texel| texel.bytes()).or(binding.stride.map(u64::from))
    });
    let mut sizes: Vec<Option<u64>> = sizes.collect();
    sizes.dedup();
    if let [size] = sizes[..] { size } else { None }
}

/// For each buffer those that cannot lie in one buffer with it, since some step writes one and uses the other: a device
/// tracks usage per buffer.
pub(super) fn apart(program: &Program) -> HashMap<BufferRef, HashSet<BufferRef>> {
    let mut apart: HashMap<BufferRef, HashSet<BufferRef>> = HashMap::new();
    for step in &program.steps {
        let bindings = &program.kernels[step.kernel].bindings;
        for (i, &written) in step.buffers.iter().enumerate().filter(|(i, _)| bindings[*i].access == Access::Write) {
            for &used in step.buffers.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, used)| used) {
                for &written in program.members(&written) {
                    for &used in program.members(&used) {
                        apart.entry(written).or_default().insert(used);
                        apart.entry(used).or_default().insert(written);
                    }
                }
            }
        }
    }
    apart
}

/// Steps to be joined: of one kernel, equal but for their elementwise tensors.
struct Group<'p> {
    members: Vec<&'p Step>,
    read: HashSet<BufferRef>,
    written: HashSet<BufferRef>,
}

/// The pass over a program's steps.
struct Pass<'p> {
    program: &'p Program,
    limit: u64,
    apart: HashMap<BufferRef, HashSet<BufferRef>>,
    open: Vec<Group<'p>>,
    steps: Vec<Step>,
    flats: Vec<Flat>,
    regions: Vec<Region>,
    /// In which region a buffer is, and as which member.
    places: HashMap<BufferRef, (usize, usize)>,
    /// A node of which a step was joined, and the node of the first step it was joined with.
    joined: Vec<(NodeId, NodeId)>,
}

impl<'p> Pass<'p> {
    fn new(program: &'p Program, limit: u64) -> Self {
        Pass {
            program,
            limit,
            apart: apart(program),
            open: Vec::new(),
            steps: Vec::new(),
            flats: Vec::new(),
            regions: Vec::new(),
            places: HashMap::new(),
            joined: Vec::new(),
        }
    }

    /// Emits `step`, or puts it off to be joined with later ones. Groups that are open will run in their order, so that a step
    /// can join one if it minds none behind it.
    fn step(&mut self, step: &'p Step) {
        let bindings = &self.program.kernels[step.kernel].bindings;
        let used = |access| {
            let of = move |(binding, _): &(&Binding, _)| binding.access == access;
            bindings.iter().zip(&step.buffers).filter(of).map(|(_, &buffer)| buffer)
        };
        let minds = |group: &Group<'_>| {
            let writes = used(Access::Write).any(|b| group.read.contains(&b) || group.written.contains(&b));
            writes || used(Access::Read).any(|b| group.written.contains(&b))
        };
        let minded = self.open.iter().rposition(minds).map_or(0, |last| last + 1);
        if !self.can_join_anything(step) {
            self.close(minded);
            self.steps.push(step.clone());
            return;
        }
        let group = (minded..self.open.len()).find(|&g| self.joins(g, step)).unwrap_or_else(|| {
            self.open.push(Group { members: Vec::new(), read: HashSet::new(), written: HashSet::new() });
            self.open.len() - 1
        });
        self.place(self.open[group].members.last().copied(), step);
        let group = &mut self.open[group];
        group.members.push(step);
        group.read.extend(used(Access::Read));
        group.written.extend(used(Access::Write));
    }

    fn can_join_anything(&self, step: &Step) -> bool {
        let Some(at) = &step.elementwise else { return false };
        let mut bytes = at.bindings.iter().map(|&i| match step.buffers[i] {
            buffer @ (BufferRef::State(_) | BufferRef::Temp(_)) => Some(self.room(buffer)),
            _ => None,
        });
        let first = bytes.next().flatten();
        let same = first.is_some_and(|first| first > 0 && bytes.all(|bytes| bytes == Some(first)));
        same && element_bytes(&self.program.kernels[step.kernel], at).is_some()
    }

    /// What a tensor takes among others.
    fn room(&self, buffer: BufferRef) -> u64 {
        self.program.bytes(buffer).next_multiple_of(PLACE_ALIGNMENT)
    }

    /// Whether a step is the next of group `g`: equal to its last but for the elementwise tensors, which can all follow the
    /// last's.
    fn joins(&self, g: usize, step: &Step) -> bool {
        let last = *self.open[g].members.last().expect("no group is empty");
        let (Some(at), true) = (&step.elementwise, step.kernel == last.kernel && step.elementwise == last.elementwise)
        else {
            return false;
        };
        let shared = (0..step.buffers.len()).filter(|i| !at.bindings.contains(i));
        let rest = |params: &[u8]| [&params[..at.count_at], &params[at.count_at + 4..]].concat();
        shared.into_iter().all(|i| step.buffers[i] == last.buffers[i])
            && rest(&step.params) == rest(&last.params)
            && at.bindings.iter().all(|&i| self.follows(last.buffers[i], step.buffers[i]))
    }

    /// Whether `next` lies behind `last`, or can be laid there.
    fn follows(&self, last: BufferRef, next: BufferRef) -> bool {
        let (region, at) = self.places[&last];
        let members = &self.regions[region].members;
        if let Some(&place) = self.places.get(&next) {
            return place == (region, at + 1);
        }
        let same_kind = matches!(
            (last, next),
            (BufferRef::State(_), BufferRef::State(_)) | (BufferRef::Temp(_), BufferRef::Temp(_))
        );
        let apart = self.apart.get(&next).is_some_and(|apart| members.iter().any(|(m, _)| apart.contains(m)));
        let fits = self.regions[region].bytes.next_multiple_of(PLACE_ALIGNMENT) + self.room(next) <= self.limit;
        at + 1 == members.len() && same_kind && !apart && fits
    }

    /// Lays a step's elementwise tensors behind those of `last`, or each at the beginning of a region of its own.
    fn place(&mut self, last: Option<&Step>, step: &Step) {
        for &i in step.elementwise.iter().flat_map(|at| &at.bindings) {
            let buffer = step.buffers[i];
            if self.places.contains_key(&buffer) {
                continue;
            }
            let region = last.map_or(self.regions.len(), |last| self.places[&last.buffers[i]].0);
            if region == self.regions.len() {
                self.regions.push(Region::default());
            }
            let bytes = self.program.bytes(buffer).next_multiple_of(16);
            let region_at = &mut self.regions[region];
            let offset = region_at.bytes.next_multiple_of(PLACE_ALIGNMENT);
            self.places.insert(buffer, (region, region_at.members.len()));
            region_at.members.push((buffer, offset));
            region_at.bytes = offset + bytes;
        }
    }

    /// Emits the first `n` groups.
    fn close(&mut self, n: usize) {
        let groups: Vec<Group<'_>> = self.open.drain(..n).collect();
        for Group { members, .. } in groups {
            let mut step = members[0].clone();
            self.joined.extend(members[1..].iter().map(|member| (member.node, step.node)));
            if members.len() > 1 {
                for &i in members[0].elementwise.iter().flat_map(|at| &at.bindings) {
                    let tensors: Vec<BufferRef> = members.iter().map(|member| member.buffers[i]).collect();
                    step.buffers[i] = self.flat(tensors);
                }
            }
            self.steps.push(step);
        }
    }

    fn flat(&mut self, members: Vec<BufferRef>) -> BufferRef {
        let known = self.flats.iter().position(|flat| flat.members == members);
        let index = known.unwrap_or_else(|| {
            let begin = |buffer: &BufferRef| {
                let (region, at) = self.places[buffer];
                self.regions[region].members[at].1
            };
            let (first, last) = (&members[0], &members[members.len() - 1]);
            let bytes = begin(last) - begin(first) + self.program.bytes(*last).next_multiple_of(16);
            self.flats.push(Flat { members, bytes });
            self.flats.len() - 1
        });
        BufferRef::Flat(index as u32)
    }
}
