//! `report.html`: one page that needs nothing but itself.
use super::histogram::{common_threshold, histogram};
use super::record::{Record, Results, Verdict};
use super::tiles::Tiles;
use super::tiles::{data_uri, side};
use super::words::{escape, in_words, number};
use crate::Result;
use crate::data::{heat, write_atomic};
use rayon::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

const STYLE: &str = concat!(include_str!("report.css"), include_str!("plot.css"));

/// Writes `report.html` into the output folder from the results and the pictures that lie there, whole or not at all.
/// `settings` are shown beside those that the records give, as name and value.
/// # Errors
/// [`crate::Error::Io`] when it cannot be written; pictures that are missing are left out.
pub fn write_report(out: &Path, results: &Results, settings: &[(String, String)]) -> Result<()> {
    let path = out.join("report.html");
    write_atomic(&path, |file| render(results, settings, |record| Tiles::load(out, record), file))
}

/// Renders the page: summary, settings, histogram, failures, then every image, the highest score first. Pictures are
/// embedded, shrunk to 512 pixels, in larger runs to 256 or 160; there is no script and no other file.
///
/// `tiles` gives the pictures of a record; it is called from several threads, for a few records at a time.
/// # Errors
/// What `out` returns.
pub fn render(
    results: &Results,
    settings: &[(String, String)],
    tiles: impl Fn(&Record) -> Tiles + Sync,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut records: Vec<&Record> = results.records.iter().collect();
    records.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.path.cmp(&b.path)));
    write!(out, "{}{}", head("Residua report"), summary(results))?;
    write!(out, "{}{}", overview(results, settings), failures(results))?;
    write!(out, "{}{}", volumes(results), filters(results))?;
    let side = side(records.len());
    let top = records.first().map_or(0.0, |r| r.score);
    // In portions, so that a large run is not held in memory at once.
    for portion in records.chunks(64) {
        let cards: Vec<String> = portion.par_iter().map(|r| card(r, &tiles(r), side, top)).collect();
        cards.iter().try_for_each(|card| out.write_all(card.as_bytes()))?;
    }
    writeln!(out, "</section></main>{}", foot(&results.version))
}

/// A whole page in the house style around what its body holds.
pub(crate) fn page(title: &str, version: &str, body: &str) -> String {
    format!("{}{body}{}\n", head(title), foot(version))
}

fn foot(version: &str) -> String {
    format!("<footer>Residua {}</footer></body></html>", escape(version))
}

fn head(title: &str) -> String {
    let stripe: Vec<String> =
        (0..=8).map(|i| heat(i as f32 / 8.0)).map(|[r, g, b]| format!("rgb({r},{g},{b})")).collect();
    format!(
        concat!(
            r#"<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"/>"#,
            r#"<meta name="viewport" content="width=device-width, initial-scale=1"/>"#,
            r#"<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"/>"#,
            "<title>{}</title><style>{}:root{{--stripe:linear-gradient(90deg,{})}}</style></head><body>",
        ),
        escape(title),
        STYLE,
        stripe.join(",")
    )
}

