//! The only room that names wgpu: device, pipelines, buffers, running programs.

#[cfg_attr(
    not(all(feature = "vulkan", not(any(target_vendor = "apple", target_arch = "wasm32")))),
    path = "not_aliased.rs"
)]
mod aliased;
mod buffer;
mod choice_file;
mod device;
mod executable;
mod loaded;
mod pipeline;
mod pipeline_store;
#[cfg(feature = "testing")]
mod raw;
mod states;
mod timing;
mod tune;
mod uploads;

pub use buffer::Data;
pub use choice_file::ChoiceFile;
pub use device::{AdapterReport, Gpu, GpuOptions, adapters, prefer_one_thread_a_device, prepare_environment};
pub use executable::{Executable, NonFinite, Outputs};
pub use pipeline::Checks;
#[cfg(feature = "testing")]
pub(crate) use raw::{RawBinding, RawKernel, RawSource, RawUse};
pub use states::States;
pub use timing::StepTime;
pub use tune::{Tuned, Tuning};
