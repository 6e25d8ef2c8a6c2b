//! Linear blend skinning: vertices that follow several joints.

use std::sync::Arc;

use super::spmm::SpmmMatrix;
use super::vectors::{batch, rows, starts, words};
use super::{Cost, Operator, VjpCall, operands};
use crate::error::{Error, Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::{TensorData, Var};
use crate::shader;
use crate::shape::TensorType;
use crate::sparse::Csr;

const SKIN: Shader = shader!("mesh/skin.wgsl", with "common/index.wgsl");
const TRANSFORM_GRAD: Shader = shader!("mesh/skin_transform_grad.wgsl", with "common/index.wgsl");

/// The fewest vertices of a joint that are summed in more than one part.
const CHUNK: usize = 32;

/// The most joints.
const MAX_JOINTS: usize = 65_535;

/// Which joints each vertex follows, and how much: a constant, checked once.
#[derive(Debug)]
pub struct SkinWeights {
    csr: Csr,
    transpose: Csr,
    /// Where each chunk of the transpose's entries begins: a joint's vertices are summed chunk by chunk.
    chunk_ptr: Vec<u32>,
    /// Adds up the chunks of each joint.
    chunks_of_joint: Arc<SpmmMatrix>,
}

impl SkinWeights {
    /// From the joints of each vertex and their weights, for `joints` joints. A vertex may have any number; weights are
    /// finite and need not sum to 1. A joint that a vertex has twice counts with the sum. At most 65535 joints.
    pub fn new<V: AsRef<[(usize, f32)]>>(joints: usize, vertices: &[V]) -> Result<Arc<Self>> {
        if joints > MAX_JOINTS {
            return Err(Error::invalid("skin weights", format!("at most {MAX_JOINTS} joints"), joints));
        }
        let each =
            || vertices.iter().enumerate().flat_map(|(v, list)| list.as_ref().iter().map(move |&(j, w)| (v, j, w)));
        if let Some((v, j, _)) = each().find(|&(_, j, _)| j >= joints) {
            return Err(Error::invalid("skin weights", format!("joints below {joints}"), format!("{j} at vertex {v}")));
        }
        if let Some((v, j, w)) = each().find(|(_, _, w)| !w.is_finite()) {
            let detail = format!("joint {j} of vertex {v} has {w}");
            return Err(Error::NotFinite { what: "skin weights".to_string(), detail });
        }
        let triplets: Vec<_> = each().filter(|&(_, _, w)| w != 0.0).collect();
        if triplets.is_empty() {
            return Err(Error::invalid("skin weights", "a weight that is not 0", "none"));
        }
        let csr = Csr::from_triplets(vertices.len(), joints, &triplets)
            .map_err(|wrong| Error::invalid("skin weights", "weights of vertices and joints", wrong))?;
        let transpose = csr.transpose();
        let longest = (0..joints).map(|j| transpose.row(j).count()).max().unwrap_or(0);
        // Then neither a chunk nor a joint's chunks are many more than the root of the most vertices a joint has.
        let chunk = CHUNK.max(longest.isqrt());
        let (mut lengths, mut owners) = (Vec::new(), Vec::new());
        for joint in 0..joints {
            let mut left = transpose.row(joint).count();
            while left > 0 {
                owners.push((joint, lengths.len(), 1.0));
                lengths.push(left.min(chunk));
                left -= left.min(chunk);
            }
        }
        let chunks_of_joint = Csr::from_triplets(joints, lengths.len(), &owners)
            .map_err(|wrong| Error::invalid("skin weights", "weights of vertices and joints", wrong))?;
        let chunks_of_joint = SpmmMatrix::new(chunks_of_joint)?;
        Ok(Arc::new(SkinWeights { csr, transpose, chunk_ptr: starts(lengths), chunks_of_joint }))
    }

    /// How many vertices there are.
    pub fn vertices(&self) -> usize {
        self.csr.rows
    }

    /// How many joints there are.
    pub fn joints(&self) -> usize {
        self.csr.cols
    }

    fn chunks(&self) -> usize {
        self.chunk_ptr.len() - 1
    }
}

/// How many vertices of x a sample has: 0 where the batch shares them.
fn stride(x: &TensorType) -> usize {
    if x.shape.rank() == 2 { 0 } else { x.shape.dims()[1] }
}

fn numbers(values: &[f32]) -> TensorData {
    TensorData::f32([values.len()], values).expect("as long as itself")
}

/// Vertices moved by transforms, or with `transposed` gradients of moved vertices brought back; operands x and transforms.
#[derive(Debug, Clone)]
struct Skin {
    weights: Arc<SkinWeights>,
    transposed: bool,
}

impl Operator for Skin {
    fn name(&self) -> &'static str {
        "skin"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, transforms] = operands(inputs)?;
        let vertices = self.weights.vertices();
        match x.shape.rank() {
            2 if rows("vertices", x, 3)? != vertices => {
                return Err(Mismatch::new("vertices", format!("{vertices}×3 or N×{vertices}×3"), x));
            }
            2 => {}
            _ => {
                batch("vertices", x, Some(vertices), 3)?;
            }
        }
        let [n, _] = batch("transforms", transforms, Some(self.weights.joints()), 12)?;
        if x.shape.rank() == 3 && x.shape.dims()[0] != n {
            return Err(Mismatch::new("transforms", format!("{} samples as in {x}", x.shape.dims()[0]), transforms));
        }
        Ok(TensorType::f32([n, vertices, 3]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        if self.transposed {
            return Ok(vec![None, None]);
        }
        let (x, transforms, gy, r) = (call.inputs[0], call.inputs[1], call.cotangent, call.output.recorder());
        let weights = &self.weights;
        let gx = call.grad(0, || {
            let each = r.apply(Skin { weights: weights.clone(), transposed: true }, &[gy, transforms])?;
            each.sum_to(x.shape())
        })?;
        let gt = call.grad(1, || r.apply(TransformGrad(weights.clone()), &[x, gy])?.spmm(&weights.chunks_of_joint))?;
        Ok(vec![gx, gt])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, transforms, y) = (lowering.input(0), lowering.input(1).buffer, lowering.output());
        let (lanes, total) = (lowering.target().lanes(), lowering.output_ty().shape.rows());
        let csr = &self.weights.csr;
        let [row_ptr, joint] = [&csr.row_ptr, &csr.col].map(|list| lowering.constant(words(list)));
        let weight = lowering.constant(numbers(&csr.val));
        let dispatch = lowering.dispatch(&SKIN).define("WG", lanes).define("TRANSPOSED", self.transposed);
        let dispatch = dispatch.bind("row_ptr", row_ptr).bind("joint", joint).bind("weight", weight);
        let dispatch = dispatch.bind("x", x.buffer).bind("transforms", transforms).bind("y", y);
        let dispatch = dispatch.param("total", total).param("vertices", csr.rows).param("joints", csr.cols);
        dispatch.param("stride", stride(&x.ty)).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let entries = self.weights.csr.entries();
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes() + 8 * entries as u64;
        Cost { flops: 24 * (output.shape.dims()[0] * entries) as u64, bytes }
    }
}

