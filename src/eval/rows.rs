//! Scores against labels, one of each for a row. Higher scores mean more anomalous; NaN has no place among them.

use super::{Measures, measure, ranked};

fn pairs(scores: &[f64], labels: &[bool]) -> Option<Vec<(f64, bool)>> {
    let ranked = scores.iter().all(|s| !s.is_nan());
    ranked.then(|| scores.iter().copied().zip(labels.iter().copied()).collect())
}

/// AUROC, average precision and the rest, as of images; none without both normal and anomalous rows, or with a score that is
/// NaN.
pub fn measures(scores: &[f64], labels: &[bool]) -> Option<Measures> {
    measure(&pairs(scores, labels)?)
}

/// F1 when as many rows are called anomalous as there are anomalies; precision and recall are then the same. Of rows that
/// tie at the border, as many are anomalies as in their whole run. None without anomalies, or with a score that is NaN.
pub fn f1_at_anomalies(scores: &[f64], labels: &[bool]) -> Option<f64> {
    let wanted = labels.iter().filter(|&&y| y).count();
    let (mut left, mut hits) = (wanted as f64, 0.0);
    let ranked = ranked(&pairs(scores, labels)?);
    for run in ranked.chunk_by(|a, b| a.0 == b.0) {
        let anomalies = run.iter().filter(|p| p.1).count();
        let taken = left.min(run.len() as f64);
        hits += taken * anomalies as f64 / run.len() as f64;
        left -= taken;
    }
    (wanted > 0).then(|| hits / wanted as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roc_auc(scores: &[f64], labels: &[bool]) -> Option<f64> {
        measures(scores, labels).map(|m| m.auroc)
    }
    fn average_precision(scores: &[f64], labels: &[bool]) -> Option<f64> {
        measures(scores, labels).map(|m| m.auprc)
    }

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
        assert_eq!(roc_auc(&[0.0, -1.0, 1.0, f64::INFINITY], &y), Some(1.0));
        assert_eq!(roc_auc(&[f64::NAN, -1.0, 1.0, f64::INFINITY], &y), None);
        assert_eq!(f1_at_anomalies(&[f64::NAN, -1.0, 1.0, 2.0], &y), None);
        assert_eq!(roc_auc(&s, &[true; 4]), None);
        assert_eq!(average_precision(&s, &[false; 4]), None);
        assert_eq!(f1_at_anomalies(&[], &[]), None);
    }
}
