//! Checks of extents and attributes that several operators share.

use std::panic::Location;

use crate::error::{Error, Mismatch, Result, Site};
use crate::graph::Var;
use crate::shape::TensorType;

/// The most elements an attribute may make a tensor have: more than any adapter binds at once.
const MAX_ELEMENTS: usize = 1 << 30;

/// The number of elements of a tensor with these extents, unless it is beyond every adapter.
pub(super) fn elements(dims: &[usize]) -> Option<usize> {
    let product = dims.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    product.filter(|&n| n <= MAX_ELEMENTS)
}

/// Fails unless `axis` is one of `operand`'s and the operand has elements, but not too many.
pub(super) fn expect_axis(operand: &'static str, ty: &TensorType, axis: usize) -> Result<(), Mismatch> {
    if axis >= ty.shape.rank() {
        return Err(Mismatch::new("axis", format!("an axis of {operand} {ty}"), axis));
    }
    match elements(ty.shape.dims()) {
        Some(0) => Err(Mismatch::new(operand, "extents of at least 1", ty)),
        Some(_) => Ok(()),
        None => Err(Mismatch::new(operand, format!("at most {MAX_ELEMENTS} elements"), ty)),
    }
}

/// What `fits` holds; if it does not, the error of a method or layer made of several operators, with the caller's line.
#[track_caller]
pub(crate) fn expect<T>(op: &str, operands: &[Var<'_>], fits: Result<T, Mismatch>) -> Result<T> {
    match fits {
        Ok(value) => Ok(value),
        Err(wrong) => Err(Error::Operand {
            op: op.to_string(),
            operand: wrong.operand.to_string(),
            expected: wrong.expected,
            got: wrong.got,
            operands: operands.iter().map(|operand| format!("{operand:?}")).collect::<Vec<_>>().join(", "),
            site: Site(Location::caller()),
        }),
    }
}
