//! Losses of critics (discriminators) and of what they judge. Scores are one or more a sample.

use super::{Reduction, expect_same};
use crate::error::{Mismatch, Result};
use crate::graph::Var;
use crate::ops::Unary;

/// `max(0, 1 − D(real)) + max(0, 1 + D(fake))` (Lim and Ye 2017, "Geometric GAN", eq. 17; Miyato et al. 2018, "Spectral
/// Normalization", eq. 16), each reduced by itself.
#[track_caller]
pub fn hinge_critic_loss<'r>(real: Var<'r>, fake: Var<'r>, reduction: Reduction) -> Result<Var<'r>> {
    let real = reduction.apply(real.unary(Unary::Affine { scale: -1.0, offset: 1.0 })?.relu()?)?;
    let fake = reduction.apply(fake.offset(1.0)?.relu()?)?;
    both("hinge_critic_loss", real, fake)
}

/// `−D(fake)`
#[track_caller]
pub fn hinge_generator_loss(fake: Var<'_>, reduction: Reduction) -> Result<Var<'_>> {
    reduction.apply(fake.scale(-1.0)?)
}

/// `D(fake) − D(real)` (Arjovsky et al. 2017, "Wasserstein GAN", algorithm 1), each reduced by itself.
#[track_caller]
pub fn wasserstein_critic_loss<'r>(real: Var<'r>, fake: Var<'r>, reduction: Reduction) -> Result<Var<'r>> {
    let real = reduction.apply(real.scale(-1.0)?)?;
    both("wasserstein_critic_loss", real, reduction.apply(fake)?)
}

/// `−D(fake)`
#[track_caller]
pub fn wasserstein_generator_loss(fake: Var<'_>, reduction: Reduction) -> Result<Var<'_>> {
    reduction.apply(fake.scale(-1.0)?)
}

#[track_caller]
fn both<'r>(loss: &str, real: Var<'r>, fake: Var<'r>) -> Result<Var<'r>> {
    expect_same(loss, real, ("fake", fake))?;
    real.add(fake)
}

/// `(‖∇D(x̂)‖ − 1)²` at points x̂ between real and fake samples (Gulrajani et al. 2017, "Improved Training of Wasserstein
/// GANs", algorithm 1); an element of the loss is a sample. `critic` records the scores of N×… samples, each of which must
/// depend on its own sample alone: no batch normalisation. `mix` (N, from 0 to 1, drawn anew each run) says how far from
/// the fake towards the real sample x̂ lies. The penalty teaches the critic: no gradient goes back to the samples.
#[track_caller]
pub fn gradient_penalty<'r>(
    real: Var<'r>,
    fake: Var<'r>,
    mix: Var<'r>,
    reduction: Reduction,
    critic: impl FnOnce(Var<'r>) -> Result<Var<'r>>,
) -> Result<Var<'r>> {
    let name = "gradient_penalty";
    let (r, shape) = (real.recorder(), real.shape());
    let operands = [real, fake, mix];
    r.expect(
        name,
        &operands,
        Mismatch::unless(shape.rank() > 0 && shape.numel() > 0, "real", "at least one sample", &shape),
    )?;
    expect_same(name, real, ("fake", fake))?;
    let batch = shape.dims()[0];
    r.expect(
        name,
        &operands,
        Mismatch::unless(mix.shape().dims() == [batch], "mix", format!("[{batch}]"), mix.shape()),
    )?;
    let mut along = vec![1; shape.rank()];
    along[0] = batch;
    let between = fake.add(real.sub(fake)?.mul(mix.reshape(along)?)?)?.detach()?;
    let scores = critic(between)?;
    let ones = r.constant(vec![1; scores.shape().rank()], &[1.0])?.broadcast(scores.shape())?;
    let gradient = scores.pullback(ones, &[between])?.of(between);
    let Some(gradient) = gradient else {
        let expected = "scores that depend on the samples";
        return r.expect(name, &[scores], Err(Mismatch::new("critic", expected, "constants")));
    };
    let norm = gradient.reshape([batch, shape.numel() / batch])?.norm(&[1])?.reshape([batch])?;
    reduction.apply(norm.offset(-1.0)?.square()?)
}
