//! What `results.json` holds: one record an image.
use super::Parameters;
use crate::data::{Failure, path_text, utc_now};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The judgement of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The score does not exceed the threshold.
    Normal,
    /// The score exceeds the threshold.
    Anomalous,
    /// There is no threshold.
    Unjudged,
}

impl Verdict {
    /// By the threshold, if there is one.
    pub fn of(score: f64, threshold: Option<f64>) -> Self {
        match threshold {
            None => Verdict::Unjudged,
            Some(t) if score > t => Verdict::Anomalous,
            Some(_) => Verdict::Normal,
        }
    }
    /// As files spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Normal => "normal",
            Verdict::Anomalous => "anomalous",
            Verdict::Unjudged => "unjudged",
        }
    }
}

/// Which weights made a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelId {
    /// The model folder's name.
    pub name: String,
    /// SHA-256 of its weights, in hexadecimal.
    pub sha256: String,
    /// SHA-256 of the `config.json` beside them, where there is one; results of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_sha256: Option<String>,
}

/// The result of one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The input file.
    #[serde(with = "path_text")]
    pub path: PathBuf,
    /// What to call it.
    pub name: String,
    /// Its folder of pictures, relative to the output folder.
    pub folder: String,
    /// The anomaly score; finite, the higher the more anomalous, in the unit of the model's map.
    pub score: f64,
    /// What the score was judged by.
    pub threshold: Option<f64>,
    /// Share of normal images that would score as high, in (0, 1]: conformal, where the model is calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// The judgement.
    pub verdict: Verdict,
    /// Wall-clock seconds that the image took.
    pub seconds: f64,
    /// The seed of its noise.
    pub seed: u64,
    /// The device's name.
    pub device: String,
    /// The model.
    pub model: ModelId,
    /// The detector's hyper-parameters.
    pub parameters: Parameters,
    /// What the user should know about the input.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// SHA-256 of the file, or of all the files that the image was read from ([`crate::data::hash_input`]), in hexadecimal;
    /// none where it changed while it was read, and in results of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_sha256: Option<String>,
    /// Of floats: the range that they were taken in, which all files of a run decide together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub float_range: Option<[f32; 2]>,
    /// Of a slice: how many its volume has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slices: Option<usize>,
}

impl Record {
    /// The folder of results of the file that it comes from: its own, and of a slice its volume's.
    pub fn input_folder(&self) -> &str {
        self.folder.split('/').next().unwrap_or_default()
    }
}

/// The result of a volume as a whole, from a system that judges volumes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VolumeRecord {
    /// The input file.
    #[serde(with = "path_text")]
    pub path: PathBuf,
    /// What to call it.
    pub name: String,
    /// Its folder of results, relative to the output folder.
    pub folder: String,
    /// The anomaly score of the whole volume.
    pub score: f64,
    /// What the score was judged by.
    pub threshold: Option<f64>,
    /// Share of normal volumes that would score as high, where the model is calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// The judgement.
    pub verdict: Verdict,
}

/// A run: what `results.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Residua's version.
    pub version: String,
    /// When the run began, RFC 3339 in UTC.
    pub created: String,
    /// The images that were scored.
    pub records: Vec<Record>,
    /// The volumes that were judged as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeRecord>,
    /// The images that were not.
    #[serde(default)]
    pub failures: Vec<Failure>,
}

impl Results {
    /// An empty run of this version that begins now.
    pub fn begin() -> Self {
        Results {
            version: env!("CARGO_PKG_VERSION").into(),
            created: utc_now(),
            records: Vec::new(),
            volumes: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// How many images were judged so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.records.iter().filter(|r| r.verdict == verdict).count()
    }

    /// Whether an image or a volume is anomalous.
    pub fn is_anomalous(&self) -> bool {
        self.count(Verdict::Anomalous) > 0 || self.volumes.iter().any(|v| v.verdict == Verdict::Anomalous)
    }

    /// Reads a `results.json`, such as the one that a run resumes.
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::File`] when it is something else.
    pub fn read(path: &Path) -> Result<Results> {
        Results::parse(&std::fs::read(path).map_err(|e| Error::io(path, e))?, path)
    }

    /// [`Results::read`] of bytes at hand; `path` names them in errors.
    /// # Errors
    /// [`Error::File`] when they are something else.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Results> {
        crate::json::parse(bytes).map_err(|fault| Error::file(path, format!("is not a results file: {fault}")))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn record(name: &str, score: f64) -> Record {
        Record {
            path: format!("in/{name}.png").into(),
            name: name.into(),
            folder: name.into(),
            score,
            threshold: Some(0.5),
            p_value: None,
            verdict: Verdict::of(score, Some(0.5)),
            seconds: 1.25,
            seed: 7,
            device: "CPU".into(),
            model: ModelId { name: "textures".into(), sha256: "ab".repeat(32), config_sha256: None },
            parameters: serde_json::json!({"lambda": 250, "noise": "simplex"}).into(),
            warnings: vec![],
            input_sha256: Some("cd".repeat(32)),
            float_range: None,
            slices: None,
        }
    }
}
