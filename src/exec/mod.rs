//! From graph to program: lowering to kernel dispatches and planning of memory. A [`Program`] is data; nothing here
//! touches a device.

mod choice;
mod coarsening;
mod dispatch;
mod excerpt;
mod flat;
mod halves;
mod kernel;
mod lower;
mod passes;
mod place;
mod plan;
mod program;
pub mod sanitize;
mod target;
mod texel;
mod texels;
mod text;

pub use choice::{Choice, Choices, Measured, ShapeClass};
pub use dispatch::{Dispatch, Lowering, Value};
pub use flat::{Elementwise, Flat, PLACE_ALIGNMENT, Region};
pub use kernel::{Access, Binding, Define, Kernel, Param, Scalar, Shader};
pub use lower::{CompileOptions, compile};
pub use passes::{Pass, Passes, Saving};
pub use place::Piece;
pub use plan::{MemoryReport, Plan};
pub use program::{BufferRef, NodeInfo, Port, Program, Step, Temp};
pub(crate) use target::COARSE_FROM;
pub use target::{AdapterClass, COARSENESS, Cooperative, Target};
pub use texel::{IMAGE_WIDTH, Texel};
