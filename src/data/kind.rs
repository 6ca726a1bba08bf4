//! What a file is: by its ending, and by its first bytes.
use std::io::Read;
use std::path::Path;

/// The endings that are looked for in folders, in lower case.
pub const EXTENSIONS: [&str; 10] =
    [".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".npy", ".nii", ".nii.gz"];

/// What an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// PNG, JPEG, TIFF, BMP or WebP.
    Image,
    /// NumPy's `.npy`.
    Array,
    /// NIfTI, `.nii` or `.nii.gz`.
    Volume,
}

impl FileKind {
    /// By ending, and for others by the first bytes; what cannot be told is an image, whose reader will say what is
    /// wrong.
    pub fn of(path: &Path) -> FileKind {
        let name = lower_name(path);
        if name.ends_with(".npy") {
            return FileKind::Array;
        }
        if name.ends_with(".nii") || name.ends_with(".nii.gz") {
            return FileKind::Volume;
        }
        if has_known_ending(path) {
            return FileKind::Image;
        }
        let mut start = Vec::new();
        // A failure here comes back when the file is read.
        let _ = std::fs::File::open(path).and_then(|file| file.take(348).read_to_end(&mut start));
        match &start[..] {
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => FileKind::Array,
            [0x1f, 0x8b, ..] => FileKind::Volume,
            header if header.get(344..347) == Some(b"n+1") => FileKind::Volume,
            _ => FileKind::Image,
        }
    }
}

fn lower_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().to_lowercase()
}

pub(super) fn has_known_ending(path: &Path) -> bool {
    let name = lower_name(path);
    EXTENSIONS.iter().any(|ending| name.ends_with(ending))
}
