//! The crate's one error type. Every variant says what was asked, what was expected and what came.

use std::fmt;
use std::panic::Location;

use crate::shape::TensorType;

/// `Result` with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The source line that recorded a node, as `file:line`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site(pub &'static Location<'static>);

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.file(), self.0.line())
    }
}

/// What an operator's `infer` answers when an operand does not fit; the recorder adds the operator's name, the
/// operand's description and the caller's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Which operand or attribute, by its role: `weight`, `bias`, `stride`.
    pub operand: &'static str,
    /// What would have fitted.
    pub expected: String,
    /// What came.
    pub got: String,
}

impl Mismatch {
    /// A mismatch of `operand`.
    pub fn new(operand: &'static str, expected: impl fmt::Display, got: impl fmt::Display) -> Self {
        Mismatch { operand, expected: expected.to_string(), got: got.to_string() }
    }

    /// A mismatch of `operand` unless it `fits`.
    pub(crate) fn unless(
        fits: bool,
        operand: &'static str,
        expected: impl fmt::Display,
        got: impl fmt::Display,
    ) -> Result<(), Self> {
        if fits { Ok(()) } else { Err(Self::new(operand, expected, got)) }
    }
}

/// A tensor that takes a good part of a program's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeTensor {
    /// The operator that makes it, or the name of the input or state.
    pub what: String,
    /// Its type.
    pub ty: TensorType,
    /// What it takes.
    pub bytes: u64,
    /// The line that recorded it, where an operator makes it.
    pub site: Option<Site>,
}

impl fmt::Display for LargeTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {} bytes", self.what, self.ty, self.bytes)?;
        self.site.map_or(Ok(()), |site| write!(f, " at {site}"))
    }
}

/// The end of [`Error::OutOfMemory`]'s message.
fn room(needs: u64, limit: Option<u64>, largest: &[LargeTensor]) -> String {
    let mut text = String::new();
    if needs > 0 {
        text += &format!(" takes {needs} bytes");
    }
    if let Some(limit) = limit {
        text += &format!(", at most {limit} are allowed");
    }
    if !largest.is_empty() {
        let list: Vec<String> = largest.iter().map(LargeTensor::to_string).collect();
        text += &format!("; the largest tensors: {}", list.join(", "));
    }
    text
}

