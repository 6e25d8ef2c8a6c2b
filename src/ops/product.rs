//! The kernels of matrix products, and of batches of them.

use std::fmt;

use super::operand::{Norm, Operands, Place};
use super::reduce::column_sum;
use super::splits;
use super::workgroup_tile::{Alone, Way, ways};
use crate::error::Result;
use crate::exec::{AdapterClass, BufferRef, Lowering, Shader, ShapeClass};
use crate::shader;

const PLAIN: Shader = shader!("matmul/plain.wgsl", with "matmul/shape.wgsl");
const TRANSPOSED_A: Shader = shader!("matmul/transposed_a.wgsl");
const TRANSPOSED_B: Shader = shader!("matmul/transposed_b.wgsl", with "matmul/shape.wgsl");

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
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) a: BufferRef,
    pub(super) b: BufferRef,
    pub(super) bias: Option<BufferRef>,
    pub(super) norm: Option<Norm>,
    pub(super) addend: Option<BufferRef>,
    pub(super) relu: bool,
}

/// The longest sum of one thread where sums are split: a software adapter leaves loops after 65,535 turns.
const LONGEST_SPLIT: usize = 1 << 15;

/// A lane's tile in registers: rows times groups of four columns, and of [`Layout::TransposedA`] for how many lanes its sum is
/// split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lanes {
    rows: usize,
    groups: usize,
    lanes: Option<usize>,
}

impl fmt::Display for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lanes {}x{}", self.rows, 4 * self.groups)?;
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

    /// The lanes' tiles, the expected fastest first.
    fn lanes(&self, class: AdapterClass) -> Vec<Lanes> {
        let even = |extent: usize| if extent.is_multiple_of(8) { [2, 1] } else { [1, 1] };
        let groups = even(self.n);
        if self.layout == Layout::TransposedA {
            let expected = splits::lanes(class);
            let tiles = even(self.m).into_iter().flat_map(|rows| groups.map(|groups| (4 * rows, groups)));
            let tile = |(rows, groups)| [1, 4].map(|f| Lanes { rows, groups, lanes: Some(f * expected) });
            return tiles.flat_map(tile).collect();
        }
        let tile = |rows: usize| groups.map(|groups| Lanes { rows: rows.min(self.m), groups, lanes: None });
        [8, 4].into_iter().flat_map(tile).collect()
    }
}

/// Emits a product into the operator's output.
pub(super) fn product(lowering: &mut Lowering<'_>, product: Product) -> Result<()> {
    let ways = ways(lowering.target(), product.lanes(lowering.target().class), product.extent(), true);
    match lowering.choose(product.class(), ways[0], &ways[1..]) {
        Way::Lanes(lanes) => lanes.emit(lowering, product),
        Way::Tile(tile) => tile.product(lowering, product),
    }
}

impl Lanes {
    fn emit(self, lowering: &mut Lowering<'_>, product: Product) -> Result<()> {
        let Product { layout, batch, m, n, k, a, b, bias, norm, addend, relu } = product;
        let Lanes { rows: p, groups: q, lanes: split } = self;
        let lanes = lowering.target().lanes();
        if let Some(split) = split {
            let tiles = batch * m.div_ceil(p) * n.div_ceil(4 * q);
            let k_per_split = k.div_ceil(splits::of(split, tiles, k.div_ceil(16))).min(LONGEST_SPLIT);
            let parts = k.div_ceil(k_per_split);
            let to = if parts == 1 { lowering.output() } else { lowering.scratch(parts * batch * m * n) };
            let dispatch = lowering.dispatch(&TRANSPOSED_A).define("WG", lanes).define("Q", q).define("QM", p / 4);
            let dispatch = dispatch.define("UNROLL", k_per_split.min(4)).define("M_LOADS", m.min(4));
            let dispatch = dispatch.define("BATCHED", batch > 1).param("batch", batch);
            let dispatch = dispatch.operand(Place::A, a, batch * k, m).operand(Place::B, b, batch * k, n).result(to, n);
            let dispatch = dispatch.param("m", m).param("n", n).param("k", k).param("k_per_split", k_per_split);
            dispatch.threads(tiles * parts)?;
            if parts > 1 {
                let out = lowering.output();
                column_sum(lowering, to, out, parts, batch * m * n)?;
            }
            return Ok(());
        }
        let (shader, b_rows, b_row) = match layout {
            Layout::TransposedB => (&TRANSPOSED_B, n, k),
            _ => (&PLAIN, k, n),
        };
        let out = lowering.output();
        let dispatch = lowering.dispatch(shader).define("WG", lanes).define("P", p).define("Q", q).define("RELU", relu);
        let dispatch = dispatch.define("K_LOADS", k.min(4)).define("K_TAIL", !k.is_multiple_of(4));
        let dispatch = dispatch.define("BATCHED", batch > 1).param("batch", batch);
        let dispatch = dispatch.operand(Place::A, a, batch * m, k).operand(Place::B, b, batch * b_rows, b_row);
        let dispatch = dispatch.result(out, n).optional(Place::C, bias, 1, n).optional(Place::D, addend, batch * m, n);
        let threads = batch * m.div_ceil(p) * n.div_ceil(4 * q);
        dispatch.normalized(norm).param("m", m).param("n", n).param("k", k).threads(threads)
    }
}
