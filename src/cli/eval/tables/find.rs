//! Whether what is to be evaluated is a table, or a folder of them.
use super::super::Args;
use crate::data::{FileKind, list_files};
use crate::eval::lists_images;
use crate::{Error, Result};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The tables that the dataset is or holds, in the order of their names; none when it is one of images.
pub fn find(args: &Args) -> Result<Option<Vec<PathBuf>>> {
    check_text(&args.dataset)?;
    if args.maps.is_some() && args.dataset.is_file() && is_table(&args.dataset) {
        let fault =
            "is taken for a table; --maps is for the results of images, which a list names in its column `path`";
        return Err(Error::file(&args.dataset, fault));
    }
    if args.maps.is_some() || !args.dataset.is_dir() {
        let one = args.maps.is_none() && args.dataset.is_file() && is_table(&args.dataset);
        return Ok(one.then(|| vec![args.dataset.clone()]));
    }
    let listing = std::fs::read_dir(&args.dataset).map_err(|e| Error::io(&args.dataset, e))?;
    let mut found = Vec::new();
    for entry in listing {
        let path = entry.map_err(|e| Error::io(&args.dataset, e))?.path();
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name == "test" || crate::eval::is_normal(&name) {
                return Ok(None);
            }
        } else if is_table(&path) && args.tables.published.as_ref() != Some(&path) {
            found.push(path);
        }
    }
    found.sort();
    // Beside pictures or volumes, a table is their list of patients or parts, and no dataset.
    let images = || list_files(std::slice::from_ref(&args.dataset)).unwrap_or_default();
    let images = !found.is_empty() && images().iter().any(|path| FileKind::of(path) != FileKind::Array);
    Ok((!found.is_empty() && !images).then_some(found))
}

/// Refuses UTF-16, of which nobody can tell whether it is a table or a list of images, before flags are held against the one or the other.
fn check_text(path: &Path) -> Result<()> {
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(2).read_to_end(&mut start));
    match (read, &start[..]) {
        (Ok(_), [0xff, 0xfe] | [0xfe, 0xff]) => Err(Error::file(path, "is UTF-16 text; save it as UTF-8")),
        _ => Ok(()),
    }
}

/// By ending; a CSV file may list images instead.
fn is_table(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match &*ending {
        "npz" | "npy" | "parquet" | "tsv" => true,
        "csv" => !lists_images(path),
        _ => false,
    }
}
