//! In which order nodes run, and which values of named state must be copied before it changes.
//!
//! The rule: a node's value is what it would be if nothing were ever changed in place. State, also under another shape
//! or detached, has the value from before the run for every reader; the result of a change has the state's value after
//! that change. Several changes of one state happen in the order they were recorded, each to what the one before left.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::node::{Graph, Kind, NodeId};
use crate::shape::TensorType;

/// What a program computes, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The nodes. Whatever neither changes state nor waits for a change comes first, as recorded; changes come last.
    pub order: Vec<NodeId>,
    /// Named state and changes of it whose value is still wanted after the state has changed (again): as soon as they
    /// have it, it is copied for all their readers.
    pub kept: HashSet<NodeId>,
}

/// Where the value of a node lies that is in the memory of named state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// The state's node.
    state: NodeId,
    /// Since when it has this value: the state's node again, or the change that made it.
    since: NodeId,
}

impl Graph {
    /// The nodes that `outputs` depend on, and with `effects` also all that change state and what those depend on, so
    /// that dependencies come first and, where the order can help it, a state's readers before what changes it.
    pub fn schedule(&self, outputs: &[NodeId], effects: bool) -> Schedule {
        let chosen = self.needed(outputs, effects);
        let places = self.places(&chosen);
        let mut late: BTreeSet<NodeId> = BTreeSet::new();
        for &id in &chosen {
            if self.node(id).mutates() || self.node(id).inputs.iter().any(|input| late.contains(input)) {
                late.insert(id);
            }
        }
        let mut order: Vec<NodeId> = chosen.iter().copied().filter(|id| !late.contains(id)).collect();
        order.extend(self.order_late(&late, &places));
        let kept = self.kept(&order, &places, outputs);
        Schedule { order, kept }
    }

    /// The node of the named state that `id` is, or is of another shape, or changes.
    pub(crate) fn state_under(&self, mut id: NodeId) -> Option<NodeId> {
        loop {
            let node = self.node(id);
            let under = match &node.kind {
                Kind::State(_) => return Some(id),
                Kind::Apply(op) => op.mutates().first().copied().or_else(|| self.aliased(id)),
                Kind::Input(_) | Kind::Constant(_) => None,
            };
            id = *node.inputs.get(under?)?;
        }
    }

    /// Which operand the node's value is.
    pub(crate) fn aliased(&self, id: NodeId) -> Option<usize> {
        let node = self.node(id);
        let types: Vec<&TensorType> = node.inputs.iter().map(|&input| &self.node(input).ty).collect();
        node.operator()?.aliases(&types).filter(|&i| i < types.len())
    }

    fn needed(&self, outputs: &[NodeId], effects: bool) -> Vec<NodeId> {
        let all = || (0..self.nodes.len() as u32).map(NodeId);
        let mut needed = vec![false; self.nodes.len()];
        let mut stack: Vec<NodeId> = outputs.to_vec();
        if effects {
            stack.extend(all().filter(|&id| self.node(id).mutates()));
            stack.extend(self.guard);
        }
        while let Some(id) = stack.pop() {
            if !std::mem::replace(&mut needed[id.index()], true) {
                stack.extend(&self.node(id).inputs);
            }
        }
        all().filter(|id| needed[id.index()]).collect()
    }

    fn places(&self, chosen: &[NodeId]) -> HashMap<NodeId, Place> {
        let mut places = HashMap::new();
        for &id in chosen {
            let node = self.node(id);
            let place = match (&node.kind, self.changed(id).next()) {
                (Kind::State(_), _) => Some(Place { state: id, since: id }),
                (_, Some(state)) => Some(Place { state, since: id }),
                _ => self.aliased(id).and_then(|i| places.get(&node.inputs[i]).copied()),
            };
            places.extend(place.map(|place| (id, place)));
        }
        places
    }

    /// The states that a node changes.
    fn changed(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let node = self.node(id);
        let targets = node.operator().map_or(&[][..], |op| op.mutates());
        targets.iter().filter_map(|&i| self.state_under(*node.inputs.get(i)?))
    }

    /// The operands that a node reads and does not change; a change also reads the guard, if that was recorded before it.
    fn read(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let node = self.node(id);
        let targets = node.operator().map_or(&[][..], |op| op.mutates());
        let guard = self.guard.filter(|guard| !targets.is_empty() && *guard < id);
        node.inputs.iter().enumerate().filter(|(i, _)| !targets.contains(i)).map(|(_, &input)| input).chain(guard)
    }

