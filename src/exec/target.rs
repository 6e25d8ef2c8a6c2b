//! What lowering needs to know of the adapter, as plain data.

use std::fmt;
use std::sync::Arc;

use super::choice::Choices;
use crate::shape::DType;

/// The kinds of adapter that want different tile shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdapterClass {
    /// A CPU that emulates a GPU: few wide lanes, no cost model of a GPU applies.
    Software,
    /// A GPU.
    Hardware,
}

/// A form of cooperative matrices: `size` × `size` elements that the lanes of a subgroup hold together and multiply at once, with sums in
/// f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cooperative {
    /// Rows, columns and inner extent: 8 or 16.
    pub size: u32,
    /// What the factors are: f16 or f32.
    pub dtype: DType,
    /// The most lanes that a subgroup may have.
    pub widest_subgroup: u32,
}

impl fmt::Display for Cooperative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{0}x{0} {1}", self.size, self.dtype)
    }
}

/// Limits and class of the adapter a program is made for.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Software or hardware.
    pub class: AdapterClass,
    /// The largest range of a storage buffer that can be bound, bytes.
    pub max_binding_bytes: u64,
    /// The largest number of workgroups in one dimension.
    pub max_groups: u32,
    /// Storage buffers a kernel may bind.
    pub max_storage_buffers: u32,
    /// Workgroup memory, bytes.
    pub max_workgroup_bytes: u32,
    /// Invocations in a workgroup.
    pub max_invocations: u32,
    /// Alignment of uniform ranges, bytes.
    pub uniform_alignment: u32,
    /// Whether shaders may use f16.
    pub f16: bool,
    /// The lanes of a subgroup, if shaders may exchange values within one and all have as many.
    pub subgroup: Option<u32>,
    /// The forms of cooperative matrices that shaders may use.
    pub cooperative: Vec<Cooperative>,
    /// How many of a kernel's read-only arrays are read as images: 0 but on an adapter that can do it without a copy and
    /// is faster then. See [`Texel`](super::Texel).
    pub images: u32,
    /// From how many invocations on a dispatch has each do the work of [`COARSENESS`], where they do not talk to each other, with what it divides
    /// by as constants: on an adapter that pays much for invocations and divisions. `None`: none has.
    pub coarse_from: Option<usize>,
    /// Which variants of kernels were measured to be fastest. `None`: as the cost models expect.
    pub choices: Option<Arc<Choices>>,
}

/// How many invocations one does the work of in a [coarse](Target::coarse_from) kernel. On llvmpipe a ReLU of 4 MiB takes 0.91 ms
/// with one, 0.65 with four, no less with eight.
pub const COARSENESS: u32 = 4;

/// From so many invocations on dispatches are coarse on software: fewer would leave cores of it idle.
pub(crate) const COARSE_FROM: usize = 2048;

impl Target {
    /// The limits every WebGPU device has.
    pub const fn webgpu_defaults() -> Self {
        Target {
            class: AdapterClass::Hardware,
            max_binding_bytes: 128 << 20,
            max_groups: 65_535,
            max_storage_buffers: 8,
            max_workgroup_bytes: 16 << 10,
            max_invocations: 256,
            uniform_alignment: 256,
            f16: false,
            subgroup: None,
            cooperative: Vec::new(),
            images: 0,
            coarse_from: None,
            choices: None,
        }
    }

    /// The largest cooperative matrices of such factors, if there are any.
    pub fn cooperative(&self, dtype: DType) -> Option<Cooperative> {
        self.cooperative.iter().filter(|form| form.dtype == dtype).max_by_key(|form| form.size).copied()
    }

    /// A workgroup size for kernels whose invocations do not talk to each other: a few vectors of a software adapter
    /// (8 lanes of f32 with AVX2; starting a workgroup costs it as much as some twenty vector operations), two subgroups
    /// of the widest hardware otherwise.
    pub fn lanes(&self) -> u32 {
        match self.class {
            AdapterClass::Software => 32,
            AdapterClass::Hardware => 64,
        }
    }
}
