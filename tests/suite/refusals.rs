//! A flag that changes nothing is refused before the work, and not passed over.
use crate::common::place::Place;
use crate::common::{golden, run};

/// A model, three pictures and a table.
fn place() -> Place {
    let p = Place::new();
    p.settings(
        r#"{"format": 2, "name": "small", "input": {"width": 32, "height": 32, "channels": 1, "range": [-1, 1]},
            "system": {"method": "anoddpm", "lambda": 20, "sampler": {"kind": "ddim", "steps": 1}}}"#,
    );
    ["good/a", "good/b", "bad/c"]
        .iter()
        .enumerate()
        .for_each(|(i, n)| p.picture(&format!("data/{n}.png"), 40 * i as u32));
    let row = |i: u32| format!("{},{},{}\n", i * 37 % 101, i * 53 % 97, u8::from(i % 9 == 4));
    std::fs::write(p.at("table.csv"), format!("a,b,label\n{}", (0..60).map(row).collect::<String>())).unwrap();
    p
}

impl Place {
    /// Words that begin with `@` are paths in the place.
    fn refused(&self, command: &str, says: &str) {
        let words = command.split_whitespace();
        let words: Vec<String> =
            words.map(|w| w.strip_prefix('@').map_or(w.to_owned(), |path| self.text(path))).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (code, out, err) = run(&words);
        assert!(code == 2 && err.contains(says) && !err.contains("panicked"), "{command}: {code} {out}{err}");
        assert!(!self.at("out").exists(), "{command}: the work was begun");
    }
}

#[test]
fn what_does_not_apply_is_named() {
    let p = place();
    let network = golden("resnet-basic").join("model.safetensors");
    let fit = ["dte", "fit", &p.text("data"), "--out", &p.text("dte"), "--device", "cpu", "--features"];
    let (code, _, err) = run(&[
        &fit[..],
        &[network.to_str().unwrap(), "--size", "64", "--crop", "64", "--mean", "0.5,0.5,0.5"],
    ]
    .concat());
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = run(&["dte", "fit", &p.text("table.csv"), "--out", &p.text("rows"), "--device", "cpu"]);
    assert_eq!(code, 0, "{err}");

    // Tables' flags on images.
    for flag in ["--method c", "--members 3", "--epochs 3", "--mode argmax", "--rate 0.1", "--max-steps 3", "--seeds 2"]
    {
        let name = flag.split(' ').next().unwrap();
        let says = format!("is no table and no folder of tables, which {name} is for");
        p.refused(&format!("eval @data {flag} --out @out"), &says);
    }
    // Images' flags on tables.
    for flag in [
        "--lambda 3",
        "--runs 2",
        "--steps 2",
        "--set runs=2",
        "--quality fast",
        "--heads 2",
        "--strict",
        "--axis 1",
        "--split test",
        "--seed 1",
        "--sequence flair",
        "--size 32",
    ] {
        let name = flag.split(' ').next().unwrap();
        p.refused(&format!("eval @table.csv {flag} --out @out"), &format!("{name} is for images"));
    }
    for (command, says) in [
        ("eval @table.csv --epochs 3 --out @out", "--epochs is about training, and np, the method, is not trained"),
        ("eval @table.csv --batch 3 --out @out", "--batch is about training"),
        ("eval @table.csv --method c --neighbours 3 --out @out", "--neighbours is about the method np"),
        ("eval @table.csv --method ig --mode argmax --out @out", "--mode is about the method np"),
        ("eval @table.csv --model @rows --members 3 --out @out", "--members is about fitting"),
        ("eval @table.csv --seeds 0 --out @out", "--seeds"),
        ("dte fit @table.csv --members 2 --out @out", "--members is about training"),
        ("dte fit @table.csv --out @table.csv/out", "the output folder cannot be written"),
        ("dte score @table.csv --model @rows --out @table.csv/x/y.csv", "cannot be written"),
        // A system without maps, and without noise.
        (
            "detect @data --model @dte --pixel-threshold 1 --out @out",
            "--pixel-threshold: DTE-NP gives a score and no map",
        ),
        ("detect @data --model @dte --maps --out @out", "--maps: DTE-NP gives a score and no map"),
        ("detect @data --model @dte --seed 3 --out @out", "--seed: DTE-NP draws no noise"),
        ("detect @data --model @dte --heads 3 --out @out", "flags about its weights (--heads,"),
        ("calibrate @data/good --model @dte --seed 3", "--seed: DTE-NP draws no noise"),
        // Pictures alone.
        ("detect @data --model @model --axis 1 --out @out", "--axis: there is no volume among the images"),
        ("calibrate @data/good --model @model --axis 1", "--axis: there is no volume among the images"),
        ("dial @data --model @model --axis 1", "--axis: there is no volume among the images"),
        // What the folder says already, and what is said twice.
        ("detect @data --model @model --size 64 --out @out", "input is 32 x 32, so that --size 64 does not apply"),
        ("detect @data --model @model --runs 2 --set runs=3 --out @out", "`runs` is given twice"),
        (
            "detect @data --model @model --steps 2 --set sampler=ddpm --out @out",
            "`sampler.steps` and `sampler` are given",
        ),
        ("dial @data --model @model --quality best", "--quality: it is what `residua dial` measures"),
        ("dial @data --model @model --runs 2 --try-runs 1,2", "--try-runs: other flags give `runs` one value already"),
        (
            "dial @data --model @model --try-runs 1,2 --try runs=3",
            "--try runs and --try-runs are about the same setting",
        ),
        (
            "dial @data --model @model --try-steps 30,40",
            "all 10 combinations to try have more DDIM steps than their start allows",
        ),
        ("rescore @data --threshold 1 --model @model", "--model: its calibration is for --fpr"),
        // Numbers that are none.
        ("detect @data --model @model --threshold nan --out @out", "it must be a finite number"),
        ("detect @data --model @model --pixel-threshold inf --out @out", "it must be a finite number"),
        ("detect @data --model @model --pixel-threshold 1e39 --out @out", "no pixel of a map can reach it"),
        ("detect @data --model @model --fpr 0 --out @out", "a false-positive rate lies between 0 and 1"),
        ("detect @data --model @model --fpr 1 --out @out", "a false-positive rate lies between 0 and 1"),
        ("detect @data --model @model --fpr nan --out @out", "it must be a finite number"),
        ("rescore @data --threshold nan", "it must be a finite number"),
        ("detect @data --model @model --lambda 0 --out @out", "`lambda` cannot be `0`: it must be 1 to 1000"),
        ("detect @data --model @model --runs 0 --out @out", "`runs` cannot be `0`: it must be 1 to 1000"),
    ] {
        p.refused(command, says);
    }
    let (_, said, _) = run(&["inspect", &p.text("model")]);
    let line = |name: &str| said.lines().find(|l| l.trim_start().starts_with(name)).unwrap_or_default().to_owned();
    assert!(line("lambda").ends_with("(1 to 1000)") && line("sampler.steps").contains("1 to 20;"), "{said}");
}

