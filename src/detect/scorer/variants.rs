//! Variants of images: pictures that stand for an item, each scored as the item would be. Attacks and certificates are made of them.
use super::prepare::{of_picture, prepare};
use super::volume::Pending;
use super::{Finished, Scored, Scorer};
use crate::data::Picture;
use crate::detect::Item;
use crate::{Error, Result};

impl Scorer<'_> {
    /// An item's image as the networks see it: scaled, in the model's channels and at its size. Of a system that makes rows of
    /// images it is the image as it was read.
    /// # Errors
    /// As [`Item::read`]; [`Error::File`] for channels that cannot be made the model's.
    pub fn as_seen(&self, item: &Item) -> Result<Picture> {
        let ready = prepare(self.model, &self.spec(), item)?;
        let Some(input) = &self.model.config.input else { return Ok(ready.picture) };
        let seen = ready.picture.to_channels(input.channels)?.resize(input.width, input.height)?;
        Ok(Picture { warnings: ready.picture.warnings, ..seen })
    }
    /// Images at once.
    pub fn images_at_once(&self) -> usize {
        self.batch()
    }
    /// From now on inputs are counted up to `all`.
    pub(in crate::detect) fn begin(&mut self, all: usize) {
        (self.progress.inputs, self.progress.of_inputs) = (0, all);
    }
    /// Tells that further images are done.
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn done(&mut self, inputs: usize) -> Result<()> {
        self.progress.inputs = (self.progress.inputs + inputs).min(self.progress.of_inputs);
        self.tell(0, 0)
    }
    /// Tells how far the work on an input is, which is made of many batches.
    /// # Errors
    /// [`Error::Interrupted`].
    pub(in crate::detect) fn step(&mut self, done: usize, all: usize) -> Result<()> {
        self.tell(done, all)
    }
    /// Scores pictures in place of their items' own, all under one noise, as many at once as there is room for. Values may lie
    /// outside 0..1. A slice is judged by itself.
    /// # Errors
    /// As [`Scorer::run`]; [`Error::File`] for a picture without a finite map and score.
    pub fn variants(&mut self, pictures: Vec<(Item, Picture)>, seed: u64) -> Result<Vec<Scored>> {
        let before = std::mem::replace(&mut self.part_of_more, true);
        let scored = self.each_variant(pictures, seed);
        self.part_of_more = before;
        scored
    }
    fn each_variant(&mut self, pictures: Vec<(Item, Picture)>, seed: u64) -> Result<Vec<Scored>> {
        let mut scored = Vec::with_capacity(pictures.len());
        let mut rest = pictures.into_iter().peekable();
        while rest.peek().is_some() {
            let chunk = rest.by_ref().take(self.batch());
            let ready = chunk.map(|(item, picture)| of_picture(self.model, &item, picture)).collect::<Result<_>>()?;
            for found in self.batch_of(ready, seed)? {
                let item = found.item.clone();
                let finished = Pending::new(self.model, Vec::new()).take(found, self.model).map_err(|e| e.1)?;
                let one = finished.into_iter().find_map(|f| match f {
                    Finished::Image(scored) => Some(scored),
                    Finished::Volume(_) => None,
                });
                scored.push(one.ok_or_else(|| Error::file(&item.path, "gives no result by itself"))?);
            }
        }
        Ok(scored)
    }
}
