//! Elements along an axis chosen by indices that the device holds, and the adjoint, which adds elements up by their
//! indices.

use std::ops::Range;

use super::extents::{elements, expect_axis};
use super::reduce::around;
use super::slab::Slab;
use super::sort::{SortOrder, lower_sort, sort_cost};
use super::{Cost, Operator, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{BufferRef, Dispatch, Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::{DType, Shape, TensorType};

/// Each for elements one by one and in fours.
const GATHER: [Shader; 2] = [
    shader!("index/gather.wgsl", with "common/index.wgsl", with "index/lines.wgsl", with "copy/words1.wgsl"),
    shader!("index/gather.wgsl", with "common/index.wgsl", with "index/lines.wgsl", with "copy/words4.wgsl"),
];
const PUT: [Shader; 2] = [
    shader!("index/put.wgsl", with "common/index.wgsl", with "index/lines.wgsl", with "copy/words1.wgsl"),
    shader!("index/put.wgsl", with "common/index.wgsl", with "index/lines.wgsl", with "copy/words4.wgsl"),
];
const SCATTER_ADD: [Shader; 2] = [
    shader!("index/scatter_add.wgsl", with "common/index.wgsl", with "index/lines.wgsl", with "common/f32x1.wgsl"),
    shader!("index/scatter_add.wgsl", with "common/index.wgsl", with "index/lines.wgsl", with "common/f32x4.wgsl"),
];

/// The longest line of indices that every thread looks through; longer ones are sorted first.
const SCAN: usize = 64;

/// How many rows a dispatch of a thread's sum looks at: a software adapter leaves loops after 65,535 turns.
const MOST_ROWS: usize = 1 << 15;

/// The most axes on one side that an index tensor may be repeated along by turns.
const MAX_RUNS: usize = 3;

/// `y[…, r, …] = x[…, index[…, r, …], …]`, zero where the index is out of range. Operands x and index.
#[derive(Debug, Clone, Copy)]
struct Gather {
    axis: usize,
    /// Whether no index occurs twice in a line, which makes the gradient cheap.
    distinct: bool,
}

/// The sum of the elements of x with each index, from 0 to below `extent`. Operands x and index.
#[derive(Debug, Clone, Copy)]
struct ScatterAdd {
    axis: usize,
    extent: usize,
    /// Whether no index occurs twice in a line, so that there is nothing to sum.
    distinct: bool,
}

/// Fails unless `index` is a u32 tensor with the axes of x, each of x's extent or 1, `axis` of any.
pub(super) fn expect_index(x: &TensorType, index: &TensorType, axis: usize) -> Result<(), Mismatch> {
    if index.dtype != DType::U32 {
        return Err(Mismatch::new("index", "u32", index.dtype));
    }
    let fits = |(i, (&own, &n)): (usize, (&usize, &usize))| own == n || own == 1 || (i == axis && own > 0);
    let (own, dims) = (index.shape.dims(), x.shape.dims());
    if own.len() != dims.len() || !own.iter().zip(dims).enumerate().all(fits) {
        let expected = format!("the axes of {x}, each of that extent or 1, axis {axis} of any");
        return Err(Mismatch::new("index", expected, index));
    }
    if elements(own).is_none() {
        return Err(Mismatch::new("index", "fewer elements", index));
    }
    for (whole, part) in [(&dims[..axis], &own[..axis]), (&dims[axis + 1..], &own[axis + 1..])] {
        if runs(whole, part, 1).len() > MAX_RUNS {
            let expected = format!("at most {MAX_RUNS} turns between repeated and other axes on a side");
            return Err(Mismatch::new("index", expected, index));
        }
    }
    Ok(())
}

/// Neighbouring axes along which a repeated tensor is walked through as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    extent: usize,
    /// In the repeated tensor; 0 where it repeats.
    stride: usize,
}

/// The runs of axes of extents `whole`, innermost first and at least one, of a tensor with extents `part`, whose
/// innermost neighbours are `stride` apart.
fn runs(whole: &[usize], part: &[usize], mut stride: usize) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (&extent, &own) in whole.iter().zip(part).rev().filter(|(extent, _)| **extent != 1) {
        let next = Run { extent, stride: if own == 1 { 0 } else { stride } };
        stride *= own;
        match runs.last_mut() {
            Some(inner) if next.stride == inner.stride * inner.extent => inner.extent *= extent,
            _ => runs.push(next),
        }
    }
    if runs.is_empty() {
        runs.push(Run { extent: 1, stride: 0 });
    }
    runs
}

/// The operands as the kernels see them.
struct Lines {
    outer: Vec<Run>,
    inner: Vec<Run>,
    rows: usize,
    index_stride: usize,
    /// Elements a thread takes.
    by: usize,
    /// In units of what a thread takes.
    columns: usize,
}

