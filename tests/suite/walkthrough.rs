//! `docs/from-checkpoint-to-threshold.md`, line by line, on tiny data.
use crate::common::folder::{defects, picture};
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../../docs/from-checkpoint-to-threshold.md");

/// The commands of a page's `sh` blocks.
pub fn commands(page: &str) -> Vec<&str> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).filter(|line| line.starts_with("residua")).collect()
}

/// Good pictures, and bad ones with a black rectangle and its mask.
fn labelled(root: &Path, shift: u32) {
    defects(root, shift + 7);
    (0..2).for_each(|i| picture(&root.join(format!("good/{i}.png")), 32, 32, shift + i));
}

#[test]
fn every_line_of_the_page_runs() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    labelled(&at("validation"), 0);
    labelled(&at("test-set"), 20);
    labelled(&at("parts"), 40);
    std::fs::create_dir(at("normal")).unwrap();
    (0..19).for_each(|i| picture(&at("normal").join(format!("{i}.png")), 32, 32, 60 + i));

    std::fs::copy("tests/corpus/checkpoints/lightning.ckpt", at("model.pt")).unwrap();
    let config = r#"{"_class_name": "UNet2DModel", "norm_num_groups": 2, "freq_shift": 0, "flip_sin_to_cos": true, "sample_size": 32}"#;
    std::fs::write(at("config.json"), config).unwrap();
    let mut ran = Vec::new();
    for line in commands(PAGE) {
        let mut words = line.split_whitespace().skip(1);
        let mut command = Command::new(env!("CARGO_BIN_EXE_residua"));
        let out = command.args(&mut words).current_dir(dir.path()).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        let code = out.status.code();
        assert!(code == Some(0) || (code == Some(1) && line.contains("--gate")), "{line}\n{code:?} {text}");
        ran.push(line.split_whitespace().nth(1).unwrap());
    }
    let wanted = ["selftest", "inspect", "convert", "detect", "dial", "calibrate", "eval", "detect", "rescore", "eval"];
    assert_eq!(ran, wanted);
    let json = |file: &str| -> serde_json::Value { serde_json::from_slice(&std::fs::read(at(file)).unwrap()).unwrap() };
    let results = json("residua-out/results.json");
    let records = results["records"].as_array().unwrap();
    // The tenth highest of 19 scores is what a rate of one half means.
    let scores = json("model/calibration.json")["scores"].as_array().unwrap().clone();
    assert_eq!(scores.len(), 19);
    assert!(records.iter().all(|r| r["threshold"] == scores[9] && r["p_value"].is_number()), "{results}");
    for file in ["first/report.html", "residua-out/report.html", "residua-eval/eval.html", "later/eval.json"] {
        assert!(at(file).is_file(), "{file}");
    }
}
