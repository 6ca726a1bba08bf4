//! `residua compare` on every golden, on the processor and on a GPU where there is one.

use residua::gpu;
use serde_json::Value;
use std::path::PathBuf;

/// Every golden below these folders must be within the table's tolerance; those of `tests/goldens` must all be there.
fn compare(device: &str, folders: &[PathBuf], expected: &[&str]) {
    let folders = folders.iter().map(|f| f.to_str().unwrap());
    let args: Vec<&str> = ["compare", "--json", "--device", device].into_iter().chain(folders).collect();
    let (_, out, err) = crate::common::run(&args);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}\n{out}\n{err}"));
    let text = |v: &Value, key: &str| v[key].as_str().unwrap_or_default().to_owned();
    let mut seen = Vec::new();
    for golden in report["goldens"].as_array().unwrap() {
        let (name, status) = (text(golden, "name"), text(golden, "status"));
        println!("{name:32} {status:12} {:>8.2} s {}", golden["seconds"], text(golden, "message"));
        let chain = text(golden, "folder").contains("chains");
        for output in golden["outputs"].as_array().unwrap() {
            let bound = match &text(output, "output")[..] {
                _ if chain => crate::tolerance::CHAIN,
                "grad_x_log_p" => crate::tolerance::GRADIENT,
                "indices" => 0.0,
                _ => crate::tolerance::NETWORK,
            };
            let nmse = output["nmse"].as_f64().unwrap_or(f64::NAN);
            println!("    {:28} NMSE {nmse:.2e}, worst {}", text(output, "output"), output["worst"]);
            assert!(nmse <= bound, "{name} on {device}: {output}");
        }
        assert!(matches!(&status[..], "ok" | "unsupported"), "{name} on {device}: {golden}");
        if status == "ok" {
            seen.push(name);
        }
    }
    let own = std::env::var_os("RESIDUA_GOLDENS").is_none();
    for name in expected {
        assert!(!own || seen.iter().any(|s| s == name), "{name} did not run: {err}");
    }
}

/// All folders but `chains`.
fn networks() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(crate::common::goldens()).unwrap();
    let folders = entries.map(|e| e.unwrap().path()).filter(|p| p.is_dir() && !p.ends_with("chains"));
    folders.collect()
}

/// The networks of `tests/goldens`.
fn expected() -> Vec<&'static str> {
    let unets = crate::common::NETWORKS.into_iter();
    unets.chain(crate::common::CLASSIFIERS).chain(crate::common::RESNETS).chain(crate::common::LATENT).collect()
}

fn chains() -> Vec<PathBuf> {
    vec![crate::common::goldens().join("chains")]
}

#[test]
fn networks_on_the_processor() {
    compare("cpu", &networks(), &expected());
}

#[test]
fn chains_on_the_processor() {
    compare("cpu", &chains(), &crate::common::CHAINS);
}

/// Left out on a software driver, which compiles the shaders of a network and its gradient on one thread, for minutes: another golden, or
/// a test of `embed` with a small network, runs nearly the same ones.
const VARIANTS: [&str; 21] = [
    "advrad-oneshot-grad",
    "classifier-adaptive",
    "classifier-attention",
    "classifier-spatial",
    "classifier-spatial-v2",
    "compvis-autoencoderkl",
    "ddad",
    "ddad-fixed",
    "diffad",
    "diffad-noised",
    "diffusers-autoencoderkl",
    "diffusers-vqmodel",
    "draem-segnet-6ch",
    "draem-segnet-9ch",
    "guided-classifier",
    "monai-autoencoderkl",
    "pinaya",
    "wolleb",
    "wolleb-paper",
    "wolleb-respaced",
    "xu-noised",
];

/// Those of the folders, or of the folders in them, that this adapter runs: all of them, but on a software driver without the variants,
/// unless `RESIDUA_ALL_GOLDENS` is set.
fn compare_on_a_gpu(folders: &[PathBuf], expected: &[&str]) {
    let Some(gpu) = crate::common::open_gpu(gpu::Options::default()) else { return };
    let software = gpu.info.device_type == residua::wgpu::DeviceType::Cpu;
    let own = std::env::var_os("RESIDUA_GOLDENS").is_none();
    if !software || !own || std::env::var_os("RESIDUA_ALL_GOLDENS").is_some() {
        return compare("gpu", folders, expected);
    }
    println!("left out on a software driver: {VARIANTS:?}; RESIDUA_ALL_GOLDENS=1 runs them");
    let left_out = |name: &str| VARIANTS.contains(&name);
    let folders: Vec<PathBuf> =
        folders.iter().filter(|p| !left_out(&p.file_name().unwrap().to_string_lossy())).cloned().collect();
    let expected: Vec<&str> = expected.iter().copied().filter(|name| !left_out(name)).collect();
    compare("gpu", &folders, &expected);
}

// A software driver compiles shaders on one thread, so these two go side by side.
#[test]
fn networks_on_a_gpu() {
    compare_on_a_gpu(&networks(), &expected());
}

#[test]
fn chains_on_a_gpu() {
    let entries = std::fs::read_dir(crate::common::goldens().join("chains")).unwrap();
    let folders: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    compare_on_a_gpu(&folders, &crate::common::CHAINS);
}
