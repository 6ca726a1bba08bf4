//! Every metric of a ranking in one pass from the highest score to the lowest, in memory that does not grow.
use super::curve::Curve;

/// The false-positive rate up to which the per-region overlap is integrated.
pub const PRO_LIMIT: f64 = 0.3;
/// One in the fixed-point numbers of [`Tally::overlap`].
pub(super) const WHOLE: u128 = 1 << 80;

/// What shares one score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Anomalous images or defective pixels.
    pub positives: u64,
    /// Normal ones.
    pub negatives: u64,
    /// Over the defective pixels, the sum of one divided by the size of the pixel's region, in units of 2^-80: integers,
    /// so that the sum does not depend on the order. Zero for images.
    pub overlap: u128,
}

impl Tally {
    /// Adds another tally.
    pub fn add(&mut self, other: &Tally) {
        self.positives += other.positives;
        self.negatives += other.negatives;
        self.overlap += other.overlap;
    }
    /// As much of it so many times.
    pub(super) fn times(&self, times: u32) -> Tally {
        let (few, many) = (u64::from(times), u128::from(times));
        Tally { positives: self.positives * few, negatives: self.negatives * few, overlap: self.overlap * many }
    }
}

/// How well scores tell positives from negatives; all from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    /// Area under the ROC curve: the share of pairs in the right order, ties counting half.
    pub auroc: f64,
    /// Average precision, scikit-learn's: the sum over thresholds of the gain in recall times the precision there.
    pub auprc: f64,
    /// The greatest F1 over all thresholds, which for pixels is the best Dice.
    pub f1: f64,
    /// The greatest intersection over union, at the same threshold.
    pub iou: f64,
    /// The number right below the lowest score that is found at that F1, so that what is above it counts as found, as
    /// everywhere. Of several thresholds with that F1 it is the highest.
    pub threshold: f64,
    /// The false-positive rate at the highest threshold whose true-positive rate is 0.95 or more.
    pub fpr_at_95_tpr: f64,
    /// The area under the mean overlap of regions against the false-positive rate up to [`PRO_LIMIT`], divided by that
    /// limit; for pixels alone, and if there is a region.
    pub pro: Option<f64>,
    /// ROC and precision-recall curve, for those who asked for them.
    pub curve: Curve,
}

impl Measures {
    /// The names of [`Measures::values`].
    pub const NAMES: [&'static str; 6] = ["auroc", "auprc", "f1", "iou", "fpr_at_95_tpr", "pro"];

    /// The metrics in the order of [`Measures::NAMES`].
    pub fn values(&self) -> [Option<f64>; 6] {
        [Some(self.auroc), Some(self.auprc), Some(self.f1), Some(self.iou), Some(self.fpr_at_95_tpr), self.pro]
    }
    /// The same of values of maps, which are cut at 32-bit numbers: the threshold is the next lower one of those.
    pub(super) fn of_maps(self) -> Self {
        let lowest = self.threshold.next_up() as f32;
        Measures { threshold: lowest.next_down().into(), ..self }
    }
}

/// The pass. The totals must be known beforehand; [`Sweep::push`] is then called once a distinct score, highest first.
///
/// Counts are integers and AUROC is a sum of integers; the other sums are compensated, so that ten thousand images of a
/// million pixels lose nothing. PRO is that of the MVTec evaluation code (Bergmann et al. 2021): the curve goes from
/// (0, 0) through every threshold, trapezoids between, and is interpolated linearly at the limit.
#[derive(Clone, Debug)]
pub struct Sweep {
    totals: Tally,
    regions: u64,
    seen: Tally,
    /// Twice the number of pairs in the right order.
    pairs: u128,
    precision: Sum,
    best: (f64, f64),
    fpr_at_95_tpr: Option<f64>,
    pro: Sum,
    corner: (f64, f64),
    curve: Option<Curve>,
}

impl Sweep {
    /// For so many positives and negatives in all, and so many regions (0 for images). `curve` keeps the curves, thinned
    /// to what a drawing shows.
    pub fn new(positives: u64, negatives: u64, regions: u64, curve: bool) -> Self {
        Sweep {
            totals: Tally { positives, negatives, overlap: 0 },
            regions,
            seen: Tally::default(),
            pairs: 0,
            precision: Sum::default(),
            best: (-1.0, 0.0),
            fpr_at_95_tpr: None,
            pro: Sum::default(),
            corner: (0.0, 0.0),
            curve: curve.then(Curve::default),
        }
    }

