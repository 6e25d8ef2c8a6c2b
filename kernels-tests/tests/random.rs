use kernels_tests::harness::{CHECKED, TRUSTED};
use kernels_tests::reference::random::philox;
use kernels_tests::{cases, harness};
use knuckle::error::Mismatch;
use knuckle::exec::{Lowering, Shader};
use knuckle::graph::TensorData;
use knuckle::ops::{Operator, VjpCall};
use knuckle::{Gpu, Recorder, Result, TensorType, Var};

#[test]
fn agrees_with_the_reference_in_both_directions() {
    harness::prove(&cases::random::cases());
}

/// Counter, key and words as published with the Random123 library (`kat_vectors`, philox4x32 10).
const KNOWN: [([u32; 4], [u32; 2], [u32; 4]); 3] = [
    ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
    ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
    (
        [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
        [0xa409_3822, 0x299f_31d0],
        [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
    ),
];

/// The words of counters and keys: six of the operand give four.
#[derive(Debug)]
struct Words;

const WORDS: Shader = Shader {
    name: "test/philox",
    sources: &[
        include_str!("../../shaders/random/philox.wgsl"),
        "struct Params { n: u32 }
        @group(0) @binding(0) var<uniform> params: Params;
        @group(0) @binding(1) var<storage, read> x: array<u32>;
        @group(0) @binding(2) var<storage, read_write> y: array<u32>;
        @compute @workgroup_size(8)
        fn main(@builtin(global_invocation_id) id: vec3<u32>) {
            if id.x < params.n {
                let at = 6u * id.x;
                let words = philox(vec4(x[at], x[at + 1u], x[at + 2u], x[at + 3u]), vec2(x[at + 4u], x[at + 5u]));
                for (var k = 0u; k < 4u; k++) {
                    y[4u * id.x + k] = words[k];
                }
            }
        }",
    ],
};

impl Operator for Words {
    fn name(&self) -> &'static str {
        "words"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        Ok(TensorType::u32([inputs[0].shape.dims()[0], 4]))
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, y) = (lowering.input(0), lowering.output());
        let n = x.ty.shape.dims()[0];
        let dispatch = lowering.dispatch(&WORDS).define("FLOAT_STEP", false).bind("x", x.buffer).bind("y", y);
        dispatch.param("n", n).threads(n)
    }
}

#[test]
fn philox_gives_the_published_words() -> Result<()> {
    let flat: Vec<u32> = KNOWN.iter().flat_map(|(counter, key, _)| counter.iter().chain(key).copied()).collect();
    let expected: Vec<u32> = KNOWN.iter().flat_map(|(.., words)| *words).collect();
    let r = Recorder::new();
    let words = r.apply(Words, &[r.input_u32("x", [KNOWN.len(), 6])])?;
    for gpu in [&*TRUSTED, &*CHECKED] {
        assert_eq!(gpu.compile(&r, [words])?.run([("x", &flat[..])])?.u32(0), expected);
    }
    for (counter, key, words) in KNOWN {
        assert_eq!(philox(counter, key), words);
    }
    Ok(())
}

fn run(gpu: &Gpu, build: impl for<'r> Fn(&'r Recorder, Var<'r>) -> Result<Var<'r>>, step: u32) -> Result<Vec<f32>> {
    let r = Recorder::training();
    let y = build(&r, r.input_u32("step", [1]))?;
    Ok(gpu.compile(&r, [y])?.run([("step", &[step][..])])?.f32(0).to_vec())
}

