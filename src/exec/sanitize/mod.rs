//! A sanitizer for WGSL: any compute shader, rewritten so that it records what it does wrong.
//!
//! [`sanitize`] is a pure function from a shader's text to a naga module with checks inserted and a list of [`Site`]s,
//! the places that are checked. The module uses one storage buffer more than the shader, at [`Sanitized::binding`] in
//! group 0; after a dispatch [`Sanitized::decode`] turns that buffer's words into [`Fault`]s. Recorded are
//!
//! - an index out of range: arrays in any memory, runtime-sized ones too, vectors and matrices;
//! - a NaN or an infinity stored to a storage buffer;
//! - an integer division or remainder by zero, or of the least i32 by -1;
//! - a read of workgroup memory that nothing in the workgroup wrote since the dispatch began.
//!
//! Textures are not looked at, nor are integers of 64 bits.
//!
//! The run goes on as WGSL allows: an index becomes the last one, a divisor 1, and what is stored is stored. An invocation
//! records its first fault; each site keeps the first invocation's and counts the others. A shader without faults gives
//! the results that it gives without the sanitizer.
//!
//! [`Gpu`](crate::Gpu)s opened with [`Checks::Sanitized`](crate::gpu::Checks) do all this to every kernel of a program. To
//! run a shader of your own:
//!
//! 1. `sanitize(name, text, target)`;
//! 2. a pipeline of `module` with, beside the shader's own bindings, a read-write storage buffer at `binding` in group 0,
//!    [`Sanitized::buffer_bytes`] long and zero. Let wgpu zero workgroup memory, as it does unless told otherwise: flags of
//!    what was written are there. Bind no more of each buffer than the shader may touch, for that is what
//!    `arrayLength` measures;
//! 3. dispatch, read the buffer's words, `decode` them.

mod lines;
mod operands;
mod rewrite;

use std::fmt;

pub(crate) use lines::FILE_MARK;

use super::program::NodeInfo;
use super::target::Target;
use crate::error::Result;

/// How many bindings of group 0 can have padding, see [`Sanitized::padding_words`].
const PADDED_BINDINGS: usize = 32;
/// Words of a site's record: count, index, length, value, the invocation's three, and one unused.
const RECORD_WORDS: usize = 8;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// An index at or past the length, or negative.
    OutOfRange,
    /// A NaN or an infinity stored to a storage buffer.
    NotFinite,
    /// An integer division or remainder by zero.
    DivisionByZero,
    /// The least i32 divided by -1.
    DivisionOverflow,
    /// Workgroup memory read that nothing in the workgroup wrote: zero in WGSL, anything in a pipeline told not to zero it,
    /// as all of this crate's are.
    Unwritten,
}

/// A place in a shader that is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// What it is checked for. A signed division counts as [`FaultKind::DivisionByZero`].
    pub kind: FaultKind,
    /// The file.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    /// What is indexed, written or read as the shader names it, or the divisor.
    pub variable: String,
    /// What follows the index, say `.position`.
    pub member: String,
    /// Whether the index is signed.
    pub signed: bool,
}

