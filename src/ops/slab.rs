//! The copy that concatenating, slicing and embedding are made of: a slab of columns out of rows of words.

use crate::error::Result;
use crate::exec::{BufferRef, Lowering, Shader};
use crate::shader;
use crate::shape::Shape;

const WORDS: Shader = shader!("copy/slab.wgsl", with "common/index.wgsl", with "copy/words1.wgsl");
const QUADS: Shader = shader!("copy/slab.wgsl", with "common/index.wgsl", with "copy/words4.wgsl");

/// Columns `y_first .. y_first + columns` of each of `rows` rows of y become zero, but for `width` of them, `lead` in,
/// which are copied from column `x_first` of x on. Strides are columns a row. All in words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slab {
    pub rows: usize,
    pub columns: usize,
    pub lead: usize,
    pub width: usize,
    pub x_first: usize,
    pub x_stride: usize,
    pub y_first: usize,
    pub y_stride: usize,
}

impl Slab {
    /// Emits the copy, as whole vec4s where everything is a multiple of four.
    pub(super) fn lower(self, lowering: &mut Lowering<'_>, x: BufferRef, y: BufferRef) -> Result<()> {
        let Slab { rows, columns, lead, width, x_first, x_stride, y_first, y_stride } = self;
        let quads = [columns, lead, width, x_first, x_stride, y_first, y_stride].iter().all(|n| n % 4 == 0);
        let (shader, by) = if quads { (&QUADS, 4) } else { (&WORDS, 1) };
        let (lanes, run) = (lowering.target().lanes(), if quads { 1 } else { columns.clamp(1, 4) });
        let dispatch = lowering.dispatch(shader).define("WG", lanes).define("WORDS", by as u32).define("RUN", run);
        let dispatch = dispatch.param("rows", rows).param("columns", columns / by).param("lead", lead / by);
        let dispatch = dispatch.param("width", width / by).param("x_first", x_first / by);
        let dispatch = dispatch.param("x_stride", x_stride / by).param("y_first", y_first / by);
        let dispatch = dispatch.param("y_stride", y_stride / by).bind("x", x).bind("y", y);
        dispatch.threads(rows * (columns / by).div_ceil(run))
    }
}

/// A tensor cut at `axis`: the product of the extents before it, and of those after it.
pub(super) fn around(shape: &Shape, axis: usize) -> (usize, usize) {
    let dims = shape.dims();
    (dims[..axis].iter().product(), dims[axis + 1..].iter().product())
}
