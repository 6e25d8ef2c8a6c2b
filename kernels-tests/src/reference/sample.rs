//! Images resized and sampled at positions.

use super::Tensor;

/// A pixel, or 0 outside the image.
fn pixel(x: &Tensor, image: usize, row: f64, column: f64, channel: usize) -> f64 {
    let inside = row >= 0.0 && column >= 0.0 && row < x.dims[1] as f64 && column < x.dims[2] as f64;
    if inside { x.at(&[image, row as usize, column as usize, channel]) } else { 0.0 }
}

/// Between the four pixels around a position whose whole numbers are pixels' centres.
fn bilinear(x: &Tensor, image: usize, down: f64, across: f64, channel: usize) -> f64 {
    let (top, left) = (down.floor(), across.floor());
    let (fy, fx) = (down - top, across - left);
    (1.0 - fy) * (1.0 - fx) * pixel(x, image, top, left, channel)
        + (1.0 - fy) * fx * pixel(x, image, top, left + 1.0, channel)
        + fy * (1.0 - fx) * pixel(x, image, top + 1.0, left, channel)
        + fy * fx * pixel(x, image, top + 1.0, left + 1.0, channel)
}

/// The image with h rows and w columns, each pixel the one at `i · from / to`, with the centre at `centre` of 2 halves.
pub fn resize_nearest(x: &Tensor, h: usize, w: usize, centre: usize) -> Tensor {
    let place = |i: usize, from: usize, to: usize| (2 * i + centre) * from / (2 * to);
    Tensor::from_fn(&[x.dims[0], h, w, x.dims[3]], |i| {
        x.at(&[i[0], place(i[1], x.dims[1], h), place(i[2], x.dims[2], w), i[3]])
    })
}

/// The image with h rows and w columns between four pixels each, at the edges the pixels there.
pub fn resize_bilinear(x: &Tensor, h: usize, w: usize, align_corners: bool) -> Tensor {
    let place = |i: usize, from: usize, to: usize| {
        let at = match align_corners {
            true if to == 1 => 0.0,
            true => i as f64 * (from as f64 - 1.0) / (to as f64 - 1.0),
            false => (i as f64 + 0.5) * from as f64 / to as f64 - 0.5,
        };
        at.clamp(0.0, from as f64 - 1.0)
    };
    Tensor::from_fn(&[x.dims[0], h, w, x.dims[3]], |i| {
        bilinear(x, i[0], place(i[1], x.dims[1], h), place(i[2], x.dims[2], w), i[3])
    })
}

/// What is around an image that is sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Around {
    /// Zeros.
    Zeros,
    /// Its border.
    Border,
    /// Its mirror image.
    Mirror,
}

/// Images at positions `u` (across) and `v` (down), N×h×w×1 each, −1 to 1 over the image.
pub fn grid_sample(x: &Tensor, u: &Tensor, v: &Tensor, nearest: bool, around: Around, align_corners: bool) -> Tensor {
    let place = |coordinate: f64, n: usize| {
        let n = n as f64;
        let mut at = match align_corners {
            true => (coordinate + 1.0) / 2.0 * (n - 1.0),
            false => ((coordinate + 1.0) * n - 1.0) / 2.0,
        };
        if around == Around::Mirror {
            // Thrown back by one mirror and the other, until it is between them.
            let (low, high) = if align_corners { (0.0, n - 1.0) } else { (-0.5, n - 0.5) };
            while high > low && !(low..=high).contains(&at) {
                at = if at < low { 2.0 * low - at } else { 2.0 * high - at };
            }
        }
        if around == Around::Zeros { at } else { at.clamp(0.0, n - 1.0) }
    };
    Tensor::from_fn(&[x.dims[0], u.dims[1], u.dims[2], x.dims[3]], |i| {
        let at = [i[0], i[1], i[2], 0];
        let (across, down) = (place(u.at(&at), x.dims[2]), place(v.at(&at), x.dims[1]));
        match nearest {
            true => pixel(x, i[0], down.round_ties_even(), across.round_ties_even(), i[3]),
            false => bilinear(x, i[0], down, across, i[3]),
        }
    })
}
