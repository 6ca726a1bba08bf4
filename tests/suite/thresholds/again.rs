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

#[test]
fn what_the_config_beside_the_weights_says_is_part_of_the_model() {
    let p = Place::new();
    (0..3).for_each(|i| p.picture(&format!("normal/{i}.png"), i));
    let normal = p.text("normal");
    assert_eq!(p.run(&["calibrate", &normal]).0, 0);
    assert_eq!(p.detect("normal", &["--fpr", "0.25"]).0, 0);
    let before = p.json("out/results.json")["records"].clone();
    let config = std::fs::read_to_string(p.at("model/config.json")).unwrap();
    std::fs::write(p.at("model/config.json"), config.replacen('{', "{\"norm_eps\": 0.5, ", 1)).unwrap();
    let (code, said) = p.detect("normal", &["--fpr", "0.25"]);
    assert!(code == 2 && said.contains("calibration.json: was made with another config beside the weights"), "{said}");
    // Without a rate the folder's own thresholds judge, and it is said that they may be of before.
    let (code, said) = p.run(&["detect", &normal, "--out", &p.text("by the folder's")]);
    assert!(code == 0 && said.contains("if the thresholds of detector.json come from it, they do not hold"), "{said}");
    let ran = run(&["rescore", &p.text("out"), "--threshold", &before[0]["score"].to_string()]);
    assert_eq!(ran.0, 0, "{}", ran.2);
    // To the last bit, so that a score is not above itself.
    let again = p.json("out/results.json")["records"].clone();
    assert_eq!((&again[0]["score"], &again[0]["verdict"]), (&before[0]["score"], &"normal".into()));
    assert_eq!(p.detect("normal", &["--resume"]).0, 0);
    assert_ne!(p.json("out/results.json")["records"][0]["score"], before[0]["score"]);
}
