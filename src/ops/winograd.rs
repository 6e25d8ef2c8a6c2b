//! The three passes of a 3×3 convolution by Winograd's minimal filtering F(4×4, 3×3) and F(6×6, 3×3) (Lavin and Gray 2016, "Fast
//! Algorithms for Convolutional Neural Networks", §4): of each tile of 6×6 or 8×8 pixels and of the weights 36 or 64 numbers a channel
//! are made, whose products, summed over the channels, give 4×4 or 6×6 pixels of the result. A result takes 2.25 or 1.78 multiplications
//! for each pair of channels instead of 9, in 36 or 64 matrix products of tiles × input channels and input × output channels.
//!
//! With B, G and A of the paper, d a tile and g the weights of a pair of channels, y = Aᵀ((G g Gᵀ) ⊙ (Bᵀ d B))A. The input's gradient is a
//! convolution of the result's, with the weights turned round; and the weights' is that convolution's adjoint, turned round: the sum of
//! Gᵀ((A x Aᵀ) ⊙ (Bᵀ d B))G over tiles x of the input and d of the result's gradient, so that both gradients take the same of the
//! latter.

use std::fmt;

use super::conv2d::{Conv2d, Extents};
use super::operand::{Epilogue, Operands, Place};
use super::product::{self, Layout, Product, inner_product};
use crate::error::Result;
use crate::exec::{AdapterClass, BufferRef, Dispatch, Lowering, Shader, Target};
use crate::shader;

const TRANSFORM: Shader = shader!("winograd/transform.wgsl", with "common/interleaved.wgsl");

/// Rows and columns of the weights.
const WEIGHTS: usize = 3;

/// The matrices of tiles of one size.
#[derive(Debug)]
struct Filtering {
    /// Rows and columns of a tile of the result.
    result: usize,
    /// Bᵀ, G and Aᵀ, and the adjoints of the last two.
    of_input: Shader,
    of_weight: Shader,
    to_result: Shader,
    of_result: Shader,
    to_weight: Shader,
}

const FOUR: Filtering = Filtering {
    result: 4,
    of_input: shader!("winograd/input4.wgsl"),
    of_weight: shader!("winograd/weight4.wgsl"),
    to_result: shader!("winograd/result4.wgsl"),
    of_result: shader!("winograd/result_adjoint4.wgsl"),
    to_weight: shader!("winograd/weight_adjoint4.wgsl"),
};

const SIX: Filtering = Filtering {
    result: 6,
    of_input: shader!("winograd/input6.wgsl"),
    of_weight: shader!("winograd/weight6.wgsl"),
    to_result: shader!("winograd/result6.wgsl"),
    of_result: shader!("winograd/result_adjoint6.wgsl"),
    to_weight: shader!("winograd/weight_adjoint6.wgsl"),
};

/// The tiles of a batch of images.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles {
    filtering: &'static Filtering,
    images: usize,
    down: usize,
    across: usize,
}

impl fmt::Display for Tiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "winograd {0}x{0}", self.filtering.result)
    }
}

/// An image that tiles are read from or written to: height, width, channels, and zeros above and left of it.
#[derive(Debug, Clone, Copy)]
struct Image {
    extents: [usize; 3],
    pad: usize,
}

