//! Thresholds, calibrations and measurements are tied to what they were made from.
use crate::common::place::Place;
use crate::common::{run, volume::nifti};
use serde_json::Value;
use std::path::Path;

mod again;

const PDDPM: &str = r#"{"format": 2, "input": {"width": 32, "height": 32, "channels": 1, "range": [-1, 1]},
    "networks": {"denoiser": {"file": "model.safetensors"}},
    "system": {"method": "pddpm", "patch": 32, "stride": 32, "median": 1, "erosion": 0}}"#;

impl Place {
    /// A volume of this many slices along its last axis.
    fn volume(&self, name: &str, depth: i16, shift: usize) {
        let voxels: Vec<u8> = (0..32 * 32 * depth as usize).map(|i| ((i * 7 + i / 64 + shift) % 200) as u8).collect();
        nifti(&self.at(name), [32, 32, depth], 1, &voxels);
    }
    /// Exit code and everything that was said.
    fn run(&self, args: &[&str]) -> (i32, String) {
        let model = self.text("model");
        let (code, out, err) = run(&[args, &["--model", &model, "--device", "cpu"]].concat());
        assert!(!err.contains("panicked"), "{err}");
        (code, out + &err)
    }
    fn detect(&self, input: &str, more: &[&str]) -> (i32, String) {
        let (input, out) = (self.text(input), self.text("out"));
        self.run(&[&["detect", &input, "--out", &out], more].concat())
    }
    fn verdict(&self) -> String {
        self.json("out/results.json")["records"][0]["verdict"].as_str().unwrap().to_owned()
    }
}

fn white(path: &Path) -> bool {
    image::open(path).unwrap().to_luma8().pixels().any(|p| p.0[0] > 0)
}

#[test]
fn a_models_thresholds_hold_for_its_own_settings_alone() {
    let p = Place::new();
    p.picture("in/a.png", 3);
    for own in [&[][..], &["--runs", "1", "--steps", "2", "--set", "residual=absolute"], &["--set", "sampler=ddim:2:0"]]
    {
        let (code, said) = p.detect("in", own);
        assert!(code == 0 && !said.contains("other settings"), "{said}");
        assert!(p.verdict() == "anomalous" && white(&p.at("out/a/mask.png")));
    }
    for (other, named) in [
        (&["--runs", "2"][..], "`runs`"),
        (&["--steps", "1"], "`sampler`"),
        (&["--lambda", "5", "--set", "residual=squared"], "`lambda`, `residual`"),
    ] {
        let (code, said) = p.detect("in", other);
        assert!(code == 0 && said.contains(&format!("for other settings ({named})")), "{said}");
        let record = &p.json("out/results.json")["records"][0];
        assert!(p.verdict() == "unjudged" && record["threshold"].is_null(), "{record}");
        assert!(record["parameters"]["threshold"]["pixel"].is_null() && !white(&p.at("out/a/mask.png")));
        std::fs::remove_dir_all(p.at("out")).unwrap();
        let (code, said) = p.detect("in", &[other, &["--gate"]].concat());
        let why = "no image threshold to judge by, as the model's was chosen for other settings";
        assert!(code == 2 && said.contains(why) && !p.at("out").exists(), "{said}");
        // The user's own threshold is the user's.
        let (code, said) = p.detect("in", &[other, &["--gate", "--threshold", "0", "--pixel-threshold", "0"]].concat());
        assert!(code == 1 && p.verdict() == "anomalous" && !said.contains("other settings"), "{said}");
    }
    // A volume along another axis is cut into other images than the thresholds are for.
    p.volume("scan/v.nii", 2, 0);
    let (code, said) = p.detect("scan", &["--axis", "2"]);
    assert!(code == 0 && p.verdict() == "anomalous", "{said}");
    let (code, said) = p.detect("scan", &["--axis", "0"]);
    assert!(code == 0 && p.verdict() == "unjudged" && said.contains("the axis, which was 2"), "{said}");
}

