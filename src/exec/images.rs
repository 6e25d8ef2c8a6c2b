//! Operands read through images. A software adapter loads from a storage buffer lane by lane, from an image a vector at
//! a time: on Mesa 22's llvmpipe that is 25 times faster, and the copy into the image costs less than one pass over it.
//! Where a kernel declares `texture_storage_2d<…, read>`, as its arrays become on such an adapter, the bound buffer is copied to an image before the dispatch,
//! once for all dispatches that soon read the same value.

use std::collections::HashMap;
use std::sync::Arc;

use super::kernel::{Access, Kernel};
use super::plan::Plan;
use super::program::{BufferRef, Step, Temp};

/// Texels in a row of an image; rows follow each other in the buffer.
pub const IMAGE_WIDTH: u32 = 4096;

/// How many steps an image is kept for a further use rather than copied anew.
const KEEP: usize = 8;

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
    const ALL: [Texel; 6] = [Texel::Vec4, Texel::Scalar, Texel::Vec4U32, Texel::U32, Texel::Vec2, Texel::Vec2U32];

    /// The size of a texel.
    pub fn bytes(self) -> u64 {
        match self {
            Texel::Vec4 | Texel::Vec4U32 => 16,
            Texel::Vec2 | Texel::Vec2U32 => 8,
            Texel::Scalar | Texel::U32 => 4,
        }
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

/// An image of [`IMAGE_WIDTH`] × `rows` texels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// The texels' format.
    pub texel: Texel,
    /// The number of rows.
    pub rows: u32,
}

impl Image {
    /// Its size.
    pub fn bytes(&self) -> u64 {
        u64::from(IMAGE_WIDTH) * u64::from(self.rows) * self.texel.bytes()
    }
}

/// A buffer's contents on their way into an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageCopy {
    /// From where.
    pub buffer: BufferRef,
    /// Index into [`ImagePlan::images`].
    pub image: usize,
    /// How many texels.
    pub texels: u64,
}

/// The images of a program and when they are filled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImagePlan {
    /// Every image.
    pub images: Vec<Image>,
    /// For each step the copies before it.
    pub copies: Vec<Vec<ImageCopy>>,
    /// For each step and each of its kernel's bindings the image it reads, if it reads one.
    pub image_of: Vec<Vec<Option<usize>>>,
}

/// One value of a buffer in one format, for as long as it is used.
struct Content {
    buffer: BufferRef,
    texel: Texel,
    texels: u64,
    first: usize,
    last: usize,
}

impl ImagePlan {
    pub(super) fn new(kernels: &[Arc<Kernel>], steps: &[Step], bytes: impl Fn(BufferRef) -> u64) -> Self {
        let mut contents: Vec<Content> = Vec::new();
        // What each buffer's current value is in, by format; a write makes it stale.
        let mut current: HashMap<(BufferRef, Texel), usize> = HashMap::new();
        let mut content_of: Vec<Vec<Option<usize>>> = Vec::new();
        for (i, step) in steps.iter().enumerate() {
            let bindings = &kernels[step.kernel].bindings;
            let reads = bindings.iter().zip(&step.buffers).map(|(binding, &buffer)| {
                let texel = binding.image?;
                let known = current.get(&(buffer, texel)).copied().filter(|&c| i - contents[c].last <= KEEP);
                let content = known.unwrap_or_else(|| {
                    let texels = bytes(buffer).div_ceil(texel.bytes());
                    contents.push(Content { buffer, texel, texels, first: i, last: i });
                    contents.len() - 1
                });
                contents[content].last = i;
                current.insert((buffer, texel), content);
                Some(content)
            });
            content_of.push(reads.collect());
            for (_, buffer) in bindings.iter().zip(&step.buffers).filter(|(b, _)| b.access == Access::Write) {
                current.retain(|(b, _), _| b != buffer);
            }
        }

        let mut plan = ImagePlan { copies: vec![Vec::new(); steps.len()], ..Default::default() };
        let mut image_of_content = vec![0; contents.len()];
        for texel in Texel::ALL {
            let members: Vec<usize> = (0..contents.len()).filter(|&c| contents[c].texel == texel).collect();
            let row = |c: &Content| c.texels.div_ceil(u64::from(IMAGE_WIDTH)).max(1);
            let temp = |&c: &usize| Temp { bytes: row(&contents[c]), first: contents[c].first, last: contents[c].last };
            let shared = Plan::greedy_by_size(&members.iter().map(temp).collect::<Vec<_>>());
            for (&content, slot) in members.iter().zip(&shared.slot_of) {
                image_of_content[content] = plan.images.len() + slot;
            }
            plan.images.extend(shared.slots.iter().map(|&rows| Image { texel, rows: rows as u32 }));
        }
        for (content, &image) in contents.iter().zip(&image_of_content) {
            plan.copies[content.first].push(ImageCopy { buffer: content.buffer, image, texels: content.texels });
        }
        let image = |content: Option<usize>| content.map(|c| image_of_content[c]);
        plan.image_of = content_of.into_iter().map(|step| step.into_iter().map(image).collect()).collect();
        plan
    }

    /// The size of all images.
    pub fn bytes(&self) -> u64 {
        self.images.iter().map(Image::bytes).sum()
    }
}
