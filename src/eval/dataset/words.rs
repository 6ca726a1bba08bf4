//! What a dataset is taken for, in words, and what cannot be meant.
use super::super::GOOD;
use super::{Dataset, DatasetLayout, Truth, is_normal};
use crate::data::{EXTENSIONS, FileKind, list_files, stem};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Names of folders that hold labels, and last words of such names.
const LABELS: [&str; 8] = ["mask", "masks", "gt", "seg", "annotation", "annotations", "segmentation", "segmentations"];
/// Names of folders that are a part of a dataset, and no kind of defect.
const PARTS: [&str; 8] = ["train", "training", "val", "valid", "validation", "dev", "test", "testing"];
/// Names of folders of which nobody knows what is in them.
const UNSORTED: [&str; 22] = [
    "unlabeled",
    "unlabelled",
    "unannotated",
    "unclassified",
    "unsorted",
    "unknown",
    "uncertain",
    "undecided",
    "unclear",
    "ignore",
    "ignored",
    "skip",
    "skipped",
    "excluded",
    "exclude",
    "discarded",
    "trash",
    "misc",
    "miscellaneous",
    "todo",
    "tbd",
    "unused",
];
/// Words that say nothing beside those.
const PLAIN: [&str; 7] = ["images", "image", "data", "files", "pictures", "samples", "not"];
/// Words that turn a word about the normal into its opposite.
const NOT: [&str; 6] = ["no", "not", "non", "un", "without", "bad"];

impl Dataset {
    /// How the dataset was understood, in a sentence for the user.
    pub fn taken_for(&self) -> String {
        let count = |of: &dyn Fn(&Truth) -> bool| self.samples.iter().filter(|s| of(&s.truth)).count();
        let part = self.split.as_ref().map(|s| format!(" of the split `{s}`")).unwrap_or_default();
        let masks = count(&|t| matches!(t, Truth::Mask(_) | Truth::Masks(_)));
        let mut text = match self.layout {
            DatasetLayout::Volumes => format!("{masks} volumes{part}, each beside its segmentation"),
            DatasetLayout::Folders | DatasetLayout::Manifest => {
                let what = if self.layout == DatasetLayout::Folders { "folders" } else { "a list" };
                let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
                self.samples.iter().for_each(|s| *kinds.entry(&s.defect).or_default() += 1);
                let normal = kinds.remove(GOOD).unwrap_or(0);
                let anomalous = kinds.iter().map(|(name, n)| format!("{n} {name}"));
                let all: Vec<String> = std::iter::once(format!("{normal} normal")).chain(anomalous).collect();
                let with = match (masks, count(&|t| *t == Truth::Unknown)) {
                    (0, _) => "no masks".to_owned(),
                    (n, 0) => format!("{n} masks"),
                    (n, without) => format!("{n} masks, {without} anomalous images without one"),
                };
                format!("{what} of images{part}: {}; {with}", all.join(", "))
            }
        };
        self.notes.iter().for_each(|note| text += &format!("; {note}"));
        text
    }

    /// Refuses folders that would be taken for a defect, though their names say something else.
    pub(super) fn check_names(&self, path: &Path) -> Result<()> {
        let folders = self.samples.iter().filter(|s| self.layout == DatasetLayout::Folders && s.defect != GOOD);
        for name in folders.map(|s| &*s.defect) {
            if let Some(what) = other_than_defect(name) {
                let fault =
                    format!("its folder `{name}` would be taken for images of a defect, but its name says {what}");
                return Err(Error::file(path, fault));
            }
        }
        Ok(())
    }

    /// Says how many images lie there that are not taken: beside the folders, where none tells what they are, and volumes without a
    /// segmentation.
    pub(super) fn note_left_out(&mut self, path: &Path) {
        let root = self.split.as_ref().map_or(path.to_owned(), |s| path.join(s));
        if self.layout == DatasetLayout::Volumes {
            let alone = self.volumes_alone(&root);
            if alone > 0 {
                self.notes.push(format!("{alone} volumes without a segmentation are not taken"));
            }
            return;
        }
        let loose = std::fs::read_dir(&root).into_iter().flatten().flatten().filter(|e| {
            let name = e.file_name().to_string_lossy().to_lowercase();
            !name.starts_with('.') && e.path().is_file() && EXTENSIONS.iter().any(|end| name.ends_with(end))
        });
        let loose = loose.count();
        if self.layout == DatasetLayout::Folders && loose > 0 {
            self.notes.push(format!("{loose} files beside the folders are not taken"));
        }
    }

    /// How many volumes no segmentation is named after.
    fn volumes_alone(&self, root: &Path) -> usize {
        let masks: Vec<(&Path, String)> = self
            .samples
            .iter()
            .filter_map(|s| if let Truth::Mask(mask) = &s.truth { Some(mask) } else { None })
            .filter_map(|mask| {
                let stem = stem(mask);
                let end = stem.rfind(['_', '-', '.']).unwrap_or(0);
                Some((mask.parent()?, stem[..end].to_owned()))
            })
            .collect();
        let files = list_files(&[root.to_owned()]).unwrap_or_default();
        let alone = |file: &&std::path::PathBuf| {
            let of =
                |(folder, name): &(&Path, String)| file.parent() == Some(*folder) && stem(file).starts_with(&**name);
            FileKind::of(file) == FileKind::Volume && !masks.iter().any(of)
        };
        files.iter().filter(alone).count()
    }

    /// Whether there are volumes, which are cut along an axis.
    pub fn has_volumes(&self) -> bool {
        self.samples.iter().any(|s| s.input.kind == FileKind::Volume)
    }
}

