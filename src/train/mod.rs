//! Training and judging a model: checkpoints, metrics, plots.

pub mod checkpoint;
mod eigen;
pub mod metrics;
