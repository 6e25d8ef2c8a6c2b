//! Max pooling over windows of images and over groups of consecutive graph nodes.

use super::blocks::View;
use super::{Cost, Operator, Storage, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Dispatch, Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;

macro_rules! by_channels {
    ($file:literal) => {
        [
            shader!($file, with "common/index.wgsl", with "common/f32x1.wgsl"),
            shader!($file, with "common/index.wgsl", with "common/f32x4.wgsl"),
        ]
    };
}

/// Each for one and for four channels a thread.
const FORWARD: [Shader; 2] = by_channels!("pool/max_pool.wgsl");
const GRAD: [Shader; 2] = by_channels!("pool/max_pool_grad.wgsl");
const TILE_GRAD: [Shader; 2] = by_channels!("pool/max_pool_tile_grad.wgsl");

/// The largest kernel and stride; keeps extents from overflowing.
const MAX_WINDOW: usize = 65_535;

/// The maximum of each window.
#[derive(Debug, Clone, Copy)]
struct MaxPool {
    view: View,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: usize,
}

impl MaxPool {
    /// Whether windows neither overlap nor leave gaps nor reach into padding.
    fn tiles(&self) -> bool {
        self.kernel == self.stride && self.padding == 0
    }

    /// The result's extents.
    fn output(&self, [n, h, w, c]: [usize; 4]) -> [usize; 4] {
        let count =
            |extent: usize, axis: usize| (extent + 2 * self.padding - self.kernel[axis]) / self.stride[axis] + 1;
        [n, count(h, 0), count(w, 1), c]
    }

    /// A dispatch of the variant for this channel count, and how many channels a thread has.
    fn dispatch<'s>(
        &self,
        lowering: &'s mut Lowering<'_>,
        shaders: &'s [Shader; 2],
        channels: usize,
    ) -> (Dispatch<'s>, usize) {
        let by = if channels.is_multiple_of(4) { 4 } else { 1 };
        let lanes = lowering.target().lanes();
        let dispatch = lowering.dispatch(&shaders[by / 4]).define("WG", lanes).define("CHANNELS_A_THREAD", by);
        (dispatch.define("KH", self.kernel[0]).define("KW", self.kernel[1]), by)
    }
}

impl Operator for MaxPool {
    fn name(&self) -> &'static str {
        match self.view {
            View::Image => "max_pool2d",
            View::Graph => "graph_pool_max",
        }
    }

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        expect_f32("x", x)?;
        let extents = self.view.extents(x)?;
        for (what, [rows, columns]) in [("kernel", self.kernel), ("stride", self.stride)] {
            if let Some(got) = [rows, columns].into_iter().find(|n| !(1..=MAX_WINDOW).contains(n)) {
                return Err(Mismatch::new(what, format!("1 to {MAX_WINDOW}"), got));
            }
        }
        if self.view == View::Graph && extents[1] % self.kernel[0] != 0 {
            return Err(Mismatch::new("x", format!("a multiple of {} nodes", self.kernel[0]), x));
        }
        let smallest = self.kernel[0].min(self.kernel[1]);
        if self.padding >= smallest {
            // A window could then lie in the padding altogether and have no maximum.
            return Err(Mismatch::new("padding", format!("less than the kernel's {smallest}"), self.padding));
        }
        for axis in 0..2 {
            let padded = extents[1 + axis] + 2 * self.padding;
            if self.kernel[axis] > padded {
                let expected = format!("at most the padded input's {padded}");
                return Err(Mismatch::new("kernel", expected, self.kernel[axis]));
            }
        }
        Ok(TensorType::f32(self.view.shape(self.output(extents))))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, y, gy) = (call.inputs[0], call.output, call.cotangent);
        let operands = if self.tiles() { vec![x, gy] } else { vec![x, gy, y] };
        Ok(vec![call.grad(0, || x.recorder().apply(MaxPoolGrad(*self), &operands))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, out) = (lowering.input(0), lowering.output());
        let extents = self.view.extents(&x.ty).expect("checked by infer");
        let [_, h, w, c] = extents;
        let [n, out_h, out_w, _] = self.output(extents);
        let (dispatch, by) = self.dispatch(lowering, &FORWARD, c);
        let dispatch =
            dispatch.define("SH", self.stride[0]).define("SW", self.stride[1]).define("PADDING", self.padding);
        let (c, total) = (c / by, n * out_h * out_w * c / by);
        let dispatch = dispatch.param("total", total).param("h", h).param("w", w).param("c", c);
        let dispatch = dispatch.param("out_h", out_h).param("out_w", out_w).bind("x", x.buffer).bind("y", out);
        dispatch.threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let comparisons = output.shape.numel() * self.kernel[0] * self.kernel[1];
        Cost { flops: comparisons as u64, bytes: inputs[0].bytes() + output.bytes() }
    }
}

