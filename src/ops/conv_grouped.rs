//! The kernels of convolutions in groups, depthwise ones among them, and of strides and dilations too wide for the tiled
//! kernels of [`conv2d`](super::conv2d).

use super::conv2d::{Conv2d, Extents};
use super::operand::Epilogue;
use super::reduce::column_sum;
use super::splits;
use crate::error::Result;
use crate::exec::{BufferRef, Dispatch, Lowering, Shader};
use crate::shader;

const FORWARD: Shader = shader!("conv/grouped_forward.wgsl", with "common/index.wgsl", with "conv/grouped_shape.wgsl");
const INPUT_GRADIENT: Shader =
    shader!("conv/grouped_input_gradient.wgsl", with "common/index.wgsl", with "conv/grouped_shape.wgsl");
const WEIGHT_GRADIENT: Shader =
    shader!("conv/grouped_weight_gradient.wgsl", with "common/index.wgsl", with "conv/grouped_shape.wgsl");

/// Neighbouring pixels a lane takes where there are as many.
const PIXELS: usize = 4;

/// The most columns of a row that a lane holds at once, so that they stay in registers.
const MAX_SPAN: usize = 16;

/// How channels are taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    /// One by one: fits every group.
    One,
    /// Four groups of one channel each.
    Channelwise,
    /// Four channels of a group.
    Quad,
}

impl Block {
    fn of(conv: &Conv2d, e: &Extents) -> Self {
        let (gi, go) = (e.ci / conv.groups, e.co / conv.groups);
        if gi.is_multiple_of(4) && go.is_multiple_of(4) {
            Block::Quad
        } else if (gi, go) == (1, 1) && e.ci.is_multiple_of(4) {
            Block::Channelwise
        } else {
            Block::One
        }
    }

    fn channels(self) -> usize {
        if self == Block::One { 1 } else { 4 }
    }

    fn file(self) -> Shader {
        match self {
            Block::One => shader!("conv/block_one.wgsl"),
            Block::Channelwise => shader!("conv/block_channelwise.wgsl"),
            Block::Quad => shader!("conv/block_quad.wgsl"),
        }
    }
}

/// What the three passes share, counted in blocks of channels.
struct Shape<'a> {
    conv: &'a Conv2d,
    e: &'a Extents,
    block: Block,
    /// Blocks of the input, of the output, and of each a group's.
    ci: usize,
    co: usize,
    gi: usize,
    go: usize,
}

impl<'a> Shape<'a> {
    fn new(conv: &'a Conv2d, e: &'a Extents) -> Self {
        let block = Block::of(conv, e);
        let (ci, co) = (e.ci / block.channels(), e.co / block.channels());
        let (gi, go) = match block {
            // The block's four groups are one.
            Block::Channelwise => (1, 1),
            _ => (ci / conv.groups, co / conv.groups),
        };
        Shape { conv, e, block, ci, co, gi, go }
    }

    /// Whether a lane with `p` pixels holds the columns of all taps at once: if they are few, and fewer than if each tap
    /// read its own. With a stride those of the input gradient are not neighbours.
    fn shares(&self, p: usize) -> bool {
        let span = (p - 1) * self.conv.stride + (self.e.kw - 1) * self.conv.dilation + 1;
        span <= MAX_SPAN && span <= p * self.e.kw
    }

    /// Starts a dispatch over `total` lanes with `p` pixels each; `many` if a lane walks through the blocks of its group.
    fn dispatch<'s>(
        &self,
        lowering: &'s mut Lowering<'_>,
        shader: &'s Shader,
        [total, p]: [usize; 2],
        shared: bool,
        many: bool,
    ) -> Dispatch<'s> {
        let (e, lanes) = (self.e, lowering.target().lanes());
        let dispatch = lowering.dispatch(shader).define("WG", lanes).define("P", p).include(self.block.file());
        let dispatch = dispatch.define("KW", e.kw).define("S", self.conv.stride).define("D", self.conv.dilation);
        let dispatch = dispatch.define("SHARED", shared).define("MANY", many).param("total", total);
        let dispatch = dispatch.param("h", e.h).param("w", e.w).param("ci", self.ci);
        let dispatch = dispatch.param("oh", e.oh).param("ow", e.ow).param("co", self.co);
        let dispatch = dispatch.param("gi", self.gi).param("go", self.go).param("kh", e.kh);
        dispatch.param("padding", self.conv.padding).param("rows", e.n * e.oh)
    }
}

