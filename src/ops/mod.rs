//! Operators: one a file, or a folder for a family. Each says what type it makes, how its gradient is recorded, which kernels it runs and what
//! it costs. Nothing here touches a device.

use std::fmt;
use std::sync::Arc;

use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Piece};
use crate::graph::Var;
use crate::shape::TensorType;

use extents::{image_extents, within_count};
pub(crate) use fill::fill;

mod assign;
mod average;
mod batch_norm;
mod binary;
mod blocks;
mod cast;
mod chain;
mod concat;
mod conv2d;
mod conv_grouped;
mod conv_lanes;
mod conv_transpose2d;
mod correlation;
mod cumulative;
mod detach;
mod extents;
mod extreme;
mod fill;
mod gather;
mod grid_sample;
mod group_norm;
mod harmonics;
mod heatmap;
mod histogram;
mod indexing;
mod irradiance;
mod kinematics;
mod matmul;
mod mesh;
mod nearest;
mod one_hot;
mod operand;
mod optimizer;
mod pad;
mod peaks;
mod pool;
mod product;
mod project;
mod random;
mod raster;
mod reduce;
mod reshape;
mod rig;
mod rotation;
mod select;
mod separable;
mod sharing;
mod skin;
mod slab;
mod slice;
mod soft_argmax;
mod softmax;
mod solve_spd;
mod sort;
mod span;
mod splits;
mod spmm;
mod spmm_values;
mod tile;
mod transform;
mod turn_about;
mod unary;
mod unit;
mod upsample;
mod vectors;
mod winograd;
mod workgroup_tile;

pub use average::Clipped;
pub use batch_norm::Normalized;
pub use binary::{Binary, Comparison};
pub use chain::Pointwise;
pub(crate) use chain::{Argument, Chain, MAX_OPERANDS, MAX_STEPS, Walk};
pub use conv_transpose2d::ConvTranspose2d;
pub use conv2d::Conv2d;
pub use correlation::Correlation;
pub use cumulative::CumulativeSum;
pub use grid_sample::{GridPadding, GridSample};
pub use histogram::{HistogramKernel, SoftHistogram};
pub use kinematics::Skeleton;
pub use mesh::TriangleMesh;
pub use optimizer::{Adam, AdamW, Optimizer, RmsProp, Sgd};
pub use pad::{Pad2d, PadMode};
pub use peaks::PeakRefinement;
pub use raster::{Faces, NO_FACE, Projection, Raster, Rasterized};
pub use rig::{Rig, RigFrame};
pub use separable::{AvgPool2d, Resize};
pub use skin::SkinWeights;
pub use sort::{SortOrder, Sorted};
pub use spmm::SpmmMatrix;
pub use spmm_values::SparsePattern;
pub use unary::Unary;

/// A differentiable tensor operator. Implement it to add one from inside or outside the crate; record it with
/// [`Recorder::apply`](crate::Recorder::apply).
pub trait Operator: fmt::Debug + Send + Sync {
    /// The name in messages, dumps and traces.
    fn name(&self) -> &'static str;

    /// The type of the result, or which operand does not fit.
    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch>;

    /// How operands may be stored, and how the result is then.
    fn storage(&self) -> Storage {
        Storage::Single
    }

    /// Whether gradients flow through it at all. Operands of one that says no count as constant.
    fn differentiable(&self) -> bool {
        true
    }

    /// Records the gradient with respect to each input: `None` where it is not wanted or does not exist.
    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>>;

    /// Emits the dispatches that compute the output.
    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()>;