fn summary(results: &Results) -> String {
    let [anomalous, normal, unjudged] =
        [Verdict::Anomalous, Verdict::Normal, Verdict::Unjudged].map(|v| results.count(v));
    let failed = results.failures.len();
    let images = results.records.len();
    let mut page = format!(
        r#"<header><h1>Anomaly report</h1><p class="when">{}</p><ul class="figures"><li><b>{images}</b> {}</li>"#,
        escape(&results.created.replace('T', " ").replace('Z', " UTC")),
        if images == 1 { "image" } else { "images" }
    );
    for (count, class, what) in [
        (anomalous, "anomalous", "anomalous"),
        (normal, "normal", "normal"),
        (unjudged, "unjudged", "unjudged"),
        (failed, "failed", "failed"),
    ] {
        // What judges was not asked for is not shown; a clean run still says that nothing was found.
        if count > 0 || (class == "anomalous" && unjudged < images) {
            let _ = write!(page, r#"<li class="{class}"><b>{count}</b> {what}</li>"#);
        }
    }
    page + "</ul></header><main>"
}

/// The histogram and, beside it where there is room, the settings.
fn overview(results: &Results, settings: &[(String, String)]) -> String {
    let drawing = match histogram(&results.records) {
        drawing if drawing.is_empty() => drawing,
        drawing => format!("<section><h2>Scores</h2>{drawing}</section>"),
    };
    format!(r#"<div class="overview">{drawing}{}</div>"#, settings_table(results, settings))
}

fn failures(results: &Results) -> String {
    if results.failures.is_empty() {
        return String::new();
    }
    let mut page = String::from("<section class=\"failures\"><h2>Not processed</h2><table>");
    for f in &results.failures {
        let path = f.path.to_string_lossy();
        // Most errors begin with the path, which the first column has already.
        let error = f.error.strip_prefix(&*path).map_or(&*f.error, |rest| rest.trim_start_matches([':', ' ']));
        let _ = write!(page, r#"<tr><th scope="row">{}</th><td>{}</td></tr>"#, escape(&path), escape(error));
    }
    page + "</table></section>"
}

/// The volumes that were judged as a whole.
fn volumes(results: &Results) -> String {
    if results.volumes.is_empty() {
        return String::new();
    }
    let mut page = String::from("<section><h2>Volumes</h2><table class=\"settings\">");
    for v in &results.volumes {
        let (name, verdict) = (escape(&v.name), v.verdict.as_str());
        let p = v.p_value.map(|p| format!(", p = {}", number(p))).unwrap_or_default();
        let score = number(v.score);
        let _ = write!(page, r#"<tr><th scope="row">{name}</th><td>{score}{p}, {verdict}</td></tr>"#);
    }
    page + "</table></section>"
}

/// Choices that hide verdicts, by style sheet alone, and the beginning of the list of images.
fn filters(results: &Results) -> String {
    let mut page = String::from(r#"<section class="images"><h2>Images, highest score first</h2>"#);
    let present: Vec<Verdict> = [Verdict::Anomalous, Verdict::Normal, Verdict::Unjudged]
        .into_iter()
        .filter(|&v| results.count(v) > 0)
        .collect();
    if present.len() > 1 {
        page += r#"<input type="radio" name="show" id="show-all" checked="checked"/><label for="show-all">all</label>"#;
        for verdict in present {
            let v = verdict.as_str();
            let _ = write!(page, r#"<input type="radio" name="show" id="show-{v}"/><label for="show-{v}">{v}</label>"#);
        }
    }
    page
}

fn card(record: &Record, tiles: &Tiles, side: usize, top: f64) -> String {
    let verdict = record.verdict.as_str();
    let share = if top > 0.0 { (record.score / top * 100.0).clamp(0.0, 100.0) } else { 0.0 };
    let path = escape(&record.path.to_string_lossy());
    let mut card = format!(
        concat!(
            r#"<article class="{v}"><div class="title"><h3 title="{path}">{name}</h3><span class="badge {v}">{v}</span>"#,
            r#"<span class="score" title="{exact}">{score}</span><span class="bar"><i style="width:{share:.1}%"></i></span></div>"#,
            r#"<div class="tiles">"#,
        ),
        v = verdict,
        path = path,
        name = escape(&record.name),
        exact = record.score,
        score = number(record.score),
        share = share
    );
    for (caption, raster) in tiles.captioned() {
        let Some(uri) = raster.and_then(|r| data_uri(r, side, caption == "Mask")) else { continue };
        let _ = write!(
            card,
            r#"<figure><img src="{uri}" alt="{caption} of {}" loading="lazy"/><figcaption>{caption}</figcaption></figure>"#,
            escape(&record.name)
        );
    }
    card += "</div>";
    for warning in &record.warnings {
        let _ = write!(card, r#"<p class="warning">{}</p>"#, escape(warning));
    }
    card + "</article>"
}

/// What the run was made with: what the records agree on, how they differ, and what the caller adds.
fn settings_table(results: &Results, extra: &[(String, String)]) -> String {
    let records = &results.records;
    let several = |value: &dyn Fn(&Record) -> String| {
        let all: BTreeSet<String> = records.iter().map(value).collect();
        match all.len() {
            0..=3 => all.into_iter().collect::<Vec<_>>().join(", "),
            n => format!("{n} different"),
        }
    };
    let mut rows = vec![
        ("model".to_owned(), several(&|r| r.model.name.clone())),
        ("weights, SHA-256".to_owned(), several(&|r| r.model.sha256.chars().take(16).collect())),
        ("device".to_owned(), several(&|r| r.device.clone())),
        ("seed".to_owned(), several(&|r| r.seed.to_string())),
        ("threshold".to_owned(), common_threshold(records).map(number).unwrap_or_default()),
    ];
    let system = |r: &Record| r.parameters.get("system").cloned().unwrap_or_default();
    let parts: [&dyn Fn(&Record) -> Value; 2] = [&|r| Value::clone(&r.parameters), &system];
    for part in parts {
        let keys = records.first().map(part);
        for key in keys.iter().filter_map(Value::as_object).flat_map(|o| o.keys()).filter(|k| *k != "system") {
            rows.push((key.replace('_', " "), several(&|r| in_words(&part(r)[key]))));
        }
    }
    if !records.is_empty() {
        rows.push(("seconds in all".to_owned(), number(records.iter().map(|r| r.seconds).sum())));
    }
    rows.extend(extra.iter().cloned());
    let mut page = String::from("<section><h2>Settings</h2><table class=\"settings\">");
    for (name, value) in rows.iter().filter(|row| !row.1.is_empty()) {
        let _ = write!(page, r#"<tr><th scope="row">{}</th><td>{}</td></tr>"#, escape(name), escape(value));
    }
    page + "</table></section>"
}

#[cfg(test)]
#[path = "html_tests.rs"]
mod tests;