impl Lines {
    /// Around `axis` of a tensor of extents `dims` but there.
    fn new(dims: &[usize], index: &Shape, axis: usize) -> Lines {
        let own = index.dims();
        let index_stride: usize = own[axis + 1..].iter().product();
        let mut inner = runs(&dims[axis + 1..], &own[axis + 1..], 1);
        let columns: usize = dims[axis + 1..].iter().product();
        let outer = runs(&dims[..axis], &own[..axis], index_stride * own[axis]);
        let by = if inner[0].stride == 0 && inner[0].extent.is_multiple_of(4) { 4 } else { 1 };
        inner[0].extent /= by;
        Lines { outer, inner, rows: own[axis], index_stride, by, columns: columns / by }
    }

    /// A dispatch over `total` elements of y or x, its lines over `extent` places; bindings are missing.
    fn dispatch<'s>(
        &self,
        lowering: &'s mut Lowering<'_>,
        shaders: &'s [Shader; 2],
        total: usize,
        extent: usize,
        rows: Range<usize>,
    ) -> Dispatch<'s> {
        let lanes = lowering.target().lanes();
        let run = |runs: &[Run], i: usize| runs.get(i).copied().unwrap_or(Run { extent: 1, stride: 0 });
        let (outer, inner) = (|i| run(&self.outer, i), |i| run(&self.inner, i));
        let dispatch = lowering.dispatch(&shaders[self.by / 4]).define("WG", lanes);
        let dispatch = dispatch.define("OUTER", self.outer.len()).define("INNER", self.inner.len());
        let dispatch = dispatch.param("total", total / self.by).param("rows", self.rows).param("extent", extent);
        let dispatch = dispatch.param("first_row", rows.start).param("last_row", rows.end);
        let dispatch = dispatch.param("inner", self.columns).param("index_stride", self.index_stride);
        let dispatch = dispatch.param("outer_n0", outer(0).extent).param("outer_n1", outer(1).extent);
        let dispatch = dispatch.param("outer_s0", outer(0).stride).param("outer_s1", outer(1).stride);
        let dispatch = dispatch.param("outer_s2", outer(2).stride);
        let dispatch = dispatch.param("inner_n0", inner(0).extent).param("inner_n1", inner(1).extent);
        let dispatch = dispatch.param("inner_s0", inner(0).stride).param("inner_s1", inner(1).stride);
        dispatch.param("inner_s2", inner(2).stride)
    }
}

/// The type of x with another extent along an axis, if that is not too large.
fn with_extent(x: &TensorType, axis: usize, extent: usize) -> Option<TensorType> {
    let mut dims = x.shape.dims().to_vec();
    dims[axis] = extent;
    elements(&dims).map(|_| TensorType { shape: dims.into(), dtype: x.dtype })
}

impl Operator for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, index] = operands(inputs)?;
        expect_axis("x", x, self.axis)?;
        expect_index(x, index, self.axis)?;
        let y = with_extent(x, self.axis, index.shape.dims()[self.axis]);
        y.ok_or_else(|| Mismatch::new("index", "fewer elements", index))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, index) = (call.inputs[0], call.inputs[1]);
        let adjoint = || ScatterAdd { axis: self.axis, extent: x.shape().dims()[self.axis], distinct: self.distinct };
        Ok(vec![call.grad(0, || x.recorder().apply(adjoint(), &[call.cotangent, index]))?, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, index, y) = (lowering.input(0), lowering.input(1), lowering.output());
        let lines = Lines::new(x.ty.shape.dims(), &index.ty.shape, self.axis);
        let (total, extent) = (lowering.output_ty().shape.numel(), x.ty.shape.dims()[self.axis]);
        let dispatch = lines.dispatch(lowering, &GATHER, total, extent, 0..lines.rows);
        dispatch.bind("x", x.buffer).bind("index", index.buffer).bind("y", y).threads(total / lines.by)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 0, bytes: 2 * output.bytes() + inputs[1].bytes() }
    }
}

