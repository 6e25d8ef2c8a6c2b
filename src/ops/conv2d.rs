//! 2D convolution of N×H×W×C images (strictly: cross-correlation, as networks use the word).

use std::fmt;
use std::sync::Arc;

use super::conv_grouped as grouped;
use super::conv_lanes::{Lanes, WeightLanes};
use super::operand::{Epilogue, Norm};
use super::product::{Layout, Product, product};
use super::winograd;
use super::workgroup_tile::{self, Way, ways};
use super::{Cost, Ending, Operator, Storage, VjpCall, expect_f32, operands};
use crate::error::{Mismatch, Result};
use crate::exec::{Lowering, ShapeClass, Target};
use crate::graph::Var;
use crate::shape::{DType, Shape, TensorType};

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

/// A convolution with its epilogue: operands x, w, the bias if there is one, statistics and affine pair if it ends with a
/// normalisation (`norm` is then what is added to the variance), and if `addend` what is added to the result.
#[derive(Debug, Clone, Copy)]
struct Forward {
    conv: Conv2d,
    bias: bool,
    norm: Option<f32>,
    addend: bool,
    relu: bool,
}

impl Forward {
    /// Whether there is a kernel that normalises what this makes of such operands.
    fn takes_norm(&self, inputs: &[&TensorType]) -> bool {
        let plain = self.norm.is_none() && !self.addend && !self.relu;
        let single = inputs.iter().all(|ty| ty.dtype == DType::F32);
        let fits = |e: Extents| (self.conv.is_product(&e) || self.conv.is_tiled(&e)) && e.co.is_multiple_of(4);
        plain && single && self.conv.extents(&inputs[0].shape, &inputs[1].shape).is_ok_and(fits)
    }
}

impl Operator for Forward {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn storage(&self) -> Storage {
        Storage::LikeFirst
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        let expected = 2 + usize::from(self.bias) + 2 * usize::from(self.norm.is_some()) + usize::from(self.addend);
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
        let norm = self.norm.map(|eps| {
            let [stats, affine] = [2, 3].map(|i| lowering.input(i + usize::from(self.bias)).buffer);
            Norm { stats, affine, eps }
        });
        let epilogue = Epilogue { bias, norm, addend, relu: self.relu };
        if self.conv.is_product(&e) {
            let (m, n, k) = (e.n * e.h * e.w, e.co, e.ci);
            let (layout, a, b, y) = (Layout::Plain, x.buffer, w.buffer, lowering.output());
            return product(lowering, Product { layout, batch: 1, interleaved: false, m, n, k, a, b, y, epilogue });
        }
        if !self.conv.is_tiled(&e) {
            return grouped::forward(lowering, &self.conv, &e, x.buffer, w.buffer, epilogue);
        }
        let extent = workgroup_tile::forward_extent(&e, epilogue).stored(lowering, [x.buffer, w.buffer]);
        let ways = ways(lowering.target(), Lanes::of_forward(lowering.target(), &e), extent, true);
        let methods = methods(lowering.target(), (ways, Lanes::MULTIPLICATION), &self.conv, &e, [e.oh, e.ow]);
        match lowering.choose(self.conv.class("conv2d", &e), methods[0], &methods[1..]) {
            Direct(Way::Lanes(lanes)) => lanes.forward(lowering, &self.conv, &e, [x.buffer, w.buffer], epilogue),
            Direct(Way::Tile(tile)) => tile.forward(lowering, &self.conv, &e, [x.buffer, w.buffer], epilogue),
            Winograd(winograd) => winograd.forward(lowering, &self.conv, &e, [x.buffer, w.buffer], epilogue),
        }
    }

    fn with_ending(&self, ending: Ending, inputs: &[&TensorType]) -> Option<Arc<dyn Operator>> {
        match ending {
            Ending::Normalize { eps, relu } if self.takes_norm(inputs) => {
                Some(Arc::new(Forward { norm: Some(eps), relu, ..*self }))
            }
            Ending::Addend if !self.addend && !self.relu => Some(Arc::new(Forward { addend: true, ..*self })),
            Ending::Relu if !self.relu => Some(Arc::new(Forward { relu: true, ..*self })),
            _ => None,
        }
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
        lower_adjoint(lowering, &self.conv, &self.shape, Epilogue { bias: None, norm: None, addend, relu: false })
    }

