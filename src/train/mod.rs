//! Training and judging a model: checkpoints, metrics, plots.

pub mod checkpoint;
mod eigen;
pub mod evaluate;
pub mod metrics;
#[cfg(feature = "cli")]
pub mod plot;
mod trainer;

pub use evaluate::SyntheticEvaluator;
pub use trainer::{
    Control, DECAY, ROUND, Rule, Stage, StepReport, TrainOptions, Trainer, WARM_UP_STEPS, checkpoint_path,
};
