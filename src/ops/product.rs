//! The kernels of matrix products, and of batches of them.

use std::fmt;

use super::operand::{Epilogue, Operands, Place};
use super::reduce::column_sum;
use super::splits;
use super::workgroup_tile::{Alone, Way, ways};
use crate::error::Result;
use crate::exec::{AdapterClass, BufferRef, Lowering, Shader, ShapeClass, Target};
use crate::shader;

const PLAIN: Shader = shader!("matmul/plain.wgsl", with "matmul/shape.wgsl", with "matmul/rows.wgsl");
const TRANSPOSED_A: Shader = shader!("matmul/transposed_a.wgsl", with "matmul/rows.wgsl");
const TRANSPOSED_B: Shader = shader!("matmul/transposed_b.wgsl", with "matmul/shape.wgsl", with "matmul/rows.wgsl");

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
    /// Whether a row of each matrix stands beside the same row of the others: rows × batch × columns. Without an epilogue.
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
        let name = if self.subgroup.is_some() { "subgroups" } else { "lanes" };
        write!(f, "{name} {}x{}", self.rows, 4 * self.groups)?;
        self.lanes.map_or(Ok(()), |lanes| write!(f, " for {lanes}"))
    }
}

impl Alone for Lanes {
    fn footprint(&self) -> ([usize; 2], Option<usize>) {
        ([self.rows, 4 * self.groups], self.lanes)
    }
}

impl Product {
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
        if self.layout == Layout::TransposedA {
            let expected = splits::lanes(target.class);
            let tiles = even(self.m).into_iter().flat_map(|rows| groups.map(|groups| (4 * rows, groups)));
            let tile =
                |(rows, groups)| [1, 4].map(|f| Lanes { rows, groups, lanes: Some(f * expected), subgroup: None });
            return tiles.flat_map(tile).collect();
        }
        let tile = |subgroup, rows: usize| {
            groups.map(|groups| Lanes { rows: rows.min(self.m), groups, lanes: None, subgroup })
        };
        let alone = [8, 4].into_iter().flat_map(|rows| tile(None, rows));
        // A GPU has workgroup memory for what lanes share. Rows that fill no subgroup leave lanes idle.
        let software = target.class == AdapterClass::Software;
        let subgroup = target.subgroup.filter(|n| software && target.lanes().is_multiple_of(*n)).map(|n| n as usize);
        let subgroup = subgroup.filter(|n| self.m >= 4 * n);
        // With few terms to a sum a product is mostly writing; with many, loads that serve eight rows pay.
        let rows = if self.k < 128 { [4, 8] } else { [8, 4] };
        let shared = subgroup.into_iter().flat_map(|n| rows.into_iter().flat_map(move |rows| tile(Some(n), rows)));
        match self.k < 16 {
            true => alone.chain(shared).collect(),
            false => shared.chain(alone).collect(),
        }
    }
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
        let Lanes { rows: p, groups: q, lanes: split, subgroup } = self;
        let lanes = lowering.target().lanes();
        if let Some(split) = split {
            let tiles = batch * m.div_ceil(p) * n.div_ceil(4 * q);
            let k_per_split = k.div_ceil(splits::of(split, tiles, k.div_ceil(16))).min(LONGEST_SPLIT);
            let parts = k.div_ceil(k_per_split);
            let to = if parts == 1 { y } else { lowering.scratch(parts * batch * m * n) };
            let dispatch = lowering.dispatch(&TRANSPOSED_A).define("WG", lanes).define("Q", q).define("QM", p / 4);
            let dispatch = dispatch.define("UNROLL", k_per_split.min(4)).define("M_LOADS", m.min(4));
            let dispatch =
                dispatch.define("BATCHED", batch > 1).define("INTERLEAVED", interleaved).param("batch", batch);
            let dispatch = dispatch.operand(Place::A, a, batch * k, m).operand(Place::B, b, batch * k, n).result(to, n);
            let dispatch = dispatch.param("m", m).param("n", n).param("k", k).param("k_per_split", k_per_split);
            dispatch.threads(tiles * parts)?;
            if parts > 1 {
                column_sum(lowering, to, y, parts, batch * m * n)?;
            }
            return Ok(());
        }
        let Epilogue { bias, norm, addend, relu } = epilogue;
        let (shader, b_rows, b_row) = match layout {
            Layout::TransposedB => (&TRANSPOSED_B, n, k),
            _ => (&PLAIN, k, n),
        };
        let dispatch = lowering.dispatch(shader).define("WG", lanes).define("P", p).define("Q", q).define("RELU", relu);
        let dispatch = dispatch.define("K_LOADS", k.min(4)).define("K_TAIL", !k.is_multiple_of(4));
        let dispatch = dispatch.define("BATCHED", batch > 1).define("INTERLEAVED", interleaved).param("batch", batch);
        let dispatch = dispatch.operand(Place::A, a, batch * m, k).operand(Place::B, b, batch * b_rows, b_row);
        let dispatch = dispatch.result(y, n).optional(Place::C, bias, 1, n).optional(Place::D, addend, batch * m, n);
        let (dispatch, strips) = match subgroup {
            Some(subgroup) => {
                let dispatch = dispatch.define("SUBGROUP", subgroup).include(shader!("matmul/b_shared.wgsl"));
                (dispatch, m.div_ceil(p).next_multiple_of(subgroup))
            }
            None => (dispatch.include(shader!("matmul/b_alone.wgsl")), m.div_ceil(p)),
        };
        let threads = batch * strips * n.div_ceil(4 * q);
        dispatch.normalized(norm).param("m", m).param("n", n).param("k", k).threads(threads)
    }
}
