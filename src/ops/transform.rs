//! Rotations and affine maps at work: on vectors, and one after the other.

use super::vectors::rows;
use super::{Cost, Operator, VjpCall, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;

const APPLY: Shader = shader!("mesh/apply.wgsl", with "common/index.wgsl");
const OUTER_SUM: Shader = shader!("mesh/outer_sum.wgsl", with "common/index.wgsl");
const COMPOSE: Shader = shader!("mesh/compose.wgsl", with "common/index.wgsl");

/// The most vectors whose products one thread adds up.
const CHUNK: usize = 64;

/// 3×`columns` matrices times the vectors that belong to each.
#[derive(Debug, Clone, Copy)]
struct Apply {
    columns: usize,
    transposed: bool,
}

impl Apply {
    /// What the operands are called.
    fn roles(&self) -> (&'static str, &'static str) {
        if self.columns == 3 { ("rotations", "vectors") } else { ("transforms", "points") }
    }
}

impl Operator for Apply {
    fn name(&self) -> &'static str {
        if self.columns == 3 { "rotate" } else { "transform_points" }
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [matrix, x] = operands(inputs)?;
        let (matrices, vectors) = self.roles();
        rows(matrices, matrix, 3 * self.columns)?;
        rows(vectors, x, 3)?;
        let lead = &matrix.shape.dims()[..matrix.shape.rank() - 1];
        if !x.shape.dims()[..x.shape.rank() - 1].starts_with(lead) {
            let expected = format!("first extents as in {matrix}, then any, then 3");
            return Err(Mismatch::new(vectors, expected, x));
        }
        Ok((*x).clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        if self.transposed {
            return Ok(vec![None, None]);
        }
        let (matrix, x, gy, r) = (call.inputs[0], call.inputs[1], call.cotangent, call.output.recorder());
        let matrices = matrix.shape().rows();
        let gm = call.grad(0, || {
            let parts = r.apply(OuterSum { matrices, columns: self.columns }, &[x, gy])?;
            let sum = if parts.shape().dims()[1] == 1 { parts } else { parts.sum(&[1])? };
            sum.reshape(matrix.shape())
        })?;
        let gx = call.grad(1, || r.apply(Apply { transposed: true, ..*self }, &[matrix, gy]))?;
        Ok(vec![gm, gx])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (matrix, x, y, lanes) =
            (lowering.input(0), lowering.input(1), lowering.output(), lowering.target().lanes());
        let total = x.ty.shape.rows();
        let dispatch = lowering.dispatch(&APPLY).define("WG", lanes).define("COLUMNS", self.columns);
        let dispatch = dispatch.define("TRANSPOSED", self.transposed).bind("matrix", matrix.buffer);
        let dispatch = dispatch.bind("x", x.buffer).bind("y", y).param("total", total);
        dispatch.param("vectors", total / matrix.ty.shape.rows()).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 6 * output.shape.numel() as u64, bytes }
    }
}

/// Σ gy·xᵀ over chunks of the vectors of each matrix: matrices × chunks × 3·columns.
#[derive(Debug, Clone, Copy)]
struct OuterSum {
    matrices: usize,
    columns: usize,
}

impl OuterSum {
    /// Vectors of each matrix, and into how many chunks they go.
    fn chunks(&self, x: &TensorType) -> (usize, usize) {
        let vectors = x.shape.rows() / self.matrices;
        (vectors, vectors.div_ceil(CHUNK))
    }
}

impl Operator for OuterSum {
    fn name(&self) -> &'static str {
        "outer_sum"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, _] = operands(inputs)?;
        Ok(TensorType::f32([self.matrices, self.chunks(x).1, 3 * self.columns]))
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, gy, y, lanes) =
            (lowering.input(0), lowering.input(1).buffer, lowering.output(), lowering.target().lanes());
        let (vectors, chunks) = self.chunks(&x.ty);
        let total = self.matrices * chunks;
        let dispatch = lowering.dispatch(&OUTER_SUM).define("WG", lanes).define("COLUMNS", self.columns);
        let dispatch = dispatch.bind("x", x.buffer).bind("gy", gy).bind("y", y).param("total", total);
        let dispatch = dispatch.param("vectors", vectors).param("chunks", chunks);
        dispatch.param("chunk", vectors.div_ceil(chunks)).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: (6 * self.columns * inputs[0].shape.rows()) as u64, bytes }
    }
}

/// Which product of [`COMPOSE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Plain,
    GradA,
    GradB,
}

/// Products of matrices of `columns` columns, pair by pair.
#[derive(Debug, Clone, Copy)]
struct Compose {
    columns: usize,
    layout: Layout,
}

impl Operator for Compose {
    fn name(&self) -> &'static str {
        "compose"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [a, b] = operands(inputs)?;
        if ![9, 12].contains(&a.shape.channels()) {
            return Err(Mismatch::new("a", "9 or 12 channels", a));
        }
        rows("a", a, 3 * self.columns)?;
        if b != a {
            return Err(Mismatch::new("b", a, b));
        }
        Ok(a.clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        if self.layout != Layout::Plain {
            return Ok(vec![None, None]);
        }
        let (a, b, gy, r) = (call.inputs[0], call.inputs[1], call.cotangent, call.output.recorder());
        let product = |layout, a, b| r.apply(Compose { layout, ..*self }, &[a, b]);
        let ga = call.grad(0, || product(Layout::GradA, gy, b))?;
        let gb = call.grad(1, || product(Layout::GradB, a, gy))?;
        Ok(vec![ga, gb])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [a, b] = [0, 1].map(|i| lowering.input(i).buffer);
        let (y, lanes, total) = (lowering.output(), lowering.target().lanes(), lowering.output_ty().shape.rows());
        let dispatch = lowering.dispatch(&COMPOSE).define("WG", lanes).define("COLUMNS", self.columns);
        let dispatch = dispatch.define("LAYOUT", self.layout as u32).bind("a", a).bind("b", b).bind("y", y);
        dispatch.param("total", total).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 6 * output.shape.numel() as u64, bytes }
    }
}

impl<'r> Var<'r> {
    /// These rotations (…×9, row by row) of vectors: `y = R·x`. The first extents of the vectors are the rotations', then
    /// more may follow: N×9 turns N×V×3, N×J×9 turns N×J×3.
    #[track_caller]
    pub fn rotate(self, vectors: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Apply { columns: 3, transposed: false }, &[self, vectors])
    }

    /// These affine maps (…×12: 3×4 row by row, the last column is added) of points: `y = R·x + t`. The first extents of the
    /// points are the maps', then more may follow: N×12 moves N×V×3, N×J×12 moves N×J×3.
    #[track_caller]
    pub fn transform_points(self, points: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Apply { columns: 4, transposed: false }, &[self, points])
    }

    /// Rotations (…×9, row by row) or affine maps (…×12: 3×4 row by row) one after the other, pair by pair: this after `first`,
    /// as matrices `self · first`.
    #[track_caller]
    pub fn compose(self, first: Var<'r>) -> Result<Var<'r>> {
        let columns = if self.shape().channels() == 9 { 3 } else { 4 };
        self.recorder().apply(Compose { columns, layout: Layout::Plain }, &[self, first])
    }
}