impl Tiles {
    /// The tiles of results of `height` × `width`, of either size that the convolution can be computed in, what is expected to be faster
    /// first: for 3×3 weights, no stride, channels in fours, and arrays in between that fit the adapter's bindings.
    pub(super) fn of(target: &Target, conv: &Conv2d, e: &Extents, [height, width]: [usize; 2]) -> Vec<Tiles> {
        let Conv2d { stride, padding, dilation, groups } = *conv;
        let fits = [e.kh, e.kw] == [WEIGHTS; 2] && [stride, dilation, groups] == [1; 3] && padding < WEIGHTS;
        if !fits || !e.ci.is_multiple_of(4) || !e.co.is_multiple_of(4) {
            return Vec::new();
        }
        let of_size = |filtering: &'static Filtering| {
            let [down, across] = [height, width].map(|extent| extent.div_ceil(filtering.result));
            let tiles = Tiles { filtering, images: e.n, down, across };
            let rows = tiles.count().max(e.ci.min(e.co)) as u64;
            let most = rows.checked_mul(e.ci.max(e.co) as u64)?.checked_mul(4 * tiles.room() as u64)?;
            (most <= target.max_binding_bytes).then_some(tiles)
        };
        let mut sizes: Vec<Tiles> = [&FOUR, &SIX].into_iter().filter_map(of_size).collect();
        sizes.sort_by(|a, b| a.estimate(e).total_cmp(&b.estimate(e)));
        sizes
    }

    /// Rows and columns of what is made of a tile.
    fn points(&self) -> usize {
        self.filtering.result + WEIGHTS - 1
    }

    fn places(&self) -> usize {
        self.points() * self.points()
    }

    /// For how many matrices arrays of points have room.
    fn room(&self) -> usize {
        product::room(self.places())
    }

    fn count(&self) -> usize {
        self.images * self.down * self.across
    }

    /// How long a pass takes on software that reads arrays as images, by what was measured there, in multiplications of the matrix
    /// products (28 ps on two cores): these; a channel of a place in a tile of the input and one of the result, which are both written
    /// and read; a weight of a place; and three more dispatches.
    fn estimate(&self, e: &Extents) -> f64 {
        const PLACE: f64 = 40.0;
        const WEIGHT: f64 = 33.0;
        const DISPATCHES: f64 = 5.3e6;
        /// Rows of tiles that the products take together.
        const ROWS: usize = 32;
        let places = self.places() as f64;
        let [ci, co, tiles] = [e.ci, e.co, self.count()].map(|n| n as f64);
        let products = self.count().next_multiple_of(ROWS) as f64 * ci * co;
        places * (products + tiles * (ci + co) * PLACE + ci * co * WEIGHT) + DISPATCHES
    }

    /// Whether it is expected to be faster than the direct kernels of a pass, which take `direct` for a multiplication. Where nothing was
    /// measured it is only offered.
    pub(super) fn is_expected(&self, target: &Target, e: &Extents, direct: f64) -> bool {
        let pixels = (e.n * e.oh * e.ow) as f64;
        let multiplications = pixels * (WEIGHTS * WEIGHTS) as f64 * e.ci as f64 * e.co as f64;
        let measured = target.class == AdapterClass::Software && target.images > 0;
        measured && self.estimate(e) < direct * multiplications
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
        let from = Image { extents: [e.h, e.w, e.ci], pad: conv.padding };
        self.correlate(lowering, Layout::Plain, from, [e.oh, e.ow, e.co], [x, weight], epilogue)
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
        self.correlate(lowering, Layout::TransposedB, turned_round(conv, e), [e.h, e.w, e.ci], [gy, weight], epilogue)
    }

    /// Emits the correlation of `x` with the weight, turned round if it is transposed.
    fn correlate(
        self,
        lowering: &mut Lowering<'_>,
        layout: Layout,
        from: Image,
        to: [usize; 3],
        [x, weight]: [BufferRef; 2],
        epilogue: Epilogue,
    ) -> Result<()> {
        let (k, n) = (from.extents[2], to[2]);
        let turned = layout == Layout::TransposedB;
        let [rows, row] = if turned { [n, k] } else { [k, n] };
        let a = self.of_image(lowering, self.filtering.of_input, self.points(), from, x)?;
        let b = lowering.scratch(self.room() * k * n);
        let dispatch = of_weights(lowering, WEIGHTS, self.points(), [rows, row]);
        let dispatch = dispatch.define("TURNED", turned).include(self.filtering.of_weight);
        let dispatch = dispatch.include(shader!("winograd/from_weights.wgsl"));
        let dispatch = dispatch.operand(Place::A, weight, WEIGHTS * WEIGHTS * rows, row);
        dispatch.include(shader!("winograd/to_points.wgsl")).result(b, row).threads(k * n / 4)?;

        let y = self.products(lowering, layout, [self.count(), n, k], [a, b])?;

        let Epilogue { bias, norm, addend, relu } = epilogue;
        let [h, w, _] = to;
        let out = lowering.output();
        let dispatch = self.tiled(lowering, self.points(), self.filtering.result, Image { extents: to, pad: 0 });
        let dispatch = dispatch.define("RELU", relu).include(self.filtering.to_result);
        let dispatch = dispatch.include(shader!("winograd/from_points.wgsl")).include(shader!("common/ending.wgsl"));
        let dispatch = dispatch.operand(Place::A, y, self.room() * self.count(), n).optional(Place::C, bias, 1, n);
        let dispatch = dispatch.optional(Place::D, addend, self.images * h * w, n).normalized(norm);
        dispatch.include(shader!("winograd/to_image.wgsl")).result(out, n).threads(self.count() * n / 4)
    }

    /// Emits the gradient with respect to the weight, from the input and the gradient of the result.
    pub(super) fn weight_gradient(
        self,
        lowering: &mut Lowering<'_>,
        conv: &Conv2d,
        e: &Extents,
        [x, gy]: [BufferRef; 2],
    ) -> Result<()> {
        let input = Image { extents: [e.h, e.w, e.ci], pad: 0 };
        let a = self.of_image(lowering, self.filtering.of_result, self.filtering.result, input, x)?;
        let b = self.of_image(lowering, self.filtering.of_input, self.points(), turned_round(conv, e), gy)?;

        let y = self.products(lowering, Layout::TransposedA, [e.ci, e.co, self.count()], [a, b])?;

        let out = lowering.output();
        let dispatch = of_weights(lowering, self.points(), WEIGHTS, [e.ci, e.co]);
        let dispatch = dispatch.include(self.filtering.to_weight);
        let dispatch = dispatch.include(shader!("winograd/from_points.wgsl"));
        let dispatch = dispatch.operand(Place::A, y, self.room() * e.ci, e.co);
        dispatch.include(shader!("winograd/to_weights.wgsl")).result(out, e.co).threads(e.ci * e.co / 4)
    }

    /// Emits the points of an image's tiles.
    fn of_image(
        self,
        lowering: &mut Lowering<'_>,
        matrix: Shader,
        side: usize,
        from: Image,
        x: BufferRef,
    ) -> Result<BufferRef> {
        let [h, w, channels] = from.extents;
        let to = lowering.scratch(self.room() * self.count() * channels);
        let dispatch = self.tiled(lowering, side, self.points(), from).include(matrix);
        let dispatch = dispatch.include(shader!("winograd/from_image.wgsl"));
        let dispatch = dispatch.operand(Place::A, x, self.images * h * w, channels);
        let dispatch = dispatch.include(shader!("winograd/to_points.wgsl")).result(to, channels);
        dispatch.threads(self.count() * channels / 4)?;
        Ok(to)
    }

    /// Emits a product for each point.
    fn products(
        self,
        lowering: &mut Lowering<'_>,
        layout: Layout,
        [m, n, k]: [usize; 3],
        [a, b]: [BufferRef; 2],
    ) -> Result<BufferRef> {
        let (batch, epilogue) = (self.places(), Epilogue::default());
        let y = lowering.scratch(self.room() * m * n);
        inner_product(lowering, Product { layout, batch, interleaved: true, m, n, k, a, b, y, epilogue })?;
        Ok(y)
    }

    /// Starts a transform between points and tiles of an image.
    fn tiled<'s>(&self, lowering: &'s mut Lowering<'_>, of: usize, to: usize, image: Image) -> Dispatch<'s> {
        let Image { extents: [h, w, channels], pad } = image;
        let dispatch = transform(lowering, of, to, [self.count(), channels]).define("RESULT", self.filtering.result);
        let dispatch = dispatch.param("tiles_y", self.down).param("tiles_x", self.across);
        dispatch.param("h", h).param("w", w).param("pad", pad)
    }
}

