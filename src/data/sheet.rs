//! Contact sheets: rendered samples as one picture, with what is known about them.

use glam::Vec2;
use image::{Rgb, RgbImage};

use super::render::Sample;
use crate::hand::joints::{BONES, JOINTS};

/// What a contact sheet shows beside the photos.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SheetOptions {
    /// Joints and bones over a second copy of each photo.
    pub skeleton: bool,
    /// Depth, near bright; black where no hand is seen.
    pub depth: bool,
}

/// Colours of the five fingers, thumb first.
const FINGERS: [[u8; 3]; 5] = [[255, 90, 70], [255, 200, 40], [80, 220, 90], [60, 170, 255], [210, 110, 255]];

/// Samples in rows of `columns`; below each row of photos a row with skeletons and one with depth, if wanted. All samples must be
/// of one size; those of another are left out.
pub fn contact_sheet(samples: &[Sample], columns: usize, options: SheetOptions) -> RgbImage {
    let Some(size) = samples.first().map(|s| s.size_px) else { return RgbImage::new(1, 1) };
    let samples: Vec<&Sample> = samples.iter().filter(|s| s.size_px == size).collect();
    let columns = columns.clamp(1, samples.len());
    let views: &[fn(&Sample) -> RgbImage] = match (options.skeleton, options.depth) {
        (false, false) => &[photo],
        (true, false) => &[photo, skeleton],
        (false, true) => &[photo, depth],
        (true, true) => &[photo, skeleton, depth],
    };
    let pitch = size + 2;
    let rows = samples.len().div_ceil(columns) * views.len();
    let mut sheet = RgbImage::from_pixel((columns * pitch) as u32, (rows * pitch) as u32, Rgb([24; 3]));
    for (i, sample) in samples.iter().enumerate() {
        for (k, view) in views.iter().enumerate() {
            let (x, y) = (i % columns * pitch, (i / columns * views.len() + k) * pitch);
            image::imageops::replace(&mut sheet, &view(sample), x as i64 + 1, y as i64 + 1);
        }
    }
    sheet
}

/// The photo of a sample, 8 bits a channel.
pub fn photo(sample: &Sample) -> RgbImage {
    let at = |x: u32, y: u32| 3 * (y as usize * sample.size_px + x as usize);
    let byte = |v: f32| (v * 255.0 + 0.5) as u8;
    RgbImage::from_fn(sample.size_px as u32, sample.size_px as u32, |x, y| {
        Rgb(std::array::from_fn(|c| byte(sample.rgb[at(x, y) + c])))
    })
}

fn depth(sample: &Sample) -> RgbImage {
    let seen = || sample.depth_mm.iter().copied().filter(|d| *d > 0.0);
    let (near, far) = (seen().fold(f32::MAX, f32::min), seen().fold(0.0, f32::max));
    RgbImage::from_fn(sample.size_px as u32, sample.size_px as u32, |x, y| {
        let d = sample.depth_mm[y as usize * sample.size_px + x as usize];
        let grey = if d > 0.0 { 255.0 - 200.0 * (d - near) / (far - near).max(1.0) } else { 0.0 };
        Rgb([grey as u8; 3])
    })
}

fn skeleton(sample: &Sample) -> RgbImage {
    let mut picture = photo(sample);
    picture.pixels_mut().for_each(|p| p.0 = p.0.map(|v| v / 2 + v / 8));
    draw_skeleton(&mut picture, &sample.joints_px);
    picture
}

/// Draws the bones of 21 joints (pixels of the picture) over it, a colour a finger.
pub fn draw_skeleton(picture: &mut RgbImage, joints_px: &[Vec2; JOINTS]) {
    for &(parent, child) in &BONES {
        let (from, to) = (joints_px[parent], joints_px[child]);
        let colour = Rgb(FINGERS[(child - 1) / 4]);
        // Half a pixel a step; a joint far outside would take for ever, and shows nothing.
        let steps = (2.0 * from.distance(to)).ceil();
        if steps.is_nan() || steps > 1e5 {
            continue;
        }
        for step in 0..=steps as u32 {
            let p = from.lerp(to, step as f32 / steps.max(1.0));
            put(picture, p, colour);
        }
        for d in [Vec2::X, Vec2::Y, -Vec2::X, -Vec2::Y] {
            put(picture, to + d, colour);
        }
    }
}

fn put(picture: &mut RgbImage, at: Vec2, colour: Rgb<u8>) {
    let (x, y) = (at.x.floor(), at.y.floor());
    if x >= 0.0 && y >= 0.0 && x < picture.width() as f32 && y < picture.height() as f32 {
        picture.put_pixel(x as u32, y as u32, colour);
    }
}

#[cfg(test)]
mod tests {
    use glam::Vec3;

    use super::*;
    use crate::hand::Camera;

    fn sample(size_px: usize, grey: f32) -> Sample {
        let mut depth_mm = vec![0.0; size_px * size_px];
        depth_mm[0] = 400.0;
        depth_mm[1] = 500.0;
        Sample {
            size_px,
            rgb: vec![grey; 3 * size_px * size_px],
            mask: depth_mm.iter().map(|d| f32::from(*d > 0.0)).collect(),
            depth_mm,
            joints_mm: [Vec3::Z; JOINTS],
            joints_px: std::array::from_fn(|j| Vec2::splat(0.5 + j as f32 % 8.0)),
            camera: Camera { fx: 1.0, fy: 1.0, cx: 0.0, cy: 0.0 },
            vertices_mm: Vec::new(),
        }
    }

    #[test]
    fn each_sample_has_its_place() {
        let samples: Vec<Sample> = (0..5).map(|i| sample(8, i as f32 / 5.0)).collect();
        let options = SheetOptions { skeleton: false, depth: true };
        let sheet = contact_sheet(&samples, 3, options);
        assert_eq!(sheet.dimensions(), (30, 40));
        assert_eq!(sheet.get_pixel(11, 1).0, [51; 3]);
        // The fifth: second column, third row of tiles; its depth below, near brighter than far, black where nothing is.
        assert_eq!(sheet.get_pixel(11, 21).0, [204; 3]);
        let depth = [11, 12, 13].map(|x| sheet.get_pixel(x, 31).0[0]);
        assert_eq!(depth, [255, 55, 0]);
        assert_eq!(contact_sheet(&[], 3, options).dimensions(), (1, 1));
        // One of another size is left out.
        let mixed = [sample(8, 0.1), sample(9, 0.1)];
        assert_eq!(contact_sheet(&mixed, 0, SheetOptions { skeleton: false, depth: false }).dimensions(), (10, 10));
    }

    #[test]
    fn skeletons_are_drawn_where_joints_are_even_outside() {
        let mut picture = RgbImage::new(16, 16);
        let mut joints = [Vec2::splat(8.5); JOINTS];
        joints[4] = Vec2::new(1e30, f32::NAN);
        joints[8] = Vec2::new(8.5, 200.0);
        draw_skeleton(&mut picture, &joints);
        // The index finger's last bone leads down and out of the picture.
        assert!((10..16).all(|y| picture.get_pixel(8, y).0 == FINGERS[1]));
        assert_eq!(picture.get_pixel(0, 0).0, [0; 3]);
    }
}
