//! Concatenation along an axis.

use super::slab::{Slab, around};
use super::{Copies, Cost, Operator, VjpCall};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Piece};
use crate::graph::{Recorder, Var};
use crate::shape::TensorType;

/// The operands one after the other along `axis`.
#[derive(Debug, Clone, Copy)]
struct Concat {
    axis: usize,
}

impl Operator for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let Some((first, rest)) = inputs.split_first() else {
            return Err(Mismatch::new("operands", "at least one tensor", "none"));
        };
        if self.axis >= first.shape.rank() {
            return Err(Mismatch::new("axis", format!("an axis of {first}"), self.axis));
        }
        let mut dims = first.shape.dims().to_vec();
        for part in rest {
            let mut expected = first.shape.dims().to_vec();
            if part.shape.rank() == expected.len() {
                expected[self.axis] = part.shape.dims()[self.axis];
            }
            if part.dtype != first.dtype || part.shape.dims() != expected {
                let expected = format!("a tensor like {first} but for axis {}", self.axis);
                return Err(Mismatch::new("operand", expected, part));
            }
            dims[self.axis] += part.shape.dims()[self.axis];
        }
        Ok(TensorType { shape: dims.into(), dtype: first.dtype })
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let mut first = 0;
        let mut gradients = Vec::with_capacity(call.inputs.len());
        for (i, part) in call.inputs.iter().enumerate() {
            let len = part.shape().dims()[self.axis];
            // What has no elements is its own gradient.
            gradients
                .push(call.grad(i, || if len == 0 { Ok(*part) } else { call.cotangent.slice(self.axis, first, len) })?);
            first += len;
        }
        Ok(gradients)
    }

    fn copies(&self, inputs: &[&TensorType], output: &TensorType) -> Option<Copies> {
        let (rows, inner) = around(&output.shape, self.axis);
        let stride = output.shape.dims()[self.axis] * inner;
        let mut first = 0;
        let pieces = inputs.iter().map(|x| {
            let width = x.shape.dims()[self.axis] * inner;
            first += width;
            Piece::new(rows, width, stride, first - width)
        });
        Some(Copies::Together(pieces.collect()))
    }

    fn aliases(&self, inputs: &[&TensorType]) -> Option<usize> {
        (inputs.len() == 1).then_some(0)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let y = lowering.output();
        let (rows, inner) = around(&lowering.output_ty().shape, self.axis);
        let y_stride = lowering.output_ty().shape.dims()[self.axis] * inner;
        let mut y_first = 0;
        for i in 0..lowering.input_count() {
            let x = lowering.input(i);
            let width = x.ty.shape.dims()[self.axis] * inner;
            if rows * width > 0 && !lowering.is_in_place(i) {
                let slab =
                    Slab { rows, columns: width, lead: 0, width, x_first: 0, x_stride: width, y_first, y_stride };
                slab.lower(lowering, x.buffer, y)?;
            }
            y_first += width;
        }
        Ok(())
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 0, bytes: if inputs.len() == 1 { 0 } else { 2 * output.bytes() } }
    }
}

impl Recorder {
    /// Tensors one after the other along `axis`; their other extents and their element types must agree.
    #[track_caller]
    pub fn concat<'r>(&'r self, parts: &[Var<'r>], axis: usize) -> Result<Var<'r>> {
        self.apply(Concat { axis }, parts)
    }
}
