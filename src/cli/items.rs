//! From input files to single images: a picture is one, a volume is as many as it has slices.
use crate::data::{Input, Kind, Picture, ValueRange, Volume, read_picture};
use crate::report::Failure;
use crate::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;

/// One image to inspect.
#[derive(Clone)]
pub(crate) struct Item {
    /// The file.
    pub path: PathBuf,
    /// Its folder of results, relative to the output folder.
    pub folder: String,
    /// What to call it.
    pub name: String,
    /// Where it lies in a volume.
    pub slice: Option<Slice>,
}

/// A slice of a volume.
#[derive(Clone)]
pub(crate) struct Slice {
    /// The volume, shared by its slices.
    pub volume: Arc<Volume>,
    /// The volume's folder of results.
    pub folder: String,
    /// 0, 1 or 2.
    pub axis: usize,
    /// Along the axis.
    pub index: usize,
}

impl Item {
    /// Reads the image. `range` is the network's, which arrays of floats are held against.
    pub fn read(&self, range: ValueRange) -> Result<Picture> {
        match &self.slice {
            None => read_picture(&self.path, range),
            Some(s) => s.volume.slice(s.axis, s.index),
        }
    }
}

/// Items in order, and the volumes that could not be read.
pub(crate) fn expand(inputs: &[Input], axis: usize) -> (Vec<Item>, Vec<Failure>) {
    let (mut items, mut failures) = (Vec::new(), Vec::new());
    for input in inputs {
        if input.kind != Kind::Volume {
            let name = input.path.file_stem().map_or(input.folder.clone(), |n| n.to_string_lossy().into_owned());
            items.push(Item { path: input.path.clone(), folder: input.folder.clone(), name, slice: None });
            continue;
        }
        match slices(input, axis) {
            Ok(list) => items.extend(list),
            Err(e) => failures.push(Failure { path: input.path.clone(), error: e.to_string() }),
        }
    }
    (items, failures)
}

fn slices(input: &Input, axis: usize) -> Result<Vec<Item>, Error> {
    let volume = Arc::new(Volume::read(&input.path)?);
    let count = volume.slices(axis)?;
    let item = |index| {
        let name = volume.slice_name(axis, index)?;
        let slice = Slice { volume: volume.clone(), folder: input.folder.clone(), axis, index };
        let folder = format!("{}/{name}", input.folder);
        Ok(Item { path: input.path.clone(), folder, name, slice: Some(slice) })
    };
    (0..count).map(item).collect()
}
