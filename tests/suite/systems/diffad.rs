//! DiffAD: every command on a small KL autoencoder, a small denoiser of its latents and a small comparer.
use super::*;
use crate::common::{compared, golden};
use image::{Rgb, RgbImage};

/// A picture of three colours that differ.
fn colours(path: &Path, width: u32, height: u32, shift: u32) {
    let value = |x: u32, y: u32, c: u32| ((x * (3 + c) + y * (7 - 2 * c) + shift * 5 + 60 * c) % 256) as u8;
    RgbImage::from_fn(width, height, |x, y| Rgb([0, 1, 2].map(|c| value(x, y, c)))).save(path).unwrap();
}

fn place() -> (Place, String) {
    let p = Place::new();
    colours(&p.at("in/a.png"), 64, 32, 0);
    compared::folder(&p.at("model"), "");
    let model = p.text("model");
    (p, model)
}

fn works(args: &[&str]) -> String {
    let (code, out, err) = run(args);
    assert_eq!(code, 0, "{args:?}: {out}{err}");
    out + &err
}

/// The largest mean of squares, as it is defined.
fn window(map: &[f32], [h, w]: [isize; 2], side: isize) -> f64 {
    let inside = |y: isize, x: isize| (0..h).contains(&y) && (0..w).contains(&x);
    let mean = |y: isize, x: isize| {
        let around = (y - side / 2..=y + side / 2).flat_map(|v| (x - side / 2..=x + side / 2).map(move |u| (v, u)));
        let sum: f64 = around.filter(|&(v, u)| inside(v, u)).map(|(v, u)| f64::from(map[(v * w + u) as usize])).sum();
        sum / (side * side) as f64
    };
    (0..h).flat_map(|y| (0..w).map(move |x| (y, x))).map(|(y, x)| mean(y, x)).fold(0.0, f64::max)
}

#[test]
fn an_image_leaves_its_pictures_and_a_score_by_windows() {
    let (p, model) = place();
    // Of another size, the score is still that of the map at the networks' size.
    colours(&p.at("in/b.png"), 96, 48, 3);
    let (code, said, results) = p.detect(&model, &["--maps"]);
    assert_eq!(code, 0, "{said}");
    for (record, name) in results["records"].as_array().unwrap().iter().zip(["a", "b"]) {
        let folder = p.at("out").join(name);
        for file in ["heatmap.png", "overlay.png", "reconstruction.png", "interpolated.png", "mask.png", "map.npy"] {
            assert!(folder.join(file).is_file(), "{file}");
        }
        let pictures = ["reconstruction.png", "interpolated.png"].map(|f| std::fs::read(folder.join(f)).unwrap());
        assert_ne!(pictures[0], pictures[1]);
        let map = residua::data::read_map(&folder.join("map.npy")).unwrap();
        let score = record["score"].as_f64().unwrap();
        let want = window(&map.data, [map.height as isize, map.width as isize], 21);
        assert!(map.data.iter().all(|v| (0.0..=1.0).contains(v)) && score > 0.0);
        let same = (score - want).abs() < 1e-6 * want;
        assert_eq!(same, name == "a", "{name}: {score} {want}");
    }
    let report = std::fs::read_to_string(p.at("out/report.html")).unwrap();
    assert!(report.contains("Interpolated") && report.contains("blue, green and red"), "pictures and words");
    assert!(report.contains("the greatest mean of 21x21 pixels"));
    works(&["rescore", &p.text("out"), "--threshold", "0.001"]);
    // What is missing of a finished image is made again.
    std::fs::remove_file(p.at("out/a/interpolated.png")).unwrap();
    let (code, said, _) = p.detect(&model, &["--maps", "--resume"]);
    assert!(code == 0 && p.at("out/a/interpolated.png").is_file(), "{said}");

    // A run over it that makes no such picture leaves none.
    let six = golden("draem-segnet-6ch");
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(six.join(file), p.at("model/comparer").join(file)).unwrap();
    }
    std::fs::remove_file(p.at("model/comparer/comparer.safetensors")).unwrap();
    let (code, said, _) = p.detect(&model, &["--set", "interpolated=false"]);
    assert_eq!(code, 0, "{said}");
    assert!(p.at("out/a/reconstruction.png").is_file() && !p.at("out/a/interpolated.png").exists());
}

