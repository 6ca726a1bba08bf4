//! The ways of the host's textures: every format and size in, maps and reconstructions out, what is refused.
use super::*;

/// A texture's bytes in a format, from 8-bit texels.
fn bytes(format: TextureFormat, texels: &[[u8; 4]]) -> Vec<u8> {
    let unit = |v: u8| f32::from(v) / 255.0;
    let half = |v: u8| f16::from_f32(unit(v)).to_le_bytes();
    match format {
        TextureFormat::R8Unorm => texels.iter().map(|t| t[0]).collect(),
        TextureFormat::Bgra8Unorm => texels.iter().flat_map(|&[r, g, b, a]| [b, g, r, a]).collect(),
        TextureFormat::R16Float => texels.iter().flat_map(|t| half(t[0])).collect(),
        TextureFormat::Rgba16Float => texels.iter().flatten().flat_map(|&v| half(v)).collect(),
        TextureFormat::R32Float => texels.iter().flat_map(|t| unit(t[0]).to_le_bytes()).collect(),
        TextureFormat::Rgba32Float => texels.iter().flatten().flat_map(|&v| unit(v).to_le_bytes()).collect(),
        _ => texels.as_flattened().to_vec(),
    }
}

#[test]
fn every_format_and_size_comes_in_as_a_file_does() {
    use TextureFormat::*;
    let Some(host) = Host::open(true) else { return };
    for channels in [1, 3] {
        let (model, out) = (model(channels, (32, 32), GAUSSIAN), host.picture((1, 1), R32Float));
        let embedded = embedded(&host, &model);
        let formats = [R8Unorm, Rgba8Unorm, Rgba8UnormSrgb, Bgra8Unorm, R16Float, Rgba16Float, R32Float, Rgba32Float];
        for format in formats {
            for size in [(32, 32), (7, 5), (131, 67), (32, 80), (33, 31), (1, 1)] {
                let texels = pattern(size, 2);
                let image = host.image(size, format, &bytes(format, &texels));
                let mut encoder = host.encoder();
                embedded.encode_part(&mut encoder, &image, &out, 0..1).unwrap();
                host.queue.submit([encoder.finish()]);
                let mut picture = file(size, &texels, if format.components() == 1 { 1 } else { 3 });
                if matches!(format, R16Float | Rgba16Float) {
                    picture.data.iter_mut().for_each(|v| *v = f16::from_f32(*v).to_f32());
                }
                let expected = prepared(&picture, &model).to_tensor(model.config.image().unwrap().value_range());
                let found = host.read_floats(embedded.image());
                let errors = found.iter().zip(expected.to_device_layout()).map(|(a, b)| (a - b).abs());
                let worst = errors.fold(0.0, f32::max);
                // 8-bit values may be divided by 255 in another way; everything else is exact at equal sizes.
                let exact = size == (32, 32) && matches!(format, R16Float | Rgba16Float | R32Float | Rgba32Float);
                let exact = exact && picture.channels == channels;
                let bound = if exact { 0.0 } else { 4e-6 };
                assert!(worst <= bound, "{format:?} {size:?} for {channels} channels: off by {worst:e}");
            }
        }
    }
}

