//! Where the masks of a folder of images lie, and which belongs to which image.
use super::Truth;
use super::equal::same_files;
use super::folders::subfolders;
use super::words::is_part;
use crate::data::{Input, has_known_ending, is_mask_folder, numbered, stem};
use crate::{Error, Result};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// What a mask's name may end in behind its image's, in lower case.
const ENDS: [&str; 6] = ["_mask", "-mask", "_seg", "-seg", "_gt", "-gt"];

/// The same of one that lies beside its image.
const BESIDE: [&str; 4] = ["_mask", "-mask", "_seg", "-seg"];

/// The masks of the images of one defect.
pub(super) struct Masks {
    folder: PathBuf,
    /// Where the images lie that they are of.
    images: PathBuf,
    /// By the path of the image in its folder without the ending, in lower case and with `/`: a file for each, or several that belong
    /// together.
    of: BTreeMap<String, Vec<PathBuf>>,
}

/// What a folder of masks is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// That of one defect's.
    Own,
    /// That of all.
    All,
    /// That of one defect's, beside the part of a dataset that was named.
    Outside,
}

impl Masks {
    /// Looks for the masks of a defect, whose `images` lie in a folder: in folders of masks, otherwise beside them. `None` where there
    /// is none at all or, which is logged as a warning, none of them for this defect.
    /// # Errors
    /// [`Error::Io`] for a folder that cannot be listed; [`Error::File`] for two masks of one image that do not lie in a folder of
    /// its name, or that lie in two folders of masks and differ.
    pub(super) fn find(
        path: &Path,
        root: &Path,
        split: Option<&str>,
        defect: &str,
        (folder, images): (&Path, &[Input]),
    ) -> Result<Option<Masks>> {
        let bases = bases(path, root)?;
        let mut places = Vec::new();
        for base in &bases {
            places.extend(own(base, split, defect).into_iter().map(|place| (place, Kind::Own)));
            places.push((base.clone(), Kind::All));
        }
        let within = subfolders(folder)?.into_iter().filter(|(name, _)| is_mask_folder(name));
        places.extend(within.map(|(_, place)| (place, Kind::Own)));
        places.extend(outside(path, split, defect)?.into_iter().map(|place| (place, Kind::Outside)));
        let mut found = Masks::in_places(&places, folder)?;
        found.push((Masks::beside(folder)?, Kind::Own));
        let first = Masks::first(found, images)?;
        if let (None, Some(base)) = (&first, bases.first()) {
            tracing::warn!(
                "{}: there is no mask for `{defect}`; its images count by their label alone",
                base.display()
            );
        }
        first.iter().for_each(Masks::say_joined);
        Ok(first)
    }

    /// The masks of normal images, which should show nothing, where they have a folder of their own.
    /// # Errors
    /// As [`Masks::find`].
    pub(super) fn of_normal(
        path: &Path,
        root: &Path,
        split: Option<&str>,
        name: &str,
        (folder, images): (&Path, &[Input]),
    ) -> Result<Option<Masks>> {
        let within = bases(path, root)?.iter().flat_map(|base| own(base, split, name)).collect::<Vec<_>>();
        let places = within.into_iter().map(|place| (place, Kind::Own));
        let beyond = outside(path, split, name)?.into_iter().map(|place| (place, Kind::Outside));
        Masks::first(Masks::in_places(&places.chain(beyond).collect::<Vec<_>>(), folder)?, images)
    }

    /// What is in those of the folders that exist.
    fn in_places(places: &[(PathBuf, Kind)], images: &Path) -> Result<Vec<(Masks, Kind)>> {
        let there = places.iter().filter(|(place, _)| place.is_dir());
        // Folders in a folder of all masks are those of other defects.
        there.map(|(place, kind)| Ok((Masks::in_folder(place, *kind != Kind::All, images)?, *kind))).collect()
    }

