//! Speed against quality, measured: what a model reaches on labelled images at several settings, kept in its folder.
use super::ModelFolder;
use super::calibration::check_floats;
use super::config::DetectorConfig;
use super::identity::{beside, chosen, difference, fingerprint};
use crate::data::{hash_files, utc_now, write_atomic};
use crate::eval::Dataset;
use crate::{Error, Result, json};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

mod format_one;
mod measure;
mod row;

pub use measure::{Measured, measure};
pub use row::DialRow;

/// A place on the dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// The cheapest setting with 90 % of the best one's AUPRC.
    Fast,
    /// The cheapest setting with 98 % of the best one's AUPRC.
    Balanced,
    /// The highest AUPRC.
    Best,
}

impl Quality {
    /// All of them.
    pub const ALL: [Quality; 3] = [Quality::Fast, Quality::Balanced, Quality::Best];

    /// As files and flags spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Quality::Fast => "fast",
            Quality::Balanced => "balanced",
            Quality::Best => "best",
        }
    }
    /// The part of the best AUPRC that a setting must reach.
    pub fn share(self) -> f64 {
        match self {
            Quality::Fast => 0.90,
            Quality::Balanced => 0.98,
            Quality::Best => 1.0,
        }
    }
}

impl std::str::FromStr for Quality {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Quality::ALL.into_iter().find(|q| q.as_str() == text);
        found.ok_or_else(|| "a quality is fast, balanced or best".into())
    }
}

/// What [`DialRow::auprc`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Pixels of the maps, where masks tell about them.
    Pixels,
    /// Images, where there is no mask.
    Images,
}

/// The labelled images of the measurements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialData {
    /// The dataset's name.
    pub name: String,
    /// SHA-256 over the images' contents in order of their paths, in hexadecimal.
    pub sha256: String,
    /// How many images without a defect.
    pub normal: usize,
    /// How many with one.
    pub anomalous: usize,
    /// SHA-256 over what else the numbers depend on ([`Dataset::truth_sha256`]): labels, masks, further channels, foregrounds. Tables
    /// of before this field do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth_sha256: Option<String>,
    /// The axis along which volumes were cut, where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axis: Option<usize>,
    /// The range that floats were taken in, which the files decide together; none where there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub float_range: Option<[f32; 2]>,
}

impl DialData {
    /// The data of measurements to come; how many images there are of each kind is known later. `foregrounds`: the results depend on
    /// masks of foregrounds; `axis` is that of volumes.
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read.
    pub fn new(name: String, dataset: &Dataset, foregrounds: bool, axis: usize) -> Result<Self> {
        let sha256 = hash_files(dataset.samples.iter().map(|s| &*s.input.path))?;
        let truth_sha256 = Some(dataset.truth_sha256(foregrounds)?);
        let axis = dataset.has_volumes().then_some(axis);
        Ok(DialData { name, sha256, normal: 0, anomalous: 0, truth_sha256, axis, float_range: None })
    }
}

/// What is kept in the model folder as `quality.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dial {
    /// Version of this format: 2; format 1, which knew AnoDDPM alone, is read as well.
    pub format: u32,
    /// When it was last added to, RFC 3339 in UTC.
    pub created: String,
    /// SHA-256 of the weights.
    pub model_sha256: String,
    /// SHA-256 of the `config.json` beside the weights; files of before this field do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_sha256: Option<String>,
    /// Fingerprint of the settings that all rows share.
    pub fingerprint: String,
    /// Those that differ from the system as published, so that a difference can be named.
    pub settings: serde_json::Value,
    /// What was measured on.
    pub data: DialData,
    /// What the AUPRC is about.
    pub measure: Measure,
    /// By forward passes.
    pub rows: Vec<DialRow>,
}

impl Dial {
    /// Without a row yet.
    pub fn new(model: &ModelFolder, data: DialData, measure: Measure) -> Self {
        let (created, model_sha256, settings) = (utc_now(), model.sha256.clone(), common(&model.config));
        let fingerprint = fingerprint(&settings);
        let config_sha256 = model.config_sha256.clone();
        Dial { format: 2, created, model_sha256, config_sha256, fingerprint, settings, data, measure, rows: Vec::new() }
    }

    /// The file of a model folder or of a single checkpoint's folder.
    pub fn path(model: &Path) -> PathBuf {
        beside(model, "quality.json")
    }

