//! A folder for normal images and one for each defect: MVTec's layout, and plain `good` and `bad`.
use super::super::GOOD;
use super::{Dataset, DatasetLayout, Sample, Selection, Truth, inputs, is_normal};
use crate::data::{find_inputs, stem};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Folders beside the images that hold none to evaluate.
const OTHERS: [&str; 6] = ["ground_truth", "masks", "mask", "labels", "train", "val"];

/// The dataset under `path`; `None` when it is not laid out so.
pub(super) fn find(path: &Path, selection: &Selection) -> Result<Option<Dataset>> {
    let split = selection.split.as_deref().unwrap_or("test");
    let (root, split) = match path.join(split) {
        folder if folder.is_dir() => (folder, Some(split.to_owned())),
        folder if selection.split.is_some() => return Err(Error::file(folder, "there is no such split")),
        _ => (path.to_owned(), None),
    };
    let folders = subfolders(&root)?;
    if !folders.iter().any(|(name, _)| is_normal(name)) {
        return Ok(None);
    }
    let (mut paths, mut labels) = (Vec::new(), Vec::new());
    for (name, folder) in folders.iter().filter(|f| !OTHERS.contains(&f.0.to_lowercase().as_str())) {
        let masks = if is_normal(name) { None } else { masks(path, &root, split.as_deref(), name)? };
        for image in find_inputs(std::slice::from_ref(folder), &selection.suffixes)? {
            let truth = match &masks {
                _ if is_normal(name) => Truth::Clean,
                None => Truth::Unknown,
                Some((of, masks)) => match masks.get(&image.name) {
                    Some(mask) => Truth::Mask(mask.clone()),
                    None => return Err(Error::file(&image.path, format!("has no mask in {}", of.display()))),
                },
            };
            paths.push(image.path);
            labels.push((if is_normal(name) { GOOD.to_owned() } else { name.clone() }, truth));
        }
    }
    let samples = inputs(&paths, selection)?.into_iter().zip(labels);
    let samples = samples.map(|(input, (defect, truth))| Sample { input, defect, truth }).collect();
    Ok(Some(Dataset { layout: DatasetLayout::Folders, split, samples, notes: Vec::new() }))
}

/// The visible folders in a folder, by name.
fn subfolders(root: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = std::fs::read_dir(root).map_err(|e| Error::io(root, e))?;
    let mut folders: Vec<_> = entries
        .flatten()
        .map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()))
        .filter(|(name, path)| !name.starts_with('.') && path.is_dir())
        .collect();
    folders.sort();
    Ok(folders)
}

/// The folder with a defect's masks, and these by the names of their images; `None` when there is none.
fn masks(
    path: &Path,
    root: &Path,
    split: Option<&str>,
    defect: &str,
) -> Result<Option<(PathBuf, HashMap<String, PathBuf>)>> {
    let mut places = Vec::new();
    for base in [path, root].into_iter().flat_map(|r| ["ground_truth", "masks", "mask"].map(|m| r.join(m))) {
        places.extend(split.map(|s| base.join(s).join(defect)));
        places.extend([base.join(defect), base]);
    }
    for folder in places.into_iter().filter(|p| p.is_dir()) {
        let entries = std::fs::read_dir(&folder).map_err(|e| Error::io(&folder, e))?;
        let files = entries.flatten().map(|e| e.path()).filter(|p| p.is_file());
        let named = |p: PathBuf| {
            let name = stem(&p);
            let ends = ["_mask", "-mask", "_seg", "-seg"];
            (ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name).to_owned(), p)
        };
        let masks: HashMap<String, PathBuf> = files.map(named).collect();
        if !masks.is_empty() {
            return Ok(Some((folder, masks)));
        }
    }
    Ok(None)
}
