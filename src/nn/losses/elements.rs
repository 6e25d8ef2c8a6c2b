//! Losses of single elements.

use super::{Reduction, expect_same};
use crate::error::Result;
use crate::graph::Var;
use crate::ops::Unary;

/// `|a − b|`, of tensors of one shape.
#[track_caller]
pub fn l1_loss<'r>(prediction: Var<'r>, target: Var<'r>, reduction: Reduction) -> Result<Var<'r>> {
    expect_same("l1_loss", prediction, ("target", target))?;
    reduction.apply(prediction.sub(target)?.abs()?)
}

/// `(a − b)²`, of tensors of one shape: the L2 loss.
#[track_caller]
pub fn mse_loss<'r>(prediction: Var<'r>, target: Var<'r>, reduction: Reduction) -> Result<Var<'r>> {
    expect_same("mse_loss", prediction, ("target", target))?;
    reduction.apply(prediction.sub(target)?.square()?)
}

/// [`Unary::SmoothL1`] of a − b, of tensors of one shape.
#[track_caller]
pub fn smooth_l1_loss<'r>(prediction: Var<'r>, target: Var<'r>, beta: f32, reduction: Reduction) -> Result<Var<'r>> {
    expect_same("smooth_l1_loss", prediction, ("target", target))?;
    reduction.apply(prediction.sub(target)?.unary(Unary::SmoothL1 { beta })?)
}

/// [`Unary::Huber`] of a − b, of tensors of one shape.
#[track_caller]
pub fn huber_loss<'r>(prediction: Var<'r>, target: Var<'r>, delta: f32, reduction: Reduction) -> Result<Var<'r>> {
    expect_same("huber_loss", prediction, ("target", target))?;
    reduction.apply(prediction.sub(target)?.unary(Unary::Huber { delta })?)
}
