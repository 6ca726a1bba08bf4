//! What is finished while a run is under way: `results.journal`, one line of JSON for each image.
//!
//! A line is written when all files of its image are in place, so that a run that is killed loses only what was under
//! way; lines reach the disk within moments, for the case that the machine stops. The journal goes when `results.json` is
//! there; where it is left, the run was cut off.
use super::{Record, Results, VolumeRecord};
use crate::data::{JOURNAL, Lines, remove_if_there, whole_lines};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

/// A line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line<'a> {
    /// An image or a slice that is finished.
    Image(Cow<'a, Record>),
    /// A volume that has been judged as a whole.
    Volume(Cow<'a, VolumeRecord>),
}

/// What a journal holds.
#[derive(Debug, Default, PartialEq)]
pub struct JournalEntries {
    /// The images, in the order in which they were finished.
    pub records: Vec<Record>,
    /// The volumes.
    pub volumes: Vec<VolumeRecord>,
    /// How many bytes are whole lines; what comes after was being written when the run was cut off.
    pub whole: u64,
    /// Whole lines that say nothing that can be read.
    pub unreadable: usize,
}

impl JournalEntries {
    /// The entries of a journal's bytes, whatever they are.
    pub fn parse(bytes: &[u8]) -> Self {
        let whole = whole_lines(bytes);
        let mut entries = JournalEntries { whole: whole as u64, ..JournalEntries::default() };
        for line in bytes[..whole].split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(Line::Image(record)) => {
                    // A slice that comes again begins its volume again.
                    entries.volumes.retain(|v| v.folder != record.input_folder());
                    entries.records.push(record.into_owned());
                }
                Ok(Line::Volume(record)) => entries.volumes.push(record.into_owned()),
                Err(_) => entries.unreadable += 1,
            }
        }
        entries
    }

    /// The journal in an output folder; none where no run was cut off.
    /// # Errors
    /// [`Error::Io`] when it cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(JOURNAL);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(JournalEntries::parse(&bytes))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io(path, e)),
        }
    }
}

/// The journal of the run under way.
pub struct Journal(Lines);

impl Journal {
    /// Begins a journal in an output folder, or goes on after the whole lines of one that is there.
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn open(folder: &Path, go_on: bool) -> Result<Self> {
        let whole = if go_on { JournalEntries::read(folder)?.map_or(0, |e| e.whole) } else { 0 };
        Lines::open(&folder.join(JOURNAL), whole).map(Journal)
    }

    /// Takes an image whose files are all in place.
    /// # Errors
    /// [`Error::Io`] when the line cannot be written, or an earlier one did not reach the disk.
    pub fn image(&mut self, record: &Record) -> Result<()> {
        self.0.put(&Line::Image(Cow::Borrowed(record)))
    }

    /// Takes a volume that has been judged as a whole.
    /// # Errors
    /// As [`Journal::image`].
    pub fn volume(&mut self, record: &VolumeRecord) -> Result<()> {
        self.0.put(&Line::Volume(Cow::Borrowed(record)))
    }

    /// Ends the journal; it stays.
    /// # Errors
    /// [`Error::Io`] when lines did not reach the disk.
    pub fn close(self) -> Result<()> {
        self.0.close()
    }

    /// Removes the journal of an output folder, as `results.json` has taken its place.
    /// # Errors
    /// [`Error::Io`] when it cannot be removed.
    pub fn remove(folder: &Path) -> Result<()> {
        remove_if_there(&folder.join(JOURNAL))
    }
}

