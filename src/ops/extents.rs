//! Checks of extents and attributes that several operators share.

use super::expect_f32;
use crate::error::{Mismatch, Result};
use crate::shape::{MAX_ELEMENTS, TensorType};

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

/// The extents of images N×H×W×C: none 0, and none so large that arithmetic with them or with their product overflows.
pub(super) fn image_extents(operand: &'static str, ty: &TensorType) -> Result<[usize; 4], Mismatch> {
    expect_f32(operand, ty)?;
    let Some(extents) = ty.shape.nhwc() else { return Err(Mismatch::new(operand, "N×H×W×C", ty)) };
    if extents.contains(&0) {
        return Err(Mismatch::new(operand, "extents of at least 1", ty));
    }
    if extents[1..3].iter().any(|&n| n > MAX_IMAGE_EXTENT) {
        return Err(Mismatch::new(operand, format!("images of up to {MAX_IMAGE_EXTENT} rows and columns"), ty));
    }
    within_count(operand, &extents)?;
    Ok(extents)
}

/// The most rows or columns of an image.
pub(super) const MAX_IMAGE_EXTENT: usize = 65_535;

/// Fails if a tensor of these extents has more elements than kernels can number.
pub(super) fn within_count(operand: &'static str, extents: &[usize]) -> Result<(), Mismatch> {
    match elements(extents) {
        Some(_) => Ok(()),
        None => Err(Mismatch::new(operand, format!("at most {MAX_ELEMENTS} elements"), format!("{extents:?}"))),
    }
}
