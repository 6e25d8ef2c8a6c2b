//! What the adapter can do at most, measured with kernels that do nothing else.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::probes::{Copy, Dispatches, MultiplyAdd, MultiplyMatrices};
use super::profile::rate;
use super::stats::median;
use crate::error::Result;
use crate::exec::{AdapterClass, Cooperative};
use crate::gpu::Gpu;
use crate::ops::{Cost, Operator};
use crate::{DType, Recorder, Var};

/// Dispatches a submission, to find what one costs.
const DISPATCHES: usize = 1000;

/// The most an adapter was seen to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ceilings {
    /// Multiply-adds in f32, GFLOP/s; each counts two.
    pub fma_f32_gflops: f64,
    /// In f16; `None` where shaders cannot.
    pub fma_f16_gflops: Option<f64>,
    /// On cooperative matrices of f16; `None` where they are not offered.
    pub fma_cooperative_gflops: Option<f64>,
    /// Copying between buffers far larger than the caches, GB/s read and written.
    pub copy_gbs: f64,
    /// Copies that move from few bytes to many: small ones stay in caches, or last hardly longer than their dispatch.
    pub copies: Vec<CopyRate>,
    /// What each further dispatch of a pass costs, microseconds.
    pub dispatch_us: f64,
    /// From submission of one dispatch to the host's knowing that it is done, microseconds.
    pub submission_us: f64,
    /// Which forms of the kernels were the fastest.
    pub forms: Vec<String>,
}

/// How fast a copy was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CopyRate {
    /// Bytes read and written.
    pub bytes: u64,
    /// GB/s.
    pub gbs: f64,
}

impl Ceilings {
    /// The most a kernel that moves `bytes` can move, GB/s: as much as any copy that moves no less.
    pub fn bandwidth(&self, bytes: u64) -> f64 {
        let larger = self.copies.iter().filter(|copy| copy.bytes >= bytes).map(|copy| copy.gbs);
        larger.fold(self.copy_gbs, f64::max)
    }

    /// The most arithmetic on operands stored so, GFLOP/s.
    pub fn arithmetic(&self, dtype: DType) -> f64 {
        let half = [self.fma_f16_gflops, self.fma_cooperative_gflops];
        let half = half.into_iter().flatten().filter(|_| dtype == DType::F16);
        half.fold(self.fma_f32_gflops, f64::max)
    }

    /// The least time for an operator: that of its arithmetic or of its traffic, whichever is longer, milliseconds.
    pub fn least_ms(&self, cost: Cost, dtype: DType) -> f64 {
        let ms = |amount: u64, rate: f64| if rate > 0.0 { amount as f64 / rate * 1e-6 } else { 0.0 };
        ms(cost.flops, self.arithmetic(dtype)).max(ms(cost.bytes, self.bandwidth(cost.bytes)))
    }

    /// Measures them, each form of a kernel for about `seconds`.
    pub(super) fn measure(gpu: &Gpu, clock: &Clock, seconds: f64) -> Result<Ceilings> {
        let (dispatch_us, submission_us) = dispatches(gpu, clock, seconds)?;
        let (fma_f32_gflops, single) = multiply_adds(gpu, clock, seconds, DType::F32)?;
        let mut forms = vec![single];
        let mut fma_f16_gflops = None;
        if gpu.target().f16 {
            let (gflops, form) = multiply_adds(gpu, clock, seconds, DType::F16)?;
            fma_f16_gflops = Some(gflops);
            forms.push(form);
        }
        let mut fma_cooperative_gflops = None;
        if let Some(form) = gpu.target().cooperative(DType::F16) {
            let (gflops, form) = matrix_multiply_adds(gpu, clock, seconds, form)?;
            fma_cooperative_gflops = Some(gflops);
            forms.push(form);
        }
        let (copies, form) = copies(gpu, clock, seconds)?;
        forms.push(form);
        let copy_gbs = copies.last().map_or(0.0, |copy| copy.gbs);
        Ok(Ceilings {
            fma_f32_gflops,
            fma_f16_gflops,
            fma_cooperative_gflops,
            copy_gbs,
            copies,
            dispatch_us,
            submission_us,
            forms,
        })
    }
}

