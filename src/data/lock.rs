//! One run at a time in an output folder.
use super::write::remove_leftovers;
use super::{check_writable, create_folder, utc_now};
use crate::{Error, Result};
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The file that is locked.
const FILE: &str = ".residua.lock";

/// The right to write into a folder, until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
    path: PathBuf,
}

impl Drop for FolderLock {
    /// The file goes while it is still locked. Elsewhere it cannot be told whether the file that was locked is still the one
    /// that others open, so it stays.
    fn drop(&mut self) {
        if cfg!(unix) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Makes an output folder, tries a file in it and takes the right to write there; removes what killed runs left of files
/// that they were writing. Where the file system knows no locks this is said, and the work goes on.
/// # Errors
/// [`Error::File`]: the folder cannot be written, or another run writes there, and which.
pub fn lock_folder(folder: &Path) -> Result<FolderLock> {
    check_writable(folder)?;
    create_folder(folder)?;
    let path = folder.join(FILE);
    let failed = |e| Error::io(&path, e);
    let mut file = loop {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            // The last run has removed it in between.
            Ok(()) if !is_at(&file, &path) => {}
            Ok(()) => break file,
            Err(TryLockError::WouldBlock) => return Err(held(file, folder)),
            Err(TryLockError::Error(e)) => {
                tracing::warn!("{}: cannot be locked ({e}), so nothing keeps a second run out", folder.display());
                return Ok(FolderLock { _file: file, path });
            }
        }
    };
    let me = format!("process {}{}, since {}", std::process::id(), on_host(), utc_now());
    file.set_len(0).and_then(|()| file.write_all(me.as_bytes())).map_err(failed)?;
    remove_leftovers(folder)?;
    Ok(FolderLock { _file: file, path })
}

fn held(file: File, folder: &Path) -> Error {
    let mut holder = String::new();
    // Some systems let nobody read a locked file.
    let _ = file.take(200).read_to_string(&mut holder);
    let holder = if holder.is_empty() { String::new() } else { format!(" ({holder})") };
    let fault = format!("another run is writing into this folder{holder}; wait for it or give another --out");
    Error::file(folder, fault)
}

/// Whether a file is still the one at its path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
    file.metadata().ok().map(place) == std::fs::metadata(path).ok().map(place)
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// Process numbers say little where several machines or containers share a folder.
fn on_host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("COMPUTERNAME").ok()).unwrap_or_default();
    if name.trim().is_empty() { String::new() } else { format!(" on {}", name.trim()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_refused_by_name_and_leftovers_go() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let lock = lock_folder(&out).unwrap();
        let error = lock_folder(&out).unwrap_err().to_string();
        assert!(error.contains(&format!("another run is writing into this folder (process {}", std::process::id())));
        std::fs::write(out.join(".results.json.7-3.part"), b"half").unwrap();
        std::fs::write(out.join(".mine.part"), b"a user's").unwrap();
        drop(lock);
        assert_eq!(out.join(FILE).exists(), !cfg!(unix));
        // As a killed run leaves it.
        std::fs::write(out.join(FILE), b"process 1, since ever and longer than what comes in its place").unwrap();
        let lock = lock_folder(&out).unwrap();
        assert!(lock_folder(&out).unwrap_err().to_string().contains("Z)"), "nothing is left of the older holder");
        drop(lock);
        assert!(!out.join(".results.json.7-3.part").exists() && out.join(".mine.part").exists());
    }
}
