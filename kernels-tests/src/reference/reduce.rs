//! Sums, norms, extremes and softmax.

use super::Tensor;

/// `scale · Σ x` over `axes`, which stay with extent 1.
pub fn sum(x: &Tensor, axes: &[usize], scale: f64) -> Tensor {
    let mut dims = x.dims.clone();
    for &axis in axes {
        dims[axis] = 1;
    }
    let mut y = Tensor::from_fn(&dims, |_| 0.0);
    let mut source = 0;
    Tensor::from_fn(&x.dims, |index| {
        let mut position = 0;
        for (axis, &i) in index.iter().enumerate() {
            position = position * dims[axis] + if axes.contains(&axis) { 0 } else { i };
        }
        y.data[position] += scale * x.data[source];
        source += 1;
        0.0
    });
    y
}

/// `√Σ x²` over `axes`, which stay with extent 1.
pub fn norm(x: &Tensor, axes: &[usize]) -> Tensor {
    sum(&x.map(|v| v * v), axes, 1.0).map(f64::sqrt)
}

/// The element over `axes` that no other is better than; they stay with extent 1.
pub fn extreme(x: &Tensor, axes: &[usize], better: impl Fn(f64, f64) -> bool) -> Tensor {
    let mut dims = x.dims.clone();
    axes.iter().for_each(|&axis| dims[axis] = 1);
    let mut y = Tensor::from_fn(&dims, |_| f64::NAN);
    let mut source = 0;
    Tensor::from_fn(&x.dims, |index| {
        let mut position = 0;
        for (axis, &i) in index.iter().enumerate() {
            position = position * dims[axis] + if axes.contains(&axis) { 0 } else { i };
        }
        let value = x.data[source];
        if y.data[position].is_nan() || better(value, y.data[position]) {
            y.data[position] = value;
        }
        source += 1;
        0.0
    });
    y
}

/// The first index along `axis` whose element no other is better than.
pub fn arg_extreme(x: &Tensor, axis: usize, better: impl Fn(f64, f64) -> bool) -> Tensor {
    let mut dims = x.dims.clone();
    dims[axis] = 1;
    Tensor::from_fn(&dims, |index| {
        let at = |i: usize| {
            let mut index = index.to_vec();
            index[axis] = i;
            x.at(&index)
        };
        (1..x.dims[axis]).fold(0, |best, i| if better(at(i), at(best)) { i } else { best }) as f64
    })
}

/// `eˣ / Σ eˣ` along `axis`.
pub fn softmax(x: &Tensor, axis: usize) -> Tensor {
    let line = |index: &[usize]| {
        let mut index = index.to_vec();
        index[axis] = 0;
        index
    };
    let largest = extreme(x, &[axis], |a, b| a > b);
    let powers = Tensor::from_fn(&x.dims, |index| (x.at(index) - largest.at(&line(index))).exp());
    let total = sum(&powers, &[axis], 1.0);
    Tensor::from_fn(&x.dims, |index| powers.at(index) / total.at(&line(index)))
}
