//! Masks of volumes: labels brought to the voxels that they are of.
use super::Volume;
use super::affine::{Misfit, reordered};
use super::beside::mask_file;
use super::foreground::Foreground;
use crate::{Error, Result};

impl Volume {
    /// A mask of this volume in the order of its voxels: by the affines, its axes are reordered and reversed, so that what is
    /// compared lies at the same place in space. Nothing is resampled.
    /// # Errors
    /// [`Error::File`], with the mask's file: other dimensions, a place that differs by a tenth of a millimetre or more, a place that
    /// only one of the two gives, a label below zero.
    pub fn aligned(&self, mut mask: Volume) -> Result<Volume> {
        let axes = self.place.axes_of(&mask.place).map_err(|misfit| {
            let fault = match misfit {
                Misfit::Dims => format!("the mask has {:?} voxels, but the volume {:?}", mask.dims, self.dims),
                Misfit::Unknown => {
                    "of the mask and its volume only one says where it lies (the other's sform_code and \
                                    qform_code are 0); copy the affine, if they are of the same voxels"
                        .into()
                }
                Misfit::Apart => {
                    "the mask does not lie where its volume does: their affines differ; resample it to that".into()
                }
            };
            Error::file(&mask.source, fault)
        })?;
        if let Some(label) = mask.voxels.iter().find(|v| **v < 0.0) {
            return Err(Error::file(&mask.source, format!("the mask holds {label}, which is no label")));
        }
        if !self.place.known {
            mask.warnings
                .push("neither the mask nor its volume says where it lies: compared voxel by voxel as stored".into());
        }
        // Two values alone are marked and not, whatever they are.
        let most = mask.voxels.iter().copied().fold(0.0, f32::max);
        if let Some(value) = mask.voxels.iter().find(|v| v.fract() != 0.0 && **v < most) {
            mask.warnings.push(format!("the mask holds {value}, which is no label: every voxel above zero is marked"));
        }
        mask.voxels = reordered(&mask.voxels, mask.dims, &axes);
        (mask.dims, mask.affine, mask.header, mask.big_endian) = (self.dims, self.affine, self.header, self.big_endian);
        mask.place.clone_from(&self.place);
        Ok(mask)
    }
}

impl Volume {
    /// What the user should know of a segmentation that [`Volume::aligned`] gave, each with the file's name.
    pub fn doubts(&self) -> Vec<String> {
        let nothing = "the segmentation marks nothing: all slices of its volume count as normal".to_owned();
        let nothing = self.voxels.iter().all(|v| *v == 0.0).then_some(nothing);
        let all = self.warnings.iter().cloned().chain(nothing);
        all.map(|what| format!("{}: {what}", self.source.display())).collect()
    }
}

/// The foreground by the mask beside a volume, if there is one.
/// # Errors
/// [`Error::File`]: a mask that cannot be read, has other dimensions, lies elsewhere or marks nothing.
pub(super) fn masked(volume: &Volume) -> Result<Option<Foreground>> {
    let Some(path) = mask_file(&volume.source, &volume.name)? else { return Ok(None) };
    let mask = volume.aligned(Volume::read_labels(&path)?)?;
    Foreground::of_file(&path, mask.voxels.iter().map(|&v| v > 0.0).collect()).map(Some)
}
