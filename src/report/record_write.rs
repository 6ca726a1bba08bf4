//! A run on disk: `results.json`, and `results.csv` with one row an image.
use super::Results;
use crate::data::{RESULTS, path_text, write_atomic};
use crate::{Error, Result};
use std::io::Write;
use std::path::Path;

impl Results {
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
        write_atomic(&folder.join(RESULTS), |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            writeln!(file)?;
            // The journal goes when this is in place.
            file.flush()?;
            file.get_ref().sync_all()
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
                &path_text(&r.path),
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
            let path = path_text(&f.path);
            let mut row = [""; 15];
            (row[0], row[6], row[14]) = (&path, "failed", &f.error);
            table.write_record(row)?;
        }
        table.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;
    use crate::data::Failure;

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
