//! Otsu's threshold of one map.

/// Bins of the histogram.
const BINS: usize = 256;

/// The threshold that parts the values into two classes of the greatest variance between them (Otsu 1979): the centre of one of
/// 256 bins from the least to the greatest value, as scikit-image's `threshold_otsu` gives it. Values above it are the upper
/// class. A map of one value has that value, above which there is nothing; none for no values, or one that is not finite.
pub fn otsu(values: &[f32]) -> Option<f64> {
    let (low, high) = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    if values.is_empty() || !values.iter().all(|v| v.is_finite()) {
        return None;
    }
    if low == high {
        return Some(low.into());
    }
    let (low, span) = (f64::from(low), f64::from(high) - f64::from(low));
    let edge = |i: usize| low + span * i as f64 / BINS as f64;
    let mut counts = [0.0f64; BINS];
    for &v in values {
        let v = f64::from(v);
        let mut bin = (((v - low) / span * BINS as f64) as usize).min(BINS - 1);
        // The division may round across an edge.
        if v < edge(bin) {
            bin -= 1;
        } else if bin + 1 < BINS && v >= edge(bin + 1) {
            bin += 1;
        }
        counts[bin] += 1.0;
    }
    let centre = |i: usize| 0.5 * (edge(i) + edge(i + 1));
    let total: f64 = counts.iter().enumerate().map(|(i, c)| c * centre(i)).sum();
    let (mut below, mut sum_below) = (0.0, 0.0);
    let mut best = (f64::NEG_INFINITY, 0);
    for (i, count) in counts[..BINS - 1].iter().enumerate() {
        below += count;
        sum_below += count * centre(i);
        let above = values.len() as f64 - below;
        let between = below * above * (sum_below / below - (total - sum_below) / above).powi(2);
        // The first of several that are equally good.
        if between > best.0 {
            best = (between, i);
        }
    }
    Some(centre(best.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::path::Path;

    #[test]
    fn it_is_that_of_scikit_image() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/otsu.json");
        let cases: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let cases = cases["cases"].as_array().unwrap();
        assert!(cases.len() >= 5);
        for case in cases {
            let values: Vec<f32> =
                case["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
            let (want, found) = (case["threshold"].as_f64().unwrap(), otsu(&values).unwrap());
            assert!((found - want).abs() <= 1e-6 * want.abs().max(1e-6), "{}: {found} {want}", case["name"]);
            let above = values.iter().filter(|&&v| f64::from(v) > found).count();
            assert_eq!(above as u64, case["above"].as_u64().unwrap(), "{}", case["name"]);
        }
    }

    #[test]
    fn one_value_and_no_number() {
        assert_eq!(otsu(&[0.25; 9]), Some(0.25));
        assert_eq!(otsu(&[]), None);
        assert_eq!(otsu(&[0.0, f32::NAN]), None);
        assert_eq!(otsu(&[0.0, f32::INFINITY]), None);
        let two = otsu(&[0.0, 0.0, 1.0]).unwrap();
        assert!((0.0..1.0).contains(&two));
    }
}
