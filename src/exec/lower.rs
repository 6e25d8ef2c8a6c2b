//! Lowering: each operator of a pruned graph emits its dispatches; buffers are by reference until planned.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::dispatch::{Emit, Lowering, Value};
use super::kernel::{Kernel, Shader};
use super::passes::{self, Draft, Pass, Passes, Places, Saving, recompute, repeats};
use super::place::Piece;
use super::plan::{Plan, lifetimes};
use super::program::{BufferRef, NodeInfo, Port, Program, Step};
use super::target::Target;
use crate::error::{Error, Result};
use crate::graph::{Graph, Kind, NodeId, TensorData};
use crate::ops::{Cost, Operator};
use crate::shader;
use crate::shape::{DType, TensorType};

const COPY: Shader = shader!("copy/whole.wgsl", with "common/index.wgsl");

/// Options of [`compile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileOptions {
    /// Include the nodes that change named state (optimiser steps, running statistics).
    pub effects: bool,
    /// Keep every value in a slot of its own, so that all can be read after a run. Then no passes run.
    pub keep_values: bool,
    /// How the graph is rewritten before it is lowered.
    pub passes: Passes,
    /// The most bytes the program may keep on the device, values, state, inputs and constants together. Where it would take
    /// more, cheap values are made again where they are wanted again instead of being kept; the results are the same. If
    /// that is not enough, compiling fails and names the largest tensors. Not with `keep_values`.
    pub memory_budget: Option<u64>,
}

impl Default for CompileOptions {
    fn default() -> Self {
        CompileOptions { effects: true, keep_values: false, passes: Passes::all(), memory_budget: None }
    }
}

/// Lowers what `outputs` need (and with `effects` every state change) and plans its memory.
pub fn compile(
    graph: &Graph,
    outputs: &[(String, NodeId)],
    target: &Target,
    options: CompileOptions,
) -> Result<Program> {
    if let Some(fault) = &graph.fault {
        return Err(fault.clone());
    }
    let ids: Vec<NodeId> = outputs.iter().map(|(_, id)| *id).collect();
    let mut draft = Draft::new(graph, &ids, options.effects);
    let savings = match options.keep_values {
        true => Vec::new(),
        false => passes::run(&mut draft, options.passes, target),
    };
    let lower = |draft: &Draft| {
        let passes = if options.keep_values { Passes::none() } else { options.passes };
        let mut build = Build::new(target, Places::of(draft, passes, target));
        for &id in &draft.order {
            build.node(&draft.graph, id)?;
            if draft.kept.contains(&id) {
                build.keep(&draft.graph, id)?;
            }
        }
        let placed = [build.pieces_saved, build.over_saved];
        let placed = placed.into_iter().filter(|saving| passes.has(saving.pass));
        let repeats = passes.has(Pass::Repeats).then(|| build.without_repeats(outputs));
        let savings = savings.iter().copied().chain(placed).chain(repeats).collect();
        build.finish(outputs, graph, options, savings)
    };
    match options.memory_budget {
        Some(budget) if !options.keep_values => recompute::within(budget, &draft, lower),
        _ => lower(&draft),
    }
}

/// Where a value lies that has no memory of its own.
#[derive(Debug, Clone, Copy)]
enum Elsewhere {
    /// It is a piece of its operand.
    Read(BufferRef),
    /// It is written into a piece of a concatenation.
    Written(BufferRef),
    /// It is written over an operand.
    Over(BufferRef),
}

impl Elsewhere {
    fn buffer(self) -> BufferRef {
        let (Elsewhere::Read(buffer) | Elsewhere::Written(buffer) | Elsewhere::Over(buffer)) = self;
        buffer
    }
}

