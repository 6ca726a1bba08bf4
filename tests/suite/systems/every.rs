//! Every command that takes a model folder, on one of every system; what a system cannot do it says in a sentence.
use super::*;
use crate::common::{compared, embedded, golden, guided, painted};

/// What a system's test model is made by, and a setting that `dial` measures it at, or why it does not.
type Made = (&'static str, fn(&Place, &Path), Result<&'static str, &'static str>);

const SYSTEMS: [Made; 9] = [
    (
        "anoddpm",
        |_, m| plain(m, r#""method": "anoddpm", "lambda": 30, "sampler": {"kind": "ddim", "steps": 2}"#),
        Ok("lambda=30"),
    ),
    ("pddpm", |p, _| drop(p.pddpm(1, "", "")), Ok("stride=16")),
    (
        "advrad",
        |_, m| plain(m, r#""method": "advrad", "k": 40, "scales": 1"#),
        Err("--set mean_map=false measures without it"),
    ),
    ("dte", fitted, Ok("")),
    ("wolleb", |_, m| guided::folder(m, 1, "", ""), Ok("scale=1")),
    ("pinaya", |_, m| painted::folder(m, ""), Ok("sampler.steps=2")),
    ("diffad", |_, m| compared::folder(m, ""), Ok("sampler.steps=2")),
    ("xu", |_, m| embedded::xu(m, ""), Ok("sampler.steps=2")),
    ("ddad", |_, m| embedded::ddad(m, ""), Ok("skip=50")),
];

/// The smallest network, and settings for it.
fn plain(folder: &Path, system: &str) {
    crate::common::small::write(folder, 1);
    let text = format!(
        r#"{{"format": 2, "name": "plain", "input": {{"width": 32, "height": 32, "channels": 1, "range": [-1, 1]}},
            "networks": {{"denoiser": {{"file": "model.safetensors"}}}}, "system": {{{system}}},
            "threshold": {{"pixel": 0.2, "image": 0.1}}}}"#
    );
    std::fs::write(folder.join("detector.json"), text).unwrap();
}

/// An estimator of images' features.
fn fitted(p: &Place, model: &Path) {
    std::fs::create_dir(p.at("fit")).unwrap();
    (0..6).for_each(|n| picture(&p.at(&format!("fit/{n}.png")), 40, 40, 7 * n + 200));
    let network = golden("resnet-basic").join("model.safetensors");
    let with = ["--features", network.to_str().unwrap(), "--size", "64", "--crop", "64", "--device", "cpu"];
    let (images, out) = (p.text("fit"), model.to_str().unwrap());
    let (code, out, err) = run(&[&["dte", "fit", &images, "--out", out][..], &with].concat());
    assert_eq!(code, 0, "{out}{err}");
}

fn every(method: &str) {
    let &(_, make, tried) = SYSTEMS.iter().find(|s| s.0 == method).unwrap();
    let p = Place::new();
    std::fs::create_dir_all(p.at("model")).unwrap();
    make(&p, &p.at("model"));
    for (folder, n) in
        [("in", 0), ("in", 1), ("normal", 2), ("normal", 3), ("normal", 4), ("data/good", 5), ("data/good", 6)]
    {
        std::fs::create_dir_all(p.at(folder)).unwrap();
        picture(&p.at(&format!("{folder}/{n}.png")), 64, 32, 13 * n);
    }
    std::fs::create_dir_all(p.at("data/spot")).unwrap();
    (7..9).for_each(|n| picture(&p.at(&format!("data/spot/{n}.png")), 64, 32, 31 * n));
    let (model, normal, data, out) = (p.text("model"), p.text("normal"), p.text("data"), p.text("out"));
    let on = ["--model", &model, "--device", "cpu"];
    let works = |args: &[&str], says: &str| {
        let (code, out, err) = run(args);
        assert!(code == 0 && (out.clone() + &err).contains(says), "{method}: {args:?}: {code} {out}{err}");
    };
    works(&["inspect", &model], residua::detect::System::named(method).unwrap().title());
    works(&[&["calibrate", &normal][..], &on].concat(), "");
    works(&[&["bench", "--repeat", "1"][..], &on].concat(), "");
    works(&["shaders", "--model", &model, "--out", &p.text("wgsl")], "all valid");
    let (code, said, results) = p.detect(&model, &["--fpr", "0.5"]);
    assert!(code == 0 && results["records"].as_array().unwrap().len() == 2, "{method}: {said}");
    works(&["rescore", &out, "--threshold", "0.001"], "");
    works(&[&["eval", &data, "--out", &p.text("eval")][..], &on].concat(), "image  AUROC");
    let seeds = ["dial", &data, "--seeds", "1"];
    match tried {
        Ok("") => works(&[&seeds[..], &on].concat(), ""),
        Ok(tried) => works(&[&seeds[..], &["--try", tried], &on].concat(), ""),
        Err(says) => refused(&[&seeds[..], &on].concat(), says),
    }
    // A model of one's own has no reference until the recipe writes one.
    refused(&[&["selftest"][..], &on].concat(), "selftest.safetensors");
}

macro_rules! each {
    ($($method:ident)+) => {
        $(#[test]
        fn $method() {
            every(stringify!($method));
        })+
    };
}

each! { anoddpm pddpm advrad dte wolleb pinaya diffad xu ddad }

#[test]
fn no_system_is_left_out() {
    let names = SYSTEMS.map(|s| s.0);
    let mut known = residua::detect::System::METHODS.to_vec();
    assert_eq!(names.len(), known.len());
    known.retain(|m| !names.contains(m));
    assert!(known.is_empty(), "{known:?}");
}
