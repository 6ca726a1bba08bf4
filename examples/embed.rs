//! A wgpu program with a device, textures and work of its own has its camera's picture scored, and gets the heat map in
//! another of its textures, while it goes on drawing:
//!
//!     cargo run --release --example embed --no-default-features [MODEL]
use residua::detect::{Embedded, ModelFolder};
use residua::gpu::{Gpu, adapters, is_software, wanted_features, wanted_limits};
use residua::wgpu::{self, TextureFormat::Rgba8Unorm, TextureUsages as Usage};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// The host's drawing: its camera's picture, with a dark spot that wanders from frame to frame.
const DRAW: &str = "
@group(0) @binding(0) var camera: texture_2d<f32>;
@group(0) @binding(1) var frame: texture_storage_2d<rgba8unorm, write>;
@group(0) @binding(2) var<uniform> number: u32;
@compute @workgroup_size(8, 8) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let spot = vec2<f32>(f32(40u + number % 60u), 70.0);
    let light = select(1.0, 0.3, distance(vec2<f32>(id.xy), spot) < 8.0);
    textureStore(frame, id.xy, vec4<f32>(light * textureLoad(camera, id.xy, 0).rgb, 1.0));
}";

fn main() -> Result<(), Box<dyn Error>> {
    // The host's device. Any other would do too: Residua needs no feature and no limit beyond WebGPU's defaults.
    let all = pollster::block_on(adapters());
    let adapter = all.iter().min_by_key(|a| is_software(&a.get_info())).ok_or("no GPU and no software driver here")?;
    let desc = wgpu::DeviceDescriptor {
        required_features: wanted_features(adapter),
        required_limits: wanted_limits(adapter),
        ..Default::default()
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&desc))?;
    println!("host: a device on {}", adapter.get_info().name);

    // The host's textures: what the camera sees, what is drawn from it, and where the heat map is wanted.
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/texture");
    let picture = image::open(weights.join("samples/good/brick-1.png"))?.to_rgba8();
    let size = wgpu::Extent3d { width: picture.width(), height: picture.height(), depth_or_array_layers: 1 };
    let texture = |label, usage| {
        device.create_texture(&wgpu::TextureDescriptor {
            label: Some(label),
            size,
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: Rgba8Unorm,
            usage,
            view_formats: &[],
        })
    };
    let camera = texture("camera", Usage::TEXTURE_BINDING | Usage::COPY_DST);
    let frame = texture("frame", Usage::STORAGE_BINDING | Usage::TEXTURE_BINDING);
    let heat = texture("heat map", Usage::STORAGE_BINDING | Usage::COPY_SRC);
    let rows = |pitch| wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(pitch), rows_per_image: None };
    queue.write_texture(camera.as_image_copy(), &picture, rows(4 * size.width), size);
    let (draw, group, number) = drawing(&device, &camera, &frame);

    // Device and queue are handed over, once.
    let start = Instant::now();
    let gpu = Arc::new(Gpu::from_parts(device.clone(), queue.clone(), adapter.get_info()));
    let folder = std::env::args_os().nth(1).map_or(weights, PathBuf::from);
    let model = ModelFolder::open(&folder)?;
    let detector = pollster::block_on(Embedded::new(gpu, &model))?;
    println!("detector: {} steps, ready after {:.1?}", detector.steps(), start.elapsed());

    // The host's loop: it draws frame after frame and puts one step of the scoring behind each, until all are on
    // their way. The first takes the frame as it is then. Nothing waits for the device; a callback tells when all is done.
    let (start, done) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let mut frames = 0;
    while !done.load(SeqCst) {
        queue.write_buffer(&number, 0, &(frames as u32).to_le_bytes());
        let mut encoder = device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&draw);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(size.width.div_ceil(8), size.height.div_ceil(8), 1);
        drop(pass);
        if frames < detector.steps() {
            detector.encode_part(&mut encoder, &frame, &heat, frames..frames + 1)?;
        }
        queue.submit([encoder.finish()]);
        frames += 1;
        if frames == detector.steps() {
            let done = done.clone();
            queue.on_submitted_work_done(move || done.store(true, SeqCst));
        }
        device.poll(wgpu::PollType::Poll)?;
        std::thread::sleep(Duration::from_millis(4));
    }
    // A software driver computes where it is submitted to, so there the frames are few.
    println!("frame 0 scored after {:.1?}; {frames} frames were drawn meanwhile", start.elapsed());

    // The heat map lies in a texture and the scores in a buffer, for the host to draw with. That is all of it; what
    // follows is for whoever runs this example: both are fetched, which waits.
    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: u64::from(4 * size.width * size.height) + 16,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    let into = wgpu::TexelCopyBufferInfo { buffer: &staging, layout: rows(4 * size.width) };
    encoder.copy_texture_to_buffer(heat.as_image_copy(), into, size);
    encoder.copy_buffer_to_buffer(detector.scores(), 0, &staging, staging.size() - 16, 16);
    queue.submit([encoder.finish()]);
    staging.map_async(wgpu::MapMode::Read, .., |_| ());
    device.poll(wgpu::PollType::wait_indefinitely())?;
    let bytes = staging.get_mapped_range(..)?.to_vec();
    let (picture, scores) = bytes.split_at(bytes.len() - 16);
    let scores: Vec<f32> = bytemuck::pod_collect_to_vec(scores);
    std::fs::create_dir_all("residua-out")?;
    image::save_buffer("residua-out/embed.png", picture, size.width, size.height, image::ColorType::Rgba8)?;
    println!("map: mean {:.6}, max {:.6}; heat map in residua-out/embed.png", scores[0], scores[1]);
    Ok(())
}

type Drawing = (wgpu::ComputePipeline, wgpu::BindGroup, wgpu::Buffer);

/// Pipeline, bind group and frame number of the host's drawing.
fn drawing(device: &wgpu::Device, camera: &wgpu::Texture, frame: &wgpu::Texture) -> Drawing {
    let source = wgpu::ShaderSource::Wgsl(DRAW.into());
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("draw"),
        layout: None,
        module: &device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source }),
        entry_point: None,
        compilation_options: Default::default(),
        cache: None,
    });
    let number = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("frame number"),
        size: 4,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let views = [camera, frame].map(|t| t.create_view(&Default::default()));
    let [camera, frame] = [&views[0], &views[1]].map(wgpu::BindingResource::TextureView);
    let resources = [camera, frame, number.as_entire_binding()];
    let entry = |(i, resource)| wgpu::BindGroupEntry { binding: i as u32, resource };
    let entries: Vec<_> = resources.into_iter().enumerate().map(entry).collect();
    let layout = pipeline.get_bind_group_layout(0);
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("draw"),
        layout: &layout,
        entries: &entries,
    });
    (pipeline, group, number)
}
