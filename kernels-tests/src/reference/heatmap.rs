//! Positions of peaks in maps, and histograms of images.

use super::Tensor;

/// The mean position of each map under its softmax at a temperature.
pub fn soft_argmax2d(x: &Tensor, temperature: f64) -> Tensor {
    Tensor::from_fn(&[x.dims[0], x.dims[3], 2], |i| {
        let pixels = || (0..x.dims[1]).flat_map(|row| (0..x.dims[2]).map(move |column| (row, column)));
        let height = |(row, column): (usize, usize)| x.at(&[i[0], row, column, i[1]]) / temperature;
        let largest = pixels().map(height).fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut mean) = (0.0, 0.0);
        for pixel in pixels() {
            let weight = (height(pixel) - largest).exp();
            sum += weight;
            mean += weight * (if i[2] == 0 { pixel.1 } else { pixel.0 } as f64 + 0.5);
        }
        mean / sum
    })
}

/// The first highest pixel of each map, moved along each axis where there are two neighbours by `shift(before, top, after)`, and its
/// height.
pub fn arg_max2d(x: &Tensor, shift: impl Fn(f64, f64, f64) -> f64) -> Tensor {
    let (h, w) = (x.dims[1], x.dims[2]);
    Tensor::from_fn(&[x.dims[0], x.dims[3], 3], |i| {
        let at = |row: usize, column: usize| x.at(&[i[0], row, column, i[1]]);
        let mut best = (0, 0);
        for row in 0..h {
            for column in 0..w {
                if at(row, column) > at(best.0, best.1) {
                    best = (row, column);
                }
            }
        }
        let (row, column) = best;
        let top = at(row, column);
        match i[2] {
            0 if column > 0 && column + 1 < w => {
                column as f64 + 0.5 + shift(at(row, column - 1), top, at(row, column + 1))
            }
            0 => column as f64 + 0.5,
            1 if row > 0 && row + 1 < h => row as f64 + 0.5 + shift(at(row - 1, column), top, at(row + 1, column)),
            1 => row as f64 + 0.5,
            _ => top,
        }
    })
}

/// Where the parabola through three heights, one apart, is highest.
pub fn parabola_top(before: f64, top: f64, after: f64) -> f64 {
    let curvature = before - 2.0 * top + after;
    if curvature >= 0.0 { 0.0 } else { 0.5 * (before - after) / curvature }
}

/// Shares of the pixels of each channel in bins with centres from `low` to `high`; `kernel` of the distance in bins.
pub fn soft_histogram(x: &Tensor, bins: usize, low: f64, high: f64, kernel: impl Fn(f64) -> f64) -> Tensor {
    let spacing = (high - low) / (bins as f64 - 1.0);
    let counts = Tensor::from_fn(&[x.dims[0], bins, x.dims[3]], |i| {
        let centre = low + i[1] as f64 * spacing;
        let pixels = (0..x.dims[1]).flat_map(|row| (0..x.dims[2]).map(move |column| (row, column)));
        pixels.map(|(row, column)| kernel((x.at(&[i[0], row, column, i[2]]) - centre) / spacing)).sum()
    });
    Tensor::from_fn(&counts.dims.clone(), |i| {
        let sum: f64 = (0..bins).map(|b| counts.at(&[i[0], b, i[2]])).sum();
        if sum == 0.0 { 0.0 } else { counts.at(i) / sum }
    })
}

/// `Σ p ln((p + ε) / (q + ε))`, mean over the first axis.
pub fn histogram_divergence(p: &Tensor, q: &Tensor, eps: f64) -> f64 {
    let terms = p.data.iter().zip(&q.data).map(|(p, q)| p * ((p + eps) / (q + eps)).ln());
    terms.sum::<f64>() / p.dims[0] as f64
}