#[test]
fn a_calibration_counts_distinct_images_and_says_what_is_odd() {
    let p = Place::new();
    p.picture("same/1.png", 3);
    let first = p.at("same/1.png");
    for i in 2..=6 {
        std::fs::copy(&first, p.at(&format!("same/{i}.png"))).unwrap();
    }
    // The same pixels in another file.
    image::open(&first).unwrap().save(p.at("same/7.bmp")).unwrap();
    let same = p.text("same");
    let (code, said) = p.run(&["calibrate", &same]);
    assert!(code == 0 && said.contains("1 normal images") && said.contains("can promise is 0.5000"), "{said}");
    assert!(said.contains("6 of 7 inputs show the same as another one, such as ") && said.contains("1.png"), "{said}");
    let kept = p.json("model/calibration.json");
    assert_eq!((kept["scores"].as_array().unwrap().len(), kept["pixels"].as_u64()), (1, Some(32 * 32)));
    assert_eq!((&kept["of"], &kept["seed"], kept.get("axis")), (&"pictures".into(), &0.into(), None));

    for (i, name) in ["good/a", "defect/b", "masks/c", "ground_truth/x/d"].iter().enumerate() {
        p.picture(&format!("mixed/{name}.png"), 20 + i as u32);
    }
    let mixed = p.text("mixed");
    let (code, said) = p.run(&["calibrate", &mixed]);
    let odd = |name: &str| said.contains(&format!("{}: its name says that its 1 images are not", p.text(name)));
    let masks = |name: &str| said.contains("passed over as folders of masks: ") && said.contains(&p.text(name));
    assert!(code == 0 && odd("mixed/defect") && masks("mixed/masks") && masks("mixed/ground_truth"), "{said}");
    assert!(!odd("mixed/good"), "{said}");
    let (code, said) = p.run(&["calibrate", &p.text("mixed/good")]);
    assert!(code == 0 && !said.contains("WARN"), "{said}");

    // Where it will be written is tried before the first image.
    std::fs::remove_file(p.at("model/calibration.json")).unwrap();
    std::fs::create_dir(p.at("model/calibration.json")).unwrap();
    std::fs::write(p.at("same/0.png"), "no picture").unwrap();
    let (code, said) = p.run(&["calibrate", &same]);
    assert!(code == 2 && said.contains("calibration.json: is a folder") && !said.contains("0.png"), "{said}");
}

