//! The files of a checkpoint: a safetensors file, one of PyTorch's, or several by an index; told apart by what is in them.
use crate::model::stored::{Contents, Stored};
use crate::model::{header, manifest};
use crate::{Error, Result};
use serde_json::Map;
use std::path::{Path, PathBuf};

/// A file's bytes, mapped or in memory.
pub(super) enum Bytes {
    Mapped(memmap2::Mmap),
    Owned(Vec<u8>),
}

/// A file.
pub(super) struct Part {
    pub path: PathBuf,
    pub bytes: Bytes,
}

impl Bytes {
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Owned(vec) => vec,
        }
    }
}

impl Part {
    /// Maps a file into memory.
    pub fn map(path: PathBuf) -> Result<Self> {
        let file = std::fs::File::open(&path).map_err(|e| Error::io(&path, e))?;
        let meta = file.metadata().map_err(|e| Error::io(&path, e))?;
        if !meta.is_file() {
            return Err(Error::file(&path, "not a regular file"));
        }
        if meta.len() == 0 {
            return Err(Error::file(&path, "truncated: the file is empty"));
        }
        // SAFETY: the map is private and read-only, and is only ever read as bytes, for which every
        // value is valid. The one hazard left is another process shortening or rewriting the file
        // while it is open, which no program that maps files can exclude; weights are not edited in place.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| Error::io(&path, e))?;
        Ok(Part { path, bytes: Bytes::Mapped(map) })
    }
    /// What the file holds.
    pub fn read(&self) -> Result<Contents> {
        let bytes = self.bytes.as_slice();
        if bytes.starts_with(b"version https://git-lfs") {
            return Err(Error::file(
                &self.path,
                "is a pointer of Git LFS, not the file itself; `git lfs pull` fetches it",
            ));
        }
        if manifest::is_manifest(&self.path) {
            return manifest::read(bytes).map_err(|fault| Error::file(&self.path, fault));
        }
        if is_pytorch(&self.path, bytes) {
            return pytorch(&self.path, bytes);
        }
        let (start, metadata) = header::read(&self.path, bytes)?;
        let tensors = metadata.offset_keys().into_iter().filter_map(|key| {
            let info = metadata.info(&key)?;
            let (dtype, shape) = (info.dtype, info.shape.clone());
            let stored = Stored { dtype, shape, part: 0, start: start + info.data_offsets.0, strides: None };
            Some((Vec::new(), key, stored))
        });
        Ok(Contents { tensors: tensors.collect(), about: Map::new(), nameless: None, others: Vec::new() })
    }
}

/// Whether a file is one of PyTorch's: by its first bytes, and where these say nothing by its name.
fn is_pytorch(path: &Path, bytes: &[u8]) -> bool {
    let begins = bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06");
    // A safetensors file begins with the length of its header, and the header with a brace.
    let safetensors = bytes.get(8) == Some(&b'{') && bytes.get(4..8) == Some(&[0; 4]);
    let pickle = matches!(bytes, [0x80, 1..=5, ..]) && !safetensors;
    begins || pickle || bytes.get(257..262) == Some(b"ustar") || !safetensors && is_pytorch_name(path)
}

/// Whether a file has a name that PyTorch's files have.
pub(in crate::model) fn is_pytorch_name(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|e| ["pt", "pth", "ckpt", "bin", "pkl", "pickle", "pckl"].contains(&e.as_str()))
}

#[cfg(feature = "pytorch")]
fn pytorch(path: &Path, bytes: &[u8]) -> Result<Contents> {
    crate::model::pytorch::read(bytes).map_err(|fault| Error::file(path, fault))
}

#[cfg(not(feature = "pytorch"))]
fn pytorch(path: &Path, _: &[u8]) -> Result<Contents> {
    let fault = "is a PyTorch file (a pickle), which this build does not read (it lacks the feature `pytorch`); \
                 `residua convert` makes a safetensors folder of it";
    Err(Error::file(path, fault))
}
