//! What the reports of evaluations have in common: the files, the drawings and the tables.
use super::Curve;
use crate::Result;
use crate::data::{Failure, write_bytes};
use crate::report::{curve_plot, escape, page, score_histogram, standalone};
use std::fmt::Write;
use std::path::Path;

/// A drawing's file, its title and its SVG, which is empty where there is nothing to draw.
pub(crate) type Drawing = (&'static str, &'static str, String);

/// What a page shows of the numbers.
pub(crate) struct Contents {
    /// The page's heading.
    pub title: &'static str,
    /// Class, figure and word of the page's head, such as 12 anomalous.
    pub figures: Vec<(&'static str, String, String)>,
    /// Tables before the drawings.
    pub first: Vec<Section>,
    /// Curves and histogram.
    pub drawings: Vec<Drawing>,
    /// Tables after them.
    pub second: Vec<Section>,
    /// Further settings, as name and value.
    pub settings: Vec<(String, String)>,
    /// How the numbers are defined.
    pub definitions: &'static str,
}

/// Which page, and when and by what it was made.
pub(crate) struct Made<'a> {
    /// The window's title.
    pub title: &'a str,
    /// RFC 3339 in UTC.
    pub created: &'a str,
    /// Residua's version.
    pub version: &'a str,
}

/// A page with its head, its tables, its drawings, `images` in HTML, and what it was made from as rows of name and value.
pub(crate) fn html_page(
    contents: &Contents,
    images: &str,
    settings: Vec<Vec<String>>,
    failures: &[Failure],
    made: &Made,
) -> String {
    let mut body = format!(
        r#"<header><div><h1>{}</h1><p class="when">{}</p></div><ul class="figures">"#,
        contents.title,
        escape(&made.created.replace('T', " ").replace('Z', " UTC")),
    );
    let failed = (!failures.is_empty()).then(|| ("failed", failures.len().to_string(), "failed".to_owned()));
    for (class, figure, what) in contents.figures.iter().cloned().chain(failed) {
        let _ = write!(body, r#"<li class="{class}"><b>{}</b> {}</li>"#, escape(&figure), escape(&what));
    }
    body += "</ul></header><main>";
    body += &html_sections(&contents.first);
    body += &drawing_sections(&contents.drawings);
    body += images;
    body += &html_sections(&contents.second);
    let mut last = vec![Section::table("Settings", &["setting", "value"], settings).folded()];
    if !failures.is_empty() {
        let failed = failures.iter().map(|f| vec![f.path.display().to_string(), f.error.clone()]);
        last.insert(0, Section::table("Not evaluated", &["file", "fault"], failed.collect()));
    }
    body += &html_sections(&last);
    let _ = write!(body, "<p>{}</p></main>", escape(contents.definitions));
    page(made.title, made.version, &body)
}

/// Writes `eval.json`, `eval.md`, `eval.html` and the drawings.
/// # Errors
/// [`crate::Error::Io`] when a file cannot be written.
pub(crate) fn write_pages(folder: &Path, [json, md, html]: [String; 3], drawings: &[Drawing]) -> Result<()> {
    for (name, text) in [("eval.json", json), ("eval.md", md), ("eval.html", html)] {
        write_bytes(&folder.join(name), text.as_bytes())?;
    }
    for (name, _, svg) in drawings.iter().filter(|d| !d.2.is_empty()) {
        write_bytes(&folder.join(name), standalone(svg).as_bytes())?;
    }
    Ok(())
}

/// ROC and precision-recall curves by name, and the histogram of scores (true: anomalous).
pub(crate) fn drawings(curves: &[(&str, &Curve)], scores: &[(f64, bool)]) -> [Drawing; 3] {
    let roc: Vec<_> = curves.iter().map(|(name, c)| (*name, &c.roc[..])).collect();
    let pr: Vec<_> = curves.iter().map(|(name, c)| (*name, &c.precision_recall[..])).collect();
    let axes = ["false-positive rate", "true-positive rate"];
    [
        ("roc.svg", "ROC", curve_plot("ROC curve", axes, &roc)),
        ("pr.svg", "Precision and recall", curve_plot("Precision-recall curve", ["recall", "precision"], &pr)),
        ("histogram.svg", "Scores", score_histogram(scores, None, &[])),
    ]
}

/// The drawings in a page.
fn drawing_sections(drawings: &[Drawing]) -> String {
    let shown = drawings.iter().filter(|d| !d.2.is_empty());
    let sections: String = shown.map(|(_, title, svg)| format!("<section><h2>{title}</h2>{svg}</section>")).collect();
    if sections.is_empty() { sections } else { format!("<div class=\"drawings\">{sections}</div>") }
}

/// Four digits after the point.
pub(crate) fn fixed(value: Option<f64>) -> String {
    value.map_or("–".into(), |v| format!("{v:.4}"))
}

/// A table with its title, or a sentence instead.
pub(crate) struct Section {
    title: &'static str,
    note: Option<String>,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    folded: bool,
}

impl Section {
    /// A table.
    pub fn table(title: &'static str, head: &[&str], rows: Vec<Vec<String>>) -> Self {
        let head = head.iter().map(|h| (*h).to_owned()).collect();
        Section { title, note: None, head, rows, folded: false }
    }
    /// A sentence that stands for a table.
    pub fn note(title: &'static str, note: String) -> Self {
        Section { title, note: Some(note), head: Vec::new(), rows: Vec::new(), folded: false }
    }
    /// The same, opened by a click in a page in HTML.
    pub fn folded(self) -> Self {
        Section { folded: true, ..self }
    }
}

/// Sections in HTML.
fn html_sections(sections: &[Section]) -> String {
    let cell = |tag: &str, text: &str| format!("<{tag}>{}</{tag}>", escape(text));
    let mut out = String::new();
    for s in sections {
        let (open, close) = match s.folded {
            true => (format!("<details><summary>{}</summary>", s.title), "</details>"),
            false => (format!("<h2>{}</h2>", s.title), ""),
        };
        let _ = write!(out, "<section>{open}");
        if let Some(note) = &s.note {
            let _ = write!(out, "<p>{}</p>{close}</section>", escape(note));
            continue;
        }
        let _ = write!(
            out,
            "<div class=\"wide\"><table><tr>{}</tr>",
            s.head.iter().map(|h| cell("th", h)).collect::<String>()
        );
        for row in &s.rows {
            let _ = write!(out, "<tr>{}</tr>", row.iter().map(|c| cell("td", c)).collect::<String>());
        }
        let _ = write!(out, "</table></div>{close}</section>");
    }
    out
}

/// Sections in Markdown.
pub(crate) fn markdown_sections<'a>(sections: impl Iterator<Item = &'a Section>) -> String {
    let mut out = String::new();
    for s in sections {
        let _ = write!(out, "## {}\n\n", s.title);
        if let Some(note) = &s.note {
            let _ = write!(out, "{note}\n\n");
            continue;
        }
        let _ = write!(out, "| {} |\n|{}\n", s.head.join(" | "), " --- |".repeat(s.head.len()));
        for row in &s.rows {
            let cells: Vec<String> = row.iter().map(|c| c.replace('|', "\\|")).collect();
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
        out.push('\n');
    }
    out
}
