//! Normalisations with parameters of their own, and of weights.

use super::NORM_EPS;
use crate::error::{Mismatch, Result};
use crate::graph::{Init, Mode, Var};
use crate::shape::{DType, TensorType};

/// The most power iterations a run.
const MAX_ITERATIONS: usize = 1_000;
/// A vector shorter than this is not made longer.
const SHORTEST: f32 = 1e-12;

/// Instance normalisation with a learnt scale and shift of each channel.
#[track_caller]
pub fn instance_norm<'r>(x: Var<'r>, name: &str) -> Result<Var<'r>> {
    let affine = affine(x, name);
    x.instance_norm(affine, NORM_EPS)
}

/// Layer normalisation with a learnt scale and shift of each channel.
#[track_caller]
pub fn layer_norm<'r>(x: Var<'r>, name: &str) -> Result<Var<'r>> {
    let affine = affine(x, name);
    x.layer_norm(affine, NORM_EPS)
}

/// Group normalisation with a learnt scale and shift of each channel.
#[track_caller]
pub fn group_norm<'r>(x: Var<'r>, name: &str, groups: usize) -> Result<Var<'r>> {
    let affine = affine(x, name);
    x.group_norm(groups, affine, NORM_EPS)
}

/// The parameter `name/affine`: scales that begin at 1 and shifts that begin at 0.
#[track_caller]
fn affine<'r>(x: Var<'r>, name: &str) -> Var<'r> {
    let channels = x.shape().channels();
    x.recorder().param_with(&format!("{name}/affine"), [2, channels], Init::Rows(vec![1.0, 0.0]))
}

/// A weight divided by its largest singular value, seen as a matrix of rows × output channels (Miyato et al. 2018,
/// "Spectral Normalization for Generative Adversarial Networks", algorithm 1). The singular value is followed by power
/// iteration, `iterations` steps (one is usual) a run when training, from the vector kept as the state `name/u`; when
/// inferring that vector is used as it is. The gradient goes through the singular value with its vectors held constant.
/// Record it once for each weight, however often the result is used.
#[track_caller]
pub fn spectral_norm<'r>(weight: Var<'r>, name: &str, iterations: usize) -> Result<Var<'r>> {
    let (r, shape, op) = (weight.recorder(), weight.shape(), "spectral_norm");
    let dtype = weight.ty().dtype;
    if dtype != DType::F32 {
        return weight.recorder().expect(op, &[weight], Err(Mismatch::new("weight", DType::F32, dtype)));
    }
    let fits = shape.rank() >= 2 && shape.numel() > 0;
    r.expect(op, &[weight], Mismatch::unless(fits, "weight", "at least 2 axes and none of extent 0", &shape))?;
    let some = (1..=MAX_ITERATIONS).contains(&iterations);
    r.expect(op, &[weight], Mismatch::unless(some, "iterations", format!("1 to {MAX_ITERATIONS}"), iterations))?;
    let (rows, columns) = (shape.rows(), shape.channels());
    let matrix = weight.reshape([rows, columns])?;
    let fixed = matrix.detach()?;
    let state = r.buffer(&format!("{name}/u"), TensorType::f32([1, columns]), Init::Normal(1.0));
    let across = |u: Var<'r>| unit(fixed.matmul(u.reshape([columns, 1])?)?.reshape([1, rows])?);
    let mut u = unit(state.detach()?)?;
    let mut v = across(u)?;
    if r.mode() == Mode::Train {
        for i in 0..iterations {
            if i > 0 {
                v = across(u)?;
            }
            u = unit(v.matmul(fixed)?)?;
        }
        state.assign(u)?;
    }
    let sigma = v.matmul(matrix)?.mul(u)?.sum_all()?;
    weight.div(sigma.max(r.scalar(SHORTEST))?)
}

/// The vector, a row, at length 1.
#[track_caller]
fn unit(v: Var<'_>) -> Result<Var<'_>> {
    v.div(v.norm(&[1])?.max(v.recorder().scalar(SHORTEST))?)
}
