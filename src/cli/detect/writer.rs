//! Where results become records and files, as they come.
use super::outputs;
use super::resume::{Settings, remove_all};
use crate::data::{FileKind, Input, Map, RESULTS, VolumeMap, clear_volume, hash_input, remove_if_there};
use crate::detect::{Calibration, Finished, Item, ModelFolder, Scored, ScoredVolume, segment};
use crate::report::{Journal, ModelId, Record, Results, Verdict, VolumeRecord};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Size and time of a file's last change; none of a file that is not there.
type Stamp = Option<(u64, Option<SystemTime>)>;

/// Takes results.
pub(super) struct Writer<'j> {
    settings: &'j Settings<'j>,
    model: &'j ModelFolder,
    calibration: Option<&'j Calibration>,
    device: String,
    results: Results,
    /// Folders of pictures that give way when the first result is written.
    pub replaces: Vec<String>,
    journal: Option<Journal>,
    /// What could not be written, and why the first of it could not.
    unsaved: Vec<Record>,
    failed: Option<Error>,
    /// The files of each input, by its folder, as they were before anything was read.
    stamps: HashMap<String, Vec<Stamp>>,
    /// Folder and content of the latest input, as slices of one volume come one after the other.
    latest: Option<(String, Option<String>)>,
    /// Slices whose volume is not complete.
    waiting: Vec<(Item, Map)>,
}

impl<'j> Writer<'j> {
    /// With what is in `results` already; `rest` is yet to be read.
    pub fn new(
        settings: &'j Settings,
        model: &'j ModelFolder,
        calibration: Option<&'j Calibration>,
        device: String,
        results: Results,
        rest: &[Input],
    ) -> Self {
        let stamps = rest.iter().map(|input| (input.folder.clone(), stamps(&settings.files(input)))).collect();
        let (replaces, journal, unsaved, failed, latest, waiting) = Default::default();
        Writer {
            settings,
            model,
            calibration,
            device,
            results,
            replaces,
            journal,
            unsaved,
            failed,
            stamps,
            latest,
            waiting,
        }
    }

    /// Takes a result; false when it, or one before it, could not be written.
    pub fn take(&mut self, finished: Finished) -> bool {
        let done = match finished {
            Finished::Image(scored) => self.image(scored),
            Finished::Volume(volume) if self.failed.is_none() => self.volume(&volume),
            Finished::Volume(_) => Ok(()),
        };
        self.failed = self.failed.take().or(done.err());
        self.failed.is_none()
    }

    /// The results, what of them could not be written, the journal, and what went wrong. The last volume is complete when
    /// the run is.
    pub fn finish(mut self, complete: bool) -> (Results, Vec<Record>, Option<Journal>, Option<Error>) {
        if complete && self.failed.is_none() {
            self.failed = self.finish_volume().err();
        }
        (self.results, self.unsaved, self.journal, self.failed)
    }

    /// Judges one image and writes its files; those of a volume when its slices are complete.
    fn image(&mut self, scored: Scored) -> Result<()> {
        let record = self.record(&scored)?;
        if self.failed.is_some() {
            self.unsaved.push(record);
            return Ok(());
        }
        let written = self.write(scored).and_then(|()| self.journal()?.image(&record));
        if written.is_ok() { &mut self.results.records } else { &mut self.unsaved }.push(record);
        written
    }

    fn record(&mut self, scored: &Scored) -> Result<Record> {
        let Scored { item, picture, score, seconds, .. } = scored;
        // A calibration is of volumes where the system judges volumes: it promises nothing for one slice.
        let config = self.settings.config;
        let of_volumes = self.calibration.is_some() && item.slice.is_some() && config.postprocessing().is_some();
        let limit = config.threshold.image.filter(|_| !of_volumes);
        let (input_sha256, mut warnings) = (self.content(&item.input), picture.warnings.clone());
        if input_sha256.is_none() {
            warnings.push("its file changed while it was read".into());
        }
        Ok(Record {
            path: item.path.clone(),
            name: item.name.clone(),
            folder: item.folder.clone(),
            score: *score,
            threshold: limit,
            p_value: self.calibration.filter(|_| !of_volumes).map(|c| c.p_value(*score)),
            verdict: Verdict::of(*score, limit),
            seconds: *seconds,
            seed: self.settings.args.scoring.seed,
            device: self.device.clone(),
            model: ModelId {
                name: config.name.clone(),
                sha256: self.model.sha256.clone(),
                config_sha256: self.model.config_sha256.clone(),
            },
            parameters: self.settings.parameters.clone(),
            warnings,
            input_sha256,
            float_range: self.settings.floats.filter(|_| may_hold_floats(&item.input)),
            slices: item.slice.as_ref().map(|s| s.volume.slices(s.axis)).transpose()?,
        })
    }

    /// The hash of what an input was read from; none where that has changed since.
    fn content(&mut self, input: &Input) -> Option<String> {
        if let Some((_, content)) = self.latest.as_ref().filter(|(folder, _)| *folder == input.folder) {
            return content.clone();
        }
        let files = self.settings.files(input);
        let hash = hash_input(files.iter().map(|f| &**f)).ok();
        let content = hash.filter(|_| self.stamps.get(&input.folder) == Some(&stamps(&files)));
        self.latest = Some((input.folder.clone(), content.clone()));
        content
    }

