//! Anti-aliased lines and shaded triangles on a picture, by the simplest means that look right.

use glam::{Vec2, Vec3};

use crate::data::Photo;

/// Samples along each side of a pixel for triangles.
const SAMPLES: usize = 2;

/// A colour in 8-bit sRGB.
pub type Colour = [u8; 3];

fn blend(pixel: &mut [u8], colour: [f32; 3], alpha: f32) {
    for (channel, colour) in pixel.iter_mut().zip(colour) {
        *channel = (f32::from(*channel) * (1.0 - alpha) + colour * alpha).round() as u8;
    }
}

/// The pixels of `photo` within `margin` of the box around `points`, as column and row ranges.
fn pixel_box(photo: &Photo, points: &[Vec2], margin: f32) -> [std::ops::Range<usize>; 2] {
    let low = points.iter().copied().fold(Vec2::INFINITY, Vec2::min) - margin;
    let high = points.iter().copied().fold(Vec2::NEG_INFINITY, Vec2::max) + margin;
    // Conversions from float saturate, so that points far outside do no harm.
    let range = |low: f32, high: f32, size: u32| low.floor() as usize..(high.ceil() as usize).min(size as usize);
    [range(low.x, high.x, photo.width()), range(low.y, high.y, photo.height())]
}

/// A line of `width` pixels with round ends; a disc where both ends agree. Nothing where a point is not finite.
pub fn line(photo: &mut Photo, ends: [Vec2; 2], width: f32, colour: Colour) {
    let [a, b] = ends;
    if !(a.is_finite() && b.is_finite()) {
        return;
    }
    let [columns, rows] = pixel_box(photo, &ends, 0.5 * width + 1.0);
    let stride = photo.width() as usize * 3;
    let along = b - a;
    for y in rows {
        for x in columns.clone() {
            let from_a = Vec2::new(x as f32 + 0.5, y as f32 + 0.5) - a;
            let t =
                if along == Vec2::ZERO { 0.0 } else { (from_a.dot(along) / along.length_squared()).clamp(0.0, 1.0) };
            let coverage = (0.5 * width + 0.5 - from_a.distance(along * t)).clamp(0.0, 1.0);
            if coverage > 0.0 {
                blend(&mut photo.rgb_mut()[y * stride + x * 3..][..3], colour.map(f32::from), coverage);
            }
        }
    }
}

/// A corner of a triangle: where it is in the picture, how far away, and its colour.
#[derive(Clone, Copy, Debug)]
pub struct Corner {
    pub at: Vec2,
    pub depth: f32,
    pub colour: Vec3,
}

/// Triangles with a depth buffer, blended over the picture with `alpha`. Those with a corner that is not finite are left out.
pub fn triangles(photo: &mut Photo, triangles: &[[Corner; 3]], alpha: f32) {
    let finite = |t: &&[Corner; 3]| t.iter().all(|c| c.at.is_finite() && c.depth.is_finite());
    let triangles: Vec<_> = triangles.iter().filter(finite).collect();
    let points: Vec<Vec2> = triangles.iter().flat_map(|t| t.map(|c| c.at)).collect();
    let [columns, rows] = pixel_box(photo, &points, 0.0);
    if columns.is_empty() || rows.is_empty() {
        return;
    }
    let corner = Vec2::new(columns.start as f32, rows.start as f32);
    let mut layer = Layer::new(columns.len() * SAMPLES, rows.len() * SAMPLES);
    for t in triangles {
        layer.fill(&t.map(|c| Corner { at: (c.at - corner) * SAMPLES as f32, ..c }));
    }
    let stride = photo.width() as usize * 3;
    for (i, y) in rows.enumerate() {
        for (j, x) in columns.clone().enumerate() {
            let (colour, coverage) = layer.average(j, i);
            if coverage > 0.0 {
                blend(&mut photo.rgb_mut()[y * stride + x * 3..][..3], colour.to_array(), alpha * coverage);
            }
        }
    }
}

/// Colour and depth of each sample.
struct Layer {
    width: usize,
    height: usize,
    samples: Vec<(f32, Vec3)>,
}

impl Layer {
    fn new(width: usize, height: usize) -> Self {
        Layer { width, height, samples: vec![(f32::INFINITY, Vec3::ZERO); width * height] }
    }

