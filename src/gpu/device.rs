//! Finding an adapter, opening a device, or taking a host's.
use crate::kernels::class::{SHARED, Target};
use crate::{Error, Result};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use wgpu::{Features, Limits};

/// How a device is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Create shader modules without bounds checks and loop bounding (the shaders are our own). Off in tests that
    /// look for out-of-range accesses.
    pub trusted: bool,
    /// Ask for WebGPU's default limits and no feature, whatever the adapter could do.
    pub webgpu_floor: bool,
    /// Keep compiled pipelines on disk where wgpu can (Vulkan).
    pub cache: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { trusted: true, webgpu_floor: false, cache: true }
    }
}

/// A device and its queue, with everything that is shared by the sessions on it.
pub struct Gpu {
    /// The device.
    pub device: wgpu::Device,
    /// Its queue.
    pub queue: wgpu::Queue,
    /// The adapter.
    pub info: wgpu::AdapterInfo,
    /// What graphs are lowered for.
    pub target: Target,
    pub(super) trusted: bool,
    pub(super) pipelines: super::pipeline::Pipelines,
    fault: Arc<Mutex<Option<String>>>,
}

/// Features that make Residua faster or more telling where the adapter has them; none is needed.
pub fn wanted_features(adapter: &wgpu::Adapter) -> Features {
    let wanted = Features::TIMESTAMP_QUERY | Features::TIMESTAMP_QUERY_INSIDE_ENCODERS | Features::PIPELINE_CACHE;
    adapter.features() & wanted
}

/// The limits Residua likes: WebGPU's defaults, with buffers and bindings as large as the adapter allows, and as much shared
/// memory as the kernels have a use for.
pub fn wanted_limits(adapter: &wgpu::Adapter) -> Limits {
    let has = adapter.limits();
    Limits {
        max_buffer_size: has.max_buffer_size,
        max_storage_buffer_binding_size: has.max_storage_buffer_binding_size,
        max_compute_workgroup_storage_size: has.max_compute_workgroup_storage_size.min(SHARED as u32),
        ..Limits::defaults()
    }
}

/// An adapter that computes on the CPU (lavapipe, WARP, SwiftShader).
pub fn is_software(info: &wgpu::AdapterInfo) -> bool {
    info.device_type == wgpu::DeviceType::Cpu
}

fn instance() -> wgpu::Instance {
    let mut desc = wgpu::InstanceDescriptor::new_without_display_handle();
    desc.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    // A release build has no validation layers; the environment (WGPU_…) may ask for them or for strictness.
    desc.flags = wgpu::InstanceFlags::empty().with_env();
    wgpu::Instance::new(desc)
}

/// All adapters of this machine; none when there is no driver or no Vulkan library.
pub async fn adapters() -> Vec<wgpu::Adapter> {
    instance().enumerate_adapters(wgpu::Backends::all()).await
}

