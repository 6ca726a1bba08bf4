//! Every system through every command that takes any of them, on small networks and the processor.

use crate::common::folder::picture;
use crate::common::{run, volume::nifti};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

mod ddad;
mod diffad;
mod every;
mod pinaya;
mod volumes;
mod wolleb;
mod xu;

/// A folder with models and images.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Place(TempDir::new().unwrap());
        std::fs::create_dir(place.at("in")).unwrap();
        place
    }
    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn text(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }
    /// A pDDPM folder around the smallest network; `more` goes into `system`, `input` into `input`.
    fn pddpm(&self, channels: usize, more: &str, input: &str) -> String {
        std::fs::create_dir_all(self.at("model")).unwrap();
        crate::common::small::write(&self.at("model"), channels);
        let settings = format!(
            r#"{{"format": 2, "name": "patches", "input": {{"width": 32, "height": 32, "channels": {channels},
                "range": [-1, 1]{input}}}, "networks": {{"denoiser": {{"file": "model.safetensors"}}}},
                "system": {{"method": "pddpm", "patch": 16, "stride": 16{more}}},
                "score": {{"kind": "foreground"}}, "threshold": {{"pixel": 0.2, "image": 0.1}}}}"#
        );
        std::fs::write(self.at("model/detector.json"), settings).unwrap();
        self.text("model")
    }
    /// `residua detect`, its exit code and what it said, and `results.json`.
    fn detect(&self, model: &str, more: &[&str]) -> (i32, String, Value) {
        let (input, out) = (self.text("in"), self.text("out"));
        let args = [&["detect", &input, "--model", model, "--out", &out, "--device", "cpu"], more].concat();
        let (code, text, err) = run(&args);
        let results = std::fs::read(self.at("out/results.json")).ok();
        let json = results.map_or(Value::Null, |r| serde_json::from_slice(&r).unwrap());
        (code, text + &err, json)
    }
}

fn refused(args: &[&str], says: &str) {
    let (code, out, err) = run(args);
    assert!(code == 2 && err.contains(says) && !err.contains("panicked"), "{args:?}: {code} {out}{err}");
}

