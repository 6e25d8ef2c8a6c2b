//! Finding an adapter, opening a device, and turning wgpu's errors into ours.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::aliased;
use super::buffer::{Buffer, Meter};
use super::executable::Executable;
use super::pipeline::{Checks, Pipelines};
use super::pipeline_store::PipelineStore;
use super::states::States;
use super::tune::{Table, Tuning, apart};
use crate::error::{Error, Result};
use crate::exec::{AdapterClass, COARSE_FROM, CompileOptions, Cooperative, Program, Target, compile};
use crate::graph::{Recorder, Var};
use crate::shape::DType;

/// How to open a [`Gpu`].
#[derive(Debug, Clone, Default)]
pub struct GpuOptions {
    /// Part of an adapter's name, or its index in [`adapters`]; otherwise the environment variable `KNUCKLE_ADAPTER`,
    /// otherwise the best: discrete before integrated before software.
    pub adapter: Option<String>,
    /// Ask only for what every WebGPU device has, however much the adapter offers.
    pub webgpu_defaults: bool,
    /// Whether the driver's shaders are compiled with bounds checks, or sanitised.
    pub checks: Checks,
    /// The most bytes that buffers on this device may take together. Loading a program that would take more is
    /// [`Error::OutOfMemory`], before anything is allocated.
    pub memory_budget: Option<u64>,
    /// Which variants of kernels programs run.
    pub tuning: Tuning,
}

/// An adapter as a person would want it described.
#[derive(Debug, Clone)]
pub struct AdapterReport {
    /// Its position in [`adapters`].
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Vulkan, Metal or DX12.
    pub backend: String,
    /// Discrete GPU, integrated GPU, virtual GPU, CPU or other.
    pub kind: String,
    /// The driver and its version.
    pub driver: String,
    /// Optional features knuckle can use that it has.
    pub features: Vec<String>,
}

impl fmt::Display for AdapterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {}, {})", self.name, self.kind, self.backend, self.driver)
    }
}

/// Silences a message that Mesa's device-select layer prints on machines without a display. Call it first thing in
/// `main`, if at all: changing the environment is unsound once other threads read it.
pub fn prepare_environment() {
    if std::env::var_os("NODEVICE_SELECT").is_none() {
        // SAFETY: documented to be called before any other thread exists.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var("NODEVICE_SELECT", "1");
        }
    }
}

/// Makes Mesa's software driver compute in the thread of each device, without threads of its own: several devices that
/// work side by side then share the cores without waiting for each other. Other adapters do not care. Call it first thing
/// in `main`, as [`prepare_environment`]; it does nothing where the environment already says (`LP_NUM_THREADS`).
pub fn prefer_one_thread_a_device() {
    if std::env::var_os("LP_NUM_THREADS").is_none() {
        // SAFETY: documented to be called before any other thread exists.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var("LP_NUM_THREADS", "0");
        }
    }
}

