//! Functions of elements, described so that several operators in a row become one dispatch.

use std::sync::Arc;

use super::{Cost, Operator, VjpCall};
use crate::error::{Mismatch, Result};
use crate::exec::{BufferRef, Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::{Shape, TensorType};

const CHAIN: Shader = shader!(
    "pointwise/chain.wgsl",
    with "common/index.wgsl",
    with "pointwise/unary_functions.wgsl",
    with "pointwise/binary_functions.wgsl"
);

/// The most operands a chain reads, and the most steps it takes.
pub(crate) const MAX_OPERANDS: usize = 6;
pub(crate) const MAX_STEPS: usize = 8;

/// The walk that loads every element by itself, as the kernel names it.
const EACH: u32 = 5;

/// What an operator does to each element of its result, if that depends on one element of each operand alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Pointwise {
    pub(super) function: Function,
    /// Its arguments in order: an operand, and where that has the element.
    pub(crate) arguments: Vec<(usize, Walk)>,
}

/// A function of a few numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Function {
    /// A function of one variable by its number in `unary_functions.wgsl`, with its attributes.
    Unary { code: u32, a: f32, b: f32 },
    /// The third argument times the derivative of such a function at the first, where it gave the second.
    Gradient { code: u32, a: f32 },
    /// A function of two variables by its number in `binary_functions.wgsl`.
    Binary { code: u32 },
    /// The second argument where the first is not 0, else the third.
    Choice,
    /// The argument.
    Same,
}

/// Where an operand has the element that an element of a result is made from: along axes of the result, innermost first,
/// how far apart neighbours are in the operand (0 where it repeats).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk(Vec<Stretch>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) extent: usize,
    pub(super) stride: usize,
}

impl Walk {
    /// Every element of the result has its own.
    pub(super) fn whole(numel: usize) -> Walk {
        Walk(vec![Stretch { extent: numel, stride: 1 }])
    }

    /// One element for all.
    fn one(numel: usize) -> Walk {
        Walk(vec![Stretch { extent: numel, stride: 0 }])
    }

    /// Along the given axes, at least one; `None` if they are more than the kernel walks along.
    pub(super) fn along(axes: Vec<Stretch>) -> Option<Walk> {
        (axes.len() <= 3).then_some(Walk(axes))
    }

    /// Whether every element has its own.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(*self.0, [Stretch { stride: 1, .. }]) || self.0.iter().all(|axis| axis.extent == 1)
    }

    /// Whether four neighbours are found with one load.
    pub(super) fn is_in_vectors(&self) -> bool {
        self.kind() != EACH
    }

    /// The kind of walk as the kernel names it.
    fn kind(&self) -> u32 {
        let quads = |n: usize| n.is_multiple_of(4);
        match *self.0 {
            _ if self.is_whole() => 1,
            [Stretch { stride: 0, .. }] => 2,
            [Stretch { extent, stride: 1 }, ref outer @ ..]
                if quads(extent) && outer.iter().all(|axis| quads(axis.stride)) =>
            {
                3
            }
            [Stretch { extent, stride: 0 }, ..] if quads(extent) => 4,
            _ => EACH,
        }
    }
}

impl Pointwise {
    /// A function of whole operands: of those given, of a result of `numel` elements.
    pub(super) fn of_whole(function: Function, operands: &[usize], numel: usize) -> Pointwise {
        Pointwise { function, arguments: operands.iter().map(|&i| (i, Walk::whole(numel))).collect() }
    }
}

/// An argument of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Argument {
    /// What an operand has for the element.
    Operand(usize),
    /// What an earlier step made.
    Step(usize),
}

/// Several functions of elements in one dispatch, the last making the result.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chain {
    walks: Vec<Walk>,
    steps: Vec<(Function, Vec<Argument>)>,
}

impl Chain {
    /// One function of two variables by its number in `binary_functions.wgsl`, of one or two operands.
    pub(super) fn of_two(code: u32, walks: Vec<Walk>) -> Chain {
        let arguments = vec![Argument::Operand(0), Argument::Operand(walks.len() - 1)];
        Chain { walks, steps: vec![(Function::Binary { code }, arguments)] }
    }

    /// One more operand.
    pub(crate) fn operand(&mut self, walk: Walk) -> Argument {
        self.walks.push(walk);
        Argument::Operand(self.walks.len() - 1)
    }

    /// One more step.
    pub(crate) fn step(&mut self, pointwise: &Pointwise, arguments: Vec<Argument>) -> Argument {
        self.steps.push((pointwise.function, arguments));
        Argument::Step(self.steps.len() - 1)
    }

    /// The steps of another chain, whose operands are here what `operands` says. Its result has as many elements as this
    /// one's, or one.
    pub(crate) fn inlined(&mut self, other: &Chain, operands: &[Argument]) -> Argument {
        let base = self.steps.len();
        for (function, arguments) in &other.steps {
            let moved = arguments.iter().map(|argument| match *argument {
                Argument::Operand(i) => operands[i],
                Argument::Step(i) => Argument::Step(base + i),
            });
            self.steps.push((*function, moved.collect()));
        }
        Argument::Step(self.steps.len() - 1)
    }

    /// How each operand is walked through to make a result of `numel` elements, of which this chain's is all or the one.
    pub(crate) fn walks(&self, numel: usize, whole: bool) -> Vec<Walk> {
        self.walks.iter().map(|walk| if whole { walk.clone() } else { Walk::one(numel) }).collect()
    }

