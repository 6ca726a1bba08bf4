//! What is finished while a run is under way: `results.journal`, one line of JSON for each image.
//!
//! A line is written when all files of its image are in place, so that a run that is killed loses only what was under
//! way; lines reach the disk within moments, for the case that the machine stops. The journal goes when `results.json` is
//! there; where it is left, the run was cut off.
use super::{Record, Results, VolumeRecord};
use crate::data::{JOURNAL, remove_if_there};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

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
        let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
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
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Brings lines to the disk beside the work, as many at once as have come: waiting for each would take longer than a
    /// small image does.
    syncing: Option<(Sender<()>, JoinHandle<io::Result<()>>)>,
}

impl Journal {
    /// Begins a journal in an output folder, or goes on after the whole lines of one that is there.
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn open(folder: &Path, go_on: bool) -> Result<Self> {
        let path = folder.join(JOURNAL);
        let whole = if go_on { JournalEntries::read(folder)?.map_or(0, |e| e.whole) } else { 0 };
        let opened = || {
            let mut file = File::options().write(true).create(true).truncate(false).open(&path)?;
            file.set_len(whole)?;
            file.seek(SeekFrom::Start(whole))?;
            let (tell, told) = channel();
            let own = file.try_clone()?;
            let thread = std::thread::Builder::new().name("journal".into()).spawn(move || sync(&own, &told))?;
            Ok((file, tell, thread))
        };
        let (file, tell, thread) = opened().map_err(|e| Error::io(&path, e))?;
        Ok(Journal { path, file, syncing: Some((tell, thread)) })
    }

    /// Takes an image whose files are all in place.
    /// # Errors
    /// [`Error::Io`] when the line cannot be written, or an earlier one did not reach the disk.
    pub fn image(&mut self, record: &Record) -> Result<()> {
        self.line(&Line::Image(Cow::Borrowed(record)))
    }

    /// Takes a volume that has been judged as a whole.
    /// # Errors
    /// As [`Journal::image`].
    pub fn volume(&mut self, record: &VolumeRecord) -> Result<()> {
        self.line(&Line::Volume(Cow::Borrowed(record)))
    }

    fn line(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_vec(line).map_err(|e| Error::Invalid(e.to_string()))?;
        text.push(b'\n');
        // At once, past no buffer: what the operating system has outlives this process.
        self.file.write_all(&text).map_err(|e| Error::io(&self.path, e))?;
        match &self.syncing {
            // Its thread has ended by an error.
            Some((tell, _)) if tell.send(()).is_err() => self.synced(),
            _ => Ok(()),
        }
    }

    /// Waits until all lines are on the disk.
    fn synced(&mut self) -> Result<()> {
        let Some((tell, thread)) = self.syncing.take() else { return Ok(()) };
        drop(tell);
        let done = thread.join().unwrap_or_else(|_| Err(io::Error::other("its thread has ended")));
        done.map_err(|e| Error::io(&self.path, e))
    }

    /// Ends the journal; it stays.
    /// # Errors
    /// [`Error::Io`] when lines did not reach the disk.
    pub fn close(mut self) -> Result<()> {
        self.synced()
    }

    /// Removes the journal of an output folder, as `results.json` has taken its place.
    /// # Errors
    /// [`Error::Io`] when it cannot be removed.
    pub fn remove(folder: &Path) -> Result<()> {
        remove_if_there(&folder.join(JOURNAL))
    }
}

/// Until nobody can tell of lines any more.
fn sync(file: &File, told: &Receiver<()>) -> io::Result<()> {
    while told.recv().is_ok() {
        while told.try_recv().is_ok() {}
        match file.sync_data() {
            // Such as a device in the file's place, which has nothing to sync.
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => {}
            done => done?,
        }
    }
    Ok(())
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