    fn order_late(&self, late: &BTreeSet<NodeId>, places: &HashMap<NodeId, Place>) -> Vec<NodeId> {
        let mut changes: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        for &id in late {
            self.changed(id).for_each(|state| changes.entry(state).or_default().push(id));
        }
        // What must run before a node can, and what should, so that nothing need be copied.
        let mut before: HashMap<NodeId, BTreeSet<NodeId>> = late.iter().map(|&id| (id, BTreeSet::new())).collect();
        let mut after: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        let mut precedes = |first: NodeId, second: NodeId| {
            if first != second && late.contains(&first) && before.entry(second).or_default().insert(first) {
                after.entry(first).or_default().push(second);
            }
        };
        for &id in late {
            self.node(id).inputs.iter().copied().chain(self.read(id)).for_each(|input| precedes(input, id));
            for place in self.read(id).filter_map(|input| places.get(&input)) {
                let next = changes.get(&place.state).and_then(|c| c.iter().find(|&&c| place.since < c));
                next.into_iter().for_each(|&next| precedes(id, next));
            }
        }
        changes.values().flat_map(|chain| chain.windows(2)).for_each(|pair| precedes(pair[0], pair[1]));
        let mut waiting = late.clone();
        let mut ready: BTreeSet<NodeId> = late.iter().copied().filter(|id| before[id].is_empty()).collect();
        let mut order = Vec::new();
        // Where changes wait for each other, the first goes first: what it must come after has run.
        while let Some(id) = ready.pop_first().or_else(|| waiting.first().copied()) {
            waiting.remove(&id);
            order.push(id);
            for next in after.remove(&id).unwrap_or_default() {
                let before = before.entry(next).or_default();
                before.remove(&id);
                if before.is_empty() && waiting.contains(&next) {
                    ready.insert(next);
                }
            }
        }
        order
    }

    fn kept(&self, order: &[NodeId], places: &HashMap<NodeId, Place>, outputs: &[NodeId]) -> HashSet<NodeId> {
        let mut kept = HashSet::new();
        // The last change of each state so far.
        let mut last: HashMap<NodeId, NodeId> = HashMap::new();
        let mut guard = None;
        let mut want = |place: &Place, last: &HashMap<NodeId, NodeId>, changing: &[NodeId]| {
            let holds = last.get(&place.state).copied().unwrap_or(place.state) == place.since;
            if !holds || changing.contains(&place.state) {
                kept.insert(place.since);
            }
        };
        for &id in order {
            let changing: Vec<NodeId> = self.changed(id).collect();
            let read = self.read(id).chain(guard.filter(|_| self.node(id).mutates()));
            read.filter_map(|input| places.get(&input)).for_each(|place| want(place, &last, &changing));
            guard = guard.or(self.guard.filter(|guard| *guard == id));
            last.extend(changing.into_iter().map(|state| (state, id)));
        }
        outputs.iter().filter_map(|output| places.get(output)).for_each(|place| want(place, &last, &[]));
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Init, Recorder, Var};
    use super::*;
    use crate::shape::TensorType;

    fn state<'r>(r: &'r Recorder, name: &str) -> Var<'r> {
        r.buffer(name, TensorType::f32([6]), Init::Constant(1.0))
    }

    fn schedule(r: &Recorder, outputs: &[Var<'_>]) -> Schedule {
        let outputs: Vec<NodeId> = outputs.iter().map(|v| v.id()).collect();
        r.with_graph(|g| g.schedule(&outputs, true))
    }

    #[track_caller]
    fn runs_before(schedule: &Schedule, first: Var<'_>, second: Var<'_>) {
        let at = |v: Var<'_>| schedule.order.iter().position(|&id| id == v.id()).expect("it runs");
        assert!(at(first) < at(second), "{first:?} runs after {second:?}: {:?}", schedule.order);
    }

    #[test]
    fn readers_of_aliases_run_before_the_change() {
        let r = Recorder::training();
        let w = r.param("w", [2, 3]);
        let change = w.assign(r.input("value", [2, 3])).unwrap();
        let alias = w.detach().unwrap().reshape([6]).unwrap();
        let follow = state(&r, "average").follow(alias, 0.5).unwrap();
        let schedule = schedule(&r, &[]);
        runs_before(&schedule, follow, change);
        assert!(schedule.kept.is_empty(), "{:?}", schedule.kept);
    }

    #[test]
    fn changes_of_one_state_keep_their_order_and_what_waits_for_them_runs_between() {
        let r = Recorder::new();
        let (a, b) = (state(&r, "a"), r.input("b", [6]));
        let first = a.assign(b).unwrap();
        let second = a.reshape([2, 3]).unwrap().assign(b.reshape([2, 3]).unwrap()).unwrap();
        let between = first.reshape([3, 2]).unwrap().exp().unwrap();
        let schedule = schedule(&r, &[between]);
        runs_before(&schedule, first, between);
        runs_before(&schedule, between, second);
        assert!(schedule.kept.is_empty(), "{:?}", schedule.kept);
    }

    #[test]
    fn only_what_no_order_can_serve_is_copied() {
        let r = Recorder::new();
        let (a, b, c) = (state(&r, "a"), state(&r, "b"), state(&r, "c"));
        let (to_a, _) = (a.assign(b).unwrap(), b.assign(a).unwrap());
        c.follow(c, 0.5).unwrap();
        let output = to_a.reshape([2, 3]).unwrap();
        let swap = schedule(&r, &[output]);
        // The one that is overwritten first, and the one that would be read while it is written.
        assert_eq!(swap.kept, HashSet::from([a.id(), c.id()]));
        let seen = schedule(&r, &[b.reshape([2, 3]).unwrap()]);
        assert_eq!(seen.kept, HashSet::from([a.id(), b.id(), c.id()]));
    }
}
