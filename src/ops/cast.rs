//! Between storage types: f32 and f16.

use super::{Operator, Storage, VjpCall, expect_float, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::{DType, TensorType};

const CAST: Shader = shader!("pointwise/cast.wgsl", with "common/index.wgsl");

/// The same numbers as `dtype`, rounded to nearest.
#[derive(Debug, Clone, Copy)]
struct Cast {
    dtype: DType,
}

impl Operator for Cast {
    fn name(&self) -> &'static str {
        "cast"
    }

    fn storage(&self) -> Storage {
        Storage::Any
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        expect_float("x", x)?;
        match self.dtype.is_float() {
            true => Ok(TensorType { shape: x.shape.clone(), dtype: self.dtype }),
            false => Err(Mismatch::new("dtype", "f32 or f16", self.dtype)),
        }
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let from = call.inputs[0].ty().dtype;
        Ok(vec![call.grad(0, || call.cotangent.cast(from))?])
    }

    fn aliases(&self, inputs: &[&TensorType]) -> Option<usize> {
        (inputs[0].dtype == self.dtype).then_some(0)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let x = lowering.input(0);
        let (y, lanes, quads) = (lowering.output(), lowering.target().lanes(), x.ty.shape.numel().div_ceil(4));
        let dispatch = lowering.dispatch(&CAST).define("WG", lanes);
        dispatch.bind("x", x.buffer).bind("y", y).param("quads", quads).threads(quads)
    }
}

impl<'r> Var<'r> {
    /// The same numbers stored as f32 or f16. To f16 they are rounded to nearest, with 11 bits of precision; what is beyond
    /// ±65504 becomes infinite. The gradient is cast back.
    ///
    /// Kernels of f16 tensors compute in f32: only storage and traffic halve. They need an adapter with `SHADER_F16`;
    /// others answer [`Error::Feature`](crate::Error::Feature) when compiling.
    #[track_caller]
    pub fn cast(self, dtype: DType) -> Result<Var<'r>> {
        self.recorder().apply(Cast { dtype }, &[self])
    }
}
