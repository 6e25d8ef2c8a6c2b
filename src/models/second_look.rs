//! Photos looked at again: first as they are, then twice at the square around the hand that was seen, tilted a little to either side. The
//! square is sharper than the photo and the hand as large in it as most were in training. All looks are one program with one set of
//! weights; the squares are cut out on the device (the sampler of Jaderberg et al. 2015, "Spatial Transformer Networks", §3.3, at a square
//! that the network itself found).

use glam::{Mat2, Vec2};

use super::graph_cnn::Network;
use crate::error::Result;
use crate::graph::Var;
use crate::ops::{AvgPool2d, GridPadding, GridSample};

/// How far the squares are turned, radians: enough that each look errs in its own way, not so far that light seems to come from below.
const TILTS: [f32; 2] = [-0.2, 0.2];

/// A square of each image: its middle, N×1×2, and half its side, N×1×1, in the image's coordinates, which run from −1 to 1.
struct Square<'r> {
    middle: Var<'r>,
    half: Var<'r>,
}

impl<'r> Square<'r> {
    /// The square of which the bounding box of the image coordinates of `uvd` (N×V×3) fills the part `fill`.
    fn around(uvd: Var<'r>, fill: Var<'r>) -> Result<Self> {
        let uv = uvd.slice(2, 0, 2)?;
        let (low, high) = (uv.min_over(&[1])?, uv.max_over(&[1])?);
        let half = high.sub(low)?.max_over(&[2])?.scale(0.5)?.div(fill)?;
        Ok(Square { middle: low.add(high)?.scale(0.5)?, half })
    }

    /// The square of `photo`, turned by `tilt`, resized to `size` pixels; beyond the photo its border is repeated.
    fn cut(&self, photo: Var<'r>, size: usize, tilt: Mat2) -> Result<Var<'r>> {
        let n = photo.shape().dims()[0];
        let centre = |i: usize| (2 * i + 1) as f32 / size as f32 - 1.0;
        let turned = |i: usize| (tilt * Vec2::new(centre(i % size), centre(i / size))).to_array();
        let centres: Vec<f32> = (0..size * size).flat_map(turned).collect();
        let centres = photo.recorder().constant([1, size * size, 2], &centres)?;
        let positions = centres.mul(self.half)?.add(self.middle)?.reshape([n, size, size, 2])?;
        photo.grid_sample(positions, GridSample { padding: GridPadding::Border, ..GridSample::default() })
    }

    /// A mesh N×V×3 from the coordinates of the turned square to those of the image.
    fn out(&self, uvd: Var<'r>, tilt: Mat2) -> Result<Var<'r>> {
        let r = uvd.recorder();
        let [n, v, _] = uvd.shape().dims()[..] else { unreachable!("a mesh") };
        // Points are rows, which a matrix's transpose turns: its columns, one after the other.
        let transpose = r.constant([2, 2], &tilt.to_cols_array())?;
        let uv = uvd.slice(2, 0, 2)?.reshape([n * v, 2])?.matmul(transpose)?.reshape([n, v, 2])?;
        r.concat(&[uv.mul(self.half)?.add(self.middle)?, uvd.slice(2, 2, 1)?], 2)
    }
}

impl Network<'_> {
    /// The mesh in photos N×S×S×3 (sRGB in [0, 1], S = [`photo_px`](super::GraphCnnConfig::photo_px)), N×V×3 as
    /// [`Prediction::mesh_uvd`](super::Prediction::mesh_uvd): by one look, or, where the configuration says so, as the mean of that and of
    /// two more at the square around the mesh that the first found. The mean is nearer to the truth than any of them: their errors are in
    /// part each look's own.
    ///
    /// Of those squares the hand as the first look has it fills `fill` (one element; unused where there is one look).
    #[track_caller]
    pub fn find<'r>(&self, photo: Var<'r>, fill: Var<'r>) -> Result<Var<'r>> {
        if self.config.second_look.is_none() {
            return Ok(self.predict(photo)?.mesh_uvd);
        }
        let (r, n) = (photo.recorder(), photo.shape().dims()[0]);
        let seen = self.config.input_px;
        let step = self.config.photo_px() / seen;
        let whole = photo.avg_pool2d(AvgPool2d { kernel: step, stride: step, ..AvgPool2d::default() })?;
        let first = self.predict(whole)?.mesh_uvd;
        let square = Square::around(first, fill)?;
        let tilts = TILTS.map(Mat2::from_angle);
        let squares = tilts.into_iter().map(|tilt| square.cut(photo, seen, tilt)).collect::<Result<Vec<_>>>()?;
        let again = self.predict(r.concat(&squares, 0)?)?.mesh_uvd;
        let mut sum = first;
        for (i, tilt) in tilts.into_iter().enumerate() {
            sum = sum.add(square.out(again.slice(0, i * n, n)?, tilt)?)?;
        }
        sum.scale(1.0 / (1 + TILTS.len()) as f32)
    }
}
