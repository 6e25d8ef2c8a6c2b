//! The harness rejects what it should: operators planted with one mistake each, and the stage that must find it.

use std::sync::atomic::{AtomicU32, Ordering};

use kernels_tests::budget;
use kernels_tests::cases::raster;
use kernels_tests::harness::{Stage, check};
use kernels_tests::reference::Tensor;
use kernels_tests::{Case, Operand};
use knuckle::error::Mismatch;
use knuckle::exec::{Lowering, Shader, ShapeClass};
use knuckle::ops::{Operator, VjpCall};
use knuckle::{Recorder, Result, TensorType, Var};

const HEAD: &str = "
struct Params { n: u32, twice: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> scratch: array<f32>;

fn flat(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.y * (groups.x * 8u) + id.x;
}

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
";

/// `y = 2x` and its gradient, but for the planted mistake.
#[derive(Debug, Clone, Copy)]
struct Planted {
    shader: Shader,
    /// What the gradient is multiplied by instead of 2.
    slope: f32,
    /// The factor on the kind of adapter that this one is not.
    elsewhere: f32,
    /// The factor where all kernels are to be coarse.
    coarse: f32,
    /// Counts lowerings; the factor is wrong in the one with this number.
    counter: Option<(&'static AtomicU32, u32)>,
    /// The factor of the second variant, if there is one.
    variant: Option<f32>,
}

impl Planted {
    fn new(sources: &'static [&'static str]) -> Self {
        Planted { shader: Shader { name: sources[1], sources }, ..RIGHT }
    }
}

impl Operator for Planted {
    fn name(&self) -> &'static str {
        "planted"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        Ok(inputs[0].clone())
    }

    fn vjp<'r>(&self, call: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![Some(call.cotangent.scale(self.slope)?)])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y, n) = (lowering.input(0).buffer, lowering.output(), lowering.output_ty().shape.numel());
        let here = kernels_tests::harness::TRUSTED.target().class;
        let mut twice = if lowering.target().class == here { 2.0 } else { self.elsewhere };
        if lowering.target().coarse_from == Some(0) {
            twice = self.coarse;
        }
        if self.counter.is_some_and(|(count, wrong)| count.fetch_add(1, Ordering::Relaxed) + 1 == wrong) {
            twice = 2.000_01;
        }
        if let Some(other) = self.variant {
            twice = lowering.choose(ShapeClass::of("planted"), twice, &[other]);
        }
        let scratch = lowering.scratch(n);
        let dispatch = lowering.dispatch(&self.shader).bind("x", x).bind("y", y).bind("scratch", scratch);
        dispatch.param("n", n).param("twice", twice).threads(n)
    }
}

/// What `check` says of the operator with 37 elements, under the budget of multiplying by a constant.
fn verdict(planted: Planted) -> Option<(Stage, String)> {
    let twice = |x: &[Tensor]| x[0].map(|v| 2.0 * v);
    let case = Case::new("affine", "planted", [Operand::normal([37])], move |r, x| r.apply(planted, x), twice);
    check(&case).err().map(|failure| (failure.stage, failure.message))
}

fn assert_rejected(planted: Planted, stage: Stage, says: &str) {
    let (found, message) = verdict(planted).unwrap_or_else(|| panic!("{planted:?} was accepted"));
    assert!(found == stage && message.contains(says), "{planted:?} was rejected at {found:?}: {message}");
}

const RIGHT: Planted = Planted {
    shader: Shader {
        name: "planted/right",
        sources: &[HEAD, "let i = flat(id, groups); if i < params.n { y[i] = params.twice * x[i]; } }"],
    },
    slope: 2.0,
    elsewhere: 2.0,
    coarse: 2.0,
    counter: None,
    variant: None,
};

#[test]
fn the_operator_without_a_mistake_passes() {
    assert_eq!(verdict(RIGHT), None);
}

