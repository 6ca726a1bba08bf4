//! The run itself: records and files as results come in.
use super::outputs;
use super::{Args, Item};
use crate::Result;
use crate::cli::scoring::{Scored, Scorer};
use crate::data::{Map, VolumeMap};
use crate::detect::Calibration;
use crate::detect::config::Thresholds;
use crate::report::{ModelId, Record, Results, Verdict};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

/// Finished images are put on disk at least this often.
const SECONDS_BETWEEN_WRITES: u64 = 5;

pub(super) struct Job<'a> {
    args: &'a Args,
    scorer: Scorer<'a>,
    calibration: Option<Calibration>,
    parameters: serde_json::Value,
    pub results: Results,
    volumes: HashMap<PathBuf, Vec<(Item, Map)>>,
}

impl<'a> Job<'a> {
    pub fn new(args: &'a Args, scorer: Scorer<'a>, calibration: Option<Calibration>) -> Self {
        let parameters = serde_json::to_value(&scorer.model.config).unwrap_or_default();
        Job { args, scorer, calibration, parameters, results: Results::begin(), volumes: HashMap::new() }
    }

    /// Goes through all items; what cannot be read is listed and the rest is done.
    pub fn detect(&mut self, items: Vec<Item>) -> Result<()> {
        let items = self.without_finished(items)?;
        let Job { args, scorer, calibration, parameters, results, volumes } = self;
        let mut desk = Desk {
            args,
            model: ModelId { name: scorer.model.config.name.clone(), sha256: scorer.model.sha256.clone() },
            threshold: scorer.model.config.threshold,
            calibration: calibration.as_ref(),
            device: scorer.device.name(),
            parameters,
            results,
            volumes,
            last_write: Instant::now(),
        };
        let done = scorer.run(&items, |scored| desk.record(scored));
        results.failures.append(&mut scorer.failures);
        done
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
                && r.model.sha256 == self.scorer.model.sha256
                && r.seed == self.args.scoring.seed
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

    /// The results in the order of the input files.
    pub fn finish(mut self) -> Results {
        self.results.records.sort_by(|a, b| a.path.cmp(&b.path).then_with(|| a.folder.cmp(&b.folder)));
        self.results
    }
}

/// Where results become records and files.
struct Desk<'j> {
    args: &'j Args,
    model: ModelId,
    threshold: Thresholds,
    calibration: Option<&'j Calibration>,
    device: String,
    parameters: &'j serde_json::Value,
    results: &'j mut Results,
    volumes: &'j mut HashMap<PathBuf, Vec<(Item, Map)>>,
    last_write: Instant,
}

impl Desk<'_> {
    /// Judges one image and writes its files.
    fn record(&mut self, scored: Scored) -> Result<()> {
        let Scored { item, picture, map, reconstruction, score, seconds } = scored;
        let found = outputs::Found {
            input: &picture,
            reconstruction: &reconstruction,
            map: &map,
            pixel_threshold: self.threshold.pixel,
        };
        outputs::write(&self.args.out, &item, &found, self.args.maps)?;
        self.results.records.push(Record {
            path: item.path.clone(),
            name: item.name.clone(),
            folder: item.folder.clone(),
            score,
            threshold: self.threshold.image,
            p_value: self.calibration.map(|c| c.p_value(score)),
            verdict: Verdict::of(score, self.threshold.image),
            seconds,
            seed: self.args.scoring.seed,
            device: self.device.clone(),
            model: self.model.clone(),
            parameters: self.parameters.clone(),
            warnings: picture.warnings,
        });
        self.gather_volume(item, map)?;
        if self.last_write.elapsed().as_secs() >= SECONDS_BETWEEN_WRITES {
            self.results.write(&self.args.out)?;
            self.last_write = Instant::now();
        }
        Ok(())
    }

    /// Keeps a slice's map until its volume is complete, and then writes the volume's.
    fn gather_volume(&mut self, item: Item, map: Map) -> Result<()> {
        let Some(slice) = item.slice.clone() else { return Ok(()) };
        let path = item.path.clone();
        let slices = self.volumes.entry(path.clone()).or_default();
        slices.push((item, map));
        if slices.len() < slice.volume.slices(slice.axis)? {
            return Ok(());
        }
        let mut whole = VolumeMap::new(&slice.volume);
        for (item, map) in self.volumes.remove(&path).unwrap_or_default() {
            if let Some(s) = &item.slice {
                whole.put(s.axis, s.index, &map)?;
            }
        }
        whole.write(&self.args.out.join(&slice.folder).join("map.nii.gz"))
    }
}
