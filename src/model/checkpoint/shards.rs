//! A checkpoint in several files, by the index that lies beside them (`weight_map`: which tensor is in which file).
use super::source::{Bytes, Part};
use crate::model::stored::Contents;
use crate::{Error, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path};

/// The part of the index that matters.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Whether a file's name is that of an index: `NAME.safetensors.index.json`, `NAME.bin.index.json`, with a variant's name before
/// `.json` or not.
pub(in crate::model) fn is_index(path: &Path) -> bool {
    path.file_name().is_some_and(|n| {
        let name = n.to_string_lossy();
        name.ends_with(".json") && (name.contains(".safetensors.index.") || name.contains(".bin.index."))
    })
}

/// The number of shards that a shard's own name gives: `NAME-00001-of-00004.safetensors`.
pub(in crate::model) fn shard_of(path: &Path) -> Option<usize> {
    let stem = path.file_stem()?.to_str()?;
    let (before, count) = stem.rsplit_once("-of-")?;
    let number = before.rsplit_once('-').map_or(before, |(_, n)| n);
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    (digits(number) && digits(count)).then(|| count.parse().ok()).flatten()
}

/// Opens all files of an index. The first part is the index itself, so that its content counts for the identity.
/// # Errors
/// A file that is missing or lies elsewhere, a tensor that is not in the file named for it.
pub(super) fn open(index: Part) -> Result<(Vec<Part>, Contents)> {
    let fault = |text: String| Error::file(&index.path, text);
    let Index { weight_map } = serde_json::from_slice(index.bytes.as_slice())
        .map_err(|e| fault(format!("is no index of shards (a JSON object with `weight_map`): {e}")))?;
    if weight_map.is_empty() {
        return Err(fault("its `weight_map` names no tensor".into()));
    }
    let files: BTreeSet<&str> = weight_map.values().map(String::as_str).collect();
    let mut parts = Vec::new();
    let (about, others) = Default::default();
    let mut all = Contents { tensors: Vec::new(), about, nameless: None, others };
    for file in files {
        let plain = Path::new(file).components().collect::<Vec<_>>();
        if !matches!(plain[..], [Component::Normal(_)]) || file.contains(['/', '\\']) {
            return Err(fault(format!("names the file `{file}`, which is not one of its own folder")));
        }
        let path = index.path.with_file_name(file);
        if !path.is_file() {
            return Err(fault(format!("its shard `{file}` is missing")));
        }
        let part = Part::map(path)?;
        let contents = part.read()?;
        let mut here: HashMap<String, _> = contents.tensors.into_iter().map(|(_, key, s)| (key, s)).collect();
        for (key, _) in weight_map.iter().filter(|(_, f)| *f == file) {
            let Some(stored) = here.remove(key) else {
                return Err(fault(format!("tensor `{key}` is not in `{file}`, which should hold it")));
            };
            let stored = super::Stored { part: parts.len() + 1, ..stored };
            all.tensors.push((Vec::new(), key.clone(), stored));
        }
        parts.push(part);
    }
    parts.insert(0, Part { path: index.path.clone(), bytes: Bytes::Owned(index.bytes.as_slice().to_vec()) });
    Ok((parts, all))
}
