//! What a labelled dataset is taken for is said, and a wrong guess ends in an error about the right thing.
use crate::common::place::Place;
use crate::common::run;
use serde_json::Value;
use std::path::{Path, PathBuf};

impl Place {
    fn pictures(&self, names: &[&str]) {
        names.iter().enumerate().for_each(|(i, name)| self.picture(name, 11 * i as u32));
    }
    /// `residua eval`, its exit code, and everything that it said.
    fn eval(&self, input: &str, more: &[&str]) -> (i32, String) {
        let (input, model, out) = (self.text(input), self.text("model"), self.text("eval"));
        let model: &[&str] = if more.contains(&"--maps") { &[] } else { &["--model", &model, "--device", "cpu"] };
        let (code, text, err) = run(&[&["eval", &input, "--out", &out], model, more].concat());
        assert!(!err.contains("panicked"), "{err}");
        (code, text + &err)
    }
    fn report(&self) -> Value {
        self.json("eval/eval.json")
    }
}

/// Lists that were tried by a user: the names in them are those of the texture model's samples.
fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/manifests").join(name)
}

#[test]
fn lists_of_images_are_refused_as_lists() {
    let p = Place::new();
    let good: Vec<String> = (1..=4).map(|i| format!("data/i mg/good/brick-{i}.png")).collect();
    let bad = ["foreign", "scratch", "splash", "stain"].map(|n| format!("data/i mg/bad/{n}.png"));
    let masks = ["foreign", "scratch", "splash", "stain"].map(|n| format!("data/masks/{n}.png"));
    let all: Vec<&str> = good.iter().chain(&bad).chain(&masks).map(String::as_str).collect();
    p.pictures(&all);
    for name in ["semi.csv", "image_col.csv", "dup.csv", "testing.csv"] {
        std::fs::copy(corpus(name), p.at("data").join(name)).unwrap();
    }
    for (list, says) in [
        ("semi.csv", "semi.csv: its columns are separated by `;` (it begins with `path;label;mask`)"),
        ("image_col.csv", "has no column `path`; its columns are `image`, `label`, `mask`; `image` names files"),
        ("dup.csv", "dup.csv: rows 2 and 10 both name "),
        ("testing.csv", "no split `test`: choose by --split NAME; its splits are `testing` (6 rows), `train` (2 rows)"),
    ] {
        let (code, said) = p.eval(&format!("data/{list}"), &[]);
        assert!(code == 2 && said.contains(says), "{said}");
        assert!(!p.at("eval/eval.json").exists());
    }
    let (code, said) = p.eval("data/testing.csv", &["--split", "testing"]);
    let taken =
        "a list of images of the split `testing`: 2 normal, 4 anomalous; no masks; 2 rows of other splits are left out";
    assert!(code == 0 && said.contains(taken), "{said}");
    let report = p.report();
    assert_eq!((&report["taken_for"], report["images"].as_array().unwrap().len()), (&taken.into(), 6));
    assert!(std::fs::read_to_string(p.at("eval/eval.html")).unwrap().contains("2 normal, 4 anomalous"));
    // Other files that are no dataset.
    for (file, bytes, says) in [
        ("x.png", &b"\x89PNG\r\n"[..], "is one image, and no dataset"),
        ("list.txt", b"\xff\xfep\0", "is UTF-16 text"),
        ("list.json", b"{}", "has no column `path`"),
    ] {
        std::fs::write(p.at("data").join(file), bytes).unwrap();
        let (code, said) = p.eval(&format!("data/{file}"), &[]);
        assert!(code == 2 && said.contains(says), "{said}");
    }
}