/// The result's gradient, as the convolution with the weights turned round reads it.
fn turned_round(conv: &Conv2d, e: &Extents) -> Image {
    Image { extents: [e.oh, e.ow, e.co], pad: WEIGHTS - 1 - conv.padding }
}

/// Starts a transform between points and weights, of so many rows and columns: they have no place in an image.
fn of_weights<'s>(lowering: &'s mut Lowering<'_>, of: usize, to: usize, weights: [usize; 2]) -> Dispatch<'s> {
    let dispatch = transform(lowering, of, to, weights).param("tiles_y", 1u32).param("tiles_x", 1u32);
    dispatch.param("h", 1u32).param("w", 1u32).param("pad", 0u32)
}

/// Starts a transform of tiles of `of` × `of` to `to` × `to`.
fn transform<'s>(lowering: &'s mut Lowering<'_>, of: usize, to: usize, [tiles, channels]: [usize; 2]) -> Dispatch<'s> {
    let lanes = lowering.target().lanes();
    let dispatch = lowering.dispatch(&TRANSFORM).define("WG", lanes).define("IN", of).define("OUT", to);
    dispatch.param("tiles", tiles).param("channels", channels)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tiles of a 3×3 convolution that keeps an image of `size`².
    fn tiles(target: &Target, conv: Conv2d, size: usize, [ci, co]: [usize; 2]) -> (Vec<Tiles>, Extents) {
        let e = Extents { n: 8, h: size, w: size, ci, kh: 3, kw: 3, co, oh: size, ow: size };
        (Tiles::of(target, &conv, &e, [size, size]), e)
    }

    #[test]
    fn tiles_are_expected_where_channels_are_many_and_that_was_measured() {
        let gpu = Target::webgpu_defaults();
        let plain = Target { class: AdapterClass::Software, ..gpu.clone() };
        let software = Target { images: 16, ..plain.clone() };
        let conv = Conv2d { padding: 1, ..Conv2d::default() };
        let expected = |target, size, channels| {
            let (tiles, e) = tiles(target, conv, size, channels);
            tiles[0].is_expected(target, &e, 1.0)
        };
        assert!(expected(&software, 32, [64, 64]));
        assert!(!expected(&software, 32, [8, 8]), "points cost more than products");
        assert!(!expected(&software, 4, [64, 64]), "weights cost more than images");
        assert!(!expected(&gpu, 32, [64, 64]) && !expected(&plain, 32, [64, 64]), "nothing was measured");
    }

    #[test]
    fn other_convolutions_have_no_tiles() {
        let gpu = Target::webgpu_defaults();
        let conv = Conv2d { padding: 1, ..Conv2d::default() };
        let names = |size| tiles(&gpu, conv, size, [64, 64]).0.iter().map(Tiles::to_string).collect::<Vec<_>>();
        assert_eq!(names(24), ["winograd 6x6", "winograd 4x4"]);
        assert_eq!(names(8), ["winograd 4x4", "winograd 6x6"], "as many pixels as tiles have");
        for other in [
            Conv2d { stride: 2, ..conv },
            Conv2d { dilation: 2, ..conv },
            Conv2d { groups: 2, ..conv },
            Conv2d { padding: 3, ..conv },
        ] {
            assert!(tiles(&gpu, other, 32, [64, 64]).0.is_empty(), "{other:?}");
        }
        assert!(tiles(&gpu, conv, 32, [6, 64]).0.is_empty(), "channels that come in no fours");
        let small = Target { max_binding_bytes: 4 << 20, ..gpu };
        assert!(tiles(&small, conv, 32, [64, 64]).0.is_empty(), "points that fit no binding");
    }
}
