//! From the command line's files and folders to a list of inputs, each with a folder name of its own.
use super::beside::masks_beside;
use super::kind::{EXTENSIONS, has_known_ending};
use super::sets::{Input, group_files, refuse_others};
use crate::{Error, Result};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Expands files and folders to inputs, a set of files with the `suffixes` ([`super::InputSpec::suffixes`]) to one.
///
/// Folders are walked recursively in order of name; files of other endings than [`EXTENSIONS`] and hidden files and
/// folders are skipped, and so are masks (`NAME_mask`, `NAME_seg`) beside what they belong to. Files given by name are
/// taken whatever their ending; one with a suffix stands for its set, one without is a whole image. A file reached
/// twice counts once. The list and the names depend only on the arguments and on what the folders hold.
/// # Errors
/// [`Error::File`] for an argument that does not exist, for a folder without any input, for a file in a folder whose
/// name has none of the suffixes, and for a set that is not complete; [`Error::Io`] for a folder that cannot be listed.
pub fn find_inputs(arguments: &[PathBuf], suffixes: &[String]) -> Result<Vec<Input>> {
    let (mut paths, mut seen) = (Vec::new(), HashSet::new());
    for argument in arguments {
        let mut files = list_files(std::slice::from_ref(argument))?;
        if argument.is_dir() {
            let masks: HashSet<PathBuf> = masks_beside(&files, suffixes).cloned().collect();
            files.retain(|path| !masks.contains(path));
            refuse_others(&files, suffixes)?;
        }
        paths.extend(files.into_iter().filter(|path| seen.insert(identity(path))));
    }
    group_files(&paths, suffixes)
}

/// Expands files and folders to files: [`find_inputs`] before sets are formed and masks are left out.
/// # Errors
/// [`Error::File`] for an argument that does not exist and for a folder without any file of these kinds; [`Error::Io`]
/// for a folder that cannot be listed.
pub fn list_files(arguments: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Files::default();
    for argument in arguments {
        let meta = std::fs::metadata(argument).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::file(argument, "no such file or folder"),
            _ => Error::io(argument, e),
        })?;
        if !meta.is_dir() {
            files.add(argument.clone());
            continue;
        }
        let before = files.seen.len();
        files.walk(argument)?;
        if files.seen.len() == before {
            return Err(Error::file(argument, format!("holds no input ({})", EXTENSIONS.join(" "))));
        }
    }
    Ok(files.paths)
}

/// The files found so far.
#[derive(Default)]
struct Files {
    paths: Vec<PathBuf>,
    /// Canonical files and folders, against repetition and loops of links.
    seen: HashSet<PathBuf>,
}

impl Files {
    fn add(&mut self, path: PathBuf) {
        if self.seen.insert(identity(&path)) {
            self.paths.push(path);
        }
    }

    /// An explicit stack, as folders may nest deeper than this thread's stack.
    fn walk(&mut self, root: &Path) -> Result<()> {
        let mut folders = HashSet::new();
        let mut pending = vec![root.to_owned()];
        while let Some(path) = pending.pop() {
            if !path.is_dir() {
                self.add(path);
                continue;
            }
            if !folders.insert(identity(&path)) {
                continue;
            }
            let entries = std::fs::read_dir(&path).and_then(|list| list.collect::<std::io::Result<Vec<_>>>());
            let mut children: Vec<PathBuf> = entries
                .map_err(|e| Error::io(&path, e))?
                .into_iter()
                .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
                .map(|entry| entry.path())
                .filter(|child| child.is_dir() || has_known_ending(child))
                .collect();
            children.sort_unstable_by(|a, b| b.cmp(a));
            pending.extend(children);
        }
        Ok(())
    }
}

/// One path for each file, whatever way it was reached.
fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::FileKind;

    #[test]
    fn folders_are_walked_in_order_and_missing_arguments_named() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir_all(at("b/c")).unwrap();
        std::fs::create_dir_all(at(".hidden")).unwrap();
        std::fs::create_dir_all(at("empty")).unwrap();
        for file in ["b/c/2.PNG", "b/1.npy", "z.tif", "a.txt", ".x.png", ".hidden/y.png", "v.nii.gz", "blob"] {
            std::fs::write(at(file), b"\x93NUMPY").unwrap();
        }
        let found = find_inputs(&[root.path().to_owned(), at("z.tif")], &[]).unwrap();
        let got: Vec<_> = found.iter().map(|i| (i.folder.as_str(), i.kind)).collect();
        assert_eq!(
            got,
            [("1", FileKind::Array), ("2", FileKind::Image), ("v", FileKind::Volume), ("z", FileKind::Image)]
        );
        assert_eq!(find_inputs(&[at("blob")], &[]).unwrap()[0].kind, FileKind::Array);
        assert!(find_inputs(&[at("nope.png")], &[]).unwrap_err().to_string().contains("nope.png: no such file"));
        assert!(find_inputs(&[at("empty")], &[]).unwrap_err().to_string().contains("holds no input"));
    }
}
