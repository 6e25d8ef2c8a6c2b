//! Products on workgroups that share tiles of both operands in workgroup memory: matrix products, and the passes of a convolution as
//! products over taps and channels that are never written down as matrices. Made for GPUs; on a software adapter barriers are dear. Where an
//! adapter has cooperative matrices, subgroups multiply the tiles by these too.

use std::fmt;

use super::conv2d::{Conv2d, Extents};
use super::operand::{Epilogue, Operands, Place};
use super::product::{Layout, Product};
use super::reduce::column_sum;
use crate::error::Result;
use crate::exec::{AdapterClass, BufferRef, Cooperative, Dispatch, Lowering, Shader, Target};
use crate::shader;
use crate::shape::DType;

/// The kernels of a product: those whose lanes multiply, and those whose subgroups do by cooperative matrices.
struct Kernels {
    lanes: Shader,
    matrices: Shader,
}

static PRODUCT: Kernels = Kernels {
    lanes: shader!(
        "tile/tile.wgsl", with "common/interleaved.wgsl", with "tile/product_shape.wgsl", with "tile/fetch.wgsl", with "common/ending.wgsl"
    ),
    matrices: shader!(
        "tile/cooperative.wgsl", with "common/interleaved.wgsl", with "tile/product_shape.wgsl", with "tile/fetch.wgsl",
        with "common/ending.wgsl"
    ),
};
static CONV: Kernels = Kernels {
    lanes: shader!("tile/tile.wgsl", with "tile/conv_shape.wgsl", with "tile/fetch.wgsl", with "common/ending.wgsl"),
    matrices: shader!("tile/cooperative.wgsl", with "tile/conv_shape.wgsl", with "tile/fetch.wgsl", with "common/ending.wgsl"),
};

/// How many lanes keep a GPU busy, about.
const BUSY_LANES: usize = 1 << 15;

/// A workgroup's tile: its lanes down and across, and how many rows and groups of four columns each holds; how deep the tiles in
/// workgroup memory are; for how many lanes a long sum is split, if it is; and the cooperative matrices that multiply it, if lanes do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    lanes: [usize; 2],
    rows: usize,
    groups: usize,
    depth: usize,
    split: Option<usize>,
    matrices: Option<Cooperative>,
}

const fn tile(lanes: [usize; 2], rows: usize, groups: usize, depth: usize) -> Tile {
    Tile { lanes, rows, groups, depth, split: None, matrices: None }
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

/// The tiles that an adapter with cooperative matrices is offered.
const MATRIX_TILES: [Tile; 3] = [tile([8, 16], 8, 1, 32), tile([8, 32], 16, 1, 32), tile([8, 8], 4, 1, 32)];

/// The most rows and columns of the result that one subgroup multiplies in one go.
const SUBGROUP_ROWS: usize = 32;

/// The elements between the rows of tiles that are made of cooperative matrices, see the shader.
const PADDING: usize = 8;

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [rows, columns] = self.extents();
        let name = if self.matrices.is_some() { "cooperative" } else { "tile" };
        write!(f, "{name} {rows}x{columns}")?;
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
        let [rows, columns] = self.extents();
        let bytes = match self.matrices {
            None => 4 * self.depth * (rows + columns),
            Some(Cooperative { size, dtype, .. }) => {
                let elements = rows * (self.depth + PADDING) + self.depth * (columns + PADDING);
                dtype.bytes() * elements + 4 * size as usize * columns
            }
        };
        let whole = self.matrices.is_none_or(|form| self.invocations().is_multiple_of(form.widest_subgroup as usize));
        whole && bytes <= target.max_workgroup_bytes as usize && self.invocations() <= target.max_invocations as usize
    }

    /// Rows and columns of a block of matrices that one subgroup multiplies, in matrices, and how many blocks one has at most: blocks are as
    /// large as leaves none of the widest subgroups without one.
    fn blocks(&self, form: Cooperative) -> (usize, usize) {
        let [rows, columns] = self.extents();
        let (size, subgroups) = (form.size as usize, self.invocations() / form.widest_subgroup as usize);
        let blocks = |block: usize| rows / (block * size) * (columns / (block * size));
        let block = [4, 2].into_iter().find(|&b| b * size <= SUBGROUP_ROWS && blocks(b) >= subgroups).unwrap_or(1);
        (block, blocks(block).div_ceil(subgroups))
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
/// leaves no place for an epilogue; and how the elements of both operands are stored, if alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) batch: usize,
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) splits: bool,
    pub(super) stored: Option<DType>,
}

