//! What an evaluation leaves behind: `eval.json`, `eval.md`, `eval.html` and the drawings.
use super::evaluation::{DefectRow, Evaluation, Level};
use super::pages::{Drawing, drawing_sections, drawings, fixed, table, write_pages};
use super::{RESAMPLES, dataset::Layout};
use crate::data::Failure;
use crate::report::{escape, number, page};
use crate::{Error, Result};
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// How the numbers are defined, for the reader of a report.
const DEFINITIONS: &str = "AUROC, AUPRC (average precision), F1-max and FPR at 95 % TPR are scikit-learn's, exact, ties \
    being one threshold. Pixel metrics are over all pixels of the images whose pixels are known. PRO is the mean overlap \
    of connected regions (8-connectivity, within an image or slice) against the false-positive rate over all normal \
    pixels, integrated up to 0.3 and divided by it, as the MVTec evaluation code has it. Dice and IoU are the best over \
    all thresholds.";

/// An evaluation with what it was made from.
#[derive(Debug, Serialize)]
pub struct EvaluationReport {
    /// Residua's version.
    pub version: String,
    /// When, RFC 3339 in UTC.
    pub created: String,
    /// The folder or manifest.
    pub dataset: PathBuf,
    /// How that is laid out.
    pub layout: Layout,
    /// The part of it.
    pub split: Option<String>,
    /// Model, device, seed and the like, or the folder of maps.
    pub source: serde_json::Value,
    /// How intervals were made.
    pub bootstrap: String,
    /// The numbers.
    #[serde(flatten)]
    pub evaluation: Evaluation,
    /// Images that are not in the numbers.
    pub failures: Vec<Failure>,
}

/// What [`EvaluationReport::bootstrap`] says.
pub fn bootstrap_in_words() -> String {
    format!(
        "95 % percentile intervals from {RESAMPLES} resamples of the images with replacement, not stratified, by a fixed \
         seed; those of pixel metrics from scores rounded to eight bits of mantissa, and none when that takes over 400 MB"
    )
}

