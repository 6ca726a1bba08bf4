//! What a labelled dataset is taken for is said, and a wrong guess ends in an error about the right thing.
use crate::common::place::Place;
use crate::common::run;
use serde_json::Value;
use std::path::{Path, PathBuf};

impl Place {
    fn pictures(&self, names: &[&str]) {
        names.iter().enumerate().for_each(|(i, name)| self.picture(name, 11 * i as u32));
    }
    /// `residua eval`, its exit code, and everything that it said.
    fn eval(&self, input: &str, more: &[&str]) -> (i32, String) {
        let (input, model, out) = (self.text(input), self.text("model"), self.text("eval"));
        let model: &[&str] = if more.contains(&"--maps") { &[] } else { &["--model", &model, "--device", "cpu"] };
        let (code, text, err) = run(&[&["eval", &input, "--out", &out], model, more].concat());
        assert!(!err.contains("panicked"), "{err}");
        (code, text + &err)
    }
    fn report(&self) -> Value {
        self.json("eval/eval.json")
    }
}

/// Lists that were tried by a user: the names in them are those of the texture model's samples.
fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/manifests").join(name)
}

#[test]
fn lists_of_images_are_refused_as_lists() {
    let p = Place::new();
    let good: Vec<String> = (1..=4).map(|i| format!("data/i mg/good/brick-{i}.png")).collect();
    let bad = ["foreign", "scratch", "splash", "stain"].map(|n| format!("data/i mg/bad/{n}.png"));
    let masks = ["foreign", "scratch", "splash", "stain"].map(|n| format!("data/masks/{n}.png"));
    let all: Vec<&str> = good.iter().chain(&bad).chain(&masks).map(String::as_str).collect();
    p.pictures(&all);
    for name in ["semi.csv", "image_col.csv", "dup.csv", "testing.csv"] {
        std::fs::copy(corpus(name), p.at("data").join(name)).unwrap();
    }
    for (list, says) in [
        ("semi.csv", "semi.csv: its columns are separated by `;` (it begins with `path;label;mask`)"),
        ("image_col.csv", "has no column `path`; its columns are `image`, `label`, `mask`; `image` names files"),
        ("dup.csv", "dup.csv: lines 2 and 10 both name "),
        ("testing.csv", "no split `test`: choose by --split NAME; its splits are `testing` (6 rows), `train` (2 rows)"),
    ] {
        let (code, said) = p.eval(&format!("data/{list}"), &[]);
        assert!(code == 2 && said.contains(says), "{said}");
        assert!(!p.at("eval/eval.json").exists());
    }
    let (code, said) = p.eval("data/testing.csv", &["--split", "testing"]);
    let taken =
        "a list of images of the split `testing`: 2 normal, 4 anomalous; no masks; 2 rows of other splits are left out";
    assert!(code == 0 && said.contains(taken), "{said}");
    let report = p.report();
    assert_eq!((&report["taken_for"], report["images"].as_array().unwrap().len()), (&taken.into(), 6));
    assert!(std::fs::read_to_string(p.at("eval/eval.html")).unwrap().contains("2 normal, 4 anomalous"));
    // Other files that are no dataset.
    for (file, bytes, says) in [
        ("x.png", &b"\x89PNG\r\n"[..], "is one image, and no dataset"),
        ("list.txt", b"\xff\xfep\0", "is UTF-16 text"),
        ("list.json", b"{}", "has no column `path`"),
    ] {
        std::fs::write(p.at("data").join(file), bytes).unwrap();
        let (code, said) = p.eval(&format!("data/{file}"), &[]);
        assert!(code == 2 && said.contains(says), "{said}");
    }
}

