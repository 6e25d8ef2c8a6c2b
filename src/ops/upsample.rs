//! Blocks of equal values, and sums over blocks: nearest-neighbour upsampling, mean pooling, and their gradients, which
//! are each other.

use super::blocks::View;
use super::{Cost, Operator, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::TensorType;

/// Each for one and for four channels a thread.
const UPSAMPLE: [Shader; 2] = [
    shader!("pool/upsample.wgsl", with "common/index.wgsl", with "common/f32x1.wgsl"),
    shader!("pool/upsample.wgsl", with "common/index.wgsl", with "common/f32x4.wgsl"),
];
const BLOCK_SUM: [Shader; 2] = [
    shader!("pool/block_sum.wgsl", with "common/index.wgsl", with "common/f32x1.wgsl"),
    shader!("pool/block_sum.wgsl", with "common/index.wgsl", with "common/f32x4.wgsl"),
];

/// The largest block; keeps extents from overflowing.
const MAX_FACTOR: usize = 65_535;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// A position becomes a block.
    Repeat,
    /// A block becomes a position.
    Sum,
}

/// `scale` times each position repeated over a block, or the sum over each block.
#[derive(Debug, Clone, Copy)]
struct Resample {
    view: View,
    direction: Direction,
    factor: usize,
    scale: f32,
}

impl Resample {
    fn output(&self, [n, h, w, c]: [usize; 4]) -> [usize; 4] {
        let [rows, columns] = self.view.block(self.factor);
        match self.direction {
            Direction::Repeat => [n, h * rows, w * columns, c],
            Direction::Sum => [n, h / rows, w / columns, c],
        }
    }
}

impl Operator for Resample {
    fn name(&self) -> &'static str {
        match (self.view, self.direction) {
            (View::Image, Direction::Repeat) => "upsample_nearest",
            (View::Image, Direction::Sum) => "block_sum2d",
            (View::Graph, Direction::Repeat) => "graph_upsample",
            (View::Graph, Direction::Sum) => "graph_pool_mean",
        }
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x] = operands(inputs)?;
        expect_f32("x", x)?;
        let extents = self.view.extents(x)?;
        if !(1..=MAX_FACTOR).contains(&self.factor) {
            return Err(Mismatch::new("factor", format!("1 to {MAX_FACTOR}"), self.factor));
        }
        let [rows, columns] = self.view.block(self.factor);
        let whole = extents[1].is_multiple_of(rows) && extents[2].is_multiple_of(columns);
        if self.direction == Direction::Sum && !whole {
            return Err(Mismatch::new("x", format!("whole blocks of {rows} × {columns}"), x));
        }
        Ok(TensorType::f32(self.view.shape(self.output(extents))))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let direction = match self.direction {
            Direction::Repeat => Direction::Sum,
            Direction::Sum => Direction::Repeat,
        };
        let adjoint = Resample { direction, ..*self };
        Ok(vec![call.grad(0, || call.cotangent.recorder().apply(adjoint, &[call.cotangent]))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y, lanes) = (lowering.input(0), lowering.output(), lowering.target().lanes());
        let extents = self.view.extents(&x.ty).expect("checked by infer");
        let [n, out_h, out_w, c] = self.output(extents);
        let by = if c.is_multiple_of(4) { 4 } else { 1 };
        let shaders = if self.direction == Direction::Repeat { &UPSAMPLE } else { &BLOCK_SUM };
        let [rows, columns] = self.view.block(self.factor);
        let dispatch = lowering.dispatch(&shaders[by / 4]).define("WG", lanes).define("CHANNELS_A_THREAD", by);
        let dispatch = dispatch.define("FH", rows).define("FW", columns).bind("x", x.buffer).bind("y", y);
        let (c, total) = (c / by, n * out_h * out_w * c / by);
        let dispatch = dispatch.param("total", total).param("w", extents[2]).param("c", c);
        dispatch.param("out_w", out_w).param("scale", self.scale).threads(total)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        let flops = match self.direction {
            Direction::Repeat => 0,
            Direction::Sum => inputs[0].shape.numel() as u64,
        };
        Cost { flops, bytes: inputs[0].bytes() + output.bytes() }
    }
}

impl<'r> Var<'r> {
    /// Every pixel of N×H×W×C repeated over a block of `factor` × `factor`.
    #[track_caller]
    pub fn upsample_nearest(self, factor: usize) -> Result<Var<'r>> {
        self.resample(View::Image, Direction::Repeat, factor, 1.0)
    }

    /// Every node of N×V×C copied to its `children` consecutive children: N×V·children×C.
    #[track_caller]
    pub fn graph_upsample(self, children: usize) -> Result<Var<'r>> {
        self.resample(View::Graph, Direction::Repeat, children, 1.0)
    }

    /// The mean over groups of `children` consecutive nodes, N×V×C to N×V/children×C.
    #[track_caller]
    pub fn graph_pool_mean(self, children: usize) -> Result<Var<'r>> {
        self.resample(View::Graph, Direction::Sum, children, 1.0 / children.max(1) as f32)
    }

    #[track_caller]
    fn resample(self, view: View, direction: Direction, factor: usize, scale: f32) -> Result<Var<'r>> {
        self.recorder().apply(Resample { view, direction, factor, scale }, &[self])
    }
}
