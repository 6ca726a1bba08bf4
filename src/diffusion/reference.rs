//! Single steps against the original code, the network's output given: diffusers 0.42.1 (torch 2.15) and guided-diffusion 22e0df8,
//! run on one pixel x = 0.7 with noise z = -1.2. Every expected number below is what those programs put out.
use super::*;
use crate::Shape;
use crate::kernels::{Args, Io, StepRow, sampler::SamplerStep};
use std::path::Path;

/// The step's result for x = 0.7, z = -1.2, and the network's output `m` (mean, and variance where there are two).
fn step(sampler: &Sampler, row: &StepRow, m: &[f64]) -> f64 {
    let shape = Shape::new(1, 1, 1, 1);
    let mut padded = [0.0; 4];
    padded[..m.len()].copy_from_slice(m);
    let io = Io { inputs: vec![shape, shape.with_c(m.len()), shape], output: shape };
    let mut out = [f64::NAN; 4];
    let inputs: [&[f64]; 3] = [&[0.7, 0.0, 0.0, 0.0], &padded, &[-1.2, 0.0, 0.0, 0.0]];
    let kernel = SamplerStep { learned_range: sampler.variance_channels, noisy: true };
    kernel.cpu(Args { inputs: &inputs, output: &mut out, weights: &[], io: &io, step: row });
    out[0]
}

fn diffusers(json: &str) -> SchedulerConfig {
    SchedulerConfig::from_json(&serde_json::from_str(json).unwrap(), Path::new("scheduler_config.json")).unwrap()
}

/// A chain of `steps` and its (t, expected) at some of its steps.
struct Case {
    name: &'static str,
    config: String,
    steps: usize,
    eta: f64,
    clipped: bool,
    m: &'static [f64],
    at: [(usize, f64); 3],
}

