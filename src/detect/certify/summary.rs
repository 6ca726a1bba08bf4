//! From draws to records, and to what holds over all images.
use super::{Bounds, Decision, Draws, Smoothing, certified_auroc, median};
use crate::eval::robust::{AtRadius, BoundRecord, CertificateRecord, Certified, Subject};

/// The record of an image: its verdict by a threshold, where there is one, and its bounds at the radii.
pub fn record(
    subject: Subject,
    draws: &Draws,
    threshold: Option<f64>,
    radii: &[f64],
    by: &Smoothing,
    seconds: f64,
) -> CertificateRecord {
    let sorted = sorted(draws);
    let bound = |&radius: &f64| {
        let Bounds { lower, upper } = Bounds::of(&sorted, radius, by, by.alpha);
        BoundRecord { radius, lower, upper }
    };
    let verdict = threshold.map(|t| {
        let Decision { anomalous, radius, votes } = Decision::of(draws, t, by);
        Certified { anomalous, radius, votes }
    });
    CertificateRecord { subject, median: median(&sorted), verdict, bounds: radii.iter().map(bound).collect(), seconds }
}

/// What the bounds of all images come to at a radius; each image with whether it is anomalous, none without labels. That all bounds
/// hold together with confidence 1 − alpha takes one of 1 − alpha/N for each of N images (Bonferroni).
pub fn at_radius(images: &[(&Draws, Option<bool>)], radius: f64, by: &Smoothing) -> AtRadius {
    let sorted: Vec<(Vec<f64>, Option<bool>)> = images.iter().map(|(d, label)| (sorted(d), *label)).collect();
    let bounds = |alpha: f64| -> Vec<(Bounds, Option<bool>)> {
        sorted.iter().map(|(s, label)| (Bounds::of(s, radius, by, alpha), *label)).collect()
    };
    let auroc = |bounds: &[(Bounds, Option<bool>)]| {
        let labelled: Option<Vec<(Bounds, bool)>> = bounds.iter().map(|(b, label)| Some((*b, (*label)?))).collect();
        labelled.and_then(|l| certified_auroc(&l))
    };
    let (alone, together) = (bounds(by.alpha), bounds(by.alpha / images.len().max(1) as f64));
    let lacks = |(b, label): &&(Bounds, Option<bool>)| match label {
        Some(true) => b.lower.is_none(),
        Some(false) => b.upper.is_none(),
        None => b.lower.is_none() || b.upper.is_none(),
    };
    AtRadius {
        radius,
        auroc: auroc(&alone),
        unbounded: alone.iter().filter(lacks).count(),
        auroc_together: auroc(&together),
        unbounded_together: together.iter().filter(lacks).count(),
        certified: None,
        found: None,
        passed: None,
    }
}

fn sorted(draws: &Draws) -> Vec<f64> {
    let mut all = draws.scores.clone();
    all.sort_unstable_by(f64::total_cmp);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::noise::standard_normals;

    /// Draws of a linear score of slope 1 at an image of score `own`.
    fn draws(seed: u64, own: f64, by: &Smoothing) -> Draws {
        let of = |draw: u32, n: usize| standard_normals(seed, draw, 0, n).iter().map(|z| own + by.sigma * z).collect();
        Draws { first: of(0, by.first), scores: of(1, by.draws) }
    }

    #[test]
    fn the_certified_auroc_falls_with_the_radius_as_the_known_scores_say() {
        let by = Smoothing { sigma: 0.25, first: 50, draws: 2000, alpha: 0.001 };
        // Normal images at 0 and anomalous ones at 0.5: at a radius of 0.25 they meet.
        let all: Vec<Draws> = (0..20).map(|i| draws(i, if i < 10 { 0.0 } else { 0.5 }, &by)).collect();
        let images: Vec<(&Draws, Option<bool>)> = all.iter().enumerate().map(|(i, d)| (d, Some(i >= 10))).collect();
        let at = |radius: f64| at_radius(&images, radius, &by);
        assert_eq!((at(0.1).auroc, at(0.1).auroc_together), (Some(1.0), Some(1.0)));
        assert_eq!((at(0.25).auroc, at(0.25).unbounded), (Some(0.0), 0));
        let (near, together) = (at(0.22).auroc.unwrap(), at(0.22).auroc_together.unwrap());
        assert!(together <= near, "{near} {together}");
        let beyond = at(1.0);
        assert_eq!((beyond.auroc, beyond.unbounded), (Some(0.0), 20));
        // Between the two reaches the draws are enough for each image, and too few for all of them together.
        let between = at(0.5 * (by.reach(by.alpha) + by.reach(by.alpha / 20.0)));
        assert_eq!((between.unbounded, between.unbounded_together), (0, 20));
        let unlabelled: Vec<(&Draws, Option<bool>)> = all.iter().map(|d| (d, None)).collect();
        assert_eq!(at_radius(&unlabelled, 0.1, &by).auroc, None);
    }

    #[test]
    fn a_record_has_verdict_median_and_bounds() {
        let by = Smoothing { sigma: 0.25, first: 50, draws: 2000, alpha: 0.001 };
        let subject = || Subject {
            path: "x.png".into(),
            name: "x".into(),
            folder: "x".into(),
            defect: None,
            input_sha256: "00".into(),
            warnings: Vec::new(),
        };
        let r = record(subject(), &draws(3, 0.5, &by), Some(0.2), &[0.0, 0.1], &by, 2.0);
        let verdict = r.verdict.unwrap();
        assert!(verdict.anomalous == Some(true) && verdict.radius > 0.2 && verdict.radius < 0.3, "{verdict:?}");
        assert!((r.median - 0.5).abs() < 0.03 && r.seconds == 2.0);
        assert_eq!(r.bounds.iter().map(|b| b.radius).collect::<Vec<_>>(), [0.0, 0.1]);
        assert!(r.bounds[1].lower < r.bounds[0].lower && r.bounds[1].upper > r.bounds[0].upper);
        assert!(record(subject(), &draws(3, 0.5, &by), None, &[], &by, 2.0).verdict.is_none());
    }
}
