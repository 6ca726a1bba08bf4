//! Everything that has to do with Residua: the device it shares with the window, a model, and the scoring of one picture.
use eframe::egui_wgpu::{WgpuConfiguration, WgpuSetup, WgpuSetupCreateNew};
use eframe::wgpu::{self, TextureFormat::Rgba8Unorm, TextureUsages as Usage};
use residua::detect::{Embedded, ModelFolder};
use residua::gpu::{self, Gpu};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::files::Pixels;

/// How the window opens the device that it draws with, so that Residua can compute on it too: what Residua likes where
/// the adapter has it, and textures as large as the adapter allows. Hardware comes before a software driver.
pub fn window_device() -> WgpuConfiguration {
    let mut setup = WgpuSetupCreateNew::without_display_handle();
    setup.instance_descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    // A release build has no validation layers; the environment (WGPU_…) may ask for them.
    setup.instance_descriptor.flags = wgpu::InstanceFlags::empty().with_env();
    setup.native_adapter_selector = Some(Arc::new(|adapters, surface| {
        let can_show = |a: &&wgpu::Adapter| surface.is_none_or(|s| a.is_surface_supported(s));
        let best = adapters.iter().filter(can_show).min_by_key(|a| gpu::is_software(&a.get_info()));
        best.cloned().ok_or_else(|| "no GPU here can draw a window, and no software driver (lavapipe)".to_owned())
    }));
    setup.device_descriptor = Arc::new(|adapter| wgpu::DeviceDescriptor {
        label: Some("viewer"),
        required_features: gpu::wanted_features(adapter),
        required_limits: wgpu::Limits {
            max_texture_dimension_2d: adapter.limits().max_texture_dimension_2d,
            ..gpu::wanted_limits(adapter)
        },
        ..Default::default()
    });
    WgpuConfiguration { wgpu_setup: WgpuSetup::CreateNew(setup), ..Default::default() }
}

/// What Residua makes of the window's device.
pub type Shared = Arc<Gpu>;

/// The window's device, handed over to Residua.
pub fn share(render: &eframe::egui_wgpu::RenderState) -> Shared {
    Arc::new(Gpu::from_parts(render.device.clone(), render.queue.clone(), render.adapter.get_info()))
}

/// The 256 colours of the heat map, cold to hot.
pub fn colours() -> impl Iterator<Item = [u8; 3]> {
    (0..256u32).map(|i| residua::data::heat(i as f32 / 255.0))
}

/// A model on the window's device.
pub struct Scorer {
    gpu: Shared,
    detector: Embedded,
    /// The value of the map above which the model calls a pixel anomalous.
    pub threshold: f32,
}

impl Scorer {
    /// Opens a model folder and compiles its shaders. This takes a while, so it is called in a thread of its own.
    pub fn open(gpu: Shared, folder: &Path) -> Result<Scorer, String> {
        let model = ModelFolder::open(folder).map_err(|e| e.to_string())?;
        let threshold = model.config.threshold.pixel.map_or(0.5, |t| t as f32);
        let detector =
            gpu::drive(&gpu, Embedded::new(gpu.clone(), &model)).map_err(|e| format!("{}: {e}", folder.display()))?;
        Ok(Scorer { gpu, detector, threshold })
    }

    /// The value of the map that takes the hottest colour is twice the threshold, as in Residua's own pictures: what is
    /// anomalous lies in the upper half of the colours. Where a map is there already, it is coloured anew; that is the
    /// last step of its job alone.
    pub fn colour(&self, threshold: f32, job: Option<&Job>) -> Result<(), String> {
        self.detector.set_scale(2.0 * threshold);
        let Some(job) = job.filter(|j| j.encoded == j.steps) else { return Ok(()) };
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        self.encode(&mut encoder, job, job.steps - 1)?;
        self.gpu.queue.submit([encoder.finish()]);
        Ok(())
    }

