//! Sets of files that make one image, one channel each, told by the ends of their names.
use super::kind::{FileKind, has_known_ending};
use super::names::{stem, unique_names};
use super::path_text::name_text;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One input: a file, or the set of files that make one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The file, as given or as found under the folder given; of a set, the first channel's.
    pub path: PathBuf,
    /// All files of the input, one for each channel in the order of the suffixes; the one of `path` where a file is a
    /// whole image.
    pub files: Vec<PathBuf>,
    /// What to call it: the file's stem, and of a set what the stems have in common.
    pub name: String,
    /// The name of its folder in the output: unique in the list whatever the file system makes of case, free of
    /// separators and of characters that some file system forbids.
    pub folder: String,
    /// What it is.
    pub kind: FileKind,
}

impl Input {
    /// The input that a whole image or volume is, called by its stem.
    pub fn of_file(path: &Path) -> Input {
        let name = stem(path);
        let path = path.to_owned();
        Input { kind: FileKind::of(&path), files: vec![path.clone()], folder: name.clone(), name, path }
    }
}

/// Files as inputs: those with a suffix as sets, the others as whole images. A set's files that are not in the list are
/// looked for beside those that are.
/// # Errors
/// [`Error::File`]: a set that is not complete (naming what is missing), that has two files for one channel, or that
/// mixes volumes with pictures; [`Error::Io`] for a folder that cannot be listed.
pub fn group_files(paths: &[PathBuf], suffixes: &[String]) -> Result<Vec<Input>> {
    let (inputs, faults) = group(paths, suffixes);
    faults.into_iter().next().map_or(Ok(inputs), |(_, e)| Err(e))
}

/// [`group_files`] with the faults beside the inputs, each under one file of its set.
pub(super) fn group(paths: &[PathBuf], suffixes: &[String]) -> (Vec<Input>, Vec<(PathBuf, Error)>) {
    /// The files found for each suffix.
    type Set = Result<Vec<Option<PathBuf>>, (PathBuf, Error)>;
    let mut sets: BTreeMap<(PathBuf, String), Set> = BTreeMap::new();
    // In the order of the first file of each.
    let mut order: Vec<Result<(PathBuf, String), PathBuf>> = Vec::new();
    for path in paths {
        let Some((name, channel)) = split(path, suffixes) else {
            order.push(Err(path.clone()));
            continue;
        };
        let key = (folder_of(path), name);
        if !sets.contains_key(&key) {
            order.push(Ok(key.clone()));
        }
        let set = sets.entry(key).or_insert_with(|| Ok(vec![None; suffixes.len()]));
        if let Ok(files) = set
            && let Err(e) = put(files, channel, path)
        {
            *set = Err((path.clone(), e));
        }
    }
    let (mut named, mut faults): (Vec<(Vec<PathBuf>, String)>, Vec<_>) = Default::default();
    for item in order {
        let key = match item {
            Err(path) => {
                named.push((vec![path.clone()], stem(&path)));
                continue;
            }
            Ok(key) => key,
        };
        match sets.remove(&key).unwrap_or_else(|| Ok(Vec::new())).and_then(|set| complete(&key, set, suffixes)) {
            Ok(files) => named.push((files, name_of(&key))),
            Err(fault) => faults.push(fault),
        }
    }
    let folders = unique_names(&named.iter().map(|(f, name)| (f[0].as_path(), name.as_str())).collect::<Vec<_>>());
    let input = |((files, name), folder): ((Vec<PathBuf>, String), String)| {
        let (path, kind) = (files[0].clone(), FileKind::of(&files[0]));
        Input { path, kind, files, name, folder }
    };
    (named.into_iter().zip(folders).map(input).collect(), faults)
}

/// Takes out of the files of a folder those that are of no set, where a model asks for sets.
pub(super) fn without_suffix(files: &mut Vec<PathBuf>, suffixes: &[String]) -> Vec<(PathBuf, Error)> {
    let others = files.extract_if(.., |path| !suffixes.is_empty() && split(path, suffixes).is_none());
    let fault = format!("its name ends in none of the channels' suffixes ({})", suffixes.join(", "));
    others.map(|path| (path.clone(), Error::file(path, &*fault))).collect()
}

/// A set's name and the channel of this file, by the longest of the suffixes that its stem ends in.
fn split(path: &Path, suffixes: &[String]) -> Option<(String, usize)> {
    let stem = stem(path);
    let ends = |suffix: &str| {
        let at = stem.len().checked_sub(suffix.len())?;
        stem.get(at..).filter(|end| end.eq_ignore_ascii_case(suffix)).map(|_| at)
    };
    let found = suffixes.iter().enumerate().filter_map(|(channel, suffix)| Some((ends(suffix)?, channel)));
    found.min().map(|(at, channel)| (stem[..at].to_owned(), channel))
}

fn put(set: &mut [Option<PathBuf>], channel: usize, path: &Path) -> Result<()> {
    match &set[channel] {
        Some(other) if other != path => {
            Err(Error::file(path, format!("and {} are the same channel of one image", shown(other))))
        }
        _ => {
            set[channel] = Some(path.to_owned());
            Ok(())
        }
    }
}

/// The files of a set, those that are missing from the list looked for on disk; or the fault, with the file.
fn complete(
    key: &(PathBuf, String),
    mut set: Vec<Option<PathBuf>>,
    suffixes: &[String],
) -> Result<Vec<PathBuf>, (PathBuf, Error)> {
    if set.contains(&None) {
        let given = set.clone();
        let first = || given.iter().flatten().next().unwrap_or(&key.0).clone();
        let entries = std::fs::read_dir(&key.0).map_err(|e| (first(), Error::io(&key.0, e)))?;
        let mut beside: Vec<PathBuf> = entries.flatten().map(|e| key.0.join(e.file_name())).collect();
        beside.sort();
        for path in beside.iter().filter(|p| has_known_ending(p) && p.is_file()) {
            match split(path, suffixes) {
                Some((name, channel)) if name == key.1 && given[channel].is_none() => {
                    put(&mut set, channel, path).map_err(|e| (path.clone(), e))?;
                }
                _ => {}
            }
        }
    }
    let missing = set.iter().zip(suffixes).filter(|(f, _)| f.is_none());
    let missing: Vec<String> = missing.map(|(_, suffix)| format!("{}{suffix}", key.1)).collect();
    let files: Vec<PathBuf> = set.iter().flatten().cloned().collect();
    let Some(first) = files.first() else { return Ok(files) };
    if !missing.is_empty() {
        let missing = missing.join(", ");
        let fault = format!("is one channel of an image whose other files are not all there: {missing} missing");
        return Err((first.clone(), Error::file(first, fault)));
    }
    let volume = |file: &Path| FileKind::of(file) == FileKind::Volume;
    match files.iter().find(|file| volume(file) != volume(first)) {
        Some(other) => {
            let fault = format!("is a channel of the same image as {}; one is a volume", shown(first));
            Err((other.clone(), Error::file(other, fault)))
        }
        None => Ok(files),
    }
}

/// The folder that a file lies in, as a path that can be listed.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// What the files' names have in common, without separators at its end; their folder's name if that is nothing.
fn name_of((folder, name): &(PathBuf, String)) -> String {
    match name.trim_end_matches(['_', '-', '.', ' ']) {
        "" => folder.file_name().map_or_else(|| "image".into(), name_text),
        name => name.to_owned(),
    }
}

fn shown(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