/// Everything that can go wrong in this crate.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An operand or attribute does not fit its operator.
    #[error("{op}: {operand}: expected {expected}, got {got} ({operands}) at {site}")]
    Operand {
        /// The operator.
        op: String,
        /// The operand or attribute by its role.
        operand: String,
        /// What would have fitted.
        expected: String,
        /// What came.
        got: String,
        /// All operands, named, with their types.
        operands: String,
        /// The caller's line.
        site: Site,
    },
    /// An operator has no gradient for one of its operands.
    #[error("{op} has no gradient for {operand}, recorded at {site}")]
    NotDifferentiable {
        /// The operator.
        op: String,
        /// The operand.
        operand: String,
        /// The caller's line.
        site: Site,
    },
    /// A name (input, parameter, tensor) was used with two types.
    #[error("{what} `{name}`: expected {expected}, got {got}")]
    Named {
        /// What kind of thing bears the name.
        what: &'static str,
        /// The name.
        name: String,
        /// What would have fitted.
        expected: String,
        /// What came.
        got: String,
    },
    /// A tensor is larger than the adapter can bind.
    #[error("{op}: {tensor} takes {bytes} bytes, more than the {limit} the adapter binds at once, at {site}")]
    BindingTooLarge {
        /// The operator that makes the tensor.
        op: String,
        /// The tensor's type.
        tensor: TensorType,
        /// What it takes.
        bytes: u64,
        /// What the adapter allows.
        limit: u64,
        /// The caller's line.
        site: Site,
    },
    /// A kernel asks for more of something than the adapter has.
    #[error("{kernel} needs {needs} {what}, the most is {has}, at {site}")]
    KernelLimit {
        /// The kernel.
        kernel: String,
        /// What there is too little of.
        what: &'static str,
        /// What the kernel needs.
        needs: u64,
        /// What the adapter has.
        has: u64,
        /// The caller's line.
        site: Site,
    },
    /// A kernel uses an optional feature that the adapter lacks.
    #[error("{kernel} needs {feature}, which the adapter does not have, at {site}")]
    Feature {
        /// The kernel.
        kernel: String,
        /// The feature.
        feature: &'static str,
        /// The caller's line.
        site: Site,
    },
    /// A shader does not parse, validate, or match what its operator binds.
    #[error("shader {shader}: {message}")]
    Shader {
        /// The shader's path under `shaders/`.
        shader: String,
        /// What is wrong.
        message: String,
    },
    /// No adapter answered.
    #[error(
        "no GPU adapter {wanted}; found: {found}. On Debian or Ubuntu the package mesa-vulkan-drivers brings a software adapter"
    )]
    NoAdapter {
        /// What was asked for.
        wanted: String,
        /// The adapters that did answer.
        found: String,
    },
    /// The adapter is below what every kernel needs.
    #[error("adapter {adapter}: {what} is {has}, knuckle needs {needs}")]
    AdapterLimit {
        /// The adapter's name.
        adapter: String,
        /// The limit.
        what: &'static str,
        /// What knuckle needs.
        needs: u64,
        /// What the adapter has.
        has: u64,
    },
    /// The device is gone; every buffer on it is lost.
    #[error("the GPU device was lost: {0}")]
    DeviceLost(String),
    /// The GPU has no room, or a program takes more than it may.
    #[error("out of GPU memory: {what}{}", room(*needs, *limit, largest))]
    OutOfMemory {
        /// What there was no room for.
        what: String,
        /// The bytes it takes, 0 where nobody knows.
        needs: u64,
        /// The bytes it may take, if there is a budget.
        limit: Option<u64>,
        /// Where it is a program: its largest tensors, largest first.
        largest: Vec<LargeTensor>,
    },
    /// The driver or wgpu refused something.
    #[error("GPU: {0}")]
    Gpu(String),
    /// A NaN or infinity where there must be none.
    #[error("{what} is not finite: {detail}")]
    NotFinite {
        /// The value.
        what: String,
        /// Where it arose.
        detail: String,
    },
    /// A result is not what a test expects.
    #[error("{what}: {message}")]
    NotClose {
        /// The result.
        what: String,
        /// Which element, what was expected, what came, how many more are off.
        message: String,
    },
    /// A weights file cannot be used.
    #[error("weights {file}: {message}")]
    Weights {
        /// The file.
        file: String,
        /// What is wrong.
        message: String,
    },
    /// A picture cannot be used.
    #[error("picture {file}: {message}")]
    Picture {
        /// The file.
        file: String,
        /// What is wrong.
        message: String,
    },
    /// A file of a mesh cannot be used.
    #[error("mesh {file}: {message}")]
    Mesh {
        /// The file.
        file: String,
        /// What is wrong.
        message: String,
    },
    /// A hand model cannot be used.
    #[error("hand model: {0}")]
    Hand(String),
    /// A file could not be read or written.
    #[error("{path}: {message}")]
    File {
        /// The path.
        path: String,
        /// The operating system's words.
        message: String,
    },
    /// An option or a data set's file is wrong.
    #[error("{what}: expected {expected}, got {got}")]
    Invalid {
        /// What is wrong.
        what: String,
        /// What would have been right.
        expected: String,
        /// What came.
        got: String,
    },
}

impl Error {
    /// An [`Error::File`] from an I/O error on `path`.
    pub fn file(path: impl AsRef<std::path::Path>, error: std::io::Error) -> Self {
        Error::File { path: path.as_ref().display().to_string(), message: error.to_string() }
    }

    /// An [`Error::OutOfMemory`] of something that is no program.
    pub(crate) fn out_of_memory(what: impl fmt::Display, needs: u64) -> Self {
        Error::OutOfMemory { what: what.to_string(), needs, limit: None, largest: Vec::new() }
    }

    /// An [`Error::Invalid`].
    pub fn invalid(what: impl fmt::Display, expected: impl fmt::Display, got: impl fmt::Display) -> Self {
        Error::Invalid { what: what.to_string(), expected: expected.to_string(), got: got.to_string() }
    }
}
