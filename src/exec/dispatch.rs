//! What operators lower to: dispatches of kernels, described by name and checked against what the shader declares.

use std::fmt::Display;
use std::sync::Arc;

use super::choice::{Choice, ShapeClass};
use super::flat::Elementwise;
use super::kernel::{Access, Define, Kernel, Rewriting, Scalar, Shader};
use super::place::{Piece, Place};
use super::program::{BufferRef, Step};
use super::target::{COARSENESS, Target};
use super::texel::LARGEST_IMAGE_BYTES;
use crate::error::{Error, Result, Site};
use crate::graph::{NodeId, TensorData};
use crate::shape::{DType, TensorType};

/// A tensor and where it lives, as operators see it when lowering.
#[derive(Debug, Clone)]
pub struct Value {
    /// Shape and element type.
    pub ty: TensorType,
    /// The buffer.
    pub buffer: BufferRef,
}

/// What [`Operator::lower`](crate::ops::Operator::lower) emits dispatches through.
pub struct Lowering<'a> {
    pub(super) inputs: Vec<Value>,
    pub(super) output: Value,
    pub(super) guard: Option<BufferRef>,
    pub(super) node: NodeId,
    pub(super) site: Site,
    pub(super) choice: Option<Choice>,
    pub(super) build: &'a mut (dyn Emit + 'a),
}

/// The part of [`Build`](super::lower) a [`Lowering`] uses; a trait so that its lifetime stays out of operators' signatures.
pub(super) trait Emit {
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
    /// kernels take their index from `flat_index` of `common/index.wgsl`. On software an invocation may run the kernel for several
    /// numbers, one after the other ([`Target::coarse_from`]).
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
        match n {
            Some(n) => self.coarse(n, kernel, placed),
            None => Ok(kernel),
        }
    }

    /// The kernel coarse instead, if that suits the adapter and `n` invocations.
    fn coarse(&self, n: usize, kernel: Arc<Kernel>, plain: Rewriting<'_>) -> Result<Arc<Kernel>> {
        // Elementwise dispatches may be joined: together they are large, and their parameters are not known yet.
        let joined = self.elementwise.is_some();
        if !self.build.target().coarse_from.is_some_and(|from| joined || n >= from) {
            return Ok(kernel);
        }
        let divisor = |&(name, value): &(&'static str, Define)| match value.counted() {
            Ok(Define::U32(value)) if kernel.divisors.iter().any(|divisor| divisor == name) => Some((name, value)),
            _ => None,
        };
        let constants: Vec<_> = self.params.iter().filter_map(divisor).filter(|_| !joined).collect();
        let coarse = Rewriting { constants: &constants, coarseness: COARSENESS, ..plain };
        Kernel::rewritten(self.shader, &self.defines, &self.parts, coarse)
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
