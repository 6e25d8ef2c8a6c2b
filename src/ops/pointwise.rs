//! Functions applied element by element: of one tensor, and of two with broadcasting.

use super::{Cost, Operator, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::{Shape, TensorType};

const UNARY: Shader = shader!("pointwise/unary.wgsl", with "common/index.wgsl", with "pointwise/unary_functions.wgsl");
const UNARY_GRAD: Shader =
    shader!("pointwise/unary_grad.wgsl", with "common/index.wgsl", with "pointwise/unary_functions.wgsl");
const BINARY: Shader =
    shader!("pointwise/binary.wgsl", with "common/index.wgsl", with "pointwise/binary_functions.wgsl");
const BROADCAST: Shader =
    shader!("pointwise/binary_broadcast.wgsl", with "common/index.wgsl", with "pointwise/binary_functions.wgsl");

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
        }
    }
}

impl Operator for Unary {
    fn name(&self) -> &'static str {
        self.code().0
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        expect_f32("x", x)?;
        let (_, _, a, b) = self.code();
        if !(a.is_finite() && b.is_finite()) {
            return Err(Mismatch::new("attribute", "finite numbers", format!("{a}, {b}")));
        }
        if matches!(self, Unary::SmoothL1 { beta } if *beta <= 0.0) {
            return Err(Mismatch::new("beta", "a positive number", a));
        }
        Ok(x.clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, y, gy) = (call.inputs[0], call.output, call.cotangent);
        let grad = match *self {
            Unary::Affine { scale, .. } => call.grad(0, || gy.scale(scale))?,
            op => call.grad(0, || x.recorder().apply(UnaryGrad(op), &[x, y, gy]))?,
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
}

/// `gy · f'(x)` from x, y = f(x) and gy.
#[derive(Debug, Clone, Copy)]
struct UnaryGrad(Unary);

impl Operator for UnaryGrad {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, _, _] = operands(inputs)?;
        Ok(x.clone())
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None, None])
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
}

/// A function of two variables, applied element by element. An axis of extent 1, or one that is missing in front, is
/// repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// `a + b`
    Add,
    /// `a − b`
    Sub,
    /// `a · b`
    Mul,
    /// `a / b`
    Div,
    /// The larger; where equal, each gets half the gradient.
    Max,
    /// The smaller; where equal, each gets half the gradient.
    Min,
}

impl Binary {
    fn code(self) -> (&'static str, u32) {
        match self {
            Binary::Add => ("add", 0),
            Binary::Sub => ("sub", 1),
            Binary::Mul => ("mul", 2),
            Binary::Div => ("div", 3),
            Binary::Max => ("max", 4),
            Binary::Min => ("min", 5),
        }
    }
}

/// The codes of `binary_functions.wgsl` that are not a [`Binary`] of their own.
const LEFT: u32 = 6;
const GREATER: u32 = 7;

/// The most axes a broadcast may have.
const MAX_AXES: usize = 6;

/// The shape that two shapes broadcast to.
fn broadcast_shape(a: &Shape, b: &Shape) -> Option<Shape> {
    let rank = a.rank().max(b.rank());
    let dims = (0..rank).map(|axis| match (extent(a, rank, axis), extent(b, rank, axis)) {
        (m, n) if m == n => Some(m),
        (m, 1) => Some(m),
        (1, n) => Some(n),
        _ => None,
    });
    dims.collect::<Option<Vec<_>>>().map(Shape::from)
}

/// The extent of `axis` once ones are put in front to reach `rank`.
fn extent(shape: &Shape, rank: usize, axis: usize) -> usize {
    (axis + shape.rank()).checked_sub(rank).map_or(1, |i| shape.dims()[i])
}

impl Operator for Binary {
    fn name(&self) -> &'static str {
        self.code().0
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        infer_broadcast(inputs)
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (a, b, gy) = (call.inputs[0], call.inputs[1], call.cotangent);
        let share = |first: Var<'r>, second: Var<'r>| gy.mul(a.recorder().apply(Greater, &[first, second])?);
        let ga = call.grad(0, || {
            match self {
                Binary::Add | Binary::Sub => Ok(gy),
                Binary::Mul => gy.mul(b),
                Binary::Div => gy.div(b),
                Binary::Max => share(a, b),
                Binary::Min => share(b, a),
            }?
            .sum_to(a.shape())
        })?;
        let gb = call.grad(1, || {
            match self {
                Binary::Add => Ok(gy),
                Binary::Sub => gy.scale(-1.0),
                Binary::Mul => gy.mul(a),
                Binary::Div => gy.mul(call.output)?.div(b)?.scale(-1.0),
                Binary::Max => share(b, a),
                Binary::Min => share(a, b),
            }?
            .sum_to(b.shape())
        })?;
        Ok(vec![ga, gb])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        lower_binary(lowering, self.code().1)
    }

    fn is_sum(&self) -> bool {
        *self == Binary::Add
    }
}

