//! Pixel metrics of a stream of maps: exact, in bounded memory.
use super::bins::Bins;
use super::bootstrap::Intervals;
use super::regions::regions;
use super::runs::{Runs, key, score};
use super::sweep::{Measures, Sweep, Tally, WHOLE};
use crate::data::{Map, Mask};
use crate::{Error, Result};
use rayon::prelude::*;
use std::path::Path;

/// The name of the images without a defect.
pub const GOOD: &str = "good";
/// Pixels that are held in memory, at four bytes each and as much again while they are sorted and written. A defective
/// pixel takes the room of [`DEFECTIVE`].
pub const HELD: usize = 1 << 18;
/// A score with its weight, in scores without.
pub const DEFECTIVE: usize = 8;

/// Takes maps and masks one by one and knows, at the end, the metrics over the pixels of all images and of each defect.
///
/// Scores are f32, so ties are exact and a distinct score is an integer. They are held until there are [`HELD`], then
/// sorted, counted and written to a temporary file, three to five bytes a distinct score; at the end all runs are merged
/// from the highest score down, straight into the metrics. Every sum on the way is one of integers, so the result does
/// not depend on where the runs end. The intervals' bins go to a temporary file as well, so that memory does not depend on the
/// number of images.
pub struct Pixels {
    held: usize,
    limit: usize,
    groups: Vec<Group>,
    runs: Runs,
    bins: Bins,
}

/// The images of one defect, or those without.
struct Group {
    name: String,
    negatives: Vec<u32>,
    positives: Vec<(u32, u128)>,
    total: Tally,
    regions: u64,
}

/// What the pixels tell.
pub struct PixelMeasures {
    /// Over all images with a mask; `None` without a defective or without a normal pixel.
    pub all: Option<Measures>,
    /// From resampled images, their scores rounded to eight bits of mantissa: the bins in which they are kept. `None`
    /// when the images were too many for that.
    pub intervals: Option<Intervals>,
    /// By defect, over its images and those without a defect, in order of name.
    pub defects: Vec<(String, Option<Measures>)>,
    /// Pixels with a known truth: defective and normal ones.
    pub total: Tally,
    /// Connected regions of defective pixels.
    pub regions: u64,
}

impl Pixels {
    /// Nothing yet. Temporary files, should they be needed, lie in `folder`; `limit` pixels are held in memory, such
    /// as [`HELD`].
    pub fn new(folder: &Path, limit: usize) -> Self {
        Pixels { held: 0, limit, groups: vec![], runs: Runs::new(folder), bins: Bins::new(folder) }
    }

    /// Takes one image. `defect` is the name of what is wrong with it, [`GOOD`] if nothing is.
    /// # Errors
    /// [`Error::Invalid`] when map and mask differ in size or a score is not finite; [`Error::Io`] when the temporary
    /// file cannot be written.
    pub fn add(&mut self, defect: &str, map: &Map, mask: &Mask) -> Result<()> {
        if (map.width, map.height) != (mask.width, mask.height) || map.data.iter().any(|v| !v.is_finite()) {
            return Err(Error::Invalid(format!(
                "a map of {}x{} finite values is needed, as the mask is; this one is {}x{}",
                mask.width, mask.height, map.width, map.height
            )));
        }
        let (labels, sizes) = regions(&mask.data, mask.width);
        let weights: Vec<u128> = sizes.iter().map(|&size| (WHOLE + u128::from(size) / 2) / u128::from(size)).collect();
        let group = self.group(defect);
        for (&value, &label) in map.data.iter().zip(&labels) {
            match label {
                0 => group.negatives.push(key(value)),
                n => group.positives.push((key(value), weights[n as usize - 1])),
            }
        }
        let defective: u64 = sizes.iter().sum();
        group.total.positives += defective;
        group.total.negatives += labels.len() as u64 - defective;
        group.regions += sizes.len() as u64;
        self.bins.add(map, &labels, &sizes)?;
        self.held += labels.len() + (DEFECTIVE - 1) * defective as usize;
        if self.held >= self.limit { self.spill() } else { Ok(()) }
    }

