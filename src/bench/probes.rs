//! Operators that only exist to find an adapter's ceilings.

use crate::error::{Mismatch, Result};
use crate::exec::{Cooperative, Lowering, Shader};
use crate::ops::{Cost, Operator, VjpCall};
use crate::shader;
use crate::{DType, TensorType, Var};

const MULTIPLY_ADD: Shader = shader!("bench/multiply_add.wgsl", with "common/index.wgsl");
const SINGLE: Shader = shader!("bench/f32.wgsl");
const HALF: Shader = shader!("bench/f16.wgsl");
const COOPERATIVE: Shader = shader!("bench/cooperative.wgsl");
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

/// Chains of multiply-adds of cooperative matrices, see the shader. No operands.
#[derive(Debug, Clone, Copy)]
pub(super) struct MultiplyMatrices {
    pub(super) form: Cooperative,
    pub(super) groups: usize,
    /// Sums a subgroup, 1 to 4.
    pub(super) chains: usize,
}

impl MultiplyMatrices {
    /// Lanes of a workgroup, and pieces of work for its subgroups: as many for each, whether they have 8 lanes or 64.
    const LANES: usize = 128;
    const UNITS: usize = 16;

    pub(super) fn ty(&self) -> TensorType {
        TensorType::f32([self.groups, Self::UNITS, self.chains, (self.form.size * self.form.size) as usize])
    }
}

impl Operator for MultiplyMatrices {
    fn name(&self) -> &'static str {
        "multiply_matrices"
    }

    fn infer(&self, _: &[&TensorType]) -> Result<TensorType, Mismatch> {
        Ok(self.ty())
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(Vec::new())
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let y = lowering.output();
        let form = match self.form.size {
            16 => shader!("common/cooperative16_f16.wgsl"),
            _ => shader!("common/cooperative8_f16.wgsl"),
        };
        let dispatch =
            lowering.dispatch(&COOPERATIVE).include(form).define("WG", Self::LANES).define("UNITS", Self::UNITS);
        let dispatch = dispatch.define("CHAINS", self.chains).bind("y", y);
        // Small enough that sums of any length stay finite.
        dispatch.param("factor", 0.0625).param("rounds", ROUNDS).groups([self.groups, 1, 1])
    }

    fn cost(&self, _: &[&TensorType], output: &TensorType) -> Cost {
        let matrices = self.groups * Self::UNITS * self.chains * STEPS * ROUNDS;
        Cost { flops: 2 * matrices as u64 * u64::from(self.form.size).pow(3), bytes: output.bytes() }
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
