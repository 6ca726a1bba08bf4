//! `results.json` and `results.csv`: one record an image.
use crate::data::{Failure, utc_now, write_atomic};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::io::Write;
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
}

/// The result of one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The input file.
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
    pub parameters: serde_json::Value,
    /// What the user should know about the input.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// The result of a volume as a whole, from a system that judges volumes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VolumeRecord {
    /// The input file.
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

    /// Reads a `results.json`, such as the one that a run resumes.
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::File`] when it is not what [`Results::write`] writes.
    pub fn read(path: &Path) -> Result<Results> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        serde_json::from_slice(&bytes).map_err(|e| Error::file(path, format!("is not a results file: {e}")))
    }

    /// Writes `results.json` and `results.csv` into a folder, each whole or not at all.
    ///
    /// The table has a row a record and, with the verdict `failed` and the error in its last column, a row a failure.
    /// # Errors
    /// [`Error::Io`] when a file cannot be written, [`Error::Invalid`] when a number is not finite, which JSON could
    /// not hold.
    pub fn write(&self, folder: &Path) -> Result<()> {
        for record in &self.records {
            let numbers = [Some(record.score), record.threshold, Some(record.seconds)];
            if let Some(bad) = numbers.into_iter().flatten().find(|v| !v.is_finite()) {
                return Err(Error::Invalid(format!("{}: a result is {bad}", record.path.display())));
            }
        }
        write_atomic(&folder.join("results.json"), |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            writeln!(file)
        })?;
        write_atomic(&folder.join("results.csv"), |file| self.write_table(file))
    }

    fn write_table(&self, out: impl Write) -> std::io::Result<()> {
        let mut table = csv::Writer::from_writer(out);
        table.write_record([
            "path",
            "name",
            "folder",
            "score",
            "threshold",
            "p_value",
            "verdict",
            "seconds",
            "seed",
            "device",
            "model",
            "sha256",
            "parameters",
            "warnings",
            "error",
        ])?;
        for r in &self.records {
            table.write_record([
                &r.path.to_string_lossy(),
                &*r.name,
                &r.folder,
                &r.score.to_string(),
                &r.threshold.map(|t| t.to_string()).unwrap_or_default(),
                &r.p_value.map(|p| p.to_string()).unwrap_or_default(),
                r.verdict.as_str(),
                &r.seconds.to_string(),
                &r.seed.to_string(),
                &r.device,
                &r.model.name,
                &r.model.sha256,
                &r.parameters.to_string(),
                &r.warnings.join("; "),
                "",
            ])?;
        }
        for f in &self.failures {
            let path = f.path.to_string_lossy();
            let mut row = [""; 15];
            (row[0], row[6], row[14]) = (&path, "failed", &f.error);
            table.write_record(row)?;
        }
        table.flush()
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
            model: ModelId { name: "textures".into(), sha256: "ab".repeat(32) },
            parameters: serde_json::json!({"lambda": 250, "noise": "simplex"}),
            warnings: vec![],
        }
    }

    #[test]
    fn a_run_survives_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Results::begin();
        run.records = vec![record("a, \"b\"\nc", 0.25), record("z", 0.75)];
        run.failures = vec![Failure { path: "in/bad.png".into(), error: "in/bad.png: the file is empty".into() }];
        run.write(folder.path()).unwrap();
        assert_eq!(Results::read(&folder.path().join("results.json")).unwrap(), run);
        let mut table = csv::Reader::from_path(folder.path().join("results.csv")).unwrap();
        let rows: Vec<csv::StringRecord> = table.records().map(|r| r.unwrap()).collect();
        assert_eq!((&rows[0][1], &rows[0][3], &rows[0][6]), ("a, \"b\"\nc", "0.25", "normal"));
        assert_eq!((&rows[1][6], &rows[2][6], &rows[2][14]), ("anomalous", "failed", "in/bad.png: the file is empty"));
        let text = std::fs::read_to_string(folder.path().join("results.json")).unwrap();
        assert!(text.contains(r#""verdict": "anomalous""#));
    }

    #[test]
    fn what_json_cannot_hold_is_refused_and_a_damaged_file_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Results::begin();
        run.records = vec![record("a", f64::NAN)];
        assert!(run.write(folder.path()).unwrap_err().to_string().contains("in/a.png"));
        let path = folder.path().join("results.json");
        std::fs::write(&path, b"{\"records\": [").unwrap();
        assert!(Results::read(&path).unwrap_err().to_string().contains("results.json: is not a results file"));
    }
}
