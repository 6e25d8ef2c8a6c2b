//! Inserts the checks. Each function is built anew, expression by expression in the order they are evaluated in; a check
//! is a call of one of the functions in `record.wgsl` just before what it checks. An entry point becomes a function that
//! is called by a new one, which knows the invocation before and reports after, wherever the old one returns.

use std::collections::HashMap;

use naga::valid::{Capabilities, FunctionInfo, ValidationFlags, Validator};
use naga::{
    AddressSpace, Arena, ArraySize, AtomicFunction, Barrier, BinaryOperator, Binding, Block, BuiltIn, EntryPoint,
    Expression, Function, FunctionArgument, GlobalVariable, Handle, Literal, LocalVariable, Module, Scalar, ScalarKind,
    Span, Statement, SwitchCase, Type, TypeInner, UniqueArena, VectorSize,
};

use super::lines::Lines;
use super::operands;
use super::{FaultKind, PADDED_BINDINGS, Sanitized, Site};
use crate::error::{Error, Result};
use crate::exec::{Shader, Target};
use crate::shader;

const RECORD: Shader = shader!("sanitizer/record.wgsl");
/// Elements of an array written at once that are looked at for NaN.
const LARGEST_WRITE: u32 = 64;

pub(super) fn rewrite(shader: &str, text: &str, target: &Target) -> Result<Sanitized> {
    let fail = |message: String| Error::Shader { shader: shader.to_string(), message };
    let joined = format!("{text}\n{}", RECORD.sources.concat());
    let module = naga::front::wgsl::parse_str(&joined).map_err(|e| fail(e.emit_to_string(&joined)))?;
    let info = validate(&module).map_err(|e| fail(e.emit_to_string(&joined)))?;
    let storage = |var: &GlobalVariable| matches!(var.space, AddressSpace::Storage { .. });
    // The faults' own is among them.
    let buffers = module.global_variables.iter().filter(|(_, var)| storage(var)).count() as u64;
    if buffers > u64::from(target.max_storage_buffers) {
        let has = target.max_storage_buffers;
        return Err(fail(format!("needs {buffers} storage buffers with the sanitizer's, the adapter has {has}")));
    }
    let sanitized = Rewriter::new(shader, text, module, target).and_then(|r| r.sanitized(&info)).map_err(fail)?;
    let valid = validate(&sanitized.module);
    valid.map_err(|e| fail(format!("is not valid any more once sanitised: {:?}", e.into_inner())))?;
    Ok(sanitized)
}

fn validate(module: &Module) -> Result<naga::valid::ModuleInfo, naga::WithSpan<naga::valid::ValidationError>> {
    Validator::new(ValidationFlags::all(), Capabilities::all()).validate(module)
}

/// What concerns the whole module.
struct Rewriter<'a> {
    shader: &'a str,
    lines: Lines<'a>,
    types: UniqueArena<Type>,
    module: Module,
    /// New functions by their old handles.
    functions: HashMap<Handle<Function>, Handle<Function>>,
    /// The functions of `record.wgsl`, by name.
    helpers: HashMap<String, Handle<Function>>,
    faults: Handle<GlobalVariable>,
    invocation: Handle<GlobalVariable>,
    /// The first flag of each workgroup variable.
    flags: HashMap<Handle<GlobalVariable>, u32>,
    sites: Vec<Site>,
    unchecked: Vec<String>,
}

impl<'a> Rewriter<'a> {
    fn new(shader: &'a str, text: &'a str, mut module: Module, target: &Target) -> Result<Self, String> {
        let lines = Lines::new(shader, text);
        let global = |name: &str| {
            let found = module.global_variables.iter().find(|(_, var)| var.name.as_deref() == Some(name));
            found.map(|(handle, _)| handle).ok_or_else(|| format!("declares no `{name}`"))
        };
        let (faults, written) = (global("knuckle_faults")?, global("knuckle_written")?);
        let invocation = global("knuckle_invocation")?;
        let mut unchecked = Vec::new();
        let mut flags = HashMap::new();
        let (mut count, mut bytes) = (0u32, 0u32);
        for (handle, var) in module.global_variables.iter() {
            if var.space != AddressSpace::WorkGroup || handle == written {
                continue;
            }
            bytes = bytes.saturating_add(module.types[var.ty].inner.size(module.to_ctx()));
            match scalars(&module.types, var.ty) {
                Some(n) => {
                    flags.insert(handle, count);
                    count = count.saturating_add(n);
                }
                None => {
                    let name = var.name.as_deref().unwrap_or_default();
                    unchecked
                        .push(format!("reads of `{name}` in {shader}: its size is not known when it is sanitised"));
                }
            }
        }
        let words = count.div_ceil(32).max(1);
        if count > 0 && bytes.saturating_add(4 * words) > target.max_workgroup_bytes {
            unchecked.push(format!(
                "reads of workgroup memory in {shader}: of {} bytes {bytes} are taken and {} would be needed",
                target.max_workgroup_bytes,
                4 * words
            ));
            flags.clear();
        }
        if !flags.is_empty() {
            let word = module.types.insert(Type { name: None, inner: TypeInner::Atomic(Scalar::U32) }, Span::UNDEFINED);
            let size = ArraySize::Constant(words.try_into().expect("at least one"));
            let inner = TypeInner::Array { base: word, size, stride: 4 };
            module.global_variables[written].ty = module.types.insert(Type { name: None, inner }, Span::UNDEFINED);
        }
        Ok(Rewriter {
            shader,
            lines,
            types: std::mem::take(&mut module.types),
            module,
            functions: HashMap::new(),
            helpers: HashMap::new(),
            faults,
            invocation,
            flags,
            sites: Vec::new(),
            unchecked,
        })
    }

