//! `knuckle profile`.

use std::path::PathBuf;

use knuckle::bench::{Profile, inference, training_step};
use knuckle::gpu::GpuOptions;
use knuckle::models::GraphCnnConfig;
use knuckle::{Error, Gpu, Result};

/// What to time.
#[derive(clap::Args)]
pub struct Arguments {
    /// The network: small, paper, or a JSON file of its sizes (with initial weights)
    #[arg(value_name = "MODEL")]
    model: String,
    /// A step of training, with rendering, gradients and update, instead of inference
    #[arg(long)]
    train: bool,
    /// Photos or scenes at once [default: 1, with --train 16]
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Runs that the times are medians of
    #[arg(long, value_name = "N", default_value_t = 5)]
    runs: usize,
    /// Lines of the table
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// File for the trace (JSON), for chrome://tracing or ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Part of an adapter's name, or its number in `knuckle info`
    #[arg(long, value_name = "A")]
    adapter: Option<String>,
}

/// Prints the table and writes the trace.
pub fn run(arguments: &Arguments) -> Result<()> {
    let config = GraphCnnConfig::named(&arguments.model)?;
    let batch = arguments.batch.unwrap_or(if arguments.train { 16 } else { 1 });
    for (name, value) in [("--batch", batch), ("--runs", arguments.runs), ("--top", arguments.top)] {
        if value == 0 {
            return Err(Error::invalid(name, "at least 1", value));
        }
    }
    if let Some(path) = &arguments.out {
        knuckle::files::check_writable(path)?;
    }
    let gpu = Gpu::open(&GpuOptions { adapter: arguments.adapter.clone(), ..Default::default() })?;
    println!("adapter {}", gpu.adapter());
    let (what, mut program) = match arguments.train {
        true => ("training step", training_step(&gpu, &config, batch)?),
        false => ("inference", inference(&gpu, &config, batch)?),
    };
    let name = format!("{} {what}, batch {batch}", config.name);
    let profile = Profile::measure(&gpu, &mut program, &name, arguments.runs)?;
    print!("{}", profile.table(arguments.top));
    if let Some(path) = &arguments.out {
        knuckle::files::write_atomically(path, |out| Ok(serde_json::to_writer(out, &profile.trace())?))?;
        println!("trace: {}", path.display());
    }
    Ok(())
}