#[test]
fn folders_are_said_as_they_are_understood() {
    let p = Place::new();
    p.pictures(&[
        "a/test/good/0.png",
        "a/test/hole/0.png",
        "a/train/good/0.png",
        "a/test/loose.png",
        "a/ground_truth/hole/0_mask.png",
    ]);
    let (code, said) = p.eval("a", &[]);
    let taken =
        "folders of images of the split `test`: 1 normal, 1 hole; 1 masks; 1 files beside the folders are not taken";
    assert!(code == 0 && said.contains(taken), "{said}");
    for (name, files, code, says) in [
        ("ok", &["OK/0.png", "NG/0.png"][..], 0, "folders of images: 1 normal, 1 NG; no masks"),
        (
            "btad",
            &["test/ok/0.bmp", "test/ko/0.bmp", "ground_truth/ko/0.bmp"],
            0,
            "split `test`: 1 normal, 1 ko; 1 masks",
        ),
        ("visa", &["Normal/0.png", "Anomaly/0.png"], 0, "1 normal, 1 Anomaly; no masks"),
        (
            "truth",
            &["good/0.png", "bad/0.png", "bad_gt/0.png"],
            2,
            "folder `bad_gt` would be taken for images of a defect, but its name",
        ),
        ("masks", &["good/0.png", "bad/0.png", "bad_masks/0.png"], 2, "folder `bad_masks` would be taken for"),
        ("parts", &["good/0.png", "bad/0.png", "validation/0.png"], 2, "that it is a part of the dataset"),
        ("two", &["good/0.png", "good2/0.png", "bad/0.png"], 2, "folder `good2` would be taken for"),
        ("prefixed", &["test_good/0.png", "test_bad/0.png"], 2, "it holds the folders test_bad/, test_good/"),
        ("mvtec", &["bottle/test/good/0.png", "cable/test/good/0.png"], 2, "datasets lie in bottle/, cable/: name one"),
    ] {
        let files: Vec<String> = files.iter().map(|f| format!("{name}/{f}")).collect();
        p.pictures(&files.iter().map(String::as_str).collect::<Vec<_>>());
        let (found, said) = p.eval(name, &[]);
        assert!(found == code && said.contains(says), "{name}: {said}");
    }
    // A list of patients beside the images makes no folder of tables of them.
    std::fs::write(p.at("mvtec/participants.csv"), "id,age\n1,30\n").unwrap();
    let (code, said) = p.eval("mvtec", &[]);
    assert!(code == 2 && said.contains("datasets lie in bottle/"), "{said}");
    let (code, said) = p.eval("ok", &["--sequence", "flair"]);
    assert!(code == 2 && said.contains("--sequence is for volumes beside their segmentations"), "{said}");
    let (code, said) = p.eval("ok", &["--axis", "2"]);
    assert!(code == 2 && said.contains("--axis: there is no volume among the images"), "{said}");
}

#[test]
fn maps_belong_to_their_images() {
    let p = Place::new();
    p.pictures(&["a/good/0.png", "a/bad/0.png", "b/good/0.png"]);
    // Of the same names, and others.
    p.picture("b/good/0.png", 90);
    std::fs::create_dir(p.at("b/bad")).unwrap();
    std::fs::copy(p.at("a/bad/0.png"), p.at("b/bad/0.png")).unwrap();
    let (input, model, out) = (p.text("a"), p.text("model"), p.text("out"));
    let args = ["detect", &input, "--model", &model, "--out", &out, "--device", "cpu", "--maps"];
    assert_eq!(run(&args).0, 0);
    assert_eq!(p.eval("a", &["--maps", &out]).0, 0);
    let (code, said) = p.eval("b", &["--maps", &out]);
    assert!(code == 2 && said.contains("b/good/0.png: has no result: that of its name is of another image"), "{said}");
    assert_eq!(p.report()["images"].as_array().unwrap().len(), 1, "a copy has the result of its original");
    for flag in [&["--runs", "2"][..], &["--seed", "1"], &["--quality", "fast"], &["--batch", "2"]] {
        let (code, said) = p.eval("a", &[&["--maps", &out], flag].concat());
        assert!(code == 2 && said.contains(&format!("{} is about running a model", flag[0])), "{said}");
    }
    let (code, said) = p.eval("a", &["--maps", &out, "--axis", "1"]);
    assert!(code == 2 && said.contains("holds no slice of a volume, which --axis is about"), "{said}");
    // Maps of an earlier run beside the results of a later one.
    let args = [&args[..args.len() - 1], &["--steps", "3"]].concat();
    assert_eq!(run(&args).0, 0);
    for folder in ["good__0", "bad__0"] {
        let map = p.at("out").join(folder).join("map.npy");
        if !map.exists() {
            continue;
        }
        let (code, said) = p.eval("a", &["--maps", &out]);
        assert!(code == 2 && said.contains("map.npy: gives the score") && said.contains("of another run"), "{said}");
    }
}
