//! Gradients of linear operators, and what they are made of.

use super::Tensor;
use super::pointwise::binary;

/// The gradient of `Σ gy · f(x)` for an f that is linear in its one operand of extents `dims`: element j is what f makes
/// of the j-th unit vector, contracted with gy.
pub fn adjoint(f: impl Fn(&Tensor) -> Tensor, dims: &[usize], gy: &Tensor) -> Tensor {
    let n: usize = dims.iter().product();
    let element = |j: usize| {
        let unit = Tensor { dims: dims.to_vec(), data: (0..n).map(|i| f64::from(u8::from(i == j))).collect() };
        f(&unit).data.iter().zip(&gy.data).map(|(y, gy)| y * gy).sum()
    };
    Tensor { dims: dims.to_vec(), data: (0..n).map(element).collect() }
}

/// The sum over the axes along which `dims` was repeated to reach x's extents.
pub fn sum_to(x: &Tensor, dims: &[usize]) -> Tensor {
    let missing = x.dims.len() - dims.len();
    let mut y = Tensor::from_fn(dims, |_| 0.0);
    let mut source = 0;
    Tensor::from_fn(&x.dims, |index| {
        let place = dims.iter().zip(&index[missing..]).fold(0, |at, (&n, &i)| at * n + if n == 1 { 0 } else { i });
        y.data[place] += x.data[source];
        source += 1;
        0.0
    });
    y
}

/// The product, element by element, with broadcasting.
pub fn times(a: &Tensor, b: &Tensor) -> Tensor {
    binary(a, b, |a, b| a * b)
}
