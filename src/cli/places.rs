//! Places that will be written, tried before the work and not after it.
use crate::data::check_writable;
use crate::{Error, Result};
use std::path::Path;

/// Tries the folder of a file that will be written.
/// # Errors
/// [`Error::File`] saying that the file cannot be written, and why.
pub(crate) fn check_file(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(Error::file(path, "is a folder, so no file can be written there"));
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    check_writable(folder).map_err(|e| Error::file(path, format!("could not be written: {e}")))
}

/// Refuses a file to write that is one of the inputs, which would be lost.
/// # Errors
/// [`Error::File`].
pub(crate) fn check_apart(path: &Path, inputs: &[std::path::PathBuf]) -> Result<()> {
    let real = path.canonicalize().ok();
    match real.is_some() && inputs.iter().any(|input| input.canonicalize().ok() == real) {
        true => Err(Error::file(path, "is an input, which would be lost; write to another file")),
        false => Ok(()),
    }
}
