//! Gradients of scores against central differences in f64, through a small network.
use crate::Shape;
use crate::cpu::Session;
use crate::data::Map;
use crate::detect::config::{InputConfig, ScoreConfig};
use crate::detect::networks::{Networks, Role};
use crate::detect::{DetectorConfig, Job, MeanMap, ModelFolder, System};
use crate::diffusion::NoiseSource;
use crate::kernels::testing::random;
use crate::model::testing::{Keys, file_of};
use crate::model::{Network, Overrides};
use std::path::Path;

const SIZE: Shape = Shape::new(2, 11, 9, 2);

/// A UNet of one level in diffusers' layout, with random weights; `out` channels.
fn network(folder: &Path, out: usize) -> Network {
    let mut keys = Keys::default();
    keys.pair("time_embedding.linear_1", &[8, 4]).pair("time_embedding.linear_2", &[8, 8]);
    keys.pair("conv_in", &[4, SIZE.c, 3, 3]).pair("conv_norm_out", &[4]).pair("conv_out", &[out, 4, 3, 3]);
    for (name, cin) in [
        ("down_blocks.0.resnets.0", 4),
        ("mid_block.resnets.0", 4),
        ("mid_block.resnets.1", 4),
        ("up_blocks.0.resnets.0", 8),
        ("up_blocks.0.resnets.1", 8),
    ] {
        keys.pair(&format!("{name}.norm1"), &[cin]).pair(&format!("{name}.conv1"), &[4, cin, 3, 3]);
        keys.pair(&format!("{name}.time_emb_proj"), &[4, 8]);
        keys.pair(&format!("{name}.norm2"), &[4]).pair(&format!("{name}.conv2"), &[4, 4, 3, 3]);
        if cin != 4 {
            keys.pair(&format!("{name}.conv_shortcut"), &[4, cin, 1, 1]);
        }
    }
    let values = |(i, shape): (usize, &Vec<usize>)| {
        let fan_in: usize = shape[1..].iter().product();
        let scale = (3.0 / fan_in as f32).sqrt();
        let data = random(Shape::new(1, 1, 1, shape.iter().product()), i as u64).data;
        data.into_iter().map(|v| scale * v).collect::<Vec<f32>>()
    };
    let tensors: Vec<(&str, &[usize], Vec<f32>)> =
        keys.0.iter().enumerate().map(|(i, (k, s))| (&k[..], &s[..], values((i, s)))).collect();
    std::fs::write(folder.join("model.safetensors"), file_of(&tensors)).unwrap();
    let config = r#"{"_class_name": "UNet2DModel", "norm_num_groups": 2, "freq_shift": 0, "flip_sin_to_cos": true}"#;
    std::fs::write(folder.join("config.json"), config).unwrap();
    Network::unet(folder, &Overrides::default()).unwrap()
}

fn model(folder: &Path, system: System, score: ScoreConfig) -> ModelFolder {
    let learned = serde_json::to_value(&system).unwrap()["schedule"]["variance"] == "learned_range";
    let input = InputConfig { width: SIZE.w, height: SIZE.h, ..InputConfig::square(1, SIZE.c) };
    let config = DetectorConfig { score, ..DetectorConfig::new("small", Some(input), system) };
    config.check().unwrap();
    let mut networks = Networks::default();
    networks.graphs.insert(Role::Denoiser, network(folder, if learned { 2 } else { 1 } * SIZE.c));
    let model = ModelFolder::of(folder, config, networks).unwrap();
    if model.config.system.from_normal().is_none() {
        return model;
    }
    let data = random(Shape::new(1, SIZE.h, SIZE.w, 1), 5).data.iter().map(|v| v.abs()).collect();
    let mean = Map::new(SIZE.w, SIZE.h, data).unwrap();
    MeanMap::new(&model, mean, 3, "of nothing".into()).unwrap().write(folder).unwrap();
    ModelFolder::of(folder, model.config, model.networks).unwrap()
}

/// A system with settings by name.
fn set(method: &str, settings: &[(&str, &str)]) -> System {
    let mut system = System::named(method).unwrap();
    settings.iter().for_each(|(name, value)| system.set(name, value).unwrap());
    system
}

/// A job in f64 with its noise.
struct Wide {
    job: Job,
    session: Session<f64>,
}

impl Wide {
    fn new(job: Job) -> Self {
        let mut session = Session::<f64>::new(&job.graph);
        job.constants.iter().for_each(|(s, t)| session.upload(*s, &t.to_device_layout()));
        if let Some(noise) = job.noise {
            let state = noise.given().unwrap();
            session.upload(state, &random(job.graph.states[state.0].shape, 8).to_device_layout());
        }
        Wide { job, session }
    }
    fn run(&mut self, image: &[f32]) {
        self.session.upload(self.job.input, image);
        let rows = self.job.rows(0);
        for phase in &self.job.phases {
            self.session.run(phase.section, &rows[phase.row]);
        }
    }
    /// The scores of both images.
    fn scores(&mut self, image: &[f32]) -> Vec<f64> {
        self.run(image);
        self.session.state(self.job.outputs.slope.unwrap().score).iter().copied().step_by(4).collect()
    }
}

