//! From inputs to single images: a picture is one, a volume is as many as it has slices.
use crate::data::{Failure, FileKind, Input, InputSpec, Mask, Picture, Volume, read_foreground, read_still};
use crate::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;

/// One image to inspect.
#[derive(Clone)]
pub struct Item {
    /// The file; of a set of files that make one image, the first.
    pub path: PathBuf,
    /// Its folder of results, relative to the output folder.
    pub folder: String,
    /// What to call it.
    pub name: String,
    /// The file or the files that it comes from.
    pub input: Arc<Input>,
    /// Where it lies in a volume.
    pub slice: Option<Slice>,
}

/// A slice of a volume.
#[derive(Clone)]
pub struct Slice {
    /// The volume, shared by its slices.
    pub volume: Arc<Volume>,
    /// 0, 1 or 2.
    pub axis: usize,
    /// Along the axis.
    pub index: usize,
}

impl Item {
    /// Reads the image as a model takes it.
    /// # Errors
    /// As [`read_still`] and [`Volume::slice`].
    pub fn read(&self, spec: &InputSpec) -> Result<Picture> {
        match &self.slice {
            None => read_still(&self.input, spec),
            Some(s) => s.volume.slice(s.axis, s.index),
        }
    }
    /// The foreground at the image's own size, and a sentence on where it comes from.
    /// # Errors
    /// As [`read_foreground`] and [`Volume::foreground`].
    pub fn foreground(&self, spec: &InputSpec) -> Result<(Mask, String)> {
        match &self.slice {
            None => read_foreground(&self.input, spec),
            Some(s) => Ok((s.volume.foreground_slice(s.axis, s.index)?, s.volume.foreground()?.notice.clone())),
        }
    }
}

/// Inputs that are done together: any number of pictures, or one volume, so that only one is in memory.
pub fn groups(inputs: &[Input]) -> impl Iterator<Item = &[Input]> {
    inputs.chunk_by(|a, b| a.kind != FileKind::Volume && b.kind != FileKind::Volume)
}

/// Items in order, and the volumes that could not be read. Volumes are cut along `axis`.
pub fn expand(inputs: &[Input], axis: usize, spec: &InputSpec) -> (Vec<Item>, Vec<Failure>) {
    let (mut items, mut failures) = (Vec::new(), Vec::new());
    for input in inputs {
        if input.kind != FileKind::Volume {
            let (path, folder, name) = (input.path.clone(), input.folder.clone(), input.name.clone());
            items.push(Item { path, folder, name, input: Arc::new(input.clone()), slice: None });
            continue;
        }
        match slices(input, axis, spec) {
            Ok(list) => items.extend(list),
            Err(e) => failures.push(Failure { path: input.path.clone(), error: e.to_string() }),
        }
    }
    (items, failures)
}

fn slices(input: &Input, axis: usize, spec: &InputSpec) -> Result<Vec<Item>, Error> {
    let (volume, input) = (Arc::new(Volume::open(input, spec)?), Arc::new(input.clone()));
    let item = |index| {
        let name = volume.slice_name(axis, index)?;
        let slice = Slice { volume: volume.clone(), axis, index };
        let folder = format!("{}/{name}", input.folder);
        Ok(Item { path: input.path.clone(), folder, name, input: input.clone(), slice: Some(slice) })
    };
    (0..volume.slices(axis)?).map(item).collect()
}
