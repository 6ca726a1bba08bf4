//! Models of Xu et al. and of DDAD on the golden chains' networks, small and of random weights, for images of three channels.
use std::path::Path;

/// A model of Xu et al. for images of 32 rows and 64 columns: a diffusion autoencoder and a comparer; `more` goes into `system`.
pub fn xu(folder: &Path, more: &str) {
    let networks = [("network", "denoiser", "model.safetensors"), ("comparer", "comparer", "comparer.safetensors")];
    super::copy_networks("chains/xu", &networks, folder);
    let sampler = r#""method": "xu", "sampler": {"kind": "ddim", "steps": 2}"#;
    settings(folder, &format!("{sampler}{more}"));
}

/// A model of DDAD for images of 32 rows and 64 columns: a UNet and a ResNet; `more` goes into `system`.
pub fn ddad(folder: &Path, more: &str) {
    let networks = [("network", "denoiser", "model.safetensors"), ("features", "features", "model.safetensors")];
    super::copy_networks("chains/ddad", &networks, folder);
    let steps = r#""method": "ddad", "t_start": 100, "skip": 50, "crop": 28, "noise_per": "run""#;
    settings(folder, &format!("{steps}{more}"));
}

fn settings(folder: &Path, system: &str) {
    let text = format!(
        r#"{{"format": 2, "name": "embedded", "input": {{"width": 64, "height": 32, "channels": 3, "range": [-1, 1]}},
            "networks": {{"denoiser": {{"file": "denoiser/model.safetensors"}}}},
            "system": {{{system}}}, "threshold": {{"pixel": 0.5, "image": 0.3}}}}"#
    );
    std::fs::write(folder.join("detector.json"), text).unwrap();
}
