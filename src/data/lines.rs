//! Files of one JSON value a line that grow while a run is under way, so that a run that is killed loses only what was under way.
use crate::{Error, Result};
use serde::Serialize;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// A file under way. Lines reach the disk within moments, for the case that the machine stops.
pub struct Lines {
    path: PathBuf,
    file: File,
    /// Brings lines to the disk beside the work, as many at once as have come: waiting for each would take longer than a
    /// small image does.
    syncing: Option<(Sender<()>, JoinHandle<io::Result<()>>)>,
}

/// How many of a file's bytes are whole lines; what comes after was being written when the run was cut off.
pub fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1)
}

impl Lines {
    /// Begins a file, or goes on after the first `whole` bytes of one that is there.
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn open(path: &Path, whole: u64) -> Result<Self> {
        let opened = || {
            let mut file = File::options().write(true).create(true).truncate(false).open(path)?;
            file.set_len(whole)?;
            file.seek(SeekFrom::Start(whole))?;
            let (tell, told) = channel();
            let own = file.try_clone()?;
            let thread = std::thread::Builder::new().name("journal".into()).spawn(move || sync(&own, &told))?;
            Ok((file, tell, thread))
        };
        let (file, tell, thread) = opened().map_err(|e| Error::io(path, e))?;
        Ok(Lines { path: path.to_owned(), file, syncing: Some((tell, thread)) })
    }

    /// Adds a line.
    /// # Errors
    /// [`Error::Io`] when it cannot be written, or an earlier one did not reach the disk.
    pub fn put(&mut self, line: &impl Serialize) -> Result<()> {
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

    /// Ends the file; it stays.
    /// # Errors
    /// [`Error::Io`] when lines did not reach the disk.
    pub fn close(mut self) -> Result<()> {
        self.synced()
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
