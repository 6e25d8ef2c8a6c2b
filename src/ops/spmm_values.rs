//! Products with sparse matrices whose entries are computed: where they are is constant, their values are a tensor.

use std::sync::{Arc, OnceLock};

use super::extents::elements;
use super::{Cost, Operator, VjpCall, expect_f32, operands};
use crate::error::{Error, Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::{TensorData, Var};
use crate::shader;
use crate::shape::{Shape, TensorType};
use crate::sparse::Csr;

/// Each for one and for four channels a thread.
const SPMM_VALUES: [Shader; 2] = [
    shader!("graph/spmm_values.wgsl", with "common/index.wgsl", with "common/f32x1.wgsl"),
    shader!("graph/spmm_values.wgsl", with "common/index.wgsl", with "common/f32x4.wgsl"),
];
const SAMPLED_PRODUCT: [Shader; 2] = [
    shader!("graph/sampled_product.wgsl", with "common/index.wgsl", with "common/f32x1.wgsl", with "graph/total1.wgsl"),
    shader!("graph/sampled_product.wgsl", with "common/index.wgsl", with "common/f32x4.wgsl", with "graph/total4.wgsl"),
];

/// Rows and columns a pattern may have.
const MAX_EXTENT: usize = 1 << 24;

/// Where a sparse matrix has entries, in the form kernels read. Entries are numbered row by row, columns ascending.
/// Share one between all products with it.
#[derive(Debug)]
pub struct SparsePattern {
    csr: Csr,
    forward: Compressed,
    transpose: OnceLock<Compressed>,
    /// Row and column of every entry.
    places: TensorData,
}

/// Where each row's entries begin; column and number of each.
#[derive(Debug)]
struct Compressed {
    row_ptr: TensorData,
    entries: TensorData,
}

fn words(values: &[u32]) -> TensorData {
    TensorData::u32([values.len()], values).expect("as long as itself")
}

impl SparsePattern {
    /// The places of a matrix's entries, checking its parts: kernels trust them. Its values are not looked at.
    pub fn new(csr: Csr) -> Result<Arc<Self>> {
        let Csr { rows, cols, row_ptr, col, val } = csr;
        if rows.max(cols) > MAX_EXTENT || col.is_empty() {
            let expected = format!("at least one entry, at most {MAX_EXTENT} rows and columns");
            let got = format!("{} entries in {rows} × {cols}", col.len());
            return Err(Error::invalid("sparse pattern", expected, got));
        }
        let csr = Csr::new(rows, cols, row_ptr, col, val)
            .map_err(|wrong| Error::invalid("sparse pattern", "consistent compressed rows", wrong))?;
        let entries: Vec<u32> = csr.col.iter().enumerate().flat_map(|(entry, &col)| [col, entry as u32]).collect();
        let places: Vec<u32> =
            (0..rows).flat_map(|row| csr.row(row).flat_map(move |(col, _)| [row as u32, col as u32])).collect();
        let forward = Compressed { row_ptr: words(&csr.row_ptr), entries: words(&entries) };
        Ok(Arc::new(SparsePattern { csr, forward, transpose: OnceLock::new(), places: words(&places) }))
    }

    /// Rows of the matrix.
    pub fn rows(&self) -> usize {
        self.csr.rows
    }

    /// Columns of the matrix.
    pub fn cols(&self) -> usize {
        self.csr.cols
    }

    /// How many entries there are.
    pub fn entries(&self) -> usize {
        self.csr.entries()
    }

    /// Row and column of every entry, in order.
    pub fn places(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.csr.rows).flat_map(|row| self.csr.row(row).map(move |(col, _)| (row, col)))
    }

    fn compressed(&self, transposed: bool) -> &Compressed {
        if !transposed {
            return &self.forward;
        }
        self.transpose.get_or_init(|| {
            let mut order: Vec<(usize, usize, u32)> =
                self.places().zip(0..).map(|((row, col), entry)| (col, row, entry)).collect();
            order.sort_unstable();
            let mut row_ptr = vec![0u32; self.csr.cols + 1];
            order.iter().for_each(|&(col, ..)| row_ptr[col + 1] += 1);
            (0..self.csr.cols).for_each(|col| row_ptr[col + 1] += row_ptr[col]);
            let entries: Vec<u32> = order.into_iter().flat_map(|(_, row, entry)| [row as u32, entry]).collect();
            Compressed { row_ptr: words(&row_ptr), entries: words(&entries) }
        })
    }
}

/// `A·x`, A's entries the first operand, x the second.
#[derive(Debug, Clone)]
struct SpmmValues {
    pattern: Arc<SparsePattern>,
    transposed: bool,
}

/// The entries of `a·bᵀ` where the pattern has some.
#[derive(Debug, Clone)]
struct SampledProduct {
    pattern: Arc<SparsePattern>,
}

/// The extents N, V, C of node features with `nodes` nodes.
fn features(operand: &'static str, x: &TensorType, nodes: usize) -> Result<[usize; 3], Mismatch> {
    expect_f32(operand, x)?;
    match *x.shape.dims() {
        [n, v, c] if v == nodes && n > 0 && c > 0 && elements(&[n, v, c]).is_some() => Ok([n, v, c]),
        _ => Err(Mismatch::new(operand, format!("N×{nodes}×C, N and C at least 1"), x)),
    }
}

impl SpmmValues {
    /// Rows and columns of A.
    fn extents(&self) -> (usize, usize) {
        let (rows, cols) = (self.pattern.rows(), self.pattern.cols());
        if self.transposed { (cols, rows) } else { (rows, cols) }
    }
}

