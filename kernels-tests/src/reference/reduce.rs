//! Sums.

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
