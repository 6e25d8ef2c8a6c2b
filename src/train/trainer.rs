//! The training loop of the graph CNN on synthetic photos: two stages as in Ge et al. 2019, §4.3, fresh samples every
//! step, checkpoints that continue with the same bits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use serde::{Deserialize, Serialize};

use super::checkpoint;
use super::evaluate::{SyntheticEvaluator, VALIDATION_SEED};
use super::metrics::Summary;
use crate::data::mesh::SceneMesh;
use crate::data::{SceneBatch, SceneSampler, render};
use crate::error::{Error, Result};
use crate::gpu::{Data, Executable, Gpu, States};
use crate::graph::{Recorder, Var};
use crate::hand::RiggedHand;
use crate::models::{GraphCnnConfig, MeshGraph, Network, TruthBatch, TruthVars};
use crate::ops::{Adam, RmsProp};

/// What to train and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainOptions {
    /// The network.
    pub config: GraphCnnConfig,
    /// Samples a step.
    pub batch: usize,
    /// Steps of the first stage: hourglass by heat-maps, pose regressor by true meshes.
    pub pretrain_steps: u64,
    /// Steps of the second stage: everything together.
    pub full_steps: u64,
    /// The rule that changes the weights.
    #[serde(default)]
    pub optimizer: Rule,
    /// The highest learning rate: see [`TrainOptions::learning_rate_at`].
    pub learning_rate: f32,
    /// Of initial weights and of samples.
    pub seed: u64,
    /// Steps between validations.
    pub validate_every: u64,
    /// Held-out samples a validation looks at.
    pub validation_samples: usize,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
}

/// The rules that change weights, each with its usual constants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// [`Adam`].
    #[default]
    Adam,
    /// [`RmsProp`], which the paper uses.
    RmsProp,
}

/// Steps over which the learning rate rises at the start of a stage.
pub const WARM_UP_STEPS: u64 = 100;

/// The part of all steps, at their end, over which the learning rate falls.
pub const DECAY: f64 = 0.3;

impl TrainOptions {
    /// Sensible values for a configuration.
    pub fn new(config: GraphCnnConfig) -> Self {
        TrainOptions {
            config,
            batch: 32,
            pretrain_steps: 1_000,
            full_steps: 9_000,
            optimizer: Rule::Adam,
            learning_rate: 1e-3,
            seed: 1,
            validate_every: 500,
            validation_samples: 128,
            checkpoint_every: 250,
        }
    }

    /// Steps of both stages.
    pub fn steps(&self) -> u64 {
        self.pretrain_steps + self.full_steps
    }

    /// The stage that step `step` (counted from 0) belongs to.
    pub fn stage(&self, step: u64) -> Stage {
        if step < self.pretrain_steps { Stage::Pretrain } else { Stage::Full }
    }

    /// The learning rate of a step, counted from 0: it rises over the first [`WARM_UP_STEPS`] of a stage, stays, and over
    /// the last [`DECAY`] of all steps falls as a half cosine to a hundredth. Until then it does not depend on how many steps
    /// there are, so that a training can be made longer while it runs.
    pub fn learning_rate_at(&self, step: u64) -> f32 {
        let stage_start = match self.stage(step) {
            Stage::Pretrain => 0,
            Stage::Full => self.pretrain_steps,
        };
        let rise = ((step - stage_start + 1) as f64 / WARM_UP_STEPS as f64).min(1.0);
        let steps = self.steps() as f64;
        let t = ((step as f64 + 0.5 - (1.0 - DECAY) * steps) / (DECAY * steps)).clamp(0.0, 1.0);
        let fall = 0.505 + 0.495 * (std::f64::consts::PI * t).cos();
        (f64::from(self.learning_rate) * rise * fall) as f32
    }

