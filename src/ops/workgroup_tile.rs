//! Products on workgroups that share tiles of both operands in workgroup memory: matrix products, and the passes of a convolution as
//! products over taps and channels that are never written down as matrices. Made for GPUs; on a software adapter barriers are dear.

use std::fmt;

use super::conv2d::{Conv2d, Extents};
use super::operand::{Epilogue, Operands, Place};
use super::product::{Layout, Product};
use super::reduce::column_sum;
use crate::error::Result;
use crate::exec::{AdapterClass, BufferRef, Dispatch, Lowering, Shader, Target};
use crate::shader;

const PRODUCT: Shader = shader!("tile/tile.wgsl", with "tile/product_shape.wgsl");
const CONV: Shader = shader!("tile/tile.wgsl", with "tile/conv_shape.wgsl");

/// How many lanes keep a GPU busy, about.
const BUSY_LANES: usize = 1 << 15;

/// A workgroup's tile: its lanes down and across, and how many rows and groups of four columns each holds; how deep the tiles in
/// workgroup memory are; and for how many lanes a long sum is split, if it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    lanes: [usize; 2],
    rows: usize,
    groups: usize,
    depth: usize,
    split: Option<usize>,
}

const fn tile(lanes: [usize; 2], rows: usize, groups: usize, depth: usize) -> Tile {
    Tile { lanes, rows, groups, depth, split: None }
}

/// The tiles that a GPU is offered.
const TILES: [Tile; 6] = [
    tile([8, 8], 8, 2, 16),
    tile([8, 8], 4, 1, 32),
    tile([16, 8], 8, 2, 16),
    tile([16, 16], 8, 2, 16),
    tile([16, 4], 8, 1, 16),
    tile([4, 16], 4, 1, 16),
];

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [rows, columns] = self.extents();
        write!(f, "tile {rows}x{columns}")?;
        self.split.map_or(Ok(()), |lanes| write!(f, " for {lanes}"))
    }
}

impl Tile {
    fn extents(&self) -> [usize; 2] {
        [self.lanes[0] * self.rows, self.lanes[1] * self.groups * 4]
    }

    fn invocations(&self) -> usize {
        self.lanes[0] * self.lanes[1]
    }

    fn fits(&self, target: &Target) -> bool {
        let bytes = 4 * self.depth * self.extents().iter().sum::<usize>();
        bytes <= target.max_workgroup_bytes as usize && self.invocations() <= target.max_invocations as usize
    }

    /// How many tiles there are of `batch` results m×n.
    fn count(&self, batch: usize, m: usize, n: usize) -> usize {
        let [rows, columns] = self.extents();
        batch * m.div_ceil(rows) * n.div_ceil(columns)
    }

    /// Inner indices of a partial sum, a multiple of the depth, for results of `tiles` tiles.
    fn k_per_split(&self, tiles: usize, k: usize) -> usize {
        let steps = k.div_ceil(self.depth);
        let parts =
            self.split.map_or(1, |lanes| lanes.div_ceil(tiles * self.invocations()).clamp(1, steps.div_ceil(2)));
        steps.div_ceil(parts) * self.depth
    }
}

/// A product as the tiles see it: `batch` results m×n over k inner indices; whether the result may be split into partial sums, which
/// leaves no place for an epilogue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) batch: usize,
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) splits: bool,
}

/// A kernel with lanes that share nothing, as the cost model sees it.
pub(super) trait Alone: fmt::Display + Copy {
    /// Rows and columns of a lane's tile, and for how many lanes a sum is split.
    fn footprint(&self) -> ([usize; 2], Option<usize>);
}

/// A way to compute a product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Way<L> {
    Lanes(L),
    Tile(Tile),
}

impl<L: fmt::Display> fmt::Display for Way<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::Lanes(lanes) => lanes.fmt(f),
            Way::Tile(tile) => tile.fmt(f),
        }
    }
}

