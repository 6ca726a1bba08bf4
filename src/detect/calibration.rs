//! From scores of normal images to a threshold that can be defended.
//!
//! Split conformal prediction (Vovk, Gammerman and Shafer 2005; as a test for anomalies: Laxhammar and Falkman 2010, Bates
//! et al. 2023, *Testing for outliers with conformal p-values*): n normal images that the model was not trained on are
//! scored once. The p-value of a new image with score s is (1 + #{sᵢ ≥ s}) / (n + 1); if the image is normal and
//! exchangeable with the n, the p-value is at most α with probability at most α. Nothing is assumed of the scores'
//! distribution, but slices of one volume, or frames of one part, are not n independent images.
use super::ModelFolder;
use super::identity::{beside, chosen, difference, fingerprint, of_recorded};
use crate::data::{utc_now, write_atomic};
use crate::eval::beta_quantile;
use crate::{Error, Result, json};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

mod measure;
mod normal;
mod pixels;
mod scope;

pub use measure::{measure_healthy_latents, measure_mean_map};
pub use normal::{Calibrated, calibrate};
pub use pixels::PixelHistogram;
pub(super) use scope::check_floats;
pub use scope::{Scope, ScoreOf};

/// What is kept in the model folder as `calibration.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Version of this format: 2; format 1, which held all settings and no fingerprint, is read as well.
    pub format: u32,
    /// When it was made, RFC 3339 in UTC.
    pub created: String,
    /// SHA-256 over the images' contents in order of their names, in hexadecimal.
    pub data_sha256: String,
    /// SHA-256 of the weights.
    pub model_sha256: String,
    /// SHA-256 of the `config.json` beside the weights; files of before this field do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_sha256: Option<String>,
    /// Fingerprint of the settings: other settings make other scores.
    #[serde(default)]
    pub fingerprint: String,
    /// The settings that differ from the system as published, so that a difference can be named.
    pub settings: serde_json::Value,
    /// What a score is of; files of before this field do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<ScoreOf>,
    /// The axis along which volumes were cut; none for pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axis: Option<usize>,
    /// The seed of the noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The range that floats were taken in, which the files decide together; none where there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub float_range: Option<[f32; 2]>,
    /// Scores of the normal images, the highest first.
    pub scores: Vec<f64>,
    /// How many pixels of maps there were.
    pub pixels: u64,
    /// Rates from high to low, each with the value that at most this share of the normal pixels exceed.
    pub pixel_quantiles: Vec<(f64, f32)>,
}

