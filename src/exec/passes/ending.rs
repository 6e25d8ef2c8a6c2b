//! What is done to a value by the operator that makes it, before it writes: a residual join, the meeting of two gradients or
//! an activation then costs at most a read instead of a pass over memory.

use super::draft::Draft;
use crate::graph::NodeId;
use crate::ops::Ending;

/// Absorbs endings of the kind asked for, and tells how many. An operator takes on an ending if it offers to and nothing
/// else, neither another node nor a reader of outputs, wants its value without.
pub(super) fn absorb(draft: &mut Draft, of_kind: impl Fn(Ending) -> bool) -> usize {
    let mut uses = draft.uses();
    let mut sites = 0;
    for id in draft.steady() {
        let node = draft.graph.node(id);
        let Some(ending) = node.operator().and_then(|op| op.ending()).filter(|&ending| of_kind(ending)) else {
            continue;
        };
        // Of a sum the later operand first: what it adds is then ready when it would have run anyway.
        let candidates = match *node.inputs.as_slice() {
            [a, b] if ending == Ending::Addend => vec![(b.max(a), vec![a.min(b)]), (a.min(b), vec![b.max(a)])],
            [a, ref rest @ ..] => vec![(a, rest.to_vec())],
            [] => continue,
        };
        let found = candidates.into_iter().find_map(|(absorbed, others): (NodeId, Vec<NodeId>)| {
            let of = draft.graph.node(absorbed);
            let same = of.ty == node.ty
                && (ending != Ending::Addend || others.iter().all(|&other| draft.graph.node(other).ty == node.ty));
            let alone = uses.get(&absorbed) == Some(&1);
            let op = of.operator().filter(|_| alone && same)?.with_ending(ending, &draft.types(absorbed))?;
            Some((op, absorbed, [of.inputs.clone(), others].concat()))
        });
        if let Some((op, absorbed, inputs)) = found {
            uses.remove(&absorbed);
            draft.replace(id, op, inputs);
            sites += 1;
        }
    }
    sites
}
