//! Where the masks of a folder of images lie, and which belongs to which image.
use super::Truth;
use super::folders::subfolders;
use crate::data::{Input, has_known_ending, is_mask_folder, stem};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a mask's name may end in behind its image's, in lower case.
const ENDS: [&str; 6] = ["_mask", "-mask", "_seg", "-seg", "_gt", "-gt"];

/// The masks of the images of one defect.
pub(super) struct Masks {
    folder: PathBuf,
    /// By the name of the image, in lower case: a file for each, or several that belong together.
    of: BTreeMap<String, Vec<PathBuf>>,
}

impl Masks {
    /// Looks for the masks of a defect beside its images. `None` where there is no folder of masks at all, or, which is logged as a
    /// warning, none of them for this defect.
    /// # Errors
    /// [`Error::Io`] for a folder that cannot be listed; [`Error::File`] for two masks of one image that do not lie in a folder of
    /// its name.
    pub(super) fn find(path: &Path, root: &Path, split: Option<&str>, defect: &str) -> Result<Option<Masks>> {
        let (mut bases, mut places): (Vec<PathBuf>, Vec<PathBuf>) = (Vec::new(), Vec::new());
        for parent in [path, root] {
            let folders = subfolders(parent)?.into_iter();
            let folders = folders.filter(|(name, _)| is_mask_folder(name));
            for (_, folder) in folders {
                if !bases.contains(&folder) {
                    bases.push(folder);
                }
            }
        }
        for base in &bases {
            places.extend(split.map(|s| base.join(s).join(defect)));
            places.extend([base.join(defect), base.clone()]);
        }
        for folder in places.iter().filter(|p| p.is_dir()) {
            // Folders in a folder of all masks are those of other defects.
            let found = Masks::in_folder(folder, !bases.contains(folder))?;
            if !found.of.is_empty() {
                return Ok(Some(found));
            }
        }
        if let Some(base) = bases.first() {
            tracing::warn!(
                "{}: there is no mask for `{defect}`; its images count by their label alone",
                base.display()
            );
        }
        Ok(None)
    }

    fn in_folder(folder: &Path, nested: bool) -> Result<Masks> {
        let mut of: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for file in pictures(folder)? {
            let name = stem(&file).to_lowercase();
            let name = ENDS.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name).to_owned();
            let files = of.entry(name).or_default();
            if let Some(other) = files.first() {
                let other = other.file_name().unwrap_or_default().to_string_lossy().into_owned();
                return Err(Error::file(
                    &file,
                    format!("and {other} are both masks of one image; leave one of them there"),
                ));
            }
            files.push(file);
        }
        for (name, below) in subfolders(folder)?.into_iter().filter(|_| nested) {
            let files = pictures(&below)?;
            if !files.is_empty() {
                of.entry(name.to_lowercase()).or_default().extend(files);
            }
        }
        Ok(Masks { folder: folder.to_owned(), of })
    }

    /// What is known of an image.
    /// # Errors
    /// [`Error::File`] where it has no mask.
    pub(super) fn of(&self, image: &Input) -> Result<Truth> {
        match self.of.get(&image.name.to_lowercase()).map(Vec::as_slice) {
            Some([mask]) => Ok(Truth::Mask(mask.clone())),
            Some([_, _, ..]) => Ok(Truth::Masks(self.of[&image.name.to_lowercase()].clone())),
            _ => Err(Error::file(&image.path, format!("has no mask in {}", self.folder.display()))),
        }
    }
}

/// The visible files of a folder whose names end as those of pictures, arrays and volumes do, in order.
fn pictures(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .filter(|e| !e.file_name().to_string_lossy().starts_with('.'))
        .map(|e| e.path())
        .filter(|p| p.is_file() && has_known_ending(p))
        .collect();
    files.sort();
    Ok(files)
}