    /// Uploads a picture and makes the textures for what comes of it. Nothing is computed yet.
    pub fn begin(&self, pixels: &Pixels) -> Job {
        let device = &self.gpu.device;
        let size = wgpu::Extent3d { width: pixels.width, height: pixels.height, depth_or_array_layers: 1 };
        let texture = |label, usage| {
            device.create_texture(&wgpu::TextureDescriptor {
                label: Some(label),
                size,
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: Rgba8Unorm,
                usage: usage | Usage::TEXTURE_BINDING,
                view_formats: &[],
            })
        };
        let picture = texture("picture", Usage::COPY_DST);
        let row = wgpu::TexelCopyBufferLayout { bytes_per_row: Some(4 * size.width), ..Default::default() };
        self.gpu.queue.write_texture(picture.as_image_copy(), &pixels.rgba, row, size);
        Job {
            picture,
            heat: texture("heat map", Usage::STORAGE_BINDING),
            reconstruction: texture("reconstruction", Usage::STORAGE_BINDING),
            steps: self.detector.steps(),
            encoded: 0,
            done: Arc::default(),
            numbers: device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("scores"),
                size: 16,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            }),
            mapped: Arc::default(),
            scores: None,
            began: Instant::now(),
            frames: 0,
            took: Duration::ZERO,
        }
    }

    /// Called once a frame: submits the next step as soon as the device is through with the last one, so that the
    /// window's own drawing never waits for more than one step. Nothing here waits for the device.
    pub fn advance(&self, job: &mut Job) -> Result<(), String> {
        job.frames += 1;
        // Lets wgpu call back for what has been done by now.
        self.gpu.device.poll(wgpu::PollType::Poll).map_err(|e| format!("the device does not answer: {e}"))?;
        if job.encoded == job.steps {
            return job.fetch_scores();
        }
        if job.done() < job.encoded {
            return Ok(());
        }
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        self.encode(&mut encoder, job, job.encoded)?;
        job.encoded += 1;
        if job.encoded == job.steps {
            let shown = self.detector.encode_reconstruction(&mut encoder, &job.reconstruction);
            shown.map_err(|e| e.to_string())?;
            encoder.copy_buffer_to_buffer(self.detector.scores(), 0, &job.numbers, 0, 16);
        }
        self.gpu.queue.submit([encoder.finish()]);
        let done = job.done.clone();
        self.gpu.queue.on_submitted_work_done(move || {
            done.fetch_add(1, SeqCst);
        });
        if job.encoded == job.steps {
            // The pictures stay on the device. These sixteen bytes are fetched because the window has to write them in
            // digits; mapping calls back when the device is done, so no frame waits for them either.
            let mapped = job.mapped.clone();
            job.numbers.map_async(wgpu::MapMode::Read, .., move |r| mapped.store(r.is_ok(), SeqCst));
        }
        Ok(())
    }

    fn encode(&self, encoder: &mut wgpu::CommandEncoder, job: &Job, step: usize) -> Result<(), String> {
        let part = self.detector.encode_part(encoder, &job.picture, &job.heat, step..step + 1);
        part.map_err(|e| e.to_string())
    }
}

/// Of the map at the network's size.
#[derive(Clone, Copy)]
pub struct Scores {
    pub mean: f32,
    pub max: f32,
    pub min: f32,
}

/// One picture on its way through a [`Scorer`].
pub struct Job {
    /// The three textures that the window shows.
    pub picture: wgpu::Texture,
    pub heat: wgpu::Texture,
    pub reconstruction: wgpu::Texture,
    /// Parts that it is cut into.
    pub steps: usize,
    /// Those that have been submitted, and those of them that the device has finished.
    encoded: usize,
    done: Arc<AtomicUsize>,
    numbers: wgpu::Buffer,
    mapped: Arc<AtomicBool>,
    /// Known when all is done.
    pub scores: Option<Scores>,
    began: Instant,
    /// Frames that were drawn until then.
    pub frames: usize,
    /// From the first step to the scores.
    pub took: Duration,
}

impl Job {
    /// Steps that the device has finished.
    pub fn done(&self) -> usize {
        self.done.load(SeqCst)
    }

    fn fetch_scores(&mut self) -> Result<(), String> {
        if self.scores.is_none() && self.mapped.load(SeqCst) {
            let bytes = self.numbers.get_mapped_range(..).map_err(|e| format!("the scores cannot be read: {e}"))?;
            let [mean, max, min, _] = bytemuck::pod_read_unaligned(&bytes);
            self.scores = Some(Scores { mean, max, min });
            self.took = self.began.elapsed();
        }
        Ok(())
    }
}
