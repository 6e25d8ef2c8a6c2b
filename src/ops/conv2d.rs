//! 2D convolution of N×H×W×C images (strictly: cross-correlation, as networks use the word).

use std::sync::Arc;

use super::conv_grouped as grouped;
use super::matmul::{Layout, Product, product};
use super::operand::{Operands, Place};
use super::reduce::column_sum;
use super::{Cost, Operator, Storage, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{AdapterClass, BufferRef, Dispatch, Lowering, Shader};
use crate::graph::Var;
use crate::shader;
use crate::shape::{Shape, TensorType};

const FORWARD: Shader = shader!("conv/conv2d_forward.wgsl", with "conv/conv2d_shape.wgsl");
const INPUT_GRADIENT: Shader = shader!("conv/conv2d_input_gradient.wgsl", with "conv/conv2d_shape.wgsl");
const WEIGHT_GRADIENT: Shader = shader!("conv/conv2d_weight_gradient.wgsl", with "conv/conv2d_shape.wgsl");

/// The widest kernel whose columns one lane of the weight gradient takes together; the loops over taps in the shaders
/// are unrolled as far.
const UNROLLED_TAPS: usize = 7;

/// The largest stride, padding and dilation; keeps extents from overflowing.
const MAX_ATTRIBUTE: usize = 65_535;

/// The largest stride, and the most columns from a kernel row's first tap to its last, for which a lane of the tiled
/// kernels holds the columns it needs of a row in registers.
const MAX_TILED_STRIDE: usize = 8;
const MAX_TILED_REACH: usize = 64;

/// Attributes of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conv2d {
    /// Pixels between neighbouring outputs.
    pub stride: usize,
    /// Zeros around the image on every side.
    pub padding: usize,
    /// Pixels between neighbouring taps.
    pub dilation: usize,
    /// How many groups the channels are cut into: the output channels of a group see the input channels of that group
    /// alone. As many as there are input channels make a depthwise convolution.
    pub groups: usize,
}

impl Default for Conv2d {
    fn default() -> Self {
        Conv2d { stride: 1, padding: 0, dilation: 1, groups: 1 }
    }
}

/// The extents a convolution works with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extents {
    pub(super) n: usize,
    pub(super) h: usize,
    pub(super) w: usize,
    pub(super) ci: usize,
    pub(super) kh: usize,
    pub(super) kw: usize,
    pub(super) co: usize,
    pub(super) oh: usize,
    pub(super) ow: usize,
}

/// What is added to a result before it is written, and whether a ReLU follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epilogue {
    /// A row of as many elements as the result has channels.
    pub(super) bias: Option<BufferRef>,
    /// A tensor of the result's shape.
    pub(super) addend: Option<BufferRef>,
    pub(super) relu: bool,
}

impl Conv2d {
    /// Fails unless every attribute is within its range and the groups divide the channels.
    pub(super) fn check(&self, ci: usize, co: usize) -> Result<(), Mismatch> {
        let ranges = [("stride", self.stride, 1), ("padding", self.padding, 0), ("dilation", self.dilation, 1)];
        if let Some((name, got, least)) =
            ranges.into_iter().find(|(_, value, least)| !(*least..=MAX_ATTRIBUTE).contains(value))
        {
            return Err(Mismatch::new(name, format!("{least} to {MAX_ATTRIBUTE}"), got));
        }
        if [ci, co].iter().any(|channels| !channels.is_multiple_of(self.groups)) {
            let expected = format!("a divisor of {ci} input and {co} output channels");
            return Err(Mismatch::new("groups", expected, self.groups));
        }
        Ok(())
    }

