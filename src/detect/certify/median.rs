//! Certified bounds of the median score: Chiang et al., *Detection as regression: certified object detection with median smoothing*
//! (NeurIPS 2020).
use super::Smoothing;
use crate::eval::{normal_cdf, rank_above, rank_below};
use serde::Serialize;

/// Between these the median score of the smoothed detector stays under every perturbation up to a radius.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bounds {
    /// None when the draws are too few for a bound at this radius.
    pub lower: Option<f64>,
    /// None when the draws are too few for a bound at this radius.
    pub upper: Option<f64>,
}

impl Bounds {
    /// Of scores in rising order, at an l2 radius in units of the 0..1 image. The median of any image within the radius lies between
    /// the quantiles Φ(−r/σ) and Φ(r/σ) of the scores here; an order statistic bounds each of them with confidence 1 − `alpha`
    /// from outside.
    pub fn of(sorted: &[f64], radius: f64, by: &Smoothing, alpha: f64) -> Self {
        let (n, shift) = (sorted.len(), radius / by.sigma);
        Bounds {
            lower: rank_below(n, normal_cdf(-shift), alpha).map(|k| sorted[k - 1]),
            upper: rank_above(n, normal_cdf(shift), alpha).map(|k| sorted[k - 1]),
        }
    }
}

/// The median of scores in rising order, of an even number the mean of the two in the middle; NaN of none.
pub fn median(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    if n == 0 { f64::NAN } else { 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]) }
}

/// The AUROC that no perturbation of any image within the radius can lower: the share of pairs of an anomalous image and a normal one
/// whose order is certain, the lower bound of the one lying above the upper bound of the other. A missing bound and a tie count
/// as lost. None without an image of each kind.
pub fn certified_auroc(images: &[(Bounds, bool)]) -> Option<f64> {
    let uppers = images.iter().filter(|i| !i.1).map(|i| i.0.upper.unwrap_or(f64::INFINITY));
    let mut uppers: Vec<f64> = uppers.collect();
    uppers.sort_unstable_by(f64::total_cmp);
    let lowers: Vec<f64> = images.iter().filter(|i| i.1).map(|i| i.0.lower.unwrap_or(f64::NEG_INFINITY)).collect();
    let pairs = uppers.len() * lowers.len();
    let won: usize = lowers.iter().map(|l| uppers.partition_point(|u| u < l)).sum();
    (pairs > 0).then(|| won as f64 / pairs as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::noise::standard_normals;

    fn sorted(seed: u64, n: usize, own: f64, spread: f64) -> Vec<f64> {
        let mut scores: Vec<f64> = standard_normals(seed, 0, 0, n).iter().map(|z| own + spread * z).collect();
        scores.sort_unstable_by(f64::total_cmp);
        scores
    }

    #[test]
    fn bounds_of_a_linear_score_hold_its_true_range_and_come_near() {
        // ‖w‖ = 2: within 0.1 the score moves by 0.2 at most.
        let by = Smoothing { sigma: 0.25, first: 1, draws: 50_000, alpha: 0.001 };
        let scores = sorted(1, by.draws, 1.0, 2.0 * by.sigma);
        assert!((median(&scores) - 1.0).abs() < 0.01);
        for radius in [0.0, 0.1, 0.3] {
            let Bounds { lower: Some(lower), upper: Some(upper) } = Bounds::of(&scores, radius, &by, by.alpha) else {
                panic!("{radius}");
            };
            let (low, high) = (1.0 - 2.0 * radius, 1.0 + 2.0 * radius);
            assert!(lower <= low && lower > low - 0.03, "{radius}: {lower}");
            assert!(upper >= high && upper < high + 0.03, "{radius}: {upper}");
        }
        let beyond = Bounds::of(&scores, by.reach(by.alpha) * 1.001, &by, by.alpha);
        assert_eq!(beyond, Bounds { lower: None, upper: None });
        assert!(Bounds::of(&scores, by.reach(by.alpha) * 0.999, &by, by.alpha).upper.is_some());
    }

    #[test]
    fn bounds_are_wrong_as_seldom_as_promised() {
        let by = Smoothing { sigma: 0.25, first: 1, draws: 60, alpha: 0.05 };
        let (trials, radius) = (4000, 0.2);
        let mut wrong = [0usize; 2];
        for t in 0..trials {
            let b = Bounds::of(&sorted(t, by.draws, 0.0, by.sigma), radius, &by, by.alpha);
            wrong[0] += usize::from(b.lower.unwrap() > -radius);
            wrong[1] += usize::from(b.upper.unwrap() < radius);
        }
        let most = (0.05 + 3.0 * (0.05 * 0.95 / trials as f64).sqrt()) * trials as f64;
        assert!(wrong.iter().all(|w| (*w as f64) < most && *w > 0), "{wrong:?}");
    }

    #[test]
    fn the_certified_auroc_counts_certain_pairs_alone() {
        let b = |lower: f64, upper: f64| Bounds { lower: Some(lower), upper: Some(upper) };
        let images = [(b(0.0, 0.2), false), (b(0.1, 0.5), false), (b(0.3, 0.6), true), (b(0.5, 0.9), true)];
        // 0.3 and 0.5 above 0.2; 0.5 is no more than 0.5.
        assert_eq!(certified_auroc(&images), Some(0.5));
        let unbounded = [(Bounds { lower: None, upper: None }, false), (b(5.0, 6.0), true)];
        assert_eq!(certified_auroc(&unbounded), Some(0.0));
        assert_eq!(certified_auroc(&images[..2]), None);
        assert!((median(&[1.0, 2.0, 4.0]) - 2.0).abs() + (median(&[1.0, 2.0]) - 1.5).abs() < 1e-15);
        assert!(median(&[]).is_nan());
    }
}