    fn group(&mut self, name: &str) -> &mut Group {
        let at = self.groups.iter().position(|g| g.name == name).unwrap_or_else(|| {
            let (negatives, positives) = (Vec::new(), Vec::new());
            self.groups.push(Group { name: name.into(), negatives, positives, total: Tally::default(), regions: 0 });
            self.groups.len() - 1
        });
        &mut self.groups[at]
    }

    fn spill(&mut self) -> Result<()> {
        self.held = 0;
        for (i, group) in self.groups.iter_mut().enumerate() {
            group.sort();
            self.runs.spill(i, group.entries())?;
            group.negatives.clear();
            group.positives.clear();
        }
        Ok(())
    }

    /// The metrics.
    /// # Errors
    /// [`Error::Io`] when the temporary file cannot be read.
    pub fn finish(mut self) -> Result<PixelMeasures> {
        for (i, mut group) in std::mem::take(&mut self.groups).into_iter().enumerate() {
            group.sort();
            self.runs.keep(i, group.entries());
            (group.negatives, group.positives) = (Vec::new(), Vec::new());
            self.groups.push(group);
        }
        let good = self.groups.iter().position(|g| g.name == GOOD);
        let of = |parts: &mut dyn Iterator<Item = &Group>, curve: bool| {
            let (mut total, mut regions) = (Tally::default(), 0);
            parts.for_each(|g| {
                total.add(&g.total);
                regions += g.regions;
            });
            (total, regions, Sweep::new(total.positives, total.negatives, regions, curve))
        };
        let (total, regions, mut all) = of(&mut self.groups.iter(), true);
        let mut defects: Vec<(usize, Sweep)> = (0..self.groups.len())
            .filter(|&i| Some(i) != good)
            .map(|i| (i, of(&mut [Some(i), good].into_iter().flatten().map(|g| &self.groups[g]), false).2))
            .collect();
        self.runs.merge(|key, groups| {
            let sum = |wanted: &dyn Fn(usize) -> bool| {
                let mut sum = Tally::default();
                groups.iter().filter(|g| wanted(g.0)).for_each(|g| sum.add(&g.1));
                sum
            };
            let value = f64::from(score(key));
            all.push(value, &sum(&|_| true));
            for (own, sweep) in &mut defects {
                let tally = sum(&|g| g == *own || Some(g) == good);
                if tally != Tally::default() {
                    sweep.push(value, &tally);
                }
            }
        })?;
        let name = |i: usize| self.groups[i].name.clone();
        let mut defects: Vec<_> =
            defects.into_iter().map(|(i, sweep)| (name(i), sweep.finish().map(Measures::of_maps))).collect();
        defects.sort_by(|a, b| a.0.cmp(&b.0));
        let intervals = self.bins.intervals()?;
        Ok(PixelMeasures { all: all.finish().map(Measures::of_maps), intervals, defects, total, regions })
    }
}

impl Group {
    fn sort(&mut self) {
        self.negatives.par_sort_unstable_by(|a, b| b.cmp(a));
        self.positives.par_sort_unstable_by(|a, b| b.0.cmp(&a.0));
    }

    /// The sorted scores counted, highest first.
    fn entries(&self) -> impl Iterator<Item = (u32, Tally)> {
        let (mut negatives, mut positives) = (&self.negatives[..], &self.positives[..]);
        std::iter::from_fn(move || {
            let key = negatives.first().copied().into_iter().chain(positives.first().map(|p| p.0)).max()?;
            let same = negatives.iter().take_while(|&&k| k == key).count();
            let own = positives.iter().take_while(|p| p.0 == key).count();
            let overlap = positives[..own].iter().map(|p| p.1).sum();
            (negatives, positives) = (&negatives[same..], &positives[own..]);
            Some((key, Tally { positives: own as u64, negatives: same as u64, overlap }))
        })
    }
}
