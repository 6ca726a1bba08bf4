//! A texture comes in as a file with the same values does, whatever the scaling.
use super::{Gpu, Textures};
use crate::data::{Input, InputSpec, Over, Scaling, ValueRange, read_still};
use crate::kernels::testing::gpus;
use crate::{Shape, Tensor};
use std::sync::Arc;
use wgpu::{BufferUsages, TextureFormat, TextureUsages};

/// Texels of four channels: a background of one value, and values far outside 0..1, some negative.
fn texels(width: usize, height: usize) -> Vec<[f32; 4]> {
    let texel = |i: usize| match (i * 7) % 5 {
        0 => [-3.25, -0.0, 10.0, 0.5],
        _ => [0, 1, 2, 3].map(|c| ((i * i * (c + 3) + 11 * i) % 1013) as f32 * 0.37 - 3.0 + 20.0 * c as f32),
    };
    (0..width * height).map(texel).collect()
}

fn texture(gpu: &Gpu, size: (u32, u32), format: TextureFormat, bytes: &[u8]) -> wgpu::Texture {
    let size = wgpu::Extent3d { width: size.0, height: size.1, depth_or_array_layers: 1 };
    let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size,
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: TextureUsages::TEXTURE_BINDING | TextureUsages::COPY_DST,
        view_formats: &[],
    });
    let bytes_per_row = Some(bytes.len() as u32 / size.height);
    let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row, rows_per_image: None };
    gpu.queue.write_texture(texture.as_image_copy(), bytes, layout, size);
    texture
}

fn buffer(gpu: &Gpu, size: usize, usage: BufferUsages) -> wgpu::Buffer {
    gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: size as u64,
        usage,
        mapped_at_creation: false,
    })
}

/// The network's input that the device makes of a texture, in device layout.
fn on_device(gpu: &Arc<Gpu>, shape: Shape, range: [f32; 2], scaling: Scaling, texture: &wgpu::Texture) -> Vec<f32> {
    let size = 16 * shape.h * shape.w;
    let image = buffer(gpu, size, BufferUsages::STORAGE | BufferUsages::COPY_SRC);
    let map = buffer(gpu, size, BufferUsages::STORAGE);
    let new = Textures::new(gpu.clone(), shape, range, scaling, [image.clone(), map], [[0; 3]; 256]);
    let textures = pollster::block_on(new).unwrap();
    let way = textures.check_in(texture).unwrap();
    let staging = buffer(gpu, size, BufferUsages::MAP_READ | BufferUsages::COPY_DST);
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    // Twice: nothing of the first must be left in the second.
    textures.encode_in(&mut encoder, texture, way);
    textures.encode_in(&mut encoder, texture, way);
    encoder.copy_buffer_to_buffer(&image, 0, &staging, 0, size as u64);
    gpu.queue.submit([encoder.finish()]);
    staging.map_async(wgpu::MapMode::Read, .., |r| r.unwrap());
    gpu.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    bytemuck::pod_collect_to_vec(&staging.get_mapped_range(..).unwrap())
}

fn scalings() -> Vec<Scaling> {
    let mut all = Vec::new();
    all.push(Scaling::MinMax { over: Over::Volume });
    for over in [Over::Image, Over::Mask] {
        all.push(Scaling::MinMax { over });
        for (low, high) in [(0.0, 100.0), (1.0, 99.0), (0.5, 50.0), (33.3, 66.6)] {
            all.push(Scaling::Percentiles { low, high, over });
        }
    }
    all
}

#[test]
fn a_scaled_texture_is_a_scaled_file() {
    let folder = tempfile::tempdir().unwrap();
    for gpu in gpus() {
        for (channels, size) in [(1, (24, 16)), (2, (24, 16)), (3, (50, 37)), (4, (7, 61))] {
            let texels = texels(size.0, size.1);
            let values: Vec<f32> = texels.iter().flat_map(|t| t[..channels].to_vec()).collect();
            let path = folder.path().join("x.npy");
            write(&path, [size.1, size.0, channels], &values);
            let bytes: &[u8] = bytemuck::cast_slice(&texels);
            let texture = texture(gpu, (size.0 as u32, size.1 as u32), TextureFormat::Rgba32Float, bytes);
            // A grey network is given three channels of a texture, and so of a file.
            if channels == 1 {
                let three: Vec<f32> = texels.iter().flat_map(|t| t[..3].to_vec()).collect();
                write(&path, [size.1, size.0, 3], &three);
            }
            for scaling in scalings() {
                let spec = InputSpec { scaling, ..InputSpec::fixed(channels, ValueRange::SIGNED) };
                let picture = read_still(&Input::of_file(&path), &spec).unwrap();
                let want: Tensor = picture.resize(24, 16).unwrap().to_tensor(ValueRange::SIGNED);
                let shape = Shape::new(1, 16, 24, channels);
                let found = on_device(gpu, shape, [-1.0, 1.0], scaling, &texture);
                let want = want.to_device_layout();
                assert_eq!(found.len(), want.len());
                let worst = found.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(worst <= 1e-5, "{scaling:?}, {channels} channels: off by {worst:e}");
            }
        }
    }
}

#[test]
fn a_texture_of_one_value_is_black_and_not_nan() {
    for gpu in gpus() {
        let texture = texture(gpu, (3, 2), TextureFormat::R8Unorm, &[99; 6]);
        for scaling in scalings() {
            let found = on_device(gpu, Shape::new(1, 4, 4, 1), [-1.0, 1.0], scaling, &texture);
            assert!(found.iter().step_by(4).all(|v| *v == -1.0), "{scaling:?}: {found:?}");
        }
    }
}

fn write(path: &std::path::Path, shape: [usize; 3], values: &[f32]) {
    use npyz::WriterBuilder;
    let shape = shape.map(|n| n as u64);
    let file = std::fs::File::create(path).unwrap();
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd().unwrap();
    writer.extend(values.iter().copied()).unwrap();
    writer.finish().unwrap();
}
