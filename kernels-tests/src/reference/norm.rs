//! Batch normalisation over all axes but the channels.

use super::Tensor;

/// Mean and (biased) variance of every channel, as two rows.
pub fn statistics(x: &Tensor) -> Tensor {
    let channels = *x.dims.last().expect("an axis");
    let rows = x.data.len() / channels;
    let column = |c: usize| (0..rows).map(move |r| x.data[r * channels + c]);
    let mut data: Vec<f64> = (0..channels).map(|c| column(c).sum::<f64>() / rows as f64).collect();
    for c in 0..channels {
        data.push(column(c).map(|v| (v - data[c]).powi(2)).sum::<f64>() / rows as f64);
    }
    Tensor { dims: vec![2, channels], data }
}

/// `scale · (x − mean) / √(variance + eps) + shift`, then ReLU if asked; `affine` is scale and shift, `statistics` mean and
/// variance, as two rows each.
pub fn batch_norm(x: &Tensor, affine: &Tensor, statistics: &Tensor, eps: f64, relu: bool) -> Tensor {
    let channels = *x.dims.last().expect("an axis");
    let (scale, shift) = affine.data.split_at(channels);
    let (mean, variance) = statistics.data.split_at(channels);
    let normalised = x.data.iter().enumerate().map(|(i, v)| {
        let c = i % channels;
        let y = scale[c] * (v - mean[c]) / (variance[c] + eps).sqrt() + shift[c];
        if relu { y.max(0.0) } else { y }
    });
    Tensor { dims: x.dims.clone(), data: normalised.collect() }
}
