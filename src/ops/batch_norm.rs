//! Batch normalisation over all axes but the channels (Ioffe and Szegedy 2015, algorithm 1).

use crate::error::Result;
use crate::graph::Var;

/// What batch normalisation of a batch gives.
#[derive(Debug, Clone, Copy)]
pub struct Normalized<'r> {
    /// The normalised, scaled and shifted tensor.
    pub y: Var<'r>,
    /// The batch's mean of each channel, `[C]`.
    pub mean: Var<'r>,
    /// The batch's (biased) variance of each channel, `[C]`.
    pub variance: Var<'r>,
}

impl<'r> Var<'r> {
    /// Normalises each channel by the batch's own mean and variance, scales by `gamma` and shifts by `beta` (both
    /// `[C]`), then ReLU if asked.
    #[track_caller]
    pub fn batch_norm_train(self, gamma: Var<'r>, beta: Var<'r>, eps: f32, relu: bool) -> Result<Normalized<'r>> {
        let shape = self.shape();
        let axes: Vec<usize> = (0..shape.rank() - 1).collect();
        let mean = self.mean(&axes)?;
        let centred = self.sub(mean)?;
        let variance = centred.square()?.mean(&axes)?;
        let y = centred.div(variance.offset(eps)?.sqrt()?)?.mul(gamma)?.add(beta)?;
        let y = if relu { y.relu()? } else { y };
        let channels = [shape.channels()];
        Ok(Normalized { y, mean: mean.reshape(channels)?, variance: variance.reshape(channels)? })
    }

    /// Normalises each channel by given statistics (`[C]` each), scales and shifts, then ReLU if asked.
    #[track_caller]
    pub fn batch_norm_infer(
        self,
        gamma: Var<'r>,
        beta: Var<'r>,
        [mean, variance]: [Var<'r>; 2],
        eps: f32,
        relu: bool,
    ) -> Result<Var<'r>> {
        let y = self.sub(mean)?.div(variance.offset(eps)?.sqrt()?)?.mul(gamma)?.add(beta)?;
        if relu { y.relu() } else { Ok(y) }
    }
}