    fn sanitized(mut self, info: &naga::valid::ModuleInfo) -> Result<Sanitized, String> {
        if self.module.entry_points.is_empty() {
            return Err("has no entry point".into());
        }
        if let Some(other) = self.module.entry_points.iter().find(|e| e.stage != naga::ShaderStage::Compute) {
            return Err(format!("`{}` is no compute shader", other.name));
        }
        let taken: Vec<u32> = self
            .module
            .global_variables
            .iter()
            .filter(|(handle, _)| *handle != self.faults)
            .filter_map(|(_, var)| var.binding.filter(|at| at.group == 0).map(|at| at.binding))
            .collect();
        let binding = (0..).find(|slot| !taken.contains(slot)).expect("there are more numbers than bindings");
        self.module.global_variables[self.faults].binding = Some(naga::ResourceBinding { group: 0, binding });

        // The checks come first, for a function may only call earlier ones.
        let old = std::mem::take(&mut self.module.functions);
        let mut new = Arena::new();
        let behind = self.lines.len();
        let of_record = |handle| old.get_span(handle).to_range().is_some_and(|range| range.start >= behind);
        for own in [true, false] {
            for (handle, function) in old.iter().filter(|(handle, _)| of_record(*handle) == own) {
                let rewritten = FunctionRewriter::new(&mut self, function, &info[handle], !own).function()?;
                let handle_now = new.append(rewritten, old.get_span(handle));
                self.functions.insert(handle, handle_now);
                if own {
                    self.helpers.insert(function.name.clone().unwrap_or_default(), handle_now);
                }
            }
        }
        let entry_points = std::mem::take(&mut self.module.entry_points);
        for (i, entry) in entry_points.iter().enumerate() {
            let function = &entry.function;
            let mut body = FunctionRewriter::new(&mut self, function, info.get_entry_point(i), true).function()?;
            body.arguments.iter_mut().for_each(|argument| argument.binding = None);
            let body = new.append(body, Span::UNDEFINED);
            let function = self.entry(&entry.function, body);
            self.module.entry_points.push(EntryPoint { function, ..entry.clone() });
        }
        self.module.functions = new;
        self.module.types = self.types;
        self.module.doc_comments = None;
        let (sites, unchecked) = (self.sites, self.unchecked);
        Ok(Sanitized { shader: self.shader.to_string(), module: self.module, binding, sites, unchecked })
    }

    /// An entry point that notes the invocation, calls `body` and reports.
    fn entry(&self, old: &Function, body: Handle<Function>) -> Function {
        let id = |binding: &Option<Binding>| *binding == Some(Binding::BuiltIn(BuiltIn::GlobalInvocationId));
        let mut arguments = old.arguments.clone();
        let mut expressions = Arena::new();
        let mut append = |expression| expressions.append(expression, Span::UNDEFINED);
        let mut passed: Vec<_> = (0..arguments.len() as u32).map(|i| append(Expression::FunctionArgument(i))).collect();
        let invocation = append(Expression::GlobalVariable(self.invocation));
        let mut statements = Vec::new();
        let member = |argument: &FunctionArgument| match &self.types[argument.ty].inner {
            TypeInner::Struct { members, .. } => members.iter().position(|m| id(&m.binding)),
            _ => None,
        };
        let inside = arguments.iter().enumerate().find_map(|(i, argument)| Some((i, member(argument)?)));
        let value = if let Some(i) = arguments.iter().position(|argument| id(&argument.binding)) {
            passed[i]
        } else if let Some((i, member)) = inside {
            let value = append(Expression::AccessIndex { base: passed[i], index: member as u32 });
            statements.push(Statement::Emit(naga::Range::new_from_bounds(value, value)));
            value
        } else {
            arguments.push(FunctionArgument {
                name: Some("knuckle_id".into()),
                ty: self.module.global_variables[self.invocation].ty,
                binding: Some(Binding::BuiltIn(BuiltIn::GlobalInvocationId)),
            });
            append(Expression::FunctionArgument(arguments.len() as u32 - 1))
        };
        passed.truncate(old.arguments.len());
        statements.extend([
            Statement::Store { pointer: invocation, value },
            Statement::Call { function: body, arguments: passed, result: None },
            Statement::Call { function: self.helpers["knuckle_report"], arguments: Vec::new(), result: None },
            Statement::Return { value: None },
        ]);
        Function {
            name: old.name.clone(),
            arguments,
            expressions,
            body: Block::from_vec(statements),
            diagnostic_filter_leaf: old.diagnostic_filter_leaf,
            ..Function::default()
        }
    }

    fn locate(&self, byte: usize) -> String {
        let (file, line) = self.lines.locate(byte);
        format!("{file}:{line}")
    }
}

/// How many scalars a value of the type has, if that is known.
fn scalars(types: &UniqueArena<Type>, ty: Handle<Type>) -> Option<u32> {
    match &types[ty].inner {
        TypeInner::Scalar(_) | TypeInner::Atomic(_) => Some(1),
        TypeInner::Vector { size, .. } => Some(*size as u32),
        TypeInner::Matrix { columns, rows, .. } => Some(*columns as u32 * *rows as u32),
        TypeInner::Array { base, size: ArraySize::Constant(n), .. } => scalars(types, *base)?.checked_mul(n.get()),
        TypeInner::Struct { members, .. } => {
            members.iter().try_fold(0u32, |sum, member| sum.checked_add(scalars(types, member.ty)?))
        }
        _ => None,
    }
}

