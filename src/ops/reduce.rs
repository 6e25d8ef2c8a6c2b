//! Sums and means over axes, in a fixed order and in chunks, so that results repeat bit for bit and rounding grows with
//! the logarithm of the length.

use super::operand::{Operands, Place};
use super::{Cost, Operator, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{BufferRef, Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::{Shape, TensorType};

const SUM: Shader = shader!("reduce/sum.wgsl", with "common/index.wgsl");

const COLUMN_SUM: Shader = shader!("reduce/column_sum.wgsl");

/// Emits the sum of the `rows` rows of `from`, each of `columns` elements, into `to`.
pub(super) fn column_sum(
    lowering: &mut Lowering<'_>,
    from: BufferRef,
    to: BufferRef,
    rows: usize,
    columns: usize,
) -> Result<()> {
    let lanes = lowering.target().lanes();
    let dispatch = lowering.dispatch(&COLUMN_SUM).define("WG", lanes);
    let dispatch = dispatch.operand(Place::A, from, rows, columns).result(to, columns);
    let dispatch = dispatch.param("rows", rows).param("columns", columns).param("rows_per_split", rows);
    dispatch.threads(columns.div_ceil(4))
}

/// The longest run of elements one thread adds up where splitting gives other threads work.
const CHUNK: usize = 128;

/// `scale · Σ x` over the axes `first .. last`; they become extents of 1.
#[derive(Debug, Clone)]
struct Sum {
    first: usize,
    last: usize,
    scale: f32,
}

impl Operator for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        expect_f32("x", x)?;
        if self.last > x.shape.rank() {
            return Err(Mismatch::new("axes", format!("axes below {}", x.shape.rank()), self.last - 1));
        }
        let mut dims = x.shape.dims().to_vec();
        dims[self.first..self.last].fill(1);
        Ok(TensorType::f32(dims))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![call.grad(0, || call.cotangent.scale(self.scale)?.broadcast(call.inputs[0].shape()))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let x = lowering.input(0);
        let lanes = lowering.target().lanes();
        let dims = x.ty.shape.dims();
        let outer: usize = dims[..self.first].iter().product();
        let inner: usize = dims[self.last..].iter().product();
        let mut length: usize = dims[self.first..self.last].iter().product();
        let mut from = x.buffer;
        loop {
            let chunks = length.div_ceil(CHUNK).max(1);
            let last = chunks == 1;
            let to = if last { lowering.output() } else { lowering.scratch(outer * chunks * inner) };
            let chunk = length.div_ceil(chunks);
            let dispatch = lowering.dispatch(&SUM).define("WG", lanes).bind("x", from).bind("y", to);
            let dispatch = dispatch.param("outer", outer).param("length", length).param("inner", inner);
            let dispatch = dispatch.param("chunks", chunks).param("chunk", chunk);
            dispatch.param("scale", if last { self.scale } else { 1.0 }).threads(outer * chunks * inner)?;
            if last {
                return Ok(());
            }
            (from, length) = (to, chunks);
        }
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: inputs[0].shape.numel() as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

impl<'r> Var<'r> {
    /// Sums over `axes`, which stay with extent 1.
    #[track_caller]
    pub fn sum(self, axes: &[usize]) -> Result<Var<'r>> {
        self.sum_scaled(axes, 1.0)
    }

    /// Means over `axes`, which stay with extent 1.
    #[track_caller]
    pub fn mean(self, axes: &[usize]) -> Result<Var<'r>> {
        let shape = self.shape();
        let count: usize = axes.iter().filter_map(|&a| shape.dims().get(a)).product();
        self.sum_scaled(axes, 1.0 / count.max(1) as f32)
    }

    /// The sum of all elements, as a tensor of one.
    #[track_caller]
    pub fn sum_all(self) -> Result<Var<'r>> {
        let n = self.shape().numel();
        self.reshape([n])?.sum_scaled(&[0], 1.0)
    }

    /// The mean of all elements, as a tensor of one.
    #[track_caller]
    pub fn mean_all(self) -> Result<Var<'r>> {
        let n = self.shape().numel();
        self.reshape([n])?.sum_scaled(&[0], 1.0 / n.max(1) as f32)
    }

    /// Adjacent axes are summed in one go, the last group first.
    #[track_caller]
    fn sum_scaled(self, axes: &[usize], scale: f32) -> Result<Var<'r>> {
        let mut axes = axes.to_vec();
        axes.sort_unstable();
        axes.dedup();
        let mut groups: Vec<(usize, usize)> = Vec::new();
        for axis in axes {
            match groups.last_mut() {
                Some((_, last)) if *last == axis => *last += 1,
                _ => groups.push((axis, axis + 1)),
            }
        }
        let mut x = self;
        for (i, (first, last)) in groups.into_iter().rev().enumerate() {
            let scale = if i == 0 { scale } else { 1.0 };
            x = self.recorder().apply(Sum { first, last, scale }, &[x])?;
        }
        Ok(x)
    }

    /// The shape with `axis` removed, which must have extent 1.
    #[track_caller]
    pub fn squeeze(self, axis: usize) -> Result<Var<'r>> {
        let mut dims = self.shape().dims().to_vec();
        if axis < dims.len() && dims[axis] == 1 && dims.len() > 1 {
            dims.remove(axis);
        }
        self.reshape(Shape::from(dims))
    }
}