#[test]
fn settings_change_the_score_and_idle_ones_are_refused() {
    let (p, model) = place();
    let mut seen: Vec<f64> = Vec::new();
    for sets in [
        &[][..],
        &["sampler.steps=4"],
        &["sampler=ddim:2:0.5"],
        &["condition=noised"],
        &["condition=noised", "condition_step=200"],
        &["variant=paper", "sampler.steps=4"],
        &["mix=0.25"],
        &["colours=rgb"],
        &["blur=gaussian:2"],
        &["noise_per=image"],
    ] {
        let args: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
        let (code, said, results) = p.detect(&model, &args);
        assert_eq!(code, 0, "{sets:?}: {said}");
        let score = results["records"][0]["score"].as_f64().unwrap();
        assert!(score > 0.0 && seen.iter().all(|s| (s - score).abs() > 1e-9 * score), "{sets:?}: {score} {seen:?}");
        seen.push(score);
    }
    let (input, out) = (p.text("in"), p.text("refused"));
    let args = ["detect", &input, "--model", &model, "--out", &out, "--device", "cpu"];
    for (sets, says) in [
        (&["condition_step=400"][..], "left as it is where the condition is clean"),
        (&["interpolated=false", "mix=0.4"], "left as it is where `interpolated` is false"),
        (&["interpolated=false"], "takes 9 channels, but the reconstruction and the image of 3 each make 6"),
        (&["sampler=ddpm"], "it must be ddim:STEPS or ddim:STEPS:ETA"),
        (&["sampler.steps=333"], "333 steps of 1000 begin at step 1000"),
        (&["condition=both"], "it must be clean, noised"),
        (&["start=3"], "DiffAD has no setting `start`; it has variant, condition, condition_step"),
    ] {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
        refused(&[&args[..], &sets].concat(), says);
    }
    // A score by a window of an even side is none.
    let path = p.at("model/detector.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"threshold\"", r#""score": {"kind": "window", "side": 4}, "threshold""#, 1))
        .unwrap();
    refused(&args, "`score.side` must be odd and up to 32");
}

#[test]
fn networks_that_do_not_fit_are_refused_by_name() {
    let (p, model) = place();
    let (input, out) = (p.text("in"), p.text("out"));
    let args = ["detect", &input, "--model", &model, "--out", &out, "--device", "cpu"];
    compared::settings(&p.at("model"), 66, "");
    refused(&args, "sides must be multiples of 4");
    compared::settings(&p.at("model"), 48, "");
    refused(&args, "is no multiple of 32");
    compared::settings(&p.at("model"), 64, "");
    let put = |from: &str, role: &str, name: &str| {
        std::fs::copy(golden(from).join("config.json"), p.at("model").join(role).join("config.json")).unwrap();
        std::fs::copy(golden(from).join("model.safetensors"), p.at("model").join(role).join(name)).unwrap();
    };
    put("draem-segnet-6ch", "comparer", "comparer.safetensors");
    refused(
        &args,
        "comparer.safetensors: takes 6 channels, but the reconstruction, the interpolated picture and the image",
    );
    put("chains/pinaya/network", "denoiser", "model.safetensors");
    refused(&args, "channels is 3, and 3 of a condition come behind them, but the network takes 3");
    put("diffusers-vqmodel", "autoencoder", "model.safetensors");
    refused(&args, "has a codebook: this system needs a KL one");
    std::fs::remove_dir_all(p.at("model/comparer")).unwrap();
    refused(&args, "comparer");
}

#[test]
fn the_other_commands_and_whole_volumes() {
    let (p, model) = place();
    std::fs::create_dir(p.at("normal")).unwrap();
    (0..4).for_each(|i| colours(&p.at(&format!("normal/{i}.png")), 64, 32, 13 * i + 5));
    works(&["calibrate", &p.text("normal"), "--model", &model, "--device", "cpu"]);
    let (code, said, judged) = p.detect(&model, &["--fpr", "0.5"]);
    assert!(code == 0 && judged["records"][0]["p_value"].is_number(), "{said}");
    for (folder, n) in [("good", 0), ("good", 1), ("spot", 2), ("spot", 3)] {
        std::fs::create_dir_all(p.at(&format!("data/{folder}"))).unwrap();
        colours(&p.at(&format!("data/{folder}/{n}.png")), 64, 32, 11 * n);
    }
    let data = p.text("data");
    let said = works(&["eval", &data, "--model", &model, "--out", &p.text("eval"), "--device", "cpu"]);
    assert!(said.contains("image  AUROC"), "{said}");
    let tries = ["--try", "condition=clean,noised", "--try-steps", "2,5", "--seeds", "1", "--json"];
    let (code, text, err) = run(&[&["dial", &data, "--model", &model, "--device", "cpu"], &tries[..]].concat());
    assert_eq!(code, 0, "{text}{err}");
    let json: Value = serde_json::from_str(&text).unwrap();
    let passes: Vec<_> = json["rows"].as_array().unwrap().iter().map(|r| r["passes"].clone()).collect();
    assert_eq!(passes, [2, 2, 5, 5].map(Value::from));

    let said = works(&["inspect", &model]);
    for line in ["DiffAD", "autoencoder:", "comparer:", "condition_step", "bgr, rgb", "interpolated"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let (code, text, err) = run(&["bench", "--model", &model, "--device", "cpu", "--repeat", "1", "--json"]);
    assert_eq!(code, 0, "{err}");
    let json: Value = serde_json::from_str(&text).unwrap();
    let runs =
        |name: &str| json["sections"].as_array().unwrap().iter().find(|s| s["name"] == name).unwrap()["runs"].clone();
    let found = ["encode", "start", "denoise", "interpolate", "keep", "drawn", "decode", "compare"].map(runs);
    assert_eq!(found, [1, 1, 2, 1, 1, 1, 2, 1].map(Value::from));
    let said = works(&["shaders", "--model", &model, "--out", &p.text("wgsl")]);
    assert!(said.contains("all valid"), "{said}");
    refused(&["attack", &data, "--model", &model, "--out", &p.text("attack")], "gives no gradient");

    for k in 0..3 {
        let voxels: Vec<u8> = (0..64 * 32 * 2).map(|i| (i * (5 + k) % 251) as u8).collect();
        nifti(&p.at(&format!("in/scan_{k}.nii")), [64, 32, 2], 1, &voxels);
    }
    std::fs::remove_file(p.at("in/a.png")).unwrap();
    let path = p.at("model/detector.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"range\"", r#""suffixes": ["_0", "_1", "_2"], "range""#, 1)).unwrap();
    let (code, said, results) = p.detect(&model, &["--maps"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(results["records"].as_array().unwrap().len(), 2, "one record a slice");
    assert!(p.at("out/scan/map.nii.gz").is_file());
}

/// What the recipe made of a picture in PyTorch in float64, with the noise of a seed.
#[test]
fn a_reference_of_the_recipe_is_met_layer_by_layer() {
    let (p, model) = place();
    std::fs::copy("tests/reference/diffad_selftest.safetensors", p.at("model/selftest.safetensors")).unwrap();
    let (code, text, err) = run(&["selftest", "--json", "--device", "cpu", "--model", &model]);
    assert_eq!(code, 0, "{text}{err}");
    let report: Value = serde_json::from_str(&text).unwrap();
    let stored = report["layers"].as_array().unwrap().iter().filter(|l| l["recorded"].is_object());
    let sections: std::collections::BTreeSet<_> = stored.map(|l| l["section"].as_str().unwrap()).collect();
    let wanted = ["compare", "condition", "denoise", "drawn", "interpolate", "keep", "start"];
    assert_eq!(sections.into_iter().collect::<Vec<_>>(), wanted);
    assert!(report["outputs"].as_array().unwrap().iter().all(|o| o["nmse"].as_f64().unwrap() < 1e-10), "{report}");
}