    pub(super) fn extents(&self, x: &Shape, w: &Shape) -> Result<Extents, Mismatch> {
        let Some([n, h, width, ci]) = x.nhwc() else {
            return Err(Mismatch::new("input", "4 axes N×H×W×C", x));
        };
        let Some([kh, kw, wi, co]) = w.nhwc() else {
            return Err(Mismatch::new("weight", "4 axes KH×KW×Ci/groups×Co", w));
        };
        for (operand, shape) in [("input", x), ("weight", w)] {
            if shape.dims().contains(&0) {
                return Err(Mismatch::new(operand, "no axis of extent 0", shape));
            }
        }
        self.check(ci, co)?;
        if wi != ci / self.groups {
            let expected = format!("{} input channels", ci / self.groups);
            return Err(Mismatch::new("weight", expected, format!("{wi} in {w}")));
        }
        let out = |size: usize, kernel: usize| {
            let reach = (kernel - 1).checked_mul(self.dilation)?.checked_add(1)?;
            Some(size.checked_add(2 * self.padding)?.checked_sub(reach)? / self.stride + 1)
        };
        match (out(h, kh), out(width, kw)) {
            (Some(oh), Some(ow)) => Ok(Extents { n, h, w: width, ci, kh, kw, co, oh, ow }),
            _ => {
                let padded = [h, width].map(|n| n.saturating_add(2 * self.padding));
                let expected = format!("a kernel within the padded input {}×{}", padded[0], padded[1]);
                Err(Mismatch::new("weight", expected, format!("{kh}×{kw} at dilation {}", self.dilation)))
            }
        }
    }
}

/// A convolution with its epilogue: operands x, w, the bias if there is one, and if `addend` what is added to the
/// result.
#[derive(Debug, Clone, Copy)]
struct Forward {
    conv: Conv2d,
    bias: bool,
    addend: bool,
    relu: bool,
}

impl Operator for Forward {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let expected = 2 + usize::from(self.bias) + usize::from(self.addend);
        if inputs.len() != expected {
            return Err(Mismatch::new("operands", expected, inputs.len()));
        }
        let [x, w] = [inputs[0], inputs[1]];
        expect_f32("input", x)?;
        expect_f32("weight", w)?;
        let e = self.conv.extents(&x.shape, &w.shape)?;
        let row = TensorType::f32([e.co]);
        if let Some(bias) = inputs.get(2).filter(|b| self.bias && ***b != row) {
            return Err(Mismatch::new("bias", row, bias));
        }
        let ty = TensorType::f32([e.n, e.oh, e.ow, e.co]);
        match inputs.last().filter(|t| self.addend && ***t != ty) {
            Some(addend) => Err(Mismatch::new("addend", ty, addend)),
            None => Ok(ty),
        }
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        let (x, w, r) = (call.inputs[0], call.inputs[1], call.output.recorder());
        let gy = if self.relu { call.cotangent.relu_mask(call.output)? } else { call.cotangent };
        let gx =
            call.grad(0, || r.apply(InputGradient { conv: self.conv, shape: x.shape(), addend: false }, &[gy, w]))?;
        let gw = call.grad(1, || weight_gradient(x, gy, self.conv, w.shape()))?;
        let mut grads = vec![gx, gw];
        if self.bias {
            grads.push(call.grad(2, || gy.sum_to(call.inputs[2].shape()))?);
        }
        if self.addend {
            grads.push(call.grad(grads.len(), || Ok(gy))?);
        }
        Ok(grads)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, w) = (lowering.input(0), lowering.input(1));
        let bias = self.bias.then(|| lowering.input(2).buffer);
        let addend = self.addend.then(|| lowering.input(lowering.input_count() - 1).buffer);
        let e = self.conv.extents(&x.ty.shape, &w.ty.shape).expect("checked by infer");
        if self.conv.is_product(&e) {
            let (m, n, k) = (e.n * e.h * e.w, e.co, e.ci);
            let (layout, relu) = (Layout::Plain, self.relu);
            let p = Product { layout, batch: 1, m, n, k, a: x.buffer, b: w.buffer, bias, addend, relu };
            return product(lowering, p);
        }
        if !self.conv.is_tiled(&e) {
            let epilogue = Epilogue { bias, addend, relu: self.relu };
            return grouped::forward(lowering, &self.conv, &e, x.buffer, w.buffer, epilogue);
        }
        let out = lowering.output();
        // Of a photo's few channels each load is of one element, so it has to serve many products.
        let (p, q) = match e.ci < 4 && e.co.is_multiple_of(4) {
            true => (strip(e.ow, 8), groups(e.co)),
            false => (strip(e.ow, most_pixels(&e)), 1),
        };
        let dispatch = self.conv.describe(lowering, &FORWARD, &e, p, q).define("RELU", self.relu);
        let dispatch = dispatch.define("CI_LOADS", e.ci.min(4)).define("CI_TAIL", !e.ci.is_multiple_of(4));
        let dispatch = dispatch.operand(Place::A, x.buffer, e.n * e.h * e.w, e.ci);
        let dispatch = dispatch.operand(Place::B, w.buffer, e.kh * e.kw * e.ci, e.co);
        let dispatch = dispatch.optional(Place::C, bias, 1, e.co);
        let dispatch = dispatch.optional(Place::D, addend, e.n * e.oh * e.ow, e.co);
        let lanes = e.co.div_ceil(4 * q) * e.ow.div_ceil(p) * e.oh * e.n;
        dispatch.result(out, e.co).threads(lanes)
    }

    fn with_addend(&self) -> Option<Arc<dyn Operator>> {
        let fits = !self.addend && !self.relu;
        fits.then(|| Arc::new(Forward { addend: true, ..*self }) as Arc<dyn Operator>)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        conv_cost(inputs[1], output, inputs, output)
    }
}

