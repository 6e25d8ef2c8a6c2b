//! Lowering: each operator of a pruned graph emits its dispatches; buffers are by reference until planned.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::sync::Arc;

use super::choice::{Choice, ShapeClass};
use super::flat::Elementwise;
use super::kernel::{Access, Define, Kernel, Rewriting, Scalar, Shader};
use super::passes::{self, Draft, Pass, Passes, Places, Saving, recompute};
use super::place::{Piece, Place};
use super::plan::{Plan, lifetimes};
use super::program::{BufferRef, NodeInfo, Port, Program, Step};
use super::target::{COARSENESS, Target};
use super::texel::LARGEST_IMAGE_BYTES;
use crate::error::{Error, Result, Site};
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
        let savings = savings.iter().copied().chain(placed).collect();
        build.finish(outputs, graph, options, savings)
    };
    match options.memory_budget {
        Some(budget) if !options.keep_values => recompute::within(budget, &draft, lower),
        _ => lower(&draft),
    }
}

/// A tensor and where it lives, as operators see it when lowering.
#[derive(Debug, Clone)]
pub struct Value {
    /// Shape and element type.
    pub ty: TensorType,
    /// The buffer.
    pub buffer: BufferRef,
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

/// What [`Operator::lower`](crate::ops::Operator::lower) emits dispatches through.
pub struct Lowering<'a> {
    inputs: Vec<Value>,
    output: Value,
    guard: Option<BufferRef>,
    node: NodeId,
    site: Site,
    choice: Option<Choice>,
    build: &'a mut (dyn Emit + 'a),
}

/// The part of [`Build`] a [`Lowering`] uses; a trait so that its lifetime stays out of operators' signatures.
trait Emit {
    fn target(&self) -> &Target;
    fn bytes(&self, buffer: BufferRef) -> u64;
    fn is_half(&self, buffer: BufferRef) -> bool;
    fn piece_at(&self, buffer: BufferRef) -> Option<(BufferRef, Piece)>;
    fn is_in(&self, buffer: BufferRef, of: BufferRef) -> bool;
    fn over(&self) -> Option<BufferRef>;
    fn mark(&mut self, ty: &TensorType, buffer: BufferRef);
    fn temp(&mut self, bytes: u64) -> BufferRef;
    fn constant(&mut self, data: TensorData) -> BufferRef;
    fn push(&mut self, kernel: Arc<Kernel>, step: Step);
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

impl Lowering<'_> {
    /// Operand `i`.
    pub fn input(&self, i: usize) -> Value {
        self.inputs[i].clone()
    }

    /// The type of operand `i`.
    pub fn input_ty(&self, i: usize) -> &TensorType {
        &self.inputs[i].ty
    }

    /// How many operands there are.
    pub fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// Whether operand `i` was written where it belongs in the result, as [`Copies::Together`](crate::ops::Copies) says.
    pub fn is_in_place(&self, i: usize) -> bool {
        self.build.is_in(self.inputs[i].buffer, self.output.buffer)
    }

    /// The result's type.
    pub fn output_ty(&self) -> &TensorType {
        &self.output.ty
    }

    /// The result's buffer; of an operator that changes state, that state's.
    pub fn output(&mut self) -> BufferRef {
        if self.output.buffer == BufferRef::Unused {
            self.output.buffer = self.build.temp(self.output.ty.bytes());
            self.build.mark(&self.output.ty, self.output.buffer);
        }
        self.output.buffer
    }

    /// How the floats in a buffer are stored.
    pub fn stored(&self, buffer: BufferRef) -> DType {
        if self.build.is_half(buffer) { DType::F16 } else { DType::F32 }
    }

    /// A buffer of `elements` words that lives only inside this operator.
    pub fn scratch(&mut self, elements: usize) -> BufferRef {
        self.build.temp((elements as u64).saturating_mul(DType::F32.bytes() as u64))
    }

    /// A buffer with fixed contents.
    pub fn constant(&mut self, data: TensorData) -> BufferRef {
        self.build.constant(data)
    }

    /// The scalar that must be finite for a state change to happen, or a buffer holding 0.
    pub fn guard(&mut self) -> BufferRef {
        self.guard.unwrap_or_else(|| self.build.constant(TensorData::f32([1], &[0.0]).expect("one value")))
    }

