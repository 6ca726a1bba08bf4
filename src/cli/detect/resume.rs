//! What an earlier run left in the output folder: what of it is still true, and what gives way.
use super::{Args, outputs};
use crate::data::{FileKind, Input, JOURNAL, RESULTS, Volume, files_read, hash_input, is_whole, remove_results};
use crate::detect::DetectorConfig;
use crate::report::{JournalEntries, Parameters, Record, Results, VolumeRecord};
use crate::{Error, Result};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// What makes a result of the same input the same result.
pub(super) struct Settings<'j> {
    pub args: &'j Args,
    pub config: &'j DetectorConfig,
    pub parameters: &'j Parameters,
    pub sha256: &'j str,
    pub config_sha256: Option<&'j str>,
    /// The range of the floats of this run.
    pub floats: Option<[f32; 2]>,
}

/// The results in the output folder.
pub(super) struct Earlier {
    results: Results,
    /// How many of them are those of a run that was cut off.
    cut_off: usize,
}

impl Earlier {
    /// Reads `results.json` and the journal of a run that was cut off; none where there is neither.
    /// # Errors
    /// [`Error::File`] when `results.json` is somebody else's, which no run may overwrite.
    pub fn read(args: &Args) -> Result<Option<Earlier>> {
        let path = args.out.join(RESULTS);
        let written = is_whole(&path).then(|| Results::read(&path)).transpose().map_err(|e| match e {
            Error::File { path, fault } => Error::file(path, format!("{fault}; move it away or give another --out")),
            e => e,
        })?;
        let journal = JournalEntries::read(&args.out)?;
        if written.is_none() && journal.is_none() {
            return Ok(None);
        }
        let (mut results, mut cut_off) = (written.unwrap_or_else(Results::begin), 0);
        if let Some(entries) = journal {
            if entries.unreadable > 0 {
                let path = args.out.join(JOURNAL);
                tracing::warn!("{}: {} of its lines cannot be read", path.display(), entries.unreadable);
            }
            cut_off = entries.records.len();
            results.take(entries);
        }
        Ok(Some(Earlier { results, cut_off }))
    }

    /// The folders of all of its images.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.results.records.iter().map(|r| &*r.folder)
    }

    /// Says what is replaced, where that is more than the same results again.
    pub fn say_replaced(&self, inputs: &[Input], settings: &Settings) {
        let out = settings.args.out.display();
        if self.cut_off > 0 {
            let n = self.cut_off;
            tracing::warn!("{out}: a run was cut off here with {n} images finished, which --resume would have kept");
        }
        let paths: HashSet<&Path> = inputs.iter().map(|i| &*i.path).collect();
        let other = |r: &&Record| !settings.made(r) || !paths.contains(&*r.path);
        let (others, created) = (self.results.records.iter().filter(other).count(), &self.results.created);
        if others > 0 {
            tracing::warn!(
                "{out}: the results of another run are replaced: {others} images of other files, another model or other \
                 settings, written {created}"
            );
        }
    }

    /// Moves what is finished and still true into `results`, and gives the inputs that are left to do.
    pub fn keep(self, inputs: Vec<Input>, settings: &Settings, results: &mut Results) -> Vec<Input> {
        let Results { records, volumes, .. } = self.results;
        let unidentified = records.iter().filter(|r| r.input_sha256.is_none()).count();
        // A picture's record has its folder, those of slices the volume's as the first part of theirs.
        let mut by_input: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for record in records {
            by_input.entry(record.input_folder().to_owned()).or_default().push(record);
        }
        let (mut rest, all) = (Vec::new(), inputs.len());
        for input in inputs {
            let mut found = by_input.remove(&input.folder).unwrap_or_default();
            found.retain(|record| settings.is_along_axis(&input, record));
            let volume = volumes.iter().find(|v| v.folder == input.folder);
            if !settings.is_finished(&input, &found, volume) {
                rest.push(input);
                continue;
            }
            // The same content may lie elsewhere by now.
            let here = |r: Record| Record { path: input.path.clone(), ..r };
            results.records.extend(found.into_iter().map(here));
            results.volumes.extend(volume.map(|v| VolumeRecord { path: input.path.clone(), ..v.clone() }));
        }
        let out = settings.args.out.display();
        tracing::info!("{out}: {} of {all} files are finished", all - rest.len());
        if unidentified > 0 {
            tracing::warn!(
                "{out}: {unidentified} results do not say of which content they are, as earlier versions of Residua \
                 wrote them: these images are done again"
            );
        }
        rest
    }
}

impl Settings<'_> {
    /// Whether a result was made by this model with these settings.
    fn made(&self, r: &Record) -> bool {
        r.parameters == *self.parameters
            && r.model.sha256 == self.sha256
            && r.model.config_sha256.as_deref() == self.config_sha256
            && (r.float_range.is_none() || r.float_range == self.floats)
            && r.seed == self.args.scoring.seed
    }

    /// Whether these are the results of all of an input, and their files are there.
    fn is_finished(&self, input: &Input, records: &[Record], volume: Option<&VolumeRecord>) -> bool {
        let (out, system) = (&self.args.out, &self.config.system);
        let Some(first) = records.first() else { return false };
        let one = |r: &Record| {
            self.made(r)
                && r.path.file_name() == input.path.file_name()
                && r.input_sha256.is_some()
                && r.input_sha256 == first.input_sha256
                && outputs::are_there(&out.join(&r.folder), system, self.args.maps)
        };
        let whole = match input.kind {
            FileKind::Volume => self.is_whole_volume(input, records, volume),
            _ => records.len() == 1 && first.folder == input.folder && first.slices.is_none(),
        };
        // Reading all of the files comes last.
        whole
            && records.iter().all(one)
            && hash_input(self.files(input).iter().map(|f| &**f)).ok() == first.input_sha256
    }

    /// Whether a result is of a volume cut along the axis that is asked for now, or of no volume.
    fn is_along_axis(&self, input: &Input, record: &Record) -> bool {
        let axis = usize::from(self.args.scoring.axis);
        input.kind != FileKind::Volume || Volume::slice_of_name(&record.name).is_some_and(|(along, _)| along == axis)
    }

    fn is_whole_volume(&self, input: &Input, records: &[Record], volume: Option<&VolumeRecord>) -> bool {
        let there = |name: &str| is_whole(&self.args.out.join(&input.folder).join(name));
        let maps = !self.config.system.has_map() || there("map.nii.gz");
        let masks = !self.config.segments() || !self.config.system.has_map() || there("mask.nii.gz");
        let judged = self.config.postprocessing().is_none() || volume.is_some();
        maps && masks && judged && records.iter().all(|r| r.slices == Some(records.len()))
    }

    /// All files that an input is read from: the image's, and its mask where that counts.
    pub fn files(&self, input: &Input) -> Vec<PathBuf> {
        // Two masks are a fault that reading the image will tell.
        files_read(input, self.config.reads_foregrounds()).unwrap_or_else(|_| input.files.clone())
    }
}

/// Removes the pictures of images that are no longer among the results.
pub(super) fn remove_all<'a>(out: &Path, folders: impl Iterator<Item = &'a str>) {
    for folder in folders {
        if let Err(e) = remove_results(out, folder) {
            tracing::warn!("what an earlier run wrote stays: {e}");
        }
    }
}
