//! Linear maps of images that act on rows and columns apart: average pooling, adaptive average pooling and resizing. One
//! kernel runs them all, from lists of what each row and each column of the result reads; the gradient is the same kernel
//! with the lists transposed.

use super::{Cost, Operator, VjpCall, image_extents, operands, within_count};
use crate::error::{Mismatch, Result};
use crate::exec::{AdapterClass, BufferRef, Lowering, Shader};
use crate::graph::{TensorData, Var};
use crate::shader;
use crate::shape::TensorType;

/// Each for one and for four channels a thread.
const SEPARABLE: [Shader; 2] = [
    shader!("pool/separable.wgsl", with "common/index.wgsl", with "common/f32x1.wgsl"),
    shader!("pool/separable.wgsl", with "common/index.wgsl", with "common/f32x4.wgsl"),
];

/// The same where each position reads few others: their weights lie with the positions, and loops over them end with constants.
const FEW: [Shader; 2] = [
    shader!("pool/separable_few.wgsl", with "common/index.wgsl", with "common/f32x1.wgsl"),
    shader!("pool/separable_few.wgsl", with "common/index.wgsl", with "common/f32x4.wgsl"),
];

/// The most that few are, along an axis and in a rectangle,
const FEW_TAPS: usize = 6;
const FEW_OF_RECTANGLE: usize = 16;
/// and the most loads of a thread that takes several channels of a position.
const FEW_LOADS: usize = 16;

/// The largest kernel, stride and result.
const MAX_EXTENT: usize = super::extents::MAX_IMAGE_EXTENT;

/// The most elements that all windows along one axis may have together: the lists are made on the host.
const MAX_TAPS: usize = 1 << 22;

/// The most elements that one thread reads of a rectangle; of larger ones rows and columns are taken one after the other.
const LARGEST_RECTANGLE: usize = 256;

/// Attributes of [`Var::avg_pool2d`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AvgPool2d {
    /// Rows and columns of a window.
    pub kernel: usize,
    /// Pixels from one window to the next.
    pub stride: usize,
    /// Zeros around the image, at most half the kernel.
    pub padding: usize,
    /// Whether the zeros count in the mean; else it is over the window's pixels inside the image.
    pub count_include_pad: bool,
}

impl Default for AvgPool2d {
    /// Windows of 2×2 that tile the image.
    fn default() -> Self {
        AvgPool2d { kernel: 2, stride: 2, padding: 0, count_include_pad: true }
    }
}

/// How [`Var::resize`] finds a pixel of the result in the image, with PyTorch's rules for indices (`interpolate`). Nothing is
/// smoothed before an image is made smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// Pixel ⌊i · from / to⌋ (PyTorch's `nearest`).
    Nearest,
    /// Pixel ⌊(i + ½) · from / to⌋: the one in which the result's centre lies (PyTorch's `nearest-exact`).
    NearestExact,
    /// Between the two pixels around (i + ½) · from / to − ½, at the edges that pixel alone; or if corners are aligned, around
    /// i · (from − 1) / (to − 1), so that the outermost pixels' centres stay where they are.
    Bilinear {
        /// Whether the centres of the corner pixels are kept, instead of the image's edges.
        align_corners: bool,
    },
}

/// What is made of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Map {
    Average(AvgPool2d),
    /// Means of bins ⌊i·from/to⌋ to ⌈(i+1)·from/to⌉.
    Adaptive([usize; 2]),
    Resize([usize; 2], Resize),
}

impl Map {
    /// The result's rows or columns (axis 0 or 1) of `extent`.
    fn extent(&self, extent: usize, axis: usize) -> usize {
        match *self {
            Map::Average(pool) => (extent + 2 * pool.padding - pool.kernel) / pool.stride + 1,
            Map::Adaptive(to) | Map::Resize(to, _) => to[axis],
        }
    }

