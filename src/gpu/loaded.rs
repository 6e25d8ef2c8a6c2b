//! What a program takes on a device: buffers, pipelines and bind groups, made once.

use std::sync::Arc;

use super::buffer::{Buffer, Piece};
use super::device::Gpu;
use super::pipeline::Pipeline;
use super::states::States;
use super::uploads::Uploads;
use crate::error::{Error, Result};
use crate::exec::sanitize::Sanitized;
use crate::exec::{Access, Binding, BufferRef, Program};

/// A program's buffers, pipelines and bind groups.
pub(super) struct Loaded {
    pub(super) buffers: Buffers,
    /// One for each kernel.
    pub(super) pipelines: Vec<Arc<Pipeline>>,
    /// One for each step.
    pub(super) bind_groups: Vec<wgpu::BindGroup>,
    pub(super) faults: Option<FaultMemory>,
    /// Where outputs are copied to be read, each behind the one before.
    pub(super) staging: Arc<Buffer>,
    pub(super) output_bytes: Vec<u64>,
    /// Inputs on their way to [`Buffers::inputs`].
    pub(super) uploads: Uploads,
}

/// Where sanitised kernels record their faults: a range of one buffer for each step.
pub(super) struct FaultMemory {
    pub(super) buffer: Arc<Buffer>,
    /// Offset and size of each step's range, bytes.
    pub(super) ranges: Vec<(u64, u64)>,
    /// What the buffer holds before a run.
    pub(super) clean: Vec<u32>,
}

impl FaultMemory {
    /// `None` if the kernels are not sanitised.
    fn new(gpu: &Gpu, program: &Program, pipelines: &[Arc<Pipeline>]) -> Option<FaultMemory> {
        let align = u64::from(gpu.shared.device.limits().min_storage_buffer_offset_alignment);
        let mut ranges = Vec::new();
        let mut clean = Vec::new();
        for step in &program.steps {
            let sanitized = pipelines[step.kernel].sanitized.as_ref()?;
            let offset = 4 * clean.len() as u64;
            let operands = program.kernels[step.kernel].bindings.iter().zip(&step.buffers);
            let padding = operands.filter_map(|(binding, &buffer)| {
                let end = program.bytes(buffer).next_multiple_of(binding.stride?.into());
                Some((binding.index, (end - program.filled_bytes(buffer)) as u32))
            });
            clean.extend(Sanitized::padding_words(padding));
            let end = (offset + sanitized.buffer_bytes()).next_multiple_of(align);
            clean.resize((end / 4) as usize, 0);
            ranges.push((offset, sanitized.buffer_bytes()));
        }
        let buffer = gpu.storage("faults", 4 * clean.len() as u64);
        gpu.shared.queue.write_buffer(&buffer.raw, 0, bytemuck::cast_slice(&clean));
        (!ranges.is_empty()).then_some(FaultMemory { buffer, ranges, clean })
    }

    fn entry(&self, step: usize, binding: u32) -> wgpu::BindGroupEntry<'_> {
        let (offset, bytes) = self.ranges[step];
        let range = wgpu::BufferBinding { buffer: &self.buffer.raw, offset, size: std::num::NonZero::new(bytes) };
        wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::Buffer(range) }
    }
}

pub(super) struct Buffers {
    pub(super) inputs: Vec<Arc<Buffer>>,
    pub(super) states: Vec<Piece>,
    pub(super) constants: Vec<Arc<Buffer>>,
    pub(super) slots: Vec<Arc<Buffer>>,
    pub(super) unused: Arc<Buffer>,
}

impl Buffers {
    /// The buffer in which a tensor lies, and where it begins there.
    pub(super) fn get(&self, program: &Program, buffer: BufferRef) -> (&Buffer, u64) {
        match buffer {
            BufferRef::Input(i) => (&self.inputs[i as usize], 0),
            BufferRef::State(i) => (&self.states[i as usize].buffer, self.states[i as usize].offset),
            BufferRef::Constant(i) => (&self.constants[i as usize], 0),
            BufferRef::Temp(i) => (&self.slots[program.plan.slot_of[i as usize]], program.plan.offset_of[i as usize]),
            BufferRef::Flat(i) => self.get(program, program.flats[i as usize].members[0]),
            BufferRef::Piece(_) | BufferRef::Unused => (&self.unused, 0),
        }
    }
}

