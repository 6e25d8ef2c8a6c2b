//! Losses of probabilities.

use super::{Reduction, expect_same};
use crate::error::{Mismatch, Result};
use crate::graph::Var;
use crate::ops::Unary;

/// `−w·t·ln σ(x) − (1 − t)·ln(1 − σ(x))` of logits x and targets t from 0 to 1, of one shape; `positive_weight` w, if
/// given, broadcasts against them. Exact for large logits of either sign: both logarithms are softplus functions.
#[track_caller]
pub fn binary_cross_entropy_with_logits<'r>(
    logits: Var<'r>,
    target: Var<'r>,
    positive_weight: Option<Var<'r>>,
    reduction: Reduction,
) -> Result<Var<'r>> {
    let name = "binary_cross_entropy";
    expect_same(name, logits, ("target", target))?;
    let mut positive = logits.scale(-1.0)?.softplus()?.mul(target)?;
    if let Some(weight) = positive_weight {
        let weighted = positive.mul(weight)?;
        let operands = [logits, target, weight];
        logits.recorder().expect(
            name,
            &operands,
            Mismatch::unless(weighted.shape() == logits.shape(), "positive_weight", logits.shape(), weight.shape()),
        )?;
        positive = weighted;
    }
    let negative = logits.softplus()?.mul(target.unary(Unary::Affine { scale: -1.0, offset: 1.0 })?)?;
    reduction.apply(positive.add(negative)?)
}

/// `−ln softmax(x)` of the true class, of logits x N×…×C and numbers of classes N×… (u32, or whole f32). With label
/// `smoothing` ε the true class has the probability 1 − ε + ε/C and each other ε/C (Szegedy et al. 2016, "Rethinking the
/// Inception Architecture", §7). Without it a row whose number is no class costs nothing. An element of the loss is a row.
#[track_caller]
pub fn cross_entropy<'r>(logits: Var<'r>, classes: Var<'r>, smoothing: f32, reduction: Reduction) -> Result<Var<'r>> {
    let name = "cross_entropy";
    let shape = logits.shape();
    let operands = [logits, classes];
    logits.recorder().expect(
        name,
        &operands,
        Mismatch::unless(shape.rank() >= 2, "logits", "at least 2 axes", &shape),
    )?;
    let (count, rows) = (shape.channels(), &shape.dims()[..shape.rank() - 1]);
    let expected = format!("{:?}, a class for each row of {shape}", rows);
    logits.recorder().expect(
        name,
        &operands,
        Mismatch::unless(classes.shape().dims() == rows, "classes", expected, classes.shape()),
    )?;
    logits.recorder().expect(
        name,
        &operands,
        Mismatch::unless((0.0..=1.0).contains(&smoothing), "smoothing", "a number from 0 to 1", smoothing),
    )?;
    let log = logits.log_softmax(shape.rank() - 1)?;
    let mut row = classes.one_hot(count)?.mul(log)?.sum(&[shape.rank() - 1])?.scale(smoothing - 1.0)?;
    if smoothing > 0.0 {
        row = row.add(log.mean(&[shape.rank() - 1])?.scale(-smoothing)?)?;
    }
    reduction.apply(row.reshape(rows)?)
}

/// `−Σ t·ln softmax(x)` over the last axis, of logits x and probabilities t of one shape N×…×C. An element of the loss is
/// a row.
#[track_caller]
pub fn soft_cross_entropy<'r>(logits: Var<'r>, target: Var<'r>, reduction: Reduction) -> Result<Var<'r>> {
    let name = "soft_cross_entropy";
    let shape = logits.shape();
    logits.recorder().expect(
        name,
        &[logits, target],
        Mismatch::unless(shape.rank() >= 2, "logits", "at least 2 axes", &shape),
    )?;
    expect_same(name, logits, ("target", target))?;
    let axis = shape.rank() - 1;
    let row = logits.log_softmax(axis)?.mul(target)?.sum(&[axis])?.scale(-1.0)?;
    reduction.apply(row.reshape(&shape.dims()[..axis])?)
}

/// The Kullback–Leibler divergence of q from p, `Σ p·(ln p − ln q)` over the last axis, from the logarithms of both
/// (finite ones, as of [`Var::log_softmax`]), of one shape N×…×C. An element of the loss is a row.
#[track_caller]
pub fn kl_divergence<'r>(log_q: Var<'r>, log_p: Var<'r>, reduction: Reduction) -> Result<Var<'r>> {
    let name = "kl_divergence";
    let shape = log_q.shape();
    log_q.recorder().expect(
        name,
        &[log_q, log_p],
        Mismatch::unless(shape.rank() >= 2, "log_q", "at least 2 axes", &shape),
    )?;
    expect_same(name, log_q, ("log_p", log_p))?;
    let axis = shape.rank() - 1;
    let row = log_p.exp()?.mul(log_p.sub(log_q)?)?.sum(&[axis])?;
    reduction.apply(row.reshape(&shape.dims()[..axis])?)
}
