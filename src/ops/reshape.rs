//! The same elements under another shape.

use super::{Cost, Operator, Storage, VjpCall, operands};
use crate::error::{Mismatch, Result};
use crate::exec::Lowering;
use crate::graph::Var;
use crate::shape::{Shape, TensorType};

/// The same elements under another shape; costs nothing.
#[derive(Debug, Clone)]
struct Reshape(Shape);

impl Operator for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn storage(&self) -> Storage {
        Storage::Any
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        if x.shape.numel() != self.0.numel() {
            return Err(Mismatch::new("x", format!("{} elements for {}", self.0.numel(), self.0), x));
        }
        Ok(TensorType { shape: self.0.clone(), dtype: x.dtype })
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![call.grad(0, || call.cotangent.reshape(call.inputs[0].shape()))?])
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
    /// The same elements under another shape.
    #[track_caller]
    pub fn reshape(self, shape: impl Into<Shape>) -> Result<Var<'r>> {
        let shape = shape.into();
        if self.shape() == shape { Ok(self) } else { self.recorder().apply(Reshape(shape), &[self]) }
    }
}
