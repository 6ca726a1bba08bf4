//! Labelled datasets: which files there are, what is wrong with each, and where its mask lies.
use crate::data::{FileKind, Input, group_files, list_files};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

mod equal;
mod folders;
#[cfg(feature = "tables")]
mod manifest;
#[cfg(not(feature = "tables"))]
#[path = "dataset/manifest_absent.rs"]
mod manifest;
mod masks;
mod pairs;
mod truth_hash;
mod words;

pub use manifest::lists_images;
pub use words::{is_abnormal, is_unsorted};

/// Folders of images without a defect, in lower case.
const NORMAL: [&str; 7] = ["good", "normal", "ok", "healthy", "negative", "nominal", "defect-free"];

/// How a dataset is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DatasetLayout {
    /// A folder for normal images and one for each defect, as MVTec's `test`, or plain `good` and `bad`.
    Folders,
    /// NIfTI volumes, each beside its segmentation.
    Volumes,
    /// A CSV file that lists images; it takes the feature `tables`.
    Manifest,
}

/// What is known about the pixels of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// None is defective.
    Clean,
    /// A file tells: a picture of the image's size, or a volume of labels for a volume.
    Mask(PathBuf),
    /// Several pictures of the image's size tell together, one for each part of the defect.
    Masks(Vec<PathBuf>),
    /// Nothing is known; the image has a label alone.
    Unknown,
}

/// One image or volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The file and what it is.
    pub input: Input,
    /// What is wrong with it; [`super::GOOD`] if nothing is.
    pub defect: String,
    /// Its pixels. The slices of a volume with a mask are labelled by the mask.
    pub truth: Truth,
}

/// A dataset, every file of which exists.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// How it is laid out.
    pub layout: DatasetLayout,
    /// The part of it that was taken, if it has parts.
    pub split: Option<String>,
    /// In order of path.
    pub samples: Vec<Sample>,
    /// What the user should know of how it was understood.
    pub notes: Vec<String>,
    /// The files of its training part, where it has one.
    pub training: Vec<PathBuf>,
    /// The files of a list's other splits that are not for training.
    pub others: Vec<PathBuf>,
}

/// What to take of a dataset.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The part: a folder of that name, or the manifest's column; `test` where there is one and nothing else is said.
    pub split: Option<String>,
    /// Which of several volumes beside one segmentation, by the end of its name: `flair`.
    pub sequence: Option<String>,
    /// The ends of the names of the files that make one image ([`crate::data::InputSpec::suffixes`]).
    pub suffixes: Vec<String>,
}

impl Dataset {
    /// Finds the samples.
    ///
    /// - A CSV file with the columns `path` and any of `label`, `mask`, `defect`, `split`; paths are relative to it. Of a file with
    ///   splits, `test` is taken, or the one that is asked for.
    /// - A folder with `test/good`, `test/DEFECT` (or another split's name, or these folders directly or under `images`), the normal one
    ///   being called good, normal, ok, healthy, negative, nominal or defect-free; masks under `ground_truth` or `masks`
    ///   in folders named alike, each with its image's name or that and `_mask`, or a folder of its image's name with several
    ///   masks, as MVTec LOCO has them. What lies beside them and is no picture is passed over.
    /// - A folder of NIfTI volumes, at any depth, each beside its segmentation: `X.nii.gz` or `X_flair.nii.gz` and
    ///   `X_seg.nii.gz` (also `-seg`, `_mask`, `-mask`).
    /// # Errors
    /// [`Error::File`] with the file and the fault: no such layout, a missing image or mask, an unknown label, several
    /// volumes for one segmentation.
    pub fn find(path: &Path, selection: &Selection) -> Result<Dataset> {
        if !path.exists() {
            return Err(Error::file(path, "there is no such dataset"));
        }
        let mut dataset = if path.is_file() {
            manifest::read(path, selection)?
        } else if let Some(found) = folders::find(path, selection)? {
            found
        } else if let Some(found) = pairs::find(path, selection)? {
            found
        } else {
            let fault = "is no dataset that is known: neither good/ (or test/good/) and folders of defects, nor NIfTI \
                         volumes beside their segmentations (*_seg.nii.gz), nor a CSV manifest";
            return Err(Error::file(path, fault.to_owned() + &words::hint(path)));
        };
        dataset.check_names(path)?;
        dataset.check_shared_masks()?;
        dataset.note_left_out(path);
        let unlabelled = |s: &&Sample| s.input.kind == FileKind::Volume && s.truth == Truth::Unknown;
        if let Some(volume) = dataset.samples.iter().find(unlabelled) {
            return Err(Error::file(
                &volume.input.path,
                "a volume with a defect needs a mask, which labels its slices",
            ));
        }
        dataset.samples.sort_by(|a, b| a.input.path.cmp(&b.input.path));
        if dataset.layout != DatasetLayout::Manifest {
            dataset.training = equal::training(path, dataset.split.as_deref());
        }
        dataset.note_equal();
        Ok(dataset)
    }
}

/// Whether a folder's or a label's name means that nothing is wrong.
pub fn is_normal(name: &str) -> bool {
    NORMAL.contains(&name.to_lowercase().as_str())
}

/// Inputs for files, named apart from each other; one file of a set stands for all of it.
fn inputs(paths: &[PathBuf], selection: &Selection) -> Result<Vec<Input>> {
    let whole = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let mut seen: HashMap<PathBuf, &PathBuf> = HashMap::new();
    for path in paths {
        if let Some(first) = seen.insert(whole(path), path) {
            let also = if first == path { String::new() } else { format!(", also as {}", first.display()) };
            return Err(Error::file(path, format!("is named twice{also}")));
        }
    }
    let found = group_files(&list_files(paths)?, &selection.suffixes)?;
    for input in found.iter().filter(|i| i.files.len() > 1) {
        let own: Vec<_> = input.files.iter().filter_map(|file| seen.get(&whole(file))).collect();
        if let [first, other, ..] = own[..] {
            return Err(Error::file(other, format!("is the same image as {}: name one of its files", first.display())));
        }
    }
    match found.len() == paths.len() {
        true => Ok(found),
        false => Err(Error::Invalid("the dataset names one image twice".into())),
    }
}

#[cfg(all(test, feature = "tables"))]
mod tests;
