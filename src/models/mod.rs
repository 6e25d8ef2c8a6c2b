//! Published systems for hand pose and mesh, a paper a file.

mod fit;
mod graph_cnn;
mod hand_model;
mod lift;
mod mesh_graph;
mod second_look;

pub use fit::{FitOptions, FitWeights, FittedHand, HandFitter, HandParameters, Observation, record_fit};
pub use graph_cnn::{GraphCnnConfig, Network, Prediction};
pub use hand_model::{GraphCnn, HandMesh, InferOptions};
pub(crate) use lift::TruthVars;
pub use lift::{Lifting, Truth, TruthBatch};
pub use mesh_graph::MeshGraph;
