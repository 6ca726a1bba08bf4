//! Results that are judged again.
use super::*;

#[test]
fn judging_again_passes_nothing_that_failed() {
    let p = Place::new();
    p.picture("in/a.png", 3);
    std::fs::write(p.at("in/b.png"), "xx").unwrap();
    assert_eq!(p.detect("in", &["--maps"]).0, 2);
    let out = p.text("out");
    let rescore = |more: &[&str]| {
        let (code, text, err) = run(&[&["rescore", &out], more].concat());
        (code, text + &err)
    };
    let (code, said) = rescore(&["--threshold", "1e9", "--gate"]);
    assert!(code == 2 && said.contains("b.png") && said.contains("1 failed"), "{said}");
    assert_eq!(rescore(&["--threshold", "-1", "--gate"]).0, 2);
    std::fs::remove_file(p.at("in/b.png")).unwrap();
    assert_eq!(p.detect("in", &["--maps", "--runs", "2"]).0, 0);
    let (code, said) = rescore(&["--pixel-threshold", "0.1", "--gate"]);
    assert!(code == 2 && said.contains("a.png: --gate: there is no image threshold to judge it by"), "{said}");
    assert_eq!(rescore(&["--threshold", "1e9", "--gate"]).0, 0);
    assert_eq!(rescore(&["--threshold", "-1", "--gate"]).0, 1);
    // A map that another run left is no map of this result.
    let map = std::fs::read(p.at("out/a/map.npy")).unwrap();
    assert_eq!(p.detect("in", &["--maps"]).0, 0);
    std::fs::write(p.at("out/a/map.npy"), map).unwrap();
    let (code, said) = rescore(&["--pixel-threshold", "0.1"]);
    assert!(code == 2 && said.contains("map.npy: gives the score") && said.contains("of another run"), "{said}");
    // Damaged results are said in words.
    let text = std::fs::read_to_string(p.at("out/results.json")).unwrap();
    let score = text.lines().find(|l| l.contains("\"score\"")).unwrap();
    std::fs::write(p.at("out/results.json"), text.replace(score, "      \"score\": null,")).unwrap();
    let (code, said) = rescore(&["--threshold", "1"]);
    assert!(code == 2 && said.contains("`records[0].score` is null, but a number is needed"), "{said}");
}
