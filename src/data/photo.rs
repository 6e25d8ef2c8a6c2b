//! Photos from PNG and JPEG files, upright and in 8-bit sRGB, and the square crops a model looks at.

use std::io::Cursor;
use std::path::Path;

use glam::Vec2;
use image::{DynamicImage, ImageDecoder, ImageEncoder, ImageReader};

use crate::error::{Error, Result};
use crate::files::write_atomically;
use crate::hand::camera::Crop;

/// The shortest side a photo may have; below it there is no hand to see.
pub const MIN_SIDE: u32 = 16;
/// The most pixels a photo may have, so that a small file that claims to be huge cannot take all memory.
pub const MAX_PIXELS: u64 = 200_000_000;

/// A picture in 8-bit sRGB, rows from the top, three bytes a pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Photo {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Photo {
    /// Reads a PNG or JPEG file. See [`Photo::from_bytes`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::file(path, e))?;
        Self::decode(&bytes, &path.display().to_string())
    }

    /// Decodes a PNG or JPEG: turned upright as its EXIF orientation says, 16 bits rounded to 8, grey spread to three channels,
    /// alpha blended over white. [`Error::Picture`] if the bytes are no such image, or if it is smaller than
    /// [`MIN_SIDE`] on a side or has more than [`MAX_PIXELS`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::decode(bytes, "(in memory)")
    }

    fn decode(bytes: &[u8], file: &str) -> Result<Self> {
        let fail = |message: String| Error::Picture { file: file.to_string(), message };
        let unreadable = |e: image::ImageError| fail(format!("expected a whole PNG or JPEG: {e}"));
        if bytes.is_empty() {
            return Err(fail("expected a PNG or JPEG, got an empty file".into()));
        }
        let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| fail(e.to_string()))?;
        if reader.format().is_none() {
            let start: Vec<_> = bytes.iter().take(4).map(|b| format!("{b:02x}")).collect();
            return Err(fail(format!("expected a PNG or JPEG, got bytes that begin {}", start.join(" "))));
        }
        let mut decoder = reader.into_decoder().map_err(unreadable)?;
        let (width, height) = decoder.dimensions();
        if width.min(height) < MIN_SIDE {
            return Err(fail(format!("expected at least {MIN_SIDE}×{MIN_SIDE} pixels, got {width}×{height}")));
        }
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            return Err(fail(format!("expected at most {MAX_PIXELS} pixels, got {width}×{height}")));
        }
        // Damaged EXIF data is no reason to refuse the pixels.
        let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
        // The limit above takes the place of the decoder's own, which a large photo of 16 bits would exceed.
        decoder.set_limits(image::Limits::no_limits()).map_err(unreadable)?;
        let mut image = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
        image.apply_orientation(orientation);
        let rgb = if image.color().has_alpha() { over_white(&image.into_rgba8()) } else { image.into_rgb8() };
        Ok(Photo { width: rgb.width(), height: rgb.height(), rgb: rgb.into_raw() })
    }

    /// A picture from its pixels; [`Error::Picture`] unless there are `3 · width · height` bytes, and some.
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self> {
        let expected = u64::from(width) * u64::from(height) * 3;
        if expected == 0 || expected != rgb.len() as u64 {
            let message =
                format!("expected {expected} bytes (at least 3) for {width}×{height} pixels, got {}", rgb.len());
            return Err(Error::Picture { file: "(in memory)".into(), message });
        }
        Ok(Photo { width, height, rgb })
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Rows from the top, three bytes a pixel.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The same, to draw on.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        &mut self.rgb
    }

    /// The photo seen in a mirror: pixel centres move as [`Mirror::pixel`](crate::hand::camera::Mirror::pixel) says.
    pub fn mirrored(&self) -> Self {
        let row_bytes = self.width as usize * 3;
        let mut rgb = Vec::with_capacity(self.rgb.len());
        for row in self.rgb.chunks_exact(row_bytes) {
            rgb.extend(row.rchunks_exact(3).flatten());
        }
        Photo { rgb, ..*self }
    }

    /// The largest centred square, resized to `size` × `size`: what [`Photo::crop`] gives, and the crop itself.
    pub fn square_crop(&self, size: usize) -> (Vec<f32>, Crop) {
        let (width, height) = (self.width as f32, self.height as f32);
        let side = width.min(height);
        let crop = Crop { corner: 0.5 * Vec2::new(width - side, height - side), side, size: size as f32 };
        (self.crop(&crop), crop)
    }

    /// A square crop as `size` × `size` × 3 sRGB values in [0, 1]. Shrinking averages the area each pixel covers,
    /// enlarging interpolates between pixel centres; beyond the photo its border is repeated.
    pub fn crop(&self, crop: &Crop) -> Vec<f32> {
        let size = crop.size as usize;
        if size == 0 {
            return Vec::new();
        }
        let columns = Taps::along(crop.corner.x, crop.side, size, self.width as usize);
        let rows = Taps::along(crop.corner.y, crop.side, size, self.height as usize);
        let row_bytes = self.width as usize * 3;
        // Columns first, for the rows that are needed only.
        let (first, last) = rows.range();
        let mut narrow = vec![0.0; (last - first) * size * 3];
        for (y, out) in (first..last).zip(narrow.chunks_exact_mut(size * 3)) {
            let row = &self.rgb[y * row_bytes..][..row_bytes];
            for (taps, pixel) in columns.0.iter().zip(out.chunks_exact_mut(3)) {
                for &(x, weight) in taps {
                    for c in 0..3 {
                        pixel[c] += weight / 255.0 * f32::from(row[x * 3 + c]);
                    }
                }
            }
        }
        let mut result = vec![0.0; size * size * 3];
        for (taps, out) in rows.0.iter().zip(result.chunks_exact_mut(size * 3)) {
            for &(y, weight) in taps {
                let row = &narrow[(y - first) * size * 3..][..size * 3];
                out.iter_mut().zip(row).for_each(|(o, v)| *o += weight * v);
            }
        }
        result
    }

    /// The crop as a picture of its own.
    pub fn cropped(&self, crop: &Crop) -> Self {
        let rgb = self.crop(crop).iter().map(|v| (v * 255.0).round() as u8).collect();
        let size = crop.size as u32;
        Photo { width: size, height: size, rgb }
    }

    /// Writes a PNG, whole or not at all.
    pub fn save_png(&self, path: impl AsRef<Path>) -> Result<()> {
        write_atomically(path.as_ref(), |file| {
            let encoder = image::codecs::png::PngEncoder::new(file);
            let written = encoder.write_image(&self.rgb, self.width, self.height, image::ExtendedColorType::Rgb8);
            written.map_err(|e| match e {
                image::ImageError::IoError(e) => e,
                other => std::io::Error::other(other),
            })
        })
    }
}

