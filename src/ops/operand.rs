//! How tiled kernels get at their operands: by files under `shaders/access` that declare operands a to d and the result
//! y, through buffers or images, with rows of whole groups of four elements or not.

use crate::exec::{AdapterClass, BufferRef, Dispatch, Shader, Target};
use crate::shader;

/// An operand's place in a tiled kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    A,
    B,
    C,
    D,
}

impl Place {
    fn name(self) -> &'static str {
        ["a", "b", "c", "d"][self as usize]
    }

    fn access(self, image: bool, vec4: bool) -> Shader {
        macro_rules! files {
            ($name:literal) => {
                [
                    shader!(concat!("access/", $name, "_buffer_scalar.wgsl")),
                    shader!(concat!("access/", $name, "_buffer_vec4.wgsl")),
                    shader!(concat!("access/", $name, "_image_scalar.wgsl")),
                    shader!(concat!("access/", $name, "_image_vec4.wgsl")),
                ]
            };
        }
        let files = match self {
            Place::A => files!("a"),
            Place::B => files!("b"),
            Place::C => files!("c"),
            Place::D => files!("d"),
        };
        files[2 * usize::from(image) + usize::from(vec4)]
    }
}

/// Whether operands are read through images: the software adapter's buffer loads are too slow (see
/// [`ImagePlan`](crate::exec::ImagePlan)).
pub(super) fn through_images(target: &Target) -> bool {
    target.class == AdapterClass::Software
}

/// Operands and result of a tiled kernel.
pub(super) trait Operands: Sized {
    /// Binds an operand of rows of `row` elements.
    fn operand(self, place: Place, buffer: BufferRef, row: usize, images: bool) -> Self;

    /// Leaves an operand out: zeros.
    fn no_operand(self, place: Place) -> Self;

    /// Binds the result, of rows of `row` elements.
    fn result(self, buffer: BufferRef, row: usize) -> Self;
}

impl Operands for Dispatch<'_> {
    fn operand(self, place: Place, buffer: BufferRef, row: usize, images: bool) -> Self {
        self.include(place.access(images, row.is_multiple_of(4))).bind(place.name(), buffer)
    }

    fn no_operand(self, place: Place) -> Self {
        self.include(match place {
            Place::D => shader!("access/d_none.wgsl"),
            _ => shader!("access/c_none.wgsl"),
        })
    }

    fn result(self, buffer: BufferRef, row: usize) -> Self {
        let file = match row.is_multiple_of(4) {
            true => shader!("access/y_vec4.wgsl"),
            false => shader!("access/y_scalar.wgsl"),
        };
        self.include(file).bind("y", buffer)
    }
}
