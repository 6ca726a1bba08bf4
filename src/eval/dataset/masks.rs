//! Where the masks of a folder of images lie, and which belongs to which image.
use super::Truth;
use super::folders::subfolders;
use super::words::is_part;
use crate::data::{Input, has_known_ending, is_mask_folder, numbered, stem};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a mask's name may end in behind its image's, in lower case.
const ENDS: [&str; 6] = ["_mask", "-mask", "_seg", "-seg", "_gt", "-gt"];

/// The same of one that lies beside its image.
const BESIDE: [&str; 4] = ["_mask", "-mask", "_seg", "-seg"];

/// The masks of the images of one defect.
pub(super) struct Masks {
    folder: PathBuf,
    /// By the name of the image, in lower case: a file for each, or several that belong together.
    of: BTreeMap<String, Vec<PathBuf>>,
}

impl Masks {
    /// Looks for the masks of a defect: in folders of masks, otherwise beside its images in `images`. `None` where there is none at all
    /// or, which is logged as a warning, none of them for this defect.
    /// # Errors
    /// [`Error::Io`] for a folder that cannot be listed; [`Error::File`] for two masks of one image that do not lie in a folder of
    /// its name.
    pub(super) fn find(
        path: &Path,
        root: &Path,
        split: Option<&str>,
        defect: &str,
        images: &Path,
    ) -> Result<Option<Masks>> {
        let bases = bases(path, root)?;
        let within = bases.iter().flat_map(|base| [own(base, split, defect), vec![base.clone()]].concat());
        let places = within.chain(outside(path, split, defect)?);
        for folder in places.filter(|p| p.is_dir()) {
            // Folders in a folder of all masks are those of other defects.
            let found = Masks::in_folder(&folder, !bases.contains(&folder), images)?;
            if !found.of.is_empty() {
                found.say_joined();
                return Ok(Some(found));
            }
        }
        let beside = Masks::beside(images)?;
        beside.say_joined();
        if let (true, Some(base)) = (beside.of.is_empty(), bases.first()) {
            tracing::warn!(
                "{}: there is no mask for `{defect}`; its images count by their label alone",
                base.display()
            );
        }
        Ok((!beside.of.is_empty()).then_some(beside))
    }

    /// The masks of normal images, which should show nothing, where they have a folder of their own.
    /// # Errors
    /// As [`Masks::find`].
    pub(super) fn of_normal(
        path: &Path,
        root: &Path,
        split: Option<&str>,
        name: &str,
        images: &Path,
    ) -> Result<Option<Masks>> {
        let bases = bases(path, root)?;
        let mut places = bases.iter().flat_map(|base| own(base, split, name)).chain(outside(path, split, name)?);
        places.find(|p| p.is_dir()).map(|folder| Masks::in_folder(&folder, true, images)).transpose()
    }

    /// Those beside the images of a folder, as `NAME_mask` and the like.
    fn beside(folder: &Path) -> Result<Masks> {
        let files = pictures(folder)?;
        let names: Vec<String> = files.iter().map(|f| stem(f).to_lowercase()).collect();
        let mut of: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for (file, name) in files.iter().zip(&names) {
            let image_of = |name: &str| {
                let image = BESIDE.iter().find_map(|end| name.strip_suffix(end)).map(str::to_owned);
                image.filter(|n| names.contains(n))
            };
            if let Some(image) = image_of(name).or_else(|| image_of(numbered(name)?)) {
                of.entry(image).or_default().push(file.clone());
            }
        }
        Ok(Masks { folder: folder.to_owned(), of })
    }

    /// Says that masks of one image are taken together, where they do not lie in a folder of its name.
    fn say_joined(&self) {
        let loose = |files: &&Vec<PathBuf>| files.len() > 1 && files[0].parent() == Some(&self.folder);
        let joined: Vec<&Vec<PathBuf>> = self.of.values().filter(loose).collect();
        if let Some([first, second, ..]) = joined.first().map(|files| &files[..]) {
            let other = second.file_name().unwrap_or_default().to_string_lossy();
            let what =
                if joined.len() == 1 { "1 image has".to_owned() } else { format!("{} images have", joined.len()) };
            tracing::warn!(
                "{what} several masks, such as {} and {other}: a pixel counts as defective where one of them says so",
                first.display()
            );
        }
    }

