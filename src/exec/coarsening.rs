//! For adapters that pay much for every invocation and every integer division, software that is: invocations that do the work of
//! several, one after the other (thread coarsening; Magni et al. 2014, "Automatic Optimization of Thread-Coarsening for
//! Graphics Processors"), and divide by constants. Kernels are written without; their text is changed here.

use std::collections::{BTreeSet, HashMap};

use naga::{BinaryOperator, Block, BuiltIn, Expression, Function, Handle, Literal, Module, ScalarKind, Statement};

use super::text::{closing, is_name, is_word, without_comments, words};

/// The members of the uniform struct that a kernel divides by, itself or in what it makes a divisor of, functions it calls
/// included.
pub(super) fn divisors(module: &Module) -> Vec<String> {
    let functions = || {
        let named = module.functions.iter().map(|(handle, function)| (Some(handle), function));
        named.chain(module.entry_points.iter().map(|entry| (None, &entry.function)))
    };
    let mut found = Divisors { module, members: BTreeSet::new(), arguments: HashMap::new() };
    loop {
        let before = found.size();
        functions().for_each(|(handle, function)| found.look(handle, function));
        if found.size() == before {
            break;
        }
    }
    found.members.into_iter().collect()
}

/// What is known to be divided by.
struct Divisors<'m> {
    module: &'m Module,
    members: BTreeSet<String>,
    arguments: HashMap<Handle<Function>, BTreeSet<u32>>,
}

impl Divisors<'_> {
    fn size(&self) -> usize {
        self.members.len() + self.arguments.values().map(BTreeSet::len).sum::<usize>()
    }

    fn look(&mut self, handle: Option<Handle<Function>>, function: &Function) {
        for (_, expression) in function.expressions.iter() {
            if let Expression::Binary { op: BinaryOperator::Divide | BinaryOperator::Modulo, right, .. } = *expression {
                self.made_of(handle, function, right);
            }
        }
        self.look_at_calls(handle, function, &function.body);
    }

    fn look_at_calls(&mut self, handle: Option<Handle<Function>>, function: &Function, block: &Block) {
        for statement in block {
            match statement {
                Statement::Call { function: callee, arguments, .. } => {
                    for i in self.arguments.get(callee).cloned().unwrap_or_default() {
                        self.made_of(handle, function, arguments[i as usize]);
                    }
                }
                Statement::Block(block) => self.look_at_calls(handle, function, block),
                Statement::If { accept, reject, .. } => {
                    [accept, reject].into_iter().for_each(|block| self.look_at_calls(handle, function, block));
                }
                Statement::Switch { cases, .. } => {
                    cases.iter().for_each(|case| self.look_at_calls(handle, function, &case.body));
                }
                Statement::Loop { body, continuing, .. } => {
                    [body, continuing].into_iter().for_each(|block| self.look_at_calls(handle, function, block));
                }
                _ => {}
            }
        }
    }

    /// Notes what an integer divisor is made of.
    fn made_of(&mut self, handle: Option<Handle<Function>>, function: &Function, at: Handle<Expression>) {
        match function.expressions[at] {
            Expression::FunctionArgument(i) => {
                handle.map(|handle| self.arguments.entry(handle).or_default().insert(i));
            }
            Expression::Load { pointer } => self.members.extend(self.uniform_member(function, pointer)),
            Expression::Binary { left, right, .. } => {
                [left, right].into_iter().for_each(|e| self.made_of(handle, function, e))
            }
            Expression::Select { accept, reject, .. } => {
                [accept, reject].into_iter().for_each(|e| self.made_of(handle, function, e));
            }
            Expression::Math { arg, arg1, arg2, .. } => {
                [Some(arg), arg1, arg2].into_iter().flatten().for_each(|e| self.made_of(handle, function, e));
            }
            Expression::As { expr, kind: ScalarKind::Uint | ScalarKind::Sint, .. } => {
                self.made_of(handle, function, expr)
            }
            _ => {}
        }
    }

    /// The name of the u32 in the uniform struct that a pointer leads to.
    fn uniform_member(&self, function: &Function, pointer: Handle<Expression>) -> Option<String> {
        let Expression::AccessIndex { base, index } = function.expressions[pointer] else { return None };
        let Expression::GlobalVariable(global) = function.expressions[base] else { return None };
        let var = &self.module.global_variables[global];
        let naga::TypeInner::Struct { members, .. } = &self.module.types[var.ty].inner else { return None };
        let member = &members[index as usize];
        let counts = self.module.types[member.ty].inner == naga::TypeInner::Scalar(naga::Scalar::U32);
        if var.space == naga::AddressSpace::Uniform && counts { member.name.clone() } else { None }
    }
}

