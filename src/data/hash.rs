//! Which files something was made from.
use crate::hex::hex;
use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
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
        put(&mut all, path, true)?;
    }
    Ok(hex(&all.finalize()))
}

/// SHA-256 of what one image was read from, in hexadecimal: of one file the SHA-256 of its bytes, as `sha256sum` prints
/// it; of several that of their contents in this order, each preceded by its length (8 bytes, little-endian).
/// # Errors
/// [`Error::Io`] for a file that cannot be read.
pub fn hash_input<'a>(files: impl IntoIterator<Item = &'a Path>) -> Result<String> {
    let files: Vec<&Path> = files.into_iter().collect();
    let mut all = Sha256::new();
    for path in &files {
        put(&mut all, path, files.len() > 1)?;
    }
    Ok(hex(&all.finalize()))
}

/// Adds a file's content, piece by piece, as it may be a large volume.
fn put(all: &mut Sha256, path: &Path, with_length: bool) -> Result<()> {
    let failed = |e| Error::io(path, e);
    let mut file = File::open(path).map_err(failed)?;
    if with_length {
        all.update(file.metadata().map_err(failed)?.len().to_le_bytes());
    }
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(n) => all.update(&piece[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(failed(e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_the_hash_that_every_tool_prints() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&a, b"abc").unwrap();
        std::fs::write(&b, b"").unwrap();
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash_input([&*a]).unwrap(), abc);
        let two = hash_input([&*a, &*b]).unwrap();
        assert_ne!(two, hash_input([&*b, &*a]).unwrap(), "channels have an order");
        assert_eq!(two, hash_files([&*b, &*a]).unwrap(), "and files of a set of data have none");
        assert!(hash_input([folder.path().join("c").as_path()]).unwrap_err().to_string().contains("c: "));
    }
}
