//! `residua certify` on the smallest network.
use crate::common::place::Place;
use crate::common::run;
use serde_json::Value;

const SETTINGS: &str = r#"{"format": 2, "name": "small AdvRAD",
    "input": {"width": 32, "height": 32, "channels": 1, "range": [-1, 1]},
    "networks": {"denoiser": {"file": "model.safetensors"}},
    "system": {"method": "advrad", "k": 120, "mean_map": false}}"#;

fn place() -> Place {
    let place = Place::new();
    place.settings(SETTINGS);
    (0..2).for_each(|i| place.picture(&format!("data/test/good/{i}.png"), 3 * i));
    (0..2).for_each(|i| place.picture(&format!("data/test/hole/{i}.png"), 30 + i));
    place
}

fn certify(p: &Place, input: &str, more: &[&str]) -> (i32, String) {
    let (input, model, out) = (p.text(input), p.text("model"), p.text("out"));
    let fixed = ["certify", &input, "--model", &model, "--out", &out, "--device", "cpu", "--first-draws", "8"];
    let usual = [["--draws", "60"], ["--sigma", "0.1"], ["--radii", "0.1"]];
    let usual: Vec<&str> = usual.iter().filter(|pair| !more.contains(&pair[0])).flatten().copied().collect();
    let (code, out, err) = run(&[&fixed[..], &usual, more].concat());
    assert!(!err.contains("panicked"), "{err}");
    (code, out + &err)
}

fn works(p: &Place, input: &str, more: &[&str]) -> Value {
    let (code, said) = certify(p, input, more);
    assert_eq!(code, 0, "{more:?}: {said}");
    p.json("out/certify.json")
}

fn number(v: &Value) -> f64 {
    v.as_f64().unwrap_or_else(|| panic!("{v}"))
}

