//! GPU compute kernels on wgpu.
pub mod hand;
