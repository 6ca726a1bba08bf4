//! Whether this device computes what the originals compute.
//!
//! A model folder's `selftest.safetensors` (see `weights/recipes/selftest.py`) holds a picture, a short detection's settings and
//! what PyTorch and NumPy make of them in float64. The detection runs twice here: as `residua detect` runs it, whose
//! reconstruction and map must be the stored ones, and launch by launch beside the CPU halves in f64, where the launches of
//! each section's first run (of the last, in `finish`) must also be the stored ones.
use super::layers::{self, Layer};
use super::measure::Deviation;
use crate::detect::ModelFolder;
use crate::{Device, Result};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

mod detection;
mod stored;

pub use stored::Stored;

/// How a device did; in JSON as it stands.
#[derive(Serialize)]
pub struct SelftestReport {
    /// The device's name.
    pub device: String,
    /// Name and version of a GPU's driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The model folder.
    #[serde(serialize_with = "crate::data::path_text::serialize")]
    pub model: PathBuf,
    /// The verdict in one word.
    pub ok: bool,
    /// The verdict in one sentence.
    pub verdict: String,
    /// The first layer beyond tolerance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_wrong_layer: Option<String>,
    /// The section with the network.
    #[serde(skip)]
    pub network: String,
    /// Of the whole detection, against what is stored.
    pub outputs: Vec<Deviation>,
    /// Every launch that was watched.
    pub layers: Vec<Layer>,
    /// Stored layers that no launch is called after: then less was tested than there is.
    pub unmet: Vec<String>,
    /// Compiling, planning and uploading.
    pub prepare_seconds: f64,
    /// The short detection, as `detect` runs it.
    pub detect_seconds: f64,
    /// Everything.
    pub seconds: f64,
}

/// Tests a device with the stored reference of a model folder.
/// # Errors
/// What stands in the way of a test: no reference, a damaged one, a device that is lost.
pub fn selftest(path: &Path, device: &Device) -> Result<SelftestReport> {
    let start = Instant::now();
    let stored = Stored::open(path)?;
    let whole = detection::detect(&stored, device)?;
    let (layers, unmet) = detection::layers(&stored, device)?;
    let (ok, verdict) = verdict(&whole.outputs, &layers, &unmet);
    Ok(SelftestReport {
        device: device.name(),
        driver: driver(device),
        model: path.to_owned(),
        ok,
        verdict,
        first_wrong_layer: layers::first_wrong(&layers).map(|l| l.name.clone()),
        outputs: whole.outputs,
        network: network(&stored.model)?,
        layers,
        unmet,
        prepare_seconds: whole.prepare_seconds,
        detect_seconds: whole.detect_seconds,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// The name of the section with the network.
fn network(model: &ModelFolder) -> Result<String> {
    let job = model.job(1)?;
    Ok(job.graph.sections.get(job.network.0).cloned().unwrap_or_default())
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
