//! Images sampled at given positions: warps, spatial transformers (Jaderberg et al. 2015, §3.3), features at joints.

use super::{Cost, Operator, VjpCall, expect_f32, image_extents, operands, within_count};
use crate::error::{Mismatch, Result};
use crate::exec::{BufferRef, Dispatch, Lowering, Shader};
use crate::graph::{TensorData, Var};
use crate::shader;
use crate::shape::TensorType;

macro_rules! by_channels {
    ($file:literal) => {
        [
            shader!($file, with "common/index.wgsl", with "common/f32x1.wgsl", with "sample/positions.wgsl"),
            shader!($file, with "common/index.wgsl", with "common/f32x4.wgsl", with "sample/positions.wgsl"),
        ]
    };
}

/// Each for one and for four channels a thread.
const FORWARD: [Shader; 2] = by_channels!("sample/grid_sample.wgsl");
const GRID_GRAD: [Shader; 2] = by_channels!("sample/grid_sample_grid_grad.wgsl");
const IMAGE_GRAD: [Shader; 2] = [
    shader!("sample/grid_sample_image_grad.wgsl", with "common/index.wgsl", with "common/f32x1.wgsl"),
    shader!("sample/grid_sample_image_grad.wgsl", with "common/index.wgsl", with "common/f32x4.wgsl"),
];
const CELLS: Shader = shader!("sample/cells.wgsl", with "common/index.wgsl", with "sample/positions.wgsl");
const DIGIT_COUNTS: Shader = shader!("sample/digit_counts.wgsl", with "common/index.wgsl");
const DIGIT_SCATTER: Shader = shader!("sample/digit_scatter.wgsl", with "common/index.wgsl");
const CHUNK_SUMS: Shader = shader!("sample/chunk_sums.wgsl", with "common/index.wgsl");
const OFFSETS: Shader = shader!("sample/offsets.wgsl", with "common/index.wgsl");
const STARTS: Shader = shader!("sample/starts.wgsl", with "common/index.wgsl");

/// How many keys a thread of the sort moves.
const BLOCK: usize = 128;

/// How many numbers a thread adds up to find where keys go.
const CHUNK: usize = 128;

/// Bits of a digit of the sort, as the shaders have it.
const DIGIT_BITS: usize = 6;

/// What lies around an image that is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GridPadding {
    /// Zeros.
    Zeros,
    /// The pixels at the border.
    Border,
    /// The image mirrored: at the centres of its border pixels if corners are aligned, else at its edges.
    Reflection,
}

/// Attributes of [`Var::grid_sample`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GridSample {
    /// The nearest pixel (half-way between two the even one) instead of the four around, weighted by distance.
    pub nearest: bool,
    /// What lies around the image.
    pub padding: GridPadding,
    /// Whether −1 and 1 are the centres of the outermost pixels, else their outer edges.
    pub align_corners: bool,
}

impl Default for GridSample {
    /// Bilinear, zeros around, −1 and 1 at the image's edges: PyTorch's defaults.
    fn default() -> Self {
        GridSample { nearest: false, padding: GridPadding::Zeros, align_corners: false }
    }
}

impl GridSample {
    /// The parameters that every kernel which looks at positions takes.
    fn attributes<'d>(&self, dispatch: Dispatch<'d>, h: usize, w: usize) -> Dispatch<'d> {
        let padding = match self.padding {
            GridPadding::Zeros => 0u32,
            GridPadding::Border => 1,
            GridPadding::Reflection => 2,
        };
        let dispatch = dispatch.param("h", h).param("w", w).param("padding", padding);
        dispatch.param("aligned", u32::from(self.align_corners))
    }
}

/// The extents N, h, w of a grid for `n` images.
fn grid_extents(grid: &TensorType, n: usize) -> Result<[usize; 3], Mismatch> {
    expect_f32("grid", grid)?;
    match *grid.shape.dims() {
        [images, h, w, 2] if images == n && h > 0 && w > 0 => {
            within_count("grid", &[n, h, w, 2])?;
            Ok([n, h, w])
        }
        _ => Err(Mismatch::new("grid", format!("{n}×h×w×2, h and w at least 1"), grid)),
    }
}

/// The images sampled.
#[derive(Debug, Clone, Copy)]
struct Sample(GridSample);

