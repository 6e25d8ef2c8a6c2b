//! Convolutions and matrix products on a device against a naive f64 reference; gradients against that reference's own
//! directional derivatives (exact, since both are linear in each operand).

use knuckle::ops::Conv2d;
use knuckle::rng::Rng;
use knuckle::{Gpu, Recorder, Result};

/// n, h, w, ci, co, kernel height and width, and the attributes.
#[derive(Debug, Clone, Copy)]
struct Case {
    x: [usize; 4],
    co: usize,
    kernel: [usize; 2],
    conv: Conv2d,
}

const fn case(x: [usize; 4], co: usize, kernel: [usize; 2], [stride, padding, dilation]: [usize; 3]) -> Case {
    Case { x, co, kernel, conv: Conv2d { stride, padding, dilation } }
}

const CASES: &[Case] = &[
    case([2, 9, 10, 8], 16, [3, 3], [1, 1, 1]),
    case([2, 12, 12, 16], 24, [3, 3], [1, 1, 1]),
    case([1, 1, 1, 8], 8, [3, 3], [1, 1, 1]),
    case([2, 13, 12, 3], 16, [7, 7], [2, 3, 1]),
    case([3, 7, 9, 5], 6, [3, 3], [2, 1, 1]),
    case([2, 9, 5, 4], 21, [3, 3], [1, 2, 2]),
    case([2, 11, 6, 1], 1, [5, 5], [3, 4, 2]),
    case([2, 5, 7, 8], 3, [2, 2], [4, 0, 1]),
    case([1, 12, 17, 4], 4, [1, 9], [1, 4, 1]),
    case([1, 17, 6, 4], 8, [8, 2], [2, 3, 3]),
    case([2, 5, 9, 12], 8, [1, 1], [1, 0, 1]),
    case([2, 5, 9, 7], 5, [1, 1], [1, 0, 1]),
    case([2, 5, 9, 8], 8, [1, 1], [2, 0, 1]),
    case([2, 4, 4, 6], 9, [1, 1], [1, 2, 1]),
    case([1, 3, 3, 300], 2, [3, 3], [1, 1, 1]),
];

impl Case {
    fn weight(&self) -> [usize; 4] {
        [self.kernel[0], self.kernel[1], self.x[3], self.co]
    }

    fn out(&self) -> [usize; 2] {
        let Conv2d { stride, padding, dilation } = self.conv;
        [0, 1].map(|i| (self.x[1 + i] + 2 * padding - dilation * (self.kernel[i] - 1) - 1) / stride + 1)
    }

    fn reference(&self, x: &[f64], w: &[f64]) -> Vec<f64> {
        let ([n, h, width, ci], [oh, ow], co) = (self.x, self.out(), self.co);
        let Conv2d { stride, padding, dilation } = self.conv;
        let mut y = vec![0.0; n * oh * ow * co];
        for (at, out) in y.iter_mut().enumerate() {
            let (o, ox, oy, b) = (at % co, at / co % ow, at / co / ow % oh, at / co / ow / oh);
            for ky in 0..self.kernel[0] {
                for kx in 0..self.kernel[1] {
                    let iy = (oy * stride + ky * dilation).wrapping_sub(padding);
                    let ix = (ox * stride + kx * dilation).wrapping_sub(padding);
                    if iy < h && ix < width {
                        for c in 0..ci {
                            let weight = w[((ky * self.kernel[1] + kx) * ci + c) * co + o];
                            *out += x[((b * h + iy) * width + ix) * ci + c] * weight;
                        }
                    }
                }
            }
        }
        y
    }
}

fn random(rng: &mut Rng, n: usize) -> Vec<f32> {
    (0..n).map(|_| rng.normal()).collect()
}

