//! Tells a person whether their GPU computes every kernel right: `cargo run --release -p kernels-tests`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use kernels_tests::harness::Prover;
use kernels_tests::report::{Report, Skipped};
use kernels_tests::{Case, cases};
use knuckle::Result;
use knuckle::gpu::{self, GpuOptions};

/// Runs every operator of knuckle, forward and backward, on a GPU and compares with f64 references.
///
/// Errors and budgets are in units of 2⁻²⁴ relative to an element or to the largest one; gradients are contracted with
/// directions and compared with central differences. The exit status is 0 if every case passed, 1 if one failed, 2 if
/// nothing could run.
#[derive(Parser)]
#[command(name = "kernels-tests", version)]
struct Options {
    /// Part of an adapter's name, or its number; otherwise KNUCKLE_ADAPTER, otherwise the best.
    #[arg(long)]
    adapter: Option<String>,
    /// Only cases whose operator, attributes and shapes contain this.
    #[arg(long)]
    filter: Option<String>,
    /// Only ask the adapter for what every WebGPU device has.
    #[arg(long)]
    webgpu_defaults: bool,
    /// Also run every case under the sanitizer: indices out of range, NaN written, divisions by zero, workgroup memory read
    /// before it is written.
    #[arg(long)]
    sanitize: bool,
    /// Writes every case's outcome as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes every case's outcome as JUnit's XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Lists the cases instead of running them.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    gpu::prepare_environment();
    run(&Options::parse()).unwrap_or_else(|error| {
        eprintln!("kernels-tests: {error}");
        ExitCode::from(2)
    })
}

fn run(options: &Options) -> Result<ExitCode> {
    let mut chosen: Vec<Case> = cases::all();
    if let Some(part) = &options.filter {
        chosen.retain(|case| case.name().contains(part.as_str()));
    }
    if chosen.is_empty() {
        eprintln!("kernels-tests: no case contains `{}`", options.filter.as_deref().unwrap_or_default());
        return Ok(ExitCode::from(2));
    }
    if options.list {
        chosen.iter().for_each(|case| println!("{}", case.name()));
        return Ok(ExitCode::SUCCESS);
    }
    let gpu_options = GpuOptions {
        adapter: options.adapter.clone(),
        webgpu_defaults: options.webgpu_defaults,
        ..GpuOptions::default()
    };
    // A file that cannot be written is told before the work, not after.
    for path in [&options.json, &options.junit].into_iter().flatten() {
        std::fs::File::create(path).map_err(|e| knuckle::Error::file(path, e))?;
    }
    let prover = Prover::open(&gpu_options)?;
    let prover = if options.sanitize { prover.sanitizing(&gpu_options)? } else { prover };
    let (chosen, left_out): (Vec<&Case>, Vec<&Case>) = chosen.iter().partition(|case| prover.lacks(case).is_none());
    let skipped = left_out.into_iter().filter_map(|case| {
        let reason = format!("the adapter lacks {}", prover.lacks(case)?);
        Some(Skipped { op: case.op.into(), case: case.name(), reason })
    });
    eprintln!("{} cases on {}", chosen.len(), prover.gpu().adapter());
    let bar = ProgressBar::new(chosen.len() as u64);
    let style = "{bar:30} {pos}/{len} {elapsed_precise} left {eta} {msg}";
    bar.set_style(ProgressStyle::with_template(style).expect("a valid template"));
    bar.enable_steady_tick(Duration::from_millis(200));
    let outcomes = prover.check_all(&chosen, |outcome| {
        bar.inc(1);
        match &outcome.result {
            Ok(_) => bar.set_message(chosen[outcome.index].op),
            Err(failure) => bar.suspend(|| eprintln!("{failure}")),
        }
    });
    bar.finish_and_clear();
    let report = Report::new(prover.gpu().adapter(), &chosen, &outcomes, skipped.collect());
    print!("{report}");
    if let Some(path) = &options.json {
        report.write_json(path).map_err(|e| knuckle::Error::file(path, e))?;
    }
    if let Some(path) = &options.junit {
        report.write_junit(path).map_err(|e| knuckle::Error::file(path, e))?;
    }
    Ok(ExitCode::from(u8::from(report.failures() > 0)))
}
