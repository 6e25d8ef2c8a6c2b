//! The three passes of a convolution on lanes that each hold a tile of the result in registers, without barriers or workgroup memory.
//! Variants differ in the tile, and in whether the lanes of a subgroup read weights together.

use std::fmt;

use super::conv2d::{Conv2d, Extents};
use super::operand::{Epilogue, Operands, Place};
use super::reduce::column_sum;
use super::workgroup_tile::Alone;
use super::{sharing, splits};
use crate::error::Result;
use crate::exec::{BufferRef, Dispatch, Lowering, Shader, Target};
use crate::shader;

const FORWARD: Shader = shader!(
    "conv/conv2d_forward.wgsl",
    with "conv/conv2d_shape.wgsl",
    with "conv/output_strip.wgsl",
    with "conv/tap.wgsl",
    with "common/ending.wgsl"
);
const PHOTO: Shader = shader!(
    "conv/conv2d_photo.wgsl",
    with "conv/conv2d_shape.wgsl",
    with "conv/output_strip.wgsl",
    with "conv/photo_row.wgsl",
    with "common/ending.wgsl"
);
const INPUT_GRADIENT: Shader = shader!(
    "conv/conv2d_input_gradient.wgsl", with "conv/conv2d_shape.wgsl", with "conv/tap.wgsl", with "common/ending.wgsl"
);
const WEIGHT_GRADIENT: Shader = shader!(
    "conv/conv2d_weight_gradient.wgsl", with "conv/conv2d_shape.wgsl", with "conv/result_gradient.wgsl"
);
const PHOTO_WEIGHT_GRADIENT: Shader = shader!(
    "conv/conv2d_photo_weight_gradient.wgsl",
    with "conv/conv2d_shape.wgsl",
    with "conv/photo_row.wgsl",
    with "conv/result_gradient.wgsl"
);

/// The widest kernel whose columns one lane of the weight gradient takes together; the loops over taps in the shaders
/// are unrolled as far.
const UNROLLED_TAPS: usize = 7;

/// The most elements of a kernel's row, over columns and channels, that the kernel for photos takes.
const LONGEST_PHOTO_ROW: usize = 24;

/// The most groups of four results that a lane of the forward pass and of the input gradient holds.
const MOST_RESULTS: usize = 16;

/// A lane's tile: so many neighbouring pixels times so many groups of four channels; and the lanes of a subgroup that reads weights
/// together, if lanes do not read them alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lanes {
    pixels: usize,
    groups: usize,
    subgroup: Option<usize>,
}

impl fmt::Display for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}x{}", sharing::name(self.subgroup), self.pixels, 4 * self.groups)
    }
}

impl Lanes {
    /// What a multiplication takes on software, in those of the matrix products (see [`winograd`](super::winograd)).
    pub(super) const MULTIPLICATION: f64 = 1.0;

    /// `expected`, and its neighbours among the tiles of rows of `width` pixels with `channels`; before them those of lanes that read
    /// weights together, where they do. That pays even where strips are too few for all lanes of a subgroup, and small tiles then do not.
    fn around(
        expected: Lanes,
        subgroup: Option<usize>,
        width: usize,
        most_pixels: usize,
        channels: usize,
    ) -> Vec<Lanes> {
        let tiles = |subgroup, groups: &[usize], pixels: &[usize]| -> Vec<Lanes> {
            let strips = pixels.iter().map(|&most| strip(width, most.min(most_pixels)));
            let tile = |groups: usize| strips.clone().map(move |pixels| Lanes { pixels, groups, subgroup });
            let groups = groups.iter().filter(|&&groups| groups == 1 || channels.is_multiple_of(4 * groups));
            groups.flat_map(|&groups| tile(groups)).filter(|t| t.pixels * t.groups <= MOST_RESULTS).collect()
        };
        let (shared, alone) = match subgroup {
            Some(_) => (tiles(subgroup, &[2, 4, 1], &[8, 4]), tiles(None, &[1, 2], &[8, 4])),
            None => (Vec::new(), tiles(None, &[1, 2, 4], &[8, 4, 2])),
        };
        shared.into_iter().chain([expected]).chain(alone).collect()
    }

    /// The tiles for the forward pass, the expected fastest first.
    pub(super) fn of_forward(target: &Target, e: &Extents) -> Vec<Lanes> {
        // Of a photo's few channels each load is of one element, so it has to serve many products.
        let photo = e.ci < 4 && e.co.is_multiple_of(4);
        let most = if photo { 8 } else { most_pixels(e) };
        // Where there are many channels, pixels that serve two groups are loaded half as often.
        let groups = if e.co >= 16 && (photo || e.ci >= 32) { even_groups(e.co) } else { 1 };
        let expected = Lanes { pixels: strip(e.ow, most), groups, subgroup: None };
        Lanes::around(expected, sharing::subgroup(target), e.ow, most, e.co)
    }

