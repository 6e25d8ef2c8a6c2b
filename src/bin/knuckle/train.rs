//! `knuckle train`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use knuckle::data::Views;
use knuckle::models::{GraphCnn, GraphCnnConfig};
use knuckle::train::checkpoint::{Metadata, Precision};
use knuckle::train::{Control, Rule, StepReport, TrainOptions, Trainer, checkpoint_path, evaluate};
use knuckle::{Error, Gpu, Result};

use crate::info::allocated;
use crate::train_log::TrainLog;

/// What to train and where to.
#[derive(clap::Args)]
pub struct Arguments {
    /// Network: small, paper, or a JSON file of its sizes (`docs/training.md`) [default: small]
    #[arg(long, conflicts_with = "resume", value_name = "NAME|FILE")]
    config: Option<String>,
    /// Begin with these weights and their network instead of random ones, in the second stage
    #[arg(long, conflicts_with_all = ["resume", "config", "pretrain"], value_name = "WEIGHTS")]
    from: Option<PathBuf>,
    /// Steps of both stages
    #[arg(long)]
    steps: Option<u64>,
    /// How many of them train hourglass and pose regressor apart [default: a tenth]
    #[arg(long, conflicts_with = "resume")]
    pretrain: Option<u64>,
    /// Samples a step and replica
    #[arg(long)]
    batch: Option<usize>,
    /// Copies of the network that learn side by side and take the mean of their weights every few steps; on a software
    /// adapter, one a core [default: 1]
    #[arg(long)]
    replicas: Option<usize>,
    /// Of initial weights and samples
    #[arg(long, conflicts_with = "resume")]
    seed: Option<u64>,
    /// From which sides hands are seen: mixed (more as people show them to cameras) or free (any alike) [default: mixed]
    #[arg(long, value_parser = views)]
    views: Option<Views>,
    /// Photos are looked at again once a hand was seen, which then fills this part of the picture, as it does in most samples of the training
    /// (0: they are not) [default: the network's, 0.7 for small]
    #[arg(long, value_name = "PART")]
    second_look: Option<f32>,
    /// Rule that changes the weights: adam or rmsprop (the paper's) [default: adam]
    #[arg(long, conflicts_with = "resume", value_parser = optimizer)]
    optimizer: Option<Rule>,
    /// Highest learning rate
    #[arg(long)]
    rate: Option<f32>,
    /// Part of all steps, at their end, over which the learning rate falls [default: 0.3]
    #[arg(long)]
    decay: Option<f64>,
    /// Steps between validations (0: only at the end)
    #[arg(long)]
    validate_every: Option<u64>,
    /// Held-out samples of a validation (0: none)
    #[arg(long)]
    validation_samples: Option<usize>,
    /// Steps between checkpoints (0: only at the end)
    #[arg(long)]
    checkpoint_every: Option<u64>,
    /// Folder for checkpoint, weights, log and curves
    #[arg(long, default_value = "run", value_name = "DIR")]
    out: PathBuf,
    /// Continue from the checkpoint in --out, with the options it was started with and those given anew
    #[arg(long)]
    resume: bool,
}

impl Arguments {
    /// Options of the training: those it was started with if it goes on, else usual ones, and what the command line says.
    fn options(&self, trained: Option<&GraphCnn>) -> Result<TrainOptions> {
        let mut options = if self.resume {
            Trainer::progress(&self.out)?.0
        } else {
            let config = match trained {
                Some(model) => model.config().clone(),
                None => GraphCnnConfig::named(self.config.as_deref().unwrap_or("small"))?,
            };
            let mut options = TrainOptions::new(config);
            let steps = options.steps();
            let usual = if trained.is_some() { 0 } else { self.steps.unwrap_or(steps) / 10 };
            options.pretrain_steps = self.pretrain.unwrap_or(usual);
            options.full_steps = steps.saturating_sub(options.pretrain_steps);
            options
        };
        if let Some(steps) = self.steps {
            let least = options.pretrain_steps;
            options.full_steps = steps.checked_sub(least).ok_or_else(|| {
                Error::invalid("--steps", format!("at least the {least} of the first stage (--pretrain)"), steps)
            })?;
        }
        options.batch = self.batch.unwrap_or(options.batch);
        options.replicas = self.replicas.unwrap_or(options.replicas);
        options.seed = self.seed.unwrap_or(options.seed);
        options.views = self.views.unwrap_or(options.views);
        if let Some(part) = self.second_look {
            options.config.second_look = (part != 0.0).then_some(part);
        }
        options.optimizer = self.optimizer.unwrap_or(options.optimizer);
        options.learning_rate = self.rate.unwrap_or(options.learning_rate);
        options.decay = self.decay.unwrap_or(options.decay);
        options.validate_every = self.validate_every.unwrap_or(options.validate_every);
        options.validation_samples = self.validation_samples.unwrap_or(options.validation_samples);
        options.checkpoint_every = self.checkpoint_every.unwrap_or(options.checkpoint_every);
        if options.seed == evaluate::VALIDATION_SEED {
            return Err(Error::invalid("--seed", "any but the seed of the held-out samples", options.seed));
        }
        Ok(options)
    }

    /// How many replicas there will be, which must be known before a device is opened.
    fn replicas(&self) -> Result<usize> {
        match (self.replicas, self.resume) {
            (Some(replicas), _) => Ok(replicas),
            (None, true) => Ok(Trainer::progress(&self.out)?.0.replicas),
            (None, false) => Ok(1),
        }
    }

