//! Functions of two variables, applied element by element with broadcasting.

use super::chain::{Chain, Function, Pointwise, Walk, walk};
use super::{Cost, Ending, Operator, Storage, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::{Shape, TensorType};

const BINARY: Shader =
    shader!("pointwise/binary.wgsl", with "common/index.wgsl", with "pointwise/binary_functions.wgsl");
const BROADCAST: Shader =
    shader!("pointwise/binary_broadcast.wgsl", with "common/index.wgsl", with "pointwise/binary_functions.wgsl");

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
    /// `aᵇ` of a positive a.
    Power,
    /// `a` where positive, else `b·a` (He et al. 2015, "Delving Deep into Rectifiers", eq. 1).
    Prelu,
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
            Binary::Power => ("power_of", 8),
            Binary::Prelu => ("prelu", 9),
        }
    }
}

/// The codes of `binary_functions.wgsl` that are not a [`Binary`] of their own.
const LEFT: u32 = 6;
const SHARE: u32 = 7;
const SLOPE: u32 = 10;
const RATIO: u32 = 17;

/// The most axes a broadcast may have once those that belong together are one.
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

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        infer_broadcast(inputs)
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (a, b, gy) = (call.inputs[0], call.inputs[1], call.cotangent);
        let share = |first: Var<'r>, second: Var<'r>| {
            gy.mul(a.recorder().apply(Factor::Share, &[first.detach()?, second.detach()?])?)
        };
        let ga = call.grad(0, || {
            match self {
                Binary::Add | Binary::Sub => Ok(gy),
                Binary::Mul => gy.mul(b),
                Binary::Div => gy.div(b),
                Binary::Max => share(a, b),
                Binary::Min => share(b, a),
                Binary::Power => gy.mul(b.mul(a.power_of(b.offset(-1.0)?)?)?),
                Binary::Prelu => gy.mul(a.recorder().apply(Factor::Slope, &[a.detach()?, b])?),
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
                Binary::Power => gy.mul(call.output.mul(a.log()?)?),
                Binary::Prelu => gy.mul(a.clamp(f32::MIN, 0.0)?),
            }?
            .sum_to(b.shape())
        })?;
        Ok(vec![ga, gb])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        lower_binary(lowering, self.code().1)
    }

    fn ending(&self) -> Option<Ending> {
        (*self == Binary::Add).then_some(Ending::Addend)
    }

    fn pointwise(&self, inputs: &[&TensorType], output: &TensorType) -> Option<Pointwise> {
        pointwise(self.code().1, inputs, output)
    }
}

fn infer_broadcast(inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
    let [a, b] = operands(inputs)?;
    expect_f32("a", a)?;
    expect_f32("b", b)?;
    let shape = broadcast_shape(&a.shape, &b.shape);
    let shape = shape.ok_or_else(|| Mismatch::new("b", format!("a shape that broadcasts with {a}"), b))?;
    if !few_axes(&shape, &a.shape, &b.shape) {
        return Err(Mismatch::new("a", format!("at most {MAX_AXES} axes"), shape));
    }
    Ok(TensorType::f32(shape))
}

/// A function of two operands that broadcast, for passes.
fn pointwise(code: u32, inputs: &[&TensorType], output: &TensorType) -> Option<Pointwise> {
    let argument = |i: usize| Some((i, walk(&output.shape, &inputs[i].shape)?));
    Some(Pointwise { function: Function::Binary { code }, arguments: vec![argument(0)?, argument(1)?] })
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
    let walks: Option<Vec<Walk>> =
        (0..lowering.input_count()).map(|i| walk(&shape, &lowering.input_ty(i).shape)).collect();
    if let Some(walks) = walks.filter(|walks| walks.iter().all(Walk::is_in_vectors)) {
        return Chain::of_two(op, walks).lower(lowering);
    }
    let axes = collapse(&shape, &a.ty.shape, &b.ty.shape);
    lower_strided(lowering, op, &axes)
}

