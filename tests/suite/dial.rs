//! Speed against quality: measured once, and then chosen by name.
use crate::common::folder::{defects, picture};
use crate::common::run;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A model folder around the smallest network.
fn model(dir: &tempfile::TempDir) -> PathBuf {
    let folder = dir.path().join("model");
    std::fs::create_dir(&folder).unwrap();
    crate::common::small::write(&folder, 1);
    let settings = r#"{"format": 1, "method": "anoddpm", "name": "small", "network": "model.safetensors",
        "input": {"width": 32, "height": 32, "channels": 1, "range": [-1, 1]}, "lambda": 20,
        "sampler": {"kind": "ddim", "steps": 2}, "residual": "absolute"}"#;
    std::fs::write(folder.join("detector.json"), settings).unwrap();
    folder
}

/// Three good pictures, and two with a black square and its mask.
fn dataset(dir: &Path) -> PathBuf {
    let root = dir.join("parts");
    defects(&root, 7);
    (0..3).for_each(|i| picture(&root.join(format!("good/{i}.png")), 32, 32, i));
    root
}

#[test]
fn settings_are_measured_kept_and_chosen_by_name() {
    let dir = tempfile::TempDir::new().unwrap();
    let folder = model(&dir);
    let parts = dataset(dir.path());
    let (model, parts, out) = (folder.to_str().unwrap(), parts.to_str().unwrap(), dir.path().join("out"));
    let detect = |more: &[&str]| {
        let args = ["detect", parts, "--model", model, "--device", "cpu", "--out", out.to_str().unwrap()];
        run(&[&args, more].concat())
    };
    let (code, _, err) = detect(&["--quality", "fast"]);
    assert!(code == 2 && err.contains("quality.json") && err.contains("residua dial"), "{err}");

    let dial = |more: &[&str]| run(&[&["dial", parts, "--model", model, "--device", "cpu"], more].concat());
    let (code, out_, err) = dial(&["--try-lambdas", "15,25", "--try-steps", "1,3", "--try-runs", "1,2", "--json"]);
    assert_eq!(code, 0, "{err}");
    let path = folder.join("quality.json");
    let kept = json(&path);
    assert_eq!(kept, serde_json::from_str::<Value>(&out_).unwrap());
    let rows = kept["rows"].as_array().unwrap();
    assert_eq!(
        (rows.len(), &kept["measure"], &kept["data"]["normal"], &kept["data"]["anomalous"]),
        (8, &"pixels".into(), &3.into(), &2.into())
    );
    for row in rows {
        let (auprc, seconds) = (row["auprc"].as_f64().unwrap(), row["seconds"].as_f64().unwrap());
        assert!((0.0..=1.0).contains(&auprc) && seconds > 0.0 && row["threshold"]["pixel"].is_number(), "{row}");
    }

    // What `eval` measures at the same setting and seeds.
    let row = rows.iter().find(|r| r["settings"] == setting(25, 3, 2)).unwrap();
    let mut mean = 0.0;
    for seed in ["0", "1"] {
        let to = dir.path().join("eval");
        let args = ["eval", parts, "--model", model, "--device", "cpu", "--out", to.to_str().unwrap(), "--seed", seed];
        let (code, _, err) = run(&[&args[..], &["--lambda", "25", "--steps", "3", "--runs", "2"]].concat());
        assert_eq!(code, 0, "{err}");
        mean += json(&to.join("eval.json"))["pixel"]["auprc"].as_f64().unwrap() / 2.0;
    }
    assert!((mean - row["auprc"].as_f64().unwrap()).abs() < 1e-12, "{mean} {row}");

    // The rule, once more: the fewest passes with that part of the best AUPRC.
    let value = |r: &Value, key: &str| r[key].as_f64().unwrap();
    let passes = |r: &Value| value(r, "passes");
    let top = rows.iter().map(|r| value(r, "auprc")).fold(0.0, f64::max);
    for (name, share) in [("fast", 0.9), ("balanced", 0.98), ("best", 1.0)] {
        let (code, _, err) = detect(&["--quality", name]);
        assert_eq!(code, 0, "{err}");
        let used = json(&out.join("results.json"))["records"][0]["parameters"].clone();
        let system = &used["system"];
        let least = rows.iter().filter(|r| value(r, "auprc") >= share * top).map(passes).fold(f64::MAX, f64::min);
        let number = |v: &Value| v.as_u64().unwrap();
        let chosen = setting(number(&system["lambda"]), number(&system["sampler"]["steps"]), number(&system["runs"]));
        let row = rows.iter().find(|r| r["settings"] == chosen);
        let row = row.expect("a setting of the table");
        assert!(passes(row) == least && value(row, "auprc") >= share * top, "{name}: {row}");
        assert_eq!(
            (&used["threshold"]["pixel"], &used["threshold"]["image"]),
            (&row["threshold"]["pixel"], &row["threshold"]["image"])
        );
    }
    // Flags have the last word.
    let (code, _, err) = detect(&["--quality", "best", "--runs", "3", "--lambda", "11"]);
    assert_eq!(code, 0, "{err}");
    let used = json(&out.join("results.json"))["records"][0]["parameters"].clone();
    assert_eq!((&used["system"]["runs"], &used["system"]["lambda"]), (&3.into(), &11.into()));

    // A second run measures only what is new.
    let (code, text, err) = dial(&["--try-lambdas", "15,25", "--try-steps", "1,3,0", "--try-runs", "1"]);
    assert!(code == 0 && text.contains("| ddpm |") && text.contains("pixel AUPRC"), "{text}{err}");
    assert_eq!(err.lines().filter(|l| l.starts_with('|')).count(), 2, "{err}");
    let more = json(&path);
    assert_eq!(more["rows"].as_array().unwrap().len(), 10);
    assert!(rows.iter().all(|r| more["rows"].as_array().unwrap().contains(r)));
}