    /// The tiles for the input gradient, the expected fastest first.
    pub(super) fn of_input_gradient(target: &Target, conv: &Conv2d, e: &Extents) -> Vec<Lanes> {
        let columns = e.w.div_ceil(conv.stride);
        // It loads the result's channels only.
        let most = if e.co.is_multiple_of(4) { 8 } else { most_pixels(e) };
        let expected = Lanes { pixels: strip(columns, most), groups: 1, subgroup: None };
        Lanes::around(expected, sharing::subgroup(target), columns, most, e.ci)
    }

    /// Emits the convolution of `x` with `weight`.
    pub(super) fn forward(
        self,
        lowering: &mut Lowering<'_>,
        conv: &Conv2d,
        e: &Extents,
        [x, weight]: [BufferRef; 2],
        epilogue: Epilogue,
    ) -> Result<()> {
        let Lanes { pixels: p, groups: q, subgroup } = self;
        let Epilogue { bias, norm, addend, relu } = epilogue;
        let out = lowering.output();
        let dispatch = match skipped(conv, e, p) {
            Some(skipped) => describe(lowering, &PHOTO, conv, e, [p, q])
                .define("CI", e.ci)
                .define("SKIPPED", skipped)
                .operand(Place::A, x, e.n * e.h, e.w * e.ci),
            None => describe(lowering, &FORWARD, conv, e, [p, q])
                .define("CI_LOADS", e.ci.min(4))
                .define("CI_TAIL", !e.ci.is_multiple_of(4))
                .operand(Place::A, x, e.n * e.h * e.w, e.ci),
        };
        let dispatch = sharing::second_operand(dispatch.define("RELU", relu), subgroup);
        let dispatch = dispatch.operand(Place::B, weight, e.kh * e.kw * e.ci, e.co);
        let dispatch = dispatch.optional(Place::C, bias, 1, e.co);
        let dispatch = dispatch.optional(Place::D, addend, e.n * e.oh * e.ow, e.co).normalized(norm);
        let lanes = e.co.div_ceil(4 * q) * sharing::padded(e.ow.div_ceil(p) * e.oh * e.n, subgroup);
        dispatch.param("rows_per_split", e.n * e.oh).result(out, e.co).threads(lanes)
    }

    /// Emits the gradient with respect to the input, from that of the result and the weight.
    pub(super) fn input_gradient(
        self,
        lowering: &mut Lowering<'_>,
        conv: &Conv2d,
        e: &Extents,
        [gy, weight]: [BufferRef; 2],
        epilogue: Epilogue,
    ) -> Result<()> {
        let Lanes { pixels: p, groups: q, subgroup } = self;
        let Epilogue { bias, addend, relu, .. } = epilogue;
        let (out, stride, workgroup) = (lowering.output(), conv.stride, lowering.target().lanes() as usize);
        let dispatch = describe(lowering, &INPUT_GRADIENT, conv, e, [p, q]).define("RELU", relu);
        let dispatch = sharing::second_operand(dispatch, subgroup);
        let dispatch = dispatch.define("CO_LOADS", e.co.min(4)).define("CO_TAIL", !e.co.is_multiple_of(4));
        let dispatch = dispatch.define("K_STEP", stride / gcd(stride, conv.dilation));
        let dispatch = dispatch.operand(Place::A, gy, e.n * e.oh * e.ow, e.co);
        let dispatch = dispatch.operand(Place::B, weight, e.kh * e.kw * e.ci, e.co);
        let dispatch = dispatch.optional(Place::C, bias, 1, e.ci).optional(Place::D, addend, e.n * e.h * e.w, e.ci);
        let dispatch = dispatch.normalized(None);
        // Whole workgroups for each phase: the pixels with the same place in a row and in a column among `stride`.
        let strips = sharing::padded(e.w.div_ceil(stride).div_ceil(p) * e.h.div_ceil(stride) * e.n, subgroup);
        let lanes = (e.ci.div_ceil(4 * q) * strips).next_multiple_of(workgroup);
        dispatch.param("rows_per_split", e.n * e.oh).result(out, e.ci).threads(stride * stride * lanes)
    }
}

/// A lane's tile of the weight gradient, groups of four output channels times groups of four input channels for each tap of a kernel's
/// row or for one, and how it walks: so many pixels at a time, over as many rows as leave work for so many lanes; and the lanes of a subgroup
/// that reads the result's gradient together, if lanes do not read it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WeightLanes {
    taps: usize,
    inputs: usize,
    outputs: usize,
    pixels: usize,
    lanes: usize,
    subgroup: Option<usize>,
}

