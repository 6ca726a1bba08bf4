//! The commands around a model: devices, inspect, shaders, bench. All of them work on a machine without any driver.

use crate::common::{golden, run};
use serde_json::Value;
use std::process::Command;

#[test]
fn devices_are_listed_with_and_without_drivers() {
    let (code, out, _) = run(&["devices"]);
    assert!(code == 0 && out.contains("cpu") && out.contains("--device auto takes"), "{out}");
    // A loader without drivers finds none.
    let mut command = Command::new(env!("CARGO_BIN_EXE_residua"));
    command.env("VK_DRIVER_FILES", "/nowhere").env("VK_ICD_FILENAMES", "/nowhere").args(["devices", "--json"]);
    let out = command.output().unwrap();
    assert!(out.status.success());
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(report["cpu_threads"].as_u64().is_some_and(|n| n > 0) && report["adapters"].is_array());
}

#[test]
fn verbosity_may_stand_before_the_command() {
    for flags in [
        &["-v", "devices"][..],
        &["-vv", "devices"],
        &["--verbose", "devices"],
        &["devices", "-v"],
        &["-v", "-v", "devices"],
    ] {
        let (code, out, err) = run(flags);
        assert!(code == 0 && out.contains("--device auto takes"), "{flags:?}: {out}{err}");
    }
    let (code, _, err) = run(&["-v", "no such image.png"]);
    assert!(code == 2 && err.contains("no such image.png"), "{err}");
}

#[test]
fn inspect_tells_layout_parameters_memory_and_compute() {
    let (code, out, err) = run(&["inspect", "--json", golden("guided-wolleb-style").to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["layout"], "Guided");
    assert_eq!((&report["config"]["classes"], &report["config"]["in_channels"]), (&2.into(), &4.into()));
    let number = |v: &Value| v.as_u64().unwrap();
    assert!(number(&report["parameters"]) > 1_000_000 && report["surplus"].as_array().unwrap().is_empty());
    assert!(number(&report["step"]["flops"]) > 100_000_000 && number(&report["step"]["activation_bytes"]) > 100_000);
    assert!(report["sha256"].as_str().is_some_and(|h| h.len() == 64));
    let file = golden("anoddpm").join("model.safetensors");
    let (code, out, _) = run(&["inspect", file.to_str().unwrap(), "--size", "32x64"]);
    assert!(code == 0 && out.contains("AnoDDPM") && out.contains("32 x 64"), "{out}");
    assert_eq!(run(&["inspect", file.to_str().unwrap(), "--size", "99999999"]).0, 2);
    assert_eq!(run(&["inspect", file.to_str().unwrap(), "--size", "33"]).0, 2);
}

#[test]
fn shaders_are_written_and_named() {
    for name in ["diffusers-default-style", "guided-wolleb-style"] {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("wgsl");
        let model = golden(name);
        let (code, out, err) = run(&["shaders", "--model", model.to_str().unwrap(), "--out", to.to_str().unwrap()]);
        assert!(code == 0 && out.contains("all valid"), "{out}{err}");
        let names: Vec<_> =
            std::fs::read_dir(&to).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        assert!(names.len() > 20 && names.iter().all(|n| n.ends_with(".wgsl")));
        assert!(names.iter().any(|n| n.starts_with("conv_gemm_")) && names.iter().any(|n| n.starts_with("winograd_")));
    }
}

#[test]
fn bench_times_every_kernel() {
    let model = golden("ldm-unet-diffad-style");
    let args = ["bench", "--json", "--device", "cpu", "--repeat", "1", "--model", model.to_str().unwrap()];
    let (code, out, err) = run(&args);
    assert_eq!(code, 0, "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert!(report["ceiling"]["tflops"].as_f64().unwrap() > 0.0 && report["ceiling"]["gbps"].as_f64().unwrap() > 0.0);
    let kernels = report["kernels"].as_array().unwrap();
    let share: f64 = kernels.iter().map(|k| k["share"].as_f64().unwrap()).sum();
    assert!(kernels.len() > 5 && (share - 1.0).abs() < 1e-6, "{out}");
}
