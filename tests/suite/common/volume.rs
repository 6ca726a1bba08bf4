//! NIfTI files as tests need them.
use std::path::Path;

/// Writes a volume of bytes, (i, j, k) with i fastest; `channels` above 1 make it one of four dimensions.
pub fn nifti(path: &Path, dims: [i16; 3], channels: i16, voxels: &[u8]) {
    let mut bytes = vec![0u8; 352];
    bytes[0..4].copy_from_slice(&348i32.to_le_bytes());
    let count = if channels > 1 { 4 } else { 3 };
    for (i, d) in [count, dims[0], dims[1], dims[2], channels, 1, 1, 1].iter().enumerate() {
        bytes[40 + 2 * i..42 + 2 * i].copy_from_slice(&d.to_le_bytes());
    }
    bytes[70..72].copy_from_slice(&2i16.to_le_bytes());
    bytes[72..74].copy_from_slice(&8i16.to_le_bytes());
    bytes[108..112].copy_from_slice(&352f32.to_le_bytes());
    bytes[344..348].copy_from_slice(b"n+1\0");
    bytes.extend(voxels);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}