    /// How many steps it takes.
    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// How many operands it reads.
    pub(crate) fn operands(&self) -> usize {
        self.walks.len()
    }

    /// What computes it.
    pub(crate) fn operator(self) -> Arc<dyn Operator> {
        Arc::new(Chained(self))
    }

    /// Emits its dispatch.
    pub(super) fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let Chain { walks, steps } = self;
        let operands: Vec<BufferRef> = (0..walks.len()).map(|i| lowering.input(i).buffer).collect();
        let (y, lanes, total) = (lowering.output(), lowering.target().lanes(), lowering.output_ty().shape.numel());
        let quads = total.div_ceil(4);
        let mut dispatch = lowering.dispatch(&CHAIN).define("WG", lanes).bind("y", y);
        for i in 0..MAX_OPERANDS {
            let walk = walks.get(i);
            dispatch = dispatch.define(WALK[i], walk.map_or(0, Walk::kind));
            dispatch = dispatch.bind(OPERAND[i], operands.get(i).copied().unwrap_or(BufferRef::Unused));
            let axis =
                |n: usize| walk.and_then(|walk| walk.0.get(n)).copied().unwrap_or(Stretch { extent: 1, stride: 0 });
            let [inner, middle, outer] = [0, 1, 2].map(axis);
            dispatch = dispatch.param(INNER[i], inner.extent).param(MIDDLE[i], middle.extent);
            dispatch = dispatch.param(INNER_STRIDE[i], inner.stride).param(MIDDLE_STRIDE[i], middle.stride);
            dispatch = dispatch.param(OUTER_STRIDE[i], outer.stride);
        }
        for i in 0..MAX_STEPS {
            let (kind, code, a, b) = match steps.get(i).map(|(function, _)| *function) {
                None => (0, 0, 0.0, 0.0),
                Some(Function::Unary { code, a, b }) => (1, code, a, b),
                Some(Function::Gradient { code, a }) => (2, code, a, 0.0),
                Some(Function::Binary { code }) => (3, code, 0.0, 0.0),
                Some(Function::Choice) => (4, 0, 0.0, 0.0),
                Some(Function::Same) => (5, 0, 0.0, 0.0),
            };
            let argument = |n: usize| match steps.get(i).and_then(|(_, arguments)| arguments.get(n)) {
                Some(Argument::Step(step)) => MAX_OPERANDS + step,
                Some(Argument::Operand(operand)) => *operand,
                None => 0,
            };
            dispatch = dispatch.define(KIND[i], kind as u32).define(CODE[i], code);
            dispatch =
                dispatch.define(FIRST[i], argument(0)).define(SECOND[i], argument(1)).define(THIRD[i], argument(2));
            dispatch = dispatch.param(SLOPE_A[i], a).param(SLOPE_B[i], b);
        }
        dispatch.param("quads", quads).param("total", total).threads(quads)
    }
}

/// A chain as an operator.
#[derive(Debug)]
struct Chained(Chain);

/// The names of the prelude's constants and of the parameters, by operand or step.
macro_rules! numbered {
    ($($name:ident $prefix:literal [$($i:literal)*];)*) => {
        $(const $name: &[&str] = &[$(concat!($prefix, $i)),*];)*
    };
}
numbered! {
    WALK "WALK" [0 1 2 3 4 5];
    KIND "KIND" [0 1 2 3 4 5 6 7];
    CODE "CODE" [0 1 2 3 4 5 6 7];
    FIRST "A" [0 1 2 3 4 5 6 7];
    SECOND "B" [0 1 2 3 4 5 6 7];
    THIRD "C" [0 1 2 3 4 5 6 7];
    SLOPE_A "a" [0 1 2 3 4 5 6 7];
    SLOPE_B "b" [0 1 2 3 4 5 6 7];
    OPERAND "x" [0 1 2 3 4 5];
    INNER "n" [0 1 2 3 4 5];
    MIDDLE "m" [0 1 2 3 4 5];
    INNER_STRIDE "s" [0 1 2 3 4 5];
    MIDDLE_STRIDE "t" [0 1 2 3 4 5];
    OUTER_STRIDE "u" [0 1 2 3 4 5];
}

impl Operator for Chained {
    fn name(&self) -> &'static str {
        "chain"
    }

    /// Passes make chains of nodes that have a type already: such a one is like its longest operand.
    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let longest = inputs.iter().max_by_key(|ty| ty.shape.numel());
        longest.map(|ty| (*ty).clone()).ok_or_else(|| Mismatch::new("operands", "at least one", "none"))
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; call.inputs.len()])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        self.0.lower(lowering)
    }

    fn overwritable(&self, _: &[&TensorType], _: &TensorType) -> Vec<usize> {
        self.0.walks.iter().enumerate().filter(|(_, walk)| walk.is_whole()).map(|(i, _)| i).collect()
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost {
            flops: (self.0.steps.len() * output.shape.numel()) as u64,
            bytes: inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes(),
        }
    }
}

/// How an operand of shape `from` is walked through to make a result of shape `to`, to which it broadcasts.
pub(super) fn walk(to: &Shape, from: &Shape) -> Option<Walk> {
    if to.numel() == from.numel() {
        return Some(Walk::whole(to.numel()));
    }
    let axes = super::binary::collapse(to, from, from);
    Walk::along(axes.iter().map(|axis| Stretch { extent: axis.extent, stride: axis.a }).collect())
}