/// Multiples of 1/4096 in -1..1, so that small moves of them are exact.
fn image() -> Vec<f32> {
    random(SIZE, 3).to_device_layout().into_iter().map(|v| (v * 4096.0).round() / 4096.0).collect()
}

fn check(system: System, score: ScoreConfig) {
    let folder = tempfile::tempdir().unwrap();
    let said = serde_json::to_string(&system).unwrap();
    let model = model(folder.path(), system, score);
    let mut wide = Wide::new(model.differentiable(SIZE.n, Some(NoiseSource::Given)).unwrap());
    let image = image();
    let scores = wide.scores(&image);
    let gradient = wide.session.state(wide.job.outputs.slope.unwrap().gradient).to_vec();
    let map = wide.session.state(wide.job.outputs.map.unwrap()).to_vec();

    // The plain job gives the same map.
    let mut plain = Wide::new(model.config.system.job(&model, SIZE.n, Some(NoiseSource::Given)).unwrap());
    plain.run(&image);
    let other = plain.session.state(plain.job.outputs.map.unwrap());
    assert!(map.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-9), "{said}");
    // And its score is that of the host.
    for (n, score) in scores.iter().enumerate() {
        let map: Vec<f32> =
            map[n * 4 * SIZE.h * SIZE.w..][..4 * SIZE.h * SIZE.w].iter().step_by(4).map(|v| *v as f32).collect();
        assert!((score - crate::detect::score(&map, [SIZE.h, SIZE.w], model.config.score)).abs() < 1e-6, "{said}");
    }

    let largest = gradient.iter().fold(0.0f64, |a, g| a.max(g.abs()));
    assert!(largest > 1e-5, "{said}: {largest}");
    let places: Vec<_> = (0..gradient.len()).filter(|i| i % SIZE.c_pad() < SIZE.c).step_by(23).collect();
    let mut smooth = 0;
    for &i in &places {
        let mut moved = |by: f32| {
            let mut image = image.clone();
            image[i] += by;
            wide.scores(&image).iter().sum::<f64>()
        };
        let mut slope = |by: f32| (moved(by) - moved(-by)) / f64::from(2.0 * by);
        // Another maximum, or a clamp, between the two sides shows as a difference between two widths.
        let (wide, narrow) = (slope(1.0 / 8192.0), slope(1.0 / 16384.0));
        if (wide - narrow).abs() > 1e-5 * largest {
            continue;
        }
        smooth += 1;
        let (want, got) = ((4.0 * narrow - wide) / 3.0, gradient[i]);
        assert!((want - got).abs() < 2e-5 * largest, "{said} at {i}: {got}, not {want}");
    }
    assert!(smooth * 10 >= places.len() * 8, "{said}: only {smooth} of {} are smooth", places.len());
}

#[test]
fn of_advrad_they_are_central_differences() {
    let max = ScoreConfig::Max;
    check(set("advrad", &[]), max);
    check(set("advrad", &[("scales", "2"), ("mean_map", "false"), ("blur", "gaussian:1.2")]), ScoreConfig::Mean);
    check(set("advrad", &[("noise", "none"), ("clip", "true"), ("k", "700")]), max);
}

#[test]
fn of_chains_they_are_central_differences() {
    check(set("advrad", &[("sampler", "ddim:3"), ("mean_map", "false"), ("k", "300")]), ScoreConfig::Max);
    check(set("advrad", &[("sampler", "ddim:2:0.7"), ("clip", "true")]), ScoreConfig::Mean);
    check(set("advrad", &[("sampler", "ddim:2"), ("noise", "none")]), ScoreConfig::Mean);
}

#[test]
fn of_anoddpm_they_are_central_differences() {
    check(set("anoddpm", &[("lambda", "4"), ("blur", "gaussian:1")]), ScoreConfig::Mean);
    check(set("anoddpm", &[("lambda", "200"), ("sampler", "ddim:1"), ("noise", "gaussian")]), ScoreConfig::Max);
    let mut learned = serde_json::to_value(set("anoddpm", &[("lambda", "3")])).unwrap();
    learned["schedule"]["variance"] = "learned_range".into();
    check(serde_json::from_value(learned).unwrap(), ScoreConfig::Mean);
}

#[test]
fn what_has_no_gradient_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let top = ScoreConfig::Top { fraction: 0.5 };
    for (system, score, says) in [
        (set("pddpm", &[("patch", "4"), ("stride", "4")]), ScoreConfig::Mean, "pDDPM gives no gradient"),
        (set("anoddpm", &[("lambda", "4"), ("runs", "2")]), ScoreConfig::Mean, "`runs` is 2"),
        (set("anoddpm", &[("lambda", "4")]), top, "`score` is top"),
        (set("advrad", &[]), ScoreConfig::Foreground, "`score` is foreground"),
    ] {
        let model = model(folder.path(), system, score);
        let fault = model.differentiable(1, None).map(drop).unwrap_err().to_string();
        assert!(fault.contains(says), "{fault}");
    }
}
