use super::super::record::tests::record;
use super::super::words::number;
use super::super::{Verdict, heatmap, mask_picture};
use super::*;
use crate::data::Failure;
use crate::data::Map;

/// A gray card with a hot spot whose place depends on `n`.
fn tiles(n: usize, size: usize) -> Tiles {
    let data: Vec<f32> = (0..size * size)
        .map(|p| {
            let (x, y) = ((p % size) as f32 - (n * 7 % size) as f32, (p / size) as f32 - (n * 13 % size) as f32);
            (-(x * x + y * y) / (size as f32)).exp()
        })
        .collect();
    let map = Map::new(size, size, data).unwrap();
    let mask = mask_picture(size, size, &map.mask(0.5)).unwrap();
    let heat = heatmap(&map, 1.0);
    Tiles { heatmap: Some(heat.clone()), overlay: Some(heat), mask: Some(mask), ..Tiles::default() }
}

fn page(results: &Results, size: usize) -> String {
    let mut out = Vec::new();
    let about = About { said: vec!["Values: <as they are>.".into()], settings: vec![("note".into(), "a < b".into())] };
    let preview = Preview { pictures: "124".into(), width: 64, height: 48, input_kept: false };
    let previews = vec![Some(preview); results.records.len().saturating_sub(EMBEDDED)];
    render(results, &ranked(results), &about, |r| tiles(r.name.len(), size), &previews, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Every element that opens closes, in order; attributes are quoted.
fn assert_well_formed(page: &str) {
    let mut open = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").unwrap();
    while let Some(at) = rest.find('<') {
        let end = at + rest[at..].find('>').unwrap();
        let tag = &rest[at + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let name = tag.split([' ', '/']).find(|s| !s.is_empty()).unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "</{name}>");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        rest = &rest[end + 1..];
        if ["style", "script"].contains(&name) && !tag.starts_with('/') {
            rest = &rest[rest.find(&format!("</{name}>")).unwrap()..];
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_report_is_one_well_formed_page_sorted_by_score() {
    let mut results = Results::begin();
    results.records = vec![record("low", 0.1), record("<b>&\"evil\"\n'", 0.9), record("mid", 0.5)];
    results.records[0].warnings.push("its transparent pixels were blended over black".into());
    results.failures = vec![Failure { path: "in/<i>.png".into(), error: "in/<i>.png: the file is empty".into() }];
    let page = page(&results, 64);
    assert_well_formed(&page);
    assert!(!page.contains("<b>&") && !page.contains("<i>.png") && !page.contains("<as they"));
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(place("&lt;b&gt;&amp;&quot;evil&quot;\u{fffd}&#39;</h3>") < place("mid</h3>"));
    assert!(place("mid</h3>") < place("low</h3>"));
    assert!(place("Values: &lt;as they are&gt;.") < place("mid</h3>"));
    assert!(
        page.contains("<b>3</b> images") && page.contains("<b>1</b> anomalous") && page.contains("<b>1</b> failed")
    );
    assert!(page.contains("<td>the file is empty</td>") && page.contains("<td>a &lt; b</td>"));
    assert!(page.contains("lambda</th><td>250</td>") && page.contains("threshold 0.5"));
    assert_eq!(page.matches("<img src=\"data:image/png;base64,").count(), 9);
    assert!(page.contains(r#"href="./%3Cb%3E%26%22evil%22%0A%27/mask.png""#), "links hold the folder's name");
    for outside in ["http:", "https:", "<link", "url(", "src=\"./", "<script src"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn settings_and_scores_fold_away_and_few_failures_do_not() {
    let mut results = Results::begin();
    results.records = vec![record("a", 0.1)];
    results.failures = vec![Failure { path: "b".into(), error: "the file is empty".into() }; 3];
    let folded = page(&results, 8);
    for (class, open) in [("failures", true), ("settings", false), ("scores", false)] {
        let wanted = if open { r#" open="open">"# } else { ">" };
        assert!(folded.contains(&format!(r#"<details class="{class}"{wanted}"#)), "{class}");
    }
    results.failures = vec![results.failures[0].clone(); 4];
    assert!(page(&results, 8).contains(r#"<details class="failures"><summary>Not processed (4)"#));
}

#[test]
fn notes_of_all_images_stand_at_the_top_and_others_are_counted() {
    let mut results = Results::begin();
    results.records = (0..3).map(|i| record(&format!("image {i}"), 0.25)).collect();
    results.records.iter_mut().for_each(|r| r.warnings = vec!["its range was taken as 0 to 4095".into()]);
    results.records[1].warnings.push("only the first of its pages was read".into());
    let page = page(&results, 8);
    assert!(page.contains("Of every image: its range was taken as 0 to 4095.</p>"));
    assert!(page.contains("Notes (2)</summary>"));
    assert!(page.contains(r#"<th scope="row">1 image</th><td>only the first of its pages was read</td>"#));
}

#[test]
fn an_empty_run_and_a_large_one_make_a_page() {
    let mut results = Results::begin();
    assert_well_formed(&page(&results, 8));
    results.records = (0..100)
        .map(|i| Record { threshold: None, verdict: Verdict::Unjudged, ..record(&format!("image {i}"), f64::from(i)) })
        .collect();
    let page = page(&results, 300);
    assert_well_formed(&page);
    assert_eq!((page.matches("<article").count(), page.matches("<tr class=\"unjudged\"").count()), (64, 36));
    assert!(page.len() < 64 * 60_000, "{} bytes", page.len());
    assert!(page.contains("<b>100</b> unjudged") && !page.contains("show-all\""));
    let row = r#"<tr class="unjudged" data-f="./image%2035/" data-w="35.4" data-p="124" data-a="64/48"><th scope="row" title="in/image 35.png"><a href="./image%2035/preview.jpg">image 35</a></th>"#;
    assert!(page.contains(row), "the highest score after the 64 embedded ones");
}

#[test]
fn reports_are_made_from_the_files_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut results = Results::begin();
    results.records = vec![record("a", 0.9), record("b", 0.2)];
    std::fs::create_dir(folder.path().join("a")).unwrap();
    let heat = tiles(3, 32).heatmap.unwrap().png().unwrap();
    std::fs::write(folder.path().join("a/heatmap.png"), heat).unwrap();
    std::fs::write(folder.path().join("a/mask.png"), b"damaged").unwrap();
    write_report(folder.path(), &results, &About::default()).unwrap();
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert_eq!((page.matches("<img").count(), page.matches("<article").count()), (1, 2));
}

/// Ten thousand images: one page of a few megabytes, and previews in the folders that have pictures.
#[test]
fn ten_thousand_images_make_a_small_page() {
    let folder = tempfile::tempdir().unwrap();
    let mut results = Results::begin();
    results.records = (0..10_000).map(|i| record(&format!("{i:05}"), f64::from(i % 997) / 997.0)).collect();
    let heat = tiles(3, 32).heatmap.unwrap().png().unwrap();
    for name in ["00000", "00001", "00996"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join("heatmap.png"), &heat).unwrap();
    }
    write_report(folder.path(), &results, &About::default()).unwrap();
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert_eq!((page.matches("<article").count(), page.matches("<tr class=").count()), (64, 9_936));
    assert!(page.len() < 4_000_000, "{} bytes", page.len());
    assert_eq!(page.matches("preview.jpg\">").count(), 2);
    let has = |name: &str| folder.path().join(name).join("preview.jpg").is_file();
    assert_eq!(["00000", "00001", "00996"].map(has), [true, true, false], "the highest scores are in the page itself");
}

#[test]
fn numbers_have_four_digits() {
    for (value, text) in [
        (0.0, "0"),
        (0.5, "0.5"),
        (0.123456, "0.1235"),
        (12.34567, "12.35"),
        (-3.0, "-3"),
        (123456.7, "123457"),
        (1.5e-7, "1.500e-7"),
    ] {
        assert_eq!(number(value), text);
    }
}
