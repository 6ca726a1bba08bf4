use super::super::record::tests::record;
use super::super::{heatmap, mask_picture};
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
    render(results, &[("note".into(), "a < b".into())], |r| tiles(r.name.len(), size), &mut out).unwrap();
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
        if name == "style" && !tag.starts_with('/') {
            rest = &rest[rest.find("</style>").unwrap()..];
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_report_is_one_well_formed_page_sorted_by_score() {
    let mut results = Results::begin();
    results.records = vec![record("low", 0.1), record("<b>&\"evil\"", 0.9), record("mid", 0.5)];
    results.records[0].warnings.push("its transparent pixels were blended over black".into());
    results.failures = vec![Failure { path: "in/<i>.png".into(), error: "in/<i>.png: the file is empty".into() }];
    let page = page(&results, 64);
    assert_well_formed(&page);
    assert!(!page.contains("<b>&") && !page.contains("<i>.png"));
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(place("&lt;b&gt;&amp;&quot;evil&quot;</h3>") < place("mid</h3>"));
    assert!(place("mid</h3>") < place("low</h3>"));
    assert!(
        page.contains("<b>3</b> images") && page.contains("<b>1</b> anomalous") && page.contains("<b>1</b> failed")
    );
    assert!(page.contains("<td>the file is empty</td>") && page.contains("<td>a &lt; b</td>"));
    assert!(page.contains("lambda</th><td>250</td>") && page.contains("threshold 0.5"));
    assert_eq!(page.matches("<img src=\"data:image/png;base64,").count(), 9);
    for outside in ["http:", "https:", "<script", "<link", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn an_empty_run_and_a_large_one_make_a_page() {
    let mut results = Results::begin();
    assert_well_formed(&page(&results, 8));
    results.records = (0..40)
        .map(|i| Record { threshold: None, verdict: Verdict::Unjudged, ..record(&format!("image {i}"), f64::from(i)) })
        .collect();
    let page = page(&results, 300);
    assert_well_formed(&page);
    assert_eq!(page.matches("<article").count(), 40);
    assert!(page.len() < 40 * 60_000, "{} bytes", page.len());
    assert!(page.contains("<b>40</b> unjudged") && !page.contains("show-all\""));
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
    write_report(folder.path(), &results, &[]).unwrap();
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert_eq!((page.matches("<img").count(), page.matches("<article").count()), (1, 2));
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