/// The ways that suit an adapter, the expected fastest first: on software `lanes` alone, in their order; on a GPU also tiles if the product
/// can be `tiled`, in the order of [`time_on_gpu`].
pub(super) fn ways<L: Alone>(target: &Target, lanes: Vec<L>, e: Extent, tiled: bool) -> Vec<Way<L>> {
    let mut ways: Vec<Way<L>> = lanes.into_iter().map(Way::Lanes).collect();
    if target.class == AdapterClass::Software {
        return ways;
    }
    for tile in TILES.iter().filter(|tile| tiled && tile.fits(target)) {
        ways.push(Way::Tile(*tile));
        let idle = tile.count(e.batch, e.m, e.n) * tile.invocations() < BUSY_LANES;
        if e.splits && idle && e.k > 2 * tile.depth {
            ways.push(Way::Tile(Tile { split: Some(BUSY_LANES), ..*tile }));
        }
    }
    let time = |way: &Way<L>| match way {
        Way::Lanes(lanes) => {
            let (tile, split) = lanes.footprint();
            time_on_gpu(e, tile, 1, split)
        }
        Way::Tile(tile) => time_on_gpu(e, tile.extents(), tile.invocations(), tile.split),
    };
    ways.sort_by(|x, y| time(x).total_cmp(&time(y)));
    ways
}

/// What a product costs a GPU, in multiplications: those of whole tiles, loads (each as much as so many multiplications, as often as the
/// tile's shape needs them), partial sums, all over the part of the GPU that has work.
fn time_on_gpu(e: Extent, [rows, columns]: [usize; 2], lanes: usize, split: Option<usize>) -> f64 {
    const LOAD: f64 = 16.0;
    let tiles = (e.batch * e.m.div_ceil(rows) * e.n.div_ceil(columns)) as f64;
    let products = tiles * (rows * columns) as f64 * e.k as f64;
    let loads = LOAD * (1.0 / rows as f64 + 1.0 / columns as f64);
    let parts = split.map_or(1.0, |wanted| (wanted as f64 / (tiles * lanes as f64)).min(e.k as f64 / 32.0).max(1.0));
    let sums = if parts > 1.0 { 4.0 * LOAD * parts * (e.batch * e.m * e.n) as f64 } else { 0.0 };
    let busy = (tiles * lanes as f64 * parts / BUSY_LANES as f64).min(1.0);
    (products * (1.0 + loads) + sums) / busy
}

/// Where partial sums go, and then the result; how many there are.
struct Parts {
    to: BufferRef,
    y: BufferRef,
    count: usize,
    k_per_split: usize,
}

impl Tile {
    fn parts(&self, lowering: &mut Lowering<'_>, e: Extent, numel: usize, y: BufferRef) -> Parts {
        let k_per_split = self.k_per_split(self.count(e.batch, e.m, e.n), e.k);
        let count = e.k.div_ceil(k_per_split);
        let to = if count == 1 { y } else { lowering.scratch(count * numel) };
        Parts { to, y, count, k_per_split }
    }

