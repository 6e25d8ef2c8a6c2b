//! Memory planning: values whose lifetimes do not overlap share a slot. Slots are whole buffers, since a device tracks
//! usage per buffer.

use std::fmt;

use super::program::{Program, Temp};

/// Which slot each value of a program has, and how large each slot is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The size of each slot, bytes.
    pub slots: Vec<u64>,
    /// The slot of each value.
    pub slot_of: Vec<usize>,
}

/// What a program keeps on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryReport {
    /// Slots for values inside the run.
    pub slots: u64,
    /// What those values would take without reuse.
    pub without_reuse: u64,
    /// The most that is alive at one step: no plan can do with less.
    pub lower_bound: u64,
    /// Inputs.
    pub inputs: u64,
    /// Named state.
    pub states: u64,
    /// Constants.
    pub constants: u64,
}

impl Plan {
    /// Greedy by size (Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net Inference", §4.3): the
    /// largest value first, each into the best-fitting slot that is free over its lifetime.
    pub fn greedy_by_size(temps: &[Temp]) -> Plan {
        let mut order: Vec<usize> = (0..temps.len()).collect();
        order.sort_by_key(|&i| (std::cmp::Reverse(temps[i].bytes), temps[i].first, i));
        let mut plan = Plan { slots: Vec::new(), slot_of: vec![0; temps.len()] };
        let mut members: Vec<Vec<usize>> = Vec::new();
        for i in order {
            let free = |slot: &usize| {
                let overlaps = |&j: &usize| temps[i].first <= temps[j].last && temps[j].first <= temps[i].last;
                !members[*slot].iter().any(overlaps)
            };
            let slot = (0..plan.slots.len()).filter(free).min_by_key(|&s| plan.slots[s]).unwrap_or_else(|| {
                plan.slots.push(temps[i].bytes);
                members.push(Vec::new());
                plan.slots.len() - 1
            });
            members[slot].push(i);
            plan.slot_of[i] = slot;
        }
        plan
    }

    /// A slot for every value: nothing is overwritten, so that every value can be looked at after the run.
    pub fn without_reuse(temps: &[Temp]) -> Plan {
        Plan { slots: temps.iter().map(|t| t.bytes).collect(), slot_of: (0..temps.len()).collect() }
    }

    /// The bytes of every kind of buffer.
    pub fn report(&self, program: &Program) -> MemoryReport {
        let temps = &program.temps;
        let alive = |step: usize| temps.iter().filter(|t| t.first <= step && step <= t.last).map(|t| t.bytes).sum();
        MemoryReport {
            slots: self.slots.iter().sum(),
            without_reuse: temps.iter().map(|t| t.bytes).sum(),
            lower_bound: (0..program.steps.len()).map(alive).max().unwrap_or(0),
            inputs: program.inputs.iter().map(|p| p.ty.bytes()).sum(),
            states: program.states.iter().map(|s| s.ty.bytes()).sum(),
            constants: program.constants.iter().map(|c| c.bytes().len() as u64).sum(),
        }
    }
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

    fn temp(bytes: u64, first: usize, last: usize) -> Temp {
        Temp { bytes, first, last }
    }

    #[test]
    fn a_chain_needs_two_slots() {
        let temps: Vec<Temp> = (0..10).map(|i| temp(100, i, i + 1)).collect();
        let plan = Plan::greedy_by_size(&temps);
        assert_eq!(plan.slots, [100, 100]);
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
        let plan = Plan::greedy_by_size(&temps);
        for (i, a) in temps.iter().enumerate() {
            assert!(plan.slots[plan.slot_of[i]] >= a.bytes);
            for (j, b) in temps.iter().enumerate().skip(i + 1) {
                let overlap = a.first <= b.last && b.first <= a.last;
                assert!(!overlap || plan.slot_of[i] != plan.slot_of[j], "values {i} and {j} share a slot");
            }
        }
        assert!(plan.slots.iter().sum::<u64>() < temps.iter().map(|t| t.bytes).sum::<u64>() / 4);
    }
}
