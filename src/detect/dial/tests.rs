use super::*;
use crate::detect::config::InputConfig;

fn row(lambda: usize, steps: Option<usize>, runs: usize, auprc: f64) -> DialRow {
    let mut config = DetectorConfig::as_published(InputConfig::square(64, 1));
    let sampler = steps.map_or("ddpm".to_owned(), |s| format!("ddim:{s}"));
    for (name, value) in [("lambda", lambda.to_string()), ("sampler", sampler), ("runs", runs.to_string())] {
        config.system.set(name, &value).unwrap();
    }
    DialRow { auprc, ..DialRow::of(&config) }
}

#[test]
fn the_cheapest_that_is_good_enough() {
    let (sha256, truth_sha256, axis, float_range) = Default::default();
    let data = DialData { name: "d".into(), sha256, normal: 1, anomalous: 1, truth_sha256, axis, float_range };
    let settings = serde_json::json!({});
    let [created, model_sha256, fingerprint] = Default::default();
    let (measure, rows) = (Measure::Pixels, vec![]);
    let mut dial =
        Dial { format: 2, created, model_sha256, config_sha256: None, fingerprint, settings, data, measure, rows };
    assert!(dial.choose(Quality::Best).is_none());
    for r in [
        row(200, Some(5), 8, 0.8),
        row(200, Some(3), 8, 0.79),
        row(200, Some(2), 4, 0.73),
        row(300, Some(2), 4, 0.74),
        row(200, Some(2), 1, 0.5),
        row(200, None, 1, 0.8),
    ] {
        dial.put(r);
    }
    let chosen = Quality::ALL.map(|q| dial.choose(q).unwrap().clone());
    let settings = chosen.map(|r| (r.settings["lambda"].clone(), r.settings["sampler.steps"].clone(), r.passes));
    let wanted = [("300", "2", 8), ("200", "3", 24), ("200", "5", 40)];
    assert_eq!(settings, wanted.map(|(lambda, steps, passes)| (lambda.to_owned(), steps.to_owned(), passes)));
    dial.put(row(300, Some(2), 4, 0.1));
    assert_eq!((dial.rows.len(), dial.choose(Quality::Fast).unwrap().auprc), (6, 0.73));
    assert!(dial.rows.is_sorted_by_key(|r| r.passes));
}

#[test]
fn thresholds_lie_in_the_gap_of_the_best_balanced_accuracy() {
    let scores = |normal: &[f64], anomalous: &[f64]| -> Vec<(f64, bool)> {
        anomalous.iter().map(|&s| (s, true)).chain(normal.iter().map(|&s| (s, false))).collect()
    };
    assert_eq!(balanced_threshold(&scores(&[1.0, 2.0], &[4.0, 9.0])), Some(3.0));
    // Three of four normal ones and all anomalous ones; without the fourth, one of two anomalous ones is lost.
    assert_eq!(balanced_threshold(&scores(&[1.0, 2.0, 3.0, 6.0], &[5.0, 7.0])), Some(4.0));
    assert_eq!(balanced_threshold(&scores(&[5.0], &[1.0])), None);
    assert_eq!(balanced_threshold(&scores(&[1.0, 2.0], &[])), None);
    assert_eq!(balanced_threshold(&scores(&[1.0], &[1.0])), None);
}

#[test]
fn tables_of_format_one_mean_what_they_meant() {
    let one = serde_json::json!({
        "format": 1, "created": "2026-11-25T18:07:57Z", "model_sha256": "c8",
        "settings": {"format": 1, "method": "anoddpm", "input": {"width": 64, "height": 64, "channels": 1, "range": [-1, 1]}},
        "data": {"name": "v", "sha256": "23", "normal": 15, "anomalous": 18}, "measure": "pixels",
        "rows": [
            {"lambda": 250, "steps": 2, "runs": 3, "auprc": 0.3, "auprc_std": 0.0, "best_dice": 0.4, "image_auroc": null,
             "seconds": 1.0, "device": "cpu", "seeds": 2, "threshold": {"pixel": 0.1, "image": null}},
            {"lambda": 200, "steps": null, "runs": 1, "auprc": 0.2, "auprc_std": 0.0, "best_dice": 0.4, "image_auroc": null,
             "seconds": 1.0, "device": "cpu", "seeds": 2, "threshold": {"pixel": 0.1, "image": null}},
        ],
    });
    let dir = tempfile::tempdir().unwrap();
    let path = Dial::path(dir.path());
    std::fs::write(&path, one.to_string()).unwrap();
    let dial = Dial::open(&path).unwrap();
    assert_eq!(dial.rows.iter().map(|r| r.passes).collect::<Vec<_>>(), [6, 200]);
    let mut config = DetectorConfig::as_published(InputConfig::square(64, 1));
    config.system.set("sampler", "ddim:50:0.5").unwrap();
    dial.rows[0].apply(&mut config).unwrap();
    let show =
        |c: &DetectorConfig, name: &str| c.system.value(c.system.settings().iter().find(|s| s.name == name).unwrap());
    assert_eq!(
        (&*show(&config, "sampler"), &*show(&config, "runs"), config.threshold.pixel),
        ("ddim:2:0.5", "3", Some(0.1))
    );
    assert_eq!(dial.settings, common(&config));
    // A row that says its eta brings it along, and is another setting than one of another eta.
    let measured = DialRow { settings: dial.rows[0].settings.clone(), eta: Some(0.25), ..DialRow::default() };
    let mut other = config.clone();
    measured.apply(&mut other).unwrap();
    assert_eq!(show(&other, "sampler"), "ddim:2:0.25");
    assert!(DialRow::of(&other).same_setting(&measured) && !DialRow::of(&config).same_setting(&measured));
    dial.rows[1].apply(&mut config).unwrap();
    assert_eq!((&*show(&config, "sampler"), &*show(&config, "lambda")), ("ddpm", "200"));
    dial.write(&path).unwrap();
    assert_eq!(Dial::open(&path).unwrap(), dial);
}