#[test]
fn steps_of_diffusers() {
    let case = |name, class, more: &str, steps, m, at| {
        let config = format!(r#"{{"_class_name": "{class}"{more}}}"#);
        Case { name, config, steps, eta: 0.0, clipped: false, m, at }
    };
    let cases = [
        case(
            "ddpm small leading",
            "DDPMScheduler",
            r#""#,
            30,
            &[0.4],
            [(957, -0.3018333911895752), (462, 0.09001559019088745), (0, 0.6960344910621643)],
        ),
        case(
            "ddpm large trailing",
            "DDPMScheduler",
            r#", "variance_type": "fixed_large", "timestep_spacing": "trailing""#,
            30,
            &[0.4],
            [(999, -0.3238104581832886), (499, 0.0450282096862793), (32, 0.5170747637748718)],
        ),
        case(
            "ddpm learned cosine",
            "DDPMScheduler",
            r#", "variance_type": "learned_range", "beta_schedule": "squaredcos_cap_v2""#,
            30,
            &[0.4, 0.3],
            [(957, -0.5226323008537292), (462, 0.3376142978668213), (0, 0.6974435448646545)],
        ),
        case(
            "ddpm v offset",
            "DDPMScheduler",
            r#", "prediction_type": "v_prediction", "steps_offset": 1, "beta_schedule": "scaled_linear", "clip_sample": false"#,
            30,
            &[0.4],
            [(958, -0.294697642326355), (463, 0.16575971245765686), (1, 0.6942347884178162)],
        ),
        case(
            "ddpm sample",
            "DDPMScheduler",
            r#", "prediction_type": "sample""#,
            30,
            &[1.4],
            [(957, -0.3018333911895752), (462, 0.09419757127761841), (0, 1.0)],
        ),
        case(
            "ddpm all",
            "DDPMScheduler",
            r#""#,
            1000,
            &[0.4],
            [(29, 0.667395293712616), (14, 0.675502359867096), (0, 0.6960344910621643)],
        ),
        case(
            "ddim linspace",
            "DDIMScheduler",
            r#", "timestep_spacing": "linspace""#,
            30,
            &[0.4],
            [(999, 0.40880319476127625), (482, 0.7300963997840881), (0, 0.6960344910621643)],
        ),
        Case {
            eta: 0.7,
            clipped: true,
            ..case(
                "ddim eta clipped",
                "DDIMScheduler",
                r#""#,
                30,
                &[-0.9],
                [(957, 0.04600638151168823), (462, 0.3026528060436249), (0, 0.7090361714363098)],
            )
        },
        Case {
            eta: 0.7,
            clipped: false,
            ..case(
                "ddim eta raw",
                "DDIMScheduler",
                r#""#,
                30,
                &[-0.9],
                [(957, -1.3508265018463135), (462, -0.7950270771980286), (0, 0.7090361714363098)],
            )
        },
        case(
            "ddim alpha0",
            "DDIMScheduler",
            r#", "set_alpha_to_one": false, "steps_offset": 1, "clip_sample": false"#,
            30,
            &[0.4],
            [(958, 0.8107558488845825), (463, 0.7436572909355164), (1, 0.6981098055839539)],
        ),
        case(
            "ddim sample",
            "DDIMScheduler",
            r#", "prediction_type": "sample""#,
            30,
            &[1.4],
            [(957, 0.6996714472770691), (462, 0.6145193576812744), (0, 1.0)],
        ),
        case(
            "ddim v zsnr",
            "DDIMScheduler",
            r#", "prediction_type": "v_prediction", "rescale_betas_zero_snr": true, "timestep_spacing": "trailing""#,
            30,
            &[0.4],
            [(999, 0.6990051865577698), (499, 0.6783754825592041), (32, 0.6481370329856873)],
        ),
    ];
    for c in cases {
        let config = diffusers(&c.config);
        let timesteps = config.timesteps(c.steps).unwrap();
        let sampler = config.sampler(c.eta, c.clipped);
        let rows = sampler.rows(&timesteps).unwrap();
        for (t, want) in c.at {
            let i = timesteps.list.iter().position(|&s| s == t).unwrap_or_else(|| panic!("{}: no {t}", c.name));
            assert_eq!(rows[i].t, t as f32);
            let found = step(&sampler, &rows[i], c.m);
            // The originals round every operation to float32, on values up to 150 before the clamp.
            assert!((found - want).abs() < 3e-6, "{} at {t}: {found} {want}", c.name);
        }
    }
}

#[test]
fn steps_of_guided_diffusion() {
    use {Method::Ddim, Method::Ddpm, Prediction::*, Variance::*};
    let linear = || Schedule::guided_linear(1000).unwrap();
    let cosine = || Schedule::cosine(1000, Precision::Double).unwrap();
    let short = || Schedule::guided_linear(500).unwrap();
    let ddim = |eta| Ddim { eta, clipped_epsilon: true };
    let learned = |s: Sampler| Sampler { variance_channels: true, ..s };
    let rescaled = |s: Sampler| Sampler { time_scale: 2.0, ..s };
    /// Sampler, spacing, the network's output, then (step of the chain, time fed, result).
    type Case = (Sampler, &'static str, &'static [f64], [(usize, f32, f64); 3]);
    #[rustfmt::skip]
    let cases: [Case; 5] = [
        (learned(Sampler::guided(linear(), Epsilon, ddim(0.0))), "ddim25", &[-0.9, 0.3], [(24, 0.0, 0.7090353965759277), (12, 480.0, 0.7536961436271667), (0, 960.0, 0.7042916417121887)]),
        (learned(Sampler::guided(linear(), Epsilon, ddim(0.6))), "ddim25", &[0.4, 0.3], [(24, 0.0, 0.6960347890853882), (12, 480.0, 0.3372749090194702), (0, 960.0, 0.10913002490997314)]),
        (Sampler::guided(cosine(), Epsilon, Ddpm(LearnedRange)), "25", &[0.4, 0.3], [(24, 0.0, 0.6974442601203918), (12, 500.0, 0.2740364670753479), (0, 999.0, -1.1331663131713867)]),
        (rescaled(Sampler::guided(short(), Epsilon, Ddpm(FixedSmall))), "25", &[0.4], [(24, 0.0, 0.6944125890731812), (12, 498.0, 0.003796100616455078), (0, 998.0, -0.4392797350883484)]),
        (rescaled(Sampler::guided(short(), Sample, Ddpm(FixedLarge))), "25", &[0.4], [(24, 0.0, 0.4000000059604645), (12, 498.0, -0.08147227764129639), (0, 998.0, -0.44248631596565247)]),
    ];
    for (sampler, spacing, m, at) in cases {
        let timesteps = Timesteps::respaced(sampler.schedule.steps(), spacing).unwrap();
        let rows = sampler.rows(&timesteps).unwrap();
        for (i, t, want) in at {
            assert_eq!(rows[i].t, t);
            let found = step(&sampler, &rows[i], m);
            assert!((found - want).abs() < 3e-6, "{:?} step {i}: {found} {want}", sampler.method);
        }
    }
}

#[test]
fn rows_of_anoddpm() {
    let sampler = Sampler::anoddpm(1000).unwrap();
    let rows = sampler.rows(&Timesteps::all(250).unwrap()).unwrap();
    assert_eq!((rows.len(), rows[249].sigma, rows[249].noise_t, rows[0].noise_t), (250, 0.0, 0, 249));
    // Fixed large: the root of beta.
    assert!((f64::from(rows[0].sigma).powi(2) - sampler.schedule.betas[249]).abs() < 1e-9);
    let first = sampler.noising(249).unwrap();
    assert!((f64::from(first.signal).powi(2) - 0.5240853738253606).abs() < 1e-7);
    assert!((f64::from(first.signal).powi(2) + f64::from(first.noise).powi(2) - 1.0).abs() < 1e-7);
    let mut rows = rows;
    seed(&mut rows, 0x1_0000_0002, 1);
    assert_eq!((rows[3].seed_lo, rows[3].seed_hi, rows[3].draw), (2, 1, 4));
}

#[test]
fn steps_that_cannot_be_are_refused() {
    let config = diffusers(r#"{"rescale_betas_zero_snr": true, "timestep_spacing": "trailing"}"#);
    let steps = config.timesteps(10).unwrap();
    assert!(config.sampler(0.0, false).rows(&steps).is_err(), "epsilon at alpha_bar 0");
    let config = diffusers(r#"{"_class_name": "DDIMScheduler", "num_train_timesteps": 10}"#);
    assert!(config.sampler(f64::NAN, false).rows(&config.timesteps(5).unwrap()).is_err());
    assert!(config.sampler(0.0, false).rows(&Timesteps::all(11).unwrap()).is_err());
    assert!(config.timesteps(11).is_err() && config.timesteps(0).is_err());
}

#[test]
fn configs_are_refused_by_name() {
    for (json, name) in [
        (r#"{"_class_name": "EulerDiscreteScheduler"}"#, "_class_name"),
        (r#"{"thresholding": true}"#, "thresholding"),
        (r#"{"beta_schedule": "laplace"}"#, "beta_schedule"),
        (r#"{"variance_type": "learned"}"#, "variance_type"),
        (r#"{"variance_type": "fixed_large_log"}"#, "variance_type"),
        (r#"{"prediction_type": "flow"}"#, "prediction_type"),
        (r#"{"num_train_timesteps": 1e300}"#, "num_train_timesteps"),
        (r#"{"num_train_timesteps": 0}"#, "beta_schedule"),
        (r#"{"beta_end": 2}"#, "beta_schedule"),
        (r#"{"beta_end": "x"}"#, "beta_end"),
        (r#"{"trained_betas": [0.1, "x"]}"#, "trained_betas"),
        (r#"{"clip_sample_range": -1}"#, "clip_sample_range"),
        (r#"[]"#, "object"),
        // diffusers takes a null for what it is, and fails.
        (r#"{"prediction_type": null}"#, "prediction_type"),
        (r#"{"beta_schedule": null}"#, "beta_schedule"),
        (r#"{"beta_start": null}"#, "beta_start"),
        (r#"{"timestep_spacing": null}"#, "timestep_spacing"),
        (r#"{"steps_offset": null}"#, "steps_offset"),
        (r#"{"trained_betas": [0.1, 0.2], "num_train_timesteps": 3}"#, "num_train_timesteps"),
    ] {
        let error = SchedulerConfig::from_json(&serde_json::from_str(json).unwrap(), Path::new("dir/s.json"));
        let text = error.unwrap_err().to_string();
        assert!(text.starts_with("dir/s.json: ") && text.contains(name), "{json}: {text}");
    }
    let old = diffusers(r#"{"predict_epsilon": false, "trained_betas": [0.1, 0.2]}"#);
    assert_eq!((old.prediction, old.clip, old.schedule.steps()), (Prediction::Sample, Some(1.0), 2));
    let null =
        diffusers(r#"{"clip_sample": null, "thresholding": null, "trained_betas": null, "variance_type": null}"#);
    assert_eq!((null.clip, null.schedule.steps(), null.variance), (None, 1000, Some(Variance::FixedSmall)));
    let null =
        diffusers(r#"{"_class_name": "DDIMScheduler", "set_alpha_to_one": null, "num_train_timesteps": 1000.0}"#);
    assert!(!null.set_alpha_to_one && null.sampler(0.0, false).final_alpha_bar < 1.0);
    assert_eq!(old.variance, Some(Variance::FixedSmall));
}
