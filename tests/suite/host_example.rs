//! A host's build, without any Cargo feature: the example of embedding scores a texture through two systems.
use crate::common::{self, small};
use residua::gpu;
use std::path::Path;
use std::process::{Command, Output};

/// What only the program, volumes and tables need.
const NOT_FOR_HOSTS: [&str; 8] = ["clap", "csv", "ctrlc", "indicatif", "nifti", "parquet", "tracing-subscriber", "zip"];

/// Cargo, which this test's own build came from.
fn cargo(arguments: &[&str], folder: &Path) -> Output {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(folder).arg(arguments[0]).arg("--manifest-path").arg(manifest).args(&arguments[1..]);
    command.output().expect("cargo starts")
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs the example with a model, in a folder of its own, and holds score and heat map to what any detection gives.
fn embed(model: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_str().unwrap();
    let example =
        ["run", "--profile", "test", "--target-dir", target, "--example", "embed", "--no-default-features", "--"];
    let text = said(&cargo(&[&example[..], &[model.to_str().unwrap()]].concat(), folder.path()));
    let score = text.split("map: mean ").nth(1).and_then(|t| t.split(',').next()).and_then(|t| t.parse::<f64>().ok());
    assert!(score.is_some_and(|s| s.is_finite() && s > 0.0), "{}: {text}", model.display());
    let heat = image::open(folder.path().join("residua-out/embed.png")).unwrap().to_rgba8();
    let colours: std::collections::HashSet<_> = heat.pixels().collect();
    assert!(colours.len() > 16, "{}: {} colours", model.display(), colours.len());
}

#[test]
fn a_texture_is_scored_by_two_systems() {
    if common::open_gpu(gpu::Options::default()).is_none() {
        return;
    }
    embed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/texture"));
    let folder = tempfile::tempdir().unwrap();
    small::write(folder.path(), 1);
    let settings = r#"{"format": 2, "name": "small pDDPM",
        "input": {"width": 32, "height": 32, "channels": 1, "range": [-1, 1]},
        "networks": {"denoiser": {"file": "model.safetensors"}},
        "system": {"method": "pddpm", "patch": 16, "stride": 16},
        "score": {"kind": "mean"}, "threshold": {"pixel": 0.5}}"#;
    std::fs::write(folder.path().join("detector.json"), settings).unwrap();
    embed(folder.path());
}

#[test]
fn a_host_compiles_nothing_of_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let tree = ["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}", "--no-default-features"];
    let text = said(&cargo(&tree, folder.path()));
    let crates: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains(&"wgpu") && crates.contains(&"image"), "{text}");
    let found: Vec<&str> = NOT_FOR_HOSTS.into_iter().filter(|name| crates.contains(name)).collect();
    assert!(found.is_empty(), "{found:?}");
}
