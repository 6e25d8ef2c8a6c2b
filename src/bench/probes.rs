//! Operators that only exist to find an adapter's ceilings.

use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::ops::{Cost, Operator, VjpCall};
use crate::shader;
use crate::{DType, TensorType, Var};

const MULTIPLY_ADD: Shader = shader!("bench/multiply_add.wgsl", with "common/index.wgsl");
const SINGLE: Shader = shader!("bench/f32.wgsl");
const HALF: Shader = shader!("bench/f16.wgsl");
const COPY: Shader = shader!("bench/copy.wgsl", with "common/index.wgsl");
const NOTHING: Shader = shader!("bench/nothing.wgsl");

/// Rounds of eight steps; below what a software adapter loops at most.
const ROUNDS: usize = 256;
const STEPS: usize = 8;

/// Chains of multiply-adds in registers, see the shader. No operands.
#[derive(Debug, Clone, Copy)]
pub(super) struct MultiplyAdd {
    pub(super) dtype: DType,
    pub(super) threads: usize,
    /// vec4s a thread, 1 to 4.
    pub(super) chains: usize,
    /// By WGSL's `fma`.
    pub(super) fused: bool,
}

impl Operator for MultiplyAdd {
    fn name(&self) -> &'static str {
        "multiply_add"
    }

    fn infer(&self, _: &[&TensorType]) -> Result<TensorType, Mismatch> {
        Ok(TensorType { dtype: self.dtype, ..TensorType::f32([self.threads, 4]) })
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(Vec::new())
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (y, lanes) = (lowering.output(), lowering.target().lanes());
        let real = if self.dtype == DType::F16 { HALF } else { SINGLE };
        let dispatch = lowering.dispatch(&MULTIPLY_ADD).include(real).define("WG", lanes);
        let dispatch = dispatch.define("CHAINS", self.chains).define("FUSED", self.fused).bind("y", y);
        // A contraction, so that chains of any length stay finite.
        let dispatch = dispatch.param("factor", 0.75).param("summand", 0.5).param("rounds", ROUNDS);
        dispatch.param("threads", self.threads).threads(self.threads)
    }

    fn cost(&self, _: &[&TensorType], output: &TensorType) -> Cost {
        let multiply_adds = self.threads * self.chains * 4 * STEPS * ROUNDS;
        Cost { flops: 2 * multiply_adds as u64, bytes: output.bytes() }
    }
}

/// The operand, copied `each` vec4s a thread in workgroups of `lanes`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copy {
    pub(super) each: usize,
    pub(super) lanes: u32,
}

impl Operator for Copy {
    fn name(&self) -> &'static str {
        "copy"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        match inputs {
            [x] => Ok((*x).clone()),
            _ => Err(Mismatch::new("operands", 1, inputs.len())),
        }
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y) = (lowering.input(0), lowering.output());
        let quads = (x.ty.bytes() as usize).div_ceil(16);
        let threads = quads.div_ceil(self.each);
        let dispatch = lowering.dispatch(&COPY).define("WG", self.lanes).define("EACH", self.each);
        let dispatch = dispatch.bind("x", x.buffer).bind("y", y).param("quads", quads);
        dispatch.param("threads", threads).threads(threads)
    }

    fn cost(&self, _: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 0, bytes: 2 * output.bytes() }
    }
}

/// This many dispatches of one thread, each after the one before. No operands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dispatches(pub(super) usize);

impl Operator for Dispatches {
    fn name(&self) -> &'static str {
        "dispatches"
    }

    fn infer(&self, _: &[&TensorType]) -> Result<TensorType, Mismatch> {
        Ok(TensorType::u32([1]))
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(Vec::new())
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let y = lowering.output();
        (0..self.0).try_for_each(|_| lowering.dispatch(&NOTHING).bind("y", y).groups([1, 1, 1]))
    }
}
