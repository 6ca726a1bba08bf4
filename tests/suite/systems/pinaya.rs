//! Pinaya et al.: every command on a small VQ autoencoder and a small denoiser of its latents.
use super::*;
use crate::common::{golden, painted};
use residua::Device;
use residua::detect::{ModelFolder, Runner};
use safetensors::{Dtype, tensor::TensorView};

mod after;
mod told;

/// A model folder for images of 24 rows and 32 columns; `more` goes into `system`.
fn model(p: &Place, more: &str) -> String {
    painted::folder(&p.at("model"), more);
    p.text("model")
}

fn place() -> Place {
    let p = Place::new();
    picture(&p.at("in/a.png"), 32, 24, 0);
    std::fs::create_dir(p.at("normal")).unwrap();
    (0..4).for_each(|i| picture(&p.at(&format!("normal/{i}.png")), 32, 24, 13 * i + 5));
    // The same image under another name counts once.
    picture(&p.at("normal/again.png"), 32, 24, 5);
    p
}

fn works(args: &[&str]) -> String {
    let (code, out, err) = run(args);
    assert_eq!(code, 0, "{args:?}: {out}{err}");
    out + &err
}

fn calibrate(p: &Place, model: &str) -> String {
    works(&["calibrate", &p.text("normal"), "--model", model, "--device", "cpu"])
}

/// The map of an image as `detect` writes it.
fn map(p: &Place, model: &str, input: &str, more: &[&str]) -> Vec<f32> {
    let (input, out) = (p.text(input), p.text("maps"));
    let args = ["detect", &input, "--model", model, "--out", &out, "--maps", "--device", "cpu"];
    works(&[&args[..], more].concat());
    let name = Path::new(&input).file_stem().unwrap().to_str().unwrap().to_owned();
    residua::data::read_map(&p.at("maps").join(name).join("map.npy")).unwrap().data
}

#[test]
fn healthy_latents_give_the_threshold_and_nothing_is_judged_without() {
    let p = place();
    let model = model(&p, "");
    let (input, out) = (p.text("in"), p.text("out"));
    let missing = "is not there: the mask is cut at a quantile of the divergence of healthy latents; `residua calibrate` makes it";
    refused(&["detect", &input, "--model", &model, "--out", &out], missing);
    refused(&["detect", &input, "--model", &model, "--out", &out], "--set threshold=VALUE does without");
    assert!(works(&["inspect", &model]).contains("healthy_latents.json: is not there"));

    let said = calibrate(&p, &model);
    assert!(said.contains("the divergence of 192 latents of 4 normal images is kept in"), "{said}");
    assert!(p.at("model/calibration.json").is_file());
    assert!(works(&["inspect", &model]).contains("latents      of 4 normal images"));
    let text = std::fs::read_to_string(p.at("model/healthy_latents.json")).unwrap();
    let kept: Value = serde_json::from_str(&text).unwrap();

    // The same from maps of the divergence, in which each latent is four by four pixels.
    let mut all = Vec::new();
    for i in 0..4 {
        let values = map(&p, &model, &format!("normal/{i}.png"), &["--set", "map=divergence"]);
        assert_eq!(values.len(), 24 * 32);
        all.extend((0..6 * 8).map(|i| values[i / 8 * 4 * 32 + i % 8 * 4]));
        assert!((0..24 * 32).all(|i| values[i] == values[i / 128 * 128 + i % 32 / 4 * 4]), "each is sixteen pixels");
    }
    all.sort_by(f32::total_cmp);
    for (k, q) in [(0, 0.0f64), (700, 0.7), (975, 0.975), (1000, 1.0)] {
        let (at, found) = (q * 191.0, kept["quantiles"][k].as_f64().unwrap());
        let (low, high) = (f64::from(all[at as usize]), f64::from(all[(at as usize + 1).min(191)]));
        assert!((found - (low + at.fract() * (high - low))).abs() < 1e-5 * high, "{q}: {found} {low} {high}");
    }

    // What is painted is what lies above, and the map is nothing elsewhere.
    let divergence = map(&p, &model, "in/a.png", &["--set", "map=divergence"]);
    let found = map(&p, &model, "in/a.png", &[]);
    let limit = kept["quantiles"][700].as_f64().unwrap() as f32;
    assert!(divergence.iter().any(|&v| v > limit) && divergence.iter().any(|&v| v <= limit));
    assert!(found.iter().zip(&divergence).all(|(&m, &d)| (d > limit || m == 0.0) && m.is_finite()));
    assert!(found.iter().any(|&m| m > 0.0));
    assert!(map(&p, &model, "in/a.png", &["--set", "filter=false"]).iter().all(|&m| m >= 0.0));
    // Nothing is above the highest threshold, everything above none.
    assert!(map(&p, &model, "in/a.png", &["--set", "threshold=1000000"]).iter().all(|&m| m == 0.0));
    let whole = map(&p, &model, "in/a.png", &["--set", "threshold=0"]);
    assert_eq!(whole, map(&p, &model, "in/a.png", &["--set", "threshold=0", "--set", "filter=false"]));
}

