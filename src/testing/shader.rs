//! A shader under test, and a call of it.

use std::path::Path;

use super::compare::{self, Tolerance};
use super::reflect::{Element, ElementKind, Member, Reflection, Resource, Use, reflect};
use crate::error::{Error, Result};
use crate::exec::Define;
use crate::exec::sanitize::{FILE_MARK, Fault, Sanitized, sanitize};
use crate::gpu::{Gpu, RawBinding, RawKernel, RawSource, RawUse};

/// Behind the end of every array: words the shader cannot see and must not write.
const SENTINEL_BYTES: usize = 256;

/// What outputs hold before the first and the second run: a quiet NaN, and a large finite number.
const POISONS: [u32; 2] = [0x7fc0_dead, 0x7e5a_5a5a];

/// WGSL text under test: one file, or several joined.
#[derive(Debug, Clone)]
pub struct TestShader {
    /// Names and texts, in order.
    parts: Vec<(String, String)>,
    defines: String,
    entry: String,
    fault: Option<Error>,
}

impl TestShader {
    /// The shader in a file. Relative paths start at the folder that `cargo test` runs in: the package's own.
    pub fn from_file(path: impl AsRef<Path>) -> Self {
        Self::empty().and_file(path)
    }

    /// The shader in a text; `name` stands for the file in messages.
    pub fn from_source(name: &str, text: &str) -> Self {
        Self { parts: vec![(name.into(), text.into())], ..Self::empty() }
    }

    fn empty() -> Self {
        Self { parts: Vec::new(), defines: String::new(), entry: "main".into(), fault: None }
    }

    /// A further file behind those so far: WGSL does not mind the order of declarations.
    pub fn and_file(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        match std::fs::read_to_string(path) {
            Ok(text) => self.parts.push((path.display().to_string(), text)),
            Err(e) => self.fault = self.fault.or(Some(Error::file(path, e))),
        }
        self
    }

    /// Puts `const NAME: TYPE = VALUE;` before the text.
    pub fn define(mut self, name: &str, value: impl Into<Define>) -> Self {
        self.defines += &format!("const {name}: {}; ", value.into());
        self
    }

    /// Another entry point than `main`.
    pub fn entry(mut self, name: &str) -> Self {
        self.entry = name.into();
        self
    }

    /// Parses, validates and reflects the shader for a call on `gpu`.
    ///
    /// # Errors
    /// [`Error::File`] if a file could not be read; [`Error::Shader`] with `file:line:column` if naga refuses the text, or
    /// if it uses what cannot be bound here (textures, samplers).
    pub fn on<'g>(&self, gpu: &'g Gpu) -> Result<Call<'g>> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        // The constants share the first line, so that lines keep their numbers.
        let mut texts = self.parts.clone();
        if let Some((_, first)) = texts.first_mut() {
            first.insert_str(0, &self.defines);
        }
        let name = texts.last().map_or("shader", |(name, _)| name).to_string();
        let reflection =
            reflect(&texts, &self.entry).map_err(|message| Error::Shader { shader: name.clone(), message })?;
        // The marks say to the sanitizer which file a line is of.
        let source = texts.iter().map(|(name, text)| format!("{FILE_MARK}{name}\n{text}\n")).collect();
        let bound =
            reflection.resources.iter().map(|r| Bound { params: vec![None; r.members.len()], ..Bound::default() });
        let bound = bound.collect();
        Ok(Call {
            gpu,
            name,
            source,
            entry: self.entry.clone(),
            reflection,
            bound,
            overrides: Vec::new(),
            workgroups: None,
            fault: None,
        })
    }
}

/// The value of a parameter: a scalar, or the scalars of a vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    kind: ElementKind,
    bytes: Vec<u8>,
    text: String,
}

impl<T: Element + std::fmt::Debug> From<T> for Value {
    fn from(value: T) -> Self {
        Value { kind: T::KIND, bytes: bytemuck::bytes_of(&value).to_vec(), text: format!("{value:?}") }
    }
}

/// What a resource of a call is given.
#[derive(Debug, Clone, Default)]
struct Bound {
    /// Its contents, or of an output how many bytes it has.
    contents: Option<Contents>,
    /// Of each member of a uniform.
    params: Vec<Option<Vec<u8>>>,
}

