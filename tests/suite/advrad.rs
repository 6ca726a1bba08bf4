//! AdvRAD through every command, on the smallest network: its mean map above all, and its gradient through the public API.

use crate::common::place::Place;
use crate::common::{folder, run};
use residua::detect::{ModelFolder, Runner};
use residua::diffusion::NoiseSource;
use residua::{Device, Shape, Tensor, gpu};
use std::path::Path;

const SETTINGS: &str = r#"{"format": 2, "name": "small AdvRAD",
    "input": {"width": 32, "height": 32, "channels": 1, "range": [-1, 1]},
    "networks": {"denoiser": {"file": "model.safetensors"}},
    "system": {"method": "advrad", "k": 120}, "threshold": {"image": 0.0}}"#;

fn place() -> Place {
    let place = Place::new();
    place.settings(SETTINGS);
    (0..5).for_each(|i| place.picture(&format!("normal/{i}.png"), 3 * i));
    // The same image under another name counts once.
    place.picture("normal/again.png", 6);
    place.picture("in/a.png", 50);
    place
}

/// The command with the model on the processor: exit code, and both outputs in one.
fn with(p: &Place, args: &[&str]) -> (i32, String) {
    let model = p.text("model");
    let (code, out, err) = run(&[args, &["--model", &model, "--device", "cpu"]].concat());
    assert!(!err.contains("panicked"), "{err}");
    (code, out + &err)
}

fn refused(p: &Place, args: &[&str], says: &[&str]) {
    let (code, said) = with(p, args);
    assert!(code == 2 && says.iter().all(|s| said.contains(s)), "{args:?}: {code} {said}");
}

fn works(p: &Place, args: &[&str]) -> String {
    let (code, said) = with(p, args);
    assert_eq!(code, 0, "{args:?}: {said}");
    said
}

/// The maps of a folder of images as `detect` writes them, by the names of the images.
fn maps(p: &Place, folder: &str, more: &[&str]) -> Vec<(String, Vec<f32>)> {
    let (input, out) = (p.text(folder), p.text("maps"));
    let _ = std::fs::remove_dir_all(&out);
    works(p, &[&["detect", &input, "--out", &out, "--maps"], more].concat());
    let records = p.json("maps/results.json")["records"].as_array().unwrap().clone();
    let of = |r: &serde_json::Value| {
        let folder = r["folder"].as_str().unwrap();
        let file = p.at("maps").join(folder).join("map.npy");
        let bytes = std::fs::read(file).unwrap();
        let values = bytes[bytes.len() - 4 * 1024..].chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        (r["name"].as_str().unwrap().to_owned(), values.collect())
    };
    records.iter().map(of).collect()
}