    fn with_ending(&self, ending: Ending, _: &[&TensorType]) -> Option<Arc<dyn Operator>> {
        let fits = ending == Ending::Addend && !self.addend;
        fits.then(|| Arc::new(InputGradient { addend: true, ..self.clone() }) as Arc<dyn Operator>)
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
    let e = conv.extents(shape, &w.ty.shape).expect("checked by infer");
    if conv.is_product(&e) {
        let (m, n, k) = (e.n * e.h * e.w, e.ci, e.co);
        let (layout, a, b, y) = (Layout::TransposedB, gy.buffer, w.buffer, lowering.output());
        return product(lowering, Product { layout, batch: 1, interleaved: false, m, n, k, a, b, y, epilogue });
    }
    if !conv.is_tiled(&e) {
        return grouped::input_gradient(lowering, conv, &e, gy.buffer, w.buffer, epilogue);
    }
    let extent = workgroup_tile::input_gradient_extent(&e, epilogue).stored(lowering, [gy.buffer, w.buffer]);
    // With a stride most taps of a pixel meet nothing.
    let ways = ways(lowering.target(), Lanes::of_input_gradient(lowering.target(), conv, &e), extent, conv.stride == 1);
    let methods = methods(lowering.target(), (ways, Lanes::MULTIPLICATION), conv, &e, [e.h, e.w]);
    match lowering.choose(conv.class("conv2d_input_grad", &e), methods[0], &methods[1..]) {
        Direct(Way::Lanes(lanes)) => lanes.input_gradient(lowering, conv, &e, [gy.buffer, w.buffer], epilogue),
        Direct(Way::Tile(tile)) => tile.input_gradient(lowering, conv, &e, [gy.buffer, w.buffer], epilogue),
        Winograd(winograd) => winograd.input_gradient(lowering, conv, &e, [gy.buffer, w.buffer], epilogue),
    }
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
            let (layout, a, b, y) = (Layout::TransposedA, x.buffer, gy.buffer, lowering.output());
            let epilogue = Epilogue::default();
            return product(lowering, Product { layout, batch: 1, interleaved: false, m, n, k, a, b, y, epilogue });
        }
        if !self.0.is_tiled(&e) {
            return grouped::weight_gradient(lowering, &self.0, &e, x.buffer, gy.buffer);
        }
        let lanes = WeightLanes::all(lowering.target(), &self.0, &e);
        let extent = workgroup_tile::weight_gradient_extent(&e).stored(lowering, [x.buffer, gy.buffer]);
        let ways = ways(lowering.target(), lanes, extent, true);
        let methods = methods(lowering.target(), (ways, WeightLanes::MULTIPLICATION), &self.0, &e, [e.h, e.w]);
        match lowering.choose(self.0.class("conv2d_weight_grad", &e), methods[0], &methods[1..]) {
            Direct(Way::Lanes(lanes)) => lanes.emit(lowering, &self.0, &e, [x.buffer, gy.buffer]),
            Direct(Way::Tile(tile)) => tile.weight_gradient(lowering, &self.0, &e, [x.buffer, gy.buffer]),
            Winograd(winograd) => winograd.weight_gradient(lowering, &self.0, &e, [x.buffer, gy.buffer]),
        }
    }

    fn cost(&self, inputs: &[&TensorType], output: &TensorType) -> Cost {
        conv_cost(output, inputs[1], inputs, output)
    }
}

/// How a pass is computed: by its definition, or in fewer multiplications.
#[derive(Debug, Clone, Copy)]
enum Method<L> {
    Direct(Way<L>),
    Winograd(winograd::Tiles),
}

use Method::{Direct, Winograd};

impl<L: fmt::Display> fmt::Display for Method<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Direct(way) => way.fmt(f),
            Winograd(tiles) => tiles.fmt(f),
        }
    }
}

/// The methods for a pass that walks over an image of `extents`, the expected fastest first; `direct` is what a multiplication takes the
/// pass's lanes on software.
fn methods<L: Copy>(
    target: &Target,
    (ways, direct): (Vec<Way<L>>, f64),
    conv: &Conv2d,
    e: &Extents,
    extents: [usize; 2],
) -> Vec<Method<L>> {
    let tiles = winograd::Tiles::of(target, conv, e, extents);
    let expected = tiles.first().is_some_and(|tiles| tiles.is_expected(target, e, direct));
    let (direct, tiles) = (ways.into_iter().map(Direct), tiles.into_iter().map(Winograd));
    if expected { tiles.chain(direct).collect() } else { direct.chain(tiles).collect() }
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

    /// The shapes for which a pass chooses one variant.
    fn class(&self, pass: &str, e: &Extents) -> ShapeClass {
        let class = ShapeClass::of(pass).exact("k", format_args!("{}x{}", e.kh, e.kw));
        let class = class.exact("s", self.stride).exact("d", self.dilation);
        class.about("rows", e.n * e.oh).about("w", e.ow).row("ci", e.ci).row("co", e.co)
    }
}

impl<'r> Var<'r> {
    /// Convolves this N×H×W×Ci image with `weight` KH×KW×Ci/groups×Co; the result is N×OH×OW×Co with
    /// OH = ⌊(H + 2·padding − dilation·(KH − 1) − 1) / stride⌋ + 1. Fails if a channel count does not fit, the groups do
    /// not divide both, a stride or dilation is 0, or the kernel is larger than the padded image.
    #[track_caller]
    pub fn conv2d(self, weight: Var<'r>, conv: Conv2d) -> Result<Var<'r>> {
        self.recorder().apply(Forward { conv, bias: false, norm: None, addend: false, relu: false }, &[self, weight])
    }

    /// [`Var::conv2d`] with a bias and, if `relu`, a ReLU, in the same dispatch.
    #[track_caller]
    pub fn conv2d_bias(self, weight: Var<'r>, bias: Var<'r>, conv: Conv2d, relu: bool) -> Result<Var<'r>> {
        self.recorder().apply(Forward { conv, bias: true, norm: None, addend: false, relu }, &[self, weight, bias])
    }
}
