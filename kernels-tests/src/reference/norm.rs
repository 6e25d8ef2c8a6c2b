//! Batch normalisation over all axes but the channels, and normalisation of each sample over groups.

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

/// Which elements are normalised together: the number of the group that an element belongs to, by its place.
pub fn group_of(x: &Tensor, over: Over) -> impl Fn(usize) -> usize {
    let channels = *x.dims.last().expect("an axis");
    let sample = x.data.len() / x.dims[0];
    move |i| match over {
        Over::Batch => i % channels,
        Over::Row => i / channels,
        Over::Groups(groups) => i / sample * groups + i % channels / (channels / groups),
    }
}

/// What is normalised together.
#[derive(Debug, Clone, Copy)]
pub enum Over {
    /// Each channel of the whole batch.
    Batch,
    /// Each row of channels.
    Row,
    /// Each of so many groups of consecutive channels of each sample.
    Groups(usize),
}

/// x̂ and the reciprocal of its deviation, for each element.
fn normalized(x: &Tensor, over: Over, eps: f64) -> (Vec<f64>, Vec<f64>) {
    let (group, n) = (group_of(x, over), x.data.len());
    let mean_of = |values: &[f64]| -> Vec<f64> {
        let (mut sums, mut counts) = (vec![0.0; n], vec![0.0; n]);
        for (i, v) in values.iter().enumerate() {
            sums[group(i)] += v;
            counts[group(i)] += 1.0;
        }
        (0..n).map(|i| sums[group(i)] / counts[group(i)]).collect()
    };
    let d: Vec<f64> = x.data.iter().zip(mean_of(&x.data)).map(|(v, mean)| v - mean).collect();
    let squares: Vec<f64> = d.iter().map(|d| d * d).collect();
    let inverse: Vec<f64> = mean_of(&squares).iter().map(|variance| 1.0 / (variance + eps).sqrt()).collect();
    (d.iter().zip(&inverse).map(|(d, inverse)| d * inverse).collect(), inverse)
}

/// `scale · x̂ + shift`, `affine` being scale and shift as two rows.
pub fn group_norm(x: &Tensor, affine: Option<&Tensor>, over: Over, eps: f64) -> Tensor {
    let channels = *x.dims.last().expect("an axis");
    let (normal, _) = normalized(x, over, eps);
    let y = normal.iter().enumerate().map(|(i, v)| match affine {
        Some(affine) => v * affine.data[i % channels] + affine.data[channels + i % channels],
        None => *v,
    });
    Tensor { dims: x.dims.clone(), data: y.collect() }
}

/// The gradient of `Σ gy · y` with respect to x: `(g − mean g − x̂ · mean(g·x̂)) / deviation`, `g = scale · gy`.
pub fn group_norm_gradient(gy: &Tensor, x: &Tensor, affine: Option<&Tensor>, over: Over, eps: f64) -> Tensor {
    let channels = *x.dims.last().expect("an axis");
    let (normal, inverse) = normalized(x, over, eps);
    let group = group_of(x, over);
    let g: Vec<f64> =
        gy.data.iter().enumerate().map(|(i, gy)| gy * affine.map_or(1.0, |a| a.data[i % channels])).collect();
    let n = g.len();
    let gx = (0..n).map(|i| {
        let members: Vec<usize> = (0..n).filter(|&j| group(j) == group(i)).collect();
        let mean = |f: &dyn Fn(usize) -> f64| members.iter().map(|&j| f(j)).sum::<f64>() / members.len() as f64;
        inverse[i] * (g[i] - mean(&|j| g[j]) - normal[i] * mean(&|j| g[j] * normal[j]))
    });
    Tensor { dims: x.dims.clone(), data: gx.collect() }
}

/// The gradient of `Σ gy · y` with respect to scale and shift.
pub fn affine_gradient(gy: &Tensor, x: &Tensor, over: Over, eps: f64) -> Tensor {
    let channels = *x.dims.last().expect("an axis");
    let (normal, _) = normalized(x, over, eps);
    let mut data = vec![0.0; 2 * channels];
    for (i, gy) in gy.data.iter().enumerate() {
        data[i % channels] += gy * normal[i];
        data[channels + i % channels] += gy;
    }
    Tensor { dims: vec![2, channels], data }
}

fn unit(v: Vec<f64>) -> Vec<f64> {
    let length = v.iter().map(|v| v * v).sum::<f64>().sqrt();
    v.iter().map(|v| v / length).collect()
}

/// The weight, as a matrix of rows × output channels, times a column,
fn across(weight: &Tensor, u: &[f64]) -> Vec<f64> {
    weight.data.chunks_exact(u.len()).map(|row| row.iter().zip(u).map(|(w, u)| w * u).sum()).collect()
}

/// and a row times it.
fn along(weight: &Tensor, v: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).map(|c| v.iter().enumerate().map(|(r, v)| v * weight.data[r * columns + c]).sum()).collect()
}

/// An estimate of the largest singular value and of its vectors, left (of rows) and right (of output channels), after power
/// iterations from the right vector `u`.
pub fn singular(weight: &Tensor, u: &[f64], iterations: usize) -> (f64, Vec<f64>, Vec<f64>) {
    let mut u = unit(u.to_vec());
    let mut v = unit(across(weight, &u));
    for i in 0..iterations {
        if i > 0 {
            v = unit(across(weight, &u));
        }
        u = unit(along(weight, &v, u.len()));
    }
    (along(weight, &v, u.len()).iter().zip(&u).map(|(a, b)| a * b).sum(), v, u)
}

/// The weight over its largest singular value, estimated by power iterations from `u`.
pub fn spectral_norm(weight: &Tensor, u: &[f64], iterations: usize) -> Tensor {
    let (sigma, _, _) = singular(weight, u, iterations);
    weight.map(|w| w / sigma)
}