    /// Starts a dispatch with what all products share; the result has `y_rows` rows.
    fn describe<'s>(
        &self,
        lowering: &'s mut Lowering<'_>,
        shader: &'s Shader,
        e: Extent,
        k_per_split: usize,
        y_rows: usize,
    ) -> Dispatch<'s> {
        let [down, across] = self.lanes;
        let dispatch = lowering.dispatch(shader).define("LANES_M", down).define("LANES_N", across);
        let dispatch = dispatch.define("R", self.rows).define("G", self.groups).define("TILE_K", self.depth);
        let dispatch = dispatch.param("m", e.m).param("n", e.n).param("k", e.k).param("batch", e.batch);
        dispatch.param("k_per_split", k_per_split).param("y_rows", y_rows)
    }

    /// The invocations of all parts.
    fn threads(&self, e: Extent, parts: usize) -> usize {
        self.count(e.batch, e.m, e.n) * parts * self.invocations()
    }

    /// Emits a matrix product.
    pub(super) fn product(self, lowering: &mut Lowering<'_>, product: Product) -> Result<()> {
        let Product { layout, batch, interleaved, m, n, k, a, b, y, epilogue } = product;
        let Epilogue { bias, norm, addend, relu } = epilogue;
        let e = product.extent();
        let parts = self.parts(lowering, e, batch * m * n, y);
        let Parts { to, count, k_per_split, .. } = parts;
        let (of_a, a_rows, a_row) = match layout {
            Layout::TransposedA => (shader!("tile/a_columns.wgsl"), k, m),
            _ => (shader!("tile/a_rows.wgsl"), m, k),
        };
        let (of_b, b_rows, b_row) = match layout {
            Layout::TransposedB => (shader!("tile/b_columns.wgsl"), n, k),
            _ => (shader!("tile/b_rows.wgsl"), k, n),
        };
        let dispatch = self.describe(lowering, &PRODUCT, e, k_per_split, m).define("RELU", relu);
        let dispatch = dispatch.define("INTERLEAVED", interleaved);
        let dispatch = dispatch.include(of_a).include(of_b);
        let dispatch = dispatch.operand(Place::A, a, batch * a_rows, a_row).operand(Place::B, b, batch * b_rows, b_row);
        let dispatch = dispatch.optional(Place::C, bias, 1, n).optional(Place::D, addend, batch * m, n);
        dispatch.normalized(norm).result(to, n).threads(self.threads(e, count))?;
        finish(lowering, parts, batch * m * n)
    }

    /// Emits the convolution of `x` with `weight`.
    pub(super) fn forward(
        self,
        lowering: &mut Lowering<'_>,
        conv: &Conv2d,
        e: &Extents,
        [x, weight]: [BufferRef; 2],
        epilogue: Epilogue,
    ) -> Result<()> {
        let (extent, rows) = (forward_extent(e, epilogue), e.n * e.oh * e.ow);
        let y = lowering.output();
        let parts = self.parts(lowering, extent, rows * e.co, y);
        let Parts { to, count, k_per_split, .. } = parts;
        let dispatch = self.describe(lowering, &CONV, extent, k_per_split, rows).define("RELU", epilogue.relu);
        let dispatch = window(dispatch, conv, e.kw, false, [e.oh, e.ow], [e.h, e.w, e.ci]);
        let dispatch = dispatch.include(shader!("tile/a_pixels.wgsl")).include(shader!("tile/b_weights.wgsl"));
        let dispatch = dispatch.operand(Place::A, x, e.n * e.h * e.w, e.ci);
        let dispatch = dispatch.operand(Place::B, weight, e.kh * e.kw * e.ci, e.co);
        let dispatch =
            dispatch.optional(Place::C, epilogue.bias, 1, e.co).optional(Place::D, epilogue.addend, rows, e.co);
        dispatch.normalized(epilogue.norm).result(to, e.co).threads(self.threads(extent, count))?;
        finish(lowering, parts, rows * e.co)
    }

    /// Emits the gradient of a convolution of stride 1 with respect to the input, from that of the result and the weight.
    pub(super) fn input_gradient(
        self,
        lowering: &mut Lowering<'_>,
        conv: &Conv2d,
        e: &Extents,
        [gy, weight]: [BufferRef; 2],
        epilogue: Epilogue,
    ) -> Result<()> {
        let (extent, rows) = (input_gradient_extent(e, epilogue), e.n * e.h * e.w);
        let y = lowering.output();
        let parts = self.parts(lowering, extent, rows * e.ci, y);
        let Parts { to, count, k_per_split, .. } = parts;
        let dispatch = self.describe(lowering, &CONV, extent, k_per_split, rows).define("RELU", epilogue.relu);
        let dispatch = window(dispatch, conv, e.kw, true, [e.h, e.w], [e.oh, e.ow, e.co]);
        let dispatch = dispatch.include(shader!("tile/a_pixels.wgsl")).include(shader!("tile/b_weights_turned.wgsl"));
        let dispatch = dispatch.operand(Place::A, gy, e.n * e.oh * e.ow, e.co);
        let dispatch = dispatch.operand(Place::B, weight, e.kh * e.kw * e.ci, e.co);
        let dispatch =
            dispatch.optional(Place::C, epilogue.bias, 1, e.ci).optional(Place::D, epilogue.addend, rows, e.ci);
        dispatch.normalized(None).result(to, e.ci).threads(self.threads(extent, count))?;
        finish(lowering, parts, rows * e.ci)
    }

    /// Emits the gradient of a convolution with respect to the weight, from the input and the gradient of the result.
    pub(super) fn weight_gradient(
        self,
        lowering: &mut Lowering<'_>,
        conv: &Conv2d,
        e: &Extents,
        [x, gy]: [BufferRef; 2],
    ) -> Result<()> {
        let (extent, rows) = (weight_gradient_extent(e), e.kh * e.kw * e.ci);
        let y = lowering.output();
        let parts = self.parts(lowering, extent, rows * e.co, y);
        let Parts { to, count, k_per_split, .. } = parts;
        let dispatch = self.describe(lowering, &CONV, extent, k_per_split, rows).define("RELU", false);
        let dispatch = window(dispatch, conv, e.kw, false, [e.oh, e.ow], [e.h, e.w, e.ci]);
        let dispatch = dispatch.include(shader!("tile/a_patches.wgsl")).include(shader!("tile/b_rows.wgsl"));
        let dispatch = dispatch.operand(Place::A, x, e.n * e.h * e.w, e.ci);
        let dispatch = dispatch.operand(Place::B, gy, e.n * e.oh * e.ow, e.co);
        let dispatch = dispatch.no_operand(Place::C).no_operand(Place::D).normalized(None);
        dispatch.result(to, e.co).threads(self.threads(extent, count))?;
        finish(lowering, parts, rows * e.co)
    }
}

