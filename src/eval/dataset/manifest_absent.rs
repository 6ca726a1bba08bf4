//! Stands for `manifest.rs` in a build without the feature `tables`: who asks for a manifest is told why there is none.
use super::{Dataset, Selection};
use crate::{Error, Result};
use std::path::Path;

/// # Errors
/// Always [`Error::File`], which names the file and the feature.
pub(super) fn read(path: &Path, _: &Selection) -> Result<Dataset> {
    Err(Error::file(
        path,
        "is a file, not a folder; this program is built without Residua's feature `tables`, which reads CSV manifests",
    ))
}

/// Whether a file lists images: never, where none is read.
pub fn lists_images(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_refused_by_the_name_of_the_feature() {
        let error = read(Path::new("data/list.csv"), &Selection::default()).unwrap_err().to_string();
        assert!(error.starts_with("data/list.csv: ") && error.contains("feature `tables`"), "{error}");
    }
}
