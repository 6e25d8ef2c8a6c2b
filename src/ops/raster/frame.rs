//! What all operators of the rasteriser share: the image they draw to, and how work is cut into bands of rows.

use crate::error::{Mismatch, Result};
use crate::exec::Dispatch;
use crate::graph::Var;
use crate::ops::expect_f32;
use crate::shape::{DType, TensorType};

/// The widest and highest image: at this size corners are still snapped to quarters of a pixel.
pub(super) const MAX_SIZE: usize = 4096;
/// The most faces of a mesh.
pub(super) const MAX_FACES: usize = 1 << 24;
/// Pixels that one thread looks at, at most: a software adapter leaves loops after 65,535 turns.
const BAND_PIXELS: usize = 1 << 14;

/// A shader that reads faces' corners.
macro_rules! of_corners {
    ($file:literal $(, with $more:literal)*) => {
        $crate::shader!(
            $file, with "common/index.wgsl", with "raster/triangle.wgsl", with "raster/face.wgsl" $(, with $more)*
        )
    };
}
pub(super) use of_corners;

/// An image and how faces get into it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    pub width: usize,
    pub height: usize,
    /// The least depth that is drawn.
    pub near: f32,
    /// Whether the divisor of a homogeneous pixel is its depth; else 1.
    pub perspective: bool,
}

/// Work cut into bands of rows, each no more than a thread should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bands {
    /// Rows of a band.
    pub rows: usize,
    pub count: usize,
}

impl Bands {
    /// Bands of `rows` rows whose threads do `each` steps a row.
    pub fn of(rows: usize, each: usize) -> Self {
        let rows_of_band = (BAND_PIXELS / each.max(1)).clamp(1, rows.max(1));
        Bands { rows: rows_of_band, count: rows.div_ceil(rows_of_band) }
    }
}

impl Frame {
    /// Fails unless images of this size can be drawn.
    pub fn check(&self) -> Result<(), Mismatch> {
        for (what, size) in [("width", self.width), ("height", self.height)] {
            if !(1..=MAX_SIZE).contains(&size) {
                return Err(Mismatch::new(what, format!("1 to {MAX_SIZE} pixels"), size));
            }
        }
        match self.near {
            near if self.perspective && !(near.is_normal() && near > 0.0) => {
                Err(Mismatch::new("near", "a positive number, in perspective", near))
            }
            near if !near.is_finite() => Err(Mismatch::new("near", "a finite number", near)),
            _ => Ok(()),
        }
    }

    /// Bits of a sub-pixel: the guard band, twice the image's longer side, then fits 15 bits.
    pub fn bits(&self) -> u32 {
        (14 - self.width.max(self.height).next_power_of_two().ilog2()).min(8)
    }

    pub fn pixels(&self) -> usize {
        self.width * self.height
    }

    pub fn bands(&self) -> Bands {
        Bands::of(self.height, self.width)
    }

    /// Fails unless `visible` holds the faces seen in `n` images.
    pub fn expect_visible(&self, visible: &TensorType, n: usize) -> Result<(), Mismatch> {
        expect("visible", visible, DType::U32, &[n, self.height, self.width])
    }

    /// Fails unless `y` is an image of `c` channels for each of `n`.
    pub fn expect_image(&self, operand: &'static str, y: &TensorType, n: usize, c: usize) -> Result<(), Mismatch> {
        expect(operand, y, DType::F32, &[n, self.height, self.width, c])
    }

    /// The image's part of the parameters of kernels that walk faces, in `bands`, for `total` threads a band.
    pub fn walk<'d>(&self, dispatch: Dispatch<'d>, total: usize, faces: usize) -> Dispatch<'d> {
        let bands = self.bands();
        let dispatch = dispatch.param("total", total).param("faces", faces);
        let dispatch = dispatch.param("width", self.width).param("height", self.height);
        dispatch.param("rows", bands.rows).param("bands", bands.count)
    }
}

fn expect(operand: &'static str, ty: &TensorType, dtype: DType, dims: &[usize]) -> Result<(), Mismatch> {
    if ty.dtype == dtype && ty.shape.dims() == dims {
        return Ok(());
    }
    let dims: Vec<String> = dims.iter().map(usize::to_string).collect();
    Err(Mismatch::new(operand, format!("{dtype} {}", dims.join("×")), ty))
}

/// The extents N and F of faces' corners, N×F×9.
pub(super) fn faces_of(corners: &TensorType) -> Result<[usize; 2], Mismatch> {
    expect_f32("corners", corners)?;
    match *corners.shape.dims() {
        [n, f, 9] if n > 0 && (1..=MAX_FACES).contains(&f) => Ok([n, f]),
        _ => Err(Mismatch::new("corners", format!("N×F×9, F at most {MAX_FACES}"), corners)),
    }
}

/// Fails unless `setup` is of these faces.
pub(super) fn expect_setup(setup: &TensorType, [n, f]: [usize; 2]) -> Result<(), Mismatch> {
    expect("setup", setup, DType::U32, &[n, f, 12])
}

/// Gradients of bands, B×N×F×C, added up.
pub(super) fn sum_bands(bands: Var<'_>) -> Result<Var<'_>> {
    let shape = bands.shape();
    let dims = shape.dims();
    let whole = if dims[0] == 1 { bands } else { bands.sum(&[0])? };
    whole.reshape(&dims[1..])
}
