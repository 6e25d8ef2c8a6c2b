//! `knuckle info`.

use std::time::Instant;

use knuckle::data::Photo;
use knuckle::models::{GraphCnn, GraphCnnConfig, InferOptions};
use knuckle::{Gpu, Result, States, gpu};

/// What to tell besides the adapters.
#[derive(clap::Args)]
pub struct Arguments {
    /// Run this network (small or paper, untrained) once on one photo and tell its size, memory and time
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
}

/// Prints every adapter, the one that would be used, its limits, and what a model takes there.
pub fn run(arguments: &Arguments) -> Result<()> {
    let config = arguments.model.as_deref().map(GraphCnnConfig::named).transpose()?;
    println!("adapters, best first:");
    for adapter in gpu::adapters() {
        println!("  {}  {adapter}", adapter.index);
        println!(
            "     features: {}",
            if adapter.features.is_empty() { "none".into() } else { adapter.features.join(", ") }
        );
    }
    match std::env::var("KNUCKLE_ADAPTER") {
        Ok(wanted) => println!("KNUCKLE_ADAPTER is `{wanted}`"),
        Err(_) => println!("KNUCKLE_ADAPTER is not set: the first is used (set it to part of a name, or to a number)"),
    }
    let gpu = Gpu::new()?;
    let target = gpu.target();
    println!("using {}", gpu.adapter());
    println!("  bytes a binding             {}", target.max_binding_bytes);
    println!("  storage buffers a stage     {}", target.max_storage_buffers);
    println!("  workgroups a dimension      {}", target.max_groups);
    println!("  invocations a workgroup     {}", target.max_invocations);
    println!("  bytes of workgroup memory   {}", target.max_workgroup_bytes);
    println!("  kernels tuned for           {:?}", target.class);
    config.map_or(Ok(()), |config| model(&gpu, config))
}

/// How often the network runs for its median time.
const RUNS: usize = 5;

fn model(gpu: &Gpu, config: GraphCnnConfig) -> Result<()> {
    let (name, size, seen) = (config.name.clone(), config.photo_px(), config.input_px);
    let start = Instant::now();
    let mut model = GraphCnn::new(gpu, config, &States::seeded(gpu, 1))?;
    let ready = start.elapsed();
    let program = model.program();
    let parameters: usize = program.states.iter().filter(|s| s.trainable).map(|s| s.ty.shape.numel()).sum();
    println!("model {name}, untrained, a photo of {size} × {size}, seen at {seen} × {seen}");
    println!("  parameters                  {parameters}");
    println!("  dispatches                  {}", program.steps.len());
    println!("  GFLOP                       {:.3}", program.cost().flops as f64 * 1e-9);
    println!("  planned                     {}", program.plan.report(program));
    println!("  ready after                 {:.1} s", ready.as_secs_f64());
    let photo = Photo::from_rgb(size as u32, size as u32, vec![128; size * size * 3])?;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        model.infer(&photo, &InferOptions::default())?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!("  found in                    {:.0} ms (median of {RUNS})", times[RUNS / 2]);
    println!("  allocated at most           {}", allocated(gpu));
    Ok(())
}

/// The most device memory that was allocated at any time, for people.
pub fn allocated(gpu: &Gpu) -> String {
    format!("{:.2} MiB", gpu.memory().1 as f64 / (1 << 20) as f64)
}
