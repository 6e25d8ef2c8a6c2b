//! Memory planning: values whose lifetimes do not overlap share memory. A slot is one buffer; values lie at offsets in it,
//! several at a time, unless some step writes one and uses the other: a device tracks usage per buffer.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;

use super::flat::{Flat, PLACE_ALIGNMENT, apart};
use super::program::{BufferRef, Port, Program, Step, Temp};
use crate::rng::Rng;

/// Where each value of a program lies, and how large each slot is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The size of each slot, bytes.
    pub slots: Vec<u64>,
    /// The slot of each value.
    pub slot_of: Vec<usize>,
    /// Where in its slot each value begins: 0 but for values that lie together.
    pub offset_of: Vec<u64>,
}

/// What counts as large when placing from one end to the other: this part of the largest.
const LARGE_PARTS: [u64; 3] = [1, 3, 32];

/// How often an order is changed in search of a better one.
const CLIMBS: usize = 120;

/// Slots grow no further than any device lets buffers be.
const LARGEST_SLOT: u64 = 128 << 20;

/// What needs memory as one, from its first to its last step: a value, or a region of values.
struct Block {
    span: Temp,
    /// The values and where in the block they begin.
    values: Vec<(u32, u64)>,
    /// Values that cannot be in its slot.
    apart: Vec<u32>,
}

#[derive(Default)]
struct Slot {
    bytes: u64,
    /// What is in it, and where.
    blocks: Vec<(Temp, u64)>,
}

/// A place in a slot for a block.
struct Gap {
    /// What the slot must grow by.
    growth: u64,
    /// The room there is.
    room: u64,
    offset: u64,
}

/// What a program keeps on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryReport {
    /// Slots for values inside the run.
    pub slots: u64,
    /// What those values would take without reuse.
    pub without_reuse: u64,
    /// The most that is alive at one step, of values and of regions whose values must lie together: no plan can do with less.
    pub lower_bound: u64,
    /// Inputs.
    pub inputs: u64,
    /// Named state.
    pub states: u64,
    /// Constants.
    pub constants: u64,
}

impl Plan {
    /// The best of a few orders in which blocks can be placed: by size, and from the end of the program back or from its
    /// beginning, what is large before what is small. Where it is not near the bound, it is climbed from there: again and again
    /// some block that makes its slot as large as it is takes an earlier turn, and the order is kept unless it is worse.
    pub fn of(program: &Program) -> Plan {
        let blocks = blocks(program);
        let enough = lower_bound(&blocks) * 21 / 20;
        let mut by_size: Vec<&Block> = blocks.iter().collect();
        by_size.sort_by_key(|block| (Reverse(block.span.bytes), block.span.first, block.values[0]));
        let largest = by_size.first().map_or(0, |block| block.span.bytes);
        let mut best = Placed::of(by_size.clone(), program.temps.len(), false);
        let ways = [true, false].into_iter().flat_map(|back| LARGE_PARTS.map(|part| (back, part)));
        for (back, part) in ways.take_while(|_| !by_size.is_empty()) {
            if best.plan.bytes() <= enough {
                break;
            }
            let turn = |span: &Temp| if back { usize::MAX - span.last } else { span.first };
            let mut order = by_size.clone();
            order.sort_by_key(|block| (block.span.bytes < largest / part, turn(&block.span)));
            let placed = Placed::of(order, program.temps.len(), true);
            if placed.plan.bytes() < best.plan.bytes() {
                best = placed;
            }
        }
        let mut rng = Rng::new(0, 0);
        for _ in 0..CLIMBS {
            if best.plan.bytes() <= enough {
                break;
            }
            let next = best.with_a_top_earlier(&mut rng);
            if next.plan.bytes() <= best.plan.bytes() {
                best = next;
            }
        }
        best.plan
    }

    /// The bytes of all slots.
    fn bytes(&self) -> u64 {
        self.slots.iter().sum()
    }

    /// A slot for every value: nothing is overwritten, so that every value can be looked at after the run.
    pub fn without_reuse(temps: &[Temp]) -> Plan {
        let slots = temps.iter().map(|t| t.bytes).collect();
        Plan { slots, slot_of: (0..temps.len()).collect(), offset_of: vec![0; temps.len()] }
    }

