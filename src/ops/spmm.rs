//! A constant sparse matrix times dense node features: the step of a graph convolution that mixes neighbours.

use std::sync::{Arc, OnceLock};

use super::{Cost, Operator, VjpCall, expect_f32, operands};
use crate::error::{Error, Mismatch, Result};
use crate::exec::{AdapterClass, Lowering, Shader};
use crate::graph::{TensorData, Var};
use crate::shader;
use crate::shape::TensorType;
use crate::sparse::Csr;

/// For one and for four channels a thread.
const SPMM: [Shader; 2] = [
    shader!("graph/spmm.wgsl", with "common/index.wgsl", with "common/f32x1.wgsl"),
    shader!("graph/spmm.wgsl", with "common/index.wgsl", with "common/f32x4.wgsl"),
];

/// A constant sparse matrix in the form kernels read, with its transpose, which gradients need. Share one between all
/// products with it: its data is then on the device once.
#[derive(Debug)]
pub struct SpmmMatrix {
    csr: Csr,
    forward: Rows,
    /// The transpose; `None` inside if the matrix is symmetric.
    transpose: OnceLock<Option<Rows>>,
}

/// Compressed rows as the kernel reads them: entries in pairs (column, value, column, value), and where each row's pairs
/// begin. Of an odd number of entries the last is paired with zero times itself.
#[derive(Debug)]
struct Rows {
    row_ptr: TensorData,
    pairs: TensorData,
}

impl Rows {
    fn new(csr: &Csr) -> Self {
        let (mut row_ptr, mut pairs) = (vec![0u32], Vec::new());
        for row in 0..csr.rows {
            let entries: Vec<(usize, f32)> = csr.row(row).collect();
            for pair in entries.chunks(2) {
                let (first, second) = (pair[0], pair.get(1).copied().unwrap_or((pair[0].0, 0.0)));
                pairs.extend([first.0 as f32, first.1, second.0 as f32, second.1]);
            }
            row_ptr.push((pairs.len() / 4) as u32);
        }
        Rows {
            row_ptr: TensorData::u32([row_ptr.len()], &row_ptr).expect("as long as itself"),
            pairs: TensorData::f32([pairs.len()], &pairs).expect("as long as itself"),
        }
    }
}

impl SpmmMatrix {
    /// Takes a matrix, checking its parts: kernels trust them. Values must be finite.
    pub fn new(csr: Csr) -> Result<Arc<Self>> {
        let Csr { rows, cols, row_ptr, col, val } = csr;
        if let Some(i) = val.iter().position(|v| !v.is_finite()) {
            let what = "sparse matrix".to_string();
            return Err(Error::NotFinite { what, detail: format!("entry {i} is {}", val[i]) });
        }
        let csr = Csr::new(rows, cols, row_ptr, col, val)
            .map_err(|wrong| Error::invalid("sparse matrix", "consistent compressed rows", wrong))?;
        Ok(Arc::new(SpmmMatrix { forward: Rows::new(&csr), transpose: OnceLock::new(), csr }))
    }

    /// The matrix.
    pub fn csr(&self) -> &Csr {
        &self.csr
    }

    fn rows(&self, transposed: bool) -> &Rows {
        let transpose = || {
            let transpose = self.csr.transpose();
            (transpose != self.csr).then(|| Rows::new(&transpose))
        };
        let transpose = if transposed { self.transpose.get_or_init(transpose).as_ref() } else { None };
        transpose.unwrap_or(&self.forward)
    }
}

/// `alpha · A·x`, and with a second operand `+ beta · z`.
#[derive(Debug, Clone)]
struct Spmm {
    matrix: Arc<SpmmMatrix>,
    transposed: bool,
    alpha: f32,
    beta: f32,
}

impl Spmm {
    /// Rows and columns of A.
    fn extents(&self) -> (usize, usize) {
        let (rows, cols) = (self.matrix.csr.rows, self.matrix.csr.cols);
        if self.transposed { (cols, rows) } else { (rows, cols) }
    }
}