fn instance() -> wgpu::Instance {
    let descriptor = wgpu::InstanceDescriptor {
        backends: wgpu::Backends::PRIMARY,
        flags: wgpu::InstanceFlags::empty(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    };
    wgpu::Instance::new(descriptor)
}

async fn enumerate() -> Vec<wgpu::Adapter> {
    let mut adapters = instance().enumerate_adapters(wgpu::Backends::PRIMARY).await;
    adapters.sort_by_key(|a| match a.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    adapters
}

fn report(index: usize, adapter: &wgpu::Adapter) -> AdapterReport {
    let info = adapter.get_info();
    let features = adapter.features() & useful_features();
    let mut names: Vec<String> = features.iter_names().map(|(name, _)| name.to_string()).collect();
    names.extend(cooperative(adapter, features).iter().map(|form| format!("cooperative matrices of {form}")));
    AdapterReport {
        index,
        name: info.name,
        backend: info.backend.to_string(),
        kind: format!("{:?}", info.device_type),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
        features: names,
    }
}

/// Every adapter of this machine, best first.
pub fn adapters() -> Vec<AdapterReport> {
    pollster::block_on(enumerate()).iter().enumerate().map(|(i, a)| report(i, a)).collect()
}

fn useful_features() -> wgpu::Features {
    wgpu::Features::TIMESTAMP_QUERY
        | wgpu::Features::SHADER_F16
        | wgpu::Features::SUBGROUP
        | wgpu::Features::PIPELINE_CACHE
        | wgpu::Features::SHADER_FLOAT32_ATOMIC
        | wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX
}

/// The forms of cooperative matrices that an adapter has, shaders on a device with `features` can say, and kernels use: square ones of 8 or
/// 16, with sums in f32.
fn cooperative(adapter: &wgpu::Adapter, features: wgpu::Features) -> Vec<Cooperative> {
    use wgpu::CooperativeScalarType as Scalar;
    // Which matrices are a lane's is told by its subgroup.
    if !features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX | wgpu::Features::SUBGROUP) {
        return Vec::new();
    }
    let widest_subgroup = adapter.get_info().subgroup_max_size;
    let offered = adapter.cooperative_matrix_properties();
    let forms = [(16, Scalar::F16, DType::F16), (8, Scalar::F16, DType::F16), (8, Scalar::F32, DType::F32)];
    let has = |(size, scalar, dtype): (u32, Scalar, DType)| {
        let usable = dtype == DType::F32 || features.contains(wgpu::Features::SHADER_F16);
        let form = |p: &wgpu::CooperativeMatrixProperties| {
            [p.m_size, p.n_size, p.k_size] == [size; 3] && (p.ab_type, p.cr_type) == (scalar, Scalar::F32)
        };
        (usable && offered.iter().any(form)).then_some(Cooperative { size, dtype, widest_subgroup })
    };
    forms.into_iter().filter_map(has).collect()
}

/// Leave to use features that wgpu calls experimental, where any of `features` is.
fn experimental(features: wgpu::Features) -> wgpu::ExperimentalFeatures {
    if !features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
        return wgpu::ExperimentalFeatures::disabled();
    }
    // SAFETY: wgpu asks for the knowledge that its experimental features may have bugs. Of these only cooperative matrices are asked for, in
    // kernels that the test suite holds against f64 wherever they are offered, and that have an ordinary form everywhere.
    #[allow(unsafe_code)]
    unsafe {
        wgpu::ExperimentalFeatures::enabled()
    }
}

/// The first error the device reported outside an error scope, and whether it is lost.
#[derive(Debug, Default)]
struct Faults {
    lost: Option<String>,
    error: Option<Error>,
}

pub(super) struct Shared {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) pipelines: Pipelines,
    pub(super) meter: Arc<Meter>,
    pub(super) table: Table,
    target: Target,
    memory_budget: Option<u64>,
    report: AdapterReport,
    faults: Arc<Mutex<Faults>>,
}

/// An open device. Cheap to clone; clones share pipelines.
#[derive(Clone)]
pub struct Gpu {
    pub(super) shared: Arc<Shared>,
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gpu({})", self.shared.report)
    }
}

impl Gpu {
    /// Opens the best adapter, or the one `KNUCKLE_ADAPTER` names (part of its name, or its index).
    pub fn new() -> Result<Gpu> {
        Self::open(&GpuOptions::default())
    }

    /// Opens an adapter.
    pub fn open(options: &GpuOptions) -> Result<Gpu> {
        pollster::block_on(Self::open_async(options))
    }

