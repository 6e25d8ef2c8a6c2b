//! Operands read through images. llvmpipe, Mesa's software Vulkan driver, loads from a storage buffer lane by lane but
//! from an image a vector at a time: on Mesa 22 that is 25 times faster. On such an adapter
//! ([`Target::images`](super::Target)) the read-only arrays of kernels become images
//! (`texture_storage_2d<…, read>`) over the same memory.

/// Texels in a row of an image; rows follow each other in the buffer.
pub const IMAGE_WIDTH: u32 = 2048;

/// Rows that an image of any device may have.
const MAX_ROWS: u64 = 8192;

/// The largest array that can be read as an image of any texel.
pub(super) const LARGEST_IMAGE_BYTES: u64 = IMAGE_WIDTH as u64 * MAX_ROWS * 4;

/// What a texel of an image holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Texel {
    /// Four f32: `rgba32float`.
    Vec4,
    /// One f32: `r32float`.
    Scalar,
    /// Four u32: `rgba32uint`.
    Vec4U32,
    /// One u32: `r32uint`.
    U32,
    /// Two f32: `rg32float`.
    Vec2,
    /// Two u32: `rg32uint`.
    Vec2U32,
}

impl Texel {
    /// Every kind.
    pub const ALL: [Texel; 6] = [Texel::Vec4, Texel::Scalar, Texel::Vec4U32, Texel::U32, Texel::Vec2, Texel::Vec2U32];

    /// The size of a texel.
    pub fn bytes(self) -> u64 {
        match self {
            Texel::Vec4 | Texel::Vec4U32 => 16,
            Texel::Vec2 | Texel::Vec2U32 => 8,
            Texel::Scalar | Texel::U32 => 4,
        }
    }

    /// How many rows an image over `bytes` has: as many as hold them, or all that an image may have.
    pub fn rows(self, bytes: u64) -> u32 {
        bytes.div_ceil(u64::from(IMAGE_WIDTH) * self.bytes()).clamp(1, MAX_ROWS) as u32
    }

    /// The texel for array elements of a type.
    pub(super) fn of(ty: &naga::TypeInner) -> Option<Texel> {
        use naga::{Scalar, TypeInner, VectorSize};
        match *ty {
            TypeInner::Vector { size: VectorSize::Quad, scalar: Scalar::F32 } => Some(Texel::Vec4),
            TypeInner::Vector { size: VectorSize::Quad, scalar: Scalar::U32 } => Some(Texel::Vec4U32),
            TypeInner::Vector { size: VectorSize::Bi, scalar: Scalar::F32 } => Some(Texel::Vec2),
            TypeInner::Vector { size: VectorSize::Bi, scalar: Scalar::U32 } => Some(Texel::Vec2U32),
            TypeInner::Scalar(Scalar::F32) => Some(Texel::Scalar),
            TypeInner::Scalar(Scalar::U32) => Some(Texel::U32),
            _ => None,
        }
    }

    /// The texel of an image format.
    pub(super) fn of_format(format: naga::StorageFormat) -> Option<Texel> {
        match format {
            naga::StorageFormat::Rgba32Float => Some(Texel::Vec4),
            naga::StorageFormat::R32Float => Some(Texel::Scalar),
            naga::StorageFormat::Rgba32Uint => Some(Texel::Vec4U32),
            naga::StorageFormat::R32Uint => Some(Texel::U32),
            naga::StorageFormat::Rg32Float => Some(Texel::Vec2),
            naga::StorageFormat::Rg32Uint => Some(Texel::Vec2U32),
            _ => None,
        }
    }

    /// In WGSL: the format, the element's type, and what takes it from a loaded texel.
    pub(super) fn wgsl(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Texel::Vec4 => ("rgba32float", "vec4<f32>", ""),
            Texel::Scalar => ("r32float", "f32", ".x"),
            Texel::Vec4U32 => ("rgba32uint", "vec4<u32>", ""),
            Texel::U32 => ("r32uint", "u32", ".x"),
            Texel::Vec2 => ("rg32float", "vec2<f32>", ".xy"),
            Texel::Vec2U32 => ("rg32uint", "vec2<u32>", ".xy"),
        }
    }
}