    fn check(&self) -> Result<()> {
        self.config.check()?;
        if self.batch == 0 || self.steps() == 0 {
            let got = format!("{} and {}", self.batch, self.steps());
            return Err(Error::invalid("batch and steps", "at least 1", got));
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return Err(Error::invalid("learning rate", "a positive number", self.learning_rate));
        }
        Ok(())
    }
}

/// The two stages of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Hourglass and pose regressor, apart.
    Pretrain,
    /// Everything.
    Full,
}

impl Stage {
    /// The scope of the stage's optimiser moments.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Pretrain => "pretrain",
            Stage::Full => "full",
        }
    }
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// Steps done, this one included.
    pub step: u64,
    /// The stage it belonged to.
    pub stage: Stage,
    /// The learning rate it was made with.
    pub learning_rate: f32,
    /// The loss that was differentiated.
    pub loss: f32,
    /// Its terms by name.
    pub terms: Vec<(&'static str, f32)>,
    /// Figures on held-out samples, where this step ended with a validation.
    pub validation: Option<Summary>,
    /// The checkpoint, where one was written.
    pub checkpoint: Option<PathBuf>,
}

/// What the caller wants after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Write a checkpoint and stop.
    Stop,
}

/// A training under way.
pub struct Trainer {
    gpu: Gpu,
    options: TrainOptions,
    mesh: Arc<MeshGraph>,
    hand: Arc<RiggedHand>,
    states: States,
    stage: StageProgram,
    step: u64,
    out: PathBuf,
}

/// A stage's program.
struct StageProgram {
    stage: Stage,
    executable: Executable,
    terms: Vec<&'static str>,
}

impl Trainer {
    /// Starts a training whose checkpoints go to `out`.
    pub fn new(gpu: &Gpu, options: TrainOptions, out: &Path) -> Result<Self> {
        options.check()?;
        let states = States::seeded(gpu, options.seed);
        Self::at(gpu, options, out, 0, states)
    }

    /// Continues from the checkpoint in `out`, with the options it was started with.
    pub fn resume(gpu: &Gpu, out: &Path) -> Result<Self> {
        let path = checkpoint_path(out);
        let progress = checkpoint::progress(&path)?;
        let options: TrainOptions = serde_json::from_str(&progress.config).map_err(|e| Error::Weights {
            file: path.display().to_string(),
            message: format!("training options in the header: {e}"),
        })?;
        options.check()?;
        let states = States::seeded(gpu, options.seed);
        let trainer = Self::at(gpu, options, out, progress.step, states)?;
        checkpoint::load(&path, &trainer.states)?;
        Ok(trainer)
    }

    /// Makes the training end after `steps` steps instead: more or fewer than it was started with, and at least those it
    /// has done and a first stage of the length it was started with.
    pub fn set_steps(&mut self, steps: u64) -> Result<()> {
        let least = self.options.pretrain_steps.max(self.step);
        if steps < least {
            return Err(Error::invalid("steps", format!("at least {least}"), steps));
        }
        self.options.full_steps = steps - self.options.pretrain_steps;
        Ok(())
    }

    fn at(gpu: &Gpu, options: TrainOptions, out: &Path, step: u64, states: States) -> Result<Self> {
        std::fs::create_dir_all(out).map_err(|e| Error::file(out, e))?;
        let hand = Arc::new(RiggedHand::right());
        let mesh = Arc::new(MeshGraph::new(&hand)?);
        let last = options.steps().saturating_sub(1);
        let stage = StageProgram::new(gpu, &options, &hand, &mesh, options.stage(step.min(last)), &states, false)?;
        Ok(Trainer { gpu: gpu.clone(), options, mesh, hand, states, stage, step, out: out.to_path_buf() })
    }

    /// What is being trained.
    pub fn options(&self) -> &TrainOptions {
        &self.options
    }

    /// Steps done.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// The weights and everything else that changes.
    pub fn states(&self) -> &States {
        &self.states
    }

    /// The program of the present stage.
    pub fn program(&self) -> &crate::Program {
        self.stage.executable.program()
    }

