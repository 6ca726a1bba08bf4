//! Confidence intervals by resampling images.
use super::sweep::{Measures, Sweep, Tally};
use crate::Result;
use rayon::prelude::*;

/// Resamples behind an interval.
pub const RESAMPLES: u64 = 1000;
/// What chooses them.
const SEED: u64 = 0x5eed;

/// The 2.5th and the 97.5th percentile of each of [`Measures::values`]; `None` where a metric has none.
pub type Intervals = [Option<[f64; 2]>; Measures::NAMES.len()];

/// Bytes of the resamples that are computed together.
const TOGETHER: usize = 1 << 20;

/// What an image holds at one score (or in one bin of scores).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share {
    /// Higher is more anomalous; an index into the distinct scores.
    pub rank: u32,
    pub tally: Tally,
}

/// One image of the resampling: its shares and its regions.
pub(super) struct Unit<'a> {
    pub shares: &'a [Share],
    pub regions: u64,
}

/// A resample while the images go by.
struct Resample {
    /// How often it holds each unit.
    times: Vec<u32>,
    tallies: Vec<Tally>,
    total: Tally,
    regions: u64,
}

impl Resample {
    fn new(number: u64, units: usize, ranks: usize) -> Self {
        let mut draw = Draw(SEED.wrapping_add(number.wrapping_mul(0xd134_2543_de82_ef95)));
        let mut times = vec![0; units];
        (0..units).for_each(|_| times[draw.below(units)] += 1);
        Resample { times, tallies: vec![Tally::default(); ranks], total: Tally::default(), regions: 0 }
    }
    /// Takes the units from number `first` on.
    fn take(&mut self, first: usize, units: &[Unit]) {
        for (unit, &times) in units.iter().zip(&self.times[first..]).filter(|(_, times)| **times > 0) {
            self.regions += unit.regions * u64::from(times);
            for share in unit.shares {
                let tally = share.tally.times(times);
                self.tallies[share.rank as usize].add(&tally);
                self.total.add(&tally);
            }
        }
    }
    fn measures(self) -> Option<[Option<f64>; Measures::NAMES.len()]> {
        let mut sweep = Sweep::new(self.total.positives, self.total.negatives, self.regions, false);
        let occupied = self.tallies.iter().rev().filter(|t| t.positives + t.negatives > 0);
        occupied.for_each(|tally| sweep.push(0.0, tally));
        sweep.finish().map(|m| m.values())
    }
}

/// Percentile intervals from [`RESAMPLES`] resamples of so many units with replacement, not stratified, chosen by a fixed
/// seed; a resample without a positive or without a negative counts for nothing. `ranks` is one more than the highest.
/// `walk` goes through all units in their order, in blocks, each time that it is called: once for as many resamples as fit in
/// a MB, or as many as there are threads.
/// # Errors
/// What `walk` returns.
pub(super) fn intervals(
    units: usize,
    ranks: usize,
    mut walk: impl FnMut(&mut dyn FnMut(&[Unit])) -> Result<()>,
) -> Result<Intervals> {
    let one = units * std::mem::size_of::<u32>() + ranks * std::mem::size_of::<Tally>();
    let together = (TOGETHER / one.max(1)).clamp(rayon::current_num_threads(), RESAMPLES as usize);
    let mut all = Vec::with_capacity(RESAMPLES as usize);
    for first in (0..RESAMPLES).step_by(together) {
        let numbers = first..(first + together as u64).min(RESAMPLES);
        let mut some: Vec<Resample> = numbers.into_par_iter().map(|n| Resample::new(n, units, ranks)).collect();
        let mut gone = 0;
        walk(&mut |block| {
            some.par_iter_mut().for_each(|resample| resample.take(gone, block));
            gone += block.len();
        })?;
        all.extend(some.into_par_iter().filter_map(Resample::measures).collect::<Vec<_>>());
    }
    Ok(std::array::from_fn(|metric| {
        let mut values: Vec<f64> = all.iter().filter_map(|v| v[metric]).collect();
        values.sort_unstable_by(f64::total_cmp);
        (!values.is_empty()).then(|| [percentile(&values, 0.025), percentile(&values, 0.975)])
    }))
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
