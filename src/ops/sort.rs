//! Sorting along an axis: keys in order, where each came from, and the first few.
//!
//! Blocks are sorted by counting, then runs merged four at a time by bisection: every thread finds the place of one
//! element, so the order is the same on every run and equal keys keep theirs.

use super::extents::{expect, expect_axis};
use super::indexing::expect_index;
use super::reduce::around;
use super::{Cost, Operator, VjpCall, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{BufferRef, Lowering, Shader};
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

/// Emits the sort of `x` along the middle axis of outer × length × inner. Gives the buffers of the sorted keys (as
/// numbers that sort as the elements do; u32 elements in ascending order as they are) and of the places they came from,
/// which is `output` if there is one.
pub(super) fn lower_sort(
    lowering: &mut Lowering<'_>,
    x: BufferRef,
    dtype: DType,
    order: SortOrder,
    [outer, length, inner]: [usize; 3],
    output: Option<BufferRef>,
) -> Result<(BufferRef, BufferRef)> {
    let (total, lanes) = (outer * length * inner, lowering.target().lanes());
    let pair = |lowering: &mut Lowering<'_>, run: usize| {
        let places = if run < length { None } else { output };
        (lowering.scratch(total), places.unwrap_or_else(|| lowering.scratch(total)))
    };
    let mut run = BLOCK;
    let (mut keys, mut places) = pair(lowering, run);
    let dispatch = lowering.dispatch(&BLOCKS).define("WG", lanes).define("BLOCK", BLOCK);
    let dispatch = dispatch.define("FLOAT", dtype == DType::F32).define("DESCENDING", order == SortOrder::Descending);
    let dispatch = dispatch.bind("x", x).bind("keys", keys).bind("places", places);
    dispatch.param("total", total).param("length", length).param("inner", inner).threads(total)?;
    while run < length {
        let (merged_keys, merged_places) = pair(lowering, run * WAYS);
        let dispatch = lowering.dispatch(&MERGE).define("WG", lanes).define("WAYS", WAYS);
        let dispatch = dispatch.bind("keys", keys).bind("places", places);
        let dispatch = dispatch.bind("merged_keys", merged_keys).bind("merged_places", merged_places);
        let dispatch = dispatch.param("total", total).param("length", length).param("inner", inner);
        dispatch.param("run", run).threads(total)?;
        (keys, places, run) = (merged_keys, merged_places, run * WAYS);
    }
    Ok((keys, places))
}

/// How often [`lower_sort`] walks through all elements, and how many comparisons it makes for each.
pub(super) fn sort_cost(length: usize) -> (u64, u64) {
    let (mut run, mut merges, mut comparisons) = (BLOCK, 0, BLOCK.min(length) as u64);
    while run < length {
        comparisons += (WAYS as u64 - 1) * u64::from(run.ilog2() + 1);
        (run, merges) = (run * WAYS, merges + 1);
    }
    (1 + merges, comparisons)
}

/// The places of the elements along an axis in the order of their size, as u32.
#[derive(Debug, Clone, Copy)]
struct ArgSort {
    axis: usize,
    order: SortOrder,
}

impl Operator for ArgSort {
    fn name(&self) -> &'static str {
        "arg_sort"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        expect_axis("x", x, self.axis)?;
        Ok(TensorType::u32(x.shape.clone()))
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
        lower_sort(lowering, x.buffer, x.ty.dtype, self.order, extents, Some(y)).map(|_| ())
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let (walks, comparisons) = sort_cost(inputs[0].shape.dims()[self.axis]);
        Cost { flops: comparisons * output.shape.numel() as u64, bytes: 4 * walks * output.bytes() }
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

/// The extent of `axis`, which must have `k` elements.
fn expect_k(x: &TensorType, axis: usize, k: usize) -> Result<usize, Mismatch> {
    expect_axis("x", x, axis)?;
    let extent = x.shape.dims()[axis];
    match (1..=extent).contains(&k) {
        true => Ok(extent),
        false => Err(Mismatch::new("k", format!("1 to {extent}"), k)),
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
        self.recorder().apply(ArgSort { axis, order }, &[self])
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
        expect("sort_by_key", &[self, keys], expect_keys(&self.ty(), &keys.ty(), axis))?;
        let places = keys.arg_sort(axis, order)?;
        Ok(Sorted { values: self.gather_distinct(axis, places)?, places })
    }

    /// The `k` greatest elements along `axis`, greatest first, and their indices; of equals the first. NaN counts as
    /// greater than every number. The gradient goes where each element came from.
    #[track_caller]
    pub fn top_k(self, axis: usize, k: usize) -> Result<Sorted<'r>> {
        let extent = expect("top_k", &[self], expect_k(&self.ty(), axis, k))?;
        let places = self.arg_sort(axis, SortOrder::Descending)?;
        let places = if k == extent { places } else { places.slice(axis, 0, k)? };
        Ok(Sorted { values: self.gather_distinct(axis, places)?, places })
    }
}
