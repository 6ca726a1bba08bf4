//! A program with its own wgpu device, for the tests of embedding: textures, work of its own, reading back.
use residua::gpu::{self, Gpu};
use residua::wgpu::{self, TextureFormat, TextureUsages};
use std::sync::Arc;

/// Numbers that the host's own work keeps stepping.
const CELLS: u32 = 1000;
const WORK: &str = "
@group(0) @binding(0) var<storage, read_write> cells: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < arrayLength(&cells)) { cells[id.x] = cells[id.x] * 3u + id.x; }
}";

/// The host: its device, and a computation of its own.
pub struct Host {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    /// What it hands over.
    pub gpu: Arc<Gpu>,
    pipeline: wgpu::ComputePipeline,
    cells: wgpu::Buffer,
    group: wgpu::BindGroup,
}

impl Host {
    /// A device opened by the host, with what Residua likes or with WebGPU's defaults; a visible skip where there is no
    /// adapter, a failure with `RESIDUA_REQUIRE_GPU`.
    pub fn open(webgpu_floor: bool) -> Option<Host> {
        let adapters = pollster::block_on(gpu::adapters());
        let Some(adapter) = adapters.first() else {
            let required = std::env::var_os("RESIDUA_REQUIRE_GPU").is_some();
            assert!(!required, "RESIDUA_REQUIRE_GPU is set, but there is no adapter");
            println!("SKIPPED on the GPU: no adapter");
            return None;
        };
        let mut desc = wgpu::DeviceDescriptor { label: Some("host"), ..Default::default() };
        if !webgpu_floor {
            desc.required_features = gpu::wanted_features(adapter);
            desc.required_limits = gpu::wanted_limits(adapter);
        }
        let (device, queue) = pollster::block_on(adapter.request_device(&desc)).unwrap();
        let source = wgpu::ShaderSource::Wgsl(WORK.into());
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("host"),
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: Default::default(),
            cache: None,
        });
        let cells = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("host"),
            size: 4 * u64::from(CELLS),
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: cells.as_entire_binding() }],
        });
        let gpu = Arc::new(Gpu::from_parts(device.clone(), queue.clone(), adapter.get_info()));
        Some(Host { device, queue, gpu, pipeline, cells, group })
    }
    /// An encoder of the host's.
    pub fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&Default::default())
    }
    /// One step of the host's own work.
    pub fn work(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.dispatch_workgroups(CELLS.div_ceil(64), 1, 1);
    }
    /// Holds the host's own work to what so many steps of it make.
    pub fn check_work(&self, steps: usize) {
        let cells: Vec<u32> = bytemuck::pod_collect_to_vec(&self.read_buffer(&self.cells));
        let step = |v: u32, i: u32| v.wrapping_mul(3).wrapping_add(i);
        let expected: Vec<u32> = (0..CELLS).map(|i| (0..steps).fold(0, |v, _| step(v, i))).collect();
        assert_eq!(cells, expected, "{steps} steps of the host's work");
    }
    /// A 2D texture of (width, height).
    pub fn texture(&self, (width, height): (u32, u32), format: TextureFormat, usage: TextureUsages) -> wgpu::Texture {
        self.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("host"),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage,
            view_formats: &[],
        })
    }
    /// A texture to be scored, with these bytes.
    pub fn image(&self, size: (u32, u32), format: TextureFormat, bytes: &[u8]) -> wgpu::Texture {
        let texture = self.texture(size, format, TextureUsages::TEXTURE_BINDING | TextureUsages::COPY_DST);
        let layout = wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(bytes.len() as u32 / size.1),
            rows_per_image: None,
        };
        self.queue.write_texture(texture.as_image_copy(), bytes, layout, texture.size());
        texture
    }
    /// A texture to be written.
    pub fn picture(&self, size: (u32, u32), format: TextureFormat) -> wgpu::Texture {
        self.texture(size, format, TextureUsages::STORAGE_BINDING | TextureUsages::COPY_SRC)
    }
    /// A texture of four bytes a texel, without the padding of its rows.
    pub fn read_texture(&self, texture: &wgpu::Texture) -> Vec<u8> {
        let (row, height) = (4 * texture.width(), texture.height());
        let pitch = row.next_multiple_of(256);
        let staging = self.staging(u64::from(pitch * height));
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(pitch), rows_per_image: None };
        let mut encoder = self.encoder();
        let into = wgpu::TexelCopyBufferInfo { buffer: &staging, layout };
        encoder.copy_texture_to_buffer(texture.as_image_copy(), into, texture.size());
        self.queue.submit([encoder.finish()]);
        self.map(&staging).chunks(pitch as usize).flat_map(|r| r[..row as usize].to_vec()).collect()
    }
    /// A buffer's bytes.
    pub fn read_buffer(&self, buffer: &wgpu::Buffer) -> Vec<u8> {
        let staging = self.staging(buffer.size());
        let mut encoder = self.encoder();
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        self.queue.submit([encoder.finish()]);
        self.map(&staging)
    }
    /// A buffer of f32.
    pub fn read_floats(&self, buffer: &wgpu::Buffer) -> Vec<f32> {
        bytemuck::pod_collect_to_vec(&self.read_buffer(buffer))
    }
    fn staging(&self, size: u64) -> wgpu::Buffer {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        self.device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    }
    fn map(&self, staging: &wgpu::Buffer) -> Vec<u8> {
        staging.map_async(wgpu::MapMode::Read, .., |r| r.unwrap());
        self.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        staging.get_mapped_range(..).unwrap().to_vec()
    }
}
