//! The training loop of the graph CNN on synthetic photos: two stages as in Ge et al. 2019, §4.3, fresh samples every
//! step, checkpoints that continue with the same bits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use super::checkpoint;
use super::evaluate::{SyntheticEvaluator, VALIDATION_SEED};
use super::metrics::Summary;
use super::options::{ROUND, Rule, Stage, TrainOptions};
use crate::data::mesh::SceneMesh;
use crate::data::{SceneBatch, SceneSampler, render};
use crate::error::{Error, Result};
use crate::gpu::{Data, Executable, Gpu, Outputs, States};
use crate::graph::{Recorder, TensorData, Var};
use crate::hand::RiggedHand;
use crate::models::{GraphCnn, MeshGraph, Network, TruthBatch, TruthVars};
use crate::ops::{Adam, RmsProp};

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
    options: TrainOptions,
    mesh: Arc<MeshGraph>,
    hand: Arc<RiggedHand>,
    stage: Stage,
    /// At least one; all have the same weights after a round.
    replicas: Vec<Replica>,
    step: u64,
    out: PathBuf,
}

/// A copy of the network on a device of its own.
struct Replica {
    gpu: Gpu,
    states: States,
    program: StageProgram,
}

/// A stage's program.
struct StageProgram {
    executable: Executable,
    terms: Vec<&'static str>,
}

/// What a replica learns from in a step.
type Batch = (SceneBatch, TruthBatch);

impl Trainer {
    /// Starts a training whose checkpoints go to `out`. Replicas but the first open the adapter of `gpu` anew.
    pub fn new(gpu: &Gpu, options: TrainOptions, out: &Path) -> Result<Self> {
        options.check()?;
        Self::at(gpu, options, out, 0)
    }

    /// Starts a training from a network that was trained before: all of it learns from the first step on, by the second stage's
    /// losses, with new moments. `options` must be of that network and have no first stage.
    pub fn fine_tune(gpu: &Gpu, options: TrainOptions, out: &Path, trained: &GraphCnn) -> Result<Self> {
        if !options.config.same_weights(trained.config()) {
            return Err(Error::invalid("options", "the network that was trained", "another"));
        }
        if options.pretrain_steps != 0 {
            let expected = "none, since all of the network was trained";
            return Err(Error::invalid("steps of the first stage", expected, options.pretrain_steps));
        }
        let trainer = Self::new(gpu, options, out)?;
        let names = trained.states().names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let weights = trained.states().read(&names)?;
        for replica in &trainer.replicas {
            for (name, data) in names.iter().zip(&weights) {
                replica.states.write(name, data)?;
            }
        }
        Ok(trainer)
    }

    /// Continues from the checkpoint in `out`, with the options it was started with.
    pub fn resume(gpu: &Gpu, out: &Path) -> Result<Self> {
        Self::resume_with(gpu, out, |_| ())
    }

    /// Continues from the checkpoint in `out` with options that `change` may change: how many steps the second stage
    /// has, the batch, the replicas, the learning rate, the views and framing of samples, the validation. The weights'
    /// shapes, the rule, the seed and the first stage stay.
    pub fn resume_with(gpu: &Gpu, out: &Path, change: impl FnOnce(&mut TrainOptions)) -> Result<Self> {
        let (before, step) = Self::progress(out)?;
        let mut options = before.clone();
        change(&mut options);
        let fixed = |o: &TrainOptions| (o.optimizer, o.seed, o.pretrain_steps);
        if fixed(&options) != fixed(&before) || !options.config.same_weights(&before.config) {
            let expected = "the network, rule, seed and first stage that the training began with";
            return Err(Error::invalid("options", expected, "others"));
        }
        if options.steps() < step {
            return Err(Error::invalid("steps", format!("at least the {step} that are done"), options.steps()));
        }
        options.check()?;
        let trainer = Self::at(gpu, options, out, step)?;
        for replica in &trainer.replicas {
            checkpoint::load(&checkpoint_path(out), &replica.states)?;
        }
        Ok(trainer)
    }

