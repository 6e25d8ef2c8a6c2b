//! GPU compute kernels on wgpu: hand-written WGSL, an autograd tape that is the graph, an executor that trains and
//! infers with it, and a 3D hand mesh model on top.
//!
//! The road of every computation, each arrow a pure function that tests inspect without a device:
//!
//! ```text
//! models → nn → Recorder → backward → exec::compile (lower, plan) → Program → gpu::Executable → read back
//! ```
//!
//! - [`graph`]: [`Recorder`] appends typed nodes and hands out [`Var`]s; [`Var::backward`] appends their gradients.
//! - [`ops`]: the operators, one a file; implement [`ops::Operator`] to add your own.
//! - [`exec`]: lowering to dispatches and memory planning; a [`Program`] is data.
//! - [`gpu`]: the only room that names wgpu.
//! - [`data`]: synthetic photos rendered on the GPU; photos from files.
//! - [`files`]: writing files whole or not at all; [`cache`]: the user's cache folder.
//! - [`output`]: hands drawn over photos, meshes as files.
//! - [`train`]: checkpoints, metrics, plots.
//! - `bench` (feature `cli`): where the time goes.
//! - `testing` (feature `testing`): unit tests of your own shaders.
//! - [`hand`]: a rigged hand, its freedoms and inverse kinematics, topology and coarsening, cameras.
//! - [`nn`]: layers, losses, and hand models in a graph ([`nn::hand`]).

#[cfg(feature = "cli")]
pub mod bench;
pub mod cache;
pub mod data;
pub mod error;
pub mod exec;
pub mod files;
pub mod gpu;
pub mod graph;
pub mod hand;
pub mod models;
pub mod nn;
pub mod ops;
pub mod output;
pub mod rng;
pub mod shape;
pub mod sparse;
#[cfg(feature = "testing")]
pub mod testing;
pub mod train;

pub use error::{Error, Result};
pub use exec::Program;
pub use gpu::{Executable, Gpu, States};
pub use graph::{Gradients, Init, Mode, Recorder, Var};
pub use shape::{DType, Shape, TensorType};

/// Compiles and runs the README's examples as tests; one of them is of `testing`.
#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../README.md")]
struct Readme;
