//! Losses of directions.

use super::{Reduction, expect_positive, expect_same};
use crate::error::{Mismatch, Result};
use crate::graph::Var;
use crate::ops::{Comparison, Unary};

/// `⟨a, b⟩ / max(‖a‖‖b‖, eps)` over the last axis, of tensors of one shape N×…×C: N×….
#[track_caller]
pub fn cosine_similarity<'r>(a: Var<'r>, b: Var<'r>, eps: f32) -> Result<Var<'r>> {
    let name = "cosine_similarity";
    let shape = a.shape();
    a.recorder().expect(name, &[a, b], Mismatch::unless(shape.rank() >= 2, "a", "at least 2 axes", &shape))?;
    expect_same(name, a, ("b", b))?;
    a.recorder().expect(name, &[a, b], expect_positive("eps", eps))?;
    let axes = [shape.rank() - 1];
    let lengths = a.norm(&axes)?.mul(b.norm(&axes)?)?.max(a.recorder().scalar(eps))?;
    a.mul(b)?.sum(&axes)?.div(lengths)?.reshape(&shape.dims()[..axes[0]])
}

/// `1 − cos(a, b)` where the label is positive, else `max(0, cos(a, b) − margin)`; a and b N×…×C, labels N×….
#[track_caller]
pub fn cosine_embedding_loss<'r>(
    a: Var<'r>,
    b: Var<'r>,
    label: Var<'r>,
    margin: f32,
    reduction: Reduction,
) -> Result<Var<'r>> {
    let name = "cosine_embedding_loss";
    a.recorder().expect(
        name,
        &[a, b, label],
        Mismatch::unless((-1.0..=1.0).contains(&margin), "margin", "a number from -1 to 1", margin),
    )?;
    let cosine = cosine_similarity(a, b, 1e-8)?;
    a.recorder().expect(
        name,
        &[a, b, label],
        Mismatch::unless(label.ty() == cosine.ty(), "label", cosine.ty(), label.ty()),
    )?;
    let alike = cosine.unary(Unary::Affine { scale: -1.0, offset: 1.0 })?;
    let different = cosine.offset(-margin)?.relu()?;
    reduction.apply(label.compare(Comparison::Greater, a.recorder().scalar(0.0))?.select(alike, different)?)
}
