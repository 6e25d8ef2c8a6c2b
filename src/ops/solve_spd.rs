//! Systems of linear equations with symmetric positive definite matrices.

use super::{Cost, Operator, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;

const SOLVE: Shader = shader!("matmul/solve_spd.wgsl");

/// Columns of the right-hand side that a workgroup solves for.
const COLUMNS: usize = 32;

/// The largest matrices: a workgroup does all the work of one.
const MAX_ORDER: usize = 128;

/// x of A·x = b from A, N×P×P, and b, N×P×K.
#[derive(Debug, Clone, Copy)]
struct SolveSpd;

impl Operator for SolveSpd {
    fn name(&self) -> &'static str {
        "solve_spd"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [a, b] = operands(inputs)?;
        expect_f32("a", a)?;
        expect_f32("b", b)?;
        let &[n, p, q] = a.shape.dims() else { return Err(Mismatch::new("a", "3 axes N×P×P", a)) };
        let square = n > 0 && p == q && (1..=MAX_ORDER).contains(&p);
        Mismatch::unless(square, "a", format!("N×P×P with P from 1 to {MAX_ORDER}"), a)?;
        match b.shape.dims() {
            &[m, rows, columns] if [m, rows] == [n, p] && columns > 0 => Ok(b.clone()),
            _ => Err(Mismatch::new("b", format!("{n}×{p}×K"), b)),
        }
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        // x = A⁻¹·b: gb = A⁻¹·gx, gA = −gb·xᵀ, of which the symmetric part, as of A.
        let (a, x) = (call.inputs[0], call.output);
        let gb = a.solve_spd(call.cotangent)?;
        let both = || gb.batch_matmul(x, false, true)?.add(x.batch_matmul(gb, false, true)?)?.scale(-0.5);
        Ok(vec![call.grad(0, both)?, call.grad(1, || Ok(gb))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (a, b) = (lowering.input(0), lowering.input(1));
        let &[n, p, columns] = b.ty.shape.dims() else { unreachable!("checked by infer") };
        let workgroups = n * columns.div_ceil(COLUMNS);
        let (factor, x) = (lowering.scratch(workgroups * p * p), lowering.output());
        let dispatch = lowering.dispatch(&SOLVE).define("WG", COLUMNS).bind("a", a.buffer).bind("b", b.buffer);
        let dispatch = dispatch.bind("factor", factor).bind("x", x);
        let dispatch = dispatch.param("matrices", n).param("p", p).param("columns", columns);
        dispatch.threads(workgroups * COLUMNS)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
        let &[n, p, columns] = output.shape.dims() else { return Cost { flops: 0, bytes } };
        Cost { flops: (n * p * p * (p / 3 + 2 * columns)) as u64, bytes }
    }
}

impl<'r> Var<'r> {
    /// x of A·x = b for as many symmetric positive definite matrices A as this holds (N×P×P, P up to 128), by their
    /// factors L·D·Lᵀ: b and x are N×P×K. Of A counts `(A + Aᵀ)/2`. Where that is not positive definite x means nothing, and may
    /// not be finite.
    #[track_caller]
    pub fn solve_spd(self, b: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(SolveSpd, &[self, b])
    }
}