impl Results {
    /// Adds what a journal holds, which is newer: an image or a volume of the same folder gives way.
    pub fn take(&mut self, entries: JournalEntries) {
        let JournalEntries { records, volumes, .. } = entries;
        let new: HashSet<String> = records.iter().map(|r| r.folder.clone()).collect();
        self.records.retain(|r| !new.contains(&r.folder));
        let begun: HashSet<String> = records.iter().map(|r| r.input_folder().to_owned()).collect();
        self.volumes.retain(|v| !begun.contains(&v.folder));
        // Within a journal as well, the last word counts.
        let mut at = HashMap::new();
        for record in records {
            match at.get(&record.folder) {
                Some(&i) => self.records[i] = record,
                None => {
                    at.insert(record.folder.clone(), self.records.len());
                    self.records.push(record);
                }
            }
        }
        for volume in volumes {
            self.volumes.retain(|v| v.folder != volume.folder);
            self.volumes.push(volume);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    fn read(folder: &Path) -> JournalEntries {
        JournalEntries::read(folder).unwrap().unwrap()
    }

    #[test]
    fn a_torn_line_is_dropped_and_the_journal_goes_on_before_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(JournalEntries::read(folder.path()).unwrap(), None);
        let mut journal = Journal::open(folder.path(), true).unwrap();
        journal.image(&record("a", 0.25)).unwrap();
        journal.image(&record("b", 0.75)).unwrap();
        journal.close().unwrap();
        let path = folder.path().join(JOURNAL);
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(read(folder.path()).records, [record("a", 0.25), record("b", 0.75)]);
        let first = bytes.iter().position(|&b| b == b'\n').unwrap() + 1;
        for cut in [bytes.len() - 1, first + 1, first] {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert_eq!(
                (read(folder.path()).records, read(folder.path()).whole),
                (vec![record("a", 0.25)], first as u64)
            );
            let mut journal = Journal::open(folder.path(), true).unwrap();
            journal.image(&record("c", 0.5)).unwrap();
            journal.close().unwrap();
            let entries = read(folder.path());
            assert_eq!((entries.records, entries.unreadable), (vec![record("a", 0.25), record("c", 0.5)], 0));
        }
        Journal::open(folder.path(), false).unwrap().close().unwrap();
        assert_eq!(read(folder.path()), JournalEntries::default());
        Journal::remove(folder.path()).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn unreadable_lines_lose_no_others_and_newer_results_count() {
        let line = |r: &Record| serde_json::to_string(&Line::Image(Cow::Borrowed(r))).unwrap();
        let text = format!("\0\0\0\n{}\n{{\"image\": {{}}}}\n{}\n", line(&record("a", 0.5)), line(&record("a", 0.75)));
        let entries = JournalEntries::parse(text.as_bytes());
        assert_eq!((entries.records.len(), entries.unreadable), (2, 2));
        let mut results = Results::begin();
        results.records = vec![record("a", 0.1), record("b", 0.2)];
        results.take(entries);
        assert_eq!(results.records, [record("b", 0.2), record("a", 0.75)]);
    }

    #[test]
    fn a_volume_that_is_begun_again_is_not_finished() {
        let volume = |folder: &str, score| VolumeRecord {
            path: format!("in/{folder}.nii").into(),
            name: folder.into(),
            folder: folder.into(),
            score,
            threshold: None,
            p_value: None,
            verdict: crate::report::Verdict::Unjudged,
        };
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path(), false).unwrap();
        journal.image(&record("v/v_k0", 0.25)).unwrap();
        journal.volume(&volume("v", 0.25)).unwrap();
        let mut results = Results::begin();
        results.volumes = vec![volume("v", 0.1), volume("w", 0.2)];
        results.take(read(folder.path()));
        assert_eq!(results.volumes, [volume("w", 0.2), volume("v", 0.25)]);
        journal.image(&record("v/v_k0", 0.75)).unwrap();
        results.take(read(folder.path()));
        assert_eq!(results.volumes, [volume("w", 0.2)]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_names_the_journal() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join(JOURNAL)).unwrap();
        let error = Journal::open(folder.path(), false).and_then(|mut j| j.image(&record("a", 0.5))).unwrap_err();
        assert!(error.to_string().contains("results.journal"), "{error}");
    }
}
