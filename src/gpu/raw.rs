//! One shader by itself, with buffers by group and binding: what [`testing`](crate::testing) runs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::buffer::Buffer;
use super::device::Gpu;
use crate::error::{Error, Result};
use crate::exec::sanitize::Sanitized;

/// How a shader uses a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RawUse {
    Read,
    ReadWrite,
    Uniform,
}

/// A buffer of a shader.
#[derive(Debug, Clone)]
pub(crate) struct RawBinding {
    pub(crate) name: String,
    pub(crate) group: u32,
    pub(crate) binding: u32,
    pub(crate) usage: RawUse,
    pub(crate) bytes: u64,
    /// Bytes behind the end that the shader cannot see.
    pub(crate) behind: u64,
}

/// What a shader is compiled from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RawSource<'s> {
    Wgsl(&'s str),
    Sanitized(&'s Sanitized),
}

/// A shader on a device, with its buffers.
pub(crate) struct RawKernel {
    gpu: Gpu,
    pipeline: wgpu::ComputePipeline,
    groups: Vec<(u32, wgpu::BindGroup)>,
    buffers: Vec<Arc<Buffer>>,
    workgroups: [u32; 3],
}

impl RawKernel {
    /// Compiles `source` with bounds checks, or what the sanitizer made of it, and makes a buffer for each binding.
    pub(crate) fn new(
        gpu: &Gpu,
        (name, source, entry): (&str, RawSource<'_>, &str),
        overrides: &[(&str, f64)],
        bindings: &[RawBinding],
        workgroups: [u32; 3],
    ) -> Result<Self> {
        let limits = gpu.shared.device.limits();
        for binding in bindings {
            let limit = match binding.usage {
                RawUse::Uniform => limits.max_uniform_buffer_binding_size,
                _ => limits.max_storage_buffer_binding_size,
            };
            if binding.bytes > limit {
                let got = format!("{} bytes", binding.bytes);
                return Err(Error::invalid(format!("size of `{}`", binding.name), format!("at most {limit}"), got));
            }
        }
        let most = limits.max_compute_workgroups_per_dimension;
        if workgroups.iter().any(|&n| n > most) {
            return Err(Error::invalid("workgroups", format!("at most {most} a dimension"), format!("{workgroups:?}")));
        }
        gpu.scoped(|| {
            let device = &gpu.shared.device;
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(name),
                source: match source {
                    RawSource::Wgsl(text) => wgpu::ShaderSource::Wgsl(text.into()),
                    RawSource::Sanitized(shader) => wgpu::ShaderSource::Naga(Cow::Owned(shader.module.clone())),
                },
            });
            let mut by_group: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
            for (i, binding) in bindings.iter().enumerate() {
                by_group.entry(binding.group).or_default().push(i);
            }
            let layout = |members: &[usize]| {
                let entry = |&i: &usize| wgpu::BindGroupLayoutEntry {
                    binding: bindings[i].binding,
                    visibility: wgpu::ShaderStages::COMPUTE,
                    ty: wgpu::BindingType::Buffer {
                        ty: match bindings[i].usage {
                            RawUse::Uniform => wgpu::BufferBindingType::Uniform,
                            usage => wgpu::BufferBindingType::Storage { read_only: usage == RawUse::Read },
                        },
                        has_dynamic_offset: false,
                        min_binding_size: None,
                    },
                    count: None,
                };
                let entries: Vec<_> = members.iter().map(entry).collect();
                device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries })
            };
            let layouts: BTreeMap<u32, _> = by_group.iter().map(|(&group, members)| (group, layout(members))).collect();
            let last = by_group.keys().next_back().copied();
            let places: Vec<_> = (0..last.map_or(0, |g| g + 1)).map(|group| layouts.get(&group)).collect();
            let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(name),
                bind_group_layouts: &places,
                ..Default::default()
            });
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(name),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some(entry),
                compilation_options: wgpu::PipelineCompilationOptions { constants: overrides, ..Default::default() },
                cache: None,
            });
            let buffer = |binding: &RawBinding| {
                use wgpu::BufferUsages as U;
                let usage = if binding.usage == RawUse::Uniform { U::UNIFORM } else { U::STORAGE };
                gpu.buffer(&binding.name, binding.bytes + binding.behind, usage | U::COPY_SRC | U::COPY_DST)
            };
            let buffers: Vec<_> = bindings.iter().map(buffer).collect();
            let groups = by_group.iter().map(|(&group, members)| {
                let entry = |&i: &usize| wgpu::BindGroupEntry {
                    binding: bindings[i].binding,
                    resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: &buffers[i].raw,
                        offset: 0,
                        size: wgpu::BufferSize::new(bindings[i].bytes),
                    }),
                };
                let entries: Vec<_> = members.iter().map(entry).collect();
                let descriptor = wgpu::BindGroupDescriptor { label: None, layout: &layouts[&group], entries: &entries };
                (group, device.create_bind_group(&descriptor))
            });
            let groups = groups.collect();
            Ok(RawKernel { gpu: gpu.clone(), pipeline, groups, buffers, workgroups })
        })
    }

    /// Fills buffer `i` from its beginning; `contents` are whole words.
    pub(crate) fn write(&self, i: usize, contents: &[u8]) {
        self.gpu.shared.queue.write_buffer(&self.buffers[i].raw, 0, contents);
    }

    fn encode(&self, repeats: usize) -> wgpu::CommandBuffer {
        let mut encoder = self.gpu.shared.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&self.pipeline);
        for (group, bound) in &self.groups {
            pass.set_bind_group(*group, bound, &[]);
        }
        let [x, y, z] = self.workgroups;
        for _ in 0..repeats {
            pass.dispatch_workgroups(x, y, z);
        }
        drop(pass);
        encoder.finish()
    }

    /// Dispatches once and gives the contents of the buffers `read`, with what lies behind them.
    pub(crate) fn run(&self, read: &[usize]) -> Result<Vec<Vec<u8>>> {
        self.gpu.scoped(|| {
            self.gpu.shared.queue.submit([self.encode(1)]);
            let sources: Vec<_> = read.iter().map(|&i| (&self.buffers[i].raw, 0, self.buffers[i].raw.size())).collect();
            pollster::block_on(self.gpu.read(&sources))
        })
    }

    /// Milliseconds a dispatch, from submission to completion of `repeats` in a row.
    pub(crate) fn time(&self, repeats: usize) -> Result<f64> {
        let commands = self.encode(repeats);
        self.gpu.wait()?;
        let start = Instant::now();
        self.gpu.shared.queue.submit([commands]);
        self.gpu.wait()?;
        Ok(start.elapsed().as_secs_f64() * 1e3 / repeats as f64)
    }
}