    /// Reads the file at [`Dial::path`].
    /// # Errors
    /// When there is none, or it is not one of these.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_file() {
            return Err(Error::file(path, "is not there: make it with `residua dial` from labelled images"));
        }
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::parse(&bytes, path)
    }

    /// Reads the text of such a file; `path` names it in errors.
    /// # Errors
    /// [`Error::File`] when it is none, with the field.
    pub fn parse(text: &[u8], path: &Path) -> Result<Self> {
        let fault = |fault: String| Error::file(path, format!("is no table of speed and quality: {fault}"));
        let value: serde_json::Value = json::parse(text).map_err(fault)?;
        let found = match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(1) => {
                let one = json::parse::<format_one::Table>(text).map_err(fault)?;
                one.into_two().map_err(|e| Error::file(path, e.to_string()))?
            }
            _ => json::parse::<Self>(text).map_err(fault)?,
        };
        let fits = |r: &DialRow| r.auprc.is_finite() && r.passes > 0 && !r.settings.is_empty();
        if found.format != 2 || found.rows.is_empty() || !found.rows.iter().all(fits) {
            return Err(Error::file(path, "is no table of speed and quality of format 1 or 2 with at least one row"));
        }
        Ok(found)
    }

    /// Holds it against a model; `path` names it in errors.
    /// # Errors
    /// [`Error::File`] when it was measured with other weights or settings, which are named.
    pub fn check(&self, path: &Path, model: &ModelFolder) -> Result<()> {
        let now = common(&model.config);
        if self.config_sha256.is_some() && self.config_sha256 != model.config_sha256 {
            return Err(Error::file(
                path,
                "was measured with another config.json beside the weights: run `residua dial` again",
            ));
        }
        if self.model_sha256 == model.sha256 && self.fingerprint == fingerprint(&now) {
            return Ok(());
        }
        let what = difference((&self.model_sha256, &self.settings), (&model.sha256, &now));
        let what = what.unwrap_or_else(|| "settings".into());
        Err(Error::file(path, format!("was measured with other {what}: run `residua dial` again")))
    }

    /// Holds the range that it took floats in against that of the floats to be judged, if there are any; `path` names it in errors.
    /// # Errors
    /// [`Error::File`] when they differ.
    pub fn check_floats(&self, path: &Path, now: Option<[f32; 2]>) -> Result<()> {
        check_floats(path, ("measured", "run `residua dial` again"), self.data.float_range, now)
    }

    /// The seeds of the noise that all rows were measured with: the first, and how many. None where rows differ, which then can be
    /// better or worse than others by their noise alone.
    pub fn seeds(&self) -> Option<(u64, u64)> {
        let of = |r: &DialRow| (r.first_seed, r.seeds);
        let first = self.rows.first().map(of)?;
        self.rows.iter().all(|r| of(r) == first).then_some(first)
    }

    /// Adds a row; it takes the place of one of the same setting.
    pub fn put(&mut self, row: DialRow) {
        self.rows.retain(|r| !r.same_setting(&row));
        self.rows.push(row);
        self.rows.sort_by(|a, b| (a.passes, &a.settings).cmp(&(b.passes, &b.settings)));
        self.created = utc_now();
    }

    /// The row that a quality means; none without rows.
    pub fn choose(&self, quality: Quality) -> Option<&DialRow> {
        let best = self.rows.iter().map(|r| r.auprc).reduce(f64::max)?;
        let enough = self.rows.iter().filter(|r| r.auprc >= quality.share() * best);
        enough.min_by(|a, b| a.passes.cmp(&b.passes).then(b.auprc.total_cmp(&a.auprc)))
    }

    /// Writes it, whole or not at all.
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        write_atomic(path, |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            writeln!(file)
        })
    }
}

/// The settings that all rows share.
fn common(config: &DetectorConfig) -> serde_json::Value {
    chosen(config, config.system.dialled())
}

/// The score between those of normal (false) and anomalous images with the best balanced accuracy; the middle of the gap.
/// None when either is missing or nothing lies between.
pub(crate) fn balanced_threshold(scores: &[(f64, bool)]) -> Option<f64> {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let count = |kind: bool| sorted.iter().filter(|s| s.1 == kind).count() as f64;
    let (normal, anomalous) = (count(false), count(true));
    let (mut below, mut best) = ([0.0, 0.0], None);
    for pair in sorted.windows(2) {
        below[usize::from(pair[0].1)] += 1.0;
        // Where either kind is missing this is no number, which is above nothing.
        let accuracy = below[0] / normal + 1.0 - below[1] / anomalous;
        if pair[0].0 < pair[1].0 && accuracy > best.map_or(1.0, |(a, _)| a) {
            best = Some((accuracy, (pair[0].0 + pair[1].0) / 2.0));
        }
    }
    best.map(|(_, cut)| cut)
}

#[cfg(test)]
mod tests;