/// How many elements something indexed has.
#[derive(Clone, Copy)]
enum Length {
    Fixed(u32),
    Override(Handle<naga::Override>),
    Runtime,
}

/// An element of an array that a pointer leads to or into.
struct Place {
    /// The variable, if it is a global one.
    global: Option<Handle<GlobalVariable>>,
    /// The `Access` or `AccessIndex` of the innermost array.
    element: Option<Handle<Expression>>,
    variable: String,
    member: String,
}

/// Builds one function anew.
struct FunctionRewriter<'r, 'a> {
    rewriter: &'r mut Rewriter<'a>,
    old: &'r Function,
    info: &'r FunctionInfo,
    checks: bool,
    expressions: Arena<Expression>,
    /// New expressions by the index of the old ones.
    map: Vec<Option<Handle<Expression>>>,
    literals: HashMap<u32, Handle<Expression>>,
    /// Index and length at an `Access`.
    elements: HashMap<Handle<Expression>, (Handle<Expression>, Handle<Expression>)>,
    block: Block,
    /// Expressions from here on are not emitted yet.
    pending: usize,
}

impl<'r, 'a> FunctionRewriter<'r, 'a> {
    fn new(rewriter: &'r mut Rewriter<'a>, old: &'r Function, info: &'r FunctionInfo, checks: bool) -> Self {
        FunctionRewriter {
            rewriter,
            old,
            info,
            checks,
            expressions: Arena::new(),
            map: vec![None; old.expressions.len()],
            literals: HashMap::new(),
            elements: HashMap::new(),
            block: Block::new(),
            pending: 0,
        }
    }

    fn function(mut self) -> Result<Function, String> {
        for (handle, expression) in self.old.expressions.iter() {
            if operands::stands_alone(expression) {
                let expression = self.copied(handle, &HashMap::new())?;
                let new = self.expressions.append(expression, self.old.expressions.get_span(handle));
                self.map[handle.index()] = Some(new);
            }
        }
        let mut locals = Arena::new();
        for (handle, local) in self.old.local_variables.iter() {
            let init = local.init.map(|init| self.constant(init)).transpose()?;
            locals.append(LocalVariable { init, ..local.clone() }, self.old.local_variables.get_span(handle));
        }
        self.pending = self.expressions.len();
        let body = self.block(&self.old.body)?;
        let names = self.old.named_expressions.iter();
        let named = names.filter_map(|(old, name)| Some((self.map[old.index()]?, name.clone()))).collect();
        Ok(Function {
            name: self.old.name.clone(),
            arguments: self.old.arguments.clone(),
            result: self.old.result.clone(),
            local_variables: locals,
            expressions: self.expressions,
            named_expressions: named,
            body,
            diagnostic_filter_leaf: self.old.diagnostic_filter_leaf,
        })
    }

    /// A constant expression, there from the start: what a local variable begins with.
    fn constant(&mut self, old: Handle<Expression>) -> Result<Handle<Expression>, String> {
        if let Some(new) = self.map[old.index()] {
            return Ok(new);
        }
        let mut operands = Vec::new();
        operands::visit(&mut self.old.expressions[old].clone(), &mut |operand| operands.push(*operand));
        let mut own = HashMap::new();
        for operand in operands {
            own.insert(operand, self.constant(operand)?);
        }
        let expression = self.copied(old, &own)?;
        Ok(self.expressions.append(expression, self.old.expressions.get_span(old)))
    }

    /// The expression with new operands, those of `own` first.
    fn copied(
        &self,
        old: Handle<Expression>,
        own: &HashMap<Handle<Expression>, Handle<Expression>>,
    ) -> Result<Expression, String> {
        let mut expression = self.old.expressions[old].clone();
        let mut missing = false;
        let known = operands::visit(&mut expression, &mut |operand| match own
            .get(operand)
            .copied()
            .or(self.map[operand.index()])
        {
            Some(new) => *operand = new,
            None => missing = true,
        });
        if let Expression::CallResult(function) = &mut expression {
            *function = self.rewriter.functions[function];
        }
        match (known, missing) {
            (true, false) => Ok(expression),
            (false, _) => Err(format!("{} uses what the sanitizer does not know", self.location(old))),
            (true, true) => Err(format!("{} uses a value before it is computed", self.location(old))),
        }
    }

    fn location(&self, old: Handle<Expression>) -> String {
        let span = self.old.expressions.get_span(old);
        self.rewriter.locate(span.to_range().map_or(0, |range| range.start))
    }

    /// The new expression of an old one.
    fn get(&self, old: Handle<Expression>) -> Result<Handle<Expression>, String> {
        self.map[old.index()].ok_or_else(|| format!("{} is used before it is computed", self.location(old)))
    }

    fn get_maybe(&self, old: Option<Handle<Expression>>) -> Result<Option<Handle<Expression>>, String> {
        old.map(|old| self.get(old)).transpose()
    }

    /// Emits what is pending.
    fn flush(&mut self) {
        if self.expressions.len() > self.pending {
            let range = self.expressions.range_from(self.pending);
            self.block.push(Statement::Emit(range), Span::UNDEFINED);
            self.pending = self.expressions.len();
        }
    }

    /// An expression to be emitted.
    fn emit(&mut self, expression: Expression) -> Handle<Expression> {
        self.expressions.append(expression, Span::UNDEFINED)
    }

    /// An expression that is not emitted.
    fn alone(&mut self, expression: Expression) -> Handle<Expression> {
        self.flush();
        let handle = self.expressions.append(expression, Span::UNDEFINED);
        self.pending = self.expressions.len();
        handle
    }

