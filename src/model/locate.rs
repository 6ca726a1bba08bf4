//! Which file a path means.
use super::checkpoint::shards::{is_index, shard_of};
use super::checkpoint::source::is_pytorch_name;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Files of known names, in the order in which they are preferred; those of PyTorch after all safetensors.
const SAFETENSORS: [&str; 4] = [
    "diffusion_pytorch_model.safetensors",
    "model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "model.safetensors.index.json",
];
const PYTORCH: [&str; 4] = [
    "diffusion_pytorch_model.bin",
    "pytorch_model.bin",
    "diffusion_pytorch_model.bin.index.json",
    "pytorch_model.bin.index.json",
];

/// The names of the files and folders that hold a classifier in a model folder.
pub const CLASSIFIER: &[&str] = &["classifier"];
/// The same of an autoencoder; diffusers' pipelines have `vae` or `vqvae`.
pub const AUTOENCODER: &[&str] = &["autoencoder", "vae", "vqvae"];
/// The same of a comparer.
pub const COMPARER: &[&str] = &["comparer"];
/// The same of a network of features.
pub const FEATURES: &[&str] = &["features"];

/// A file as it is; in a folder (or its `unet/`) the file of a known name, or the only safetensors file, or the only one of
/// PyTorch. The index of several files stands for them all. A file with the name of a role, such as `classifier.*`, is the network that
/// a folder stands for only where there is no other.
/// # Errors
/// When the path cannot be read, or the folder holds no candidate or several; for one file of several that have an index.
pub fn locate(path: &Path) -> Result<PathBuf> {
    let meta = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if !meta.is_dir() {
        return match shard_of(path) {
            Some(count) if count > 1 => {
                let fault = format!("is one of the {count} files of a checkpoint; name their folder or their index");
                Err(Error::file(path, fault))
            }
            _ => Ok(path.to_owned()),
        };
    }
    let unet = path.join("unet");
    for folder in [path, unet.as_path()] {
        let files = candidates(folder)?;
        for (known, kind) in [(SAFETENSORS, false), (PYTORCH, true)] {
            if let Some(file) = known.iter().map(|n| folder.join(n)).find(|f| f.is_file()) {
                return Ok(file);
            }
            let of_kind = |f: &&PathBuf| {
                let pytorch = is_epoch(f, "")
                    || is_pytorch_name(f)
                    || f.file_name().is_some_and(|n| n.to_string_lossy().contains(".bin.index."));
                pytorch == kind
            };
            let found: Vec<&PathBuf> = files.iter().filter(of_kind).collect();
            // Files of an index are no candidates by themselves.
            let whole: Vec<&PathBuf> = found.iter().copied().filter(|f| shard_of(f).is_none_or(|n| n < 2)).collect();
            match (whole.len(), found.len()) {
                (0, 0) => {}
                (1, _) => return Ok(whole[0].clone()),
                (0, n) => {
                    let fault = format!("{n} files of a checkpoint in several, but no index (.index.json) of them");
                    return Err(Error::file(folder, fault));
                }
                _ => {
                    let names: Vec<_> =
                        whole.iter().filter_map(|f| f.file_name()).map(|f| f.to_string_lossy().into_owned()).collect();
                    let fault = format!("several checkpoints, name one of them: {}", names.join(", "));
                    return Err(Error::file(folder, fault));
                }
            }
        }
    }
    Err(Error::file(path, "no .safetensors file in this folder, and none of PyTorch (.pt, .pth, .ckpt, .bin)"))
}

/// What a folder may stand for.
fn candidates(folder: &Path) -> Result<Vec<PathBuf>> {
    let roles = [CLASSIFIER, AUTOENCODER, COMPARER, FEATURES].concat();
    let (named, others): (Vec<_>, Vec<_>) = all(folder)?.into_iter().partition(|f| is_called(f, &roles));
    Ok(if others.is_empty() { named } else { others })
}

/// The files of weights in a folder.
fn all(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let file = entry.map_err(|e| Error::io(folder, e))?.path();
        // Inputs, outputs and layers of a golden or of a self-test are never weights.
        let records = file.file_name().is_some_and(|n| n == "io.safetensors" || n == "selftest.safetensors");
        let safetensors = file.extension().is_some_and(|e| e == "safetensors") && !records;
        let known = is_pytorch_name(&file) || is_index(&file) || is_epoch(&file, "") || is_epoch(&file, FEATURES_OF);
        if (safetensors || known) && file.is_file() {
            found.push(file);
        }
    }
    found.sort();
    Ok(found)
}

/// What DDAD's public code puts before the number of an epoch in the name of a network of features; that of the denoiser is the number alone,
/// and neither has an extension.
const FEATURES_OF: &str = "feat";

/// Whether a file is called `prefix` and a number.
fn is_epoch(file: &Path, prefix: &str) -> bool {
    let number = file.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_prefix(prefix));
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a file is called by one of these names, whatever its extension.
fn is_called(file: &Path, names: &[&str]) -> bool {
    if names.contains(&FEATURES[0]) && is_epoch(file, FEATURES_OF) {
        return true;
    }
    let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    names.iter().any(|n| name.strip_prefix(n).is_some_and(|rest| rest.starts_with('.')))
}