struct Build<'t> {
    target: &'t Target,
    kernels: Vec<Arc<Kernel>>,
    steps: Vec<Step>,
    temps: Vec<u64>,
    inputs: Vec<Port>,
    states: Vec<crate::graph::StateDef>,
    state_slots: HashMap<usize, u32>,
    constants: Vec<TensorData>,
    values: HashMap<NodeId, Value>,
    nodes: Vec<NodeInfo>,
    /// Buffers of f16.
    halves: HashSet<BufferRef>,
    places: Places,
    /// What each [`BufferRef::Piece`] is a piece of.
    pieces: Vec<(BufferRef, Piece)>,
    /// The buffers of concatenations that operands are written into.
    wholes: HashMap<NodeId, BufferRef>,
    /// The buffer that the node at hand writes over, as which it reads an operand.
    over: Option<BufferRef>,
    pieces_saved: Saving,
    over_saved: Saving,
}

/// How far a [`Build`] has come.
#[derive(Clone, Copy)]
struct Mark {
    kernels: usize,
    steps: usize,
    temps: usize,
    constants: usize,
}

impl<'t> Build<'t> {
    fn new(target: &'t Target, places: Places) -> Self {
        Build {
            target,
            kernels: Vec::new(),
            steps: Vec::new(),
            temps: Vec::new(),
            inputs: Vec::new(),
            states: Vec::new(),
            state_slots: HashMap::new(),
            constants: Vec::new(),
            values: HashMap::new(),
            nodes: Vec::new(),
            halves: HashSet::new(),
            places,
            pieces: Vec::new(),
            wholes: HashMap::new(),
            over: None,
            pieces_saved: Saving::none(Pass::Pieces),
            over_saved: Saving::none(Pass::Over),
        }
    }

    fn node(&mut self, graph: &Graph, id: NodeId) -> Result<()> {
        let node = graph.node(id);
        let op_name = node.operator().map_or("tensor", |op| op.name());
        if node.ty.bytes() > self.target.max_binding_bytes {
            return Err(Error::BindingTooLarge {
                op: op_name.to_string(),
                tensor: node.ty.clone(),
                bytes: node.ty.bytes(),
                limit: self.target.max_binding_bytes,
                site: node.site,
            });
        }
        let buffer = match &node.kind {
            Kind::Input(name) => {
                let buffer = BufferRef::Input(self.inputs.len() as u32);
                self.inputs.push(Port { name: name.clone(), ty: node.ty.clone(), buffer });
                buffer
            }
            Kind::State(state) => {
                let next = self.states.len() as u32;
                let slot = *self.state_slots.entry(state.index()).or_insert(next);
                if slot == next {
                    self.states.push(graph.states[state.index()].clone());
                }
                BufferRef::State(slot)
            }
            Kind::Constant(data) => {
                let known = self.constants.iter().position(|c| c == data);
                let index = known.unwrap_or_else(|| {
                    self.constants.push(data.clone());
                    self.constants.len() - 1
                });
                BufferRef::Constant(index as u32)
            }
            Kind::Apply(op) => {
                let place = self.place_of(graph, id);
                let mut begin = self.mark_here();
                let mut buffer = self.apply(graph, id, &**op, place);
                // Perhaps some kernel cannot do with a piece that it reads, or with where it is to write.
                if buffer.is_err() && self.reads_pieces(graph, id) {
                    self.back_to(begin);
                    self.copy_pieces(graph, id)?;
                    begin = self.mark_here();
                    buffer = self.apply(graph, id, &**op, place);
                }
                if buffer.is_err() && place.is_some() {
                    self.back_to(begin);
                    buffer = self.apply(graph, id, &**op, None);
                }
                buffer?
            }
        };
        self.mark(&node.ty, buffer);
        self.values.insert(id, Value { ty: node.ty.clone(), buffer });
        Ok(())
    }

    /// Where a node's value is to lie, if not in memory of its own.
    fn place_of(&mut self, graph: &Graph, id: NodeId) -> Option<Elsewhere> {
        let node = graph.node(id);
        if let Some(&piece) = self.places.pieces.read.get(&id) {
            let of = self.values[&node.inputs[0]].buffer;
            return self.piece(of, piece).map(Elsewhere::Read);
        }
        if let Some(&(whole, piece)) = self.places.pieces.written.get(&id) {
            let of = self.whole(graph, whole);
            return self.piece(of, piece).map(Elsewhere::Written);
        }
        let over = self.places.over.get(&id).map(|&i| self.values[&node.inputs[i]].buffer);
        over.filter(|buffer| matches!(buffer, BufferRef::Temp(_))).map(Elsewhere::Over)
    }

