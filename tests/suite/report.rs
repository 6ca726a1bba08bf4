//! `report.html` of a run that is too large to hold its pictures.
use crate::common::folder::{model, picture};
use crate::common::run;
use std::path::{Path, PathBuf};

/// The targets of the page's links and pictures that lie beside it, as paths.
fn targets(page: &str, folder: &Path) -> Vec<PathBuf> {
    let ends = ["href=\"./", "data-f=\"./"].iter().flat_map(|start| page.split(start).skip(1));
    ends.map(|rest| folder.join(decoded(rest.split('"').next().unwrap()))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_large_report_shows_all_images_from_files_beside_it_and_may_be_moved() {
    let dir = tempfile::tempdir().unwrap();
    let folder = model(&dir);
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(at("in")).unwrap();
    for i in 0..64 {
        picture(&dir.path().join(format!("in/{i}.png")), 24, 16, i);
    }
    let odd = ["50% off #1.png", "a?b'&amp;.png", "tür + <b>.png"];
    odd.iter().for_each(|name| picture(&dir.path().join("in").join(name), 24, 16, 3));
    let (model, out) = (folder.to_str().unwrap().to_owned(), at("out"));
    let (code, text, err) = run(&["detect", &at("in"), "--model", &model, "--device", "cpu", "--out", &out, "--maps"]);
    assert_eq!(code, 0, "{text}{err}");
    let moved = dir.path().join("elsewhere/results");
    std::fs::create_dir(dir.path().join("elsewhere")).unwrap();
    std::fs::rename(&out, &moved).unwrap();
    std::fs::remove_dir_all(at("in")).unwrap();
    let page = std::fs::read_to_string(moved.join("report.html")).unwrap();
    assert_eq!((page.matches("<article").count(), page.matches("<tr class=").count()), (64, 3));
    assert!(page.contains("An image is anomalous above 0.001, a pixel above 0.1, both from detector.json."), "{page}");
    assert!(page.contains("Values: the full range of a file") && page.contains("The score is the mean of the map."));
    let found = targets(&page, &moved);
    // Four links from each card (the input is no file of the folder), one from each row and its folder.
    assert_eq!(found.len(), 64 * 4 + 3 * 2);
    for path in &found {
        assert!(path.exists(), "{}", path.display());
    }
    let previews: Vec<PathBuf> = found.into_iter().filter(|p| p.ends_with("preview.jpg")).collect();
    assert_eq!(previews.len(), 3);
    for path in &previews {
        let picture = image::open(path).unwrap();
        assert_eq!((picture.width(), picture.height()), (5 * 24, 16), "{}", path.display());
    }
}