    /// The bytes of every kind of buffer.
    pub fn report(&self, program: &Program) -> MemoryReport {
        MemoryReport {
            slots: self.bytes(),
            without_reuse: program.temps.iter().map(|t| t.bytes).sum(),
            lower_bound: lower_bound(&blocks(program)),
            inputs: program.inputs.iter().map(|p| p.ty.bytes()).sum(),
            states: program.states.iter().map(|s| s.ty.bytes()).sum(),
            constants: program.constants.iter().map(|c| c.bytes().len() as u64).sum(),
        }
    }
}

/// The most that is alive at one step.
fn lower_bound(blocks: &[Block]) -> u64 {
    let end = blocks.iter().map(|block| block.span.last).max().unwrap_or(0);
    let mut begin_and_end = vec![(0u64, 0u64); end + 2];
    for Temp { bytes, first, last } in blocks.iter().map(|block| block.span) {
        begin_and_end[first].0 += bytes;
        begin_and_end[last + 1].1 += bytes;
    }
    let alive = begin_and_end.iter().scan(0, |alive, (begin, end)| {
        *alive = *alive + begin - end;
        Some(*alive)
    });
    alive.max().unwrap_or(0)
}

/// The values that lie by themselves, and the regions.
fn blocks(program: &Program) -> Vec<Block> {
    let temps = &program.temps;
    let mut alone = vec![true; temps.len()];
    let mut blocks = Vec::new();
    let apart = apart(program);
    let mut add = |span: Temp, values: Vec<(u32, u64)>| {
        let others = values.iter().filter_map(|(value, _)| apart.get(&BufferRef::Temp(*value))).flatten();
        let value = |buffer: &BufferRef| if let BufferRef::Temp(t) = buffer { Some(*t) } else { None };
        let apart = others.filter_map(value).collect();
        blocks.push(Block { span, values, apart });
    };
    for region in &program.regions {
        let of = |&(buffer, offset): &(BufferRef, u64)| match buffer {
            BufferRef::Temp(t) => Some((t, offset)),
            _ => None,
        };
        let values: Vec<(u32, u64)> = region.members.iter().filter_map(of).collect();
        let first = values.iter().map(|&(t, _)| temps[t as usize].first).min();
        let last = values.iter().map(|&(t, _)| temps[t as usize].last).max();
        if let Some((first, last)) = first.zip(last) {
            values.iter().for_each(|&(t, _)| alone[t as usize] = false);
            add(Temp { bytes: region.bytes, first, last }, values);
        }
    }
    for (t, &span) in temps.iter().enumerate().filter(|(t, _)| alone[*t]) {
        add(span, vec![(t as u32, 0)]);
    }
    blocks
}

/// Blocks in some order, and the plan that comes of it.
struct Placed<'a> {
    order: Vec<&'a Block>,
    /// Whether slots may grow.
    grow: bool,
    plan: Plan,
    /// For each slot, the turns of the blocks that end where it does.
    tops: Vec<Vec<usize>>,
}

