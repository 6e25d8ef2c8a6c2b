//! Pictures one after the other as a GIF.

use std::io;
use std::path::Path;

use color_quant::NeuQuant;
use gif::{DisposalMethod, Encoder, Frame, Repeat};

use crate::data::Photo;
use crate::error::{Error, Result};
use crate::files::write_atomically;

/// Colours of the palette; one more index stands for a pixel that stays as it is.
const COLOURS: usize = 255;
const UNCHANGED: u8 = COLOURS as u8;
/// The most pixels of all pictures from which the palette is made.
const LOOKED_AT: usize = 200_000;

/// Writes pictures of one size as a GIF that repeats for ever, `frames_per_second` (1 to 50) of them a second, as near as
/// hundredths of a second come. All share the palette of 255 colours that suits them best, dithered in a pattern that does not
/// move, so that what stands still does not flicker.
pub fn save_gif(path: impl AsRef<Path>, pictures: &[Photo], frames_per_second: u32) -> Result<()> {
    let Some(first) = pictures.first() else { return Err(Error::invalid("GIF", "at least one picture", "none")) };
    let of = |p: &Photo| (p.width(), p.height());
    if let Some(other) = pictures.iter().find(|p| of(p) != of(first)) {
        return Err(Error::invalid("GIF", format!("pictures of {:?} pixels", of(first)), format!("{:?}", of(other))));
    }
    let (Ok(width), Ok(height)) = (u16::try_from(first.width()), u16::try_from(first.height())) else {
        return Err(Error::invalid("GIF", "at most 65535 × 65535 pixels", format!("{:?}", of(first))));
    };
    if !(1..=50).contains(&frames_per_second) {
        return Err(Error::invalid("GIF: frames per second", "1 to 50", frames_per_second));
    }
    let mut palette = Palette::of(pictures);
    write_atomically(path.as_ref(), |out| {
        let mut encoder = Encoder::new(out, width, height, &palette.colours.concat()).map_err(io::Error::other)?;
        encoder.set_repeat(Repeat::Infinite).map_err(io::Error::other)?;
        let mut before: Option<Vec<u8>> = None;
        for picture in pictures {
            let indices = palette.indices(picture);
            let frame = Frame {
                width,
                height,
                delay: (100 + frames_per_second / 2).div_euclid(frames_per_second) as u16,
                dispose: DisposalMethod::Keep,
                transparent: before.is_some().then_some(UNCHANGED),
                buffer: changes(before.as_deref(), &indices).into(),
                ..Frame::default()
            };
            encoder.write_frame(&frame).map_err(io::Error::other)?;
            before = Some(indices);
        }
        Ok(())
    })
}

/// The indices, [`UNCHANGED`] where they are what they were.
fn changes(before: Option<&[u8]>, now: &[u8]) -> Vec<u8> {
    match before {
        None => now.to_vec(),
        Some(before) => before.iter().zip(now).map(|(b, n)| if b == n { UNCHANGED } else { *n }).collect(),
    }
}

struct Palette {
    /// 256 of them: the last is never shown.
    colours: Vec<[u8; 3]>,
    network: NeuQuant,
    /// The index of each colour of six bits a channel that was asked for so far.
    known: Vec<Option<u8>>,
}

impl Palette {
    fn of(pictures: &[Photo]) -> Self {
        let pixels = pictures.iter().map(|p| p.rgb().len() / 3).sum::<usize>();
        // An odd step, so that it does not stay in a few columns.
        let step = pixels.div_ceil(LOOKED_AT) | 1;
        let rgba: Vec<u8> = pictures
            .iter()
            .flat_map(|p| p.rgb().chunks_exact(3))
            .step_by(step)
            .flat_map(|c| [c[0], c[1], c[2], 255])
            .collect();
        let network = NeuQuant::new(1, COLOURS, &rgba);
        let mut colours: Vec<[u8; 3]> =
            network.color_map_rgb().chunks_exact(3).map(|c| [c[0], c[1], c[2]]).take(COLOURS).collect();
        colours.resize(256, [0; 3]);
        Palette { colours, network, known: vec![None; 1 << 18] }
    }

