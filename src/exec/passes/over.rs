//! Functions of elements that write their result over an operand which nothing needs any more: one buffer less at that moment.

use std::collections::{HashMap, HashSet};

use super::draft::Draft;
use super::pieces::Pieces;
use crate::graph::NodeId;

/// Over which of its operands a node writes.
pub(super) fn find(draft: &Draft, pieces: &Pieces) -> HashMap<NodeId, usize> {
    let places = draft.places();
    // The node whose memory a value is in, all of it or a piece.
    let memory = |id: NodeId| {
        let mut id = draft.root(id);
        while pieces.read.contains_key(&id) {
            id = draft.root(draft.graph.node(id).inputs[0]);
        }
        id
    };
    let wanted: HashSet<NodeId> = draft.wanted().into_iter().map(memory).collect();
    let mut last_use: HashMap<NodeId, usize> = HashMap::new();
    for &id in draft.order.iter().filter(|&&id| draft.graph.aliased(id).is_none()) {
        for &input in &draft.graph.node(id).inputs {
            last_use.insert(memory(input), places[&id]);
        }
    }
    let elsewhere = |id: &NodeId| pieces.read.contains_key(id) || pieces.written.contains_key(id);
    let over = |id: NodeId| {
        let node = draft.graph.node(id);
        let op = node.operator().filter(|_| draft.graph.aliased(id).is_none() && !node.mutates() && !elsewhere(&id))?;
        let able = op.overwritable(&draft.types(id), &node.ty);
        let i = able.iter().copied().find(|&i| {
            let operand = draft.root(node.inputs[i]);
            let of = draft.graph.node(operand);
            let computed = of.operator().is_some() && !of.mutates() && !elsewhere(&operand);
            let same = of.ty.dtype == node.ty.dtype && of.ty.shape.numel() == node.ty.shape.numel();
            let mut other = node.inputs.iter().enumerate().filter(|(j, _)| !able.contains(j));
            computed
                && same
                && node.ty.shape.numel() > 0
                && !wanted.contains(&operand)
                && last_use[&operand] == places[&id]
                && other.all(|(_, &input)| memory(input) != operand)
        });
        Some((id, i?))
    };
    draft.steady().into_iter().filter_map(over).collect()
}
