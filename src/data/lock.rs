//! One run at a time in an output folder.
use super::write::remove_leftovers;
use super::{check_writable, utc_now};
use crate::{Error, Result};
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

/// The file that is locked. It stays, empty of meaning, when no run is under way.
const FILE: &str = ".residua.lock";

/// The right to write into a folder, until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

/// Makes an output folder, tries a file in it and takes the right to write there; removes what killed runs left of files
/// that they were writing. Where the file system knows no locks this is said, and the work goes on.
/// # Errors
/// [`Error::File`]: the folder cannot be written, or another run writes there, and which.
pub fn lock_folder(folder: &Path) -> Result<FolderLock> {
    check_writable(folder)?;
    let path = folder.join(FILE);
    let failed = |e| Error::io(&path, e);
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {
            let me = format!("process {}{}, since {}", std::process::id(), on_host(), utc_now());
            file.set_len(0).and_then(|()| file.write_all(me.as_bytes())).map_err(failed)?;
            remove_leftovers(folder)?;
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Some systems let nobody read a locked file.
            let _ = file.take(200).read_to_string(&mut holder);
            let holder = if holder.is_empty() { String::new() } else { format!(" ({holder})") };
            let fault = format!("another run is writing into this folder{holder}; wait for it or give another --out");
            return Err(Error::file(folder, fault));
        }
        Err(TryLockError::Error(e)) => {
            tracing::warn!("{}: cannot be locked ({e}), so nothing keeps a second run out", folder.display());
        }
    }
    Ok(FolderLock { _file: file })
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
        lock_folder(&out).unwrap();
        assert!(!out.join(".results.json.7-3.part").exists() && out.join(".mine.part").exists());
    }
}
