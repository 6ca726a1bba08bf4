//! `residua eval`: datasets of every layout, the model itself and maps on disk, and what is refused.

use crate::common::volume::nifti;
use image::{GrayImage, Luma};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A dataset in MVTec's layout around the smallest network.
struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let b = Bench { dir: TempDir::new().unwrap() };
        std::fs::create_dir(b.path("model")).unwrap();
        crate::common::small::write(&b.path("model"), 1);
        let settings = r#"{"format": 1, "method": "anoddpm", "name": "small", "network": "model.safetensors",
            "input": {"width": 32, "height": 32, "channels": 1, "range": [-1, 1]}, "lambda": 20,
            "sampler": {"kind": "ddim", "steps": 2}, "residual": "absolute"}"#;
        std::fs::write(b.path("model/detector.json"), settings).unwrap();
        for (i, name) in ["test/good/0", "test/good/1", "test/hole/0", "test/hole/1", "test/dent/0"].iter().enumerate()
        {
            b.picture(&format!("data/{name}.png"), |x, y| (x * 7 + y * 3 + 40 * i as u32) % 256);
        }
        for name in ["hole/0_mask", "hole/1_mask", "dent/0_mask"] {
            b.picture(&format!("data/ground_truth/{name}.png"), |x, y| 255 * u32::from(x / 8 == 1 && y / 8 == 2));
        }
        b
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn picture(&self, name: &str, value: impl Fn(u32, u32) -> u32) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        GrayImage::from_fn(40, 32, |x, y| Luma([value(x, y) as u8])).save(path).unwrap();
    }
    fn run(&self, command: &str, input: &str, more: &[&str]) -> (i32, String, String) {
        let [input, model, out] = [input, "model", &format!("out-{command}")].map(|p| self.path(p));
        let text = |p: &Path| p.to_str().unwrap().to_owned();
        let (input, model, out) = (text(&input), text(&model), text(&out));
        let mut args = vec![command, &input, "--out", &out, "--device", "cpu"];
        if !more.contains(&"--maps") || command == "detect" {
            args.extend(["--model", &model]);
        }
        args.extend(more);
        crate::common::run(&args)
    }
    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.path("out-eval/eval.json")).unwrap()).unwrap()
    }
}

#[test]
fn a_model_and_its_maps_on_disk_give_the_same_numbers_and_a_whole_report() {
    let b = Bench::new();
    let (code, out, err) = b.run("eval", "data", &["--json"]);
    assert_eq!(code, 0, "{out}{err}");
    let mut by_model = b.json();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap(), by_model);
    assert_eq!((&by_model["layout"], &by_model["split"]), (&"folders".into(), &"test".into()));
    assert_eq!(by_model["regions"], 3);
    assert_eq!(by_model["pixels"], serde_json::json!([3 * 64, 5 * 40 * 32 - 3 * 64]));
    for (level, keys) in [
        ("image", &["auroc", "auprc", "f1_max", "fpr_at_95_tpr"][..]),
        ("pixel", &["auroc", "auprc", "pro", "best_dice", "iou"][..]),
    ] {
        for key in keys {
            let value = by_model[level][key].as_f64().unwrap_or_else(|| panic!("{level} {key}"));
            assert!((0.0..=1.0).contains(&value));
            let interval = by_model[level]["intervals"][key].as_array().unwrap();
            assert!(interval[0].as_f64() <= interval[1].as_f64(), "{level} {key}");
        }
    }
    let defects: Vec<_> =
        by_model["defects"].as_array().unwrap().iter().map(|d| d["defect"].as_str().unwrap()).collect();
    assert_eq!(defects, ["dent", "hole", "good"]);
    for file in ["eval.md", "roc.svg", "pr.svg", "histogram.svg"] {
        let text = std::fs::read_to_string(b.path("out-eval").join(file)).unwrap();
        assert!(!text.contains("NaN") && (text.starts_with("# ") || text.starts_with("<svg xmlns=")), "{file}");
    }
    let page = std::fs::read_to_string(b.path("out-eval/eval.html")).unwrap();
    assert!(page.contains("best Dice") && page.contains("<polyline") && page.contains("hole") && !page.contains("NaN"));
    assert_eq!(std::fs::read_dir(b.path("out-eval")).unwrap().count(), 6, "nothing else is left");

    let (code, out, err) = b.run("detect", "data/test", &["--maps"]);
    assert_eq!(code, 0, "{out}{err}");
    let maps = b.path("out-detect");
    let (code, out, err) = b.run("eval", "data", &["--maps", maps.to_str().unwrap()]);
    assert_eq!(code, 0, "{out}{err}");
    let by_maps = b.json();
    assert_eq!(by_maps["source"]["maps"], maps.to_str().unwrap());
    for key in ["image", "pixel", "defects", "images"] {
        assert_eq!(by_maps[key], by_model[key].take(), "{key}");
    }
}

