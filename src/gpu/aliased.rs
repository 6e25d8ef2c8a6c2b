//! Storage buffers that kernels can also read as images, without a copy: both lie in the same device memory. For
//! llvmpipe alone, Mesa's software Vulkan driver, which loads a vector at a time from an image but lane by lane from a
//! buffer (see [`Texel`](crate::exec::Texel)).
//!
//! wgpu cannot know that such an image changes when its buffer is written, so it puts no barrier between the two. None is
//! needed: llvmpipe runs each dispatch and copy to its end before it begins the next, its memory is the host's, and its
//! images have no layout but rows of texels, which is checked for each.

#![allow(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;

use ash::vk;
use wgpu::hal::{self, api::Vulkan};

use super::pipeline::texture_format;
use crate::exec::{IMAGE_WIDTH, PLACE_ALIGNMENT, Texel};

/// llvmpipe lays images out in blocks of this many rows.
const ROWS_A_BLOCK: u64 = 4;

/// Memory that a buffer and images share; freed when the last of them is gone. wgpu keeps the device alive for its own
/// objects alone, so nothing may hold on to memory for longer than to the buffer in it.
#[derive(Clone)]
pub(super) struct Memory(Arc<Allocation>);

struct Allocation {
    device: ash::Device,
    raw: vk::DeviceMemory,
    bytes: u64,
}

impl Drop for Allocation {
    fn drop(&mut self) {
        // SAFETY: the buffer and the images in it are destroyed: each holds the allocation until then. The device is
        // there: the last of them to go is one of wgpu's, since our own handles go before the buffer.
        unsafe { self.device.free_memory(self.raw, None) };
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Memory({} bytes)", self.0.bytes)
    }
}

/// Whether the device is one for which this works.
pub(super) fn supported(device: &wgpu::Device) -> bool {
    if device.adapter_info().driver != "llvmpipe" {
        return false;
    }
    let Some((buffer, memory)) = buffer(device, "trial", 1 << 16) else { return false };
    let ranges = [0..buffer.size(), PLACE_ALIGNMENT..2 * PLACE_ALIGNMENT];
    Texel::ALL.iter().all(|&texel| ranges.iter().all(|range| image(device, &memory, range.clone(), texel).is_some()))
}

/// A storage buffer of `bytes` zeros whose memory images can share. `None` if the device has no such memory left.
pub(super) fn buffer(device: &wgpu::Device, label: &str, bytes: u64) -> Option<(wgpu::Buffer, Memory)> {
    use vk::BufferUsageFlags as U;
    use wgpu::BufferUsages as W;
    // Whole blocks of rows, of the largest texels, from wherever in the buffer an image begins.
    let padded = bytes + ROWS_A_BLOCK * u64::from(IMAGE_WIDTH) * Texel::Vec4.bytes();
    // SAFETY: the hal device is used while the guard lives.
    let hal_device = unsafe { device.as_hal::<Vulkan>() }?;
    let raw_device = hal_device.raw_device().clone();
    let usage = U::STORAGE_BUFFER | U::TRANSFER_SRC | U::TRANSFER_DST;
    let info = vk::BufferCreateInfo::default().size(bytes).usage(usage).sharing_mode(vk::SharingMode::EXCLUSIVE);
    // SAFETY: plain Vulkan: the memory is of a type that the buffer accepts and the host can see, is large enough for
    // it, zeroed, and lives until both the buffer and every image in it are gone.
    let (raw, memory) = unsafe {
        let raw = raw_device.create_buffer(&info, None).ok()?;
        let destroy = |_| raw_device.destroy_buffer(raw, None);
        let needs = raw_device.get_buffer_memory_requirements(raw);
        let instance = hal_device.shared_instance().raw_instance();
        let types = instance.get_physical_device_memory_properties(hal_device.raw_physical_device());
        let visible = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
        let fits = |&i: &u32| {
            needs.memory_type_bits >> i & 1 == 1 && types.memory_types[i as usize].property_flags.contains(visible)
        };
        let memory_type = (0..types.memory_type_count).find(fits).ok_or(()).map_err(destroy).ok()?;
        let size = padded.max(needs.size);
        let info = vk::MemoryAllocateInfo::default().allocation_size(size).memory_type_index(memory_type);
        let allocated = raw_device.allocate_memory(&info, None).map_err(|_| ()).map_err(destroy).ok()?;
        let memory = Memory(Arc::new(Allocation { device: raw_device.clone(), raw: allocated, bytes: size }));
        let prepare = || {
            raw_device.bind_buffer_memory(raw, allocated, 0)?;
            let start = raw_device.map_memory(allocated, 0, bytes, vk::MemoryMapFlags::empty())?;
            start.cast::<u8>().write_bytes(0, bytes as usize);
            raw_device.unmap_memory(allocated);
            Ok::<_, vk::Result>(())
        };
        prepare().map_err(|_| ()).map_err(destroy).ok()?;
        (raw, memory)
    };
    let held = memory.clone();
    let gone = Box::new(move || {
        // SAFETY: wgpu has no more use for the buffer. Only then does it let its memory go.
        unsafe { held.0.device.destroy_buffer(raw, None) };
        drop(held);
    });
    let usage = W::STORAGE | W::COPY_SRC | W::COPY_DST;
    let descriptor = wgpu::BufferDescriptor { label: Some(label), size: bytes, usage, mapped_at_creation: false };
    // SAFETY: made above on this device, as the descriptor says, and initialized.
    let wrapped = unsafe {
        let buffer = hal::vulkan::Buffer::from_raw_externally_owned(raw, gone);
        device.create_buffer_from_hal::<Vulkan>(buffer, &descriptor)
    };
    Some((wrapped, memory))
}