/// Binds what an epilogue adds.
fn finish<'s>(dispatch: Dispatch<'s>, epilogue: Epilogue) -> Dispatch<'s> {
    let Epilogue { bias, addend, relu, .. } = epilogue;
    let dispatch = dispatch.param("rows_per_split", 0u32);
    let dispatch = dispatch.define("BIAS", bias.is_some()).define("ADDEND", addend.is_some()).define("RELU", relu);
    let dispatch = dispatch.bind("bias", bias.unwrap_or(BufferRef::Unused));
    dispatch.bind("addend", addend.unwrap_or(BufferRef::Unused))
}

/// How many pixels of a row of `width` a lane takes.
fn pixels(width: usize) -> usize {
    if width < PIXELS { 1 } else { PIXELS }
}

/// Emits the convolution of `x` with `weight`.
pub(super) fn forward(
    lowering: &mut Lowering<'_>,
    conv: &Conv2d,
    e: &Extents,
    x: BufferRef,
    weight: BufferRef,
    epilogue: Epilogue,
) -> Result<()> {
    let (shape, out, p) = (Shape::new(conv, e), lowering.output(), pixels(e.ow));
    let total = shape.co * e.ow.div_ceil(p) * e.oh * e.n;
    let dispatch = shape.dispatch(lowering, &FORWARD, [total, p], shape.shares(p), shape.gi > 1);
    finish(dispatch, epilogue).bind("x", x).bind("weight", weight).bind("y", out).threads(total)
}

/// Emits the gradient with respect to the input.
pub(super) fn input_gradient(
    lowering: &mut Lowering<'_>,
    conv: &Conv2d,
    e: &Extents,
    gy: BufferRef,
    weight: BufferRef,
    epilogue: Epilogue,
) -> Result<()> {
    let (shape, out, columns) = (Shape::new(conv, e), lowering.output(), e.w.div_ceil(conv.stride));
    let p = pixels(columns);
    let total = shape.ci * columns.div_ceil(p) * conv.stride * e.h * e.n;
    let shared = conv.stride == 1 && shape.shares(p);
    let dispatch = shape.dispatch(lowering, &INPUT_GRADIENT, [total, p], shared, shape.go > 1);
    finish(dispatch, epilogue).bind("gy", gy).bind("weight", weight).bind("gx", out).threads(total)
}

/// Emits the gradient with respect to the weight.
pub(super) fn weight_gradient(
    lowering: &mut Lowering<'_>,
    conv: &Conv2d,
    e: &Extents,
    x: BufferRef,
    gy: BufferRef,
) -> Result<()> {
    let (shape, p) = (Shape::new(conv, e), pixels(e.ow));
    let shared = shape.shares(p);
    let columns = if shared { 1 } else { e.kw };
    let (tiles, rows) = (e.kh * columns * shape.gi * shape.co, e.n * e.oh);
    let lanes = splits::lanes(lowering.target().class);
    let rows_per_split = rows.div_ceil(splits::of(lanes, tiles, rows)).min(splits::longest(e.ow.div_ceil(p)));
    let splits = rows.div_ceil(rows_per_split);
    let numel = lowering.output_ty().shape.numel();
    let to = if splits == 1 { lowering.output() } else { lowering.scratch(splits * numel) };
    let dispatch = shape.dispatch(lowering, &WEIGHT_GRADIENT, [tiles * splits, p], shared, false);
    dispatch
        .param("rows_per_split", rows_per_split)
        .bind("x", x)
        .bind("gy", gy)
        .bind("gw", to)
        .threads(tiles * splits)?;
    if splits > 1 {
        let out = lowering.output();
        column_sum(lowering, to, out, splits, numel)?;
    }
    Ok(())
}
