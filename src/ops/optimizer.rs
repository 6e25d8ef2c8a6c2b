//! Optimiser steps: each changes a parameter and its moments in place; compiling joins those of all parameters into one
//! dispatch.

use super::{Cost, Operator, VjpCall};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::{Gradients, Init, Recorder, TensorData, Var};
use crate::shader;
use crate::shape::TensorType;

const RMSPROP: Shader = shader!("optim/rmsprop.wgsl", with "common/index.wgsl");
const SGD: Shader = shader!("optim/sgd.wgsl", with "common/index.wgsl");
const ADAM: Shader = shader!("optim/adam.wgsl", with "common/index.wgsl");

/// Gradient descent with momentum (Sutskever et al. 2013, "On the Importance of Initialization and Momentum", eq. 1 to 4,
/// with the learning rate outside the velocity): `v = μ·v + g`, `w −= lr·v`, or with Nesterov's look ahead `w −= lr·(g + μ·v)`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sgd {
    /// How much of the velocity is kept each step.
    pub momentum: f32,
    /// Whether the step looks ahead along the velocity.
    pub nesterov: bool,
    /// L2 penalty added to the gradient.
    pub weight_decay: f32,
}

/// RMSprop (Tieleman and Hinton 2012, lecture 6.5): steps scaled by a running root mean square of the gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RmsProp {
    /// How much of the running mean square is kept each step.
    pub rho: f32,
    /// Added to the root.
    pub eps: f32,
    /// L2 penalty added to the gradient.
    pub weight_decay: f32,
}

impl Default for RmsProp {
    fn default() -> Self {
        RmsProp { rho: 0.99, eps: 1e-8, weight_decay: 0.0 }
    }
}

/// Adam (Kingma and Ba 2015, algorithm 1), with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// How much of the running mean is kept each step.
    pub beta1: f32,
    /// How much of the running mean square is kept each step.
    pub beta2: f32,
    /// Added to the root.
    pub eps: f32,
    /// The fraction of a weight, times the learning rate, taken off it each step.
    pub weight_decay: f32,
}

impl Default for Adam {
    fn default() -> Self {
        Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

/// AdamW (Loshchilov and Hutter 2019, algorithm 2): [`Adam`], whose weight decay is decoupled from the gradient, with a
/// decay to begin with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// How much of the running mean is kept each step.
    pub beta1: f32,
    /// How much of the running mean square is kept each step.
    pub beta2: f32,
    /// Added to the root.
    pub eps: f32,
    /// The fraction of a weight, times the learning rate, taken off it each step.
    pub weight_decay: f32,
}

impl Default for AdamW {
    fn default() -> Self {
        let Adam { beta1, beta2, eps, .. } = Adam::default();
        AdamW { beta1, beta2, eps, weight_decay: 1e-2 }
    }
}

impl From<AdamW> for Adam {
    fn from(AdamW { beta1, beta2, eps, weight_decay }: AdamW) -> Self {
        Adam { beta1, beta2, eps, weight_decay }
    }
}

impl Optimizer for AdamW {
    #[track_caller]
    fn update<'r>(&self, name: &str, parameter: Var<'r>, gradient: Var<'r>, lr: Var<'r>) -> Result<()> {
        Adam::from(*self).update(name, parameter, gradient, lr)
    }

    #[track_caller]
    fn finish(&self, recorder: &Recorder) -> Result<()> {
        Adam::from(*self).finish(recorder)
    }
}

/// A rule that [`Recorder::step`] applies to every parameter.
pub trait Optimizer {
    /// Records the update of one parameter; called once for each with its full name.
    #[track_caller]
    fn update<'r>(&self, name: &str, parameter: Var<'r>, gradient: Var<'r>, lr: Var<'r>) -> Result<()>;

    /// Records what is done once a step after all parameters.
    #[track_caller]
    fn finish(&self, _recorder: &Recorder) -> Result<()> {
        Ok(())
    }
}

/// Fails unless a share of something kept is from 0 to below 1.
fn expect_share(operand: &'static str, value: f32) -> Result<(), Mismatch> {
    match (0.0..1.0).contains(&value) {
        true => Ok(()),
        false => Err(Mismatch::new(operand, "a number from 0 to below 1", value)),
    }
}

