//! Masks: files beside an image that are named after it.
use super::kind::{EXTENSIONS, FileKind};
use super::names::stem;
use super::path_text::name_like;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// What a mask's name ends in after its image's: the foreground's, a segmentation's.
pub(super) const MASKS: [&str; 2] = ["_mask", "_seg"];

/// The files of a list that are masks of others in it: NAME_mask or NAME_seg beside NAME, or beside NAME and more, such
/// as a suffix.
pub(super) fn masks_beside<'a>(files: &'a [PathBuf], suffixes: &'a [String]) -> impl Iterator<Item = &'a PathBuf> {
    let images: std::collections::HashSet<(PathBuf, String)> = files
        .iter()
        .filter(|path| mask_of(path).is_none())
        .flat_map(|path| {
            let (folder, stem) = (path.parent().unwrap_or(Path::new("")).to_owned(), stem(path).to_lowercase());
            let cuts = stem.match_indices(['_', '-']).map(|(at, _)| at).chain([stem.len()]).collect::<Vec<_>>();
            let ends = suffixes.iter().filter_map(|s| stem.strip_suffix(&s.to_lowercase()).map(str::len));
            let cuts = cuts.into_iter().chain(ends.collect::<Vec<_>>());
            cuts.map(move |at| (folder.clone(), stem[..at].to_owned())).collect::<Vec<_>>()
        })
        .collect();
    files.iter().filter(move |path| {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        mask_of(path).is_some_and(|name| images.contains(&(folder, name)))
    })
}

/// The name, in lower case, of the image whose mask this would be, one of several included.
fn mask_of(path: &Path) -> Option<String> {
    let stem = stem(path).to_lowercase();
    let of = |stem: &str| MASKS.iter().find_map(|end| stem.strip_suffix(end).map(str::to_owned));
    of(&stem).or_else(|| of(numbered(&stem)?))
}

/// A name without the number at its end, as in NAME_mask2, NAME_mask_2, NAME_mask-2 and NAME_mask (2); `None` where there is none.
pub(crate) fn numbered(stem: &str) -> Option<&str> {
    let open = stem.strip_suffix(')');
    let digits = open.unwrap_or(stem);
    let rest = digits.trim_end_matches(|c: char| c.is_ascii_digit());
    if rest.len() == digits.len() {
        return None;
    }
    match open {
        Some(_) => rest.strip_suffix('(').map(str::trim_end),
        None => Some(rest.strip_suffix(['_', '-', '.']).unwrap_or(rest)),
    }
}

/// All files that an input is read from: the image's and, with `foregrounds`, the foreground mask beside it.
/// # Errors
/// As [`mask_file`].
#[cfg(feature = "cli")]
pub(crate) fn files_read(input: &super::Input, foregrounds: bool) -> Result<Vec<PathBuf>> {
    let mask = if foregrounds { mask_file(&input.path, &input.name)? } else { None };
    Ok(input.files.iter().cloned().chain(mask).collect())
}

/// The foreground mask beside an image called `name`: NAME_mask with an ending of the image's kind, if there is one.
/// # Errors
/// [`Error::File`] when there are two, such as NAME_mask and NAME_mask2.
pub(crate) fn mask_file(image: &Path, name: &str) -> Result<Option<PathBuf>> {
    let volume = FileKind::of(image) == FileKind::Volume;
    let endings = EXTENSIONS.iter().filter(|e| e.starts_with(".nii") == volume);
    let numbers = ["", "1", "2", "_1", "_2", "-1", "-2"];
    let found: Vec<PathBuf> = endings
        .flat_map(|ending| numbers.map(|number| format!("{name}{}{number}{ending}", MASKS[0])))
        .map(|file| image.with_file_name(name_like(image.file_name().unwrap_or_default(), &file)))
        .filter(|path| path.is_file())
        .collect();
    match &found[..] {
        [] => Ok(None),
        [mask] if numbered(&stem(mask)).is_none_or(|s| !s.ends_with(MASKS[0])) => Ok(Some(mask.clone())),
        [mask] => Err(Error::file(
            mask,
            format!("is named as one of several masks of {name}; its foreground is one file, {name}_mask"),
        )),
        [mask, other, ..] => {
            let other = other.file_name().unwrap_or_default().to_string_lossy();
            Err(Error::file(mask, format!("and {other} are both masks of {name}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_the_end_of_names() {
        for (name, plain) in
            [("a_mask2", "a_mask"), ("a_mask_02", "a_mask"), ("a_mask-1", "a_mask"), ("a_mask (2)", "a_mask")]
        {
            assert_eq!(numbered(name), Some(plain));
        }
        for name in ["a_mask", "a_mask()", "a)", ""] {
            assert_eq!(numbered(name).filter(|n| *n != "a_mask"), None, "{name}");
        }
        assert_eq!(mask_of(Path::new("x/A_Mask2.png")).as_deref(), Some("a"));
        assert_eq!(mask_of(Path::new("x/a_2.png")), None);
    }
}
