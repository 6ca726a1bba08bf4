//! Networks that give NaN for some images, and batches that end unevenly.
use crate::common::volume::nifti;
use crate::common::{folder, run, small};
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

/// A model whose first layer sums nine pixels at a weight with which later sums leave the range of f32 where the image is white.
fn overflowing(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    small::write(folder, 1);
    let path = folder.join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    for (name, weight) in [("conv_in.weight", 1e36f32), ("conv_in.bias", 0.0)] {
        let place = header[name]["data_offsets"].as_array().unwrap();
        let [start, end] = [0, 1].map(|i| 8 + length + place[i].as_u64().unwrap() as usize);
        bytes[start..end].chunks_mut(4).for_each(|v| v.copy_from_slice(&weight.to_le_bytes()));
    }
    std::fs::write(path, bytes).unwrap();
    let settings = r#"{"format": 2, "name": "overflowing", "input": {"width": 32, "height": 32, "channels": 1, "range": [-1, 1],
        "scaling": {"kind": "min_max", "over": "volume"}}, "networks": {"denoiser": {"file": "model.safetensors"}},
        "system": {"method": "anoddpm", "lambda": 5, "sampler": {"kind": "ddim", "steps": 1}, "noise": {"kind": "gaussian"}},
        "threshold": {"pixel": 0.1}}"#;
    std::fs::write(folder.join("detector.json"), settings).unwrap();
}

#[test]
fn a_volume_with_a_slice_that_gives_no_map_says_so() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    overflowing(Path::new(&at("model")));
    // All slices are grey but the third, which is white.
    let mut voxels: Vec<u8> = (0..5 * 1024).map(|i| 127 + u8::from(i % 3 == 0)).collect();
    voxels[2 * 1024..3 * 1024].fill(255);
    voxels[0] = 0;
    nifti(Path::new(&at("in/scan.nii")), [32, 32, 5], 1, &voxels);
    let (code, out, err) =
        run(&["detect", &at("in"), "--model", &at("model"), "--out", &at("out"), "--device", "cpu", "--batch", "2"]);
    assert_eq!(code, 2, "{out}{err}");
    assert!(err.contains("slice scan_k2: the network gives no finite map"), "{err}");
    assert!(err.contains("scan.nii: 1 of its 5 slices gave no result, so the volume has no map"), "{err}");
    let results: Value = serde_json::from_slice(&std::fs::read(at("out/results.json")).unwrap()).unwrap();
    assert_eq!(results["records"].as_array().unwrap().len(), 4, "the others are done: {results}");
    assert!(!Path::new(&at("out/scan/map.nii.gz")).exists());
    // Where no slice fails there is a map, and nothing is said.
    voxels[2 * 1024..3 * 1024].fill(128);
    nifti(Path::new(&at("in/scan.nii")), [32, 32, 5], 1, &voxels);
    small::write(Path::new(&at("model")), 1);
    let (code, out, err) = run(&["detect", &at("in"), "--model", &at("model"), "--out", &at("out"), "--device", "cpu"]);
    assert!(code == 0 && Path::new(&at("out/scan/map.nii.gz")).is_file(), "{out}{err}");
}

#[test]
fn scores_do_not_depend_on_the_batch() {
    let dir = TempDir::new().unwrap();
    let model = folder::model(&dir);
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(at("in")).unwrap();
    (0..5).for_each(|n| folder::picture(Path::new(&at(&format!("in/{n}.png"))), 32, 32, 7 * n));
    let scores = |batch: &str| {
        let (model, out) = (model.to_str().unwrap(), at(batch));
        let args =
            ["detect", &at("in"), "--model", model, "--out", &out, "--device", "cpu", "--batch", batch, "--json"];
        let (code, text, err) = run(&args);
        assert_eq!(code, 0, "{err}");
        let results: Value = serde_json::from_str(&text).unwrap();
        results["records"].as_array().unwrap().iter().map(|r| r["score"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let single = scores("1");
    assert!(single.len() == 5 && single[0] != single[1]);
    assert_eq!(scores("2"), single);
    assert_eq!(scores("3"), single);
}
