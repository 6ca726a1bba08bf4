//! The detector inside a host: from one of the host's textures to another, on the host's device and in its encoders.

use crate::common::host::Host;
use crate::tolerance::{TWO_WAYS, nmse};
use half::f16;
use residua::data::{Map, Picture, heat};
use residua::detect::config::{BlurConfig, NoiseConfig, SamplerConfig};
use residua::detect::{DetectorConfig, Embedded, MeanMap, ModelFolder, Runner, System};
use residua::report::heatmap;
use residua::wgpu::{self, TextureFormat, TextureUsages};
use residua::{Device, Error};
use std::path::Path;

mod textures;

type Size = (u32, u32);

const GAUSSIAN: NoiseConfig = NoiseConfig::Gaussian {};
const SIMPLEX: NoiseConfig = NoiseConfig::Simplex { octaves: 2, persistence: 0.8, frequency: 16 };

/// A small random network, in a chain short enough for a test.
fn model(channels: usize, (width, height): Size, noise: NoiseConfig) -> ModelFolder {
    let folder = tempfile::tempdir().unwrap();
    crate::common::small::write(folder.path(), channels);
    let open = ModelFolder::open_with(
        folder.path(),
        |o| o,
        Some(32),
        |c| {
            let input = c.input.as_mut().unwrap();
            (input.width, input.height) = (width as usize, height as usize);
            let System::AnoDdpm(s) = &mut c.system else { panic!("{:?}", c.system) };
            (s.lambda, s.runs, s.noise) = (200, 2, noise);
            s.sampler = SamplerConfig::Ddim { steps: 2, eta: 0.0 };
            s.blur = Some(BlurConfig::Gaussian { sigma: 1.0 });
            Ok(())
        },
    );
    open.unwrap()
}

fn embedded(host: &Host, model: &ModelFolder) -> Embedded {
    pollster::block_on(Embedded::new(host.gpu.clone(), model)).unwrap()
}

/// Bytes that vary from texel to texel and from channel to channel.
fn pattern((width, height): Size, seed: u32) -> Vec<[u8; 4]> {
    let texel = |i: u32| {
        let (x, y) = (i % width, i / width);
        [0, 1, 2, 3].map(|c: u32| (x * (7 + c) + y * (3 + seed) + (i * i * (1 + seed) + 91 * c) % 97) as u8)
    };
    (0..width * height).map(texel).collect()
}

/// What a file of these texels would be read as.
fn file((width, height): Size, texels: &[[u8; 4]], channels: usize) -> Picture {
    let data = texels.iter().flat_map(|t| t[..channels].to_vec()).map(|v| f32::from(v) / 255.0).collect();
    Picture::new(Path::new("texture"), width as usize, height as usize, channels, data).unwrap()
}

/// The network's input as the command line makes it.
fn prepared(picture: &Picture, model: &ModelFolder) -> Picture {
    let input = model.config.image().unwrap();
    picture.to_channels(input.channels).unwrap().resize(input.width, input.height).unwrap()
}

/// The map by the ordinary path, on the processor.
fn ordinary(model: &ModelFolder, picture: &Picture, seed: u64) -> Map {
    let input = model.config.image().unwrap();
    let image = prepared(picture, model).to_tensor(input.value_range());
    let mut runner = pollster::block_on(Runner::new(&Device::Cpu, model.job(1).unwrap())).unwrap();
    let batch = pollster::block_on(runner.run(&image, seed, |_| true)).unwrap();
    Map::new(input.width, input.height, batch.map.unwrap().data).unwrap()
}

fn close(what: &str, found: &[f32], expected: &[f32]) {
    let e = nmse(found, expected);
    println!("{what}: NMSE {e:.1e}");
    assert!(e <= TWO_WAYS, "{what}: NMSE {e:e}");
}

/// The three scores against a map.
fn check_scores(host: &Host, embedded: &Embedded, map: &Map) {
    let mean = map.data.iter().sum::<f32>() / map.data.len() as f32;
    let min = map.data.iter().copied().fold(f32::INFINITY, f32::min);
    close("scores", &host.read_floats(embedded.scores())[..3], &[mean, map.max(), min]);
}

fn raw(host: &Host, texture: &wgpu::Texture) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(&host.read_texture(texture))
}

