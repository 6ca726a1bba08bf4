//! Sorted runs of tallied scores, in memory or in one temporary file, and their merge.
use super::sweep::Tally;
use crate::data::temporary;
use crate::{Error, Result};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Memory of the merge, shared by the runs on disk.
const MERGE_BYTES: usize = 64 << 20;
/// More than any entry takes.
const ENTRY: usize = 64;

/// A finite score as an integer of the same order; both zeros are one.
pub(super) fn key(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

/// The score of a [`key`].
pub(super) fn score(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

/// Runs, each of one group of images, highest key first. The file is removed when this is dropped.
pub(super) struct Runs {
    folder: PathBuf,
    file: Option<(PathBuf, File)>,
    end: u64,
    runs: Vec<(usize, Place)>,
}

enum Place {
    Memory(Vec<u8>),
    Disk { start: u64, end: u64 },
}

impl Runs {
    /// None yet; the file will lie in `folder`.
    pub fn new(folder: &Path) -> Self {
        Runs { folder: folder.to_owned(), file: None, end: 0, runs: Vec::new() }
    }

    /// Adds a run of a group that stays in memory. Keys must fall.
    pub fn keep(&mut self, group: usize, entries: impl Iterator<Item = (u32, Tally)>) {
        self.runs.push((group, Place::Memory(encode(entries))));
    }

    /// Adds a run of a group that goes to disk. Keys must fall.
    /// # Errors
    /// [`Error::Io`] when the temporary file cannot be written.
    pub fn spill(&mut self, group: usize, entries: impl Iterator<Item = (u32, Tally)>) -> Result<()> {
        let bytes = encode(entries);
        if self.file.is_none() {
            self.file = Some(temporary(&self.folder.join("scores"))?);
        }
        if let Some((path, file)) = &mut self.file {
            let done = file.seek(SeekFrom::Start(self.end)).and_then(|_| file.write_all(&bytes));
            done.map_err(|e| Error::io(path, e))?;
        }
        let start = self.end;
        self.end += bytes.len() as u64;
        self.runs.push((group, Place::Disk { start, end: self.end }));
        Ok(())
    }

    /// Calls `each` with every distinct key, highest first, and the groups that have it.
    /// # Errors
    /// [`Error::Io`] when the temporary file cannot be read.
    pub fn merge(mut self, mut each: impl FnMut(u32, &[(usize, Tally)])) -> Result<()> {
        let room = (MERGE_BYTES / self.runs.len().max(1)).max(4 * ENTRY);
        let mut cursors: Vec<(usize, Cursor)> = std::mem::take(&mut self.runs)
            .into_iter()
            .map(|(group, place)| (group, Cursor::new(place, room)))
            .collect();
        let mut heap = BinaryHeap::new();
        for (i, (_, cursor)) in cursors.iter_mut().enumerate() {
            if let Some(key) = cursor.advance(&mut self.file)? {
                heap.push((key, i));
            }
        }
        let mut groups: Vec<(usize, Tally)> = Vec::new();
        while let Some(&(key, _)) = heap.peek() {
            groups.clear();
            while let Some(&(same, i)) = heap.peek().filter(|top| top.0 == key) {
                let (group, cursor) = &mut cursors[i];
                match groups.iter_mut().find(|g| g.0 == *group) {
                    Some((_, tally)) => tally.add(&cursor.tally),
                    None => groups.push((*group, cursor.tally)),
                }
                heap.pop();
                if let Some(next) = cursor.advance(&mut self.file)? {
                    debug_assert!(next < same);
                    heap.push((next, i));
                }
            }
            each(key, &groups);
        }
        Ok(())
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        if let Some((path, file)) = self.file.take() {
            drop(file);
            // Nothing more can be done if this fails.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Where a merge stands in a run.
struct Cursor {
    buffer: Vec<u8>,
    at: usize,
    /// What of the run is still on disk.
    rest: (u64, u64),
    room: usize,
    key: u32,
    tally: Tally,
}

impl Cursor {
    fn new(place: Place, room: usize) -> Self {
        let (buffer, rest) = match place {
            Place::Memory(bytes) => (bytes, (0, 0)),
            Place::Disk { start, end } => (Vec::new(), (start, end)),
        };
        Cursor { buffer, at: 0, rest, room, key: u32::MAX, tally: Tally::default() }
    }

    /// Goes to the next entry and gives its key, `None` at the end.
    fn advance(&mut self, file: &mut Option<(PathBuf, File)>) -> Result<Option<u32>> {
        if self.buffer.len() - self.at < ENTRY && self.rest.0 < self.rest.1 {
            self.refill(file)?;
        }
        if self.at == self.buffer.len() {
            return Ok(None);
        }
        // Differences of keys are below 2^32, and counts are what was put in.
        self.key -= self.number() as u32;
        let negatives = self.number();
        self.tally = Tally { negatives: (negatives >> 1) as u64, ..Tally::default() };
        if negatives & 1 == 1 {
            self.tally.positives = self.number() as u64;
            self.tally.overlap = self.number();
        }
        Ok(Some(self.key))
    }

    fn refill(&mut self, file: &mut Option<(PathBuf, File)>) -> Result<()> {
        let Some((path, file)) = file else { return Ok(()) };
        self.buffer.drain(..self.at);
        self.at = 0;
        let have = self.buffer.len();
        let more = (self.rest.1 - self.rest.0).min(self.room as u64) as usize;
        self.buffer.resize(have + more, 0);
        let done = file.seek(SeekFrom::Start(self.rest.0)).and_then(|_| file.read_exact(&mut self.buffer[have..]));
        done.map_err(|e| Error::io(path, e))?;
        self.rest.0 += more as u64;
        Ok(())
    }

    /// A number in groups of seven bits, the lowest first.
    fn number(&mut self) -> u128 {
        let (mut value, mut shift) = (0, 0);
        while let Some(&byte) = self.buffer.get(self.at) {
            self.at += 1;
            value |= u128::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        value
    }
}

/// Differences of keys and counts: three to five bytes where scores are dense and without a defect.
fn encode(entries: impl Iterator<Item = (u32, Tally)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut put = |mut value: u128| {
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
    };
    let mut last = u32::MAX;
    for (key, tally) in entries {
        put(u128::from(last - key));
        last = key;
        put(u128::from(tally.negatives) << 1 | u128::from(tally.positives > 0));
        if tally.positives > 0 {
            put(u128::from(tally.positives));
            put(tally.overlap);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_scores_and_come_back() {
        let scores = [f32::MIN, -1.0, -1e-40, 0.0, 1e-40, 0.5, 1.0, f32::MAX];
        assert!(scores.windows(2).all(|s| key(s[0]) < key(s[1])));
        assert!(scores.iter().all(|&s| score(key(s)) == s));
        assert_eq!(key(-0.0), key(0.0));
    }

    #[test]
    fn runs_on_disk_and_in_memory_are_merged_by_group_and_the_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let tally = |negatives, positives, overlap| Tally { positives, negatives, overlap };
        let mut runs = Runs::new(folder.path());
        // Longer than a cursor's buffer when there are many runs.
        for run in 0..40u32 {
            let entries = (0..2000u32).rev().map(|k| (k * 40 + run, tally(1, u64::from(k % 7 == 0), 5 << 90)));
            runs.spill((run % 2) as usize, entries).unwrap();
        }
        runs.keep(0, [(u32::MAX, tally(3, 0, 0)), (79_999, tally(2, 1, 7)), (0, tally(1, 0, 0))].into_iter());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let mut all = Vec::new();
        runs.merge(|key, groups| all.push((key, groups.to_vec()))).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(all[0], (u32::MAX, vec![(0, tally(3, 0, 0))]));
        assert_eq!(all.len(), 80_001);
        assert!(all.windows(2).all(|a| a[0].0 > a[1].0));
        let last = all.last().unwrap();
        assert_eq!((last.0, last.1.len(), last.1[0].1), (0, 1, tally(2, 1, 5 << 90)));
        assert_eq!(all[1].1.len(), 2, "two groups share the key 79999");
        let total: u64 = all.iter().flat_map(|(_, g)| g).map(|g| g.1.negatives).sum();
        assert_eq!(total, 80_000 + 6);
    }
}