#[test]
fn forward_rejects_a_small_relative_error() {
    const SLIGHTLY: &[&str] =
        &[HEAD, "let i = flat(id, groups); if i < params.n { y[i] = params.twice * 1.000002 * x[i]; } }"];
    assert_rejected(Planted::new(SLIGHTLY), Stage::Forward, "off by");
}

#[test]
fn forward_rejects_one_wrong_element() {
    const LAST: &[&str] =
        &[HEAD, "let i = flat(id, groups); if i < params.n { y[i] = params.twice * x[min(i, params.n - 2u)]; } }"];
    assert_rejected(Planted::new(LAST), Stage::Forward, "element 36");
}

#[test]
fn sentinels_reject_a_write_behind_the_end() {
    const BEYOND: &[&str] = &[
        HEAD,
        "let i = flat(id, groups); let at = select(i, i + 8u, i >= params.n);
        y[at] = params.twice * x[min(i, params.n - 1u)]; }",
    ];
    assert_rejected(Planted::new(BEYOND), Stage::Sentinels, "behind the 160 bytes of planted [37]");
}

#[test]
fn forward_rejects_elements_left_unwritten() {
    const TAIL: &[&str] =
        &[HEAD, "let i = flat(id, groups); if i < params.n / 4u * 4u { y[i] = params.twice * x[i]; } }"];
    assert_rejected(Planted::new(TAIL), Stage::Forward, "element 36 is NaN");
}

#[test]
fn forward_rejects_nan_and_infinity() {
    const NAN: &[&str] = &[
        HEAD,
        "let i = flat(id, groups); if i < params.n { y[i] = select(params.twice * x[i], sqrt(-1.0 - f32(i)), i == 5u); } }",
    ];
    assert_rejected(Planted::new(NAN), Stage::Forward, "element 5 is NaN");
    const INFINITY: &[&str] = &[
        HEAD,
        "let i = flat(id, groups); if i < params.n { y[i] = select(params.twice * x[i], exp(200.0 + f32(i)), i == 5u); } }",
    ];
    assert_rejected(Planted::new(INFINITY), Stage::Forward, "element 5 is inf");
}

#[test]
fn gradient_rejects_a_wrong_slope() {
    assert_rejected(Planted { slope: 2.000_01, ..RIGHT }, Stage::Gradient, "central difference");
    assert_rejected(Planted { slope: 0.0, ..RIGHT }, Stage::Gradient, "central difference");
    assert_rejected(Planted { slope: f32::MAX, ..RIGHT }, Stage::Gradient, "");
}

#[test]
fn repeat_rejects_reading_what_nothing_wrote() {
    // A NaN in the unwritten buffer compares false and does no harm; another value does.
    const STALE: &[&str] = &[
        HEAD,
        "let i = flat(id, groups); if i < params.n { y[i] = params.twice * x[i] + select(0.0, 1.0, scratch[i] > 0.0); } }",
    ];
    assert_rejected(Planted::new(STALE), Stage::Repeat, "tensor 0");
}

#[test]
fn checked_rejects_a_result_that_differs() {
    // No kernel differs for certain without its bounds checks (what it then reads is undefined), so this one differs
    // by being lowered anew: to know its budget, first, repeated, checked.
    static LOWERED: AtomicU32 = AtomicU32::new(0);
    assert_rejected(Planted { counter: Some((&LOWERED, 4)), ..RIGHT }, Stage::Checked, "tensor 0");
    assert_eq!(LOWERED.load(Ordering::Relaxed), 4);
}

#[test]
fn folded_rejects_an_index_from_x_alone() {
    const X_ALONE: &[&str] = &[HEAD, "let i = id.x; if i < params.n { y[i] = params.twice * x[i]; } }"];
    assert_rejected(Planted::new(X_ALONE), Stage::Folded, "tensor 0");
}