    /// The buffer of a concatenation, some of whose operands are written into it.
    fn whole(&mut self, graph: &Graph, id: NodeId) -> BufferRef {
        if let Some(&known) = self.wholes.get(&id) {
            return known;
        }
        let outer = self.places.pieces.written.get(&id).copied();
        let outer = outer.and_then(|(outer, piece)| {
            let of = self.whole(graph, outer);
            self.piece(of, piece)
        });
        let buffer = outer.unwrap_or_else(|| self.temp(graph.node(id).ty.bytes()));
        self.wholes.insert(id, buffer);
        buffer
    }

    /// A piece of a buffer, which may be one itself, if there is a piece like that.
    fn piece(&mut self, of: BufferRef, piece: Piece) -> Option<BufferRef> {
        let piece = match self.piece_at(of) {
            Some((whole, outer)) => (whole, piece.of(outer)?),
            None => (of, piece),
        };
        self.pieces.push(piece);
        Some(BufferRef::Piece(self.pieces.len() as u32 - 1))
    }

    fn piece_at(&self, buffer: BufferRef) -> Option<(BufferRef, Piece)> {
        if let BufferRef::Piece(i) = buffer { Some(self.pieces[i as usize]) } else { None }
    }

    /// Lowers an operator: where its value is.
    fn apply(&mut self, graph: &Graph, id: NodeId, op: &dyn Operator, place: Option<Elsewhere>) -> Result<BufferRef> {
        let node = graph.node(id);
        let operands = &node.inputs;
        let mut inputs: Vec<Value> = operands.iter().map(|i| self.values[i].clone()).collect();
        // What is changed is the state itself, even if its value was copied for others.
        for &i in op.mutates() {
            let state = operands.get(i).and_then(|&operand| graph.state_under(operand));
            let Some(Kind::State(state)) = state.map(|state| &graph.node(state).kind) else {
                let message = format!("{} changes operand {i}, which is not named state", op.name());
                return Err(Error::Shader { shader: op.name().into(), message });
            };
            inputs[i].buffer = BufferRef::State(self.state_slots[&state.index()]);
        }
        let types: Vec<&TensorType> = inputs.iter().map(|v| &v.ty).collect();
        let mut cost = op.cost(&types, &node.ty);
        let mutated = op.mutates().first().map(|&i| inputs[i].buffer);
        let guard = match (mutated, graph.guard) {
            (Some(_), Some(guard)) => self.values.get(&guard).map(|v| v.buffer),
            _ => None,
        };
        let alias = graph.aliased(id).map(|i| inputs[i].buffer);
        let placed = place.map(|place| place.buffer());
        // A concatenation's own buffer, if operands are in it.
        let whole = self.wholes.get(&id).copied();
        let buffer = alias.or(mutated).or(whole).or(placed).unwrap_or(BufferRef::Unused);
        let there = inputs.iter().filter(|input| self.is_in(input.buffer, buffer)).map(|input| 2 * input.ty.bytes());
        let there: u64 = there.sum();
        self.over = if let Some(Elsewhere::Over(buffer)) = place { Some(buffer) } else { None };
        let output = Value { ty: node.ty.clone(), buffer };
        let build = &mut *self;
        let mut lowering = Lowering { inputs, output, guard, node: id, site: node.site, choice: None, build };
        let dispatched = alias.is_none() && !matches!(place, Some(Elsewhere::Read(_)));
        if dispatched {
            op.lower(&mut lowering)?;
        }
        let (buffer, choice) = (lowering.output.buffer, lowering.choice);
        self.over = None;
        cost.bytes = if dispatched || alias.is_some() { cost.bytes.saturating_sub(there) } else { 0 };
        let saved = match place {
            Some(Elsewhere::Over(_)) => Some(&mut self.over_saved),
            Some(_) => Some(&mut self.pieces_saved),
            None => None,
        };
        if let Some(saved) = saved {
            saved.sites += 1;
            saved.memory += node.ty.bytes();
            if saved.pass == Pass::Pieces {
                saved.dispatches += 1;
                saved.bytes += 2 * node.ty.bytes();
            }
        }
        let (whole, piece) = self.piece_at(buffer).map_or((buffer, None), |(whole, piece)| (whole, Some(piece)));
        let (op, site, gradient, ty) = (op.name(), node.site, node.gradient, node.ty.clone());
        self.nodes.push(NodeInfo { id, op, site, gradient, ty, buffer: whole, piece, cost, choice });
        Ok(buffer)
    }

