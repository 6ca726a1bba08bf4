//! Compute pipelines: one for each specialised text, made in parallel, kept on disk where wgpu can.
use super::{Consts, Gpu, ShaderFile, preprocess};
use crate::kernels::{Kernel, Shader, Value};
use crate::{Error, Result};
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The text of a kernel's shader with every constant in place, the binding numbers included.
/// # Errors
/// [`Error::Shader`].
pub fn specialise(shader: &Shader, inputs: usize, weights: usize) -> Result<String> {
    let mut consts: Consts = shader.consts.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    // Binding numbers are plain integers, which is what an attribute takes.
    let mut bind = |name: String, at: usize| consts.insert(name, Value::T(at.to_string()));
    (0..inputs).for_each(|i| drop(bind(format!("BIND_IN{i}"), 1 + i)));
    bind("BIND_OUT".into(), 1 + inputs);
    (0..weights).for_each(|i| drop(bind(format!("BIND_W{i}"), 2 + inputs + i)));
    preprocess(shader.file, &consts)
}

/// What a binding of group 0 holds; its number is its place in the list.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Binding {
    /// A row of the step table.
    Step,
    /// A buffer that is read.
    Read,
    /// A buffer that is written.
    Write,
    /// A texture that is read texel by texel.
    Texture,
    /// A texture that is written.
    Picture(wgpu::TextureFormat),
}

/// What is needed to get a pipeline.
pub(super) struct Wanted {
    pub label: String,
    pub file: ShaderFile,
    pub text: String,
    pub bindings: Vec<Binding>,
}

type Layout = (wgpu::BindGroupLayout, wgpu::PipelineLayout);

/// Pipelines by text, layouts by bindings.
#[derive(Default)]
pub(super) struct Pipelines {
    made: Mutex<HashMap<String, wgpu::ComputePipeline>>,
    layouts: Mutex<HashMap<Vec<Binding>, Layout>>,
    cache: Option<(wgpu::PipelineCache, PathBuf)>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pipelines {
    /// Opens the disk cache for this adapter, where wgpu has one.
    pub fn open_cache(&mut self, device: &wgpu::Device, info: &wgpu::AdapterInfo) {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return;
        }
        let Some((folder, key)) = cache_folder().zip(wgpu::util::pipeline_cache_key(info)) else { return };
        let path = folder.join(key);
        let data = std::fs::read(&path).ok();
        let desc = wgpu::PipelineCacheDescriptor { label: Some("residua"), data: data.as_deref(), fallback: true };
        // SAFETY: the file was written by `save` from `get_data` of the same adapter and driver (wgpu's key names
        // both); wgpu checks its header and starts empty when it does not fit.
        let cache = unsafe { device.create_pipeline_cache(&desc) };
        self.cache = Some((cache, path));
    }

    /// Writes the cache; a failure costs time at the next start and nothing else.
    fn save(&self) {
        let Some((cache, path)) = &self.cache else { return };
        let Some(data) = cache.get_data() else { return };
        let temporary = path.with_extension(format!("{}", std::process::id()));
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(path.parent().unwrap_or(path))?;
            std::fs::write(&temporary, &data)?;
            std::fs::rename(&temporary, path)
        };
        if let Err(e) = write() {
            tracing::debug!("the pipeline cache {} was not written: {e}", path.display());
        }
    }

    /// The layout of these bindings.
    pub fn layout(&self, device: &wgpu::Device, bindings: &[Binding]) -> Layout {
        let make = || {
            let buffer =
                |ty, has_dynamic_offset| wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None };
            let kind = |binding: &Binding| match *binding {
                Binding::Step => buffer(wgpu::BufferBindingType::Uniform, true),
                Binding::Read => buffer(wgpu::BufferBindingType::Storage { read_only: true }, false),
                Binding::Write => buffer(wgpu::BufferBindingType::Storage { read_only: false }, false),
                Binding::Texture => wgpu::BindingType::Texture {
                    sample_type: wgpu::TextureSampleType::Float { filterable: false },
                    view_dimension: wgpu::TextureViewDimension::D2,
                    multisampled: false,
                },
                Binding::Picture(format) => wgpu::BindingType::StorageTexture {
                    access: wgpu::StorageTextureAccess::WriteOnly,
                    format,
                    view_dimension: wgpu::TextureViewDimension::D2,
                },
            };
            let entry = |(i, binding)| wgpu::BindGroupLayoutEntry {
                binding: i as u32,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: kind(binding),
                count: None,
            };
            let entries: Vec<_> = bindings.iter().enumerate().map(entry).collect();
            let group = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some("launch"),
                entries: &entries,
            });
            let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some("launch"),
                bind_group_layouts: &[Some(&group)],
                immediate_size: 0,
            });
            (group, pipeline)
        };
        lock(&self.layouts).entry(bindings.to_vec()).or_insert_with(make).clone()
    }
}

