//! Tensors repeated along their axes, and cut into parts; both made of other operators.

use super::expect_f32;
use super::extents::{elements, expect_axis};
use crate::error::{Mismatch, Result};
use crate::graph::Var;
use crate::shape::TensorType;

/// The extents of x repeated `repeats[i]` times along axis i.
fn repeated(x: &TensorType, repeats: &[usize]) -> Result<Vec<usize>, Mismatch> {
    expect_f32("x", x)?;
    if repeats.len() != x.shape.rank() {
        return Err(Mismatch::new("repeats", format!("a number for each axis of {x}"), format!("{repeats:?}")));
    }
    if !repeats.is_empty() {
        expect_axis("x", x, 0)?;
    }
    if repeats.contains(&0) {
        return Err(Mismatch::new("repeats", "at least 1", format!("{repeats:?}")));
    }
    let dims: Option<Vec<usize>> = x.shape.dims().iter().zip(repeats).map(|(n, times)| n.checked_mul(*times)).collect();
    let dims = dims.filter(|dims| elements(dims).is_some());
    dims.ok_or_else(|| Mismatch::new("repeats", "a result that fits an adapter", format!("{repeats:?}")))
}

/// Fails unless `sizes` are extents of parts that make up `axis`.
fn expect_parts(x: &TensorType, axis: usize, sizes: &[usize]) -> Result<(), Mismatch> {
    expect_axis("x", x, axis)?;
    let extent = x.shape.dims()[axis];
    let total = sizes.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
    match total == Some(extent) && !sizes.contains(&0) {
        true => Ok(()),
        false => Err(Mismatch::new("sizes", format!("parts of {extent}, none of them 0"), format!("{sizes:?}"))),
    }
}

impl<'r> Var<'r> {
    /// The tensor repeated as a whole, `repeats[i]` times along axis i: `y[i, j] = x[i mod H, j mod W]`. The gradient
    /// is the sum over the copies.
    #[track_caller]
    pub fn tile(self, repeats: &[usize]) -> Result<Var<'r>> {
        let dims = self.recorder().expect("tile", &[self], repeated(&self.ty(), repeats))?;
        let mut y = self;
        for (axis, &times) in repeats.iter().enumerate().filter(|(_, times)| **times > 1) {
            let shape = y.shape();
            let (before, after) = shape.dims().split_at(axis);
            let (outer, inner): (usize, usize) = (before.iter().product(), after.iter().product());
            let mut tiled = shape.dims().to_vec();
            tiled[axis] = dims[axis];
            y = y.reshape([outer, 1, inner])?.broadcast([outer, times, inner])?.reshape(tiled)?;
        }
        Ok(y)
    }

    /// Every index of `axis` `times` times in a row: `y[…, i, …] = x[…, ⌊i / times⌋, …]`. The gradient is the sum over
    /// the copies.
    #[track_caller]
    pub fn repeat(self, axis: usize, times: usize) -> Result<Var<'r>> {
        let ty = self.ty();
        self.recorder().expect("repeat", &[self], expect_axis("x", &ty, axis))?;
        let mut repeats = vec![1; ty.shape.rank()];
        repeats[axis] = times;
        let dims = self.recorder().expect("repeat", &[self], repeated(&ty, &repeats))?;
        let inner: usize = dims[axis + 1..].iter().product();
        let rows = ty.shape.numel() / inner;
        self.reshape([rows, 1, inner])?.broadcast([rows, times, inner])?.reshape(dims)
    }

    /// Consecutive parts of these extents along `axis`, which together make up all of it.
    #[track_caller]
    pub fn split(self, axis: usize, sizes: &[usize]) -> Result<Vec<Var<'r>>> {
        self.recorder().expect("split", &[self], expect_parts(&self.ty(), axis, sizes))?;
        let mut parts = Vec::with_capacity(sizes.len());
        let mut first = 0;
        for &size in sizes {
            parts.push(self.slice(axis, first, size)?);
            first += size;
        }
        Ok(parts)
    }
}
