//! The program: everything a device needs to replay a graph, as data that can be printed and compared.

use std::collections::HashSet;
use std::fmt::{self, Write};
use std::sync::Arc;

use super::choice::Choice;
use super::flat::{Elementwise, Flat, Region};
use super::kernel::{Access, Kernel};
use super::passes::Saving;
use super::place::Piece;
use super::plan::Plan;
use crate::error::{Error, LargeTensor, Site};
use crate::graph::{NodeId, StateDef, TensorData};
use crate::ops::Cost;
use crate::shape::TensorType;

/// Which buffer a step uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BufferRef {
    /// An uploaded tensor.
    Input(u32),
    /// Named state.
    State(u32),
    /// Data fixed when recorded.
    Constant(u32),
    /// A value inside the run; planning gives it a slot.
    Temp(u32),
    /// Tensors that lie behind each other, as one: see [`Program::flats`].
    Flat(u32),
    /// While lowering, a [`Piece`] of another buffer: steps bind that.
    Piece(u32),
    /// A declared binding the variant does not read.
    Unused,
}

/// One dispatch.
#[derive(Debug, Clone)]
pub struct Step {
    /// Index into [`Program::kernels`].
    pub kernel: usize,
    /// A buffer for each of the kernel's bindings, in order.
    pub buffers: Vec<BufferRef>,
    /// The uniform struct.
    pub params: Vec<u8>,
    /// Workgroups.
    pub groups: [u32; 3],
    /// The node it computes, or helps to; of joined steps the first.
    pub node: NodeId,
    /// Set where it goes through tensors element by element and may be joined with others of its kernel.
    pub elementwise: Option<Elementwise>,
}

/// A tensor that a program takes, keeps or gives.
#[derive(Debug, Clone)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: TensorType,
    /// Where it lives.
    pub buffer: BufferRef,
}

/// What a step's node was, for messages and traces.
#[derive(Debug, Clone)]
pub struct NodeInfo {
    /// The node.
    pub id: NodeId,
    /// The operator.
    pub op: &'static str,
    /// The line that recorded it.
    pub site: Site,
    /// Whether it belongs to the backward pass.
    pub gradient: bool,
    /// The result's type.
    pub ty: TensorType,
    /// Where the result is.
    pub buffer: BufferRef,
    /// Set where it is only a part of what is there.
    pub piece: Option<Piece>,
    /// What it costs. Where its steps were joined with those of other nodes, the first of these has the costs of all.
    pub cost: Cost,
    /// Which variant computes it, if it had several.
    pub choice: Option<Choice>,
}

/// A value inside a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Temp {
    /// Its size.
    pub bytes: u64,
    /// The first step that uses it.
    pub first: usize,
    /// The last step that uses it.
    pub last: usize,
}

/// Dispatches, buffers and the plan of memory: replayed every run with only the inputs uploaded.
#[derive(Debug, Clone)]
pub struct Program {
    /// The distinct kernels.
    pub kernels: Vec<Arc<Kernel>>,
    /// The dispatches, in order.
    pub steps: Vec<Step>,
    /// Uploaded at every run.
    pub inputs: Vec<Port>,
    /// Named state, with how it begins.
    pub states: Vec<StateDef>,
    /// Data fixed when recorded.
    pub constants: Vec<TensorData>,
    /// Read back after a run.
    pub outputs: Vec<Port>,
    /// Values inside the run.
    pub temps: Vec<Temp>,
    /// Which slot each value has.
    pub plan: Plan,
    /// Tensors that lie in one buffer, behind each other.
    pub regions: Vec<Region>,
    /// Parts of them that steps use as one.
    pub flats: Vec<Flat>,
    /// The nodes that steps compute, in the order they do.
    pub nodes: Vec<NodeInfo>,
    /// What each pass came to.
    pub savings: Vec<Saving>,
    /// How many values are made again for the sake of a memory budget.
    pub remade: usize,
}

impl Program {
    /// The node a step belongs to.
    pub fn node(&self, id: NodeId) -> Option<&NodeInfo> {
        self.nodes.iter().find(|n| n.id == id)
    }

    /// The first node whose value is all of a buffer.
    pub(super) fn whole(&self, buffer: BufferRef) -> Option<&NodeInfo> {
        self.nodes.iter().find(|n| n.buffer == buffer && n.piece.is_none())
    }

    /// How many bytes a step may use of a buffer.
    pub fn bytes(&self, buffer: BufferRef) -> u64 {
        match buffer {
            BufferRef::Input(i) => self.inputs[i as usize].ty.bytes(),
            BufferRef::State(i) => self.states[i as usize].ty.bytes(),
            BufferRef::Constant(i) => self.constants[i as usize].bytes().len() as u64,
            BufferRef::Temp(i) => self.temps[i as usize].bytes,
            BufferRef::Flat(i) => self.flats[i as usize].bytes,
            BufferRef::Piece(_) | BufferRef::Unused => 0,
        }
    }

    /// The tensors behind a reference: one, but for a [`Flat`].
    pub(super) fn members<'b>(&'b self, buffer: &'b BufferRef) -> &'b [BufferRef] {
        match buffer {
            BufferRef::Flat(i) => &self.flats[*i as usize].members,
            _ => std::slice::from_ref(buffer),
        }
    }

    /// The named state that is to lie together, region by region, with where in the region each begins.
    pub fn state_regions(&self) -> impl Iterator<Item = Vec<(&StateDef, u64)>> {
        let state = |&(buffer, offset): &(BufferRef, u64)| match buffer {
            BufferRef::State(i) => Some((&self.states[i as usize], offset)),
            _ => None,
        };
        let regions =
            self.regions.iter().map(move |region| region.members.iter().filter_map(state).collect::<Vec<_>>());
        regions.filter(|states| !states.is_empty())
    }