/// The network of a role in a model folder: the only file called by one of `names` (.safetensors, .pt, .pth, .ckpt, .bin, or an
/// index of several), or the network of the folder of that name.
/// # Errors
/// When there is none, or more than one; `names` has one at least.
pub fn locate_role(folder: &Path, names: &[&str]) -> Result<PathBuf> {
    let name = names.first().copied().unwrap_or_default();
    find_role(folder, names)?.ok_or_else(|| {
        let fault = format!("no {name} in this folder ({name}.safetensors, one of PyTorch, or a folder `{name}`)");
        Error::file(folder, fault)
    })
}

/// As [`locate_role`]; none when there is none.
/// # Errors
/// When there is more than one.
pub fn find_role(folder: &Path, names: &[&str]) -> Result<Option<PathBuf>> {
    let mut found: Vec<PathBuf> = all(folder)?.into_iter().filter(|f| is_called(f, names)).collect();
    found.extend(names.iter().map(|n| folder.join(n)).filter(|inner| inner.is_dir()));
    let name = names.first().copied().unwrap_or_default();
    match &found[..] {
        [one] if one.is_dir() => locate_called(one, names).map(Some),
        [one] => Ok(Some(one.clone())),
        [] => Ok(None),
        several => {
            let found: Vec<_> = several.iter().filter_map(|f| f.file_name()).map(|f| f.to_string_lossy()).collect();
            Err(Error::file(folder, format!("several {name}s, name one of them: {}", found.join(", "))))
        }
    }
}

/// The network of a role's own folder: the file that is called as the role, or else what [`locate`] finds.
fn locate_called(folder: &Path, names: &[&str]) -> Result<PathBuf> {
    let called: Vec<PathBuf> = all(folder)?.into_iter().filter(|f| is_called(f, names)).collect();
    match <[PathBuf; 1]>::try_from(called) {
        Ok([one]) => Ok(one),
        Err(_) => locate(folder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_first_then_the_only_one_then_unet() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        assert!(locate(path).unwrap_err().to_string().contains("no .safetensors"));
        std::fs::create_dir(path.join("unet")).unwrap();
        std::fs::write(path.join("unet/x.safetensors"), b"").unwrap();
        assert_eq!(locate(path).unwrap(), path.join("unet/x.safetensors"));
        std::fs::write(path.join("a.safetensors"), b"").unwrap();
        assert_eq!(locate(path).unwrap(), path.join("a.safetensors"));
        std::fs::write(path.join("selftest.safetensors"), b"").unwrap();
        assert_eq!(locate(path).unwrap(), path.join("a.safetensors"));
        std::fs::write(path.join("b.safetensors"), b"").unwrap();
        assert!(locate(path).unwrap_err().to_string().contains("a.safetensors, b.safetensors"));
        std::fs::write(path.join("model.safetensors"), b"").unwrap();
        assert_eq!(locate(path).unwrap(), path.join("model.safetensors"));
        assert_eq!(locate(&path.join("b.safetensors")).unwrap(), path.join("b.safetensors"));
        // In a role's own folder, the file of its name goes before others.
        let inner = path.join("comparer");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("zzz.safetensors"), b"").unwrap();
        assert_eq!(locate_role(path, COMPARER).unwrap(), inner.join("zzz.safetensors"));
        std::fs::write(inner.join("comparer.safetensors"), b"").unwrap();
        assert_eq!(locate_role(path, COMPARER).unwrap(), inner.join("comparer.safetensors"));
        assert!(matches!(locate(&path.join("none")), Err(Error::Io { .. })));
    }
    #[test]
    fn a_classifier_lies_beside_another_network_or_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        assert!(locate_role(path, CLASSIFIER).unwrap_err().to_string().contains("no classifier"));
        let file = path.join("classifier.pt");
        std::fs::write(&file, b"").unwrap();
        assert_eq!((locate_role(path, CLASSIFIER).unwrap(), locate(path).unwrap()), (file.clone(), file));
        std::fs::write(path.join("a.ckpt"), b"").unwrap();
        assert_eq!(locate(path).unwrap(), path.join("a.ckpt"));
        let inner = path.join("classifier/model.safetensors");
        std::fs::create_dir(path.join("classifier")).unwrap();
        std::fs::write(&inner, b"").unwrap();
        assert!(locate_role(path, CLASSIFIER).unwrap_err().to_string().contains("classifier.pt, classifier"));
        std::fs::remove_file(path.join("classifier.pt")).unwrap();
        assert_eq!(locate_role(path, CLASSIFIER).unwrap(), inner);
    }
    #[test]
    fn pytorch_files_come_after_safetensors_and_an_index_before_its_shards() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        let put = |name: &str| {
            std::fs::write(path.join(name), b"").unwrap();
            path.join(name)
        };
        let last = put("last.ckpt");
        assert_eq!(locate(path).unwrap(), last);
        put("best.ckpt");
        assert!(locate(path).unwrap_err().to_string().contains("best.ckpt, last.ckpt"));
        let bin = put("pytorch_model.bin");
        assert_eq!(locate(path).unwrap(), bin);
        let shard = put("w-00001-of-00002.safetensors");
        put("w-00002-of-00002.safetensors");
        assert!(locate(path).unwrap_err().to_string().contains("no index"));
        assert!(locate(&shard).unwrap_err().to_string().contains("one of the 2 files"));
        let index = put("w.safetensors.index.json");
        assert_eq!(locate(path).unwrap(), index);
        let whole = put("model.safetensors");
        assert_eq!(locate(path).unwrap(), whole);
    }
}