#[test]
fn a_calibration_is_of_pictures_or_of_volumes_of_an_axis_and_of_a_noise() {
    let p = Place::new();
    (0..3).for_each(|i| p.picture(&format!("in/{i}.png"), 10 + i));
    for i in 0..2 {
        p.volume(&format!("scans/{i}.nii"), 3, 50 * i);
    }
    let (pictures, scans, both) = (p.text("in"), p.text("scans"), p.text(""));
    assert_eq!(p.run(&["calibrate", &pictures]).0, 0);
    assert_eq!(p.detect("in", &["--fpr", "0.5"]).0, 0);
    let (code, said) = p.detect("in", &["--fpr", "0.5", "--seed", "4"]);
    assert!(code == 2 && said.contains("noise of --seed 0, not that of --seed 4"), "{said}");
    let (code, said) = p.detect("scans", &["--fpr", "0.5"]);
    assert!(code == 2 && said.contains("made from pictures, which says nothing of slices of volumes"), "{said}");
    let (code, said) = p.run(&["calibrate", &pictures, &scans]);
    assert!(code == 2 && said.contains("one is a volume and the other is not"), "{said} {both}");

    // Slices along an axis; a run's records tell which.
    let (code, said) = p.run(&["calibrate", &scans, "--axis", "1"]);
    assert!(code == 0 && said.contains("64 slices of 2 normal volumes, along axis 1, 6144 pixels"), "{said}");
    assert!(
        said.contains("that 64 slices can promise") && said.contains("each rate is that of single slices"),
        "{said}"
    );
    let kept = p.json("model/calibration.json");
    assert_eq!(
        (&kept["of"], &kept["axis"], kept["scores"].as_array().unwrap().len()),
        (&"slices".into(), &1.into(), 64)
    );
    // Volumes with such a slice, counted once more from a run's records.
    let (code, ran) = p.detect("scans", &["--fpr", "0.1", "--axis", "1", "--gate"]);
    assert!(code == 1 && ran.contains("the rate of 0.1 is that of single slices"), "{ran}");
    let records = p.json("out/results.json")["records"].as_array().unwrap().clone();
    let limit = kept["scores"][5].as_f64().unwrap();
    let above = |name: &str| {
        records.iter().any(|r| r["path"].as_str().unwrap().ends_with(name) && r["score"].as_f64() > Some(limit))
    };
    let count = ["0.nii", "1.nii"].iter().filter(|n| above(n)).count();
    let row = said.lines().find(|l| l.trim_start().starts_with("0.1 ")).unwrap();
    assert!(count > 0 && row.ends_with(&format!("{count} of 2")), "{row} {count}");
    let report = std::fs::read_to_string(p.at("out/report.html")).unwrap();
    assert!(report.contains("A slice is anomalous above") && report.contains("0.1 of single slices, not of volumes"));
    let (code, said) = p.detect("scans", &["--fpr", "0.5"]);
    assert!(code == 2 && said.contains("was made along axis 1, not 2"), "{said}");
    assert_eq!(p.detect("scans", &[]).0, 0);
    let (out, model) = (p.text("out"), p.text("model"));
    let (code, _, err) = run(&["rescore", &out, "--fpr", "0.5", "--model", &model]);
    assert!(code == 2 && err.contains("was made along axis 1, not 2"), "{err}");
    assert_eq!(p.detect("in", &[]).0, 0);
    let (code, _, err) = run(&["rescore", &out, "--fpr", "0.5", "--model", &model]);
    assert!(code == 2 && err.contains("made from slices of volumes, which says nothing of pictures"), "{err}");

    // A file of before is read, and what is taken for granted is said.
    let mut old = kept.clone();
    let fields = old.as_object_mut().unwrap();
    ["of", "axis", "seed"].iter().for_each(|name| drop(fields.remove(*name)));
    std::fs::write(p.at("model/calibration.json"), old.to_string()).unwrap();
    let (code, said) = p.detect("scans", &["--fpr", "0.5"]);
    assert!(code == 0 && said.contains("taken to be of slices of volumes, along axis 2"), "{said}");
    let (code, said) = p.detect("scans", &["--fpr", "0.5", "--axis", "1"]);
    assert!(code == 2 && said.contains("taken to be made along axis 2, not 1"), "{said}");

    // Of a system that judges volumes: volumes, and pictures are something else.
    p.settings(PDDPM);
    let (code, said) = p.run(&["calibrate", &scans]);
    assert!(code == 0 && said.contains("2 normal volumes, each judged as a whole, along axis 2"), "{said}");
    assert!(said.contains("that 2 volumes can promise") && !said.contains("single slices"), "{said}");
    assert_eq!(p.json("model/calibration.json")["of"], "volumes");
    let (code, said) = p.detect("in", &["--fpr", "0.5"]);
    assert!(code == 2 && said.contains("made from whole volumes, which says nothing of pictures"), "{said}");
    assert_eq!(p.run(&["calibrate", &pictures]).0, 0);
    let (code, said) = p.detect("scans", &["--fpr", "0.5"]);
    assert!(code == 2 && said.contains("made from pictures, which says nothing of whole volumes"), "{said}");
}