    fn literal(&mut self, value: u32) -> Handle<Expression> {
        if let Some(&handle) = self.literals.get(&value) {
            return handle;
        }
        let handle = self.alone(Expression::Literal(Literal::U32(value)));
        self.literals.insert(value, handle);
        handle
    }

    fn call(&mut self, helper: &str, arguments: Vec<Handle<Expression>>) {
        self.flush();
        let function = self.rewriter.helpers[helper];
        self.block.push(Statement::Call { function, arguments, result: None }, Span::UNDEFINED);
    }

    fn call_for(&mut self, helper: &str, arguments: Vec<Handle<Expression>>) -> Handle<Expression> {
        let function = self.rewriter.helpers[helper];
        let result = self.alone(Expression::CallResult(function));
        self.block.push(Statement::Call { function, arguments, result: Some(result) }, Span::UNDEFINED);
        result
    }

    /// The number of a new site at a byte of the text.
    fn site(&mut self, kind: FaultKind, byte: usize, variable: String, member: String) -> Handle<Expression> {
        let (file, line) = self.rewriter.lines.locate(byte);
        self.rewriter.sites.push(Site { kind, file, line, variable, member, signed: false });
        self.literal(self.rewriter.sites.len() as u32 - 1)
    }

    fn unchecked(&mut self, what: &str, byte: usize) {
        let at = self.rewriter.locate(byte);
        self.rewriter.unchecked.push(format!("{at}: {what}"));
    }

    fn inner(&self, old: Handle<Expression>) -> &TypeInner {
        self.info[old].ty.inner_with(&self.rewriter.types)
    }

    /// The type of a value, or of what a pointer points at if it has a handle.
    fn pointee(&self, old: Handle<Expression>) -> &TypeInner {
        match *self.inner(old) {
            TypeInner::Pointer { base, .. } => &self.rewriter.types[base].inner,
            ref inner => inner,
        }
    }

    fn length(&self, base: Handle<Expression>) -> Option<Length> {
        match *self.pointee(base) {
            TypeInner::Array { size, .. } => Some(match size {
                ArraySize::Constant(n) => Length::Fixed(n.get()),
                ArraySize::Pending(size) => Length::Override(size),
                ArraySize::Dynamic => Length::Runtime,
            }),
            TypeInner::Vector { size, .. } | TypeInner::ValuePointer { size: Some(size), .. } => {
                Some(Length::Fixed(size as u32))
            }
            TypeInner::Matrix { columns, .. } => Some(Length::Fixed(columns as u32)),
            _ => None,
        }
    }

    fn length_of(&mut self, length: Length, base: Handle<Expression>) -> Result<Handle<Expression>, String> {
        Ok(match length {
            Length::Fixed(n) => self.literal(n),
            Length::Override(size) => {
                let expr = self.alone(Expression::Override(size));
                match self.rewriter.types[self.rewriter.module.overrides[size].ty].inner {
                    TypeInner::Scalar(Scalar::U32) => expr,
                    _ => self.emit(Expression::As { expr, kind: ScalarKind::Uint, convert: Some(4) }),
                }
            }
            Length::Runtime => {
                let array = self.get(base)?;
                self.emit(Expression::ArrayLength(array))
            }
        })
    }

    fn block(&mut self, old: &Block) -> Result<Block, String> {
        let outer = std::mem::take(&mut self.block);
        for (statement, span) in old.span_iter() {
            self.statement(statement, *span)?;
        }
        self.flush();
        Ok(std::mem::replace(&mut self.block, outer))
    }

