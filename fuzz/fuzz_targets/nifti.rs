//! Whatever the bytes, the reader of volumes gives an error or a volume whose slices, masks and map can be taken. The first byte
//! says whether the rest is compressed before it is read, so that damage reaches the header and not the checksum alone.
#![no_main]
use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use residua::data::{Volume, VolumeMap};
use std::io::Write;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, rest)) = bytes.split_first() else { return };
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let bytes = match kind % 2 {
        0 => rest.to_vec(),
        _ if packed.write_all(rest).is_err() => return,
        _ => packed.finish().unwrap_or_default(),
    };
    let Ok(volume) = Volume::from_reader(&bytes[..], bytes.len() as u64, Path::new("fuzz.nii")) else { return };
    for axis in 0..3 {
        let _ = volume.slice(axis, 0);
        let _ = volume.foreground_slice(axis, 0);
    }
    // A mask that differs from its volume in nothing is that volume's.
    let _ = volume.aligned(volume.clone());
    let _ = VolumeMap::new(&volume);
});
