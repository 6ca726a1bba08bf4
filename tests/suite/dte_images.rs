//! Images through a ResNet to rows and to scores: `residua dte embed`, `fit` and `score` with `--features`.

use crate::common::run;
use image::{Rgb, RgbImage};
use residua::data::{Preprocessing, ValueRange, read_picture, read_table};
use residua::detect::dte::Extractor;
use residua::model::Network;
use residua::{Device, Tensor};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Stripes with noise, and on a bad picture a spot of another pattern; `n` makes each another one.
fn picture(n: u32, bad: bool) -> RgbImage {
    let hash =
        |i: u32| (i ^ n.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b).rotate_left(13).wrapping_mul(5) >> 8;
    let (cx, cy) = (20 + hash(1) % 40, 20 + hash(2) % 30);
    RgbImage::from_fn(80, 70, |x, y| {
        let noise = |c: u32| (hash(x + 80 * y + 9000 * c) % 40) as u8;
        let spot = bad && x.abs_diff(cx).pow(2) + y.abs_diff(cy).pow(2) < 100;
        let base =
            if spot { if (x / 2 + y / 2) % 2 == 0 { 210 } else { 0 } } else { 60 + 10 * ((x + n % 8) / 4 % 8) as u8 };
        Rgb([0, 1, 2].map(|c| base + noise(c)))
    })
}

struct Place(TempDir);

impl Place {
    /// `train/` of normal pictures alone, `test/good` and `test/spot`.
    fn new() -> Self {
        let place = Place(TempDir::new().unwrap());
        for (folder, first, count) in [("train", 0, 40), ("test/good", 100, 15), ("test/spot", 200, 15)] {
            std::fs::create_dir_all(place.at(folder)).unwrap();
            for n in first..first + count {
                picture(n, folder == "test/spot").save(place.at(&format!("{folder}/{n}.png"))).unwrap();
            }
        }
        place
    }
    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn text(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }
    fn dte(&self, command: &str, input: &str, out: &str, more: &[&str]) -> (i32, String, String) {
        let (input, out) = (self.text(input), self.text(out));
        run(&[&["dte", command, &input, "--out", &out, "--device", "cpu"], more].concat())
    }
    fn lines(&self, name: &str) -> Vec<String> {
        std::fs::read_to_string(self.at(name)).unwrap().lines().map(str::to_owned).collect()
    }
}

/// Random weights see a change of texture too.
fn network() -> String {
    crate::common::golden("resnet-basic").join("model.safetensors").to_str().unwrap().to_owned()
}

#[test]
fn spots_are_told_from_normal_pictures() {
    let (d, net) = (Place::new(), network());
    let with = ["--features", &net, "--size", "64", "--crop", "64"];
    let (code, out, err) = d.dte("fit", "train", "model", &with);
    assert!(code == 0 && out.contains("fitted to 40 of 40 rows, 48 columns"), "{out}{err}");
    // The model knows the size and the crop.
    let (code, out, err) = d.dte("score", "test", "scores.csv", &["--model", &d.text("model"), "--features", &net]);
    assert_eq!(code, 0, "{out}{err}");
    let lines = d.lines("scores.csv");
    assert_eq!((lines[0].as_str(), lines.len()), ("row,path,label,score", 31));
    let mut pairs = Vec::new();
    for line in &lines[1..] {
        let fields: Vec<&str> = line.split(',').collect();
        let bad = fields[1].contains("/spot/");
        assert_eq!(fields[2], if bad { "1" } else { "0" }, "{line}");
        pairs.push((bad, fields[3].parse::<f64>().unwrap()));
    }
    let of = |kind| pairs.iter().filter(move |p| p.0 == kind).map(|p| p.1);
    let right = of(true).flat_map(|b| of(false).map(move |g| if b > g { 1.0 } else { 0.0 }));
    let auroc = right.sum::<f64>() / 225.0;
    println!("AUROC {auroc}");
    assert!(auroc > 0.9, "{auroc} {pairs:?}");
    assert!(err.contains(&format!("AUROC {:.2} %", 100.0 * auroc)), "{auroc} {err}");

    // The pictures that it was fitted to promise nothing.
    std::fs::copy(&net, d.at("model/features.safetensors")).unwrap();
    let (code, _, err) = run(&["calibrate", &d.text("train"), "--model", &d.text("model"), "--device", "cpu"]);
    assert!(code == 2 && err.contains("nothing was calibrated: 40 of 40 images equal some"), "{err}");
    let (code, out, err) = run(&["calibrate", &d.text("test/good"), "--model", &d.text("model"), "--device", "cpu"]);
    assert!(code == 0 && out.contains("15 normal images"), "{out}{err}");
    let args = ["detect", &d.text("train"), "--model", &d.text("model"), "--out", &d.text("o"), "--device", "cpu"];
    let (code, _, err) = run(&args);
    assert!(code == 0 && err.contains("40 of 40 images equal some that the model was fitted to"), "{err}");

    // Without maps there is nothing to say of pixels, whatever masks there are.
    std::fs::create_dir_all(d.at("test/ground_truth/spot")).unwrap();
    for n in 200..215 {
        image::GrayImage::from_pixel(80, 70, image::Luma([255]))
            .save(d.at(&format!("test/ground_truth/spot/{n}.png")))
            .unwrap();
    }
    let args = ["eval", &d.text("test"), "--model", &d.text("model"), "--out", &d.text("e"), "--device", "cpu"];
    let (code, out, err) = run(&args);
    let says = "pixel  none: there is no map of any image: the system gives a score alone";
    assert!(code == 0 && out.contains(says) && out.contains("image  AUROC"), "{out}{err}");
    std::fs::remove_dir_all(d.at("test/ground_truth")).unwrap();

    let other = crate::common::golden("resnet-bottleneck").join("model.safetensors");
    for (flags, says) in [
        (["--features", other.to_str().unwrap(), "--size", "64"], "another network"),
        (["--features", &net, "--size", "70"], "fitted with size 64, crop 64"),
    ] {
        let (code, _, err) = d.dte("score", "test", "x.csv", &[&["--model", &d.text("model")], &flags[..]].concat());
        assert!(code == 2 && err.contains(says), "{err}");
    }
}

