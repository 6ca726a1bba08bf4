//! One file, decoded: told apart by its content.
use super::limits::read_bytes;
use super::raw::Raw;
use super::{InputSpec, Picture, ValueRange, image, npy};
use crate::Result;
use std::path::Path;

/// Reads one still picture of 1 or 3 channels with the full range of its format; `range` is what the model takes and
/// matters only for files that hold floats (see [`ValueRange::normalise`]). An opaque alpha channel is dropped, any other
/// blended over black, which is noted in the picture's warnings.
/// # Errors
/// As [`super::read_still`].
pub fn read_picture(path: &Path, range: ValueRange) -> Result<Picture> {
    read_raw(path, 3)?.scaled(&InputSpec::fixed(3, range), None)
}

/// [`read_picture`] for the bytes of a PNG, JPEG, TIFF, BMP or WebP file; `source` names it in errors.
/// # Errors
/// [`crate::Error::File`].
pub fn decode_image(bytes: &[u8], source: &Path, range: ValueRange) -> Result<Picture> {
    image::decode(bytes, source, 3)?.scaled(&InputSpec::fixed(3, range), None)
}

/// [`read_picture`] for the bytes of a `.npy` file; `source` names it in errors.
/// # Errors
/// [`crate::Error::File`].
pub fn decode_npy(bytes: &[u8], source: &Path, range: ValueRange) -> Result<Picture> {
    npy::decode(bytes, source, 3)?.scaled(&InputSpec::fixed(3, range), None)
}

/// One file, decoded for a model of so many channels.
pub(super) fn read_raw(path: &Path, channels: usize) -> Result<Raw> {
    let bytes = read_bytes(path)?;
    match bytes.starts_with(b"\x93NUMPY") {
        true => npy::decode(&bytes, path, channels),
        false => image::decode(&bytes, path, channels),
    }
}