    /// Whether a buffer is a piece of another, or of what that is a piece of.
    fn is_in(&self, buffer: BufferRef, of: BufferRef) -> bool {
        let whole = self.piece_at(of).map_or(of, |(whole, _)| whole);
        self.piece_at(buffer).is_some_and(|(of, _)| of == whole)
    }

    fn reads_pieces(&self, graph: &Graph, id: NodeId) -> bool {
        graph.node(id).inputs.iter().any(|input| self.piece_at(self.values[input].buffer).is_some())
    }

    /// Copies those operands of a node that are pieces of others, for it and whoever comes later.
    fn copy_pieces(&mut self, graph: &Graph, id: NodeId) -> Result<()> {
        for input in &graph.node(id).inputs {
            let value = self.values[input].clone();
            if self.piece_at(value.buffer).is_some() {
                let copy = self.copied(graph, id, &value)?;
                self.values.insert(*input, Value { buffer: copy, ..value.clone() });
                let saved = &mut self.pieces_saved;
                saved.sites = saved.sites.saturating_sub(1);
                saved.dispatches = saved.dispatches.saturating_sub(1);
                saved.bytes = saved.bytes.saturating_sub(2 * value.ty.bytes());
                saved.memory = saved.memory.saturating_sub(value.ty.bytes());
            }
        }
        Ok(())
    }

    fn mark_here(&self) -> Mark {
        let Build { kernels, steps, temps, constants, .. } = self;
        Mark { kernels: kernels.len(), steps: steps.len(), temps: temps.len(), constants: constants.len() }
    }

    /// Forgets what was emitted since.
    fn back_to(&mut self, mark: Mark) {
        self.kernels.truncate(mark.kernels);
        self.steps.truncate(mark.steps);
        self.temps.truncate(mark.temps);
        self.constants.truncate(mark.constants);
        self.halves.retain(|half| !matches!(half, BufferRef::Temp(t) if *t as usize >= mark.temps));
        self.over = None;
    }

    /// Copies the value of named state, or of a change of it, for those who want it after the next change.
    fn keep(&mut self, graph: &Graph, id: NodeId) -> Result<()> {
        let node = graph.node(id);
        let value = self.values[&id].clone();
        if node.ty.bytes() > 0 {
            let copy = self.copied(graph, id, &value)?;
            self.values.insert(id, Value { buffer: copy, ..value });
            if node.operator().is_none() {
                let cost = Cost { flops: 0, bytes: 2 * node.ty.bytes() };
                let (site, gradient, ty, op) = (node.site, node.gradient, node.ty.clone(), "copy");
                let buffer = copy;
                self.nodes.push(NodeInfo { id, op, site, gradient, ty, buffer, piece: None, cost, choice: None });
            }
        }
        Ok(())
    }

    /// Emits the copy of a value, as part of a node.
    fn copied(&mut self, graph: &Graph, id: NodeId, value: &Value) -> Result<BufferRef> {
        let (node, target) = (graph.node(id), self.target);
        let quads = (value.ty.bytes() as usize).div_ceil(16);
        let output = Value { ty: value.ty.clone(), buffer: BufferRef::Unused };
        let inputs = vec![value.clone()];
        let mut lowering =
            Lowering { inputs, output, guard: None, node: id, site: node.site, choice: None, build: self };
        let copy = lowering.output();
        let dispatch = lowering.dispatch(&COPY).define("WG", target.lanes()).param("quads", quads);
        dispatch.bind("x", value.buffer).bind("y", copy).threads(quads)?;
        Ok(copy)
    }