#[test]
fn bounds_hold_the_median_and_grow_with_the_radius() {
    let p = place();
    let report = works(&p, "data", &["--radii", "0.02,0.1"]);
    let images = report["images"].as_array().unwrap();
    assert_eq!(images.len(), 4);
    for image in images {
        let (median, bounds) = (number(&image["median"]), image["bounds"].as_array().unwrap());
        let at = |i: usize, side: &str| number(&bounds[i][side]);
        assert!(at(1, "lower") <= at(0, "lower") && at(0, "lower") <= median, "{image}");
        assert!(at(1, "upper") >= at(0, "upper") && at(0, "upper") >= median, "{image}");
        assert!(at(1, "lower") < at(1, "upper") && at(0, "lower") > 0.0);
        assert_eq!(image["verdict"], Value::Null);
    }
    let radii = report["radii"].as_array().unwrap();
    let auroc = |i: usize, key: &str| number(&radii[i][key]);
    assert!(auroc(1, "auroc") <= auroc(0, "auroc") && auroc(0, "auroc") <= number(&report["auroc"]));
    assert!(auroc(0, "auroc_together") <= auroc(0, "auroc"));
    assert_eq!((&radii[0]["certified"], &report["abstained"]), (&Value::Null, &Value::Null));
    let said: String = report["said"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
    for text in ["60 draws", "0.001", "32 × 32 × 1", "no threshold"] {
        assert!(said.contains(text), "{text}: {said}");
    }
    let page = std::fs::read_to_string(p.at("out/certify.html")).unwrap();
    assert!(page.contains("What is promised") && !page.contains("NaN"));
}

#[test]
fn other_radii_and_thresholds_are_certified_from_the_draws_that_are_there() {
    let p = place();
    let first = works(&p, "data", &["--radii", "0.1"]);
    let medians =
        |r: &Value| -> Vec<f64> { r["images"].as_array().unwrap().iter().map(|i| number(&i["median"])).collect() };
    let low = medians(&first).into_iter().fold(f64::INFINITY, f64::min);
    let high = medians(&first).into_iter().fold(0.0, f64::max);
    let seconds =
        |r: &Value| -> Vec<Value> { r["images"].as_array().unwrap().iter().map(|i| i["seconds"].clone()).collect() };
    // Far below all scores everything is anomalous, with the greatest radius that all votes give.
    let below = (0.1 * low).to_string();
    let again = works(&p, "data", &["--radii", "0.05", "--resume", "--threshold", &below, "--alpha", "0.01"]);
    assert_eq!((seconds(&again), medians(&again)), (seconds(&first), medians(&first)));
    for image in again["images"].as_array().unwrap() {
        assert_eq!(
            (&image["verdict"]["anomalous"], &image["verdict"]["votes"]),
            (&true.into(), &serde_json::json!([60, 60]))
        );
        // 0.1 * scipy.stats.norm.ppf(0.01 ** (1 / 60)).
        assert!((number(&image["verdict"]["radius"]) - 0.144748).abs() < 1e-6, "{image}");
    }
    let at = &again["radii"][0];
    assert_eq!((&at["certified"], &at["found"], &at["passed"]), (&4.into(), &1.0.into(), &0.0.into()));
    let above = (10.0 * high).to_string();
    let normal = works(&p, "data", &["--radii", "0.05", "--resume", "--threshold", &above]);
    assert_eq!((&normal["radii"][0]["found"], &normal["radii"][0]["passed"]), (&0.0.into(), &1.0.into()));
    // Without --resume they are drawn again, and are the same.
    let anew = works(&p, "data", &["--radii", "0.1"]);
    assert_eq!(medians(&anew), medians(&first));
    assert_ne!(seconds(&anew), seconds(&first));
    let other = works(&p, "data", &["--radii", "0.1", "--resume", "--seed", "3"]);
    assert!(medians(&other).iter().zip(medians(&first)).all(|(a, b)| *a != b));
}

#[test]
fn every_system_that_runs_is_certified_and_what_cannot_hold_is_refused() {
    let p = place();
    let refused = |more: &[&str], says: &[&str]| {
        let (code, said) = certify(&p, "data", more);
        assert!(code == 2 && says.iter().all(|s| said.contains(s)), "{more:?}: {code} {said}");
        assert!(!p.at("out/certify.json").exists(), "{more:?}");
    };
    refused(&["--radii", "0.1,0.1"], &["--radii names 0.1 twice"]);
    refused(&["--radii", "0.5"], &["--radii 0.5", "60 draws", "certify up to"]);
    refused(&["--pixel-threshold", "1"], &["--pixel-threshold", "of scores"]);
    refused(&["--alpha", "0.7"], &["one half"]);
    refused(&["--sigma", "0"], &["--sigma"]);
    refused(&["--fpr", "0.1"], &["calibration"]);
    refused(&["--unlabelled", "--sequence", "x"], &["--sequence"]);
    let foreground = SETTINGS.replace(r#""system""#, r#""score": {"kind": "foreground"}, "system""#);
    p.settings(&foreground);
    refused(&[], &["foreground", "perturbation changes both"]);
    // What is done without a flag is within what it can do.
    p.settings(SETTINGS);
    let [input, model, out] = ["data/test/good/0.png", "model", "usual"].map(|name| p.text(name));
    let bare = ["certify", &input, "--unlabelled", "--model", &model, "--device", "cpu", "--out", &out];
    let (code, said, err) = run(&bare);
    assert!(code == 0 && said.contains("200 draws"), "{said}{err}");
    // A chain without a gradient is certified all the same.
    p.settings(&SETTINGS.replace(
        r#""advrad", "k": 120, "mean_map": false"#,
        r#""anoddpm", "lambda": 10, "sampler": {"kind": "ddim", "steps": 2}"#,
    ));
    let report = works(&p, "data/test/good", &["--unlabelled", "--radii", "0.05", "--draws", "30", "--alpha", "0.01"]);
    assert_eq!((report["images"].as_array().unwrap().len(), &report["auroc"]), (2, &Value::Null));
    assert_eq!(report["radii"][0]["auroc"], Value::Null);
}
