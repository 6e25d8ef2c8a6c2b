//! Sums, means and norms over axes, in a fixed order and in chunks, so that results repeat bit for bit and rounding grows with
//! the logarithm of the length.

use super::operand::{Operands, Place};
use super::unit::{Unit, by_unit};
use super::{Cost, Operator, Storage, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{BufferRef, Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::{Shape, TensorType};

const SUM: [Shader; 3] = by_unit!("reduce/sum.wgsl");

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

/// The longest run of units of memory one thread adds up where splitting gives other threads work; up to the second where
/// that saves a third dispatch.
const CHUNK: usize = 128;
const LONG_CHUNK: usize = 512;

/// `scale · Σ x` over the axes `first .. last`; they become extents of 1.
#[derive(Debug, Clone)]
struct Sum {
    first: usize,
    last: usize,
    scale: f32,
}

/// `√Σ x²` over the axes `first .. last`; they become extents of 1.
#[derive(Debug, Clone)]
struct Norm {
    first: usize,
    last: usize,
}

/// The type of a reduction over the axes `first .. last`.
pub(super) fn reduced(inputs: &[&TensorType], first: usize, last: usize) -> Result<TensorType, Mismatch> {
    let [x] = operands(inputs)?;
    expect_f32("x", x)?;
    if last > x.shape.rank() {
        return Err(Mismatch::new("axes", format!("axes below {}", x.shape.rank()), last - 1));
    }
    let mut dims = x.shape.dims().to_vec();
    dims[first..last].fill(1);
    Ok(TensorType::f32(dims))
}

/// A shape seen as outer × length × inner around the axes `first .. last`.
pub(super) fn around(shape: &Shape, first: usize, last: usize) -> [usize; 3] {
    let dims = shape.dims();
    [&dims[..first], &dims[first..last], &dims[last..]].map(|part| part.iter().product())
}

/// Axes in ascending order as runs of adjacent ones.
pub(super) fn runs(axes: &[usize]) -> Vec<(usize, usize)> {
    let mut axes = axes.to_vec();
    axes.sort_unstable();
    axes.dedup();
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for axis in axes {
        match runs.last_mut() {
            Some((_, last)) if *last == axis => *last = last.saturating_add(1),
            _ => runs.push((axis, axis.saturating_add(1))),
        }
    }
    runs
}

/// Emits the sum of the input over the axes, or with `norm` the root of the sum of its squares.
fn lower_sum(lowering: &mut Lowering<'_>, first: usize, last: usize, scale: f32, norm: bool) -> Result<()> {
    let x = lowering.input(0);
    let (extents, output) = (around(&x.ty.shape, first, last), lowering.output());
    stages(lowering, x.buffer, output, extents, scale, norm)
}

/// Emits the sum over the middle axis of `from`, outer × length × inner, into `to`.
pub(super) fn sum_stages(
    lowering: &mut Lowering<'_>,
    from: BufferRef,
    to: BufferRef,
    extents: [usize; 3],
) -> Result<()> {
    stages(lowering, from, to, extents, 1.0, false)
}

fn stages(
    lowering: &mut Lowering<'_>,
    mut from: BufferRef,
    output: BufferRef,
    [outer, mut length, columns]: [usize; 3],
    scale: f32,
    norm: bool,
) -> Result<()> {
    let lanes = lowering.target().lanes();
    let (mut square, mut first) = (norm, true);
    loop {
        let (unit, [units, inner]) = Unit::of_axis(length, columns);
        length = units;
        let run = if (CHUNK * CHUNK..LONG_CHUNK * LONG_CHUNK).contains(&length) { length.isqrt() + 1 } else { CHUNK };
        let end = length <= if first { CHUNK } else { LONG_CHUNK };
        let chunks = if end { 1 } else { length.div_ceil(run) };
        let to = if end { output } else { lowering.scratch(outer * chunks * columns) };
        let chunk = length.div_ceil(chunks);
        let dispatch = lowering.dispatch(&SUM[unit as usize]).define("WG", lanes).bind("x", from).bind("y", to);
        let dispatch = dispatch.define("SQUARE", square).define("ROOT", norm && end);
        let dispatch = dispatch.param("outer", outer).param("length", length).param("inner", inner);
        let dispatch = dispatch.param("chunks", chunks).param("chunk", chunk);
        dispatch.param("scale", if end { scale } else { 1.0 }).threads(outer * chunks * inner)?;
        if end {
            return Ok(());
        }
        (from, length, square, first) = (to, chunks, false, false);
    }
}

impl Operator for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn storage(&self) -> Storage {
        Storage::Wide
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        reduced(inputs, self.first, self.last)
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![call.grad(0, || call.cotangent.scale(self.scale)?.broadcast(call.inputs[0].shape()))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        lower_sum(lowering, self.first, self.last, self.scale, false)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: inputs[0].shape.numel() as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

impl Operator for Norm {
    fn name(&self) -> &'static str {
        "norm"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        reduced(inputs, self.first, self.last)
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        // Of a norm of 0 the subgradient 0.
        Ok(vec![call.grad(0, || call.cotangent.mul(call.inputs[0].ratio(call.output)?))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        lower_sum(lowering, self.first, self.last, 1.0, true)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 2 * inputs[0].shape.numel() as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

impl<'r> Var<'r> {
    /// Sums over `axes`, which stay with extent 1.
    #[track_caller]
    pub fn sum(self, axes: &[usize]) -> Result<Var<'r>> {
        self.sum_scaled(axes, 1.0)
    }

    /// Means over `axes`, which stay with extent 1; an axis named twice counts once.
    #[track_caller]
    pub fn mean(self, axes: &[usize]) -> Result<Var<'r>> {
        let shape = self.shape();
        let dims = shape.dims();
        let extents = (0..dims.len()).filter(|axis| axes.contains(axis)).map(|axis| dims[axis]);
        let count = extents.fold(1, usize::saturating_mul);
        self.sum_scaled(axes, 1.0 / count.max(1) as f32)
    }

    /// The sum of all elements, as a tensor of one.
    #[track_caller]
    pub fn sum_all(self) -> Result<Var<'r>> {
        let n = self.shape().numel();
        self.reshape([n])?.sum_scaled(&[0], 1.0)
    }

    /// Euclidean norms over `axes`, which stay with extent 1. The gradient of a norm of 0 is 0.
    #[track_caller]
    pub fn norm(self, axes: &[usize]) -> Result<Var<'r>> {
        if axes.is_empty() {
            return self.abs();
        }
        let mut x = self;
        for (first, last) in runs(axes).into_iter().rev() {
            x = self.recorder().apply(Norm { first, last }, &[x])?;
        }
        Ok(x)
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
        let mut x = self;
        for (i, (first, last)) in runs(axes).into_iter().rev().enumerate() {
            let scale = if i == 0 { scale } else { 1.0 };
            x = self.recorder().apply(Sum { first, last, scale }, &[x])?;
        }
        Ok(x)
    }

    /// The shape with `axis` removed, which must have extent 1. A scalar stays `[1]`.
    #[track_caller]
    pub fn squeeze(self, axis: usize) -> Result<Var<'r>> {
        let mut dims = self.shape().dims().to_vec();
        if dims.get(axis) != Some(&1) {
            let wrong = Mismatch::new("axis", format!("an axis of extent 1 of {}", self.shape()), axis);
            return self.recorder().expect("squeeze", &[self], Err(wrong));
        }
        if dims.len() > 1 {
            dims.remove(axis);
        }
        self.reshape(Shape::from(dims))
    }
}
