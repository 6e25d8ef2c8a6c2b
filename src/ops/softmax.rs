//! Softmax and its logarithm along an axis.

use super::extreme::largest_stages;
use super::reduce::{around, reduced, sum_stages};
use super::unit::{Unit, by_unit};
use super::{Cost, Operator, VjpCall};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;

const SOFTMAX: [Shader; 3] = by_unit!("reduce/softmax.wgsl");
const SOFTMAX_PART: Shader = shader!("reduce/softmax_part.wgsl", with "common/index.wgsl");
const SOFTMAX_APPLY: Shader = shader!("reduce/softmax_apply.wgsl", with "common/index.wgsl");

/// The longest axis that one thread looks through by itself. It does so three times, and a software adapter leaves loops
/// after 65,535 turns.
const SHORT: usize = 1_024;

/// The longest run of exponentials that one thread adds up of a longer axis.
const CHUNK: usize = 128;

/// `eˣ / Σ eˣ` along an axis, or its logarithm; the largest element is taken off first, so that nothing overflows.
#[derive(Debug, Clone, Copy)]
struct Softmax {
    axis: usize,
    log: bool,
}

impl Operator for Softmax {
    fn name(&self) -> &'static str {
        if self.log { "log_softmax" } else { "softmax" }
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        reduced(inputs, self.axis, self.axis.saturating_add(1))?;
        Ok(inputs[0].clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (y, gy) = (call.output, call.cotangent);
        let gx = call.grad(0, || match self.log {
            true => gy.sub(y.exp()?.mul(gy.sum(&[self.axis])?)?),
            false => y.mul(gy.sub(gy.mul(y)?.sum(&[self.axis])?)?),
        })?;
        Ok(vec![gx])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y, lanes) = (lowering.input(0), lowering.output(), lowering.target().lanes());
        let extents = around(&x.ty.shape, self.axis, self.axis + 1);
        let [outer, length, inner] = extents;
        if length > SHORT {
            let (rows, chunks) = (outer * inner, length.div_ceil(CHUNK));
            let [largest, sum] = [(); 2].map(|()| lowering.scratch(rows));
            let parts = lowering.scratch(rows * chunks);
            largest_stages(lowering, x.buffer, largest, extents)?;
            let dispatch = lowering.dispatch(&SOFTMAX_PART).define("WG", lanes).bind("x", x.buffer);
            let dispatch = dispatch.bind("largest", largest).bind("y", parts).param("outer", outer);
            let dispatch = dispatch.param("length", length).param("inner", inner).param("chunks", chunks);
            dispatch.param("chunk", CHUNK).threads(rows * chunks)?;
            sum_stages(lowering, parts, sum, [outer, chunks, inner])?;
            let dispatch = lowering.dispatch(&SOFTMAX_APPLY).define("WG", lanes).define("LOG", self.log);
            let dispatch = dispatch.bind("x", x.buffer).bind("largest", largest).bind("sum", sum).bind("y", y);
            let dispatch = dispatch.param("total", rows * length).param("length", length).param("inner", inner);
            return dispatch.threads(rows * length);
        }
        let (unit, [length, inner]) = Unit::of_axis(length, inner);
        let dispatch = lowering.dispatch(&SOFTMAX[unit as usize]).define("WG", lanes).define("LOG", self.log);
        let dispatch = dispatch.bind("x", x.buffer).bind("y", y).param("outer", outer).param("length", length);
        dispatch.param("inner", inner).threads(outer * inner)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 5 * output.shape.numel() as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

impl<'r> Var<'r> {
    /// `eˣ / Σ eˣ` along `axis`.
    #[track_caller]
    pub fn softmax(self, axis: usize) -> Result<Var<'r>> {
        self.recorder().apply(Softmax { axis, log: false }, &[self])
    }

    /// `x − ln Σ eˣ` along `axis`: the logarithm of the softmax without its rounding to 0.
    #[track_caller]
    pub fn log_softmax(self, axis: usize) -> Result<Var<'r>> {
        self.recorder().apply(Softmax { axis, log: true }, &[self])
    }
}
