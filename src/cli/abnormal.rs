//! Folders whose names say that what is in them is not normal, given where normal images are asked for.
use crate::eval::is_abnormal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Warns of folders of images that should all be normal.
pub(super) fn warn_of_abnormal<'a>(arguments: &[PathBuf], files: impl IntoIterator<Item = &'a PathBuf>) {
    for (folder, count) in abnormal_folders(arguments, files) {
        tracing::warn!("{}: its name says that its {count} images are not normal ones", folder.display());
    }
}

/// Folders with images of which a name at or below the arguments says that they are anomalous, or masks, and how many images.
fn abnormal_folders<'a>(
    arguments: &[PathBuf],
    files: impl IntoIterator<Item = &'a PathBuf>,
) -> BTreeMap<PathBuf, usize> {
    let mut found = BTreeMap::new();
    for path in files {
        // The name of the folder that was given counts, or of that of a file; those of the folders that it lies in do not.
        let argument = arguments.iter().find(|a| path.starts_with(a)).map_or(Path::new(""), |a| a);
        let folder = if argument == path { argument.parent().unwrap_or(argument) } else { argument };
        let above = folder.components().count().saturating_sub(1);
        let below = path.parent().into_iter().flat_map(Path::components).skip(above);
        if below.map(|c| c.as_os_str().to_string_lossy().into_owned()).any(|name| is_abnormal(&name)) {
            *found.entry(path.parent().unwrap_or(Path::new("")).to_owned()).or_default() += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_at_and_below_the_arguments_count() {
        let of = |arguments: &[&str], files: &[&str]| {
            let [arguments, files] = [arguments, files].map(|all| all.iter().map(PathBuf::from).collect::<Vec<_>>());
            abnormal_folders(&arguments, &files)
                .into_iter()
                .map(|(f, n)| (f.display().to_string(), n))
                .collect::<Vec<_>>()
        };
        let found =
            of(&["samples/defect", "x"], &["samples/defect/a.png", "samples/defect/b.png", "x/masks/c.png", "x/d.png"]);
        assert_eq!(found, [("samples/defect".to_owned(), 2), ("x/masks".to_owned(), 1)]);
        assert!(of(&["bad/set"], &["bad/set/a.png"]).is_empty());
    }
}