    fn check(&self, extents: [usize; 2]) -> Result<(), Mismatch> {
        let size = |what: &'static str, n: usize| match (1..=MAX_EXTENT).contains(&n) {
            true => Ok(()),
            false => Err(Mismatch::new(what, format!("1 to {MAX_EXTENT}"), n)),
        };
        match *self {
            Map::Adaptive([h, w]) | Map::Resize([h, w], _) => size("h", h).and_then(|()| size("w", w)),
            Map::Average(pool) => {
                size("kernel", pool.kernel)?;
                size("stride", pool.stride)?;
                if pool.padding > pool.kernel / 2 {
                    let expected = format!("at most half the kernel, {}", pool.kernel / 2);
                    return Err(Mismatch::new("padding", expected, pool.padding));
                }
                for (axis, extent) in extents.into_iter().enumerate() {
                    let padded = extent + 2 * pool.padding;
                    if pool.kernel > padded {
                        let expected = format!("at most the padded input's {padded}");
                        return Err(Mismatch::new("kernel", expected, pool.kernel));
                    }
                    let windows = self.extent(extent, axis);
                    if windows * pool.kernel > MAX_TAPS {
                        let most = MAX_TAPS / windows;
                        return Err(Mismatch::new(
                            "kernel",
                            format!("at most {most} for {windows} windows"),
                            pool.kernel,
                        ));
                    }
                }
                Ok(())
            }
        }
    }

    /// What position `i` of `to` along an axis reads of `from`: the first position, and the weights from it on.
    fn taps(&self, i: usize, from: usize, to: usize) -> (usize, Vec<f32>) {
        match *self {
            Map::Average(pool) => {
                let begin = i * pool.stride;
                let first = begin.max(pool.padding) - pool.padding;
                let last = (begin + pool.kernel - pool.padding).min(from);
                let count = if pool.count_include_pad { pool.kernel } else { last - first };
                (first, vec![(1.0 / count as f64) as f32; last - first])
            }
            Map::Adaptive(_) => {
                let (first, last) = (i * from / to, ((i + 1) * from).div_ceil(to));
                (first, vec![(1.0 / (last - first) as f64) as f32; last - first])
            }
            Map::Resize(_, Resize::Nearest) => (i * from / to, vec![1.0]),
            Map::Resize(_, Resize::NearestExact) => ((2 * i + 1) * from / (2 * to), vec![1.0]),
            Map::Resize(_, Resize::Bilinear { align_corners }) => {
                // The place as a fraction, exactly.
                let (above, below) = match align_corners {
                    true => (i * (from - 1), (to - 1).max(1)),
                    false => (((2 * i + 1) * from).saturating_sub(to), 2 * to),
                };
                let (first, part) = (above / below, (above % below) as f64 / below as f64);
                if first + 1 >= from || part == 0.0 {
                    (first.min(from - 1), vec![1.0])
                } else {
                    (first, vec![(1.0 - part) as f32, part as f32])
                }
            }
        }
    }
}

/// What each position along an axis reads: the first position, and the weights from it on.
type Taps = Vec<(usize, Vec<f32>)>;

/// The same map seen from what is read: who reads each of `from` positions.
fn transposed(taps: &Taps, from: usize) -> Taps {
    let mut readers: Taps = vec![(0, Vec::new()); from];
    for (reader, (first, weights)) in taps.iter().enumerate() {
        for (k, &weight) in weights.iter().enumerate() {
            let (begin, own) = &mut readers[first + k];
            if own.is_empty() {
                *begin = reader;
            }
            own.resize(reader - *begin, 0.0);
            own.push(weight);
        }
    }
    readers
}

/// Every position itself.
fn identity(extent: usize) -> Taps {
    (0..extent).map(|i| (i, vec![1.0])).collect()
}

/// The most elements that a position reads.
fn longest(taps: &Taps) -> usize {
    taps.iter().map(|(_, weights)| weights.len()).max().unwrap_or(0)
}

/// Emits the map of N×H×W×C in `from` to `to` whose rows and columns read `rows` and `columns`.
fn emit(
    lowering: &mut Lowering<'_>,
    from: BufferRef,
    to: BufferRef,
    [n, h, w, c]: [usize; 4],
    [rows, columns]: [&Taps; 2],
) -> Result<()> {
    let target = lowering.target();
    let (lanes, software) = (target.lanes(), target.class == AdapterClass::Software);
    let by = if c.is_multiple_of(4) { 4 } else { 1 };
    let (c, pixels) = (c / by, n * rows.len() * columns.len());
    let (tall, wide) = (longest(rows), longest(columns));
    let few = tall.max(wide) <= FEW_TAPS && tall * wide <= FEW_OF_RECTANGLE;
    // GPUs would rather have more threads.
    let several = |k: &usize| software && c.is_multiple_of(*k) && k * tall * wide <= FEW_LOADS;
    let k = if few { [4, 2].into_iter().find(several).unwrap_or(1) } else { 1 };
    let (bands, weights) = if few { (weighted_bands(rows, columns), vec![]) } else { listed_bands(rows, columns) };
    let bands = lowering.constant(TensorData::u32([bands.len()], &bands).expect("as long as itself"));
    let dispatch = if few {
        let dispatch = lowering.dispatch(&FEW[by / 4]).define("K", k).define("BAND", band(tall.max(wide)));
        dispatch.define("ROWS", tall).define("COLUMNS", wide)
    } else {
        let weights = lowering.constant(TensorData::f32([weights.len()], &weights).expect("as long as itself"));
        lowering.dispatch(&SEPARABLE[by / 4]).bind("weights", weights)
    };
    let dispatch = dispatch.define("WG", lanes).bind("x", from).bind("bands", bands).bind("y", to);
    let dispatch = dispatch.param("total", pixels * c / k).param("h", h).param("w", w).param("c", c);
    dispatch.param("out_h", rows.len()).param("out_w", columns.len()).threads(pixels * c / k)
}

