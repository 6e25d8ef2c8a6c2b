//! The kernels of matrix products, and of batches of them.

use std::fmt;

use super::operand::{Epilogue, Operands, Place};
use super::reduce::column_sum;
use super::slab::Slab;
use super::workgroup_tile::{Alone, Way, ways};
use super::{sharing, splits};
use crate::DType;
use crate::error::Result;
use crate::exec::{BufferRef, Lowering, Shader, ShapeClass, Target};
use crate::shader;

const PRODUCT: Shader = shader!("matmul/product.wgsl", with "common/interleaved.wgsl", with "common/ending.wgsl");

/// Which operand of a product is stored transposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// a is m×k, b is k×n.
    Plain,
    /// a is k×m: a sum over k, the long axis, in parts where there is too little other work.
    TransposedA,
    /// b is n×k.
    TransposedB,
}

/// `batch` products of two matrices, m×n with the inner extent k, plus a row of n, normalised, plus a matrix, then ReLU if
/// asked; only the products themselves for `TransposedA`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product {
    pub(super) layout: Layout,
    pub(super) batch: usize,
    /// Whether the matrices lie beside each other, as `common/interleaved.wgsl` says, instead of one after the other. Without an epilogue.
    pub(super) interleaved: bool,
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) a: BufferRef,
    pub(super) b: BufferRef,
    pub(super) y: BufferRef,
    pub(super) epilogue: Epilogue,
}

/// The longest sum of one thread where sums are split: a software adapter leaves loops after 65,535 turns.
const LONGEST_SPLIT: usize = 1 << 15;

/// A lane's tile in registers: rows times groups of four columns; of [`Layout::TransposedA`] for how many lanes its sum is split,
/// of the others the lanes of a subgroup that reads b together, if lanes do not read it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lanes {
    rows: usize,
    groups: usize,
    lanes: Option<usize>,
    subgroup: Option<usize>,
}

impl fmt::Display for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}x{}", sharing::name(self.subgroup), self.rows, 4 * self.groups)?;
        self.lanes.map_or(Ok(()), |lanes| write!(f, " for {lanes}"))
    }
}

impl Alone for Lanes {
    fn footprint(&self) -> ([usize; 2], Option<usize>) {
        ([self.rows, 4 * self.groups], self.lanes)
    }
}

/// For how many matrices arrays of interleaved ones have room: `interleaved_room` of the shader.
pub(super) fn room(matrices: usize) -> usize {
    matrices | 1
}

impl Product {
    /// For how many matrices its arrays have room.
    pub(super) fn room(&self) -> usize {
        if self.interleaved { room(self.batch) } else { self.batch }
    }

    fn class(&self) -> ShapeClass {
        let kernel = match self.layout {
            Layout::Plain => "product",
            Layout::TransposedA => "product_transposed_a",
            Layout::TransposedB => "product_transposed_b",
        };
        let class = ShapeClass::of(kernel).about("b", self.batch).about("m", self.m);
        let class = if self.layout == Layout::TransposedA { class.about("k", self.k) } else { class.row("k", self.k) };
        class.row("n", self.n)
    }

    /// The ways to compute it, the expected fastest first.
    fn ways(&self, lowering: &Lowering<'_>) -> Vec<Way<Lanes>> {
        let target = lowering.target();
        ways(target, self.lanes(target), self.extent().stored(lowering, [self.a, self.b]), true)
    }

    /// The lanes' tiles, the expected fastest first.
    fn lanes(&self, target: &Target) -> Vec<Lanes> {
        let even = |extent: usize| if extent.is_multiple_of(8) { [2, 1] } else { [1, 1] };
        let groups = even(self.n);
        let split = splits::lanes(target.class);
        let splits = match self.layout {
            Layout::TransposedA => [Some(split), Some(4 * split)],
            _ => [None, None],
        };
        let tiles = |subgroup: Option<usize>, rows: usize, groups: usize| {
            splits.map(|lanes| Lanes { rows: rows.min(self.m), groups, lanes, subgroup })
        };
        let alone =
            [8, 4].into_iter().flat_map(|rows| groups.into_iter().flat_map(move |groups| tiles(None, rows, groups)));
        // Rows that fill no subgroup leave lanes idle.
        let subgroup = sharing::subgroup(target).filter(|n| self.m >= 4 * n);
        let wide = self.n.is_multiple_of(16).then_some(4);
        let shared = subgroup.into_iter().flat_map(|n| {
            let groups = wide.into_iter().chain(groups);
            groups.flat_map(move |groups| [4, 8].into_iter().flat_map(move |rows| tiles(Some(n), rows, groups)))
        });
        match self.k < 16 {
            true => alone.chain(shared).collect(),
            false => shared.chain(alone).collect(),
        }
    }
}

