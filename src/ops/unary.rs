//! Functions of one variable, applied element by element.

use super::chain::{Function, Pointwise};
use super::{Comparison, Ending, Operator, Storage, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;

const UNARY: Shader = shader!("pointwise/unary.wgsl", with "common/index.wgsl", with "pointwise/unary_functions.wgsl");
const UNARY_GRAD: Shader =
    shader!("pointwise/unary_grad.wgsl", with "common/index.wgsl", with "pointwise/unary_functions.wgsl");

/// A function of one variable, applied to every element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unary {
    /// `a·x + b`
    Affine {
        /// The factor.
        scale: f32,
        /// The summand.
        offset: f32,
    },
    /// `max(x, 0)`
    Relu,
    /// `x` where positive, else `slope·x`
    LeakyRelu {
        /// The slope for negative x.
        slope: f32,
    },
    /// `1 / (1 + e⁻ˣ)`
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `eˣ`
    Exp,
    /// Natural logarithm.
    Log,
    /// Square root.
    Sqrt,
    /// Absolute value; its derivative at 0 is taken as 0.
    Abs,
    /// `x²`
    Square,
    /// `½x²/β` for |x| < β, else `|x| − ½β` (Girshick 2015, "Fast R-CNN", eq. 3, for β = 1).
    SmoothL1 {
        /// Where the parabola meets the lines; positive.
        beta: f32,
    },
    /// `½x²` for |x| < δ, else `δ(|x| − ½δ)` (Huber 1964, "Robust Estimation of a Location Parameter", eq. 3.6).
    Huber {
        /// Where the parabola meets the lines; positive.
        delta: f32,
    },
    /// `x` where positive, else `α(eˣ − 1)` (Clevert et al. 2016, "ELUs", eq. 15).
    Elu {
        /// Minus the value at −∞.
        alpha: f32,
    },
    /// `ln(1 + eˣ)`
    Softplus,
    /// `x·Φ(x)`, Φ the distribution function of the standard normal (Hendrycks and Gimpel 2016, "GELUs").
    Gelu,
    /// `x · min(max(x + 3, 0), 6) / 6` (Howard et al. 2019, "MobileNetV3", §5.2).
    HardSwish,
    /// `xᵖ` of a positive x.
    Power {
        /// p.
        exponent: f32,
    },
    /// The nearest number to x from `low` to `high`.
    Clamp {
        /// The least value.
        low: f32,
        /// The greatest value; not below `low`.
        high: f32,
    },
    /// `1 / x`
    Reciprocal,
    /// Sine, of radians.
    Sin,
    /// Cosine, of radians.
    Cos,
}

impl Unary {
    fn code(self) -> (&'static str, u32, f32, f32) {
        match self {
            Unary::Affine { scale, offset } => ("affine", 0, scale, offset),
            Unary::Relu => ("relu", 1, 0.0, 0.0),
            Unary::LeakyRelu { slope } => ("leaky_relu", 2, slope, 0.0),
            Unary::Sigmoid => ("sigmoid", 3, 0.0, 0.0),
            Unary::Tanh => ("tanh", 4, 0.0, 0.0),
            Unary::Exp => ("exp", 5, 0.0, 0.0),
            Unary::Log => ("log", 6, 0.0, 0.0),
            Unary::Sqrt => ("sqrt", 7, 0.0, 0.0),
            Unary::Abs => ("abs", 8, 0.0, 0.0),
            Unary::Square => ("square", 9, 0.0, 0.0),
            Unary::SmoothL1 { beta } => ("smooth_l1", 10, beta, 0.0),
            Unary::Huber { delta } => ("huber", 11, delta, 0.0),
            Unary::Elu { alpha } => ("elu", 12, alpha, 0.0),
            Unary::Softplus => ("softplus", 13, 0.0, 0.0),
            Unary::Gelu => ("gelu", 14, 0.0, 0.0),
            Unary::HardSwish => ("hard_swish", 15, 0.0, 0.0),
            Unary::Power { exponent } => ("power", 16, exponent, 0.0),
            Unary::Clamp { low, high } => ("clamp", 17, low, high),
            Unary::Reciprocal => ("reciprocal", 18, 0.0, 0.0),
            Unary::Sin => ("sin", 19, 0.0, 0.0),
            Unary::Cos => ("cos", 20, 0.0, 0.0),
        }
    }
}

/// What a derivative is a function of, as the gradient's kernel has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slope {
    /// The operand.
    OfX,
    /// The result.
    OfY,
    /// Neither, but for jumps: its own derivative is taken as 0.
    Piecewise,
}

impl Unary {
    fn slope(self) -> Slope {
        match self {
            Unary::Affine { .. } | Unary::Relu | Unary::LeakyRelu { .. } | Unary::Abs | Unary::Clamp { .. } => {
                Slope::Piecewise
            }
            Unary::Sigmoid | Unary::Tanh | Unary::Exp | Unary::Sqrt | Unary::Elu { .. } | Unary::Reciprocal => {
                Slope::OfY
            }
            _ => Slope::OfX,
        }
    }