/// A fault that happened.
#[derive(Debug, Clone)]
pub struct Fault {
    /// What went wrong.
    pub kind: FaultKind,
    /// The shader, by the name it was sanitised under.
    pub shader: String,
    /// The file; a shader can be joined from several.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    /// What was indexed, written or read as the shader names it (in a function, by its argument's name), or the divisor.
    pub variable: String,
    /// What followed the index, say `.position`.
    pub member: String,
    /// The index into `variable`; of a division the component, 0 for scalars.
    pub index: i64,
    /// How many elements `variable` has; of a division how many components.
    pub length: u32,
    /// The bits of the NaN, infinity or divisor.
    pub value: u32,
    /// The `global_invocation_id` of the invocation that is told of.
    pub invocation: [u32; 3],
    /// How many invocations of the dispatch had their first fault here.
    pub count: u32,
    /// Which node of a program the dispatch computed.
    pub node: Option<NodeInfo>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { file, line, variable, member, index, length, .. } = self;
        let place = match length {
            1 => format!("`{variable}{member}`"),
            _ => format!("`{variable}[{index}]{member}` (length {length})"),
        };
        write!(f, "{file}:{line}: ")?;
        match self.kind {
            FaultKind::OutOfRange => write!(f, "index {index} into `{variable}`, which has {length} elements")?,
            FaultKind::NotFinite => {
                let value = match f32::from_bits(self.value) {
                    v if v.is_nan() => "NaN",
                    v if v > 0.0 => "infinity",
                    _ => "-infinity",
                };
                write!(f, "{value} written to {place}")?;
            }
            FaultKind::DivisionByZero => write!(f, "integer division by zero, {place}")?,
            FaultKind::DivisionOverflow => write!(f, "the least i32 divided by -1, {place}")?,
            FaultKind::Unwritten => write!(f, "{place} read before anything in its workgroup wrote it")?,
        }
        let [x, y, z] = self.invocation;
        write!(f, ", in invocation ({x}, {y}, {z})")?;
        if self.count > 1 {
            write!(f, " and {} more", self.count - 1)?;
        }
        if self.file != self.shader {
            write!(f, " of {}", self.shader)?;
        }
        if let Some(node) = &self.node {
            let direction = if node.gradient { "gradient of " } else { "" };
            write!(f, ", for {direction}{} {} recorded at {}", node.op, node.ty, node.site)?;
        }
        Ok(())
    }
}

/// A rewritten shader.
#[derive(Debug, Clone)]
pub struct Sanitized {
    /// The shader's name, for messages.
    pub shader: String,
    /// The shader with its checks, valid, with the entry points and bindings it had.
    pub module: naga::Module,
    /// Where in group 0 the buffer for faults is: a read-write storage buffer.
    pub binding: u32,
    /// The places that are checked.
    pub sites: Vec<Site>,
    /// What could not be checked and why, with its line.
    pub unchecked: Vec<String>,
}

impl Sanitized {
    /// How long the buffer for faults has to be.
    pub fn buffer_bytes(&self) -> u64 {
        4 * (PADDED_BINDINGS + RECORD_WORDS * self.sites.len().max(1)) as u64
    }

    /// Words to begin the buffer for faults with, where a buffer ends within an element of its array (the last vec4 of
    /// 37 f32, say): what lies behind its end may be NaN. Takes the group 0 binding and the number of bytes behind the
    /// end of each such buffer.
    pub fn padding_words(padding: impl IntoIterator<Item = (u32, u32)>) -> Vec<u32> {
        let mut words = vec![0; PADDED_BINDINGS];
        for (binding, behind) in padding {
            if let Some(word) = words.get_mut(binding as usize) {
                *word = behind;
            }
        }
        words
    }

    /// The faults in the words of the buffer for faults after a dispatch, by line.
    pub fn decode(&self, words: &[u32]) -> Vec<Fault> {
        let records = words.get(PADDED_BINDINGS..).unwrap_or_default().chunks_exact(RECORD_WORDS);
        let faults = self.sites.iter().zip(records).filter(|(_, record)| record[0] > 0).map(|(site, record)| {
            let &[count, index, length, value, x, y, z, _] = record else { unreachable!("exact chunks") };
            let kind = match site.kind {
                FaultKind::DivisionByZero if value != 0 => FaultKind::DivisionOverflow,
                kind => kind,
            };
            Fault {
                kind,
                shader: self.shader.clone(),
                file: site.file.clone(),
                line: site.line,
                variable: site.variable.clone(),
                member: site.member.clone(),
                index: if site.signed { i64::from(index as i32) } else { i64::from(index) },
                length,
                value,
                invocation: [x, y, z],
                count,
                node: None,
            }
        });
        let mut faults: Vec<Fault> = faults.collect();
        faults.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        faults
    }
}

/// Rewrites the compute shader `text`. `shader` names it in messages; text joined from several files says where each
/// begins by a line `//# file NAME`. Of `target` the limits count.
///
/// Fails if the text is no valid compute shader, uses what the sanitizer does not know (ray queries, cooperative
/// matrices), or if the adapter has no storage buffer left for the faults.
pub fn sanitize(shader: &str, text: &str, target: &Target) -> Result<Sanitized> {
    rewrite::rewrite(shader, text, target)
}
