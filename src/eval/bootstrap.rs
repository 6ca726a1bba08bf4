//! Confidence intervals by resampling images.
use super::sweep::{Measures, Sweep, Tally};
use rayon::prelude::*;

/// Resamples behind an interval.
pub const RESAMPLES: u64 = 1000;
/// What chooses them.
const SEED: u64 = 0x5eed;

/// The 2.5th and the 97.5th percentile of each of [`Measures::values`]; `None` where a metric has none.
pub type Intervals = [Option<[f64; 2]>; Measures::NAMES.len()];

/// What an image holds at one score (or in one bin of scores), and how many regions begin in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// Higher is more anomalous; an index into the distinct scores.
    pub rank: u32,
    pub positives: u32,
    pub negatives: u32,
    /// See [`Tally::overlap`], as a plain number.
    pub overlap: f64,
}

/// One image of the resampling: its shares and its regions.
pub(super) struct Unit<'a> {
    pub shares: &'a [Share],
    pub regions: u64,
}

/// Percentile intervals from [`RESAMPLES`] resamples of the units with replacement, not stratified, chosen by a fixed
/// seed; a resample without a positive or without a negative counts for nothing. `ranks` is one more than the highest.
pub(super) fn intervals(units: &[Unit], ranks: usize) -> Intervals {
    let all: Vec<[Option<f64>; 6]> = (0..RESAMPLES)
        .into_par_iter()
        .filter_map(|resample| {
            let mut draw = Draw(SEED.wrapping_add(resample.wrapping_mul(0xd134_2543_de82_ef95)));
            let mut tallies = vec![Tally::default(); ranks];
            let (mut total, mut regions) = (Tally::default(), 0);
            for _ in 0..units.len() {
                let unit = &units[draw.below(units.len())];
                regions += unit.regions;
                for share in unit.shares {
                    let overlap = (share.overlap * super::sweep::WHOLE as f64) as u128;
                    let tally = Tally { positives: share.positives.into(), negatives: share.negatives.into(), overlap };
                    tallies[share.rank as usize].add(&tally);
                    total.add(&tally);
                }
            }
            let mut sweep = Sweep::new(total.positives, total.negatives, regions, false);
            let occupied = tallies.iter().rev().filter(|t| t.positives + t.negatives > 0);
            occupied.for_each(|tally| sweep.push(0.0, tally));
            sweep.finish().map(|m| m.values())
        })
        .collect();
    std::array::from_fn(|metric| {
        let mut values: Vec<f64> = all.iter().filter_map(|v| v[metric]).collect();
        values.sort_unstable_by(f64::total_cmp);
        (!values.is_empty()).then(|| [percentile(&values, 0.025), percentile(&values, 0.975)])
    })
}

/// NumPy's linear percentile of sorted values, at least one.
fn percentile(sorted: &[f64], fraction: f64) -> f64 {
    let at = fraction * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at as usize], sorted[(at as usize + 1).min(sorted.len() - 1)]);
    low + (high - low) * at.fract()
}

/// SplitMix64 (Steele et al. 2014).
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * n as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_even_and_percentiles_numpys() {
        let mut draw = Draw(1);
        let mut counts = [0; 7];
        (0..70_000).for_each(|_| counts[draw.below(7)] += 1);
        assert!(counts.iter().all(|c| (9_500..10_500).contains(c)), "{counts:?}");
        assert_eq!(percentile(&[1.0, 2.0, 4.0, 8.0], 0.5), 3.0);
        assert_eq!(percentile(&[1.0], 0.975), 1.0);
    }
}