    /// Opens an adapter without blocking.
    pub async fn open_async(options: &GpuOptions) -> Result<Gpu> {
        let adapters = enumerate().await;
        let wanted = options.adapter.clone().or_else(|| std::env::var("KNUCKLE_ADAPTER").ok());
        let position = match &wanted {
            None => (!adapters.is_empty()).then_some(0),
            Some(text) => match text.parse::<usize>() {
                Ok(index) => (index < adapters.len()).then_some(index),
                Err(_) => {
                    let text = text.to_lowercase();
                    adapters.iter().position(|a| a.get_info().name.to_lowercase().contains(&text))
                }
            },
        };
        let Some(position) = position else {
            let names: Vec<String> = adapters.iter().map(|a| a.get_info().name).collect();
            return Err(Error::NoAdapter {
                wanted: wanted.map_or_else(|| "answers".into(), |w| format!("matches `{w}`")),
                found: if names.is_empty() { "none".into() } else { names.join(", ") },
            });
        };
        let adapter = &adapters[position];
        let (features, limits) = match options.webgpu_defaults {
            true => (wgpu::Features::empty(), wgpu::Limits::default()),
            false => (adapter.features() & useful_features(), adapter.limits()),
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("knuckle"),
            required_features: features,
            required_limits: limits,
            experimental_features: experimental(features),
            ..Default::default()
        };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|e| Error::Gpu(format!("{}: {e}", adapter.get_info().name)))?;
        Self::build(position, adapter, device, queue, options)
    }

    /// Uses a device the application already has.
    pub fn from_device(adapter: &wgpu::Adapter, device: wgpu::Device, queue: wgpu::Queue) -> Result<Gpu> {
        Self::build(0, adapter, device, queue, &GpuOptions::default())
    }

    fn build(
        index: usize,
        adapter: &wgpu::Adapter,
        device: wgpu::Device,
        queue: wgpu::Queue,
        options: &GpuOptions,
    ) -> Result<Gpu> {
        let report = report(index, adapter);
        let GpuOptions { checks, memory_budget, .. } = *options;
        let limits = device.limits();
        let need = Target::webgpu_defaults();
        let required: [(&'static str, u64, u64); 4] = [
            ("storage buffers a stage", limits.max_storage_buffers_per_shader_stage.into(), 8),
            ("invocations a workgroup", limits.max_compute_invocations_per_workgroup.into(), 64),
            ("bytes of workgroup memory", limits.max_compute_workgroup_storage_size.into(), 16 << 10),
            ("workgroups a dimension", limits.max_compute_workgroups_per_dimension.into(), need.max_groups.into()),
        ];
        for (what, has, needs) in required {
            if has < needs {
                return Err(Error::AdapterLimit { adapter: report.name, what, needs, has });
            }
        }
        let info = device.adapter_info();
        let software = info.device_type == wgpu::DeviceType::Cpu;
        let subgroups = device.features().contains(wgpu::Features::SUBGROUP);
        let target = Target {
            class: if software { AdapterClass::Software } else { AdapterClass::Hardware },
            max_binding_bytes: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
            max_groups: limits.max_compute_workgroups_per_dimension,
            max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
            max_workgroup_bytes: limits.max_compute_workgroup_storage_size,
            max_invocations: limits.max_compute_invocations_per_workgroup,
            uniform_alignment: limits.min_uniform_buffer_offset_alignment,
            f16: device.features().contains(wgpu::Features::SHADER_F16),
            subgroup: (subgroups && info.subgroup_min_size == info.subgroup_max_size).then_some(info.subgroup_max_size),
            // The sanitizer does not know them.
            cooperative: match checks {
                Checks::Sanitized => Vec::new(),
                Checks::Trusted | Checks::Checked => cooperative(adapter, device.features()),
            },
            // What is read through an image escapes the sanitizer.
            images: if software && checks != Checks::Sanitized && aliased::supported(&device) {
                limits.max_storage_textures_per_shader_stage
            } else {
                0
            },
            // Faults are told with the invocation that they happened in.
            coarse_from: (software && checks != Checks::Sanitized).then_some(COARSE_FROM),
            choices: None,
        };
        let faults = Arc::new(Mutex::new(Faults::default()));
        let sink = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            log::error!("wgpu: {error}");
            if let Ok(mut faults) = sink.lock() {
                faults.error.get_or_insert(convert(error));
            }
        }));
        let sink = faults.clone();
        device.set_device_lost_callback(move |reason, message| {
            // Dropping the last handle also "loses" a device; that is no news.
            if let (wgpu::DeviceLostReason::Unknown, Ok(mut faults)) = (reason, sink.lock()) {
                log::error!("device lost: {message}");
                faults.lost.get_or_insert(message);
            }
        });
        log::info!("using {report}");
        let store = crate::cache::folder().and_then(|folder| PipelineStore::open(&device, &folder));
        let pipelines = Pipelines::new(checks, store);
        let meter = Arc::default();
        let table = Table::open(options.tuning, &report);
        let shared = Shared { device, queue, pipelines, meter, table, target, memory_budget, report, faults };
        Ok(Gpu { shared: Arc::new(shared) })
    }

    /// The same adapter with a device of its own, to work at the same time.
    pub fn reopened(&self) -> Result<Gpu> {
        let options = GpuOptions {
            adapter: Some(self.shared.report.index.to_string()),
            webgpu_defaults: false,
            checks: self.shared.pipelines.checks(),
            memory_budget: self.shared.memory_budget,
            tuning: self.shared.table.tuning,
        };
        Self::open(&options)
    }

    /// The adapter in use.
    pub fn adapter(&self) -> &AdapterReport {
        &self.shared.report
    }

    /// The adapter's limits and class, for [`compile`](crate::exec::compile), with the variants that its cost model expects to be
    /// fastest.
    pub fn target(&self) -> &Target {
        &self.shared.target
    }

    /// Bytes of device memory allocated now through this device, and the most at any time.
    pub fn memory(&self) -> (u64, u64) {
        (self.shared.meter.now(), self.shared.meter.peak())
    }

    /// What is left of the budget, if there is one.
    pub(super) fn memory_left(&self) -> Option<u64> {
        self.shared.memory_budget.map(|budget| budget.saturating_sub(self.shared.meter.now()))
    }

    /// Forgets the peak of [`Gpu::memory`].
    pub fn reset_peak_memory(&self) {
        self.shared.meter.reset_peak();
    }

    /// Whether dispatches can be timed on the device itself.
    pub fn has_timestamps(&self) -> bool {
        self.shared.device.features().contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    /// Compiles what `outputs` need and every state change recorded, with state of its own.
    pub fn compile<'r>(&self, recorder: &'r Recorder, outputs: impl AsRef<[Var<'r>]>) -> Result<Executable> {
        self.compile_with(recorder, outputs, &States::new(self))
    }

    /// As [`Gpu::compile`], sharing named state with other programs. Parameters and what an optimiser keeps of them are laid
    /// out for the first program that changes them; another, while that is loaded, that would lay them out in another way
    /// takes a dispatch for each tensor instead of one for all.
    pub fn compile_with<'r>(
        &self,
        recorder: &'r Recorder,
        outputs: impl AsRef<[Var<'r>]>,
        states: &States,
    ) -> Result<Executable> {
        self.compile_as(recorder, outputs, states, CompileOptions::default())
    }

    /// As [`Gpu::compile_with`], with options: which passes run, say.
    pub fn compile_as<'r>(
        &self,
        recorder: &'r Recorder,
        outputs: impl AsRef<[Var<'r>]>,
        states: &States,
        options: CompileOptions,
    ) -> Result<Executable> {
        let program = self.lower(recorder, outputs.as_ref(), options)?;
        // The sanitizer would find what is between the tensors.
        if !options.keep_values && self.shared.pipelines.checks() != Checks::Sanitized {
            let flat = program.clone().flattened(self.target());
            let fits = |budget| flat.plan.report(&flat).total() <= budget;
            if options.memory_budget.is_none_or(fits) && states.can_lay_out(&flat) {
                return self.load(flat, states);
            }
            log::warn!("state or memory does not allow this program to join the dispatches of an optimiser's step");
        }
        self.load(program, states)
    }

    /// As [`Gpu::compile_with`], with every value kept in a buffer of its own and no state changed: for
    /// [`Executable::first_non_finite`] and for looking at values inside a run.
    pub fn compile_debug<'r>(
        &self,
        recorder: &'r Recorder,
        outputs: impl AsRef<[Var<'r>]>,
        states: &States,
    ) -> Result<Executable> {
        let options = CompileOptions { effects: false, keep_values: true, ..CompileOptions::default() };
        self.compile_as(recorder, outputs, states, options)
    }

    fn lower(&self, recorder: &Recorder, outputs: &[Var<'_>], options: CompileOptions) -> Result<Program> {
        if self.shared.table.tuning == Tuning::Measure {
            let before = self.choices();
            self.tune_with(false, |_| (), |target| self.lower_for(recorder, outputs, target, apart(options)))?;
            if *before != *self.choices() {
                self.keep_choices().map_or_else(|e| log::warn!("what was measured is not kept: {e}"), |_| ());
            }
        }
        let target = Target { choices: Some(self.choices()), ..self.target().clone() };
        self.lower_for(recorder, outputs, &target, options)
    }

    pub(super) fn lower_for(
        &self,
        recorder: &Recorder,
        outputs: &[Var<'_>],
        target: &Target,
        options: CompileOptions,
    ) -> Result<Program> {
        let outputs: Vec<_> = outputs.iter().map(|v| (String::new(), v.id())).collect();
        recorder.with_graph(|graph| compile(graph, &outputs, target, options))
    }

    /// Makes a program's buffers and pipelines.
    pub fn load(&self, program: Program, states: &States) -> Result<Executable> {
        Executable::new(self, program, states, 0)
    }

    /// As [`Gpu::load`], with words behind the end of every slot that nothing may write: see [`Executable::overrun`].
    pub fn load_with_sentinels(&self, program: Program, states: &States) -> Result<Executable> {
        const SENTINEL_BYTES: u64 = 256;
        Executable::new(self, program, states, SENTINEL_BYTES)
    }

    /// Runs `body` and turns any wgpu error it causes into ours.
    pub(super) fn scoped<T>(&self, body: impl FnOnce() -> Result<T>) -> Result<T> {
        let device = &self.shared.device;
        let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
        let value = body();
        let errors = [internal.pop().into_boxed(), validation.pop().into_boxed(), memory.pop().into_boxed()];
        // That explains whatever else went wrong.
        self.lost()?;
        for error in errors {
            if let Some(error) = pollster::block_on(error) {
                return Err(convert(error));
            }
        }
        self.check()?;
        value
    }

    /// Gives the device back now, with everything on it. Whoever uses it afterwards, through any clone, is told
    /// [`Error::DeviceLost`], as if the driver had taken it.
    pub fn destroy(&self) {
        let mut faults = self.shared.faults.lock().unwrap_or_else(|e| e.into_inner());
        faults.lost.get_or_insert_with(|| "destroyed by the application".into());
        drop(faults);
        self.shared.device.destroy();
    }

    /// The error, if the device was lost or reported one outside a scope.
    pub(super) fn check(&self) -> Result<()> {
        self.lost()?;
        let mut faults = self.shared.faults.lock().unwrap_or_else(|e| e.into_inner());
        faults.error.take().map_or(Ok(()), Err)
    }

    /// The error, if the device was lost.
    fn lost(&self) -> Result<()> {
        let faults = self.shared.faults.lock().unwrap_or_else(|e| e.into_inner());
        faults.lost.clone().map_or(Ok(()), |message| Err(Error::DeviceLost(message)))
    }

    pub(super) fn buffer(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> Arc<Buffer> {
        let descriptor = wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes.max(16).next_multiple_of(16),
            usage,
            mapped_at_creation: false,
        };
        Arc::new(Buffer::new(self.shared.device.create_buffer(&descriptor), None, &self.shared.meter))
    }

    /// A buffer that the host writes, mapped for it, and copies go out of.
    pub(super) fn mapped(&self, label: &str, bytes: u64) -> Arc<Buffer> {
        let descriptor = wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes.max(16).next_multiple_of(16),
            usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: true,
        };
        Arc::new(Buffer::new(self.shared.device.create_buffer(&descriptor), None, &self.shared.meter))
    }

    /// A buffer that kernels read and write, and where the adapter likes that better, read as an image.
    pub(super) fn storage(&self, label: &str, bytes: u64) -> Arc<Buffer> {
        use wgpu::BufferUsages as U;
        if self.target().images > 0 {
            let bytes = bytes.max(16).next_multiple_of(16);
            if let Some((raw, memory)) = aliased::buffer(&self.shared.device, label, bytes) {
                return Arc::new(Buffer::new(raw, Some(memory), &self.shared.meter));
            }
        }
        self.buffer(label, bytes, U::STORAGE | U::COPY_SRC | U::COPY_DST)
    }

    /// Waits until the device has done all that was submitted.
    pub fn wait(&self) -> Result<()> {
        let polled = self.shared.device.poll(wgpu::PollType::wait_indefinitely());
        self.check()?;
        polled.map(|_| ()).map_err(|e| Error::Gpu(e.to_string()))
    }

    /// Copies of ranges of device buffers, each given by where it begins and how long it is.
    pub(super) async fn read(&self, sources: &[(&wgpu::Buffer, u64, u64)]) -> Result<Vec<Vec<u8>>> {
        let total: u64 = sources.iter().map(|(_, _, bytes)| bytes).sum();
        let staging = self.buffer("read-back", total, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        let mut encoder = self.shared.device.create_command_encoder(&Default::default());
        let mut offset = 0;
        for (buffer, from, bytes) in sources.iter().filter(|(_, _, bytes)| *bytes > 0) {
            encoder.copy_buffer_to_buffer(buffer, *from, &staging.raw, offset, Some(*bytes));
            offset += bytes;
        }
        self.shared.queue.submit([encoder.finish()]);
        self.map(&staging.raw, sources.iter().map(|(_, _, bytes)| *bytes)).await
    }

    /// Waits for a mappable buffer and splits it into pieces of the given sizes.
    pub(super) async fn map(
        &self,
        staging: &wgpu::Buffer,
        sizes: impl IntoIterator<Item = u64>,
    ) -> Result<Vec<Vec<u8>>> {
        let mapped = SignalWait::mapping(staging, wgpu::MapMode::Read);
        self.wait()?;
        if !mapped.await {
            self.check()?;
            return Err(Error::Gpu("mapping the read-back buffer failed".into()));
        }
        let view = staging.slice(..).get_mapped_range().map_err(|e| Error::Gpu(e.to_string()))?;
        let mut offset = 0usize;
        let pieces = sizes.into_iter().map(|bytes| {
            let piece = view[offset..offset + bytes as usize].to_vec();
            offset += bytes as usize;
            piece
        });
        let pieces = pieces.collect();
        drop(view);
        staging.unmap();
        Ok(pieces)
    }
}

fn convert(error: wgpu::Error) -> Error {
    match error {
        wgpu::Error::OutOfMemory { source } => Error::out_of_memory(source, 0),
        wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => {
            Error::Gpu(description)
        }
    }
}

/// Boxes a future so that several kinds fit one array.
trait IntoBoxed: Future + Sized {
    fn into_boxed<'a>(self) -> std::pin::Pin<Box<dyn Future<Output = Self::Output> + 'a>>
    where
        Self: 'a,
    {
        Box::pin(self)
    }
}

impl<F: Future> IntoBoxed for F {}

/// A one-shot flag that a callback sets and a future waits for.
#[derive(Default)]
struct Signal(Mutex<(Option<bool>, Option<std::task::Waker>)>);

pub(super) struct SignalWait(Arc<Signal>);

impl SignalWait {
    /// Maps a buffer; ready once it is, or never will be.
    pub(super) fn mapping(buffer: &wgpu::Buffer, mode: wgpu::MapMode) -> SignalWait {
        let (done, wait) = Signal::pair();
        buffer.slice(..).map_async(mode, move |result| done.set(result.is_ok()));
        wait
    }
}

impl Signal {
    fn pair() -> (Arc<Signal>, SignalWait) {
        let signal = Arc::new(Signal::default());
        (signal.clone(), SignalWait(signal))
    }

    fn set(&self, value: bool) {
        let mut state = self.0.lock().unwrap_or_else(|e| e.into_inner());
        state.0 = Some(value);
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }
}

impl Future for SignalWait {
    type Output = bool;

    fn poll(self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<bool> {
        let mut state = self.0.0.lock().unwrap_or_else(|e| e.into_inner());
        match state.0 {
            Some(value) => std::task::Poll::Ready(value),
            None => {
                state.1 = Some(cx.waker().clone());
                std::task::Poll::Pending
            }
        }
    }
}
