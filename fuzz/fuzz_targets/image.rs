//! Whatever the bytes, every reader of images, arrays and volumes gives an error or a picture.
#![no_main]
use libfuzzer_sys::fuzz_target;
use residua::data::{ValueRange, Volume, decode_image, decode_npy};
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("fuzz");
    let _ = decode_image(bytes, path, ValueRange::SIGNED);
    let _ = decode_npy(bytes, path, ValueRange::UNIT);
    if let Ok(volume) = Volume::from_reader(bytes, bytes.len() as u64, path) {
        for axis in 0..3 {
            let _ = volume.slice(axis, 0);
        }
    }
});