/// Colours may be neighbours where a value lies between two.
fn check_colours(found: &[u8], map: &Map, scale: f32) {
    let raster = heatmap(map, scale);
    let expected: Vec<[u8; 4]> = raster.bytes().chunks(3).map(|c| [c[0], c[1], c[2], 255]).collect();
    let found: Vec<[u8; 4]> = found.chunks(4).map(|c| [c[0], c[1], c[2], c[3]]).collect();
    let differing = found.iter().zip(&expected).filter(|(f, e)| f != e).count();
    assert!(differing <= expected.len() / 50, "{differing} of {} colours differ", expected.len());
    let near = |(f, e): (&[u8; 4], &[u8; 4])| f.iter().zip(e).all(|(a, b)| a.abs_diff(*b) <= 12);
    assert!(found.len() == expected.len() && found.iter().zip(&expected).all(near));
}

#[test]
fn between_the_hosts_own_work_and_over_many_submissions() {
    let Some(host) = Host::open(false) else { return };
    let model = model(1, (32, 32), SIMPLEX);
    let mut embedded = embedded(&host, &model);
    embedded.seed(5).unwrap();
    let size = (45, 27);
    let texels = pattern(size, 0);
    let image = host.image(size, TextureFormat::Rgba8Unorm, texels.as_flattened());
    let out = host.picture((50, 20), TextureFormat::R32Float);

    // An encoder that is thrown away leaves no trace.
    let mut encoder = host.encoder();
    embedded.encode(&mut encoder, &image, &out).unwrap();
    drop(encoder);
    assert!(raw(&host, &out).iter().all(|&v| v == 0.0));

    let mut worked = 0;
    for step in 0..embedded.steps() {
        let mut encoder = host.encoder();
        host.work(&mut encoder);
        embedded.encode_part(&mut encoder, &image, &out, step..step + 1).unwrap();
        host.work(&mut encoder);
        host.queue.submit([encoder.finish()]);
        worked += 2;
    }
    let map = ordinary(&model, &file(size, &texels, 3), 5);
    close("in parts", &raw(&host, &out), &map.resize(50, 20).unwrap().data);
    check_scores(&host, &embedded, &map);
    host.check_work(worked);

    // All in one encoder, into another size and into colours; the first result stays as it is.
    let first = raw(&host, &out);
    let colours = host.picture((32, 32), TextureFormat::Rgba8Unorm);
    embedded.set_scale(map.max());
    let mut encoder = host.encoder();
    host.work(&mut encoder);
    embedded.encode(&mut encoder, &image, &colours).unwrap();
    host.queue.submit([encoder.finish()]);
    check_colours(&host.read_texture(&colours), &map, map.max());
    assert_eq!(raw(&host, &out), first);
    host.check_work(worked + 1);
}

#[test]
fn colour_images_one_after_the_other_with_other_seeds() {
    let Some(host) = Host::open(true) else { return };
    let model = model(3, (24, 32), GAUSSIAN);
    let mut embedded = embedded(&host, &model);
    let maps = [host.picture((24, 32), TextureFormat::R32Float), host.picture((24, 32), TextureFormat::R32Float)];
    let images = [0, 1].map(|i| pattern((60, 40), i));
    for (i, (texels, map)) in images.iter().zip(&maps).enumerate() {
        embedded.seed(i as u64).unwrap();
        let image = host.image((60, 40), TextureFormat::Rgba8UnormSrgb, texels.as_flattened());
        let mut encoder = host.encoder();
        embedded.encode(&mut encoder, &image, map).unwrap();
        host.queue.submit([encoder.finish()]);
    }
    for (i, (texels, map)) in images.iter().zip(&maps).enumerate() {
        let expected = ordinary(&model, &file((60, 40), texels, 3), i as u64);
        close(&format!("image {i}"), &raw(&host, map), &expected.data);
        if i == 1 {
            check_scores(&host, &embedded, &expected)
        }
    }
    assert!(nmse(&raw(&host, &maps[0]), &raw(&host, &maps[1])) > 1e-2, "both maps are alike");
}

