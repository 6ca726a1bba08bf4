//! Names that are no UTF-8, as older systems wrote them: `M\xfcller.png` in Latin-1.
#![cfg(target_os = "linux")]
use crate::common::bench::{Bench, ended};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;

fn at(b: &Bench, folder: &str, name: &[u8]) -> PathBuf {
    b.at(folder).join(OsStr::from_bytes(name))
}

/// Two names that are the same when what is no UTF-8 is replaced by one character.
const NAMES: [&[u8]; 2] = [b"M\xf6ller.png", b"M\xfcller.png"];

fn bench() -> Bench {
    let b = Bench::new(&["a", "b"]);
    std::fs::rename(b.at("in/a.png"), at(&b, "in", NAMES[0])).unwrap();
    std::fs::rename(b.at("in/b.png"), at(&b, "in", NAMES[1])).unwrap();
    b
}

#[test]
fn detect_keeps_resumes_and_rescores_them() {
    let b = bench();
    let (code, out, err) = b.run(&["--maps"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("M%F6ller") && out.contains("M%FCller"), "{out}");
    let before = b.records("out");
    let encoded = |folder: &str, name: &str| format!("file:{}/{name}", b.at(folder).to_str().unwrap());
    assert_eq!(before[0]["path"], encoded("in", "M%F6ller.png"));
    assert_eq!(before[1]["path"], encoded("in", "M%FCller.png"));
    let folders: BTreeSet<&str> = before.iter().map(|r| r["folder"].as_str().unwrap()).collect();
    assert_eq!(folders.len(), 2, "they do not overwrite each other");
    assert!(folders.iter().all(|folder| b.at("out").join(folder).join("mask.png").is_file()));
    assert!(std::fs::read_to_string(b.at("out/results.csv")).unwrap().contains("/M%F6ller.png,"));
    let (code, _, err) = b.run(&["--maps", "--resume"]);
    assert_eq!((code, b.records("out")), (0, before), "{err}");
    // The masks are drawn over the pictures, which the records must find.
    let mut rescore = Command::new(env!("CARGO_BIN_EXE_residua"));
    rescore.arg("rescore").arg(b.at("out")).args(["--threshold", "1e9", "--pixel-threshold", "1e-9"]);
    let (code, out, err) = ended(&rescore.output().unwrap());
    assert!(code == 0 && out.contains("2 images, 0 anomalous"), "{out}{err}");
    let mask = image::open(b.at("out/M%FCller/mask.png")).unwrap().to_luma8();
    assert!(mask.pixels().any(|p| p.0[0] > 0));
}

#[test]
fn a_bad_file_of_such_a_name_is_listed() {
    let b = bench();
    std::fs::write(at(&b, "in", b"\xe9.png"), "no picture").unwrap();
    let (code, _, err) = b.run(&[]);
    assert!(code == 2 && b.records("out").len() == 2, "{err}");
    assert!(b.results("out")["failures"][0]["path"].as_str().unwrap().ends_with("/%E9.png"));
}

#[test]
fn eval_tells_them_apart_down_to_their_masks() {
    let b = bench();
    for folder in ["data/test/bad", "data/ground_truth/bad"] {
        std::fs::create_dir_all(b.at(folder)).unwrap();
    }
    b.picture("data/test/good/c.png", 5);
    let mask = |name: &[u8], size: u32| {
        let path = at(&b, "data/ground_truth/bad", name);
        image::GrayImage::from_fn(32, 32, |x, _| image::Luma([if x < size { 255 } else { 0 }])).save(path).unwrap();
    };
    for (name, of, size) in [(NAMES[0], &b"M\xf6ller_mask.png"[..], 3), (NAMES[1], b"M\xfcller_mask.png", 7)] {
        std::fs::rename(at(&b, "in", name), at(&b, "data/test/bad", name)).unwrap();
        mask(of, size);
    }
    let eval = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_residua"));
        command.arg("eval").arg(b.at("data")).arg("--out").arg(at(&b, "", b"res\xfclts")).args(more);
        let (code, out, err) = ended(&command.output().unwrap());
        assert_eq!(code, 0, "{out}{err}");
        let text = std::fs::read(at(&b, "", b"res\xfclts").join("eval.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&text).unwrap()
    };
    let model = b.at("model");
    let report = eval(&["--device", "cpu", "--model", model.to_str().unwrap()]);
    assert_eq!(report["pixels"][0], 32 * (3 + 7), "each has its own mask");
    assert_eq!(report["images"].as_array().unwrap().len(), 3);
    // The same from what a run has left.
    let (code, _, err) = ended(&b.detect(&b.at("data/test"), "out").arg("--maps").output().unwrap());
    assert_eq!(code, 0, "{err}");
    assert_eq!(eval(&["--maps", b.at("out").to_str().unwrap()])["pixels"], report["pixels"]);
}
