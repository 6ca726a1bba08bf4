//! The run itself: batches through the detector, records as they are finished.
use super::items::Item;
use super::{Args, outputs};
use crate::data::{Map, Picture, VolumeMap};
use crate::detect::{AnoDdpm, Batch, ModelFolder, score};
use crate::report::{Failure, ModelId, Record, Results, Verdict};
use crate::{Device, Error, Result, Shape, Tensor};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Finished images are put on disk at least this often.
const SECONDS_BETWEEN_WRITES: u64 = 5;

pub(super) struct Job<'a> {
    args: &'a Args,
    model: &'a ModelFolder,
    device: Device,
    detectors: HashMap<usize, AnoDdpm>,
    parameters: serde_json::Value,
    stop: Arc<AtomicBool>,
    pub results: Results,
    volumes: HashMap<PathBuf, Vec<(Item, Map)>>,
}

/// An image that is ready for the network.
struct Ready {
    item: Item,
    picture: Picture,
    tensor: Tensor,
}

impl<'a> Job<'a> {
    pub fn new(args: &'a Args, model: &'a ModelFolder, device: Device, stop: Arc<AtomicBool>) -> Self {
        let parameters = serde_json::to_value(&model.config).unwrap_or_default();
        Job {
            args,
            model,
            device,
            detectors: HashMap::new(),
            parameters,
            stop,
            results: Results::begin(),
            volumes: HashMap::new(),
        }
    }

    /// Goes through all items; what cannot be read is listed and the rest is done.
    pub fn detect(&mut self, items: Vec<Item>) -> Result<()> {
        let items = self.without_finished(items)?;
        let size = usize::from(self.args.batch.unwrap_or(if matches!(self.device, Device::Cpu) { 4 } else { 8 }));
        let bars = MultiProgress::new();
        let images = bars.add(bar(items.len(), "images"));
        let steps = bars.add(bar(0, "steps"));
        let mut last_write = Instant::now();
        for chunk in items.chunks(size) {
            let ready: Vec<Ready> = chunk.iter().filter_map(|item| self.prepare(item)).collect();
            if !ready.is_empty() {
                self.batch(&ready, &steps)?;
            }
            images.inc(chunk.len() as u64);
            if last_write.elapsed().as_secs() >= SECONDS_BETWEEN_WRITES {
                self.results.write(&self.args.out)?;
                last_write = Instant::now();
            }
            if self.stop.load(Ordering::SeqCst) {
                return Err(Error::Interrupted);
            }
        }
        bars.clear().map_err(|e| Error::io("standard error", e))
    }

    /// With `--resume`: takes over the records that are still true, and drops their items.
    fn without_finished(&mut self, items: Vec<Item>) -> Result<Vec<Item>> {
        let path = self.args.out.join("results.json");
        if !self.args.resume || !path.is_file() {
            return Ok(items);
        }
        let mut kept: HashMap<String, Record> = HashMap::new();
        for r in Results::read(&path)?.records {
            let same = r.parameters == self.parameters
                && r.model.sha256 == self.model.sha256
                && r.seed == self.args.seed
                && self.args.out.join(&r.folder).join(outputs::LAST).is_file();
            if same {
                kept.insert(r.folder.clone(), r);
            }
        }
        let mut rest = Vec::new();
        for item in items {
            // A volume's map is written from all of its slices, so they are done again together.
            match kept.remove(&item.folder).filter(|r| r.path == item.path && item.slice.is_none()) {
                Some(record) => self.results.records.push(record),
                None => rest.push(item),
            }
        }
        Ok(rest)
    }

    /// Reads one image and brings it to the network's size and range; a failure is noted.
    fn prepare(&mut self, item: &Item) -> Option<Ready> {
        let input = &self.model.config.input;
        let range = input.value_range();
        let read = || {
            let picture = item.read(range)?;
            let small = picture.to_channels(input.channels)?.resize(input.width, input.height)?;
            Ok::<_, Error>((picture, small.to_tensor(range)))
        };
        match read() {
            Ok((mut picture, tensor)) => {
                let ratio = |w: usize, h: usize| w as f64 / h as f64;
                let change = ratio(picture.width, picture.height) / ratio(input.width, input.height);
                if !(0.8..=1.25).contains(&change) {
                    picture.warnings.push(format!(
                        "{}x{} is squeezed to the network's {}x{}",
                        picture.width, picture.height, input.width, input.height
                    ));
                }
                Some(Ready { item: item.clone(), picture, tensor })
            }
            Err(e) => {
                self.results.failures.push(Failure { path: item.path.clone(), error: e.to_string() });
                None
            }
        }
    }