    /// Lowers the threshold to `score`, which all of `tally` has.
    pub fn push(&mut self, score: f64, tally: &Tally) {
        let before = self.seen.positives;
        self.seen.add(tally);
        let (tp, fp, all) = (self.seen.positives, self.seen.negatives, self.totals.positives);
        self.pairs += u128::from(tally.negatives) * (u128::from(before) + u128::from(tp));
        if tally.positives > 0 {
            let gain = tally.positives as f64 / all as f64;
            self.precision.add(gain * (tp as f64 / (tp + fp) as f64));
        }
        let f1 = 2.0 * tp as f64 / (tp + fp + all) as f64;
        if f1 > self.best.0 {
            self.best = (f1, score);
        }
        let (tpr, fpr) = (tp as f64 / all as f64, fp as f64 / self.totals.negatives as f64);
        if self.fpr_at_95_tpr.is_none() && 20 * u128::from(tp) >= 19 * u128::from(all) {
            self.fpr_at_95_tpr = Some(fpr);
        }
        if self.regions > 0 {
            self.integrate(fpr);
        }
        if let Some(curve) = &mut self.curve {
            let last = self.seen.positives == self.totals.positives && self.seen.negatives == self.totals.negatives;
            curve.push(fpr, tpr, tp as f64 / (tp + fp) as f64, last);
        }
    }

    /// The trapezoid from the last corner of the overlap's curve to this one, or to the limit.
    fn integrate(&mut self, fpr: f64) {
        let (x0, y0) = self.corner;
        let y = self.seen.overlap as f64 / WHOLE as f64 / self.regions as f64;
        if fpr <= PRO_LIMIT {
            self.pro.add((fpr - x0) * (y0 + y) / 2.0);
        } else if x0 < PRO_LIMIT {
            let at_limit = y0 + (y - y0) * (PRO_LIMIT - x0) / (fpr - x0);
            self.pro.add((PRO_LIMIT - x0) * (y0 + at_limit) / 2.0);
        }
        self.corner = (fpr, y);
    }

    /// The metrics, once everything was pushed; `None` without a positive or without a negative.
    pub fn finish(self) -> Option<Measures> {
        let Tally { positives, negatives, .. } = self.totals;
        if positives == 0 || negatives == 0 {
            return None;
        }
        let f1 = self.best.0;
        Some(Measures {
            auroc: self.pairs as f64 / (2 * u128::from(positives) * u128::from(negatives)) as f64,
            auprc: self.precision.total(),
            f1,
            iou: f1 / (2.0 - f1),
            threshold: self.best.1.next_down(),
            fpr_at_95_tpr: self.fpr_at_95_tpr.unwrap_or(1.0),
            pro: (self.regions > 0).then(|| self.pro.total() / PRO_LIMIT),
            curve: self.curve.unwrap_or_default(),
        })
    }
}

/// Neumaier's compensated sum.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        let next = self.sum + value;
        let lost = if self.sum.abs() >= value.abs() { self.sum - next + value } else { value - next + self.sum };
        (self.sum, self.lost) = (next, self.lost + lost);
    }
    fn total(self) -> f64 {
        self.sum + self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_keep_what_plain_addition_drops() {
        let mut sum = Sum::default();
        sum.add(1e16);
        (0..1000).for_each(|_| sum.add(0.5));
        sum.add(-1e16);
        assert_eq!(sum.total(), 500.0);
    }

    #[test]
    fn one_sided_rankings_have_no_measures() {
        for (positives, negatives) in [(0, 3), (3, 0), (0, 0)] {
            let mut sweep = Sweep::new(positives, negatives, 0, true);
            sweep.push(0.5, &Tally { positives, negatives, overlap: 0 });
            assert!(sweep.finish().is_none());
        }
    }

    #[test]
    fn what_is_above_the_threshold_has_the_f1_that_is_reported() {
        let above = |scored: &[(f64, bool)], threshold: f64| {
            let found = scored.iter().filter(|s| s.0 > threshold);
            let (hits, all) = (found.clone().filter(|s| s.1).count(), found.count());
            2.0 * hits as f64 / (all + scored.iter().filter(|s| s.1).count()) as f64
        };
        for scored in [
            &[(0.1, false), (0.7, true), (0.7, true), (0.9, true)][..],
            &[(0.0, true), (-1.0, false), (-0.5, false)],
            &[(1e300, false), (-3.5, true), (2.0, false), (3.0, true)],
        ] {
            let m = crate::eval::measure(scored).unwrap();
            assert_eq!(above(scored, m.threshold), m.f1, "{scored:?}");
        }
        let cut = crate::eval::measure(&[(f64::from(0.1f32), true), (0.0, false)]).unwrap().of_maps().threshold;
        assert!(f64::from(cut as f32) == cut && 0.1f32 > cut as f32 && (cut as f32).next_up() == 0.1);
    }

    #[test]
    fn the_overlap_is_interpolated_at_the_limit() {
        // Corners (0.2, 0.5) and (0.6, 1): at 0.3 the overlap is 0.625.
        let mut sweep = Sweep::new(2, 10, 1, false);
        sweep.push(3.0, &Tally { positives: 1, negatives: 2, overlap: WHOLE / 2 });
        sweep.push(2.0, &Tally { positives: 1, negatives: 4, overlap: WHOLE / 2 });
        sweep.push(1.0, &Tally { positives: 0, negatives: 4, overlap: 0 });
        let want = (0.2 * 0.25 + 0.1 * (0.5 + 0.625) / 2.0) / 0.3;
        assert!((sweep.finish().unwrap().pro.unwrap() - want).abs() < 1e-15);
    }
}
