//! What is known about each image of a dataset.
use crate::data::{FileKind, Input, Mask, Volume, mask_file};
use crate::detect::Item;
use crate::eval::{Dataset, GOOD, Sample, Truth};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Samples that are done together: any number of pictures, or one volume, so that only one is in memory.
pub struct Group<'a> {
    samples: HashMap<&'a Path, &'a Sample>,
    /// The files.
    pub inputs: Vec<Input>,
    /// The segmentation of the volume, as stored.
    labels: Option<Volume>,
    /// The same in the order of the volume's voxels.
    aligned: OnceLock<Volume>,
}

/// What is wrong with an image, and its mask if its pixels are known.
pub type Truths = (String, Option<Mask>);

impl<'a> Group<'a> {
    /// The groups of a dataset.
    pub fn all(dataset: &'a Dataset) -> impl Iterator<Item = &'a [Sample]> {
        dataset.samples.chunk_by(|a, b| a.input.kind != FileKind::Volume && b.input.kind != FileKind::Volume)
    }
    /// `foregrounds`: the results depend on the masks of foregrounds.
    /// # Errors
    /// As [`Volume::read_labels`]; [`Error::File`] for a mask that is the truth and, by its name, a foreground that the results
    /// depend on: the answer would be known beforehand.
    pub fn open(samples: &'a [Sample], foregrounds: bool) -> Result<Self> {
        for sample in samples.iter().filter(|_| foregrounds) {
            if let Truth::Mask(truth) = &sample.truth
                && let Some(mask) = mask_file(&sample.input.path, &sample.input.name)?
                && mask.canonicalize().ok() == truth.canonicalize().ok()
            {
                let fault = "would be the truth and, by its name, the foreground that the detection reads: \
                             give the truth another name or folder, such as NAME_seg";
                return Err(Error::file(truth, fault));
            }
        }
        let labels = match samples {
            [Sample { truth: Truth::Mask(mask), input, .. }] if input.kind == FileKind::Volume => {
                Some(Volume::read_labels(mask)?)
            }
            _ => None,
        };
        let inputs = samples.iter().map(|s| s.input.clone()).collect();
        let samples = samples.iter().map(|s| (s.input.path.as_path(), s)).collect();
        Ok(Group { samples, inputs, labels, aligned: OnceLock::new() })
    }

    /// What is wrong with an image of this size, and its mask if its pixels are known.
    /// # Errors
    /// A mask that cannot be read, is of another size, or shows a defect in an image that is labelled normal.
    pub fn truth(&self, item: &Item, size: (usize, usize)) -> Result<Truths> {
        self.truth_at(item, Some(size))
    }

    /// The same; without a size, of an image without a map, for its label alone.
    pub fn truth_at(&self, item: &Item, size: Option<(usize, usize)>) -> Result<Truths> {
        let sample = self.samples.get(item.path.as_path());
        let sample = sample.ok_or_else(|| Error::file(&item.path, "is not in the dataset"))?;
        let paths: &[PathBuf] = match &sample.truth {
            Truth::Clean => return Ok((GOOD.into(), size.map(|(width, height)| Mask::empty(width, height)))),
            Truth::Unknown => return Ok((sample.defect.clone(), None)),
            Truth::Mask(path) => std::slice::from_ref(path),
            Truth::Masks(paths) => paths,
        };
        let path = paths.first().unwrap_or(&sample.input.path);
        let mask = match (&item.slice, &self.labels) {
            (Some(slice), Some(labels)) => {
                let labels = self.aligned(&slice.volume, labels)?;
                Mask::of_slice(labels, slice.axis, slice.index)?
            }
            _ => Mask::read_joined(paths)?,
        };
        size.map_or(Ok(()), |(width, height)| mask.check_size(path, width, height))?;
        let shown = item.path.display();
        if sample.defect == GOOD && mask.any() {
            return Err(Error::file(path, format!("shows a defect, but {shown} is labelled normal")));
        }
        if sample.defect != GOOD && item.slice.is_none() {
            let marked = mask.data.iter().filter(|m| **m).count();
            if marked == 0 {
                let fault = format!("the mask marks nothing, but {shown} is labelled {}", sample.defect);
                return Err(Error::file(path, fault));
            }
            let part = 100 * marked / mask.data.len();
            if part > 50 {
                tracing::warn!("{}: the mask marks {part} % of its image: is it inverted?", path.display());
            }
        }
        let defect = if item.slice.is_some() && !mask.any() { GOOD.into() } else { sample.defect.clone() };
        Ok((defect, Some(mask)))
    }

    /// The segmentation in the order of the volume's voxels; what is doubtful about it is said once.
    fn aligned(&self, volume: &Volume, labels: &Volume) -> Result<&Volume> {
        if let Some(known) = self.aligned.get() {
            return Ok(known);
        }
        let aligned = volume.aligned(labels.clone())?;
        aligned.doubts().iter().for_each(|doubt| tracing::warn!("{doubt}"));
        Ok(self.aligned.get_or_init(|| aligned))
    }
}
