//! Files that are written whole or not at all.
use crate::{Error, Result};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a file through a temporary one in the same folder that is renamed when complete, so that an interruption
/// leaves the old file or none, never half of one.
/// # Errors
/// [`Error::Io`] with the path when the file cannot be made, written or renamed; the temporary file is removed.
pub fn write_atomic(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<()> {
    let part = part_path(path)?;
    let result = File::create_new(&part).and_then(|file| {
        let mut file = BufWriter::new(file);
        write(&mut file)?;
        // `into_inner` reports what a drop would swallow.
        file.into_inner().map_err(|e| e.into_error())?;
        fs::rename(&part, path)
    });
    result.map_err(|e| {
        // Nothing more can be done if this fails too.
        let _ = fs::remove_file(&part);
        Error::io(path, e)
    })
}

/// [`write_atomic`] of bytes at hand.
/// # Errors
/// As [`write_atomic`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic(path, |file| file.write_all(bytes))
}

/// Copies a file, whole or not at all; onto itself it stays as it is.
/// # Errors
/// [`Error::Io`] with the file that cannot be read or written.
pub fn copy_file(from: &Path, to: &Path) -> Result<()> {
    if to.exists() && from.canonicalize().ok() == to.canonicalize().ok() {
        return Ok(());
    }
    let mut source = File::open(from).map_err(|e| Error::io(from, e))?;
    write_atomic(to, |file| io::copy(&mut source, file).map(drop))
}

/// Makes a folder and its parents; one that exists is fine.
/// # Errors
/// [`Error::Io`] with the folder.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| Error::io(path, e))
}

/// Makes the output folder and tries a file in it, so that a run fails in its first second and not after its last.
/// # Errors
/// [`Error::File`] saying that the output folder cannot be written, and why.
pub fn check_writable(folder: &Path) -> Result<()> {
    let probe = part_path(&folder.join("probe"))?;
    let tried =
        fs::create_dir_all(folder).and_then(|()| File::create_new(&probe)).and_then(|_| fs::remove_file(&probe));
    tried.map_err(|e| Error::file(folder, format!("the output folder cannot be written: {e}")))
}

/// A hidden sibling that no other writer, thread or process, uses.
fn part_path(path: &Path) -> Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| Error::file(path, "is not the name of a file"))?;
    let (id, n) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    Ok(path.with_file_name(format!(".{}.{id}-{n}.part", name.to_string_lossy())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        write_bytes(&path, b"old").unwrap();
        let error = write_atomic(&path, |f| {
            f.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        });
        assert!(error.unwrap_err().to_string().contains("x.json: disk full"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write_bytes(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(listing(folder.path()), ["x.json"]);
    }

    #[test]
    fn folders_that_cannot_be_written_are_named() {
        let folder = tempfile::tempdir().unwrap();
        check_writable(&folder.path().join("a/b")).unwrap();
        assert_eq!(listing(&folder.path().join("a/b")), [""; 0]);
        let file = folder.path().join("file");
        write_bytes(&file, b"").unwrap();
        let error = check_writable(&file.join("out")).unwrap_err().to_string();
        assert!(error.contains("out: the output folder cannot be written"), "{error}");
        assert!(write_bytes(Path::new("/"), b"").is_err());
        assert!(write_bytes(&folder.path().join("no/such/x"), b"").is_err());
    }
}
