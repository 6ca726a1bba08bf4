//! The range of floats is one for a run; a picture that leaves its format's range all but empty is said to.

use crate::common::place::Place;
use crate::common::run;
use crate::masks::corpus;
use image::{ImageBuffer, Luma, Rgb};
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
fn what_is_lost_on_the_way_to_the_network_is_said() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join("in").join(name);
    std::fs::create_dir(dir.path().join("in")).unwrap();
    ImageBuffer::from_pixel(1, 1, Luma([90u8])).save(at("dot.png")).unwrap();
    ImageBuffer::from_fn(64, 64, |x, _| Rgb([90u8, 90, (x * 2) as u8])).save(at("blue.png")).unwrap();
    // As a JPEG of a grey picture comes out.
    ImageBuffer::from_fn(64, 64, |x, _| Rgb([90u8, 91, 88 + (x % 5) as u8])).save(at("grey.png")).unwrap();
    let (_, find) = detect(dir.path());
    let said = |name: &str| find(name)["warnings"].to_string();
    assert!(said("dot").contains("1x1 is enlarged to the network's 64x64"), "{}", said("dot"));
    assert!(said("blue").contains("its colours were made grey"), "{}", said("blue"));
    assert!(!said("grey").contains("grey") && !said("grey").contains("enlarged"), "{}", said("grey"));
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