impl Operator for SpmmValues {
    fn name(&self) -> &'static str {
        "spmm_values"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [values, x] = operands(inputs)?;
        let (rows, cols) = self.extents();
        let [n, _, c] = features("x", x, cols)?;
        expect_f32("values", values)?;
        let entries = self.pattern.entries();
        if values.shape != Shape::from([entries]) && values.shape != Shape::from([n, entries]) {
            return Err(Mismatch::new("values", format!("[{entries}] or [{n},{entries}]"), values));
        }
        match elements(&[n, rows, c]) {
            Some(_) => Ok(TensorType::f32([n, rows, c])),
            None => Err(Mismatch::new("x", "fewer elements", x)),
        }
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (values, x, gy) = (call.inputs[0], call.inputs[1], call.cotangent);
        let gv = call.grad(0, || {
            let (rows, cols) = if self.transposed { (x, gy) } else { (gy, x) };
            let each = rows.sampled_product(cols, &self.pattern)?;
            let shared = values.shape().rank() == 1;
            if shared { each.sum(&[0])?.reshape(values.shape()) } else { Ok(each) }
        })?;
        let adjoint = || SpmmValues { pattern: self.pattern.clone(), transposed: !self.transposed };
        Ok(vec![gv, call.grad(1, || x.recorder().apply(adjoint(), &[values, gy]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (values, x, y) = (lowering.input(0), lowering.input(1), lowering.output());
        let (lanes, total) = (lowering.target().lanes(), lowering.output_ty().shape.numel());
        let (rows, nodes) = self.extents();
        let c = x.ty.shape.channels();
        let by = if c.is_multiple_of(4) { 4 } else { 1 };
        let Compressed { row_ptr, entries } = self.pattern.compressed(self.transposed);
        let [row_ptr, entries] = [row_ptr, entries].map(|data| lowering.constant(data.clone()));
        let dispatch = lowering.dispatch(&SPMM_VALUES[by / 4]).define("WG", lanes);
        let dispatch = dispatch.bind("row_ptr", row_ptr).bind("entries", entries).bind("values", values.buffer);
        let dispatch = dispatch.bind("x", x.buffer).bind("y", y).param("total", total / by).param("rows", rows);
        let stride = if values.ty.shape.rank() == 1 { 0 } else { self.pattern.entries() };
        let dispatch = dispatch.param("nodes", nodes).param("c", c / by).param("values_stride", stride);
        dispatch.threads(total / by)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let (n, c) = (output.shape.dims()[0], output.shape.channels());
        let matrix = 4 * (2 * self.pattern.entries() + self.extents().0 + 1);
        Cost {
            flops: (2 * self.pattern.entries() * n * c) as u64,
            bytes: inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes() + matrix as u64,
        }
    }
}

impl Operator for SampledProduct {
    fn name(&self) -> &'static str {
        "sampled_product"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [a, b] = operands(inputs)?;
        let [n, _, c] = features("a", a, self.pattern.rows())?;
        if features("b", b, self.pattern.cols())? != [n, self.pattern.cols(), c] {
            return Err(Mismatch::new("b", Shape::from([n, self.pattern.cols(), c]), b));
        }
        let dims = [n, self.pattern.entries()];
        match elements(&dims) {
            Some(_) => Ok(TensorType::f32(dims)),
            None => Err(Mismatch::new("a", "a smaller batch", a)),
        }
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (a, b, gy) = (call.inputs[0], call.inputs[1], call.cotangent);
        let product = |transposed| SpmmValues { pattern: self.pattern.clone(), transposed };
        let ga = call.grad(0, || gy.recorder().apply(product(false), &[gy, b]))?;
        Ok(vec![ga, call.grad(1, || gy.recorder().apply(product(true), &[gy, a]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (a, b, y) = (lowering.input(0), lowering.input(1).buffer, lowering.output());
        let (lanes, total) = (lowering.target().lanes(), lowering.output_ty().shape.numel());
        let c = a.ty.shape.channels();
        let by = if c.is_multiple_of(4) { 4 } else { 1 };
        let places = lowering.constant(self.pattern.places.clone());
        let dispatch = lowering.dispatch(&SAMPLED_PRODUCT[by / 4]).define("WG", lanes).bind("places", places);
        let dispatch = dispatch.bind("a", a.buffer).bind("b", b).bind("y", y).param("total", total);
        let dispatch = dispatch.param("entries", self.pattern.entries()).param("rows", self.pattern.rows());
        dispatch.param("nodes", self.pattern.cols()).param("c", c / by).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let places = 8 * self.pattern.entries() as u64;
        Cost {
            flops: 2 * (output.shape.numel() * inputs[0].shape.channels()) as u64,
            bytes: inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes() + places,
        }
    }
}

impl<'r> Var<'r> {
    /// `A·x` for every matrix x (this, N×V×C) of a batch: N×R×C. A is R×V, its entries are `values`, in the pattern's
    /// order: `[E]` for all the batch, or `[N, E]` for each. The gradient of the values is [`Var::sampled_product`].
    #[track_caller]
    pub fn spmm_values(self, values: Var<'r>, pattern: &Arc<SparsePattern>) -> Result<Var<'r>> {
        self.recorder().apply(SpmmValues { pattern: pattern.clone(), transposed: false }, &[values, self])
    }

    /// The entries of `a·bᵀ` at the pattern's places, for every pair of a batch: with a (this) N×R×C and b N×V×C, the
    /// products of row r of a and row v of b, N×E.
    #[track_caller]
    pub fn sampled_product(self, b: Var<'r>, pattern: &Arc<SparsePattern>) -> Result<Var<'r>> {
        self.recorder().apply(SampledProduct { pattern: pattern.clone() }, &[self, b])
    }
}
