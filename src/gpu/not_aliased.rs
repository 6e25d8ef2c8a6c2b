//! In place of `aliased.rs` where there is no Vulkan: no buffer can be read as an image.

use std::ops::Range;

use crate::exec::Texel;

/// There is none.
#[derive(Debug, Clone)]
pub(super) enum Memory {}

pub(super) fn supported(_: &wgpu::Device) -> bool {
    false
}

pub(super) fn buffer(_: &wgpu::Device, _: &str, _: u64) -> Option<(wgpu::Buffer, Memory)> {
    None
}

pub(super) fn image(_: &wgpu::Device, memory: &Memory, _: Range<u64>, _: Texel) -> Option<wgpu::TextureView> {
    match *memory {}
}
