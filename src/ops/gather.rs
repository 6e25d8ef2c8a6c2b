//! Rows chosen by constant indices, and the adjoint, which sums each row's readers.

use std::sync::Arc;

use super::extents::elements;
use super::{Cost, Operator, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::{TensorData, Var};
use crate::shader;
use crate::shape::TensorType;

/// Each for one and for four channels a thread.
const GATHER: [Shader; 2] = [
    shader!("graph/gather.wgsl", with "common/index.wgsl", with "common/f32x1.wgsl"),
    shader!("graph/gather.wgsl", with "common/index.wgsl", with "common/f32x4.wgsl"),
];
const GATHER_GRAD: [Shader; 2] = [
    shader!("graph/gather_grad.wgsl", with "common/index.wgsl", with "common/f32x1.wgsl"),
    shader!("graph/gather_grad.wgsl", with "common/index.wgsl", with "common/f32x4.wgsl"),
];

/// Node `index[r]` of the operand as row `r` of the result.
#[derive(Debug, Clone)]
struct Gather {
    index: Arc<[u32]>,
}

/// The extents N, V, C of node features.
fn features(x: &TensorType) -> Result<[usize; 3], Mismatch> {
    expect_f32("x", x)?;
    match *x.shape.dims() {
        [n, v, c] if n > 0 && c > 0 => Ok([n, v, c]),
        [_, _, _] => Err(Mismatch::new("x", "extents of at least 1", x)),
        _ => Err(Mismatch::new("x", "N×V×C", x)),
    }
}

fn words(values: &[u32]) -> TensorData {
    TensorData::u32([values.len()], values).expect("as long as itself")
}

impl Operator for Gather {
    fn name(&self) -> &'static str {
        "gather_rows"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        let [n, v, c] = features(x)?;
        if self.index.is_empty() {
            return Err(Mismatch::new("indices", "at least one", "none"));
        }
        if let Some(r) = self.index.iter().position(|&i| i as usize >= v) {
            return Err(Mismatch::new("indices", format!("indices below {v}"), format!("{} at {r}", self.index[r])));
        }
        Ok(TensorType::f32([n, self.index.len(), c]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let adjoint = || Scatter { index: self.index.clone(), nodes: call.inputs[0].shape().dims()[1] };
        Ok(vec![call.grad(0, || call.cotangent.recorder().apply(adjoint(), &[call.cotangent]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y, lanes) = (lowering.input(0), lowering.output(), lowering.target().lanes());
        let [n, nodes, c] = features(&x.ty).expect("checked by infer");
        let rows = self.index.len();
        let index = lowering.constant(words(&self.index));
        let by = if c.is_multiple_of(4) { 4 } else { 1 };
        let (c, total) = (c / by, n * rows * c / by);
        let dispatch = lowering.dispatch(&GATHER[by / 4]).define("WG", lanes).define("CHANNELS_A_THREAD", by);
        let dispatch = dispatch.bind("index", index).bind("x", x.buffer).bind("y", y);
        dispatch.param("total", total).param("rows", rows).param("nodes", nodes).param("c", c).threads(total)
    }

    fn cost(&self, _: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 0, bytes: 2 * output.bytes() + 4 * self.index.len() as u64 }
    }
}

/// For each of `nodes` nodes the sum of the operand's rows `r` with `index[r]` that node.
#[derive(Debug, Clone)]
struct Scatter {
    index: Arc<[u32]>,
    nodes: usize,
}

impl Scatter {
    /// The rows of every node, ascending, and where each node's begin.
    fn readers(&self) -> (Vec<u32>, Vec<u32>) {
        let mut readers: Vec<u32> = (0..self.index.len() as u32).collect();
        readers.sort_by_key(|&r| self.index[r as usize]); // stable, so ascending within a node
        let mut ptr = vec![0u32; self.nodes + 1];
        for &node in self.index.iter() {
            ptr[node as usize + 1] += 1;
        }
        for node in 0..self.nodes {
            ptr[node + 1] += ptr[node];
        }
        (ptr, readers)
    }
}

impl Operator for Scatter {
    fn name(&self) -> &'static str {
        "scatter_rows"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        let [n, rows, c] = features(x)?;
        if self.index.len() != rows || rows == 0 {
            return Err(Mismatch::new(
                "indices",
                format!("an index for each of {} rows", rows.max(1)),
                self.index.len(),
            ));
        }
        if elements(&[n, self.nodes, c]).is_none_or(|n| n == 0) {
            return Err(Mismatch::new("nodes", "at least 1, and no more than fits an adapter", self.nodes));
        }
        if let Some(r) = self.index.iter().position(|&i| i as usize >= self.nodes) {
            let expected = format!("indices below {}", self.nodes);
            return Err(Mismatch::new("indices", expected, format!("{} at {r}", self.index[r])));
        }
        Ok(TensorType::f32([n, self.nodes, c]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let adjoint = || Gather { index: self.index.clone() };
        Ok(vec![call.grad(0, || call.cotangent.recorder().apply(adjoint(), &[call.cotangent]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (gy, gx, lanes) = (lowering.input(0), lowering.output(), lowering.target().lanes());
        let [n, rows, c] = features(&gy.ty).expect("checked by infer");
        let (ptr, readers) = self.readers();
        let (ptr, readers) = (lowering.constant(words(&ptr)), lowering.constant(words(&readers)));
        let by = if c.is_multiple_of(4) { 4 } else { 1 };
        let (c, total) = (c / by, n * self.nodes * c / by);
        let dispatch = lowering.dispatch(&GATHER_GRAD[by / 4]).define("WG", lanes).define("CHANNELS_A_THREAD", by);
        let dispatch = dispatch.bind("readers_ptr", ptr).bind("readers", readers).bind("gy", gy.buffer).bind("gx", gx);
        dispatch.param("total", total).param("rows", rows).param("nodes", self.nodes).param("c", c).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let lists = 4 * (self.index.len() + self.nodes + 1) as u64;
        Cost { flops: inputs[0].shape.numel() as u64, bytes: inputs[0].bytes() + output.bytes() + lists }
    }
}

impl<'r> Var<'r> {
    /// Nodes chosen by constant indices: N×V×C to N×R×C with `y[n, r] = x[n, indices[r]]`. An index may occur often.
    #[track_caller]
    pub fn gather_rows(self, indices: &[u32]) -> Result<Var<'r>> {
        self.recorder().apply(Gather { index: indices.into() }, &[self])
    }

    /// Rows added up by constant indices: N×R×C to N×V×C with `y[n, v] = Σ x[n, r]` over the r with `indices[r] = v`,
    /// in ascending order, V = `nodes`; 0 where no index points. The adjoint of [`Var::gather_rows`].
    #[track_caller]
    pub fn scatter_rows(self, indices: &[u32], nodes: usize) -> Result<Var<'r>> {
        self.recorder().apply(Scatter { index: indices.into(), nodes }, &[self])
    }
}
