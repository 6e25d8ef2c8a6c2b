//! The weights that commands use.

use std::path::PathBuf;

use knuckle::models::GraphCnn;
use knuckle::{Gpu, Result};

/// Which weights.
#[derive(clap::Args)]
pub struct Weights {
    /// Weights file (safetensors) instead of the shipped one
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
}

impl Weights {
    /// Loads them.
    pub fn load(&self, gpu: &Gpu) -> Result<GraphCnn> {
        match &self.weights {
            Some(path) => GraphCnn::load(gpu, path),
            None => GraphCnn::shipped(gpu),
        }
    }

    /// What to call them.
    pub fn name(&self, model: &GraphCnn) -> String {
        match &self.weights {
            Some(path) => format!("{} ({})", model.config().name, path.display()),
            None => format!("{} (shipped)", model.config().name),
        }
    }
}
