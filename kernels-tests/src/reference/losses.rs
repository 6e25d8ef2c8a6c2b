//! Losses, from their definitions.

use super::Tensor;

/// The mean of all elements.
pub fn mean(x: &Tensor) -> Tensor {
    Tensor { dims: vec![1], data: vec![x.data.iter().sum::<f64>() / x.data.len() as f64] }
}

/// The sum of all elements.
pub fn sum(x: &Tensor) -> Tensor {
    Tensor { dims: vec![1], data: vec![x.data.iter().sum()] }
}

/// The sum of each sample's elements, the mean over the samples.
pub fn batch_mean(x: &Tensor) -> Tensor {
    Tensor { dims: vec![1], data: vec![x.data.iter().sum::<f64>() / x.dims[0] as f64] }
}

/// The mean of each sample's elements.
pub fn per_sample(x: &Tensor) -> Tensor {
    let each = x.data.len() / x.dims[0];
    let data = x.data.chunks_exact(each).map(|sample| sample.iter().sum::<f64>() / each as f64).collect();
    Tensor { dims: vec![x.dims[0]], data }
}

/// `f` of each pair of rows of two tensors with as many rows, which disappear.
pub fn rows(a: &Tensor, b: &Tensor, f: impl Fn(&[f64], &[f64]) -> f64) -> Tensor {
    let (channels, rest) = a.dims.split_last().expect("an axis");
    let width = b.data.len() / rest.iter().product::<usize>();
    let data = a.data.chunks_exact(*channels).zip(b.data.chunks_exact(width)).map(|(a, b)| f(a, b)).collect();
    Tensor { dims: rest.to_vec(), data }
}

/// `−w·t·ln σ(x) − (1 − t)·ln(1 − σ(x))`, by exponentials that do not overflow.
pub fn binary_cross_entropy(x: f64, t: f64, weight: f64) -> f64 {
    let log_sigmoid = |x: f64| if x > 0.0 { -(-x).exp().ln_1p() } else { x - x.exp().ln_1p() };
    -weight * t * log_sigmoid(x) - (1.0 - t) * log_sigmoid(-x)
}

/// `ln softmax` of a row.
pub fn log_softmax(row: &[f64]) -> Vec<f64> {
    let largest = row.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v));
    let log = largest + row.iter().map(|v| (v - largest).exp()).sum::<f64>().ln();
    row.iter().map(|v| v - log).collect()
}

/// `−Σ t·ln softmax(x)` of a row.
pub fn cross_entropy(logits: &[f64], target: &[f64]) -> f64 {
    -log_softmax(logits).iter().zip(target).map(|(log, t)| log * t).sum::<f64>()
}

/// Probabilities 1 − ε + ε/C of one class and ε/C of the others.
pub fn smoothed(class: usize, classes: usize, smoothing: f64) -> Vec<f64> {
    let rest = smoothing / classes as f64;
    (0..classes).map(|c| if c == class { 1.0 - smoothing + rest } else { rest }).collect()
}

fn length(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// The cosine of the angle between two vectors.
pub fn cosine(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / (length(a) * length(b))
}

/// For each sample and bone of two N×J×D tensors of joints, `f` of the two vectors: N×B×1.
pub fn bones(a: &Tensor, b: &Tensor, bones: &[(usize, usize)], f: impl Fn(&[f64], &[f64]) -> f64) -> Tensor {
    Tensor::from_fn(&[a.dims[0], bones.len(), 1], |i| {
        let vector = |x: &Tensor| -> Vec<f64> {
            let (first, second) = bones[i[1]];
            (0..x.dims[2]).map(|d| x.at(&[i[0], second, d]) - x.at(&[i[0], first, d])).collect()
        };
        f(&vector(a), &vector(b))
    })
}

/// `|‖a‖ − ‖b‖|`
pub fn length_difference(a: &[f64], b: &[f64]) -> f64 {
    (length(a) - length(b)).abs()
}

/// `‖a/‖a‖ − b/‖b‖‖`
pub fn direction_difference(a: &[f64], b: &[f64]) -> f64 {
    let (la, lb) = (length(a), length(b));
    length(&a.iter().zip(b).map(|(a, b)| a / la - b / lb).collect::<Vec<_>>())
}

/// `(‖∇D(x)‖ − 1)²` of each row of x for the critic `D(x) = softplus(x·W + b)·v`.
pub fn gradient_penalty(x: &Tensor, w: &Tensor, b: &Tensor, v: &Tensor) -> Tensor {
    let (inputs, hidden) = (w.dims[0], w.dims[1]);
    let penalty = |x: &[f64]| {
        let slopes: Vec<f64> = (0..hidden)
            .map(|h| {
                let z = b.data[h] + (0..inputs).map(|i| x[i] * w.at(&[i, h])).sum::<f64>();
                v.data[h] / (1.0 + (-z).exp())
            })
            .collect();
        let gradient: Vec<f64> = (0..inputs).map(|i| (0..hidden).map(|h| w.at(&[i, h]) * slopes[h]).sum()).collect();
        (length(&gradient) - 1.0).powi(2)
    };
    Tensor { dims: vec![x.dims[0]], data: x.data.chunks_exact(inputs).map(penalty).collect() }
}

fn leaky(x: f64) -> f64 {
    if x > 0.0 { x } else { 0.2 * x }
}

/// `(‖∇D(x)‖ − 1)²` of each row of x for the critic `D(x) = leaky(leaky(x·A)·B)·v` of slope 0.2.
pub fn deep_gradient_penalty(x: &Tensor, a: &Tensor, b: &Tensor, v: &Tensor) -> Tensor {
    let product = |row: &[f64], m: &Tensor| -> Vec<f64> {
        (0..m.dims[1]).map(|j| row.iter().enumerate().map(|(i, r)| r * m.at(&[i, j])).sum()).collect()
    };
    let back = |m: &Tensor, column: &[f64]| -> Vec<f64> {
        (0..m.dims[0]).map(|i| column.iter().enumerate().map(|(j, c)| m.at(&[i, j]) * c).sum()).collect()
    };
    let slope = |z: f64| if z > 0.0 { 1.0 } else { 0.2 };
    let penalty = |row: &[f64]| {
        let first = product(row, a);
        let second = product(&first.iter().map(|&z| leaky(z)).collect::<Vec<_>>(), b);
        let g: Vec<f64> = second.iter().zip(&v.data).map(|(&z, v)| slope(z) * v).collect();
        let g: Vec<f64> = back(b, &g).iter().zip(&first).map(|(g, &z)| slope(z) * g).collect();
        (length(&back(a, &g)) - 1.0).powi(2)
    };
    Tensor { dims: vec![x.dims[0]], data: x.data.chunks_exact(a.dims[0]).map(penalty).collect() }
}
