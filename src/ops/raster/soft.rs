//! Silhouettes that fade at their outline: Liu et al., "Soft Rasterizer: A Differentiable Renderer for Image-based 3D
//! Reasoning", 2019, with the aggregate of silhouettes of its equation 4.

use super::frame::{Bands, Frame, expect_setup, faces_of, of_corners, sum_bands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::ops::{Cost, Operator, VjpCall, fill, operands};
use crate::shader;
use crate::shape::TensorType;

const TILES: Shader = of_corners!("raster/soft_tiles.wgsl", with "raster/outline.wgsl");
const SOFT: Shader = shader!("raster/soft.wgsl", with "common/index.wgsl", with "raster/outline.wgsl");
const SOFT_GRAD: Shader = of_corners!("raster/soft_grad.wgsl", with "raster/outline.wgsl");

/// Pixels along a side of a tile, and along one where many small tiles are too many.
const TILES_PX: [usize; 2] = [4, 8];
/// The most words that the small tiles of a picture may take.
const MOST_WORDS: usize = 1 << 22;
/// A face covers less than 1e-4 of a pixel farther away than the root of this many σ: ln(1/1e-4 − 1).
const FARTHEST: f32 = 9.210_24;
/// The most faces: one thread may have to look at all of them.
const MAX_FACES: usize = 50_000;

/// The silhouette N×H×W×1 from corners and set-up faces.
#[derive(Debug, Clone, Copy)]
pub(super) struct SoftSilhouette {
    pub frame: Frame,
    /// In pixels of the frame.
    pub sigma: f32,
}

/// The gradient with respect to the corners in bands, B×N×F×12, from corners, set-up faces, the silhouette and gy.
#[derive(Debug, Clone, Copy)]
struct SoftGrad(SoftSilhouette);

impl SoftSilhouette {
    /// The square of the distance at which faces no longer count.
    fn farthest(&self) -> f32 {
        FARTHEST * self.sigma * self.sigma
    }

    fn reach(&self) -> usize {
        self.farthest().sqrt().ceil() as usize
    }

    fn sharpness(&self) -> f32 {
        1.0 / (self.sigma * self.sigma)
    }
}

impl Operator for SoftSilhouette {
    fn name(&self) -> &'static str {
        "soft_silhouette"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [corners, setup] = operands(inputs)?;
        let [n, f] = faces_of(corners)?;
        expect_setup(setup, [n, f])?;
        if f > MAX_FACES {
            return Err(Mismatch::new("faces", format!("at most {MAX_FACES}"), f));
        }
        Ok(TensorType::f32([n, self.frame.height, self.frame.width, 1]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (corners, setup, g) = (call.inputs[0], call.inputs[1], call.cotangent);
        let gc = || sum_bands(g.recorder().apply(SoftGrad(*self), &[corners, setup, call.output, g])?);
        Ok(vec![call.grad(0, gc)?, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (corners, setup, y) = (lowering.input(0), lowering.input(1).buffer, lowering.output());
        let [n, f] = faces_of(&corners.ty).expect("checked by infer");
        let lanes = lowering.target().lanes();
        let Frame { width, height, .. } = self.frame;
        let words = f.div_ceil(32);
        let summaries = words.div_ceil(32);
        let tiled = |tile: usize| (tile, width.div_ceil(tile), height.div_ceil(tile));
        let size = |(_, columns, lines)| n * columns * lines * (summaries + words);
        let [small, large] = TILES_PX.map(tiled);
        let (tile, columns, lines) = if size(small) <= MOST_WORDS { small } else { large };
        let words_of_tiles = size((tile, columns, lines));
        let (tiles, outlines) = (lowering.scratch(words_of_tiles), lowering.scratch(12 * n * f));
        fill(lowering, tiles, words_of_tiles, 0)?;
        let bands = Bands::of(lines, columns);
        let dispatch = lowering.dispatch(&TILES).define("WG", lanes);
        let dispatch = dispatch.define("TILE", tile).bind("setup", setup).bind("corners", corners.buffer);
        let dispatch = dispatch.bind("tiles", tiles).bind("outlines", outlines);
        let dispatch = dispatch.param("total", n * f).param("faces", f);
        let dispatch = dispatch
            .param("words", words)
            .param("summaries", summaries)
            .param("columns", columns)
            .param("lines", lines);
        let dispatch = dispatch.param("rows", bands.rows).param("bands", bands.count).param("reach", self.reach());
        dispatch.threads(n * f * bands.count)?;
        let dispatch = lowering.dispatch(&SOFT).define("WG", lanes).define("TILE", tile);
        let dispatch = dispatch.bind("outlines", outlines).bind("tiles", tiles).bind("y", y);
        let total = n * columns * lines * tile * tile;
        let dispatch = dispatch.param("total", total).param("width", width).param("height", height);
        let dispatch =
            dispatch.param("faces", f).param("words", words).param("summaries", summaries).param("columns", columns);
        let dispatch = dispatch.param("lines", lines).param("sharpness", self.sharpness());
        dispatch.param("farthest", self.farthest()).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 60 * output.shape.numel() as u64, bytes: inputs[0].bytes() + inputs[1].bytes() + output.bytes() }
    }
}

impl Operator for SoftGrad {
    fn name(&self) -> &'static str {
        "soft_silhouette"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [corners, _, _, gy] = operands(inputs)?;
        let [n, f] = faces_of(corners)?;
        self.0.frame.expect_image("gradient", gy, n, 1)?;
        Ok(TensorType::f32([self.0.frame.bands().count, n, f, 12]))
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; 4])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [corners, setup, soft, gy] = [0, 1, 2, 3].map(|i| lowering.input(i));
        let [n, f] = faces_of(&corners.ty).expect("checked by infer");
        let (gx, lanes, frame) = (lowering.output(), lowering.target().lanes(), self.0.frame);
        let dispatch = lowering.dispatch(&SOFT_GRAD).define("WG", lanes);
        let dispatch = dispatch.bind("setup", setup.buffer).bind("corners", corners.buffer).bind("soft", soft.buffer);
        let dispatch = frame.walk(dispatch.bind("gy", gy.buffer).bind("gx", gx), n * f, f);
        let dispatch = dispatch.param("reach", self.0.reach()).param("sharpness", self.0.sharpness());
        dispatch.param("farthest", self.0.farthest()).threads(n * f * frame.bands().count)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 80 * inputs[3].shape.numel() as u64, bytes }
    }
}