/// The gradient with respect to x, from x and gy, and from y too unless windows are tiles.
#[derive(Debug, Clone, Copy)]
struct MaxPoolGrad(MaxPool);

impl Operator for MaxPoolGrad {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        Ok(inputs[0].clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None; call.inputs.len()])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let pool = self.0;
        let (x, gy, gx) = (lowering.input(0), lowering.input(1).buffer, lowering.output());
        let extents = pool.view.extents(&x.ty).expect("checked by infer");
        let [n, h, w, c] = extents;
        let [_, out_h, out_w, _] = pool.output(extents);
        if pool.tiles() {
            let (tiles_h, tiles_w) = (h.div_ceil(pool.kernel[0]), w.div_ceil(pool.kernel[1]));
            let (dispatch, by) = pool.dispatch(lowering, &TILE_GRAD, c);
            let (c, total) = (c / by, n * tiles_h * tiles_w * c / by);
            let dispatch = dispatch.param("total", total).param("h", h).param("w", w).param("c", c);
            let dispatch = dispatch.param("tiles_h", tiles_h).param("tiles_w", tiles_w);
            let dispatch = dispatch.param("out_h", out_h).param("out_w", out_w);
            return dispatch.bind("x", x.buffer).bind("gy", gy).bind("gx", gx).threads(total);
        }
        let y = lowering.input(2).buffer;
        let (dispatch, by) = pool.dispatch(lowering, &GRAD, c);
        let dispatch =
            dispatch.define("SH", pool.stride[0]).define("SW", pool.stride[1]).define("PADDING", pool.padding);
        let (c, total) = (c / by, n * h * w * c / by);
        let dispatch = dispatch.param("total", total).param("h", h).param("w", w).param("c", c);
        let dispatch = dispatch.param("out_h", out_h).param("out_w", out_w);
        dispatch.bind("x", x.buffer).bind("y", y).bind("gy", gy).bind("gx", gx).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let comparisons = inputs[1].shape.numel() * self.0.kernel[0] * self.0.kernel[1];
        Cost { flops: comparisons as u64, bytes: inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes() }
    }
}

impl<'r> Var<'r> {
    /// The maximum over windows of `kernel` × `kernel` pixels, N×H×W×C. Padding (less than `kernel`) takes no part; of
    /// equal elements the first gets the gradient. Extents become ⌊(H + 2·padding − kernel) / stride⌋ + 1.
    #[track_caller]
    pub fn max_pool2d(self, kernel: usize, stride: usize, padding: usize) -> Result<Var<'r>> {
        let op = MaxPool { view: View::Image, kernel: [kernel; 2], stride: [stride; 2], padding };
        self.recorder().apply(op, &[self])
    }

    /// The maximum over groups of `children` consecutive nodes, N×V×C to N×V/children×C.
    #[track_caller]
    pub fn graph_pool_max(self, children: usize) -> Result<Var<'r>> {
        let block = View::Graph.block(children);
        self.recorder().apply(MaxPool { view: View::Graph, kernel: block, stride: block, padding: 0 }, &[self])
    }
}