#[test]
fn folders_are_said_as_they_are_understood() {
    let p = Place::new();
    p.pictures(&[
        "a/test/good/0.png",
        "a/test/hole/0.png",
        "a/train/good/0.png",
        "a/test/loose.png",
        "a/ground_truth/hole/0_mask.png",
    ]);
    let (code, said) = p.eval("a", &[]);
    let taken =
        "folders of images of the split `test`: 1 normal, 1 hole; 1 masks; 1 files beside the folders are not taken";
    assert!(code == 0 && said.contains(taken), "{said}");
    for (name, files, code, says) in [
        ("ok", &["OK/0.png", "NG/0.png"][..], 0, "folders of images: 1 normal, 1 NG; no masks"),
        (
            "btad",
            &["test/ok/0.bmp", "test/ko/0.bmp", "ground_truth/ko/0.bmp"],
            0,
            "split `test`: 1 normal, 1 ko; 1 masks",
        ),
        ("visa", &["Normal/0.png", "Anomaly/0.png"], 0, "1 normal, 1 Anomaly; no masks"),
        (
            "truth",
            &["good/0.png", "bad/0.png", "bad_gt/0.png"],
            2,
            "folder `bad_gt` would be taken for images of a defect, but its name",
        ),
        ("masks", &["good/0.png", "bad/0.png", "bad_masks/0.png"], 2, "folder `bad_masks` would be taken for"),
        ("parts", &["good/0.png", "bad/0.png", "validation/0.png"], 2, "that it is a part of the dataset"),
        ("two", &["good/0.png", "good2/0.png", "bad/0.png"], 2, "folder `good2` would be taken for"),
        ("prefixed", &["test_good/0.png", "test_bad/0.png"], 2, "it holds the folders test_bad/, test_good/"),
        ("mvtec", &["bottle/test/good/0.png", "cable/test/good/0.png"], 2, "datasets lie in bottle/, cable/: name one"),
    ] {
        let files: Vec<String> = files.iter().map(|f| format!("{name}/{f}")).collect();
        p.pictures(&files.iter().map(String::as_str).collect::<Vec<_>>());
        let (found, said) = p.eval(name, &[]);
        assert!(found == code && said.contains(says), "{name}: {said}");
    }
    // A list of patients beside the images makes no folder of tables of them.
    std::fs::write(p.at("mvtec/participants.csv"), "id,age\n1,30\n").unwrap();
    let (code, said) = p.eval("mvtec", &[]);
    assert!(code == 2 && said.contains("datasets lie in bottle/"), "{said}");
    let (code, said) = p.eval("ok", &["--sequence", "flair"]);
    assert!(code == 2 && said.contains("--sequence is for volumes beside their segmentations"), "{said}");
    let (code, said) = p.eval("ok", &["--axis", "2"]);
    assert!(code == 2 && said.contains("--axis: there is no volume among the images"), "{said}");
}

#[test]
fn maps_belong_to_their_images() {
    let p = Place::new();
    p.pictures(&["a/good/0.png", "a/bad/0.png", "b/good/0.png"]);
    // Of the same names, and others.
    p.picture("b/good/0.png", 90);
    std::fs::create_dir(p.at("b/bad")).unwrap();
    std::fs::copy(p.at("a/bad/0.png"), p.at("b/bad/0.png")).unwrap();
    let (input, model, out) = (p.text("a"), p.text("model"), p.text("out"));
    let args = ["detect", &input, "--model", &model, "--out", &out, "--device", "cpu", "--maps"];
    assert_eq!(run(&args).0, 0);
    assert_eq!(p.eval("a", &["--maps", &out]).0, 0);
    let (code, said) = p.eval("b", &["--maps", &out]);
    assert!(code == 2 && said.contains("b/good/0.png: has no result: that of its name is of another image"), "{said}");
    assert_eq!(p.report()["images"].as_array().unwrap().len(), 1, "a copy has the result of its original");
    for flag in [&["--runs", "2"][..], &["--seed", "1"], &["--quality", "fast"], &["--batch", "2"]] {
        let (code, said) = p.eval("a", &[&["--maps", &out], flag].concat());
        assert!(code == 2 && said.contains(&format!("{} is about running a model", flag[0])), "{said}");
    }
    let (code, said) = p.eval("a", &["--maps", &out, "--axis", "1"]);
    assert!(code == 2 && said.contains("holds no slice of a volume, which --axis is about"), "{said}");
    // Maps of an earlier run beside the results of a later one.
    let args = [&args[..args.len() - 1], &["--steps", "3"]].concat();
    assert_eq!(run(&args).0, 0);
    for folder in ["good__0", "bad__0"] {
        let map = p.at("out").join(folder).join("map.npy");
        if !map.exists() {
            continue;
        }
        let (code, said) = p.eval("a", &["--maps", &out]);
        assert!(code == 2 && said.contains("map.npy: gives the score") && said.contains("of another run"), "{said}");
    }
}

#[test]
fn equal_pictures_under_two_labels_or_in_training_are_told() {
    let p = Place::new();
    p.pictures(&["set/test/good/1.png", "set/test/good/2.png", "set/test/hole/3.png", "set/train/good/4.png"]);
    let two_labels = "byte for byte the same, such as";
    let (code, said) = p.eval("set", &[]);
    assert!(code == 0 && !said.contains("byte for byte"), "{said}");
    std::fs::copy(p.at("set/test/good/2.png"), p.at("set/test/hole/5.png")).unwrap();
    std::fs::copy(p.at("set/test/good/1.png"), p.at("set/train/good/6.png")).unwrap();
    for folder in ["set", "set/test"] {
        let (code, said) = p.eval(folder, &[]);
        assert!(code == 0 && said.contains(two_labels), "{said}");
        let [a, b] = ["set/test/good/2.png", "set/test/hole/5.png"].map(|n| p.text(n));
        assert!(said.contains(&format!("1 image stands under two labels, {two_labels} {a} and {b}")), "{said}");
        let [a, b] = ["set/test/good/1.png", "set/train/good/6.png"].map(|n| p.text(n));
        assert!(said.contains(&format!("1 image stands in training as well, {two_labels} {a} and {b}")), "{said}");
        let taken = p.report()["taken_for"].as_str().unwrap().to_owned();
        assert!(taken.contains("under two labels") && taken.contains("in training as well"), "{taken}");
    }
    let list = "path,label,split\nset/test/good/1.png,0,test\nset/test/good/2.png,0,test\nset/test/hole/5.png,1,test\n\
                set/train/good/6.png,0,train\nset/train/good/gone.png,0,train\n";
    std::fs::write(p.at("list.csv"), list).unwrap();
    let (code, said) = p.eval("list.csv", &[]);
    assert!(code == 0 && said.contains("under two labels") && said.contains("in training as well"), "{said}");
}