impl fmt::Display for WeightLanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WeightLanes { taps, inputs, outputs, pixels, lanes, subgroup } = self;
        let name = sharing::name(*subgroup);
        write!(f, "{name} {taps}x{}x{} by {pixels} for {lanes}", 4 * inputs, 4 * outputs)
    }
}

impl WeightLanes {
    /// What a multiplication takes on software, in those of the matrix products.
    pub(super) const MULTIPLICATION: f64 = 1.2;

    /// The tiles, the expected fastest first: where lanes share, those that do.
    pub(super) fn all(target: &Target, conv: &Conv2d, e: &Extents) -> Vec<WeightLanes> {
        let vec4 = e.ci.is_multiple_of(4) && e.co.is_multiple_of(4);
        let taps = if e.kw <= UNROLLED_TAPS { e.kw } else { 1 };
        let outputs = if vec4 && taps <= 3 { even_groups(e.co) } else { 1 };
        let inputs = if taps == 1 { even_groups(e.ci) } else { 1 };
        let pixels = |most: usize| strip(e.ow, most_pixels(e).min(most));
        let lanes = splits::lanes(target.class);
        // With many sums few registers are left for pixels.
        let few = if outputs == 2 { 2 } else { 4 };
        let alone = WeightLanes { taps, inputs, outputs, pixels: pixels(few), lanes, subgroup: None };
        let subgroup = sharing::subgroup(target);
        let shared = subgroup.map(|_| {
            let outputs = if e.co.is_multiple_of(16) { 4 } else { even_groups(e.co) };
            let four = taps <= 3 || skipped(conv, e, pixels(4)).is_some();
            WeightLanes { outputs, pixels: pixels(if four { 4 } else { 2 }), subgroup, ..alone }
        });
        let mut all = Vec::new();
        for tile in shared.into_iter().chain([alone]) {
            let lanes = [lanes, lanes / 2, lanes * 4].map(|lanes| WeightLanes { lanes, ..tile });
            let pixels = [2, 4].map(|most| WeightLanes { pixels: pixels(most), ..tile });
            all.extend(lanes.into_iter().chain(pixels));
            if vec4 {
                all.push(WeightLanes { outputs: if tile.outputs == 1 { even_groups(e.co) } else { 1 }, ..tile });
            }
        }
        all
    }

    /// Emits the gradient with respect to the weight, from the input and the gradient of the result.
    pub(super) fn emit(
        self,
        lowering: &mut Lowering<'_>,
        conv: &Conv2d,
        e: &Extents,
        [x, gy]: [BufferRef; 2],
    ) -> Result<()> {
        let WeightLanes { taps, inputs: qi, outputs: q, pixels: p, lanes, subgroup } = self;
        let rows = e.n * e.oh;
        let tiles = e.co.div_ceil(4 * q) * sharing::padded(e.kh * e.kw / taps * e.ci.div_ceil(4 * qi), subgroup);
        let rows_per_split = rows.div_ceil(splits::of(lanes, tiles, rows)).min(splits::longest(e.ow.div_ceil(p)));
        let splits = rows.div_ceil(rows_per_split);
        let numel = e.kh * e.kw * e.ci * e.co;
        let to = if splits == 1 { lowering.output() } else { lowering.scratch(splits * numel) };
        let dispatch = match skipped(conv, e, p).filter(|_| taps == e.kw) {
            Some(skipped) => describe(lowering, &PHOTO_WEIGHT_GRADIENT, conv, e, [p, q])
                .define("CI", e.ci)
                .define("SKIPPED", skipped)
                .operand(Place::A, x, e.n * e.h, e.w * e.ci),
            None => describe(lowering, &WEIGHT_GRADIENT, conv, e, [p, q])
                .define("TAPS", taps)
                .define("QI", qi)
                .define("CI_LOADS", e.ci.min(4))
                .define("CI_TAIL", !e.ci.is_multiple_of(4))
                .operand(Place::A, x, e.n * e.h * e.w, e.ci),
        };
        let dispatch = dispatch.param("rows_per_split", rows_per_split).define("OW_TAIL", !e.ow.is_multiple_of(p));
        let dispatch = sharing::second_operand(dispatch, subgroup);
        let dispatch = dispatch.operand(Place::B, gy, e.n * e.oh * e.ow, e.co);
        dispatch.result(to, e.co).threads(tiles * splits)?;
        if splits > 1 {
            let out = lowering.output();
            column_sum(lowering, to, out, splits, numel)?;
        }
        Ok(())
    }
}

