//! Figures on held-out synthetic hands, by the paper's protocol: the scale and the wrist's depth are given.

use glam::Vec3;

use super::metrics::{Evaluation, distances, mean};
use super::trainer::truth_of;
use crate::data::mesh::SceneMesh;
use crate::data::{SceneBatch, SceneSampler, Views, render};
use crate::error::{Error, Result};
use crate::gpu::{Data, Executable, Gpu, States};
use crate::graph::Recorder;
use crate::hand::RiggedHand;
use crate::hand::joints::{JOINTS, WRIST};
use crate::models::{GraphCnnConfig, Lifting, MeshGraph, Network};

/// The seed of held-out samples; training seeds must differ.
pub const VALIDATION_SEED: u64 = 0x5EED_0F7E57;

/// Samples that go through the network at once.
const BATCH: usize = 8;

/// Runs a network on synthetic samples.
pub struct SyntheticEvaluator {
    hand: RiggedHand,
    mesh: MeshGraph,
    size: usize,
    executable: Executable,
    rigged: bool,
}

impl SyntheticEvaluator {
    /// Compiles rendering and inference on `states`, which hold the network's weights.
    pub fn new(gpu: &Gpu, config: &GraphCnnConfig, states: &States) -> Result<Self> {
        let hand = RiggedHand::right();
        let mesh = MeshGraph::new(&hand)?;
        let r = Recorder::new();
        let size = config.photo_px();
        let photo = render::record(&r, &SceneMesh::new(&hand), BATCH, size)?.rgb;
        let network = Network { config, mesh: &mesh };
        let xyz = Lifting::record(&r, BATCH).lift(network.find(photo, r.scalar(config.second_look.unwrap_or(1.0)))?)?;
        let joints = network.joints(xyz)?;
        let executable = gpu.compile_with(&r, [xyz, joints], states)?;
        Ok(SyntheticEvaluator { hand, mesh, size, executable, rigged: false })
    }

    /// Judges the rigged hand posed on the joints found instead of the network's own mesh, if asked:
    /// [`InferOptions::rigged`](crate::models::InferOptions::rigged).
    pub fn rigged(self, rigged: bool) -> Self {
        SyntheticEvaluator { rigged, ..self }
    }

    /// Errors over the first `count` samples of `seed`, in free rotation.
    pub fn evaluate(&mut self, seed: u64, count: usize) -> Result<Evaluation> {
        let sampler = SceneSampler::new(&self.hand, self.size, seed).with_views(Views::Free);
        let mut evaluation = Evaluation::default();
        for first in (0..count).step_by(BATCH) {
            let scenes = SceneBatch::sample(&sampler, first as u64, BATCH);
            let truth = truth_of(&scenes, &self.mesh, self.size);
            let known: Vec<&str> = self.executable.program().inputs.iter().map(|p| p.name.as_str()).collect();
            let truth_inputs = truth.inputs().into_iter().map(|(name, values)| (name, Data::from(values)));
            let inputs = scenes.inputs().into_iter().chain(truth_inputs);
            let inputs: Vec<_> = inputs.filter(|(name, _)| known.contains(name)).collect();
            let out = self.executable.run(inputs)?;
            for (i, scene) in scenes.scenes.iter().enumerate().take(count - first) {
                let truth = scene.truth();
                let scale = truth.scale_mm();
                let points = |output: usize, n: usize| -> Vec<Vec3> {
                    let values = &out.f32(output)[i * n * 3..(i + 1) * n * 3];
                    values.chunks_exact(3).map(|p| Vec3::from_slice(p) * scale).collect()
                };
                let joints: [Vec3; JOINTS] = points(1, JOINTS).try_into().expect("21 joints");
                let (joints, vertices) = match self.rigged {
                    true => {
                        let posed = self.hand.posed_on(&joints, scale).map_err(|e| Error::Hand(e.to_string()))?;
                        let wrist = posed.joints[WRIST];
                        (posed.joints.map(|p| p - wrist), posed.vertices.iter().map(|&p| p - wrist).collect())
                    }
                    false => (joints, points(0, self.mesh.vertices)),
                };
                evaluation.add(&joints, truth.joints, Some((&vertices, truth.vertices)));
            }
        }
        Ok(evaluation)
    }

    /// The mesh error of always predicting the mean mesh, mm: the wrist-relative mean over 2,000 training samples, scaled
    /// to each hand's true scale.
    pub fn mean_mesh_error(&self, training_seed: u64, seed: u64, count: usize) -> f32 {
        let relative = |sampler: &SceneSampler, index: u64| -> (Vec<Vec3>, f32) {
            let scene = sampler.sample(index);
            let truth = scene.truth();
            let (root, scale) = (truth.joints[WRIST], truth.scale_mm());
            (truth.vertices.iter().map(|&v| (v - root) / scale).collect(), scale)
        };
        let training = SceneSampler::new(&self.hand, self.size, training_seed).with_views(Views::Free);
        let mut average = vec![Vec3::ZERO; self.mesh.vertices];
        const SAMPLES: u64 = 2_000;
        for index in 0..SAMPLES {
            for (sum, v) in average.iter_mut().zip(relative(&training, index).0) {
                *sum += v / SAMPLES as f32;
            }
        }
        let held_out = SceneSampler::new(&self.hand, self.size, seed).with_views(Views::Free);
        let errors = (0..count as u64).map(|index| {
            let (vertices, scale) = relative(&held_out, index);
            mean(&distances(&average, &vertices)) * scale
        });
        mean(&errors.collect::<Vec<_>>())
    }
}
