use super::*;
use crate::detect::pddpm::Overlap;

const TWO: &str = r#"{
    "format": 2, "name": "brain", "input": {"width": 64, "height": 64, "channels": 1, "range": [-1, 1],
        "scaling": {"kind": "percentiles", "low": 1, "high": 99, "over": "mask"}},
    "networks": {"denoiser": {"file": "net.safetensors", "unet": {"heads": 4}}},
    "system": {"method": "pddpm", "variant": "paper", "lambda": 300, "patch": 32, "stride": 16, "overlap": "cut", "erosion": 2},
    "score": {"kind": "foreground"}, "threshold": {"pixel": 0.1, "image": 0.05}}"#;

fn fault(text: &str) -> String {
    DetectorConfig::parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn format_two_is_read_and_written() {
    let config = DetectorConfig::parse(TWO.as_bytes()).unwrap();
    let System::Pddpm(system) = &config.system else { panic!("{config:?}") };
    assert_eq!((system.lambda, system.stride, system.overlap, system.median), (300, 16, Overlap::Cut, 5));
    assert_eq!(config.networks[&Role::Denoiser].unet.heads, Some(4));
    let again = DetectorConfig::parse(serde_json::to_string(&config).unwrap().as_bytes()).unwrap();
    assert_eq!(again, config);
    assert_eq!(DetectorConfig::recorded(&serde_json::to_value(&config).unwrap()).unwrap(), config);
}

#[test]
fn format_one_becomes_format_two() {
    let one = r#"{"format": 1, "method": "anoddpm", "name": "small", "network": "m.safetensors", "lambda": 20,
        "input": {"width": 32, "height": 32, "channels": 1, "range": [-1, 1]}, "sampler": {"kind": "ddim", "steps": 2},
        "blur": {"kind": "gaussian", "sigma": 1}, "unet": {"heads": null}, "threshold": {"pixel": 0.1, "image": null}}"#;
    let config = DetectorConfig::parse(one.as_bytes()).unwrap();
    let System::AnoDdpm(system) = &config.system else { panic!("{config:?}") };
    assert_eq!((config.format, system.lambda, system.passes(), system.runs), (2, 20, 2, 1));
    assert_eq!(config.networks[&Role::Denoiser].file.as_deref(), Some("m.safetensors"));
    let again = DetectorConfig::parse(serde_json::to_string(&config).unwrap().as_bytes()).unwrap();
    assert_eq!(again, config);
    assert!(fault(&one.replace("anoddpm", "pddpm")).contains("`method` must be `anoddpm`"));
    assert!(fault(&one.replace("\"lambda\"", "\"lamda\"")).contains("lamda"));
}

#[test]
fn what_does_not_fit_is_named() {
    for (from, to, says) in [
        ("\"format\": 2", "\"format\": 3", "`format` is 3"),
        ("\"format\": 2, ", "", "`format` is missing"),
        ("\"pddpm\"", "\"dddm\"", "dddm"),
        ("\"lambda\": 300", "\"lambda\": 3000", "`lambda`"),
        ("\"stride\": 16", "\"stride\": 33", "`stride`"),
        ("\"patch\": 32", "\"patch\": 65", "`patch`"),
        ("\"erosion\": 2", "\"erosion\": -2", "`erosion` is the number -2, but a whole number"),
        ("\"lambda\": 300", "\"runs\": 3", "runs"),
        ("\"denoiser\"", "\"estimator\"", "`networks.estimator`"),
        ("net.safetensors", "../net.safetensors", "in the model folder"),
        ("\"low\": 1,", "\"low\": 99.5,", "input.scaling"),
        ("\"channels\": 1", "\"channels\": 5", "input.channels"),
        ("\"image\": 0.05", "\"other\": 0.05", "other"),
        (
            "\"method\": \"pddpm\", \"variant\": \"paper\", \"lambda\": 300, \"patch\": 32, \"stride\": 16, \"overlap\": \"cut\", \"erosion\": 2",
            "\"method\": \"dte\"",
            "`input` has none",
        ),
    ] {
        let text = TWO.replace(from, to);
        assert_ne!(text, TWO, "{from}");
        assert!(fault(&text).contains(says), "{from} -> {to}: {}", fault(&text));
    }
    assert!(fault("[").contains("ends in the middle"));
}
