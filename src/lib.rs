//! GPU compute kernels on wgpu.
pub mod hand;
pub mod rng;
pub mod sparse;
