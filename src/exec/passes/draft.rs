//! A graph on its way to a program: what is computed, by which operators and in which order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::graph::{Graph, Kind, NodeId, Schedule};
use crate::ops::Operator;
use crate::shape::{DType, TensorType};

/// What passes rewrite. Nodes keep their ids.
#[derive(Clone)]
pub(in crate::exec) struct Draft {
    /// Its nodes may compute other things, from other operands, than when they were recorded; their values are the same.
    pub(in crate::exec) graph: Graph,
    /// The nodes that are computed.
    pub(in crate::exec) order: Vec<NodeId>,
    /// State that is copied, see [`Schedule::kept`].
    pub(in crate::exec) kept: HashSet<NodeId>,
    outputs: Vec<NodeId>,
}

impl Draft {
    pub(in crate::exec) fn new(graph: &Graph, outputs: &[NodeId], effects: bool) -> Draft {
        let Schedule { order, kept } = graph.schedule(outputs, effects);
        Draft { graph: graph.clone(), order, kept, outputs: outputs.to_vec() }
    }

    /// The nodes before the first that changes state. Behind it, what is computed later than recorded may find other
    /// values.
    pub(super) fn steady(&self) -> Vec<NodeId> {
        self.order.iter().copied().take_while(|&id| !self.graph.node(id).mutates()).collect()
    }

    /// The nodes whose values are wanted by more than other nodes.
    pub(super) fn wanted(&self) -> HashSet<NodeId> {
        self.outputs.iter().chain(&self.graph.guard).chain(&self.kept).copied().collect()
    }

    /// How often each value is used, by nodes and as an output.
    pub(super) fn uses(&self) -> HashMap<NodeId, usize> {
        let mut uses: HashMap<NodeId, usize> = HashMap::new();
        let inputs = self.order.iter().flat_map(|&id| &self.graph.node(id).inputs);
        for &id in inputs.chain(&self.outputs).chain(&self.graph.guard) {
            *uses.entry(id).or_default() += 1;
        }
        uses
    }

    /// When each node is computed.
    pub(super) fn places(&self) -> HashMap<NodeId, usize> {
        self.order.iter().enumerate().map(|(place, &id)| (id, place)).collect()
    }

    /// The nodes that use each value, by the node whose memory it is in; its other shapes are not among them.
    pub(super) fn users(&self) -> HashMap<NodeId, Vec<NodeId>> {
        let mut users: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        for &id in self.order.iter().filter(|&&id| self.graph.aliased(id).is_none()) {
            for &input in &self.graph.node(id).inputs {
                users.entry(self.root(input)).or_default().push(id);
            }
        }
        users
    }

    /// The node whose memory a node's value is in, where it is but another shape of that.
    pub(super) fn root(&self, mut id: NodeId) -> NodeId {
        while let Some(i) = self.graph.aliased(id) {
            id = self.graph.node(id).inputs[i];
        }
        id
    }

    /// The types of a node's operands.
    pub(super) fn types(&self, id: NodeId) -> Vec<&TensorType> {
        self.graph.node(id).inputs.iter().map(|&input| &self.graph.node(input).ty).collect()
    }

    /// Whether a node's operands and its value are all f32, so that nothing is rounded when it is written.
    pub(super) fn is_single(&self, id: NodeId) -> bool {
        let node = self.graph.node(id);
        self.types(id).into_iter().chain([&node.ty]).all(|ty| ty.dtype == DType::F32)
    }

    /// Computes a node by another operator from other operands.
    pub(super) fn replace(&mut self, id: NodeId, op: Arc<dyn Operator>, inputs: Vec<NodeId>) {
        let node = &mut self.graph.nodes[id.index()];
        (node.kind, node.inputs) = (Kind::Apply(op), inputs);
    }

    /// Leaves out what nobody wants any more.
    pub(super) fn prune(&mut self) {
        let mut needed: HashSet<NodeId> = self.wanted();
        for &id in self.order.iter().rev() {
            let node = self.graph.node(id);
            if node.mutates() || needed.contains(&id) {
                needed.insert(id);
                needed.extend(&node.inputs);
            }
        }
        self.order.retain(|id| needed.contains(id));
    }

    /// How many nodes take dispatches, and the bytes that they read and write.
    pub(super) fn size(&self) -> (usize, u64) {
        let nodes = self.order.iter().filter(|&&id| self.graph.aliased(id).is_none());
        let bytes = nodes.filter_map(|&id| {
            let op = self.graph.node(id).operator()?;
            Some(op.cost(&self.types(id), &self.graph.node(id).ty).bytes)
        });
        bytes.fold((0, 0u64), |(nodes, sum), bytes| (nodes + 1, sum.saturating_add(bytes)))
    }
}