impl Operator for Spmm {
    fn name(&self) -> &'static str {
        "spmm"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let Some((x, rest)) = inputs.split_first() else {
            return Err(Mismatch::new("operands", "x, or x and z", "none"));
        };
        expect_f32("x", x)?;
        if !(self.alpha.is_finite() && self.beta.is_finite()) {
            return Err(Mismatch::new("factors", "finite numbers", format!("{}, {}", self.alpha, self.beta)));
        }
        let (rows, cols) = self.extents();
        let &[n, v, c] = x.shape.dims() else { return Err(Mismatch::new("x", "N×V×C", x)) };
        if n == 0 || c == 0 {
            return Err(Mismatch::new("x", "extents of at least 1", x));
        }
        if v != cols {
            return Err(Mismatch::new("x", format!("{cols} nodes for a matrix of {rows} × {cols}"), x));
        }
        let y = TensorType::f32([n, rows, c]);
        if !rest.is_empty() {
            let [z] = operands(rest)?;
            if *z != y {
                return Err(Mismatch::new("z", y, z));
            }
        }
        Ok(y)
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let gy = call.cotangent;
        let adjoint = Spmm { transposed: !self.transposed, beta: 0.0, ..self.clone() };
        let mut gradients = vec![call.grad(0, || gy.recorder().apply(adjoint, &[gy]))?];
        if call.inputs.len() == 2 {
            let unchanged = self.beta == 1.0;
            gradients.push(call.grad(1, || if unchanged { Ok(gy) } else { gy.scale(self.beta) })?);
        }
        Ok(gradients)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y, lanes) = (lowering.input(0), lowering.output(), lowering.target().lanes());
        let z = (lowering.input_count() == 2).then(|| lowering.input(1).buffer);
        let (shape, total) = (x.ty.shape.dims(), lowering.output_ty().shape.numel());
        let (nodes, c) = (shape[1], shape[2]);
        let by = if c.is_multiple_of(4) { 4 } else { 1 };
        // On hardware neighbouring threads should read neighbouring quads; on a CPU loads are what costs.
        let most = match (lowering.target().class, by) {
            (AdapterClass::Software, 4) => 4,
            (AdapterClass::Software, _) => 8,
            (AdapterClass::Hardware, 4) => 1,
            (AdapterClass::Hardware, _) => 4,
        };
        let per = (1..=most).rev().find(|per| (c / by).is_multiple_of(*per)).unwrap_or(1);
        let (c, parts, total) = (c / by, c / by / per, total / by / per);
        let Rows { row_ptr, pairs } = self.matrix.rows(self.transposed);
        let [row_ptr, pairs] = [row_ptr, pairs].map(|data| lowering.constant(data.clone()));
        let dispatch = lowering.dispatch(&SPMM[by / 4]).define("WG", lanes).define("CHANNELS_A_THREAD", by);
        let dispatch = dispatch.define("PER", per).define("WITH_Z", z.is_some());
        let dispatch = dispatch.bind("row_ptr", row_ptr).bind("pairs", pairs).bind("x", x.buffer).bind("y", y);
        let dispatch = match z {
            Some(z) => dispatch.bind("z", z),
            None => dispatch.unused("z"),
        };
        let dispatch = dispatch.param("total", total).param("rows", self.extents().0).param("nodes", nodes);
        let dispatch = dispatch.param("c", c).param("parts", parts);
        dispatch.param("alpha", self.alpha).param("beta", self.beta).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let &[n, _, c] = inputs[0].shape.dims() else { return Cost::default() };
        let csr = &self.matrix.csr;
        let sums = if inputs.len() == 2 { 2 } else { 0 } * output.shape.numel();
        let matrix = 8 * csr.entries() + 4 * csr.row_ptr.len();
        Cost {
            flops: (2 * csr.entries() * n * c + output.shape.numel() + sums) as u64,
            bytes: inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes() + matrix as u64,
        }
    }
}

impl<'r> Var<'r> {
    /// `A·x` for every matrix of a batch: N×V×C to N×R×C, where A is R×V.
    #[track_caller]
    pub fn spmm(self, matrix: &Arc<SpmmMatrix>) -> Result<Var<'r>> {
        let op = Spmm { matrix: matrix.clone(), transposed: false, alpha: 1.0, beta: 0.0 };
        self.recorder().apply(op, &[self])
    }

    /// `alpha · A·x + beta · z` in one kernel; z is N×R×C. With A a scaled Laplacian, alpha = 2 and beta = −1 this is
    /// the recurrence of Chebyshev polynomials (Defferrard et al. 2016, §2.1).
    #[track_caller]
    pub fn spmm_add(self, matrix: &Arc<SpmmMatrix>, alpha: f32, z: Var<'r>, beta: f32) -> Result<Var<'r>> {
        self.recorder().apply(Spmm { matrix: matrix.clone(), transposed: false, alpha, beta }, &[self, z])
    }
}