    /// The first that are there, if those further on say nothing else.
    fn first(found: Vec<(Masks, Kind)>, images: &[Input]) -> Result<Option<Masks>> {
        let mut found = found.into_iter().filter(|(masks, _)| !masks.of.is_empty());
        let Some((first, kind)) = found.next() else { return Ok(None) };
        // A folder of all masks may hold those of another defect's images of the same names.
        for (other, its) in found.filter(|(_, its)| kind == Kind::All || *its != Kind::All) {
            let both = images.iter().filter_map(|image| Some((image, first.files(image)?, other.files(image)?)));
            let mut differing = both.filter(|(_, a, b)| !same_files(a, b));
            let Some((image, a, b)) = differing.next() else { continue };
            let (taken, b, image) = (a[0].display(), b[0].display(), image.path.display());
            if its != Kind::Outside || kind == Kind::Outside {
                let fault = format!("and {b} are both masks of {image} and differ; leave one of them there");
                return Err(Error::file(&a[0], fault));
            }
            tracing::warn!("{taken} is taken as the mask of {image}, and not {b}, which says something else");
        }
        Ok(Some(first))
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
        for (name, below) in subfolders(folder)?.into_iter().filter(|(name, _)| !is_mask_folder(name)) {
            of.extend(Masks::beside(&below)?.below(&name));
        }
        Ok(Masks { folder: folder.to_owned(), images: folder.to_owned(), of })
    }

    /// Its masks, as those of images of a subfolder.
    fn below(self, name: &str) -> impl Iterator<Item = (String, Vec<PathBuf>)> {
        let name = name.to_lowercase();
        self.of.into_iter().map(move |(image, files)| (format!("{name}/{image}"), files))
    }

    /// Says that masks of one image are taken together, where they do not lie in a folder of its name.
    fn say_joined(&self) {
        let own = |image: &str, file: &Path| {
            let folder = file.parent().filter(|f| *f != self.folder).and_then(Path::file_name);
            folder.is_some_and(|f| image.rsplit('/').next() == Some(&*f.to_string_lossy().to_lowercase()))
        };
        let loose = self.of.iter().filter(|(image, files)| files.len() > 1 && !own(image, &files[0]));
        let joined: Vec<&Vec<PathBuf>> = loose.map(|(_, files)| files).collect();
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
        let known: HashSet<&str> = images.iter().filter_map(|i| self.key(i)).collect();
        let unused: Vec<&PathBuf> =
            self.of.iter().filter(|(name, _)| !known.contains(&***name)).flat_map(|(_, files)| files).collect();
        if let Some(first) = unused.first() {
            tracing::warn!("{} masks belong to no image, such as {}", unused.len(), first.display());
        }
    }

    fn in_folder(folder: &Path, nested: bool, whole: &Path) -> Result<Masks> {
        let mut of: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        let images: Vec<String> = pictures(whole)?.iter().map(|f| stem(f).to_lowercase()).collect();
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
            // That of a subfolder of the images, or of one image.
            if whole.join(&name).is_dir() {
                of.extend(Masks::in_folder(&below, true, &whole.join(&name))?.below(&name));
                continue;
            }
            let files = pictures(&below)?;
            if !files.is_empty() {
                of.entry(name.to_lowercase()).or_default().extend(files);
            }
        }
        Ok(Masks { folder: folder.to_owned(), images: whole.to_owned(), of })
    }

    /// Under what the masks of an image are kept: its path in the folder of images or, as masks may lie in one folder, its name.
    fn key(&self, image: &Input) -> Option<&str> {
        let below = image.path.parent().and_then(|folder| folder.strip_prefix(&self.images).ok());
        let parts =
            below.into_iter().flat_map(Path::components).map(|c| c.as_os_str().to_string_lossy().to_lowercase());
        let name = image.name.to_lowercase();
        let whole = parts.chain([name.clone()]).collect::<Vec<_>>().join("/");
        let found = self.of.get_key_value(&whole).or_else(|| self.of.get_key_value(&name));
        found.map(|(key, _)| key.as_str())
    }

    fn files(&self, image: &Input) -> Option<&Vec<PathBuf>> {
        self.of.get(self.key(image)?)
    }

    /// What is known of an image.
    /// # Errors
    /// [`Error::File`] where it has no mask.
    pub(super) fn of(&self, image: &Input) -> Result<Truth> {
        match self.files(image).map(Vec::as_slice) {
            Some([mask]) => Ok(Truth::Mask(mask.clone())),
            Some(several @ [_, _, ..]) => Ok(Truth::Masks(several.to_vec())),
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
