//! What stands above the images: how many there are, what was taken for granted, and what folds away.
use super::About;
use crate::report::record::{Results, Verdict};
use crate::report::words::{escape, number};
use std::collections::HashMap;
use std::fmt::Write;

/// The heading, and how many images were judged how.
pub fn summary(results: &Results) -> String {
    let [anomalous, normal, unjudged] =
        [Verdict::Anomalous, Verdict::Normal, Verdict::Unjudged].map(|v| results.count(v));
    let failed = results.failures.len();
    let images = results.records.len();
    let mut page = format!(
        r#"<header><div><h1>Anomaly report</h1><p class="when">{}</p></div><ul class="figures"><li><b>{images}</b> {}</li>"#,
        escape(&results.created.replace('T', " ").replace('Z', " UTC")),
        if images == 1 { "image" } else { "images" }
    );
    for (count, class) in [(anomalous, "anomalous"), (normal, "normal"), (unjudged, "unjudged"), (failed, "failed")] {
        // What judges was not asked for is not shown; a clean run still says that nothing was found.
        if count > 0 || (class == "anomalous" && unjudged < images) {
            let _ = write!(page, r#"<li class="{class}"><b>{count}</b> {class}</li>"#);
        }
    }
    page + "</ul></header>"
}

/// What the caller says, and the notes that every image has.
pub fn said_lines(results: &Results, about: &About) -> String {
    let common = counted(results).into_iter().filter(|n| n.1 == results.records.len());
    let common = common.map(|(note, _)| format!("Of every image: {note}."));
    let all: Vec<String> = about.said.iter().cloned().chain(common).map(|s| escape(&s)).collect();
    if all.is_empty() { String::new() } else { format!(r#"<p class="said">{}</p>"#, all.join(" ")) }
}

/// A part that opens at a click, and is open from the beginning where there are few; nothing when it is empty.
pub fn fold(class: &str, title: &str, count: usize, open: impl Fn(usize) -> bool, body: &str) -> String {
    if body.is_empty() {
        return String::new();
    }
    let open = if open(count) { r#" open="open""# } else { "" };
    let count = if count > 0 { format!(" ({count})") } else { String::new() };
    format!(r#"<details class="{class}"{open}><summary>{title}{count}</summary>{body}</details>"#)
}

/// What gave no result, and why.
pub fn failures(results: &Results) -> String {
    let mut rows = String::new();
    for f in &results.failures {
        let path = f.path.to_string_lossy();
        // Most errors begin with the path, which the first column has already.
        let error = f.error.strip_prefix(&*path).map_or(&*f.error, |rest| rest.trim_start_matches([':', ' ']));
        let _ = write!(rows, r#"<tr><th scope="row">{}</th><td>{}</td></tr>"#, escape(&path), escape(error));
    }
    table(&rows)
}

/// The volumes that were judged as a whole.
pub fn volumes(results: &Results) -> String {
    let mut rows = String::new();
    for v in &results.volumes {
        let (name, verdict) = (escape(&v.name), v.verdict.as_str());
        let p = v.p_value.map(|p| format!(", p = {}", number(p))).unwrap_or_default();
        let score = number(v.score);
        let _ = write!(rows, r#"<tr><th scope="row">{name}</th><td class="{verdict}">{score}{p}, {verdict}</td></tr>"#);
    }
    table(&rows)
}

/// How many of the images' notes differ, and a list of them, the most frequent first.
pub fn notes(results: &Results) -> (usize, String) {
    const SHOWN: usize = 12;
    let all = counted(results);
    let mut rows = String::new();
    for (note, count) in all.iter().take(SHOWN) {
        let images = if *count == 1 { "1 image".to_owned() } else { format!("{count} images") };
        let _ = write!(rows, r#"<tr><th scope="row">{images}</th><td>{}</td></tr>"#, escape(note));
    }
    if let more @ 1.. = all.len().saturating_sub(SHOWN) {
        let _ = write!(rows, r#"<tr><th scope="row">and</th><td>{more} others, which stand at their images</td></tr>"#);
    }
    (all.len(), table(&rows))
}

fn table(rows: &str) -> String {
    if rows.is_empty() { String::new() } else { format!("<table>{rows}</table>") }
}

/// Every note with the number of images that have it.
fn counted(results: &Results) -> Vec<(&str, usize)> {
    let mut count: HashMap<&str, usize> = HashMap::new();
    for record in &results.records {
        record.warnings.iter().for_each(|note| *count.entry(note).or_default() += 1);
    }
    let mut all: Vec<_> = count.into_iter().collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    all
}