#[test]
fn measurements_hold_for_floats_in_the_range_that_they_were_made_with() {
    let p = Place::new();
    let folder = |name: &str, low: f32| {
        std::fs::create_dir_all(p.at(name)).unwrap();
        for i in 0..4u32 {
            let values = (0..1024).map(|k| low + (1.0 - low) * ((k * 7 + i * 31) % 101) as f32 / 100.0);
            npy(&p.at(&format!("{name}/{i}.npy")), [32, 32], values);
        }
    };
    folder("unit", 0.0);
    folder("signed", -1.0);
    std::fs::create_dir(p.at("pictures")).unwrap();
    p.picture("pictures/a.png", 3);
    let (model, out) = (p.text("model"), p.text("out"));
    let go = |args: &[&str]| {
        let (code, text, err) = run(&[args, &["--model", &model, "--device", "cpu"]].concat());
        assert!(!err.contains("panicked"), "{err}");
        (code, text + &err)
    };
    let (code, said) = go(&["calibrate", &p.text("unit")]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(p.json("model/calibration.json")["float_range"], serde_json::json!([0.0, 1.0]));
    let detect = |input: &str, how: &[&str]| go(&[&["detect", &p.text(input), "--out", &out], how].concat());
    let fault = "was made with floats that were taken in [0, 1], but those of this run are taken in [-1, 1]";
    for (input, refused) in [("unit", false), ("pictures", false), ("signed", true)] {
        let (code, said) = detect(input, &["--fpr", "0.5"]);
        assert!(code == if refused { 2 } else { 0 } && said.contains(fault) == refused, "{said}");
    }
    // Judged again as well.
    assert_eq!(detect("signed", &[]).0, 0);
    let (code, _, err) = run(&["rescore", &out, "--fpr", "0.5", "--model", &model]);
    assert!(code == 2 && err.contains(fault), "{err}");
    // Pictures have one range.
    let (code, said) = go(&["calibrate", &p.text("pictures")]);
    assert!(code == 0 && p.json("model/calibration.json").get("float_range").is_none(), "{said}");
    assert_eq!(detect("signed", &["--fpr", "0.5"]).0, 0);
    // Thresholds of `dial`.
    for name in ["good/0.npy", "good/1.npy", "bad/2.npy", "bad/3.npy"] {
        std::fs::create_dir_all(p.at("set").join(name).parent().unwrap()).unwrap();
        std::fs::copy(p.at("unit").join(&name[name.len() - 5..]), p.at("set").join(name)).unwrap();
    }
    let (code, said) = go(&["dial", &p.text("set"), "--try-steps", "1", "--try-runs", "1", "--seeds", "1"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(detect("unit", &["--quality", "best"]).0, 0);
    let (code, said) = detect("signed", &["--quality", "best"]);
    assert!(code == 2 && said.contains("quality.json: was measured with floats"), "{said}");
    assert_eq!(detect("signed", &["--quality", "best", "--threshold", "1", "--pixel-threshold", "1"]).0, 0);
}

#[test]
fn warnings_of_images_are_said_by_every_command_and_stand_in_an_evaluation() {
    let p = Place::new();
    let shifted = |name: &str, shift: u32, factor: u16| {
        std::fs::create_dir_all(p.at(name).parent().unwrap()).unwrap();
        let value = |x, y| Luma([((x * 7 + y * 31 + shift) % 256) as u16 * factor]);
        ImageBuffer::from_fn(32, 32, value).save(p.at(name)).unwrap();
    };
    for (i, name) in ["good/a.png", "good/b.png", "bad/c.png"].into_iter().enumerate() {
        shifted(&format!("set/{name}"), i as u32, 16);
    }
    shifted("set/bad/d.png", 3, 257);
    std::fs::write(p.at("set/bad/e.gif"), b"GIF89a").unwrap();
    let (model, out) = (p.text("model"), p.text("out"));
    let go = |args: &[&str]| {
        let (code, _, err) = run(&[args, &["--model", &model, "--device", "cpu"]].concat());
        assert_eq!(code, 0, "{err}");
        // One line, and how many others there are.
        let lines: Vec<&str> = err.lines().filter(|l| l.contains("a sixteenth of it or less")).collect();
        assert!(lines.len() == 1 && lines[0].contains(".png (and ") && lines[0].contains("more)"), "{err}");
        err
    };
    let err = go(&["eval", &p.text("set"), "--out", &out]);
    assert!(err.contains("e.gif"), "{err}");
    let warnings = p.json("out/eval.json")["warnings"].clone();
    assert_eq!((warnings.as_array().unwrap().len(), warnings[0]["files"].as_u64()), (1, Some(3)), "{warnings}");
    assert!(warnings[0]["path"].as_str().unwrap().ends_with("c.png"), "{warnings}");
    for page in ["out/eval.md", "out/eval.html"] {
        let text = std::fs::read_to_string(p.at(page)).unwrap();
        assert!(text.contains("a sixteenth of it or less") && text.contains("c.png and 2 more"), "{page}: {text}");
    }
    go(&["calibrate", &p.text("set/good")]);
    go(&["dial", &p.text("set"), "--try-steps", "1", "--try-runs", "1,2", "--seeds", "2"]);
}

#[test]
fn a_file_that_shows_the_models_range_is_named_and_one_that_overshoots_is_refused() {
    let p = Place::new();
    let folder = |name: &str, low: f32| {
        std::fs::create_dir_all(p.at(name)).unwrap();
        npy(&p.at(&format!("{name}/a.npy")), [32, 32], (0..1024).map(|k| (k % 101) as f32 / 100.0));
        let other = |k: u32| if k == 500 { low } else { (k % 97) as f32 / 96.0 };
        npy(&p.at(&format!("{name}/b.npy")), [32, 32], (0..1024).map(other));
    };
    folder("signed", -0.5);
    folder("ringing", -0.004);
    let go = |input: &str| {
        run(&["detect", &p.text(input), "--out", &p.text("out"), "--model", &p.text("model"), "--device", "cpu"])
    };
    let (code, _, err) = go("signed");
    assert!(code == 0 && err.contains("b.npy: it has values outside [0, 1]"), "{err}");
    let (code, _, err) = go("ringing");
    assert!(code == 2 && err.contains("b.npy: ") && err.contains("clip them to [0, 1]"), "{err}");
    assert_eq!(p.json("out/results.json")["records"].as_array().unwrap().len(), 1);
}