impl Operator for ScatterAdd {
    fn name(&self) -> &'static str {
        "scatter_add"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, index] = operands(inputs)?;
        expect_f32("x", x)?;
        expect_axis("x", x, self.axis)?;
        expect_index(x, index, self.axis)?;
        if index.shape.dims()[self.axis] != x.shape.dims()[self.axis] {
            let expected = format!("{} indices along axis {}", x.shape.dims()[self.axis], self.axis);
            return Err(Mismatch::new("index", expected, index));
        }
        let y = with_extent(x, self.axis, self.extent).filter(|_| self.extent > 0);
        y.ok_or_else(|| Mismatch::new("extent", "at least 1, and no more than fits an adapter", self.extent))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let adjoint = Gather { axis: self.axis, distinct: self.distinct };
        let gx = call.grad(0, || call.cotangent.recorder().apply(adjoint, &[call.cotangent, call.inputs[1]]))?;
        Ok(vec![gx, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, index, y) = (lowering.input(0), lowering.input(1), lowering.output());
        let lines = Lines::new(x.ty.shape.dims(), &index.ty.shape, self.axis);
        let total = lowering.output_ty().shape.numel();
        if self.distinct {
            let columns = total;
            let nothing =
                Slab { rows: 1, columns, lead: 0, width: 0, x_first: 0, x_stride: 0, y_first: 0, y_stride: columns };
            nothing.lower(lowering, x.buffer, y)?;
            let total = x.ty.shape.numel();
            let dispatch = lines.dispatch(lowering, &PUT, total, self.extent, 0..lines.rows);
            return dispatch.bind("x", x.buffer).bind("index", index.buffer).bind("y", y).threads(total / lines.by);
        }
        let sorted = lines.rows > SCAN;
        let (keys, places) = if sorted {
            let extents = around(&index.ty.shape, self.axis, self.axis + 1);
            lower_sort(lowering, &index, SortOrder::Ascending, extents, lines.rows, None)?
        } else {
            (index.buffer, BufferRef::Unused)
        };
        for first in (0..lines.rows.max(1)).step_by(MOST_ROWS) {
            let rows = first..lines.rows.min(first + MOST_ROWS);
            let dispatch = lines.dispatch(lowering, &SCATTER_ADD, total, self.extent, rows).define("SORTED", sorted);
            let dispatch = dispatch.bind("x", x.buffer).bind("index", keys).bind("places", places).bind("y", y);
            dispatch.threads(total / lines.by)?;
        }
        Ok(())
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let (x, index) = (inputs[0], inputs[1]);
        let rows = x.shape.dims()[self.axis];
        let walks = if self.distinct || rows <= SCAN { 1 } else { sort_cost(rows, rows).0 / rows as u64 };
        Cost { flops: x.shape.numel() as u64, bytes: x.bytes() + output.bytes() + walks * index.bytes() }
    }
}

impl<'r> Var<'r> {
    /// Elements along `axis` chosen by u32 indices: `y[…, r, …] = x[…, index[…, r, …], …]`, of x's shape with the index
    /// tensor's extent along `axis`. The index tensor has x's axes, each of x's extent or 1: R indices for a whole
    /// tensor are `[1, R, 1]` with axis 1 of three, for each matrix of a batch `[N, R, 1]`, for each element `[N, R,
    /// C]`. It is read on the device: an index that is not below x's extent gives 0 there, and no gradient. An index
    /// may occur often. x may be f32 or u32.
    #[track_caller]
    pub fn gather(self, axis: usize, index: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Gather { axis, distinct: false }, &[self, index])
    }

    /// As [`Var::gather`] of indices that do not occur twice in a line.
    #[track_caller]
    pub(crate) fn gather_distinct(self, axis: usize, index: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Gather { axis, distinct: true }, &[self, index])
    }

    /// Elements added up by their u32 indices along `axis`: `y[…, v, …] = Σ x[…, r, …]` over the r with `index[…, r, …]
    /// = v`, in ascending order and so with the same bits on every run; `extent` places, 0 where no index points. The
    /// adjoint of [`Var::gather`], with index tensors as there. What has an index that is not below `extent` is left
    /// out.
    #[track_caller]
    pub fn scatter_add(self, axis: usize, index: Var<'r>, extent: usize) -> Result<Var<'r>> {
        self.recorder().apply(ScatterAdd { axis, extent, distinct: false }, &[self, index])
    }

    /// As [`Var::scatter_add`] of indices that do not occur twice in a line: puts each element in its place among
    /// zeros.
    #[track_caller]
    pub(crate) fn scatter_distinct(self, axis: usize, index: Var<'r>, extent: usize) -> Result<Var<'r>> {
        self.recorder().apply(ScatterAdd { axis, extent, distinct: true }, &[self, index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_along_which_an_index_repeats_or_not_are_merged() {
        let runs = |whole: &[usize], part: &[usize]| {
            runs(whole, part, 1).into_iter().map(|run| [run.extent, run.stride]).collect::<Vec<_>>()
        };
        assert_eq!(runs(&[], &[]), [[1, 0]]);
        assert_eq!(runs(&[2, 3], &[2, 3]), [[6, 1]]);
        assert_eq!(runs(&[2, 3], &[1, 1]), [[6, 0]]);
        assert_eq!(runs(&[2, 3], &[2, 1]), [[3, 0], [2, 1]]);
        assert_eq!(runs(&[2, 3], &[1, 3]), [[3, 1], [2, 0]]);
        assert_eq!(runs(&[2, 1, 3], &[2, 1, 3]), [[6, 1]]);
        assert_eq!(runs(&[4, 2, 3], &[4, 1, 3]), [[3, 1], [2, 0], [4, 3]]);
    }
}
