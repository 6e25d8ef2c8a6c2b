//! Sorting along an axis: keys in order, where each came from, and the first few.
//!
//! Blocks are sorted by counting, then runs merged four at a time by bisection: every thread finds the place of one
//! element, so the order is the same on every run and equal keys keep theirs.

use super::extents::expect_axis;
use super::indexing::expect_index;
use super::reduce::around;
use super::{Cost, Operator, VjpCall, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{BufferRef, Lowering, Shader, Value};
use crate::graph::Var;
use crate::shader;
use crate::shape::{DType, TensorType};

const BLOCKS: Shader = shader!("sort/blocks.wgsl", with "common/index.wgsl");
const MERGE: Shader = shader!("sort/merge.wgsl", with "common/index.wgsl");

/// Elements that are sorted by counting; the sum over all of them grows with this number.
const BLOCK: usize = 32;
/// Runs that become one.
const WAYS: usize = 4;

/// Which end of a sorted axis is the low one. A NaN is greater than every number, and equal to other NaNs; zeros of
/// both signs are equal. Equals stay in the order of their indices either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortOrder {
    /// The least first; NaNs last.
    Ascending,
    /// The greatest first, NaNs before it.
    Descending,
}

/// Emits the sort of `x` along the middle axis of outer × length × inner. Gives the buffers of the first `count` keys (as
/// numbers that sort as the elements do; u32 elements in ascending order as they are) and of the places they came from,
/// which is `output` if there is one.
pub(super) fn lower_sort(
    lowering: &mut Lowering<'_>,
    x: &Value,
    order: SortOrder,
    [outer, length, inner]: [usize; 3],
    count: usize,
    output: Option<BufferRef>,
) -> Result<(BufferRef, BufferRef)> {
    let lanes = lowering.target().lanes();
    // Sorted runs: of how many elements of x each, how many there are, and how many elements are left of each.
    let runs = |span: usize| (length.div_ceil(span), count.min(span));
    let pair = |lowering: &mut Lowering<'_>, span: usize| {
        let (runs, kept) = runs(span);
        let words = outer * runs * kept * inner;
        let places = if runs > 1 { None } else { output };
        (lowering.scratch(words), places.unwrap_or_else(|| lowering.scratch(words)))
    };
    let mut span = BLOCK;
    let (mut keys, mut places) = pair(lowering, span);
    let ((blocks, kept), total) = (runs(span), outer * length * inner);
    let dispatch = lowering.dispatch(&BLOCKS).define("WG", lanes).define("BLOCK", BLOCK);
    let dispatch = dispatch.define("FLOAT", x.ty.dtype == DType::F32);
    let dispatch = dispatch.define("DESCENDING", order == SortOrder::Descending);
    let dispatch = dispatch.bind("x", x.buffer).bind("keys", keys).bind("places", places);
    let dispatch = dispatch.param("total", total).param("length", length).param("inner", inner);
    dispatch.param("blocks", blocks).param("kept", kept).threads(total)?;
    while span < length {
        let (merged_keys, merged_places) = pair(lowering, span * WAYS);
        let ((runs, kept), (merged_runs, merged_kept)) = (runs(span), runs(span * WAYS));
        let total = outer * runs * kept * inner;
        let dispatch = lowering.dispatch(&MERGE).define("WG", lanes).define("WAYS", WAYS);
        let dispatch = dispatch.bind("keys", keys).bind("places", places);
        let dispatch = dispatch.bind("merged_keys", merged_keys).bind("merged_places", merged_places);
        let dispatch = dispatch.param("total", total).param("length", length).param("inner", inner);
        let dispatch = dispatch.param("runs", runs).param("span", span).param("kept", kept);
        dispatch.param("merged_runs", merged_runs).param("merged_kept", merged_kept).threads(total)?;
        (keys, places, span) = (merged_keys, merged_places, span * WAYS);
    }
    Ok((keys, places))
}

/// For the first `count` of `length` elements in order: how many words [`lower_sort`] moves and how many comparisons it
/// makes.
pub(super) fn sort_cost(length: usize, count: usize) -> (u64, u64) {
    let (mut span, mut words, mut comparisons) = (BLOCK, length, length * BLOCK.min(length));
    while span < length {
        let left = length.div_ceil(span) * count.min(span);
        comparisons += left * (WAYS - 1) * (span.ilog2() as usize + 1);
        (span, words) = (span * WAYS, words + 4 * left);
    }
    ((words + 2 * count) as u64, comparisons as u64)
}