    fn trainer(&self, gpu: &Gpu, options: TrainOptions, trained: Option<&GraphCnn>) -> Result<Trainer> {
        if self.resume {
            return Trainer::resume_with(gpu, &self.out, |known| *known = options);
        }
        let checkpoint = checkpoint_path(&self.out);
        if checkpoint.exists() {
            let expected = "a folder without a checkpoint, or --resume to continue it";
            return Err(Error::invalid("--out", expected, checkpoint.display()));
        }
        match trained {
            Some(model) => Trainer::fine_tune(gpu, options, &self.out, model),
            None => Trainer::new(gpu, options, &self.out),
        }
    }
}

fn views(name: &str) -> std::result::Result<Views, String> {
    match name {
        "mixed" => Ok(Views::Mixed),
        "free" => Ok(Views::Free),
        _ => Err("mixed or free".into()),
    }
}

fn optimizer(name: &str) -> std::result::Result<Rule, String> {
    match name {
        "adam" => Ok(Rule::Adam),
        "rmsprop" => Ok(Rule::RmsProp),
        _ => Err("adam or rmsprop".into()),
    }
}

/// Exit status after ctrl-C, as shells have it: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

/// Trains to the end or until ctrl-C.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.replicas()? > 1 {
        knuckle::gpu::prefer_one_thread_a_device();
    }
    let gpu = Gpu::new()?;
    let stop = stop_on_ctrl_c()?;
    let trained = arguments.from.as_ref().map(|weights| GraphCnn::load(&gpu, weights)).transpose()?;
    let options = arguments.options(trained.as_ref())?;
    let replicas = options.replicas;
    let mut trainer = arguments.trainer(&gpu, options, trained.as_ref())?;
    drop(trained);
    let (out, total) = (&arguments.out, trainer.options().steps());
    println!("adapter {}", gpu.adapter());
    println!(
        "{}: {} of {total} steps done, {} samples a step in {} replicas",
        out.display(),
        trainer.steps_done(),
        trainer.options().batch * replicas,
        replicas
    );
    let dump = out.join("program.txt");
    knuckle::files::write_atomically(&dump, |file| file.write_all(trainer.program().dump().as_bytes()))?;
    println!("planned {}", trainer.program().plan.report(trainer.program()));
    let mut log = TrainLog::open(out, trainer.steps_done())?;
    let bar = progress_bar(total, trainer.steps_done())?;
    let start = Instant::now();
    let first = trainer.steps_done();
    let result = trainer.run(|step| {
        if let Err(error) = log.add(step) {
            bar.suspend(|| eprintln!("warning: {error}"));
        }
        bar.set_position(step.step);
        bar.set_message(format!("{} loss {:.4}", step.stage.name(), step.loss));
        if step.validation.is_some() {
            let line = validation_line(step, total, (step.step - first) as f64 / start.elapsed().as_secs_f64());
            bar.suspend(|| println!("{line}"));
            if let Err(error) = log.draw(out) {
                bar.suspend(|| eprintln!("warning: {error}"));
            }
        }
        if stop.load(Ordering::Relaxed) { Control::Stop } else { Control::Continue }
    });
    bar.finish_and_clear();
    let drawn = log.draw(out);
    result?;
    drawn?;
    let weights = save_weights(&gpu, &trainer, out)?;
    let done = trainer.steps_done();
    println!("{done} of {total} steps; weights {}, curves {}", weights.display(), out.join("loss.png").display());
    println!("allocated at most {}", allocated(&gpu));
    if done < total {
        println!("stopped; {} is written, go on with --resume", checkpoint_path(out).display());
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(ExitCode::SUCCESS)
}

fn save_weights(gpu: &Gpu, trainer: &Trainer, out: &Path) -> Result<PathBuf> {
    let options = trainer.options();
    let path = out.join("weights.safetensors");
    let notes = [
        ("seed", options.seed.to_string()),
        ("steps", trainer.steps_done().to_string()),
        ("batch", options.batch.to_string()),
        ("replicas", options.replicas.to_string()),
        ("knuckle", env!("CARGO_PKG_VERSION").to_string()),
    ];
    let notes = Metadata::from(notes.map(|(key, value)| (key.to_string(), value)));
    GraphCnn::new(gpu, options.config.clone(), trainer.states())?.save(&path, Precision::F16, notes)?;
    Ok(path)
}

fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
        eprintln!("\nstopping after this step; once more to stop at once, losing what is not in the checkpoint");
    })
    .map_err(|e| Error::invalid("ctrl-C", "to be told of it", e))?;
    Ok(stop)
}

fn progress_bar(total: u64, done: u64) -> Result<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {per_sec} {eta} left, {msg}")
        .map_err(|e| Error::invalid("progress bar", "a template", e))?;
    let bar = ProgressBar::new(total).with_style(style).with_position(done);
    bar.reset_eta();
    Ok(bar)
}

fn validation_line(step: &StepReport, total: u64, rate: f64) -> String {
    let mut line = format!("step {}/{total}  loss {:.4}  {rate:.2} steps/s", step.step, step.loss);
    if let Some(v) = &step.validation {
        let mesh = v.mesh_error.unwrap_or(f32::NAN);
        line += &format!("  validation: mesh {mesh:.1} mm, joints {:.1} mm, aligned {:.1} mm", v.epe, v.pa_epe);
    }
    line
}