impl Operator for Sample {
    fn name(&self) -> &'static str {
        "grid_sample"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, grid] = operands(inputs)?;
        let [n, h, w, c] = image_extents("x", x)?;
        let [_, out_h, out_w] = grid_extents(grid, n)?;
        // Cells are numbered too; see the image's gradient.
        within_count("x", &[n, h + 1, w + 1])?;
        within_count("result", &[n, out_h, out_w, c])?;
        Ok(TensorType::f32([n, out_h, out_w, c]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, grid, gy) = (call.inputs[0], call.inputs[1], call.cotangent);
        let r = gy.recorder();
        let gx = call.grad(0, || {
            let dims = x.shape();
            r.apply(ImageGrad { sample: self.0, h: dims.dims()[1], w: dims.dims()[2] }, &[grid, gy])
        })?;
        let g_grid = call.grad(1, || match self.0.nearest {
            // Constant but for jumps.
            true => r.constant([1], &[0.0])?.broadcast(grid.shape()),
            false => r.apply(GridGrad(self.0), &[x, grid, gy]),
        })?;
        Ok(vec![gx, g_grid])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, grid, y) = (lowering.input(0), lowering.input(1).buffer, lowering.output());
        let [_, h, w, c] = x.ty.shape.nhwc().expect("checked by infer");
        let [_, out_h, out_w, _] = lowering.output_ty().shape.nhwc().expect("checked by infer");
        let total = lowering.output_ty().shape.numel();
        let (dispatch, by) = by_channels(lowering, &FORWARD, c);
        let dispatch = self.0.attributes(dispatch, h, w).param("nearest", u32::from(self.0.nearest));
        let dispatch = dispatch.param("total", total / by).param("c", c / by).param("out_pixels", out_h * out_w);
        dispatch.bind("x", x.buffer).bind("grid", grid).bind("y", y).threads(total / by)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let taps = if self.0.nearest { 1 } else { 4 };
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 2 * taps * output.shape.numel() as u64, bytes }
    }
}

/// A dispatch of the variant for this channel count, and how many channels a thread has.
fn by_channels<'s>(lowering: &'s mut Lowering<'_>, shaders: &'s [Shader; 2], channels: usize) -> (Dispatch<'s>, usize) {
    let by = if channels.is_multiple_of(4) { 4 } else { 1 };
    let lanes = lowering.target().lanes();
    (lowering.dispatch(&shaders[by / 4]).define("WG", lanes).define("CHANNELS_A_THREAD", by), by)
}

/// The gradient of bilinear sampling with respect to the grid, from x, grid and gy.
#[derive(Debug, Clone, Copy)]
struct GridGrad(GridSample);

impl Operator for GridGrad {
    fn name(&self) -> &'static str {
        "grid_sample"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [_, grid, _] = operands(inputs)?;
        Ok(grid.clone())
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; 3])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, grid, gy, g_grid) = (lowering.input(0), lowering.input(1), lowering.input(2).buffer, lowering.output());
        let [_, h, w, c] = x.ty.shape.nhwc().expect("checked by infer");
        let [n, out_h, out_w, _] = grid.ty.shape.nhwc().expect("checked by infer");
        let (dispatch, by) = by_channels(lowering, &GRID_GRAD, c);
        let dispatch = self.0.attributes(dispatch, h, w).param("samples", n * out_h * out_w);
        let dispatch = dispatch.param("c", c / by).param("out_pixels", out_h * out_w);
        let dispatch = dispatch.bind("x", x.buffer).bind("grid", grid.buffer).bind("gy", gy).bind("g_grid", g_grid);
        dispatch.threads(n * out_h * out_w)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 14 * inputs[2].shape.numel() as u64, bytes }
    }
}

/// The gradient with respect to images of h×w pixels, from grid and gy. Which samples read a pixel is known only on the device,
/// and additions there must keep an order: samples are sorted by the cell between pixels in which they lie, and each pixel
/// gathers from the cells around it.
#[derive(Debug, Clone, Copy)]
struct ImageGrad {
    sample: GridSample,
    h: usize,
    w: usize,
}

