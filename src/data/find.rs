//! From the command line's files and folders to a list of inputs, each with a folder name of its own.
use crate::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The endings that are looked for in folders, in lower case.
pub const EXTENSIONS: [&str; 10] =
    [".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".npy", ".nii", ".nii.gz"];

/// What an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// PNG, JPEG, TIFF, BMP or WebP.
    Image,
    /// NumPy's `.npy`.
    Array,
    /// NIfTI, `.nii` or `.nii.gz`.
    Volume,
}

impl Kind {
    /// By ending, and for others by the first bytes; what cannot be told is an image, whose reader will say what is
    /// wrong.
    pub fn of(path: &Path) -> Kind {
        let name = lower_name(path);
        if name.ends_with(".npy") {
            return Kind::Array;
        }
        if name.ends_with(".nii") || name.ends_with(".nii.gz") {
            return Kind::Volume;
        }
        if has_known_ending(path) {
            return Kind::Image;
        }
        let mut start = Vec::new();
        // A failure here comes back when the file is read.
        let _ = std::fs::File::open(path).and_then(|file| file.take(348).read_to_end(&mut start));
        match &start[..] {
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Kind::Array,
            [0x1f, 0x8b, ..] => Kind::Volume,
            header if header.get(344..347) == Some(b"n+1") => Kind::Volume,
            _ => Kind::Image,
        }
    }
}

/// One input file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The file, as given or as found under the folder given.
    pub path: PathBuf,
    /// The name of its folder in the output: unique in the list whatever the file system makes of case, free of
    /// separators and of characters that some file system forbids.
    pub folder: String,
    /// What it is.
    pub kind: Kind,
}

/// Expands files and folders to inputs.
///
/// Folders are walked recursively in order of name; files of other endings than [`EXTENSIONS`] and hidden files and
/// folders are skipped. Files given by name are taken whatever their ending. A file reached twice counts once. The
/// list and the names depend only on the arguments and on what the folders hold.
/// # Errors
/// [`Error::File`] for an argument that does not exist and for a folder without any input; [`Error::Io`] for a folder
/// that cannot be listed.
pub fn find_inputs(arguments: &[PathBuf]) -> Result<Vec<Input>> {
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
    let folders = unique_names(&files.paths);
    Ok(files
        .paths
        .into_iter()
        .zip(folders)
        .map(|(path, folder)| Input { kind: Kind::of(&path), path, folder })
        .collect())
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
        if self.seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
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
            if !folders.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
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

fn lower_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().to_lowercase()
}

fn has_known_ending(path: &Path) -> bool {
    let name = lower_name(path);
    EXTENSIONS.iter().any(|ending| name.ends_with(ending))
}

/// The file's name without its ending; of `.nii.gz` both parts go.
pub(crate) fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let lower = name.to_ascii_lowercase();
    let cut = [".nii.gz", ".nii"].iter().find(|e| lower.ends_with(**e)).map(|e| name.len() - e.len());
    match cut.or_else(|| name.rfind('.')) {
        Some(at) if at > 0 => name[..at].to_owned(),
        _ => name.into_owned(),
    }
}

/// A name for each path: the stem; with the ending where one folder holds a stem twice; with as many parent folders
/// before it as it takes (`a__x`, `b__x`); with a number if even that does not help.
fn unique_names(paths: &[PathBuf]) -> Vec<String> {
    let key = |path: &Path| (path.parent().map(Path::to_owned), stem(path).to_lowercase());
    let mut twins: HashMap<_, usize> = HashMap::new();
    for path in paths {
        *twins.entry(key(path)).or_default() += 1;
    }
    let base: Vec<String> = paths
        .iter()
        .map(|path| match twins[&key(path)] {
            1 => stem(path),
            _ => path.file_name().unwrap_or_default().to_string_lossy().replace('.', "_"),
        })
        .collect();
    let mut depth = vec![0; paths.len()];
    let mut names: Vec<String> = base.iter().map(|name| tidy(name)).collect();
    loop {
        let count = count_names(&names);
        let mut changed = false;
        for (i, path) in paths.iter().enumerate() {
            if count[&names[i].to_lowercase()] > 1
                && let Some(longer) = with_parents(path, &base[i], depth[i] + 1)
            {
                (names[i], depth[i], changed) = (tidy(&longer), depth[i] + 1, true);
            }
        }
        if !changed {
            break;
        }
    }
    number_the_rest(names)
}

