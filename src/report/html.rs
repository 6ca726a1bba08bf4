//! `report.html`: one page, its style and its script within; no network and no other program.
//!
//! The images with the highest scores are shown from pictures inside the page. A larger run shows the others from a small picture
//! in each image's folder, so that the page stays small and still works when the output folder is moved as a whole.
use super::histogram::histogram;
use super::preview::Preview;
use super::record::{Record, Results};
use super::tiles::{Tiles, side};
use super::words::escape;
use crate::Result;
use crate::data::{heat, write_atomic};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cards::{card, filters, row};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::path::Path;
use top::{failures, fold, notes, said_lines, summary, volumes};

mod cards;
mod settings;
mod top;

const STYLE: &str = concat!(include_str!("report.css"), include_str!("images.css"), include_str!("plot.css"));
const SCRIPT: &str = include_str!("report.js");

/// So many images, those with the highest scores, are shown from pictures inside the page: 5 MB of them at most.
const EMBEDDED: usize = 64;

/// What the caller tells about a run beside its records.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Sentences for the top of the page: what was taken for granted, and where the thresholds come from.
    pub said: Vec<String>,
    /// Further settings, as name and value.
    pub settings: Vec<(String, String)>,
}

/// Writes `report.html` into the output folder from the results and the pictures that lie there, whole or not at all. In a run
/// of more than 64 images, it also writes a `preview.jpg` into the folder of each image that is not among the 64 highest scores.
/// # Errors
/// [`crate::Error::Io`] when a file cannot be written; pictures that are missing are left out.
pub fn write_report(out: &Path, results: &Results, about: &About) -> Result<()> {
    let ranked = ranked(results);
    let rest = ranked.get(EMBEDDED..).unwrap_or_default();
    let previews: Vec<Option<Preview>> = rest.par_iter().map(|r| Preview::of(out, r)).collect::<Result<_>>()?;
    let path = out.join("report.html");
    write_atomic(&path, |file| render(results, &ranked, about, |record| Tiles::load(out, record), &previews, file))
}

/// The highest score first.
fn ranked(results: &Results) -> Vec<&Record> {
    let mut records: Vec<&Record> = results.records.iter().collect();
    records.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.path.cmp(&b.path)));
    records
}

/// Renders the page: summary, what was taken for granted, what folds away, then every image.
///
/// `tiles` gives the pictures of a record that go into the page; it is called from several threads, for a few records at a time.
/// `previews` are those of the records beyond [`EMBEDDED`].
fn render(
    results: &Results,
    ranked: &[&Record],
    about: &About,
    tiles: impl Fn(&Record) -> Tiles + Sync,
    previews: &[Option<Preview>],
    out: &mut impl Write,
) -> io::Result<()> {
    let (first, rest) = ranked.split_at(ranked.len().min(EMBEDDED));
    let (side, top) = (side(ranked.len()), ranked.first().map_or(0.0, |r| r.score));
    write!(out, "{}{}", head("Residua report", SCRIPT), summary(results))?;
    write!(out, "<main>{}<div class=\"folds\">", said_lines(results, about))?;
    let few = |count: usize| count <= 3;
    write!(out, "{}", fold("failures", "Not processed", results.failures.len(), few, &failures(results)))?;
    write!(out, "{}", fold("volumes", "Volumes", results.volumes.len(), few, &volumes(results)))?;
    write!(out, "{}", fold("scores", "Scores", 0, |_| false, &histogram(&results.records)))?;
    write!(out, "{}", fold("settings", "Settings", 0, |_| false, &settings::table(results, &about.settings)))?;
    let (count, list) = notes(results);
    write!(out, "{}</div>", fold("notes", "Notes", count, |_| false, &list))?;
    write!(out, "{}<div id=\"cards\">", filters(results))?;
    // In portions, so that the pictures are not held in memory at once.
    for portion in first.chunks(16) {
        let cards: Vec<String> = portion.par_iter().map(|r| card(r, &tiles(r), side, top)).collect();
        cards.iter().try_for_each(|card| out.write_all(card.as_bytes()))?;
    }
    write!(out, "</div>")?;
    if !rest.is_empty() {
        write!(out, "{}", cards::rest_head(rest.len()))?;
        for (record, preview) in rest.iter().zip(previews) {
            out.write_all(row(record, preview.as_ref(), top).as_bytes())?;
        }
        write!(out, "</tbody></table></div></details>")?;
    }
    write!(out, "{}</section></main><script>{SCRIPT}</script>", cards::PAGER)?;
    writeln!(out, "{}", foot(&results.version))
}

/// A whole page in the house style around what its body holds.
pub(crate) fn page(title: &str, version: &str, body: &str) -> String {
    format!("{}{body}{}\n", head(title, ""), foot(version))
}

fn foot(version: &str) -> String {
    format!("<footer>Residua {}</footer></body></html>", escape(version))
}

/// Nothing is loaded but pictures, and nothing runs but `script`, whatever names the page shows.
fn head(title: &str, script: &str) -> String {
    let stripe: Vec<String> =
        (0..=8).map(|i| heat(i as f32 / 8.0)).map(|[r, g, b]| format!("rgb({r},{g},{b})")).collect();
    let scripts = match script {
        "" => String::new(),
        text => format!("; script-src 'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes()))),
    };
    format!(
        concat!(
            r#"<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"/>"#,
            r#"<meta name="viewport" content="width=device-width, initial-scale=1"/>"#,
            r#"<meta http-equiv="Content-Security-Policy" content="default-src 'none'; "#,
            r#"img-src 'self' data: file:; style-src 'unsafe-inline'{}"/>"#,
            "<title>{}</title><style>{}:root{{--stripe:linear-gradient(90deg,{})}}</style></head><body>",
        ),
        scripts,
        escape(title),
        STYLE,
        stripe.join(",")
    )
}

#[cfg(test)]
#[path = "html_tests.rs"]
mod tests;
