//! `residua selftest`: that right devices pass, and that whatever is made wrong is found and named.

use crate::common::run;
use residua::gpu;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const LAYER: &str = "body/up_blocks.1.resnets.0.conv2";

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("weights").join(name)
}

/// A copy of the shipped texture model.
fn copied() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("model");
    std::fs::create_dir(&folder).unwrap();
    for entry in std::fs::read_dir(shipped("texture")).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()) {
        std::fs::copy(&entry, folder.join(entry.file_name().unwrap())).unwrap();
    }
    (dir, folder)
}

/// Rewrites a safetensors file; `change` gets every tensor's name and bytes, and may rename it or drop it by an empty name.
fn rewrite(file: &Path, change: impl Fn(&mut String, &mut Vec<u8>)) {
    let bytes = std::fs::read(file).unwrap();
    let metadata = SafeTensors::read_metadata(&bytes).unwrap().1.metadata().clone();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut all: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, view) in tensors.tensors() {
        let (mut name, mut data) = (name, view.data().to_vec());
        change(&mut name, &mut data);
        if !name.is_empty() {
            all.push((name, view.dtype(), view.shape().to_vec(), data));
        }
    }
    let views = all.iter().map(|(n, d, s, b)| (n.clone(), TensorView::new(*d, s.clone(), b).unwrap()));
    let views: HashMap<_, _> = views.collect();
    std::fs::write(file, safetensors::serialize(&views, metadata).unwrap()).unwrap();
}

/// Exit code and report.
fn report(folder: &Path, device: &str) -> (i32, Value) {
    let (code, out, err) = run(&["selftest", "--json", "--device", device, "--model", folder.to_str().unwrap()]);
    (code, serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}\n{out}\n{err}")))
}

/// What the tests of AnoDDPM's models run besides their networks, and pDDPM's.
const ANODDPM: [&str; 2] = ["sampler", "blur"];
const PDDPM: [&str; 4] = ["map_round_f16", "patch_compose", "patch_stitch", "patch_mean"];

fn passes(folder: &Path, device: &str, own: &[&str]) {
    let (code, r) = report(folder, device);
    println!("{device}: {}, {} s", r["verdict"], r["seconds"]);
    assert_eq!(code, 0, "{}", r["verdict"]);
    let layers = r["layers"].as_array().unwrap();
    let stored = layers.iter().filter(|l| !l["recorded"].is_null()).count();
    assert!(stored > 110 && stored < layers.len() && r["unmet"].as_array().unwrap().is_empty(), "{stored}");
    let kernels: Vec<_> = layers.iter().map(|l| l["kernel"].as_str().unwrap()).collect();
    let every = ["simplex", "noise_to", "conv", "groupnorm", "attention", "linear", "residual", "reduce"];
    for kernel in every.iter().chain(own) {
        assert!(kernels.iter().any(|k| k.starts_with(kernel)), "{kernel}: {kernels:?}");
    }
    assert!(r["outputs"].as_array().unwrap().iter().all(|o| o["ok"] == true && o["nmse"].as_f64().unwrap() > 0.0));
}

#[test]
fn shipped_models_pass_on_the_processor() {
    passes(&shipped("texture"), "cpu", &ANODDPM);
    passes(&shipped("brain-flair"), "cpu", &ANODDPM);
    passes(&shipped("brain-pddpm"), "cpu", &PDDPM);
}

#[test]
fn the_shipped_model_passes_on_a_gpu() {
    if crate::common::open_gpu(gpu::Options::default()).is_some() {
        passes(&shipped("texture"), "gpu", &ANODDPM);
    }
}

