//! Every field of diffusers' scheduler_config.json, as a plain checkpoint's settings come from it: obeyed or refused by name.
use crate::common::small;
use residua::detect::{ModelFolder, System, anoddpm::AnoDdpm};
use serde_json::{Value, json};

/// The settings of a small network beside a scheduler file, with settings by name over them.
fn system(scheduler: &Value, set: &[(&str, &str)]) -> Result<AnoDdpm, String> {
    let dir = tempfile::tempdir().unwrap();
    small::write(dir.path(), 1);
    std::fs::write(dir.path().join("scheduler_config.json"), scheduler.to_string()).unwrap();
    let opened = ModelFolder::open_with(
        dir.path(),
        |unet| unet,
        Some(16),
        |config| set.iter().try_for_each(|(name, value)| config.system.set(name, value)),
    );
    match opened.map_err(|e| e.to_string())?.config.system {
        System::AnoDdpm(system) => Ok(system),
        other => panic!("{other:?}"),
    }
}

fn scheduler(class: &str, field: &str, value: Value) -> Value {
    let mut all = json!({"_class_name": class, "_diffusers_version": "0.30.0"});
    if !field.is_empty() {
        all[field] = value;
    }
    all
}

fn ddpm(field: &str, value: Value) -> AnoDdpm {
    system(&scheduler("DDPMScheduler", field, value), &[]).unwrap_or_else(|e| panic!("{field}: {e}"))
}

#[test]
fn clamps_are_obeyed() {
    let clip = |field, value| ddpm(field, value).sampler().unwrap().clip;
    assert_eq!(clip("", Value::Null), Some(1.0), "diffusers' default");
    assert_eq!(clip("clip_sample", json!(false)), None);
    // A null is not the default: diffusers asks whether it is true.
    assert_eq!(clip("clip_sample", Value::Null), None);
    assert_eq!(clip("clip_sample_range", json!(3.0)), Some(3.0));
    let rows = ddpm("clip_sample", json!(false)).sampler().unwrap();
    assert_eq!(rows.rows(&residua::diffusion::Timesteps::all(3).unwrap()).unwrap()[0].clip, f32::MAX);
}

#[test]
fn schedules_are_obeyed() {
    let bars = |field, value| ddpm(field, value).schedule.schedule().unwrap().alpha_bars;
    let linear = bars("", Value::Null);
    // DDPMScheduler(...).alphas_cumprod of diffusers, in float32.
    let near = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-5, "{a} {b}");
    near(linear[249], 0.5240854);
    near(bars("beta_end", json!(0.01))[999], bars("beta_end", json!(0.01))[998] * 0.99);
    near(bars("beta_schedule", json!("sigmoid"))[500], f64::from(f32::from_bits(0x3e9907cb)));
    near(bars("beta_schedule", json!("squaredcos_cap_v2"))[999], 2.4287669e-9);
    let zero = bars("rescale_betas_zero_snr", json!(true));
    near(zero[500], f64::from(f32::from_bits(0x3d9a1aae)));
    assert_eq!(zero[999], 0.0);
    let betas: Vec<f64> = (1..=1000).map(|i| f64::from(i) * 1e-5).collect();
    let trained = bars("trained_betas", json!(betas));
    near(trained[0], 1.0 - 1e-5);
    near(trained[1], (1.0 - 1e-5) * (1.0 - 2e-5));
    assert_eq!(bars("num_train_timesteps", json!(500)).len(), 500);
    assert_ne!(ddpm("prediction_type", json!("v_prediction")), ddpm("prediction_type", json!("epsilon")));
    assert_ne!(ddpm("variance_type", json!("fixed_large")), ddpm("variance_type", json!("fixed_small")));
}

#[test]
fn what_is_not_obeyed_is_refused_by_its_name() {
    let fault = |class: &str, field: &str, value: Value, set: &[(&str, &str)]| {
        system(&scheduler(class, field, value), set).unwrap_err()
    };
    for (field, value) in [
        ("thresholding", json!(true)),
        ("prediction_type", json!("flow_prediction")),
        ("prediction_type", Value::Null),
        ("beta_schedule", json!("laplace")),
        ("variance_type", json!("learned")),
        ("timestep_spacing", json!("karras")),
        ("clip_sample_range", json!(0.0)),
        ("clip_sample_range", Value::Null),
        ("trained_betas", json!([0.1, 2.0])),
        ("trained_betas", json!("many")),
        ("num_train_timesteps", json!(-1)),
        ("rescale_betas_zero_snr", json!("yes")),
    ] {
        let error = fault("DDPMScheduler", field, value, &[]);
        assert!(error.contains("scheduler_config.json: ") && error.contains(field), "{field}: {error}");
    }
    assert!(fault("PNDMScheduler", "", Value::Null, &[]).contains("_class_name"));
    // Few steps go their own way from lambda; every step is the same under all of it.
    for (class, field, value) in [
        ("DDPMScheduler", "timestep_spacing", json!("trailing")),
        ("DDPMScheduler", "steps_offset", json!(1)),
        ("DDIMScheduler", "set_alpha_to_one", json!(false)),
        ("DDIMScheduler", "set_alpha_to_one", Value::Null),
    ] {
        assert!(system(&scheduler(class, field, value.clone()), &[]).is_ok(), "{field}");
        let error = fault(class, field, value, &[("sampler.steps", "5")]);
        assert!(error.contains("scheduler_config.json: ") && error.contains(field), "{field}: {error}");
    }
    // DDPMScheduler has no such field, and diffusers passes over it.
    assert!(system(&scheduler("DDPMScheduler", "set_alpha_to_one", json!(false)), &[("sampler.steps", "5")]).is_ok());
}

#[test]
fn an_input_range_is_that_of_the_network() {
    let text = |range: &str| {
        format!(
            r#"{{"format": 1, "method": "anoddpm", "input": {{"width": 16, "height": 16, "channels": 1, "range": {range}}}}}"#
        )
    };
    let parse = |range: &str| residua::detect::DetectorConfig::parse(text(range).as_bytes()).map_err(|e| e.to_string());
    assert!(parse("[-1, 1]").is_ok() && parse("[0, 1]").is_ok());
    for range in ["[0, 255]", "[-1, 0]", "[-0.5, 0.5]"] {
        let error = parse(range).unwrap_err();
        assert!(error.contains("`input.range` must be [-1, 1] or [0, 1]"), "{error}");
    }
}