/// A gray picture, and a mask with a white square.
fn masked(p: &Place, image: &str, mask: &str, shift: u32) {
    p.picture(image, shift);
    std::fs::create_dir_all(p.at(mask).parent().unwrap()).unwrap();
    let inside = |x: u32, y: u32| (8..20).contains(&x) && (6..14).contains(&y);
    image::GrayImage::from_fn(32, 32, |x, y| image::Luma([if inside(x, y) { 255 } else { 0 }]))
        .save(p.at(mask))
        .unwrap();
}

#[test]
fn a_part_of_a_dataset_finds_the_masks_beside_it() {
    let p = Place::new();
    p.pictures(&["set/test/good/1.png", "set/test/good/2.png", "set/train/good/9.png"]);
    masked(&p, "set/test/hole/3.png", "set/ground_truth/hole/3_mask.png", 60);
    let (code, said) = p.eval("set", &[]);
    let wanted = p.report()["pixel"].clone();
    assert!(code == 0 && said.contains("; 1 masks") && wanted["auprc"].is_number(), "{said}");
    let (code, said) = p.eval("set/test", &[]);
    assert!(code == 0 && said.contains("; 1 masks") && p.report()["pixel"] == wanted, "{said}");
    // Masks by part.
    std::fs::create_dir(p.at("set/ground_truth/test")).unwrap();
    std::fs::rename(p.at("set/ground_truth/hole"), p.at("set/ground_truth/test/hole")).unwrap();
    assert!(p.eval("set/test", &[]).1.contains("; 1 masks") && p.report()["pixel"] == wanted);
    // Its own masks go before.
    std::fs::create_dir_all(p.at("set/test/ground_truth/hole")).unwrap();
    image::GrayImage::from_pixel(32, 32, image::Luma([255])).save(p.at("set/test/ground_truth/hole/3.png")).unwrap();
    assert!(p.eval("set/test", &[]).0 == 0 && p.report()["pixel"] != wanted);
}

#[test]
fn a_folder_above_datasets_names_them() {
    let p = Place::new();
    p.pictures(&["VisA/candle/Data/Images/Normal/1.png", "VisA/candle/Data/Images/Anomaly/2.png"]);
    p.pictures(&["VisA/pcb1/Data/Images/Normal/1.png", "VisA/pcb1/Data/Images/Anomaly/2.png"]);
    let (code, said) = p.eval("VisA/candle", &[]);
    assert!(code == 2 && said.contains("datasets lie in Data/: name one of them"), "{said}");
    let (code, said) = p.eval("VisA", &[]);
    assert!(code == 2 && said.contains("datasets lie in candle/Data/, pcb1/Data/: name one of them"), "{said}");
    assert_eq!(p.eval("VisA/candle/Data", &[]).0, 0);
}

#[test]
fn words_are_about_what_was_given() {
    let p = Place::new();
    p.pictures(&["in/good/1.png", "in/bad/2.png"]);
    for name in ["list.csv", "list.txt", "table.tsv"] {
        let text: Vec<u8> = "\u{feff}path,label\ngood/1.png,0\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        std::fs::write(p.at(name), text).unwrap();
        for flags in [&[][..], &["--lambda", "5"], &["--split", "test"], &["--label", "y"]] {
            let (code, said) = p.eval(name, flags);
            assert!(code == 2 && said.contains(&format!("{name}: is UTF-16 text; save it as UTF-8")), "{said}");
        }
    }
    std::fs::write(p.at("hard.csv"), "a,b,label\n1,2,0\n3,4,1\n").unwrap();
    let (code, said) = p.eval("hard.csv", &["--maps", "results"]);
    assert!(
        code == 2 && said.contains("hard.csv: is taken for a table; --maps is for the results of images"),
        "{said}"
    );
    for flag in ["--lambda", "--steps", "--runs", "--size"] {
        for value in ["-3", "x", "2.5"] {
            let (code, said) = p.eval("in", &[flag, value]);
            let fault = format!("'{value}' for '{flag} <");
            assert!(code == 2 && said.contains(&fault) && said.contains("a whole number is needed"), "{said}");
        }
    }
    let (code, said) = p.eval("in", &["--seed", "-3"]);
    assert!(code == 2 && said.contains("invalid value '-3' for '--seed"), "{said}");
}
