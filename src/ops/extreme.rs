//! The largest and the smallest element along axes, and where it is.

use super::reduce::{around, reduced, runs};
use super::{Operator, VjpCall};
use crate::error::{Mismatch, Result};
use crate::exec::{BufferRef, Lowering, Shader};
use crate::graph::Var;
use crate::ops::Comparison;
use crate::shader;
use crate::shape::TensorType;

const EXTREME: Shader = shader!("reduce/extreme.wgsl", with "common/index.wgsl");
const ARG_EXTREME: Shader = shader!("reduce/arg_extreme.wgsl", with "common/index.wgsl");

/// The longest run of elements one thread looks through where splitting gives other threads work.
const CHUNK: usize = 128;

/// Which of the elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Largest,
    Smallest,
}

/// The extreme element over the axes `first .. last`, which become extents of 1.
#[derive(Debug, Clone, Copy)]
struct Extreme {
    end: End,
    first: usize,
    last: usize,
}

/// Where it is along one axis, as u32; the first of equals.
#[derive(Debug, Clone, Copy)]
struct ArgExtreme {
    end: End,
    axis: usize,
}

/// As [`reduced`], of axes that are not empty.
fn of_some(inputs: &[&TensorType], first: usize, last: usize) -> Result<TensorType, Mismatch> {
    let ty = reduced(inputs, first, last)?;
    match inputs[0].shape.dims()[first..last].contains(&0) {
        true => Err(Mismatch::new("x", "an element along each axis", inputs[0])),
        false => Ok(ty),
    }
}

/// Emits the largest element over the middle axis of `from`, outer × length × inner, into `to`.
pub(super) fn largest_stages(
    lowering: &mut Lowering<'_>,
    from: BufferRef,
    to: BufferRef,
    extents: [usize; 3],
) -> Result<()> {
    extreme_stages(lowering, from, to, extents, End::Largest)
}

fn extreme_stages(
    lowering: &mut Lowering<'_>,
    mut from: BufferRef,
    output: BufferRef,
    [outer, mut length, inner]: [usize; 3],
    end: End,
) -> Result<()> {
    let lanes = lowering.target().lanes();
    loop {
        let chunks = length.div_ceil(CHUNK);
        let to = if chunks == 1 { output } else { lowering.scratch(outer * chunks * inner) };
        let dispatch = lowering.dispatch(&EXTREME).define("WG", lanes).define("LARGEST", end == End::Largest);
        let dispatch = dispatch.bind("x", from).bind("y", to).param("outer", outer).param("length", length);
        let dispatch = dispatch.param("inner", inner).param("chunks", chunks).param("chunk", length.div_ceil(chunks));
        dispatch.threads(outer * chunks * inner)?;
        if chunks == 1 {
            return Ok(());
        }
        (from, length) = (to, chunks);
    }
}

impl Operator for Extreme {
    fn name(&self) -> &'static str {
        match self.end {
            End::Largest => "max_over",
            End::Smallest => "min_over",
        }
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        of_some(inputs, self.first, self.last)
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, y, axes) = (call.inputs[0], call.output, (self.first..self.last).collect::<Vec<_>>());
        let gx = call.grad(0, || {
            // Equals share the gradient.
            let chosen = x.compare(Comparison::Equal, y)?;
            chosen.mul(call.cotangent.div(chosen.sum(&axes)?)?)
        })?;
        Ok(vec![gx])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y) = (lowering.input(0), lowering.output());
        extreme_stages(lowering, x.buffer, y, around(&x.ty.shape, self.first, self.last), self.end)
    }
}

impl Operator for ArgExtreme {
    fn name(&self) -> &'static str {
        match self.end {
            End::Largest => "arg_max",
            End::Smallest => "arg_min",
        }
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        Ok(TensorType::u32(of_some(inputs, self.axis, self.axis.saturating_add(1))?.shape))
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let x = lowering.input(0);
        let lanes = lowering.target().lanes();
        let [outer, mut length, inner] = around(&x.ty.shape, self.axis, self.axis + 1);
        // Values and places of the stage before; the first looks at the input, where the place is the index.
        let mut from = (x.buffer, None);
        loop {
            let chunks = length.div_ceil(CHUNK);
            let values = lowering.scratch(outer * chunks * inner);
            let places = if chunks == 1 { lowering.output() } else { lowering.scratch(outer * chunks * inner) };
            let dispatch = lowering.dispatch(&ARG_EXTREME).define("WG", lanes);
            let dispatch = dispatch.define("LARGEST", self.end == End::Largest).define("FIRST", from.1.is_none());
            let dispatch = match from.1 {
                Some(buffer) => dispatch.bind("x_places", buffer),
                None => dispatch.unused("x_places"),
            };
            let dispatch = dispatch.bind("x", from.0).bind("values", values).bind("places", places);
            let dispatch = dispatch.param("outer", outer).param("length", length).param("inner", inner);
            let dispatch = dispatch.param("chunks", chunks).param("chunk", length.div_ceil(chunks));
            dispatch.threads(outer * chunks * inner)?;
            if chunks == 1 {
                return Ok(());
            }
            (from, length) = ((values, Some(places)), chunks);
        }
    }
}

impl<'r> Var<'r> {
    /// The largest elements over `axes`, which stay with extent 1; equals share the gradient.
    #[track_caller]
    pub fn max_over(self, axes: &[usize]) -> Result<Var<'r>> {
        self.extreme(axes, End::Largest)
    }

    /// The smallest elements over `axes`, which stay with extent 1; equals share the gradient.
    #[track_caller]
    pub fn min_over(self, axes: &[usize]) -> Result<Var<'r>> {
        self.extreme(axes, End::Smallest)
    }

    /// The place of the largest element along `axis`, which stays with extent 1, as u32; the first of equals.
    #[track_caller]
    pub fn arg_max(self, axis: usize) -> Result<Var<'r>> {
        self.recorder().apply(ArgExtreme { end: End::Largest, axis }, &[self])
    }

    /// The place of the smallest element along `axis`, which stays with extent 1, as u32; the first of equals.
    #[track_caller]
    pub fn arg_min(self, axis: usize) -> Result<Var<'r>> {
        self.recorder().apply(ArgExtreme { end: End::Smallest, axis }, &[self])
    }

    #[track_caller]
    fn extreme(self, axes: &[usize], end: End) -> Result<Var<'r>> {
        let mut x = self;
        for (first, last) in runs(axes).into_iter().rev() {
            x = self.recorder().apply(Extreme { end, first, last }, &[x])?;
        }
        Ok(x)
    }
}
