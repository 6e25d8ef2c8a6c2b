//! A case: an operator with its operands and attributes, how to record it, and what it should give.

use knuckle::rng::Rng;
use knuckle::{DType, Mode, Recorder, Result, Var};

use crate::reference::Tensor;

/// How an operand's elements are drawn.
#[derive(Debug, Clone, Copy)]
pub enum Fill {
    /// Normal, mean 0, variance 1.
    Normal,
    /// Uniform in a range.
    Uniform(f32, f32),
    /// Either sign, magnitude 0.1 to 2: away from a kink at 0.
    NonZero,
    /// A whole number from 0 to below this: with many equal ones.
    Whole(u32),
    /// Between points of the regular grid first, first + step, …, in one of so many cells, off the middle between two points too:
    /// away from where interpolation and binning have kinks.
    OffGrid {
        /// The first point.
        first: f32,
        /// From one point to the next.
        step: f32,
        /// How many steps.
        cells: u32,
    },
    /// Eighths in random order, no two equal: far enough apart that a small step changes no order.
    Distinct,
}

/// An operand of a case.
#[derive(Debug, Clone)]
pub struct Operand {
    /// Extents.
    pub dims: Vec<usize>,
    /// Elements.
    pub fill: Fill,
    /// The name of the parameter it is; without one it is an input. A layer that asks for this name gets the operand.
    pub parameter: Option<String>,
}

impl Operand {
    /// Normally distributed elements.
    pub fn normal(dims: impl Into<Vec<usize>>) -> Operand {
        Self::filled(dims, Fill::Normal)
    }

    /// Elements drawn as `fill` says.
    pub fn filled(dims: impl Into<Vec<usize>>, fill: Fill) -> Operand {
        Operand { dims: dims.into(), fill, parameter: None }
    }

    /// The operand as a parameter.
    pub fn named(self, parameter: impl Into<String>) -> Operand {
        Operand { parameter: Some(parameter.into()), ..self }
    }

    /// The elements: the same for the same seed and position.
    pub fn values(&self, seed: u64, position: u64) -> Vec<f32> {
        let mut rng = Rng::new(seed, position);
        let count: usize = self.dims.iter().product();
        if let Fill::Distinct = self.fill {
            let mut values: Vec<f32> = (0..count).map(|i| (i as f32 - count as f32 / 2.0) / 8.0).collect();
            (1..count).rev().for_each(|i| values.swap(i, rng.below(i + 1)));
            return values;
        }
        let draw = |_| match self.fill {
            Fill::Distinct => 0.0,
            Fill::Normal => rng.normal(),
            Fill::Uniform(low, high) => rng.range(low, high),
            Fill::Whole(n) => rng.below(n as usize) as f32,
            Fill::OffGrid { first, step, cells } => {
                let part = rng.range(0.1, 0.4) + if rng.chance(0.5) { 0.5 } else { 0.0 };
                first + step * (rng.below(cells as usize) as f32 + part)
            }
            Fill::NonZero => rng.range(0.1, 2.0) * if rng.chance(0.5) { 1.0 } else { -1.0 },
        };
        (0..count).map(draw).collect()
    }
}

/// Records the operator.
pub type Build = Box<dyn for<'r> Fn(&'r Recorder, &[Var<'r>]) -> Result<Var<'r>> + Send + Sync>;
/// Computes the operator in f64.
pub type Reference = Box<dyn Fn(&[Tensor]) -> Tensor + Send + Sync>;

/// One row of the case table.
pub struct Case {
    /// The operator: a row of the [budget table](crate::budget).
    pub op: &'static str,
    /// Attributes, for messages.
    pub attributes: String,
    /// Operands.
    pub operands: Vec<Operand>,
    /// How to record it.
    pub build: Build,
    /// What it should give.
    pub reference: Reference,
    /// Whether it has gradients for all operands.
    pub differentiable: bool,
    /// Whether layers train or infer.
    pub mode: Mode,
    /// How operands and result are stored.
    pub dtype: DType,
    /// Whether to run it as every variant for the other class of adapter too, not only as the expected one.
    pub every_variant: bool,
}

impl Case {
    /// A differentiable case.
    pub fn new(
        op: &'static str,
        attributes: impl ToString,
        operands: impl Into<Vec<Operand>>,
        build: impl for<'r> Fn(&'r Recorder, &[Var<'r>]) -> Result<Var<'r>> + Send + Sync + 'static,
        reference: impl Fn(&[Tensor]) -> Tensor + Send + Sync + 'static,
    ) -> Case {
        Case {
            op,
            attributes: attributes.to_string(),
            operands: operands.into(),
            build: Box::new(build),
            reference: Box::new(reference),
            differentiable: true,
            mode: Mode::Infer,
            dtype: DType::F32,
            every_variant: false,
        }
    }

    /// The case without a gradient check.
    pub fn forward_only(self) -> Case {
        Case { differentiable: false, ..self }
    }

    /// The case with layers that train.
    pub fn training(self) -> Case {
        Case { mode: Mode::Train, ..self }
    }

    /// The case with operands and result stored as f16.
    pub fn half(self) -> Case {
        Case { dtype: DType::F16, ..self }
    }

    /// The case run as every variant of both classes of adapter: that takes a software adapter long, whose compiler labours over
    /// kernels for GPUs, so a few cases that between them meet all variants do it.
    pub fn as_every_variant(self) -> Case {
        Case { every_variant: true, ..self }
    }

    /// The operator, its attributes and the operands' shapes.
    pub fn name(&self) -> String {
        let shapes: Vec<String> = self.operands.iter().map(|o| format!("{:?}", o.dims)).collect();
        let stored = if self.dtype == DType::F16 { "f16 " } else { "" };
        format!("{}({}) {stored}{}", self.op, self.attributes, shapes.join(" "))
    }
}