    /// The adapter's limits and class.
    pub fn target(&self) -> &Target {
        self.build.target()
    }

    /// The variant to lower to, of those that compute the same for this class of shapes: `expected` is the one the cost model takes
    /// for the fastest, `others` follow as it ranks them. Variants are known by the names they display; a repeated name counts once.
    /// An operator chooses once, and its node keeps what was chosen.
    pub fn choose<T: Copy + Display>(&mut self, class: ShapeClass, expected: T, others: &[T]) -> T {
        let half = self.inputs.iter().any(|v| self.build.is_half(v.buffer));
        let class = if half { class.exact("", DType::F16) } else { class };
        let mut names: Vec<String> = Vec::new();
        let mut variants = Vec::new();
        for variant in [&expected].into_iter().chain(others) {
            let name = variant.to_string();
            if !names.contains(&name) {
                names.push(name);
                variants.push(*variant);
            }
        }
        let choice = Choice::new(class, names, self.build.target().choices.as_deref());
        let at = choice.offered.iter().position(|name| *name == choice.variant);
        self.choice = Some(choice);
        at.map_or(expected, |at| variants[at])
    }

    /// Starts a dispatch of `shader`.
    pub fn dispatch<'s>(&'s mut self, shader: &'s Shader) -> Dispatch<'s> {
        Dispatch {
            node: self.node,
            site: self.site,
            build: &mut *self.build,
            shader,
            defines: Vec::new(),
            parts: Vec::new(),
            buffers: Vec::new(),
            params: Vec::new(),
            elementwise: None,
        }
    }
}

