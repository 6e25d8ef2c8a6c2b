//! Convolution of images N×H×W×C with a weight KH×KW×Ci×Co.

use super::Tensor;

/// The sum over the window and the input channels, zeros outside the image; then bias and ReLU if given.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    [stride, padding, dilation]: [usize; 3],
    relu: bool,
) -> Tensor {
    let [n, h, w, ci] = x.dims[..] else { panic!("an image") };
    let [kh, kw, _, co] = weight.dims[..] else { panic!("a weight") };
    let count = |extent: usize, kernel: usize| (extent + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
    Tensor::from_fn(&[n, count(h, kh), count(w, kw), co], |i| {
        let mut sum = bias.map_or(0.0, |b| b.data[i[3]]);
        for dy in 0..kh {
            for dx in 0..kw {
                let (row, column) = (i[1] * stride + dy * dilation, i[2] * stride + dx * dilation);
                if row < padding || column < padding || row - padding >= h || column - padding >= w {
                    continue;
                }
                for c in 0..ci {
                    sum += x.at(&[i[0], row - padding, column - padding, c]) * weight.at(&[dy, dx, c, i[3]]);
                }
            }
        }
        if relu { sum.max(0.0) } else { sum }
    })
}
