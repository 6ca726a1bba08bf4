//! The picture, the masks and the volume that the files of `tests/corpus` hold; see `tests/reference/pictures.py`.
use std::path::PathBuf;

/// A file of the corpus.
pub(super) fn corpus(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name)
}

/// The colour of a pixel of the picture, in 0..=255.
pub(super) fn rgb(pixel: usize) -> [f32; 3] {
    let (x, y) = (pixel % 24, pixel / 24);
    [7 * x + 11 * y, 5 * x + 3 * y + 40, 9 * x + 2 * y + 90].map(|v| (v % 256) as f32)
}

/// The gray of a pixel of the gray picture.
pub(super) fn gray(pixel: usize) -> f32 {
    rgb(pixel)[0]
}

/// Whether a pixel is marked.
pub(super) fn marked(pixel: usize) -> bool {
    let (x, y) = (pixel % 24, pixel / 24);
    ((4..12).contains(&x) && (3..8).contains(&y)) || ((14..22).contains(&x) && (10..14).contains(&y))
}