#[test]
fn one_screen_with_a_verdict() {
    let (code, out, err) = run(&["selftest", "--device", "cpu"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.lines().count() <= 30 && out.lines().all(|l| l.chars().count() <= 100), "{out}");
    assert!(out.trim_end().ends_with("ok: this device computes what the originals compute"), "{out}");
    let (_, out, _) = run(&["selftest", "--device", "cpu", "--layers"]);
    assert!(out.contains("mid_block.attentions.0.qkv") && out.contains("conv_gemm_"), "{out}");
}

/// The weights are wrong in the same way for the f64 halves here: only what PyTorch left can tell.
#[test]
fn a_wrong_weight_is_found_and_named() {
    let (_dir, folder) = copied();
    rewrite(&folder.join("diffusion_pytorch_model.safetensors"), |name, data| {
        if name == "down_blocks.2.resnets.0.conv1.weight" {
            // F16: the exponent of one value of 18,432.
            data[2001] ^= 0x08;
        }
    });
    let (code, r) = report(&folder, "cpu");
    assert_eq!((code, &r["first_wrong_layer"]), (1, &"down_blocks.2.resnets.0.conv1".into()), "{}", r["verdict"]);
    assert!(r["layers"].as_array().unwrap().iter().all(|l| l["truth"]["nmse"].as_f64().unwrap() < 1e-9));
    let (code, out, _) = run(&["selftest", "--device", "cpu", "--model", folder.to_str().unwrap()]);
    assert!(code == 1 && out.contains("FAIL: first wrong layer down_blocks.2.resnets.0.conv1 (conv"), "{out}");
}

#[test]
fn a_wrong_reference_is_found_and_named() {
    let (_dir, folder) = copied();
    let file = folder.join("selftest.safetensors");
    rewrite(&file, |name, data| {
        if name == LAYER {
            // One of the values kept: the exponent of an f64.
            data[8 * 20 + 6] ^= 0x20;
        }
    });
    let (code, r) = report(&folder, "cpu");
    assert_eq!((code, &r["first_wrong_layer"]), (1, &LAYER[5..].into()), "{}", r["verdict"]);
    assert_eq!(r["layers"].as_array().unwrap().iter().filter(|l| l["ok"] == false).count(), 1);
    // A layer under a name that nothing has is one that is not tested.
    rewrite(&file, |name, _| {
        if name == LAYER {
            *name = "body/nothing".into()
        }
    });
    let (code, r) = report(&folder, "cpu");
    assert_eq!((code, &r["unmet"][0]), (1, &"body/nothing".into()), "{}", r["verdict"]);
    // The whole map, with all layers right.
    rewrite(&file, |name, data| match &name[..] {
        "map" => data[4003] ^= 0x40,
        "body/nothing" => name.clear(),
        _ => {}
    });
    let (code, r) = report(&folder, "cpu");
    assert!(
        code == 1 && r["verdict"].as_str().unwrap().contains("but map of the detection is not"),
        "{}",
        r["verdict"]
    );
    assert!(r["first_wrong_layer"].is_null());
}

#[test]
fn what_cannot_be_tested_is_an_error_that_names_the_file() {
    let (_dir, folder) = copied();
    let file = folder.join("selftest.safetensors");
    let fault = |folder: &Path, says: &str| {
        let (code, out, err) = run(&["selftest", "--device", "cpu", "--model", folder.to_str().unwrap()]);
        assert!(code == 2 && out.is_empty() && err.contains(says), "{out}{err}");
    };
    let right = std::fs::read(&file).unwrap();
    rewrite(&file, |name, _| {
        if name == "map" {
            name.clear()
        }
    });
    fault(&folder, "selftest.safetensors: tensor `map` is missing");
    std::fs::write(&file, &right[..right.len() / 2]).unwrap();
    fault(&folder, "selftest.safetensors: not a safetensors file");
    std::fs::write(&file, safetensors::serialize(HashMap::<String, TensorView>::new(), None).unwrap()).unwrap();
    fault(&folder, "selftest.safetensors: its metadata has no `format`");
    std::fs::remove_file(&file).unwrap();
    fault(&folder, "selftest.safetensors: is missing: this model has no stored reference");
    fault(&crate::common::golden("nothing-here"), "nothing-here");
}
