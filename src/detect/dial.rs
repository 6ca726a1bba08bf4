//! Speed against quality, measured: what a model reaches on labelled images at several settings, kept in its folder.
use super::ModelFolder;
use super::config::{DetectorConfig, SamplerConfig, Thresholds};
use super::identity::{NAMES, beside, difference, settings};
use crate::data::write_atomic;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// A setting and what it reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialRow {
    /// Noise level.
    pub lambda: usize,
    /// Steps of DDIM on the way back; none for DDPM, which takes all.
    pub steps: Option<usize>,
    /// Reconstructions that are averaged.
    pub runs: usize,
    /// Average precision, the mean over the seeds; 0..=1.
    pub auprc: f64,
    /// Its standard deviation over the seeds; 0 for one.
    pub auprc_std: f64,
    /// The best Dice of the pixels, the mean over the seeds.
    pub best_dice: Option<f64>,
    /// AUROC of the images, the mean over the seeds.
    pub image_auroc: Option<f64>,
    /// Seconds an image took, the median.
    pub seconds: f64,
    /// The device that took them.
    pub device: String,
    /// How many seeds of the noise.
    pub seeds: u64,
    /// Pixels: that of the best Dice; images: that of the best balanced accuracy. Means over the seeds.
    pub threshold: Thresholds,
}

impl DialRow {
    /// Forward passes of the network for an image: what its time is proportional to, on every device.
    pub fn passes(&self) -> usize {
        self.steps.unwrap_or(self.lambda) * self.runs
    }
    /// Whether it is the same setting.
    pub fn same_setting(&self, other: &DialRow) -> bool {
        (self.lambda, self.steps, self.runs) == (other.lambda, other.steps, other.runs)
    }
    /// Puts the setting into a detector's.
    pub fn apply(&self, config: &mut DetectorConfig) {
        let eta = if let SamplerConfig::Ddim { eta, .. } = config.sampler { eta } else { 0.0 };
        config.sampler = self.steps.map_or(SamplerConfig::Ddpm, |steps| SamplerConfig::Ddim { steps, eta });
        (config.lambda, config.runs, config.threshold) = (self.lambda, self.runs, self.threshold);
    }
}

/// What is kept in the model folder as `quality.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dial {
    /// Version of this format: 1.
    pub format: u32,
    /// When it was last added to, RFC 3339 in UTC.
    pub created: String,
    /// SHA-256 of the weights.
    pub model_sha256: String,
    /// The detector's settings but for those that the rows have.
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
    /// # Errors
    /// As [`Dial::check`] for settings that are no JSON.
    pub fn new(model: &ModelFolder, data: DialData, measure: Measure) -> Result<Self> {
        let (created, model_sha256) = (crate::report::utc_now(), model.sha256.clone());
        Ok(Dial { format: 1, created, model_sha256, settings: common(&model.config)?, data, measure, rows: Vec::new() })
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
        let found: Self = serde_json::from_slice(&bytes)
            .map_err(|e| Error::file(path, format!("is no table of speed and quality: {e}")))?;
        let fits = |r: &DialRow| r.auprc.is_finite() && r.runs > 0 && r.lambda > 0;
        if found.format != 1 || found.rows.is_empty() || !found.rows.iter().all(fits) {
            return Err(Error::file(path, "is no table of speed and quality of format 1 with at least one row"));
        }
        Ok(found)
    }

    /// Holds it against a model; `path` names it in errors.
    /// # Errors
    /// [`Error::File`] when it was measured with other weights or settings, which are named.
    pub fn check(&self, path: &Path, model: &ModelFolder) -> Result<()> {
        let now = common(&model.config)?;
        match difference((&self.model_sha256, &self.settings), (&model.sha256, &now)) {
            Some(what) => Err(Error::file(path, format!("was measured with other {what}: run `residua dial` again"))),
            None => Ok(()),
        }
    }

    /// Adds a row; it takes the place of one of the same setting.
    pub fn put(&mut self, row: DialRow) {
        self.rows.retain(|r| !r.same_setting(&row));
        self.rows.push(row);
        self.rows.sort_by_key(|r| (r.passes(), r.lambda, r.runs));
        self.created = crate::report::utc_now();
    }

    /// The row that a quality means; none without rows.
    pub fn choose(&self, quality: Quality) -> Option<&DialRow> {
        let best = self.rows.iter().map(|r| r.auprc).reduce(f64::max)?;
        let enough = self.rows.iter().filter(|r| r.auprc >= quality.share() * best);
        enough.min_by(|a, b| a.passes().cmp(&b.passes()).then(b.auprc.total_cmp(&a.auprc)))
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
fn common(config: &DetectorConfig) -> Result<serde_json::Value> {
    settings(config, &[&NAMES[..], &["lambda", "sampler", "runs"]].concat())
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
mod tests {
    use super::*;

    fn row(lambda: usize, steps: Option<usize>, runs: usize, auprc: f64) -> DialRow {
        DialRow { lambda, steps, runs, auprc, ..DialRow::default() }
    }

    #[test]
    fn the_cheapest_that_is_good_enough() {
        let data = DialData { name: "d".into(), sha256: String::new(), normal: 1, anomalous: 1 };
        let settings = serde_json::json!({});
        let (created, model_sha256) = (String::new(), String::new());
        let mut dial =
            Dial { format: 1, created, model_sha256, settings, data, measure: Measure::Pixels, rows: vec![] };
        assert!(dial.choose(Quality::Best).is_none());
        for r in [
            row(200, Some(5), 8, 0.8),
            row(200, Some(3), 8, 0.79),
            row(200, Some(2), 4, 0.73),
            row(300, Some(2), 4, 0.74),
            row(200, Some(2), 1, 0.5),
            row(200, None, 1, 0.8),
        ] {
            dial.put(r);
        }
        let chosen = Quality::ALL.map(|q| dial.choose(q).unwrap().clone());
        let settings = chosen.map(|r| (r.lambda, r.steps, r.runs, r.passes()));
        assert_eq!(settings, [(300, Some(2), 4, 8), (200, Some(3), 8, 24), (200, Some(5), 8, 40)]);
        dial.put(row(300, Some(2), 4, 0.1));
        assert_eq!((dial.rows.len(), dial.choose(Quality::Fast).unwrap().auprc), (6, 0.73));
        assert!(dial.rows.is_sorted_by_key(DialRow::passes));
    }

    #[test]
    fn thresholds_lie_in_the_gap_of_the_best_balanced_accuracy() {
        let scores = |normal: &[f64], anomalous: &[f64]| -> Vec<(f64, bool)> {
            anomalous.iter().map(|&s| (s, true)).chain(normal.iter().map(|&s| (s, false))).collect()
        };
        assert_eq!(balanced_threshold(&scores(&[1.0, 2.0], &[4.0, 9.0])), Some(3.0));
        // Three of four normal ones and all anomalous ones; without the fourth, one of two anomalous ones is lost.
        assert_eq!(balanced_threshold(&scores(&[1.0, 2.0, 3.0, 6.0], &[5.0, 7.0])), Some(4.0));
        assert_eq!(balanced_threshold(&scores(&[5.0], &[1.0])), None);
        assert_eq!(balanced_threshold(&scores(&[1.0, 2.0], &[])), None);
        assert_eq!(balanced_threshold(&scores(&[1.0], &[1.0])), None);
    }
}