    /// Warns of masks in a folder of this defect that belong to none of its images.
    pub(super) fn say_unused(&self, defect: &str, images: &[Input]) {
        if self.folder.file_name().is_none_or(|name| name.to_string_lossy() != defect) {
            return;
        }
        let known = |name: &str| images.iter().any(|i| i.name.to_lowercase() == name);
        let unused: Vec<&PathBuf> =
            self.of.iter().filter(|(name, _)| !known(name)).flat_map(|(_, files)| files).collect();
        if let Some(first) = unused.first() {
            tracing::warn!("{} masks belong to no image, such as {}", unused.len(), first.display());
        }
    }

    fn in_folder(folder: &Path, nested: bool, images: &Path) -> Result<Masks> {
        let mut of: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        let images: Vec<String> = pictures(images)?.iter().map(|f| stem(f).to_lowercase()).collect();
        let plain = |name: &str| ENDS.iter().find_map(|end| name.strip_suffix(end)).map(str::to_owned);
        // NAME_mask2 beside NAME_mask, unless an image is called so.
        let further_of = |own: &str| match images.iter().any(|i| i == own) || plain(own).is_some() {
            true => None,
            false => numbered(own).and_then(plain),
        };
        for file in pictures(folder)? {
            let own = stem(&file).to_lowercase();
            let further = further_of(&own);
            // A folder of all masks holds those of other defects, too.
            let stray =
                |name: &&String| nested && !images.is_empty() && !images.iter().any(|i| i.starts_with(&***name));
            if let Some(name) = further.as_ref().filter(stray) {
                let fault = format!("is named as one of several masks of {name}, but there is no image of that name");
                return Err(Error::file(&file, fault));
            }
            let joins = further.is_some();
            let name = further.or_else(|| plain(&own)).unwrap_or(own);
            let files = of.entry(name).or_default();
            let alone = |f: &&PathBuf| !joins && further_of(&stem(f).to_lowercase()).is_none();
            if let Some(other) = files.iter().find(alone) {
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

/// The folders of masks of a dataset.
fn bases(path: &Path, root: &Path) -> Result<Vec<PathBuf>> {
    let mut bases: Vec<PathBuf> = Vec::new();
    for parent in [path, root] {
        for (_, folder) in subfolders(parent)?.into_iter().filter(|(name, _)| is_mask_folder(name)) {
            if !bases.contains(&folder) {
                bases.push(folder);
            }
        }
    }
    Ok(bases)
}

/// Where the masks of one defect lie if the dataset that was named is a part of one, whose masks lie beside it: MVTec's `test`, with
/// `../ground_truth`.
fn outside(path: &Path, split: Option<&str>, defect: &str) -> Result<Vec<PathBuf>> {
    let whole = path.canonicalize().map_err(|e| Error::io(path, e))?;
    let (Some(name), None) = (whole.file_name().filter(|n| is_part(&n.to_string_lossy())), split) else {
        return Ok(Vec::new());
    };
    let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()).or(whole.parent()) else {
        return Ok(Vec::new());
    };
    let folders = subfolders(parent).unwrap_or_default();
    let bases = folders.into_iter().filter(|(folder, _)| is_mask_folder(folder) && **folder != *name);
    Ok(bases.flat_map(|(_, base)| own(&base, Some(&name.to_string_lossy()), defect)).collect())
}

/// Where the masks of one defect lie below a folder of masks, if they have a folder of their own.
fn own(base: &Path, split: Option<&str>, defect: &str) -> Vec<PathBuf> {
    split.map(|s| base.join(s).join(defect)).into_iter().chain([base.join(defect)]).collect()
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
