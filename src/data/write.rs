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
    let (part, file) = temporary(path)?;
    let mut file = BufWriter::new(file);
    // `into_inner` reports what a drop would swallow; a file that is open cannot be renamed everywhere.
    let written = write(&mut file).and_then(|()| file.into_inner().map(drop).map_err(|e| e.into_error()));
    written.and_then(|()| fs::rename(&part, path)).map_err(|e| {
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

/// Tries a file in the output folder, so that a run fails in its first second and not after its last. A folder that is not there
/// is not there afterwards either.
/// # Errors
/// [`Error::File`] saying that the output folder cannot be written, and why.
pub fn check_writable(folder: &Path) -> Result<()> {
    let fault = |e: io::Error| Error::file(folder, format!("the output folder cannot be written: {e}"));
    let missing: Vec<&Path> = folder.ancestors().take_while(|f| !f.as_os_str().is_empty() && !f.exists()).collect();
    fs::create_dir_all(folder).map_err(fault)?;
    let tried = new_part(folder, "probe").and_then(|(probe, file)| {
        drop(file);
        fs::remove_file(probe)
    });
    for made in missing {
        // One in which something else lies by now stays.
        let _ = fs::remove_dir(made);
    }
    tried.map_err(fault)
}

/// A new file, hidden beside `path`, that no other writer, thread or process, uses.
/// # Errors
/// [`Error::Io`] with `path` when it cannot be made.
pub(crate) fn temporary(path: &Path) -> Result<(PathBuf, File)> {
    let name = path.file_name().ok_or_else(|| Error::file(path, "is not the name of a file"))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    new_part(folder, &name.to_string_lossy()).map_err(|e| Error::io(path, e))
}

fn new_part(folder: &Path, name: &str) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let (id, n) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let part = folder.join(format!(".{name}.{id}-{n}.part"));
        match File::options().read(true).write(true).create_new(true).open(&part) {
            // Left by a process of the same number that was killed; in a container every run has the same.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|file| (part, file)),
        }
    }
}

/// Removes the temporary files that killed processes left in a folder, to which nobody else may be writing.
/// # Errors
/// [`Error::Io`] with the folder or the file.
pub(crate) fn remove_leftovers(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|e| Error::io(folder, e))?.flatten() {
        if is_part(&entry.file_name().to_string_lossy()) {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

/// Whether a file is called as [`temporary`] calls them.
fn is_part(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let id = name.strip_prefix('.').and_then(|n| n.strip_suffix(".part")).and_then(|n| n.rsplit_once('.'));
    id.and_then(|(_, id)| id.split_once('-')).is_some_and(|(process, count)| number(process) && number(count))
}

/// Removes a file; one that is not there is fine.
/// # Errors
/// [`Error::Io`] with the file.
pub(crate) fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io(path, e)),
        _ => Ok(()),
    }
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
    fn leftovers_of_a_process_of_the_same_number_are_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        // Other tests count on at the same time.
        let (_, file) = temporary(&folder.path().join("x")).unwrap();
        drop(file);
        let name = listing(folder.path()).remove(0);
        assert!(is_part(&name), "{name}");
        let first: u64 = name.trim_end_matches(".part").rsplit('-').next().unwrap().parse().unwrap();
        for n in first..first + 500 {
            fs::write(folder.path().join(format!(".x.json.{}-{n}.part", std::process::id())), b"half").unwrap();
        }
        write_bytes(&folder.path().join("x.json"), b"whole").unwrap();
        assert_eq!(fs::read(folder.path().join("x.json")).unwrap(), b"whole");
        for other in [".x.part", "x.1-2.part", ".x.1-.part", ".x.a-2.part", ".1-2.part"] {
            fs::write(folder.path().join(other), b"").unwrap();
        }
        remove_leftovers(folder.path()).unwrap();
        assert_eq!(
            listing(folder.path()),
            [".1-2.part", ".x.1-.part", ".x.a-2.part", ".x.part", "x.1-2.part", "x.json"]
        );
    }

    #[test]
    fn folders_that_cannot_be_written_are_named() {
        let folder = tempfile::tempdir().unwrap();
        check_writable(&folder.path().join("a/b")).unwrap();
        assert_eq!(listing(folder.path()), [""; 0]);
        let file = folder.path().join("file");
        write_bytes(&file, b"").unwrap();
        let error = check_writable(&file.join("out")).unwrap_err().to_string();
        assert!(error.contains("out: the output folder cannot be written"), "{error}");
        assert!(write_bytes(Path::new("/"), b"").is_err());
        assert!(write_bytes(&folder.path().join("no/such/x"), b"").is_err());
    }
}