/// Adds up partial sums, if there are any.
fn finish(lowering: &mut Lowering<'_>, parts: Parts, numel: usize) -> Result<()> {
    let Parts { to, y, count, .. } = parts;
    if count == 1 { Ok(()) } else { column_sum(lowering, to, y, count, numel) }
}

/// What a pass of a convolution says of the grid, the image and the taps between them.
fn window<'s>(
    dispatch: Dispatch<'s>,
    conv: &Conv2d,
    kw: usize,
    mirrored: bool,
    [grid_h, grid_w]: [usize; 2],
    [h, w, channels]: [usize; 3],
) -> Dispatch<'s> {
    let dispatch = dispatch.define("KW", kw).define("S", conv.stride).define("D", conv.dilation);
    let dispatch = dispatch.define("MIRRORED", mirrored).define("TAIL", !channels.is_multiple_of(4));
    let dispatch = dispatch.param("grid_h", grid_h).param("grid_w", grid_w).param("h", h).param("w", w);
    dispatch.param("channels", channels).param("depth", channels.next_multiple_of(4)).param("pad", conv.padding)
}

/// Whether nothing is added to a result, so that it may be made of partial sums.
fn bare(epilogue: Epilogue) -> bool {
    epilogue.bias.is_none() && epilogue.norm.is_none() && epilogue.addend.is_none() && !epilogue.relu
}

/// The forward pass as a product.
pub(super) fn forward_extent(e: &Extents, epilogue: Epilogue) -> Extent {
    let k = e.kh * e.kw * e.ci.next_multiple_of(4);
    Extent { batch: 1, m: e.n * e.oh * e.ow, n: e.co, k, splits: bare(epilogue) }
}

/// The input gradient, of stride 1, as a product.
pub(super) fn input_gradient_extent(e: &Extents, epilogue: Epilogue) -> Extent {
    let k = e.kh * e.kw * e.co.next_multiple_of(4);
    Extent { batch: 1, m: e.n * e.h * e.w, n: e.ci, k, splits: bare(epilogue) }
}

/// The weight gradient as a product.
pub(super) fn weight_gradient_extent(e: &Extents) -> Extent {
    let m = e.kh * e.kw * e.ci.next_multiple_of(4);
    Extent { batch: 1, m, n: e.co, k: e.n * e.oh * e.ow, splits: true }
}

impl Product {
    pub(super) fn extent(&self) -> Extent {
        let Product { batch, m, n, k, epilogue, .. } = *self;
        Extent { batch, m, n, k, splits: bare(epilogue) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Lane;

    impl fmt::Display for Lane {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("lane")
        }
    }

    impl Alone for Lane {
        fn footprint(&self) -> ([usize; 2], Option<usize>) {
            ([8, 4], None)
        }
    }

    fn names(target: &Target, [m, n, k]: [usize; 3], splits: bool) -> Vec<String> {
        let e = Extent { batch: 1, m, n, k, splits };
        ways(target, vec![Lane], e, true).iter().map(|way| way.to_string()).collect()
    }

    #[test]
    fn a_gpu_is_expected_to_like_large_tiles_where_there_is_work_for_all_of_it() {
        let gpu = Target::webgpu_defaults();
        assert_eq!(names(&gpu, [1 << 14, 1024, 512], true)[0], "tile 128x128");
        assert_eq!(names(&gpu, [4096, 128, 1152], true)[0], "tile 128x128 for 32768");
        assert!(!names(&gpu, [4096, 128, 1152], false).iter().any(|name| name.contains("for")));
        // A tile would be nearly empty.
        assert_eq!(names(&gpu, [1 << 20, 3, 96], true)[0], "lane");
    }

    #[test]
    fn software_is_offered_lanes_alone() {
        let software = Target { class: AdapterClass::Software, ..Target::webgpu_defaults() };
        assert_eq!(names(&software, [4096, 128, 1152], true), ["lane"]);
    }

    #[test]
    fn what_does_not_fit_the_adapter_is_not_offered() {
        let small = Target { max_workgroup_bytes: 8 << 10, max_invocations: 64, ..Target::webgpu_defaults() };
        assert_eq!(names(&small, [1 << 14, 1024, 512], false).len(), 4);
    }
}