fn over_white(image: &image::RgbaImage) -> image::RgbImage {
    let blend = |colour: u8, alpha: u8| {
        let (colour, alpha) = (u32::from(colour), u32::from(alpha));
        ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    let pixels = image.pixels().flat_map(|&image::Rgba([r, g, b, a])| [r, g, b].map(|c| blend(c, a)));
    image::RgbImage::from_raw(image.width(), image.height(), pixels.collect()).expect("three bytes for each pixel")
}

/// For each pixel of the result, the pixels of the source it is made of along one axis, with weights that sum to 1.
struct Taps(Vec<Vec<(usize, f32)>>);

impl Taps {
    fn along(corner: f32, side: f32, size: usize, length: usize) -> Self {
        let step = f64::from(side) / size as f64;
        let taps = (0..size).map(|i| {
            let low = f64::from(corner) + i as f64 * step;
            // A box as wide as the result's pixel, or, where that is narrower than a source pixel, two neighbours.
            let (low, high) =
                if step >= 1.0 { (low, low + step) } else { (low + 0.5 * step - 0.5, low + 0.5 * step + 0.5) };
            let pixels = low.floor() as i64..high.ceil() as i64;
            let inside = |x: i64| x.clamp(0, length as i64 - 1) as usize;
            let overlap = |x: i64| high.min(x as f64 + 1.0) - low.max(x as f64);
            pixels.map(|x| (inside(x), (overlap(x) / (high - low)) as f32)).filter(|tap| tap.1 > 0.0).collect()
        });
        Taps(taps.collect())
    }

    /// The first source pixel used and the one after the last.
    fn range(&self) -> (usize, usize) {
        let all = || self.0.iter().flatten().map(|tap| tap.0);
        (all().min().unwrap_or(0), all().max().map_or(0, |last| last + 1))
    }
}

#[cfg(test)]
#[path = "photo_tests.rs"]
mod tests;