#[derive(Debug, Clone)]
enum Contents {
    Given(Vec<u8>),
    Output(usize),
}

/// A shader with its arrays and parameters, ready to run. Mistakes (a name the shader does not declare, a type that does
/// not fit) surface when it runs.
pub struct Call<'g> {
    gpu: &'g Gpu,
    name: String,
    source: String,
    entry: String,
    reflection: Reflection,
    bound: Vec<Bound>,
    overrides: Vec<(String, f64)>,
    workgroups: Option<[usize; 3]>,
    fault: Option<Error>,
}

impl Call<'_> {
    /// Contents of a read-only array, or of a whole uniform.
    pub fn input<T: Element>(self, name: &str, data: &[T]) -> Self {
        self.given(name, data, false)
    }

    /// Contents of an array that the shader reads and writes; the results have what it holds afterwards.
    pub fn in_out<T: Element>(self, name: &str, data: &[T]) -> Self {
        self.given(name, data, true)
    }

    /// An array of `n` scalars, vectors or structs, whatever the shader's elements are, that the shader writes wholly.
    pub fn output(mut self, name: &str, n: usize) -> Self {
        let Some(i) = self.find(name) else { return self };
        let resource = &self.reflection.resources[i];
        if resource.usage != Use::ReadWrite {
            let got = resource.wgsl.clone();
            return self.refuse(format!("output `{name}`"), "an array that the shader writes", &got);
        }
        let bytes = n.checked_mul(resource.stride);
        match (bytes, resource.fixed) {
            (Some(bytes), None) if bytes > 0 => self.bound[i].contents = Some(Contents::Output(bytes)),
            (Some(bytes), Some(fixed)) if bytes == fixed => self.bound[i].contents = Some(Contents::Output(bytes)),
            _ => {
                let wanted = resource.fixed.map_or("one or more".into(), |bytes| (bytes / resource.stride).to_string());
                return self.refuse(format!("elements of `{name}`"), &wanted, &n.to_string());
            }
        }
        self
    }

    /// A member of a uniform struct, as `member`, or as `variable.member` where several uniforms have one of that name.
    pub fn param(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let (variable, member) = match name.split_once('.') {
            Some((variable, member)) => (Some(variable), member),
            None => (None, name),
        };
        let mut places = Vec::new();
        for (i, resource) in self.reflection.resources.iter().enumerate() {
            let named = resource.usage == Use::Uniform && variable.is_none_or(|v| v == resource.name);
            places.extend(resource.members.iter().position(|m| named && m.name == member).map(|at| (i, at)));
        }
        match places[..] {
            [(i, at)] => {
                let Member { kind, bytes, ref wgsl, .. } = self.reflection.resources[i].members[at];
                if kind != value.kind || bytes != value.bytes.len() {
                    let got = format!("{} ({} of {} bytes)", value.text, value.kind, value.bytes.len());
                    let wgsl = wgsl.clone();
                    return self.refuse(format!("parameter `{name}`"), &wgsl, &got);
                }
                self.bound[i].params[at] = Some(value.bytes);
                self
            }
            [] => {
                let members = self.reflection.resources.iter().filter(|r| r.usage == Use::Uniform);
                let names: Vec<_> = members.flat_map(|r| &r.members).map(|m| format!("`{}`", m.name)).collect();
                self.refuse("parameter".into(), &list(&names), &format!("`{name}`"))
            }
            _ => self.refuse(format!("parameter `{name}`"), "`VARIABLE.MEMBER`: several uniforms have it", name),
        }
    }

    /// The value of an `override` of the shader.
    pub fn constant(mut self, name: &str, value: f64) -> Self {
        self.overrides.push((name.into(), value));
        self
    }

    /// Dispatches this many workgroups.
    pub fn workgroups(mut self, groups: [usize; 3]) -> Self {
        self.workgroups = Some(groups);
        self
    }

    /// Dispatches as many workgroups as have at least this many invocations in each dimension.
    pub fn threads(self, threads: [usize; 3]) -> Self {
        let size = self.reflection.workgroup_size;
        let groups = [0, 1, 2].map(|d| threads[d].div_ceil(size[d].max(1) as usize));
        self.workgroups(groups)
    }

    /// Runs the shader, twice if it has outputs.
    ///
    /// # Errors
    /// What was bound wrongly or not at all; [`Error::Invalid`] naming the output and the element if one was not written or
    /// depends on what was there before, or if a word behind the end of an array was written.
    pub fn run(&self) -> Result<Results> {
        let prepared = self.prepare()?;
        let mut runs = Vec::new();
        for poison in POISONS {
            prepared.fill(poison);
            runs.push(prepared.kernel.run(&prepared.written)?);
            if !prepared.contents.iter().any(|c| matches!(c, Contents::Output(_))) {
                break;
            }
        }
        let mut arrays = Vec::new();
        for (k, &i) in prepared.written.iter().enumerate() {
            let resource = &self.reflection.resources[i];
            let bytes = prepared.contents[i].bytes();
            for (run, poison) in runs.iter().zip(POISONS) {
                if let Some(word) = words(&run[k][bytes..][..SENTINEL_BYTES]).position(|word| word != poison) {
                    return Err(Error::invalid(
                        format!("{}: `{}`", self.name, resource.name),
                        "nothing written behind its end",
                        format!("word {word} behind its {bytes} bytes was"),
                    ));
                }
            }
            if let (Contents::Output(_), [first, second]) = (&prepared.contents[i], &runs[..]) {
                let mut both = words(&first[k][..bytes]).zip(words(&second[k][..bytes]));
                if let Some(word) = both.position(|(a, b)| a != b) {
                    return Err(Error::invalid(
                        format!("{}: element {} of `{}`", self.name, 4 * word / resource.stride, resource.name),
                        "the same bits, whatever the array held before",
                        "others in a second run: not written, or made from what was there",
                    ));
                }
            }
            arrays.push((resource.clone(), runs[0][k][..bytes].to_vec()));
        }
        Ok(Results { shader: self.name.clone(), arrays })
    }

    /// Runs the shader once under the [sanitizer](crate::exec::sanitize): what it did wrong, by file and line, with variable,
    /// index and length.
    ///
    /// ```
    /// use knuckle::testing::{TestShader, gpu};
    /// # fn main() -> knuckle::Result<()> {
    /// let shader = TestShader::from_source("shift.wgsl", "
    ///     @group(0) @binding(0) var<storage, read> x: array<f32>;
    ///     @group(0) @binding(1) var<storage, read_write> y: array<f32>;
    ///     @compute @workgroup_size(8)
    ///     fn main(@builtin(global_invocation_id) id: vec3<u32>) { y[id.x] = x[id.x + 1u]; }");
    /// let call = shader.on(gpu()?)?.input("x", &[0.0f32; 8]).output("y", 8).workgroups([1, 1, 1]);
    /// let faults = call.faults()?;
    /// assert_eq!(faults[0].to_string(), "shift.wgsl:5: index 8 into `x`, which has 8 elements, in invocation (7, 0, 0)");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Call::run`] for what is bound wrongly; [`Error::Shader`] for what the sanitizer does not know.
    pub fn faults(&self) -> Result<Vec<Fault>> {
        let sanitized = sanitize(&self.name, &self.source, self.gpu.target())?;
        let prepared = self.prepare_from(RawSource::Sanitized(&sanitized), Some(&sanitized))?;
        prepared.fill(POISONS[1]);
        let recorded = prepared.kernel.run(&[prepared.contents.len() - 1])?;
        Ok(sanitized.decode(&words(&recorded[0]).collect::<Vec<u32>>()))
    }

    /// Times the call: `samples` measurements of several dispatches in a row, from submission to completion.
    pub fn bench(&self, samples: usize) -> Result<Timing> {
        let prepared = self.prepare()?;
        prepared.fill(POISONS[0]);
        // The first dispatches compile; then enough of them that the clock and the submission do not count.
        prepared.kernel.time(1)?;
        let once = prepared.kernel.time(1)?;
        let repeats = (5.0 / once.max(1e-3)).clamp(1.0, 1000.0) as usize;
        let mut ms = (0..samples.max(1)).map(|_| prepared.kernel.time(repeats)).collect::<Result<Vec<_>>>()?;
        ms.sort_by(f64::total_cmp);
        Ok(Timing { ms })
    }

    fn find(&mut self, name: &str) -> Option<usize> {
        let found = self.reflection.resources.iter().position(|r| r.name == name);
        // What this entry point leaves unused may be given all the same.
        if found.is_none() && self.fault.is_none() && !self.reflection.unused.iter().any(|unused| unused == name) {
            let names: Vec<_> = self.reflection.resources.iter().map(|r| format!("`{}`", r.name)).collect();
            let expected = format!("{}, which it uses", list(&names));
            self.fault = Some(Error::invalid(format!("{}: binding", self.name), expected, format!("`{name}`")));
        }
        found
    }

    fn refuse(mut self, what: String, expected: &str, got: &str) -> Self {
        let error = Error::invalid(format!("{}: {what}", self.name), expected, got);
        self.fault = self.fault.or(Some(error));
        self
    }

    fn given<T: Element>(mut self, name: &str, data: &[T], written: bool) -> Self {
        let Some(i) = self.find(name) else { return self };
        let resource = &self.reflection.resources[i];
        let wgsl = resource.wgsl.clone();
        let bytes: &[u8] = bytemuck::cast_slice(data);
        if written != (resource.usage == Use::ReadWrite) {
            let expected = if written { "an array that the shader writes" } else { "a uniform or read-only array" };
            return self.refuse(format!("`{name}`"), expected, &wgsl);
        }
        let fits = match resource.fixed {
            Some(fixed) => bytes.len() == fixed,
            None => !bytes.is_empty() && bytes.len().is_multiple_of(resource.stride),
        };
        let known = T::KIND == ElementKind::Struct || T::KIND == resource.kind;
        if !known || !fits || !bytes.len().is_multiple_of(4) {
            let got = format!("{} bytes of {}", bytes.len(), T::KIND);
            let whole = match resource.fixed {
                Some(fixed) => format!("{wgsl}: {fixed} bytes"),
                None => format!("{wgsl}: a multiple of {} bytes", resource.stride),
            };
            return self.refuse(format!("data of `{name}`"), &whole, &got);
        }
        self.bound[i].contents = Some(Contents::Given(bytes.to_vec()));
        self
    }

    fn prepare(&self) -> Result<Prepared> {
        self.prepare_from(RawSource::Wgsl(&self.source), None)
    }

    /// With one more buffer at the end where the shader is `sanitized`.
    fn prepare_from(&self, source: RawSource<'_>, sanitized: Option<&Sanitized>) -> Result<Prepared> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let missing = |what: String| Error::invalid(format!("{}: {what}", self.name), "a value", "none");
        let groups = self.workgroups.ok_or_else(|| missing("workgroups or threads".into()))?;
        let mut contents = Vec::new();
        let mut bindings = Vec::new();
        for (resource, bound) in self.reflection.resources.iter().zip(&self.bound) {
            let given = match (&bound.contents, resource.usage) {
                (Some(contents), _) => contents.clone(),
                (None, Use::Uniform) if !resource.members.is_empty() => {
                    let mut bytes = vec![0; resource.stride];
                    for (member, value) in resource.members.iter().zip(&bound.params) {
                        let value = value.as_ref().ok_or_else(|| missing(format!("parameter `{}`", member.name)))?;
                        bytes[member.offset..][..member.bytes].copy_from_slice(value);
                    }
                    Contents::Given(bytes)
                }
                _ => return Err(missing(format!("`{}` ({})", resource.name, resource.wgsl))),
            };
            bindings.push(RawBinding {
                name: resource.name.clone(),
                group: resource.group,
                binding: resource.binding,
                usage: match resource.usage {
                    Use::Read => RawUse::Read,
                    Use::ReadWrite => RawUse::ReadWrite,
                    Use::Uniform => RawUse::Uniform,
                },
                bytes: given.bytes() as u64,
                behind: if resource.usage == Use::ReadWrite { SENTINEL_BYTES as u64 } else { 0 },
            });
            contents.push(given);
        }
        let overrides: Vec<_> = self.overrides.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let workgroups = groups.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let written =
            bindings.iter().enumerate().filter(|(_, b)| b.usage == RawUse::ReadWrite).map(|(i, _)| i).collect();
        if let Some(sanitized) = sanitized {
            bindings.push(RawBinding {
                name: "faults".into(),
                group: 0,
                binding: sanitized.binding,
                usage: RawUse::ReadWrite,
                bytes: sanitized.buffer_bytes(),
                behind: 0,
            });
            contents.push(Contents::Given(vec![0; sanitized.buffer_bytes() as usize]));
        }
        let shader = (self.name.as_str(), source, self.entry.as_str());
        let kernel = RawKernel::new(self.gpu, shader, &overrides, &bindings, workgroups)?;
        Ok(Prepared { kernel, contents, written })
    }
}

