//! Photos looked at twice: as they are, and again at the square around the hand that was seen, which is sharper there and as large as most
//! hands in training. Both looks are one program with one set of weights; the square is cut out on the device (the sampler of Jaderberg
//! et al. 2015, "Spatial Transformer Networks", §3.3, at a square that the network itself found).

use super::graph_cnn::Network;
use crate::error::Result;
use crate::graph::Var;
use crate::ops::{AvgPool2d, GridPadding, GridSample};

/// A square of an image, N×1×2 and N×1×1: its middle and half its side in the image's coordinates, which run from −1 to 1.
struct Square<'r> {
    middle: Var<'r>,
    half: Var<'r>,
}

impl<'r> Square<'r> {
    /// The square of which the bounding box of the image coordinates of `uvd` (N×V×3) fills `fill`.
    fn around(uvd: Var<'r>, fill: f32) -> Result<Self> {
        let uv = uvd.slice(2, 0, 2)?;
        let (low, high) = (uv.min_over(&[1])?, uv.max_over(&[1])?);
        let half = high.sub(low)?.max_over(&[2])?.scale(0.5 / fill)?;
        Ok(Square { middle: low.add(high)?.scale(0.5)?, half })
    }

    /// The square of `photo`, resized to `size` pixels; beyond the photo its border is repeated.
    fn cut(&self, photo: Var<'r>, size: usize) -> Result<Var<'r>> {
        let n = photo.shape().dims()[0];
        let centre = |i: usize| (2 * i + 1) as f32 / size as f32 - 1.0;
        let centres: Vec<f32> = (0..size * size).flat_map(|i| [centre(i % size), centre(i / size)]).collect();
        let centres = photo.recorder().constant([1, size * size, 2], &centres)?;
        let positions = self.out(centres)?.reshape([n, size, size, 2])?;
        photo.grid_sample(positions, GridSample { padding: GridPadding::Border, ..GridSample::default() })
    }

    /// From coordinates in the square to coordinates in the image.
    fn out(&self, uv: Var<'r>) -> Result<Var<'r>> {
        uv.mul(self.half)?.add(self.middle)
    }
}

impl Network<'_> {
    /// The mesh in photos N×S×S×3 (sRGB in [0, 1], S = [`photo_px`](super::GraphCnnConfig::photo_px)), N×V×3 as
    /// [`Prediction::mesh_uvd`](super::Prediction::mesh_uvd): by one look, or, where the configuration says so, as the mean of that and of a
    /// second look at the square around the mesh that the first found. The mean is nearer to the truth than the second look alone: their
    /// errors are in part each look's own, and a network in doubt sees a hand too small, whose square then cuts the real one.
    #[track_caller]
    pub fn find<'r>(&self, photo: Var<'r>) -> Result<Var<'r>> {
        let Some(fill) = self.config.second_look else {
            return Ok(self.predict(photo)?.mesh_uvd);
        };
        let seen = self.config.input_px;
        let step = self.config.photo_px() / seen;
        let whole = photo.avg_pool2d(AvgPool2d { kernel: step, stride: step, ..AvgPool2d::default() })?;
        let first = self.predict(whole)?.mesh_uvd;
        let square = Square::around(first, fill)?;
        let uvd = self.predict(square.cut(photo, seen)?)?.mesh_uvd;
        let second = photo.recorder().concat(&[square.out(uvd.slice(2, 0, 2)?)?, uvd.slice(2, 2, 1)?], 2)?;
        first.add(second)?.scale(0.5)
    }
}