/// A multiply-add for every weight at every output pixel.
pub(super) fn conv_cost(w: &TensorType, y: &TensorType, inputs: &[&TensorType], output: &TensorType) -> Cost {
    let bytes = inputs.iter().map(|t| t.bytes()).sum::<u64>() + output.bytes();
    Cost { flops: 2 * (w.shape.numel() * y.shape.rows()) as u64, bytes }
}

/// The gradient with respect to the input, from gy and w, and if `addend` what is added to it.
#[derive(Debug, Clone)]
struct InputGradient {
    conv: Conv2d,
    shape: Shape,
    addend: bool,
}

impl Operator for InputGradient {
    fn name(&self) -> &'static str {
        "conv2d_input_grad"
    }

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [_, w] = if self.addend { operands::<3>(inputs).map(|[gy, w, _]| [gy, w])? } else { operands(inputs)? };
        self.conv.extents(&self.shape, &w.shape)?;
        Ok(TensorType::f32(self.shape.clone()))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        // Linear in each of gy and w; c stands where the input of the convolution did.
        let (gy, w, c) = (call.inputs[0], call.inputs[1], call.cotangent);
        let mut grads = vec![
            call.grad(0, || c.conv2d(w, self.conv))?,
            call.grad(1, || weight_gradient(c, gy, self.conv, w.shape()))?,
        ];
        if self.addend {
            grads.push(call.grad(2, || Ok(c))?);
        }
        Ok(grads)
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let addend = self.addend.then(|| lowering.input(2).buffer);
        lower_adjoint(lowering, &self.conv, &self.shape, Epilogue { bias: None, addend, relu: false })
    }

    fn with_addend(&self) -> Option<Arc<dyn Operator>> {
        (!self.addend).then(|| Arc::new(InputGradient { addend: true, ..self.clone() }) as Arc<dyn Operator>)
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        conv_cost(inputs[1], inputs[0], inputs, output)
    }
}

/// Emits the adjoint of `conv` of an image of `shape`: operand 0 as the gradient of the convolution's result, operand 1 as
/// its weight. Both the input gradient and the transposed convolution are this.
pub(super) fn lower_adjoint(
    lowering: &mut Lowering<'_>,
    conv: &Conv2d,
    shape: &Shape,
    epilogue: Epilogue,
) -> Result<()> {
    let (gy, w) = (lowering.input(0), lowering.input(1));
    let Epilogue { bias, addend, relu } = epilogue;
    let e = conv.extents(shape, &w.ty.shape).expect("checked by infer");
    if conv.is_product(&e) {
        let (m, n, k) = (e.n * e.h * e.w, e.ci, e.co);
        let (layout, a, b) = (Layout::TransposedB, gy.buffer, w.buffer);
        return product(lowering, Product { layout, batch: 1, m, n, k, a, b, bias, addend, relu });
    }
    if !conv.is_tiled(&e) {
        return grouped::input_gradient(lowering, conv, &e, gy.buffer, w.buffer, epilogue);
    }
    let out = lowering.output();
    let stride = conv.stride;
    let columns = e.w.div_ceil(stride);
    let most = if stride == 1 { most_pixels(&e) } else { most_pixels(&e).min(4) };
    let (p, q) = (strip(columns, most), 1);
    let dispatch = conv.describe(lowering, &INPUT_GRADIENT, &e, p, q).define("RELU", relu);
    let dispatch = dispatch.define("CO_LOADS", e.co.min(4)).define("CO_TAIL", !e.co.is_multiple_of(4));
    let dispatch = dispatch.define("K_STEP", stride / gcd(stride, conv.dilation));
    let dispatch = dispatch.operand(Place::A, gy.buffer, e.n * e.oh * e.ow, e.co);
    let dispatch = dispatch.operand(Place::B, w.buffer, e.kh * e.kw * e.ci, e.co);
    let dispatch = dispatch.optional(Place::C, bias, 1, e.ci).optional(Place::D, addend, e.n * e.h * e.w, e.ci);
    let lanes = e.ci.div_ceil(4 * q) * columns.div_ceil(p) * stride * e.h * e.n;
    dispatch.result(out, e.ci).threads(lanes)
}

