//! Moving averages of parameters, and gradients clipped by their norm: what is done around an optimiser's steps.

use super::{Operator, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::{AVERAGE, AVERAGES_BEGUN, Gradients, Init, Recorder, Var};
use crate::shader;
use crate::shape::TensorType;

const AVERAGE_STEP: Shader = shader!("optim/average.wgsl", with "common/index.wgsl");

/// Operands: the average, the parameter, and one element that is 0 at the first run.
#[derive(Debug, Clone, Copy)]
struct Average {
    keep: f32,
}

impl Operator for Average {
    fn name(&self) -> &'static str {
        "average"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [average, value, _] = operands(inputs)?;
        expect_f32("value", value)?;
        if average != value {
            return Err(Mismatch::new("value", average, value));
        }
        if !(0.0..1.0).contains(&self.keep) {
            return Err(Mismatch::new("keep", "a number from 0 to below 1", self.keep));
        }
        Ok(average.clone())
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; 3])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [value, begun] = [1, 2].map(|i| lowering.input(i).buffer);
        let (average, guard, lanes) = (lowering.output(), lowering.guard(), lowering.target().lanes());
        let quads = lowering.output_ty().shape.numel().div_ceil(4);
        let dispatch = lowering.dispatch(&AVERAGE_STEP).define("WG", lanes).bind("value", value).bind("begun", begun);
        let dispatch = dispatch.bind("guard", guard).bind("average", average);
        let dispatch = dispatch.param("quads", quads).param("keep", self.keep);
        dispatch.elementwise("quads", &["average", "value"]).threads(quads)
    }

    fn mutates(&self) -> &'static [usize] {
        &[0]
    }
}

/// What [`Recorder::clip_by_norm`] gives.
#[derive(Debug, Clone)]
pub struct Clipped<'r> {
    /// The gradients, those of parameters scaled.
    pub gradients: Gradients<'r>,
    /// The norm of the parameters' gradients together before, `[1]`.
    pub norm: Var<'r>,
}

impl Recorder {
    /// Scales the gradients of all parameters by one factor, so that together, as one vector, they are no longer than
    /// `max_norm` (Pascanu et al. 2013, "On the Difficulty of Training Recurrent Neural Networks", algorithm 1). A step with
    /// them changes no state in a run whose norm is not finite.
    #[track_caller]
    pub fn clip_by_norm<'r>(&'r self, gradients: &Gradients<'r>, max_norm: f32) -> Result<Clipped<'r>> {
        let fits = Mismatch::unless(max_norm.is_finite() && max_norm > 0.0, "max_norm", "a positive number", max_norm);
        self.expect("clip_by_norm", &[], fits)?;
        let parameters = self.parameters().into_iter();
        let known: Vec<_> = parameters.filter_map(|(_, p)| Some((p, gradients.of(p)?))).collect();
        let some = Mismatch::unless(!known.is_empty(), "gradients", "those of at least one parameter", "none");
        self.expect("clip_by_norm", &[], some)?;
        let mut norms = Vec::with_capacity(known.len());
        for &(_, gradient) in &known {
            norms.push(gradient.reshape([gradient.shape().numel()])?.norm(&[0])?);
        }
        let norm = self.concat(&norms, 0)?.norm(&[0])?;
        // Of a norm below the limit a quotient of at least 1, which is not taken to infinity.
        let quotient = self.scalar(max_norm).div(norm.max(self.scalar(1e-6 * max_norm))?)?;
        let factor = quotient.min(self.scalar(1.0))?;
        let mut clipped = gradients.clone();
        // Nothing times a norm that is not finite is not finite either, and keeps the run from changing anything.
        clipped.guard_by(gradients.loss().add(norm.scale(0.0)?.reshape(gradients.loss().shape())?)?);
        for (parameter, gradient) in known {
            clipped.replace(parameter, gradient.mul(factor)?);
        }
        Ok(Clipped { gradients: clipped, norm })
    }

    /// Records that the moving average of every parameter recorded so far, the state `NAME.average`, becomes
    /// `keep·average + (1 − keep)·parameter` at every run; at the first it becomes the parameter (Polyak and Juditsky 1992;
    /// the exponential form is usual for generators). It takes parameters as they are before the run's own step.
    /// [`States::averaged`](crate::States::averaged) has the averages as weights, for inference.
    #[track_caller]
    pub fn average_parameters(&self, keep: f32) -> Result<()> {
        let state = |name: &str, ty: TensorType| self.unscoped(|| self.buffer(name, ty, Init::Constant(0.0)));
        let begun = state(AVERAGES_BEGUN, TensorType::f32([1]));
        for (name, parameter) in self.parameters() {
            let average = state(&format!("{name}{AVERAGE}"), parameter.ty());
            self.apply(Average { keep }, &[average, parameter, begun])?;
        }
        begun.assign(self.scalar(1.0))?;
        Ok(())
    }
}