#[test]
fn a_manifest_chooses_and_what_cannot_be_measured_has_a_reason() {
    let b = Bench::new();
    let list = "path,label,mask,split\ntest/hole/0.png,bad,ground_truth/hole/0_mask.png,a\ntest/hole/1.png,1,,a\n\
                test/good/0.png,good,,b\n";
    std::fs::write(b.path("data/list.csv"), list).unwrap();
    let (code, out, err) = b.run("eval", "data/list.csv", &["--split", "a"]);
    assert_eq!(code, 0, "{out}{err}");
    let json = b.json();
    assert!(json["image"]["auroc"].is_null() && json["pixel"]["auroc"].is_f64());
    assert_eq!(json["image"]["reason"], "there is no normal image");
    assert!(out.contains("image  none: there is no normal image"), "{out}");
    let (code, _, err) = b.run("eval", "data/list.csv", &["--split", "b"]);
    assert_eq!(code, 0, "{err}");
    let json = b.json();
    assert_eq!(json["image"]["reason"], "there is no anomalous image");
    assert_eq!(json["pixel"]["reason"], "there is no anomalous pixel in any mask");
    assert!(json["pixel"]["pro"].is_null() && json["pixel"].get("auprc").unwrap().is_null());
    std::fs::write(b.path("data/list.csv"), "path,label\ntest/hole/0.png,perhaps\n").unwrap();
    let (code, _, err) = b.run("eval", "data/list.csv", &[]);
    assert!(code == 2 && err.contains("list.csv: line 2: label `perhaps`"), "{err}");
    std::fs::write(b.path("data/list.csv"), "path,label\ntest/hole/9.png,1\n").unwrap();
    let (code, _, err) = b.run("eval", "data/list.csv", &[]);
    assert!(code == 2 && err.contains("9.png"), "{err}");
}

#[test]
fn faults_are_named() {
    let b = Bench::new();
    let (code, _, err) = b.run("eval", "nowhere", &[]);
    assert!(code == 2 && err.contains("nowhere: there is no such dataset"), "{err}");
    let (code, _, err) = b.run("eval", "data", &["--split", "night"]);
    assert!(code == 2 && err.contains("night: there is no such split"), "{err}");
    let (code, _, err) = b.run("eval", "model", &[]);
    assert!(code == 2 && err.contains("is no dataset that is known"), "{err}");
    // A mask of another size costs its image.
    GrayImage::new(7, 5).save(b.path("data/ground_truth/hole/1_mask.png")).unwrap();
    let (code, out, err) = b.run("eval", "data", &[]);
    assert!(code == 2 && err.contains("1_mask.png: the mask is 7x5, but the image is 40x32"), "{out}{err}");
    assert_eq!(b.json()["images"].as_array().unwrap().len(), 4);
    assert_eq!(b.json()["failures"].as_array().unwrap().len(), 1);
    std::fs::remove_file(b.path("data/ground_truth/hole/1_mask.png")).unwrap();
    let (code, _, err) = b.run("eval", "data", &[]);
    assert!(code == 2 && err.contains("1.png: has no mask in "), "{err}");
}

#[test]
fn volumes_are_labelled_slice_by_slice_by_their_segmentation() {
    let b = Bench::new();
    let voxels: Vec<u8> = (0..8 * 6 * 4).map(|i| (i * 37 % 200 + 20) as u8).collect();
    let mut labels = vec![0u8; voxels.len()];
    labels[48 + 9] = 1;
    labels[48 + 10] = 4;
    for sequence in ["flair", "t1"] {
        nifti(&b.path(&format!("brats/p1/p1_{sequence}.nii")), [8, 6, 4], 1, &voxels);
    }
    nifti(&b.path("brats/p1/p1_seg.nii"), [8, 6, 4], 1, &labels);
    let (code, _, err) = b.run("eval", "brats", &[]);
    assert!(code == 2 && err.contains("p1_seg.nii: belongs to p1_flair and p1_t1"), "{err}");
    let (code, out, err) = b.run("eval", "brats", &["--sequence", "flair"]);
    assert_eq!(code, 0, "{out}{err}");
    let json = b.json();
    assert_eq!(json["layout"], "volumes");
    let named: Vec<_> = json["images"].as_array().unwrap().iter().map(|i| i["defect"].as_str().unwrap()).collect();
    assert_eq!(named, ["good", "anomalous", "good", "good"]);
    assert_eq!((&json["pixels"][0], &json["regions"]), (&2.into(), &1.into()));
}