/// The places of the elements along an axis in the order of their size, or of the first few, as u32.
#[derive(Debug, Clone, Copy)]
struct ArgSort {
    axis: usize,
    order: SortOrder,
    first: Option<usize>,
}

impl Operator for ArgSort {
    fn name(&self) -> &'static str {
        if self.first.is_some() { "top_k" } else { "arg_sort" }
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        expect_axis("x", x, self.axis)?;
        let mut dims = x.shape.dims().to_vec();
        match self.first {
            Some(k) if !(1..=dims[self.axis]).contains(&k) => {
                return Err(Mismatch::new("k", format!("1 to {}", dims[self.axis]), k));
            }
            Some(k) => dims[self.axis] = k,
            None => {}
        }
        Ok(TensorType::u32(dims))
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y) = (lowering.input(0), lowering.output());
        let extents = around(&x.ty.shape, self.axis, self.axis + 1);
        let count = lowering.output_ty().shape.dims()[self.axis];
        lower_sort(lowering, &x, self.order, extents, count, Some(y)).map(|_| ())
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let (length, count) = (inputs[0].shape.dims()[self.axis], output.shape.dims()[self.axis]);
        let lines = (inputs[0].shape.numel() / length) as u64;
        let (words, comparisons) = sort_cost(length, count);
        Cost { flops: lines * comparisons, bytes: 4 * lines * words }
    }
}

/// Fails unless `keys` sort x along `axis`.
fn expect_keys(x: &TensorType, keys: &TensorType, axis: usize) -> Result<(), Mismatch> {
    expect_axis("x", x, axis)?;
    let whole = keys.shape.dims().get(axis) == x.shape.dims().get(axis);
    match expect_index(x, &TensorType::u32(keys.shape.clone()), axis) {
        Ok(()) if whole => Ok(()),
        _ => {
            Err(Mismatch::new("keys", format!("the axes of {x}, each of that extent or, but for axis {axis}, 1"), keys))
        }
    }
}

/// Elements in the order of their keys.
#[derive(Debug, Clone, Copy)]
pub struct Sorted<'r> {
    /// The elements.
    pub values: Var<'r>,
    /// The index each had along the axis, u32. Of one shape with `values`, or of extent 1 along axes on which the keys
    /// have that extent.
    pub places: Var<'r>,
}

impl<'r> Var<'r> {
    /// The indices that sort f32 or u32 elements along `axis`, as u32 of the same shape.
    #[track_caller]
    pub fn arg_sort(self, axis: usize, order: SortOrder) -> Result<Var<'r>> {
        self.recorder().apply(ArgSort { axis, order, first: None }, &[self])
    }

    /// The elements sorted along `axis`, and the indices they had. The gradient goes where each element came from.
    #[track_caller]
    pub fn sort(self, axis: usize, order: SortOrder) -> Result<Sorted<'r>> {
        let places = self.arg_sort(axis, order)?;
        Ok(Sorted { values: self.gather_distinct(axis, places)?, places })
    }

    /// The elements in the order along `axis` of `keys` (f32 or u32), which have this tensor's extent there and this
    /// tensor's or 1 elsewhere: N×V×C by keys N×V×1 moves whole rows. No gradient reaches the keys.
    #[track_caller]
    pub fn sort_by_key(self, keys: Var<'r>, axis: usize, order: SortOrder) -> Result<Sorted<'r>> {
        self.recorder().expect("sort_by_key", &[self, keys], expect_keys(&self.ty(), &keys.ty(), axis))?;
        let places = keys.arg_sort(axis, order)?;
        Ok(Sorted { values: self.gather_distinct(axis, places)?, places })
    }

    /// The `k` greatest elements along `axis`, greatest first, and their indices; of equals the first. NaN counts as
    /// greater than every number. The gradient goes where each element came from.
    #[track_caller]
    pub fn top_k(self, axis: usize, k: usize) -> Result<Sorted<'r>> {
        let op = ArgSort { axis, order: SortOrder::Descending, first: Some(k) };
        let places = self.recorder().apply(op, &[self])?;
        Ok(Sorted { values: self.gather_distinct(axis, places)?, places })
    }
}