impl Gpu {
    /// Makes the pipelines that are not there yet, in parallel, and returns one for each entry.
    pub(super) async fn pipelines(&self, wanted: &[Wanted]) -> Result<Vec<wgpu::ComputePipeline>> {
        let missing: HashMap<&str, &Wanted> = {
            let made = lock(&self.pipelines.made);
            wanted.iter().filter(|w| !made.contains_key(&w.text)).map(|w| (&w.text[..], w)).collect()
        };
        let made: Vec<_> = missing.into_values().collect::<Vec<_>>().par_iter().map(|w| self.make(w)).collect();
        let any = !made.is_empty();
        for (wanted, pipeline, error) in made {
            if let Some(e) = error.await {
                return Err(Error::Shader { file: wanted.file.name.into(), fault: e.to_string() });
            }
            lock(&self.pipelines.made).insert(wanted.text.clone(), pipeline);
        }
        if any {
            self.pipelines.save();
        }
        self.check()?;
        let made = lock(&self.pipelines.made);
        let find = |w: &Wanted| made.get(&w.text).cloned().ok_or_else(|| self.error("a pipeline went missing"));
        wanted.iter().map(find).collect()
    }

    fn make<'w>(
        &self,
        wanted: &'w Wanted,
    ) -> (&'w Wanted, wgpu::ComputePipeline, impl Future<Output = Option<wgpu::Error>> + Send + use<>) {
        // Error scopes belong to a thread, so each worker has its own.
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let desc = wgpu::ShaderModuleDescriptor {
            label: Some(&wanted.label),
            source: wgpu::ShaderSource::Wgsl(wanted.text.as_str().into()),
        };
        let module = if self.trusted {
            // SAFETY: the text is one of the crate's own shaders, specialised by its kernel for the shapes it runs on;
            // its indices stay within its bindings (the tests run the same shaders checked) and its loops end.
            unsafe { self.device.create_shader_module_trusted(desc, wgpu::ShaderRuntimeChecks::unchecked()) }
        } else {
            self.device.create_shader_module(desc)
        };
        let layout = self.pipelines.layout(&self.device, &wanted.bindings);
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&wanted.label),
            layout: Some(&layout.1),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: !self.trusted,
                ..Default::default()
            },
            cache: self.pipelines.cache.as_ref().map(|c| &c.0),
        });
        (wanted, pipeline, scope.pop())
    }
}

/// Where this platform keeps caches.
fn cache_folder() -> Option<PathBuf> {
    let var = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = if cfg!(windows) {
        var("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        var("HOME").map(|h| h.join("Library/Caches"))
    } else {
        var("XDG_CACHE_HOME").or_else(|| var("HOME").map(|h| h.join(".cache")))
    };
    base.map(|b| b.join("residua"))
}

/// The shader of a kernel on these shapes, ready for [`Gpu::pipelines`].
pub(super) fn wanted(kernel: &dyn Kernel, io: &crate::kernels::Io) -> Result<(Wanted, [u32; 3])> {
    let shader = kernel.shader(io);
    let (inputs, weights) = (io.inputs.len(), kernel.weights().len());
    let text = specialise(&shader, inputs, weights)?;
    let mut bindings = vec![Binding::Step];
    bindings.extend(std::iter::repeat_n(Binding::Read, inputs));
    bindings.push(Binding::Write);
    bindings.extend(std::iter::repeat_n(Binding::Read, weights));
    Ok((Wanted { label: shader.label, file: shader.file, text, bindings }, shader.grid))
}
