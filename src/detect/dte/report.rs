//! What an evaluation on tables leaves behind: `eval.json`, `eval.md`, `eval.html` and, for one table, the drawings.
use super::Evaluation;
use crate::data::{Failure, utc_now};
use crate::eval::pages::{Drawing, drawing_sections, drawings, table, write_pages};
use crate::report::{escape, in_words, page};
use crate::{Error, Result};
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const DEFINITIONS: &str = "In percent, means over the seeds. AUROC with its standard deviation over the seeds, AUPRC (average \
    precision), F1-max and FPR at 95 % TPR are scikit-learn's, exact, ties being one threshold; F1 is that at as many rows as \
    there are anomalies.";

/// Evaluations of tables with what they were made from.
#[derive(Debug, Serialize)]
pub struct TablesReport {
    /// Residua's version.
    pub version: String,
    /// When, RFC 3339 in UTC.
    pub created: String,
    /// The table or the folder of tables.
    pub dataset: PathBuf,
    /// Method, protocol, device and the like.
    pub source: serde_json::Value,
    /// Means over the sets, from 0 to 1.
    pub mean: Means,
    /// One for each table that was evaluated.
    pub sets: Vec<Evaluation>,
    /// Tables that are not in the numbers.
    pub failures: Vec<Failure>,
    /// Whether there is one table and no more, which is then drawn.
    #[serde(skip)]
    pub alone: bool,
}

/// Means over the sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Means {
    /// As in [`Evaluation`]; none without a set.
    pub auroc: Option<f64>,
    /// As in [`Evaluation`].
    pub auprc: Option<f64>,
    /// As in [`Evaluation`].
    pub f1_max: Option<f64>,
    /// As in [`Evaluation`].
    pub fpr_at_tpr95: Option<f64>,
    /// As in [`Evaluation`].
    pub f1_at_anomalies: Option<f64>,
    /// The published AUROC, over the sets that have one.
    pub published: Option<f64>,
    /// The AUROC here over those same sets.
    pub auroc_where_published: Option<f64>,
}

/// The columns of the table of sets.
pub const COLUMNS: [&str; 12] = [
    "data set",
    "rows",
    "columns",
    "seeds",
    "AUROC",
    "std",
    "AUPRC",
    "F1-max",
    "FPR at 95 % TPR",
    "F1",
    "published AUROC",
    "difference",
];

impl TablesReport {
    /// Without a set yet; `alone` as in the field.
    pub fn new(dataset: &Path, source: serde_json::Value, alone: bool) -> Self {
        let (version, created) = (env!("CARGO_PKG_VERSION").into(), utc_now());
        let (mean, sets, failures) = Default::default();
        TablesReport { version, created, dataset: dataset.to_owned(), source, mean, sets, failures, alone }
    }