    fn statement(&mut self, statement: &Statement, span: Span) -> Result<(), String> {
        let byte = span.to_range().map_or(0, |range| range.start);
        let new = match *statement {
            Statement::Emit(ref range) => {
                for old in range.clone() {
                    let new = self.expression(old)?;
                    self.map[old.index()] = Some(new);
                }
                self.flush();
                return Ok(());
            }
            Statement::Block(ref block) => Statement::Block(self.block(block)?),
            Statement::If { condition, ref accept, ref reject } => Statement::If {
                condition: self.get(condition)?,
                accept: self.block(accept)?,
                reject: self.block(reject)?,
            },
            Statement::Switch { selector, ref cases } => {
                let selector = self.get(selector)?;
                let case = |case: &SwitchCase| {
                    let SwitchCase { value, ref body, fall_through } = *case;
                    Ok(SwitchCase { value, body: self.block(body)?, fall_through })
                };
                Statement::Switch { selector, cases: cases.iter().map(case).collect::<Result<_, String>>()? }
            }
            Statement::Loop { ref body, ref continuing, break_if } => {
                let (body, continuing) = (self.block(body)?, self.block(continuing)?);
                Statement::Loop { body, continuing, break_if: self.get_maybe(break_if)? }
            }
            Statement::Break => Statement::Break,
            Statement::Continue => Statement::Continue,
            Statement::Kill => Statement::Kill,
            Statement::Return { value } => Statement::Return { value: self.get_maybe(value)? },
            Statement::ControlBarrier(barrier) => Statement::ControlBarrier(barrier),
            Statement::MemoryBarrier(barrier) => Statement::MemoryBarrier(barrier),
            Statement::Store { pointer, value } => {
                match self.inner(pointer).pointer_space() {
                    Some(AddressSpace::Storage { .. }) => self.check_finite(pointer, value, byte)?,
                    Some(AddressSpace::WorkGroup) => self.mark_written(pointer)?,
                    _ => {}
                }
                Statement::Store { pointer: self.get(pointer)?, value: self.get(value)? }
            }
            Statement::ImageStore { image, coordinate, array_index, value } => Statement::ImageStore {
                image: self.get(image)?,
                coordinate: self.get(coordinate)?,
                array_index: self.get_maybe(array_index)?,
                value: self.get(value)?,
            },
            Statement::Atomic { pointer, fun, value, result } => {
                if self.inner(pointer).pointer_space() == Some(AddressSpace::WorkGroup) {
                    if !matches!(fun, AtomicFunction::Exchange { compare: None }) {
                        self.check_written(pointer, byte)?;
                    }
                    self.mark_written(pointer)?;
                }
                Statement::Atomic {
                    pointer: self.get(pointer)?,
                    fun: self.atomic(fun)?,
                    value: self.get(value)?,
                    result: self.get_maybe(result)?,
                }
            }
            Statement::ImageAtomic { image, coordinate, array_index, fun, value } => Statement::ImageAtomic {
                image: self.get(image)?,
                coordinate: self.get(coordinate)?,
                array_index: self.get_maybe(array_index)?,
                fun: self.atomic(fun)?,
                value: self.get(value)?,
            },
            Statement::WorkGroupUniformLoad { pointer, result } => {
                // It waits for the writers first, so the check must.
                self.flush();
                self.block.push(Statement::ControlBarrier(Barrier::WORK_GROUP), span);
                self.check_written(pointer, byte)?;
                Statement::WorkGroupUniformLoad { pointer: self.get(pointer)?, result: self.get(result)? }
            }
            Statement::Call { function, ref arguments, result } => Statement::Call {
                function: self.rewriter.functions[&function],
                arguments: arguments.iter().map(|&old| self.get(old)).collect::<Result<_, _>>()?,
                result: self.get_maybe(result)?,
            },
            Statement::SubgroupBallot { result, predicate } => {
                Statement::SubgroupBallot { result: self.get(result)?, predicate: self.get_maybe(predicate)? }
            }
            Statement::SubgroupGather { mode, argument, result } => {
                use naga::GatherMode as Mode;
                let mode = match mode {
                    Mode::BroadcastFirst | Mode::QuadSwap(_) => mode,
                    Mode::Broadcast(lane) => Mode::Broadcast(self.get(lane)?),
                    Mode::Shuffle(lane) => Mode::Shuffle(self.get(lane)?),
                    Mode::ShuffleDown(lanes) => Mode::ShuffleDown(self.get(lanes)?),
                    Mode::ShuffleUp(lanes) => Mode::ShuffleUp(self.get(lanes)?),
                    Mode::ShuffleXor(mask) => Mode::ShuffleXor(self.get(mask)?),
                    Mode::QuadBroadcast(lane) => Mode::QuadBroadcast(self.get(lane)?),
                };
                Statement::SubgroupGather { mode, argument: self.get(argument)?, result: self.get(result)? }
            }
            Statement::SubgroupCollectiveOperation { op, collective_op, argument, result } => {
                let (argument, result) = (self.get(argument)?, self.get(result)?);
                Statement::SubgroupCollectiveOperation { op, collective_op, argument, result }
            }
            Statement::RayQuery { .. } | Statement::RayPipelineFunction(_) | Statement::CooperativeStore { .. } => {
                return Err(format!("{} does what the sanitizer does not know", self.rewriter.locate(byte)));
            }
        };
        self.flush();
        self.block.push(new, span);
        Ok(())
    }

    fn atomic(&self, fun: AtomicFunction) -> Result<AtomicFunction, String> {
        Ok(match fun {
            AtomicFunction::Exchange { compare } => AtomicFunction::Exchange { compare: self.get_maybe(compare)? },
            other => other,
        })
    }

    /// Evaluates an expression as the old function did there, checked.
    fn expression(&mut self, old: Handle<Expression>) -> Result<Handle<Expression>, String> {
        if self.checks {
            let range = self.old.expressions.get_span(old).to_range().unwrap_or_default();
            match self.old.expressions[old] {
                Expression::Access { base, index } => {
                    let fits = match *self.inner(index) {
                        TypeInner::Scalar(Scalar { kind: kind @ (ScalarKind::Uint | ScalarKind::Sint), width: 4 }) => {
                            Some(kind)
                        }
                        _ => None,
                    };
                    if let (Some(length), Some(kind)) = (self.length(base), fits) {
                        let index = self.get(index)?;
                        return self.access(old, (base, length), (index, kind), range.start);
                    }
                    self.unchecked("an index into something that the sanitizer does not know", range.start);
                }
                Expression::AccessIndex { base, index } => {
                    if let Some(length @ Length::Runtime) = self.length(base) {
                        let index = self.literal(index);
                        return self.access(old, (base, length), (index, ScalarKind::Uint), range.start);
                    }
                }
                Expression::Binary { op: BinaryOperator::Divide | BinaryOperator::Modulo, left, right } => {
                    // The line of the divisor is where the expression ends.
                    let byte = range.end.saturating_sub(1).max(range.start);
                    if let Some(divisor) = self.divisor(left, right, byte)? {
                        let Expression::Binary { op, .. } = self.old.expressions[old] else { unreachable!() };
                        let left = self.get(left)?;
                        return Ok(self.emit(Expression::Binary { op, left, right: divisor }));
                    }
                }
                Expression::Load { pointer }
                    if self.inner(pointer).pointer_space() == Some(AddressSpace::WorkGroup) =>
                {
                    self.check_written(pointer, range.start)?;
                }
                _ => {}
            }
        }
        let expression = self.copied(old, &HashMap::new())?;
        Ok(self.expressions.append(expression, self.old.expressions.get_span(old)))
    }