#[test]
fn faults_of_settings_are_sentences() {
    let p = place();
    let good = std::fs::read_to_string(p.at("model/detector.json")).unwrap();
    for (from, to, says) in [
        (
            "\"lambda\": 20",
            "\"lambda\": \"20\"",
            "detector.json: line 2: `system`: `lambda` is the text \"20\", but a whole number",
        ),
        ("\"width\": 32", "\"width\": {}", "`input.width` is an object, but a whole number from 0 up is needed"),
        ("\"width\": 32, ", "", "the field `width` is missing in `input`"),
        ("\"lambda\"", "\"lamda\"", "there is no field `lamda`"),
        (
            "\"anoddpm\"",
            "\"anodpm\"",
            "there is no method `anodpm`; these are known: anoddpm, pddpm, advrad, dte, wolleb, pinaya, diffad",
        ),
        ("\"format\": 2", "\"format\": \"2\"", "`format` is \"2\"; 1 and 2 are known"),
        ("}}", "}", "the file ends in the middle of its JSON"),
        ("\"small\"", "NaN", "not JSON: a value is expected here"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        std::fs::write(p.at("model/detector.json"), bad).unwrap();
        p.refused("detect @data --model @model --out @out", says);
    }
    std::fs::write(p.at("model/detector.json"), &good).unwrap();
    for (file, text, says, command) in [
        (
            "quality.json",
            "{\"format\": 2}",
            "quality.json: is no table of speed and quality: line 1: the field `created` is missing",
            "--quality best",
        ),
        ("quality.json", "[]", "the whole is a list, but an object is needed", "--quality best"),
        (
            "calibration.json",
            "{\"format\": 2, \"created\": 3}",
            "calibration.json: is not a calibration: line 1: `created` is the number 3, but a text is needed",
            "--fpr 0.5",
        ),
        ("calibration.json", "", "the file is empty", "--fpr 0.5"),
    ] {
        std::fs::write(p.at(&format!("model/{file}")), text).unwrap();
        p.refused(&format!("detect @data --model @model {command} --out @out"), says);
    }
}

#[test]
fn nothing_that_lies_there_is_written_over() {
    let p = Place::new();
    std::fs::write(p.at("t.csv"), "a,b,y\n1,2,0\n2,1,0\n1,1,0\n9,9,1\n").unwrap();
    let (table, model) = (p.text("t.csv"), p.text("fitted"));
    let fit = || run(&["dte", "fit", &table, "--out", &model, "--neighbours", "1", "--device", "cpu"]);
    let (code, _, said) = fit();
    assert!(code == 0 && !said.contains("detector.json"), "{code} {said}");
    std::fs::write(p.at("fitted/detector.json"), r#"{"threshold": {"image": 1}}"#).unwrap();
    let (code, _, said) = fit();
    assert!(code == 0 && said.contains("written for the model that lay here before"), "{code} {said}");
    p.refused("dte score @t.csv --model @fitted --out @t.csv --device cpu", "is an input, which would be lost");
    assert!(std::fs::read_to_string(p.at("t.csv")).unwrap().starts_with("a,b,y"));
    std::fs::create_dir(p.at("unet")).unwrap();
    crate::common::small::write(&p.at("unet"), 1);
    let before = std::fs::read(p.at("unet/config.json")).unwrap();
    p.refused("dte fit @t.csv --out @unet --device cpu", "holds a model that `residua dte fit` did not write");
    assert_eq!(std::fs::read(p.at("unet/config.json")).unwrap(), before);
    let c = ["dte", "fit", &table, "--out", &p.text("c"), "--method", "c", "--epochs", "1", "--device", "cpu"];
    assert_eq!(run(&c).0, 0);
    p.refused("dte score @t.csv --model @c --mode argmax --device cpu", "--mode is about the method np");
}
