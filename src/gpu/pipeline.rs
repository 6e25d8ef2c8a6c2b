//! Compute pipelines, compiled once for each kernel.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::device::Gpu;
use super::pipeline_store::PipelineStore;
use crate::error::Result;
use crate::exec::sanitize::{Sanitized, sanitize};
use crate::exec::{Access, Kernel, Target, Texel};

/// Whether the driver's shaders check indices and bound loops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checks {
    /// No checks: for shaders that are tested. A bound on a loop over registers stops it being unrolled, which costs
    /// more than half the speed of a convolution.
    #[default]
    Trusted,
    /// wgpu's checks: indices clamped, loops bounded, division by zero defined.
    Checked,
    /// wgpu's checks, and shaders rewritten so that they record what they do wrong: see
    /// [`sanitize`](crate::exec::sanitize) and [`Executable::faults`](super::Executable::faults). For tests; several
    /// times slower.
    Sanitized,
}

pub(super) fn texture_format(texel: Texel) -> wgpu::TextureFormat {
    match texel {
        Texel::Vec4 => wgpu::TextureFormat::Rgba32Float,
        Texel::Scalar => wgpu::TextureFormat::R32Float,
        Texel::Vec4U32 => wgpu::TextureFormat::Rgba32Uint,
        Texel::U32 => wgpu::TextureFormat::R32Uint,
        Texel::Vec2 => wgpu::TextureFormat::Rg32Float,
        Texel::Vec2U32 => wgpu::TextureFormat::Rg32Uint,
    }
}

pub(super) struct Pipeline {
    pub(super) raw: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
    /// What is known of the shader if it was rewritten; its module is with the pipeline.
    pub(super) sanitized: Option<Sanitized>,
}

pub(super) struct Pipelines {
    checks: Checks,
    store: Option<PipelineStore>,
    by_source: Mutex<HashMap<String, Arc<Pipeline>>>,
}

impl Pipelines {
    pub(super) fn new(checks: Checks, store: Option<PipelineStore>) -> Self {
        Pipelines { checks, store, by_source: Mutex::default() }
    }

    pub(super) fn checks(&self) -> Checks {
        self.checks
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Pipeline>>> {
        self.by_source.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The pipelines of kernels; those that are new are compiled side by side.
    pub(super) fn get(&self, gpu: &Gpu, kernels: &[Arc<Kernel>]) -> Result<Vec<Arc<Pipeline>>> {
        let mut missing: HashMap<&str, &Kernel> = kernels.iter().map(|k| (k.source.as_str(), &**k)).collect();
        missing.retain(|source, _| !self.lock().contains_key(*source));
        let missing: Vec<&Kernel> = missing.into_values().collect();
        let next = AtomicUsize::new(0);
        let work = || -> Result<()> {
            while let Some(kernel) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                // Error scopes belong to threads.
                let pipeline = gpu.scoped(|| self.build(&gpu.shared.device, kernel, gpu.target()))?;
                self.lock().insert(kernel.source.clone(), Arc::new(pipeline));
            }
            Ok(())
        };
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(missing.len());
        std::thread::scope(|scope| {
            // Where there can be no thread, this one does all the work.
            let others: Vec<_> =
                (1..threads).map_while(|_| std::thread::Builder::new().spawn_scoped(scope, work).ok()).collect();
            let own = work();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Result<()>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            others.into_iter().map(join).fold(own, Result::and)
        })?;
        let known = self.lock();
        Ok(kernels.iter().map(|kernel| known[&kernel.source].clone()).collect())
    }

    fn build(&self, device: &wgpu::Device, kernel: &Kernel, target: &Target) -> Result<Pipeline> {
        let mut sanitized = match self.checks {
            Checks::Sanitized => Some(sanitize(kernel.shader, &kernel.source, target)?),
            Checks::Trusted | Checks::Checked => None,
        };
        let source = match &mut sanitized {
            Some(sanitized) => {
                sanitized.unchecked.iter().for_each(|what| log::warn!("not sanitised: {what}"));
                wgpu::ShaderSource::Naga(std::borrow::Cow::Owned(std::mem::take(&mut sanitized.module)))
            }
            None => wgpu::ShaderSource::Wgsl(kernel.source.as_str().into()),
        };
        let descriptor = wgpu::ShaderModuleDescriptor { label: Some(kernel.shader), source };
        let module = match self.checks {
            Checks::Checked | Checks::Sanitized => device.create_shader_module(descriptor),
            Checks::Trusted => {
                let checks = wgpu::ShaderRuntimeChecks::unchecked();
                // SAFETY: kernels keep their own indices in range and their loops finite; the test suite runs each of
                // them checked and unchecked and compares the results.
                #[allow(unsafe_code)]
                unsafe {
                    device.create_shader_module_trusted(descriptor, checks)
                }
            }
        };
        let buffer = |ty| wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None };
        let operands = kernel.bindings.iter().map(|b| {
            let ty = match b.image {
                None => buffer(wgpu::BufferBindingType::Storage { read_only: b.access == Access::Read }),
                Some(texel) => wgpu::BindingType::StorageTexture {
                    access: wgpu::StorageTextureAccess::ReadOnly,
                    format: texture_format(texel),
                    view_dimension: wgpu::TextureViewDimension::D2,
                },
            };
            (b.index, ty)
        });
        let uniform = kernel.uniform.map(|index| (index, buffer(wgpu::BufferBindingType::Uniform)));
        let faults =
            sanitized.as_ref().map(|s| (s.binding, buffer(wgpu::BufferBindingType::Storage { read_only: false })));
        let entries: Vec<wgpu::BindGroupLayoutEntry> = operands
            .chain(uniform)
            .chain(faults)
            .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty,
                count: None,
            })
            .collect();
        let label = Some(kernel.shader);
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            ..Default::default()
        });
        let raw = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                // The sanitizer's flags begin as zeros.
                zero_initialize_workgroup_memory: self.checks == Checks::Sanitized,
                ..Default::default()
            },
            cache: self.store.as_ref().map(|store| &store.raw),
        });
        Ok(Pipeline { raw, layout, sanitized })
    }
}

impl Drop for Pipelines {
    fn drop(&mut self) {
        let (Some(store), false) = (&self.store, self.lock().is_empty()) else { return };
        if let Err(error) = store.save() {
            log::warn!("pipelines are not kept: {error}");
        }
    }
}
