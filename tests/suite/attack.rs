//! `residua attack` on the smallest network: what is written, what is judged, what is refused.
use crate::common::place::Place;
use crate::common::run;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// So little noise that a mean over few draws is near the expectation.
const SETTINGS: &str = r#"{"format": 2, "name": "small AdvRAD",
    "input": {"width": 32, "height": 32, "channels": 1, "range": [-1, 1]},
    "networks": {"denoiser": {"file": "model.safetensors"}},
    "system": {"method": "advrad", "k": 10, "mean_map": false}}"#;

/// A labelled dataset of three normal and two anomalous pictures.
fn place() -> Place {
    let place = Place::new();
    place.settings(SETTINGS);
    (0..3).for_each(|i| place.picture(&format!("data/test/good/{i}.png"), 3 * i));
    (0..2).for_each(|i| place.picture(&format!("data/test/hole/{i}.png"), 30 + i));
    place
}

fn attack(p: &Place, input: &str, more: &[&str]) -> (i32, String) {
    let (input, model, out) = (p.text(input), p.text("model"), p.text("out"));
    let fixed = ["attack", &input, "--model", &model, "--out", &out, "--device", "cpu", "--fresh-draws", "2"];
    let fixed = if more.contains(&"--fresh-draws") { &fixed[..fixed.len() - 2] } else { &fixed[..] };
    let (code, out, err) = run(&[fixed, more].concat());
    assert!(!err.contains("panicked"), "{err}");
    (code, out + &err)
}

fn works(p: &Place, input: &str, more: &[&str]) -> Value {
    let (code, said) = attack(p, input, more);
    assert_eq!(code, 0, "{more:?}: {said}");
    p.json("out/attack.json")
}

/// The values of a float32 array of 32 × 32 values.
fn values(path: &Path) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap();
    let tail = &bytes[bytes.len() - 4 * 1024..];
    tail.chunks(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect()
}

fn images(report: &Value) -> &Vec<Value> {
    report["images"].as_array().unwrap()
}

fn mean(scores: &Value) -> f64 {
    let all: Vec<f64> = scores.as_array().unwrap().iter().map(|s| s.as_f64().unwrap()).collect();
    all.iter().sum::<f64>() / all.len() as f64
}

#[test]
fn perturbations_stay_in_their_ball_and_drive_scores_by_label() {
    let p = place();
    for (norm, epsilon, size) in [("linf", "8/255", 8.0 / 255.0), ("l2", "0.5", 0.5)] {
        let flags = ["--norm", norm, "--epsilon", epsilon, "--draws", "3", "--restarts", "2"];
        let report = works(&p, "data", &flags);
        assert_eq!((images(&report).len(), &report["interrupted"]), (5, &Value::Bool(false)));
        for image in images(&report) {
            let [clean, adversarial] = ["clean", "adversarial"].map(|k| p.at("out").join(image[k].as_str().unwrap()));
            let (a, b) = (values(&clean), values(&adversarial));
            let changes = a.iter().zip(&b).map(|(a, b)| b - a);
            let linf = changes.clone().map(f64::abs).fold(0.0, f64::max);
            let l2 = changes.map(|c| c * c).sum::<f64>().sqrt();
            let own = if norm == "linf" { linf } else { l2 };
            assert!(own <= size && own > 0.5 * size, "{norm}: {own}");
            assert!((image["linf"].as_f64().unwrap() - linf).abs() < 1e-12, "{image}");
            assert!((image["l2"].as_f64().unwrap() - l2).abs() < 1e-9, "{image}");
            assert!(b.iter().all(|v| (0.0..=1.0).contains(v)));
            let good = image["defect"] == "good";
            assert_eq!(image["towards"], if good { "higher" } else { "lower" });
            assert_eq!(image["before"].as_array().unwrap().len(), 2);
            let gain = mean(&image["after"]) - mean(&image["before"]);
            assert!(if good { gain > 0.0 } else { gain < 0.0 }, "{norm}: {image}");
            assert_eq!(image["flat_steps"], 0);
        }
        let auroc = &report["auroc"];
        assert!(auroc["after"]["mean"].as_f64().unwrap() <= auroc["before"]["mean"].as_f64().unwrap(), "{auroc}");
        assert_eq!(auroc["before"]["draws"].as_array().unwrap().len(), 2);
    }
    let page = std::fs::read_to_string(p.at("out/attack.html")).unwrap();
    assert_eq!(page.matches("<article").count(), 5);
    for part in page.split("src=\"./").skip(1) {
        let file = p.at("out").join(part.split('"').next().unwrap());
        assert!(image::open(&file).is_ok(), "{}", file.display());
    }
    // What was written is a dataset itself.
    let (adversarial, model, out) = (p.text("out/adversarial"), p.text("model"), p.text("eval"));
    let (code, said, err) = run(&["eval", &adversarial, "--model", &model, "--out", &out, "--device", "cpu"]);
    assert!(code == 0 && said.contains("5 images, 0 failed"), "{said}{err}");
}

