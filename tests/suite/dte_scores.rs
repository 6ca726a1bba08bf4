//! The scores of DTE's networks and of its baseline against PyTorch's in float64 (`reference/dte.py`).

use crate::common::open_gpu;
use residua::data::Table;
use residua::detect::dte::{Estimate, Model};
use residua::{Device, gpu};
use safetensors::{Dtype, tensor::TensorView};
use std::collections::HashMap;
use std::path::Path;

const COLUMNS: usize = 6;
const ROWS: usize = 9;

/// As `dte.py` has it.
fn numbers(tag: u32, count: usize) -> Vec<f64> {
    let one = |i: u32| {
        let mut h = i.wrapping_mul(0x9e37_79b9).wrapping_add(tag.wrapping_mul(0x85eb_ca6b)).wrapping_add(1);
        for (shift, factor) in [(16, 0x7feb_352d), (15, 0x846c_a68b), (16, 1)] {
            h = (h ^ (h >> shift)).wrapping_mul(factor);
        }
        f64::from(h >> 8) / f64::from(1 << 23) - 1.0
    };
    (0..count as u32).map(one).collect()
}

/// Names and shapes in the order of PyTorch's `state_dict`.
fn layout(method: &str) -> Vec<(String, Vec<usize>)> {
    let linear = |name: String, from: usize, to: usize| {
        [(format!("{name}.weight"), vec![to, from]), (format!("{name}.bias"), vec![to])]
    };
    let norm = |name: String| {
        ["weight", "bias", "running_mean", "running_var"].map(|part| (format!("{name}.{part}"), vec![128]))
    };
    if method != "ddpm" {
        let widths = [COLUMNS, 256, 512, 256, if method == "c" { 7 } else { 64 }];
        return (0..4).flat_map(|i| linear(format!("layers.{i}"), widths[i], widths[i + 1])).collect();
    }
    let mut all = Vec::new();
    for (name, from, to) in [("time_embed.0", 256, 256), ("time_embed.2", 256, 256), ("resnet.mlp.1", 256, 128)] {
        all.extend(linear(name.into(), from, to));
    }
    all.extend(linear("resnet.first_layer".into(), COLUMNS, 128));
    for i in 0..3 {
        all.extend(norm(format!("resnet.blocks.{i}.normalization")));
        all.extend(linear(format!("resnet.blocks.{i}.linear_first"), 128, 256));
        all.extend(linear(format!("resnet.blocks.{i}.linear_second"), 256, 128));
    }
    all.extend(norm("resnet.head.normalization".into()));
    all.extend(linear("resnet.head.linear".into(), 128, COLUMNS));
    all
}

fn values(tag: u32, name: &str, shape: &[usize]) -> Vec<u8> {
    let scaled = |n: f64| match shape {
        [_, from] => n * f64::from((2.0 / (*from as f64).sqrt()) as f32),
        _ if name.ends_with("running_var") || name.contains("normalization.weight") => n * 0.5 + 1.0,
        _ => n,
    };
    let all = numbers(tag, shape.iter().product());
    all.into_iter().flat_map(|n| (scaled(n) as f32).to_le_bytes()).collect()
}

/// A model folder as `dte fit` leaves one.
fn write(folder: &Path, method: &str) {
    let members = if method == "ig" { 2 } else { 1 };
    let mut tensors = Vec::new();
    for member in 0..members {
        let prefix = if members > 1 { format!("members.{member}.") } else { String::new() };
        for (tag, (name, shape)) in (100 + 8 * member..).zip(layout(method)) {
            let bytes = values(tag, &name, &shape);
            tensors.push((format!("{prefix}{name}"), shape, bytes));
        }
    }
    let views = tensors.iter().map(|(n, s, b)| (n, TensorView::new(Dtype::F32, s.clone(), b).unwrap()));
    std::fs::write(folder.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    let mean: Vec<f64> = (0..COLUMNS).map(|c| 0.125 * c as f64).collect();
    let std: Vec<f64> = (0..COLUMNS).map(|c| 1.0 + 0.25 * c as f64).collect();
    let mut config = serde_json::json!({ "method": method, "columns": COLUMNS, "mean": mean, "std": std });
    if members > 1 {
        config["members"] = members.into();
    }
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
}

fn agree(device: &Device) {
    let truth: HashMap<String, Vec<f64>> = serde_json::from_str(include_str!("../reference/dte.json")).unwrap();
    let rows = numbers(1, ROWS * COLUMNS).into_iter().map(|n| 3.0 * n).collect();
    let table = Table::new(Path::new("rows"), COLUMNS, rows, None, None).unwrap();
    for method in ["c", "ig", "ddpm"] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), method);
        let model = Model::open(folder.path()).unwrap();
        let scores = device.drive(model.score(device, &table, Estimate::default())).unwrap();
        assert_eq!((scores.len(), truth[method].len()), (ROWS, ROWS));
        for (found, wanted) in scores.iter().zip(&truth[method]) {
            assert!((found - wanted).abs() < 2e-5 * wanted, "{method}: {found} {wanted}");
        }
    }
}

#[test]
fn scores_are_pytorchs_on_the_processor() {
    agree(&Device::Cpu);
}

#[test]
fn scores_are_pytorchs_on_the_gpu() {
    if let Some(gpu) = open_gpu(gpu::Options::default()) {
        agree(&Device::Gpu(gpu));
    }
}