    fn batch(&mut self, ready: &[Ready], steps: &ProgressBar) -> Result<()> {
        let start = Instant::now();
        let shape = Shape { n: ready.len(), ..ready[0].tensor.shape };
        let images = Tensor::new(shape, ready.iter().flat_map(|r| r.tensor.data.iter().copied()).collect())?;
        let stop = self.stop.clone();
        let detector = match self.detectors.entry(ready.len()) {
            std::collections::hash_map::Entry::Occupied(e) => e.into_mut(),
            std::collections::hash_map::Entry::Vacant(e) => {
                let made = self.device.drive(AnoDdpm::new(&self.device, self.model, ready.len()))?;
                e.insert(made)
            }
        };
        steps.reset();
        steps.set_length(detector.steps() as u64);
        let heard = |done: usize| {
            steps.set_position(done as u64);
            !stop.load(Ordering::SeqCst)
        };
        let batch = self.device.drive(detector.run(&images, self.args.seed, heard))?;
        let seconds = start.elapsed().as_secs_f64() / ready.len() as f64;
        ready.iter().enumerate().try_for_each(|(n, r)| self.record(r, &batch, n, seconds))
    }

    /// Judges one image of a batch and writes its files.
    fn record(&mut self, ready: &Ready, batch: &Batch, n: usize, seconds: f64) -> Result<()> {
        let (config, picture) = (&self.model.config, &ready.picture);
        let (w, h) = (config.input.width, config.input.height);
        let small = Map::new(w, h, batch.map.data[n * w * h..(n + 1) * w * h].to_vec())?;
        let map = small.resize(picture.width, picture.height)?;
        let reconstruction = Picture::from_tensor(&batch.reconstruction, n, config.input.value_range(), picture)?
            .resize(picture.width, picture.height)?;
        let value = score(&map.data, config.score);
        if !value.is_finite() {
            let error = format!("{}: the network gives no finite result", ready.item.path.display());
            self.results.failures.push(Failure { path: ready.item.path.clone(), error });
            return Ok(());
        }
        let found = outputs::Found {
            input: picture,
            reconstruction: &reconstruction,
            map: &map,
            pixel_threshold: config.threshold.pixel,
        };
        outputs::write(&self.args.out, &ready.item, &found, self.args.maps)?;
        self.results.records.push(Record {
            path: ready.item.path.clone(),
            name: ready.item.name.clone(),
            folder: ready.item.folder.clone(),
            score: value,
            threshold: config.threshold.image,
            verdict: Verdict::of(value, config.threshold.image),
            seconds,
            seed: self.args.seed,
            device: self.device.name(),
            model: ModelId { name: config.name.clone(), sha256: self.model.sha256.clone() },
            parameters: self.parameters.clone(),
            warnings: picture.warnings.clone(),
        });
        self.gather_volume(&ready.item, map)
    }

    /// Keeps a slice's map until its volume is complete, and then writes the volume's.
    fn gather_volume(&mut self, item: &Item, map: Map) -> Result<()> {
        let Some(slice) = &item.slice else { return Ok(()) };
        let slices = self.volumes.entry(item.path.clone()).or_default();
        slices.push((item.clone(), map));
        if slices.len() < slice.volume.slices(slice.axis)? {
            return Ok(());
        }
        let mut whole = VolumeMap::new(&slice.volume);
        for (item, map) in self.volumes.remove(&item.path).unwrap_or_default() {
            if let Some(s) = &item.slice {
                whole.put(s.axis, s.index, &map)?;
            }
        }
        whole.write(&self.args.out.join(&slice.folder).join("map.nii.gz"))
    }

    /// The results in the order of the input files.
    pub fn finish(mut self) -> Results {
        self.results.records.sort_by(|a, b| a.path.cmp(&b.path).then_with(|| a.folder.cmp(&b.folder)));
        self.results
    }
}

/// A bar with the time left; silent when the standard error is no terminal.
fn bar(length: usize, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:7} {wide_bar} {pos}/{len} {eta_precise} left");
    let bar = ProgressBar::new(length as u64).with_message(what);
    match style {
        Ok(s) => bar.with_style(s),
        Err(_) => bar,
    }
}
