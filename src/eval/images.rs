//! Image metrics: one score and one label an image.
use super::bootstrap::{Intervals, Share, Unit, intervals};
use super::sweep::{Measures, Sweep, Tally};

/// The metrics of scores and labels (true: anomalous), in any order; `None` without an anomalous or without a normal
/// one, or when a score is NaN. Equal scores are one threshold.
pub fn measure(scored: &[(f64, bool)]) -> Option<Measures> {
    if scored.iter().any(|s| s.0.is_nan()) {
        return None;
    }
    let positives = scored.iter().filter(|s| s.1).count();
    let mut sweep = Sweep::new(positives as u64, (scored.len() - positives) as u64, 0, true);
    for same in ranked(scored).chunk_by(|a, b| a.0 == b.0) {
        let positives = same.iter().filter(|s| s.1).count() as u64;
        sweep.push(same[0].0, &Tally { positives, negatives: same.len() as u64 - positives, overlap: 0 });
    }
    sweep.finish()
}

/// 95 % intervals of the metrics that [`measure`] gives, from resampled images. See [`super::RESAMPLES`].
pub fn measure_intervals(scored: &[(f64, bool)]) -> Intervals {
    let ranked = ranked(scored);
    let groups = ranked.chunk_by(|a, b| a.0 == b.0).count();
    let mut shares = Vec::with_capacity(ranked.len());
    for (i, same) in ranked.chunk_by(|a, b| a.0 == b.0).enumerate() {
        // The first group has the highest score and so the highest rank.
        let rank = (groups - 1 - i) as u32;
        let one = |s: &(f64, bool)| {
            let tally = Tally { positives: s.1.into(), negatives: (!s.1).into(), overlap: 0 };
            Share { rank, tally }
        };
        shares.extend(same.iter().map(one));
    }
    let units: Vec<Unit> = shares.chunks(1).map(|shares| Unit { shares, regions: 0 }).collect();
    let walked = intervals(units.len(), groups, |each| {
        each(&units);
        Ok(())
    });
    // What is in memory cannot fail to be read.
    walked.unwrap_or_default()
}

/// By falling score, so that equal scores lie together.
pub(crate) fn ranked(scored: &[(f64, bool)]) -> Vec<(f64, bool)> {
    let mut ranked = scored.to_vec();
    ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    ranked
}
