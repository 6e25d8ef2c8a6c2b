//! Matrix products of tensors seen as rows × channels: linear layers, 1×1 convolutions and their gradients; and batches of
//! products of as many pairs of matrices.

use std::sync::Arc;

use super::operand::Epilogue;
use super::product::{Layout, Product, product};
use super::{Cost, Ending, Operator, Storage, VjpCall, expect_f32};
use crate::error::{Mismatch, Result};
use crate::exec::Lowering;
use crate::graph::Var;
use crate::shape::{Shape, TensorType, count};

/// A product with a bias and ReLU if asked (not after [`Layout::TransposedA`]). Operand a is rows × channels whatever its
/// rank; so is b after `TransposedA`, else it has two axes. Where it is `batched`, the last two axes of each operand are a
/// matrix instead, and the axes before them agree.
#[derive(Debug, Clone, Copy)]
struct Matmul {
    layout: Layout,
    batched: bool,
    bias: bool,
    addend: bool,
    relu: bool,
}

impl Matmul {
    /// A product alone.
    fn plain(layout: Layout) -> Self {
        Matmul { layout, batched: false, bias: false, addend: false, relu: false }
    }

    /// A product of each pair of matrices, alone.
    fn batched(layout: Layout) -> Self {
        Matmul { batched: true, ..Matmul::plain(layout) }
    }

    /// The batch, m, n and k.
    fn extents(&self, a: &Shape, b: &Shape) -> Result<[usize; 4], Mismatch> {
        for (operand, shape) in [("a", a), ("b", b)] {
            if shape.dims().contains(&0) {
                return Err(Mismatch::new(operand, "no axis of extent 0", shape));
            }
        }
        let mut batch = 1;
        let (mut a_rows, mut b_rows) = (a.rows(), b.rows());
        if self.batched {
            let [before @ .., of_a, _] = a.dims() else {
                return Err(Mismatch::new("a", "at least 3 axes", a));
            };
            if before.is_empty() {
                return Err(Mismatch::new("a", "at least 3 axes", a));
            }
            match b.dims() {
                [rest @ .., of_b, _] if rest == before => (a_rows, b_rows) = (*of_a, *of_b),
                _ => return Err(Mismatch::new("b", format!("two axes after {}", Shape::from(before)), b)),
            }
            batch = count(before);
        }
        let swap = |layout, (x, y)| if self.layout == layout { (y, x) } else { (x, y) };
        let (m, k) = swap(Layout::TransposedA, (a_rows, a.channels()));
        let (kb, n) = swap(Layout::TransposedB, (b_rows, b.channels()));
        if k != kb {
            return Err(Mismatch::new("b", format!("an inner extent of {k} as in a {a}"), format!("{kb} in {b}")));
        }
        Ok([batch, m, n, k])
    }

    /// The result's type.
    fn result(&self, a: &Shape, b: &Shape) -> Result<TensorType, Mismatch> {
        let [_, m, n, _] = self.extents(a, b)?;
        let transposed_a = self.layout == Layout::TransposedA;
        Ok(TensorType::f32(match (self.batched, transposed_a) {
            (false, false) => a.with_channels(n),
            (false, true) => Shape::from([m, n]),
            (true, _) => Shape::from([&a.dims()[..a.rank() - 2], &[m, n]].concat()),
        }))
    }
}