/// Emits `op` on the last operands, walked through along `axes`, at most [`MAX_AXES`] of them.
fn lower_strided(lowering: &mut Lowering<'_>, op: u32, axes: &[Axis]) -> Result<()> {
    let (a, b) = (lowering.input(0), lowering.input(1.min(lowering.input_count() - 1)));
    let (y, lanes) = (lowering.output(), lowering.target().lanes());
    let total = lowering.output_ty().shape.numel();
    // Four neighbours a thread where a row is whole quads; of a single row the last thread may have fewer.
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
    let threads = total.div_ceil(by);
    dispatch = dispatch.param("threads", threads).param("total", total);
    dispatch.bind("a", a.buffer).bind("b", b.buffer).bind("y", y).threads(threads)
}

/// An axis of a broadcast: its extent, and how far apart its neighbours are in each operand (0 where it repeats).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    pub(super) extent: usize,
    pub(super) a: usize,
    b: usize,
}

/// The axes of a broadcast, innermost first, with neighbours that both operands walk through as one merged; at least one.
pub(super) fn collapse(shape: &Shape, a: &Shape, b: &Shape) -> Vec<Axis> {
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

/// Whether a broadcast has at most [`MAX_AXES`] axes.
fn few_axes(shape: &Shape, a: &Shape, b: &Shape) -> bool {
    shape.rank() <= MAX_AXES || (shape.is_countable() && collapse(shape, a, b).len() <= MAX_AXES)
}

/// What a gradient is multiplied by.
#[derive(Debug, Clone, Copy)]
enum Factor {
    /// 1 where a > b, ½ where equal, else 0.
    Share,
    /// 1 where a > 0, else b.
    Slope,
    /// `a / b`, 0 where b is 0.
    Ratio,
}

impl Factor {
    fn code(self) -> u32 {
        match self {
            Factor::Share => SHARE,
            Factor::Slope => SLOPE,
            Factor::Ratio => RATIO,
        }
    }
}

impl Operator for Factor {
    fn name(&self) -> &'static str {
        match self {
            Factor::Share => "share",
            Factor::Slope => "slope",
            Factor::Ratio => "ratio",
        }
    }

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        infer_broadcast(inputs)
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (a, b, cotangent) = (call.inputs[0], call.inputs[1], call.cotangent);
        match self {
            // Their jumps have no derivative: the operands are recorded detached.
            Factor::Share => Ok(vec![None, None]),
            Factor::Slope => {
                let gb = || {
                    let negative = a.compare(Comparison::LessEqual, a.recorder().scalar(0.0))?;
                    cotangent.mul(negative)?.sum_to(b.shape())
                };
                Ok(vec![None, call.grad(1, gb)?])
            }
            Factor::Ratio => {
                let ga = call.grad(0, || cotangent.ratio(b)?.sum_to(a.shape()))?;
                let gb = call.grad(1, || cotangent.mul(call.output)?.ratio(b)?.scale(-1.0)?.sum_to(b.shape()))?;
                Ok(vec![ga, gb])
            }
        }
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        lower_binary(lowering, self.code())
    }

    fn pointwise(&self, inputs: &[&TensorType], output: &TensorType) -> Option<Pointwise> {
        pointwise(self.code(), inputs, output)
    }
}

/// A comparison of two tensors, element by element with broadcasting: 1 where it holds, else 0. Has no gradient. A NaN is
/// unequal to everything, and neither less nor greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `a = b`
    Equal,
    /// `a ≠ b`
    NotEqual,
    /// `a < b`
    Less,
    /// `a ≤ b`
    LessEqual,
    /// `a > b`
    Greater,
    /// `a ≥ b`
    GreaterEqual,
}

impl Comparison {
    fn code(self) -> (&'static str, u32) {
        match self {
            Comparison::Equal => ("equal", 11),
            Comparison::NotEqual => ("not_equal", 12),
            Comparison::Less => ("less", 13),
            Comparison::LessEqual => ("less_equal", 14),
            Comparison::Greater => ("greater", 15),
            Comparison::GreaterEqual => ("greater_equal", 16),
        }
    }
}

impl Operator for Comparison {
    fn name(&self) -> &'static str {
        self.code().0
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        infer_broadcast(inputs)
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None, None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        lower_binary(lowering, self.code().1)
    }

    fn pointwise(&self, inputs: &[&TensorType], output: &TensorType) -> Option<Pointwise> {
        pointwise(self.code().1, inputs, output)
    }
}