/// Fails unless what is added to a root is positive, and the decay not negative.
fn expect_eps_and_decay(eps: f32, weight_decay: f32) -> Result<(), Mismatch> {
    if !(eps.is_finite() && eps > 0.0) {
        return Err(Mismatch::new("eps", "a positive number", eps));
    }
    match weight_decay.is_finite() && weight_decay >= 0.0 {
        true => Ok(()),
        false => Err(Mismatch::new("weight_decay", "a number of at least 0", weight_decay)),
    }
}

fn same_types(
    inputs: &[&TensorType],
    like_w: &[usize],
    vectors: &[(usize, &'static str, usize)],
) -> Result<TensorType, Mismatch> {
    let w = inputs.first().ok_or_else(|| Mismatch::new("operands", "a parameter", 0))?;
    for &i in like_w {
        if inputs[i] != *w {
            return Err(Mismatch::new("gradient", w, inputs[i]));
        }
    }
    for &(i, operand, len) in vectors {
        if inputs[i].shape.numel() != len || inputs[i].dtype != w.dtype {
            return Err(Mismatch::new(operand, format!("{len} elements"), inputs[i]));
        }
    }
    Ok((*w).clone())
}

/// Operands: w, v, gradient, lr.
#[derive(Debug, Clone, Copy)]
struct SgdStep(Sgd);

impl Operator for SgdStep {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        expect_share("momentum", self.0.momentum)?;
        expect_eps_and_decay(1.0, self.0.weight_decay)?;
        same_types(inputs, &[1, 2], &[(3, "learning rate", 1)])
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; 4])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [v, gradient, lr] = [1, 2, 3].map(|i| lowering.input(i).buffer);
        let (w, guard, lanes) = (lowering.output(), lowering.guard(), lowering.target().lanes());
        let quads = lowering.output_ty().shape.numel().div_ceil(4);
        let dispatch = lowering.dispatch(&SGD).define("WG", lanes).define("NESTEROV", self.0.nesterov);
        let dispatch = dispatch.bind("w", w).bind("v", v);
        let dispatch = dispatch.bind("gradient", gradient).bind("lr", lr).bind("guard", guard);
        let dispatch = dispatch.param("quads", quads).param("momentum", self.0.momentum);
        dispatch.param("decay", self.0.weight_decay).elementwise("quads", &["w", "v", "gradient"]).threads(quads)
    }

    fn cost(&self, inputs: &[&TensorType], _: &TensorType) -> Cost {
        Cost { flops: 6 * inputs[0].shape.numel() as u64, bytes: 5 * inputs[0].bytes() }
    }

    fn mutates(&self) -> &'static [usize] {
        &[0, 1]
    }
}

impl Optimizer for Sgd {
    #[track_caller]
    fn update<'r>(&self, name: &str, parameter: Var<'r>, gradient: Var<'r>, lr: Var<'r>) -> Result<()> {
        let r = parameter.recorder();
        let v = r.buffer(&format!("{name}.velocity"), parameter.ty(), Init::Constant(0.0));
        r.apply(SgdStep(*self), &[parameter, v, gradient, lr])?;
        Ok(())
    }
}

/// Operands: w, v, gradient, lr.
#[derive(Debug, Clone, Copy)]
struct RmsPropStep(RmsProp);

impl Operator for RmsPropStep {
    fn name(&self) -> &'static str {
        "rmsprop"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        expect_share("rho", self.0.rho)?;
        expect_eps_and_decay(self.0.eps, self.0.weight_decay)?;
        same_types(inputs, &[1, 2], &[(3, "learning rate", 1)])
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; 4])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [v, gradient, lr] = [1, 2, 3].map(|i| lowering.input(i).buffer);
        let (w, guard, lanes) = (lowering.output(), lowering.guard(), lowering.target().lanes());
        let quads = lowering.output_ty().shape.numel().div_ceil(4);
        let dispatch = lowering.dispatch(&RMSPROP).define("WG", lanes).bind("w", w).bind("v", v);
        let dispatch = dispatch.bind("gradient", gradient).bind("lr", lr).bind("guard", guard);
        let dispatch = dispatch.param("quads", quads).param("rho", self.0.rho).param("eps", self.0.eps);
        dispatch.param("decay", self.0.weight_decay).elementwise("quads", &["w", "v", "gradient"]).threads(quads)
    }

    fn cost(&self, inputs: &[&TensorType], _: &TensorType) -> Cost {
        Cost { flops: 9 * inputs[0].shape.numel() as u64, bytes: 5 * inputs[0].bytes() }
    }

    fn mutates(&self) -> &'static [usize] {
        &[0, 1]
    }
}