/// For each row, then for each column: the first that it reads, where its weights begin in the list that comes with them, how many.
fn listed_bands(rows: &Taps, columns: &Taps) -> (Vec<u32>, Vec<f32>) {
    let mut bands: Vec<u32> = Vec::new();
    let mut weights: Vec<f32> = Vec::new();
    for taps in [rows, columns] {
        let mut begin = weights.len();
        for (first, own) in taps {
            // Most positions have their neighbour's weights.
            if weights[begin..] != own[..] || own.is_empty() {
                begin = weights.len();
                weights.extend(own);
            }
            bands.extend([*first as u32, begin as u32, own.len() as u32, 0]);
        }
    }
    // A buffer is never empty.
    weights.push(0.0);
    (bands, weights)
}

/// How many vectors of four words a position takes that reads so many: two words and the weights.
fn band(longest: usize) -> usize {
    if longest <= 2 { 1 } else { 2 }
}

/// For each row, then for each column: the first that it reads, how many, and their weights, by the [`band`].
fn weighted_bands(rows: &Taps, columns: &Taps) -> Vec<u32> {
    let words = 4 * band(longest(rows).max(longest(columns)));
    let mut bands = Vec::new();
    for (first, own) in rows.iter().chain(columns) {
        let end = bands.len() + words;
        bands.extend([*first as u32, own.len() as u32]);
        bands.extend(own.iter().map(|weight| weight.to_bits()));
        bands.resize(end, 0);
    }
    bands
}

/// A map, or its adjoint from images of the result's size to ones of `adjoint_to` rows and columns.
#[derive(Debug, Clone, Copy)]
struct Separable {
    map: Map,
    adjoint_to: Option<[usize; 2]>,
}

impl Separable {
    /// The result's rows and columns.
    fn output(&self, [h, w]: [usize; 2]) -> [usize; 2] {
        self.adjoint_to.unwrap_or_else(|| [self.map.extent(h, 0), self.map.extent(w, 1)])
    }

    fn taps(&self, from: usize, to: usize) -> Taps {
        match self.adjoint_to {
            None => (0..to).map(|i| self.map.taps(i, from, to)).collect(),
            Some(_) => transposed(&(0..from).map(|i| self.map.taps(i, to, from)).collect(), to),
        }
    }
}