#[test]
fn a_bad_picture_costs_only_itself_and_rows_are_those_of_the_library() {
    let (d, net) = (Place::new(), network());
    std::fs::write(d.at("test/good/105.png"), b"no picture").unwrap();
    std::fs::create_dir_all(d.at("test/ground_truth/spot")).unwrap();
    std::fs::copy(d.at("train/0.png"), d.at("test/ground_truth/spot/200.png")).unwrap();
    let with = ["--features", &net, "--size", "70", "--crop", "65", "--images-at-once", "3"];
    for out in ["table.npy", "table.csv"] {
        let (code, text, err) = d.dte("embed", "test", out, &with);
        assert!(code == 2 && err.contains("105.png") && err.contains("folders of masks"), "{text}{err}");
        assert_eq!(err.lines().count(), 2, "{err}");
        assert!(text.contains("29 rows of 48 features"), "{text}");
        let list = d.lines("table.files.csv");
        assert_eq!((list[0].as_str(), list.len()), ("row,path,label", 30));
        assert!(list[5].starts_with("5,") && list[5].ends_with("104.png,0"), "{}", list[5]);
        assert!(list[6].ends_with("106.png,0") && list[29].ends_with("214.png,1"), "{list:?}");
    }
    let [npy, csv] = ["table.npy", "table.csv"].map(|t| read_table(&d.at(t), None).unwrap());
    assert_eq!((npy.columns, npy.rows(), &npy.labels), (48, 29, &None));
    assert_eq!(csv.labels, Some((0..29).map(|i| i >= 14).collect()));
    // The CSV file's decimals are those of the f32 values.
    assert!(npy.values.iter().zip(&csv.values).all(|(a, b)| *a == f64::from(*b as f32)) && csv.columns == 48);

    // The same by the library, in other company.
    let preprocessing = Preprocessing { size: 70, crop: 65, ..Preprocessing::imagenet() };
    let opened = Network::resnet(Path::new(&net)).unwrap();
    let prepared: Vec<Tensor> = ["test/good/106.png", "test/spot/214.png"]
        .map(|p| preprocessing.apply(&read_picture(&d.at(p), ValueRange::UNIT).unwrap()).unwrap())
        .to_vec();
    let rows = pollster::block_on(async {
        let mut extractor = Extractor::new(&Device::Cpu, &opened, &preprocessing, 2).await.unwrap();
        assert!(extractor.features(&[prepared.clone(), prepared.clone()].concat()).await.is_err());
        extractor.features(&prepared).await.unwrap()
    });
    for (row, at) in rows.iter().zip([5, 28]) {
        let close = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() < 1e-4 * (1.0 + b.abs());
        assert!(row.iter().zip(npy.row(at)).all(close), "{at}");
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let (d, net) = (Place::new(), network());
    let gray = crate::common::golden("resnet-wide").join("model.safetensors");
    let unet = crate::common::golden("anoddpm").join("model.safetensors");
    let small = ["--size", "32", "--crop", "32"];
    let cases: [(&str, &str, &str, Vec<&str>, &str); 7] = [
        ("fit", "train", "m", vec![], "--features"),
        ("fit", "train", "m", vec!["--size", "64"], "--features"),
        ("embed", "train", "t.txt", vec!["--features", &net], "t.txt"),
        ("embed", "train", "t.npy", vec!["--features", &net, "--crop", "300"], "300"),
        ("embed", "train", "t.npy", vec!["--features", gray.to_str().unwrap()], "takes images of 1 channels"),
        (
            "embed",
            "train",
            "t.npy",
            vec!["--features", unet.to_str().unwrap()],
            "model.safetensors: tensor `conv1.weight`",
        ),
        ("embed", "nowhere", "t.npy", vec!["--features", &net], "nowhere"),
    ];
    for (command, input, out, more, says) in cases {
        let (code, _, err) = d.dte(command, input, out, &more);
        assert!(code == 2 && err.contains(says) && !err.contains("panicked"), "{command} {more:?}: {code} {err}");
        assert!(!d.at(out).exists());
    }
    // A gray network takes colour pictures by their luma, once it is told what to subtract.
    let told = [&["--features", gray.to_str().unwrap(), "--mean", "0.5", "--std", "0.25"], &small[..]].concat();
    let (code, out, err) = d.dte("embed", "test/good", "t.npy", &told);
    assert!(code == 0 && out.contains("15 rows of 64 features"), "{out}{err}");
}