/// Repeats axes of extent 1 (or missing in front) to a given shape.
#[derive(Debug, Clone)]
struct Broadcast(Shape);

impl Operator for Broadcast {
    fn name(&self) -> &'static str {
        "broadcast"
    }

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        expect_f32("x", x)?;
        match broadcast_shape(&x.shape, &self.0) {
            Some(shape) if shape == self.0 && few_axes(&shape, &x.shape, &x.shape) => Ok(TensorType::f32(shape)),
            _ => Err(Mismatch::new("x", format!("a shape that repeats to {}", self.0), x)),
        }
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![call.grad(0, || call.cotangent.sum_to(call.inputs[0].shape()))?])
    }

    fn aliases(&self, inputs: &[&TensorType]) -> Option<usize> {
        (inputs[0].shape.numel() == self.0.numel()).then_some(0)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        lower_binary(lowering, LEFT)
    }

    fn pointwise(&self, inputs: &[&TensorType], output: &TensorType) -> Option<Pointwise> {
        let walk = walk(&output.shape, &inputs[0].shape)?;
        Some(Pointwise { function: Function::Same, arguments: vec![(0, walk)] })
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 0, bytes: inputs[0].bytes() + output.bytes() }
    }
}

/// Axes in another order: axis i of the result is axis `order[i]` of the operand.
#[derive(Debug, Clone)]
struct Permute {
    order: Vec<usize>,
}

impl Operator for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        expect_f32("x", x)?;
        let mut sorted = self.order.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..x.shape.rank()) || sorted.len() > MAX_AXES {
            let expected = format!("each of the axes below {} once, at most {MAX_AXES}", x.shape.rank());
            return Err(Mismatch::new("order", expected, format!("{:?}", self.order)));
        }
        Ok(TensorType::f32(self.order.iter().map(|&axis| x.shape.dims()[axis]).collect::<Vec<_>>()))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let mut inverse = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(i, &axis)| inverse[axis] = i);
        Ok(vec![call.grad(0, || call.cotangent.permute(&inverse))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let dims = lowering.input_ty(0).shape.dims().to_vec();
        let stride = |axis: usize| dims[axis + 1..].iter().product::<usize>();
        let mut axes: Vec<Axis> = Vec::new();
        for &axis in self.order.iter().rev().filter(|&&axis| dims[axis] != 1) {
            let next = Axis { extent: dims[axis], a: stride(axis), b: stride(axis) };
            match axes.last_mut() {
                Some(inner) if next.a == inner.a * inner.extent => inner.extent *= next.extent,
                _ => axes.push(next),
            }
        }
        if axes.is_empty() {
            axes.push(Axis { extent: 1, a: 0, b: 0 });
        }
        lower_strided(lowering, LEFT, &axes)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost { flops: 0, bytes: inputs[0].bytes() + output.bytes() }
    }
}

impl<'r> Var<'r> {
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

    /// `aᵇ` of a positive a, broadcasting.
    #[track_caller]
    pub fn power_of(self, exponent: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Binary::Power, &[self, exponent])
    }

    /// `x` where positive, else `slope·x`, broadcasting: a slope for each channel, say.
    #[track_caller]
    pub fn prelu(self, slope: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Binary::Prelu, &[self, slope])
    }

    /// `a / b`, 0 where b is 0, broadcasting; a factor of gradients.
    #[track_caller]
    pub(super) fn ratio(self, other: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(Factor::Ratio, &[self, other])
    }

    /// 1 where the comparison holds, else 0, broadcasting.
    #[track_caller]
    pub fn compare(self, comparison: Comparison, other: Var<'r>) -> Result<Var<'r>> {
        self.recorder().apply(comparison, &[self, other])
    }

    /// The axes in another order: axis i of the result is axis `order[i]` of this.
    #[track_caller]
    pub fn permute(self, order: &[usize]) -> Result<Var<'r>> {
        self.recorder().apply(Permute { order: order.to_vec() }, &[self])
    }

    /// Repeats axes of extent 1 to `shape`.
    #[track_caller]
    pub fn broadcast(self, shape: impl Into<Shape>) -> Result<Var<'r>> {
        let shape = shape.into();
        if self.shape() == shape { Ok(self) } else { self.recorder().apply(Broadcast(shape), &[self]) }
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