/// The fastest time of a probe, milliseconds: a ceiling is what was possible, not what was usual.
fn fastest<'r>(
    gpu: &Gpu,
    clock: &Clock,
    seconds: f64,
    (r, op, inputs): (&'r Recorder, impl Operator + 'static, &[Var<'r>]),
) -> Result<f64> {
    let mut program = gpu.compile(r, [r.apply(op, inputs)?])?;
    if let Some(port) = program.program().inputs.first().cloned() {
        let ones = vec![1.0f32; port.ty.shape.numel()];
        program.upload([(port.name.as_str(), &ones)])?;
    }
    let timed = vec![true; program.program().steps.len()];
    Ok(clock.sample(&mut program, &timed, seconds)?.least)
}

fn multiply_adds(gpu: &Gpu, clock: &Clock, seconds: f64, dtype: DType) -> Result<(f64, String)> {
    let threads = match gpu.target().class {
        AdapterClass::Software => 1 << 13,
        AdapterClass::Hardware => 1 << 20,
    };
    let mut best = (0.0, String::new());
    for chains in 1..=4 {
        for fused in [false, true] {
            let probe = MultiplyAdd { dtype, threads, chains, fused };
            let r = Recorder::new();
            let ms = fastest(gpu, clock, seconds, (&r, probe, &[]))?;
            let gflops = rate(probe.cost(&[], &crate::TensorType::f32([threads, 4])).flops, ms);
            if gflops > best.0 {
                let by = if fused { "fma" } else { "multiply and add" };
                best = (gflops, format!("{dtype} multiply-adds: {chains} vec4 chains, {by}"));
            }
        }
    }
    Ok(best)
}

fn matrix_multiply_adds(gpu: &Gpu, clock: &Clock, seconds: f64, form: Cooperative) -> Result<(f64, String)> {
    let groups = match gpu.target().class {
        AdapterClass::Software => 2,
        AdapterClass::Hardware => 1 << 10,
    };
    let mut best = (0.0, String::new());
    for chains in 1..=4 {
        let probe = MultiplyMatrices { form, groups, chains };
        let r = Recorder::new();
        let ms = fastest(gpu, clock, seconds, (&r, probe, &[]))?;
        let gflops = rate(probe.cost(&[], &probe.ty()).flops, ms);
        if gflops > best.0 {
            best = (gflops, format!("cooperative multiply-adds: {chains} chains of {form}"));
        }
    }
    Ok(best)
}

/// Copies of growing size, each by the fastest form, and the form that was fastest for the largest.
fn copies(gpu: &Gpu, clock: &Clock, seconds: f64) -> Result<(Vec<CopyRate>, String)> {
    let most = match gpu.target().class {
        AdapterClass::Software => 64 << 20,
        AdapterClass::Hardware => 512 << 20,
    };
    let most = gpu.target().max_binding_bytes.min(most);
    let sizes = std::iter::successors(Some(most), |bytes| Some(bytes / 4)).take_while(|&bytes| bytes >= 64 << 10);
    let mut sizes: Vec<u64> = sizes.collect();
    sizes.reverse();
    let widest = gpu.target().max_invocations.min(256);
    let mut rates = Vec::new();
    let mut form = String::new();
    for bytes in sizes {
        let mut best = 0.0;
        for (each, lanes) in [(1, gpu.target().lanes()), (4, gpu.target().lanes()), (1, widest), (4, widest)] {
            let r = Recorder::new();
            let x = r.input("x", [bytes as usize / 4]);
            let ms = fastest(gpu, clock, seconds, (&r, Copy { each, lanes }, &[x]))?;
            let gbs = rate(2 * bytes, ms);
            if gbs > best {
                best = gbs;
                form = format!("copy: {each} vec4 a thread, {lanes} threads a workgroup");
            }
        }
        rates.push(CopyRate { bytes: 2 * bytes, gbs: best });
    }
    Ok((rates, form))
}

/// Microseconds of a further dispatch, and of a submission and the wait for it.
fn dispatches(gpu: &Gpu, clock: &Clock, seconds: f64) -> Result<(f64, f64)> {
    let time = |count: usize| {
        let r = Recorder::new();
        fastest(gpu, clock, seconds, (&r, Dispatches(count), &[]))
    };
    let (one, many) = (time(1)?, time(DISPATCHES + 1)?);
    let r = Recorder::new();
    let mut program = gpu.compile(&r, [r.apply(Dispatches(1), &[])?])?;
    let mut times = Vec::new();
    for _ in 0..32 {
        let start = Instant::now();
        program.submit(std::iter::empty::<(&str, &[f32])>())?;
        gpu.wait()?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(((many - one).max(0.0) * 1e3 / DISPATCHES as f64, median(&mut times)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_ceiling_counts() {
        let copies = vec![CopyRate { bytes: 1000, gbs: 30.0 }, CopyRate { bytes: 1_000_000, gbs: 10.0 }];
        let ceilings = Ceilings {
            fma_f32_gflops: 100.0,
            fma_f16_gflops: Some(40.0),
            copy_gbs: 10.0,
            copies,
            ..Default::default()
        };
        assert_eq!(
            (ceilings.bandwidth(500), ceilings.bandwidth(5000), ceilings.bandwidth(1 << 40)),
            (30.0, 10.0, 10.0)
        );
        // A software adapter's f16 is slower than its f32, in which kernels then compute.
        assert_eq!(ceilings.arithmetic(DType::F16), 100.0);
        let cooperative = Ceilings { fma_cooperative_gflops: Some(900.0), ..ceilings.clone() };
        assert_eq!((cooperative.arithmetic(DType::F16), cooperative.arithmetic(DType::F32)), (900.0, 100.0));
        let ms = |flops, bytes| ceilings.least_ms(Cost { flops, bytes }, DType::F32);
        assert!((ms(100_000_000, 1000) - 1.0).abs() < 1e-9);
        assert!((ms(1000, 20_000_000) - 2.0).abs() < 1e-9);
        assert_eq!(Ceilings::default().least_ms(Cost { flops: 1, bytes: 1 }, DType::F32), 0.0);
    }
}
