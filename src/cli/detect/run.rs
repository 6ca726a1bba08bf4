//! The run itself: records and files as results come in.
use super::{Args, outputs};
use crate::data::{FileKind, Input, Map, VolumeMap};
use crate::detect::{Calibration, Finished, Item, Scored, ScoredVolume, Scorer, segment};
use crate::report::{ModelId, Record, Results, Verdict, VolumeRecord};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

/// Finished images are put on disk at least this often.
const SECONDS_BETWEEN_WRITES: u64 = 5;

/// Goes through all inputs; what cannot be read is listed and the rest is done. The results, in the order of the input files, are
/// there whatever ended the work, which the second value tells.
pub(super) fn detect(
    args: &Args,
    mut scorer: Scorer,
    calibration: Option<Calibration>,
    inputs: Vec<Input>,
) -> Result<(Results, Result<()>)> {
    let config = &scorer.model.config;
    let parameters = serde_json::to_value(config).map_err(|e| Error::Invalid(e.to_string()))?;
    let model = ModelId { name: config.name.clone(), sha256: scorer.model.sha256.clone() };
    let (device, results) = (scorer.device.name(), Results::begin());
    let (calibration, last_write) = (calibration.as_ref(), Instant::now());
    let mut writer = Writer {
        args,
        scorer_model: scorer.model,
        model,
        calibration,
        device,
        parameters,
        results,
        last_write,
        waiting: Vec::new(),
    };
    let rest = writer.without_finished(inputs)?;
    let done = scorer.run(&rest, |finished| match finished {
        Finished::Image(scored) => writer.image(scored),
        Finished::Volume(volume) => writer.volume(volume),
    });
    let done = done.and_then(|()| writer.finish_volume());
    let mut results = writer.results;
    results.failures.append(&mut scorer.failures);
    results.records.sort_by(|a, b| a.path.cmp(&b.path).then_with(|| a.folder.cmp(&b.folder)));
    Ok((results, done))
}

/// Where results become records and files.
struct Writer<'j> {
    args: &'j Args,
    scorer_model: &'j crate::detect::ModelFolder,
    model: ModelId,
    calibration: Option<&'j Calibration>,
    device: String,
    parameters: serde_json::Value,
    results: Results,
    last_write: Instant,
    /// Slices whose volume is not complete.
    waiting: Vec<(Item, Map)>,
}

