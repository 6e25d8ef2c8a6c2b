//! Nearest points: what the chamfer distance between two point sets is made of.

use super::vectors::batch;
use super::{Cost, Operator, VjpCall, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{AdapterClass, Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;

const NEAREST: Shader = shader!("mesh/nearest.wgsl", with "common/index.wgsl");
const DISTANCE: Shader = shader!("mesh/point_distance.wgsl", with "common/index.wgsl");
const OTHER_GRAD: Shader = shader!("mesh/point_distance_other_grad.wgsl", with "common/index.wgsl");

/// Batch, and how many points p and q have.
fn points(p: &TensorType, q: &TensorType) -> Result<[usize; 3], Mismatch> {
    let [n, p_count] = batch("p", p, None, 3)?;
    let [m, q_count] = batch("q", q, None, 3)?;
    if m != n {
        return Err(Mismatch::new("q", format!("{n} samples as in p {p}"), q));
    }
    Ok([n, p_count, q_count])
}

/// How many points a thread of the searches has: loads are what costs a CPU, and few threads a GPU.
fn per(lowering: &Lowering<'_>) -> usize {
    match lowering.target().class {
        AdapterClass::Software => 8,
        AdapterClass::Hardware => 2,
    }
}

/// How many points a dispatch of the searches looks through: a software adapter leaves loops after 65,535 turns.
const MOST_POINTS: usize = 1 << 14;

/// For each point of p the place of the nearest of q, u32 N×P×1.
#[derive(Debug, Clone, Copy)]
struct Nearest;

/// The squared distance from each point of p to the one of q that the third operand says, N×P×1.
#[derive(Debug, Clone, Copy)]
struct PointDistance;

/// The gradient of [`PointDistance`] with respect to p, or to q with `other`, from its operands and gy.
#[derive(Debug, Clone, Copy)]
struct PointDistanceGrad {
    other: bool,
}

impl Operator for Nearest {
    fn name(&self) -> &'static str {
        "nearest_points"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [p, q] = operands(inputs)?;
        let [n, p_count, _] = points(p, q)?;
        Ok(TensorType::u32([n, p_count, 1]))
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (p, q, y, lanes) = (lowering.input(0), lowering.input(1), lowering.output(), lowering.target().lanes());
        let [n, p_count, q_count] = points(&p.ty, &q.ty).expect("checked by infer");
        let per = per(lowering);
        let parts = p_count.div_ceil(per);
        for begin in (0..q_count).step_by(MOST_POINTS) {
            let dispatch = lowering.dispatch(&NEAREST).define("WG", lanes).define("PER", per);
            let dispatch = dispatch.bind("p", p.buffer).bind("q", q.buffer).bind("y", y).param("parts", parts);
            let dispatch = dispatch.param("total", n * parts).param("p_count", p_count).param("q_count", q_count);
            let dispatch = dispatch.param("begin", begin).param("end", q_count.min(begin + MOST_POINTS));
            dispatch.threads(n * parts)?;
        }
        Ok(())
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let pairs = output.shape.numel() as u64 * inputs[1].shape.dims()[1] as u64;
        Cost { flops: 9 * pairs, bytes: inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes() }
    }
}

impl Operator for PointDistance {
    fn name(&self) -> &'static str {
        "nearest_squared_distances"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [p, q, _] = operands(inputs)?;
        let [n, p_count, _] = points(p, q)?;
        Ok(TensorType::f32([n, p_count, 1]))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let r = call.output.recorder();
        let operands = [call.inputs[0], call.inputs[1], call.inputs[2], call.cotangent];
        let grad = |i: usize| call.grad(i, || r.apply(PointDistanceGrad { other: i == 1 }, &operands));
        Ok(vec![grad(0)?, grad(1)?, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [p, q, nearest] = [0, 1, 2].map(|i| lowering.input(i));
        let (y, lanes) = (lowering.output(), lowering.target().lanes());
        let [n, p_count, q_count] = points(&p.ty, &q.ty).expect("checked by infer");
        let dispatch = lowering.dispatch(&DISTANCE).define("WG", lanes).define("GRAD", false);
        let dispatch = dispatch.bind("p", p.buffer).bind("q", q.buffer).bind("nearest", nearest.buffer);
        let dispatch = dispatch.unused("gy").bind("y", y).param("total", n * p_count);
        dispatch.param("p_count", p_count).param("q_count", q_count).threads(n * p_count)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        Cost { flops: 8 * output.shape.numel() as u64, bytes }
    }
}

impl Operator for PointDistanceGrad {
    fn name(&self) -> &'static str {
        "nearest_squared_distances"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [p, q, _, _] = operands(inputs)?;
        Ok(if self.other { q.clone() } else { p.clone() })
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; 4])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [p, q, nearest, gy] = [0, 1, 2, 3].map(|i| lowering.input(i));
        let (to, lanes) = (lowering.output(), lowering.target().lanes());
        let [n, p_count, q_count] = points(&p.ty, &q.ty).expect("checked by infer");
        let per = per(lowering);
        let parts = q_count.div_ceil(per);
        let span = if self.other { MOST_POINTS } else { p_count };
        for begin in (0..p_count).step_by(span) {
            let (dispatch, name, total) = if self.other {
                let dispatch = lowering.dispatch(&OTHER_GRAD).define("PER", per).param("parts", parts);
                let dispatch = dispatch.param("begin", begin).param("end", p_count.min(begin + span));
                (dispatch, "gq", n * parts)
            } else {
                (lowering.dispatch(&DISTANCE).define("GRAD", true), "y", n * p_count)
            };
            let dispatch = dispatch.define("WG", lanes).bind("p", p.buffer).bind("q", q.buffer);
            let dispatch = dispatch.bind("nearest", nearest.buffer).bind("gy", gy.buffer).bind(name, to);
            let dispatch = dispatch.param("total", total).param("p_count", p_count).param("q_count", q_count);
            dispatch.threads(total)?;
        }
        Ok(())
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let [p_count, q_count] = [0, 1].map(|i| inputs[i].shape.dims()[1] as u64);
        let batch = inputs[0].shape.dims()[0] as u64;
        let flops = if self.other { batch * p_count * (q_count + 9) } else { 9 * batch * p_count };
        Cost { flops, bytes: inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes() }
    }
}

impl<'r> Var<'r> {
    /// For each of these points (N×P×3) the place of the nearest of `others` (N×Q×3), u32 N×P×1; of equally near ones the
    /// first. Looks at every pair. Has no gradient.
    #[track_caller]
    pub fn nearest_points(self, others: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Nearest, &[self, others])
    }

    /// For each of these points (N×P×3) the squared distance to the nearest of `others` (N×Q×3), N×P×1: one direction of the
    /// chamfer distance. The gradient goes to the pair that is nearest, the first of equals.
    #[track_caller]
    pub fn nearest_squared_distances(self, others: Var<'r>) -> Result<Var<'r>> {
        let nearest = self.nearest_points(others)?;
        self.recorder().apply(PointDistance, &[self, others, nearest])
    }
}
