//! NIfTI volumes beside their segmentations, as BraTS has them.
use super::{Dataset, DatasetLayout, Sample, Selection, Truth, inputs};
use crate::data::{FileKind, list_files, numbered, stem, tell_unread};
use crate::{Error, Result};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What a segmentation's name ends in.
const ENDS: [&str; 4] = ["seg", "mask", "segmentation", "label"];

/// The pairs under `path`; `None` when there is no segmentation.
pub(super) fn find(path: &Path, selection: &Selection) -> Result<Option<Dataset>> {
    let split = selection.split.clone().or_else(|| path.join("test").is_dir().then(|| "test".to_owned()));
    let root = split.as_ref().map_or(path.to_owned(), |s| path.join(s));
    let Ok(files) = list_files(std::slice::from_ref(&root)) else { return Ok(None) };
    let volumes = files.into_iter().filter(|path| FileKind::of(path) == FileKind::Volume);
    let (masks, images): (Vec<PathBuf>, Vec<PathBuf>) = volumes.partition(|p| base(&stem(p)).is_some());
    if masks.is_empty() {
        return Ok(None);
    }
    tell_unread(&root);
    // NAME_mask beside NAME_seg is the foreground, not the truth.
    let named = |p: &PathBuf| (p.parent().map(Path::to_owned), base(&stem(p)));
    let others: HashSet<_> = masks.iter().filter(|p| !is_foreground(p)).map(named).collect();
    let masks: Vec<PathBuf> = masks.into_iter().filter(|p| !is_foreground(p) || !others.contains(&named(p))).collect();
    without_segmentation(&images, &masks);
    let further = |image: &&PathBuf| {
        let of = numbered(&stem(image)).and_then(base);
        of.is_some_and(|name| {
            masks.iter().any(|m| m.parent() == image.parent() && base(&stem(m)).as_ref() == Some(&name))
        })
    };
    if let Some(other) = images.iter().find(further) {
        let fault = "is named as a further segmentation of one volume: put all of its labels into one file";
        return Err(Error::file(other, fault));
    }
    // Of a set of files, the first channel's stands for all.
    let sequence = selection.suffixes.first().or(selection.sequence.as_ref()).map(String::as_str);
    let (mut paths, mut truths) = (Vec::new(), Vec::new());
    for mask in masks {
        paths.push(partner(&mask, &images, sequence)?);
        truths.push(Truth::Mask(mask));
    }
    let samples = inputs(&paths, selection)?.into_iter().zip(truths);
    let samples = samples.map(|(input, truth)| Sample { input, defect: "anomalous".into(), truth }).collect();
    let (notes, training, others) = Default::default();
    Ok(Some(Dataset { layout: DatasetLayout::Volumes, split, samples, notes, training, others }))
}

/// Says which volumes are left out because nothing beside them is their segmentation.
fn without_segmentation(images: &[PathBuf], masks: &[PathBuf]) {
    let belongs = |image: &Path, mask: &Path| {
        let name = base(&stem(mask)).unwrap_or_default();
        image.parent() == mask.parent() && stem(image).strip_prefix(&name).is_some_and(|rest| follows(&name, rest))
    };
    let alone: Vec<&PathBuf> = images.iter().filter(|i| !masks.iter().any(|m| belongs(i, m))).collect();
    if let [first, others @ ..] = &alone[..] {
        let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        tracing::warn!("{}{more}: left out, as there is no segmentation beside it", first.display());
    }
}

/// Whether what follows a segmentation's own name lets an image's name be of it.
fn follows(name: &str, rest: &str) -> bool {
    name.is_empty() || rest.is_empty() || rest.starts_with(['_', '-'])
}

/// Whether a file may be the foreground of what it is named after.
fn is_foreground(path: &Path) -> bool {
    stem(path).to_lowercase().ends_with("_mask")
}

/// A segmentation's name without what makes it one, `None` for other volumes.
fn base(stem: &str) -> Option<String> {
    let lower = stem.to_lowercase();
    let end = ENDS.iter().find(|end| lower.ends_with(**end))?;
    let rest = &stem[..stem.len() - end.len()];
    match rest.strip_suffix(['_', '-', '.']) {
        Some(name) => Some(name.to_owned()),
        None => rest.is_empty().then(String::new),
    }
}

/// The one volume that a segmentation belongs to.
fn partner(mask: &Path, images: &[PathBuf], sequence: Option<&str>) -> Result<PathBuf> {
    let name = base(&stem(mask)).unwrap_or_default();
    let belongs = |image: &&PathBuf| {
        let stem = stem(image);
        let rest = stem.strip_prefix(&name).filter(|r| follows(&name, r));
        let wanted = sequence.is_none_or(|s| stem.to_lowercase().ends_with(&s.to_lowercase()));
        image.parent() == mask.parent() && rest.is_some() && wanted
    };
    match images.iter().filter(belongs).collect::<Vec<_>>()[..] {
        [one] => Ok(one.clone()),
        [] => Err(Error::file(mask, "there is no volume for this segmentation beside it")),
        [a, b, ..] => {
            let fault = format!("belongs to {} and {}; choose by --sequence, as in --sequence flair", stem(a), stem(b));
            Err(Error::file(mask, fault))
        }
    }
}