impl Gpu {
    /// Opens an adapter: the one whose name contains `name` (any case), or else the first discrete, integrated or
    /// virtual one, or else, with `software_too`, one that computes on the CPU.
    /// # Errors
    /// [`Error::NoDevice`] naming what there is; [`Error::Device`] when it cannot be opened.
    pub async fn new(name: Option<&str>, software_too: bool, options: Options) -> Result<Gpu> {
        let all = adapters().await;
        let rank = |a: &wgpu::Adapter| match a.get_info().device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => 2,
            wgpu::DeviceType::Cpu => 3,
        };
        let fits = |a: &&wgpu::Adapter| match name {
            Some(n) => a.get_info().name.to_lowercase().contains(&n.to_lowercase()),
            None => software_too || rank(a) < 3,
        };
        let Some(adapter) = all.iter().filter(fits).min_by_key(|a| rank(a)) else {
            let names: Vec<_> = all.iter().map(|a| a.get_info().name).collect();
            let there = if names.is_empty() { "none at all".to_owned() } else { names.join(", ") };
            let what = name.map_or("GPU".to_owned(), |n| format!("adapter named `{n}`"));
            return Err(Error::NoDevice(format!("there is no {what}; adapters: {there}")));
        };
        Self::open(adapter, options).await
    }

    /// Opens this adapter.
    /// # Errors
    /// [`Error::Device`].
    pub async fn open(adapter: &wgpu::Adapter, options: Options) -> Result<Gpu> {
        let info = adapter.get_info();
        let (features, limits) = if options.webgpu_floor {
            (Features::empty(), Limits::defaults())
        } else {
            (wanted_features(adapter), wanted_limits(adapter))
        };
        let desc = wgpu::DeviceDescriptor {
            label: Some("residua"),
            required_features: features,
            required_limits: limits,
            ..Default::default()
        };
        let opened = adapter.request_device(&desc).await;
        let (device, queue) =
            opened.map_err(|e| Error::Device { device: info.name.clone(), fault: format!("cannot be opened: {e}") })?;
        let mut gpu = Self::with(device, queue, info, options);
        // This device is ours, so its faults become errors of ours instead of wgpu's default panic.
        let (lost, fault) = (gpu.fault.clone(), gpu.fault.clone());
        gpu.device.set_device_lost_callback(move |reason, text| note(&lost, format!("was lost ({reason:?}): {text}")));
        gpu.device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| note(&fault, words(&e))));
        if options.cache {
            gpu.pipelines.open_cache(&gpu.device, &gpu.info);
        }
        Ok(gpu)
    }

    /// Takes a host's device and queue; `info` names the adapter in messages and results. The host keeps its own
    /// error and device-lost handlers; see [`wanted_features`] and [`wanted_limits`] for what to open it with.
    pub fn from_parts(device: wgpu::Device, queue: wgpu::Queue, info: wgpu::AdapterInfo) -> Gpu {
        Self::with(device, queue, info, Options::default())
    }

    fn with(device: wgpu::Device, queue: wgpu::Queue, info: wgpu::AdapterInfo, options: Options) -> Gpu {
        let pipelines = super::pipeline::Pipelines::default();
        let target = if options.webgpu_floor { Target::default() } else { Target::adapter(&info, &device.limits()) };
        Gpu { device, queue, info, target, trusted: options.trusted, pipelines, fault: Arc::default() }
    }

    /// The fault that the device has reported, if any.
    /// # Errors
    /// [`Error::Device`].
    pub fn check(&self) -> Result<()> {
        match &*self.fault.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(fault) => Err(self.error(fault.clone())),
            None => Ok(()),
        }
    }
    pub(super) fn error(&self, fault: impl Into<String>) -> Error {
        Error::Device { device: self.info.name.clone(), fault: fault.into() }
    }
}

/// Keeps the first fault; those that follow are its consequences.
fn note(to: &Mutex<Option<String>>, text: String) {
    to.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
}

/// An error that nobody waited for.
fn words(e: &wgpu::Error) -> String {
    match e {
        wgpu::Error::OutOfMemory { .. } => format!("has no memory left: {e}"),
        wgpu::Error::Validation { .. } => format!("refused a command, which is a fault of this program: {e}"),
        wgpu::Error::Internal { .. } => format!("failed: {e}"),
    }
}

/// Runs a future to its end, polling the device while it waits: for programs without an event loop, such as the command
/// line and tests. This blocks; a host that has its own loop awaits the future instead.
pub fn drive<T>(gpu: &Gpu, future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    pollster::block_on(std::future::poll_fn(|cx| {
        let state = future.as_mut().poll(cx);
        if state.is_pending() {
            // A lost device reports itself through its callback, a host's device here.
            if let Err(text) = super::wait::wait(&gpu.device) {
                note(&gpu.fault, format!("was lost: {text}"));
            }
            cx.waker().wake_by_ref();
        }
        state
    }))
}
