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
    /// NIfTI, `.nii` or `.nii.gz`, or a pair of `.hdr` and `.img`.
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
        // The voxels of a pair begin with nothing that tells them.
        let voxels = name.trim_end_matches(".gz").ends_with(".img");
        if name.ends_with(".nii") || name.ends_with(".nii.gz") || voxels {
            return FileKind::Volume;
        }
        if has_known_ending(path) {
            return FileKind::Image;
        }
        let mut start = Vec::new();
        // A failure here comes back when the file is read.
        let _ = std::fs::File::open(path).and_then(|file| file.take(8).read_to_end(&mut start));
        match &start[..] {
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => FileKind::Array,
            [0x1f, 0x8b, ..] => FileKind::Volume,
            // A NIfTI header, of a volume or of a pair, or its forerunner's.
            [0x5c, 1, 0, 0, ..] | [0, 0, 1, 0x5c, ..] | [0x1c, 2, 0, 0, ..] | [0, 0, 2, 0x1c, ..] => FileKind::Volume,
            _ => FileKind::Image,
        }
    }
}

fn lower_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// Whether a folder of this name holds masks of images that lie elsewhere.
pub(crate) fn is_mask_folder(name: &str) -> bool {
    ["ground_truth", "groundtruth", "gt", "masks", "mask"].contains(&&*name.to_lowercase())
}

/// Whether a file's name ends in one of [`EXTENSIONS`].
pub(crate) fn has_known_ending(path: &Path) -> bool {
    let name = lower_name(path);
    EXTENSIONS.iter().any(|ending| name.ends_with(ending))
}
