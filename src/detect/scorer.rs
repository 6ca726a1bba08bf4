//! Images, volumes and rows through a model's job: batches, failures, cancelling, progress by a callback.
use super::items::{Item, expand, groups};
use super::{ModelFolder, Runner};
use crate::data::{Failure, FloatRange, Input, InputSpec, Notices};
use crate::{Device, Error, Result, Tensor};
pub use finished::{Finished, Scored, ScoredVolume};
use found::Found;
use prepare::{Ready, prepare};
use recent::Recent;
pub(super) use seeds::named_seed;
use std::path::PathBuf;
use std::time::Instant;
use volume::Pending;

mod finished;
mod foreground;
mod found;
mod maps;
mod prepare;
mod recent;
mod rows;
mod seeds;
mod variants;
mod volume;

/// How far a scorer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Inputs (pictures, volumes) that are done.
    pub inputs: usize,
    /// Of how many.
    pub of_inputs: usize,
    /// Phases of the batch under way that are done.
    pub steps: usize,
    /// Of how many.
    pub of_steps: usize,
}

/// How images are scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoringOptions {
    /// Chooses all noise.
    pub seed: u64,
    /// Images at once; on none, 8 on a GPU and 4 on the processor.
    pub batch: Option<usize>,
    /// Axis of a volume that is cut into slices: 0, 1 or 2.
    pub axis: usize,
}

impl Default for ScoringOptions {
    fn default() -> Self {
        ScoringOptions { seed: 0, batch: None, axis: 2 }
    }
}

/// A model on a device.
pub struct Scorer<'a> {
    /// The model.
    pub model: &'a ModelFolder,
    /// Where it runs.
    pub device: Device,
    /// How.
    pub options: ScoringOptions,
    /// The images that gave no result, and the volumes that are not whole without them.
    pub failures: Vec<Failure>,
    /// What is said of the images that gave one. They are logged where no record keeps them: [`Notices::tell`].
    pub notices: Notices,
    /// The images that give the features of one which the model was fitted to, as far as it knows them.
    pub fitted_to: Vec<PathBuf>,
    /// The range of the floats of all inputs, once they were looked at.
    floats: Option<Option<FloatRange>>,
    runners: Recent<Runner>,
    /// Fewer images at once than the options ask for, where the device has no room for those.
    room: Option<usize>,
    features: Option<rows::FeatureScorer>,
    hear: Box<dyn FnMut(Progress) -> bool + 'a>,
    progress: Progress,
    /// A batch is a part of the work on its images, whose steps are told by what asked for it.
    part_of_more: bool,
}