impl Alone for Lanes {
    fn footprint(&self) -> ([usize; 2], Option<usize>) {
        ([self.pixels, 4 * self.groups], None)
    }
}

impl Alone for WeightLanes {
    fn footprint(&self) -> ([usize; 2], Option<usize>) {
        ([4 * self.taps * self.inputs, 4 * self.outputs], Some(self.lanes))
    }
}

/// Starts a dispatch with what the three passes share.
fn describe<'s>(
    lowering: &'s mut Lowering<'_>,
    shader: &'s Shader,
    conv: &Conv2d,
    e: &Extents,
    [p, q]: [usize; 2],
) -> Dispatch<'s> {
    let lanes = lowering.target().lanes();
    let dispatch = lowering.dispatch(shader).define("WG", lanes).define("P", p).define("Q", q);
    let dispatch = dispatch.define("KH", e.kh).define("KW", e.kw);
    let dispatch = dispatch.define("S", conv.stride).define("D", conv.dilation);
    let dispatch = dispatch.param("n", e.n).param("h", e.h).param("w", e.w).param("ci", e.ci);
    let dispatch = dispatch.param("oh", e.oh).param("ow", e.ow).param("co", e.co);
    dispatch.param("pad_y", conv.padding).param("pad_x", conv.padding)
}

/// Where a photo's few channels are taken together with the columns of a kernel's row, as the first elements of every `pixels` pixels lie
/// alike in vectors of four then: how many elements of the first vector come before those.
fn skipped(conv: &Conv2d, e: &Extents, pixels: usize) -> Option<usize> {
    let row = e.ci < 4 && conv.dilation == 1 && e.kw * e.ci <= LONGEST_PHOTO_ROW;
    let whole = (e.w * e.ci).is_multiple_of(4) && (pixels * conv.stride * e.ci).is_multiple_of(4);
    (row && whole).then(|| (4 - conv.padding * e.ci % 4) % 4)
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
fn even_groups(channels: usize) -> usize {
    if channels.is_multiple_of(8) { 2 } else { 1 }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::AdapterClass;

    fn shared(tiles: &[Lanes]) -> bool {
        tiles[0].subgroup.is_some()
    }

    #[test]
    fn lanes_share_weights_where_those_of_a_subgroup_go_through_the_same_taps() {
        let software = Target { class: AdapterClass::Software, subgroup: Some(8), ..Target::webgpu_defaults() };
        let e = Extents { n: 1, h: 32, w: 32, ci: 16, kh: 3, kw: 3, co: 16, oh: 32, ow: 32 };
        let conv = Conv2d { padding: 1, ..Conv2d::default() };
        assert!(shared(&Lanes::of_forward(&software, &e)));
        assert!(shared(&Lanes::of_input_gradient(&software, &conv, &e)));
        assert!(shared(&Lanes::of_input_gradient(&software, &Conv2d { stride: 2, ..conv }, &e)));
        assert_eq!(WeightLanes::all(&software, &conv, &e)[0].subgroup, Some(8));
        assert_eq!(WeightLanes::all(&Target::webgpu_defaults(), &conv, &e)[0].subgroup, None);
        // A load of b fills four pixels a group.
        assert!(WeightLanes::all(&software, &conv, &e).iter().all(|tile| tile.pixels <= 4));
        assert!(!shared(&Lanes::of_forward(&Target { subgroup: None, ..software }, &e)));
        assert!(!shared(&Lanes::of_forward(&Target::webgpu_defaults(), &e)), "a GPU has workgroup memory");
    }

    #[test]
    fn a_photo_is_read_by_vectors_where_lanes_begin_alike_in_them() {
        let conv = Conv2d { stride: 2, padding: 3, ..Conv2d::default() };
        let e = Extents { n: 1, h: 32, w: 32, ci: 3, kh: 7, kw: 7, co: 16, oh: 16, ow: 16 };
        // Three columns of padding are nine elements: the vector before them begins twelve before the row.
        assert_eq!(skipped(&conv, &e, 8), Some(3));
        assert_eq!(skipped(&Conv2d { padding: 0, ..conv }, &e, 2), Some(0));
        assert_eq!(skipped(&conv, &e, 5), None, "lanes are 30 elements apart");
        assert_eq!(skipped(&conv, &Extents { w: 30, ..e }, 8), None, "rows of 90 elements");
        assert_eq!(skipped(&conv, &Extents { ci: 4, ..e }, 8), None);
        assert_eq!(skipped(&conv, &Extents { kw: 9, ..e }, 8), None, "27 elements a row of the kernel");
        assert_eq!(skipped(&Conv2d { dilation: 2, ..conv }, &e, 8), None);
    }
}