#[test]
fn a_measurement_holds_for_its_weights_and_what_it_depends_on() {
    let p = place();
    let model = model(&p, "");
    calibrate(&p, &model);
    let (input, out) = (p.text("in"), p.text("out"));
    let args = ["detect", &input, "--model", &model, "--out", &out, "--device", "cpu"];
    let mut seen: Vec<f64> = Vec::new();
    for set in [
        "quantile=0.6",
        "grow=1",
        "start=400",
        "sampler=ddim:3:0.5",
        "sampler.steps=4",
        "residual=positive",
        "reference=decoded",
        "filter=false",
        "smooth=gaussian:1",
        "blur=gaussian:1",
        "median=3",
        "map=divergence",
    ] {
        let (code, said, results) = p.detect(&model, &["--set", set]);
        assert_eq!(code, 0, "{set}: {said}");
        let score = results["records"][0]["score"].as_f64().unwrap();
        assert!(score > 0.0 && seen.iter().all(|s| (s - score).abs() > 1e-9 * score), "{set}: {score} {seen:?}");
        seen.push(score);
    }
    // All steps of DDPM from a low start.
    let (code, said, _) = p.detect(&model, &["--set", "start=3", "--set", "sampler=ddpm"]);
    assert_eq!(code, 0, "{said}");
    for set in ["band.steps=3", "band.last=450", "quantised=false", "latent_scale=2", "noise_per=image"] {
        let name = set.split(['=', '.']).next().unwrap();
        refused(&[&args[..], &["--set", set]].concat(), &format!("was made with other `{name}`"));
    }
    for (set, says) in [
        ("band.last=299", "`band.last` must be band.first at least, which is 300"),
        ("start=1000", "it must be 1 to 999"),
        ("sampler.steps=502", "502"),
        ("quantile=1.5", "it must be 0 to 1"),
    ] {
        refused(&[&args[..], &["--set", set]].concat(), says);
    }
    refused(&[&args[..], &["--lambda", "3"]].concat(), "Pinaya et al. has no setting `lambda`");
    // Another measurement makes a calibration void, and a damaged one is named.
    let (kept, calibration) = (p.at("model/healthy_latents.json"), p.at("model/calibration.json"));
    let before = std::fs::read(&calibration).unwrap();
    std::fs::remove_file(p.at("normal/1.png")).unwrap();
    calibrate(&p, &model);
    std::fs::write(&calibration, before).unwrap();
    refused(&[&args[..], &["--fpr", "0.5"]].concat(), "calibrate again");
    let text = std::fs::read_to_string(&kept).unwrap();
    std::fs::write(&kept, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
    refused(&args, "is no measurement of healthy latents");
}

#[test]
fn networks_that_do_not_fit_are_refused() {
    let p = place();
    let model = model(&p, r#", "threshold": 0.001"#);
    let (input, out) = (p.text("in"), p.text("out"));
    let args = ["detect", &input, "--model", &model, "--out", &out, "--device", "cpu"];
    works(&args);
    painted::settings(&p.at("model"), 30, "");
    refused(&args, "sides must be multiples of 4");
    painted::settings(&p.at("model"), 32, "");
    let normal = golden("monai-autoencoderkl");
    let folder = p.at("model/autoencoder");
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(normal.join(file), folder.join(file)).unwrap();
    }
    refused(&args, "which has no codebook: this system needs a VQ one");
    std::fs::remove_dir_all(&folder).unwrap();
    refused(&args, "autoencoder");
}

#[test]
fn the_other_commands_and_whole_volumes() {
    let p = place();
    let model = model(&p, "");
    calibrate(&p, &model);
    let (code, said, judged) = p.detect(&model, &["--fpr", "0.5"]);
    assert!(code == 0 && judged["records"][0]["p_value"].is_number(), "{said}");
    works(&["rescore", &p.text("out"), "--threshold", "0.001"]);
    for (folder, n) in [("good", 0), ("good", 1), ("spot", 2), ("spot", 3)] {
        std::fs::create_dir_all(p.at(&format!("data/{folder}"))).unwrap();
        picture(&p.at(&format!("data/{folder}/{n}.png")), 32, 24, 11 * n);
    }
    let data = p.text("data");
    let said = works(&["eval", &data, "--model", &model, "--out", &p.text("eval"), "--device", "cpu"]);
    assert!(said.contains("image  AUROC"), "{said}");
    let tries = ["--try", "quantile=0.6,0.8", "--try", "sampler.steps=2", "--seeds", "1", "--json"];
    let dial = [&["dial", &data, "--model", &model, "--device", "cpu"], &tries[..]].concat();
    let (code, text, err) = run(&dial);
    assert_eq!(code, 0, "{text}{err}");
    let json: Value = serde_json::from_str(&text).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["passes"], &rows[1]["passes"]), (2, &4.into(), &4.into()));

    let said = works(&["inspect", &model]);
    for line in ["Pinaya et al.", "autoencoder:", "band.first", "residual, divergence", "reference", "latents"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    // Times and shaders do not wait for the measurement.
    std::fs::remove_file(p.at("model/healthy_latents.json")).unwrap();
    let (code, text, err) = run(&["bench", "--model", &model, "--device", "cpu", "--repeat", "1", "--json"]);
    assert_eq!(code, 0, "{err}");
    let json: Value = serde_json::from_str(&text).unwrap();
    let runs =
        |name: &str| json["sections"].as_array().unwrap().iter().find(|s| s["name"] == name).unwrap()["runs"].clone();
    let names = ["encode", "noised", "judge", "divergence", "mask", "begin", "predict", "step", "put back", "decode"];
    // Both steps of the band are one batch.
    assert_eq!(names.map(runs), [1, 2, 1, 2, 1, 1, 2, 2, 2, 1].map(Value::from));
    let said = works(&["shaders", "--model", &model, "--out", &p.text("wgsl")]);
    assert!(said.contains("all valid"), "{said}");
    refused(
        &["attack", &data, "--model", &model, "--set", "threshold=0.1", "--out", &p.text("attack")],
        "gives no gradient",
    );

    nifti(&p.at("in/scan.nii"), [32, 24, 3], 1, &(0..32 * 24 * 3).map(|i| (i * 7 % 251) as u8).collect::<Vec<_>>());
    std::fs::remove_file(p.at("in/a.png")).unwrap();
    let (code, said, results) = p.detect(&model, &["--maps", "--set", "threshold=0.001"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(results["records"].as_array().unwrap().len(), 3, "one record a slice");
    assert!(p.at("out/scan/map.nii.gz").is_file());
}

/// What the processor makes of a picture is kept as a reference, and held against the same in double precision, layer by layer.
#[test]
fn a_stored_reference_is_held_layer_by_layer() {
    let p = place();
    let folder = model(&p, r#", "threshold": 0.005, "smooth": {"kind": "gaussian", "sigma": 1}"#);
    let model = ModelFolder::open(&folder).unwrap();
    let image = crate::common::random(residua::Shape::new(1, 24, 32, 1), 9);
    let mut runner = pollster::block_on(Runner::new(&Device::Cpu, model.job(1).unwrap())).unwrap();
    let batch = pollster::block_on(runner.run(&image, 3, |_| true)).unwrap();
    let bytes = |data: &[f32]| data.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let all =
        [("x", image.data), ("reconstruction", batch.reconstruction.unwrap().data), ("map", batch.map.unwrap().data)];
    let all = all.map(|(name, data)| (name, bytes(&data)));
    let views = all.iter().map(|(n, b)| (*n, TensorView::new(Dtype::F32, vec![1, 1, 24, 32], b).unwrap()));
    let detector = std::fs::read_to_string(p.at("model/detector.json")).unwrap();
    let said = [("format", "residua-selftest-1"), ("seed", "3"), ("detector", &detector)];
    let said = said.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let file = safetensors::serialize(views.collect::<Vec<_>>(), Some(said)).unwrap();
    std::fs::write(p.at("model/selftest.safetensors"), file).unwrap();
    let (code, text, err) = run(&["selftest", "--json", "--device", "cpu", "--model", &folder]);
    assert_eq!(code, 0, "{text}{err}");
    let report: Value = serde_json::from_str(&text).unwrap();
    let kernels: Vec<_> = report["layers"].as_array().unwrap().iter().map(|l| l["kernel"].as_str().unwrap()).collect();
    for kernel in ["nearest_code", "conv_transpose", "region_above", "region_blend", "noise_to", "sampler_step", "blur"]
    {
        assert!(kernels.iter().any(|k| k.starts_with(kernel)), "{kernel}: {kernels:?}");
    }
}

/// What the recipe made of a picture in PyTorch in float64, with the noise of a seed.
#[test]
fn a_reference_of_the_recipe_is_met() {
    let p = place();
    let model = model(&p, "");
    std::fs::copy("tests/reference/pinaya_selftest.safetensors", p.at("model/selftest.safetensors")).unwrap();
    let (code, text, err) = run(&["selftest", "--json", "--device", "cpu", "--model", &model]);
    assert_eq!(code, 0, "{text}{err}");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert!(report["outputs"].as_array().unwrap().iter().all(|o| o["nmse"].as_f64().unwrap() < 1e-10), "{report}");
}