/// A factor's rows, which products go along, and the elements between one and the next: where rows are a multiple of 2 KiB long, a copy
/// with a line of the cache between them. The many rows that a subgroup goes along share the few lines that a cache next to a core has
/// for them otherwise.
fn moved_apart(
    lowering: &mut Lowering<'_>,
    factor: BufferRef,
    [rows, row]: [usize; 2],
    uses: usize,
) -> Result<(BufferRef, usize)> {
    /// Elements of a line, and rows that there are before some are lost.
    const LINE: usize = 16;
    const ROWS: usize = 16;
    // How often an element is multiplied where a copy was measured to be worth it.
    let worth = [(1024, 128), (512, 256)].iter().any(|&(length, least)| row.is_multiple_of(length) && uses >= least);
    let stride = row + LINE;
    let fits = 4 * (rows * stride) as u64 <= lowering.target().max_binding_bytes;
    if !worth || !fits || rows < ROWS || lowering.stored(factor) != DType::F32 {
        return Ok((factor, 0));
    }
    let copy = lowering.scratch(rows * stride);
    let (lead, x_first, y_first) = (0, 0, 0);
    let slab = Slab { rows, columns: row, lead, width: row, x_first, x_stride: row, y_first, y_stride: stride };
    slab.lower(lowering, factor, copy)?;
    Ok((copy, LINE))
}

/// Emits a product.
pub(super) fn product(lowering: &mut Lowering<'_>, product: Product) -> Result<()> {
    let ways = product.ways(lowering);
    let way = lowering.choose(product.class(), ways[0], &ways[1..]);
    emit(lowering, product, way)
}

/// Emits a product that is a part of an operator with variants of its own, as it is expected to be fastest.
pub(super) fn inner_product(lowering: &mut Lowering<'_>, product: Product) -> Result<()> {
    let way = product.ways(lowering)[0];
    emit(lowering, product, way)
}

fn emit(lowering: &mut Lowering<'_>, product: Product, way: Way<Lanes>) -> Result<()> {
    match way {
        Way::Lanes(lanes) => lanes.emit(lowering, product),
        Way::Tile(tile) => tile.product(lowering, product),
    }
}

impl Lanes {
    fn emit(self, lowering: &mut Lowering<'_>, product: Product) -> Result<()> {
        let Product { layout, batch, interleaved, m, n, k, a, b, y, epilogue } = product;
        let room = product.room();
        let Lanes { rows: p, groups: q, lanes: split, subgroup } = self;
        let lanes = lowering.target().lanes();
        let tiles = batch * sharing::padded(m.div_ceil(p), subgroup) * n.div_ceil(4 * q);
        let part = |lanes| k.div_ceil(splits::of(lanes, tiles, k.div_ceil(16))).min(LONGEST_SPLIT);
        let k_per_split = split.map_or(k, part).next_multiple_of(4);
        let parts = k.div_ceil(k_per_split);
        let to = if parts == 1 { y } else { lowering.scratch(parts * room * m * n) };
        let ([a_rows, a_row], load_a) = match layout {
            Layout::TransposedA => ([k, m], shader!("matmul/a_columns.wgsl")),
            _ => ([m, k], shader!("matmul/a_rows.wgsl")),
        };
        let ([b_rows, b_row], load_b) = match layout {
            Layout::TransposedB => ([n, k], shader!("matmul/b_columns.wgsl")),
            _ => ([k, n], shader!("matmul/b_rows.wgsl")),
        };
        // Products go along rows of a factor that is stored with the inner index last.
        let along = |inner_last: bool| inner_last && batch == 1 && subgroup.is_some();
        let (a, a_gap) = match along(layout != Layout::TransposedA) {
            true => moved_apart(lowering, a, [m, k], n)?,
            false => (a, 0),
        };
        let (b, b_gap) = match along(layout == Layout::TransposedB) {
            true => moved_apart(lowering, b, [n, k], m)?,
            false => (b, 0),
        };
        let Epilogue { bias, norm, addend, relu } = epilogue;
        let dispatch = lowering.dispatch(&PRODUCT).define("WG", lanes).define("P", p).define("Q", q);
        let dispatch = dispatch.define("K_LOADS", k.min(4)).define("K_TAIL", !k.is_multiple_of(4));
        let dispatch = dispatch.define("A_GAP", a_gap).define("B_GAP", b_gap);
        let dispatch = dispatch.define("BATCHED", batch > 1).define("INTERLEAVED", interleaved);
        let dispatch = dispatch.define("SPLIT", parts > 1).define("RELU", relu).include(load_a).include(load_b);
        let dispatch = sharing::second_operand(dispatch, subgroup);
        let dispatch = dispatch.operand(Place::A, a, room * a_rows, a_row).operand(Place::B, b, room * b_rows, b_row);
        let dispatch = dispatch.result(to, n).optional(Place::C, bias, 1, n).optional(Place::D, addend, room * m, n);
        let dispatch = dispatch.normalized(norm).param("m", m).param("n", n).param("k", k);
        dispatch.param("k_per_split", k_per_split).param("batch", batch).threads(parts * tiles)?;
        if parts > 1 {
            column_sum(lowering, to, y, parts, room * m * n)?;
        }
        Ok(())
    }
}
