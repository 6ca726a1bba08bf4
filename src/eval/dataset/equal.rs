//! Files of the same bytes, where each image should be another one: under two labels, or in training and test.
use super::{Dataset, DatasetLayout};
use crate::Result;
use crate::data::{hash_files, list_files};
use std::collections::{BTreeMap, HashMap};
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

impl Dataset {
    /// Notes images that lie there twice under two labels, and such that the dataset's own training images are among, and says so. Files
    /// are compared by their bytes; those that cannot be read are passed over, as their error comes when it is their turn.
    pub(super) fn note_equal(&mut self) {
        let own = self.samples.iter().map(|s| (s.input.path.as_path(), Some(s.defect.as_str())));
        let all: Vec<_> = own.chain(self.training.iter().map(|path| (path.as_path(), None))).collect();
        let (mut labels, mut trained) = (Vec::new(), Vec::new());
        for group in groups(&all) {
            let test: Vec<_> = group.iter().filter_map(|&(path, label)| Some((path, label?))).collect();
            let Some(&(first, label)) = test.first() else { continue };
            labels.extend(test.iter().find(|(_, other)| *other != label).map(|(other, _)| (first, *other)));
            trained.extend(group.iter().find(|(_, label)| label.is_none()).map(|(path, _)| (first, *path)));
        }
        let mut notes = Vec::new();
        let mut say = |found: &[(&Path, &Path)], what: &str, why: &str| {
            let Some((a, b)) = found.first() else { return };
            let stand = if found.len() == 1 { "1 image stands" } else { "images stand" };
            let count = if found.len() == 1 { stand.to_owned() } else { format!("{} {stand}", found.len()) };
            tracing::warn!("{count} {what}, such as {} and {}: {why}", a.display(), b.display());
            notes.push(format!("{count} {what}"));
        };
        // A segmentation labels the slices, whatever its volume is called.
        if self.layout != DatasetLayout::Volumes {
            say(&labels, "under two labels, byte for byte the same", "one of the labels is wrong");
        }
        say(
            &trained,
            "in training as well, byte for byte the same",
            "what is measured on them says nothing of new ones",
        );
        self.notes.extend(notes);
    }
}

type Labelled<'a> = (&'a Path, Option<&'a str>);

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
    let mut parts: HashMap<K, BTreeMap<&Path, Option<&str>>> = HashMap::new();
    for (path, label) in all {
        if let Some(key) = key(path) {
            parts.entry(key).or_default().insert(path, label);
        }
    }
    parts.into_values().filter(|part| part.len() > 1).map(|part| part.into_iter().collect()).collect()
}