impl<'a> Placed<'a> {
    /// Each block in turn into the smallest gap that is free over its lifetime, in a slot with nothing that must lie apart from
    /// it. Where there is no gap, at the end of the slot that grows least by it, if slots may grow, or in a new one. By falling
    /// size without growth this is what Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net Inference", §5.3,
    /// do in one arena.
    fn of(order: Vec<&'a Block>, values: usize, grow: bool) -> Self {
        let mut slots: Vec<Slot> = Vec::new();
        let mut plan = Plan { slots: Vec::new(), slot_of: vec![usize::MAX; values], offset_of: vec![0; values] };
        let mut ends = Vec::with_capacity(order.len());
        for Block { span, values, apart } in &order {
            let taken: HashSet<usize> = apart.iter().map(|&value| plan.slot_of[value as usize]).collect();
            let free = slots.iter().enumerate().filter(|(s, _)| !taken.contains(s));
            let gaps = free.filter_map(|(s, slot)| {
                let Gap { growth, room, offset } = slot.gap(span)?;
                (growth == 0 || grow).then_some((growth, room, s, offset))
            });
            let (slot, offset) = gaps.min().map_or((slots.len(), 0), |(_, _, s, offset)| (s, offset));
            if slot == slots.len() {
                slots.push(Slot::default());
            }
            slots[slot].bytes = slots[slot].bytes.max(offset + span.bytes);
            slots[slot].blocks.push((*span, offset));
            ends.push((slot, offset + span.bytes));
            for &(value, inside) in values {
                (plan.slot_of[value as usize], plan.offset_of[value as usize]) = (slot, offset + inside);
            }
        }
        plan.slots = slots.iter().map(|slot| slot.bytes).collect();
        let mut tops = vec![Vec::new(); slots.len()];
        for (turn, (slot, _)) in ends.into_iter().enumerate().filter(|(_, (slot, end))| *end == slots[*slot].bytes) {
            tops[slot].push(turn);
        }
        Placed { order, grow, plan, tops }
    }

    /// The same with a block that ends where its slot does at some earlier turn. There must be a block.
    fn with_a_top_earlier(&self, rng: &mut Rng) -> Self {
        let tops = &self.tops[rng.below(self.tops.len())];
        let turn = tops[rng.below(tops.len())];
        let mut order = self.order.clone();
        order[rng.below(turn + 1)..=turn].rotate_right(1);
        Placed::of(order, self.plan.slot_of.len(), self.grow)
    }
}

impl Slot {
    /// Where a block fits best beside those that are alive with it. `None` if the slot would have to grow by all of it.
    fn gap(&self, span: &Temp) -> Option<Gap> {
        let alive = self.blocks.iter().filter(|(b, _)| span.first <= b.last && b.first <= span.last);
        let mut alive: Vec<(u64, u64)> = alive.map(|(b, offset)| (*offset, offset + b.bytes)).collect();
        alive.sort_unstable();
        let mut from = 0;
        let mut best: Option<Gap> = None;
        for (begin, end) in alive {
            let room = begin.saturating_sub(from);
            if room >= span.bytes && best.as_ref().is_none_or(|gap| room < gap.room) {
                best = Some(Gap { growth: 0, room, offset: from });
            }
            from = from.max(end.next_multiple_of(PLACE_ALIGNMENT));
        }
        let room = self.bytes.saturating_sub(from);
        let growth = (from + span.bytes).saturating_sub(self.bytes);
        let last = Gap { growth, room, offset: from };
        match best {
            Some(gap) if growth > 0 || gap.room <= room => Some(gap),
            _ => Some(last).filter(|_| room > 0 && from + span.bytes <= LARGEST_SLOT.max(self.bytes)),
        }
    }
}

/// From which step to which each value is used, given their sizes; what is an output to the end.
pub(super) fn lifetimes(steps: &[Step], flats: &[Flat], outputs: &[Port], bytes: &[u64]) -> Vec<Temp> {
    let mut temps: Vec<Temp> = bytes.iter().map(|&bytes| Temp { bytes, first: usize::MAX, last: 0 }).collect();
    for (i, step) in steps.iter().enumerate() {
        let members = |buffer: &BufferRef| match buffer {
            BufferRef::Flat(f) => flats[*f as usize].members.clone(),
            &buffer => vec![buffer],
        };
        for buffer in step.buffers.iter().flat_map(members) {
            if let BufferRef::Temp(t) = buffer {
                let temp = &mut temps[t as usize];
                temp.first = temp.first.min(i);
                temp.last = temp.last.max(i);
            }
        }
    }
    for port in outputs {
        if let BufferRef::Temp(t) = port.buffer {
            temps[t as usize].last = steps.len();
        }
    }
    for temp in &mut temps {
        temp.first = temp.first.min(temp.last);
    }
    temps
}

impl MemoryReport {
    /// Everything together, bytes.
    pub fn total(&self) -> u64 {
        self.slots + self.inputs + self.states + self.constants
    }
}

