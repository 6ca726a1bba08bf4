//! The range of floats is one for a run; a picture that leaves its format's range all but empty is said to.

use crate::common::run;
use crate::masks::corpus;
use image::{ImageBuffer, Luma};
use std::path::Path;
use tempfile::TempDir;

/// A float32 array of shape (H,W) as NumPy writes it.
fn npy(path: &Path, size: [u32; 2], values: impl Iterator<Item = f32>) {
    let head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", size[1], size[0]);
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{head:<117}\n").bytes());
    bytes.extend(values.flat_map(f32::to_le_bytes));
    std::fs::write(path, bytes).unwrap();
}

/// The records of a run over a folder, by their names.
fn detect(folder: &Path) -> (String, impl Fn(&str) -> serde_json::Value) {
    let out = folder.join("out");
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/texture");
    let [input, out_text, model] = [&folder.join("in"), &out, &model].map(|p| p.to_str().unwrap().to_owned());
    let [input, out_text, model] = [&input, &out_text, &model].map(String::as_str);
    let args = ["detect", input, "--model", model, "--out", out_text, "--device", "cpu", "--runs", "1", "--steps", "2"];
    let (code, _, err) = run(&args);
    assert_eq!(code, 0, "{err}");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("results.json")).unwrap()).unwrap();
    let find = move |name: &str| {
        let records = json.as_object().unwrap().values().filter_map(|v| v.as_array()).flatten();
        records.into_iter().find(|r| r["name"] == name).unwrap_or_else(|| panic!("no {name}: {json}")).clone()
    };
    (err, find)
}

#[test]
fn a_bright_array_is_read_as_the_others_of_its_run() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join("in").join(name);
    std::fs::create_dir(dir.path().join("in")).unwrap();
    std::fs::copy(corpus("arrays/bright.png"), at("same.png")).unwrap();
    let bright = image::open(at("same.png")).unwrap().into_luma8();
    let size = [bright.width(), bright.height()];
    npy(&at("bright.npy"), size, bright.iter().map(|v| f32::from(*v) / 127.5 - 1.0));
    let (err, record) = detect(dir.path());
    let warnings = record("bright")["warnings"].to_string();
    assert!(warnings.contains("taken in [0, 1]") && err.contains("taken in [0, 1]"), "{warnings} {err}");
    assert_eq!(record("same")["warnings"].as_array().unwrap().len(), 0);

    npy(&at("dark.npy"), size, bright.iter().map(|v| f32::from(*v) / -127.5 + 1.0));
    let (err, record) = detect(dir.path());
    assert!(!err.contains("taken in [0, 1]") && err.contains("warning: bright: its values"), "{err}");
    let (bright, same) = (record("bright"), record("same"));
    let [score, wanted] = [&bright, &same].map(|r| r["score"].as_f64().unwrap());
    assert!((score - wanted).abs() < 1e-6, "{score}, not {wanted}");
    assert!(bright["warnings"].to_string().contains("[-1, 1], as those of dark.npy are"), "{bright}");
}

#[test]
fn a_range_that_is_hardly_used_is_said() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join("in").join(name);
    std::fs::create_dir(dir.path().join("in")).unwrap();
    let bright = image::open(corpus("arrays/bright.png")).unwrap().into_luma8();
    let of = |factor: u16| {
        let pixel = |x, y| Luma([u16::from(bright.get_pixel(x, y)[0]) * factor]);
        ImageBuffer::from_fn(bright.width(), bright.height(), pixel)
    };
    of(16).save(at("twelve.png")).unwrap();
    of(257).save(at("sixteen.png")).unwrap();
    let (_, record) = detect(dir.path());
    let twelve = record("twelve")["warnings"].to_string();
    assert!(twelve.contains("a sixteenth of it or less"), "{twelve}");
    assert_eq!(record("sixteen")["warnings"].as_array().unwrap().len(), 0);
}
