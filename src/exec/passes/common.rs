//! What is computed twice from the same operands is computed once. Operators say nothing of their equality, so this is for
//! those that are described: functions of elements; and for constants and other shapes of one value.

use std::collections::HashMap;

use super::draft::Draft;
use crate::graph::{Kind, NodeId};

/// Makes one of equal nodes, and tells how many there were too many.
pub(super) fn merge(draft: &mut Draft) -> usize {
    let wanted = draft.wanted();
    let mut constants: Vec<NodeId> = Vec::new();
    let mut known: HashMap<String, NodeId> = HashMap::new();
    // The node that stands for another.
    let mut stands: HashMap<NodeId, NodeId> = HashMap::new();
    let mut sites = 0;
    for id in draft.steady() {
        let inputs: Vec<NodeId> = draft.graph.node(id).inputs.iter().map(|i| *stands.get(i).unwrap_or(i)).collect();
        draft.graph.nodes[id.index()].inputs.clone_from(&inputs);
        let node = draft.graph.node(id);
        let first = match &node.kind {
            Kind::Constant(data) => {
                let is_same =
                    |&&known: &&NodeId| matches!(&draft.graph.node(known).kind, Kind::Constant(d) if d == data);
                let first = constants.iter().find(is_same).copied();
                constants.extend(first.is_none().then_some(id));
                first
            }
            Kind::Apply(op) => {
                let root = draft.root(id);
                let key = match draft.graph.aliased(id) {
                    // State keeps its own names: who reads it under which decides what is copied.
                    Some(_) if matches!(draft.graph.node(root).kind, Kind::State(_)) => None,
                    Some(_) => Some(format!("{root:?} {:?}", node.ty)),
                    None => op
                        .pointwise(&draft.types(id), &node.ty)
                        .map(|pointwise| format!("{pointwise:?} {inputs:?} {:?}", node.ty)),
                };
                match key {
                    // Under the same shape it is the same.
                    Some(_) if root != id && draft.graph.node(root).ty == node.ty => Some(root),
                    Some(key) => Some(*known.entry(key).or_insert(id)).filter(|&first| first != id),
                    None => None,
                }
            }
            Kind::Input(_) | Kind::State(_) => None,
        };
        if let Some(first) = first.filter(|_| !wanted.contains(&id)) {
            stands.insert(id, first);
            sites += usize::from(node.operator().is_some() && draft.graph.aliased(id).is_none());
        }
    }
    // Behind the first change of state operands alone are renamed.
    for &id in &draft.order {
        let inputs = &mut draft.graph.nodes[id.index()].inputs;
        inputs.iter_mut().for_each(|input| *input = *stands.get(input).unwrap_or(input));
    }
    sites
}
