//! Images, arrays and volumes in; maps out. Every reader yields [`Picture`]s (channels-last, in `[0,1]`) or a
//! [`Volume`] of them, refuses absurd sizes from the header, and names the file and the fault in its error.
mod find;
mod hash;
mod image;
mod mask;
mod npy;
mod parquet_footer;
mod picture;
mod preprocess;
mod resize;
mod table;
mod table_csv;
mod table_npz;
mod table_parquet;
mod tiff;
mod volume;
mod volume_map;
mod volume_read;
mod write;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod table_tests;

pub(crate) use find::stem;
pub use find::{EXTENSIONS, Input, Kind, find_inputs};
pub use hash::hash_files;
pub use image::{decode_image, read_image};
pub use mask::Mask;
pub use npy::{decode_npy, read_map, read_npy, write_npy, write_npy_rows};
pub use picture::{Map, Picture, ValueRange};
pub use preprocess::Preprocessing;
pub use resize::{resize_bilinear, resize_triangle};
pub use table::{MAX_VALUES, Table, decode_table, read_table};
pub use volume::Volume;
pub use volume_map::VolumeMap;
pub use write::{check_writable, create_folder, write_atomic, write_bytes};

use crate::{Error, Result};
use std::path::Path;

/// The most pixels that an image may have; more is refused from the header.
pub const MAX_PIXELS: u64 = 1 << 26;

/// Reads one still picture, an image file or a `.npy` array, whichever its content is.
///
/// `range` is what the model takes; it matters only for files that hold floats (see [`ValueRange::normalise`]).
/// # Errors
/// As [`read_image`] and [`read_npy`].
pub fn read_picture(path: &Path, range: ValueRange) -> Result<Picture> {
    let bytes = read_bytes(path)?;
    if bytes.starts_with(b"\x93NUMPY") { decode_npy(&bytes, path, range) } else { decode_image(&bytes, path, range) }
}

/// A whole file, refused before reading when it is empty or larger than any picture within [`MAX_PIXELS`] can be.
fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    /// Three f64 channels at the most pixels, and a header.
    const MAX_BYTES: u64 = MAX_PIXELS * 24 + (1 << 20);
    let meta = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if meta.is_dir() {
        return Err(Error::file(path, "is a folder, not a file"));
    }
    if meta.len() > MAX_BYTES {
        return Err(Error::file(path, format!("has {} bytes, more than any picture that is accepted", meta.len())));
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    if bytes.is_empty() {
        return Err(Error::file(path, "the file is empty"));
    }
    Ok(bytes)
}

/// Width times height, or why not.
fn check_size(path: &Path, width: u64, height: u64) -> Result<usize> {
    if width == 0 || height == 0 {
        return Err(Error::file(path, format!("the header says {width}x{height}: there is no pixel")));
    }
    match width.checked_mul(height) {
        Some(n) if n <= MAX_PIXELS => Ok(n as usize),
        _ => Err(Error::file(
            path,
            format!("the header says {width}x{height}, more than the {MAX_PIXELS} pixels that are accepted"),
        )),
    }
}
