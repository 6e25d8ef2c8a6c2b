//! Reverse-mode differentiation: walks the tape backwards and lets each operator append its gradient nodes.
//! Knows no operator but addition.

use std::collections::HashMap;

use super::node::{Kind, NodeId};
use super::record::Var;
use crate::error::{Error, Mismatch, Result};
use crate::ops::VjpCall;

/// The gradients that [`Var::backward`] recorded.
#[derive(Debug, Clone)]
pub struct Gradients<'r> {
    loss: Var<'r>,
    by_node: HashMap<NodeId, Var<'r>>,
}

impl<'r> Gradients<'r> {
    /// The gradient of the loss with respect to `var`, if the loss depends on it and it was asked for.
    pub fn of(&self, var: Var<'r>) -> Option<Var<'r>> {
        self.by_node.get(&var.id()).copied()
    }

    /// Puts another gradient in the place of `var`'s.
    pub(crate) fn replace(&mut self, var: Var<'r>, gradient: Var<'r>) {
        self.by_node.insert(var.id(), gradient);
    }

    /// The loss that was differentiated.
    pub fn loss(&self) -> Var<'r> {
        self.loss
    }

    /// Puts another node in the place of the loss: of the same value, but not finite where updates are to be left out.
    pub(crate) fn guard_by(&mut self, loss: Var<'r>) {
        self.loss = loss;
    }
}

impl<'r> Var<'r> {
    /// Appends the gradients of this scalar with respect to every trainable parameter it depends on.
    #[track_caller]
    pub fn backward(self) -> Result<Gradients<'r>> {
        self.backward_to(&[])
    }

    /// As [`Var::backward`], and with respect to the given nodes (inputs, say) too.
    #[track_caller]
    pub fn backward_to(self, extra: &[Var<'r>]) -> Result<Gradients<'r>> {
        let recorder = self.recorder();
        let site = recorder.with_graph(|g| g.node(self.id()).site);
        if self.shape().numel() != 1 {
            let wrong = Mismatch::new("loss", "one element", self.shape());
            return Err(Error::Operand {
                op: "backward".into(),
                operand: wrong.operand.into(),
                expected: wrong.expected,
                got: wrong.got,
                operands: format!("{self:?}"),
                site,
            });
        }
        let parameters = recorder.with_graph(|graph| {
            let trainable = |i: &usize| match graph.nodes[*i].kind {
                Kind::State(s) => graph.states[s.index()].trainable,
                _ => false,
            };
            (0..=self.id().index()).filter(trainable).map(|i| recorder.var(NodeId(i as u32))).collect::<Vec<_>>()
        });
        let seed = recorder.as_gradient_of(site, || recorder.constant(self.shape(), &[1.0]))?;
        self.pull(seed, &[extra, &parameters].concat())
    }

    /// Appends the gradients of `Σ cotangent · self` with respect to the given nodes alone, which may lie inside the
    /// graph: a critic's gradient with respect to what it judges, say. `cotangent` has this shape.
    #[track_caller]
    pub fn pullback(self, cotangent: Var<'r>, to: &[Var<'r>]) -> Result<Gradients<'r>> {
        let fits = Mismatch::unless(self.ty() == cotangent.ty(), "cotangent", self.ty(), cotangent.ty());
        self.recorder().expect("pullback", &[self, cotangent], fits)?;
        self.pull(cotangent, to)
    }

    /// Walks the tape back from here to the `asked` nodes, beginning with the gradient `seed`.
    fn pull(self, seed: Var<'r>, asked: &[Var<'r>]) -> Result<Gradients<'r>> {
        let recorder = self.recorder();
        let wanted = recorder.with_graph(|graph| {
            // A node's gradient is wanted if it is asked for or something it is computed from is.
            let mut wanted = vec![false; self.id().index() + 1];
            for var in asked.iter().filter(|var| std::ptr::eq(var.recorder(), recorder)) {
                if let Some(wanted) = wanted.get_mut(var.id().index()) {
                    *wanted = true;
                }
            }
            for (i, node) in graph.nodes.iter().take(wanted.len()).enumerate() {
                let through = node.operator().is_none_or(|op| op.differentiable());
                wanted[i] |= through && node.inputs.iter().any(|id| wanted[id.index()]);
                wanted[i] &= node.ty.dtype.is_float() && !node.mutates();
            }
            wanted
        });
        let mut by_node: HashMap<NodeId, Var<'r>> = HashMap::new();
        by_node.insert(self.id(), seed);
        for index in (0..wanted.len()).rev() {
            let id = NodeId(index as u32);
            let (Some(&cotangent), true) = (by_node.get(&id), wanted[index]) else { continue };
            let (op, inputs, site) = recorder.with_graph(|graph| {
                let node = graph.node(id);
                (node.operator().cloned(), node.inputs.clone(), node.site)
            });
            let Some(op) = op.filter(|op| op.differentiable()) else { continue };
            let call = VjpCall {
                inputs: inputs.iter().map(|&i| recorder.var(i)).collect(),
                wanted: inputs.iter().map(|i| wanted[i.index()]).collect(),
                output: recorder.var(id),
                cotangent,
            };
            let gradients = recorder.as_gradient_of(site, || op.vjp(&call))?;
            for (slot, (&input, gradient)) in inputs.iter().zip(gradients).enumerate() {
                if !wanted[input.index()] {
                    continue;
                }
                let Some(gradient) = gradient else {
                    let operand = recorder.with_graph(|g| format!("operand {slot} ({})", g.describe(input)));
                    return Err(Error::NotDifferentiable { op: op.name().to_string(), operand, site });
                };
                // As its value is stored.
                let stored = recorder.var(input).ty().dtype;
                let gradient = match gradient.ty().dtype == stored {
                    true => gradient,
                    false => recorder.as_gradient_of(site, || gradient.cast(stored))?,
                };
                let total = match by_node.get(&input) {
                    Some(&sum) => recorder.as_gradient_of(site, || sum.add(gradient))?,
                    None => gradient,
                };
                by_node.insert(input, total);
            }
        }
        Ok(Gradients { loss: self, by_node })
    }
}