impl Extent {
    /// Says how the operands are stored.
    pub(super) fn stored(self, lowering: &Lowering<'_>, operands: [BufferRef; 2]) -> Extent {
        let [a, b] = operands.map(|operand| lowering.stored(operand));
        Extent { stored: (a == b).then_some(a), ..self }
    }
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

/// The ways that suit an adapter, the expected fastest first: on software `lanes`, in their order; on a GPU also tiles if the product can
/// be `tiled`, in the order of [`time_on_gpu`]. Cooperative matrices are among the tiles where they are of 16×16 f16; others, and all that
/// software has, come last: they are offered, not expected. Operands that are stored in another type than the matrices hold would be
/// rounded, so they do without.
pub(super) fn ways<L: Alone>(target: &Target, lanes: Vec<L>, e: Extent, tiled: bool) -> Vec<Way<L>> {
    let mut ways: Vec<Way<L>> = lanes.into_iter().map(Way::Lanes).collect();
    let split = |tile: Tile| {
        let idle = tile.count(e.batch, e.m, e.n) * tile.invocations() < BUSY_LANES;
        let splits = e.splits && idle && e.k > 2 * tile.depth;
        [Some(tile), splits.then_some(Tile { split: Some(BUSY_LANES), ..tile })].into_iter().flatten()
    };
    let all = |tiles: &[Tile], matrices: Option<Cooperative>| -> Vec<Way<L>> {
        let tiles = tiles.iter().map(|tile| Tile { matrices, ..*tile }).filter(|tile| tiled && tile.fits(target));
        tiles.flat_map(split).map(Way::Tile).collect()
    };
    let form = e.stored.and_then(|dtype| target.cooperative(dtype));
    let mut cooperative = form.map_or_else(Vec::new, |form| all(&MATRIX_TILES, Some(form)));
    if target.class == AdapterClass::Software {
        ways.extend(cooperative);
        return ways;
    }
    ways.extend(all(&TILES, None));
    if form.is_some_and(|form| (form.size, form.dtype) == (16, DType::F16)) {
        ways.append(&mut cooperative);
    }
    let time = |way: &Way<L>| match way {
        Way::Lanes(lanes) => {
            let (tile, split) = lanes.footprint();
            time_on_gpu(e, tile, 1, split, 1.0)
        }
        Way::Tile(tile) if tile.matrices.is_some() => {
            // What a tile is deeper than the product is multiplied all the same.
            let e = Extent { k: e.k.next_multiple_of(tile.depth), ..e };
            time_on_gpu(e, tile.extents(), tile.invocations(), tile.split, MATRIX_SPEED)
        }
        Way::Tile(tile) => time_on_gpu(e, tile.extents(), tile.invocations(), tile.split, 1.0),
    };
    ways.sort_by(|x, y| time(x).total_cmp(&time(y)));
    ways.extend(cooperative);
    ways
}

/// How many multiplications a GPU is taken to make by cooperative matrices in the time of one by a lane.
const MATRIX_SPEED: f64 = 4.0;

/// What a product costs a GPU, in multiplications: those of whole tiles, of which `speed` are made in the time of one, loads (each as much
/// as so many multiplications, as often as the tile's shape needs them), partial sums, all over the part of the GPU that has work.
fn time_on_gpu(e: Extent, [rows, columns]: [usize; 2], lanes: usize, split: Option<usize>, speed: f64) -> f64 {
    const LOAD: f64 = 16.0;
    let tiles = (e.batch * e.m.div_ceil(rows) * e.n.div_ceil(columns)) as f64;
    let products = tiles * (rows * columns) as f64 * e.k as f64;
    let loads = LOAD * (1.0 / rows as f64 + 1.0 / columns as f64);
    let parts = split.map_or(1.0, |wanted| (wanted as f64 / (tiles * lanes as f64)).min(e.k as f64 / 32.0).max(1.0));
    let sums = if parts > 1.0 { 4.0 * LOAD * parts * (e.batch * e.m * e.n) as f64 } else { 0.0 };
    let busy = (tiles * lanes as f64 * parts / BUSY_LANES as f64).min(1.0);
    (products * (1.0 / speed + loads) + sums) / busy
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
        kernels: &'s Kernels,
        e: Extent,
        k_per_split: usize,
        y_rows: usize,
    ) -> Dispatch<'s> {
        let [down, across] = self.lanes;
        let shader = if self.matrices.is_some() { &kernels.matrices } else { &kernels.lanes };
        let dispatch = lowering.dispatch(shader).define("LANES_M", down).define("LANES_N", across);
        let dispatch = match self.matrices {
            None => dispatch,
            Some(form) => {
                let (block, slots) = self.blocks(form);
                dispatch.define("BLOCK", block).define("SLOTS", slots).include(matrices(form))
            }
        };
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
        let Product { layout, interleaved, m, n, k, a, b, y, epilogue, .. } = product;
        let Epilogue { bias, norm, addend, relu } = epilogue;
        let (e, room) = (product.extent(), product.room());
        let parts = self.parts(lowering, e, room * m * n, y);
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
        let dispatch = dispatch.operand(Place::A, a, room * a_rows, a_row).operand(Place::B, b, room * b_rows, b_row);
        let dispatch = dispatch.optional(Place::C, bias, 1, n).optional(Place::D, addend, room * m, n);
        dispatch.normalized(norm).result(to, n).threads(self.threads(e, count))?;
        finish(lowering, parts, room * m * n)
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

/// The file that declares a form of cooperative matrices.
fn matrices(form: Cooperative) -> Shader {
    match (form.size, form.dtype) {
        (16, _) => shader!("common/cooperative16_f16.wgsl"),
        (_, DType::F16) => shader!("common/cooperative8_f16.wgsl"),
        _ => shader!("common/cooperative8_f32.wgsl"),
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
    Extent { batch: 1, m: e.n * e.oh * e.ow, n: e.co, k, splits: bare(epilogue), stored: None }
}

/// The input gradient, of stride 1, as a product.
pub(super) fn input_gradient_extent(e: &Extents, epilogue: Epilogue) -> Extent {
    let k = e.kh * e.kw * e.co.next_multiple_of(4);
    Extent { batch: 1, m: e.n * e.h * e.w, n: e.ci, k, splits: bare(epilogue), stored: None }
}

/// The weight gradient as a product.
pub(super) fn weight_gradient_extent(e: &Extents) -> Extent {
    let m = e.kh * e.kw * e.ci.next_multiple_of(4);
    Extent { batch: 1, m, n: e.co, k: e.n * e.oh * e.ow, splits: true, stored: None }
}

impl Product {
    pub(super) fn extent(&self) -> Extent {
        let Product { batch, m, n, k, epilogue, .. } = *self;
        Extent { batch, m, n, k, splits: bare(epilogue), stored: None }
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
        names_stored(target, [m, n, k], splits, None)
    }

    fn names_stored(target: &Target, [m, n, k]: [usize; 3], splits: bool, stored: Option<DType>) -> Vec<String> {
        let e = Extent { batch: 1, m, n, k, splits, stored };
        ways(target, vec![Lane], e, true).iter().map(|way| way.to_string()).collect()
    }

    fn with_matrices(size: u32, dtype: DType) -> Target {
        let cooperative = vec![Cooperative { size, dtype, widest_subgroup: 64 }];
        Target { cooperative, max_workgroup_bytes: 48 << 10, ..Target::webgpu_defaults() }
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
    fn a_gpu_is_expected_to_like_cooperative_matrices_of_what_is_stored_as_they_hold_it() {
        let (gpu, half) = (with_matrices(16, DType::F16), Some(DType::F16));
        let names = |extents, stored| names_stored(&gpu, extents, true, stored);
        assert_eq!(names([1 << 14, 1024, 512], half)[0], "cooperative 128x128");
        assert_eq!(names([4096, 128, 1152], half)[0], "cooperative 128x128 for 32768");
        assert_eq!(names([1 << 20, 3, 96], half)[0], "lane", "a tile would be nearly empty");
        assert_eq!(names([1 << 20, 128, 1], half)[0], "tile 128x128", "or shallow");
        for stored in [Some(DType::F32), None] {
            assert!(!names([1 << 14, 1024, 512], stored).iter().any(|name| name.starts_with("cooperative")));
        }
    }

    #[test]
    fn small_cooperative_matrices_and_those_of_software_are_offered_last() {
        let gpu = with_matrices(8, DType::F32);
        let software = Target { class: AdapterClass::Software, ..with_matrices(16, DType::F16) };
        for (target, stored, first) in [(gpu, DType::F32, "tile 128x128"), (software, DType::F16, "lane")] {
            let names = names_stored(&target, [1 << 14, 1024, 512], true, Some(stored));
            assert_eq!(names[0], first);
            let (last, others): (Vec<_>, Vec<_>) = names.iter().partition(|name| name.starts_with("cooperative"));
            assert_eq!(last, ["cooperative 64x64", "cooperative 128x128", "cooperative 32x32"]);
            assert_eq!(names[..others.len()], others.into_iter().cloned().collect::<Vec<_>>());
        }
    }

    #[test]
    fn subgroups_share_blocks_of_matrices_without_one_left_idle() {
        let blocks = |tile: usize, size, widest_subgroup| {
            MATRIX_TILES[tile].blocks(Cooperative { size, dtype: DType::F16, widest_subgroup })
        };
        // A 64×64 tile in 128 lanes: four subgroups of 32 have 32×32 each, two of 64 twice that, sixteen of 8 have 16×16.
        assert_eq!((blocks(0, 16, 32), blocks(0, 16, 64), blocks(0, 8, 8)), ((2, 1), (2, 2), (2, 1)));
        assert_eq!((blocks(1, 16, 32), blocks(1, 8, 8)), ((2, 2), (2, 2)));
        assert_eq!((blocks(2, 16, 32), blocks(2, 8, 64)), ((1, 2), (4, 1)));
    }

    #[test]
    fn what_does_not_fit_the_adapter_is_not_offered() {
        let small = Target { max_workgroup_bytes: 8 << 10, max_invocations: 64, ..Target::webgpu_defaults() };
        assert_eq!(names(&small, [1 << 14, 1024, 512], false).len(), 4);
    }
}