#[test]
fn normal_images_give_the_mean_map_and_each_is_judged_by_the_others() {
    let p = place();
    let (input, normal, out) = (p.text("in"), p.text("normal"), p.text("out"));
    let missing = ["mean_map.safetensors", "is not there", "residua calibrate", "mean_map=false"];
    refused(&p, &["detect", &input, "--out", &out], &missing);
    assert!(!Path::new(&out).join("results.json").exists());

    let said = works(&p, &["calibrate", &normal]);
    assert!(said.contains("mean error of 5 normal images") && said.contains("is 0.1667"), "{said}");
    let calibration = p.json("model/calibration.json");
    let scores: Vec<f64> = calibration["scores"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();

    // A calibration that fails leaves the mean map of the one before.
    let mean = std::fs::read(p.at("model/mean_map.safetensors")).unwrap();
    let one = std::fs::read_dir(&normal).unwrap().next().unwrap().unwrap().path();
    refused(&p, &["calibrate", one.to_str().unwrap()], &["two normal images"]);
    assert_eq!(std::fs::read(p.at("model/mean_map.safetensors")).unwrap(), mean);
    assert_eq!(p.json("model/calibration.json"), calibration);

    // The same from the errors themselves, one image at a time.
    let errors = maps(&p, "normal", &["--set", "mean_map=false"]);
    let distinct: Vec<&Vec<f32>> = errors.iter().filter(|(name, _)| name != "again").map(|(_, m)| m).collect();
    let mut want: Vec<f64> = (0..5)
        .map(|i| {
            let others = |p: usize| {
                let each = distinct.iter().enumerate().filter(|(j, _)| *j != i);
                each.map(|(_, m)| f64::from(m[p])).sum::<f64>() / 4.0
            };
            (0..1024).map(|p| (f64::from(distinct[i][p]) - others(p)).abs()).fold(0.0, f64::max)
        })
        .collect();
    want.sort_by(|a, b| b.total_cmp(a));
    assert_eq!(scores.len(), 5);
    assert!(scores.iter().zip(&want).all(|(a, b)| (a / b - 1.0).abs() < 1e-4), "{scores:?} {want:?}");

    // A new image is held against the mean of all five.
    let (error, distance) = (&maps(&p, "in", &["--set", "mean_map=false"])[0].1, &maps(&p, "in", &[])[0].1);
    let bytes = std::fs::read(p.at("model/mean_map.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mean = file.tensor("mean").unwrap().data().to_vec();
    let mean: Vec<f32> = mean.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    for ((e, m), d) in error.iter().zip(&mean).zip(distance) {
        assert!(((e - m).abs() - d).abs() < 1e-5 * (1.0 + e.abs()), "{e} {m} {d}");
    }
    let record = &p.json("maps/results.json")["records"][0];
    let largest = distance.iter().fold(0.0f32, |a, b| a.max(*b));
    assert_eq!(record["score"].as_f64().unwrap(), f64::from(largest));
}

#[test]
fn a_mean_map_holds_for_its_weights_and_settings() {
    let p = place();
    let (input, normal, out) = (p.text("in"), p.text("normal"), p.text("out"));
    works(&p, &["calibrate", &normal]);
    works(&p, &["detect", &input, "--out", &out, "--fpr", "0.2"]);
    works(&p, &["detect", &input, "--out", &p.text("other"), "--seed", "7"]);
    let other = "was made with other `k`";
    refused(&p, &["detect", &input, "--out", &p.text("k"), "--set", "k=60"], &["mean_map.safetensors", other]);
    refused(&p, &["dial", &normal], &["mean map", "mean_map=false"]);
    // Another mean map makes a calibration void.
    let path = p.at("model/mean_map.safetensors");
    let before = std::fs::read(&path).unwrap();
    std::fs::remove_file(p.at("normal/0.png")).unwrap();
    let calibration = std::fs::read(p.at("model/calibration.json")).unwrap();
    works(&p, &["calibrate", &normal]);
    std::fs::write(p.at("model/calibration.json"), calibration).unwrap();
    refused(&p, &["detect", &input, "--out", &p.text("void"), "--fpr", "0.2"], &["calibrate again"]);
    // A damaged one is named.
    std::fs::write(&path, &before[..before.len() - 8]).unwrap();
    refused(&p, &["detect", &input, "--out", &p.text("bad")], &["mean_map.safetensors", "is no mean map"]);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(p.at("one")).unwrap();
    p.picture("one/1.png", 3);
    refused(&p, &["calibrate", &p.text("one")], &["mean_map.safetensors", "two normal images"]);
}

#[test]
fn without_noise_nothing_is_left_to_chance() {
    let p = place();
    let quiet = ["--set", "noise=none", "--set", "mean_map=false"];
    let scores = |more: &[&str]| {
        let (input, out) = (p.text("in"), p.text("out"));
        let _ = std::fs::remove_dir_all(&out);
        works(&p, &[&["detect", &input, "--out", &out, "--set", "mean_map=false"], more].concat());
        p.json("out/results.json")["records"][0]["score"].as_f64().unwrap()
    };
    assert_ne!(scores(&[]), scores(&["--seed", "3"]));
    assert_eq!(scores(&quiet[..2]), scores(&quiet[..2]));
    let (input, seeded) = (p.text("in"), p.text("seeded"));
    let args = [&["detect", &input, "--out", &seeded, "--seed", "3"], &quiet[..]].concat();
    refused(&p, &args, &["--seed", "draws no noise"]);
    refused(&p, &["detect", &p.text("in"), "--set", "scales=7"], &["`scales`"]);
    refused(&p, &["detect", &p.text("in"), "--set", "k=1000"], &["k"]);
    refused(&p, &["detect", &p.text("in"), "--lambda", "20"], &["AdvRAD has no setting `lambda`"]);
}

#[test]
fn the_other_commands_take_it() {
    let p = place();
    let (normal, out) = (p.text("normal"), p.text("out"));
    works(&p, &["calibrate", &normal]);
    works(&p, &["detect", &p.text("in"), "--out", &out]);
    works_alone(&["rescore", &out, "--threshold", "0.5"]);
    folder::defects(&p.at("data"), 0);
    (0..3).for_each(|i| p.picture(&format!("data/good/{i}.png"), i));
    works(&p, &["eval", &p.text("data"), "--out", &p.text("eval")]);
    assert!(p.json("eval/eval.json")["image"].is_object());
    let tries = ["--try", "k=50,120", "--try", "scales=1", "--seeds", "1", "--set", "mean_map=false"];
    let said = works(&p, &[&["dial", &p.text("data")][..], &tries].concat());
    assert!(said.contains("| 50 |") && said.contains("| 120 |"), "{said}");
    let said = works_alone(&["inspect", &p.text("model")]);
    for line in ["AdvRAD", "mean_map", "scales", "gaussian, none", "score        max"] {
        assert!(said.to_lowercase().contains(&line.to_lowercase()), "{line}: {said}");
    }
    let said = works_alone(&["bench", "--model", &p.text("model"), "--device", "cpu", "--repeat", "1"]);
    assert!(said.contains("conv"), "{said}");
}

fn works_alone(args: &[&str]) -> String {
    let (code, out, err) = run(args);
    assert_eq!(code, 0, "{args:?}: {out}{err}");
    out + &err
}

/// Two images of their own noises: score and gradient on each device, and the slope along the gradient.
#[test]
fn the_score_rises_along_its_gradient_on_every_device() {
    let p = place();
    works(&p, &["calibrate", &p.text("normal")]);
    let model = ModelFolder::open(p.at("model")).unwrap();
    let (image, noise) = (folder_image(), crate::common::random(Shape::new(2, 32, 32, 1), 5));
    let run = |device: &Device, image: &Tensor| {
        device.drive(async {
            let job = model.differentiable(2, Some(NoiseSource::Given)).unwrap();
            let mut runner = Runner::new(device, job).await.unwrap();
            runner.give_noise(&noise).unwrap();
            let batch = runner.run(image, 0, |_| true).await.unwrap();
            (batch.score.unwrap().data, batch.gradient.unwrap())
        })
    };
    let (scores, gradient) = run(&Device::Cpu, &image);
    // A small step along the gradient gains its squared length.
    let length: f64 = gradient.data.iter().map(|g| f64::from(*g).powi(2)).sum();
    let step = 1e-3 / length.sqrt();
    let moved = |by: f64| {
        let data = image.data.iter().zip(&gradient.data).map(|(x, g)| x + (by * f64::from(*g)) as f32).collect();
        run(&Device::Cpu, &Tensor::new(image.shape, data).unwrap()).0.iter().map(|s| f64::from(*s)).sum::<f64>()
    };
    let gain = (moved(step) - moved(-step)) / (2.0 * step);
    assert!((gain / length - 1.0).abs() < 0.02, "{gain} {length}");
    if let Some(gpu) = crate::common::open_gpu(gpu::Options::default()) {
        let (other, slope) = run(&Device::Gpu(gpu), &image);
        assert!(scores.iter().zip(&other).all(|(a, b)| (a / b - 1.0).abs() < 1e-4), "{scores:?} {other:?}");
        assert!(crate::tolerance::nmse(&slope.data, &gradient.data) < 1e-8);
    }
}

fn folder_image() -> Tensor {
    let mut image = crate::common::random(Shape::new(2, 32, 32, 1), 4);
    image.data.iter_mut().for_each(|v| *v *= 0.9);
    image
}