/// Without noise the score is a function of the file: another command must find it again. And there the attack must show what it
/// can: the same change at random moves next to nothing.
#[test]
fn without_noise_scores_move_far_and_are_found_again_in_the_files() {
    let p = place();
    let none = ["--set", "noise=none", "--set", "k=120", "--fresh-draws", "1", "--epsilon", "8/255"];
    for format in ["npy", "png"] {
        let report = works(&p, "data", &[&none[..], &["--format", format, "--attack-steps", "20"]].concat());
        assert_eq!((&report["attack"]["draws"], &report["attack"]["fresh_draws"]), (&1.into(), &1.into()));
        for side in ["clean", "adversarial"] {
            let (folder, model, out) = (p.text(&format!("out/{side}")), p.text("model"), p.text("found"));
            let flags = [&none[..4], &["--device", "cpu", "--model", &model, "--out", &out]].concat();
            let (code, said, err) = run(&[&["detect", &folder], &flags[..]].concat());
            assert_eq!(code, 0, "{said}{err}");
            let found = p.json("found/results.json")["records"].as_array().unwrap().clone();
            for image in images(&report) {
                let file = image[side].as_str().unwrap();
                let same = found.iter().find(|r| r["path"].as_str().unwrap().ends_with(file)).unwrap();
                let key = if side == "clean" { "before" } else { "after" };
                let (a, b) = (same["score"].as_f64().unwrap(), image[key][0].as_f64().unwrap());
                assert!((a - b).abs() <= 1e-5 * b, "{format} {file}: {a} {b}");
            }
            std::fs::remove_dir_all(p.at("found")).unwrap();
        }
        // Steps of no length: the best of random points of the same size.
        let random = works(&p, "data", &[&none[..], &["--step-size", "1e-12"]].concat());
        for (image, random) in images(&report).iter().zip(images(&random)) {
            let gain = |r: &Value| (mean(&r["after"]) - mean(&r["before"])).abs() / mean(&r["before"]);
            assert!(gain(image) > 0.1 && gain(image) > 3.0 * gain(random), "{format}: {image} {random}");
            assert!(image["linf"].as_f64().unwrap() <= 8.0 / 255.0);
        }
        std::fs::remove_dir_all(p.at("out")).unwrap();
    }
}

#[test]
fn images_without_labels_go_where_the_goal_says() {
    let p = place();
    for (goal, sign) in [("hide", -1.0), ("alarm", 1.0)] {
        let flags = ["--unlabelled", "--goal", goal, "--epsilon", "8/255", "--draws", "2"];
        let report = works(&p, "data/test/good", &flags);
        assert_eq!((&report["auroc"], &report["reason"]), (&Value::Null, &"the images have no labels".into()));
        for image in images(&report) {
            assert!(sign * (mean(&image["after"]) - mean(&image["before"])) > 0.0, "{image}");
            assert_eq!(image["defect"], Value::Null);
        }
    }
}

