//! What is refused as it would change nothing, and thresholds that do not hold.
use super::*;

#[test]
fn settings_without_an_effect_are_refused() {
    let p = place();
    let model = model(&p, r#", "threshold": 0.005"#);
    let (input, out) = (p.text("in"), p.text("out"));
    for (set, says) in [
        (&["map=divergence", "grow=2"][..], "--set grow=2 changes nothing: with `map` = divergence"),
        (&["map=divergence", "sampler=ddim:3"], "--set sampler=ddim:3 changes nothing"),
        (&["quantile=0.5"], "--set quantile=0.5 changes nothing: `threshold` goes before it"),
        (&["filter=false", "smooth=gaussian:1"], "--set smooth=gaussian:1 changes nothing: `filter` is false"),
    ] {
        let set: Vec<&str> = set.iter().flat_map(|s| ["--set", s]).collect();
        refused(&[&["detect", &input, "--model", &model, "--out", &out][..], &set].concat(), says);
    }
    let dial = ["dial", &input, "--model", &model, "--try", "quantile=0.9,0.99", "--device", "cpu"];
    refused(&dial, "`quantile` cannot be tried, as it changes nothing");
    let window = r#", "score": {"kind": "window", "side": 25}"#;
    let text = std::fs::read_to_string(p.at("model/detector.json")).unwrap();
    std::fs::write(p.at("model/detector.json"), text.trim_end().strip_suffix('}').unwrap().to_owned() + window + "}")
        .unwrap();
    refused(&["detect", &input, "--model", &model, "--out", &out], "`score.side` must be odd and up to 24");
}

/// Thresholds that were chosen with one measurement of normal images judge nothing by another.
#[test]
fn thresholds_belong_to_their_measurement() {
    let p = place();
    let model = model(&p, "");
    calibrate(&p, &model);
    let sha256 = ModelFolder::open(&model).unwrap().measured_sha256().unwrap();
    let detector = std::fs::read_to_string(p.at("model/detector.json")).unwrap();
    let hold = |sha256: &str| {
        let mut value: serde_json::Value = serde_json::from_str(&detector).unwrap();
        value["threshold"] = serde_json::json!({"image": 0.01});
        value["threshold_for"] = sha256.into();
        std::fs::write(p.at("model/detector.json"), value.to_string()).unwrap();
        let (code, said, results) = p.detect(&model, &[]);
        assert_eq!(code, 0, "{said}");
        (results["records"][0]["verdict"] == "unjudged", said)
    };
    assert!(!hold(&sha256).0);
    let (unjudged, said) = hold("00");
    assert!(unjudged && said.contains("the measurement of normal images"), "{said}");
}

#[test]
fn a_folder_of_several_networks_is_not_converted() {
    let p = place();
    let out = p.text("converted");
    refused(
        &["convert", concat!(env!("CARGO_MANIFEST_DIR"), "/weights/brain-pinaya"), &out],
        "is a model folder of several networks",
    );
    assert!(!p.at("converted").exists());
}
