//! A program on a device: buffers, bind groups and pipelines made once, replayed with one submission a run.

use half::f16;

use super::buffer::{Buffer, Data};
use super::device::Gpu;
use super::loaded::Loaded;
use super::states::States;
use super::uploads::Uploads;
use crate::error::{Error, Result};
use crate::exec::sanitize::Fault;
use crate::exec::{BufferRef, NodeInfo, Program};
use crate::graph::NodeId;
use crate::shape::{DType, TensorType};

/// A compiled program with its buffers.
pub struct Executable {
    pub(super) gpu: Gpu,
    program: Program,
    states: States,
    loaded: Loaded,
    /// The commands of the next run with outputs, encoded while the device works on this one.
    ahead: Option<wgpu::CommandBuffer>,
    runs: u64,
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
        let planned = program.plan.report(&program).total().saturating_sub(states.bytes_of(&program));
        let needs = planned + Uploads::bytes(&program);
        if let Some(left) = gpu.memory_left().filter(|&left| needs > left) {
            return Err(program.out_of_memory(Some(left)));
        }
        let named = states.names();
        let loaded = Loaded::new(gpu, &program, states, sentinel_bytes).map_err(|error| {
            // All else goes with what was made of the program.
            states.forget_new(&program, &named);
            match error {
                Error::OutOfMemory { .. } => program.out_of_memory(None),
                other => other,
            }
        })?;
        Ok(Executable { gpu: gpu.clone(), states: states.clone(), loaded, ahead: None, runs: 0, program })
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
            self.loaded.uploads.fill(&self.gpu, index, &data.bytes())?;
        }
        Ok(())
    }

    /// Submits `commands`, and before them what was uploaded since the last submission.
    pub(super) fn send(&mut self, commands: impl IntoIterator<Item = wgpu::CommandBuffer>) {
        let copies = self.loaded.uploads.commands(&self.gpu, &self.loaded.buffers.inputs);
        let copied = copies.is_some();
        self.gpu.shared.queue.submit(copies.into_iter().chain(commands));
        if copied {
            self.loaded.uploads.turn();
        }
    }

    /// Fills inputs and every value of the run with the word `bits`, such as a NaN, so that a kernel that reads what
    /// nothing wrote, or leaves elements of its result unwritten, shows. Upload all inputs afterwards. For tests.
    pub fn poison(&mut self, bits: u32) -> Result<()> {
        for buffer in self.loaded.buffers.inputs.iter().chain(&self.loaded.buffers.slots) {
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
        let sources: Vec<_> = self.loaded.buffers.slots.iter().map(|b| (&b.raw, 0, b.raw.size())).collect();
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
        pass.set_pipeline(&self.loaded.pipelines[step.kernel].raw);
        pass.set_bind_group(0, &self.loaded.bind_groups[i], &[]);
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
            for (port, &bytes) in self.program.outputs.iter().zip(&self.loaded.output_bytes) {
                if bytes > 0 {
                    let (Buffer { raw, .. }, from) = self.loaded.buffers.get(&self.program, port.buffer);
                    encoder.copy_buffer_to_buffer(raw, from, &self.loaded.staging.raw, offset, Some(bytes));
                    offset += bytes;
                }
            }
        }
        encoder.finish()
    }

    /// Uploads inputs and runs, without reading anything back: one submission.
    pub fn submit<'a, D: Into<Data<'a>>>(&mut self, inputs: impl IntoIterator<Item = (&'a str, D)>) -> Result<()> {
        self.upload(inputs)?;
        let commands = self.encode(false);
        self.send([commands]);
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
        self.send([commands]);
        self.runs += 1;
        if self.runs > 1 {
            // A program that runs twice will run again, and thousands of dispatches take a while to encode.
            self.ahead = Some(self.encode(true));
        }
        let pieces = self.gpu.map(&self.loaded.staging.raw, self.loaded.output_bytes.iter().copied()).await?;
        let tensors = self.program.outputs.iter().zip(pieces);
        let tensors = tensors.map(|(p, bytes)| (p.ty.clone(), words(&p.ty, &bytes))).collect();
        Ok(Outputs { tensors })
    }

    /// What the kernels did wrong in the runs since this was last asked, in order of dispatches: for a
    /// [`Gpu`] opened with [`Checks::Sanitized`](super::Checks). Each names file and line of the shader, the variable,
    /// index and length, the invocation, and the node that was computed.
    pub fn faults(&self) -> Result<Vec<Fault>> {
        let Some(memory) = &self.loaded.faults else {
            if self.program.steps.is_empty() {
                return Ok(Vec::new());
            }
            return Err(Error::invalid("looking for faults", "a Gpu opened with Checks::Sanitized", "one without"));
        };
        let contents = pollster::block_on(self.gpu.read(&[(&memory.buffer.raw, 0, 4 * memory.clean.len() as u64)]))?;
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(&contents[0]);
        self.gpu.shared.queue.write_buffer(&memory.buffer.raw, 0, bytemuck::cast_slice(&memory.clean));
        let mut faults = Vec::new();
        for (step, &(offset, bytes)) in self.program.steps.iter().zip(&memory.ranges) {
            let Some(sanitized) = &self.loaded.pipelines[step.kernel].sanitized else { continue };
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
        let (buffer, offset) = self.loaded.buffers.get(&self.program, info.buffer);
        let all = if info.piece.is_some() { self.program.bytes(info.buffer) } else { info.ty.bytes() };
        let bytes = pollster::block_on(self.gpu.read(&[(&buffer.raw, offset, all)]))?;
        let words = bytes.into_iter().next().map(|b| words(&info.ty, &b));
        Ok(words.map(|words| match info.piece {
            Some(piece) => (0..piece.numel()).map(|e| f32::from_bits(words[piece.place(e)])).collect(),
            None => bytemuck::cast_vec(words),
        }))
    }

    /// After a run of a program from [`Gpu::compile_debug`]: the first NaN or infinity, in order of computation.
    pub fn first_non_finite(&self) -> Result<Option<NonFinite>> {
        let bad = |values: &[f32]| values.iter().position(|v| !v.is_finite());
        let ports = self.program.inputs.iter().map(|p| (&p.name, &p.ty, p.buffer));
        let states = self.program.states.iter().enumerate();
        let states = states.map(|(i, s)| (&s.name, &s.ty, BufferRef::State(i as u32)));
        for (name, ty, buffer) in ports.chain(states).filter(|(_, ty, _)| ty.dtype.is_float()) {
            let (buffer, offset) = self.loaded.buffers.get(&self.program, buffer);
            let bytes = pollster::block_on(self.gpu.read(&[(&buffer.raw, offset, ty.bytes())]))?;
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
