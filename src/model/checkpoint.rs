//! A safetensors file, memory-mapped and checked, whose tensors are taken by plain key and shape.
use super::keys::{self, WeightCopy};
use super::{header, locate::locate};
use crate::hex::hex;
use crate::{Error, Result};
use half::{bf16, f16};
use safetensors::Dtype;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    ops::{Bound, Range},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// A checkpoint. Keys are plain: wrapper prefixes are stripped, buffers and unchosen copies set aside.
pub struct Checkpoint {
    path: PathBuf,
    bytes: Bytes,
    tensors: BTreeMap<String, Entry>,
    aside: Vec<String>,
}

enum Bytes {
    Mapped(memmap2::Mmap),
    Owned(Vec<u8>),
}

struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    /// Of the whole file.
    range: Range<usize>,
    used: AtomicBool,
}

impl Checkpoint {
    /// Opens a file, or the checkpoint of a folder (see [`locate`]), preferring an EMA copy.
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::File`] naming what is wrong with its header.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_copy(path, WeightCopy::Ema)
    }

    /// As [`Checkpoint::open`], choosing between trained weights and their moving average.
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn open_copy(path: impl AsRef<Path>, copy: WeightCopy) -> Result<Self> {
        let path = locate(path.as_ref())?;
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
        Self::new(path, Bytes::Mapped(map), copy)
    }

    /// Reads bytes in memory; `path` is the name that errors give them.
    /// # Errors
    /// [`Error::File`] naming what is wrong with the header.
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Self> {
        Self::new(path.into(), Bytes::Owned(bytes), WeightCopy::Ema)
    }

    fn new(path: PathBuf, bytes: Bytes, copy: WeightCopy) -> Result<Self> {
        let (start, metadata) = header::read(&path, bytes.as_slice())?;
        let names = metadata.offset_keys();
        let plain = keys::plain(&names, copy).map_err(|[plain, a, b]| {
            Error::file(&path, format!("`{a}` and `{b}` both come to `{plain}` without their prefixes"))
        })?;
        let entry = |(plain, key): (String, String)| {
            let info = metadata.info(&key)?;
            let range = start + info.data_offsets.0..start + info.data_offsets.1;
            Some((plain, Entry { dtype: info.dtype, shape: info.shape.clone(), range, used: AtomicBool::new(false) }))
        };
        let tensors = plain.keys.into_iter().filter_map(entry).collect();
        Ok(Checkpoint { path, bytes, tensors, aside: plain.aside })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// Plain keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }
    /// File keys that are no weights, or the copy that was not chosen.
    pub fn set_aside(&self) -> &[String] {
        &self.aside
    }
    /// Whether there is such a tensor.
    pub fn contains(&self, key: &str) -> bool {
        self.tensors.contains_key(key)
    }
    /// Whether any key begins so.
    pub fn has_under(&self, prefix: &str) -> bool {
        let range = (Bound::Included(prefix), Bound::Unbounded);
        self.tensors.range::<str, _>(range).next().is_some_and(|(k, _)| k.starts_with(prefix))
    }
    /// The shape of a tensor, as stored.
    pub fn shape(&self, key: &str) -> Option<&[usize]> {
        self.tensors.get(key).map(|e| e.shape.as_slice())
    }
    /// The dtype of a tensor.
    pub fn dtype(&self, key: &str) -> Option<Dtype> {
        self.tensors.get(key).map(|e| e.dtype)
    }
    /// Bytes of the whole file.
    pub fn file_len(&self) -> usize {
        self.bytes.as_slice().len()
    }
    /// SHA-256 of the whole file, in hexadecimal.
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(self.bytes.as_slice()))
    }

    /// Checks that a tensor is there with this shape and a dtype that can be weights, without reading it.
    /// Trailing sizes of one do not count: (C,C), (C,C,1) and (C,C,1,1) are one matrix.
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorShape`], or [`Error::File`] for a dtype.
    pub fn check(&self, key: &str, shape: &[usize]) -> Result<()> {
        self.entry(key, shape).map(|_| ())
    }

    /// Reads a tensor as f32, row-major in the stored order, and marks it as used.
    /// # Errors
    /// As [`Checkpoint::check`], and [`Error::File`] when a value is NaN or infinite.
    pub fn take(&self, key: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let entry = self.entry(key, shape)?;
        // The header's check put every range inside the file; an empty slice would fail the length below.
        let bytes = self.bytes.as_slice().get(entry.range.clone()).unwrap_or_default();
        let values = decode(entry.dtype, bytes);
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            let fault = format!("tensor `{key}` holds {} at element {at}", values[at]);
            return Err(Error::file(&self.path, fault));
        }
        entry.used.store(true, Ordering::Relaxed);
        Ok(values)
    }

    /// Marks a tensor that is known to play no part, so that it is not called surplus.
    pub fn ignore(&self, key: &str) {
        if let Some(entry) = self.tensors.get(key) {
            entry.used.store(true, Ordering::Relaxed);
        }
    }

    /// Keys that nothing has taken or ignored so far.
    pub fn surplus(&self) -> Vec<&str> {
        let unused = self.tensors.iter().filter(|(_, e)| !e.used.load(Ordering::Relaxed));
        unused.map(|(k, _)| k.as_str()).collect()
    }

    /// Names surplus keys: in a warning, or in an error when `strict`. To be called when a network is built.
    /// # Errors
    /// [`Error::File`] when `strict` and there are any.
    pub fn settle(&self, strict: bool) -> Result<()> {
        let surplus = self.surplus();
        if surplus.is_empty() {
            return Ok(());
        }
        let shown = surplus.iter().take(8).map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
        let more = if surplus.len() > 8 { ", ..." } else { "" };
        let fault = format!("{} tensors that the network does not use: {shown}{more}", surplus.len());
        if strict {
            return Err(Error::file(&self.path, fault));
        }
        tracing::warn!("{}: {fault}", self.path.display());
        Ok(())
    }

    fn entry(&self, key: &str, shape: &[usize]) -> Result<&Entry> {
        let missing = || Error::MissingTensor { path: self.path.clone(), key: key.to_owned() };
        let entry = self.tensors.get(key).ok_or_else(missing)?;
        if squeezed(&entry.shape) != squeezed(shape) {
            let (path, key, found) = (self.path.clone(), key.to_owned(), entry.shape.clone());
            return Err(Error::TensorShape { path, key, found, expected: shape.to_vec() });
        }
        if !matches!(entry.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::F64) {
            let fault = format!("tensor `{key}` is {}, but weights are F32, F16, BF16 or F64", entry.dtype);
            return Err(Error::file(&self.path, fault));
        }
        Ok(entry)
    }
}

impl Bytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Owned(vec) => vec,
        }
    }
}

/// A shape without its trailing ones.
fn squeezed(shape: &[usize]) -> &[usize] {
    let len = shape.iter().rposition(|&d| d != 1).map_or(0, |i| i + 1);
    &shape[..len]
}

/// Little-endian numbers to f32. Other dtypes never come here.
fn decode(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    match dtype {
        Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        Dtype::F16 => bytes.as_chunks::<2>().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BF16 => bytes.as_chunks::<2>().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
        Dtype::F64 => bytes.as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