/// A row's settings, as texts that `--set` takes.
fn setting(lambda: u64, steps: u64, runs: u64) -> Value {
    let text = |n: u64| n.to_string();
    serde_json::json!({ "lambda": text(lambda), "sampler.steps": text(steps), "runs": text(runs) })
}

#[test]
fn all_rows_of_a_table_have_the_same_seeds() {
    let dir = tempfile::TempDir::new().unwrap();
    let folder = model(&dir);
    let parts = dataset(dir.path());
    let dial = |more: &[&str]| {
        let (set, model) = (parts.to_str().unwrap(), folder.to_str().unwrap());
        let args = ["dial", set, "--model", model, "--device", "cpu", "--try-lambdas", "11", "--try-runs", "1"];
        let (code, out, err) = run(&[&args, more].concat());
        assert_eq!(code, 0, "{err}");
        (out, err)
    };
    let path = folder.join("quality.json");
    let seeds = |kept: &Value| -> Vec<(u64, u64)> {
        let first = |r: &Value| r.get("first_seed").map_or(0, |s| s.as_u64().unwrap());
        kept["rows"].as_array().unwrap().iter().map(|r| (first(r), r["seeds"].as_u64().unwrap())).collect()
    };
    dial(&["--try-steps", "1", "--seeds", "1", "--seed", "7"]);
    assert_eq!(seeds(&json(&path)), [(7, 1)]);
    // What is added takes the table's.
    let (_, err) = dial(&["--try-steps", "1,2"]);
    assert!(err.contains("seeds 7, as its other rows"), "{err}");
    let one = json(&path);
    assert_eq!(seeds(&one), [(7, 1), (7, 1)]);
    // Others are measured anew, and nothing is lost.
    let (_, err) = dial(&["--try-steps", "2", "--seeds", "2"]);
    assert!(err.contains("was measured with seeds 7 of the noise: it is kept as"), "{err}");
    assert_eq!(seeds(&json(&path)), [(0, 2)]);
    let kept = folder.join(format!("quality-{}.json", one["created"].as_str().unwrap().replace(':', "-")));
    assert_eq!(json(&kept), one);
    // Another eta is another setting, which the table shows.
    let (out, _) = dial(&["--set", "sampler=ddim:2:0.5"]);
    assert!(
        out.contains("| eta |") && out.contains("| 0.5 |") && json(&path)["rows"].as_array().unwrap().len() == 2,
        "{out}"
    );
    // A table of before this was so.
    let mut mixed = json(&path);
    mixed["rows"][1]["first_seed"] = 3.into();
    std::fs::write(&path, mixed.to_string()).unwrap();
    let args = [
        "detect",
        parts.to_str().unwrap(),
        "--model",
        folder.to_str().unwrap(),
        "--device",
        "cpu",
        "--quality",
        "best",
    ];
    let (code, _, err) = run(&[&args[..], &["--out", dir.path().join("out").to_str().unwrap()]].concat());
    assert!(code == 0 && err.contains("different seeds of the noise"), "{err}");
    let (_, err) = dial(&["--try-steps", "1"]);
    assert!(err.contains("rows of different seeds"), "{err}");
    assert_eq!(seeds(&json(&path)), [(0, 2)]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let dir = tempfile::TempDir::new().unwrap();
    let folder = model(&dir);
    let parts = dataset(dir.path());
    let (model, set) = (folder.to_str().unwrap(), parts.to_str().unwrap());
    let dial = |set: &str, more: &[&str]| {
        let args = ["dial", set, "--model", model, "--device", "cpu", "--try-steps", "1", "--try-runs", "1"];
        run(&[&args, more].concat())
    };
    let (code, _, err) = dial(set, &["--try-lambdas", "5000"]);
    assert!(code == 2 && err.contains("5000") && err.contains("1000"), "{err}");
    let (code, _, err) = dial(parts.join("good").to_str().unwrap(), &[]);
    assert_eq!(code, 2, "{err}");
    assert!(!folder.join("quality.json").exists());
    assert_eq!(dial(set, &["--seeds", "1"]).0, 0);

    let use_it = |more: &[&str]| {
        run(&[
            &["eval", set, "--model", model, "--device", "cpu", "--out", dir.path().join("o").to_str().unwrap()],
            more,
        ]
        .concat())
    };
    let (code, _, err) = use_it(&["--quality", "good"]);
    assert!(code == 2 && err.contains("fast, balanced or best"), "{err}");
    assert_eq!(use_it(&["--quality", "best"]).0, 0);
    // Other images, other settings.
    picture(&parts.join("good/more.png"), 32, 32, 90);
    let (code, _, err) = dial(set, &[]);
    assert!(code == 2 && err.contains("quality.json") && err.contains("other images"), "{err}");
    let settings = folder.join("detector.json");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace("absolute", "squared")).unwrap();
    let (code, _, err) = use_it(&["--quality", "best"]);
    assert!(code == 2 && err.contains("quality.json") && err.contains("`residual`"), "{err}");
    std::fs::write(folder.join("quality.json"), "{}").unwrap();
    let (code, _, err) = use_it(&["--quality", "best"]);
    assert!(code == 2 && err.contains("quality.json"), "{err}");
}
