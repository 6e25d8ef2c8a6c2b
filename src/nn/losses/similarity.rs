//! Losses of directions.

use super::{Reduction, expect, expect_positive, expect_same};
use crate::error::Result;
use crate::graph::Var;
use crate::ops::{Comparison, Unary};

/// `⟨a, b⟩ / max(‖a‖‖b‖, eps)` over the last axis, of tensors of one shape N×…×C: N×….
#[track_caller]
pub fn cosine_similarity<'r>(a: Var<'r>, b: Var<'r>, eps: f32) -> Result<Var<'r>> {
    let name = "cosine_similarity";
    let shape = a.shape();
    expect(name, "a", shape.rank() >= 2, "at least 2 axes", &shape, &[a, b])?;
    expect_same(name, a, ("b", b))?;
    expect_positive(name, "eps", eps)?;
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
    expect(name, "margin", (-1.0..=1.0).contains(&margin), "a number from -1 to 1", margin, &[a, b, label])?;
    let cosine = cosine_similarity(a, b, 1e-8)?;
    expect(name, "label", label.ty() == cosine.ty(), cosine.ty(), label.ty(), &[a, b, label])?;
    let alike = cosine.unary(Unary::Affine { scale: -1.0, offset: 1.0 })?;
    let different = cosine.offset(-margin)?.relu()?;
    reduction.apply(label.compare(Comparison::Greater, a.recorder().scalar(0.0))?.select(alike, different)?)
}