/// Mean, variance, the share in each of 16 bins, and how neighbours, steps and seeds go together.
#[test]
fn uniform_numbers_are_uniform_and_independent() -> Result<()> {
    const N: usize = 1 << 16;
    let draw = |seed, step| run(&TRUSTED, |r, step| r.uniform([N], seed, step), step);
    let first = draw(5, 0)?;
    assert!(first.iter().all(|v| (0.0..1.0).contains(v)));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let centred = |values: &[f32]| values.iter().map(|&v| f64::from(v) - 0.5).collect::<Vec<f64>>();
    let own = centred(&first);
    let square = mean(&own.iter().map(|v| v * v).collect::<Vec<_>>());
    // Five standard deviations each.
    let bound = 5.0 / (N as f64).sqrt();
    assert!(mean(&own).abs() < bound * 12f64.sqrt().recip(), "mean {}", mean(&own));
    assert!((square - 1.0 / 12.0).abs() < bound * 180f64.sqrt().recip(), "variance {square}");
    let mut bins = [0f64; 16];
    first.iter().for_each(|v| bins[(v * 16.0) as usize] += 1.0);
    let expected = N as f64 / 16.0;
    let chi_square: f64 = bins.iter().map(|n| (n - expected).powi(2) / expected).sum();
    assert!(chi_square < 45.0, "χ² of 15 degrees of freedom: {chi_square}");
    let together = |a: &[f64], b: &[f64]| mean(&a.iter().zip(b).map(|(a, b)| 12.0 * a * b).collect::<Vec<_>>());
    for other in [centred(&draw(5, 1)?), centred(&draw(6, 0)?), centred(&draw(5 + (1 << 32), 0)?), own[1..].to_vec()] {
        let correlation = together(&own, &other);
        assert!(correlation.abs() < bound, "correlation {correlation}");
    }
    Ok(())
}

#[test]
fn normal_numbers_have_their_moments() -> Result<()> {
    const N: usize = 1 << 16;
    let values = run(&TRUSTED, |r, step| r.normal([N], 11, step), 3)?;
    let moment = |k: i32| values.iter().map(|&v| f64::from(v).powi(k)).sum::<f64>() / N as f64;
    // Five standard deviations of each moment: the variances are 1, 2, 15 and 96.
    let bound = 5.0 / (N as f64).sqrt();
    for (k, expected, variance) in [(1, 0.0, 1f64), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
        let got = moment(k);
        assert!((got - expected).abs() < bound * variance.sqrt(), "moment {k}: {got}");
    }
    let beyond = values.iter().filter(|v| v.abs() > 2.0).count() as f64 / N as f64;
    assert!((beyond - 0.0455).abs() < 0.005, "{beyond} beyond 2");
    Ok(())
}

/// Steps given as u32 and as f32 are the same steps; a step can be run again.
#[test]
fn a_step_gives_the_same_bits_however_it_comes() -> Result<()> {
    let whole = run(&TRUSTED, |r, step| r.uniform([99], 7, step), 12_345)?;
    let r = Recorder::new();
    let y = r.uniform([99], 7, r.input("step", [1]))?;
    let mut executable = TRUSTED.compile(&r, [y])?;
    for step in [12_345.0, 1.0, 12_345.0] {
        let again = executable.run([("step", &[step][..])])?.f32(0).to_vec();
        assert_eq!(again == whole, step == 12_345.0);
    }
    let zero = executable.run([("step", &[0.0f32][..])])?.f32(0).to_vec();
    for odd in [-1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0] {
        assert_eq!(executable.run([("step", &[odd][..])])?.f32(0), zero, "{odd}");
    }
    Ok(())
}

#[test]
fn dropout_keeps_its_share_and_its_gradient_the_same_elements() -> Result<()> {
    const N: usize = 1 << 14;
    for probability in [0.1, 0.5, 0.9f32] {
        let r = Recorder::training();
        let x = r.input("x", [N]);
        let y = x.dropout(probability, 3, r.scalar(9.0))?;
        let gradient = y.sum_all()?.backward_to(&[x])?.of(x).expect("a gradient");
        let mut executable = TRUSTED.compile(&r, [y, gradient])?;
        let results = executable.run([("x", &vec![1.0; N][..])])?;
        assert_eq!(results.f32(0), results.f32(1));
        let scale = 1.0 / (1.0 - probability);
        assert!(results.f32(0).iter().all(|&v| v == 0.0 || (v - scale).abs() < 1e-6 * scale));
        let kept = results.f32(0).iter().filter(|&&v| v != 0.0).count() as f32 / N as f32;
        assert!((kept - 1.0 + probability).abs() < 0.02, "{kept} kept of {probability}");
    }
    Ok(())
}

#[test]
fn dropout_is_nothing_in_inference() -> Result<()> {
    let r = Recorder::new();
    let x = r.input("x", [8]);
    let step = r.constant_data(TensorData::u32([1], &[4]).expect("one value"));
    assert_eq!(x.dropout(0.5, 1, step)?.id(), x.id());
    Ok(())
}
