//! Batch normalisation over all axes but the channels.

use super::Tensor;

/// Mean and (biased) variance of every channel.
pub fn statistics(x: &Tensor) -> (Tensor, Tensor) {
    let channels = *x.dims.last().expect("an axis");
    let rows = x.data.len() / channels;
    let column = |c: usize| (0..rows).map(move |r| x.data[r * channels + c]);
    let mean: Vec<f64> = (0..channels).map(|c| column(c).sum::<f64>() / rows as f64).collect();
    let variance = |c: usize| column(c).map(|v| (v - mean[c]).powi(2)).sum::<f64>() / rows as f64;
    let variance = (0..channels).map(variance).collect();
    (Tensor { dims: vec![channels], data: mean.clone() }, Tensor { dims: vec![channels], data: variance })
}

/// `gamma · (x − mean) / √(variance + eps) + beta`, then ReLU if asked; statistics given, or the batch's own.
pub fn batch_norm(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    given: Option<[&Tensor; 2]>,
    eps: f64,
    relu: bool,
) -> Tensor {
    let own = statistics(x);
    let [mean, variance] = given.unwrap_or([&own.0, &own.1]);
    let channels = *x.dims.last().expect("an axis");
    let normalised = x.data.iter().enumerate().map(|(i, v)| {
        let c = i % channels;
        let y = gamma.data[c] * (v - mean.data[c]) / (variance.data[c] + eps).sqrt() + beta.data[c];
        if relu { y.max(0.0) } else { y }
    });
    Tensor { dims: x.dims.clone(), data: normalised.collect() }
}
