//! DDAD: detections of a small UNet and a small ResNet, their settings, the files of its public code, and what does not fit.
use super::*;
use crate::common::{embedded, golden};

fn place() -> (Place, String) {
    let p = Place::new();
    picture(&p.at("in/a.png"), 64, 32, 3);
    embedded::ddad(&p.at("model"), "");
    let model = p.text("model");
    (p, model)
}

#[test]
fn an_image_is_pulled_back_and_settings_change_the_score() {
    let (p, model) = place();
    let mut seen: Vec<f64> = Vec::new();
    for sets in [
        &[][..],
        &["variant=paper"],
        &["t_start=150"],
        &["skip=25"],
        &["w=0"],
        &["w=7.5"],
        &["eta=0"],
        &["v=4"],
        &["layers=2"],
        &["layers=1,4"],
        &["layers=none"],
        &["normalisation=fixed", "ratio=0.1"],
        &["blur=none"],
        &["blur=gaussian:1.5"],
        &["crop=12"],
        &["noise_per=image"],
    ] {
        let args: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
        let (code, said, results) = p.detect(&model, &[&args[..], &["--maps"]].concat());
        assert_eq!(code, 0, "{sets:?}: {said}");
        let score = results["records"][0]["score"].as_f64().unwrap();
        assert!(score > 0.0 && seen.iter().all(|s| (s - score).abs() > 1e-9 * score), "{sets:?}: {score} {seen:?}");
        seen.push(score);
        // Outside of the middle nothing is judged, and the score is the map's greatest value.
        let map = residua::data::read_map(&p.at("out/a/map.npy")).unwrap();
        let side = if sets.contains(&"crop=12") { 12 } else { 28 };
        let (top, left) = ((32 - side) / 2, (64 - side) / 2);
        let inside = |i: usize| (top..top + side).contains(&(i / 64)) && (left..left + side).contains(&(i % 64));
        assert!(map.data.iter().enumerate().all(|(i, v)| inside(i) || *v == 0.0), "{sets:?}");
        assert!((f64::from(map.max()) - score).abs() < 1e-6 * score, "{sets:?}");
    }
    let (input, out) = (p.text("in"), p.text("refused"));
    let args = ["detect", &input, "--model", &model, "--out", &out, "--device", "cpu"];
    for (sets, says) in [
        (&["crop=40"][..], "`crop` must be 1 to 32"),
        (&["skip=100"], "`skip` must be 1 to 99, below `t_start`"),
        (&["t_start=1000"], "it must be 2 to 999"),
        (&["noise_per=image", "normalisation=batch"], "images go through the networks one by one"),
        (&["layers=none", "v=2"], "there are no `layers`"),
        (&["ratio=2"], "`normalisation` is fixed"),
        (&["layers=2,2"], "rising numbers from 1 to 4"),
        (&["sampler.steps=3"], "DDAD has no setting `sampler.steps`"),
    ] {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
        refused(&[&args[..], &sets].concat(), says);
    }
}

/// `normalisation` batch: what goes through the networks together is scaled together, and this is said.
#[test]
fn over_a_batch_scores_hang_together() {
    let (p, model) = place();
    let alone = p.detect(&model, &[]).2["records"][0]["score"].clone();
    picture(&p.at("in/b.png"), 64, 32, 90);
    let score = |more: &[&str]| {
        let (code, said, results) = p.detect(&model, more);
        assert_eq!(code, 0, "{said}");
        let html = std::fs::read_to_string(p.at("out/report.html")).unwrap();
        (results["records"][0]["score"].clone(), html.contains("scores depend on which images those were"))
    };
    let together = score(&[]);
    assert!(together.0 != alone && together.1, "{together:?} {alone}");
    assert_eq!(score(&["--batch", "1"]).0, alone);
    let own = score(&["--set", "normalisation=image"]);
    assert_eq!(own, (alone, false));
}

/// The folders of the public code: a file for each kept epoch, named by its number, and `feat` with another beside it; none has an
/// extension.
#[test]
fn checkpoint_folders_of_the_public_code_are_read() {
    let (p, model) = place();
    let (_, _, usual) = p.detect(&model, &[]);
    let published = p.at("published");
    std::fs::create_dir(&published).unwrap();
    std::fs::copy(golden("chains/ddad/network").join("model.safetensors"), published.join("2000")).unwrap();
    std::fs::copy(golden("chains/ddad/features").join("model.safetensors"), published.join("feat8")).unwrap();
    let text = std::fs::read_to_string(p.at("model/detector.json")).unwrap();
    let files = |denoiser: &str| {
        let named = text.replace(r#""file": "denoiser/model.safetensors""#, denoiser);
        std::fs::write(published.join("detector.json"), named).unwrap();
    };
    files(r#""unet": {"heads": 2, "groups": 8}"#);
    let folder = p.text("published");
    let (code, said, found) = p.detect(&folder, &[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(found["records"][0]["score"], usual["records"][0]["score"]);
    // No file says how many heads there are, and of several epochs one must be named.
    let (input, out) = (p.text("in"), p.text("refused"));
    let args = ["detect", &input, "--model", &folder, "--out", &out, "--device", "cpu"];
    files(r#""unet": {"groups": 8}"#);
    refused(&args, "heads");
    std::fs::copy(published.join("2000"), published.join("1750")).unwrap();
    files(r#""unet": {"heads": 2, "groups": 8}"#);
    refused(&args, "several checkpoints, name one of them: 1750, 2000");
    files(r#""file": "1750", "unet": {"heads": 2, "groups": 8}"#);
    let (code, said, found) = p.detect(&folder, &[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(found["records"][0]["score"], usual["records"][0]["score"]);
}

#[test]
fn networks_that_do_not_fit_are_refused_by_name() {
    let (p, model) = place();
    let (input, out) = (p.text("in"), p.text("refused"));
    let args = ["detect", &input, "--model", &model, "--out", &out, "--device", "cpu"];
    std::fs::remove_file(p.at("model/features/config.json")).unwrap();
    let config = |text: &str| std::fs::write(p.at("model/features/features.json"), text).unwrap();
    config(r#"{"image_mean": [0.5, 0.5, 0.5]}"#);
    refused(&args, "`image_mean` and `image_std` belong together");
    config(r#"{"image_mean": [0.5], "image_std": [0.5]}"#);
    refused(&args, "3 of each are needed");
    config(r#"{"batch_norm_eps": 0}"#);
    refused(&args, "`batch_norm_eps` is 0");
    config(r#"{"downsample_in_bottleneck": "yes"}"#);
    refused(&args, "downsample_in_bottleneck");
    config("{}");
    assert_eq!(p.detect(&model, &[]).0, 0);
    std::fs::remove_dir_all(p.at("model/features")).unwrap();
    refused(&args, "has no network of features (features.safetensors");
    let (code, said, _) = p.detect(&model, &["--set", "layers=none"]);
    assert_eq!(code, 0, "{said}");
}