impl<'a> Scorer<'a> {
    /// A scorer that runs on a device; nothing is put there before the first image.
    /// # Errors
    /// [`Error::File`] for a model that takes rows of a table, and as [`ModelFolder::ready`].
    pub fn new(device: Device, model: &'a ModelFolder, options: ScoringOptions) -> Result<Self> {
        if !model.config.system.takes_image() && model.networks.estimator()?.model.features.is_none() {
            let fault = "was fitted to a table, so it scores rows and no images: `residua dte score` takes tables";
            return Err(Error::file(&model.path, fault));
        }
        model.ready()?;
        let (runners, failures, fitted_to) = (Recent::new(), Vec::new(), Vec::new());
        let progress = Progress { inputs: 0, of_inputs: 0, steps: 0, of_steps: 0 };
        let hear = Box::new(|_| true);
        let (floats, room, features, part_of_more) = (None, None, None, false);
        Ok(Scorer {
            model,
            device,
            options,
            failures,
            notices: Notices::default(),
            fitted_to,
            floats,
            runners,
            room,
            features,
            hear,
            progress,
            part_of_more,
        })
    }
    /// From now on `hear` is told how far the work is, and answers whether to go on.
    pub fn on_progress(mut self, hear: impl FnMut(Progress) -> bool + 'a) -> Self {
        self.hear = Box::new(hear);
        self
    }
    /// How files become the images that the model takes.
    pub fn spec(&self) -> InputSpec {
        InputSpec { floats: self.floats.clone().flatten(), ..self.model.spec() }
    }
    /// The range that the floats of the inputs are taken in, once they were looked at; none where there are none.
    pub fn float_range(&self) -> Option<[f32; 2]> {
        Some(self.floats.as_ref()?.as_ref()?.ends())
    }
    /// Looks at all inputs of a run before the first is scored, to decide once which range their floats are in; what is a guess is
    /// logged as a warning. [`Scorer::run`] looks at its own inputs where this was not called.
    pub fn look_at<'i>(&mut self, inputs: impl IntoIterator<Item = &'i Input>) {
        let spec = self.model.spec();
        let found = FloatRange::of_run(inputs, &spec);
        let new = found.as_ref().filter(|_| self.floats.as_ref() != Some(&found));
        if let Some(said) = new.and_then(|f| f.said(spec.range)) {
            match found.as_ref().and_then(|f| f.shown_by.as_ref()) {
                Some(path) => self.notices.say(path, said),
                None if self.notices.told(&said) => tracing::warn!("{said}"),
                None => {}
            }
        }
        self.floats = Some(found);
    }
    /// Says so where images were scored that the model was fitted to, and forgets them.
    pub fn tell_fitted_to(&mut self, scored: usize) {
        if !self.fitted_to.is_empty() {
            tracing::warn!("{}", super::dte::fitted_to(self.fitted_to.len(), scored, "images"));
            self.fitted_to.clear();
        }
    }
    fn batch(&self) -> usize {
        let asked = self.options.batch.unwrap_or(if matches!(self.device, Device::Cpu) { 4 } else { 8 });
        self.room.map_or(asked, |room| room.min(asked)).max(1)
    }
    /// Scores all inputs in order, one volume in memory at a time; `sink` gets each result as its batch, or its volume, is
    /// finished. What cannot be read, or gives no finite map and score, goes to `failures`, and the rest is done; so does a volume
    /// that lacks such a slice, beside that. Where the device has no room for a batch, fewer images are done at once.
    /// # Errors
    /// What `sink` returns; [`Error::Interrupted`]; whatever the device reports.
    pub fn run(&mut self, inputs: &[Input], mut sink: impl FnMut(Finished) -> Result<()>) -> Result<()> {
        self.each_group(inputs, |scorer, items| scorer.items(items, &mut sink))
    }
    /// The pictures, or the slices of a volume, that lie one after the other among the inputs.
    fn each_group(&mut self, inputs: &[Input], mut run: impl FnMut(&mut Self, Vec<Item>) -> Result<()>) -> Result<()> {
        (self.progress.inputs, self.progress.of_inputs) = (0, inputs.len());
        if self.floats.is_none() {
            self.look_at(inputs);
        }
        for group in groups(inputs) {
            let (items, unreadable) = expand(group, self.options.axis, &self.spec());
            self.failures.extend(unreadable);
            run(self, items)?;
            self.tell(0, 0)?;
        }
        Ok(())
    }
    /// Scores the items of one group: pictures, or all slices of a volume.
    fn items(&mut self, items: Vec<Item>, sink: &mut impl FnMut(Finished) -> Result<()>) -> Result<()> {
        let whole = items.first().is_some_and(|i| i.slice.is_some());
        let mut pending = Pending::new(self.model, if whole { items.clone() } else { Vec::new() });
        let (slices, failed) = (items.len(), self.failures.len());
        self.found(&items, &mut |scorer, found| {
            match pending.take(found, scorer.model) {
                Ok(finished) => scorer.hand(finished, sink)?,
                Err(failed) => scorer.fail(&failed.0, failed.1),
            }
            Ok(())
        })?;
        let failed = self.failures.len() - failed;
        match pending.finish(self.model) {
            Ok(finished) => {
                self.hand(finished, sink)?;
                if let Some(item) = items.first().filter(|_| whole && (1..slices).contains(&failed)) {
                    let error = incomplete(self.model, failed, slices);
                    self.failures.push(Failure { path: item.path.clone(), error });
                }
            }
            Err(failed) => self.fail(&failed.0, failed.1),
        }
        Ok(())
    }
    /// Hands results over, and notes what is said of them.
    fn hand(&mut self, finished: Vec<Finished>, sink: &mut impl FnMut(Finished) -> Result<()>) -> Result<()> {
        for one in finished {
            if let Finished::Image(scored) = &one {
                self.notices.add(&scored.item.path, &scored.picture.warnings);
            }
            sink(one)?;
        }
        Ok(())
    }
    /// Runs the items of one group; `take` gets what is found for each, at the networks' size.
    fn found(&mut self, items: &[Item], take: &mut impl FnMut(&mut Self, Found) -> Result<()>) -> Result<()> {
        let whole = items.first().is_some_and(|i| i.slice.is_some());
        let seeds: Vec<u64> = items.iter().map(|item| self.seed_of(item)).collect();
        let (mut rest, mut seeds) = (items, &seeds[..]);
        while let Some(&seed) = seeds.first() {
            // Images of one noise go together.
            let same = seeds.iter().take(self.batch()).take_while(|s| **s == seed).count();
            let chunk;
            (chunk, rest) = rest.split_at(same);
            seeds = &seeds[same..];
            let ready: Vec<Ready> = chunk.iter().filter_map(|item| self.prepare(item)).collect();
            let found = if ready.is_empty() { Vec::new() } else { self.batch_of(ready, seed)? };
            found.into_iter().try_for_each(|found| take(self, found))?;
            if !whole {
                self.progress.inputs += chunk.len();
                self.tell(0, 0)?;
            }
        }
        self.progress.inputs += usize::from(whole);
        Ok(())
    }
    /// Lists an item as a failure.
    pub fn fail(&mut self, item: &Item, e: Error) {
        self.failures.push(Failure { path: item.path.clone(), error: e.to_string() });
    }
    fn prepare(&mut self, item: &Item) -> Option<Ready> {
        match prepare(self.model, &self.spec(), item) {
            Ok(ready) => Some(ready),
            Err(e) => {
                self.fail(item, e);
                None
            }
        }
    }
    fn tell(&mut self, steps: usize, of_steps: usize) -> Result<()> {
        (self.progress.steps, self.progress.of_steps) = (steps, of_steps);
        if (self.hear)(self.progress) { Ok(()) } else { Err(Error::Interrupted) }
    }
    /// Runs a batch; what comes out is at the networks' size.
    fn batch_of(&mut self, ready: Vec<Ready>, seed: u64) -> Result<Vec<Found>> {
        let (start, n) = (Instant::now(), ready.len());
        if !self.model.config.system.takes_image() {
            return self.rows_of(ready, start);
        }
        let Scorer { model, runners, device, hear, progress, part_of_more, .. } = self;
        let runner = match runners.get(n, || device.drive(Runner::new(device, model.job(n)?))) {
            Err(Error::Device { device: name, fault }) if n > 1 && device.check().is_ok() => {
                tracing::warn!("{n} images at once do not fit, so {} are tried: {name}: {fault}", n / 2);
                return self.halves_of(ready, seed);
            }
            made => made?,
        };
        let shape = crate::Shape { n, ..ready[0].tensor.shape };
        let images = Tensor::new(shape, ready.iter().flat_map(|r| r.tensor.data.iter().copied()).collect())?;
        if !*part_of_more {
            progress.of_steps = runner.steps();
        }
        let heard = |done: usize| {
            if !*part_of_more {
                progress.steps = done;
            }
            hear(*progress)
        };
        let batch = device.drive(runner.run(&images, seed, heard))?;
        let seconds = start.elapsed().as_secs_f64() / n as f64;
        let found = |(n, ready): (usize, Ready)| Found::of_batch(self.model, ready, &batch, n, seconds);
        ready.into_iter().enumerate().map(found).collect()
    }
    /// Runs a batch in smaller ones, half as large or smaller still; all that come have that size.
    fn halves_of(&mut self, mut ready: Vec<Ready>, seed: u64) -> Result<Vec<Found>> {
        let half = ready.len() / 2;
        self.room = Some(half);
        self.runners.clear();
        let mut found = Vec::with_capacity(ready.len());
        while !ready.is_empty() {
            let rest = ready.split_off(self.batch().min(ready.len()));
            found.extend(self.batch_of(ready, seed)?);
            ready = rest;
        }
        Ok(found)
    }
}

/// What a volume lacks of which some slices failed.
fn incomplete(model: &ModelFolder, failed: usize, slices: usize) -> String {
    let judged = if model.config.postprocessing().is_some() { ", and it is not judged as a whole" } else { "" };
    let map = if model.config.system.has_map() { "the volume has no map" } else { "the volume is not complete" };
    format!("{failed} of its {slices} slices gave no result, so {map}{judged}")
}