/// `source` with these members of the uniform struct, u32s, as the numbers they are.
pub(super) fn with_constants(source: &str, module: &Module, constants: &[(&str, u32)]) -> String {
    let uniform = module.global_variables.iter().find(|(_, var)| var.space == naga::AddressSpace::Uniform);
    let Some(uniform) = uniform.and_then(|(_, var)| var.name.as_deref()) else { return source.to_string() };
    let mut out = String::with_capacity(source.len());
    let mut done = 0;
    for at in words(source) {
        let Some(member) = source[at..].strip_prefix(uniform).and_then(|rest| rest.strip_prefix('.')) else { continue };
        let known = constants.iter().find(|(name, _)| is_name(member, 0, name));
        if let (Some((name, value)), true) = (known, is_name(source, at, uniform)) {
            out += &source[done..at];
            out += &format!("{value}u");
            done = at + uniform.len() + 1 + name.len();
        }
    }
    out + &source[done..]
}

/// `source` with an entry point whose invocations do the work of `times`, one after the other, if they do not talk to each other and know
/// nothing of themselves but their number along x.
pub(super) fn coarsened(source: &str, module: &Module, times: u32) -> Option<String> {
    const ONCE: &str = "main_once";
    // Eight lanes run together: they go through memory in one piece.
    const RUN: u32 = 8;
    let piece = RUN * times;
    let [entry] = module.entry_points.as_slice() else { return None };
    let [lanes, 1, 1] = entry.workgroup_size else { return None };
    let known = |argument: &naga::FunctionArgument| match argument.binding {
        Some(naga::Binding::BuiltIn(BuiltIn::GlobalInvocationId)) => Some(format!("vec3(first + k * {RUN}u, 0u, 0u)")),
        Some(naga::Binding::BuiltIn(BuiltIn::NumWorkGroups)) => {
            Some(format!("vec3(groups.x * groups.y * {times}u, 1u, 1u)"))
        }
        _ => None,
    };
    let given = entry.function.arguments.iter().map(known).collect::<Option<Vec<String>>>()?.join(", ");
    let code = without_comments(source);
    // What a workgroup shares, and what an invocation finds as it was declared.
    let kept = |(_, var): (_, &naga::GlobalVariable)| {
        matches!(var.space, naga::AddressSpace::WorkGroup | naga::AddressSpace::Private)
    };
    let talks = words(&code).any(|at| ["subgroup", "quadS", "quadB"].iter().any(|name| code[at..].starts_with(name)));
    if module.global_variables.iter().any(kept) || talks || code.contains("Barrier(") || code.contains(ONCE) {
        return None;
    }
    // The attributes, `fn main`, its arguments in brackets, and the body.
    let main = words(&code).find(|&at| is_name(&code, at, "main") && code[..at].trim_end().ends_with("fn"))?;
    let begin = code[..main].rfind(['}', ';']).map_or(0, |at| at + 1);
    let attributes = code[begin..main].trim_end().strip_suffix("fn")?;
    let open = main + code[main..].find('(')?;
    let close = open + closing(&code[open..], ['(', ')'])?;
    let arguments = without_attributes(&code[open + 1..close])?;
    let (before, body) = (&code[..begin], &code[close + 1..]);
    Some(format!(
        "{before}\nfn {ONCE}({arguments}){body}
{attributes}fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {{
    let i = id.y * (groups.x * {lanes}u) + id.x;
    let first = i / {RUN}u * {piece}u + i % {RUN}u;
    for (var k = 0u; k < {times}u; k++) {{
        {ONCE}({given});
    }}
}}
"
    ))
}

/// Whether an invocation has much to do by itself: a loop whose turns no small constant counts. In what order such a kernel goes
/// through large arrays is its own affair.
pub(super) fn is_heavy(module: &Module) -> bool {
    let functions = module.functions.iter().map(|(_, function)| function);
    let mut functions = functions.chain(module.entry_points.iter().map(|entry| &entry.function));
    functions.any(|function| loops(module, function, &function.body))
}

/// The most turns of a loop that a light kernel has.
const FEW: u32 = 16;

fn loops(module: &Module, function: &Function, block: &Block) -> bool {
    let within = |block: &Block| loops(module, function, block);
    block.iter().any(|statement| match statement {
        Statement::Loop { body, .. } => !is_short(module, function, body) || within(body),
        Statement::Block(block) => within(block),
        Statement::If { accept, reject, .. } => within(accept) || within(reject),
        Statement::Switch { cases, .. } => cases.iter().any(|case| within(&case.body)),
        _ => false,
    })
}

