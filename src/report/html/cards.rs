//! The images: cards with pictures, and the table of those that are shown from their files.
use crate::report::preview::Preview;
use crate::report::record::{Record, Results, Verdict};
use crate::report::tiles::{PICTURES, Tiles, data_uri};
use crate::report::words::{escape, href, number};
use std::fmt::Write;

/// Forwards and backwards; shown by the script where there is more than one page.
pub const PAGER: &str = concat!(
    r#"<nav id="pager" aria-label="Pages" hidden="hidden"><button type="button" id="before">Previous</button>"#,
    r#"<span id="place" role="status"></span><button type="button" id="after">Next</button></nav>"#
);

/// Choices that hide verdicts, by style sheet alone; what needs the script, which shows it; the beginning of the images.
pub fn filters(results: &Results) -> String {
    let mut page = String::from(r#"<section class="images" id="images"><h2>Images</h2>"#);
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
    if results.records.len() > 1 {
        page += concat!(
            r#"<div id="tools" hidden="hidden"><label>Name <input type="search" id="search" autocomplete="off"/></label>"#,
            r#"<label>Order <select id="order"><option value="high">highest score first</option>"#,
            r#"<option value="low">lowest score first</option><option value="name">by name</option></select></label></div>"#
        );
    }
    page
}

/// An image with its pictures inside the page, at most `side` pixels wide or high. `top` is the highest score.
pub fn card(record: &Record, tiles: &Tiles, side: usize, top: f64) -> String {
    let verdict = record.verdict.as_str();
    let mut card = format!(
        concat!(
            r#"<article class="{v}"><div class="title"><h3 title="{path}">{name}</h3><span class="badge {v}">{v}</span>"#,
            r#"<span class="score" title="{exact}">{score}</span><span class="bar"><i style="width:{share:.1}%"></i></span></div>"#,
            r#"<div class="tiles">"#,
        ),
        v = verdict,
        path = escape(&record.path.to_string_lossy()),
        name = escape(&record.name),
        exact = record.score,
        score = score(record),
        share = share(record, top)
    );
    for (picture, raster) in PICTURES.iter().zip(tiles.in_order()) {
        let exact = picture.caption == "Mask";
        let Some(uri) = raster.and_then(|r| data_uri(r, side, exact)) else { continue };
        let (caption, name) = (picture.caption, escape(&record.name));
        let img = format!(r#"<img src="{uri}" alt="{caption} of {name}" loading="lazy"/>"#);
        let img = match tiles.input_kept || picture.file != "input.png" {
            true => format!(r#"<a href="./{}/{}">{img}</a>"#, href(&record.folder), picture.file),
            false => img,
        };
        let _ = write!(card, "<figure>{img}<figcaption>{caption}</figcaption></figure>");
    }
    card += "</div>";
    for warning in &record.warnings {
        let _ = write!(card, r#"<p class="warning">{}</p>"#, escape(warning));
    }
    card + "</article>"
}

/// The beginning of the table of the images that are shown from their files: without the script it is a list with links, and the
/// script makes cards of its rows.
pub fn rest_head(images: usize) -> String {
    format!(
        concat!(
            r#"<details id="rest" open="open"><summary>The other {} images</summary><div class="wide"><table><thead><tr>"#,
            r#"<th scope="col">image</th><th scope="col">score</th><th scope="col">verdict</th><th scope="col">notes</th></tr></thead><tbody>"#
        ),
        images
    )
}

/// A row of that table. Its attributes tell the script which pictures the preview holds (`data-p`), their shape (`data-a`),
/// whether the input is a file there (`data-k`) and the length of the bar (`data-w`).
pub fn row(record: &Record, preview: Option<&Preview>, top: f64) -> String {
    let (verdict, folder) = (record.verdict.as_str(), href(&record.folder));
    let mut row = format!(r#"<tr class="{verdict}" data-f="./{folder}/" data-w="{:.1}""#, share(record, top));
    if let Some(p) = preview {
        let _ = write!(row, r#" data-p="{}" data-a="{}/{}""#, p.pictures, p.width, p.height);
        if p.input_kept {
            row += r#" data-k="1""#;
        }
    }
    let (path, name) = (escape(&record.path.to_string_lossy()), escape(&record.name));
    let name = match preview {
        Some(_) => format!(r#"<a href="./{folder}/preview.jpg">{name}</a>"#),
        None => name,
    };
    let notes: Vec<String> = record.warnings.iter().map(|w| format!("<p>{}</p>", escape(w))).collect();
    let _ = write!(
        row,
        r#"><th scope="row" title="{path}">{name}</th><td title="{}">{}</td><td>{verdict}</td><td>{}</td></tr>"#,
        record.score,
        score(record),
        notes.concat()
    );
    row + "\n"
}

fn score(record: &Record) -> String {
    number(record.score) + &record.p_value.map(|p| format!(" (p = {})", number(p))).unwrap_or_default()
}

/// The score's part of the highest one, in percent.
fn share(record: &Record, top: f64) -> f64 {
    if top > 0.0 { (record.score / top * 100.0).clamp(0.0, 100.0) } else { 0.0 }
}
