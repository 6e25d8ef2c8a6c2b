//! Values that are made again where they are wanted again, instead of being kept until then: less memory for more
//! arithmetic (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"). Only cheap ones, made from what is kept
//! anyway, so that nothing else has to live longer.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::draft::Draft;
use crate::error::Result;
use crate::exec::program::Program;
use crate::graph::{Kind, NodeId};

/// The most operations an element of a cheap value takes.
const CHEAP_FLOPS: u64 = 8;
/// Operands that are at most this part of a value may be kept for it.
const SMALL_PART: u64 = 8;

/// The program of a draft that keeps at most `budget` bytes on the device, with as few values made again as that takes; or
/// an error that names the largest tensors.
pub(in crate::exec) fn within(
    budget: u64,
    draft: &Draft,
    lower: impl Fn(&Draft) -> Result<Program>,
) -> Result<Program> {
    let fits = |program: &Program| program.plan.report(program).total() <= budget;
    let plain = lower(draft)?;
    if fits(&plain) {
        return Ok(plain);
    }
    let candidates = candidates(draft);
    let made = |n: usize| -> Result<Program> { Ok(Program { remade: n, ..lower(&remade(draft, &candidates[..n]))? }) };
    let mut best = made(candidates.len())?;
    if !fits(&best) {
        return Err(best.out_of_memory(Some(budget)));
    }
    // So many do not suffice, and so many do.
    let (mut few, mut many) = (0, candidates.len());
    while few + 1 < many {
        let middle = (few + many) / 2;
        let program = made(middle)?;
        if fits(&program) {
            (best, many) = (program, middle);
        } else {
            few = middle;
        }
    }
    Ok(best)
}

/// When a value is made and used, as places in the order; those of its other shapes are its own.
struct Span {
    uses: Vec<usize>,
}

impl Span {
    /// The longest time between two uses: the last use before it and the first after it.
    fn gap(&self) -> Option<(usize, usize)> {
        self.uses.windows(2).map(|pair| (pair[0], pair[1])).max_by_key(|(from, to)| (to - from, Reverse(*from)))
    }

    fn last(&self) -> usize {
        self.uses.last().copied().unwrap_or(0)
    }
}

/// The spans of all values, by the node that makes them. The first use is the making.
fn spans(draft: &Draft) -> HashMap<NodeId, Span> {
    let mut spans: HashMap<NodeId, Span> = HashMap::new();
    for (place, &id) in draft.order.iter().enumerate() {
        if draft.graph.aliased(id).is_some() {
            continue;
        }
        spans.entry(id).or_insert(Span { uses: Vec::new() }).uses.push(place);
        for input in &draft.graph.node(id).inputs {
            let span = spans.entry(draft.root(*input)).or_insert(Span { uses: Vec::new() });
            if span.uses.last() != Some(&place) {
                span.uses.push(place);
            }
        }
    }
    spans
}

/// The values that can be made again, first those that free the most memory for the longest time.
fn candidates(draft: &Draft) -> Vec<NodeId> {
    let spans = spans(draft);
    let wanted: Vec<NodeId> = draft.wanted().into_iter().map(|id| draft.root(id)).collect();
    let steady = draft.steady();
    let mut found: Vec<(u128, NodeId)> = Vec::new();
    for &id in &steady {
        let node = draft.graph.node(id);
        let Some(op) = node.operator().filter(|_| draft.graph.aliased(id).is_none() && !wanted.contains(&id)) else {
            continue;
        };
        let (types, bytes) = (draft.types(id), node.ty.bytes());
        let cheap = op.cost(&types, &node.ty).flops <= CHEAP_FLOPS.saturating_mul(node.ty.shape.numel() as u64);
        let Some((from, to)) = spans.get(&id).and_then(Span::gap) else { continue };
        // Made right before its only use it is not kept; and behind a change of state its operands may be others.
        let place = spans[&id].uses[0];
        if !cheap || from == place || to >= steady.len() {
            continue;
        }
        let there = |&input: &NodeId| {
            let root = draft.root(input);
            let given = matches!(draft.graph.node(root).kind, Kind::Input(_) | Kind::State(_) | Kind::Constant(_));
            let small = draft.graph.node(root).ty.bytes().saturating_mul(SMALL_PART) <= bytes;
            given || small || wanted.contains(&root) || spans.get(&root).is_some_and(|span| span.last() >= to)
        };
        if node.inputs.iter().all(there) {
            found.push((u128::from(bytes) * (to - from) as u128, id));
        }
    }
    found.sort_by_key(|&(benefit, id)| (Reverse(benefit), id));
    found.into_iter().map(|(_, id)| id).collect()
}

/// The draft with `chosen` of its [`candidates`] made again in the longest time between two of their uses.
fn remade(draft: &Draft, chosen: &[NodeId]) -> Draft {
    let mut draft = draft.clone();
    let mut chosen = chosen.to_vec();
    // What is made from others first: those are then used once more, and made again before that.
    chosen.sort_by_key(|&id| Reverse(id));
    for id in chosen {
        let spans = spans(&draft);
        let Some((_, to)) = spans.get(&id).and_then(Span::gap) else { continue };
        let mut copies = HashMap::from([(id, copy(&mut draft, id))]);
        let mut made = vec![copies[&id]];
        let users: Vec<NodeId> =
            draft.order[to..].iter().copied().filter(|&user| draft.graph.aliased(user).is_none()).collect();
        for user in users {
            for i in 0..draft.graph.node(user).inputs.len() {
                let input = draft.graph.node(user).inputs[i];
                if draft.root(input) == id {
                    let own = shaped(&mut draft, input, &mut copies, &mut made);
                    draft.graph.nodes[user.index()].inputs[i] = own;
                }
            }
        }
        draft.order.splice(to..to, made);
        draft.prune();
    }
    draft
}

/// Another node like `id`.
fn copy(draft: &mut Draft, id: NodeId) -> NodeId {
    let node = draft.graph.node(id).clone();
    draft.graph.nodes.push(node);
    NodeId(draft.graph.nodes.len() as u32 - 1)
}

/// The copy of a value under the shape that `id` gives it.
fn shaped(draft: &mut Draft, id: NodeId, copies: &mut HashMap<NodeId, NodeId>, made: &mut Vec<NodeId>) -> NodeId {
    if let Some(&known) = copies.get(&id) {
        return known;
    }
    let i = draft.graph.aliased(id).expect("another shape of the value");
    let under = draft.graph.node(id).inputs[i];
    let under = shaped(draft, under, copies, made);
    let own = copy(draft, id);
    draft.graph.nodes[own.index()].inputs[i] = under;
    copies.insert(id, own);
    made.push(own);
    own
}
