//! Named state that becomes a value.

use super::{Operator, Storage, VjpCall, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;

/// Overwrites named state with a value, at the end of the run.
#[derive(Debug, Clone, Copy)]
struct Assign;

const ASSIGN: Shader = shader!("pointwise/assign.wgsl", with "common/index.wgsl");

impl Operator for Assign {
    fn name(&self) -> &'static str {
        "assign"
    }

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [state, value] = operands(inputs)?;
        if state != value {
            return Err(Mismatch::new("value", state, value));
        }
        Ok(state.clone())
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (value, state, guard) = (lowering.input(1).buffer, lowering.output(), lowering.guard());
        // Four words each, of whatever type.
        let (quads, lanes) = ((lowering.output_ty().bytes() as usize).div_ceil(16), lowering.target().lanes());
        let dispatch = lowering.dispatch(&ASSIGN).define("WG", lanes);
        let dispatch = dispatch.bind("value", value).bind("guard", guard).bind("state", state);
        dispatch.param("quads", quads).elementwise("quads", &["state", "value"]).threads(quads)
    }

    fn mutates(&self) -> &'static [usize] {
        &[0]
    }
}

impl<'r> Var<'r> {
    /// Records that this named state becomes `value` at the end of every run. Whatever else reads the state in that run,
    /// an output too, sees the value from before; the result is the value after. Of several changes the last recorded one
    /// stays.
    #[track_caller]
    pub fn assign(self, value: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Assign, &[self, value])
    }
}