impl Optimizer for RmsProp {
    #[track_caller]
    fn update<'r>(&self, name: &str, parameter: Var<'r>, gradient: Var<'r>, lr: Var<'r>) -> Result<()> {
        let r = parameter.recorder();
        let v = r.buffer(&format!("{name}.mean_square"), parameter.ty(), Init::Constant(0.0));
        r.apply(RmsPropStep(*self), &[parameter, v, gradient, lr])?;
        Ok(())
    }
}

/// Operands: w, m, v, gradient, lr, power.
#[derive(Debug, Clone, Copy)]
struct AdamStep(Adam);

impl Operator for AdamStep {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        expect_share("beta1", self.0.beta1)?;
        expect_share("beta2", self.0.beta2)?;
        expect_eps_and_decay(self.0.eps, self.0.weight_decay)?;
        same_types(inputs, &[1, 2, 3], &[(4, "learning rate", 1), (5, "power", 2)])
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; 6])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let [m, v, gradient, lr, power] = [1, 2, 3, 4, 5].map(|i| lowering.input(i).buffer);
        let (w, guard, lanes) = (lowering.output(), lowering.guard(), lowering.target().lanes());
        let quads = lowering.output_ty().shape.numel().div_ceil(4);
        let dispatch = lowering.dispatch(&ADAM).define("WG", lanes).bind("w", w).bind("m", m).bind("v", v);
        let dispatch = dispatch.bind("gradient", gradient).bind("lr", lr).bind("power", power).bind("guard", guard);
        let dispatch = dispatch.param("quads", quads).param("beta1", self.0.beta1).param("beta2", self.0.beta2);
        let dispatch = dispatch.param("eps", self.0.eps).param("decay", self.0.weight_decay);
        dispatch.elementwise("quads", &["w", "m", "v", "gradient"]).threads(quads)
    }

    fn cost(&self, inputs: &[&TensorType], _: &TensorType) -> Cost {
        Cost { flops: 15 * inputs[0].shape.numel() as u64, bytes: 7 * inputs[0].bytes() }
    }

    fn mutates(&self) -> &'static [usize] {
        &[0, 1, 2]
    }
}

impl Adam {
    /// β₁ᵗ⁻¹ and β₂ᵗ⁻¹ before step t, shared by all parameters.
    fn power<'r>(&self, r: &'r Recorder) -> Var<'r> {
        let ones = TensorData::f32([2], &[1.0, 1.0]).expect("two values");
        r.buffer("adam.power", TensorType::f32([2]), Init::Data(ones))
    }
}

impl Optimizer for Adam {
    #[track_caller]
    fn update<'r>(&self, name: &str, parameter: Var<'r>, gradient: Var<'r>, lr: Var<'r>) -> Result<()> {
        let r = parameter.recorder();
        let m = r.buffer(&format!("{name}.mean"), parameter.ty(), Init::Constant(0.0));
        let v = r.buffer(&format!("{name}.mean_square"), parameter.ty(), Init::Constant(0.0));
        r.apply(AdamStep(*self), &[parameter, m, v, gradient, lr, self.power(r)])?;
        Ok(())
    }

    #[track_caller]
    fn finish(&self, recorder: &Recorder) -> Result<()> {
        let power = self.power(recorder);
        let betas = recorder.constant([2], &[self.beta1, self.beta2])?;
        power.assign(power.mul(betas)?)?;
        Ok(())
    }
}

impl Recorder {
    /// Records a step of `optimizer` on every parameter that has a gradient, with the learning rate `lr` (one element:
    /// a constant, or an input that follows a schedule). No state changes in a run whose loss is not finite.
    #[track_caller]
    pub fn step<'r>(&'r self, optimizer: &impl Optimizer, gradients: &Gradients<'r>, lr: Var<'r>) -> Result<()> {
        self.guard_updates(gradients.loss());
        for (name, parameter) in self.parameters() {
            if let Some(gradient) = gradients.of(parameter) {
                optimizer.update(&name, parameter, gradient, lr)?;
            }
        }
        optimizer.finish(self)
    }
}
