//! The tape that is the graph: a [`Recorder`] appends typed nodes and hands out [`Var`]s; `backward` appends more.

mod backward;
mod node;
mod record;
mod schedule;

pub use backward::Gradients;
pub(crate) use node::{AVERAGE, AVERAGES_BEGUN};
pub use node::{Graph, Init, Kind, Node, NodeId, StateDef, StateId, TensorData};
pub use record::{Mode, Recorder, Var};
pub use schedule::Schedule;