    /// `base[index]` with the index checked.
    fn access(
        &mut self,
        old: Handle<Expression>,
        (base, length): (Handle<Expression>, Length),
        (index, kind): (Handle<Expression>, ScalarKind),
        byte: usize,
    ) -> Result<Handle<Expression>, String> {
        let site = self.site(FaultKind::OutOfRange, byte, self.path(base), String::new());
        if let Some(site) = self.rewriter.sites.last_mut() {
            site.signed = kind == ScalarKind::Sint;
        }
        let index = match kind {
            ScalarKind::Sint => self.emit(Expression::As { expr: index, kind: ScalarKind::Uint, convert: None }),
            _ => index,
        };
        let length = self.length_of(length, base)?;
        let index = self.call_for("knuckle_check_index", vec![site, index, length]);
        self.elements.insert(old, (index, length));
        let base = self.get(base)?;
        Ok(self.emit(Expression::Access { base, index }))
    }

    /// A divisor that is safe, if it has to be checked.
    fn divisor(
        &mut self,
        left: Handle<Expression>,
        right: Handle<Expression>,
        byte: usize,
    ) -> Result<Option<Handle<Expression>>, String> {
        let (size, scalar) = match *self.inner(right) {
            TypeInner::Scalar(scalar) => (None, scalar),
            TypeInner::Vector { size, scalar } => (Some(size), scalar),
            _ => return Ok(None),
        };
        let check = match scalar {
            Scalar::U32 => "knuckle_check_divisor_u32",
            Scalar::I32 => "knuckle_check_divisor_i32",
            Scalar { kind: ScalarKind::Sint | ScalarKind::Uint, .. } => {
                self.unchecked("a division of integers that are not 32 bits wide", byte);
                return Ok(None);
            }
            _ => return Ok(None),
        };
        if self.known(right).is_some_and(|values| values.iter().all(|v| !matches!(v, 0 | -1))) {
            return Ok(None);
        }
        let site = self.site(FaultKind::DivisionByZero, byte, self.path(right), String::new());
        let components = self.literal(size.map_or(1, |n| n as u32));
        let (old_right, left, right) = (right, self.get(left)?, self.get(right)?);
        let Some(size) = size else {
            let zero = self.literal(0);
            return Ok(Some(self.call_for(check, vec![site, zero, components, left, right])));
        };
        let mut safe = Vec::new();
        for index in 0..size as u32 {
            let component = self.literal(index);
            let of_left = self.emit(Expression::AccessIndex { base: left, index });
            let of_right = self.emit(Expression::AccessIndex { base: right, index });
            safe.push(self.call_for(check, vec![site, component, components, of_left, of_right]));
        }
        let ty = self.info[old_right].ty.handle().unwrap_or_else(|| {
            let inner = TypeInner::Vector { size, scalar };
            self.rewriter.types.insert(Type { name: None, inner }, Span::UNDEFINED)
        });
        Ok(Some(self.emit(Expression::Compose { ty, components: safe })))
    }

    /// The values of an integer expression that is constant.
    fn known(&self, old: Handle<Expression>) -> Option<Vec<i64>> {
        fn values(module: &Module, arena: &Arena<Expression>, at: Handle<Expression>) -> Option<Vec<i64>> {
            match &arena[at] {
                Expression::Literal(Literal::U32(v)) => Some(vec![i64::from(*v)]),
                Expression::Literal(Literal::I32(v)) => Some(vec![i64::from(*v)]),
                Expression::Constant(c) => values(module, &module.global_expressions, module.constants[*c].init),
                Expression::ZeroValue(_) => Some(vec![0]),
                Expression::Splat { value, .. } => values(module, arena, *value),
                Expression::Compose { components, .. } => {
                    let all: Option<Vec<_>> = components.iter().map(|&c| values(module, arena, c)).collect();
                    all.map(|all| all.concat())
                }
                _ => None,
            }
        }
        values(&self.rewriter.module, &self.old.expressions, old)
    }

    /// How the shader names a value or what a pointer leads to.
    fn path(&self, old: Handle<Expression>) -> String {
        let named = |name: &Option<String>| name.clone().unwrap_or_else(|| "_".into());
        let expression = &self.old.expressions[old];
        if let Some(name) = self.old.named_expressions.get(&old)
            && self.inner(old).pointer_space().is_none()
        {
            return name.clone();
        }
        match *expression {
            Expression::GlobalVariable(var) => named(&self.rewriter.module.global_variables[var].name),
            Expression::LocalVariable(var) => named(&self.old.local_variables[var].name),
            Expression::FunctionArgument(i) => named(&self.old.arguments[i as usize].name),
            Expression::Constant(c) => named(&self.rewriter.module.constants[c].name),
            Expression::Override(o) => named(&self.rewriter.module.overrides[o].name),
            Expression::Literal(Literal::U32(v)) => v.to_string(),
            Expression::Literal(Literal::I32(v)) => v.to_string(),
            Expression::Load { pointer } => self.path(pointer),
            Expression::Splat { value, .. } => self.path(value),
            Expression::Access { base, index } => format!("{}[{}]", self.path(base), self.path(index)),
            Expression::AccessIndex { base, index } => self.path(base) + &self.step(base, index),
            _ => match self.old.expressions.get_span(old).to_range() {
                Some(range) => self.rewriter.lines.excerpt(range),
                None => "(an expression)".into(),
            },
        }
    }

