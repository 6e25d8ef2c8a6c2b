//! From graph to program: lowering to kernel dispatches and planning of memory. A [`Program`] is data; nothing here
//! touches a device.

mod fuse;
mod images;
mod kernel;
mod lower;
mod plan;
mod program;
mod target;
mod texels;

pub use images::{IMAGE_WIDTH, Image, ImageCopy, ImagePlan, Texel};
pub use kernel::{Access, Binding, Define, Kernel, Param, Scalar, Shader};
pub use lower::{CompileOptions, Dispatch, Lowering, Value, compile};
pub use plan::{MemoryReport, Plan};
pub use program::{BufferRef, NodeInfo, Port, Program, Step, Temp};
pub use target::{AdapterClass, Target};