impl EvaluationReport {
    /// Writes `eval.json`, `eval.md`, `eval.html`, and `roc.svg`, `pr.svg` and `histogram.svg` as far as there are
    /// images of both kinds.
    /// # Errors
    /// [`Error::Io`] when a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_pages(folder, [self.json()?, self.markdown(), self.html()], &self.drawings())
    }

    /// The object that `eval.json` holds.
    /// # Errors
    /// [`Error::Invalid`] when it cannot be encoded.
    pub fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(|e| Error::Invalid(e.to_string()))
    }

    fn drawings(&self) -> [Drawing; 3] {
        let Evaluation { image, pixel, images, .. } = &self.evaluation;
        let curves = [("images", &image.curve), ("pixels", &pixel.curve)];
        let scores: Vec<(f64, bool)> = images.iter().map(|i| (i.score, i.anomalous())).collect();
        drawings(&curves, &scores)
    }

    /// What it was made from, as name and value.
    fn settings(&self) -> Vec<(String, String)> {
        let mut rows = vec![("dataset".to_owned(), self.dataset.display().to_string())];
        rows.extend(self.split.iter().map(|s| ("split".to_owned(), s.clone())));
        let source = self.source.as_object().into_iter().flatten();
        rows.extend(source.map(|(name, value)| (name.clone(), crate::report::in_words(value))));
        rows.push(("pixels".into(), self.evaluation.pixels.map(|n| n.to_string()).join(" defective, ") + " normal"));
        rows.push(("regions".into(), self.evaluation.regions.to_string()));
        rows.push(("intervals".into(), self.bootstrap.clone()));
        rows
    }

    /// The page `eval.md`.
    pub fn markdown(&self) -> String {
        let mut page =
            String::from("# Evaluation\n\n| | metric | value | 95 % interval |\n| --- | --- | --- | --- |\n");
        for (what, level) in self.levels() {
            for [metric, value, interval] in cells(level) {
                let _ = writeln!(page, "| {what} | {metric} | {value} | {interval} |");
            }
        }
        for (what, level) in self.levels() {
            if let Some(reason) = &level.reason {
                let _ = writeln!(page, "\nNo {what} metrics: {reason}.");
            }
        }
        let _ = write!(page, "\n| {} |\n|{}\n", COLUMNS.join(" | "), " --- |".repeat(COLUMNS.len()));
        for row in &self.evaluation.defects {
            let _ = writeln!(page, "| {} |", defect_cells(row).map(|c| c.replace('|', "\\|")).join(" | "));
        }
        page += "\n";
        for (name, value) in self.settings() {
            let _ = writeln!(page, "- {name}: {value}");
        }
        for f in &self.failures {
            let _ = writeln!(page, "- not evaluated: {}: {}", f.path.display(), f.error);
        }
        page + "\n" + DEFINITIONS + "\n"
    }

    /// The page `eval.html`, which needs nothing but itself.
    pub fn html(&self) -> String {
        let images = &self.evaluation.images;
        let anomalous = images.iter().filter(|i| i.anomalous()).count();
        let mut body = format!(
            r#"<header><h1>Evaluation</h1><p class="when">{}</p><ul class="figures"><li><b>{}</b> images</li>"#,
            escape(&self.created.replace('T', " ").replace('Z', " UTC")),
            images.len()
        );
        let _ = write!(body, r#"<li class="anomalous"><b>{anomalous}</b> anomalous</li>"#);
        let _ = write!(body, r#"<li class="normal"><b>{}</b> normal</li>"#, images.len() - anomalous);
        if !self.failures.is_empty() {
            let _ = write!(body, r#"<li class="failed"><b>{}</b> failed</li>"#, self.failures.len());
        }
        body += "</ul></header><main>";
        for (what, level) in self.levels() {
            let _ = write!(body, "<section><h2>{what} metrics</h2>");
            match &level.reason {
                Some(reason) => body += &format!("<p>None: {}.</p>", escape(reason)),
                None => body += &table(&["metric", "value", "95 % interval"], cells(level)),
            }
            body += "</section>";
        }
        body += &drawing_sections(&self.drawings());
        let rows = self.evaluation.defects.iter().map(defect_cells);
        let _ = write!(body, "<section><h2>By defect</h2>{}</section>", table(&COLUMNS, rows));
        let failed = self.failures.iter().map(|f| [f.path.display().to_string(), f.error.clone()]);
        if !self.failures.is_empty() {
            let _ = write!(body, "<section><h2>Not evaluated</h2>{}</section>", table(&["file", "fault"], failed));
        }
        let settings = self.settings().into_iter().map(|(name, value)| [name, value]);
        let _ = write!(body, "<section><h2>Settings</h2>{}</section>", table(&["setting", "value"], settings));
        let _ = write!(body, "<p>{}</p></main>", escape(DEFINITIONS));
        page("Residua evaluation", &self.version, &body)
    }

    fn levels(&self) -> [(&'static str, &Level); 2] {
        [("Image", &self.evaluation.image), ("Pixel", &self.evaluation.pixel)]
    }
}

const COLUMNS: [&str; 9] =
    ["defect", "images", "mean score", "image AUROC", "image AUPRC", "pixel AUROC", "pixel AUPRC", "PRO", "best Dice"];

fn cells(level: &Level) -> impl Iterator<Item = [String; 3]> {
    level.metrics.iter().map(|m| {
        let interval = m.interval.map(|i| i.map(|v| format!("{v:.4}")).join(" to "));
        [m.title.to_owned(), fixed(m.value), interval.unwrap_or("–".into())]
    })
}

fn defect_cells(row: &DefectRow) -> [String; 9] {
    let [a, b, c, d, e, f] =
        [row.image_auroc, row.image_auprc, row.pixel_auroc, row.pixel_auprc, row.pro, row.best_dice].map(fixed);
    [row.defect.clone(), row.images.to_string(), number(row.mean_score), a, b, c, d, e, f]
}
