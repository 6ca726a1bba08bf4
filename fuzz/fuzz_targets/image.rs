//! Whatever the bytes, every reader of images (PNG, JPEG, TIFF, BMP, WebP) and arrays gives an error or a picture. TIFF and
//! JPEG begin with too many bytes of a kind to be found soon, so the first byte may put them there.
#![no_main]
use libfuzzer_sys::fuzz_target;
use residua::data::{ValueRange, decode_image, decode_npy};
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("fuzz");
    let _ = decode_image(bytes, path, ValueRange::SIGNED);
    let _ = decode_npy(bytes, path, ValueRange::UNIT);
    if let Some((&kind, rest)) = bytes.split_first() {
        let start: &[u8] = match kind {
            0 => b"II*\0\x08\0\0\0",
            1 => b"MM\0*\0\0\0\x08",
            2 => b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0",
            3 => b"\xff\xd8",
            _ => return,
        };
        let _ = decode_image(&[start, rest].concat(), path, ValueRange::UNIT);
    }
});
