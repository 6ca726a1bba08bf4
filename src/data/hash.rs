//! Which files something was made from.
use crate::hex::hex;
use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::path::Path;

/// SHA-256 over the files' contents, each preceded by its length (8 bytes, little-endian), in order of their paths, in
/// hexadecimal.
/// # Errors
/// [`Error::Io`] for a file that cannot be read.
pub fn hash_files<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<String> {
    let mut sorted: Vec<&Path> = paths.into_iter().collect();
    sorted.sort();
    let mut all = Sha256::new();
    for path in sorted {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        all.update((bytes.len() as u64).to_le_bytes());
        all.update(&bytes);
    }
    Ok(hex(&all.finalize()))
}