impl Loaded {
    /// Makes everything. `sentinel_bytes` more than needed behind every slot.
    pub(super) fn new(gpu: &Gpu, program: &Program, states: &States, sentinel_bytes: u64) -> Result<Self> {
        gpu.scoped(|| {
            let device = &gpu.shared.device;
            let pieces = states.place(program)?;
            let constants = program.constants.iter().map(|data| {
                let buffer = gpu.storage("constant", data.bytes().len() as u64);
                gpu.shared.queue.write_buffer(&buffer.raw, 0, data.bytes());
                buffer
            });
            let buffers = Buffers {
                inputs: program.inputs.iter().map(|p| gpu.storage(&p.name, p.ty.bytes())).collect(),
                states: pieces,
                constants: constants.collect(),
                slots: program.plan.slots.iter().map(|&bytes| gpu.storage("slot", bytes + sentinel_bytes)).collect(),
                unused: gpu.storage("unused", 16),
            };
            check_states_apart(program, &buffers)?;
            // All uniform structs in one buffer, each at an aligned offset.
            let align = |n: usize| n.next_multiple_of(gpu.target().uniform_alignment as usize);
            let mut uniforms = Vec::new();
            let mut offsets = Vec::new();
            for step in &program.steps {
                offsets.push(uniforms.len() as u64);
                uniforms.extend_from_slice(&step.params);
                uniforms.resize(align(uniforms.len()), 0);
            }
            let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
            let uniform_buffer = gpu.buffer("params", uniforms.len() as u64, usage);
            gpu.shared.queue.write_buffer(&uniform_buffer.raw, 0, &uniforms);
            let pipelines = gpu.shared.pipelines.get(gpu, &program.kernels)?;
            let faults = FaultMemory::new(gpu, program, &pipelines);
            let bind_groups = program.steps.iter().zip(&offsets).enumerate().map(|(i, (step, &offset))| {
                let kernel = &program.kernels[step.kernel];
                let operands = || kernel.bindings.iter().zip(&step.buffers);
                let image = |(binding, &buffer): (&Binding, &BufferRef)| {
                    let (buffer, offset) = buffers.get(program, buffer);
                    binding.image.map(|texel| buffer.image(device, offset, texel)).transpose()
                };
                let images = operands().map(image).collect::<Result<Vec<_>>>()?;
                let storage = operands().zip(&images).map(|((binding, &buffer), image)| wgpu::BindGroupEntry {
                    binding: binding.index,
                    resource: match image {
                        Some(view) => wgpu::BindingResource::TextureView(view),
                        None => {
                            let (Buffer { raw, .. }, offset) = buffers.get(program, buffer);
                            // Others may lie behind it. Kernels may use whole vectors; the sanitizer is to know where
                            // the tensor ends.
                            let whole = if faults.is_some() { binding.stride.unwrap_or(4).into() } else { 16 };
                            let end = program.bytes(buffer).max(4).next_multiple_of(whole);
                            // Sentinels are there to be hit.
                            let end = if let BufferRef::Temp(_) = buffer { end + sentinel_bytes } else { end };
                            let size = std::num::NonZero::new(end.min(raw.size() - offset));
                            wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: raw, offset, size })
                        }
                    },
                });
                let uniform = kernel.uniform.map(|binding| wgpu::BindGroupEntry {
                    binding,
                    resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: &uniform_buffer.raw,
                        offset,
                        size: std::num::NonZero::new(step.params.len() as u64),
                    }),
                });
                let recorded = pipelines[step.kernel].sanitized.as_ref().zip(faults.as_ref());
                let recorded = recorded.map(|(sanitized, faults)| faults.entry(i, sanitized.binding));
                let entries: Vec<_> = storage.chain(uniform).chain(recorded).collect();
                let layout = &pipelines[step.kernel].layout;
                let label = Some(kernel.shader);
                Ok(device.create_bind_group(&wgpu::BindGroupDescriptor { label, layout, entries: &entries }))
            });
            let bind_groups = bind_groups.collect::<Result<_>>()?;
            let output_bytes: Vec<u64> = program.outputs.iter().map(|p| p.ty.bytes()).collect();
            let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
            let staging = gpu.buffer("outputs", output_bytes.iter().sum(), usage);
            let uploads = Uploads::new(gpu, program);
            Ok(Loaded { buffers, pipelines, bind_groups, faults, staging, output_bytes, uploads })
        })
    }
}

/// Fails if a step writes state and uses other state that another program has laid out in the same buffer.
fn check_states_apart(program: &Program, buffers: &Buffers) -> Result<()> {
    for step in &program.steps {
        let bindings = &program.kernels[step.kernel].bindings;
        let state = |buffer: BufferRef| match buffer {
            BufferRef::State(i) => Some((i as usize, &buffers.states[i as usize].buffer)),
            _ => None,
        };
        let states: Vec<_> = step.buffers.iter().enumerate().filter_map(|(i, &b)| Some((i, state(b)?))).collect();
        for &(i, (a, buffer)) in states.iter().filter(|(i, _)| bindings[*i].access == Access::Write) {
            if let Some((_, (b, _))) = states.iter().find(|(j, (_, other))| *j != i && Arc::ptr_eq(buffer, other)) {
                return Err(Error::Named {
                    what: "state",
                    name: program.states[a].name.clone(),
                    expected: format!("memory apart from {}, which is used where it changes", program.states[*b].name),
                    got: "one buffer, as another program's optimiser wants them".into(),
                });
            }
        }
    }
    Ok(())
}
