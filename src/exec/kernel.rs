//! Shaders: WGSL text with a generated prelude of constants, parsed, validated and reflected with naga, so that
//! bindings and parameter structs are never typed twice.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};

use super::coarsening::{coarsened, divisors, is_heavy, with_constants};
use super::halves::through_halves;
use super::place::{Piece, Place, through_places};
use super::sanitize::FILE_MARK;
use super::texel::Texel;
use super::texels::through_images;
use crate::error::{Error, Result};

/// WGSL text under `shaders/`: the files that are joined, in order. Make one with [`shader!`](crate::shader).
#[derive(Debug, Clone, Copy)]
pub struct Shader {
    /// The path under `shaders/` of the file with the entry point.
    pub name: &'static str,
    /// The text of every file, shared ones first.
    pub sources: &'static [&'static str],
}

/// A [`Shader`] from one file under `shaders/`, optionally after shared ones:
/// `shader!("conv/conv2d.wgsl", with "common/index.wgsl")`.
#[macro_export]
#[doc(hidden)]
macro_rules! shader {
    ($file:expr $(, with $shared:literal)*) => {
        $crate::exec::Shader {
            name: $file,
            sources: &[
                // The first line says where the text is from, see `sanitize`.
                $(concat!(
                    "//# file ", $shared, "\n",
                    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $shared)),
                ),)*
                concat!(
                    "//# file ", $file, "\n",
                    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $file)),
                ),
            ],
        }
    };
}

/// The value of a constant in a shader's prelude.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Define {
    /// `u32`
    U32(u32),
    /// `f32`
    F32(f32),
    /// `bool`
    Bool(bool),
    /// `u32`, if it fits: lowering refuses what does not.
    Count(usize),
}

impl Define {
    /// A count as the u32 it becomes; everything else as it is.
    pub(super) fn counted(self) -> Result<Define, usize> {
        match self {
            Define::Count(n) => u32::try_from(n).map(Define::U32).map_err(|_| n),
            other => Ok(other),
        }
    }
}

impl From<u32> for Define {
    fn from(v: u32) -> Self {
        Define::U32(v)
    }
}

impl From<usize> for Define {
    fn from(v: usize) -> Self {
        Define::Count(v)
    }
}

impl From<f32> for Define {
    fn from(v: f32) -> Self {
        Define::F32(v)
    }
}

impl From<bool> for Define {
    fn from(v: bool) -> Self {
        Define::Bool(v)
    }
}

impl fmt::Display for Define {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Define::U32(v) => write!(f, "u32 = {v}u"),
            Define::F32(v) => write!(f, "f32 = {v:?}f"),
            Define::Bool(v) => write!(f, "bool = {v}"),
            Define::Count(v) => write!(f, "u32 = {v}u"),
        }
    }
}

/// How a kernel uses a storage buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// `var<storage, read>`
    Read,
    /// `var<storage, read_write>`
    Write,
}

/// A storage buffer a kernel declares, or an image it reads instead of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Its name in the shader.
    pub name: String,
    /// Its `@binding` in group 0.
    pub index: u32,
    /// Read or written.
    pub access: Access,
    /// Set where the kernel reads a copy of the buffer in an image.
    pub image: Option<Texel>,
    /// The bytes from one element to the next, if it is an array.
    pub stride: Option<u32>,
    /// Set where what the kernel takes for the array is a part of it.
    pub piece: Option<Piece>,
    /// Whether an operand is read from it too, over which the result is written.
    pub over: bool,
}

/// The scalar type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// `u32`
    U32,
    /// `i32`
    I32,
    /// `f32`
    F32,
}

/// A scalar member of a kernel's uniform struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Its name in the struct.
    pub name: String,
    /// Its byte offset.
    pub offset: u32,
    /// Its type.
    pub scalar: Scalar,
}

/// A shader with its prelude: text ready for the driver and what reflection found in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// The shader's path under `shaders/`.
    pub shader: &'static str,
    /// The generated constants, and the parts that follow them as comments.
    pub prelude: String,
    /// Prelude and text as written.
    pub written: String,
    /// What the driver gets: the text, possibly with arrays as images.
    pub source: String,
    /// The storage buffers and images, by binding index.
    pub bindings: Vec<Binding>,
    /// The binding index of the uniform struct, if there is one.
    pub uniform: Option<u32>,
    /// The members of the uniform struct.
    pub params: Vec<Param>,
    /// The byte size of the uniform struct.
    pub params_size: u32,
    /// The `@workgroup_size` of entry point `main`.
    pub workgroup_size: [u32; 3],
    /// Workgroup memory it declares, bytes.
    pub workgroup_bytes: u32,
    /// How many invocations, as the text was written, one does the work of.
    pub coarseness: u32,
    /// The members of the uniform struct that integers are divided by.
    pub divisors: Vec<String>,
}

/// How a kernel's text is changed before a driver gets it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rewriting<'a> {
    /// Arrays that hold f16.
    pub(super) halves: &'a [&'a str],
    /// Up to how many of the other read-only arrays become images.
    pub(super) images: usize,
    /// Arrays that lie elsewhere.
    pub(super) places: &'a [(&'a str, Place)],
    /// Members of the uniform struct that become constants.
    pub(super) constants: &'a [(&'a str, u32)],
    /// How many invocations one does the work of, if that is possible.
    pub(super) coarseness: u32,
}