/// Records the gradient of `conv` with respect to its weight, of `shape`, from its input and the gradient of its result.
pub(super) fn weight_gradient<'r>(x: Var<'r>, gy: Var<'r>, conv: Conv2d, shape: Shape) -> Result<Var<'r>> {
    x.recorder().apply(WeightGradient(conv, shape), &[x, gy])
}

/// The gradient with respect to the weight, of the given shape, from x and gy.
#[derive(Debug, Clone)]
struct WeightGradient(Conv2d, Shape);

impl Operator for WeightGradient {
    fn name(&self) -> &'static str {
        "conv2d_weight_grad"
    }

    fn storage(&self) -> Storage {
        Storage::Wide
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let [x, _] = operands(inputs)?;
        self.0.extents(&x.shape, &self.1)?;
        Ok(TensorType::f32(self.1.clone()))
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        // Linear in each of x and gy; c stands where the weight did.
        let (x, gy, c) = (call.inputs[0], call.inputs[1], call.cotangent);
        let gx = InputGradient { conv: self.0, shape: x.shape(), addend: false };
        Ok(vec![call.grad(0, || x.recorder().apply(gx, &[gy, c]))?, call.grad(1, || x.conv2d(c, self.0))?])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, gy) = (lowering.input(0), lowering.input(1));
        let e = self.0.extents(&x.ty.shape, &self.1).expect("checked by infer");
        if self.0.is_product(&e) {
            let (m, n, k) = (e.ci, e.co, e.n * e.h * e.w);
            let (layout, a, b) = (Layout::TransposedA, x.buffer, gy.buffer);
            let p = Product { layout, batch: 1, m, n, k, a, b, bias: None, addend: None, relu: false };
            return product(lowering, p);
        }
        if !self.0.is_tiled(&e) {
            return grouped::weight_gradient(lowering, &self.0, &e, x.buffer, gy.buffer);
        }
        let vec4 = e.ci.is_multiple_of(4) && e.co.is_multiple_of(4);
        let taps = if e.kw <= UNROLLED_TAPS { e.kw } else { 1 };
        let q = if vec4 && taps <= 3 { groups(e.co) } else { 1 };
        let qi = if taps == 1 { groups(e.ci) } else { 1 };
        let p = strip(e.ow, most_pixels(&e).min(4));
        let rows = e.n * e.oh;
        let tiles = e.co.div_ceil(4 * q) * e.ci.div_ceil(4 * qi) * e.kh * e.kw / taps;
        let rows_per_split = rows.div_ceil(splits(lowering.target().class, tiles, rows)).min(longest(e.ow.div_ceil(p)));
        let splits = rows.div_ceil(rows_per_split);
        let numel = e.kh * e.kw * e.ci * e.co;
        let to = if splits == 1 { lowering.output() } else { lowering.scratch(splits * numel) };
        let dispatch = self.0.describe_split(lowering, &WEIGHT_GRADIENT, &e, p, q, rows_per_split);
        let dispatch = dispatch.define("TAPS", taps).define("QI", qi).define("OW_TAIL", !e.ow.is_multiple_of(p));
        let dispatch = dispatch.define("CI_LOADS", e.ci.min(4)).define("CI_TAIL", !e.ci.is_multiple_of(4));
        let dispatch = dispatch.operand(Place::A, x.buffer, e.n * e.h * e.w, e.ci);
        let dispatch = dispatch.operand(Place::B, gy.buffer, e.n * e.oh * e.ow, e.co);
        dispatch.result(to, e.co).threads(tiles * splits)?;
        if splits > 1 {
            let out = lowering.output();
            column_sum(lowering, to, out, splits, numel)?;
        }
        Ok(())
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        conv_cost(output, inputs[1], inputs, output)
    }
}