    /// `product` times the derivative of the derivative, with respect to what [`Unary::slope`] says.
    fn times_curvature<'r>(self, product: Var<'r>, x: Var<'r>, y: Var<'r>) -> Result<Var<'r>> {
        let r = x.recorder();
        let within = |bound: f32| product.mul(x.abs()?.compare(Comparison::Less, r.scalar(bound))?);
        match self {
            Unary::Sigmoid => product.mul(y.unary(Unary::Affine { scale: -2.0, offset: 1.0 })?),
            Unary::Tanh => product.mul(y.scale(-2.0)?),
            Unary::Exp => Ok(product),
            Unary::Sqrt => product.div(y.square()?)?.scale(-0.5),
            Unary::Elu { .. } => product.mul(x.compare(Comparison::LessEqual, r.scalar(0.0))?),
            Unary::Reciprocal => product.mul(y.scale(-2.0)?),
            Unary::Log => product.div(x.square()?)?.scale(-1.0),
            Unary::Square => product.scale(2.0),
            Unary::SmoothL1 { beta } => within(beta)?.scale(1.0 / beta),
            Unary::Huber { delta } => within(delta),
            Unary::Softplus => product.mul(x.sigmoid()?.mul(x.scale(-1.0)?.sigmoid()?)?),
            // φ(x)·(2 − x²), φ the density of the standard normal.
            Unary::Gelu => {
                let square = x.square()?;
                let density = square.scale(-0.5)?.exp()?.scale(0.398_942_3)?;
                product.mul(density.mul(square.unary(Unary::Affine { scale: -1.0, offset: 2.0 })?)?)
            }
            Unary::HardSwish => within(3.0)?.scale(1.0 / 3.0),
            Unary::Power { exponent } => product.mul(x.power(exponent - 2.0)?.scale(exponent * (exponent - 1.0))?),
            Unary::Sin => product.mul(x.sin()?.scale(-1.0)?),
            Unary::Cos => product.mul(x.cos()?.scale(-1.0)?),
            Unary::Affine { .. } | Unary::Relu | Unary::LeakyRelu { .. } | Unary::Abs | Unary::Clamp { .. } => {
                product.scale(0.0)
            }
        }
    }
}

impl Operator for Unary {
    fn name(&self) -> &'static str {
        self.code().0
    }

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        expect_f32("x", x)?;
        let (_, _, a, b) = self.code();
        if !(a.is_finite() && b.is_finite()) {
            return Err(Mismatch::new("attribute", "finite numbers", format!("{a}, {b}")));
        }
        match *self {
            Unary::SmoothL1 { beta } if beta <= 0.0 => Err(Mismatch::new("beta", "a positive number", beta)),
            Unary::Huber { delta } if delta <= 0.0 => Err(Mismatch::new("delta", "a positive number", delta)),
            Unary::Clamp { low, high } if low > high => Err(Mismatch::new("high", format!("at least {low}"), high)),
            _ => Ok(x.clone()),
        }
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, y, gy) = (call.inputs[0], call.output, call.cotangent);
        let grad = match *self {
            Unary::Affine { scale, .. } => call.grad(0, || gy.scale(scale))?,
            // The operand need not be kept.
            Unary::Relu => call.grad(0, || gy.relu_mask(y))?,
            op => call.grad(0, || {
                let (x, y) = match op.slope() {
                    Slope::OfX => (x, y.detach()?),
                    Slope::OfY => (x.detach()?, y),
                    Slope::Piecewise => (x.detach()?, y.detach()?),
                };
                x.recorder().apply(UnaryGrad(op), &[x, y, gy])
            })?,
        };
        Ok(vec![grad])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (_, op, a, b) = self.code();
        let (x, y, lanes) = (lowering.input(0), lowering.output(), lowering.target().lanes());
        let quads = x.ty.shape.numel().div_ceil(4);
        let dispatch = lowering.dispatch(&UNARY).define("WG", lanes).define("OP", op);
        let dispatch = dispatch.bind("x", x.buffer).bind("y", y);
        dispatch.param("quads", quads).param("a", a).param("b", b).threads(quads)
    }

    fn ending(&self) -> Option<Ending> {
        (*self == Unary::Relu).then_some(Ending::Relu)
    }

    fn pointwise(&self, _: &[&TensorType], output: &TensorType) -> Option<Pointwise> {
        let (_, code, a, b) = self.code();
        Some(Pointwise::of_whole(Function::Unary { code, a, b }, &[0], output.shape.numel()))
    }
}

/// `gy · f'(x)` from x, y = f(x) and gy.
#[derive(Debug, Clone, Copy)]
struct UnaryGrad(Unary);

