//! Files of the same bytes, where each image should be another one: under two labels, or in training and test; and masks that are of
//! two images.
use super::super::GOOD;
use super::{Dataset, DatasetLayout, Sample, Truth};
use crate::data::{hash_files, list_files};
use crate::{Error, Result};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Folders of training images, in lower case.
const TRAINING: [&str; 2] = ["train", "training"];

/// Whether a split's name is that of training images.
pub(super) fn is_training(split: &str) -> bool {
    TRAINING.contains(&split.to_lowercase().as_str())
}

/// The training files beside a part of a dataset, which is the split of a folder, or the folder itself.
pub(super) fn training(path: &Path, split: Option<&str>) -> Vec<PathBuf> {
    // A folder without parts is one itself, if its name is that of one.
    let named = path.file_name().is_some_and(|n| n.to_string_lossy().to_lowercase().starts_with("test"));
    let beside = match split {
        Some(split) if is_training(split) => None,
        Some(_) => Some(path),
        None => path.parent().filter(|_| named),
    };
    let entries = beside.into_iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let folders: Vec<PathBuf> = entries
        .filter(|e| is_training(&e.file_name().to_string_lossy()))
        .map(|e| e.path())
        .filter(|p| p.is_dir())
        .collect();
    if folders.is_empty() { Vec::new() } else { list_files(&folders).unwrap_or_default() }
}

/// What a file stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    /// An image of the dataset, under its label.
    Of(&'a str),
    /// One to train with.
    Training,
    /// One of another part that is neither.
    Other,
}

impl Dataset {
    /// Notes images that lie there twice under two labels, and such that the dataset's own training images or those of other parts are
    /// among, and says so. Files are compared by their bytes; those that cannot be read are passed over, as their error comes when it
    /// is their turn.
    pub(super) fn note_equal(&mut self) {
        let own = self.samples.iter().map(|s| (s.input.path.as_path(), Part::Of(&s.defect)));
        let training = self.training.iter().map(|path| (path.as_path(), Part::Training));
        let others = self.others.iter().map(|path| (path.as_path(), Part::Other));
        let all: Vec<_> = own.chain(training).chain(others).collect();
        let (mut labels, mut trained, mut shared) = (Vec::new(), Vec::new(), Vec::new());
        for group in groups(&all) {
            let label = |part: Part<'_>| !matches!(part, Part::Training | Part::Other);
            let test: Vec<_> = group.iter().filter(|(_, part)| label(*part)).collect();
            let Some(&&(first, part)) = test.first() else { continue };
            let with = |wanted: &dyn Fn(Part<'_>) -> bool| group.iter().find(|g| wanted(g.1)).map(|g| (first, g.0));
            labels.extend(test.iter().find(|(_, other)| *other != part).map(|(other, _)| (first, *other)));
            trained.extend(with(&|p| p == Part::Training));
            shared.extend(with(&|p| p == Part::Other));
        }
        let mut notes = Vec::new();
        let mut say = |found: &[(&Path, &Path)], what: &str, why: &str| {
            let Some((a, b)) = found.first() else { return };
            let stand = if found.len() == 1 { "1 image stands" } else { "images stand" };
            let count = if found.len() == 1 { stand.to_owned() } else { format!("{} {stand}", found.len()) };
            let and = if a == b { String::new() } else { format!(" and {}", b.display()) };
            tracing::warn!("{count} {what}, such as {}{and}: {why}", a.display());
            notes.push(format!("{count} {what}"));
        };
        // A segmentation labels the slices, whatever its volume is called.
        if self.layout != DatasetLayout::Volumes {
            say(&labels, "under two labels, byte for byte the same", "one of the labels is wrong");
        }
        let nothing = "what is measured on them says nothing of new ones";
        say(&trained, "in training as well, byte for byte the same", nothing);
        say(&shared, "in another split as well, byte for byte the same", "the splits are not apart");
        self.notes.extend(notes);
    }

    /// Refuses a mask that is taken for two images, unless these are the same or both normal, whose masks show nothing.
    pub(super) fn check_shared_masks(&self) -> Result<()> {
        let mut of: HashMap<PathBuf, &Sample> = HashMap::new();
        for sample in &self.samples {
            let masks = match &sample.truth {
                Truth::Mask(mask) => std::slice::from_ref(mask),
                Truth::Masks(masks) => masks,
                Truth::Clean | Truth::Unknown => continue,
            };
            for mask in masks {
                let other = *of.entry(mask.canonicalize().unwrap_or_else(|_| mask.clone())).or_insert(sample);
                let normal = sample.defect == GOOD && other.defect == GOOD;
                if !normal && other.input != sample.input && !same_files(&other.input.files, &sample.input.files) {
                    let (a, b) = (other.input.path.display(), sample.input.path.display());
                    let fault = format!(
                        "would be the mask of two different images, {a} and {b}: give each its own, in folders of the defects' \
                         names or in a CSV manifest"
                    );
                    return Err(Error::file(mask, fault));
                }
            }
        }
        Ok(())
    }
}

/// Whether files are, one by one, of the same bytes. Those that cannot be read are of no others.
pub(super) fn same_files(a: &[PathBuf], b: &[PathBuf]) -> bool {
    let same = |(a, b): (&PathBuf, &PathBuf)| match (std::fs::read(a), std::fs::read(b)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    };
    a == b || a.len() == b.len() && a.iter().zip(b).all(same)
}

type Labelled<'a> = (&'a Path, Part<'a>);

/// Those that are equal to others, in groups. Few files are read as a whole: first by length, then by their beginning.
fn groups<'a>(all: &[Labelled<'a>]) -> Vec<Vec<Labelled<'a>>> {
    let length = |path: &Path| std::fs::metadata(path).ok().map(|m| m.len());
    let same_length = parted(all.to_vec(), |path| length(path));
    let begin = |path: &Path| -> Option<Vec<u8>> {
        let mut start = Vec::new();
        File::open(path).ok()?.take(1 << 12).read_to_end(&mut start).ok()?;
        Some(start)
    };
    let whole = |path: &Path| -> Option<String> {
        let hash: Result<String> = hash_files([path]);
        hash.ok()
    };
    let groups = same_length.into_iter().flat_map(|group| parted(group, begin));
    let mut found: Vec<_> = groups.flat_map(|group| parted(group, whole)).collect();
    found.sort();
    found
}

/// Groups of two or more with the same key.
fn parted<'a, K: std::hash::Hash + Eq>(
    all: Vec<Labelled<'a>>,
    key: impl Fn(&Path) -> Option<K>,
) -> Vec<Vec<Labelled<'a>>> {
    // One file may be in several parts.
    let mut parts: HashMap<K, BTreeSet<Labelled<'a>>> = HashMap::new();
    for labelled in all {
        if let Some(key) = key(labelled.0) {
            parts.entry(key).or_default().insert(labelled);
        }
    }
    parts.into_values().filter(|part| part.len() > 1).map(|part| part.into_iter().collect()).collect()
}
