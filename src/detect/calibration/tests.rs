use super::*;

/// Uniform numbers in 0..1: SplitMix64 (Steele, Lea and Flood 2014).
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

pub(super) fn calibration(mut scores: Vec<f64>) -> Calibration {
    scores.sort_by(|a, b| b.total_cmp(a));
    Calibration {
        format: 2,
        created: utc_now(),
        data_sha256: String::new(),
        config_sha256: None,
        model_sha256: String::new(),
        fingerprint: fingerprint(&serde_json::json!({})),
        settings: serde_json::json!({}),
        of: None,
        axis: None,
        seed: None,
        float_range: None,
        scores,
        pixels: 0,
        pixel_quantiles: vec![(0.5, 0.1), (0.1, 0.4), (0.01, 0.7)],
    }
}

#[test]
fn thresholds_and_p_values_agree() {
    let c = calibration((1..=19).map(f64::from).collect());
    assert_eq!(c.threshold(0.05).unwrap(), 19.0);
    assert_eq!(c.threshold(0.1).unwrap(), 18.0);
    assert_eq!((c.p_value(19.5), c.p_value(19.0), c.p_value(0.0)), (0.05, 0.1, 1.0));
    for rate in [0.05, 0.07, 0.1, 0.33, 0.5, 0.9] {
        let t = c.threshold(rate).unwrap();
        for s in (0..40).map(|i| f64::from(i) / 2.0) {
            assert_eq!(s > t, c.p_value(s) <= rate + 1e-9, "score {s} at {rate}");
        }
    }
    let error = c.threshold(0.01).unwrap_err().to_string();
    assert!(error.contains("0.0500 at the smallest") && error.contains("takes 99"), "{error}");
    assert!(c.threshold(0.0).is_err() && c.threshold(1.0).is_err() && c.threshold(f64::NAN).is_err());
}

#[test]
fn ties_never_raise_the_rate() {
    let c = calibration(vec![1.0; 99]);
    assert_eq!(c.threshold(0.3).unwrap(), 1.0);
    assert_eq!(c.p_value(1.0), 1.0);
}

#[test]
fn pixels_take_the_next_rate_that_is_kept() {
    let c = calibration(vec![0.0]);
    assert_eq!((c.pixel_threshold(0.5).unwrap(), c.pixel_threshold(0.3).unwrap()), (0.1, 0.4));
    assert_eq!(c.pixel_threshold(0.01).unwrap(), 0.7);
    assert!(c.pixel_threshold(0.001).unwrap_err().to_string().contains("1.0e-2"));
}

/// The realised rate of one calibration is known exactly where scores are uniform: 1 − threshold. Over a thousand
/// calibrations its mean is ⌊rate·(n+1)⌋/(n+1) ≤ rate, and one in twenty exceeds the 95 % bound.
#[test]
fn realised_rates_stay_within_what_the_theory_gives() {
    const REPETITIONS: usize = 1000;
    for (n, rate) in [(50, 0.05), (50, 0.02), (200, 0.05), (200, 0.01), (1000, 0.05), (1000, 0.01), (1000, 0.001)] {
        let mut state = n as u64 * 1000 + (rate * 1000.0) as u64;
        let (mut sum, mut squares, mut beyond) = (0.0, 0.0, 0);
        for _ in 0..REPETITIONS {
            let c = calibration((0..n).map(|_| uniform(&mut state)).collect());
            let realised = 1.0 - c.threshold(rate).unwrap();
            sum += realised;
            squares += realised * realised;
            beyond += usize::from(realised > c.bound(rate, 0.95).unwrap());
        }
        let mean = sum / REPETITIONS as f64;
        let error = ((squares / REPETITIONS as f64 - mean * mean) / REPETITIONS as f64).sqrt();
        let promised = (rate * f64::from(n + 1) + 1e-9).floor() / f64::from(n + 1);
        assert!((mean - promised).abs() < 4.0 * error, "n {n}, rate {rate}: {mean} ± {error}, not {promised}");
        assert!(promised <= rate && mean <= rate + 4.0 * error);
        // Binomial(1000, 0.05): 50 ± 4·6.9.
        assert!((22..=78).contains(&beyond), "n {n}, rate {rate}: {beyond} beyond the bound");
    }
}

#[test]
fn files_keep_everything_and_faults_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = Calibration::path(dir.path());
    let c = calibration(vec![0.25, 1e-300, 0.1]);
    c.write(&path).unwrap();
    assert_eq!(Calibration::open(&path).unwrap(), c);
    for bad in ["", "{}", &serde_json::to_string(&c).unwrap().replace("\"format\":2", "\"format\":3")] {
        std::fs::write(&path, bad).unwrap();
        assert!(Calibration::open(&path).unwrap_err().to_string().contains("calibration.json"));
    }
}
