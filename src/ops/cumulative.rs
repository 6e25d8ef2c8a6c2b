//! Running sums along an axis, in chunks whose sums are summed in the same way first: rounding grows with the logarithm
//! of the length, and the order is the same on every run.

use super::extents::expect_axis;
use super::reduce::around;
use super::{Cost, Operator, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{BufferRef, Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;

const CUMULATIVE_SUM: Shader = shader!("reduce/cumulative_sum.wgsl", with "common/index.wgsl");

/// The longest run of elements one thread adds up.
const CHUNK: usize = 64;

/// Which elements a cumulative sum adds up for each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CumulativeSum {
    /// Whether an element is left out of its own sum.
    pub exclusive: bool,
    /// Whether those behind an element are summed instead of those before it.
    pub reverse: bool,
}

#[derive(Debug, Clone, Copy)]
struct Cumulative {
    axis: usize,
    sum: CumulativeSum,
}

/// Emits the running sums of `x` along the middle axis of outer × length × inner.
fn lower_sums(
    lowering: &mut Lowering<'_>,
    sum: CumulativeSum,
    x: BufferRef,
    y: BufferRef,
    [outer, length, inner]: [usize; 3],
) -> Result<()> {
    let chunks = length.div_ceil(CHUNK);
    let lanes = lowering.target().lanes();
    let pass = |lowering: &mut Lowering<'_>, carry: Option<BufferRef>, totals: bool, y: BufferRef| {
        let dispatch = lowering.dispatch(&CUMULATIVE_SUM).define("WG", lanes).define("TOTALS", totals);
        let dispatch = dispatch.define("EXCLUSIVE", sum.exclusive && !totals).define("REVERSE", sum.reverse);
        let dispatch = dispatch.define("CARRY", carry.is_some()).bind("carry", carry.unwrap_or(BufferRef::Unused));
        let dispatch = dispatch.bind("x", x).bind("y", y).param("outer", outer).param("length", length);
        let dispatch = dispatch.param("inner", inner).param("chunks", chunks).param("chunk", CHUNK);
        dispatch.threads(outer * chunks * inner)
    };
    if chunks == 1 {
        return pass(lowering, None, false, y);
    }
    let [totals, carry] = [(); 2].map(|()| lowering.scratch(outer * chunks * inner));
    pass(lowering, None, true, totals)?;
    let before = CumulativeSum { exclusive: true, reverse: false };
    lower_sums(lowering, before, totals, carry, [outer, chunks, inner])?;
    pass(lowering, Some(carry), false, y)
}

impl Operator for Cumulative {
    fn name(&self) -> &'static str {
        "cumulative_sum"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        expect_f32("x", x)?;
        expect_axis("x", x, self.axis)?;
        Ok(x.clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let adjoint = CumulativeSum { reverse: !self.sum.reverse, ..self.sum };
        Ok(vec![call.grad(0, || call.cotangent.cumulative_sum(self.axis, adjoint))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y) = (lowering.input(0), lowering.output());
        lower_sums(lowering, self.sum, x.buffer, y, around(&x.ty.shape, self.axis, self.axis + 1))
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 2 * output.shape.numel() as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

impl<'r> Var<'r> {
    /// Running sums along `axis`: `y[i] = Σ x[j]` over j ≤ i, over j < i if exclusive, over j ≥ i if reversed, over j >
    /// i if both.
    #[track_caller]
    pub fn cumulative_sum(self, axis: usize, sum: CumulativeSum) -> Result<Var<'r>> {
        self.recorder().apply(Cumulative { axis, sum }, &[self])
    }
}
