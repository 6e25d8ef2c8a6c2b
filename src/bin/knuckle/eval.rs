//! `knuckle eval`.

use std::path::{Path, PathBuf};

use knuckle::data::PhotoFolder;
use knuckle::models::{GraphCnn, InferOptions};
use knuckle::train::evaluate::VALIDATION_SEED;
use knuckle::train::metrics::{Evaluation, scaled_to_bone};
use knuckle::train::{SyntheticEvaluator, TrainOptions, plot};
use knuckle::{Error, Gpu, Result};

use crate::model::Weights;

/// What to measure on.
#[derive(clap::Args)]
pub struct Arguments {
    /// Held-out rendered hands in free rotation [default: 1000, or none with --folder]
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// Folder of photos with a joints.json
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The folder's hands are left ones
    #[arg(long, requires = "folder")]
    left: bool,
    /// Judge the rigged hand posed on the joints found instead of the network's own mesh, as `infer --rigged`
    #[arg(long)]
    rigged: bool,
    /// On photos, where the network looks again: the part of the square that the hand is to fill, as `infer --fill` [default: 0.55]
    #[arg(long, value_name = "PART", requires = "folder")]
    fill: Option<f32>,
    /// PCK curves to write (PNG)
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    weights: Weights,
}

/// Prints the figures and draws the curves.
pub fn run(arguments: &Arguments) -> Result<()> {
    let samples = arguments.samples.unwrap_or(if arguments.folder.is_some() { 0 } else { 1000 });
    if samples == 0 && arguments.folder.is_none() {
        return Err(Error::invalid("--samples", "at least 1, or a --folder", 0));
    }
    let gpu = Gpu::new()?;
    let mut model = arguments.weights.load(&gpu)?;
    println!("adapter {}\nmodel   {}", gpu.adapter(), arguments.weights.name(&model));
    let mut curves = Vec::new();
    if samples > 0 {
        let mut evaluator = SyntheticEvaluator::new(&gpu, model.config(), model.states())?.rigged(arguments.rigged);
        let evaluation = evaluator.evaluate(VALIDATION_SEED, samples)?;
        print("rendered hands, free rotation, wrist and scale given", &evaluation);
        let training_seed = TrainOptions::new(model.config().clone()).seed;
        let mean = evaluator.mean_mesh_error(training_seed, VALIDATION_SEED, samples);
        println!("  predicting the mean mesh    {mean:7.2} mm mesh error");
        curves.push(("rendered hands", evaluation.joint_errors));
    }
    if let Some(folder) = &arguments.folder {
        let evaluation = photos(&mut model, folder, arguments)?;
        let protocol = "relative to the wrist, middle MCP–PIP bone scaled to the truth";
        print(&format!("{}, {protocol}", folder.display()), &evaluation);
        curves.push(("photos", evaluation.joint_errors));
        curves.push(("photos, aligned", evaluation.aligned_errors));
    }
    if let Some(path) = &arguments.plot {
        let curves: Vec<_> = curves.iter().map(|(name, errors)| (*name, errors.as_slice())).collect();
        plot::draw(&[plot::Chart::pck(&curves)], 900, 560)?.save_png(path)?;
        println!("PCK curves: {}", path.display());
    }
    Ok(())
}

fn photos(
    model: &mut GraphCnn,
    folder: &Path,
    &Arguments { left, rigged, fill, .. }: &Arguments,
) -> Result<Evaluation> {
    let mut evaluation = Evaluation::default();
    for photo in PhotoFolder::open(folder)?.iter() {
        let photo = photo?;
        let scale_mm = photo.scale_mm();
        let (scale, camera) = (Some(scale_mm), Some(photo.camera));
        let options = InferOptions { scale_mm: scale, left, camera, rigged, fill, ..InferOptions::default() };
        let hand = model.infer(&photo.photo, &options)?;
        evaluation.add(&scaled_to_bone(&hand.joints_mm, scale_mm), &photo.joints_mm, None);
    }
    Ok(evaluation)
}

fn print(title: &str, evaluation: &Evaluation) {
    let figures = evaluation.summary();
    println!("{title}: {} hands", figures.hands);
    if let Some(mesh_error) = figures.mesh_error {
        println!("  mesh error                  {mesh_error:7.2} mm");
    }
    println!("  EPE, mean                   {:7.2} mm", figures.epe);
    println!("  EPE, median                 {:7.2} mm", figures.epe_median);
    println!("  EPE after alignment (PA)    {:7.2} mm", figures.pa_epe);
    println!("  PCK area, 0–50 mm           {:7.3}", figures.auc_0_50);
    println!("  PCK area, 20–50 mm          {:7.3}", figures.auc_20_50);
}