/// Whether a folder's name is that of a part of a dataset.
pub(super) fn is_part(name: &str) -> bool {
    PARTS.contains(&&*name.to_lowercase())
}

/// Whether a folder's name says that its images are neither normal nor of a defect, as nobody has sorted them.
pub fn is_unsorted(name: &str) -> bool {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty() && !PLAIN.contains(word));
    let words: Vec<&str> = words.collect();
    !words.is_empty() && words.iter().all(|word| UNSORTED.contains(word))
}

/// What a folder's name says that it is, if not a defect.
fn other_than_defect(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
    let plain = |word: &&str| is_normal(word.trim_end_matches(|c: char| c.is_ascii_digit()));
    if is_part(name) {
        return Some("that it is a part of the dataset");
    }
    if is_unsorted(name) {
        return Some(
            "that nobody knows whether its images are normal: move it out of the dataset, or list the images that count in a CSV \
             manifest",
        );
    }
    // A defect of a label is one, too.
    let whole = lower.replace(['_', '-', ' '], "");
    if words.last().is_some_and(|w| LABELS.contains(w)) || ["groundtruth", "label", "labels"].contains(&&*whole) {
        return Some("that it holds masks: call it masks or ground_truth");
    }
    let negated = words.iter().any(|w| NOT.contains(w));
    (!negated && words.iter().any(plain)).then_some("that it is normal: call it good")
}

/// Words in names of folders of images that are not normal.
const ABNORMAL: [&str; 22] = [
    "bad",
    "defect",
    "defects",
    "defective",
    "anomaly",
    "anomalies",
    "anomalous",
    "abnormal",
    "abnormality",
    "faulty",
    "fault",
    "faults",
    "ng",
    "nok",
    "ko",
    "outlier",
    "outliers",
    "positive",
    "broken",
    "damaged",
    "lesion",
    "tumor",
];

/// Whether a folder's name says that it holds images with a defect, or masks.
pub fn is_abnormal(name: &str) -> bool {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
    let labels = words.iter().any(|w| LABELS.contains(w)) || lower.replace(['_', '-', ' '], "") == "groundtruth";
    let free = words.iter().any(|w| ["no", "not", "non", "free", "without"].contains(w));
    let normal = words.iter().any(|w| is_normal(w));
    labels || words.iter().any(|w| ABNORMAL.contains(w)) && !free || normal && words.contains(&"not")
}

/// What could be meant by a folder that is no dataset.
pub(super) fn hint(path: &Path) -> String {
    let below = std::fs::read_dir(path).into_iter().flatten().flatten().map(|e| e.path()).filter(|p| p.is_dir());
    let mut below: Vec<_> = below.collect();
    below.sort();
    let name = |p: &std::path::PathBuf| p.strip_prefix(path).unwrap_or(p).display().to_string();
    let shown = |of: &[std::path::PathBuf]| {
        let names: Vec<String> = of.iter().take(8).map(|p| format!("{}/", name(p))).collect();
        names.join(", ") + if of.len() > 8 { ", …" } else { "" }
    };
    let sets: Vec<_> = below.iter().flat_map(|p| sets_in(p, 2)).collect();
    let tables = std::fs::read_dir(path).into_iter().flatten().flatten().map(|e| e.path());
    let table =
        |p: &std::path::PathBuf| p.extension().is_some_and(|e| ["csv", "npz", "parquet"].iter().any(|t| e == *t));
    if let (true, Some(file)) = (sets.is_empty(), tables.filter(table).min()) {
        return format!("; {} is a file that could be meant: name it itself", name(&file));
    }
    match (sets.is_empty(), below.is_empty()) {
        (false, _) => format!("; datasets lie in {}: name one of them", shown(&sets)),
        (true, false) => format!("; it holds the folders {}", shown(&below)),
        (true, true) => String::new(),
    }
}

/// The folder, if it is laid out as a dataset, else those in it that are, up to so many levels down.
fn sets_in(folder: &Path, levels: usize) -> Vec<std::path::PathBuf> {
    if ["", "test", "Images", "images"].iter().any(|part| has_normal(&folder.join(part))) {
        return vec![folder.to_owned()];
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
    let mut below: Vec<_> = entries.filter(|p| levels > 0 && p.is_dir()).collect();
    below.sort();
    below.iter().flat_map(|p| sets_in(p, levels - 1)).collect()
}

/// Whether a folder holds one of normal images.
fn has_normal(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|e| e.path().is_dir()).any(|e| is_normal(&e.file_name().to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folders_that_are_not_normal_are_known() {
        for name in ["defect", "Masks", "ground_truth", "test-anomalies", "BAD", "not_good", "NG", "defect_masks"] {
            assert!(is_abnormal(name), "{name}");
        }
        for name in ["good", "samples", "defect-free", "no_defect", "train", "normal", "batch2", "badge", "ok"] {
            assert!(!is_abnormal(name), "{name}");
        }
    }

    #[test]
    fn names_that_are_no_defects_are_known() {
        for name in ["bad_masks", "gt", "Ground-Truth", "defect_gt", "labels", "test_good", "ok2", "good images", "val"]
            .into_iter()
            .chain(["unlabeled", "Unlabelled", "unknown", "ignore", "unsorted_images", "misc2", "unknown-1"])
        {
            assert!(other_than_defect(name).is_some(), "{name}");
        }
        for name in [
            "hole",
            "no_good",
            "not-ok",
            "wrong_label",
            "gtx",
            "abnormal",
            "misplaced",
            "nok",
            "trained",
            "unknown_defect",
            "misaligned",
        ] {
            assert_eq!(other_than_defect(name), None, "{name}");
        }
    }
}