    /// The options of the training whose checkpoint is in `out`, and how many steps it has done.
    pub fn progress(out: &Path) -> Result<(TrainOptions, u64)> {
        let path = checkpoint_path(out);
        let progress = checkpoint::progress(&path)?;
        let options: TrainOptions = serde_json::from_str(&progress.config).map_err(|e| Error::Weights {
            file: path.display().to_string(),
            message: format!("training options in the header: {e}"),
        })?;
        options.check()?;
        Ok((options, progress.step))
    }

    fn at(gpu: &Gpu, options: TrainOptions, out: &Path, step: u64) -> Result<Self> {
        std::fs::create_dir_all(out).map_err(|e| Error::file(out, e))?;
        let hand = Arc::new(RiggedHand::right());
        let mesh = Arc::new(MeshGraph::new(&hand)?);
        let stage = options.stage(step.min(options.steps().saturating_sub(1)));
        let replica = |i| {
            let gpu = if i == 0 { gpu.clone() } else { gpu.reopened()? };
            Replica::new(gpu, &options, &hand, &mesh, stage)
        };
        let replicas = (0..options.replicas).map(replica).collect::<Result<_>>()?;
        Ok(Trainer { options, mesh, hand, stage, replicas, step, out: out.to_path_buf() })
    }

    /// What is being trained.
    pub fn options(&self) -> &TrainOptions {
        &self.options
    }

    /// Steps done.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// The weights and everything else that changes, of the first replica.
    pub fn states(&self) -> &States {
        &self.replicas[0].states
    }

    /// The program of the present stage.
    pub fn program(&self) -> &crate::Program {
        self.replicas[0].program.executable.program()
    }