fn infer_broadcast(inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
    let [a, b] = operands(inputs)?;
    expect_f32("a", a)?;
    expect_f32("b", b)?;
    let shape = broadcast_shape(&a.shape, &b.shape);
    let shape = shape.ok_or_else(|| Mismatch::new("b", format!("a shape that broadcasts with {a}"), b))?;
    if shape.rank() > MAX_AXES {
        return Err(Mismatch::new("a", format!("at most {MAX_AXES} axes"), shape));
    }
    Ok(TensorType::f32(shape))
}

fn lower_binary(lowering: &mut Lowering<'_>, op: u32) -> Result<()> {
    let (a, b) = (lowering.input(0), lowering.input(1.min(lowering.input_count() - 1)));
    let (y, lanes) = (lowering.output(), lowering.target().lanes());
    let shape = lowering.output_ty().shape.clone();
    if a.ty.shape.numel() == shape.numel() && b.ty.shape.numel() == shape.numel() {
        let quads = shape.numel().div_ceil(4);
        let dispatch = lowering.dispatch(&BINARY).define("WG", lanes).define("OP", op);
        return dispatch.bind("a", a.buffer).bind("b", b.buffer).bind("y", y).param("quads", quads).threads(quads);
    }
    let axes = collapse(&shape, &a.ty.shape, &b.ty.shape);
    // Four neighbours a thread where a row is whole quads; a single row may run on into the padding.
    let by = if axes.len() == 1 || axes[0].extent.is_multiple_of(4) { 4 } else { 1 };
    let mut dispatch = lowering.dispatch(&BROADCAST).define("WG", lanes).define("OP", op).define("BY", by as u32);
    dispatch = dispatch.define("AXES", axes.len()).define("A0", axes[0].a).define("B0", axes[0].b);
    for axis in 0..MAX_AXES {
        let Axis { extent, a, b } = axes.get(axis).copied().unwrap_or(Axis { extent: 1, a: 0, b: 0 });
        if axis + 1 < MAX_AXES {
            dispatch = dispatch.param(["n0", "n1", "n2", "n3", "n4"][axis], extent);
        }
        if axis > 0 {
            dispatch = dispatch.param(["a1", "a2", "a3", "a4", "a5"][axis - 1], a);
            dispatch = dispatch.param(["b1", "b2", "b3", "b4", "b5"][axis - 1], b);
        }
    }
    let threads = shape.numel().div_ceil(by);
    dispatch.param("threads", threads).bind("a", a.buffer).bind("b", b.buffer).bind("y", y).threads(threads)
}

/// An axis of a broadcast: its extent, and how far apart its neighbours are in each operand (0 where it repeats).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axis {
    extent: usize,
    a: usize,
    b: usize,
}

/// The axes of a broadcast, innermost first, with neighbours that both operands walk through as one merged; at least one.
fn collapse(shape: &Shape, a: &Shape, b: &Shape) -> Vec<Axis> {
    let rank = shape.rank();
    let (mut stride_a, mut stride_b) = (1, 1);
    let mut axes: Vec<Axis> = Vec::new();
    for axis in (0..rank).rev() {
        let [n, na, nb] = [shape, a, b].map(|s| extent(s, rank, axis));
        let next = Axis { extent: n, a: if na == 1 { 0 } else { stride_a }, b: if nb == 1 { 0 } else { stride_b } };
        stride_a *= na;
        stride_b *= nb;
        match axes.last_mut() {
            _ if n == 1 => {}
            Some(inner) if next.a == inner.a * inner.extent && next.b == inner.b * inner.extent => inner.extent *= n,
            _ => axes.push(next),
        }
    }
    if axes.is_empty() {
        axes.push(Axis { extent: 1, a: 0, b: 0 });
    }
    axes
}

/// 1 where a > b, ½ where equal, else 0.
#[derive(Debug, Clone, Copy)]
struct Greater;

impl Operator for Greater {
    fn name(&self) -> &'static str {
        "greater"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        infer_broadcast(inputs)
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        lower_binary(lowering, GREATER)
    }
}

/// Repeats axes of extent 1 (or missing in front) to a given shape.
#[derive(Debug, Clone)]
struct Broadcast(Shape);

impl Operator for Broadcast {
    fn name(&self) -> &'static str {
        "broadcast"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        expect_f32("x", x)?;
        match broadcast_shape(&x.shape, &self.0) {
            Some(shape) if shape == self.0 && shape.rank() <= MAX_AXES => Ok(TensorType::f32(shape)),
            _ => Err(Mismatch::new("x", format!("a shape that repeats to {}", self.0), x)),
        }
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![call.grad(0, || call.cotangent.sum_to(call.inputs[0].shape()))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        if lowering.input_ty(0).shape.numel() == self.0.numel() {
            lowering.alias(0);
            return Ok(());
        }
        lower_binary(lowering, LEFT)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 0, bytes: inputs[0].bytes() + output.bytes() }
    }
}

/// The same elements under another shape; costs nothing.
#[derive(Debug, Clone)]
struct Reshape(Shape);