/// A call on the device.
struct Prepared {
    kernel: RawKernel,
    contents: Vec<Contents>,
    /// The resources that the shader may write.
    written: Vec<usize>,
}

impl Prepared {
    fn fill(&self, poison: u32) {
        let poison = poison.to_ne_bytes();
        for (i, contents) in self.contents.iter().enumerate() {
            let behind = if self.written.contains(&i) { SENTINEL_BYTES } else { 0 };
            let mut bytes = match contents {
                Contents::Given(bytes) => bytes.clone(),
                Contents::Output(bytes) => poison.repeat(bytes / 4),
            };
            bytes.extend(poison.repeat(behind / 4));
            self.kernel.write(i, &bytes);
        }
    }
}

impl Contents {
    fn bytes(&self) -> usize {
        match self {
            Contents::Given(bytes) => bytes.len(),
            Contents::Output(bytes) => *bytes,
        }
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]))
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none: it has none".into() } else { names.join(", ") }
}

/// What a call wrote.
#[derive(Debug, Clone)]
pub struct Results {
    shader: String,
    arrays: Vec<(Resource, Vec<u8>)>,
}

impl Results {
    /// The array `name` as the shader left it.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the call wrote no such array, or if its elements are not made of `T`'s scalars.
    pub fn get<T: Element>(&self, name: &str) -> Result<Vec<T>> {
        let fail = |what, expected: String, got: String| {
            Err(Error::invalid(format!("{}: {what}", self.shader), expected, got))
        };
        let Some((resource, bytes)) = self.arrays.iter().find(|(r, _)| r.name == name) else {
            let names: Vec<_> = self.arrays.iter().map(|(r, _)| format!("`{}`", r.name)).collect();
            return fail("result", list(&names), format!("`{name}`"));
        };
        let known = T::KIND == ElementKind::Struct || T::KIND == resource.kind;
        if !known || !bytes.len().is_multiple_of(size_of::<T>().max(1)) {
            return fail("type of a result", resource.wgsl.clone(), format!("{}", T::KIND));
        }
        Ok(bytemuck::pod_collect_to_vec(bytes))
    }

