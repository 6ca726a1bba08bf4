//! pDDPM on volumes.
use super::*;
use residua::data::Volume;

/// 32x32x5 voxels: a ball on a black background, so that slices have a foreground.
fn ball() -> Vec<u8> {
    let voxel = |i: usize| {
        let (x, y, z) = ((i % 32) as i32 - 16, (i / 32 % 32) as i32 - 16, (i / 1024) as i32 - 2);
        if x * x + y * y + 9 * z * z < 196 { (60 + (7 * x * y + 31 * z).rem_euclid(150)) as u8 } else { 0 }
    };
    (0..32 * 32 * 5).map(voxel).collect()
}

#[test]
fn pddpm_judges_a_volume_as_a_whole() {
    let p = Place::new();
    let dims = [32i16, 32, 5];
    let voxels = ball();
    nifti(&p.at("in/scan.nii"), dims, 1, &voxels);
    let model = p.pddpm(1, r#", "erosion": 1, "median": 3"#, "");
    let (code, said, results) = p.detect(&model, &["--maps"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(results["records"].as_array().unwrap().len(), 5, "one record a slice");
    let volume = &results["volumes"][0];
    let score = volume["score"].as_f64().unwrap();
    assert!(score > 0.0 && volume["name"] == "scan" && said.contains("the whole volume"), "{volume} {said}");
    for file in ["scan/map.nii.gz", "scan/mask.nii.gz", "scan/scan_k2/mask.png"] {
        assert!(p.at("out").join(file).is_file(), "{file}");
    }
    let html = std::fs::read_to_string(p.at("out/report.html")).unwrap();
    assert!(html.contains("<summary>Volumes (1)</summary>"));
    // The map is zero outside the eroded ball, and the volume's score is its mean inside the whole ball.
    let read = |slice: usize| residua::data::read_map(&p.at(&format!("out/scan/scan_k{slice}/map.npy"))).unwrap();
    let (mut sum, mut count) = (0.0, 0);
    for slice in 0..5 {
        let map = read(slice);
        for (i, v) in map.data.iter().enumerate() {
            let (x, y) = (i % 32, 31 - i / 32);
            if voxels[slice * 1024 + y * 32 + x] > 0 {
                (sum, count) = (sum + f64::from(*v), count + 1);
            }
        }
    }
    assert!((sum / f64::from(count) - score).abs() < 1e-6, "{} {score}", sum / f64::from(count));
    // Everything off: the raw map, which is larger.
    let off = ["--set", "erosion=0", "--set", "median=1", "--set", "min_component=0"];
    let (code, said, raw) = p.detect(&model, &off);
    assert_eq!(code, 0, "{said}");
    assert!(raw["volumes"][0]["score"].as_f64().unwrap() > score);
    // A calibration counts volumes, not slices; its thresholds are then the volume's.
    let (inputs, model_path) = (p.text("in"), model.clone());
    let (code, out, err) = run(&["calibrate", &inputs, "--model", &model_path, "--device", "cpu", "--json"]);
    assert_eq!(code, 0, "{err}");
    let calibration: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(calibration["scores"].as_array().unwrap().len(), 1);
    assert_eq!(calibration["fingerprint"].as_str().unwrap().len(), 16);
    assert_eq!(calibration["settings"]["method"], "pddpm");
    // It promises nothing for one slice.
    let (code, said, judged) = p.detect(&model, &["--fpr", "0.5"]);
    assert_eq!(code, 0, "{said}");
    assert!(judged["records"].as_array().unwrap().iter().all(|r| r["verdict"] == "unjudged" && r["p_value"].is_null()));
    assert!(judged["volumes"][0]["verdict"] == "normal" && judged["volumes"][0]["p_value"] == 1.0, "{judged}");
    let (code, said, _) = p.detect(&model, &["--fpr", "0.5", "--set", "median=1"]);
    assert!(code == 2 && said.contains("was made with other `median`"), "{said}");
}

#[test]
fn a_volume_is_judged_again_with_its_mask() {
    let p = Place::new();
    nifti(&p.at("in/scan.nii"), [32, 32, 5], 1, &ball());
    let model = p.pddpm(1, r#", "erosion": 1, "median": 3"#, "");
    let (code, said, _) = p.detect(&model, &["--maps"]);
    assert_eq!(code, 0, "{said}");
    let voxels = || {
        let mask = Volume::read_labels(&p.at("out/scan/mask.nii.gz")).unwrap();
        let slices = (0..5).map(|k| mask.slice(2, k).unwrap().data.iter().filter(|&&v| v > 0.0).count());
        let whites = (0..5).map(|k| {
            let drawn = image::open(p.at(&format!("out/scan/scan_k{k}/mask.png"))).unwrap().to_luma8();
            drawn.pixels().filter(|p| p.0[0] > 127).count()
        });
        let (slices, whites) = (slices.collect::<Vec<_>>(), whites.collect::<Vec<_>>());
        assert_eq!(slices, whites);
        slices.iter().sum::<usize>()
    };
    let before = voxels();
    let out = p.text("out");
    let (code, _, err) = run(&["rescore", &out, "--pixel-threshold", "0.01"]);
    assert_eq!(code, 0, "{err}");
    assert!(voxels() > before, "{before}");
}

#[test]
fn the_truth_is_no_foreground() {
    let p = Place::new();
    nifti(&p.at("in/scan.nii"), [32, 32, 5], 1, &ball());
    let lesion: Vec<u8> = (0..32 * 32 * 5).map(|i| u8::from(i / 1024 == 2 && i % 32 > 12 && i % 32 < 20)).collect();
    nifti(&p.at("in/scan_mask.nii"), [32, 32, 5], 1, &lesion);
    let (model, inputs, out) = (p.pddpm(1, "", ""), p.text("in"), p.text("eval"));
    let args = ["eval", &inputs, "--model", &model, "--out", &out, "--device", "cpu"];
    refused(&args, "scan_mask.nii: would be the truth and, by its name, the foreground");
    std::fs::rename(p.at("in/scan_mask.nii"), p.at("in/scan_seg.nii")).unwrap();
    let (code, _, err) = run(&args);
    assert_eq!(code, 0, "{err}");
    // Beside a segmentation, NAME_mask is the foreground.
    let score = || std::fs::read_to_string(p.at("eval/eval.json")).unwrap();
    let whole = score();
    let inside: Vec<u8> = ball().iter().enumerate().map(|(i, &v)| u8::from(v > 0 && i % 32 > 8)).collect();
    nifti(&p.at("in/scan_mask.nii"), [32, 32, 5], 1, &inside);
    let (code, _, err) = run(&args);
    assert_eq!(code, 0, "{err}");
    assert_ne!(score(), whole);
    // Elsewhere by its affine: an sform of twice the size; before that, only one of the two has any.
    let place = |name: &str, size: f32| {
        let mut bytes = std::fs::read(p.at(name)).unwrap();
        bytes[254..256].copy_from_slice(&1i16.to_le_bytes());
        for row in 0..3 {
            bytes[280 + 20 * row..284 + 20 * row].copy_from_slice(&size.to_le_bytes());
        }
        std::fs::write(p.at(name), bytes).unwrap();
    };
    place("in/scan_seg.nii", 2.0);
    refused(&args, "only one says where it lies");
    place("in/scan.nii", 1.0);
    place("in/scan_mask.nii", 1.0);
    refused(&args, "does not lie where its volume does");
}

#[test]
fn a_damaged_archive_and_a_gate_without_a_threshold_are_refused() {
    let p = Place::new();
    nifti(&p.at("scan.nii"), [32, 32, 5], 1, &ball());
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, &std::fs::read(p.at("scan.nii")).unwrap()).unwrap();
    let mut packed = packer.finish().unwrap();
    std::fs::write(p.at("in/scan.nii.gz"), &packed).unwrap();
    let model = p.pddpm(1, "", "");
    let (code, said, _) = p.detect(&model, &[]);
    assert_eq!(code, 0, "{said}");
    let end = packed.len();
    packed[end - 7] ^= 0x10;
    std::fs::write(p.at("in/scan.nii.gz"), &packed).unwrap();
    let (code, said, _) = p.detect(&model, &[]);
    assert!(code == 2 && said.contains("scan.nii.gz") && said.contains("checksum"), "{said}");
    let settings = std::fs::read_to_string(p.at("model/detector.json")).unwrap();
    std::fs::write(p.at("model/detector.json"), settings.replace(r#", "image": 0.1"#, "")).unwrap();
    let (code, said, _) = p.detect(&model, &["--gate"]);
    assert!(code == 2 && said.contains("--gate: there is no image threshold"), "{said}");
}
