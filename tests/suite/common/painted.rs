//! A model of Pinaya et al. on the golden chain's networks: a small VQ autoencoder and a small denoiser of its latents, random weights.
use std::path::Path;

/// Writes both networks, and a `detector.json` for images of 24 rows and 32 columns; `more` goes into `system`.
pub fn folder(folder: &Path, more: &str) {
    let networks = [("network", "denoiser"), ("autoencoder", "autoencoder")].map(|(a, b)| (a, b, "model.safetensors"));
    super::copy_networks("chains/pinaya", &networks, folder);
    settings(folder, 32, more);
}

/// Writes `detector.json` for images of 24 rows and so many columns.
pub fn settings(folder: &Path, width: usize, more: &str) {
    let text = format!(
        r#"{{"format": 2, "name": "painted", "input": {{"width": {width}, "height": 24, "channels": 1, "range": [0, 1]}},
            "networks": {{"denoiser": {{"file": "denoiser/model.safetensors"}}}},
            "system": {{"method": "pinaya", "band": {{"first": 300, "last": 500, "steps": 2}}, "start": 500,
                "sampler": {{"kind": "ddim", "steps": 2}}, "quantile": 0.7, "noise_per": "run"{more}}},
            "threshold": {{"pixel": 0.2, "image": 0.1}}}}"#
    );
    std::fs::write(folder.join("detector.json"), text).unwrap();
}
