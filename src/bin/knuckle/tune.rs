//! `knuckle tune`.

use std::path::PathBuf;

use indicatif::ProgressBar;
use knuckle::gpu::{ChoiceFile, GpuOptions, Tuned};
use knuckle::hand::RiggedHand;
use knuckle::models::{GraphCnnConfig, MeshGraph, Network};
use knuckle::train::{Stage, TrainOptions, record_step};
use knuckle::{Gpu, Recorder, Result, Var};

/// What to measure, and what to do with what is known.
#[derive(clap::Args)]
pub struct Arguments {
    /// Measure the kernels of this network (small, paper, or a JSON file of its sizes): finding one hand, and steps of training
    model: Option<String>,
    /// Measure the kernels of every network
    #[arg(long, conflicts_with = "model")]
    all: bool,
    /// Samples a step of training
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Measure again what is known
    #[arg(long)]
    again: bool,
    /// Part of an adapter's name, or its number in `knuckle info`
    #[arg(long, value_name = "A")]
    adapter: Option<String>,
    /// Take over what another machine exported
    #[arg(long, value_name = "FILE")]
    import: Option<PathBuf>,
    /// Write what is known of the adapter to a file
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Tell what is known of the adapter
    #[arg(long)]
    list: bool,
    /// First forget what is known of the adapter
    #[arg(long)]
    clear: bool,
}

impl Arguments {
    fn models(&self) -> Result<Vec<GraphCnnConfig>> {
        if self.all {
            return Ok(vec![GraphCnnConfig::small(), GraphCnnConfig::paper()]);
        }
        self.model.iter().map(|name| GraphCnnConfig::named(name)).collect()
    }
}

/// Forgets, imports, measures, lists and exports, in this order, as asked; without any of it, measures the small network.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut models = arguments.models()?;
    let asked = arguments.import.is_some() || arguments.export.is_some() || arguments.list || arguments.clear;
    if models.is_empty() && !asked {
        models.push(GraphCnnConfig::small());
    }
    let gpu = Gpu::open(&GpuOptions { adapter: arguments.adapter.clone(), ..GpuOptions::default() })?;
    println!("{}", gpu.adapter());
    if arguments.clear {
        gpu.clear_choices()?;
        println!("forgotten");
    }
    if let Some(path) = &arguments.import {
        let file = ChoiceFile::import(path)?;
        if file.adapter != gpu.adapter().to_string() {
            println!("note: these were measured on {}", file.adapter);
        }
        println!("{} classes of shapes imported", file.choices.len());
        gpu.add_choices(file.choices);
        keep(&gpu);
    }
    for config in &models {
        measure(&gpu, config, arguments)?;
        keep(&gpu);
    }
    if arguments.list {
        list(&gpu);
    }
    if let Some(path) = &arguments.export {
        gpu.choice_file().export(path)?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// Tells where the choices were written, or why they were not: they can still be exported.
fn keep(gpu: &Gpu) {
    match gpu.keep_choices() {
        Ok(Some(path)) => println!("kept in {}", path.display()),
        Ok(None) => println!("not kept: there is no cache folder (KNUCKLE_CACHE names one)"),
        Err(e) => println!("not kept: {e}"),
    }
}

fn measure(gpu: &Gpu, config: &GraphCnnConfig, arguments: &Arguments) -> Result<()> {
    let mesh = MeshGraph::new(&RiggedHand::right())?;
    let r = Recorder::new();
    let network = Network { config, mesh: &mesh };
    let photo = r.input("photo", [1, config.photo_px(), config.photo_px(), 3]);
    let mesh_uvd = network.find(photo, r.input("fill", [1]))?;
    tune(gpu, &format!("{}, inference", config.name), &r, &[mesh_uvd], arguments)?;
    let options = TrainOptions { batch: arguments.batch.into(), ..TrainOptions::new(config.clone()) };
    for stage in [Stage::Pretrain, Stage::Full] {
        let r = Recorder::training();
        let losses = record_step(&r, &options, &RiggedHand::right(), &mesh, stage)?;
        let losses: Vec<Var<'_>> = losses.into_iter().map(|(_, loss)| loss).collect();
        tune(gpu, &format!("{}, {} stage", config.name, stage.name()), &r, &losses, arguments)?;
    }
    Ok(())
}

fn tune<'r>(gpu: &Gpu, what: &str, r: &'r Recorder, outputs: &[Var<'r>], arguments: &Arguments) -> Result<()> {
    println!("{what}:");
    let progress = ProgressBar::new_spinner();
    let (mut classes, mut before, mut after) = (0, 0.0, 0.0);
    let report = |tuned: &Tuned| {
        progress.tick();
        progress.suspend(|| println!("  {}", line(tuned)));
        for (variant, why) in &tuned.measured.rejected {
            progress.suspend(|| println!("    {variant} is REJECTED: {why}"));
        }
        if let (Some((_, best)), Some(expected)) =
            (tuned.measured.best(), tuned.measured.ms.get(&tuned.expected.variant))
        {
            (classes, before, after) = (classes + 1, before + expected, after + best);
        }
    };
    gpu.tune(r, outputs, arguments.again, report)?;
    progress.finish_and_clear();
    match classes {
        0 => println!("  nothing that is not known"),
        n => println!("  {n} classes of shapes, once each: {before:.2} ms as expected, {after:.2} ms as measured"),
    }
    Ok(())
}

fn line(tuned: &Tuned) -> String {
    let Tuned { expected, measured } = tuned;
    let class = expected.class.to_string();
    match (measured.best(), measured.ms.get(&expected.variant)) {
        (Some((best, ms)), Some(before)) if best != expected.variant => {
            format!("{class:<56} {best} {ms:.3} ms, {} {before:.3} ms", expected.variant)
        }
        (Some((best, ms)), _) => format!("{class:<56} {best} {ms:.3} ms"),
        (None, _) => format!("{class:<56} no variant runs"),
    }
}

fn list(gpu: &Gpu) {
    let choices = gpu.choices();
    println!("{} classes of shapes", choices.len());
    for (class, measured) in choices.iter() {
        let mut times: Vec<_> = measured.ms.iter().collect();
        times.sort_by(|a, b| a.1.total_cmp(b.1));
        let times: Vec<String> = times.iter().map(|(variant, ms)| format!("{variant} {ms:.3} ms")).collect();
        println!("  {class:<56} {}", times.join(", "));
        for (variant, why) in &measured.rejected {
            println!("    {variant} is REJECTED: {why}");
        }
    }
}
