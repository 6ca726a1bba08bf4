//! A model of DiffAD on the golden chain's networks: a small KL autoencoder, a small denoiser of its latents and a small comparer, random
//! weights, for images of three channels.
use std::path::Path;

/// Writes the networks, and a `detector.json` for images of 32 rows and 64 columns; `more` goes into `system`.
pub fn folder(folder: &Path, more: &str) {
    let networks = [
        ("network", "denoiser", "model.safetensors"),
        ("autoencoder", "autoencoder", "model.safetensors"),
        ("comparer", "comparer", "comparer.safetensors"),
    ];
    super::copy_networks("chains/diffad", &networks, folder);
    settings(folder, 64, more);
}

/// Writes `detector.json` for images of 32 rows and so many columns.
pub fn settings(folder: &Path, width: usize, more: &str) {
    let text = format!(
        r#"{{"format": 2, "name": "compared", "input": {{"width": {width}, "height": 32, "channels": 3, "range": [0, 1]}},
            "networks": {{"denoiser": {{"file": "denoiser/model.safetensors"}}}},
            "system": {{"method": "diffad", "sampler": {{"kind": "ddim", "steps": 2}}, "noise_per": "run"{more}}},
            "threshold": {{"pixel": 0.5, "image": 0.3}}}}"#
    );
    std::fs::write(folder.join("detector.json"), text).unwrap();
}
