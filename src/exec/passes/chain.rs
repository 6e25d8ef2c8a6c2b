//! Functions of elements that follow each other in one dispatch. A value that two such functions take is made by both, if
//! then it need not be written at all.

use std::collections::{HashMap, HashSet};

use super::draft::Draft;
use crate::exec::target::Target;
use crate::graph::NodeId;
use crate::ops::{Argument, Chain, MAX_OPERANDS, MAX_STEPS, Pointwise, Walk};

/// In how many places a value is made again; one of a single element in more.
const MOST_COPIES: usize = 2;
const MOST_COPIES_OF_ONE: usize = 8;

/// A node as a chain, and the nodes it reads.
struct Expression {
    chain: Chain,
    leaves: Vec<NodeId>,
}

/// Joins chains, and tells how many nodes are no dispatch of their own any more.
pub(super) fn join(draft: &mut Draft, target: &Target) -> usize {
    let nodes = described(draft);
    let mut apart: HashSet<NodeId> = HashSet::new();
    // Operands of a kernel besides its result.
    let most = MAX_OPERANDS.min((target.max_storage_buffers as usize).saturating_sub(1));
    let (inlined, expressions) = loop {
        let inlined: HashSet<NodeId> = inlinable(draft, &nodes).into_iter().filter(|id| !apart.contains(id)).collect();
        let before = apart.len();
        let expressions = express(draft, &nodes, &inlined, most, &mut apart);
        if apart.len() == before {
            break (inlined, expressions);
        }
    };
    for (id, Expression { chain, leaves }) in expressions {
        let fewer = leaves.len() < draft.graph.node(id).inputs.len();
        if !inlined.contains(&id) && (chain.len() > 1 || fewer) {
            draft.replace(id, chain.operator(), leaves);
        }
    }
    inlined.len()
}

/// The functions of elements, in order.
fn described(draft: &Draft) -> Vec<(NodeId, Pointwise)> {
    let describe = |id: NodeId| {
        let node = draft.graph.node(id);
        let op = node.operator().filter(|_| draft.graph.aliased(id).is_none() && draft.is_single(id))?;
        let pointwise = op.pointwise(&draft.types(id), &node.ty).filter(|_| node.ty.shape.numel() > 0)?;
        Some((id, pointwise))
    };
    draft.steady().into_iter().filter_map(describe).collect()
}

/// Those that only few others of them take, each element of them for one of theirs.
fn inlinable(draft: &Draft, nodes: &[(NodeId, Pointwise)]) -> Vec<NodeId> {
    let wanted: HashSet<NodeId> = draft.wanted().into_iter().map(|id| draft.root(id)).collect();
    let described: HashMap<NodeId, &Pointwise> = nodes.iter().map(|(id, pointwise)| (*id, pointwise)).collect();
    // How many take it, and whether all of them can.
    let mut uses: HashMap<NodeId, (usize, bool)> = HashMap::new();
    for &id in &draft.order {
        if draft.graph.aliased(id).is_some() {
            continue;
        }
        match described.get(&id) {
            Some(pointwise) => {
                let mut taken: HashMap<NodeId, bool> = HashMap::new();
                for (i, walk) in &pointwise.arguments {
                    let input = draft.root(draft.graph.node(id).inputs[*i]);
                    let fits = walk.is_whole() || draft.graph.node(input).ty.shape.numel() == 1;
                    *taken.entry(input).or_insert(true) &= fits;
                }
                for (input, fits) in taken {
                    let (count, all) = uses.entry(input).or_insert((0, true));
                    (*count, *all) = (*count + 1, *all && fits);
                }
            }
            None => {
                let inputs = draft.graph.node(id).inputs.iter().map(|&input| draft.root(input));
                inputs.for_each(|input| uses.entry(input).or_insert((0, false)).1 = false);
            }
        }
    }
    let fits = |id: &NodeId| {
        let most = if draft.graph.node(*id).ty.shape.numel() == 1 { MOST_COPIES_OF_ONE } else { MOST_COPIES };
        !wanted.contains(id) && uses.get(id).is_some_and(|&(count, all)| all && count <= most)
    };
    nodes.iter().map(|(id, _)| *id).filter(fits).collect()
}

/// Every node's expression. Where one grows too long, what it took in is put `apart`.
fn express(
    draft: &Draft,
    nodes: &[(NodeId, Pointwise)],
    inlined: &HashSet<NodeId>,
    most_operands: usize,
    apart: &mut HashSet<NodeId>,
) -> HashMap<NodeId, Expression> {
    let mut expressions: HashMap<NodeId, Expression> = HashMap::new();
    for (id, pointwise) in nodes {
        let expression = loop {
            let taken = |root: &NodeId| inlined.contains(root) && !apart.contains(root);
            let (expression, made) = build(draft, *id, pointwise, &expressions, taken);
            let fits = expression.chain.len() <= MAX_STEPS && expression.chain.operands() <= most_operands;
            let size = |root: &&NodeId| (expressions[root].leaves.len(), expressions[root].chain.len(), **root);
            match made.iter().filter(|_| !fits).max_by_key(size) {
                Some(&longest) => apart.insert(longest),
                None => break expression,
            };
        };
        expressions.insert(*id, expression);
    }
    expressions
}

/// A node's expression, and the nodes it takes in.
fn build(
    draft: &Draft,
    id: NodeId,
    pointwise: &Pointwise,
    expressions: &HashMap<NodeId, Expression>,
    taken: impl Fn(&NodeId) -> bool,
) -> (Expression, Vec<NodeId>) {
    let node = draft.graph.node(id);
    let numel = node.ty.shape.numel();
    let mut chain = Chain::default();
    let mut reads = Reads::default();
    let mut made: Vec<(NodeId, Argument)> = Vec::new();
    let mut arguments = Vec::new();
    for (i, walk) in &pointwise.arguments {
        let root = draft.root(node.inputs[*i]);
        let known = made.iter().find(|(known, _)| *known == root).map(|(_, argument)| *argument);
        let argument = match (known, expressions.get(&root).filter(|_| taken(&root))) {
            (Some(argument), _) => argument,
            (None, None) => reads.operand(&mut chain, root, walk.clone()),
            (None, Some(Expression { chain: inner, leaves })) => {
                let walks = inner.walks(numel, draft.graph.node(root).ty.shape.numel() == numel);
                let leaves = leaves.iter().zip(walks);
                let operands: Vec<_> = leaves.map(|(&leaf, walk)| reads.operand(&mut chain, leaf, walk)).collect();
                let argument = chain.inlined(inner, &operands);
                made.push((root, argument));
                argument
            }
        };
        arguments.push(argument);
    }
    chain.step(pointwise, arguments);
    (Expression { chain, leaves: reads.leaves }, made.into_iter().map(|(root, _)| root).collect())
}

/// The operands of a chain under way: each node once for each way it is walked through.
#[derive(Default)]
struct Reads {
    leaves: Vec<NodeId>,
    walks: Vec<Walk>,
}

impl Reads {
    fn operand(&mut self, chain: &mut Chain, leaf: NodeId, walk: Walk) -> Argument {
        let known = self.leaves.iter().zip(&self.walks).position(|(l, w)| (*l, w) == (leaf, &walk));
        match known {
            Some(i) => Argument::Operand(i),
            None => {
                self.leaves.push(leaf);
                self.walks.push(walk.clone());
                chain.operand(walk)
            }
        }
    }
}