fn wide(v: &[f32]) -> Vec<f64> {
    v.iter().map(|&x| x.into()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Largest difference relative to the largest value expected; NaN counts as infinite.
fn error(got: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let scale = expected.iter().fold(1e-9, |m: f64, v| m.max(v.abs()));
    let differences = got.iter().zip(expected).map(|(&g, e)| (f64::from(g) - e).abs() / scale);
    differences.fold(0.0, |m, d| if d.is_nan() { f64::INFINITY } else { m.max(d) })
}

fn check_direction(name: &str, case: impl std::fmt::Debug, gradient: &[f32], direction: &[f64], expected: f64) {
    let got = dot(&wide(gradient), direction);
    let scale = dot(&wide(gradient), &wide(gradient)).sqrt() * dot(direction, direction).sqrt();
    assert!((got - expected).abs() <= 1e-5 * scale.max(1.0), "{name} of {case:?}: {got} instead of {expected}");
}

#[test]
fn convolutions_match_the_reference() -> Result<()> {
    let gpu = Gpu::new()?;
    let mut rng = Rng::new(7, 0);
    for case in CASES {
        let [oh, ow] = case.out();
        let r = Recorder::new();
        let (x, w, bias) = (r.input("x", case.x), r.input("w", case.weight()), r.input("bias", [case.co]));
        let (x, w) = (x.scale(1.0)?, w.scale(1.0)?);
        let plain = x.conv2d(w, case.conv)?;
        let y = x.conv2d_bias(w, bias, case.conv, true)?;
        let mix = r.input("mix", [case.x[0], oh, ow, case.co]);
        let grads = plain.mul(mix)?.sum_all()?.backward_to(&[x, w])?;
        let [gx, gw] = [x, w].map(|v| grads.of(v).expect("asked for"));
        let sizes = [case.x, case.weight(), [case.x[0], oh, ow, case.co]].map(|s| s.iter().product::<usize>());
        let [xs, ws, mixes] = sizes.map(|n| random(&mut rng, n));
        let biases = random(&mut rng, case.co);
        let mut exe = gpu.compile(&r, [plain, y, gx, gw])?;
        let out = exe.run([("x", &xs), ("w", &ws), ("bias", &biases), ("mix", &mixes)])?;
        let again = exe.run([("x", &xs)])?;
        for i in 0..4 {
            assert_eq!(out.u32(i), again.u32(i), "{case:?}: other bits on a second run");
        }
        let (x64, w64, mix64) = (wide(&xs), wide(&ws), wide(&mixes));
        let expected = case.reference(&x64, &w64);
        assert!(error(out.f32(0), &expected) < 2e-6, "{case:?}: {}", error(out.f32(0), &expected));
        let biased: Vec<f64> = expected.iter().enumerate().map(|(i, v)| v + f64::from(biases[i % case.co])).collect();
        let biased: Vec<f64> = biased.into_iter().map(|v| v.max(0.0)).collect();
        assert!(error(out.f32(1), &biased) < 2e-6, "{case:?} with epilogue: {}", error(out.f32(1), &biased));
        for _ in 0..3 {
            let (dx, dw) = (wide(&random(&mut rng, xs.len())), wide(&random(&mut rng, ws.len())));
            check_direction("input gradient", case, out.f32(2), &dx, dot(&mix64, &case.reference(&dx, &w64)));
            check_direction("weight gradient", case, out.f32(3), &dw, dot(&mix64, &case.reference(&x64, &dw)));
        }
    }
    Ok(())
}

/// y = a·b for a m×k.
fn matmul(a: &[f64], b: &[f64], [m, n, k]: [usize; 3]) -> Vec<f64> {
    (0..m * n).map(|i| (0..k).map(|j| a[i / n * k + j] * b[j * n + i % n]).sum()).collect()
}

#[test]
fn products_match_the_reference() -> Result<()> {
    let gpu = Gpu::new()?;
    let mut rng = Rng::new(8, 0);
    for size in
        [[1, 1, 1], [5, 3, 96], [17, 32, 24], [300, 7, 9], [64, 64, 64], [16, 40, 1000], [2, 6, 3], [700, 8, 16]]
    {
        let [m, n, k] = size;
        let r = Recorder::new();
        let (a, b, bias) = (r.input("a", [m, k]), r.input("b", [k, n]), r.input("bias", [n]));
        let (a, b) = (a.scale(1.0)?, b.scale(1.0)?);
        let y = a.matmul(b)?;
        let grads = y.mul(r.input("mix", [m, n]))?.sum_all()?.backward_to(&[a, b])?;
        let outputs = [y, a.linear(b, bias, true)?, grads.of(a).expect("asked"), grads.of(b).expect("asked")];
        let mut exe = gpu.compile(&r, outputs)?;
        let [av, bv, mix, biases] = [m * k, k * n, m * n, n].map(|n| random(&mut rng, n));
        let out = exe.run([("a", &av), ("b", &bv), ("mix", &mix), ("bias", &biases)])?;
        let (a64, b64, mix64) = (wide(&av), wide(&bv), wide(&mix));
        let expected = matmul(&a64, &b64, size);
        assert!(error(out.f32(0), &expected) < 2e-6, "{size:?}: {}", error(out.f32(0), &expected));
        let linear: Vec<f64> =
            expected.iter().enumerate().map(|(i, v)| (v + f64::from(biases[i % n])).max(0.0)).collect();
        assert!(error(out.f32(1), &linear) < 2e-6, "{size:?} linear: {}", error(out.f32(1), &linear));
        for _ in 0..3 {
            let (da, db) = (wide(&random(&mut rng, m * k)), wide(&random(&mut rng, k * n)));
            check_direction("gradient of a", size, out.f32(2), &da, dot(&mix64, &matmul(&da, &b64, size)));
            check_direction("gradient of b", size, out.f32(3), &db, dot(&mix64, &matmul(&a64, &db, size)));
        }
    }
    Ok(())
}
