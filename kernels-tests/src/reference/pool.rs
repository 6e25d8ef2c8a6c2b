//! Pooling and upsampling of images N×H×W×C.

use super::Tensor;

/// The maximum over windows; positions outside the image take no part.
pub fn max_pool2d(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Tensor {
    let (h, w) = (x.dims[1], x.dims[2]);
    let count = |n: usize| (n + 2 * padding - kernel) / stride + 1;
    Tensor::from_fn(&[x.dims[0], count(h), count(w), x.dims[3]], |i| {
        let mut best = f64::NEG_INFINITY;
        for dy in 0..kernel {
            for dx in 0..kernel {
                let (row, column) = (i[1] * stride + dy, i[2] * stride + dx);
                if row >= padding && column >= padding && row - padding < h && column - padding < w {
                    best = best.max(x.at(&[i[0], row - padding, column - padding, i[3]]));
                }
            }
        }
        best
    })
}

/// Every pixel repeated over a block.
pub fn upsample_nearest(x: &Tensor, factor: usize) -> Tensor {
    let dims = [x.dims[0], x.dims[1] * factor, x.dims[2] * factor, x.dims[3]];
    Tensor::from_fn(&dims, |i| x.at(&[i[0], i[1] / factor, i[2] / factor, i[3]]))
}