/// A dispatch being described; ends with [`Dispatch::threads`] or [`Dispatch::groups`].
pub struct Dispatch<'s> {
    node: NodeId,
    site: Site,
    build: &'s mut (dyn Emit + 's),
    shader: &'s Shader,
    defines: Vec<(&'static str, Define)>,
    parts: Vec<Shader>,
    buffers: Vec<(&'static str, BufferRef)>,
    params: Vec<(&'static str, Define)>,
    elementwise: Option<(&'static str, &'static [&'static str])>,
}

impl Dispatch<'_> {
    /// A constant of the prelude.
    pub fn define(mut self, name: &'static str, value: impl Into<Define>) -> Self {
        self.defines.push((name, value.into()));
        self
    }

    /// A file that declares something the shader leaves open, say how an operand is read.
    pub fn include(mut self, part: Shader) -> Self {
        self.parts.push(part);
        self
    }

    /// The buffer for the binding called `name`.
    pub fn bind(mut self, name: &'static str, buffer: BufferRef) -> Self {
        self.buffers.push((name, buffer));
        self
    }

    /// A binding that this variant declares but does not read.
    pub fn unused(self, name: &'static str) -> Self {
        self.bind(name, BufferRef::Unused)
    }

    /// A member of the uniform struct.
    pub fn param(mut self, name: &'static str, value: impl Into<Define>) -> Self {
        self.params.push((name, value.into()));
        self
    }

    /// Declares that invocation i touches element i of the arrays `names` alone, for every i below the parameter `count`, a
    /// u32. Such dispatches of one kernel, with the same other parameters and buffers, may run as one over tensors that lie
    /// behind each other, and over what is between them.
    pub fn elementwise(mut self, count: &'static str, names: &'static [&'static str]) -> Self {
        self.elementwise = Some((count, names));
        self
    }

    /// Emits the dispatch with at least `n` invocations along x. Past the adapter's limit the grid folds into y: such
    /// kernels take their index from `flat_index` of `common/index.wgsl`.
    pub fn threads(self, n: usize) -> Result<()> {
        let kernel = self.kernel(Some(n))?;
        let grid = grid(n, &kernel, self.build.target());
        self.emit(kernel, grid)
    }

    /// Emits the dispatch with this many workgroups.
    pub fn groups(self, groups: [usize; 3]) -> Result<()> {
        let kernel = self.kernel(None)?;
        self.emit(kernel, groups)
    }

    fn limit(&self, what: &'static str, needs: u64, has: u64) -> Result<()> {
        let Dispatch { shader, site, .. } = self;
        let kernel = || shader.name.to_string();
        if needs > has { Err(Error::KernelLimit { kernel: kernel(), what, needs, has, site: *site }) } else { Ok(()) }
    }

    /// The kernel for `n` invocations along x that do not care how they are grouped, or for workgroups.
    fn kernel(&self, n: Option<usize>) -> Result<Arc<Kernel>> {
        for (_, value) in self.defines.iter().chain(&self.params) {
            value
                .counted()
                .or_else(|n| self.limit("in a number of 32 bits", n as u64, u32::MAX.into()).map(|()| *value))?;
        }
        let stored = |(name, buffer): &(&'static str, BufferRef)| self.build.is_half(*buffer).then_some(*name);
        let mut halves: Vec<&str> = self.buffers.iter().filter_map(stored).collect();
        halves.sort_unstable();
        if !halves.is_empty() && !self.build.target().f16 {
            let kernel = self.shader.name.to_string();
            return Err(Error::Feature { kernel, feature: "f16 in shaders", site: self.site });
        }
        let largest = self.buffers.iter().map(|&(_, buffer)| self.build.bytes(buffer)).max().unwrap_or(0);
        let images = if largest > LARGEST_IMAGE_BYTES { 0 } else { self.build.target().images };
        let (defines, parts, images) = (&self.defines, &self.parts, images as usize);
        let piece = |&(name, buffer): &(&'static str, BufferRef)| {
            self.build.piece_at(buffer).map(|(_, piece)| (name, Place::Piece(piece)))
        };
        let plain = Rewriting { halves: &halves, images, places: &[], constants: &[], coarseness: 1 };
        let mut places: Vec<(&str, Place)> = self.buffers.iter().filter_map(piece).collect();
        if let Some(over) = self.build.over() {
            let kernel = Kernel::rewritten(self.shader, defines, parts, plain)?;
            let bound = self.buffers.iter().filter(|(_, buffer)| *buffer == over).map(|(name, _)| *name);
            let writes = |name: &&str| kernel.binding(name).is_some_and(|b| b.access == Access::Write);
            let (written, read): (Vec<&str>, Vec<&str>) = bound.partition(writes);
            if let [written] = written[..] {
                places.extend(read.into_iter().map(|name| (name, Place::Over(written.to_string()))));
            }
        }
        let placed = Rewriting { places: &places, ..plain };
        let kernel = Kernel::rewritten(self.shader, defines, parts, placed)?;
        let Some(from) = n.and(self.build.target().coarse_from) else { return Ok(kernel) };
        // Elementwise dispatches may be joined: together they are large, and their parameters are not known yet.
        let joined = self.elementwise.is_some();
        if !joined && n < Some(from) {
            return Ok(kernel);
        }
        let divisor = |&(name, value): &(&'static str, Define)| match value.counted() {
            Ok(Define::U32(value)) if kernel.divisors.iter().any(|divisor| divisor == name) => Some((name, value)),
            _ => None,
        };
        let constants: Vec<_> = self.params.iter().filter_map(divisor).filter(|_| !joined).collect();
        let coarse = Rewriting { constants: &constants, coarseness: COARSENESS, ..placed };
        Kernel::rewritten(self.shader, defines, parts, coarse)
    }

    fn emit(self, kernel: Arc<Kernel>, groups: [usize; 3]) -> Result<()> {
        let fail = |message: String| Error::Shader { shader: self.shader.name.to_string(), message };
        let target = self.build.target();
        let buffers = kernel.bindings.iter().filter(|b| b.image.is_none()).count();
        let invocations_a_group: u64 = kernel.workgroup_size.iter().map(|&n| u64::from(n)).product();
        let numbered = invocations_a_group * u64::from(kernel.coarseness);
        let invocations = groups.iter().fold(numbered, |n, &g| n.saturating_mul(g as u64));
        let largest = self.buffers.iter().map(|&(_, buffer)| self.build.bytes(buffer)).max().unwrap_or(0);
        let limits: [(&'static str, u64, u64); 6] = [
            ("workgroups a dimension", *groups.iter().max().unwrap_or(&1) as u64, target.max_groups.into()),
            // They are numbered in 32 bits.
            ("invocations", invocations, 1 << 32),
            ("bytes in a binding", largest, target.max_binding_bytes),
            ("storage buffers", buffers as u64, target.max_storage_buffers.into()),
            ("bytes of workgroup memory", kernel.workgroup_bytes.into(), target.max_workgroup_bytes.into()),
            ("invocations a workgroup", invocations_a_group, target.max_invocations.into()),
        ];
        for (what, needs, has) in limits {
            self.limit(what, needs, has)?;
        }
        let over = self.build.over().filter(|_| kernel.bindings.iter().any(|binding| binding.over));
        let mut buffers = Vec::new();
        for binding in &kernel.bindings {
            let bound = self.buffers.iter().find(|(name, _)| *name == binding.name);
            let (_, buffer) = bound.ok_or_else(|| fail(format!("nothing bound to `{}`", binding.name)))?;
            let whole = self.build.piece_at(*buffer).map_or(*buffer, |(whole, _)| whole);
            let is_read_over = binding.access == Access::Read && over == Some(whole);
            buffers.push(if is_read_over { BufferRef::Unused } else { whole });
        }
        if let Some((name, _)) = self.buffers.iter().find(|(name, _)| kernel.binding(name).is_none()) {
            return Err(fail(format!("declares no binding `{name}`")));
        }
        for (i, a) in buffers.iter().enumerate().filter(|(_, b)| **b != BufferRef::Unused) {
            for (j, b) in buffers.iter().enumerate().skip(i + 1) {
                let written = kernel.bindings[i].access == Access::Write || kernel.bindings[j].access == Access::Write;
                if a == b && written {
                    let names = (&kernel.bindings[i].name, &kernel.bindings[j].name);
                    return Err(fail(format!("`{}` and `{}` are one buffer and one is written", names.0, names.1)));
                }
            }
        }
        let mut params = vec![0u8; kernel.params_size as usize];
        for member in kernel.params.iter().filter(|m| !m.name.starts_with('_')) {
            let given = self.params.iter().find(|(name, _)| *name == member.name);
            let (_, value) = given.ok_or_else(|| fail(format!("parameter `{}` not given", member.name)))?;
            let value = value.counted().unwrap_or(*value);
            let bytes = match (member.scalar, value) {
                (Scalar::U32, Define::U32(v)) => v.to_ne_bytes(),
                (Scalar::I32, Define::U32(v)) if i32::try_from(v).is_ok() => (v as i32).to_ne_bytes(),
                (Scalar::F32, Define::F32(v)) => v.to_ne_bytes(),
                (want, got) => return Err(fail(format!("parameter `{}` is {want:?}, given {got:?}", member.name))),
            };
            params[member.offset as usize..][..4].copy_from_slice(&bytes);
        }
        if let Some((name, _)) = self.params.iter().find(|(name, _)| !kernel.params.iter().any(|m| m.name == *name)) {
            return Err(fail(format!("declares no parameter `{name}`")));
        }
        let groups = groups.map(|n| n.max(1) as u32);
        let elsewhere =
            |name: &&str| kernel.binding(name).is_some_and(|binding| binding.piece.is_some() || binding.over);
        let elementwise = self.elementwise.filter(|(_, names)| !names.iter().any(elsewhere)).map(|(count, names)| {
            let count = kernel.params.iter().find(|m| m.name == count && m.scalar == Scalar::U32);
            let count_at = count.ok_or_else(|| fail("declares no u32 that counts elements".into()))?.offset as usize;
            let position = |name: &&str| kernel.bindings.iter().position(|b| b.name == *name);
            let bindings = names.iter().map(|name| position(name).ok_or_else(|| fail(format!("declares no `{name}`"))));
            Ok::<_, Error>(Elementwise { bindings: bindings.collect::<Result<_>>()?, count_at })
        });
        let elementwise = elementwise.transpose()?;
        self.build.push(kernel, Step { kernel: 0, buffers, params, groups, node: self.node, elementwise });
        Ok(())
    }
}

/// The workgroups of `kernel` for `n` invocations along x, folded into y past the adapter's limit.
pub(super) fn grid(n: usize, kernel: &Kernel, target: &Target) -> [usize; 3] {
    let groups = n.div_ceil((kernel.workgroup_size[0] * kernel.coarseness) as usize).max(1);
    let max = target.max_groups as usize;
    if groups <= max { [groups, 1, 1] } else { [max, groups.div_ceil(max), 1] }
}