#[test]
fn pddpm_takes_pictures_and_its_settings_by_name() {
    let p = Place::new();
    picture(&p.at("in/a.png"), 40, 32, 0);
    picture(&p.at("in/b.png"), 32, 32, 9);
    let model = p.pddpm(1, "", "");
    let (code, said, results) = p.detect(&model, &["--maps"]);
    assert_eq!(code, 0, "{said}");
    let records = results["records"].as_array().unwrap();
    assert_eq!(records.len(), 2);
    for r in records {
        let folder = p.at("out").join(r["folder"].as_str().unwrap());
        for file in ["heatmap.png", "overlay.png", "reconstruction.png", "mask.png", "map.npy"] {
            assert!(folder.join(file).is_file(), "{file}");
        }
        assert!(r["score"].as_f64().unwrap() > 0.0 && r["parameters"]["system"]["patch"] == 16);
        assert!(r["warnings"].to_string().contains("foreground"), "{r}");
    }
    // Noise goes with the volume: two files have two noises, and one file has one whatever else is in the run.
    let alone = p.text("in/b.png");
    let out = p.text("alone");
    let (code, _, err) = run(&["detect", &alone, "--model", &model, "--out", &out, "--device", "cpu"]);
    assert_eq!(code, 0, "{err}");
    let one: Value = serde_json::from_slice(&std::fs::read(p.at("alone/results.json")).unwrap()).unwrap();
    assert_eq!(one["records"][0]["score"], records[1]["score"]);
    // Another stride covers pixels twice, and changes the score.
    let (code, said, other) = p.detect(&model, &["--set", "stride=8", "--set", "variant=paper"]);
    assert_eq!(code, 0, "{said}");
    assert_ne!(other["records"][0]["score"], records[0]["score"]);
    assert_eq!(other["records"][0]["parameters"]["system"]["stride"], 8);

    let inputs = p.text("in");
    let with = |more: &[&str], says| refused(&[&["detect", &inputs, "--model", &model][..], more].concat(), says);
    with(&["--set", "stride=17"], "`stride` must be 1..=patch");
    with(&["--set", "stride=x"], "it must be 1 to 4096");
    with(&["--set", "strid=8"], "pDDPM has no setting `strid`; it has variant, lambda, patch");
    with(&["--set", "stride"], "NAME=VALUE");
    with(&["--steps", "3"], "pDDPM has no setting `sampler.steps`");
    let (code, text, err) = run(&["inspect", &model]);
    assert_eq!(code, 0, "{err}");
    for line in ["pDDPM", "settings, for --set", "stride", "1 to 4096", "noise_per"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let (code, text, err) = run(&["inspect", &model, "--json"]);
    assert_eq!(code, 0, "{err}");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert!(json["settings"].as_array().unwrap().iter().any(|s| s["name"] == "median" && s["value"] == "5"));
}

#[test]
fn an_image_may_be_the_channels_of_several_files_or_a_volume_of_four_dimensions() {
    let p = Place::new();
    let suffixes = r#", "suffixes": ["_t1", "_t1ce", "_t2"], "scaling": {"kind": "min_max", "over": "volume"}"#;
    let model = p.pddpm(3, r#", "median": 1, "erosion": 0"#, suffixes);
    let voxels = |k: usize| -> Vec<u8> { (0..32 * 32 * 2).map(|i| (i * (3 + k) % 251) as u8).collect() };
    for (k, end) in ["t1", "t1ce", "t2"].iter().enumerate() {
        nifti(&p.at(&format!("in/p1_{end}.nii")), [32, 32, 2], 1, &voxels(k));
    }
    let (code, said, by_files) = p.detect(&model, &[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(by_files["volumes"][0]["name"], "p1");
    std::fs::remove_file(p.at("in/p1_t2.nii")).unwrap();
    let (code, said, _) = p.detect(&model, &[]);
    assert!(code == 2 && said.contains("p1_t2 missing"), "{said}");
    // The same three as one file, for the same model without suffixes.
    for end in ["t1", "t1ce"] {
        std::fs::remove_file(p.at(&format!("in/p1_{end}.nii"))).unwrap();
    }
    let whole = suffixes.replace(r#", "suffixes": ["_t1", "_t1ce", "_t2"]"#, "");
    let model = p.pddpm(3, r#", "median": 1, "erosion": 0, "noise_per": "run""#, &whole);
    nifti(&p.at("in/p1.nii"), [32, 32, 2], 3, &[voxels(0), voxels(1), voxels(2)].concat());
    let (code, said, by_volume) = p.detect(&model, &[]);
    assert_eq!(code, 0, "{said}");
    let map = |r: &Value| r["volumes"][0]["score"].as_f64().unwrap();
    assert!((map(&by_volume) - map(&by_files)).abs() < 0.3 * map(&by_files), "another noise, the same image");
    // One channel is no image of three.
    nifti(&p.at("in/p1.nii"), [32, 32, 2], 2, &[voxels(0), voxels(1)].concat());
    let (code, said, _) = p.detect(&model, &[]);
    assert!(code == 2 && said.contains("p1.nii"), "{said}");
}

#[test]
fn a_system_without_maps_says_so_and_does_the_rest() {
    let p = Place::new();
    for n in 0..6 {
        picture(&p.at(&format!("in/{n}.png")), 40, 40, n);
    }
    let network = crate::common::golden("resnet-basic").join("model.safetensors");
    let (inputs, model) = (p.text("in"), p.text("dte"));
    let with = ["--features", network.to_str().unwrap(), "--size", "64", "--crop", "64", "--mean", "0.5,0.5,0.5"];
    let fit = [&["dte", "fit", &inputs, "--out", &model, "--device", "cpu"], &with[..]].concat();
    let (code, out, err) = run(&fit);
    assert_eq!(code, 0, "{out}{err}");
    let (code, said, results) = p.detect(&model, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("DTE-NP gives a score and no map"), "{said}");
    let records = results["records"].as_array().unwrap();
    assert!(records.len() == 6 && !p.at("out/0/heatmap.png").exists() && p.at("out/0/input.png").is_file());
    let html = std::fs::read_to_string(p.at("out/report.html")).unwrap();
    assert!(html.contains("none: this system gives a score for each image"));
    // The same scores as by `dte score`, which knows the network by the folder too.
    let scores = p.text("scores.csv");
    let (code, _, err) = run(&["dte", "score", &inputs, "--model", &model, "--out", &scores, "--device", "cpu"]);
    assert_eq!(code, 0, "{err}");
    for (line, r) in std::fs::read_to_string(&scores).unwrap().lines().skip(1).zip(records) {
        let score: f64 = line.rsplit(',').next().unwrap().parse().unwrap();
        assert!((score - r["score"].as_f64().unwrap()).abs() < 1e-9 * score.max(1.0), "{line} {r}");
    }
    for command in ["inspect", "bench", "shaders"] {
        let out = p.text("wgsl");
        let more: &[&str] = match command {
            "bench" => &["--repeat", "1", "--device", "cpu", "--model", &model],
            "shaders" => &["--out", &out, "--model", &model],
            _ => &[&model],
        };
        let (code, text, err) = run(&[&[command], more].concat());
        assert_eq!(code, 0, "{command}: {text}{err}");
        assert!(command != "inspect" || (text.contains("DTE-NP") && text.contains("estimate")), "{text}");
    }
    // The images that it was fitted to calibrate nothing.
    refused(&["calibrate", &inputs, "--model", &model, "--device", "cpu"], "that the model was fitted to");
    let others = p.text("others");
    std::fs::create_dir(&others).unwrap();
    (0..6).for_each(|n| picture(&p.at(&format!("others/{n}.png")), 40, 40, n + 60));
    let (code, _, err) = run(&["calibrate", &others, "--model", &model, "--device", "cpu"]);
    assert_eq!(code, 0, "{err}");
    let (code, said, judged) = p.detect(&model, &["--fpr", "0.5"]);
    assert!(code == 0 && judged["records"][0]["p_value"].is_number(), "{said}");
    // Labelled images, without a word about pixels.
    std::fs::create_dir_all(p.at("data")).unwrap();
    std::fs::rename(p.at("in"), p.at("data/good")).unwrap();
    std::fs::create_dir(p.at("data/bad")).unwrap();
    for n in 0..3 {
        picture(&p.at(&format!("data/bad/{n}.png")), 40, 40, 50 * n + 17);
    }
    let (data, out) = (p.text("data"), p.text("eval"));
    let (code, text, err) = run(&["eval", &data, "--model", &model, "--out", &out, "--device", "cpu"]);
    assert!(code == 0 && text.contains("image  AUROC") && text.contains("pixel  none"), "{text}{err}");

    let bad = p.text("data/bad");
    refused(&["detect", &bad, "--model", &model, "--maps", "--out", &out], "gives a score and no map");
    refused(&["detect", &bad, "--model", &model, "--lambda", "3", "--out", &out], "has no setting `lambda`");
    std::fs::remove_file(Path::new(&model).join("features.safetensors")).unwrap();
    refused(&["detect", &bad, "--model", &model, "--out", &out], "features.safetensors");
    refused(&["selftest", "--model", &model], "selftest.safetensors");
}

#[test]
fn speed_and_quality_of_pddpm_are_measured_by_its_own_settings() {
    let p = Place::new();
    for (folder, n) in [("good", 0), ("good", 1), ("spot", 2), ("spot", 3)] {
        std::fs::create_dir_all(p.at(&format!("data/{folder}"))).unwrap();
        picture(&p.at(&format!("data/{folder}/{n}.png")), 32, 32, 11 * n);
    }
    let (data, model) = (p.text("data"), p.pddpm(1, "", ""));
    let dial =
        |more: &[&str]| run(&[&["dial", &data, "--model", &model, "--device", "cpu", "--seeds", "1"], more].concat());
    let (code, text, err) = dial(&["--try", "stride=8,16", "--json"]);
    assert_eq!(code, 0, "{text}{err}");
    let json: Value = serde_json::from_str(&text).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["passes"], &rows[1]["passes"]), (2, &4.into(), &9.into()));
    assert_eq!(rows[1]["settings"]["stride"], "8");
    std::fs::rename(p.at("data/good"), p.at("in/good")).unwrap();
    let (code, said, results) = p.detect(&model, &["--quality", "best"]);
    assert_eq!(code, 0, "{said}");
    assert!(results["records"][0]["parameters"]["system"]["stride"].is_u64());
    let (code, said, _) = p.detect(&model, &["--quality", "best", "--set", "median=3"]);
    assert!(code == 2 && said.contains("was measured with other `median`"), "{said}");
    std::fs::rename(p.at("in/good"), p.at("data/good")).unwrap();
    let (code, _, err) = dial(&["--try", "runs=3"]);
    assert!(code == 2 && err.contains("is measured by lambda, patch, stride, overlap"), "{err}");
    let (code, _, err) = dial(&["--try-runs", "3"]);
    assert!(code == 2 && err.contains("has no such setting"), "{err}");
}