fn count_names(names: &[String]) -> HashMap<String, usize> {
    let mut count = HashMap::new();
    for name in names {
        *count.entry(name.to_lowercase()).or_default() += 1;
    }
    count
}

/// The last `depth` folders and the name; `None` when there are not so many.
fn with_parents(path: &Path, name: &str, depth: usize) -> Option<String> {
    let parents: Vec<_> =
        path.parent()?.components().filter(|c| matches!(c, std::path::Component::Normal(_))).collect();
    let parents = &parents[parents.len().checked_sub(depth)?..];
    Some(parents.iter().map(|c| c.as_os_str().to_string_lossy() + "__").collect::<String>() + name)
}

fn number_the_rest(names: Vec<String>) -> Vec<String> {
    let count = count_names(&names);
    let mut taken: HashSet<String> = names.iter().map(|n| n.to_lowercase()).filter(|n| count[n] == 1).collect();
    let mut next = |name: String| {
        let mut candidate = name.clone();
        let mut n = 1;
        while !taken.insert(candidate.to_lowercase()) {
            n += 1;
            candidate = format!("{name}-{n}");
        }
        candidate
    };
    names.into_iter().map(|name| if count[&name.to_lowercase()] == 1 { name } else { next(name) }).collect()
}

/// A name that is a plain folder on every file system, and none of the files that lie beside the folders.
fn tidy(name: &str) -> String {
    let forbidden = |c: char| c.is_control() || r#"/\:*?"<>|"#.contains(c);
    let mut name: String = name.chars().map(|c| if forbidden(c) { '_' } else { c }).take(200).collect();
    name.truncate(name.trim_end_matches(['.', ' ']).len());
    // The longest name that file systems take is 255 bytes.
    while name.len() > 240 {
        name.pop();
    }
    if name.is_empty() || name.starts_with('.') {
        name.insert(0, '_');
    }
    if ["results.json", "results.csv", "report.html"].contains(&name.to_lowercase().as_str()) {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str]) -> Vec<String> {
        unique_names(&paths.iter().map(PathBuf::from).collect::<Vec<_>>())
    }

    #[test]
    fn names_are_as_short_as_they_can_be() {
        assert_eq!(names(&["d/x.png", "d/y.nii.gz"]), ["x", "y"]);
        assert_eq!(names(&["a/x.png", "b/x.png", "b/y.png"]), ["a__x", "b__x", "y"]);
        assert_eq!(names(&["r/a/1/x.png", "r/b/1/x.png"]), ["a__1__x", "b__1__x"]);
        assert_eq!(names(&["x.png", "a/x.png"]), ["x", "a__x"]);
        assert_eq!(names(&["a/x.png", "a/x.jpg"]), ["x_png", "x_jpg"]);
        assert_eq!(names(&["a/X.png", "b/x.png"]), ["a__X", "b__x"]);
        assert_eq!(names(&["../x.png", "x.png", "/x.png"]), ["x", "x-2", "x-3"]);
        assert_eq!(names(&["a/x.png", "b/x.png", "a__x.png"]), ["a__x", "b__x", "a__x-2"]);
    }

    #[test]
    fn names_are_safe() {
        assert_eq!(
            names(&["a/<b>&\"c.png", "a/report.html.png", "a/...png", "a/n .png"]),
            ["_b_&_c", "report.html_", "_..", "n"].map(|s| s.replace("_..", &tidy("..")))
        );
        assert!(tidy(&"ü".repeat(500)).len() <= 240);
        assert_eq!(tidy("."), "_");
    }

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
        let found = find_inputs(&[root.path().to_owned(), at("z.tif")]).unwrap();
        let got: Vec<_> = found.iter().map(|i| (i.folder.as_str(), i.kind)).collect();
        assert_eq!(got, [("1", Kind::Array), ("2", Kind::Image), ("v", Kind::Volume), ("z", Kind::Image)]);
        assert_eq!(find_inputs(&[at("blob")]).unwrap()[0].kind, Kind::Array);
        assert!(find_inputs(&[at("nope.png")]).unwrap_err().to_string().contains("nope.png: no such file"));
        assert!(find_inputs(&[at("empty")]).unwrap_err().to_string().contains("holds no input"));
    }
}