    /// Leaves out the dispatches that repeat others.
    fn without_repeats(&mut self, outputs: &[(String, NodeId)]) -> Saving {
        let results = self.nodes.iter().map(|node| node.buffer);
        let kept = results.chain(outputs.iter().map(|(_, id)| self.values[id].buffer)).collect();
        let mut steps = std::mem::take(&mut self.steps);
        let saving = repeats::remove(&mut steps, &self.kernels, &kept, |buffer| self.bytes(buffer));
        self.steps = steps;
        saving
    }

    fn finish(
        self,
        outputs: &[(String, NodeId)],
        graph: &Graph,
        options: CompileOptions,
        savings: Vec<Saving>,
    ) -> Result<Program> {
        let mut ports = Vec::new();
        for (name, id) in outputs {
            let value = &self.values[id];
            debug_assert!(self.piece_at(value.buffer).is_none(), "outputs have memory of their own");
            let name = if name.is_empty() { graph.describe(*id) } else { name.clone() };
            ports.push(Port { name, ty: value.ty.clone(), buffer: value.buffer });
        }
        let temps = lifetimes(&self.steps, &[], &ports, &self.temps);
        let mut program = Program {
            kernels: self.kernels,
            steps: self.steps,
            inputs: self.inputs,
            states: self.states,
            constants: self.constants,
            outputs: ports,
            temps,
            plan: Plan::default(),
            regions: Vec::new(),
            flats: Vec::new(),
            nodes: self.nodes,
            savings,
            remade: 0,
        };
        program.plan = match options.keep_values {
            true => Plan::without_reuse(&program.temps),
            false => Plan::of(&program),
        };
        Ok(program)
    }

    fn bytes(&self, buffer: BufferRef) -> u64 {
        match buffer {
            BufferRef::Input(i) => self.inputs[i as usize].ty.bytes(),
            BufferRef::State(i) => self.states[i as usize].ty.bytes(),
            BufferRef::Constant(i) => self.constants[i as usize].bytes().len() as u64,
            BufferRef::Temp(i) => self.temps[i as usize],
            BufferRef::Piece(i) => self.bytes(self.pieces[i as usize].0),
            BufferRef::Flat(_) | BufferRef::Unused => 0,
        }
    }

    /// Remembers how a tensor's elements are stored.
    fn mark(&mut self, ty: &TensorType, buffer: BufferRef) {
        if ty.dtype == DType::F16 {
            self.halves.insert(buffer);
        }
    }

    fn temp(&mut self, bytes: u64) -> BufferRef {
        self.temps.push(bytes.max(4));
        BufferRef::Temp(self.temps.len() as u32 - 1)
    }
}

impl Emit for Build<'_> {
    fn target(&self) -> &Target {
        self.target
    }

    fn bytes(&self, buffer: BufferRef) -> u64 {
        Build::bytes(self, buffer)
    }

    fn is_half(&self, buffer: BufferRef) -> bool {
        self.halves.contains(&buffer)
    }

    fn piece_at(&self, buffer: BufferRef) -> Option<(BufferRef, Piece)> {
        Build::piece_at(self, buffer)
    }

    fn is_in(&self, buffer: BufferRef, of: BufferRef) -> bool {
        Build::is_in(self, buffer, of)
    }

    fn over(&self) -> Option<BufferRef> {
        self.over
    }

    fn mark(&mut self, ty: &TensorType, buffer: BufferRef) {
        Build::mark(self, ty, buffer);
    }

    fn temp(&mut self, bytes: u64) -> BufferRef {
        Build::temp(self, bytes)
    }

    fn constant(&mut self, data: TensorData) -> BufferRef {
        let known = self.constants.iter().position(|c| *c == data);
        let index = known.unwrap_or_else(|| {
            self.constants.push(data);
            self.constants.len() - 1
        });
        BufferRef::Constant(index as u32)
    }

    fn push(&mut self, kernel: Arc<Kernel>, mut step: Step) {
        let known = self.kernels.iter().position(|k| Arc::ptr_eq(k, &kernel));
        step.kernel = known.unwrap_or_else(|| {
            self.kernels.push(kernel);
            self.kernels.len() - 1
        });
        self.steps.push(step);
    }
}
