//! Readers return an error or a picture, whatever the bytes: random ones, and valid files cut and altered.
use super::*;
use ::image::{DynamicImage, ImageFormat, RgbImage};
use proptest::prelude::*;
use std::io::Cursor;
use std::path::Path;

/// Small valid files of every kind.
fn valid() -> Vec<Vec<u8>> {
    let image = DynamicImage::ImageRgb8(RgbImage::from_fn(9, 7, |x, y| [x as u8 * 20, y as u8 * 30, 99].into()));
    let formats = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff, ImageFormat::Bmp, ImageFormat::WebP];
    let mut files: Vec<Vec<u8>> = formats
        .iter()
        .map(|&format| {
            let mut bytes = Cursor::new(Vec::new());
            image.write_to(&mut bytes, format).unwrap();
            bytes.into_inner()
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.npy");
    write_npy(&path, &Map::new(3, 2, vec![0.5; 6]).unwrap()).unwrap();
    files.push(std::fs::read(path).unwrap());
    files.push(volume::tests::nifti_u8(false, [4, 3, 2], &[7; 24]));
    files
}

/// Every reader on the same bytes, whatever they are; results are of no interest.
fn read_all(bytes: &[u8]) {
    let path = Path::new("hostile");
    let _ = decode_image(bytes, path, ValueRange::SIGNED);
    let _ = decode_npy(bytes, path, ValueRange::UNIT);
    for channels in [2, 4] {
        let _ = image::decode(bytes, path, channels);
        let _ = npy::decode(bytes, path, channels);
        let _ = volume_read::stored(bytes, bytes.len() as u64, path, channels);
    }
    if let Ok(volume) = Volume::from_reader(bytes, bytes.len() as u64, path) {
        for axis in 0..3 {
            let _ = volume.slice(axis, 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(kind in 0usize..9, tail in proptest::collection::vec(any::<u8>(), 0..600)) {
        let magics: [&[u8]; 9] = [
            b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM", b"RIFF\0\0\0\0WEBPVP8 ",
            b"\x93NUMPY\x01\0", b"\x5c\x01\0\0",
        ];
        read_all(&[magics[kind], &tail].concat());
    }

    #[test]
    fn altered_files(
        kind in 0usize..7,
        keep in 0.0f64..1.3,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        early in any::<bool>(),
    ) {
        let mut bytes = valid().swap_remove(kind);
        let end = if early { bytes.len().min(80) } else { bytes.len() };
        for (at, value) in edits {
            bytes[at.index(end)] = value;
        }
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        read_all(&bytes);
    }
}