    /// The `n` largest tensors: values inside the run, inputs and state.
    pub fn largest(&self, n: usize) -> Vec<LargeTensor> {
        let mut seen = HashSet::new();
        let values = self.nodes.iter().filter(|n| matches!(n.buffer, BufferRef::Temp(_)) && n.piece.is_none());
        // A value under another shape is the same memory.
        let values = values.filter(|node| seen.insert(node.buffer)).map(|node| LargeTensor {
            what: node.op.to_string(),
            ty: node.ty.clone(),
            bytes: node.ty.bytes(),
            site: Some(node.site),
        });
        let named = self.inputs.iter().map(|port| (&port.name, &port.ty));
        let named = named.chain(self.states.iter().map(|state| (&state.name, &state.ty)));
        let named =
            named.map(|(name, ty)| LargeTensor { what: name.clone(), ty: ty.clone(), bytes: ty.bytes(), site: None });
        let mut all: Vec<LargeTensor> = values.chain(named).collect();
        all.sort_by_key(|tensor| std::cmp::Reverse(tensor.bytes));
        all.truncate(n);
        all
    }

    /// The error of there being no room for this program, or of its taking more than `limit`.
    pub fn out_of_memory(&self, limit: Option<u64>) -> Error {
        let needs = self.plan.report(self).total();
        Error::OutOfMemory { what: "the program".into(), needs, limit, largest: self.largest(5) }
    }

    /// How many of a buffer's bytes hold elements: an odd number of f16 leaves half a word.
    pub fn filled_bytes(&self, buffer: BufferRef) -> u64 {
        let ty = match buffer {
            BufferRef::Input(i) => Some(&self.inputs[i as usize].ty),
            BufferRef::State(i) => Some(&self.states[i as usize].ty),
            BufferRef::Temp(_) => self.whole(buffer).map(|n| &n.ty),
            BufferRef::Constant(_) | BufferRef::Flat(_) | BufferRef::Piece(_) | BufferRef::Unused => None,
        };
        ty.map_or(self.bytes(buffer), |ty| (ty.shape.numel() * ty.dtype.bytes()) as u64)
    }

    /// Total arithmetic and traffic of all nodes.
    pub fn cost(&self) -> Cost {
        self.nodes.iter().fold(Cost::default(), |sum, n| sum.plus(n.cost))
    }

    /// Every dispatch (`=` marks what it writes, `*=` over an operand, `~` what it reads as an image, `[]` what is a part of a buffer) with its
    /// kernel, buffers and groups, every slot and every byte, as text.
    pub fn dump(&self) -> String {
        let mut out = String::new();
        self.write_dump(&mut out).expect("writing to a string");
        out
    }

    fn write_dump(&self, out: &mut String) -> fmt::Result {
        let memory = self.plan.report(self);
        writeln!(
            out,
            "{} dispatches, {} kernels, {:.3} GFLOP",
            self.steps.len(),
            self.kernels.len(),
            self.cost().flops as f64 * 1e-9
        )?;
        writeln!(out, "{memory}")?;
        for saving in &self.savings {
            writeln!(out, "{saving}")?;
        }
        if self.remade > 0 {
            writeln!(out, "{} values are made again instead of being kept", self.remade)?;
        }
        for port in &self.inputs {
            writeln!(out, "input   {:<28} {}", port.name, port.ty)?;
        }
        for state in &self.states {
            writeln!(out, "state   {:<28} {}{}", state.name, state.ty, if state.trainable { "" } else { " (fixed)" })?;
        }
        for (i, step) in self.steps.iter().enumerate() {
            let kernel = &self.kernels[step.kernel];
            let info = self.node(step.node);
            let (op, direction, site) = match info {
                Some(n) => (n.op, if n.gradient { "bwd" } else { "fwd" }, n.site.to_string()),
                None => ("?", "", String::new()),
            };
            write!(out, "{i:4} %{:<4} {direction} {op:<16} {:<28} {:?}", step.node.0, kernel.shader, step.groups)?;
            if kernel.coarseness > 1 {
                write!(out, "×{}", kernel.coarseness)?;
            }
            for (binding, &buffer) in kernel.bindings.iter().zip(&step.buffers) {
                let mark = match (binding.access, binding.image) {
                    (Access::Write, _) if binding.over => "*=",
                    (Access::Write, _) => "=",
                    (Access::Read, None) => ":",
                    (Access::Read, Some(_)) => "~",
                };
                write!(out, " {}{mark}{}", binding.name, self.describe(buffer))?;
                if let Some(piece) = binding.piece {
                    write!(out, "[{piece}]")?;
                }
            }
            if let Some(choice) = info.and_then(|n| n.choice.as_ref()) {
                write!(out, "  [{}]", choice.variant)?;
            }
            writeln!(out, "  {site}")?;
        }
        for port in &self.outputs {
            writeln!(out, "output  {:<28} {} in {}", port.name, port.ty, self.describe(port.buffer))?;
        }
        Ok(())
    }

    fn describe(&self, buffer: BufferRef) -> String {
        match buffer {
            BufferRef::Input(i) => self.inputs[i as usize].name.clone(),
            BufferRef::State(i) => self.states[i as usize].name.clone(),
            BufferRef::Constant(i) => format!("const{i}"),
            BufferRef::Temp(i) => format!("slot{}({}B)", self.plan.slot_of[i as usize], self.temps[i as usize].bytes),
            BufferRef::Flat(i) => {
                let Flat { members, bytes } = &self.flats[i as usize];
                format!("[{}, {} more]({bytes}B)", self.describe(members[0]), members.len() - 1)
            }
            BufferRef::Piece(_) | BufferRef::Unused => "-".into(),
        }
    }
}