#[test]
fn measurements_are_of_their_labels_and_thresholds_of_their_row() {
    let p = Place::new();
    let mut lists = ["path,label\n".to_owned(), "path,label\n".to_owned()];
    for i in 0..6 {
        p.picture(&format!("data/{i}.png"), 31 * i);
        let odd = i % 3 == 0;
        lists[0] += &format!("{i}.png,{}\n", u8::from(odd));
        lists[1] += &format!("{i}.png,{}\n", u8::from(!odd));
    }
    for (name, list) in ["data/m1.csv", "data/m2.csv"].iter().zip(&lists) {
        std::fs::write(p.at(name), list).unwrap();
    }
    let dial = |list: &str| {
        let list = p.text(list);
        p.run(&["dial", &list, "--try-steps", "1,2", "--try-runs", "1", "--seeds", "1"])
    };
    let (code, said) = dial("data/m1.csv");
    assert!(code == 0 && said.contains("a list of images: 4 normal, 2 anomalous"), "{said}");
    let first = p.json("model/quality.json");
    assert_eq!(first["rows"][0]["eta"], 0.0);
    // The same again measures nothing.
    let (code, said) = dial("data/m1.csv");
    assert!(code == 0 && !said.contains("all is measured anew"), "{said}");
    assert_eq!(p.json("model/quality.json"), first);
    // The same images with the labels the other way round.
    let (code, said) = dial("data/m2.csv");
    assert!(code == 0 && said.contains("with other labels") && said.contains("all is measured anew"), "{said}");
    let second = p.json("model/quality.json");
    assert_eq!((&second["data"]["normal"], &second["data"]["sha256"]), (&2.into(), &first["data"]["sha256"]));
    let aside = format!("model/quality-{}.json", first["created"].as_str().unwrap().replace(':', "-"));
    assert_eq!(p.json(&aside), first, "what was measured before is kept");
    // Average precision by its definition: the mean, over the anomalous, of the precision at their score.
    let (all, out) = (p.text("data"), p.text("out"));
    assert_eq!(p.run(&["detect", &all, "--out", &out]).0, 0);
    let records = p.json("out/results.json")["records"].as_array().unwrap().clone();
    let score = |i: usize| records[i]["score"].as_f64().unwrap();
    let precision = |anomalous: &[usize]| {
        let at = |i: usize| {
            let above: Vec<usize> = (0..6).filter(|&j| score(j) >= score(i)).collect();
            above.iter().filter(|j| anomalous.contains(j)).count() as f64 / above.len() as f64
        };
        anomalous.iter().map(|&i| at(i)).sum::<f64>() / anomalous.len() as f64
    };
    for (table, anomalous) in [(&first, &[0, 3][..]), (&second, &[1, 2, 4, 5])] {
        let row = table["rows"].as_array().unwrap().iter().find(|r| r["settings"]["sampler.steps"] == "2").unwrap();
        let auprc = row["auprc"].as_f64().unwrap();
        assert!((auprc - precision(anomalous)).abs() < 1e-9, "{auprc} {}", precision(anomalous));
    }
    // Another first seed is another measurement, and all rows of a table have the same.
    let list = p.text("data/m2.csv");
    let again = ["dial", &list, "--try-steps", "1", "--try-runs", "1", "--seeds", "1", "--seed", "9"];
    assert_eq!(p.run(&again).0, 0);
    let seeds: Vec<Value> =
        p.json("model/quality.json")["rows"].as_array().unwrap().iter().map(|r| r["first_seed"].clone()).collect();
    assert_eq!(seeds, [Value::from(9)]);

    // A row's threshold is that of its very settings. The row is written here, so that it has one.
    let mut table = second.clone();
    for row in table["rows"].as_array_mut().unwrap() {
        row["threshold"] = serde_json::json!({"pixel": null, "image": 0.0});
    }
    std::fs::write(p.at("model/quality.json"), table.to_string()).unwrap();
    let (code, said) = p.detect("data/0.png", &["--quality", "best"]);
    assert!(code == 0 && p.verdict() == "anomalous", "{said}");
    let (code, said) = p.detect("data/0.png", &["--quality", "best", "--runs", "2"]);
    assert!(code == 0 && p.verdict() == "unjudged" && said.contains("other settings (`runs`)"), "{said}");
    let (code, said) = p.detect("data/0.png", &["--quality", "best", "--runs", "2", "--gate"]);
    assert!(code == 2 && said.contains("--gate: there is no image threshold"), "{said}");
    // The model's own eta has become another one: the row brings the one that it was measured with.
    let text = std::fs::read_to_string(p.at("model/detector.json")).unwrap();
    std::fs::write(p.at("model/detector.json"), text.replace("\"steps\": 2", "\"steps\": 2, \"eta\": 0.5")).unwrap();
    assert_eq!(p.detect("data/0.png", &["--quality", "best"]).0, 0);
    assert_eq!(p.json("out/results.json")["records"][0]["parameters"]["system"]["sampler"]["eta"], 0.0);
}