    /// Arithmetic and traffic, for benchmarks. The default counts one operation per output element and each operand
    /// once.
    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        Cost {
            flops: output.shape.numel() as u64,
            bytes: inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes(),
        }
    }

    /// What it does to an operand that the operator which makes that operand may do itself, before it writes.
    fn ending(&self) -> Option<Ending> {
        None
    }

    /// The operator that ends so, if there is a kernel for that; the ending's operands come after its own. Compiling puts it
    /// in the place of the operator whose ending it is and which alone uses the result.
    fn with_ending(&self, _ending: Ending, _inputs: &[&TensorType]) -> Option<Arc<dyn Operator>> {
        None
    }

    /// What it does to each element, if that is all it does. Compiling puts several such operators into one dispatch.
    fn pointwise(&self, _inputs: &[&TensorType], _output: &TensorType) -> Option<Pointwise> {
        None
    }

    /// What it copies, if that is all it does. Compiling then spares copies where others can use the tensors where they lie.
    fn copies(&self, _inputs: &[&TensorType], _output: &TensorType) -> Option<Copies> {
        None
    }

    /// Over which operands the result may be written: those of which each element of the result depends on none but its own.
    fn overwritable(&self, inputs: &[&TensorType], output: &TensorType) -> Vec<usize> {
        let pointwise = self.pointwise(inputs, output);
        let arguments = || pointwise.iter().flat_map(|pointwise| &pointwise.arguments);
        let own = |i: &usize| {
            let mut walks = arguments().filter(|(j, _)| i == j).map(|(_, walk)| walk).peekable();
            walks.peek().is_some() && walks.all(Walk::is_whole)
        };
        (0..inputs.len()).filter(own).collect()
    }

    /// Which operand the result is, without a dispatch: a value may then share its memory. It is not lowered.
    fn aliases(&self, _inputs: &[&TensorType]) -> Option<usize> {
        None
    }

    /// Which inputs (they must be named state, perhaps under another shape) are changed in place; the first of them is the
    /// result. Such nodes run last, those of one state in the order they were recorded. Whoever else reads the state, also
    /// what changes others and whoever reads the program's outputs, sees the value from before the run; the result of a
    /// change is the value after it. Where no order gives everyone what he is to see, the value is copied.
    fn mutates(&self) -> &'static [usize] {
        &[]
    }
}

/// What can be done to a result in the pass that makes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ending {
    /// The sum with one more operand, of the result's type.
    Addend,
    /// `max(x, 0)`
    Relu,
    /// Batch normalisation by two more operands, each `[2, C]`: mean and variance of each channel, then scale and shift;
    /// then ReLU if asked.
    Normalize {
        /// What is added to the variance.
        eps: f32,
        /// Whether a ReLU follows.
        relu: bool,
    },
}

/// What an operator copies that does nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Copies {
    /// Each operand to its piece of the result, which has no other elements. [`Operator::lower`] leaves out those that
    /// [are there](Lowering::is_in_place).
    Together(Vec<Piece>),
    /// A piece of the only operand.
    OutOf(Piece),
}

/// How an operator's tensors may be stored. Kernels are written for f32; where a tensor is stored as f16, they widen what
/// they read and round what they write, and still compute in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Operands and result as f32 or u32; the recorder refuses f16.
    Single,
    /// Operands and result as [`Operator::infer`] says.
    Any,
    /// Real operands as f32 or f16, the result as the first operand. `infer` sees f32.
    LikeFirst,
    /// Real operands as f32 or f16, the result as f32: sums over many elements. `infer` sees f32.
    Wide,
}

/// What [`Operator::vjp`] is given.
pub struct VjpCall<'r> {
    /// The operands.
    pub inputs: Vec<Var<'r>>,
    /// Whether each operand's gradient is wanted.
    pub wanted: Vec<bool>,
    /// The result.
    pub output: Var<'r>,
    /// The gradient of the loss with respect to the result; same shape.
    pub cotangent: Var<'r>,
}

impl<'r> VjpCall<'r> {
    /// The gradient for operand `i`, recorded only if it is wanted.
    pub fn grad(&self, i: usize, rule: impl FnOnce() -> Result<Var<'r>>) -> Result<Option<Var<'r>>> {
        if self.wanted[i] { rule().map(Some) } else { Ok(None) }
    }
}

/// What an operator costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Floating-point operations; a multiply-add counts two.
    pub flops: u64,
    /// Bytes that must be read and written at least.
    pub bytes: u64,
}

impl Cost {
    /// The cost of both.
    pub(crate) fn plus(self, other: Cost) -> Cost {
        Cost { flops: self.flops.saturating_add(other.flops), bytes: self.bytes.saturating_add(other.bytes) }
    }
}

/// Fails unless there are `N` operands.
pub(crate) fn operands<'a, const N: usize>(inputs: &[&'a TensorType]) -> Result<[&'a TensorType; N], Mismatch> {
    inputs.try_into().map_err(|_| Mismatch::new("operands", N, inputs.len()))
}

/// Fails unless `ty` is f32 or f16.
pub(crate) fn expect_float(operand: &'static str, ty: &TensorType) -> Result<(), Mismatch> {
    if ty.dtype.is_float() { Ok(()) } else { Err(Mismatch::new(operand, "f32 or f16", ty.dtype)) }
}

/// Fails unless `ty` is f32.
pub(crate) fn expect_f32(operand: &'static str, ty: &TensorType) -> Result<(), Mismatch> {
    match ty.dtype {
        crate::shape::DType::F32 => Ok(()),
        other => Err(Mismatch::new(operand, "f32", other)),
    }
}
