//! Maps as a system's graph makes them.
use super::{Item, Scorer};
use crate::data::{Input, Map, Picture};
use crate::{Error, Result};

impl Scorer<'_> {
    /// Maps at the networks' size, as the system's graph makes them, each with its item and its pixels; otherwise as [`Scorer::run`].
    pub(in crate::detect) fn maps(
        &mut self,
        inputs: &[Input],
        mut sink: impl FnMut(&Item, &Picture, &Map) -> Result<()>,
    ) -> Result<()> {
        self.each_group(inputs, |scorer, items| {
            scorer.found(&items, &mut |_, found| match &found.map {
                Some(map) => sink(&found.item, &found.picture, map),
                None => Err(Error::Invalid("this system gives a score and no map".into())),
            })
        })
    }
}