impl Writer<'_> {
    /// With `--resume`: takes over the records that are still true, and drops their inputs.
    fn without_finished(&mut self, inputs: Vec<Input>) -> Result<Vec<Input>> {
        let path = self.args.out.join("results.json");
        if !self.args.resume || !path.is_file() {
            return Ok(inputs);
        }
        let last = outputs::last_file(self.scorer_model.config.system.has_map());
        let mut kept: HashMap<String, Record> = HashMap::new();
        for r in Results::read(&path)?.records {
            let same = r.parameters == self.parameters
                && r.model.sha256 == self.model.sha256
                && r.seed == self.args.scoring.seed
                && self.args.out.join(&r.folder).join(last).is_file()
                && (!self.args.maps || self.args.out.join(&r.folder).join("map.npy").is_file());
            if same {
                kept.insert(r.folder.clone(), r);
            }
        }
        let mut rest = Vec::new();
        for input in inputs {
            // A volume's map is written from all of its slices, so they are done again together.
            match kept.remove(&input.folder).filter(|r| r.path == input.path && input.kind != FileKind::Volume) {
                Some(record) => self.results.records.push(record),
                None => rest.push(input),
            }
        }
        Ok(rest)
    }

    /// Judges one image and writes its files; those of a slice when its volume is complete.
    fn image(&mut self, scored: Scored) -> Result<()> {
        let limits = self.scorer_model.config.threshold;
        if self.waiting.first().is_some_and(|(item, _)| item.path != scored.item.path) {
            self.finish_volume()?;
        }
        let mask = match (&scored.map, limits.pixel, &scored.item.slice) {
            (Some(map), Some(limit), None) => Some(segment(&self.scorer_model.config, &[map], limit)?),
            _ => None,
        };
        outputs::write(
            &self.args.out,
            &scored,
            mask.as_ref().and_then(|m| m.first()).map(|m| &**m),
            limits.pixel,
            self.args.maps,
        )?;
        let Scored { item, picture, map, score, seconds, .. } = scored;
        // A calibration is of volumes where the system judges volumes: it promises nothing for one slice.
        let of_volumes =
            self.calibration.is_some() && item.slice.is_some() && self.scorer_model.config.postprocessing().is_some();
        let limit = limits.image.filter(|_| !of_volumes);
        self.results.records.push(Record {
            path: item.path.clone(),
            name: item.name.clone(),
            folder: item.folder.clone(),
            score,
            threshold: limit,
            p_value: self.calibration.filter(|_| !of_volumes).map(|c| c.p_value(score)),
            verdict: Verdict::of(score, limit),
            seconds,
            seed: self.args.scoring.seed,
            device: self.device.clone(),
            model: self.model.clone(),
            parameters: self.parameters.clone().into(),
            warnings: picture.warnings,
        });
        if let (Some(slice), Some(map)) = (item.slice.clone(), map) {
            self.waiting.push((item, map));
            // The next volume is not read while this one waits.
            if self.waiting.len() == slice.volume.slices(slice.axis)? {
                self.finish_volume()?;
            }
        }
        self.save(false)
    }

    /// Judges a volume as a whole.
    fn volume(&mut self, volume: ScoredVolume) -> Result<()> {
        self.finish_volume()?;
        let Some(first) = volume.items.first() else { return Ok(()) };
        let limit = self.scorer_model.config.threshold.image;
        self.results.volumes.push(VolumeRecord {
            path: first.path.clone(),
            name: first.input.name.clone(),
            folder: first.input.folder.clone(),
            score: volume.score,
            threshold: limit,
            p_value: self.calibration.map(|c| c.p_value(volume.score)),
            verdict: Verdict::of(volume.score, limit),
        });
        self.save(false)
    }

    /// Writes the map of the volume whose slices wait, and its mask, from which the system may drop what is too small.
    fn finish_volume(&mut self) -> Result<()> {
        let slices = std::mem::take(&mut self.waiting);
        let Some((first, slice)) = slices.first().and_then(|(i, _)| Some((i, i.slice.clone()?))) else { return Ok(()) };
        let folder = self.args.out.join(&first.input.folder);
        if slices.len() < slice.volume.slices(slice.axis)? {
            // What an earlier run left would pass for this one's.
            return ["map.nii.gz", "mask.nii.gz"].iter().try_for_each(|name| remove(&folder.join(name)));
        }
        let mut whole = VolumeMap::new(&slice.volume);
        for (item, map) in &slices {
            let index = item.slice.as_ref().map_or(0, |s| s.index);
            whole.put(slice.axis, index, map)?;
        }
        whole.write(&folder.join("map.nii.gz"))?;
        drop(whole);
        let config = &self.scorer_model.config;
        let Some(limit) = config.threshold.pixel else { return Ok(()) };
        let maps: Vec<&Map> = slices.iter().map(|(_, map)| map).collect();
        let masks = segment(config, &maps, limit)?;
        let mut mask = VolumeMap::new(&slice.volume);
        for ((item, map), inside) in slices.iter().zip(&masks) {
            let index = item.slice.as_ref().map_or(0, |s| s.index);
            mask.put_mask(slice.axis, index, inside)?;
            if config.postprocessing().is_some() {
                let picture = slice.volume.slice(slice.axis, index)?;
                outputs::draw(&self.args.out.join(&item.folder), &picture, map, Some(limit), Some(inside))?;
            }
        }
        mask.write(&folder.join("mask.nii.gz"))
    }

    fn save(&mut self, now: bool) -> Result<()> {
        if now || self.last_write.elapsed().as_secs() >= SECONDS_BETWEEN_WRITES {
            self.results.write(&self.args.out)?;
            self.last_write = Instant::now();
        }
        Ok(())
    }
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, e)),
        _ => Ok(()),
    }
}