impl Calibration {
    /// From the results of distinct normal images. `scores` in any order.
    /// # Errors
    /// [`Error::Invalid`] when there is no image, or a score that is not finite.
    pub fn new(
        model: &ModelFolder,
        mut scores: Vec<f64>,
        pixels: &PixelHistogram,
        data_sha256: String,
        scope: Scope,
    ) -> Result<Self> {
        if scores.is_empty() || scores.iter().any(|s| !s.is_finite()) {
            return Err(Error::Invalid("a calibration needs images, and a finite score of each".into()));
        }
        scores.sort_by(|a, b| b.total_cmp(a));
        let settings = chosen(&model.config, &[]);
        Ok(Calibration {
            format: 2,
            created: utc_now(),
            data_sha256,
            model_sha256: model.sha256.clone(),
            config_sha256: model.config_sha256.clone(),
            fingerprint: fingerprint(&settings),
            settings,
            of: Some(scope.of),
            axis: (scope.of != ScoreOf::Pictures).then_some(scope.axis),
            seed: Some(scope.seed),
            float_range: None,
            scores,
            pixels: pixels.count(),
            pixel_quantiles: pixels.quantiles(),
        })
    }
    /// The file of a model folder or of a single checkpoint's folder.
    pub fn path(model: &Path) -> PathBuf {
        beside(model, "calibration.json")
    }
    /// Reads a model's calibration and holds it against the model as it is run.
    /// # Errors
    /// When there is none, it cannot be read, or it was made with other weights or settings, which are named.
    pub fn read(model: &ModelFolder) -> Result<Self> {
        let path = Self::path(&model.path);
        let found = Self::open(&path)?;
        let hashes = (&*model.sha256, model.config_sha256.as_deref());
        found.compare(&path, hashes, &chosen(&model.config, &[]), "calibrate again")?;
        Ok(found)
    }
    /// Reads the file at [`Calibration::path`], whatever model it was made with.
    /// # Errors
    /// When there is none or it cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_file() {
            let fault = "is not there: make it with `residua calibrate` from normal images";
            return Err(Error::file(path, fault));
        }
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::parse(&bytes, path)
    }
    /// Reads the text of a calibration; `path` names it in errors.
    /// # Errors
    /// [`Error::File`] when it is none, with the field.
    pub fn parse(text: &[u8], path: &Path) -> Result<Self> {
        let mut found: Self =
            json::parse(text).map_err(|fault| Error::file(path, format!("is not a calibration: {fault}")))?;
        let sorted = found.scores.is_sorted_by(|a, b| a >= b) && found.pixel_quantiles.is_sorted_by(|a, b| a.0 >= b.0);
        if !matches!(found.format, 1 | 2) || found.scores.is_empty() || !sorted {
            return Err(Error::file(path, "is not a calibration of format 1 or 2 with its scores in order"));
        }
        if found.format == 1 {
            let settings = of_recorded(&found.settings, &[]).map_err(|e| Error::file(path, e.to_string()))?;
            (found.format, found.fingerprint, found.settings) = (2, fingerprint(&settings), settings);
        }
        Ok(found)
    }
    /// Holds it against the hashes of the weights and of their config and the detector's settings as in a record of results; `path` names it in errors.
    /// # Errors
    /// [`Error::File`] when it was made with other weights or settings, which are named.
    pub fn check(
        &self,
        path: &Path,
        (sha256, config_sha256): (&str, Option<&str>),
        parameters: &serde_json::Value,
    ) -> Result<()> {
        let hint = "it must be that of the model and the settings behind these results";
        self.compare(path, (sha256, config_sha256), &of_recorded(parameters, &[])?, hint)
    }
    fn compare(
        &self,
        path: &Path,
        (sha256, config_sha256): (&str, Option<&str>),
        now: &serde_json::Value,
        hint: &str,
    ) -> Result<()> {
        let other = |what: &str| Err(Error::file(path, format!("was made with other {what}: {hint}")));
        if self.config_sha256.is_some() && self.config_sha256.as_deref() != config_sha256 {
            return Err(Error::file(path, format!("was made with another config beside the weights: {hint}")));
        }
        if self.model_sha256 == sha256 && self.fingerprint == fingerprint(now) {
            return Ok(());
        }
        match difference((&self.model_sha256, &self.settings), (sha256, now)) {
            Some(what) => other(&what),
            None => Err(Error::file(path, format!("its fingerprint is not that of its settings: {hint}"))),
        }
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
    /// Images.
    pub fn images(&self) -> usize {
        self.scores.len()
    }
    /// The smallest false-positive rate that so many images can promise: 1/(n + 1).
    pub fn smallest_rate(&self) -> f64 {
        1.0 / (self.scores.len() + 1) as f64
    }
    /// The p-value of a score, in (0, 1].
    pub fn p_value(&self, score: f64) -> f64 {
        let as_high = self.scores.partition_point(|&s| s >= score);
        (1 + as_high) as f64 / (self.scores.len() + 1) as f64
    }
    /// The threshold of a false-positive rate: exactly the scores above it have a p-value of at most `rate`.
    /// # Errors
    /// [`Error::Invalid`] for a rate outside (0, 1) or below [`Calibration::smallest_rate`], with the number of images
    /// that it would take.
    pub fn threshold(&self, rate: f64) -> Result<f64> {
        Ok(self.scores[self.rank(rate)? - 1])
    }
    /// What the false-positive rate over all future images stays within with this confidence (0..1), for this very
    /// calibration: the rate of [`Calibration::threshold`] is an average over calibrations, of which each one has a rate
    /// of its own, distributed as Beta(k, n + 1 − k) with k = ⌊rate·(n + 1)⌋.
    /// # Errors
    /// As [`Calibration::threshold`].
    pub fn bound(&self, rate: f64, confidence: f64) -> Result<f64> {
        Ok(beta_quantile(self.rank(rate)?, self.scores.len(), confidence))
    }
    /// The pixels' threshold: at most this share of the calibration's pixels lie above.
    /// # Errors
    /// [`Error::Invalid`] for a rate outside (0, 1) or below the smallest that is kept.
    pub fn pixel_threshold(&self, rate: f64) -> Result<f32> {
        in_range(rate)?;
        let kept = self.pixel_quantiles.iter().find(|(r, _)| *r <= rate * (1.0 + 1e-12));
        let least = || {
            let smallest = self.pixel_quantiles.last().map_or(1.0, |q| q.0);
            Error::Invalid(format!("the calibration holds pixel rates down to {smallest:.1e}, not {rate:.1e}"))
        };
        kept.map(|q| q.1).ok_or_else(least)
    }
    /// How many of the calibration's images may lie at or above the threshold.
    fn rank(&self, rate: f64) -> Result<usize> {
        in_range(rate)?;
        let n = self.scores.len();
        // A rate such as 0.05 is a little off in binary: 0.05·20 must be 1.
        let rank = (rate * (n + 1) as f64 * (1.0 + 1e-12)).floor() as usize;
        if rank == 0 {
            let least = self.smallest_rate();
            let needed = (1.0 / rate).ceil() as usize - 1;
            let text = format!(
                "{n} normal images can promise a false-positive rate of {least:.4} at the smallest; {rate} takes {needed}"
            );
            return Err(Error::Invalid(text));
        }
        Ok(rank.min(n))
    }
}

fn in_range(rate: f64) -> Result<()> {
    let fault = || Error::Invalid(format!("a false-positive rate lies between 0 and 1, not at {rate}"));
    if rate > 0.0 && rate < 1.0 { Ok(()) } else { Err(fault()) }
}

#[cfg(test)]
mod tests;
