//! A small model folder, and pictures for it.
use image::{GrayImage, Luma};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A model folder around the AnoDDPM golden, with a chain short enough for a test.
pub fn model(dir: &TempDir) -> PathBuf {
    let goldens = std::env::var_os("RESIDUA_GOLDENS").map_or_else(|| PathBuf::from("tests/goldens"), PathBuf::from);
    let folder = dir.path().join("model");
    std::fs::create_dir_all(&folder).unwrap();
    for file in ["model.safetensors", "config.json"] {
        std::fs::copy(goldens.join("anoddpm").join(file), folder.join(file)).unwrap();
    }
    let settings = r#"{"format": 1, "method": "anoddpm", "name": "small", "network": "model.safetensors",
        "input": {"width": 32, "height": 32, "channels": 1, "range": [-1, 1]}, "lambda": 20,
        "sampler": {"kind": "ddim", "steps": 2}, "residual": "absolute", "blur": {"kind": "gaussian", "sigma": 1},
        "threshold": {"pixel": 0.1, "image": 0.001}}"#;
    std::fs::write(folder.join("detector.json"), settings).unwrap();
    folder
}

/// A gray pattern; `shift` makes another one.
pub fn picture(path: &Path, width: u32, height: u32, shift: u32) {
    GrayImage::from_fn(width, height, |x, y| Luma([((x * 7 + y * 3 + shift * 5) % 256) as u8])).save(path).unwrap();
}

/// Two pictures in `bad` with a black rectangle each, and their masks in `masks/bad`; `good` is there for others.
pub fn defects(root: &Path, shift: u32) {
    for folder in ["good", "bad", "masks/bad"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    for i in 0..2 {
        let path = root.join(format!("bad/{i}.png"));
        picture(&path, 32, 32, shift + i);
        let inside = |x: u32, y: u32| (8..20).contains(&x) && (6..14 + i).contains(&y);
        let mut image = image::open(&path).unwrap().to_luma8();
        image.enumerate_pixels_mut().filter(|(x, y, _)| inside(*x, *y)).for_each(|(_, _, p)| *p = Luma([0]));
        image.save(&path).unwrap();
        let mask = GrayImage::from_fn(32, 32, |x, y| Luma([if inside(x, y) { 255 } else { 0 }]));
        mask.save(root.join(format!("masks/bad/{i}.png"))).unwrap();
    }
}