    /// Adds a set.
    pub fn add(&mut self, set: Evaluation) {
        self.sets.push(set);
        let mean = |f: &dyn Fn(&Evaluation) -> Option<f64>| {
            let values: Vec<f64> = self.sets.iter().filter_map(f).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        self.mean = Means {
            auroc: mean(&|e| Some(e.auroc)),
            auprc: mean(&|e| Some(e.auprc)),
            f1_max: mean(&|e| Some(e.f1_max)),
            fpr_at_tpr95: mean(&|e| Some(e.fpr_at_tpr95)),
            f1_at_anomalies: mean(&|e| Some(e.f1_at_anomalies)),
            published: mean(&|e| e.published),
            auroc_where_published: mean(&|e| e.published.and(Some(e.auroc))),
        };
    }

    /// Writes `eval.json`, `eval.md`, `eval.html`, and for a table alone `roc.svg`, `pr.svg` and `histogram.svg`.
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

    /// A set as a row of [`COLUMNS`], in percent.
    pub fn cells(e: &Evaluation) -> [String; 12] {
        let [rows, columns] = [e.rows, e.columns].map(|n| n.to_string());
        let [auroc, std, auprc, f1_max, fpr, f1] =
            [e.auroc, e.std, e.auprc, e.f1_max, e.fpr_at_tpr95, e.f1_at_anomalies].map(|v| percent(Some(v)));
        let [published, difference] = beside(e.published, Some(e.auroc));
        let (name, seeds) = (e.name.clone(), e.seeds.to_string());
        [name, rows, columns, seeds, auroc, std, auprc, f1_max, fpr, f1, published, difference]
    }

    /// The last row of [`COLUMNS`], in percent.
    pub fn mean_cells(&self) -> [String; 12] {
        let m = &self.mean;
        let [auroc, auprc, f1_max, fpr, f1] =
            [m.auroc, m.auprc, m.f1_max, m.fpr_at_tpr95, m.f1_at_anomalies].map(percent);
        let [published, difference] = beside(m.published, m.auroc_where_published);
        let name = format!("mean of {}", self.sets.len());
        let [a, b, c, d] = Default::default();
        [name, a, b, c, auroc, d, auprc, f1_max, fpr, f1, published, difference]
    }

    fn rows(&self) -> impl Iterator<Item = [String; 12]> {
        let mean = (self.sets.len() > 1).then(|| self.mean_cells());
        self.sets.iter().map(Self::cells).chain(mean)
    }

    /// Curves and scores of one table; of several, none.
    fn drawings(&self) -> Vec<Drawing> {
        match &self.sets[..] {
            [one] if self.alone => drawings(&[("rows", &one.curve)], &one.scores).into(),
            _ => Vec::new(),
        }
    }

    fn settings(&self) -> Vec<[String; 2]> {
        let mut rows = vec![["tables".to_owned(), self.dataset.display().to_string()]];
        let source = self.source.as_object().into_iter().flatten();
        rows.extend(source.map(|(name, value)| [name.clone(), in_words(value)]).filter(|row| !row[1].is_empty()));
        if let [one] = &self.sets[..] {
            rows.extend((self.alone && one.seeds > 1).then(|| ["drawings".to_owned(), "of the first seed".to_owned()]));
        }
        rows
    }

    /// The page `eval.md`.
    pub fn markdown(&self) -> String {
        let mut page = format!("# Evaluation on tables\n\n| {} |\n|{}\n", COLUMNS.join(" | "), " --- |".repeat(12));
        for row in self.rows() {
            page += &line(row);
        }
        page += "\n";
        for [name, value] in self.settings() {
            let _ = writeln!(page, "- {name}: {value}");
        }
        for f in &self.failures {
            let _ = writeln!(page, "- not evaluated: {}: {}", f.path.display(), f.error);
        }
        page + "\n" + DEFINITIONS + "\n"
    }

    /// The page `eval.html`, which needs nothing but itself.
    pub fn html(&self) -> String {
        let mut body = format!(
            r#"<header><h1>Evaluation on tables</h1><p class="when">{}</p><ul class="figures"><li><b>{}</b> tables</li>"#,
            escape(&self.created.replace('T', " ").replace('Z', " UTC")),
            self.sets.len()
        );
        for (value, what) in [(self.mean.auroc, "AUROC"), (self.mean.published, "published AUROC")] {
            let mean = if self.sets.len() > 1 { "mean " } else { "" };
            let _ = value.map(|v| write!(body, "<li><b>{:.2} %</b> {mean}{what}</li>", 100.0 * v));
        }
        if !self.failures.is_empty() {
            let _ = write!(body, r#"<li class="failed"><b>{}</b> failed</li>"#, self.failures.len());
        }
        let _ = write!(body, "</ul></header><main><section><h2>Tables</h2>{}</section>", table(&COLUMNS, self.rows()));
        body += &drawing_sections(&self.drawings());
        let failed = self.failures.iter().map(|f| [f.path.display().to_string(), f.error.clone()]);
        if !self.failures.is_empty() {
            let _ = write!(body, "<section><h2>Not evaluated</h2>{}</section>", table(&["file", "fault"], failed));
        }
        let settings = table(&["setting", "value"], self.settings().into_iter());
        let _ = write!(body, "<section><h2>Settings</h2>{settings}</section><p>{}</p></main>", escape(DEFINITIONS));
        page("Residua evaluation", &self.version, &body)
    }
}

/// A row of a table in Markdown.
fn line(cells: [String; 12]) -> String {
    format!("| {} |\n", cells.map(|c| c.replace('|', "\\|")).join(" | "))
}

fn percent(value: Option<f64>) -> String {
    value.map_or("–".into(), |v| format!("{:.2}", 100.0 * v))
}

/// The published number and how far ours lies above it.
fn beside(published: Option<f64>, ours: Option<f64>) -> [String; 2] {
    match published.zip(ours) {
        Some((p, v)) => [format!("{:.2}", 100.0 * p), format!("{:+.2}", 100.0 * (v - p))],
        None => [String::new(), String::new()],
    }
}
