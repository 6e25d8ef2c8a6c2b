//! What a shader declares: its resources by name, with their element types and layouts.

use naga::{AddressSpace, ScalarKind, StorageAccess, TypeInner};

/// The scalar that a host type is made of, as WGSL names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementKind {
    /// `f32`
    F32,
    /// `u32`
    U32,
    /// `i32`
    I32,
    /// `f16`
    F16,
    /// Any layout: a struct of the host's that matches the shader's by its size alone.
    Struct,
}

/// Host data that can be bound: scalars, arrays of them for vectors (and of those for matrices), and own `Pod` types, for
/// which implement it with [`ElementKind::Struct`].
pub trait Element: bytemuck::Pod {
    /// What the shader must have there.
    const KIND: ElementKind;
}

impl Element for f32 {
    const KIND: ElementKind = ElementKind::F32;
}
impl Element for u32 {
    const KIND: ElementKind = ElementKind::U32;
}
impl Element for i32 {
    const KIND: ElementKind = ElementKind::I32;
}
impl Element for half::f16 {
    const KIND: ElementKind = ElementKind::F16;
}
impl<T: Element> Element for [T; 2] {
    const KIND: ElementKind = T::KIND;
}
impl<T: Element> Element for [T; 4] {
    const KIND: ElementKind = T::KIND;
}
/// A vec3, which an array pads to 16 bytes, is bound as four scalars; three fit only a parameter.
impl<T: Element> Element for [T; 3] {
    const KIND: ElementKind = T::KIND;
}

impl std::fmt::Display for ElementKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ElementKind::F32 => "f32",
            ElementKind::U32 => "u32",
            ElementKind::I32 => "i32",
            ElementKind::F16 => "f16",
            ElementKind::Struct => "a struct",
        })
    }
}

/// How a shader uses a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    ReadWrite,
    Uniform,
}

/// A member of a uniform struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) offset: usize,
    pub(super) bytes: usize,
    pub(super) kind: ElementKind,
    pub(super) wgsl: String,
}

/// A buffer that the entry point uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) name: String,
    pub(super) group: u32,
    pub(super) binding: u32,
    pub(super) usage: Use,
    /// The type in WGSL.
    pub(super) wgsl: String,
    pub(super) kind: ElementKind,
    /// Bytes from one element to the next of the (outermost) array, or of all where it is none.
    pub(super) stride: usize,
    /// Bytes, unless the array's length is the buffer's.
    pub(super) fixed: Option<usize>,
    /// Of a uniform struct.
    pub(super) members: Vec<Member>,
}

/// A parsed and validated shader.
pub(super) struct Reflection {
    pub(super) resources: Vec<Resource>,
    /// Names of what is declared but not used from the entry point.
    pub(super) unused: Vec<String>,
    pub(super) workgroup_size: [u32; 3],
}

