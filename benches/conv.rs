//! Convolutions and matrix products: forward, and forward with both gradients, in GFLOP/s (a multiply-add counts two;
//! each gradient counts as much as the forward pass). Medians of wall-clock time from submission to completion, inputs
//! and outputs on the device. `cargo bench --bench conv [-- PART_OF_NAME]`

use std::time::Instant;

use knuckle::gpu::Executable;
use knuckle::ops::Conv2d;
use knuckle::rng::Rng;
use knuckle::{Gpu, Recorder, Result};

/// Name; batch, side, channels in and out, kernel, stride.
struct Case(&'static str, [usize; 6]);

const CASES: &[Case] = &[
    Case("stem7x7s2 b1", [1, 256, 3, 64, 7, 2]),
    Case("conv3x3 128@64 b1", [1, 64, 128, 128, 3, 1]),
    Case("conv1x1 256-128@64 b1", [1, 64, 256, 128, 1, 1]),
    Case("conv1x1 128-256@64 b1", [1, 64, 128, 256, 1, 1]),
    Case("conv3x3 128@16 b8", [8, 16, 128, 128, 3, 1]),
    Case("conv3x3 64@32 b8", [8, 32, 64, 64, 3, 1]),
    // Layers of the small hand model, as it is trained.
    Case("stem7x7s2 3-16@128 b16", [16, 128, 3, 16, 7, 2]),
    Case("conv3x3 16@32 b16", [16, 32, 16, 16, 3, 1]),
    Case("conv3x3 24@16 b16", [16, 16, 24, 24, 3, 1]),
    Case("conv3x3 32@32 b16", [16, 32, 32, 32, 3, 1]),
    Case("conv1x1 32-16@32 b16", [16, 32, 32, 16, 1, 1]),
    Case("conv1x1 16-32@32 b16", [16, 32, 16, 32, 1, 1]),
];

/// Name; m, n, k.
const PRODUCTS: &[(&str, [usize; 3])] = &[
    ("matmul 512", [512, 512, 512]),
    ("matmul 1024", [1024, 1024, 1024]),
    ("linear 1024-512 b16", [16, 512, 1024]),
    ("theta 96-32 b16", [16 * 1280, 32, 96]),
    ("theta 96-3 b16", [16 * 1280, 3, 96]),
];

/// The median time of a run, seconds.
fn time(gpu: &Gpu, exe: &mut Executable) -> Result<f64> {
    let none = || std::iter::empty::<(&str, &[f32])>();
    let mut times = Vec::new();
    let begin = Instant::now();
    // The first run compiles and warms up.
    while times.len() < 6 || (times.len() < 20 && begin.elapsed().as_secs_f64() < 2.0) {
        let start = Instant::now();
        exe.submit(none())?;
        gpu.wait()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.remove(0);
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn report(gpu: &Gpu, name: &str, [x, w]: [&[usize]; 2], flops: f64, conv: Option<Conv2d>) -> Result<()> {
    let mut rng = Rng::new(1, 0);
    let values: Vec<f32> = (0..x.iter().product()).map(|_| rng.normal()).collect();
    let mut rates = [0.0; 2];
    for (rate, backward) in rates.iter_mut().zip([false, true]) {
        let r = Recorder::training();
        let (input, weight) = (r.input("x", x), r.param("w", w));
        // Gradients reach back to values, not to inputs: within a network x is one.
        let x = if backward { input.scale(1.0)? } else { input };
        let y = match conv {
            Some(conv) => x.conv2d(weight, conv)?,
            None => x.matmul(weight)?,
        };
        let mut outputs = vec![y];
        if backward {
            let grads = y.sum_all()?.backward_to(&[x])?;
            outputs.extend([x, weight].map(|v| grads.of(v).expect("asked for, or a parameter")));
        }
        let mut exe = gpu.compile(&r, outputs)?;
        exe.upload([("x", &values)])?;
        let passes = if backward { 3.0 } else { 1.0 };
        *rate = passes * flops / time(gpu, &mut exe)? * 1e-9;
    }
    println!("{name:<26} {:>8.2} {:>8.2}", rates[0], rates[1]);
    Ok(())
}

fn main() -> Result<()> {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with("--")).unwrap_or_default();
    let gpu = Gpu::new()?;
    println!("{gpu:?}\n{:<26} {:>8} {:>8}  GFLOP/s", "case", "forward", "f+b");
    for Case(name, [n, side, ci, co, k, stride]) in CASES.iter().filter(|c| c.0.contains(&filter)) {
        let conv = Conv2d { stride: *stride, padding: k / 2, ..Default::default() };
        let flops = 2.0 * (n * side.div_ceil(*stride).pow(2) * ci * co * k * k) as f64;
        report(&gpu, name, [&[*n, *side, *side, *ci], &[*k, *k, *ci, *co]], flops, Some(conv))?;
    }
    for (name, [m, n, k]) in PRODUCTS.iter().filter(|p| p.0.contains(&filter)) {
        report(&gpu, name, [&[*m, *k], &[*k, *n]], 2.0 * (m * n * k) as f64, None)?;
    }
    Ok(())
}
