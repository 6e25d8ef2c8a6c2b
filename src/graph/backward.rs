//! Reverse-mode differentiation: walks the tape backwards and lets each operator append its gradient nodes.
//! Knows no operator but addition.

use std::collections::HashMap;

use super::node::{Kind, NodeId};
use super::record::Var;
use crate::error::{Error, Mismatch, Result};
use crate::ops::VjpCall;
use crate::shape::DType;

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

    /// The loss that was differentiated.
    pub fn loss(&self) -> Var<'r> {
        self.loss
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
        let wanted = recorder.with_graph(|graph| {
            // A node's gradient is wanted if it is asked for or something it is computed from is.
            let mut wanted = vec![false; self.id().index() + 1];
            for (i, node) in graph.nodes.iter().take(wanted.len()).enumerate() {
                let asked = match node.kind {
                    Kind::State(s) => graph.states[s.index()].trainable,
                    _ => extra.iter().any(|v| v.id().index() == i),
                };
                let reaches = |slot| node.operator().is_none_or(|op| op.differentiable_in(slot));
                let mut inputs = node.inputs.iter().enumerate();
                wanted[i] = asked || inputs.any(|(slot, id)| wanted[id.index()] && reaches(slot));
                let through = node.operator().is_none_or(|op| op.differentiable());
                wanted[i] &= through && node.ty.dtype == DType::F32 && !node.mutates();
            }
            wanted
        });
        let mut by_node: HashMap<NodeId, Var<'r>> = HashMap::new();
        let seed = recorder.as_gradient_of(site, || recorder.constant(self.shape(), &[1.0]))?;
        by_node.insert(self.id(), seed);
        for index in (0..wanted.len()).rev() {
            let id = NodeId(index as u32);
            let (Some(&cotangent), true) = (by_node.get(&id), wanted[index]) else { continue };
            let (op, inputs, site) = recorder.with_graph(|graph| {
                let node = graph.node(id);
                (node.operator().cloned(), node.inputs.clone(), node.site)
            });
            let Some(op) = op else { continue };
            let call = VjpCall {
                inputs: inputs.iter().map(|&i| recorder.var(i)).collect(),
                wanted: inputs.iter().enumerate().map(|(s, i)| wanted[i.index()] && op.differentiable_in(s)).collect(),
                output: recorder.var(id),
                cotangent,
            };
            let gradients = recorder.as_gradient_of(site, || op.vjp(&call))?;
            for (slot, (&input, gradient)) in inputs.iter().zip(gradients).enumerate() {
                if !call.wanted[slot] {
                    continue;
                }
                let Some(gradient) = gradient else {
                    let operand = recorder.with_graph(|g| format!("operand {slot} ({})", g.describe(input)));
                    return Err(Error::NotDifferentiable { op: op.name().to_string(), operand, site });
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
