//! Wolleb et al.: every command on a small class-conditional UNet and a small classifier.
use super::*;
use crate::common::guided;

/// A model folder; `more` goes into `system`.
fn model(p: &Place, channels: usize, more: &str, input: &str) -> String {
    std::fs::create_dir_all(p.at("model")).unwrap();
    guided::folder(&p.at("model"), channels, more, input);
    p.text("model")
}

fn scores(results: &Value) -> Vec<f64> {
    results["records"].as_array().unwrap().iter().map(|r| r["score"].as_f64().unwrap()).collect()
}

fn inputs(p: &Place) {
    picture(&p.at("in/a.png"), 16, 16, 0);
    picture(&p.at("in/b.png"), 24, 20, 9);
}

#[test]
fn detect_heals_an_image_and_its_settings_matter() {
    let p = Place::new();
    inputs(&p);
    let model = model(&p, 1, "", "");
    let (code, said, results) = p.detect(&model, &["--maps"]);
    assert_eq!(code, 0, "{said}");
    let records = results["records"].as_array().unwrap();
    assert_eq!(records.len(), 2);
    for r in records {
        let folder = p.at("out").join(r["folder"].as_str().unwrap());
        for file in ["heatmap.png", "overlay.png", "reconstruction.png", "mask.png", "map.npy"] {
            assert!(folder.join(file).is_file(), "{file}");
        }
        assert_eq!(r["parameters"]["system"]["noise_level"], 4);
    }
    let html = std::fs::read_to_string(p.at("out/report.html")).unwrap();
    assert!(html.contains("guided to `healthy`, which is class 0 of the networks"), "the class is said");
    let first = scores(&results);
    assert!(first.iter().all(|s| s.is_finite() && *s > 0.0));
    // The same again, by another batch.
    let (_, _, again) = p.detect(&model, &["--batch", "1"]);
    for (a, b) in first.iter().zip(scores(&again)) {
        assert!((a - b).abs() < 1e-5 * a, "{a} {b}");
    }
    let mut seen = vec![first];
    for set in [
        "scale=0",
        "scale=300",
        "target=diseased",
        "classes=diseased,healthy",
        "noise_level=6",
        "variant=paper",
        "respacing=ddim50",
        "clip=false",
        "difference=min_max",
    ] {
        let (code, said, other) = p.detect(&model, &["--set", set]);
        assert_eq!(code, 0, "{set}: {said}");
        // The same index by another name is the same chain.
        let known = seen.iter().position(|s| s.iter().zip(scores(&other)).all(|(a, b)| (a - b).abs() < 1e-6 * a));
        assert_eq!(known.is_some(), set == "classes=diseased,healthy", "{set}: {:?} {seen:?}", scores(&other));
        seen.push(scores(&other));
    }
    let (code, text, err) = run(&["inspect", &model]);
    assert_eq!(code, 0, "{err}");
    for line in ["Wolleb et al.", "classifier:", "noise_level", "2 to 25", "healthy,diseased", "ddim25"] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn several_channels_and_a_unet_without_classes() {
    let p = Place::new();
    let suffixes = r#", "suffixes": ["_t1", "_flair"], "scaling": {"kind": "min_max", "over": "image"}"#;
    let model = model(&p, 2, r#", "difference": "min_max""#, suffixes);
    for (name, shift) in [("t1", 3), ("flair", 40)] {
        picture(&p.at(&format!("in/a_{name}.png")), 16, 16, shift);
    }
    let (code, said, with) = p.detect(&model, &[]);
    assert_eq!(code, 0, "{said}");
    guided::denoiser(&p.at("model"), 2, 0);
    let (code, said, without) = p.detect(&model, &[]);
    assert_eq!(code, 0, "{said}");
    assert_ne!(scores(&with), scores(&without));
}

#[test]
fn otsu_cuts_each_map_at_its_own_threshold() {
    let p = Place::new();
    inputs(&p);
    let model = model(&p, 1, "", "");
    let (code, said, _) = p.detect(&model, &["--maps", "--set", "otsu=true", "--threshold", "0.1"]);
    assert_eq!(code, 0, "{said}");
    for name in ["a", "b"] {
        let map = residua::data::read_map(&p.at(&format!("out/{name}/map.npy"))).unwrap();
        let limit = residua::score::otsu(&map.data).unwrap();
        let mask = image::open(p.at(&format!("out/{name}/mask.png"))).unwrap().to_luma8();
        let drawn: Vec<bool> = mask.pixels().map(|p| p.0[0] > 127).collect();
        assert_eq!(drawn, map.data.iter().map(|&v| f64::from(v) > limit).collect::<Vec<_>>());
        assert!(drawn.contains(&true) && drawn.contains(&false));
    }
    let (inputs, out) = (p.text("in"), p.text("out"));
    let args = ["detect", &inputs, "--model", &model, "--out", &out, "--set", "otsu=true", "--pixel-threshold", "0.1"];
    refused(&args, "the setting `otsu` gives each map its own threshold");
    refused(&["rescore", &out, "--pixel-threshold", "0.1"], "the setting `otsu` gives each map its own threshold");
    let (code, _, err) = run(&["rescore", &out, "--threshold", "0.001"]);
    assert_eq!(code, 0, "{err}");
}

#[test]
fn it_is_measured_calibrated_and_timed_like_the_others() {
    let p = Place::new();
    for (folder, n) in [("good", 0), ("good", 1), ("spot", 2), ("spot", 3)] {
        std::fs::create_dir_all(p.at(&format!("data/{folder}"))).unwrap();
        picture(&p.at(&format!("data/{folder}/{n}.png")), 16, 16, 11 * n);
    }
    let (data, good, model, out) = (p.text("data"), p.text("data/good"), model(&p, 1, "", ""), p.text("eval"));
    let (code, text, err) = run(&["eval", &data, "--model", &model, "--out", &out, "--device", "cpu"]);
    assert!(code == 0 && text.contains("image  AUROC"), "{text}{err}");
    let (code, text, err) = run(&[
        "dial",
        &data,
        "--model",
        &model,
        "--device",
        "cpu",
        "--seeds",
        "1",
        "--try",
        "scale=0,30",
        "--try",
        "noise_level=3",
        "--json",
    ]);
    assert_eq!(code, 0, "{text}{err}");
    let json: Value = serde_json::from_str(&text).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["passes"], &rows[0]["settings"]["respacing"]), (2, &4.into(), &"ddim25".into()));
    let (code, _, err) = run(&["calibrate", &good, "--model", &model, "--device", "cpu"]);
    assert_eq!(code, 0, "{err}");
    std::fs::rename(p.at("data/spot"), p.at("in/spot")).unwrap();
    let (code, said, judged) = p.detect(&model, &["--fpr", "0.5"]);
    assert!(code == 0 && judged["records"][0]["p_value"].is_number(), "{said}");
    let (code, said, _) = p.detect(&model, &["--fpr", "0.5", "--set", "scale=31"]);
    assert!(code == 2 && said.contains("was made with other `scale`"), "{said}");
    let (code, text, err) = run(&["bench", "--model", &model, "--device", "cpu", "--repeat", "1", "--json"]);
    assert_eq!(code, 0, "{err}");
    let json: Value = serde_json::from_str(&text).unwrap();
    let section = |name: &str| json["sections"].as_array().unwrap().iter().find(|s| s["name"] == name).unwrap().clone();
    assert_eq!(
        (&section("predict")["runs"], &section("encode")["runs"], &section("decode")["runs"]),
        (&6.into(), &3.into(), &3.into())
    );
    let gradient = |name: &str| section(name)["gradient"].as_f64().unwrap();
    assert!(gradient("predict") == 0.0 && (0.2..0.95).contains(&gradient("decode")), "{text}");
    let wgsl = p.text("wgsl");
    let (code, text, err) = run(&["shaders", "--model", &model, "--out", &wgsl]);
    assert!(code == 0 && text.contains("all valid"), "{text}{err}");
}

