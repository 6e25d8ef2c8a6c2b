//! Layers and losses: short functions over [`Var`]. A layer's parameters are named by its scope.

mod graph;
pub mod hand;
pub mod losses;
pub mod mesh_losses;
mod normalize;
pub mod shading;
pub mod skinning;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::graph::{Init, Mode, Var};
use crate::ops::Conv2d;
use crate::shape::TensorType;

pub use graph::{TopKPooled, chebyshev, gcn, graph_residual, normalized_adjacency, top_k_pool, top_k_unpool};
pub use normalize::{group_norm, instance_norm, layer_norm, spectral_norm};

/// How much of a running statistic is replaced by each batch's.
const STATISTICS_MOMENTUM: f32 = 0.05;
/// Added to a variance before its root is taken.
const NORM_EPS: f32 = 1e-5;

/// A convolution to `out` channels with a square kernel and a bias.
#[track_caller]
pub fn conv<'r>(x: Var<'r>, name: &str, out: usize, kernel: usize, conv: Conv2d) -> Result<Var<'r>> {
    let r = x.recorder();
    r.layer(name, || {
        let weight = r.param("weight", [kernel, kernel, x.shape().channels(), out]);
        x.conv2d_bias(weight, r.param("bias", [out]), conv, false)
    })
}

/// A 1×1 convolution with bias whose weights begin small: for outputs that should begin near zero.
#[track_caller]
pub fn conv_small<'r>(x: Var<'r>, name: &str, out: usize) -> Result<Var<'r>> {
    let r = x.recorder();
    r.layer(name, || {
        let weight = r.param_with("weight", [1, 1, x.shape().channels(), out], Init::Normal(0.01));
        x.conv2d_bias(weight, r.param("bias", [out]), Conv2d::default(), false)
    })
}

/// A convolution without bias, for use before a normalisation that would cancel it.
#[track_caller]
fn conv_plain<'r>(x: Var<'r>, name: &str, out: usize, kernel: usize) -> Result<Var<'r>> {
    let r = x.recorder();
    let padding = kernel / 2;
    r.layer(name, || {
        let weight = r.param("weight", [kernel, kernel, x.shape().channels(), out]);
        x.conv2d(weight, Conv2d { padding, ..Conv2d::default() })
    })
}

/// Batch normalisation, then ReLU: by the batch's statistics when training, which the running ones follow, else by the
/// running ones.
#[track_caller]
pub fn batch_norm_relu<'r>(x: Var<'r>, name: &str) -> Result<Var<'r>> {
    batch_norm_with(x, name, true)
}

/// Batch normalisation: by the batch's statistics when training, which the running ones follow, else by the running ones.
#[track_caller]
pub fn batch_norm<'r>(x: Var<'r>, name: &str) -> Result<Var<'r>> {
    batch_norm_with(x, name, false)
}

#[track_caller]
fn batch_norm_with<'r>(x: Var<'r>, name: &str, relu: bool) -> Result<Var<'r>> {
    let r = x.recorder();
    let c = x.shape().channels();
    r.layer(name, || {
        let affine = r.param_with("affine", [2, c], Init::Rows(vec![1.0, 0.0]));
        let running = r.buffer("statistics", TensorType::f32([2, c]), Init::Rows(vec![0.0, 1.0]));
        if r.mode() == Mode::Infer {
            return x.batch_norm_infer(affine, running, NORM_EPS, relu);
        }
        let batch = x.batch_norm_train(affine, NORM_EPS, relu)?;
        running.follow(batch.statistics, 1.0 - STATISTICS_MOMENTUM)?;
        Ok(batch.y)
    })
}

/// `x·W + b` for every row, then ReLU if asked.
#[track_caller]
pub fn linear<'r>(x: Var<'r>, name: &str, out: usize, relu: bool) -> Result<Var<'r>> {
    let r = x.recorder();
    r.layer(name, || {
        let weight = r.param("weight", [x.shape().channels(), out]);
        x.linear(weight, r.param("bias", [out]), relu)
    })
}

/// A residual bottleneck with activations first (He et al. 2016, "Identity Mappings", fig. 4e; as Newell et al. 2016 use
/// it): 1×1 to half the channels, 3×3, 1×1 to `out`; the skip is a 1×1 convolution where the channels change.
#[track_caller]
pub fn residual<'r>(x: Var<'r>, name: &str, out: usize) -> Result<Var<'r>> {
    x.recorder().layer(name, || {
        let mid = out / 2;
        let y = conv_plain(batch_norm_relu(x, "norm1")?, "conv1", mid, 1)?;
        let y = conv_plain(batch_norm_relu(y, "norm2")?, "conv2", mid, 3)?;
        // Begins near the identity: many residuals in a row then keep the size of their signal.
        let y = conv_small(batch_norm_relu(y, "norm3")?, "conv3", out)?;
        y.add(projected(x, out)?)
    })
}

/// A residual of a single 3×3 convolution, activations first, of N×H×W×C to `out` channels; the skip is a 1×1 convolution where the
/// channels change. It has 9·C² products a pixel where a [`residual`] of as many channels has 3.25·C², in one convolution and one
/// normalisation instead of three.
#[track_caller]
pub fn residual3x3<'r>(x: Var<'r>, name: &str, out: usize) -> Result<Var<'r>> {
    let r = x.recorder();
    r.layer(name, || {
        let channels = x.shape().channels();
        let y = batch_norm_relu(x, "norm")?;
        // A tenth of the deviation that keeps a signal's size (He et al. 2015, eq. 10), to begin near the identity.
        let deviation = 0.1 * (2.0 / (9 * channels) as f32).sqrt();
        let weight = r.layer("conv", || r.param_with("weight", [3, 3, channels, out], Init::Normal(deviation)));
        y.conv2d(weight, Conv2d { padding: 1, ..Conv2d::default() })?.add(projected(x, out)?)
    })
}

/// `x`, by a 1×1 convolution where it has other than `out` channels.
#[track_caller]
fn projected<'r>(x: Var<'r>, out: usize) -> Result<Var<'r>> {
    if x.shape().channels() == out { Ok(x) } else { conv_plain(x, "skip", out, 1) }
}

/// What an [`hourglass`] and the networks around it are made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Residual {
    /// [`residual`], as in the paper.
    #[default]
    Bottleneck,
    /// [`residual3x3`].
    Conv3x3,
}

impl Residual {
    /// Records one that makes `out` channels of `x`.
    #[track_caller]
    pub fn of<'r>(self, x: Var<'r>, name: &str, out: usize) -> Result<Var<'r>> {
        match self {
            Residual::Bottleneck => residual(x, name, out),
            Residual::Conv3x3 => residual3x3(x, name, out),
        }
    }
}

/// An hourglass (Newell et al. 2016, §3.1): residuals at half the size, a quarter and so on, with as many channels as `levels` says
/// of each, and up again, with a residual on each level's skip. The extents must be divisible by 2 for each level; without
/// levels it is a residual.
#[track_caller]
pub fn hourglass<'r>(x: Var<'r>, name: &str, levels: &[usize], unit: Residual) -> Result<Var<'r>> {
    let c = x.shape().channels();
    let [low_c, deeper @ ..] = levels else { return unit.of(x, name, c) };
    x.recorder().layer(name, || {
        let skip = unit.of(x, "skip", c)?;
        let low = unit.of(x.max_pool2d(2, 2, 0)?, "down", *low_c)?;
        let low = hourglass(low, "inner", deeper, unit)?;
        let low = unit.of(low, "up", c)?;
        skip.add(low.upsample_nearest(2)?)
    })
}
