//! Stands for `volume.rs` in a build without the feature `volumes`: there is no volume, and who asks for one is told why.
use super::{Foreground, Input, InputSpec, Mask, Picture};
use crate::{Error, Result};
use std::convert::Infallible;
use std::path::Path;

/// A NIfTI volume, of which a build without the feature `volumes` has none.
#[derive(Clone, Debug)]
pub struct Volume {
    /// Voxels along the file's three axes i, j, k.
    pub dims: [usize; 3],
    /// Makes sure that there is none: the methods of a volume need no body.
    never: Infallible,
}

impl Volume {
    /// # Errors
    /// Always [`Error::File`], which names the file and the feature.
    pub fn open(input: &Input, _: &InputSpec) -> Result<Volume> {
        Err(absent(&input.path))
    }
    /// # Errors
    /// Always [`Error::File`], which names the file and the feature.
    pub fn read_labels(path: &Path) -> Result<Volume> {
        Err(absent(path))
    }
    /// A mask of this volume in the order of its voxels.
    /// # Errors
    /// None: there is no volume to ask.
    pub fn aligned(&self, _: Volume) -> Result<Volume> {
        match self.never {}
    }
    /// What the user should know of a segmentation.
    pub fn doubts(&self) -> Vec<String> {
        match self.never {}
    }
    /// How many slices there are along an axis.
    /// # Errors
    /// None: there is no volume to ask.
    pub fn slices(&self, _axis: usize) -> Result<usize> {
        match self.never {}
    }
    /// One slice as a picture.
    /// # Errors
    /// None: there is no volume to ask.
    pub fn slice(&self, _axis: usize, _index: usize) -> Result<Picture> {
        match self.never {}
    }
    /// What a slice is called.
    /// # Errors
    /// None: there is no volume to ask.
    pub fn slice_name(&self, _axis: usize, _index: usize) -> Result<String> {
        match self.never {}
    }
    /// The foreground of all voxels.
    /// # Errors
    /// None: there is no volume to ask.
    pub fn foreground(&self) -> Result<&Foreground> {
        match self.never {}
    }
    /// The foreground of a slice.
    /// # Errors
    /// None: there is no volume to ask.
    pub fn foreground_slice(&self, _axis: usize, _index: usize) -> Result<Mask> {
        match self.never {}
    }
}

fn absent(path: &Path) -> Error {
    Error::file(path, "is a NIfTI volume; this program is built without Residua's feature `volumes`, which reads it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::ValueRange;

    #[test]
    fn a_volume_is_refused_by_the_name_of_the_feature() {
        let input = Input::of_file(Path::new("scans/head.nii.gz"));
        let error = Volume::open(&input, &InputSpec::fixed(1, ValueRange::UNIT)).unwrap_err().to_string();
        assert!(error.starts_with("scans/head.nii.gz: ") && error.contains("feature `volumes`"), "{error}");
    }
}