impl Operator for Matmul {
    fn name(&self) -> &'static str {
        if self.batched { "batch_matmul" } else { "matmul" }
    }

    fn storage(&self) -> Storage {
        // The gradient of a weight sums over all rows.
        if self.layout == Layout::TransposedA && !self.batched { Storage::Wide } else { Storage::LikeFirst }
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let expected = 2 + usize::from(self.bias) + usize::from(self.addend);
        if inputs.len() != expected {
            return Err(Mismatch::new("operands", expected, inputs.len()));
        }
        let (a, b) = (inputs[0], inputs[1]);
        expect_f32("a", a)?;
        expect_f32("b", b)?;
        if !self.batched && self.layout != Layout::TransposedA && b.shape.rank() != 2 {
            return Err(Mismatch::new("b", "2 axes", b));
        }
        let ty = self.result(&a.shape, &b.shape)?;
        let row = TensorType::f32([ty.shape.channels()]);
        if let Some(bias) = inputs.get(2).filter(|t| self.bias && ***t != row) {
            return Err(Mismatch::new("bias", row, bias));
        }
        match inputs.last().filter(|t| self.addend && ***t != ty) {
            Some(addend) => Err(Mismatch::new("addend", ty, addend)),
            None => Ok(ty),
        }
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (a, b, r) = (call.inputs[0], call.inputs[1], call.output.recorder());
        let gy = if self.relu { call.cotangent.relu_mask(call.output)? } else { call.cotangent };
        let product = |layout, a, b| r.apply(Matmul { batched: self.batched, ..Matmul::plain(layout) }, &[a, b]);
        let ga = call.grad(0, || {
            match self.layout {
                Layout::Plain => product(Layout::TransposedB, gy, b),
                Layout::TransposedA => product(Layout::TransposedB, b, gy),
                Layout::TransposedB => product(Layout::Plain, gy, b),
            }?
            .reshape(a.shape())
        })?;
        let gb = call.grad(1, || {
            match self.layout {
                Layout::Plain => product(Layout::TransposedA, a, gy),
                Layout::TransposedA => product(Layout::Plain, a, gy),
                Layout::TransposedB => product(Layout::TransposedA, gy, a),
            }?
            .reshape(b.shape())
        })?;
        let mut grads = vec![ga, gb];
        if self.bias {
            grads.push(call.grad(2, || gy.sum_to(call.inputs[2].shape()))?);
        }
        if self.addend {
            grads.push(call.grad(grads.len(), || Ok(gy))?);
        }
        Ok(grads)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (a, b) = (lowering.input(0), lowering.input(1));
        let bias = self.bias.then(|| lowering.input(2).buffer);
        let addend = self.addend.then(|| lowering.input(lowering.input_count() - 1).buffer);
        let [batch, m, n, k] = self.extents(&a.ty.shape, &b.ty.shape).expect("checked by infer");
        let Matmul { layout, relu, .. } = *self;
        let epilogue = Epilogue { bias, norm: None, addend, relu };
        let (a, b, y) = (a.buffer, b.buffer, lowering.output());
        product(lowering, Product { layout, batch, interleaved: false, m, n, k, a, b, y, epilogue })
    }

    fn with_ending(&self, ending: Ending, _: &[&TensorType]) -> Option<Arc<dyn Operator>> {
        match ending {
            _ if self.layout == Layout::TransposedA => None,
            Ending::Addend if !self.addend && !self.relu => Some(Arc::new(Matmul { addend: true, ..*self })),
            Ending::Relu if !self.relu => Some(Arc::new(Matmul { relu: true, ..*self })),
            _ => None,
        }
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let [batch, m, n, k] = self.extents(&inputs[0].shape, &inputs[1].shape).unwrap_or_default();
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 2 * (batch * m * n * k) as u64, bytes }
    }
}

impl<'r> Var<'r> {
    /// The product with a K×N matrix: every row of K channels becomes a row of N channels.
    #[track_caller]
    pub fn matmul(self, b: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Matmul::plain(Layout::Plain), &[self, b])
    }

    /// The products of as many pairs of matrices: …×M×K and …×K×P to …×M×P, where the axes before the last two agree and
    /// there is at least one. A transposed operand has its last two axes the other way round: this …×K×M, b …×P×K.
    #[track_caller]
    pub fn batch_matmul(self, b: Var<'r>, transpose_a: bool, transpose_b: bool) -> Result<Var<'r>> {
        let (a, layout) = match (transpose_a, transpose_b) {
            (false, false) => (self, Layout::Plain),
            (true, false) => (self, Layout::TransposedA),
            (false, true) => (self, Layout::TransposedB),
            (true, true) => (self.transposed()?, Layout::TransposedB),
        };
        self.recorder().apply(Matmul::batched(layout), &[a, b])
    }

    /// The last two axes the other way round, if there are two.
    #[track_caller]
    fn transposed(self) -> Result<Var<'r>> {
        let mut order: Vec<usize> = (0..self.shape().rank()).collect();
        if let Some(last) = order.len().checked_sub(1).filter(|&last| last > 0) {
            order.swap(last, last - 1);
        }
        self.permute(&order)
    }

    /// `x·W + b` for every row, then ReLU if asked, in one dispatch.
    #[track_caller]
    pub fn linear(self, weight: Var<'r>, bias: Var<'r>, relu: bool) -> Result<Var<'r>> {
        let op = Matmul { bias: true, relu, ..Matmul::plain(Layout::Plain) };
        self.recorder().apply(op, &[self, weight, bias])
    }
}
