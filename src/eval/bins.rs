//! The scores of images in bins, for the intervals: in memory while they are few, then in a temporary file.
use super::bootstrap::{Intervals, Share, Unit, intervals};
use super::entries::{decode, encode};
use super::runs::key;
use super::scratch::Scratch;
use super::sweep::{Tally, WHOLE};
use crate::Result;
use crate::data::Map;
use std::path::{Path, PathBuf};

/// Bytes that are held in memory.
const HELD: usize = 1 << 20;
/// Bins of all images together beyond which there are no intervals: each costs time in every resample.
const MOST: usize = 1 << 24;
/// Shares that are read for one step of the resampling.
const BLOCK: usize = 1 << 14;

/// Takes the maps of images one by one, their scores rounded to eight bits of mantissa.
pub(super) struct Bins {
    folder: PathBuf,
    /// One bin for each of the upper halves of keys.
    bins: Vec<Bin>,
    /// Whether any image has anything in a bin.
    used: Vec<bool>,
    held: Vec<u8>,
    file: Option<Scratch>,
    /// Of each image the bytes that it takes, and its regions.
    images: Vec<(u32, u64)>,
    shares: usize,
}

#[derive(Clone, Copy, Default)]
struct Bin {
    positives: u32,
    negatives: u32,
    /// See [`Tally::overlap`], as a plain number.
    overlap: f64,
}

impl Bins {
    /// None yet; the file will lie in `folder`.
    pub fn new(folder: &Path) -> Self {
        let (bins, used) = (vec![Bin::default(); 1 << 16], vec![false; 1 << 16]);
        Bins { folder: folder.to_owned(), bins, used, held: vec![], file: None, images: vec![], shares: 0 }
    }

    /// Takes an image: its map, and for each pixel the number of its region, 0 for none, of regions of these sizes.
    /// # Errors
    /// [`crate::Error::Io`] when the temporary file cannot be written.
    pub fn add(&mut self, map: &Map, labels: &[u32], sizes: &[u64]) -> Result<()> {
        if self.shares > MOST {
            return Ok(());
        }
        for (&value, &label) in map.data.iter().zip(labels) {
            let bin = &mut self.bins[(key(value) >> 16) as usize];
            match label {
                0 => bin.negatives += 1,
                n => {
                    bin.positives += 1;
                    bin.overlap += 1.0 / sizes[n as usize - 1] as f64;
                }
            }
        }
        let (used, shares) = (&mut self.used, &mut self.shares);
        let occupied = self.bins.iter_mut().enumerate().rev().filter(|(_, b)| b.negatives + b.positives > 0);
        let bytes = encode(occupied.map(|(rank, bin)| {
            let Bin { positives, negatives, overlap } = std::mem::take(bin);
            used[rank] = true;
            *shares += 1;
            let overlap = (overlap * WHOLE as f64) as u128;
            (rank as u32, Tally { positives: positives.into(), negatives: negatives.into(), overlap })
        }));
        self.images.push((bytes.len() as u32, sizes.len() as u64));
        self.held.extend(bytes);
        if self.shares > MOST {
            (self.images, self.held, self.file) = (Vec::new(), Vec::new(), None);
        }
        if self.held.len() >= HELD { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(Scratch::new(&self.folder)?),
        };
        file.append(&self.held)?;
        self.held.clear();
        Ok(())
    }

    /// The intervals; none when the images were too many for that.
    /// # Errors
    /// [`crate::Error::Io`] when the temporary file cannot be read.
    pub fn intervals(mut self) -> Result<Option<Intervals>> {
        if self.shares > MOST {
            return Ok(None);
        }
        if self.file.is_some() {
            self.spill()?;
        }
        // Bins renumbered without gaps.
        let mut ranks = 0;
        let ranked = |&used: &bool| {
            ranks += u32::from(used);
            ranks.saturating_sub(1)
        };
        let rank: Vec<u32> = self.used.iter().map(ranked).collect();
        let Bins { held, mut file, images, .. } = self;
        let walk = |each: &mut dyn FnMut(&[Unit])| {
            let (mut at, mut shares, mut ends) = (0, Vec::with_capacity(BLOCK), Vec::new());
            let mut read = Vec::new();
            for (i, &(bytes, regions)) in images.iter().enumerate() {
                let bytes = bytes as usize;
                let image = match &mut file {
                    Some(file) => {
                        read.resize(bytes, 0);
                        file.read(at as u64, &mut read)?;
                        &read[..]
                    }
                    None => &held[at..at + bytes],
                };
                at += bytes;
                let (mut place, mut key) = (0, u32::MAX);
                while place < bytes {
                    let tally;
                    (key, tally) = decode(image, &mut place, key);
                    shares.push(Share { rank: rank[key as usize & 0xffff], tally });
                }
                ends.push((shares.len(), regions));
                if shares.len() >= BLOCK || i + 1 == images.len() {
                    let mut start = 0;
                    let units = ends.iter().map(|&(end, regions)| {
                        let unit = Unit { shares: &shares[start..end], regions };
                        start = end;
                        unit
                    });
                    each(&units.collect::<Vec<_>>());
                    shares.clear();
                    ends.clear();
                }
            }
            Ok(())
        };
        intervals(images.len(), ranks as usize, walk).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_do_not_depend_on_where_the_bins_lie() {
        let folder = tempfile::tempdir().unwrap();
        let of = |spill: bool| {
            let mut bins = Bins::new(folder.path());
            for i in 0..40u32 {
                let data: Vec<f32> = (0..1200).map(|p| ((p * 37 + i * 11) % 997) as f32 / 997.0).collect();
                let labels: Vec<u32> = data.iter().map(|&v| u32::from(v > 0.6 && i % 3 > 0)).collect();
                let size = labels.iter().filter(|&&l| l > 0).count() as u64;
                let sizes = if size > 0 { vec![size] } else { vec![] };
                bins.add(&Map::new(40, 30, data).unwrap(), &labels, &sizes).unwrap();
                if spill && i % 7 == 0 {
                    bins.spill().unwrap();
                }
            }
            assert!(bins.shares > BLOCK, "{}", bins.shares);
            let files = std::fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(files, usize::from(spill));
            bins.intervals().unwrap().unwrap()
        };
        let (held, spilled) = (of(false), of(true));
        assert_eq!(held, spilled);
        assert!(held[0].is_some_and(|[low, high]| 0.0 < low && low < high && high < 1.0), "{held:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
