//! What a graph is made of: nodes, named state and constant data.

use std::sync::Arc;

use half::f16;

use crate::error::{Error, Site};
use crate::ops::Operator;
use crate::shape::{DType, Shape, TensorType};

/// The index of a node in its graph; inputs always have smaller ids than the node that uses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// The position in [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The index of a named state in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateId(pub(crate) u32);

impl StateId {
    /// The position in [`Graph::states`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Constant data on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorData {
    /// Shape and element type.
    pub ty: TensorType,
    bytes: Arc<[u8]>,
}

impl TensorData {
    /// An f32 tensor; `None` unless `values` has as many elements as `shape`.
    pub fn f32(shape: impl Into<Shape>, values: &[f32]) -> Option<Self> {
        Self::new(TensorType::f32(shape), bytemuck::cast_slice(values))
    }

    /// A u32 tensor; `None` unless `values` has as many elements as `shape`.
    pub fn u32(shape: impl Into<Shape>, values: &[u32]) -> Option<Self> {
        Self::new(TensorType::u32(shape), bytemuck::cast_slice(values))
    }

    /// An f16 tensor of these values, rounded; `None` unless there are as many as `shape` has elements.
    pub fn f16(shape: impl Into<Shape>, values: &[f32]) -> Option<Self> {
        let halves: Vec<f16> = values.iter().map(|&v| f16::from_f32(v)).collect();
        Self::new(TensorType::f16(shape), bytemuck::cast_slice(&halves))
    }

    /// A tensor of any element type; `None` unless there are as many values as `shape` has elements.
    pub fn of_f32(ty: &TensorType, values: &[f32]) -> Option<Self> {
        match ty.dtype {
            DType::F32 => Self::f32(&ty.shape, values),
            DType::F16 => Self::f16(&ty.shape, values),
            DType::U32 => Self::u32(&ty.shape, &values.iter().map(|&v| v as u32).collect::<Vec<_>>()),
        }
    }

    /// The tensor that device memory holds, if it is as long as the type says.
    pub(crate) fn of_words(ty: &TensorType, words: &[u32]) -> Option<Self> {
        let bytes = ty.shape.numel().checked_mul(ty.dtype.bytes())?;
        Self::new(ty.clone(), bytemuck::cast_slice::<u32, u8>(words).get(..bytes)?)
    }

    fn new(ty: TensorType, bytes: &[u8]) -> Option<Self> {
        let fits = ty.shape.numel().checked_mul(ty.dtype.bytes()) == Some(bytes.len());
        fits.then(|| {
            // Whole words, as on the device.
            let mut bytes = bytes.to_vec();
            bytes.resize(ty.bytes() as usize, 0);
            TensorData { ty, bytes: bytes.into() }
        })
    }

    /// The raw bytes, native endian.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A copy as f32 (u32 elements are converted by value).
    pub fn to_f32(&self) -> Vec<f32> {
        let words = self.bytes.chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]);
        match self.ty.dtype {
            DType::F32 => words.map(f32::from_ne_bytes).collect(),
            DType::U32 => words.map(|b| u32::from_ne_bytes(b) as f32).collect(),
            DType::F16 => {
                let halves = self.bytes.chunks_exact(2).map(|b| f16::from_ne_bytes([b[0], b[1]]).to_f32());
                halves.take(self.ty.shape.numel()).collect()
            }
        }
    }
}

/// How a named state begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Init {
    /// Every element the same.
    Constant(f32),
    /// Normal with mean 0 and this standard deviation.
    Normal(f32),
    /// Uniform in ± this bound.
    Uniform(f32),
    /// The first axis has as many indices as there are values: each index its own value.
    Rows(Vec<f32>),
    /// Given values.
    Data(TensorData),
}

/// What the name of a parameter's moving average adds to the parameter's,
pub(crate) const AVERAGE: &str = ".average";
/// and the state that is 0 until there are averages.
pub(crate) const AVERAGES_BEGUN: &str = "average.begun";

/// A named tensor that outlives a run: a parameter, a running statistic, a moment.
#[derive(Debug, Clone)]
pub struct StateDef {
    /// Its name, unique in the graph; `/` separates scopes.
    pub name: String,
    /// Shape and element type.
    pub ty: TensorType,
    /// How it begins.
    pub init: Init,
    /// Whether `backward` computes its gradient.
    pub trainable: bool,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Uploaded at every run.
    Input(String),
    /// Named state.
    State(StateId),
    /// Data fixed when recorded.
    Constant(TensorData),
    /// An operator applied to the node's inputs.
    Apply(Arc<dyn Operator>),
}

/// One tensor and how it comes about.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The nodes it is computed from.
    pub inputs: Vec<NodeId>,
    /// Shape and element type.
    pub ty: TensorType,
    /// The line that recorded it.
    pub site: Site,
    /// Whether `backward` recorded it.
    pub gradient: bool,
}

impl Node {
    /// The operator, if the node applies one.
    pub fn operator(&self) -> Option<&Arc<dyn Operator>> {
        match &self.kind {
            Kind::Apply(op) => Some(op),
            _ => None,
        }
    }

    /// Whether running the node changes named state.
    pub fn mutates(&self) -> bool {
        self.operator().is_some_and(|op| !op.mutates().is_empty())
    }
}

/// The tape: nodes in the order they were recorded, and the named state they use.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// All nodes; a node's inputs precede it.
    pub nodes: Vec<Node>,
    /// All named state.
    pub states: Vec<StateDef>,
    /// State changes are skipped in a run where this scalar is not finite.
    pub guard: Option<NodeId>,
    /// The first mistake in a call that cannot answer with an error itself; reported when compiling.
    pub(crate) fault: Option<Error>,
}

impl Graph {
    /// The node behind an id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// A name for messages: the input's or state's own, else the operator and id.
    pub fn describe(&self, id: NodeId) -> String {
        let node = self.node(id);
        match &node.kind {
            Kind::Input(name) => format!("{name} {}", node.ty),
            Kind::State(s) => format!("{} {}", self.states[s.index()].name, node.ty),
            Kind::Constant(_) => format!("constant {}", node.ty),
            Kind::Apply(op) => format!("%{} {} {}", id.0, op.name(), node.ty),
        }
    }
}