impl Operator for UnaryGrad {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, _, _] = operands(inputs)?;
        Ok(x.clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let ([x, y, gy], cotangent) = ([0, 1, 2].map(|i| call.inputs[i]), call.cotangent);
        let of_slope = |i: usize| call.grad(i, || self.0.times_curvature(cotangent.mul(gy)?, x, y));
        let (gx, ggy) = match self.0.slope() {
            Slope::OfX => (of_slope(0)?, None),
            Slope::OfY => (None, of_slope(1)?),
            Slope::Piecewise => (None, None),
        };
        Ok(vec![gx, ggy, call.grad(2, || x.recorder().apply(*self, &[x, y, cotangent]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (_, op, a, _) = self.0.code();
        let [x, y, gy] = [0, 1, 2].map(|i| lowering.input(i).buffer);
        let (gx, lanes) = (lowering.output(), lowering.target().lanes());
        let quads = lowering.output_ty().shape.numel().div_ceil(4);
        let dispatch = lowering.dispatch(&UNARY_GRAD).define("WG", lanes).define("OP", op);
        let dispatch = dispatch.bind("x", x).bind("y", y).bind("gy", gy).bind("gx", gx);
        dispatch.param("quads", quads).param("a", a).threads(quads)
    }

    fn pointwise(&self, _: &[&TensorType], output: &TensorType) -> Option<Pointwise> {
        let (_, code, a, _) = self.0.code();
        // An operand that does not count need not be kept for this.
        let operands = match self.0 {
            Unary::Affine { .. } => [2, 2, 2],
            Unary::Elu { .. } | Unary::Clamp { .. } => [0, 1, 2],
            op if op.slope() == Slope::OfY => [1, 1, 2],
            _ => [0, 0, 2],
        };
        Some(Pointwise::of_whole(Function::Gradient { code, a }, &operands, output.shape.numel()))
    }
}

macro_rules! unary_methods {
    ($($(#[$doc:meta])* $name:ident => $op:expr;)*) => {
        impl<'r> Var<'r> {
            $($(#[$doc])*
            #[track_caller]
            pub fn $name(self) -> Result<Var<'r>> {
                self.recorder().apply($op, &[self])
            })*
        }
    };
}

unary_methods! {
    /// `max(x, 0)`
    relu => Unary::Relu;
    /// `1 / (1 + e⁻ˣ)`
    sigmoid => Unary::Sigmoid;
    /// Hyperbolic tangent.
    tanh => Unary::Tanh;
    /// `eˣ`
    exp => Unary::Exp;
    /// Natural logarithm.
    log => Unary::Log;
    /// Square root.
    sqrt => Unary::Sqrt;
    /// Absolute value.
    abs => Unary::Abs;
    /// `x²`
    square => Unary::Square;
    /// `ln(1 + eˣ)`
    softplus => Unary::Softplus;
    /// `x·Φ(x)`, Φ the distribution function of the standard normal.
    gelu => Unary::Gelu;
    /// `x · min(max(x + 3, 0), 6) / 6`
    hard_swish => Unary::HardSwish;
    /// `1 / x`
    reciprocal => Unary::Reciprocal;
    /// Sine, of radians.
    sin => Unary::Sin;
    /// Cosine, of radians.
    cos => Unary::Cos;
}

impl<'r> Var<'r> {
    /// This gradient where `y`, the result of a ReLU, is positive, else 0.
    #[track_caller]
    pub(crate) fn relu_mask(self, y: Var<'r>) -> Result<Var<'r>> {
        let y = y.detach()?;
        self.recorder().apply(UnaryGrad(Unary::Relu), &[y, y, self])
    }

    /// Applies a function of one variable.
    #[track_caller]
    pub fn unary(self, op: Unary) -> Result<Var<'r>> {
        self.recorder().apply(op, &[self])
    }

    /// `x` where positive, else `slope·x`.
    #[track_caller]
    pub fn leaky_relu(self, slope: f32) -> Result<Var<'r>> {
        self.unary(Unary::LeakyRelu { slope })
    }

    /// `x` where positive, else `α(eˣ − 1)`.
    #[track_caller]
    pub fn elu(self, alpha: f32) -> Result<Var<'r>> {
        self.unary(Unary::Elu { alpha })
    }

    /// `xᵖ` of a positive x.
    #[track_caller]
    pub fn power(self, exponent: f32) -> Result<Var<'r>> {
        self.unary(Unary::Power { exponent })
    }

    /// The nearest number to x from `low` to `high`; the gradient passes where x is within.
    #[track_caller]
    pub fn clamp(self, low: f32, high: f32) -> Result<Var<'r>> {
        self.unary(Unary::Clamp { low, high })
    }

    /// `factor · x`
    #[track_caller]
    pub fn scale(self, factor: f32) -> Result<Var<'r>> {
        self.unary(Unary::Affine { scale: factor, offset: 0.0 })
    }

    /// `x + summand`
    #[track_caller]
    pub fn offset(self, summand: f32) -> Result<Var<'r>> {
        self.unary(Unary::Affine { scale: 1.0, offset: summand })
    }
}
