//! What is refused before it is read: absurd sizes.
use crate::{Error, Result};
use std::path::Path;

/// The most pixels that an image may have; more is refused from the header.
pub const MAX_PIXELS: u64 = 1 << 26;

/// A whole file, refused before reading when it is empty or larger than any picture within [`MAX_PIXELS`] can be.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    /// Four f64 channels at the most pixels, and a header.
    const MAX_BYTES: u64 = MAX_PIXELS * 32 + (1 << 20);
    let meta = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if meta.is_dir() {
        return Err(Error::file(path, "is a folder, not a file"));
    }
    if meta.len() > MAX_BYTES {
        return Err(Error::file(path, format!("has {} bytes, more than any picture that is accepted", meta.len())));
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    if bytes.is_empty() {
        return Err(Error::file(path, "the file is empty"));
    }
    Ok(bytes)
}

/// Width times height, or why not.
pub(super) fn check_size(path: &Path, width: u64, height: u64) -> Result<usize> {
    pixels(width, height).map_err(|fault| Error::file(path, fault))
}

/// The same without a file's name.
pub(super) fn pixels(width: u64, height: u64) -> Result<usize, String> {
    if width == 0 || height == 0 {
        return Err(format!("the header says {width}x{height}: there is no pixel"));
    }
    match width.checked_mul(height) {
        Some(n) if n <= MAX_PIXELS => Ok(n as usize),
        _ => Err(format!("the header says {width}x{height}, more than the {MAX_PIXELS} pixels that are accepted")),
    }
}