impl Operator for ImageGrad {
    fn name(&self) -> &'static str {
        "grid_sample"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [_, gy] = operands(inputs)?;
        let Some([n, _, _, c]) = gy.shape.nhwc() else { return Err(Mismatch::new("gy", "N×h×w×C", gy)) };
        Ok(TensorType::f32([n, self.h, self.w, c]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (grid, g) = (call.inputs[0], call.cotangent);
        Ok(vec![None, call.grad(1, || g.recorder().apply(Sample(self.sample), &[g, grid]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (grid, gy, gx) = (lowering.input(0), lowering.input(1), lowering.output());
        let lanes = lowering.target().lanes();
        let [n, out_h, out_w, c] = gy.ty.shape.nhwc().expect("checked by infer");
        let (samples, cells) = (n * out_h * out_w, n * (self.h + 1) * (self.w + 1));
        let nearest = u32::from(self.sample.nearest);
        let places = lowering.scratch(2 * samples);
        let (keys, order) = (lowering.scratch(samples), lowering.scratch(samples));
        let dispatch = lowering.dispatch(&CELLS).define("WG", lanes);
        let dispatch = self.sample.attributes(dispatch, self.h, self.w).param("nearest", nearest);
        let dispatch = dispatch.param("samples", samples).param("out_pixels", out_h * out_w).param("cells", cells);
        let dispatch = dispatch.bind("grid", grid.buffer).bind("places", places).bind("keys", keys);
        dispatch.bind("order", order).threads(samples)?;
        let (keys, order) = sorted(lowering, keys, order, samples, cells)?;
        let starts = lowering.scratch(cells + 1);
        let dispatch = lowering.dispatch(&STARTS).define("WG", lanes).param("n", samples).param("cells", cells);
        dispatch.bind("keys", keys).bind("starts", starts).threads(cells + 1)?;
        let (dispatch, by) = by_channels(lowering, &IMAGE_GRAD, c);
        let total = n * self.h * self.w * c / by;
        let dispatch = dispatch.param("total", total).param("h", self.h).param("w", self.w).param("c", c / by);
        let dispatch = dispatch.param("nearest", nearest).bind("places", places).bind("order", order);
        dispatch.bind("starts", starts).bind("gy", gy.buffer).bind("gx", gx).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let taps = if self.sample.nearest { 1 } else { 4 };
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 2 * taps * inputs[1].shape.numel() as u64, bytes }
    }
}

/// Emits a stable radix sort of `n` keys up to `largest` and of what goes with them.
fn sorted(
    lowering: &mut Lowering<'_>,
    keys: BufferRef,
    order: BufferRef,
    n: usize,
    largest: usize,
) -> Result<(BufferRef, BufferRef)> {
    let lanes = lowering.target().lanes();
    let (mut keys, mut order) = (keys, order);
    let bits = (usize::BITS - largest.leading_zeros()) as usize;
    let blocks = n.div_ceil(BLOCK);
    for shift in (0..bits).step_by(DIGIT_BITS) {
        let table = lowering.scratch(blocks << DIGIT_BITS);
        let dispatch = lowering.dispatch(&DIGIT_COUNTS).define("WG", lanes).define("BLOCK", BLOCK);
        let dispatch = dispatch.param("n", n).param("blocks", blocks).param("shift", shift);
        dispatch.bind("keys", keys).bind("table", table).threads(blocks)?;
        let offsets = offsets(lowering, table, blocks << DIGIT_BITS)?;
        let (to_keys, to_order) = (lowering.scratch(n), lowering.scratch(n));
        let dispatch = lowering.dispatch(&DIGIT_SCATTER).define("WG", lanes).define("BLOCK", BLOCK);
        let dispatch = dispatch.param("n", n).param("blocks", blocks).param("shift", shift);
        let dispatch = dispatch.bind("keys", keys).bind("order", order).bind("offsets", offsets);
        dispatch.bind("sorted_keys", to_keys).bind("sorted_order", to_order).threads(blocks)?;
        (keys, order) = (to_keys, to_order);
    }
    Ok((keys, order))
}

/// Emits the sum of all counts before each of `n`.
fn offsets(lowering: &mut Lowering<'_>, counts: BufferRef, n: usize) -> Result<BufferRef> {
    let lanes = lowering.target().lanes();
    let chunks = n.div_ceil(CHUNK);
    let bases = if chunks == 1 {
        lowering.constant(TensorData::u32([1], &[0]).expect("one value"))
    } else {
        let sums = lowering.scratch(chunks);
        let dispatch = lowering.dispatch(&CHUNK_SUMS).define("WG", lanes).define("CHUNK", CHUNK);
        let dispatch = dispatch.param("n", n).param("chunks", chunks);
        dispatch.bind("counts", counts).bind("sums", sums).threads(chunks)?;
        offsets(lowering, sums, chunks)?
    };
    let before = lowering.scratch(n);
    let dispatch = lowering.dispatch(&OFFSETS).define("WG", lanes).define("CHUNK", CHUNK);
    let dispatch = dispatch.param("n", n).param("chunks", chunks);
    dispatch.bind("counts", counts).bind("bases", bases).bind("before", before).threads(chunks)?;
    Ok(before)
}

impl<'r> Var<'r> {
    /// These images (N×H×W×C) sampled at `grid` (N×h×w×2: across, down; −1 to 1 over the image) to N×h×w×C, by the conventions of
    /// PyTorch's `grid_sample`. Coordinates that are not finite lie outside: the sample is 0 and has no gradient. The
    /// gradients reach the images and, unless the nearest pixel is taken, the grid; a coordinate that is clipped at the
    /// border has none.
    #[track_caller]
    pub fn grid_sample(self, grid: Var<'r>, sample: GridSample) -> Result<Var<'r>> {
        self.recorder().apply(Sample(sample), &[self, grid])
    }
}