impl Operator for Separable {
    fn name(&self) -> &'static str {
        match self.map {
            Map::Average(_) => "avg_pool2d",
            Map::Adaptive(_) => "adaptive_avg_pool2d",
            Map::Resize(_, Resize::Nearest | Resize::NearestExact) => "resize_nearest",
            Map::Resize(_, Resize::Bilinear { .. }) => "resize_bilinear",
        }
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        let [n, h, w, c] = image_extents("x", x)?;
        if self.adjoint_to.is_none() {
            self.map.check([h, w])?;
        }
        let [h, w] = self.output([h, w]);
        within_count("result", &[n, h, w, c])?;
        Ok(TensorType::f32([n, h, w, c]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let adjoint_to = match self.adjoint_to {
            Some(_) => None,
            None => call.inputs[0].shape().nhwc().map(|[_, h, w, _]| [h, w]),
        };
        let adjoint = Separable { map: self.map, adjoint_to };
        Ok(vec![call.grad(0, || call.cotangent.recorder().apply(adjoint, &[call.cotangent]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y) = (lowering.input(0), lowering.output());
        let [n, h, w, c] = x.ty.shape.nhwc().expect("checked by infer");
        let [out_h, out_w] = self.output([h, w]);
        let (rows, columns) = (self.taps(h, out_h), self.taps(w, out_w));
        let (tall, wide) = (longest(&rows), longest(&columns));
        if tall * wide <= LARGEST_RECTANGLE || tall == 1 || wide == 1 {
            return emit(lowering, x.buffer, y, [n, h, w, c], [&rows, &columns]);
        }
        // One axis after the other, the one first that leaves less.
        if out_h * w <= h * out_w {
            let between = lowering.scratch(n * out_h * w * c);
            emit(lowering, x.buffer, between, [n, h, w, c], [&rows, &identity(w)])?;
            emit(lowering, between, y, [n, out_h, w, c], [&identity(out_h), &columns])
        } else {
            let between = lowering.scratch(n * h * out_w * c);
            emit(lowering, x.buffer, between, [n, h, w, c], [&identity(h), &columns])?;
            emit(lowering, between, y, [n, h, out_w, c], [&rows, &identity(out_w)])
        }
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        // Windows of an average, of an adaptive one those that tile; two pixels along each axis of an interpolation.
        let forward = if self.adjoint_to.is_some() { inputs[0] } else { output };
        let image = if self.adjoint_to.is_some() { output } else { inputs[0] };
        let multiply_adds = match self.map {
            Map::Average(pool) => forward.shape.numel() * pool.kernel * pool.kernel,
            Map::Adaptive(_) => image.shape.numel(),
            Map::Resize(_, Resize::Nearest | Resize::NearestExact) => 0,
            Map::Resize(_, Resize::Bilinear { .. }) => 4 * forward.shape.numel(),
        };
        Cost { flops: 2 * multiply_adds as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

impl<'r> Var<'r> {
    /// The mean over windows, N×H×W×C. Extents become ⌊(H + 2·padding − kernel) / stride⌋ + 1. Fails for padding above half
    /// the kernel and for a kernel larger than the padded image.
    #[track_caller]
    pub fn avg_pool2d(self, pool: AvgPool2d) -> Result<Var<'r>> {
        self.separable(Map::Average(pool))
    }

    /// The mean over a grid of h×w bins that cover the image, N×H×W×C to N×h×w×C: bin i of an axis goes from pixel ⌊i·H/h⌋ to
    /// before ⌈(i+1)·H/h⌉, so that neighbours may share a pixel (PyTorch's rule).
    #[track_caller]
    pub fn adaptive_avg_pool2d(self, h: usize, w: usize) -> Result<Var<'r>> {
        self.separable(Map::Adaptive([h, w]))
    }

    /// The image with h rows and w columns, N×H×W×C to N×h×w×C.
    #[track_caller]
    pub fn resize(self, h: usize, w: usize, resize: Resize) -> Result<Var<'r>> {
        self.separable(Map::Resize([h, w], resize))
    }

    #[track_caller]
    fn separable(self, map: Map) -> Result<Var<'r>> {
        self.recorder().apply(Separable { map, adjoint_to: None }, &[self])
    }

    /// The mean of each channel over the whole image, N×H×W×C to N×1×1×C.
    #[track_caller]
    pub fn global_avg_pool2d(self) -> Result<Var<'r>> {
        self.recorder().expect("global_avg_pool2d", &[self], image_extents("x", &self.ty()))?;
        self.mean(&[1, 2])
    }

    /// The largest element of each channel over the whole image, N×H×W×C to N×1×1×C; equals share the gradient.
    #[track_caller]
    pub fn global_max_pool2d(self) -> Result<Var<'r>> {
        self.recorder().expect("global_max_pool2d", &[self], image_extents("x", &self.ty()))?;
        self.max_over(&[1, 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_the_transpose_of_what_is_read() {
        let maps = [
            Map::Average(AvgPool2d { kernel: 3, stride: 2, padding: 1, count_include_pad: false }),
            Map::Average(AvgPool2d { kernel: 2, stride: 4, padding: 0, count_include_pad: true }),
            Map::Adaptive([4; 2]),
            Map::Resize([3; 2], Resize::Nearest),
            Map::Resize([17; 2], Resize::NearestExact),
            Map::Resize([5; 2], Resize::Bilinear { align_corners: false }),
            Map::Resize([23; 2], Resize::Bilinear { align_corners: true }),
        ];
        for map in maps {
            let (from, to) = (11, map.extent(11, 0));
            let taps: Taps = (0..to).map(|i| map.taps(i, from, to)).collect();
            let dense = |taps: &Taps, columns: usize| {
                let mut rows = vec![vec![0.0; columns]; taps.len()];
                for (row, (first, weights)) in rows.iter_mut().zip(taps) {
                    row[*first..first + weights.len()].copy_from_slice(weights);
                }
                rows
            };
            let (rows, columns) = (dense(&taps, from), dense(&transposed(&taps, from), to));
            for (i, row) in rows.iter().enumerate() {
                for (j, &weight) in row.iter().enumerate() {
                    assert_eq!(weight, columns[j][i], "{map:?}: {i}, {j}");
                }
            }
        }
    }
}
