//! A folder with a model around the smallest network, and room for what goes with it.
use super::folder::picture;
use std::path::PathBuf;
use tempfile::TempDir;

/// AnoDDPM in format 1, of two steps and one run; every image and every pixel lies above its thresholds.
const SETTINGS: &str = r#"{"format": 1, "method": "anoddpm", "name": "small", "network": "model.safetensors",
    "input": {"width": 32, "height": 32, "channels": 1, "range": [-1, 1]}, "lambda": 20,
    "sampler": {"kind": "ddim", "steps": 2}, "residual": "absolute", "threshold": {"pixel": 0.0, "image": 0.0}}"#;

/// The folder; the model lies in `model`.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        let place = Place(TempDir::new().unwrap());
        std::fs::create_dir(place.at("model")).unwrap();
        super::small::write(&place.at("model"), 1);
        place.settings(SETTINGS);
        place
    }
    /// Writes `detector.json`.
    pub fn settings(&self, text: &str) {
        std::fs::write(self.at("model/detector.json"), text).unwrap();
    }
    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    pub fn text(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }
    /// A picture of 32 x 32 pixels; `shift` makes another one.
    pub fn picture(&self, name: &str, shift: u32) {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture(&path, 32, 32, shift);
    }
    pub fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.at(name)).unwrap()).unwrap()
    }
}
