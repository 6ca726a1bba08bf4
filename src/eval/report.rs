//! What an evaluation leaves behind, of images or of tables: `eval.json`, `eval.md`, `eval.html` and the drawings.
use super::pages::{Contents, Made, Section, html_page, markdown_sections, write_pages};
use crate::data::{Failure, Notice, utc_now};
use crate::detect::System;
use crate::report::in_words;
use crate::{Error, Result};
use images::ImageNumbers;
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use tables::TableNumbers;

pub mod images;
pub mod tables;

/// An evaluation with what it was made from.
#[derive(Debug, Serialize)]
pub struct EvaluationReport {
    /// Residua's version.
    pub version: String,
    /// When, RFC 3339 in UTC.
    pub created: String,
    /// The folder, manifest, table or folder of tables.
    #[serde(serialize_with = "crate::data::path_text::serialize")]
    pub dataset: PathBuf,
    /// How the dataset was understood, in a sentence.
    pub taken_for: String,
    /// Model, method, device, seed and the like, or the folder of maps.
    pub source: serde_json::Value,
    /// The numbers.
    #[serde(flatten)]
    pub numbers: Numbers,
    /// Images or tables that are not in the numbers.
    pub failures: Vec<Failure>,
    /// What is said of the images that are, each kind of warning once.
    pub warnings: Vec<Notice>,
}

/// What was evaluated.
#[derive(Debug, Serialize)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant)]
pub enum Numbers {
    /// Images, with pixels where masks tell about them.
    Images(ImageNumbers),
    /// Rows of tables.
    Tables(TableNumbers),
}

impl EvaluationReport {
    /// A report of this version that is made now, without failures.
    pub fn new(dataset: &Path, source: serde_json::Value, numbers: Numbers) -> Self {
        let (version, created, failures) = (env!("CARGO_PKG_VERSION").into(), utc_now(), Vec::new());
        let (taken_for, warnings, dataset) = (String::new(), Vec::new(), dataset.to_owned());
        EvaluationReport { version, created, dataset, taken_for, source, numbers, failures, warnings }
    }

    /// Writes `eval.json`, `eval.md`, `eval.html`, and `roc.svg`, `pr.svg` and `histogram.svg` as far as there is something to
    /// draw.
    /// # Errors
    /// [`Error::Io`] when a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_pages(folder, [self.json()?, self.markdown(), self.html()], &self.contents().drawings)
    }

    /// The object that `eval.json` holds.
    /// # Errors
    /// [`Error::Invalid`] when it cannot be encoded.
    pub fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(|e| Error::Invalid(e.to_string()))
    }

    fn contents(&self) -> Contents {
        match &self.numbers {
            Numbers::Images(images) => images.contents(),
            Numbers::Tables(tables) => tables.contents(),
        }
    }

    /// What it was made from, as name and value.
    fn settings(&self, more: &[(String, String)]) -> Vec<[String; 2]> {
        let mut source = self.source.clone();
        if let Some(system) = source.pointer_mut("/parameters/system") {
            *system = System::in_use(system.take());
        }
        let source = source.as_object().into_iter().flatten();
        let dataset = [
            ["dataset".to_owned(), self.dataset.display().to_string()],
            ["taken for".to_owned(), self.taken_for.clone()],
        ];
        let source = source.map(|(name, value)| [name.clone(), in_words(value)]);
        let more = more.iter().map(|(name, value)| [name.clone(), value.clone()]);
        dataset.into_iter().chain(source).chain(more).filter(|row| !row[1].is_empty()).collect()
    }

    /// The warnings, as file and text.
    fn said(&self) -> Vec<[String; 2]> {
        let of = |w: &Notice| match w.files {
            0 | 1 => w.path.display().to_string(),
            n => format!("{} and {} more", w.path.display(), n - 1),
        };
        self.warnings.iter().map(|w| [of(w), w.text.clone()]).collect()
    }

    /// The page `eval.md`.
    pub fn markdown(&self) -> String {
        let contents = self.contents();
        let mut page = format!("# {}\n\n", contents.title);
        page += &markdown_sections(contents.first.iter().chain(&contents.second));
        for [name, value] in self.settings(&contents.settings) {
            let _ = writeln!(page, "- {name}: {value}");
        }
        for f in &self.failures {
            let _ = writeln!(page, "- not evaluated: {}: {}", f.path.display(), f.error);
        }
        for [file, text] in self.said() {
            let _ = writeln!(page, "- warning: {file}: {text}");
        }
        page + "\n" + contents.definitions + "\n"
    }

    /// The page `eval.html`, which needs nothing but itself.
    pub fn html(&self) -> String {
        let mut contents = self.contents();
        let settings = self.settings(&contents.settings).into_iter().map(Vec::from).collect();
        let said: Vec<Vec<String>> = self.said().into_iter().map(Vec::from).collect();
        contents.second.extend((!said.is_empty()).then(|| Section::table("Warnings", &["file", "warning"], said)));
        let made = Made { title: "Residua evaluation", created: &self.created, version: &self.version };
        html_page(&contents, "", settings, &self.failures, &made)
    }
}