/// A range of memory that [`buffer`] gave as an image of [`IMAGE_WIDTH`] columns to read. `None` if the driver would not
/// lay it out in plain rows, or not there.
pub(super) fn image(
    device: &wgpu::Device,
    memory: &Memory,
    range: Range<u64>,
    texel: Texel,
) -> Option<wgpu::TextureView> {
    let (rows, row_bytes) = (texel.rows(range.end - range.start), u64::from(IMAGE_WIDTH) * texel.bytes());
    // SAFETY: the hal device is used while the guard lives.
    let hal_device = unsafe { device.as_hal::<Vulkan>() }?;
    let raw_device = hal_device.raw_device().clone();
    let info = vk::ImageCreateInfo::default()
        .image_type(vk::ImageType::TYPE_2D)
        .format(format(texel))
        .extent(vk::Extent3D { width: IMAGE_WIDTH, height: rows, depth: 1 })
        .mip_levels(1)
        .array_layers(1)
        .samples(vk::SampleCountFlags::TYPE_1)
        .tiling(vk::ImageTiling::LINEAR)
        .usage(vk::ImageUsageFlags::STORAGE)
        .sharing_mode(vk::SharingMode::EXCLUSIVE)
        .initial_layout(vk::ImageLayout::PREINITIALIZED);
    // SAFETY: plain Vulkan; the image is bound only to memory of its type that is large enough for it.
    let raw = unsafe {
        let raw = raw_device.create_image(&info, None).ok()?;
        let needs = raw_device.get_image_memory_requirements(raw);
        let whole = vk::ImageSubresource::default().aspect_mask(vk::ImageAspectFlags::COLOR);
        let layout = raw_device.get_image_subresource_layout(raw, whole);
        let fits = range.start.is_multiple_of(needs.alignment) && range.start + needs.size <= memory.0.bytes;
        let plain = (layout.offset, layout.row_pitch) == (0, row_bytes) && fits;
        if !plain || raw_device.bind_image_memory(raw, memory.0.raw, range.start).is_err() {
            raw_device.destroy_image(raw, None);
            return None;
        }
        raw
    };
    let held = memory.clone();
    let gone = Box::new(move || {
        // SAFETY: wgpu has no more use for the image. Only then does it let its memory go.
        unsafe { held.0.device.destroy_image(raw, None) };
        drop(held);
    });
    let size = wgpu::Extent3d { width: IMAGE_WIDTH, height: rows, depth_or_array_layers: 1 };
    let hal_descriptor = hal::TextureDescriptor {
        label: None,
        size,
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: texture_format(texel),
        usage: wgpu::TextureUses::STORAGE_READ_ONLY,
        memory_flags: hal::MemoryFlags::empty(),
        view_formats: Vec::new(),
    };
    let descriptor = wgpu::TextureDescriptor {
        label: None,
        size,
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: texture_format(texel),
        usage: wgpu::TextureUsages::STORAGE_BINDING,
        view_formats: &[],
    };
    // SAFETY: made above on this device, as the descriptors say. Its memory is initialized, and the state given keeps
    // what it holds.
    let texture = unsafe {
        let texture =
            hal_device.texture_from_raw(raw, &hal_descriptor, Some(gone), hal::vulkan::TextureMemory::External);
        drop(hal_device);
        device.create_texture_from_hal::<Vulkan>(texture, &descriptor, wgpu::TextureUses::STORAGE_READ_ONLY)
    };
    Some(texture.create_view(&Default::default()))
}

fn format(texel: Texel) -> vk::Format {
    match texel {
        Texel::Vec4 => vk::Format::R32G32B32A32_SFLOAT,
        Texel::Scalar => vk::Format::R32_SFLOAT,
        Texel::Vec4U32 => vk::Format::R32G32B32A32_UINT,
        Texel::U32 => vk::Format::R32_UINT,
        Texel::Vec2 => vk::Format::R32G32_SFLOAT,
        Texel::Vec2U32 => vk::Format::R32G32_UINT,
    }
}