    /// How the shader writes component, member or element `index` of `base`.
    fn step(&self, base: Handle<Expression>, index: u32) -> String {
        match self.pointee(base) {
            TypeInner::Struct { members, .. } => {
                format!(".{}", members[index as usize].name.as_deref().unwrap_or("_"))
            }
            TypeInner::Vector { .. } | TypeInner::ValuePointer { .. } => {
                format!(".{}", ["x", "y", "z", "w"][index as usize % 4])
            }
            _ => format!("[{index}]"),
        }
    }

    /// The innermost array element that a pointer leads to or into.
    fn place(&self, pointer: Handle<Expression>) -> Place {
        let mut place = Place { global: None, element: None, variable: String::new(), member: String::new() };
        let mut at = pointer;
        loop {
            let (base, step) = match self.old.expressions[at] {
                Expression::Access { base, index } => (base, format!("[{}]", self.path(index))),
                Expression::AccessIndex { base, index } => (base, self.step(base, index)),
                Expression::GlobalVariable(var) => {
                    place.global = Some(var);
                    break;
                }
                _ => break,
            };
            if place.element.is_none() {
                if matches!(self.pointee(base), TypeInner::Array { .. }) {
                    place.element = Some(at);
                    place.variable = self.path(base);
                } else {
                    place.member.insert_str(0, &step);
                }
            }
            at = base;
        }
        if place.element.is_none() {
            place.variable = self.path(pointer);
            place.member.clear();
        }
        place
    }

    /// Index and length at an `Access` or `AccessIndex`.
    fn element(&mut self, at: Option<Handle<Expression>>) -> Result<(Handle<Expression>, Handle<Expression>), String> {
        if let Some(at) = at {
            if let Some(&known) = self.elements.get(&at) {
                return Ok(known);
            }
            if let Expression::AccessIndex { base, index } = self.old.expressions[at]
                && let Some(length) = self.length(base)
            {
                let length = self.length_of(length, base)?;
                return Ok((self.literal(index), length));
            }
        }
        Ok((self.literal(0), self.literal(1)))
    }

    /// Before a store to a storage buffer.
    fn check_finite(
        &mut self,
        pointer: Handle<Expression>,
        value: Handle<Expression>,
        byte: usize,
    ) -> Result<(), String> {
        if !self.checks {
            return Ok(());
        }
        let new = self.get(value)?;
        let ty = Shape::of(self.inner(value));
        let mut parts = Vec::new();
        if !self.float_bits(new, ty, &mut parts) {
            self.unchecked("a large array written at once is not looked at for NaN", byte);
        }
        if parts.is_empty() {
            return Ok(());
        }
        let place = self.place(pointer);
        let (binding, width) = self.padded(pointer, &place).unwrap_or((PADDED_BINDINGS as u32, 4));
        let (index, length) = self.element(place.element)?;
        let site = self.site(FaultKind::NotFinite, byte, place.variable, place.member);
        let [binding, width] = [binding, width].map(|n| self.literal(n));
        for (bits, lanes) in parts {
            let lanes = self.literal(lanes);
            self.call("knuckle_check_finite", vec![site, index, length, binding, width, lanes, bits]);
        }
        Ok(())
    }

    /// The binding, and the bytes of a component, if a store through `pointer` writes a whole vector that padding may lie in.
    fn padded(&self, pointer: Handle<Expression>, place: &Place) -> Option<(u32, u32)> {
        let (Expression::Access { base, .. } | Expression::AccessIndex { base, .. }) = self.old.expressions[pointer]
        else {
            return None;
        };
        let Expression::GlobalVariable(var) = self.old.expressions[base] else { return None };
        let at = self.rewriter.module.global_variables[var].binding?;
        let TypeInner::Vector {
            size: VectorSize::Bi | VectorSize::Quad,
            scalar: Scalar { width: width @ (2 | 4), .. },
        } = *self.pointee(pointer)
        else {
            return None;
        };
        (place.element == Some(pointer) && at.group == 0 && at.binding < PADDED_BINDINGS as u32)
            .then_some((at.binding, width.into()))
    }

    /// The floats in a value as four words each time, with how many of them count; `false` if some are left out.
    fn float_bits(&mut self, value: Handle<Expression>, ty: Shape, parts: &mut Vec<(Handle<Expression>, u32)>) -> bool {
        match ty {
            Shape::Vector(lanes, Scalar { kind: ScalarKind::Float, width: width @ (2 | 4) }) => {
                let mut value = value;
                if width == 2 {
                    value = self.emit(Expression::As { expr: value, kind: ScalarKind::Float, convert: Some(4) });
                }
                let bits = self.emit(Expression::As { expr: value, kind: ScalarKind::Uint, convert: None });
                let inner = TypeInner::Vector { size: VectorSize::Quad, scalar: Scalar::U32 };
                let ty = self.rewriter.types.insert(Type { name: None, inner }, Span::UNDEFINED);
                let four = match lanes {
                    1 => self.emit(Expression::Splat { size: VectorSize::Quad, value: bits }),
                    2 => self.emit(Expression::Compose { ty, components: vec![bits, bits] }),
                    3 => {
                        let first = self.emit(Expression::AccessIndex { base: bits, index: 0 });
                        self.emit(Expression::Compose { ty, components: vec![bits, first] })
                    }
                    _ => bits,
                };
                parts.push((four, lanes));
                true
            }
            Shape::Vector(_, Scalar { kind: ScalarKind::Float, .. }) => false,
            Shape::Vector(..) => true,
            Shape::Matrix(columns, rows, scalar) => (0..columns)
                .map(|index| {
                    let column = self.emit(Expression::AccessIndex { base: value, index });
                    self.float_bits(column, Shape::Vector(rows, scalar), parts)
                })
                .fold(true, |all, one| all & one),
            Shape::Array(base, n) => {
                let ty = Shape::of(&self.rewriter.types[base].inner);
                if !self.has_floats(base) {
                    return true;
                }
                let mut all = n <= LARGEST_WRITE;
                for index in 0..n.min(LARGEST_WRITE) {
                    let element = self.emit(Expression::AccessIndex { base: value, index });
                    all &= self.float_bits(element, ty.clone(), parts);
                }
                all
            }
            Shape::Struct(members) => {
                let mut all = true;
                for (index, ty) in members.into_iter().enumerate() {
                    if self.has_floats(ty) {
                        let ty = Shape::of(&self.rewriter.types[ty].inner);
                        let member = self.emit(Expression::AccessIndex { base: value, index: index as u32 });
                        all &= self.float_bits(member, ty, parts);
                    }
                }
                all
            }
            Shape::Other => true,
        }
    }