    /// Fails unless every f32 of array `name` is finite and as close to `want` as `tolerance` says.
    pub fn close(&self, name: &str, want: &[f64], tolerance: Tolerance) -> Result<()> {
        let got = self.get::<f32>(name)?;
        let fail = |message| Error::NotClose { what: format!("{}: `{name}`", self.shader), message };
        compare::close(&got, want, tolerance).map(|_| ()).map_err(fail)
    }

    /// Fails at the first element of array `name` for which `holds(index, element)` is false.
    pub fn all<T: Element + std::fmt::Debug>(&self, name: &str, mut holds: impl FnMut(usize, T) -> bool) -> Result<()> {
        let got = self.get::<T>(name)?;
        match (0..got.len()).find(|&i| !holds(i, got[i])) {
            None => Ok(()),
            Some(i) => Err(Error::NotClose {
                what: format!("{}: `{name}`", self.shader),
                message: format!("element {i} is {:?}, which does not satisfy the condition", got[i]),
            }),
        }
    }
}

/// Times of a call, ascending.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    ms: Vec<f64>,
}

impl Timing {
    /// The median, milliseconds a dispatch.
    pub fn median_ms(&self) -> f64 {
        self.percentile_ms(50.0)
    }

    /// The time that `percent` of the measurements stay below, milliseconds a dispatch.
    pub fn percentile_ms(&self, percent: f64) -> f64 {
        let last = self.ms.len() - 1;
        self.ms[((percent / 100.0).clamp(0.0, 1.0) * last as f64).round() as usize]
    }
}

impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Call({} on {:?})", self.name, self.gpu)
    }
}