    fn indices(&mut self, picture: &Photo) -> Vec<u8> {
        let width = picture.width() as usize;
        let mut index = |(i, pixel): (usize, &[u8])| {
            let shift = dither(i % width, i / width);
            let [r, g, b] = [0, 1, 2].map(|c| (f32::from(pixel[c]) + shift).clamp(0.0, 255.0) as usize >> 2);
            let network = &self.network;
            *self.known[r << 12 | g << 6 | b].get_or_insert_with(|| {
                let middle = |six: usize| (six << 2 | 2) as u8;
                network.index_of(&[middle(r), middle(g), middle(b), 255]).min(COLOURS - 1) as u8
            })
        };
        picture.rgb().chunks_exact(3).enumerate().map(&mut index).collect()
    }
}

/// What is added to a pixel's channels before the nearest colour is taken: an 8×8 ordered pattern (Bayer 1973).
fn dither(x: usize, y: usize) -> f32 {
    const AMPLITUDE: f32 = 5.0;
    let bit = |v: usize, k: usize| (v >> k) & 1;
    let order = (0..3).fold(0, |order, k| order | (bit(x ^ y, k) << 1 | bit(y, k)) << (2 * (2 - k)));
    AMPLITUDE * ((order as f32 + 0.5) / 64.0 - 0.5) * 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_in_their_colours() {
        let folder = crate::files::tests::scratch("gif");
        let path = folder.join("a.gif");
        let picture = |k: usize| {
            let pixel = |i: usize| [(i % 40 * 6) as u8, (i / 40 * 8) as u8, if i % 40 < 10 * k { 200 } else { 30 }];
            Photo::from_rgb(40, 30, (0..1200).flat_map(pixel).collect()).unwrap()
        };
        let pictures: Vec<Photo> = (0..4).map(picture).collect();
        save_gif(&path, &pictures, 25).unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(std::fs::File::open(&path).unwrap()).unwrap();
        assert_eq!((decoder.width(), decoder.height(), decoder.repeat()), (40, 30, Repeat::Infinite));
        let mut shown = vec![0u8; 1200 * 4];
        for picture in &pictures {
            let frame = decoder.read_next_frame().unwrap().expect("as many as were written");
            assert_eq!(frame.delay, 4);
            let visible = |(_, new): &(&mut [u8], &[u8])| new[3] == 255;
            shown.chunks_mut(4).zip(frame.buffer.chunks(4)).filter(visible).for_each(|(s, n)| s.copy_from_slice(n));
            let off = |(s, p): (&[u8], &[u8])| (0..3).map(|c| f64::from(s[c].abs_diff(p[c]))).sum::<f64>();
            let mean = shown.chunks(4).zip(picture.rgb().chunks(3)).map(off).sum::<f64>() / 3600.0;
            assert!(mean < 9.0, "{mean} levels off on average");
        }
        assert!(decoder.read_next_frame().unwrap().is_none());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_no_gif_can_hold_is_refused() {
        let photo = |w: u32| Photo::from_rgb(w, 16, vec![9; (w * 48) as usize]).unwrap();
        let error = |pictures: &[Photo], rate| save_gif("never/written.gif", pictures, rate).unwrap_err().to_string();
        assert!(error(&[], 25).contains("at least one picture"));
        assert!(error(&[photo(16), photo(17)], 25).contains("(17, 16)"));
        assert!(error(&[photo(70_000)], 25).contains("65535"));
        for rate in [0, 51] {
            assert!(error(&[photo(16)], rate).contains("1 to 50"));
        }
        assert!(matches!(save_gif("never/written.gif", &[photo(16)], 5), Err(Error::File { .. })));
    }

    #[test]
    fn the_dither_is_an_even_spread() {
        let mut all: Vec<f32> = (0..64).map(|i| dither(i % 8, i / 8)).collect();
        all.sort_by(f32::total_cmp);
        assert!(all.windows(2).all(|w| w[1] > w[0]) && all.iter().sum::<f32>().abs() < 1e-3);
    }
}