/// A system with noise of its own kind, a multi-scale error, and a state that is filled once: the mean map of normal images.
#[test]
fn the_distance_from_a_mean_map() {
    let Some(host) = Host::open(true) else { return };
    let folder = tempfile::tempdir().unwrap();
    crate::common::small::write(folder.path(), 1);
    let open = || {
        let adjust = |c: &mut DetectorConfig| {
            c.system = System::named("advrad")?;
            Ok(())
        };
        ModelFolder::open_with(folder.path(), |o| o, Some(32), adjust).unwrap()
    };
    let bare = open();
    let fault = pollster::block_on(Embedded::new(host.gpu.clone(), &bare)).map(drop).unwrap_err().to_string();
    assert!(fault.contains("mean_map.safetensors"), "{fault}");
    let mean = (0..1024).map(|i| (i % 37) as f32 / 50.0).collect();
    let mean = MeanMap::new(&open(), Map::new(32, 32, mean).unwrap(), 3, String::new()).unwrap();
    mean.write(folder.path()).unwrap();

    let model = open();
    let mut embedded = embedded(&host, &model);
    embedded.seed(5).unwrap();
    let texels = pattern((32, 32), 0);
    let image = host.image((32, 32), TextureFormat::Rgba8Unorm, texels.as_flattened());
    let out = host.picture((32, 32), TextureFormat::R32Float);
    let mut encoder = host.encoder();
    embedded.encode(&mut encoder, &image, &out).unwrap();
    host.queue.submit([encoder.finish()]);
    let map = ordinary(&model, &file((32, 32), &texels, 3), 5);
    close("the distance", &raw(&host, &out), &map.data);
    check_scores(&host, &embedded, &map);
}

/// A classifier's gradient in every step down; each step is two parts.
#[test]
fn decoding_under_a_classifier() {
    let Some(host) = Host::open(true) else { return };
    let folder = tempfile::tempdir().unwrap();
    crate::common::guided::folder(folder.path(), 1, "", "");
    let model = ModelFolder::open(folder.path()).unwrap();
    let mut embedded = embedded(&host, &model);
    embedded.seed(5).unwrap();
    // In, start, three steps up and three down, finish, out.
    assert_eq!(embedded.steps(), 2 + 1 + 2 * (3 + 3) + 1);
    let size = (21, 30);
    let texels = pattern(size, 0);
    let image = host.image(size, TextureFormat::Rgba8Unorm, texels.as_flattened());
    let out = host.picture((16, 16), TextureFormat::R32Float);
    for step in 0..embedded.steps() {
        let mut encoder = host.encoder();
        embedded.encode_part(&mut encoder, &image, &out, step..step + 1).unwrap();
        host.queue.submit([encoder.finish()]);
    }
    let map = ordinary(&model, &file(size, &texels, 3), 5);
    close("the map", &raw(&host, &out), &map.data);
    check_scores(&host, &embedded, &map);
}

/// Two networks, a mask, and latents painted anew.
#[test]
fn latents_painted_anew() {
    latents(|folder| crate::common::painted::folder(folder, r#", "threshold": 0.005"#), (32, 24));
}

/// Three networks, and latents drawn beside the image's own.
#[test]
fn latents_drawn_and_compared() {
    latents(|folder| crate::common::compared::folder(folder, ""), (64, 32));
}

/// An image drawn anew under its embedding, and compared.
#[test]
fn drawn_anew_under_an_embedding() {
    latents(|folder| crate::common::embedded::xu(folder, ""), (64, 32));
}

/// An image pulled back towards itself, and compared by pixels and features.
#[test]
fn pulled_back_and_compared_by_features() {
    latents(|folder| crate::common::embedded::ddad(folder, ""), (64, 32));
}

/// The map of a texture by a model folder with several networks, of `side` columns and rows, beside that of a file.
fn latents(make: impl Fn(&Path), side: (u32, u32)) {
    let Some(host) = Host::open(true) else { return };
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    let model = ModelFolder::open(folder.path()).unwrap();
    let mut embedded = embedded(&host, &model);
    embedded.seed(5).unwrap();
    let size = (40, 30);
    let texels = pattern(size, 0);
    let image = host.image(size, TextureFormat::Rgba8Unorm, texels.as_flattened());
    let out = host.picture(side, TextureFormat::R32Float);
    let mut encoder = host.encoder();
    embedded.encode(&mut encoder, &image, &out).unwrap();
    host.queue.submit([encoder.finish()]);
    let map = ordinary(&model, &file(size, &texels, 3), 5);
    close("the map", &raw(&host, &out), &map.data);
    check_scores(&host, &embedded, &map);
}
