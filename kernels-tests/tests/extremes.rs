//! Calls of the convolution family with extents and attributes drawn from extremes: each is recorded or refused with an
//! error that names the operator, and what is recorded can be lowered. Nothing panics. No device is needed.

use knuckle::exec::{CompileOptions, Target, compile};
use knuckle::ops::{Conv2d, ConvTranspose2d, Correlation, Pad2d, PadMode};
use knuckle::rng::Rng;
use knuckle::{Error, Recorder, Result, Var};

/// Of a list, one.
fn pick<T: Copy>(rng: &mut Rng, list: &[T]) -> T {
    list[rng.below(list.len())]
}

/// Mostly small extents, and mostly as many as `rank`.
fn shape(rng: &mut Rng, rank: usize) -> Vec<usize> {
    let rank = if rng.chance(0.05) { pick(rng, &[1, 2, 3, 4, 5]) } else { rank };
    let extent = |_| match rng.chance(0.04) {
        true => pick(rng, &[0, 1 << 20, 1 << 40, usize::MAX]),
        false => pick(rng, &[1, 1, 2, 3, 4, 4, 5, 8]),
    };
    (0..rank).map(extent).collect()
}

/// An attribute that is usually `usual`.
fn attribute(rng: &mut Rng, usual: usize) -> usize {
    match rng.chance(0.7) {
        true => usual,
        false => pick(rng, &[0, 1, 2, 3, 4, 9, 70, 65_535, 65_536, 1 << 32, usize::MAX / 2, usize::MAX]),
    }
}

/// Records a random call.
fn call<'r>(r: &'r Recorder, rng: &mut Rng) -> (&'static str, Result<Var<'r>>) {
    let mut attribute = |usual| attribute(rng, usual);
    let [stride, padding, dilation, groups] = [attribute(1), attribute(1), attribute(1), attribute(1)];
    let [first, second, third, fourth] = [attribute(0), attribute(1), attribute(0), attribute(2)];
    match rng.below(5) {
        0 => {
            let mut weight = shape(rng, 4);
            let x = shape(rng, 4);
            if let ([_, _, wi, _], [.., ci]) = (&mut weight[..], &x[..]) {
                *wi = ci / groups.max(1);
            }
            let conv = Conv2d { stride, padding, dilation, groups };
            ("conv2d", r.input("x", x).conv2d(r.input("w", weight), conv))
        }
        1 => {
            let mut weight = shape(rng, 4);
            let x = shape(rng, 4);
            if let ([.., wi], [.., ci]) = (&mut weight[..], &x[..]) {
                *wi = *ci;
            }
            let conv = ConvTranspose2d { stride, padding, output_padding: first, dilation, groups };
            ("conv_transpose2d", r.input("x", x).conv_transpose2d(r.input("w", weight), conv))
        }
        2 => {
            let a = shape(rng, 4);
            let b = if rng.chance(0.9) { a.clone() } else { shape(rng, 4) };
            let correlation = Correlation { max_displacement: fourth, stride };
            ("correlation", r.input("a", a).correlation(r.input("b", b), correlation))
        }
        3 => {
            let mode = pick(rng, &[PadMode::Zero, PadMode::Reflect, PadMode::Replicate]);
            let pad = Pad2d { top: first, bottom: second, left: third, right: fourth, mode };
            ("pad2d", r.input("x", shape(rng, 4)).pad2d(pad))
        }
        _ => {
            let (a, mut b) = (shape(rng, 3), shape(rng, 3));
            if rng.chance(0.8) && a.len() == b.len() && a.len() == 3 {
                (b[0], b[1]) = (a[0], a[2]);
            }
            let (transpose_a, transpose_b) = (rng.chance(0.3), rng.chance(0.3));
            ("batch_matmul", r.input("a", a).batch_matmul(r.input("b", b), transpose_a, transpose_b))
        }
    }
}

#[test]
fn extreme_calls_are_recorded_or_refused() {
    let mut rng = Rng::new(3, 0);
    let (mut refused, mut lowered) = (0, 0);
    for _ in 0..20_000 {
        let r = Recorder::new();
        let (op, result) = call(&r, &mut rng);
        match result {
            Ok(y) => {
                // A graph's tensors are small where their extents are.
                let small = r.with_graph(|g| g.nodes.iter().all(|n| n.ty.shape.dims().iter().all(|&d| d < 1 << 10)));
                if lowered < 400 && small {
                    let options = CompileOptions { effects: false, keep_values: false };
                    let outputs = [("y".to_string(), y.id())];
                    let program = r.with_graph(|g| compile(g, &outputs, &Target::webgpu_defaults(), options));
                    program.unwrap_or_else(|e| panic!("{op}: {e}"));
                    lowered += 1;
                }
            }
            Err(Error::Operand { op: named, expected, .. }) => {
                // Transposing both operands is told of the permutation that does it.
                assert!(named == op || named == "permute", "{op} fails as {named}");
                assert!(!expected.is_empty());
                refused += 1;
            }
            Err(other) => panic!("{op}: {other}"),
        }
    }
    assert!(refused > 5_000 && lowered == 400, "{refused} refused, {lowered} lowered");
}
