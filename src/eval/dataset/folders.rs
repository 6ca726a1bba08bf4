//! A folder for normal images and one for each defect: MVTec's layout, and plain `good` and `bad`.
use super::super::GOOD;
use super::masks::Masks;
use super::{Dataset, DatasetLayout, Sample, Selection, Truth, inputs, is_normal};
use crate::data::{find_inputs, is_mask_folder, is_results_folder};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Folders beside the images that hold none to evaluate.
const OTHERS: [&str; 3] = ["labels", "train", "val"];
/// Folders that hold the folders of images, where they do not lie in the dataset's own, as in VisA's.
const IMAGES: [&str; 2] = ["Images", "images"];

/// The dataset under `path`; `None` when it is not laid out so.
pub(super) fn find(path: &Path, selection: &Selection) -> Result<Option<Dataset>> {
    let split = selection.split.as_deref().unwrap_or("test");
    let (root, split) = match path.join(split) {
        folder if folder.is_dir() => (folder, Some(split.to_owned())),
        folder if selection.split.is_some() => return Err(Error::file(folder, "there is no such split")),
        _ => (path.to_owned(), None),
    };
    let below = IMAGES.iter().map(|name| root.join(name)).filter(|folder| folder.is_dir());
    let mut found = None;
    for folder in std::iter::once(root.clone()).chain(below) {
        let folders = subfolders(&folder)?;
        if folders.iter().any(|(name, _)| is_normal(name)) {
            found = Some(folders);
            break;
        }
    }
    let Some(mut folders) = found else { return Ok(None) };
    folders.retain(|(_, folder)| {
        let results = is_results_folder(folder);
        if results {
            tracing::warn!("{}: passed over as results of Residua", folder.display());
        }
        !results
    });
    let (mut paths, mut labels) = (Vec::new(), Vec::new());
    for (name, folder) in
        folders.iter().filter(|f| !is_mask_folder(&f.0) && !OTHERS.contains(&f.0.to_lowercase().as_str()))
    {
        let normal = is_normal(name);
        let images = find_inputs(std::slice::from_ref(folder), &selection.suffixes)?;
        let masks = match normal {
            true => Masks::of_normal(path, &root, split.as_deref(), name, (folder, &images))?,
            false => Masks::find(path, &root, split.as_deref(), name, (folder, &images))?,
        };
        masks.iter().for_each(|m| m.say_unused(name, &images));
        for image in images {
            let truth = match &masks {
                // One that shows a defect is refused when it is read.
                Some(masks) if normal => masks.of(&image).unwrap_or(Truth::Clean),
                None if normal => Truth::Clean,
                None => Truth::Unknown,
                Some(masks) => masks.of(&image)?,
            };
            paths.push(image.path);
            labels.push((if is_normal(name) { GOOD.to_owned() } else { name.clone() }, truth));
        }
    }
    let samples = inputs(&paths, selection)?.into_iter().zip(labels);
    let samples = samples.map(|(input, (defect, truth))| Sample { input, defect, truth }).collect();
    let (notes, training, others) = Default::default();
    Ok(Some(Dataset { layout: DatasetLayout::Folders, split, samples, notes, training, others }))
}

/// The visible folders in a folder, by name.
pub(super) fn subfolders(root: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = std::fs::read_dir(root).map_err(|e| Error::io(root, e))?;
    let mut folders: Vec<_> = entries
        .flatten()
        .map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()))
        .filter(|(name, path)| !name.starts_with('.') && path.is_dir())
        .collect();
    folders.sort();
    Ok(folders)
}