    fn has_floats(&self, ty: Handle<Type>) -> bool {
        match Shape::of(&self.rewriter.types[ty].inner) {
            Shape::Vector(_, scalar) | Shape::Matrix(_, _, scalar) => scalar.kind == ScalarKind::Float,
            Shape::Array(base, _) => self.has_floats(base),
            Shape::Struct(members) => members.iter().any(|&member| self.has_floats(member)),
            Shape::Other => false,
        }
    }

    /// The first flag and the number of flags of the workgroup memory a pointer leads to.
    fn flags(&mut self, pointer: Handle<Expression>) -> Result<Option<[Handle<Expression>; 2]>, String> {
        let mut steps = Vec::new();
        let mut at = pointer;
        while let Expression::Access { base, .. } | Expression::AccessIndex { base, .. } = self.old.expressions[at] {
            steps.push(at);
            at = base;
        }
        let Expression::GlobalVariable(var) = self.old.expressions[at] else { return Ok(None) };
        let Some(&first) = self.rewriter.flags.get(&var) else { return Ok(None) };
        let mut ty = Shape::of(&self.rewriter.types[self.rewriter.module.global_variables[var].ty].inner);
        let mut count = scalars(&self.rewriter.types, self.rewriter.module.global_variables[var].ty);
        let mut fixed = first;
        let mut varying = Vec::new();
        for at in steps.into_iter().rev() {
            let types = &self.rewriter.types;
            let constant = match self.old.expressions[at] {
                Expression::AccessIndex { index, .. } => Some(index),
                _ => None,
            };
            let (each, inside) = match &ty {
                Shape::Struct(members) => {
                    let index = constant.unwrap_or_default() as usize;
                    for &member in &members[..index] {
                        fixed += scalars(types, member).unwrap_or_default();
                    }
                    count = scalars(types, members[index]);
                    ty = Shape::of(&types[members[index]].inner);
                    continue;
                }
                Shape::Array(base, _) => (scalars(types, *base).unwrap_or_default(), Shape::of(&types[*base].inner)),
                Shape::Matrix(_, rows, scalar) => (*rows, Shape::Vector(*rows, *scalar)),
                Shape::Vector(_, scalar) => (1, Shape::Vector(1, *scalar)),
                Shape::Other => return Ok(None),
            };
            match constant {
                Some(index) => fixed += index * each,
                None => varying.push((self.elements.get(&at).map(|e| e.0), each)),
            }
            (count, ty) = (Some(each), inside);
        }
        let Some(count) = count else { return Ok(None) };
        let mut sum = self.literal(fixed);
        for (index, each) in varying {
            let Some(index) = index else { return Ok(None) };
            let each = self.literal(each);
            let product = self.emit(Expression::Binary { op: BinaryOperator::Multiply, left: index, right: each });
            sum = self.emit(Expression::Binary { op: BinaryOperator::Add, left: sum, right: product });
        }
        Ok(Some([sum, self.literal(count)]))
    }

    /// Before a read of workgroup memory.
    fn check_written(&mut self, pointer: Handle<Expression>, byte: usize) -> Result<(), String> {
        if self.checks
            && let Some([first, count]) = self.flags(pointer)?
        {
            let place = self.place(pointer);
            let (index, length) = self.element(place.element)?;
            let site = self.site(FaultKind::Unwritten, byte, place.variable, place.member);
            self.call("knuckle_check_written", vec![site, index, length, first, count]);
        }
        Ok(())
    }

    /// At a write of workgroup memory.
    fn mark_written(&mut self, pointer: Handle<Expression>) -> Result<(), String> {
        if self.checks
            && let Some(flags) = self.flags(pointer)?
        {
            self.call("knuckle_mark_written", flags.to_vec());
        }
        Ok(())
    }
}

/// What the sanitizer wants to know of a type. A scalar is a vector of one, an atomic a scalar.
#[derive(Clone)]
enum Shape {
    Vector(u32, Scalar),
    Matrix(u32, u32, Scalar),
    Array(Handle<Type>, u32),
    Struct(Vec<Handle<Type>>),
    Other,
}

impl Shape {
    fn of(inner: &TypeInner) -> Shape {
        match *inner {
            TypeInner::Scalar(scalar) | TypeInner::Atomic(scalar) => Shape::Vector(1, scalar),
            TypeInner::Vector { size, scalar } => Shape::Vector(size as u32, scalar),
            TypeInner::Matrix { columns, rows, scalar } => Shape::Matrix(columns as u32, rows as u32, scalar),
            TypeInner::Array { base, size: ArraySize::Constant(n), .. } => Shape::Array(base, n.get()),
            TypeInner::Struct { ref members, .. } => Shape::Struct(members.iter().map(|m| m.ty).collect()),
            _ => Shape::Other,
        }
    }
}
