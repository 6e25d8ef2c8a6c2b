//! One of two tensors, element by element.

use super::chain::{Function, Pointwise};
use super::{Operator, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;

const SELECT: Shader = shader!("pointwise/select.wgsl", with "common/index.wgsl");

/// `a` where the condition is not 0, else `b`; three operands of one shape.
#[derive(Debug, Clone, Copy)]
struct Select;

impl Operator for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [condition, a, b] = operands(inputs)?;
        for (operand, ty) in [("condition", condition), ("a", a), ("b", b)] {
            expect_f32(operand, ty)?;
        }
        for (operand, ty) in [("a", a), ("b", b)] {
            if ty != condition {
                return Err(Mismatch::new(operand, condition, ty));
            }
        }
        Ok(a.clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (condition, gy) = (call.inputs[0], call.cotangent);
        let zero = || gy.recorder().constant(vec![1; gy.shape().rank()], &[0.0])?.broadcast(gy.shape());
        let ga = call.grad(1, || condition.select(gy, zero()?))?;
        let gb = call.grad(2, || condition.select(zero()?, gy))?;
        Ok(vec![None, ga, gb])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [condition, a, b] = [0, 1, 2].map(|i| lowering.input(i).buffer);
        let (y, lanes) = (lowering.output(), lowering.target().lanes());
        let quads = lowering.output_ty().shape.numel().div_ceil(4);
        let dispatch = lowering.dispatch(&SELECT).define("WG", lanes).bind("condition", condition);
        dispatch.bind("a", a).bind("b", b).bind("y", y).param("quads", quads).threads(quads)
    }

    fn pointwise(&self, _: &[&TensorType], output: &TensorType) -> Option<Pointwise> {
        Some(Pointwise::of_whole(Function::Choice, &[0, 1, 2], output.shape.numel()))
    }
}

impl<'r> Var<'r> {
    /// `a` where this condition is not 0, else `b`. Neither is looked at where the other is taken: a NaN there stays
    /// there. All of one shape; no gradient reaches the condition.
    #[track_caller]
    pub fn select(self, a: Var<'r>, b: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Select, &[self.detach()?, a, b])
    }
}
