//! From the command line's files and folders to a list of inputs, each with a folder name of its own.
use super::Failure;
use super::beside::masks_beside;
use super::sets::{Input, group, without_suffix};
use super::walk::{Walk, identity};
use crate::{Error, Result};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What files and folders hold.
#[derive(Debug, Default)]
pub struct Found {
    /// What can be read, as far as names tell.
    pub inputs: Vec<Input>,
    /// Files and folders that cannot be used, each with what is wrong.
    pub faults: Vec<(PathBuf, Error)>,
    /// Sentences on what was left out on purpose.
    pub passed_over: Vec<String>,
}

impl Found {
    /// The faults as they are listed among results.
    pub fn failures(&self) -> impl Iterator<Item = Failure> {
        self.faults.iter().map(|(path, e)| Failure::new(path, e))
    }

    /// The inputs, where there is no fault; what was left out is said as a warning.
    /// # Errors
    /// The first fault.
    pub fn complete(self) -> Result<Vec<Input>> {
        self.passed_over.iter().for_each(|text| tracing::warn!("{text}"));
        self.faults.into_iter().next().map_or(Ok(self.inputs), |(_, e)| Err(e))
    }
}

/// [`find`] for what must be complete.
/// # Errors
/// As [`find`], and the first of the faults.
pub fn find_inputs(arguments: &[PathBuf], suffixes: &[String]) -> Result<Vec<Input>> {
    find(arguments, suffixes, None)?.complete()
}

/// Expands files and folders to inputs, a set of files with the `suffixes` ([`super::InputSpec::suffixes`]) to one.
///
/// Folders are walked recursively in order of name; files of other endings than [`super::EXTENSIONS`] and hidden files and
/// folders are skipped (what looks like a picture all the same is said), and so are masks (`NAME_mask`, `NAME_seg`) beside what they belong to, folders of masks
/// (`ground_truth`, `masks` and the like) below an argument, and folders of results: `out`,
/// and those that hold what a run has written. Files given by name are taken whatever their ending; one with a suffix
/// stands for its set, one without is a whole image. A file reached twice counts once. The list and the names depend only
/// on the arguments and on what the folders hold.
///
/// What cannot be used is a fault beside the inputs: folders that cannot be listed, links to nothing, pipes and devices,
/// sets that are not complete, files in folders whose names have none of the suffixes.
/// # Errors
/// [`Error::File`] for an argument that does not exist and for a folder without any input; the first fault where there is
/// no input at all.
pub fn find(arguments: &[PathBuf], suffixes: &[String], out: Option<&Path>) -> Result<Found> {
    let (mut paths, mut seen, mut masks) = (Vec::new(), HashSet::new(), Vec::new());
    let (mut found, mut results, mut folders, mut unread) = (Found::default(), Vec::new(), Vec::new(), Vec::new());
    for argument in arguments {
        let mut walk = Walk::new(out);
        walk.take(argument)?;
        if argument.is_dir() {
            let beside: HashSet<PathBuf> = masks_beside(&walk.paths, suffixes).cloned().collect();
            walk.paths.retain(|path| !beside.contains(path));
            masks.extend(beside);
            found.faults.extend(without_suffix(&mut walk.paths, suffixes));
        }
        found.faults.extend(walk.faults);
        results.extend(walk.results);
        folders.extend(walk.masks);
        unread.extend(walk.unread);
        paths.extend(walk.paths.into_iter().filter(|path| seen.insert(identity(path))));
    }
    let (inputs, faults) = group(&paths, suffixes);
    found.inputs = inputs;
    found.faults.extend(faults);
    if found.inputs.is_empty() && !found.faults.is_empty() {
        return Err(found.faults.swap_remove(0).1);
    }
    let given: HashSet<PathBuf> = arguments.iter().map(|path| identity(path)).collect();
    unread.retain(|path| !given.contains(&identity(path)));
    let kinds = [
        (unread, UNREAD),
        (masks, "masks of images beside them (NAME_mask, NAME_seg)"),
        (folders, "folders of masks"),
        (results, "results of Residua"),
    ];
    found.passed_over = kinds.into_iter().filter_map(|(paths, what)| passed_over(paths, what)).collect();
    Ok(found)
}

/// Expands files and folders to files: [`find_inputs`] before sets are formed and masks are left out.
/// # Errors
/// [`Error::File`] for an argument that does not exist, for a folder without any file of these kinds, and for what is no
/// file; [`Error::Io`] for a folder that cannot be listed.
pub fn list_files(arguments: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut walk = Walk::default();
    arguments.iter().try_for_each(|argument| walk.take(argument))?;
    walk.faults.into_iter().next().map_or(Ok(walk.paths), |(_, e)| Err(e))
}

/// Says which pictures below a folder are of no ending that is read.
pub(crate) fn tell_unread(folder: &Path) {
    let mut walk = Walk::default();
    // What is wrong with the folder is said where it is used.
    let _ = walk.take(folder);
    if let Some(text) = passed_over(walk.unread, UNREAD) {
        tracing::warn!("{text}");
    }
}

/// What pictures are that a folder holds and that are not read.
const UNREAD: &str = "pictures whose format is not read in folders, or that have no ending (convert or rename them)";

/// A sentence on files or folders that are left out, with their number where not all are named.
fn passed_over(mut paths: Vec<PathBuf>, what: &str) -> Option<String> {
    /// So many are named.
    const NAMED: usize = 3;
    paths.sort();
    paths.dedup();
    let named: Vec<String> = paths.iter().take(NAMED).map(|p| p.display().to_string()).collect();
    let more = match paths.len().saturating_sub(NAMED) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    (!paths.is_empty()).then(|| format!("passed over as {what}: {}{more}", named.join(", ")))
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
