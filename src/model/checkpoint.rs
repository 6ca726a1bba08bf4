//! A checkpoint, memory-mapped and checked, whose tensors are taken by plain key and shape: a safetensors file, one of PyTorch's
//! own, or several files by their index.
use super::keys::{self, Member, Name, WeightCopy};
use super::locate::locate;
use super::manifest;
use super::stored::{Contents, OtherDict, Stored};
use crate::hex::hex;
use crate::{Error, Result};
use half::{bf16, f16};
use safetensors::Dtype;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use source::{Bytes, Part};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

mod copies;
pub(super) mod shards;
pub(super) mod source;
mod take;

pub(super) use take::decode;

pub use copies::Copies;

/// A checkpoint. Keys are plain: wrapper prefixes are stripped, buffers and unchosen copies set aside.
pub struct Checkpoint {
    path: PathBuf,
    parts: Vec<Part>,
    tensors: BTreeMap<String, Entry>,
    aside: Vec<String>,
    others: Vec<OtherDict>,
    copies: Option<Copies>,
    beside: bool,
    about: Map<String, Value>,
    config: OnceLock<Option<Vec<u8>>>,
}

struct Entry {
    stored: Stored,
    used: AtomicBool,
}

impl Checkpoint {
    /// Opens a file, or the checkpoint of a folder (see [`locate`]), preferring an EMA copy.
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::File`] naming what is wrong with it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_copy(path, None)
    }

    /// As [`Checkpoint::open`], choosing between trained weights and their moving average.
    /// # Errors
    /// As [`Checkpoint::open`]; [`Error::File`] for a choice where the file has one copy only.
    pub fn open_copy(path: impl AsRef<Path>, copy: Option<WeightCopy>) -> Result<Self> {
        Self::open_member(path, copy, Member::Main)
    }

    /// As [`Checkpoint::open_copy`], choosing one network of a file that holds several; of any other file it takes the only one.
    /// # Errors
    /// As [`Checkpoint::open_copy`].
    pub fn open_member(path: impl AsRef<Path>, copy: Option<WeightCopy>, member: Member) -> Result<Self> {
        let checkpoint = Self::outline(path, copy, member)?;
        match checkpoint.is_manifest() {
            true => {
                Err(Error::file(&checkpoint.path, "lists keys and shapes without weights, so that nothing can be run"))
            }
            false => Ok(checkpoint),
        }
    }

    /// As [`Checkpoint::open_member`]; a manifest of keys and shapes (.tsv) counts as a checkpoint of random weights.
    /// # Errors
    /// As [`Checkpoint::open_member`].
    pub fn outline(path: impl AsRef<Path>, copy: Option<WeightCopy>, member: Member) -> Result<Self> {
        Self::new(Part::map(locate(path.as_ref())?)?, copy, member)
    }

    /// Reads bytes in memory; `path` is the name that errors give them.
    /// # Errors
    /// [`Error::File`] naming what is wrong with the file.
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Self> {
        Self::new(Part { path: path.into(), bytes: Bytes::Owned(bytes) }, None, Member::Main)
    }

    fn new(part: Part, copy: Option<WeightCopy>, member: Member) -> Result<Self> {
        let path = part.path.clone();
        let (parts, contents) = match shards::is_index(&path) {
            true => shards::open(part)?,
            false => {
                let contents = part.read()?;
                (vec![part], contents)
            }
        };
        let Contents { tensors, about, nameless, others } = contents;
        let names: Vec<Name> = tensors.iter().map(|(path, key, _)| (path.as_slice(), key.as_str())).collect();
        let chosen = copy.unwrap_or_default();
        let plain = keys::plain(&names, chosen, member).map_err(|[plain, a, b]| {
            Error::file(&path, format!("`{a}` and `{b}` both come to `{plain}` without their prefixes"))
        })?;
        let lent = plain.lacking.others;
        let copies = plain.copies.map(|[ema, raw]| Copies { chosen, ema, raw, lent });
        if let (Some(copies), Some(first)) = (&copies, plain.lacking.weights.first()) {
            return Err(Error::file(&path, copies.partial(plain.lacking.weights.len(), first)));
        }
        match (&copies, copy) {
            (Some(copies), None) => {
                tracing::warn!("{}: {copies}, are read; --weights chooses", path.display());
            }
            (None, Some(_)) => {
                return Err(Error::file(
                    &path,
                    "holds one copy of its weights, so that --weights has nothing to choose from",
                ));
            }
            _ => {}
        }
        if let (Some(place), None) = (nameless, &copies) {
            tracing::warn!(
                "{}: the averaged weights in `{place}` have no names and cannot be told apart; those of training are read",
                path.display()
            );
        }
        if !others.is_empty() {
            let read: BTreeSet<String> = tensors.iter().map(|(dicts, ..)| dicts.join(".")).collect();
            tracing::warn!("{}: {}", path.display(), OtherDict::said(&others, &read));
        }
        let aside = plain.aside.into_iter().map(|i| keys::full(names[i])).collect();
        let entry = |i: usize| Entry { stored: tensors[i].2.clone(), used: AtomicBool::new(false) };
        let tensors = plain.keys.into_iter().map(|(key, i)| (key, entry(i))).collect();
        let beside = plain.beside;
        Ok(Checkpoint { path, parts, tensors, aside, others, copies, beside, about, config: OnceLock::new() })
    }

    /// The file, or the index of several.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// Whether it is a manifest, whose weights are random.
    pub fn is_manifest(&self) -> bool {
        manifest::is_manifest(&self.path)
    }
    /// Plain keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }
    /// File keys that are no weights, or the copy that was not chosen.
    pub fn set_aside(&self) -> &[String] {
        &self.aside
    }
    /// Dictionaries of tensors under names that are not those of the network, none of which is read.
    pub fn others(&self) -> &[OtherDict] {
        &self.others
    }
    /// Which copy of the weights is read, where the file has two.
    pub fn copies(&self) -> Option<&Copies> {
        self.copies.as_ref()
    }
    /// Whether the file holds an autoencoder beside a denoiser.
    pub fn has_autoencoder_beside(&self) -> bool {
        self.beside
    }
    /// What the file says about itself beside its weights, by its own names (`hyper_parameters`, `args`, ...).
    pub fn about(&self) -> &Map<String, Value> {
        &self.about
    }
    /// The text of the `config.json` beside it, read at the first call; none where there is none.
    /// # Errors
    /// [`Error::Io`] when it cannot be read.
    pub fn config_json(&self) -> Result<Option<&[u8]>> {
        if let Some(known) = self.config.get() {
            return Ok(known.as_deref());
        }
        let path = self.path.with_file_name("config.json");
        let text = match std::fs::read(&path) {
            Ok(text) => Some(text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(Error::io(path, e)),
        };
        Ok(self.config.get_or_init(|| text).as_deref())
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
        self.tensors.get(key).map(|e| e.stored.shape.as_slice())
    }
    /// The dtype of a tensor.
    pub fn dtype(&self, key: &str) -> Option<Dtype> {
        self.tensors.get(key).map(|e| e.stored.dtype)
    }
    /// A tensor's bytes: little-endian, row-major in the stored order.
    pub fn bytes(&self, key: &str) -> Option<Cow<'_, [u8]>> {
        let stored = &self.tensors.get(key)?.stored;
        if self.is_manifest() {
            return Some(Cow::Owned(manifest::weights(key, &stored.shape)));
        }
        Some(stored.read(self.parts.get(stored.part)?.bytes.as_slice()))
    }
    /// Bytes of the whole file, or of all files.
    pub fn file_len(&self) -> usize {
        self.parts.iter().map(|p| p.bytes.as_slice().len()).sum()
    }
    /// SHA-256 of the whole file, in hexadecimal. Of several files that of their hashes one after the other, the index's first.
    pub fn sha256(&self) -> String {
        let all: Vec<String> = self.parts.iter().map(|p| hex(&Sha256::digest(p.bytes.as_slice()))).collect();
        match &all[..] {
            [one] => one.clone(),
            several => hex(&Sha256::digest(several.concat())),
        }
    }
}

#[cfg(test)]
mod tests;