    fn fill(&mut self, [a, b, c]: &[Corner; 3]) {
        let area = (b.at - a.at).perp_dot(c.at - a.at);
        if area == 0.0 {
            return;
        }
        let low = a.at.min(b.at).min(c.at);
        let high = a.at.max(b.at).max(c.at);
        for y in low.y.floor() as usize..(high.y.ceil() as usize).min(self.height) {
            for x in low.x.floor() as usize..(high.x.ceil() as usize).min(self.width) {
                let p = Vec2::new(x as f32 + 0.5, y as f32 + 0.5);
                let u = (b.at - p).perp_dot(c.at - p) / area;
                let v = (c.at - p).perp_dot(a.at - p) / area;
                let w = 1.0 - u - v;
                let depth = u * a.depth + v * b.depth + w * c.depth;
                let sample = &mut self.samples[y * self.width + x];
                if u >= 0.0 && v >= 0.0 && w >= 0.0 && depth < sample.0 {
                    *sample = (depth, u * a.colour + v * b.colour + w * c.colour);
                }
            }
        }
    }

    /// Mean colour of a pixel's covered samples, and the fraction covered.
    fn average(&self, x: usize, y: usize) -> (Vec3, f32) {
        let (mut colour, mut covered) = (Vec3::ZERO, 0.0);
        for i in 0..SAMPLES * SAMPLES {
            let (row, column) = (y * SAMPLES + i / SAMPLES, x * SAMPLES + i % SAMPLES);
            let (depth, value) = self.samples[row * self.width + column];
            if depth < f32::INFINITY {
                colour += value;
                covered += 1.0;
            }
        }
        (colour / f32::max(covered, 1.0), covered / (SAMPLES * SAMPLES) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn black(width: u32, height: u32) -> Photo {
        Photo::from_rgb(width, height, vec![0; (width * height * 3) as usize]).unwrap()
    }

    fn at(photo: &Photo, x: u32, y: u32) -> Colour {
        std::array::from_fn(|c| photo.rgb()[((y * photo.width() + x) * 3) as usize + c])
    }

    #[test]
    fn lines_cover_their_width_and_stop_at_the_border() {
        let mut photo = black(20, 10);
        line(&mut photo, [Vec2::new(2.0, 5.0), Vec2::new(1e9, 5.0)], 2.0, [200, 100, 0]);
        assert_eq!(
            (at(&photo, 10, 4), at(&photo, 10, 5), at(&photo, 19, 5)),
            ([200, 100, 0], [200, 100, 0], [200, 100, 0])
        );
        assert_eq!((at(&photo, 10, 2), at(&photo, 10, 7), at(&photo, 0, 5)), ([0; 3], [0; 3], [0; 3]));
        let before = photo.clone();
        line(&mut photo, [Vec2::NAN, Vec2::ZERO], 2.0, [255; 3]);
        line(&mut photo, [Vec2::splat(-50.0), Vec2::splat(-40.0)], 2.0, [255; 3]);
        assert_eq!(photo, before);
    }

    #[test]
    fn the_nearer_triangle_wins_whatever_the_order() {
        let triangle = |depth: f32, grey: f32| {
            [(0.0, 0.0), (20.0, 0.0), (0.0, 20.0)].map(|(x, y)| Corner {
                at: Vec2::new(x, y),
                depth,
                colour: Vec3::splat(grey),
            })
        };
        for order in [[0, 1], [1, 0]] {
            let both = [triangle(1.0, 200.0), triangle(2.0, 50.0)];
            let mut photo = black(10, 10);
            triangles(&mut photo, &order.map(|i| both[i]), 1.0);
            assert_eq!((at(&photo, 1, 1), at(&photo, 9, 9)), ([200; 3], [200; 3]));
        }
        let mut photo = black(30, 30);
        let mut broken = triangle(1.0, 100.0);
        broken[0].depth = f32::NAN;
        triangles(&mut photo, &[broken], 1.0);
        assert_eq!(photo, black(30, 30));
        triangles(&mut photo, &[triangle(1.0, 100.0)], 0.5);
        assert_eq!((at(&photo, 2, 2), at(&photo, 15, 15)), ([50; 3], [0; 3]));
    }
}
