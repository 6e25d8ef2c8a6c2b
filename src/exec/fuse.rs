//! Additions folded into the kernel of one of their operands: a residual join or the meeting of two gradients then costs
//! a read instead of a pass over memory.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::graph::{Graph, NodeId};
use crate::ops::Operator;

/// An addition that is computed together with one of its operands.
#[derive(Debug)]
pub(super) struct Fusion {
    /// What is lowered in the addition's place: the operand's operator with one more operand.
    pub(super) op: Arc<dyn Operator>,
    /// The operand that is not computed by itself any more.
    pub(super) absorbed: NodeId,
    /// The addition's other operand.
    pub(super) addend: NodeId,
}

/// The additions of `order` that can be folded, by node. An operand qualifies if its operator offers it and nothing
/// else, neither another node nor a reader of outputs, wants its value.
pub(super) fn additions(graph: &Graph, order: &[NodeId], outputs: &[NodeId]) -> HashMap<NodeId, Fusion> {
    let mut uses: HashMap<NodeId, usize> = HashMap::new();
    let inputs = order.iter().flat_map(|&id| &graph.node(id).inputs);
    for &id in inputs.chain(outputs).chain(&graph.guard) {
        *uses.entry(id).or_default() += 1;
    }
    let mut fusions = HashMap::new();
    let mut taken: HashSet<NodeId> = HashSet::new();
    // Once state changes, what is computed later than recorded may find other values.
    for &id in order.iter().take_while(|&&id| !graph.node(id).mutates()) {
        let node = graph.node(id);
        let &[a, b] = node.inputs.as_slice() else { continue };
        if !node.operator().is_some_and(|op| op.is_sum()) {
            continue;
        }
        // The later one first: what it adds is then ready when it would have run anyway.
        let fusion = [(b.max(a), a.min(b)), (a.min(b), b.max(a))].into_iter().find_map(|(absorbed, addend)| {
            let of = graph.node(absorbed);
            let alone = uses[&absorbed] == 1 && !taken.contains(&absorbed);
            let same = of.ty == node.ty && graph.node(addend).ty == node.ty;
            let op = of.operator().filter(|_| alone && same)?.with_addend()?;
            Some(Fusion { op, absorbed, addend })
        });
        if let Some(fusion) = fusion {
            taken.insert(fusion.absorbed);
            fusions.insert(id, fusion);
        }
    }
    fusions
}

#[cfg(test)]
mod tests {
    use crate::exec::{CompileOptions, Target, compile};
    use crate::ops::Conv2d;
    use crate::{Recorder, Var};

    fn operators<'r>(r: &'r Recorder, outputs: &[Var<'r>], keep_values: bool) -> Vec<&'static str> {
        let outputs: Vec<_> = outputs.iter().map(|v| (String::new(), v.id())).collect();
        let options = CompileOptions { effects: false, keep_values };
        let program = r.with_graph(|g| compile(g, &outputs, &Target::webgpu_defaults(), options));
        program.expect("valid").nodes.iter().map(|n| n.op).collect()
    }

    #[test]
    fn only_values_that_nothing_else_wants_are_folded() {
        let r = Recorder::new();
        let (x, w) = (r.input("x", [1, 4, 4, 8]), r.input("w", [3, 3, 8, 8]));
        let y = x.conv2d(w, Conv2d { padding: 1, ..Conv2d::default() }).unwrap();
        let sum = y.add(x).unwrap();
        assert_eq!(operators(&r, &[sum], false), ["conv2d"]);
        assert_eq!(operators(&r, &[sum], true), ["conv2d", "add"]);
        assert_eq!(operators(&r, &[sum, y], false), ["conv2d", "add"]);
        let also = y.relu().unwrap();
        assert_eq!(operators(&r, &[sum, also], false), ["conv2d", "add", "relu"]);
        let doubled = y.add(y).unwrap();
        assert_eq!(operators(&r, &[doubled], false), ["conv2d", "add"]);
    }
}
