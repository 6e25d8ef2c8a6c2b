//! Matrix products.

use super::Tensor;

/// Every row of `x` times the K×N matrix `b`; then bias and ReLU if given.
pub fn linear(x: &Tensor, b: &Tensor, bias: Option<&Tensor>, relu: bool) -> Tensor {
    let (k, n) = (b.dims[0], b.dims[1]);
    let mut dims = x.dims.clone();
    *dims.last_mut().expect("an axis") = n;
    let mut data = Vec::new();
    for row in x.data.chunks_exact(k) {
        for column in 0..n {
            let product: f64 = row.iter().enumerate().map(|(i, v)| v * b.data[i * n + column]).sum();
            let sum = product + bias.map_or(0.0, |bias| bias.data[column]);
            data.push(if relu { sum.max(0.0) } else { sum });
        }
    }
    Tensor { dims, data }
}

/// Rows as columns.
pub fn transpose(x: &Tensor) -> Tensor {
    Tensor::from_fn(&[x.dims[1], x.dims[0]], |i| x.at(&[i[1], i[0]]))
}