    fn write(&mut self, scored: Scored) -> Result<()> {
        let out = &self.settings.args.out;
        if self.waiting.first().is_some_and(|(item, _)| item.path != scored.item.path) {
            self.finish_volume()?;
        }
        // With the first result an earlier run's give way.
        self.journal()?;
        if self.waiting.is_empty() && scored.item.slice.is_some() {
            // Whole maps that do not belong to these slices.
            clear_volume(&out.join(&scored.item.input.folder))?;
        }
        let config = self.settings.config;
        let limit = config.threshold.pixel;
        let mask = match (&scored.map, &scored.item.slice) {
            (Some(map), None) => segment(config, &[map])?,
            // Not yet what is too small in the whole volume.
            (Some(map), Some(_)) if config.postprocessing().is_none() => segment(config, &[map])?,
            _ => None,
        };
        let mask = mask.as_ref().and_then(|m| m.first()).map(|m| &**m);
        outputs::write(out, &scored, mask, limit, self.settings.args.maps)?;
        if let (Some(slice), Some(map)) = (scored.item.slice.clone(), scored.map) {
            self.waiting.push((scored.item, map));
            // The next volume is not read while this one waits.
            if self.waiting.len() == slice.volume.slices(slice.axis)? {
                return self.finish_volume();
            }
        }
        Ok(())
    }

    /// Judges a volume as a whole.
    fn volume(&mut self, volume: &ScoredVolume) -> Result<()> {
        self.finish_volume()?;
        let Some(first) = volume.items.first() else { return Ok(()) };
        let limit = self.settings.config.threshold.image;
        let record = VolumeRecord {
            path: first.path.clone(),
            name: first.input.name.clone(),
            folder: first.input.folder.clone(),
            score: volume.score,
            threshold: limit,
            p_value: self.calibration.map(|c| c.p_value(volume.score)),
            verdict: Verdict::of(volume.score, limit),
        };
        let written = self.journal()?.volume(&record);
        self.results.volumes.push(record);
        written
    }

    /// Writes the map of the volume whose slices wait, and its mask, from which the system may drop what is too small.
    fn finish_volume(&mut self) -> Result<()> {
        let slices = std::mem::take(&mut self.waiting);
        let Some((first, slice)) = slices.first().and_then(|(i, _)| Some((i, i.slice.clone()?))) else { return Ok(()) };
        let folder = self.settings.args.out.join(&first.input.folder);
        if slices.len() < slice.volume.slices(slice.axis)? {
            // The scorer lists the volume as a failure.
            return Ok(());
        }
        let mut whole = VolumeMap::new(&slice.volume);
        for (item, map) in &slices {
            let index = item.slice.as_ref().map_or(0, |s| s.index);
            whole.put(slice.axis, index, map)?;
        }
        whole.write(&folder.join("map.nii.gz"))?;
        drop(whole);
        let config = self.settings.config;
        let maps: Vec<&Map> = slices.iter().map(|(_, map)| map).collect();
        let Some(masks) = segment(config, &maps)? else { return Ok(()) };
        let mut mask = VolumeMap::new(&slice.volume);
        for ((item, map), inside) in slices.iter().zip(&masks) {
            let index = item.slice.as_ref().map_or(0, |s| s.index);
            mask.put_mask(slice.axis, index, inside)?;
            if config.postprocessing().is_some() {
                let picture = slice.volume.slice(slice.axis, index)?;
                let own = self.settings.args.out.join(&item.folder);
                outputs::draw(&own, &picture, map, config.threshold.pixel, Some(inside))?;
            }
        }
        mask.write(&folder.join("mask.nii.gz"))
    }

    /// The journal, begun when there is something for it: until then an earlier run's results stay.
    fn journal(&mut self) -> Result<&mut Journal> {
        let args = self.settings.args;
        let journal = match self.journal.take() {
            Some(journal) => journal,
            None => {
                let journal = Journal::open(&args.out, args.resume)?;
                if !args.resume {
                    for file in [RESULTS, "results.csv", "report.html"] {
                        remove_if_there(&args.out.join(file))?;
                    }
                    remove_all(&args.out, self.replaces.iter().map(String::as_str));
                }
                journal
            }
        };
        Ok(self.journal.insert(journal))
    }
}

/// Whether an input is of a kind that stores floats: arrays and TIFFs.
fn may_hold_floats(input: &Input) -> bool {
    let tiff =
        |f: &PathBuf| f.extension().is_some_and(|e| e.eq_ignore_ascii_case("tif") || e.eq_ignore_ascii_case("tiff"));
    input.kind == FileKind::Array || input.files.iter().any(tiff)
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &Path| std::fs::metadata(path).ok().map(|meta| (meta.len(), meta.modified().ok()));
    files.iter().map(|path| stamp(path)).collect()
}
