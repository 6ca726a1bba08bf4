//! Masks from files: pictures, arrays, slices of volumes of labels.
use super::{Mask, Picture, ValueRange, Volume, read_picture};
use crate::Result;
use std::path::Path;

impl Mask {
    /// Reads a picture or an array. Marked is what lies above half of white, as soft edges are; in a file where nothing
    /// does, such as one of labels 0 and 1, every pixel that is not zero. Colours count by their luma.
    /// # Errors
    /// As [`read_picture`].
    pub fn read(path: &Path) -> Result<Self> {
        let picture = read_picture(path, ValueRange::UNIT)?.to_channels(1)?;
        let limit = if picture.data.iter().any(|&v| v > 0.5) { 0.5 } else { 0.0 };
        Ok(Mask::above(&picture, limit))
    }

    /// A slice of a volume of labels ([`Volume::read_labels`]): every label above zero is marked.
    /// # Errors
    /// As [`Volume::slice`].
    pub fn of_slice(labels: &Volume, axis: usize, index: usize) -> Result<Self> {
        Ok(Mask::above(&labels.slice(axis, index)?, 0.0))
    }

    fn above(picture: &Picture, limit: f32) -> Self {
        let data = picture.data.iter().map(|&v| v > limit).collect();
        Mask { width: picture.width, height: picture.height, data }
    }
}

#[cfg(all(test, feature = "volumes"))]
mod tests {
    use super::*;
    use crate::data::volume::tests::nifti_u8;
    use image::{GrayImage, Luma};

    #[test]
    fn soft_edges_and_labels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.png");
        let read = |values: [u8; 4]| {
            GrayImage::from_fn(4, 1, |x, _| Luma([values[x as usize]])).save(&path).unwrap();
            Mask::read(&path).unwrap()
        };
        assert_eq!(read([0, 127, 128, 255]).data, [false, false, true, true]);
        assert_eq!(read([0, 1, 4, 0]).data, [false, true, true, false]);
        assert!(!read([0; 4]).any());
        let error = read([0; 4]).check_size(&path, 4, 2).unwrap_err().to_string();
        assert!(error.contains("m.png: the mask is 4x1, but the image is 4x2"), "{error}");
    }

    #[test]
    fn labels_of_a_volume_need_no_contrast() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x_seg.nii");
        let mut voxels = [0u8; 12];
        std::fs::write(&path, nifti_u8(false, [3, 2, 2], &voxels)).unwrap();
        assert!(!Mask::of_slice(&Volume::read_labels(&path).unwrap(), 2, 0).unwrap().any());
        (voxels[1], voxels[11]) = (1, 4);
        std::fs::write(&path, nifti_u8(false, [3, 2, 2], &voxels)).unwrap();
        let labels = Volume::read_labels(&path).unwrap();
        assert_eq!(Mask::of_slice(&labels, 2, 0).unwrap().data, [false, false, false, false, true, false]);
        assert_eq!(Mask::of_slice(&labels, 2, 1).unwrap().data, [false, false, true, false, false, false]);
    }
}
