//! Classes by number as rows of zeros and a one.

use super::{Operator, VjpCall, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::{DType, TensorType};

const ONE_HOT: Shader = shader!("pointwise/one_hot.wgsl", with "common/index.wgsl");

#[derive(Debug, Clone, Copy)]
struct OneHot {
    classes: usize,
}

impl Operator for OneHot {
    fn name(&self) -> &'static str {
        "one_hot"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [index] = operands(inputs)?;
        let total = index.shape.numel().checked_mul(self.classes).and_then(|n| n.checked_mul(4));
        if self.classes == 0 || total.is_none_or(|bytes| u32::try_from(bytes).is_err()) {
            return Err(Mismatch::new("classes", "at least 1, and a result below 4 GiB", self.classes));
        }
        if index.shape.numel() == 0 {
            return Err(Mismatch::new("index", "no axis of extent 0", index));
        }
        Ok(TensorType::f32([index.shape.dims(), &[self.classes]].concat()))
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (index, y, lanes) = (lowering.input(0), lowering.output(), lowering.target().lanes());
        let total = lowering.output_ty().shape.numel();
        let dispatch = lowering.dispatch(&ONE_HOT).define("WG", lanes).define("FLOAT", index.ty.dtype == DType::F32);
        let dispatch = dispatch.bind("index", index.buffer).bind("y", y);
        dispatch.param("total", total).param("classes", self.classes).threads(total)
    }
}

impl<'r> Var<'r> {
    /// Numbers of classes, u32 or whole f32, as rows of zeros with a one at the class: one more axis, of extent
    /// `classes`. A number that is no class gives a row of zeros. Has no gradient.
    #[track_caller]
    pub fn one_hot(self, classes: usize) -> Result<Var<'r>> {
        self.recorder().apply(OneHot { classes }, &[self])
    }
}