impl Conv2d {
    /// Whether every pixel stands alone, so that the convolution is a matrix product over rows of channels.
    fn is_product(&self, e: &Extents) -> bool {
        (e.kh, e.kw, self.stride, self.padding, self.groups) == (1, 1, 1, 0, 1)
    }

    /// Whether the tiled kernels fit, which hold in registers what neighbouring pixels share.
    fn is_tiled(&self, e: &Extents) -> bool {
        let narrow = self.stride <= MAX_TILED_STRIDE && (e.kw - 1) * self.dilation <= MAX_TILED_REACH;
        self.groups == 1 && narrow
    }

    /// Starts a dispatch with what the three passes share.
    fn describe<'s>(
        &self,
        lowering: &'s mut Lowering<'_>,
        shader: &'s Shader,
        e: &Extents,
        p: usize,
        q: usize,
    ) -> Dispatch<'s> {
        self.describe_split(lowering, shader, e, p, q, e.n * e.oh)
    }

    fn describe_split<'s>(
        &self,
        lowering: &'s mut Lowering<'_>,
        shader: &'s Shader,
        e: &Extents,
        p: usize,
        q: usize,
        rows_per_split: usize,
    ) -> Dispatch<'s> {
        let lanes = lowering.target().lanes();
        let dispatch = lowering.dispatch(shader).define("WG", lanes).define("P", p).define("Q", q);
        let dispatch = dispatch.define("KH", e.kh).define("KW", e.kw);
        let dispatch = dispatch.define("S", self.stride).define("D", self.dilation);
        let dispatch = dispatch.param("n", e.n).param("h", e.h).param("w", e.w).param("ci", e.ci);
        let dispatch = dispatch.param("oh", e.oh).param("ow", e.ow).param("co", e.co);
        let dispatch = dispatch.param("pad_y", self.padding).param("pad_x", self.padding);
        dispatch.param("rows_per_split", rows_per_split)
    }
}

/// The most pixels a lane takes. Kernels that load single elements are long; drivers take their time over them.
fn most_pixels(e: &Extents) -> usize {
    match (e.ci.is_multiple_of(4), e.co.is_multiple_of(4)) {
        (true, true) => 8,
        (false, true) => 4,
        _ => 2,
    }
}

/// How many pixels of a row of `width` a lane takes: the time of the row's strips is least if what a lane does besides
/// (loading weights) costs as much as three pixels.
fn strip(width: usize, most: usize) -> usize {
    let time = |&p: &usize| (width.div_ceil(p) * (p + 3), width - p);
    (1..=most.min(width)).min_by_key(time).unwrap_or(1)
}

/// Groups of four channels a lane takes.
fn groups(channels: usize) -> usize {
    if channels.is_multiple_of(8) { 2 } else { 1 }
}

/// Into how many partial sums a long sum of `length` terms for each of `tiles` lanes is split, so that every core has
/// work.
pub(super) fn splits(class: AdapterClass, tiles: usize, length: usize) -> usize {
    let lanes: usize = match class {
        AdapterClass::Software => 512,
        AdapterClass::Hardware => 1 << 15,
    };
    lanes.div_ceil(tiles).min(length.div_ceil(4)).max(1)
}

/// The most rows, each of so many turns of a loop, that one thread adds up where rows are split among threads: a software
/// adapter leaves loops after 65,535 turns.
pub(super) fn longest(turns: usize) -> usize {
    ((1 << 15) / turns).max(1)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl<'r> Var<'r> {
    /// Convolves this N×H×W×Ci image with `weight` KH×KW×Ci/groups×Co; the result is N×OH×OW×Co with
    /// OH = ⌊(H + 2·padding − dilation·(KH − 1) − 1) / stride⌋ + 1. Fails if a channel count does not fit, the groups do
    /// not divide both, a stride or dilation is 0, or the kernel is larger than the padded image.
    #[track_caller]
    pub fn conv2d(self, weight: Var<'r>, conv: Conv2d) -> Result<Var<'r>> {
        self.recorder().apply(Forward { conv, bias: false, addend: false, relu: false }, &[self, weight])
    }

    /// [`Var::conv2d`] with a bias and, if `relu`, a ReLU, in the same dispatch.
    #[track_caller]
    pub fn conv2d_bias(self, weight: Var<'r>, bias: Var<'r>, conv: Conv2d, relu: bool) -> Result<Var<'r>> {
        self.recorder().apply(Forward { conv, bias: true, addend: false, relu }, &[self, weight, bias])
    }
}