#[test]
fn networks_that_do_not_fit_are_refused() {
    let p = Place::new();
    inputs(&p);
    let model = model(&p, 1, "", "");
    let (inputs, out) = (p.text("in"), p.text("out"));
    let with = |more: &[&str], says: &str| {
        refused(&[&["detect", &inputs, "--model", &model, "--out", &out][..], more].concat(), says);
    };
    with(&["--lambda", "3"], "Wolleb et al. has no setting `lambda`");
    with(&["--set", "target=well"], "`target` is `well`, which is none of `classes`: healthy, diseased");
    with(&["--set", "noise_level=26"], "which has 25 after respacing: it must be 2 to 25");
    with(
        &["--set", "classes=healthy,mild,severe"],
        "the UNet knows 2 classes, but `system.classes` names healthy, mild, severe",
    );
    guided::denoiser(&p.at("model"), 1, 0);
    with(&["--set", "classes=healthy,mild,severe"], "the classifier knows 2 classes");
    guided::classifier(&p.at("model"), 3, 2);
    with(&[], "classifier.safetensors");
    std::fs::remove_file(p.at("model/classifier.safetensors")).unwrap();
    with(&[], "classifier");
    // A network with classes is no denoiser of a system that knows none.
    guided::denoiser(&p.at("model"), 1, 2);
    let settings = std::fs::read_to_string(p.at("model/detector.json")).unwrap();
    let (head, rest) = settings.split_once(r#""system": {"#).unwrap();
    let (_, tail) = rest.split_once('}').unwrap();
    let other =
        format!(r#"{head}"system": {{"method": "anoddpm", "schedule": {{"variance": "learned_range"}}}}{tail}"#);
    std::fs::write(p.at("model/detector.json"), other).unwrap();
    with(&[], "is conditional: one of its 2 classes must be given");
}
