//! Copies that need not be: what is concatenated is written into its piece of the concatenation by the operator that makes it,
//! and a slice is read where it lies. Which of them: lowering leaves a copy where a kernel cannot do with the piece.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::draft::Draft;
use crate::exec::place::Piece;
use crate::graph::NodeId;
use crate::ops::Copies;

/// The kernels at hand read and write vectors of four elements.
const UNIT: usize = 4;
/// For so many nodes an operand may take memory for all of the result before it is concatenated, and a slice all of what it is
/// taken from behind. For longer only where at least half of that is used.
const SOON: usize = 32;
/// The most operations that an operator which reads a slice does for each element it reads or writes: one that takes elements
/// again and again finds them faster in memory of their own.
const CHEAP_FLOPS: u64 = 8;

/// Which values are pieces of others.
#[derive(Debug, Default)]
pub(in crate::exec) struct Pieces {
    /// The concatenation that a value is written into, and where in it.
    pub(in crate::exec) written: HashMap<NodeId, (NodeId, Piece)>,
    /// Where in its operand a slice is read.
    pub(in crate::exec) read: HashMap<NodeId, Piece>,
}

pub(super) fn find(draft: &Draft) -> Pieces {
    let written = written(draft);
    let read = read(draft, &written);
    Pieces { written, read }
}

fn copies(draft: &Draft, id: NodeId) -> Option<Copies> {
    let node = draft.graph.node(id);
    let op = node.operator().filter(|_| draft.graph.aliased(id).is_none() && node.ty.dtype.bytes() == 4)?;
    op.copies(&draft.types(id), &node.ty)
}

/// Operands of concatenations that are computed, and that nothing else wants.
fn written(draft: &Draft) -> HashMap<NodeId, (NodeId, Piece)> {
    let (uses, wanted, places) = (draft.uses(), draft.wanted(), draft.places());
    // The node that makes a value used once, perhaps under another shape.
    let made = |mut id: NodeId| {
        while uses.get(&id) == Some(&1) && !wanted.contains(&id) {
            match draft.graph.aliased(id) {
                Some(i) => id = draft.graph.node(id).inputs[i],
                None => {
                    let node = draft.graph.node(id);
                    return Some(id).filter(|_| node.operator().is_some() && !node.mutates());
                }
            }
        }
        None
    };
    let mut written = HashMap::new();
    for id in draft.steady() {
        let Some(Copies::Together(pieces)) = copies(draft, id) else { continue };
        let operands = draft.graph.node(id).inputs.iter().zip(pieces);
        let fits = |piece: &Piece| piece.numel() > 0 && piece.is_in(UNIT, true);
        let mut operands: Vec<(NodeId, Piece)> = operands
            .filter(|(_, piece)| fits(piece))
            .filter_map(|(&input, piece)| Some((made(input)?, piece)))
            .collect();
        operands.sort_by_key(|(operand, _)| places[operand]);
        let (whole, mut there) = (draft.graph.node(id).ty.shape.numel(), 0);
        for (operand, piece) in operands {
            there += piece.numel();
            if 2 * there >= whole || places[&id] - places[&operand] <= SOON {
                written.insert(operand, (id, piece));
            }
        }
    }
    written
}

/// Slices that only operators use which read them about once, and that keep nothing large in memory for much longer.
fn read(draft: &Draft, written: &HashMap<NodeId, (NodeId, Piece)>) -> HashMap<NodeId, Piece> {
    let (places, steady) = (draft.places(), draft.steady());
    let wanted: HashSet<NodeId> = draft.wanted().into_iter().map(|id| draft.root(id)).collect();
    let mut users = draft.users();
    let cheap = |user: &NodeId| {
        let (node, types) = (draft.graph.node(*user), draft.types(*user));
        let elements = types.iter().map(|ty| ty.shape.numel()).sum::<usize>() + node.ty.shape.numel();
        let flops = node.operator().map_or(u64::MAX, |op| op.cost(&types, &node.ty).flops);
        places[user] < steady.len() && flops <= CHEAP_FLOPS.saturating_mul(elements as u64)
    };
    let slice = |id: NodeId| match copies(draft, id)? {
        Copies::OutOf(piece) if piece.is_in(UNIT, false) => Some((id, piece)),
        _ => None,
    };
    let slices = steady.iter().filter_map(|&id| slice(id));
    let alone = |(id, _): &(NodeId, Piece)| !wanted.contains(id) && !written.contains_key(id);
    let mut slices: Vec<(NodeId, Piece)> = slices.filter(alone).collect();
    slices.sort_by_key(|(id, piece)| (Reverse(piece.numel()), *id));
    let mut read = HashMap::new();
    for (id, piece) in slices {
        let of = draft.root(draft.graph.node(id).inputs[0]);
        let Some(own) = users.get(&id).filter(|own| own.iter().all(cheap)).cloned() else { continue };
        let last = |users: &[NodeId]| users.iter().map(|user| places[user]).max();
        let whole = draft.graph.node(of);
        let kept = whole.operator().is_none()
            || 2 * piece.numel() >= whole.ty.shape.numel()
            || last(&own) <= Some(places[&id] + SOON).max(users.get(&of).and_then(|of| last(of)));
        if kept && slice(of).is_none() {
            users.entry(of).or_default().extend(own);
            read.insert(id, piece);
        }
    }
    read
}
