//! How tiled kernels get at their operands: by files under `shaders/access` that declare operands a to d and the result
//! y, with rows of whole groups of four elements or not.

use crate::exec::{BufferRef, Dispatch, Shader};
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

    /// The file that declares it, and the constant that holds its length if rows are odd.
    fn access(self, vec4: bool) -> (Shader, &'static str) {
        macro_rules! files {
            ($name:literal, $end:literal) => {
                match vec4 {
                    true => (shader!(concat!("access/", $name, "_vec4.wgsl")), $end),
                    false => (shader!(concat!("access/", $name, "_scalar.wgsl")), $end),
                }
            };
        }
        match self {
            Place::A => files!("a", "A_LEN"),
            Place::B => files!("b", "B_LEN"),
            Place::C => files!("c", "C_LEN"),
            Place::D => files!("d", "D_LEN"),
        }
    }
}

/// Operands and result of a tiled kernel.
pub(super) trait Operands: Sized {
    /// Binds an operand of `rows` rows of `row` elements.
    fn operand(self, place: Place, buffer: BufferRef, rows: usize, row: usize) -> Self;

    /// Binds an operand if there is one, otherwise leaves it out: zeros.
    fn optional(self, place: Place, buffer: Option<BufferRef>, rows: usize, row: usize) -> Self {
        match buffer {
            Some(buffer) => self.operand(place, buffer, rows, row),
            None => self.no_operand(place),
        }
    }

    /// Leaves an operand out: zeros.
    fn no_operand(self, place: Place) -> Self;

    /// Binds what normalises the result, whose channels are a multiple of four; or leaves it as it is.
    fn normalized(self, norm: Option<Norm>) -> Self;

    /// Binds the result, of rows of `row` elements.
    fn result(self, buffer: BufferRef, row: usize) -> Self;
}

/// The batch normalisation of a result by given statistics and affine pair, each `[2, C]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Norm {
    pub(super) stats: BufferRef,
    pub(super) affine: BufferRef,
    pub(super) eps: f32,
}

/// What is added to a result before it is written, and whether a ReLU follows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Epilogue {
    /// A row of as many elements as the result has channels.
    pub(super) bias: Option<BufferRef>,
    /// What normalises it then; not where pixels stand in groups, or the channels are no multiple of four, nor in the adjoint.
    pub(super) norm: Option<Norm>,
    /// A tensor of the result's shape.
    pub(super) addend: Option<BufferRef>,
    pub(super) relu: bool,
}

impl Operands for Dispatch<'_> {
    fn operand(self, place: Place, buffer: BufferRef, rows: usize, row: usize) -> Self {
        let vec4 = row.is_multiple_of(4);
        let (file, end) = place.access(vec4);
        let dispatch = if vec4 { self } else { self.define(end, rows * row) };
        dispatch.include(file).bind(place.name(), buffer)
    }

    fn no_operand(self, place: Place) -> Self {
        self.include(match place {
            Place::D => shader!("access/d_none.wgsl"),
            _ => shader!("access/c_none.wgsl"),
        })
    }

    fn normalized(self, norm: Option<Norm>) -> Self {
        match norm {
            None => self.include(shader!("access/norm_none.wgsl")),
            Some(Norm { stats, affine, eps }) => {
                let dispatch = self.define("NORM_EPS", eps).include(shader!("access/norm_vec4.wgsl"));
                dispatch.bind("stats", stats).bind("affine", affine)
            }
        }
    }

    fn result(self, buffer: BufferRef, row: usize) -> Self {
        let file = match row.is_multiple_of(4) {
            true => shader!("access/y_vec4.wgsl"),
            false => shader!("access/y_scalar.wgsl"),
        };
        self.include(file).bind("y", buffer)
    }
}
