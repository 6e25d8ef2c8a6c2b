//! What to train and for how long: the two stages of Ge et al. 2019, §4.3, and the learning rate's way through them.

use serde::{Deserialize, Serialize};

use crate::data::Views;
use crate::error::{Error, Result};
use crate::models::GraphCnnConfig;

/// What to train and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainOptions {
    /// The network.
    pub config: GraphCnnConfig,
    /// Samples a step and replica.
    pub batch: usize,
    /// How many copies of the network learn side by side, each on samples of its own, and take the mean of their weights
    /// every [`ROUND`] steps.
    #[serde(default = "one")]
    pub replicas: usize,
    /// Steps of the first stage: hourglass by heat-maps, pose regressor by true meshes.
    pub pretrain_steps: u64,
    /// Steps of the second stage: everything together.
    pub full_steps: u64,
    /// From which sides the hands are seen that it learns from. It is judged by hands seen from any.
    #[serde(default)]
    pub views: Views,
    /// The rule that changes the weights.
    #[serde(default)]
    pub optimizer: Rule,
    /// The highest learning rate: see [`TrainOptions::learning_rate_at`].
    pub learning_rate: f32,
    /// The part of all steps, at their end, over which the learning rate falls; 0 to 1.
    #[serde(default = "usual_decay")]
    pub decay: f64,
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
    /// [`Adam`](crate::ops::Adam).
    #[default]
    Adam,
    /// [`RmsProp`](crate::ops::RmsProp), which the paper uses.
    RmsProp,
}

fn one() -> usize {
    1
}

/// Steps between two means of all replicas' weights and moments: local SGD (Stich 2019, "Local SGD Converges Fast and
/// Communicates Little"); few, so that replicas stay near each other.
pub const ROUND: u64 = 4;

/// More replicas than this are a slip of the pen: each takes a device, its memory and a thread.
const MAX_REPLICAS: usize = 64;

/// Steps over which the learning rate rises at the start of a stage.
pub const WARM_UP_STEPS: u64 = 100;

fn usual_decay() -> f64 {
    0.3
}

impl TrainOptions {
    /// Sensible values for a configuration.
    pub fn new(config: GraphCnnConfig) -> Self {
        TrainOptions {
            config,
            batch: 32,
            replicas: 1,
            pretrain_steps: 1_000,
            full_steps: 9_000,
            views: Views::Mixed,
            optimizer: Rule::Adam,
            learning_rate: 1e-3,
            decay: usual_decay(),
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
    /// the last [`decay`](Self::decay) of all steps falls as a half cosine to a hundredth. Until then it does not depend on how many steps
    /// there are, so that a training can be made longer while it runs.
    pub fn learning_rate_at(&self, step: u64) -> f32 {
        let stage_start = match self.stage(step) {
            Stage::Pretrain => 0,
            Stage::Full => self.pretrain_steps,
        };
        let rise = ((step - stage_start + 1) as f64 / WARM_UP_STEPS as f64).min(1.0);
        let falling = self.decay * self.steps() as f64;
        let left = self.steps() as f64 - (step as f64 + 0.5);
        let t = if falling > 0.0 { (1.0 - left / falling).clamp(0.0, 1.0) } else { 0.0 };
        let fall = 0.505 + 0.495 * (std::f64::consts::PI * t).cos();
        (f64::from(self.learning_rate) * rise * fall) as f32
    }

    /// Checks that the options fit each other: files and command lines can hold anything.
    pub fn check(&self) -> Result<()> {
        self.config.check()?;
        if self.batch == 0 || self.replicas == 0 || self.steps() == 0 {
            let got = format!("{}, {} and {}", self.batch, self.replicas, self.steps());
            return Err(Error::invalid("batch, replicas and steps", "at least 1", got));
        }
        if self.replicas > MAX_REPLICAS {
            return Err(Error::invalid("replicas", format!("at most {MAX_REPLICAS}"), self.replicas));
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return Err(Error::invalid("learning rate", "a positive number", self.learning_rate));
        }
        if !(0.0..=1.0).contains(&self.decay) {
            return Err(Error::invalid("decay", "0 to 1", self.decay));
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
