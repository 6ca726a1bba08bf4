//! The JSON files of a model folder: `detector.json`, `quality.json` and `calibration.json` are read or refused, never a
//! panic; what is read can be shown, judged by and written.
#![no_main]
use libfuzzer_sys::fuzz_target;
use residua::detect::{Calibration, DetectorConfig, Dial, Quality};
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let detector = DetectorConfig::parse(bytes);
    if let Ok(config) = &detector {
        let system = &config.system;
        for setting in system.settings() {
            // A file may hold values that a flag may not give.
            let _ = system.clone().set(setting.name, &system.value(setting));
            let _ = system.range(setting).to_string();
        }
        let text = serde_json::to_vec(config).expect("what was read can be written");
        assert!(DetectorConfig::parse(&text).is_ok(), "what was written can be read");
    }
    if let Ok(dial) = Dial::parse(bytes, Path::new("quality.json")) {
        for quality in Quality::ALL {
            let row = dial.choose(quality).expect("a table has a row");
            if let Ok(mut config) = DetectorConfig::parse(DETECTOR) {
                let _ = row.apply(&mut config);
            }
        }
    }
    if let Ok(calibration) = Calibration::parse(bytes, Path::new("calibration.json")) {
        for rate in [0.5, 0.05, 1e-3, 1e-9] {
            if let Ok(threshold) = calibration.threshold(rate) {
                let p = calibration.p_value(threshold);
                assert!(p > 0.0 && p <= 1.0, "{p}");
            }
            let _ = calibration.pixel_threshold(rate);
        }
    }
});

const DETECTOR: &[u8] = br#"{"format": 2, "input": {"width": 32, "height": 32, "channels": 1, "range": [-1, 1]},
    "system": {"method": "anoddpm"}}"#;
