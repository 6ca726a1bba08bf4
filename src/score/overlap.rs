//! How well a map above a threshold covers a mask, and a map's mean inside one.
use super::Voxels;
use crate::{Error, Result};

/// Counts of voxels, added up volume by volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overlap {
    /// Voxels above the threshold.
    pub found: u64,
    /// Voxels in the truth.
    pub truth: u64,
    /// Voxels in both.
    pub both: u64,
}

impl Overlap {
    /// Counts a map's values *above* the threshold, as pDDPM's public code does (at the threshold is not above it),
    /// against the truth.
    /// # Errors
    /// [`Error::Invalid`] when the two differ in length.
    pub fn add(&mut self, map: &[f32], truth: &[bool], threshold: f64) -> Result<()> {
        if map.len() != truth.len() {
            let text = format!("a map of {} and a truth of {} voxels do not fit", map.len(), truth.len());
            return Err(Error::Invalid(text));
        }
        for (&value, &truth) in map.iter().zip(truth) {
            let found = f64::from(value) > threshold;
            self.found += u64::from(found);
            self.truth += u64::from(truth);
            self.both += u64::from(found && truth);
        }
        Ok(())
    }

    /// Dice: twice the overlap over the sum of both, from 0 to 1. Zero when nothing was found and nothing is there.
    pub fn dice(&self) -> f64 {
        2.0 * self.both as f64 / (self.found + self.truth).max(1) as f64
    }
}

/// The mean of a post-processed map inside the mask, un-eroded: the score of a volume in pDDPM's public code. The sum is
/// in f64. `None` for an empty mask.
/// # Errors
/// [`Error::Invalid`] when the two differ in their axes.
pub fn foreground_mean(map: &Voxels<f32>, mask: &Voxels<bool>) -> Result<Option<f64>> {
    map.check_same(mask)?;
    let inside = map.data().iter().zip(mask.data()).filter(|(_, inside)| **inside);
    let (sum, count) = inside.fold((0.0, 0u64), |(sum, count), (&value, _)| (sum + f64::from(value), count + 1));
    Ok((count > 0).then(|| sum / count as f64))
}
