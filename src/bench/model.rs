//! Whole models as programs with their inputs uploaded, ready to be run again and again.

use crate::Recorder;
use crate::data::{SceneBatch, SceneSampler};
use crate::error::Result;
use crate::gpu::{Data, Executable, Gpu, States};
use crate::hand::RiggedHand;
use crate::models::{GraphCnnConfig, MeshGraph, Network, TruthBatch};
use crate::rng::Rng;
use crate::train::{Stage, TrainOptions, record_step};

/// Of initial weights and of what is uploaded.
const SEED: u64 = 1;

/// The network on `batch` photos of noise, with initial weights: photo to mesh.
pub fn inference(gpu: &Gpu, config: &GraphCnnConfig, batch: usize) -> Result<Executable> {
    config.check()?;
    let mesh = MeshGraph::new(&RiggedHand::right())?;
    let r = Recorder::new();
    let shape = [batch, config.input_px, config.input_px, 3];
    let uvd = Network { config, mesh: &mesh }.predict(r.input("photo", shape))?.mesh_uvd;
    let mut program = gpu.compile_with(&r, [uvd], &States::seeded(gpu, SEED))?;
    let mut rng = Rng::new(SEED, 0);
    let pixels: Vec<f32> = (0..shape.iter().product()).map(|_| rng.uniform()).collect();
    program.upload([("photo", &pixels)])?;
    Ok(program)
}

/// A step of the network's second stage of training on `batch` scenes: rendering, network, losses, gradients and update.
pub fn training_step(gpu: &Gpu, config: &GraphCnnConfig, batch: usize) -> Result<Executable> {
    let options = TrainOptions { batch, ..TrainOptions::new(config.clone()) };
    options.check()?;
    let hand = RiggedHand::right();
    let mesh = MeshGraph::new(&hand)?;
    let r = Recorder::training();
    let losses = record_step(&r, &options, &hand, &mesh, Stage::Full)?;
    let outputs: Vec<_> = losses.into_iter().map(|(_, loss)| loss).collect();
    let mut program = gpu.compile_with(&r, outputs, &States::seeded(gpu, SEED))?;
    let scenes = SceneBatch::sample(&SceneSampler::new(&hand, config.input_px, SEED), 0, batch);
    let mut truth = TruthBatch::default();
    scenes.scenes.iter().for_each(|scene| truth.push(&scene.truth(), &mesh, config.input_px));
    let rate = [options.learning_rate];
    let truth = truth.inputs().map(|(name, values)| (name, Data::from(values)));
    let inputs: Vec<_> =
        scenes.inputs().into_iter().chain(truth).chain([("learning_rate", Data::from(&rate))]).collect();
    let known: Vec<String> = program.program().inputs.iter().map(|port| port.name.clone()).collect();
    program.upload(inputs.into_iter().filter(|(name, _)| known.iter().any(|k| k == name)))?;
    Ok(program)
}