/// The gradient with respect to the transforms in chunks, N×chunks×12, from x and gy.
#[derive(Debug, Clone)]
struct TransformGrad(Arc<SkinWeights>);

impl Operator for TransformGrad {
    fn name(&self) -> &'static str {
        "skin"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [_, gy] = operands(inputs)?;
        let [n, _] = batch("gy", gy, Some(self.0.vertices()), 3)?;
        Ok(TensorType::f32([n, self.0.chunks(), 12]))
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, gy, y, lanes) =
            (lowering.input(0), lowering.input(1).buffer, lowering.output(), lowering.target().lanes());
        let (total, transpose) = (lowering.output_ty().shape.rows(), &self.0.transpose);
        let [chunk_ptr, vertex] = [&self.0.chunk_ptr, &transpose.col].map(|list| lowering.constant(words(list)));
        let weight = lowering.constant(numbers(&transpose.val));
        let dispatch = lowering.dispatch(&TRANSFORM_GRAD).define("WG", lanes);
        let dispatch = dispatch.bind("chunk_ptr", chunk_ptr).bind("vertex", vertex).bind("weight", weight);
        let dispatch = dispatch.bind("x", x.buffer).bind("gy", gy).bind("y", y).param("total", total);
        let dispatch = dispatch.param("chunks", self.0.chunks()).param("vertices", self.0.vertices());
        dispatch.param("stride", stride(&x.ty)).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let entries = self.0.csr.entries();
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes() + 8 * entries as u64;
        Cost { flops: 28 * (output.shape.dims()[0] * entries) as u64, bytes }
    }
}

impl<'r> Var<'r> {
    /// Linear blend skinning of these rest vertices (V×3 for all samples, or N×V×3) by the joints' transforms (N×J×12: 3×4 row by
    /// row, from the rest pose to the posed): `y[n, v] = Σ_j w_vj (R_nj·x + t_nj)`, N×V×3.
    #[track_caller]
    pub fn skin(self, transforms: Var<'r>, weights: &Arc<SkinWeights>) -> Result<Var<'r>> {
        self.recorder().apply(Skin { weights: weights.clone(), transposed: false }, &[self, transforms])
    }
}