#[test]
fn the_same_attack_gives_the_same_images_and_a_resumed_one_keeps_them() {
    let p = place();
    let flags = ["--draws", "2", "--attack-steps", "3", "--batch", "2"];
    let first = works(&p, "data", &flags);
    let bytes = |image: &Value| std::fs::read(p.at("out").join(image["adversarial"].as_str().unwrap())).unwrap();
    let before: Vec<Vec<u8>> = images(&first).iter().map(bytes).collect();
    // Nothing is left to do.
    let again = works(&p, "data", &[&flags[..], &["--resume"]].concat());
    assert_eq!(again["images"], first["images"]);
    // One image's file is another one: that image is done again, and is the same.
    let at = |i: usize| p.at("out").join(images(&first)[i]["adversarial"].as_str().unwrap());
    std::fs::copy(at(0), at(1)).unwrap();
    let again = works(&p, "data", &[&flags[..], &["--resume"]].concat());
    let same = |a: &Value, b: &Value| a["before"] == b["before"] && a["after"] == b["after"] && a["l2"] == b["l2"];
    let near = |a: &Value, b: &Value| (mean(&a["after"]) / mean(&b["after"]) - 1.0).abs() < 1e-3;
    for (i, (a, b)) in images(&again).iter().zip(images(&first)).enumerate() {
        // By itself in its batch, where sums may be made in another order.
        assert!(if i == 1 { near(a, b) } else { a == b && same(a, b) }, "{i}: {a} {b}");
    }
    let kept: Vec<bool> = images(&again).iter().zip(&before).map(|(image, b)| bytes(image) == *b).collect();
    assert!([0, 2, 3, 4].iter().all(|i| kept[*i]), "{kept:?}");
    // Other settings keep nothing.
    let other = works(&p, "data", &[&flags[..], &["--resume", "--seed", "1"]].concat());
    assert!(images(&other).iter().zip(images(&first)).all(|(a, b)| a["before"] != b["before"]));
    let lines = std::fs::read_to_string(p.at("out/images.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 5);
}

/// Images that share no noise are judged by noises of their own, as `detect` runs them.
#[test]
fn each_image_is_judged_by_its_own_noise() {
    let p = place();
    p.picture("equal/good/a.png", 5);
    p.picture("equal/hole/b.png", 5);
    for (per, same) in [("image", false), ("run", true)] {
        let set = format!("noise_per={per}");
        let report = works(&p, "equal", &["--set", &set, "--epsilon", "1e-6", "--attack-steps", "1", "--draws", "1"]);
        let [a, b] = &images(&report)[..] else { panic!("{report}") };
        assert_eq!(a["before"] == b["before"], same, "{per}: {a} {b}");
        std::fs::remove_dir_all(p.at("out")).unwrap();
    }
}

/// What an attack leaves in its folder is what its report is about, and is no part of the dataset in which it lies.
#[test]
fn adversarial_images_are_those_of_the_last_run_and_no_class_of_the_dataset() {
    let p = place();
    let flags = ["--draws", "1", "--attack-steps", "1"];
    works(&p, "data", &flags);
    works(&p, "data/test", &[&flags[..], &["--format", "png"]].concat());
    let files: Vec<String> = ["good", "hole"]
        .iter()
        .flat_map(|label| std::fs::read_dir(p.at("out/adversarial").join(label)).unwrap())
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert!(files.len() == 5 && files.iter().all(|f| f.ends_with(".png")), "{files:?}");
    std::fs::rename(p.at("out"), p.at("data/test/out")).unwrap();
    assert_eq!(images(&works(&p, "data", &flags)).len(), 5);
    std::fs::remove_dir_all(p.at("out")).unwrap();
    let dataset = p.text("data");
    let (code, said, err) = run(&["attack", &dataset, "--model", &p.text("model"), "--out", &dataset]);
    assert!(code == 2 && err.contains("is the dataset itself"), "{said}{err}");
}

/// Killed in the middle, it loses what was under way and nothing else.
#[test]
fn what_is_finished_outlives_a_kill() {
    let p = place();
    let (input, model, out) = (p.text("data"), p.text("model"), p.text("out"));
    let args = ["attack", &input, "--model", &model, "--out", &out, "--device", "cpu", "--batch", "1", "--resume"];
    let finished = || -> Vec<Value> {
        let text = std::fs::read_to_string(p.at("out/images.jsonl")).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let mut child = Command::new(env!("CARGO_BIN_EXE_residua"));
    let mut child = child.args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while finished().len() < 2 && child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(120), "nothing was finished");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = finished();
    assert!(before.len() >= 2);
    let (code, said, err) = run(&args);
    assert!(code == 0 && said.contains("5 images, 0 failed"), "{said}{err}");
    let after = finished();
    assert_eq!((after.len(), &after[..before.len()]), (5, &before[..]), "it was computed twice");
}

#[test]
fn what_cannot_be_is_refused_before_the_work() {
    let p = place();
    let refused = |input: &str, more: &[&str], says: &[&str]| {
        let (code, said) = attack(&p, input, more);
        assert!(code == 2 && says.iter().all(|s| said.contains(s)), "{more:?}: {code} {said}");
        assert!(!p.at("out/attack.json").exists(), "{more:?}");
    };
    refused("data", &["--epsilon", "8"], &["epsilon is above 1", "2/255"]);
    refused("data", &["--norm", "l2", "--epsilon", "33"], &["epsilon is above 32"]);
    for bad in ["0", "-1", "x", "1/0", "nan"] {
        refused("data", &[&format!("--epsilon={bad}")], &["--epsilon"]);
    }
    refused("data", &["--norm", "l1"], &["linf and l2"]);
    refused("data", &["--goal", "hide"], &["--goal is for --unlabelled"]);
    refused("data", &["--unlabelled"], &["--goal hide or alarm"]);
    refused("data", &["--unlabelled", "--goal", "hide", "--split", "test"], &["--split"]);
    refused("data", &["--restarts", "2", "--start", "image"], &["begin at the image"]);
    refused("data", &["--set", "noise=none", "--draws", "4"], &["draws no noise"]);
    refused("data", &["--set", "noise=none"], &["draws no noise"]);
    refused("data", &["--axis", "1"], &["--axis", "no volume"]);
    refused("model", &[], &["is no dataset", "--unlabelled"]);
    refused("nowhere", &[], &["nowhere"]);
    p.settings(&SETTINGS.replace(r#""system""#, r#""score": {"kind": "top", "fraction": 0.1}, "system""#));
    refused("data", &[], &["`score` is top", "no gradient"]);
    p.settings(
        &SETTINGS
            .replace(r#""advrad", "k": 10, "mean_map": false"#, r#""pddpm", "lambda": 20, "patch": 16, "stride": 16"#),
    );
    refused("data", &[], &["pDDPM", "median"]);
}
