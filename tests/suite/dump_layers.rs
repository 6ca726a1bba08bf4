//! `residua compare --dump-layers`: every layer as it runs, and the first wrong one.

use crate::common::{golden, run};
use residua::gpu;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;
use std::collections::HashMap;

fn report(folder: &std::path::Path, device: &str) -> (i32, Value) {
    let args = ["compare", folder.to_str().unwrap(), "--dump-layers", "--json", "--device", device];
    let (code, out, err) = run(&args);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}\n{out}\n{err}"));
    (code, report["goldens"][0].clone())
}

fn right(name: &str, device: &str) {
    let (code, record) = report(&golden(name), device);
    let layers = record["layers"].as_array().unwrap();
    let worst = layers.iter().map(|l| l["truth"]["nmse"].as_f64().unwrap()).fold(0.0, f64::max);
    println!("{name} on {device}: {} layers, worst NMSE {worst:.1e}", layers.len());
    assert!(code == 0 && record["first_wrong_layer"].is_null() && layers.len() > 50 && worst < 1e-9, "{worst:e}");
    // The time's sinusoids, and the copy into the state that is read back.
    assert_eq!((&layers[0]["name"], &layers[layers.len() - 1]["name"]), (&"time_embedding".into(), &"out".into()));
}

#[test]
fn every_layer_of_a_right_device_passes() {
    for name in crate::common::NETWORKS.into_iter().chain(["guided-classifier"]) {
        right(name, "cpu");
    }
    if crate::common::open_gpu(gpu::Options::default()).is_some() {
        right("monai-unet", "gpu");
    }
}

#[test]
fn recorded_layers_count_and_the_first_wrong_one_is_marked() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(golden("monai-unet").join(file), dir.path().join(file)).unwrap();
    }
    let bytes = std::fs::read(golden("monai-unet").join("io.safetensors")).unwrap();
    let io = SafeTensors::deserialize(&bytes).unwrap();
    let record = |more: &[(&str, Vec<usize>, &[u8])]| {
        let mut all: HashMap<String, TensorView> = io.tensors().into_iter().collect();
        for (name, shape, data) in more {
            all.insert((*name).to_owned(), TensorView::new(Dtype::F32, shape.clone(), data).unwrap());
        }
        std::fs::write(dir.path().join("io.safetensors"), safetensors::serialize(&all, None).unwrap()).unwrap();
    };
    // The last layer's output is the network's, which the original recorded.
    let out = io.tensor("out").unwrap();
    record(&[("network/out", out.shape().to_vec(), out.data())]);
    let (code, found) = report(dir.path(), "cpu");
    let layers = found["layers"].as_array().unwrap();
    let last = &layers[layers.len() - 1];
    assert!(code == 0 && last["recorded"]["nmse"].as_f64().is_some_and(|e| e > 0.0 && e < 1e-9), "{last}");
    // A record of something else.
    let middle = &layers[layers.len() / 2];
    let shape: Vec<usize> = middle["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let name = middle["name"].as_str().unwrap();
    let zeros = vec![0u8; 4 * shape.iter().product::<usize>()];
    record(&[(&format!("network/{name}"), shape, &zeros)]);
    let (code, found) = report(dir.path(), "cpu");
    assert_eq!((code, &found["first_wrong_layer"], &found["status"]), (1, &name.into(), &"fail".into()));
    let args = ["compare", dir.path().to_str().unwrap(), "--dump-layers", "--device", "cpu"];
    let (_, text, _) = run(&args);
    let marked: Vec<_> = text.lines().filter(|l| l.ends_with("<- FIRST WRONG LAYER")).collect();
    assert!(marked.len() == 1 && marked[0].trim_start().starts_with(name), "{text}");
}
