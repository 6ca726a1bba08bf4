//! Calibration, thresholds at a stated rate, and judging again, as a user does them.
use crate::common::folder::{model, picture};
use std::path::Path;

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Exit code, and both outputs in one.
fn run(args: &[&str]) -> (i32, String) {
    let (code, out, err) = crate::common::run(args);
    (code, out + &err)
}

#[test]
fn a_rate_is_calibrated_used_and_judged_again() {
    let dir = tempfile::TempDir::new().unwrap();
    let folder = model(&dir);
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (model, normal, input, out) = (at("model"), at("normal"), at("in"), at("out"));
    for f in [&normal, &input] {
        std::fs::create_dir(f).unwrap();
    }
    for i in 0..9 {
        picture(&Path::new(&normal).join(format!("{i}.png")), 32, 32, i);
    }
    picture(&Path::new(&input).join("other.png"), 48, 40, 50);
    picture(&Path::new(&input).join("same.png"), 32, 32, 4);
    let detect = |more: &[&str]| {
        let args = ["detect", &input, "--model", &model, "--device", "cpu", "--out", &out, "--maps"];
        run(&[&args, more].concat())
    };

    let (code, text) = detect(&["--fpr", "0.2"]);
    assert!(code == 2 && text.contains("calibration.json"), "{text}");
    let (code, text) = run(&["calibrate", &normal, "--model", &model, "--device", "cpu"]);
    assert!(code == 0 && text.contains("9 normal images") && text.contains("is 0.1000"), "{text}");
    let c = json(&folder.join("calibration.json"));
    let scores: Vec<f64> = c["scores"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert!(scores.len() == 9 && scores.is_sorted_by(|a, b| a >= b) && scores[0] > scores[8]);
    assert_eq!((c["pixels"].as_u64(), c["data_sha256"].as_str().map(str::len)), (Some(9 * 1024), Some(64)));

    let (code, text) = detect(&["--fpr", "0.05"]);
    assert!(code == 2 && text.contains("0.1000 at the smallest") && text.contains("takes 19"), "{text}");
    let (code, text) = detect(&["--fpr", "0.2", "--lambda", "10"]);
    assert!(code == 2 && text.contains("other `lambda`"), "{text}");
    let (code, text) = detect(&["--fpr", "0.2"]);
    assert_eq!(code, 0, "{text}");
    // k = 0.2·10 = 2: the second highest score.
    let results = json(&dir.path().join("out/results.json"));
    let records = results["records"].as_array().unwrap();
    for r in records {
        let score = r["score"].as_f64().unwrap();
        let p = (1 + scores.iter().filter(|&&s| s >= score).count()) as f64 / 10.0;
        assert_eq!((r["threshold"].as_f64(), r["p_value"].as_f64()), (Some(scores[1]), Some(p)));
        assert_eq!(r["verdict"], if score > scores[1] { "anomalous" } else { "normal" });
    }
    // The same image in another batch: rounding apart, the same score.
    let same = records[1]["score"].as_f64().unwrap();
    assert!(scores.iter().any(|s| (s / same - 1.0).abs() < 1e-5), "{same} is not among {scores:?}");

    // Judged again by numbers: verdicts and masks change, scores stay.
    let mask = dir.path().join("out/same/mask.png");
    let before = std::fs::read(&mask).unwrap();
    let (code, text) = run(&["rescore", &out, "--threshold", "1e9", "--pixel-threshold", "-1", "--gate"]);
    assert!(code == 0 && text.contains("2 images, 0 anomalous"), "{text}");
    let again = json(&dir.path().join("out/results.json"));
    assert_eq!(again["records"][0]["score"], results["records"][0]["score"]);
    assert!(again["records"][0].get("p_value").is_none());
    assert_ne!(std::fs::read(&mask).unwrap(), before);
    assert_eq!(run(&["rescore", &out, "--threshold", "-1", "--gate"]).0, 1);
    // Judged again by the rate: what detection itself had said.
    let (code, text) = run(&["rescore", &out, "--fpr", "0.2", "--model", &model]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(json(&dir.path().join("out/results.json"))["records"], results["records"]);
    assert_eq!(std::fs::read(&mask).unwrap(), before);

    // What cannot be read, here the last map, is found before anything is written.
    let map = dir.path().join("out/same/map.npy");
    let (whole, other) = (std::fs::read(&map).unwrap(), dir.path().join("out/other/mask.png"));
    let masks = || (std::fs::read(&other).unwrap(), json(&dir.path().join("out/results.json")));
    let unchanged = masks();
    for bad in [&whole[..whole.len() / 2], &std::fs::read(dir.path().join("out/other/map.npy")).unwrap()] {
        std::fs::write(&map, bad).unwrap();
        let (code, text) = run(&["rescore", &out, "--pixel-threshold", "-1"]);
        assert!(code == 2 && text.contains("map.npy"), "{text}");
        assert_eq!(masks(), unchanged);
    }
    std::fs::write(&map, whole).unwrap();
    let (code, text) = run(&["rescore", &out, "--fpr", "0.2"]);
    assert!(code == 2 && text.contains("--model"), "{text}");

    std::fs::remove_file(map).unwrap();
    let (code, text) = run(&["rescore", &out, "--pixel-threshold", "0.1"]);
    assert!(code == 2 && text.contains("--maps"), "{text}");
    let (code, text) = run(&["rescore", &at("nowhere"), "--threshold", "1"]);
    assert!(code == 2 && text.contains("nowhere"), "{text}");
    assert_eq!(run(&["rescore", &out]).0, 2, "there is nothing to judge by");
}

#[test]
fn a_calibration_needs_every_image() {
    let dir = tempfile::TempDir::new().unwrap();
    let folder = model(&dir);
    let normal = dir.path().join("normal");
    std::fs::create_dir(&normal).unwrap();
    picture(&normal.join("a.png"), 32, 32, 0);
    std::fs::write(normal.join("b.png"), "no picture").unwrap();
    let (model, normal) = (folder.to_str().unwrap(), normal.to_str().unwrap());
    let (code, text) = run(&["calibrate", normal, "--model", model, "--device", "cpu"]);
    assert!(code == 2 && text.contains("b.png"), "{text}");
    assert!(!folder.join("calibration.json").exists());
}