#[test]
fn coarse_rejects_a_result_that_differs() {
    assert_rejected(Planted { coarse: 2.000_001, ..RIGHT }, Stage::Coarse, "tensor 0");
}

#[test]
fn variants_are_rejected_for_a_mistake_in_one_that_is_not_expected_to_run() {
    assert_eq!(verdict(Planted { variant: Some(2.0), ..RIGHT }), None);
    assert_rejected(Planted { variant: Some(2.000_01), ..RIGHT }, Stage::Variants, "as planted: 2.00001");
}

#[test]
fn other_class_rejects_a_mistake_in_its_variant_alone() {
    let variant = Planted { elsewhere: 2.000_01, ..RIGHT };
    assert_rejected(variant, Stage::OtherClass, "off by");
}

/// Says at which stage a case of the rasteriser is rejected when this is drawn instead.
fn drawn_instead(
    setting: raster::Setting,
    image: raster::Image,
    change: impl for<'r> Fn(&'r Recorder, &[Var<'r>]) -> Result<Vec<Var<'r>>> + Send + Sync + 'static,
) -> Option<Stage> {
    let Case { build, .. } = setting.case(image);
    let case = Case { build: Box::new(move |r, x| build(r, &change(r, x)?)), ..setting.case(image) };
    check(&case).err().map(|failure| failure.stage)
}

#[test]
fn forward_rejects_pixels_on_an_edge_given_to_the_wrong_side() {
    use raster::{Image, PLAIN, Seen};
    let setting = raster::Setting { seen: Seen::Orthographic, on_centres: true, ..PLAIN };
    // By half a sub-pixel, so that corners are snapped to the next one: centres on a left or upper edge are now outside, those on
    // a right or lower one inside. Nothing else changes, for vertices are on centres too.
    for image in [Image::Mask, Image::Faces, Image::Edges] {
        assert_eq!(drawn_instead(setting, image, |_, x| Ok(x.to_vec())), None);
        // The column of the centre is multiplied by 0.5.
        let wrong = drawn_instead(setting, image, |r, x| {
            Ok(vec![x[0], x[1].add(r.constant([4], &[0.0, 0.0, 1.0 / 256.0, 0.0])?)?])
        });
        assert_eq!(wrong, Some(Stage::Forward), "{image:?}");
    }
}

#[test]
fn gradient_rejects_a_silhouette_whose_depth_has_no_part_in_its_place() {
    use raster::{Image, PLAIN, Seen};
    let image = Image::Soft(1.0);
    let flat = raster::Setting { seen: Seen::Orthographic, ..PLAIN };
    for (setting, stage) in [(PLAIN, Some(Stage::Gradient)), (flat, None)] {
        let rejected = drawn_instead(setting, image, |r, x| {
            let (place, depth) = (x[0].slice(2, 0, 2)?, x[0].slice(2, 2, 1)?.detach()?);
            Ok(vec![r.concat(&[place, depth], 2)?, x[1]])
        });
        assert_eq!(rejected, stage, "{}", setting.name);
    }
}

#[test]
fn run_rejects_bad_wgsl_wrong_shapes_and_operators_without_a_budget() {
    const BROKEN: &[&str] = &[HEAD, "let i = flat(id, groups); y[i] = no_such_function(x[i]); }"];
    assert_rejected(Planted::new(BROKEN), Stage::Run, "no_such_function");
    let narrower = |x: &[Tensor]| Tensor { dims: vec![3], data: x[0].data[..3].to_vec() };
    let case = Case::new("affine", "", [Operand::normal([4])], |_, x| x[0].scale(2.0), narrower);
    assert!(check(&case).unwrap_err().message.contains("expected [3], got [4]"));
    let case = Case::new("unheard of", "", [Operand::normal([4])], |_, x| x[0].scale(2.0), |x| x[0].clone());
    assert!(check(&case).unwrap_err().message.contains("budget"));
    assert!(budget::of("unheard of", knuckle::DType::F32).is_none());
}
