//! A temporary file for what does not fit in memory.
use crate::data::temporary;
use crate::{Error, Result};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes one after the other. The file is removed when this is dropped.
pub(super) struct Scratch {
    path: PathBuf,
    file: File,
    end: u64,
}

impl Scratch {
    /// A new file in a folder that nobody else has, in this process or in another one.
    /// # Errors
    /// [`Error::Io`] when it cannot be made.
    pub fn new(folder: &Path) -> Result<Self> {
        let (path, file) = temporary(&folder.join("scores"))?;
        Ok(Scratch { path, file, end: 0 })
    }
    /// Puts bytes at the end, and tells where they lie.
    /// # Errors
    /// [`Error::Io`] when they cannot be written.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(u64, u64)> {
        let start = self.end;
        let done = self.file.seek(SeekFrom::Start(start)).and_then(|_| self.file.write_all(bytes));
        done.map_err(|e| Error::io(&self.path, e))?;
        self.end += bytes.len() as u64;
        Ok((start, self.end))
    }
    /// Reads what lies at a place.
    /// # Errors
    /// [`Error::Io`] when it cannot be read.
    pub fn read(&mut self, at: u64, bytes: &mut [u8]) -> Result<()> {
        let done = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(bytes));
        done.map_err(|e| Error::io(&self.path, e))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing more can be done if this fails.
        let _ = std::fs::remove_file(&self.path);
    }
}
