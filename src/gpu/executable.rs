//! A program on a device: buffers, bind groups and pipelines made once, replayed with one submission a run.

use std::sync::Arc;

use half::f16;

use super::buffer::{Buffer, Data};
use super::device::Gpu;
use super::pipeline::Pipeline;
use super::states::States;
use crate::error::{Error, Result};
use crate::exec::sanitize::{Fault, Sanitized};
use crate::exec::{Binding, BufferRef, Kernel, NodeInfo, Program};
use crate::graph::NodeId;
use crate::shape::{DType, TensorType};

/// A compiled program with its buffers.
pub struct Executable {
    pub(super) gpu: Gpu,
    program: Program,
    states: States,
    buffers: Buffers,
    pipelines: Vec<Arc<Pipeline>>,
    bind_groups: Vec<wgpu::BindGroup>,
    faults: Option<FaultMemory>,
    staging: Arc<Buffer>,
    output_bytes: Vec<u64>,
    /// The commands of the next run with outputs, encoded while the device works on this one.
    ahead: Option<wgpu::CommandBuffer>,
    runs: u64,
}

/// Where sanitised kernels record their faults: a range of one buffer for each step.
struct FaultMemory {
    buffer: Arc<Buffer>,
    /// Offset and size of each step's range, bytes.
    ranges: Vec<(u64, u64)>,
    /// What the buffer holds before a run.
    clean: Vec<u32>,
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

struct Buffers {
    inputs: Vec<Arc<Buffer>>,
    states: Vec<Arc<Buffer>>,
    constants: Vec<Arc<Buffer>>,
    slots: Vec<Arc<Buffer>>,
    unused: Arc<Buffer>,
}

impl Buffers {
    fn get(&self, program: &Program, buffer: BufferRef) -> &Buffer {
        match buffer {
            BufferRef::Input(i) => &self.inputs[i as usize],
            BufferRef::State(i) => &self.states[i as usize],
            BufferRef::Constant(i) => &self.constants[i as usize],
            BufferRef::Temp(i) => &self.slots[program.plan.slot_of[i as usize]],
            BufferRef::Unused => &self.unused,
        }
    }
}

/// What a run gave.
#[derive(Debug, Clone)]
pub struct Outputs {
    tensors: Vec<(TensorType, Vec<u32>)>,
}

impl Outputs {
    /// Output `i`, in the order they were asked for, as f32 (f16 is widened).
    pub fn f32(&self, i: usize) -> &[f32] {
        bytemuck::cast_slice(&self.tensors[i].1)
    }

    /// Output `i` as raw words.
    pub fn u32(&self, i: usize) -> &[u32] {
        &self.tensors[i].1
    }

    /// The only element of output `i`.
    pub fn scalar(&self, i: usize) -> f32 {
        self.f32(i)[0]
    }

    /// The type of output `i`.
    pub fn ty(&self, i: usize) -> &TensorType {
        &self.tensors[i].0
    }

