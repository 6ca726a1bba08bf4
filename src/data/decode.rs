//! One file, decoded: told apart by its content.
use super::limits::read_bytes;
use super::raw::{Raw, Values};
use super::{InputSpec, Picture, ValueRange, image, npy};
use crate::Result;
use std::io::Read;
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
    raw_of(&read_bytes(path)?, path, channels)
}

/// The same for the file's bytes.
pub(super) fn raw_of(bytes: &[u8], path: &Path, channels: usize) -> Result<Raw> {
    match bytes.starts_with(b"\x93NUMPY") {
        true => npy::decode(bytes, path, channels),
        false => image::decode(bytes, path, channels),
    }
}

/// The values of a file of floats; `None` for files of anything else, which are not decoded, and for those that cannot be read.
pub(super) fn float_values(path: &Path) -> Option<Vec<f32>> {
    let mut start = Vec::new();
    std::fs::File::open(path).ok()?.take(256).read_to_end(&mut start).ok()?;
    let array = start.starts_with(b"\x93NUMPY") && start.windows(2).any(|w| matches!(w, b"<f" | b">f" | b"=f"));
    if !array && !image::is_tiff(&start) {
        return None;
    }
    let bytes = read_bytes(path).ok()?;
    if !array && !image::is_float_tiff(&bytes) {
        return None;
    }
    // Arrays of two and of four channels are told by the model's number alone.
    let raw = [3, 4, 2].into_iter().find_map(|channels| raw_of(&bytes, path, channels).ok())?;
    (raw.values == Values::Floats).then_some(raw.picture.data)
}

/// Runs a decoder, which is other people's code fed with untrusted bytes: a panic there costs one file and not the run, and
/// its text would tell the user nothing. `None` after a panic.
pub(super) fn guarded<T>(decoder: impl FnOnce() -> T) -> Option<T> {
    crate::quiet::quietly(decoder).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_decoder_is_none() {
        assert_eq!(guarded(|| 7), Some(7));
        assert_eq!(guarded(|| [0; 3].get(5).copied().unwrap()), None::<i32>);
    }
}