    /// Trains to the end, or until `report` asks to stop; with several replicas, to the end of their round. A loss that
    /// is not finite stops the training with an error that names the operator it came from; the weights are those before
    /// that step, and the last checkpoint stays.
    pub fn run(&mut self, mut report: impl FnMut(&StepReport) -> Control) -> Result<()> {
        let batches = self.batches(self.step);
        let mut evaluator = None;
        // What was asked for within a round happens at its end, when there is one set of weights.
        let (mut stop, mut validate, mut save) = (false, false, false);
        while self.step < self.options.steps() {
            let stage = self.stage;
            let batches = batches.recv().map_err(|_| Error::Gpu("the thread that makes samples ended".into()))?;
            let learning_rate = self.options.learning_rate_at(self.step);
            let losses = self.step_all(&batches, learning_rate)?;
            self.step += 1;
            let mut step = StepReport {
                step: self.step,
                stage,
                learning_rate,
                loss: losses[0],
                terms: self.replicas[0].program.terms.iter().copied().zip(losses[1..].iter().copied()).collect(),
                validation: None,
                checkpoint: None,
            };
            let last = self.step == self.options.steps();
            let next = self.options.stage(self.step);
            let border = next != stage && !last;
            let due = |every: u64| last || (every > 0 && self.step.is_multiple_of(every));
            validate |= due(self.options.validate_every);
            save |= due(self.options.checkpoint_every);
            let together = self.replicas.len() == 1 || last || border || self.step.is_multiple_of(ROUND);
            if together {
                self.average()?;
            }
            if border {
                // Before any checkpoint: one at the border holds the state of the stage that goes on from it.
                self.enter(next)?;
            }
            if together && std::mem::take(&mut validate) && stage == Stage::Full && self.options.validation_samples > 0
            {
                let evaluator = match &mut evaluator {
                    Some(evaluator) => evaluator,
                    None => {
                        let Replica { gpu, states, .. } = &self.replicas[0];
                        evaluator.insert(SyntheticEvaluator::new(gpu, &self.options.config, states)?)
                    }
                };
                let evaluation = evaluator.evaluate(VALIDATION_SEED, self.options.validation_samples)?;
                step.validation = Some(evaluation.summary());
            }
            if together && std::mem::take(&mut save) {
                step.checkpoint = Some(self.save()?);
            }
            stop |= report(&step) == Control::Stop;
            if stop && together {
                if step.checkpoint.is_none() {
                    self.save()?;
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// A step of every replica at once. Gives the loss and its terms, each the mean over replicas.
    fn step_all(&mut self, batches: &[Batch], learning_rate: f32) -> Result<Vec<f32>> {
        let rate = [learning_rate];
        let inputs: Vec<_> = batches.iter().map(|(scene, truth)| inputs(scene, truth, &rate)).collect();
        let results: Vec<Result<Vec<f32>>> = std::thread::scope(|scope| {
            let (first, others) = self.replicas.split_first_mut().expect("at least one replica");
            let others: Vec<_> =
                others.iter_mut().zip(&inputs[1..]).map(|(r, inputs)| scope.spawn(|| r.step(inputs))).collect();
            let first = first.step(&inputs[0]);
            let others = others.into_iter().map(|t| t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            std::iter::once(first).chain(others).collect()
        });
        let mut mean = Vec::new();
        for (i, result) in results.into_iter().enumerate() {
            let losses = result?;
            if !losses[0].is_finite() {
                return Err(self.explain(i, losses[0], &inputs[i]));
            }
            mean.resize(losses.len(), 0.0);
            mean.iter_mut().zip(&losses).for_each(|(sum, loss)| *sum += loss / self.replicas.len() as f32);
        }
        Ok(mean)
    }

    /// Gives every replica the mean of all replicas' state.
    fn average(&self) -> Result<()> {
        let Some((first, others)) = self.replicas.split_first().filter(|(_, others)| !others.is_empty()) else {
            return Ok(());
        };
        let names = first.states.names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut sums = first.states.read(&names)?;
        let mut f32s: Vec<Vec<f32>> = sums.iter().map(TensorData::to_f32).collect();
        for replica in others {
            for (sum, data) in f32s.iter_mut().zip(replica.states.read(&names)?) {
                sum.iter_mut().zip(data.to_f32()).for_each(|(sum, value)| *sum += value);
            }
        }
        let part = 1.0 / self.replicas.len() as f32;
        for (data, mut values) in sums.iter_mut().zip(f32s).filter(|(data, _)| data.ty.dtype.is_float()) {
            values.iter_mut().for_each(|value| *value *= part);
            *data = TensorData::of_f32(&data.ty, &values).expect("as many values");
        }
        for replica in &self.replicas {
            for (name, data) in names.iter().zip(&sums) {
                replica.states.write(name, data)?;
            }
        }
        Ok(())
    }

    /// Times every dispatch of the present stage's step on whatever its inputs hold.
    pub fn profile(&mut self) -> Result<Vec<crate::gpu::StepTime>> {
        self.replicas[0].program.executable.profile()
    }

    /// Writes the checkpoint.
    pub fn save(&self) -> Result<PathBuf> {
        let path = checkpoint_path(&self.out);
        let config = serde_json::to_string(&self.options).expect("options are plain data");
        let progress = checkpoint::Progress { step: self.step, seed: self.options.seed, config };
        checkpoint::save(&path, self.states(), &progress)?;
        Ok(path)
    }

    /// The next stage: its own moments, weights and statistics as they are.
    fn enter(&mut self, stage: Stage) -> Result<()> {
        for replica in &mut self.replicas {
            let next = Replica::new(replica.gpu.clone(), &self.options, &self.hand, &self.mesh, stage)?;
            let kept: Vec<String> =
                next.states.names().into_iter().filter(|name| replica.states.describe(name).is_some()).collect();
            let names: Vec<&str> = kept.iter().map(String::as_str).collect();
            for (name, data) in names.iter().zip(replica.states.read(&names)?) {
                next.states.write(name, &data)?;
            }
            *replica = next;
        }
        self.stage = stage;
        Ok(())
    }

    /// Batches for all replicas from step `first` on, made by a thread while the device works.
    fn batches(&self, first: u64) -> Receiver<Vec<Batch>> {
        let (send, receive) = sync_channel(2);
        let (hand, mesh) = (self.hand.clone(), self.mesh.clone());
        let TrainOptions { batch, replicas, seed, views, .. } = self.options;
        let (size, framing) = (self.options.config.input_px, self.options.config.framing());
        std::thread::spawn(move || {
            let sampler = SceneSampler::new(&hand, size, seed).with_views(views).with_framing(framing);
            let mut next = first * (replicas * batch) as u64;
            loop {
                let make = |_| {
                    let scene = SceneBatch::sample(&sampler, next, batch);
                    next += batch as u64;
                    let truth = truth_of(&scene, &mesh, size);
                    (scene, truth)
                };
                // The receiver is gone when the training ends.
                if send.send((0..replicas).map(make).collect()).is_err() {
                    return;
                }
            }
        });
        receive
    }

    /// Repeats a step of a replica whose loss was not finite, keeping every value, to say where it began. State did not
    /// change.
    fn explain(&self, replica: usize, loss: f32, inputs: &[(&str, Data<'_>)]) -> Error {
        let what = format!("the loss of step {} ({loss})", self.step + 1);
        let found = || -> Result<String> {
            let Replica { gpu, states, .. } = &self.replicas[replica];
            let mut debug = StageProgram::new(gpu, &self.options, &self.hand, &self.mesh, self.stage, states, true)?;
            debug.run(inputs)?;
            let first = debug.executable.first_non_finite()?;
            Ok(first.map_or("not found again on a second run".into(), |f| format!("first in {}", f.what)))
        };
        let detail = found().unwrap_or_else(|e| e.to_string());
        Error::NotFinite { what, detail }
    }
}

impl Replica {
    fn new(gpu: Gpu, options: &TrainOptions, hand: &RiggedHand, mesh: &MeshGraph, stage: Stage) -> Result<Self> {
        let states = States::seeded(&gpu, options.seed);
        let program = StageProgram::new(&gpu, options, hand, mesh, stage, &states, false)?;
        Ok(Replica { gpu, states, program })
    }

    /// The loss of a step and its terms.
    fn step(&mut self, inputs: &[(&str, Data<'_>)]) -> Result<Vec<f32>> {
        let out = self.program.run(inputs)?;
        Ok((0..out.len()).map(|i| out.scalar(i)).collect())
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
        let (terms, outputs): (Vec<_>, Vec<_>) = record_step(&r, options, hand, mesh, stage)?.into_iter().unzip();
        let executable = match debug {
            true => gpu.compile_debug(&r, outputs, states)?,
            false => gpu.compile_with(&r, outputs, states)?,
        };
        Ok(StageProgram { executable, terms: terms[1..].to_vec() })
    }

    /// Runs on those of the inputs that the stage's losses depend on.
    fn run(&mut self, inputs: &[(&str, Data<'_>)]) -> Result<Outputs> {
        let ports = &self.executable.program().inputs;
        let known = |name: &str| ports.iter().any(|port| port.name == name);
        let inputs: Vec<_> = inputs.iter().copied().filter(|(name, _)| known(name)).collect();
        self.executable.run(inputs)
    }
}

/// Records a step of training: rendering, network, losses, gradients and update. Gives the losses by name, first the one
/// that is differentiated.
pub fn record_step<'r>(
    r: &'r Recorder,
    options: &TrainOptions,
    hand: &RiggedHand,
    mesh: &MeshGraph,
    stage: Stage,
) -> Result<Vec<(&'static str, Var<'r>)>> {
    let photo = render::record(r, &SceneMesh::new(hand), options.batch, options.config.input_px)?.rgb;
    let truth = TruthVars::record(r, options.batch, mesh);
    let network = Network { config: &options.config, mesh };
    let losses = match stage {
        Stage::Pretrain => network.pretraining_losses(photo, &truth)?,
        Stage::Full => network.full_losses(photo, &truth)?,
    };
    let gradients = losses.total.backward()?;
    let rate = r.input("learning_rate", [1]);
    r.scoped(stage.name(), || match options.optimizer {
        Rule::Adam => r.step(&Adam::default(), &gradients, rate),
        Rule::RmsProp => r.step(&RmsProp::default(), &gradients, rate),
    })?;
    Ok([("total", losses.total)].into_iter().chain(losses.terms()).collect())
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
