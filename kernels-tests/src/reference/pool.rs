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

/// `MᵀM x` of a linear map M, from what it makes of each unit vector.
pub fn gram(x: &Tensor, map: impl Fn(&Tensor) -> Tensor) -> Tensor {
    let image = map(x);
    let along = |i: usize| {
        let mut unit = Tensor { dims: x.dims.clone(), data: vec![0.0; x.data.len()] };
        unit.data[i] = 1.0;
        map(&unit).data.iter().zip(&image.data).map(|(a, b)| a * b).sum()
    };
    Tensor { dims: x.dims.clone(), data: (0..x.data.len()).map(along).collect() }
}

/// Every pixel repeated over a block.
pub fn upsample_nearest(x: &Tensor, factor: usize) -> Tensor {
    let dims = [x.dims[0], x.dims[1] * factor, x.dims[2] * factor, x.dims[3]];
    Tensor::from_fn(&dims, |i| x.at(&[i[0], i[1] / factor, i[2] / factor, i[3]]))
}

/// The mean over windows; zeros around count only if asked.
pub fn avg_pool2d(x: &Tensor, kernel: usize, stride: usize, padding: usize, count_padding: bool) -> Tensor {
    let (h, w) = (x.dims[1], x.dims[2]);
    let count = |n: usize| (n + 2 * padding - kernel) / stride + 1;
    Tensor::from_fn(&[x.dims[0], count(h), count(w), x.dims[3]], |i| {
        let (mut sum, mut inside) = (0.0, 0);
        for dy in 0..kernel {
            for dx in 0..kernel {
                let (row, column) = (i[1] * stride + dy, i[2] * stride + dx);
                if row >= padding && column >= padding && row - padding < h && column - padding < w {
                    sum += x.at(&[i[0], row - padding, column - padding, i[3]]);
                    inside += 1;
                }
            }
        }
        sum / if count_padding { kernel * kernel } else { inside } as f64
    })
}

/// The mean over h×w bins that cover the image.
pub fn adaptive_avg_pool2d(x: &Tensor, h: usize, w: usize) -> Tensor {
    Tensor::from_fn(&[x.dims[0], h, w, x.dims[3]], |i| {
        let bin = |i: usize, from: usize, to: usize| {
            let first = (i as f64 * from as f64 / to as f64 + 1e-9).floor() as usize;
            let last = ((i + 1) as f64 * from as f64 / to as f64 - 1e-9).ceil() as usize;
            first..last
        };
        let (rows, columns) = (bin(i[1], x.dims[1], h), bin(i[2], x.dims[2], w));
        let count = rows.len() * columns.len();
        let pixels = rows.flat_map(|row| columns.clone().map(move |column| (row, column)));
        pixels.map(|(row, column)| x.at(&[i[0], row, column, i[3]])).sum::<f64>() / count as f64
    })
}
