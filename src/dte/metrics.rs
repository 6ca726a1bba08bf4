//! Scores against labels, one of each for a row. Higher scores mean more anomalous; NaN counts as 0.

/// Rows in falling order of their scores, in runs of equal scores: (anomalies, rows) of each run.
fn runs(scores: &[f64], labels: &[bool]) -> Vec<(usize, usize)> {
    let mut pairs: Vec<(f64, bool)> =
        scores.iter().zip(labels).map(|(&s, &y)| (if s.is_nan() { 0.0 } else { s }, y)).collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let equal = pairs.chunk_by(|a, b| a.0 == b.0);
    equal.map(|run| (run.iter().filter(|p| p.1).count(), run.len())).collect()
}

/// Area under the ROC curve, ties counted half; none without both normal and anomalous rows.
pub fn roc_auc(scores: &[f64], labels: &[bool]) -> Option<f64> {
    let (mut above, mut area, mut normals) = (0.0, 0.0, 0.0);
    for (anomalies, rows) in runs(scores, labels) {
        let (a, n) = (anomalies as f64, (rows - anomalies) as f64);
        area += n * (above + a / 2.0);
        above += a;
        normals += n;
    }
    (above > 0.0 && normals > 0.0).then(|| area / (above * normals))
}

/// Average precision, sum of (recall step)·precision over the distinct scores (scikit-learn's); none without anomalies.
pub fn average_precision(scores: &[f64], labels: &[bool]) -> Option<f64> {
    let (mut hits, mut seen, mut sum) = (0.0, 0.0, 0.0);
    for (anomalies, rows) in runs(scores, labels) {
        hits += anomalies as f64;
        seen += rows as f64;
        sum += anomalies as f64 * hits / seen;
    }
    (hits > 0.0).then(|| sum / hits)
}

/// F1 when as many rows are called anomalous as there are anomalies; precision and recall are then the same. Of rows that
/// tie at the border, as many are anomalies as in their whole run. None without anomalies.
pub fn f1_at_anomalies(scores: &[f64], labels: &[bool]) -> Option<f64> {
    let wanted = labels.iter().filter(|&&y| y).count();
    let (mut left, mut hits) = (wanted as f64, 0.0);
    for (anomalies, rows) in runs(scores, labels) {
        let taken = left.min(rows as f64);
        hits += taken * anomalies as f64 / rows as f64;
        left -= taken;
    }
    (wanted > 0).then(|| hits / wanted as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let (s, y) = ([0.1, 0.4, 0.35, 0.8], [false, false, true, true]);
        assert_eq!(roc_auc(&s, &y), Some(0.75));
        // scikit-learn: average_precision_score gives 0.8333…
        assert!((average_precision(&s, &y).unwrap() - 5.0 / 6.0).abs() < 1e-15);
        assert_eq!(f1_at_anomalies(&s, &y), Some(0.5));
        assert_eq!(roc_auc(&[1.0; 4], &y), Some(0.5));
        assert_eq!(average_precision(&[1.0; 4], &y), Some(0.5));
        assert_eq!(f1_at_anomalies(&[1.0; 4], &y), Some(0.5));
        assert_eq!(roc_auc(&[f64::NAN, -1.0, 1.0, f64::INFINITY], &y), Some(1.0));
        assert_eq!(roc_auc(&s, &[true; 4]), None);
        assert_eq!(average_precision(&s, &[false; 4]), None);
        assert_eq!(f1_at_anomalies(&[], &[]), None);
    }
}
