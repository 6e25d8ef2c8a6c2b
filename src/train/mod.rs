//! Training and judging a model: checkpoints, metrics, plots.

pub mod checkpoint;
mod eigen;
pub mod evaluate;
pub mod metrics;
mod options;
#[cfg(feature = "cli")]
pub mod plot;
mod trainer;

pub use evaluate::SyntheticEvaluator;
pub use options::{ROUND, Rule, Stage, TrainOptions, WARM_UP_STEPS};
pub use trainer::{Control, StepReport, Trainer, checkpoint_path, record_step};
