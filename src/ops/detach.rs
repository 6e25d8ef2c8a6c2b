//! A value that gradients do not go back from, and the gradients of operators that are given by a formula.

use super::{Cost, Operator, Storage, VjpCall, operands};
use crate::error::{Mismatch, Result};
use crate::exec::Lowering;
use crate::graph::Var;
use crate::shape::TensorType;

/// The operand itself; costs nothing.
#[derive(Debug, Clone, Copy)]
struct Same {
    /// Whether gradients go through.
    differentiable: bool,
}

impl Operator for Same {
    fn name(&self) -> &'static str {
        if self.differentiable { "same" } else { "detach" }
    }

    fn storage(&self) -> Storage {
        Storage::Any
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        Ok(x.clone())
    }

    fn differentiable(&self) -> bool {
        self.differentiable
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![call.grad(0, || Ok(call.cotangent))?])
    }

    fn aliases(&self, _: &[&TensorType]) -> Option<usize> {
        Some(0)
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Result<()> {
        Ok(())
    }

    fn cost(&self, _: &[&TensorType], _: &TensorType) -> Cost {
        Cost::default()
    }
}

impl<'r> Var<'r> {
    /// The same value as a constant: no gradient goes back from it. Costs nothing.
    #[track_caller]
    pub fn detach(self) -> Result<Var<'r>> {
        self.recorder().apply(Same { differentiable: false }, &[self])
    }
}

/// The gradients of an operator whose result is `formula` of its operands, written in operators that have gradients.
pub(super) fn vjp_of_formula<'r>(
    call: &VjpCall<'r>,
    formula: impl FnOnce(&[Var<'r>]) -> Result<Var<'r>>,
) -> Result<Vec<Option<Var<'r>>>> {
    let r = call.cotangent.recorder();
    // Nodes of their own, where the walk back ends, also if two operands are one node.
    let own = call.inputs.iter().map(|&x| r.apply(Same { differentiable: true }, &[x]));
    let own: Vec<Var<'r>> = own.collect::<Result<_>>()?;
    let asked: Vec<Var<'r>> = own.iter().zip(&call.wanted).filter(|(_, wanted)| **wanted).map(|(x, _)| *x).collect();
    let gradients = formula(&own)?.pullback(call.cotangent, &asked)?;
    let gradient = |i: usize| {
        call.grad(i, || match gradients.of(own[i]) {
            Some(gradient) => Ok(gradient),
            None => r.scalar(0.0).broadcast(own[i].shape()),
        })
    };
    (0..own.len()).map(gradient).collect()
}
