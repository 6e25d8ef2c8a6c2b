//! Convolution of images N×H×W×C with a weight KH×KW×Ci/groups×Co, its adjoints, and the correlation of two images.

use super::Tensor;

/// The sum over the window and the group's input channels, zeros outside the image; then bias and ReLU if given.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    [stride, padding, dilation]: [usize; 3],
    relu: bool,
) -> Tensor {
    let [n, h, w, ci] = x.dims[..] else { panic!("an image") };
    let [kh, kw, group, co] = weight.dims[..] else { panic!("a weight") };
    let outputs = co / (ci / group);
    let count = |extent: usize, kernel: usize| (extent + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
    Tensor::from_fn(&[n, count(h, kh), count(w, kw), co], |i| {
        let mut sum = bias.map_or(0.0, |b| b.data[i[3]]);
        for dy in 0..kh {
            for dx in 0..kw {
                let (row, column) = (i[1] * stride + dy * dilation, i[2] * stride + dx * dilation);
                if row < padding || column < padding || row - padding >= h || column - padding >= w {
                    continue;
                }
                for c in 0..group {
                    let from = i[3] / outputs * group + c;
                    sum += x.at(&[i[0], row - padding, column - padding, from]) * weight.at(&[dy, dx, c, i[3]]);
                }
            }
        }
        if relu { sum.max(0.0) } else { sum }
    })
}

/// Calls `visit` with the positions in image, weight and result of every product that a convolution adds up, for images of
/// extents `dims`, weights of extents `weight` and results of extents `result`.
fn products(
    dims: &[usize],
    weight: &[usize],
    result: &[usize],
    [stride, padding, dilation]: [usize; 3],
    mut visit: impl FnMut(usize, usize, usize),
) {
    let (group, outputs) = (weight[2], weight[3] / (dims[3] / weight[2]));
    for y in 0..result.iter().product() {
        let (channel, pixel) = (y % result[3], y / result[3]);
        let (column, row, image) = (pixel % result[2], pixel / result[2] % result[1], pixel / result[2] / result[1]);
        for tap in 0..weight[0] * weight[1] {
            let row = (row * stride + tap / weight[1] * dilation).checked_sub(padding);
            let column = (column * stride + tap % weight[1] * dilation).checked_sub(padding);
            let (Some(row), Some(column)) = (row, column) else { continue };
            if row >= dims[1] || column >= dims[2] {
                continue;
            }
            for c in 0..group {
                let x = ((image * dims[1] + row) * dims[2] + column) * dims[3] + channel / outputs * group + c;
                visit(x, (tap * group + c) * weight[3] + channel, y);
            }
        }
    }
}

/// The gradient of [`conv2d`] with respect to its image of extents `dims`, where that of its result is `gy`.
pub fn conv2d_input_gradient(gy: &Tensor, weight: &Tensor, dims: &[usize], attributes: [usize; 3]) -> Tensor {
    let mut data = vec![0.0; dims.iter().product()];
    products(dims, &weight.dims, &gy.dims, attributes, |x, w, y| data[x] += weight.data[w] * gy.data[y]);
    Tensor { dims: dims.to_vec(), data }
}

/// The gradient of [`conv2d`] with respect to its weight of extents `dims`, where that of its result is `gy`.
pub fn conv2d_weight_gradient(x: &Tensor, gy: &Tensor, dims: &[usize], attributes: [usize; 3]) -> Tensor {
    let mut data = vec![0.0; dims.iter().product()];
    products(&x.dims, dims, &gy.dims, attributes, |from, w, y| data[w] += x.data[from] * gy.data[y]);
    Tensor { dims: dims.to_vec(), data }
}

/// Every pixel's channels times the taps of a weight KH×KW×Co/groups×Ci, added to the pixels around `stride` times its
/// place; then bias and ReLU if given.
pub fn conv_transpose2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    [stride, padding, output_padding, dilation, groups]: [usize; 5],
    relu: bool,
) -> Tensor {
    let [n, h, w, ci] = x.dims[..] else { panic!("an image") };
    let [kh, kw, group, _] = weight.dims[..] else { panic!("a weight") };
    let count = |n: usize, kernel: usize| (n - 1) * stride + dilation * (kernel - 1) + output_padding + 1 - 2 * padding;
    let dims = [n, count(h, kh), count(w, kw), group * groups];
    let mut y = Tensor::from_fn(&dims, |i| bias.map_or(0.0, |b| b.data[i[3]]));
    for (at, value) in x.data.iter().enumerate() {
        let (c, pixel) = (at % ci, at / ci);
        let (column, row, image) = (pixel % w, pixel / w % h, pixel / w / h);
        for dy in 0..kh {
            for dx in 0..kw {
                let row = (row * stride + dy * dilation).wrapping_sub(padding);
                let column = (column * stride + dx * dilation).wrapping_sub(padding);
                if row >= dims[1] || column >= dims[2] {
                    continue;
                }
                for o in 0..group {
                    let to = ((image * dims[1] + row) * dims[2] + column) * dims[3] + c / (ci / groups) * group + o;
                    y.data[to] += value * weight.at(&[dy, dx, o, c]);
                }
            }
        }
    }
    if relu { y.map(|v| v.max(0.0)) } else { y }
}

/// Calls `visit` with the positions in the first image, the second and the result of every product that a correlation of
/// images of extents `dims` adds up.
fn correlated(dims: &[usize], [most, stride]: [usize; 2], mut visit: impl FnMut(usize, usize, usize)) {
    let [n, h, w, c] = dims[..] else { panic!("an image") };
    let (reach, side) = (most / stride * stride, 2 * (most / stride) + 1);
    for pixel in 0..n * h * w {
        let (column, row, image) = (pixel % w, pixel / w % h, pixel / w / h);
        for k in 0..side * side {
            let other =
                ((row + k / side * stride).wrapping_sub(reach), (column + k % side * stride).wrapping_sub(reach));
            if other.0 >= h || other.1 >= w {
                continue;
            }
            for channel in 0..c {
                let second = ((image * h + other.0) * w + other.1) * c + channel;
                visit(pixel * c + channel, second, pixel * side * side + k);
            }
        }
    }
}

/// The mean over channels of the products of each pixel of `a` with the pixels of `b` up to `most` away, `stride` apart.
pub fn correlation(a: &Tensor, b: &Tensor, [most, stride]: [usize; 2]) -> Tensor {
    let side = 2 * (most / stride) + 1;
    let dims = [a.dims[0], a.dims[1], a.dims[2], side * side];
    let mut data = vec![0.0; dims.iter().product()];
    correlated(&a.dims, [most, stride], |i, j, k| data[k] += a.data[i] * b.data[j] / a.dims[3] as f64);
    Tensor { dims: dims.to_vec(), data }
}

/// The gradients of [`correlation`] with respect to both images, where that of its result is `gy`.
pub fn correlation_gradients(gy: &Tensor, a: &Tensor, b: &Tensor, attributes: [usize; 2]) -> [Tensor; 2] {
    let mut gradients = [a.map(|_| 0.0), b.map(|_| 0.0)];
    correlated(&a.dims, attributes, |i, j, k| {
        let g = gy.data[k] / a.dims[3] as f64;
        gradients[0].data[i] += g * b.data[j];
        gradients[1].data[j] += g * a.data[i];
    });
    gradients
}