impl fmt::Display for MemoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
        write!(
            f,
            "memory {:.2} MiB: slots {:.2} ({:.2} without reuse, lower bound {:.2}), state {:.2}, inputs {:.2}, constants {:.2}",
            mib(self.total()),
            mib(self.slots),
            mib(self.without_reuse),
            mib(self.lower_bound),
            mib(self.states),
            mib(self.inputs),
            mib(self.constants)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that only says how long values live, and which must lie apart.
    fn program(temps: Vec<Temp>, apart: &[(u32, u32)]) -> Program {
        use crate::exec::{Access, CompileOptions, Target, compile};
        let r = crate::Recorder::new();
        let y = r.input("x", [4]).exp().expect("a tensor");
        let outputs = [(String::new(), y.id())];
        let options = CompileOptions { effects: false, ..CompileOptions::default() };
        let program = r.with_graph(|graph| compile(graph, &outputs, &Target::webgpu_defaults(), options));
        let mut program = program.expect("valid");
        let step = program.steps[0].clone();
        let step = |&(read, written): &(u32, u32)| {
            let buffers = program.kernels[step.kernel].bindings.iter().map(|binding| match binding.access {
                Access::Read => BufferRef::Temp(read),
                Access::Write => BufferRef::Temp(written),
            });
            Step { buffers: buffers.collect(), ..step.clone() }
        };
        program.steps = apart.iter().map(step).collect();
        program.temps = temps;
        program
    }

    fn temp(bytes: u64, first: usize, last: usize) -> Temp {
        Temp { bytes, first, last }
    }

    #[test]
    fn a_chain_needs_two_slots() {
        let temps: Vec<Temp> = (0..10).map(|i| temp(100, i, i + 1)).collect();
        let chain: Vec<(u32, u32)> = (0..9).map(|i| (i, i + 1)).collect();
        assert_eq!(Plan::of(&program(temps, &chain)).slots, [100, 100]);
    }

    #[test]
    fn small_values_share_a_large_ones_slot_unless_a_step_forbids_it() {
        let temps = vec![temp(1500, 0, 1), temp(300, 2, 3), temp(300, 2, 3), temp(100, 2, 3)];
        let plan = Plan::of(&program(temps.clone(), &[]));
        assert_eq!((plan.slots, plan.offset_of), (vec![1500], vec![0, 0, 512, 1024]));
        let plan = Plan::of(&program(temps, &[(1, 2)]));
        assert_eq!(plan.slots, [1500, 300]);
        assert_ne!(plan.slot_of[1], plan.slot_of[2]);
    }

    #[test]
    fn overlapping_values_never_share() {
        let mut rng = crate::rng::Rng::new(1, 0);
        let temps: Vec<Temp> = (0..200)
            .map(|_| {
                let first = rng.below(100);
                temp(1 + rng.below(1000) as u64, first, first + rng.below(10))
            })
            .collect();
        let pairs: Vec<(u32, u32)> = (0..100).map(|_| (rng.below(200) as u32, rng.below(200) as u32)).collect();
        let pairs: Vec<(u32, u32)> = pairs.into_iter().filter(|(a, b)| a != b).collect();
        let plan = Plan::of(&program(temps.clone(), &pairs));
        let end = |i: usize| plan.offset_of[i] + temps[i].bytes;
        for (i, a) in temps.iter().enumerate() {
            assert!(plan.slots[plan.slot_of[i]] >= end(i));
            assert!(plan.offset_of[i].is_multiple_of(PLACE_ALIGNMENT));
            for (j, b) in temps.iter().enumerate().skip(i + 1) {
                let alive = a.first <= b.last && b.first <= a.last;
                let memory = plan.offset_of[i] < end(j) && plan.offset_of[j] < end(i);
                let same = plan.slot_of[i] == plan.slot_of[j];
                assert!(!(alive && memory && same), "values {i} and {j} share memory");
            }
        }
        assert!(pairs.iter().all(|&(a, b)| plan.slot_of[a as usize] != plan.slot_of[b as usize]));
        assert!(plan.slots.iter().sum::<u64>() < temps.iter().map(|t| t.bytes).sum::<u64>() / 4);
    }
}
