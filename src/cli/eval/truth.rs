//! What is known about each image of a dataset.
use crate::cli::items::Item;
use crate::data::{Input, Kind, Mask, Volume};
use crate::eval::{GOOD, Sample, Truth};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::Path;

/// Samples that are done together: any number of pictures, or one volume, so that only one is in memory.
pub(super) struct Group<'a> {
    samples: HashMap<&'a Path, &'a Sample>,
    /// The files.
    pub inputs: Vec<Input>,
    /// The segmentation of the volume.
    labels: Option<Volume>,
}

impl<'a> Group<'a> {
    /// # Errors
    /// As [`Volume::read_labels`].
    pub fn open(samples: &'a [Sample]) -> Result<Self> {
        let labels = match samples {
            [Sample { truth: Truth::Mask(mask), input, .. }] if input.kind == Kind::Volume => {
                Some(Volume::read_labels(mask)?)
            }
            _ => None,
        };
        let inputs = samples.iter().map(|s| s.input.clone()).collect();
        Ok(Group { samples: samples.iter().map(|s| (s.input.path.as_path(), s)).collect(), inputs, labels })
    }

    /// What is wrong with an image of this size, and its mask if its pixels are known.
    /// # Errors
    /// A mask that cannot be read, is of another size, or shows a defect in an image that is labelled normal.
    pub fn truth(&self, item: &Item, (width, height): (usize, usize)) -> Result<(String, Option<Mask>)> {
        let sample = self.samples.get(item.path.as_path());
        let sample = sample.ok_or_else(|| Error::file(&item.path, "is not in the dataset"))?;
        let path = match &sample.truth {
            Truth::Clean => return Ok((GOOD.into(), Some(Mask::empty(width, height)))),
            Truth::Unknown => return Ok((sample.defect.clone(), None)),
            Truth::Mask(path) => path,
        };
        let mask = match (&item.slice, &self.labels) {
            (Some(slice), Some(labels)) if labels.dims == slice.volume.dims => {
                Mask::of_slice(labels, slice.axis, slice.index)?
            }
            (Some(slice), Some(labels)) => {
                let (has, needs) = (labels.dims, slice.volume.dims);
                return Err(Error::file(path, format!("the mask has {has:?} voxels, but the volume {needs:?}")));
            }
            _ => Mask::read(path)?,
        };
        mask.check_size(path, width, height)?;
        if sample.defect == GOOD && mask.any() {
            return Err(Error::file(path, format!("shows a defect, but {} is labelled normal", item.path.display())));
        }
        let defect = if item.slice.is_some() && !mask.any() { GOOD.into() } else { sample.defect.clone() };
        Ok((defect, Some(mask)))
    }
}
