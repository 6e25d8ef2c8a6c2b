use image::{ColorType, ExtendedColorType, GrayImage, ImageFormat, Luma, Rgb, Rgba};

use super::*;

fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn refused(bytes: &[u8]) -> String {
    match Photo::from_bytes(bytes) {
        Err(error @ Error::Picture { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// A 20×16 PNG whose upper left quarter is red, with an EXIF chunk that holds only an orientation.
fn png_with_orientation(orientation: u16) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation as u8, 0, 0, 0, 0, 0, 0, 0]);
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    encoder.set_exif_metadata(exif).unwrap();
    let red = |x, y| if x < 10 && y < 8 { Rgb([255u8, 0, 0]) } else { Rgb([0, 0, 255]) };
    let image = image::RgbImage::from_fn(20, 16, red);
    encoder.write_image(image.as_raw(), 20, 16, ExtendedColorType::Rgb8).unwrap();
    bytes
}

#[test]
fn what_is_no_photo_is_refused_with_words() {
    assert!(refused(b"").contains("empty"));
    assert!(refused(b"GIF89a, says the file").contains("PNG or JPEG"));
    assert!(refused(b"hello").contains("68 65 6c 6c"));
    let whole = encode(image::RgbImage::new(40, 40), ImageFormat::Png);
    assert!(refused(&whole[..whole.len() / 2]).contains("whole PNG or JPEG"));
    assert!(refused(&encode(image::RgbImage::new(1, 1), ImageFormat::Png)).contains("got 1×1"));
    // A header that promises 100,000 × 100,000 pixels; its checksum is right.
    let mut bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\x01\x86\xa0\0\x01\x86\xa0\x08\x02\0\0\0".to_vec();
    bomb.extend(crc(&bomb[12..]).to_be_bytes());
    bomb.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    assert!(refused(&bomb).contains("100000×100000"));
    let missing = Photo::open("no/such/photo.png").unwrap_err();
    assert!(matches!(&missing, Error::File { path, .. } if path.contains("such")), "{missing}");
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &b| {
        (0..8).fold(crc ^ u32::from(b), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

#[test]
fn sixteen_bits_grey_and_alpha_become_rgb() {
    let deep = image::ImageBuffer::<Rgb<u16>, _>::from_pixel(16, 18, Rgb([65_535, 32_896, 0]));
    assert_eq!(DynamicImage::from(deep.clone()).color(), ColorType::Rgb16);
    let photo = Photo::from_bytes(&encode(deep, ImageFormat::Png)).unwrap();
    assert_eq!((photo.width(), photo.height(), &photo.rgb()[..3]), (16, 18, &[255, 128, 0][..]));

    let grey = GrayImage::from_pixel(16, 16, Luma([77]));
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        assert_eq!(&Photo::from_bytes(&encode(grey.clone(), format)).unwrap().rgb()[..3], [77; 3], "{format:?}");
    }

    let clear = |x, _| Rgba([100u8, 200, 0, [0, 255, 128][x as usize % 3]]);
    let photo = Photo::from_bytes(&encode(image::RgbaImage::from_fn(18, 18, clear), ImageFormat::Png)).unwrap();
    assert_eq!(photo.rgb()[..9], [255, 255, 255, 100, 200, 0, 177, 227, 127]);
}

#[test]
fn exif_orientation_turns_the_photo_upright() {
    // Where the red corner is after each orientation: (width, height, left?, top?).
    let cases = [
        (1, 20, 16, true, true),
        (2, 20, 16, false, true),
        (3, 20, 16, false, false),
        (4, 20, 16, true, false),
        (5, 16, 20, true, true),
        (6, 16, 20, false, true),
        (7, 16, 20, false, false),
        (8, 16, 20, true, false),
    ];
    for (orientation, width, height, left, top) in cases {
        let photo = Photo::from_bytes(&png_with_orientation(orientation)).unwrap();
        assert_eq!((photo.width(), photo.height()), (width, height), "orientation {orientation}");
        for (x, y) in [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)] {
            let red = photo.rgb()[(y * width + x) as usize * 3] == 255;
            assert_eq!(red, (x == 0) == left && (y == 0) == top, "orientation {orientation}, pixel {x},{y}");
        }
    }
}

#[test]
fn pixels_must_match_the_size() {
    assert!(matches!(Photo::from_rgb(2, 2, vec![0; 11]), Err(Error::Picture { .. })));
    assert!(Photo::from_rgb(0, 2, vec![]).is_err());
    assert!(Photo::from_rgb(2, 2, vec![0; 12]).is_ok());
}

/// Red is the column, green the row.
fn ramp(width: u32, height: u32) -> Photo {
    let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7])).collect();
    Photo::from_rgb(width, height, rgb).unwrap()
}