    /// How many outputs there are.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }
}

/// The first value of a run that is NaN or infinite.
#[derive(Debug, Clone)]
pub struct NonFinite {
    /// The node that produced it; `None` if an input or named state was so already.
    pub node: Option<NodeInfo>,
    /// A description for people.
    pub what: String,
}

impl Executable {
    /// `sentinel_bytes` more than needed behind every slot.
    pub(super) fn new(gpu: &Gpu, program: Program, states: &States, sentinel_bytes: u64) -> Result<Self> {
        gpu.scoped(|| {
            let device = &gpu.shared.device;
            let state_buffers = program.states.iter().map(|def| states.buffer(def)).collect::<Result<Vec<_>>>()?;
            let constants = program.constants.iter().map(|data| {
                let buffer = gpu.storage("constant", data.bytes().len() as u64);
                gpu.shared.queue.write_buffer(&buffer.raw, 0, data.bytes());
                buffer
            });
            let buffers = Buffers {
                inputs: program.inputs.iter().map(|p| gpu.storage(&p.name, p.ty.bytes())).collect(),
                states: state_buffers,
                constants: constants.collect(),
                slots: program.plan.slots.iter().map(|&bytes| gpu.storage("slot", bytes + sentinel_bytes)).collect(),
                unused: gpu.storage("unused", 16),
            };
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
            let pipeline = |kernel: &Arc<Kernel>| gpu.shared.pipelines.get(device, kernel, gpu.target());
            let pipelines = program.kernels.iter().map(pipeline).collect::<Result<Vec<_>>>()?;
            let faults = FaultMemory::new(gpu, &program, &pipelines);
            let bind_groups = program.steps.iter().zip(&offsets).enumerate().map(|(i, (step, &offset))| {
                let kernel = &program.kernels[step.kernel];
                let operands = || kernel.bindings.iter().zip(&step.buffers);
                let image = |(binding, &buffer): (&Binding, &BufferRef)| {
                    binding.image.map(|texel| buffers.get(&program, buffer).image(device, texel)).transpose()
                };
                let images = operands().map(image).collect::<Result<Vec<_>>>()?;
                let storage = operands().zip(&images).map(|((binding, &buffer), image)| wgpu::BindGroupEntry {
                    binding: binding.index,
                    resource: match image {
                        Some(view) => wgpu::BindingResource::TextureView(view),
                        None => {
                            let raw = &buffers.get(&program, buffer).raw;
                            // The sanitizer is to know where the tensor ends.
                            let bytes = program.bytes(buffer).next_multiple_of(binding.stride.unwrap_or(4).into());
                            let size =
                                std::num::NonZero::new(bytes).filter(|n| faults.is_some() && n.get() < raw.size());
                            wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: raw, offset: 0, size })
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
            Ok(Executable {
                gpu: gpu.clone(),
                states: states.clone(),
                buffers,
                pipelines,
                bind_groups,
                faults,
                staging,
                output_bytes,
                ahead: None,
                runs: 0,
                program,
            })
        })
    }

    /// The program it runs.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Every dispatch, slot and byte as text.
    pub fn dump(&self) -> String {
        self.program.dump()
    }

    /// The named state it reads and changes.
    pub fn states(&self) -> &States {
        &self.states
    }

    /// Uploads inputs. Inputs not given keep what they had.
    pub fn upload<'a, D: Into<Data<'a>>>(&mut self, inputs: impl IntoIterator<Item = (&'a str, D)>) -> Result<()> {
        for (name, data) in inputs {
            let data = data.into();
            let Some(index) = self.program.inputs.iter().position(|p| p.name == name) else {
                let known: Vec<&str> = self.program.inputs.iter().map(|p| p.name.as_str()).collect();
                return Err(Error::Named {
                    what: "input",
                    name: name.into(),
                    expected: format!("one of [{}]", known.join(", ")),
                    got: "no such input".into(),
                });
            };
            let ty = &self.program.inputs[index].ty;
            if (data.dtype(), data.len()) != (ty.dtype, ty.shape.numel()) {
                return Err(Error::Named {
                    what: "input",
                    name: name.into(),
                    expected: format!("{} elements of {} for {ty}", ty.shape.numel(), ty.dtype),
                    got: format!("{} of {}", data.len(), data.dtype()),
                });
            }
            self.gpu.shared.queue.write_buffer(&self.buffers.inputs[index].raw, 0, &data.bytes());
        }
        Ok(())
    }

    /// Fills inputs and every value of the run with the word `bits`, such as a NaN, so that a kernel that reads what
    /// nothing wrote, or leaves elements of its result unwritten, shows. Upload all inputs afterwards. For tests.
    pub fn poison(&mut self, bits: u32) -> Result<()> {
        for buffer in self.buffers.inputs.iter().chain(&self.buffers.slots) {
            let words = vec![bits; (buffer.raw.size() / 4) as usize];
            self.gpu.shared.queue.write_buffer(&buffer.raw, 0, bytemuck::cast_slice(&words));
        }
        self.gpu.check()
    }

    /// After [`Executable::poison`] with `bits` and a run of a program from [`Gpu::load_with_sentinels`]: the first slot
    /// with a word behind its end that something wrote, and which operator's value the slot holds. For tests.
    pub fn overrun(&self, bits: u32) -> Result<Option<String>> {
        // Kernels may write whole vectors.
        let ends: Vec<u64> = self.program.plan.slots.iter().map(|bytes| bytes.next_multiple_of(16)).collect();
        let sources: Vec<_> = self.buffers.slots.iter().map(|b| (&b.raw, b.raw.size())).collect();
        let contents = pollster::block_on(self.gpu.read(&sources))?;
        for (slot, (bytes, end)) in contents.iter().zip(ends).enumerate() {
            let words: Vec<u32> = bytemuck::pod_collect_to_vec(&bytes[end as usize..]);
            if let Some(word) = words.iter().position(|&word| word != bits) {
                let holds = |info: &&NodeInfo| match info.buffer {
                    BufferRef::Temp(t) => self.program.plan.slot_of[t as usize] == slot,
                    _ => false,
                };
                let value = self.program.nodes.iter().find(holds);
                let what = value.map_or("scratch".into(), |n| format!("{} {}", n.op, n.ty));
                return Ok(Some(format!("word {word} behind the {end} bytes of {what}")));
            }
        }
        Ok(None)
    }

    pub(super) fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>, i: usize) {
        let step = &self.program.steps[i];
        pass.set_pipeline(&self.pipelines[step.kernel].raw);
        pass.set_bind_group(0, &self.bind_groups[i], &[]);
        let [x, y, z] = step.groups;
        pass.dispatch_workgroups(x, y, z);
    }

    fn encode(&self, read_outputs: bool) -> wgpu::CommandBuffer {
        let mut encoder = self.gpu.shared.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        (0..self.program.steps.len()).for_each(|i| self.dispatch(&mut pass, i));
        drop(pass);
        if read_outputs {
            let mut offset = 0;
            for (port, &bytes) in self.program.outputs.iter().zip(&self.output_bytes) {
                if bytes > 0 {
                    let source = &self.buffers.get(&self.program, port.buffer).raw;
                    encoder.copy_buffer_to_buffer(source, 0, &self.staging.raw, offset, Some(bytes));
                    offset += bytes;
                }
            }
        }
        encoder.finish()
    }

    /// Uploads inputs and runs, without reading anything back: one submission.
    pub fn submit<'a, D: Into<Data<'a>>>(&mut self, inputs: impl IntoIterator<Item = (&'a str, D)>) -> Result<()> {
        self.upload(inputs)?;
        self.gpu.shared.queue.submit([self.encode(false)]);
        self.gpu.check()
    }

    /// Uploads inputs, runs, and reads the outputs back: one submission.
    pub fn run<'a, D: Into<Data<'a>>>(&mut self, inputs: impl IntoIterator<Item = (&'a str, D)>) -> Result<Outputs> {
        pollster::block_on(self.run_async(inputs))
    }

    /// [`Executable::run`] without blocking the caller's executor longer than the device needs.
    pub async fn run_async<'a, D: Into<Data<'a>>>(
        &mut self,
        inputs: impl IntoIterator<Item = (&'a str, D)>,
    ) -> Result<Outputs> {
        self.upload(inputs)?;
        let commands = self.ahead.take().unwrap_or_else(|| self.encode(true));
        self.gpu.shared.queue.submit([commands]);
        self.runs += 1;
        if self.runs > 1 {
            // A program that runs twice will run again, and thousands of dispatches take a while to encode.
            self.ahead = Some(self.encode(true));
        }
        let pieces = self.gpu.map(&self.staging.raw, self.output_bytes.iter().copied()).await?;
        let tensors = self.program.outputs.iter().zip(pieces);
        let tensors = tensors.map(|(p, bytes)| (p.ty.clone(), words(&p.ty, &bytes))).collect();
        Ok(Outputs { tensors })
    }

    /// What the kernels did wrong in the runs since this was last asked, in order of dispatches: for a
    /// [`Gpu`] opened with [`Checks::Sanitized`](super::Checks). Each names file and line of the shader, the variable,
    /// index and length, the invocation, and the node that was computed.
    pub fn faults(&self) -> Result<Vec<Fault>> {
        let Some(memory) = &self.faults else {
            if self.program.steps.is_empty() {
                return Ok(Vec::new());
            }
            return Err(Error::invalid("looking for faults", "a Gpu opened with Checks::Sanitized", "one without"));
        };
        let contents = pollster::block_on(self.gpu.read(&[(&memory.buffer.raw, 4 * memory.clean.len() as u64)]))?;
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(&contents[0]);
        self.gpu.shared.queue.write_buffer(&memory.buffer.raw, 0, bytemuck::cast_slice(&memory.clean));
        let mut faults = Vec::new();
        for (step, &(offset, bytes)) in self.program.steps.iter().zip(&memory.ranges) {
            let Some(sanitized) = &self.pipelines[step.kernel].sanitized else { continue };
            let found = sanitized.decode(&words[offset as usize / 4..][..bytes as usize / 4]);
            let node = self.program.node(step.node);
            faults.extend(found.into_iter().map(|fault| Fault { node: node.cloned(), ..fault }));
        }
        Ok(faults)
    }

    /// The value of a node after a run, if the program computes it. Only a program from
    /// [`Gpu::compile_debug`] keeps every value; in others a later value may have taken its place.
    pub fn value(&self, node: NodeId) -> Result<Option<Vec<f32>>> {
        let Some(info) = self.program.node(node) else { return Ok(None) };
        let buffer = &self.buffers.get(&self.program, info.buffer).raw;
        let bytes = pollster::block_on(self.gpu.read(&[(buffer, info.ty.bytes())]))?;
        Ok(bytes.into_iter().next().map(|b| bytemuck::cast_vec(words(&info.ty, &b))))
    }

    /// After a run of a program from [`Gpu::compile_debug`]: the first NaN or infinity, in order of computation.
    pub fn first_non_finite(&self) -> Result<Option<NonFinite>> {
        let bad = |values: &[f32]| values.iter().position(|v| !v.is_finite());
        let ports = self.program.inputs.iter().map(|p| (&p.name, &p.ty, p.buffer));
        let states = self.program.states.iter().enumerate();
        let states = states.map(|(i, s)| (&s.name, &s.ty, BufferRef::State(i as u32)));
        for (name, ty, buffer) in ports.chain(states).filter(|(_, ty, _)| ty.dtype.is_float()) {
            let source = &self.buffers.get(&self.program, buffer).raw;
            let bytes = pollster::block_on(self.gpu.read(&[(source, ty.bytes())]))?;
            if let Some(i) = bad(bytemuck::cast_slice(&words(ty, &bytes[0]))) {
                return Ok(Some(NonFinite { node: None, what: format!("{name} {ty}, element {i}") }));
            }
        }
        for info in self.program.nodes.iter().filter(|n| n.ty.dtype.is_float()) {
            let values = self.value(info.id)?.unwrap_or_default();
            if let Some(i) = bad(&values) {
                let direction = if info.gradient { "gradient of " } else { "" };
                let what = format!("{direction}{} {}, element {i}, recorded at {}", info.op, info.ty, info.site);
                return Ok(Some(NonFinite { node: Some(info.clone()), what }));
            }
        }
        Ok(None)
    }
}

/// A tensor's words; halves are widened to f32.
fn words(ty: &TensorType, bytes: &[u8]) -> Vec<u32> {
    match ty.dtype {
        DType::F32 | DType::U32 => bytemuck::pod_collect_to_vec(bytes),
        DType::F16 => {
            let halves = bytes.chunks_exact(2).map(|b| f16::from_ne_bytes([b[0], b[1]]).to_f32().to_bits());
            halves.take(ty.shape.numel()).collect()
        }
    }
}

impl std::fmt::Debug for Executable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Executable({} dispatches on {:?})", self.program.steps.len(), self.gpu)
    }
}
