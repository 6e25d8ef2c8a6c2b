//! A run of indices of one axis, and its adjoint, which puts such a run among zeros.

use super::slab::{Slab, around};
use super::{Copies, Cost, Operator, VjpCall, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Piece};
use crate::graph::Var;
use crate::shape::TensorType;

/// Indices `first .. first + len` of `axis`.
#[derive(Debug, Clone, Copy)]
struct Slice {
    axis: usize,
    first: usize,
    len: usize,
}

impl Operator for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        let mut dims = x.shape.dims().to_vec();
        let Some(extent) = dims.get_mut(self.axis) else {
            return Err(Mismatch::new("axis", format!("an axis of {x}"), self.axis));
        };
        if self.len == 0 {
            return Err(Mismatch::new("len", "at least 1", self.len));
        }
        if self.first.checked_add(self.len).is_none_or(|last| last > *extent) {
            let got = format!("{} from {} on", self.len, self.first);
            return Err(Mismatch::new("range", format!("indices below {extent} of axis {}", self.axis), got));
        }
        *extent = self.len;
        Ok(TensorType { shape: dims.into(), dtype: x.dtype })
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let total = call.inputs[0].shape().dims()[self.axis];
        let embed = Embed { axis: self.axis, first: self.first, total };
        Ok(vec![call.grad(0, || call.cotangent.recorder().apply(embed, &[call.cotangent]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y) = (lowering.input(0), lowering.output());
        let (rows, inner) = around(&x.ty.shape, self.axis);
        let x_stride = x.ty.shape.dims()[self.axis] * inner;
        let width = self.len * inner;
        let x_first = self.first * inner;
        let slab = Slab { rows, columns: width, lead: 0, width, x_first, x_stride, y_first: 0, y_stride: width };
        slab.lower(lowering, x.buffer, y)
    }

    fn copies(&self, inputs: &[&TensorType], _: &TensorType) -> Option<Copies> {
        let (rows, inner) = around(&inputs[0].shape, self.axis);
        let stride = inputs[0].shape.dims()[self.axis] * inner;
        Some(Copies::OutOf(Piece::new(rows, self.len * inner, stride, self.first * inner)))
    }

    fn cost(&self, _: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 0, bytes: 2 * output.bytes() }
    }
}

/// The operand from index `first` on of an axis of `total` indices, zero elsewhere.
#[derive(Debug, Clone, Copy)]
struct Embed {
    axis: usize,
    first: usize,
    total: usize,
}

impl Operator for Embed {
    fn name(&self) -> &'static str {
        "embed"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        let mut dims = x.shape.dims().to_vec();
        dims[self.axis] = self.total;
        Ok(TensorType { shape: dims.into(), dtype: x.dtype })
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let len = call.inputs[0].shape().dims()[self.axis];
        Ok(vec![call.grad(0, || call.cotangent.slice(self.axis, self.first, len))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y) = (lowering.input(0), lowering.output());
        let (rows, inner) = around(&x.ty.shape, self.axis);
        let width = x.ty.shape.dims()[self.axis] * inner;
        let columns = self.total * inner;
        let lead = self.first * inner;
        let slab = Slab { rows, columns, lead, width, x_first: 0, x_stride: width, y_first: 0, y_stride: columns };
        slab.lower(lowering, x.buffer, y)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 0, bytes: inputs[0].bytes() + output.bytes() }
    }
}

impl<'r> Var<'r> {
    /// Indices `first .. first + len` of `axis`.
    #[track_caller]
    pub fn slice(self, axis: usize, first: usize, len: usize) -> Result<Var<'r>> {
        self.recorder().apply(Slice { axis, first, len }, &[self])
    }
}
