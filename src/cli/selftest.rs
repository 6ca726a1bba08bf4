//! `residua selftest`: whether this device computes what the originals compute.
//!
//! A model folder's `selftest.safetensors` (see `weights/recipes/selftest.py`) holds a picture, a short detection's settings and
//! what PyTorch and NumPy make of them in float64. The detection runs twice here: as `residua detect` runs it, whose
//! reconstruction and map must be the stored ones, and launch by launch beside the CPU halves in f64, where the launches of
//! each section's first run (of the last, in `finish`) must also be the stored ones.
use super::layers::{self, Layer};
use super::measure::Deviation;
use super::model_args::shipped_model;
use super::{DeviceArgs, print_json};
use crate::{Device, Result};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use stored::Stored;

mod chain;
mod print;
mod stored;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Model folder with selftest.safetensors [default: the shipped texture model]
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print every layer
    #[arg(long)]
    layers: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The JSON object.
#[derive(Serialize)]
struct Report {
    device: String,
    /// Name and version of a GPU's driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<String>,
    model: PathBuf,
    ok: bool,
    verdict: String,
    /// The first layer beyond tolerance.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_wrong_layer: Option<String>,
    /// Of the whole detection, against what is stored.
    outputs: Vec<Deviation>,
    layers: Vec<Layer>,
    /// Stored layers that no launch is called after: then less was tested than there is.
    unmet: Vec<String>,
    /// Compiling, planning and uploading.
    prepare_seconds: f64,
    /// The short detection, as `detect` runs it.
    detect_seconds: f64,
    /// Everything.
    seconds: f64,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let start = Instant::now();
    let path = args.model.clone().map_or_else(shipped_model, Ok)?;
    let stored = Stored::open(&path)?;
    let device = args.device.open()?;
    let whole = chain::detect(&stored, &device)?;
    let (layers, unmet) = chain::layers(&stored, &device)?;
    let (ok, verdict) = verdict(&whole.outputs, &layers, &unmet);
    let report = Report {
        device: device.name(),
        driver: driver(&device),
        model: path,
        ok,
        verdict,
        first_wrong_layer: layers::first_wrong(&layers).map(|l| l.name.clone()),
        outputs: whole.outputs,
        layers,
        unmet,
        prepare_seconds: whole.prepare_seconds,
        detect_seconds: whole.detect_seconds,
        seconds: start.elapsed().as_secs_f64(),
    };
    if args.json {
        print_json(&report)?;
    } else {
        report.print(args.layers);
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The last line.
fn verdict(outputs: &[Deviation], layers: &[Layer], unmet: &[String]) -> (bool, String) {
    if let Some(Layer { name, kernel, section, .. }) = layers::first_wrong(layers) {
        let nmse = layers::first_wrong(layers).map_or(f64::NAN, Layer::nmse);
        return (false, format!("FAIL: first wrong layer {name} ({kernel}, section {section}), NMSE {nmse:.1e}"));
    }
    if let Some(Deviation { output, nmse, .. }) = outputs.iter().find(|d| !d.ok) {
        let fault =
            format!("FAIL: one by one all layers are right, but {output} of the detection is not, NMSE {nmse:.1e}");
        return (false, fault);
    }
    if let Some(first) = unmet.first() {
        return (false, format!("FAIL: {} stored layers did not run, the first of them {first}", unmet.len()));
    }
    (true, "ok: this device computes what the originals compute".to_owned())
}

fn driver(device: &Device) -> Option<String> {
    let Device::Gpu(gpu) = device else { return None };
    Some(format!("{} {}", gpu.info.driver, gpu.info.driver_info).trim().to_owned())
}
