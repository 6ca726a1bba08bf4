//! What a file is: by its ending, and by its first bytes.
use std::io::Read;
use std::path::Path;

/// The endings that are looked for in folders, in lower case.
pub const EXTENSIONS: [&str; 12] =
    [".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".webp", ".npy", ".nii", ".nii.gz"];

/// The endings of pictures and volumes in formats that are not read, or not looked for in folders, in lower case.
const UNREAD: [&str; 53] = [
    ".gif", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".jls", ".jxl", ".jxr", ".heic", ".heif", ".avif", ".apng",
    ".pgm", ".ppm", ".pbm", ".pnm", ".pam", ".pfm", ".psd", ".exr", ".hdr", ".img", ".img.gz", ".tga", ".ico", ".icns",
    ".pcx", ".dib", ".dds", ".qoi", ".xcf", ".fits", ".fit", ".fts", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw",
    ".orf", ".dcm", ".dicom", ".ima", ".mha", ".mhd", ".nrrd", ".nhdr", ".mgh", ".mgz", ".czi",
];

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

/// Whether a file with none of [`EXTENSIONS`] is a picture all the same: by its ending, or without one by its first bytes.
pub(super) fn is_unread_picture(path: &Path) -> bool {
    let name = lower_name(path);
    if name.contains('.') {
        return UNREAD.iter().any(|ending| name.ends_with(ending));
    }
    let mut start = Vec::new();
    let _ = std::fs::File::open(path).and_then(|file| file.take(132).read_to_end(&mut start));
    match &start[..] {
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] | [b'G', b'I', b'F', b'8', ..] => true,
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] | [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => true,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => true,
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] | [0, 0, 0, 12, b'j', b'P', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => true,
        [b'P', b'2'..=b'6', b'\n' | b' ', ..] => true,
        // A NIfTI header, and DICOM's after its preamble.
        [0x5c, 1, 0, 0, ..] | [0, 0, 1, 0x5c, ..] | [0x1c, 2, 0, 0, ..] | [0, 0, 2, 0x1c, ..] => true,
        bytes => bytes.ends_with(b"DICM") && bytes.len() == 132,
    }
}