impl Operator for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        if x.shape.numel() != self.0.numel() {
            return Err(Mismatch::new("x", format!("{} elements for {}", self.0.numel(), self.0), x));
        }
        Ok(TensorType { shape: self.0.clone(), dtype: x.dtype })
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![call.grad(0, || call.cotangent.reshape(call.inputs[0].shape()))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        lowering.alias(0);
        Ok(())
    }

    fn cost(&self, _: &[&TensorType], _: &TensorType) -> Cost {
        Cost::default()
    }
}

/// Overwrites named state with a value, at the end of the run.
#[derive(Debug, Clone, Copy)]
struct Assign;

const ASSIGN: Shader = shader!("pointwise/assign.wgsl", with "common/index.wgsl");

impl Operator for Assign {
    fn name(&self) -> &'static str {
        "assign"
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
        let (quads, lanes) = (lowering.output_ty().shape.numel().div_ceil(4), lowering.target().lanes());
        let dispatch = lowering.dispatch(&ASSIGN).define("WG", lanes);
        let dispatch = dispatch.bind("value", value).bind("guard", guard).bind("state", state);
        dispatch.param("quads", quads).threads(quads)
    }

    fn mutates(&self) -> &'static [usize] {
        &[0]
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
}

impl<'r> Var<'r> {
    /// This gradient where `y`, the result of a ReLU, is positive, else 0.
    #[track_caller]
    pub(crate) fn relu_mask(self, y: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(UnaryGrad(Unary::Relu), &[y, y, self])
    }

    /// Applies a function of one variable.
    #[track_caller]
    pub fn unary(self, op: Unary) -> Result<Var<'r>> {
        self.recorder().apply(op, &[self])
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

    /// `a + b`, broadcasting.
    #[track_caller]
    pub fn add(self, other: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Binary::Add, &[self, other])
    }

    /// `a − b`, broadcasting.
    #[track_caller]
    pub fn sub(self, other: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Binary::Sub, &[self, other])
    }

    /// `a · b`, broadcasting.
    #[track_caller]
    pub fn mul(self, other: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Binary::Mul, &[self, other])
    }

    /// `a / b`, broadcasting.
    #[track_caller]
    pub fn div(self, other: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Binary::Div, &[self, other])
    }

    /// The larger of each pair, broadcasting.
    #[track_caller]
    pub fn max(self, other: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Binary::Max, &[self, other])
    }

    /// The smaller of each pair, broadcasting.
    #[track_caller]
    pub fn min(self, other: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Binary::Min, &[self, other])
    }

    /// Repeats axes of extent 1 to `shape`.
    #[track_caller]
    pub fn broadcast(self, shape: impl Into<Shape>) -> Result<Var<'r>> {
        let shape = shape.into();
        if self.shape() == shape { Ok(self) } else { self.recorder().apply(Broadcast(shape), &[self]) }
    }

    /// The same elements under another shape.
    #[track_caller]
    pub fn reshape(self, shape: impl Into<Shape>) -> Result<Var<'r>> {
        let shape = shape.into();
        if self.shape() == shape { Ok(self) } else { self.recorder().apply(Reshape(shape), &[self]) }
    }

    /// Sums over the axes along which `shape` was repeated to reach this shape: the adjoint of [`Var::broadcast`].
    #[track_caller]
    pub fn sum_to(self, shape: Shape) -> Result<Var<'r>> {
        let own = self.shape();
        if own == shape {
            return Ok(self);
        }
        let rank = own.rank();
        let repeated = |&axis: &usize| extent(&shape, rank, axis) == 1 && own.dims()[axis] != 1;
        let axes: Vec<usize> = (0..rank).filter(repeated).collect();
        self.sum(&axes)?.reshape(shape)
    }

    /// Records that this named state becomes `value` at the end of every run.
    #[track_caller]
    pub fn assign(self, value: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Assign, &[self, value])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_that_are_walked_through_as_one_are_merged() {
        let axes = |y: &[usize], a: &[usize], b: &[usize]| {
            let axes = collapse(&y.into(), &a.into(), &b.into());
            axes.into_iter().map(|axis| [axis.extent, axis.a, axis.b]).collect::<Vec<_>>()
        };
        assert_eq!(axes(&[2, 3, 4], &[1], &[2, 3, 4]), [[24, 0, 1]]);
        assert_eq!(axes(&[2, 3, 4], &[4], &[2, 3, 4]), [[4, 1, 1], [6, 0, 4]]);
        assert_eq!(axes(&[2, 3, 4], &[2, 1, 1], &[2, 3, 4]), [[12, 0, 1], [2, 1, 12]]);
        assert_eq!(axes(&[2, 3, 4], &[2, 1, 4], &[3, 1]), [[4, 1, 0], [3, 0, 1], [2, 4, 0]]);
        assert_eq!(axes(&[5, 1, 1], &[5, 1, 1], &[1]), [[5, 1, 0]]);
        assert_eq!(axes(&[1, 1], &[1, 1], &[1]), [[1, 0, 0]]);
    }
}