impl Kernel {
    /// Parses, validates and reflects `shader` with the given constants; remembered for the process.
    /// Files of `parts` go between the constants and the shader's own. The arrays `halves` hold f16, and up to `images` of
    /// the other read-only arrays become images.
    pub fn new(
        shader: &Shader,
        defines: &[(&'static str, Define)],
        parts: &[Shader],
        halves: &[&str],
        images: usize,
    ) -> Result<Arc<Kernel>> {
        let rewriting = Rewriting { halves, images, places: &[], constants: &[], coarseness: 1 };
        Kernel::rewritten(shader, defines, parts, rewriting)
    }

    /// The same with the text changed as `rewriting` says.
    pub(super) fn rewritten(
        shader: &Shader,
        defines: &[(&'static str, Define)],
        parts: &[Shader],
        rewriting: Rewriting<'_>,
    ) -> Result<Arc<Kernel>> {
        type Cache = Mutex<HashMap<(&'static str, String, usize), Arc<Kernel>>>;
        static CACHE: LazyLock<Cache> = LazyLock::new(Default::default);
        let Rewriting { halves, images, places, constants, coarseness } = rewriting;
        let mut prelude = String::new();
        if !halves.is_empty() {
            prelude += &format!("enable f16; // {}\n", halves.join(", "));
        }
        for (name, value) in defines {
            prelude += &format!("const {name}: {value};\n");
        }
        for part in parts {
            prelude += &format!("// {}\n", part.name);
        }
        for (name, place) in places {
            prelude += &format!("// {name}: {place}\n");
        }
        for (name, value) in constants {
            prelude += &format!("// {name} = {value}\n");
        }
        if coarseness > 1 {
            prelude += &format!("// {coarseness} in turn\n");
        }
        let key = (shader.name, prelude.clone(), images);
        if let Some(kernel) = CACHE.lock().unwrap_or_else(|e| e.into_inner()).get(&key) {
            // Two shaders from different crates may bear one path.
            if kernel.written == source(&prelude, parts, shader) {
                return Ok(kernel.clone());
            }
        }
        let kernel = Arc::new(reflect(shader, prelude, parts, rewriting)?);
        CACHE.lock().unwrap_or_else(|e| e.into_inner()).insert(key, kernel.clone());
        Ok(kernel)
    }

    /// The binding called `name`.
    pub fn binding(&self, name: &str) -> Option<&Binding> {
        self.bindings.iter().find(|b| b.name == name)
    }
}

/// How a line begins by which a file says what language extension it needs. WGSL wants these before all else.
const ENABLE: &str = "enable ";

/// The text of prelude, parts and shader, with what any of them enables at its beginning. The lines there are left empty.
fn source(prelude: &str, parts: &[Shader], shader: &Shader) -> String {
    let mut enabled = String::new();
    let mut text = prelude.to_string();
    for part in parts.iter().chain([shader]) {
        if !part.sources.iter().any(|text| text.starts_with(FILE_MARK)) {
            text += &format!("{FILE_MARK}{}\n", part.name.lines().next().unwrap_or_default());
        }
        for part in part.sources {
            for line in part.split_inclusive('\n') {
                if line.starts_with(ENABLE) && line.trim_end().ends_with(';') {
                    enabled += &format!("{}\n", line.trim_end());
                    text += "\n";
                } else {
                    text += line;
                }
            }
            text += "\n";
        }
    }
    enabled + &text
}

fn parse(source: &str) -> Result<naga::Module, String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    let capabilities = naga::valid::Capabilities::default()
        | naga::valid::Capabilities::SHADER_FLOAT16
        | naga::valid::Capabilities::SUBGROUP
        | naga::valid::Capabilities::COOPERATIVE_MATRIX;
    naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities)
        .validate(&module)
        .map_err(|e| e.emit_to_string(source))?;
    Ok(module)
}

fn reflect(shader: &Shader, prelude: String, parts: &[Shader], rewriting: Rewriting<'_>) -> Result<Kernel> {
    let Rewriting { halves, images, places, constants, coarseness } = rewriting;
    let fail = |message: String| Error::Shader { shader: shader.name.to_string(), message };
    let written = source(&prelude, parts, shader);
    let mut source = written.clone();
    let mut module = parse(&source).map_err(fail)?;
    if !places.is_empty() {
        source = through_places(&source, &module, places).map_err(fail)?;
        module = parse(&source).map_err(fail)?;
    }
    if !halves.is_empty() {
        source = through_halves(&source, &module, halves).map_err(fail)?;
        module = parse(&source).map_err(fail)?;
    }
    if images > 0 {
        let rewritten = through_images(&source, &module, images);
        match parse(&rewritten) {
            Ok(parsed) => (source, module) = (rewritten, parsed),
            Err(e) => log::debug!("{} stays with buffers: {e}", shader.name),
        }
    }
    let divisors = divisors(&module);
    // Of loops that end at a parameter the constants would hide how long they are.
    let coarseness = if is_heavy(&module) { 1 } else { coarseness };
    if !constants.is_empty() {
        source = with_constants(&source, &module, constants);
        module = parse(&source).map_err(fail)?;
    }
    let coarse = if coarseness > 1 { coarsened(&source, &module, coarseness) } else { None };
    let coarseness = if coarse.is_some() { coarseness } else { 1 };
    if let Some(coarse) = coarse {
        source = coarse;
        module = parse(&source).map_err(fail)?;
    }
    let entry = module
        .entry_points
        .iter()
        .find(|e| e.name == "main" && e.stage == naga::ShaderStage::Compute)
        .ok_or_else(|| fail("no compute entry point `main`".into()))?;
    let mut kernel = Kernel {
        shader: shader.name,
        prelude,
        written,
        source: String::new(),
        bindings: Vec::new(),
        uniform: None,
        params: Vec::new(),
        params_size: 0,
        workgroup_size: entry.workgroup_size,
        workgroup_bytes: 0,
        coarseness,
        divisors,
    };
    for (_, var) in module.global_variables.iter() {
        let name = var.name.clone().unwrap_or_default();
        match (var.space, &var.binding) {
            (naga::AddressSpace::WorkGroup, _) => {
                kernel.workgroup_bytes += module.types[var.ty].inner.size(module.to_ctx());
            }
            (_, Some(at)) if at.group != 0 => return Err(fail(format!("{name} is in group {}, not 0", at.group))),
            (naga::AddressSpace::Storage { access }, Some(at)) => {
                let writes = access.contains(naga::StorageAccess::STORE);
                let access = if writes { Access::Write } else { Access::Read };
                let stride = match module.types[var.ty].inner {
                    naga::TypeInner::Array { stride, .. } => Some(stride),
                    _ => None,
                };
                kernel.bindings.push(Binding {
                    name,
                    index: at.binding,
                    access,
                    image: None,
                    stride,
                    piece: None,
                    over: false,
                });
            }
            (naga::AddressSpace::Handle, Some(at)) => {
                use naga::{ImageClass, ImageDimension, StorageAccess, TypeInner};
                let image = match module.types[var.ty].inner {
                    TypeInner::Image {
                        dim: ImageDimension::D2,
                        arrayed: false,
                        class: ImageClass::Storage { format, access: StorageAccess::LOAD },
                    } => Texel::of_format(format),
                    _ => None,
                };
                if image.is_none() {
                    return Err(fail(format!(
                        "{name} is not a 2D storage texture of four, two or one 32-bit words, read"
                    )));
                }
                let (access, index) = (Access::Read, at.binding);
                kernel.bindings.push(Binding { name, index, access, image, stride: None, piece: None, over: false });
            }
            (naga::AddressSpace::Uniform, Some(at)) => {
                let naga::TypeInner::Struct { members, span } = &module.types[var.ty].inner else {
                    return Err(fail(format!("uniform {name} is not a struct")));
                };
                kernel.uniform = Some(at.binding);
                kernel.params_size = *span;
                for member in members {
                    let name = member.name.clone().unwrap_or_default();
                    let scalar = match module.types[member.ty].inner {
                        naga::TypeInner::Scalar(naga::Scalar { kind: naga::ScalarKind::Uint, width: 4 }) => Scalar::U32,
                        naga::TypeInner::Scalar(naga::Scalar { kind: naga::ScalarKind::Sint, width: 4 }) => Scalar::I32,
                        naga::TypeInner::Scalar(naga::Scalar { kind: naga::ScalarKind::Float, width: 4 }) => {
                            Scalar::F32
                        }
                        _ => return Err(fail(format!("parameter {name} is not a u32, i32 or f32"))),
                    };
                    kernel.params.push(Param { name, offset: member.offset, scalar });
                }
            }
            _ => {}
        }
    }
    kernel.bindings.sort_by_key(|b| b.index);
    for binding in &mut kernel.bindings {
        let place = places.iter().find(|(name, _)| *name == binding.name);
        binding.piece = place.and_then(|(_, place)| if let Place::Piece(piece) = place { Some(*piece) } else { None });
        binding.over = places.iter().any(|(_, place)| *place == Place::Over(binding.name.clone()));
    }
    kernel.source = source;
    Ok(kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_enable_comes_first_and_lines_stay_where_they_are() {
        let part = Shader { name: "part", sources: &["// A part.\nenable f16;\nalias Half = f16;\n"] };
        let shader = Shader { name: "main", sources: &["enable wgpu_cooperative_matrix;\nconst X = Half(N);\n"] };
        let text = source("const N: u32 = 1u;\n", &[part], &shader);
        let expected = format!(
            "enable f16;\nenable wgpu_cooperative_matrix;\nconst N: u32 = 1u;\n{FILE_MARK}part\n// A part.\n\nalias Half = f16;\n\n\
             {FILE_MARK}main\n\nconst X = Half(N);\n\n"
        );
        assert_eq!(text, expected);
        parse(&text).expect("a shader");
    }
}