    /// Trains to the end, or until `report` asks to stop. A loss that is not finite stops the training with an error that
    /// names the operator it came from; the weights are those before that step, and the last checkpoint stays.
    pub fn run(&mut self, mut report: impl FnMut(&StepReport) -> Control) -> Result<()> {
        let batches = self.batches(self.step);
        let mut evaluator = None;
        while self.step < self.options.steps() {
            let stage = self.stage.stage;
            let (scene, truth) =
                batches.recv().map_err(|_| Error::Gpu("the thread that makes samples ended".into()))?;
            let learning_rate = self.options.learning_rate_at(self.step);
            let rate = [learning_rate];
            // A stage's program has only the inputs its losses depend on.
            let ports = &self.stage.executable.program().inputs;
            let mut inputs = inputs(&scene, &truth, &rate);
            inputs.retain(|(name, _)| ports.iter().any(|port| port.name == *name));
            let out = self.stage.executable.run(inputs.clone())?;
            let loss = out.scalar(0);
            if !loss.is_finite() {
                return Err(self.explain(loss, &inputs));
            }
            self.step += 1;
            let mut step = StepReport {
                step: self.step,
                stage,
                learning_rate,
                loss,
                terms: self.stage.terms.iter().enumerate().map(|(i, name)| (*name, out.scalar(i + 1))).collect(),
                validation: None,
                checkpoint: None,
            };
            let last = self.step == self.options.steps();
            let next = self.options.stage(self.step);
            if next != stage && !last {
                // Before any checkpoint: one at the border holds the state of the stage that goes on from it.
                self.enter(next)?;
            }
            let due = |every: u64| last || (every > 0 && self.step.is_multiple_of(every));
            if stage == Stage::Full && due(self.options.validate_every) && self.options.validation_samples > 0 {
                let evaluator = match &mut evaluator {
                    Some(evaluator) => evaluator,
                    None => evaluator.insert(SyntheticEvaluator::new(&self.gpu, &self.options.config, &self.states)?),
                };
                let evaluation = evaluator.evaluate(VALIDATION_SEED, self.options.validation_samples)?;
                step.validation = Some(evaluation.summary());
            }
            if due(self.options.checkpoint_every) {
                step.checkpoint = Some(self.save()?);
            }
            if report(&step) == Control::Stop {
                if step.checkpoint.is_none() {
                    self.save()?;
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// Times every dispatch of the present stage's step on whatever its inputs hold.
    pub fn profile(&mut self) -> Result<Vec<crate::gpu::StepTime>> {
        self.stage.executable.profile()
    }

    /// Writes the checkpoint.
    pub fn save(&self) -> Result<PathBuf> {
        let path = checkpoint_path(&self.out);
        let config = serde_json::to_string(&self.options).expect("options are plain data");
        let progress = checkpoint::Progress { step: self.step, seed: self.options.seed, config };
        checkpoint::save(&path, &self.states, &progress)?;
        Ok(path)
    }

    /// The next stage: its own moments, weights and statistics as they are.
    fn enter(&mut self, stage: Stage) -> Result<()> {
        let states = States::seeded(&self.gpu, self.options.seed);
        let program = StageProgram::new(&self.gpu, &self.options, &self.hand, &self.mesh, stage, &states, false)?;
        let kept: Vec<String> =
            states.names().into_iter().filter(|name| self.states.describe(name).is_some()).collect();
        let names: Vec<&str> = kept.iter().map(String::as_str).collect();
        for (name, data) in names.iter().zip(self.states.read(&names)?) {
            states.write(name, &data)?;
        }
        (self.states, self.stage) = (states, program);
        Ok(())
    }

    /// Batches from step `first` on, made by a thread while the device works.
    fn batches(&self, first: u64) -> Receiver<(SceneBatch, TruthBatch)> {
        let (send, receive) = sync_channel(2);
        let (hand, mesh) = (self.hand.clone(), self.mesh.clone());
        let (size, batch, seed) = (self.options.config.input_px, self.options.batch, self.options.seed);
        std::thread::spawn(move || {
            let sampler = SceneSampler::new(&hand, size, seed);
            let mut step = first;
            loop {
                let scene = SceneBatch::sample(&sampler, step * batch as u64, batch);
                let truth = truth_of(&scene, &mesh, size);
                // The receiver is gone when the training ends.
                if send.send((scene, truth)).is_err() {
                    return;
                }
                step += 1;
            }
        });
        receive
    }

    /// Repeats a step whose loss was not finite, keeping every value, to say where it began. State did not change.
    fn explain(&self, loss: f32, inputs: &[(&str, Data<'_>)]) -> Error {
        let what = format!("the loss of step {} ({loss})", self.step + 1);
        let found = || -> Result<String> {
            let stage = self.stage.stage;
            let mut debug =
                StageProgram::new(&self.gpu, &self.options, &self.hand, &self.mesh, stage, &self.states, true)?;
            let known = |name: &str| debug.executable.program().inputs.iter().any(|p| p.name == name);
            let inputs: Vec<_> = inputs.iter().copied().filter(|(name, _)| known(name)).collect();
            debug.executable.run(inputs)?;
            let first = debug.executable.first_non_finite()?;
            Ok(first.map_or("not found again on a second run".into(), |f| format!("first in {}", f.what)))
        };
        let detail = found().unwrap_or_else(|e| e.to_string());
        Error::NotFinite { what, detail }
    }
}

impl StageProgram {
    fn new(
        gpu: &Gpu,
        options: &TrainOptions,
        hand: &RiggedHand,
        mesh: &MeshGraph,
        stage: Stage,
        states: &States,
        debug: bool,
    ) -> Result<Self> {
        let r = Recorder::training();
        let photo = render::record(&r, &SceneMesh::new(hand), options.batch, options.config.input_px)?.rgb;
        let truth = TruthVars::record(&r, options.batch, mesh);
        let network = Network { config: &options.config, mesh };
        let losses = match stage {
            Stage::Pretrain => network.pretraining_losses(photo, &truth)?,
            Stage::Full => network.full_losses(photo, &truth)?,
        };
        let mut outputs: Vec<Var<'_>> = vec![losses.total];
        let mut terms = Vec::new();
        for (name, var) in losses.terms() {
            terms.push(name);
            outputs.push(var);
        }
        let executable = if debug {
            losses.total.backward()?;
            gpu.compile_debug(&r, outputs, states)?
        } else {
            let gradients = losses.total.backward()?;
            let rate = r.input("learning_rate", [1]);
            r.scoped(stage.name(), || match options.optimizer {
                Rule::Adam => r.step(&Adam::default(), &gradients, rate),
                Rule::RmsProp => r.step(&RmsProp::default(), &gradients, rate),
            })?;
            gpu.compile_with(&r, outputs, states)?
        };
        Ok(StageProgram { stage, executable, terms })
    }
}

/// Where a training keeps its checkpoint.
pub fn checkpoint_path(out: &Path) -> PathBuf {
    out.join("checkpoint.safetensors")
}

/// The truth of every scene of a batch.
pub(super) fn truth_of(batch: &SceneBatch, mesh: &MeshGraph, size: usize) -> TruthBatch {
    let mut truth = TruthBatch::default();
    for scene in &batch.scenes {
        truth.push(&scene.truth(), mesh, size);
    }
    truth
}

fn inputs<'a>(scene: &'a SceneBatch, truth: &'a TruthBatch, rate: &'a [f32]) -> Vec<(&'a str, Data<'a>)> {
    let truth = truth.inputs().into_iter().map(|(name, values)| (name, Data::from(values)));
    scene.inputs().into_iter().chain(truth).chain([("learning_rate", Data::from(rate))]).collect()
}
