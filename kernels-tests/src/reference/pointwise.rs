//! Functions of one and of two variables.

use super::Tensor;
use super::layout::broadcast;

/// `f` of every pair after broadcasting.
pub fn binary(a: &Tensor, b: &Tensor, f: impl Fn(f64, f64) -> f64) -> Tensor {
    let rank = a.dims.len().max(b.dims.len());
    let extent = |t: &Tensor, axis: usize| (axis + t.dims.len()).checked_sub(rank).map_or(1, |i| t.dims[i]);
    let dims: Vec<usize> = (0..rank).map(|axis| extent(a, axis).max(extent(b, axis))).collect();
    let (a, b) = (broadcast(a, &dims), broadcast(b, &dims));
    let data = a.data.iter().zip(&b.data).map(|(&a, &b)| f(a, b)).collect();
    Tensor { dims, data }
}

/// `½x²/β` for |x| < β, else `|x| − ½β`.
pub fn smooth_l1(x: f64, beta: f64) -> f64 {
    if x.abs() < beta { 0.5 * x * x / beta } else { x.abs() - 0.5 * beta }
}

/// `½x²` for |x| < δ, else `δ(|x| − ½δ)`.
pub fn huber(x: f64, delta: f64) -> f64 {
    if x.abs() < delta { 0.5 * x * x } else { delta * (x.abs() - 0.5 * delta) }
}

/// `x·Φ(x)`, Φ by the Maclaurin series of the error function; for |x| up to 5.
pub fn gelu(x: f64) -> f64 {
    let z = x / std::f64::consts::SQRT_2;
    let mut term = z;
    let mut sum = z;
    for n in 1..120 {
        term *= -z * z / n as f64;
        sum += term / (2 * n + 1) as f64;
    }
    x * 0.5 * (1.0 + 2.0 / std::f64::consts::PI.sqrt() * sum)
}

/// `a` where the condition is not 0, else `b`.
pub fn select(condition: &[f32], a: &Tensor, b: &Tensor) -> Tensor {
    let data = (0..a.data.len()).map(|i| if condition[i] != 0.0 { a.data[i] } else { b.data[i] }).collect();
    Tensor { dims: a.dims.clone(), data }
}

/// Heights of Gaussian bumps around joints `uv` (N×J×2), on a grid of pixels whose first centre is at (½, ½).
pub fn gaussian_heatmaps(uv: &Tensor, h: usize, w: usize, sigma: f64) -> Tensor {
    Tensor::from_fn(&[uv.dims[0], h, w, uv.dims[1]], |i| {
        let du = uv.at(&[i[0], i[3], 0]) - (i[2] as f64 + 0.5);
        let dv = uv.at(&[i[0], i[3], 1]) - (i[1] as f64 + 0.5);
        (-(du * du + dv * dv) / (2.0 * sigma * sigma)).exp()
    })
}