fn close(got: f32, expected: f32) {
    assert!((got * 255.0 - expected).abs() < 1e-3, "{} against {expected}", got * 255.0);
}

#[test]
fn crops_average_when_shrinking_and_interpolate_when_enlarging() {
    let photo = ramp(30, 20);
    let (values, crop) = photo.square_crop(20);
    assert_eq!((crop.corner, crop.side), (Vec2::new(5.0, 0.0), 20.0));
    assert_eq!(values.len(), 20 * 20 * 3);
    for (got, expected) in values.iter().zip([5.0, 0.0, 7.0]) {
        close(*got, expected);
    }

    // 20 → 8: each pixel covers 2.5, whose mean on a ramp is the centre's value.
    let (values, crop) = photo.square_crop(8);
    for (i, pixel) in values.chunks_exact(3).enumerate() {
        let centre = crop.backward(Vec2::new((i % 8) as f32 + 0.5, (i / 8) as f32 + 0.5)) - 0.5;
        // A box that cuts pixels unevenly is off by the ramp's steps, at most a quarter pixel.
        assert!((pixel[0] * 255.0 - centre.x).abs() < 0.26 && (pixel[1] * 255.0 - centre.y).abs() < 0.26, "{i}");
    }
    let mean = values.chunks_exact(3).map(|p| p[0] * 255.0).sum::<f32>() / 64.0;
    assert!((mean - 14.5).abs() < 1e-3, "{mean}");

    // Enlarging by 4: exact between the centres, the border repeated beyond them.
    let enlarged = photo.crop(&Crop { corner: Vec2::new(10.0, -1.0), side: 4.0, size: 16.0 });
    for (index, expected) in [(8 * 3, 11.625), (1, 0.0), (15 * 16 * 3 + 1, 2.375)] {
        close(enlarged[index], expected);
    }
    assert!(photo.square_crop(0).0.is_empty());
}

#[test]
fn mirrors_flip_columns_and_commute_with_the_crop() {
    let photo = ramp(31, 20);
    assert_eq!(photo.mirrored().rgb()[..3], [30, 0, 7]);
    assert_eq!(photo.mirrored().mirrored(), photo);
    let (values, _) = photo.square_crop(10);
    let (mirrored, _) = photo.mirrored().square_crop(10);
    for (row, other) in values.chunks_exact(30).zip(mirrored.chunks_exact(30)) {
        for (a, b) in row.chunks_exact(3).zip(other.rchunks_exact(3)) {
            assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5), "{a:?} against {b:?}");
        }
    }
}

#[test]
fn png_files_come_back_as_they_went() {
    let folder = crate::files::tests::scratch("photo");
    let path = folder.join("ramp.png");
    ramp(30, 20).save_png(&path).unwrap();
    assert_eq!(Photo::open(&path).unwrap(), ramp(30, 20));
    assert!(matches!(ramp(30, 20).save_png(folder.join("none/x.png")), Err(Error::File { .. })));
    std::fs::remove_dir_all(folder).unwrap();
}
