//! Folders walked for files: what is there, what cannot be used, and what is passed over.
use super::kind::{EXTENSIONS, has_known_ending, is_mask_folder, is_unread_picture};
use super::results_folder::{holds_one_result, is_results_folder};
use crate::{Error, Result};
use std::collections::HashSet;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

/// The files found so far.
#[derive(Default)]
pub(super) struct Walk {
    /// In order, each once.
    pub paths: Vec<PathBuf>,
    /// What could not be listed or is no file.
    pub faults: Vec<(PathBuf, Error)>,
    /// Folders of results, which are not looked into.
    pub results: Vec<PathBuf>,
    /// Folders of masks, which are not looked into either unless all files are wanted.
    pub masks: Vec<PathBuf>,
    /// Pictures in folders that are passed over, as their format or their name is none that is read.
    pub unread: Vec<PathBuf>,
    without_masks: bool,
    out: Option<PathBuf>,
    /// Canonical files, against repetition.
    seen: HashSet<PathBuf>,
}

impl Walk {
    /// Nothing yet, for images without their masks. `out` is an output folder that counts as one whatever it holds.
    pub fn new(out: Option<&Path>) -> Self {
        Walk { out: out.map(identity), without_masks: true, ..Walk::default() }
    }

    /// Takes an argument: a file whatever its ending, or everything below a folder.
    /// # Errors
    /// [`Error::File`] for an argument that does not exist and for a folder without any file of these kinds.
    pub fn take(&mut self, argument: &Path) -> Result<()> {
        let meta = match std::fs::metadata(argument) {
            Ok(meta) => meta,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let link = argument.is_symlink();
                let fault = if link { "is a link to nothing" } else { "no such file or folder" };
                return Err(Error::file(argument, fault));
            }
            Err(e) => {
                self.faults.push((argument.to_owned(), Error::io(argument, e)));
                return Ok(());
            }
        };
        if !meta.is_dir() {
            match check_regular(argument, &meta) {
                Ok(()) => self.add(argument.to_owned()),
                Err(e) => self.faults.push((argument.to_owned(), e)),
            }
            return Ok(());
        }
        let count = |walk: &Self| (walk.seen.len(), walk.faults.len());
        let (before, passed, masks, unread) = (count(self), self.results.len(), self.masks.len(), self.unread.len());
        self.walk(argument);
        if count(self) == before {
            let more = match self.results.get(passed) {
                Some(first) => format!(" but results of Residua, as in {}", first.display()),
                None if self.masks.len() > masks => " but masks".into(),
                None if self.unread.len() > unread => {
                    format!(" but pictures of other endings, such as {}", self.unread[unread].display())
                }
                None => String::new(),
            };
            return Err(Error::file(argument, format!("holds no input ({}){more}", EXTENSIONS.join(" "))));
        }
        Ok(())
    }

    fn add(&mut self, path: PathBuf) {
        if self.seen.insert(identity(&path)) {
            self.paths.push(path);
        }
    }

    /// An explicit stack, as folders may nest deeper than this thread's stack.
    fn walk(&mut self, root: &Path) {
        let mut folders = HashSet::new();
        // A folder that is asked for by name is walked even if results lie in it, but not these results.
        let amid_results = self.is_out(root) || is_results_folder(root);
        let mut pending = vec![Found::Folder(root.to_owned())];
        while let Some(found) = pending.pop() {
            let path = match found {
                Found::File(path) => {
                    self.add(path);
                    continue;
                }
                Found::Unread(path) => {
                    self.unread.push(path);
                    continue;
                }
                Found::Fault(path, e) => {
                    self.faults.push((path, e));
                    continue;
                }
                Found::Folder(path) => path,
            };
            if !folders.insert(identity(&path)) {
                continue;
            }
            let results = self.is_out(&path) || is_results_folder(&path) || (amid_results && holds_one_result(&path));
            if path != root && results {
                self.results.push(path);
                continue;
            }
            let masks = path.file_name().is_some_and(|name| is_mask_folder(&name.to_string_lossy()));
            if path != root && masks && self.without_masks {
                self.masks.push(path);
                continue;
            }
            let mut children = match std::fs::read_dir(&path) {
                Ok(entries) => children(&path, entries),
                Err(e) => vec![Found::Fault(path.clone(), Error::io(&path, e))],
            };
            children.sort_unstable_by(|a, b| b.path().cmp(a.path()));
            pending.extend(children);
        }
    }

    fn is_out(&self, folder: &Path) -> bool {
        self.out.as_ref().is_some_and(|out| *out == identity(folder))
    }
}

/// What an entry of a folder is.
enum Found {
    Folder(PathBuf),
    File(PathBuf),
    Unread(PathBuf),
    Fault(PathBuf, Error),
}

impl Found {
    fn path(&self) -> &Path {
        match self {
            Found::Folder(path) | Found::File(path) | Found::Unread(path) | Found::Fault(path, _) => path,
        }
    }
}

/// The visible entries of a folder that matter, in no order.
fn children(folder: &Path, entries: std::fs::ReadDir) -> Vec<Found> {
    let one = |entry: std::io::Result<DirEntry>| match entry {
        Ok(entry) if entry.file_name().to_string_lossy().starts_with('.') => None,
        Ok(entry) => child(&entry),
        Err(e) => Some(Found::Fault(folder.to_owned(), Error::io(folder, e))),
    };
    entries.filter_map(one).collect()
}

fn child(entry: &DirEntry) -> Option<Found> {
    let (path, kind) = (entry.path(), entry.file_type());
    let link = kind.as_ref().is_ok_and(|kind| kind.is_symlink());
    if kind.is_ok_and(|kind| kind.is_dir()) {
        return Some(Found::Folder(path));
    }
    match std::fs::metadata(&path) {
        Ok(meta) if meta.is_dir() => Some(Found::Folder(path)),
        Ok(meta) if !has_known_ending(&path) => {
            (meta.is_file() && is_unread_picture(&path)).then_some(Found::Unread(path))
        }
        Ok(meta) => Some(match check_regular(&path, &meta) {
            Ok(()) => Found::File(path),
            Err(e) => Found::Fault(path, e),
        }),
        Err(_) if !link && !has_known_ending(&path) => None,
        // It might lead to a folder of images.
        Err(e) if link && e.kind() == std::io::ErrorKind::NotFound => {
            let e = Error::file(&path, "is a link to nothing");
            Some(Found::Fault(path, e))
        }
        Err(e) => {
            let e = Error::io(&path, e);
            Some(Found::Fault(path, e))
        }
    }
}

/// Refuses what is no regular file: a pipe would be waited for, a device may never end.
/// # Errors
/// [`Error::File`] saying what it is.
fn check_regular(path: &Path, meta: &std::fs::Metadata) -> Result<()> {
    if meta.is_file() {
        return Ok(());
    }
    Err(Error::file(path, format!("is {}, not a file: save what it gives as a file", special(meta))))
}

#[cfg(unix)]
fn special(meta: &std::fs::Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = meta.file_type();
    match () {
        _ if kind.is_fifo() => "a pipe",
        _ if kind.is_socket() => "a socket",
        _ if kind.is_dir() => "a folder",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn special(_: &std::fs::Metadata) -> &'static str {
    "something else"
}

/// One path for each file, whatever way it was reached.
pub(super) fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