/// Parses the texts of `parts` (names and texts, joined) and looks at entry point `entry`. Messages say `file:line:column`.
pub(super) fn reflect(parts: &[(String, String)], entry: &str) -> Result<Reflection, String> {
    let source: String = parts.iter().map(|(_, text)| format!("{text}\n")).collect();
    let module = naga::front::wgsl::parse_str(&source).map_err(|e| {
        let (span, label) = e.labels().next().unwrap_or_default();
        located(parts, &source, span, &[e.message(), label])
    })?;
    let flags = naga::valid::ValidationFlags::all();
    let validated = naga::valid::Validator::new(flags, naga::valid::Capabilities::all()).validate(&module);
    let info = validated.map_err(|e| {
        let (span, label) = e.spans().next().cloned().unwrap_or_default();
        let mut causes = vec![e.as_inner().to_string()];
        let mut cause = std::error::Error::source(e.as_inner());
        while let Some(inner) = cause {
            causes.push(inner.to_string());
            cause = inner.source();
        }
        causes.push(label);
        located(parts, &source, span, &causes.iter().map(String::as_str).collect::<Vec<_>>())
    })?;
    let found = module.entry_points.iter().position(|e| e.name == entry && e.stage == naga::ShaderStage::Compute);
    let Some(position) = found else {
        let names: Vec<_> = module.entry_points.iter().map(|e| format!("`{}`", e.name)).collect();
        let names = if names.is_empty() { "none".into() } else { names.join(", ") };
        return Err(format!("no compute entry point `{entry}`; there are {names}"));
    };
    let uses = info.get_entry_point(position);
    let mut resources = Vec::new();
    let mut unused = Vec::new();
    for (handle, var) in module.global_variables.iter() {
        let Some(at) = &var.binding else { continue };
        let name = var.name.clone().unwrap_or_default();
        if uses[handle].is_empty() {
            unused.push(name);
            continue;
        }
        let usage = match var.space {
            AddressSpace::Uniform => Use::Uniform,
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => Use::ReadWrite,
            AddressSpace::Storage { .. } => Use::Read,
            _ => return Err(format!("`{name}` is a texture or a sampler; arrays and uniforms can be bound")),
        };
        let inner = &module.types[var.ty].inner;
        let size = inner.size(module.to_ctx()) as usize;
        let (element, stride, fixed) = match *inner {
            TypeInner::Array { base, stride, size: naga::ArraySize::Dynamic } => (base, stride as usize, None),
            TypeInner::Array { base, stride, .. } => (base, stride as usize, Some(size)),
            _ => (var.ty, size, Some(size)),
        };
        if let TypeInner::Struct { members, .. } = inner
            && let Some(last) = members.last()
            && matches!(module.types[last.ty].inner, TypeInner::Array { size: naga::ArraySize::Dynamic, .. })
        {
            return Err(format!("`{name}` is a struct that ends in an array without length; bind the array by itself"));
        }
        let members = match &module.types[var.ty].inner {
            TypeInner::Struct { members, .. } => members
                .iter()
                .map(|m| Member {
                    name: m.name.clone().unwrap_or_default(),
                    offset: m.offset as usize,
                    bytes: module.types[m.ty].inner.size(module.to_ctx()) as usize,
                    kind: kind(&module, m.ty),
                    wgsl: wgsl(&module, m.ty),
                })
                .collect(),
            _ => Vec::new(),
        };
        resources.push(Resource {
            name,
            group: at.group,
            binding: at.binding,
            usage,
            wgsl: wgsl(&module, var.ty),
            kind: kind(&module, element),
            stride,
            fixed,
            members,
        });
    }
    resources.sort_by_key(|r| (r.group, r.binding));
    Ok(Reflection { resources, unused, workgroup_size: module.entry_points[position].workgroup_size })
}

/// `file:line:column: messages`, and the line itself.
fn located(parts: &[(String, String)], source: &str, span: naga::Span, messages: &[&str]) -> String {
    let messages: Vec<&str> = messages.iter().copied().filter(|m| !m.is_empty()).collect();
    let message = messages.join(": ");
    let Some(range) = span.to_range() else { return message };
    let mut start = range.start.min(source.len());
    for (file, text) in parts {
        if start > text.len() {
            start -= text.len() + 1;
            continue;
        }
        let before = &text[..start];
        let line = before.matches('\n').count();
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        let shown = text.lines().nth(line).unwrap_or_default().trim();
        return format!("{file}:{}:{column}: {message}\n  {shown}", line + 1);
    }
    message
}

fn kind(module: &naga::Module, ty: naga::Handle<naga::Type>) -> ElementKind {
    let scalar = match module.types[ty].inner {
        TypeInner::Scalar(scalar)
        | TypeInner::Atomic(scalar)
        | TypeInner::Vector { scalar, .. }
        | TypeInner::Matrix { scalar, .. } => scalar,
        TypeInner::Array { base, .. } => return kind(module, base),
        _ => return ElementKind::Struct,
    };
    match (scalar.kind, scalar.width) {
        (ScalarKind::Float, 4) => ElementKind::F32,
        (ScalarKind::Float, 2) => ElementKind::F16,
        (ScalarKind::Uint, 4) => ElementKind::U32,
        (ScalarKind::Sint, 4) => ElementKind::I32,
        _ => ElementKind::Struct,
    }
}

fn wgsl(module: &naga::Module, ty: naga::Handle<naga::Type>) -> String {
    let scalar = kind(module, ty);
    match &module.types[ty].inner {
        TypeInner::Scalar(_) => scalar.to_string(),
        TypeInner::Atomic(_) => format!("atomic<{scalar}>"),
        TypeInner::Vector { size, .. } => format!("vec{}<{scalar}>", *size as u8),
        TypeInner::Matrix { columns, rows, .. } => format!("mat{}x{}<{scalar}>", *columns as u8, *rows as u8),
        TypeInner::Array { base, size, .. } => match size {
            naga::ArraySize::Constant(n) => format!("array<{}, {n}>", wgsl(module, *base)),
            _ => format!("array<{}>", wgsl(module, *base)),
        },
        _ => module.types[ty].name.clone().unwrap_or_else(|| "a struct".into()),
    }
}