#[test]
fn the_map_goes_out_at_any_size_raw_and_in_colours() {
    let Some(host) = Host::open(true) else { return };
    let embedded = embedded(&host, &model(1, (24, 32), GAUSSIAN));
    let image = host.image((1, 1), TextureFormat::R8Unorm, &[0]);
    let values: Vec<f32> = (0..24 * 32).map(|i| ((i * i + 5 * i) % 83) as f32 / 20.0 - 0.1).collect();
    let lanes: Vec<f32> = values.iter().flat_map(|&v| [v, 0.0, 0.0, 0.0]).collect();
    host.queue.write_buffer(embedded.map(), 0, bytemuck::cast_slice(&lanes));
    let map = Map::new(24, 32, values).unwrap();
    let way_out = embedded.steps() - 1..embedded.steps();
    let draw = |size, format| {
        let out = host.picture(size, format);
        let mut encoder = host.encoder();
        embedded.encode_part(&mut encoder, &image, &out, way_out.clone()).unwrap();
        host.queue.submit([encoder.finish()]);
        out
    };
    for size in [(24, 32), (100, 57), (5, 3), (24, 64), (1, 1), (25, 31)] {
        let expected = map.resize(size.0 as usize, size.1 as usize).unwrap();
        let found = raw(&host, &draw(size, TextureFormat::R32Float));
        let worst = found.iter().zip(&expected.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let bound = if size == (24, 32) { 0.0 } else { 2e-5 };
        assert!(worst <= bound, "{size:?}: off by {worst:e}");
        embedded.set_scale(3.0);
        check_colours(&host.read_texture(&draw(size, TextureFormat::Rgba8Unorm)), &expected, 3.0);
    }
    for scale in [0.0, -1.0, f32::NAN] {
        embedded.set_scale(scale);
        let black = host.read_texture(&draw((24, 32), TextureFormat::Rgba8Unorm));
        let [r, g, b] = heat(0.0);
        assert!(black.chunks(4).all(|c| c == [r, g, b, 255]), "a scale of {scale}");
    }
}

#[test]
fn the_reconstruction_goes_out_at_any_size_as_a_host_shows_it() {
    let Some(host) = Host::open(true) else { return };
    for channels in [1, 3] {
        let (w, h) = (24, 32);
        let model = model(channels, (w, h), GAUSSIAN);
        let embedded = embedded(&host, &model);
        let texels = pattern((w, h), 3);
        let image = host.image((w, h), TextureFormat::Rgba8Unorm, texels.as_flattened());
        let map = host.picture((1, 1), TextureFormat::R32Float);
        let mut encoder = host.encoder();
        embedded.encode(&mut encoder, &image, &map).unwrap();
        host.queue.submit([encoder.finish()]);
        // The buffer, in the model's range -1..1, is the truth; some of it lies outside.
        let shown = host.read_floats(embedded.reconstruction().unwrap());
        let unit: Vec<f32> = shown.chunks(4).flat_map(|p| p[..channels].to_vec()).map(|v| (v + 1.0) / 2.0).collect();
        assert!(unit.iter().any(|v| *v > 0.1 && *v < 0.9), "nothing of the reconstruction is grey");
        for size in [(w, h), (100, 57), (5, 3), (1, 1)] {
            let out = host.picture(size, TextureFormat::Rgba8Unorm);
            let mut encoder = host.encoder();
            embedded.encode_reconstruction(&mut encoder, &out).unwrap();
            host.queue.submit([encoder.finish()]);
            let resized: Vec<Vec<f32>> = (0..channels)
                .map(|c| unit.iter().skip(c).step_by(channels).copied().collect())
                .map(|plane| Map::new(w as usize, h as usize, plane).unwrap())
                .map(|plane| plane.resize(size.0 as usize, size.1 as usize).unwrap().data)
                .collect();
            let expected = (0..(size.0 * size.1) as usize).flat_map(|i| {
                let value = |c: usize| 255.0 * resized[c % channels][i].clamp(0.0, 1.0);
                [value(0), value(1), value(2), 255.0]
            });
            let found = host.read_texture(&out);
            let worst = found.iter().zip(expected).map(|(f, e)| (f32::from(*f) - e).abs()).fold(0.0, f32::max);
            assert!(worst <= 0.501, "{channels} channels at {size:?}: off by {worst} of 255");
        }
    }
}

#[test]
fn textures_that_do_not_fit_are_refused_in_words() {
    use TextureFormat::*;
    let Some(host) = Host::open(false) else { return };
    let embedded = embedded(&host, &model(1, (32, 32), GAUSSIAN));
    let good = [host.image((4, 4), R8Unorm, &[0; 16]), host.picture((4, 4), R32Float)];
    let texture = |dimension, layers, samples, format, usage| {
        host.device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: wgpu::Extent3d { width: 4, height: 4, depth_or_array_layers: layers },
            mip_level_count: 1,
            sample_count: samples,
            dimension,
            format,
            usage,
            view_formats: &[],
        })
    };
    let (d2, d3) = (wgpu::TextureDimension::D2, wgpu::TextureDimension::D3);
    let (read, write, draw) =
        (TextureUsages::TEXTURE_BINDING, TextureUsages::STORAGE_BINDING, TextureUsages::RENDER_ATTACHMENT);
    let refused = |input: &wgpu::Texture, output: &wgpu::Texture, words: &str| {
        let mut encoder = host.encoder();
        match embedded.encode(&mut encoder, input, output) {
            Err(Error::Invalid(text)) => assert!(text.contains(words), "{text}"),
            other => panic!("{words}: {other:?}"),
        }
    };
    for (input, words) in [
        (texture(d2, 1, 1, Rgba8Unorm, write), "input texture was made without the usage"),
        (texture(d2, 3, 1, Rgba8Unorm, read), "3 layers"),
        (texture(d2, 1, 4, Rgba8Unorm, read | draw), "4 samples"),
        (texture(d3, 2, 1, Rgba8Unorm, read), "D3"),
        (texture(d2, 1, 1, Rgba8Uint, read), "Rgba8Uint"),
        (texture(d2, 1, 1, Rg8Unorm, read), "Rg8Unorm"),
        (texture(d2, 1, 1, Depth32Float, read), "Depth32Float"),
    ] {
        refused(&input, &good[1], words);
    }
    for (output, words) in [
        (texture(d2, 1, 1, Rgba8Unorm, read), "output texture was made without the usage"),
        (texture(d2, 2, 1, Rgba8Unorm, write), "2 layers"),
        (texture(d2, 1, 1, Rgba16Float, write), "Rgba16Float"),
    ] {
        refused(&good[0], &output, words);
    }
    for (picture, words) in [
        (texture(d2, 1, 1, Rgba8Unorm, read), "picture texture was made without the usage"),
        (texture(d2, 1, 1, R32Float, write), "R32Float"),
    ] {
        match embedded.encode_reconstruction(&mut host.encoder(), &picture) {
            Err(Error::Invalid(text)) => assert!(text.contains(words), "{text}"),
            other => panic!("{words}: {other:?}"),
        }
    }
    let beyond = 0..embedded.steps() + 1;
    assert!(embedded.encode_part(&mut host.encoder(), &good[0], &good[1], beyond).is_err());
}
