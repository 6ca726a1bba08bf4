//! `residua detect` as a user runs it, on a small network: what it writes, what it refuses, and how it ends.
use assert_cmd::Command;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

use crate::common::folder::{model, picture};

/// Folders of images, a model, and the command on the processor.
struct Bench {
    dir: TempDir,
    model: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let model = model(&dir);
        std::fs::create_dir(dir.path().join("in")).unwrap();
        Bench { dir, model }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn run(&self, input: &Path, more: &[&str]) -> (i32, String, String) {
        let mut command = Command::cargo_bin("residua").unwrap();
        command.arg("detect").arg(input).arg("--model").arg(&self.model);
        if !more.contains(&"--device") {
            command.args(["--device", "cpu"]);
        }
        let output = command.arg("--out").arg(self.path("out")).args(more).output().unwrap();
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }
    fn results(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.path("out/results.json")).unwrap()).unwrap()
    }
}

#[test]
fn a_folder_with_one_bad_file_is_done_but_for_that_file() {
    let b = Bench::new();
    picture(&b.path("in/a.png"), 48, 40, 0);
    picture(&b.path("in/b.png"), 32, 32, 0);
    let whole = std::fs::read(b.path("in/a.png")).unwrap();
    std::fs::write(b.path("in/broken.png"), &whole[..whole.len() / 2]).unwrap();
    let (code, out, err) = b.run(&b.path("in"), &["--maps", "--json"]);
    assert_eq!(code, 2, "{out}{err}");
    assert!(err.contains("broken.png"), "{err}");
    let results = b.results();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap(), results, "--json prints what the file holds");
    let records = results["records"].as_array().unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(results["failures"].as_array().unwrap().len(), 1);
    for r in records {
        let folder = b.path("out").join(r["folder"].as_str().unwrap());
        for file in ["heatmap.png", "overlay.png", "reconstruction.png", "mask.png"] {
            let size = image::open(folder.join(file)).unwrap();
            let wanted = if r["name"] == "a" { (48, 40) } else { (32, 32) };
            assert_eq!((size.width(), size.height()), wanted, "{file}");
        }
        let bytes = std::fs::read(folder.join("map.npy")).unwrap();
        let map = npyz::NpyFile::new(&bytes[..]).unwrap();
        let values: Vec<f32> = map.into_vec().unwrap();
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
        assert!((mean - r["score"].as_f64().unwrap()).abs() < 1e-9, "the score is the map's mean");
        assert_eq!(r["model"]["sha256"].as_str().unwrap().len(), 64);
        assert_eq!(r["parameters"]["lambda"], 20);
    }
    let report = std::fs::read_to_string(b.path("out/report.html")).unwrap();
    assert!(report.contains("broken.png") && report.contains("data:image/"));
    assert!(std::fs::read_to_string(b.path("out/results.csv")).unwrap().lines().count() >= 4);
}

#[test]
fn a_seed_repeats_a_run_and_resume_keeps_what_is_done() {
    let b = Bench::new();
    picture(&b.path("in/a.png"), 32, 32, 0);
    let score = |b: &Bench| b.results()["records"][0]["score"].as_f64().unwrap();
    assert_eq!(b.run(&b.path("in"), &["--seed", "7"]).0, 0);
    let first = score(&b);
    std::fs::remove_dir_all(b.path("out")).unwrap();
    assert_eq!(b.run(&b.path("in"), &["--seed", "7"]).0, 0);
    assert_eq!(score(&b), first);
    let written = std::fs::metadata(b.path("out/a/mask.png")).unwrap().modified().unwrap();
    picture(&b.path("in/b.png"), 32, 32, 0);
    assert_eq!(b.run(&b.path("in"), &["--seed", "7", "--resume"]).0, 0);
    assert_eq!(
        std::fs::metadata(b.path("out/a/mask.png")).unwrap().modified().unwrap(),
        written,
        "a was not done again"
    );
    assert_eq!(b.results()["records"].as_array().unwrap().len(), 2);
    assert_eq!(b.run(&b.path("in"), &["--seed", "8", "--resume"]).0, 0);
    assert_ne!(score(&b), first, "another seed is another run");
}

#[test]
fn the_gate_closes_on_anomalies_only() {
    let b = Bench::new();
    picture(&b.path("in/a.png"), 32, 32, 0);
    assert_eq!(b.run(&b.path("in"), &["--gate", "--threshold", "1e9"]).0, 0);
    assert_eq!(b.run(&b.path("in"), &["--gate", "--threshold", "0"]).0, 1);
    assert_eq!(b.results()["records"][0]["verdict"], "anomalous");
    assert_eq!(b.run(&b.path("in"), &["--threshold", "0"]).0, 0, "without --gate finding something is no failure");
}

#[test]
fn bad_arguments_and_files_are_named() {
    let b = Bench::new();
    picture(&b.path("in/a.png"), 32, 32, 0);
    let (code, _, err) = b.run(&b.path("nowhere"), &[]);
    assert!(code == 2 && err.contains("nowhere"), "{err}");
    let (code, _, err) = b.run(&b.path("in"), &["--lambda", "2000"]);
    assert!(code == 2 && err.contains("lambda"), "{err}");
    let (code, _, err) = b.run(&b.path("in"), &["--device", "no such adapter"]);
    assert!(code == 2 && err.contains("no such adapter"), "{err}");
    std::fs::write(b.path("file"), "x").unwrap();
    let mut command = Command::cargo_bin("residua").unwrap();
    let output = command.arg("detect").arg(b.path("in")).args(["--device", "cpu", "--model"]).arg(&b.model);
    let output = output.arg("--out").arg(b.path("file/out")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("file"));
    let weights = b.model.join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..100]).unwrap();
    let (code, _, err) = b.run(&b.path("in"), &[]);
    assert!(code == 2 && err.contains("model.safetensors"), "{err}");
}

#[test]
fn a_volume_comes_back_as_a_volume() {
    let b = Bench::new();
    let mut header = vec![0u8; 352];
    header[0..4].copy_from_slice(&348i32.to_le_bytes());
    for (i, d) in [3i16, 8, 6, 2, 1, 1, 1, 1].iter().enumerate() {
        header[40 + 2 * i..42 + 2 * i].copy_from_slice(&d.to_le_bytes());
    }
    header[70..72].copy_from_slice(&16i16.to_le_bytes());
    header[72..74].copy_from_slice(&32i16.to_le_bytes());
    header[108..112].copy_from_slice(&352f32.to_le_bytes());
    header[112..116].copy_from_slice(&1f32.to_le_bytes());
    header[254..256].copy_from_slice(&1i16.to_le_bytes());
    header[280..284].copy_from_slice(&2.5f32.to_le_bytes());
    header[344..348].copy_from_slice(b"n+1\0");
    header.extend((0..96).flat_map(|i| (i as f32).to_le_bytes()));
    std::fs::write(b.path("in/scan.nii"), header).unwrap();
    let (code, out, err) = b.run(&b.path("in"), &[]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(b.results()["records"].as_array().unwrap().len(), 2, "one record a slice");
    let map = nifti_affine(&b.path("out/scan/map.nii.gz"));
    assert_eq!(map, 2.5, "the affine is the input's");
}

/// The first element of the affine of a `.nii.gz`.
fn nifti_affine(path: &Path) -> f32 {
    use nifti::{NiftiObject, ReaderOptions};
    ReaderOptions::new().read_file(path).unwrap().header().srow_x[0]
}