/// Whether a loop ends where something is compared with a small constant.
fn is_short(module: &Module, function: &Function, body: &Block) -> bool {
    let value = |expression: &Expression| match *expression {
        Expression::Literal(literal) => Some(literal),
        Expression::Constant(constant) => match module.global_expressions[module.constants[constant].init] {
            Expression::Literal(literal) => Some(literal),
            _ => None,
        },
        _ => None,
    };
    body.iter().any(|statement| {
        let Statement::If { condition, reject, .. } = statement else { return false };
        let Expression::Binary { right, .. } = function.expressions[*condition] else { return false };
        let few = match value(&function.expressions[right]) {
            Some(Literal::U32(turns)) => turns <= FEW,
            Some(Literal::I32(turns)) => turns <= FEW as i32,
            _ => false,
        };
        few && matches!(reject.first(), Some(Statement::Break))
    })
}

/// Arguments without what stands before them, as `@builtin(…)`.
fn without_attributes(arguments: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = arguments;
    while let Some(at) = rest.find('@') {
        out += &rest[..at];
        rest = rest[at + 1..].trim_start_matches(is_word).trim_start();
        rest = &rest[closing(rest, ['(', ')'])? + 1..];
    }
    Some(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "struct Params { total: u32, w: u32, c: u32, rows: u32, f: f32, ww: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
fn place(e: u32, n: u32, m: u32) -> u32 {
    return e % n + m;
}
fn outer(e: u32, n: u32) -> u32 {
    return place(e, 2u * n, params.rows);
}
// The place (of main).
@compute @workgroup_size(64)
fn main(@builtin(num_workgroups) groups: vec3<u32>, @builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.y * (groups.x * 64u) + id.x;
    if i >= params.total {
        return;
    }
    let runs = (params.w + 3u) / 4u;
    y[outer(i, params.c) + i / runs + params.ww] = params.f / f32(params.rows);
}
";

    fn module(text: &str) -> Module {
        let module = naga::front::wgsl::parse_str(text).unwrap_or_else(|e| panic!("{}", e.emit_to_string(text)));
        let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), Default::default());
        validator.validate(&module).expect("valid");
        module
    }

    #[test]
    fn divisors_are_found_through_expressions_and_calls() {
        assert_eq!(divisors(&module(TEXT)), ["c", "w"]);
    }

    #[test]
    fn members_become_numbers() {
        let text = with_constants(TEXT, &module(TEXT), &[("w", 7), ("c", 5)]);
        module(&text);
        assert!(text.contains("let runs = (7u + 3u) / 4u;"), "{text}");
        assert!(
            text.contains("y[outer(i, 5u) + i / runs + params.ww]") && text.contains("i >= params.total"),
            "{text}"
        );
    }

    #[test]
    fn an_invocation_does_the_work_of_several() {
        let text = TEXT.replace("let runs", "for (var k = 0; k < 3; k++) {}\n    let runs");
        let text = coarsened(&text, &module(&text), 4).expect("invocations that do not talk");
        let entry = &module(&text).entry_points[0];
        assert_eq!((entry.name.as_str(), entry.workgroup_size), ("main", [64, 1, 1]));
        let call = "main_once(vec3(groups.x * groups.y * 4u, 1u, 1u), vec3(first + k * 8u, 0u, 0u));";
        assert!(text.contains(call) && text.contains("fn main_once( groups: vec3<u32>,  id: vec3<u32>)"), "{text}");
    }

    #[test]
    fn long_loops_are_heavy() {
        let with = |line: &str| is_heavy(&module(&TEXT.replace("let runs", &format!("{line}\n    let runs"))));
        assert!(!is_heavy(&module(TEXT)) && !with("for (var k = 0; k < 3; k++) {}"));
        assert!(with("for (var k = 0u; k < params.rows; k++) {}"));
        assert!(with("for (var k = 0u; k < 100u; k++) {}"));
        assert!(with("for (var k = 0u; k < 4u; k++) { for (var n = 0u; n < id.x; n++) {} }"));
        assert!(with("loop { if i > 3u { break; } }"));
    }

    #[test]
    fn what_talks_stays_as_it_is() {
        let shared = TEXT.replace("// The place (of main).", "var<workgroup> sum: f32;");
        let private = TEXT.replace("// The place (of main).", "var<private> sum: f32 = 1.0;");
        let barrier = TEXT.replace("let runs", "storageBarrier();\n    let runs");
        let local = TEXT.replace("num_workgroups) groups", "workgroup_id) groups");
        let square = TEXT.replace("workgroup_size(64)", "workgroup_size(8, 8)");
        for text in [shared, private, barrier, local, square] {
            let parsed = naga::front::wgsl::parse_str(&text).expect("WGSL");
            assert_eq!(coarsened(&text, &parsed, 4), None, "{text}");
        }
    }
}
