//! Scaling against NumPy and nibabel (`tests/reference/scaling.py`), and properties that hold for any values.
use super::npy::tests::npy;
use super::*;
use crate::{Error, Result};
use base64::Engine;
use npyz::Order;
use proptest::prelude::*;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn reference() -> Value {
    serde_json::from_str(include_str!("../../tests/reference/scaling.json")).unwrap()
}
fn floats(v: &Value) -> Vec<f32> {
    v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}
fn spec(channels: usize, scaling: Scaling) -> InputSpec {
    InputSpec { scaling, ..InputSpec::fixed(channels, ValueRange::SIGNED) }
}
fn close(what: &str, found: &[f32], want: &[f32]) {
    assert_eq!(found.len(), want.len(), "{what}");
    for (i, (f, w)) in found.iter().zip(want).enumerate() {
        assert!((f - w).abs() < 1e-6, "{what}, value {i}: {f}, not {w}");
    }
}
fn read_array(path: &Path, values: Vec<f32>, shape: &[u64], spec: &InputSpec) -> Result<Picture> {
    std::fs::write(path, npy(shape, Order::C, values)).unwrap();
    read_still(&Input::of_file(path), spec)
}

/// A folder with the reference's volumes.
struct Volumes {
    folder: tempfile::TempDir,
    reference: Value,
}

impl Volumes {
    fn new() -> Self {
        Volumes { folder: tempfile::tempdir().unwrap(), reference: reference()["volume"].take() }
    }
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    fn write(&self, name: &str, base64: &Value) -> PathBuf {
        let bytes = base64::engine::general_purpose::STANDARD.decode(base64.as_str().unwrap()).unwrap();
        std::fs::write(self.at(name), bytes).unwrap();
        self.at(name)
    }
    /// The four channels as files of their own.
    fn write_channels(&self) {
        for (c, suffix) in ["_t1", "_t1ce", "_t2", "_flair"].iter().enumerate() {
            self.write(&format!("p{suffix}.nii"), &self.reference["channels"][c]);
        }
    }
    fn set(&self) -> Result<Input> {
        Ok(find_inputs(&[self.folder.path().to_owned()], &suffixes())?.swap_remove(0))
    }
}

fn suffixes() -> Vec<String> {
    ["_t1", "_t1ce", "_t2", "_flair"].map(Into::into).into()
}

/// All voxels of all channels after scaling, channel after channel.
fn scaled(volume: &Volume) -> Vec<Vec<f32>> {
    let [w, h, d] = volume.dims;
    let slices: Vec<Picture> = (0..d).map(|k| volume.slice(2, k).unwrap()).collect();
    let value = |c: usize, i: usize| {
        let (x, y, k) = (i % w, i / w % h, i / (w * h));
        slices[k].data[((h - 1 - y) * w + x) * volume.channels + c]
    };
    (0..volume.channels).map(|c| (0..w * h * d).map(|i| value(c, i)).collect()).collect()
}

#[test]
fn percentiles_are_those_of_numpy() {
    let folder = tempfile::tempdir().unwrap();
    for case in reference()["percentiles"].as_array().unwrap() {
        let values = floats(&case["values"]);
        let (low, high) = (case["low"].as_f64().unwrap(), case["high"].as_f64().unwrap());
        for over in [Over::Image, Over::Volume] {
            let scaling = Scaling::Percentiles { low, high, over };
            let shape = [1, values.len() as u64];
            let found = read_array(&folder.path().join("x.npy"), values.clone(), &shape, &spec(1, scaling)).unwrap();
            close(&format!("{} values, {scaling:?}", values.len()), &found.data, &floats(&case["scaled"]));
        }
    }
}

#[test]
fn volumes_of_several_channels_are_scaled_as_by_numpy() {
    let v = Volumes::new();
    let whole = v.write("q.nii", &v.reference["all"]);
    v.write_channels();
    for masked in [false, true] {
        if masked {
            v.write("q_mask.nii", &v.reference["mask"]);
            v.write("p_mask.nii", &v.reference["mask"]);
        }
        for (over, name) in [(Over::Volume, "volume"), (Over::Mask, if masked { "mask" } else { "above" })] {
            let percentiles = Scaling::Percentiles { low: 2.0, high: 97.0, over };
            for (scaling, kind) in [(Scaling::MinMax { over }, "min_max"), (percentiles, "percentiles")] {
                let want = &v.reference["scaled"][format!("{kind} {name}")];
                let spec = spec(4, scaling);
                std::fs::rename(v.at("q.nii"), v.at("q.hidden")).unwrap();
                let set = find_inputs(&[v.at("p_t2.nii")], &suffixes()).unwrap().swap_remove(0);
                std::fs::rename(v.at("q.hidden"), v.at("q.nii")).unwrap();
                for input in [Input::of_file(&whole), set] {
                    let volume = Volume::open(&input, &spec).unwrap();
                    assert_eq!((volume.dims, volume.channels), ([5, 4, 3], 4));
                    for (c, found) in scaled(&volume).iter().enumerate() {
                        close(&format!("{kind} {name}, channel {c} of {}", input.name), found, &floats(&want[c]));
                    }
                    let told = volume.slice(0, 1).unwrap().warnings.join(" ");
                    assert_eq!(told.contains("q_mask") || told.contains("p_mask"), over == Over::Mask, "{told}");
                    assert_eq!(told.contains("no file"), over == Over::Mask && !masked, "{told}");
                }
            }
        }
    }
}

#[test]
fn the_foreground_of_a_volume_is_its_masks_or_what_is_above_zero() {
    let v = Volumes::new();
    let path = v.write("q.nii", &v.reference["all"]);
    let spec = InputSpec::fixed(4, ValueRange::UNIT);
    let open = || Volume::open(&Input::of_file(&path), &spec).unwrap();
    let volume = open();
    let above = &volume.foreground().unwrap().inside;
    let size = above.len();
    assert!((0..size).all(|i| above[i] == (0..4).any(|c| volume.voxels[c * size + i] > 0.0)));
    let labels = Volume::read_labels(&v.write("q_mask.nii", &v.reference["mask"])).unwrap();
    let volume = open();
    assert!(volume.foreground().unwrap().inside.iter().zip(&labels.voxels).all(|(i, l)| *i == (*l > 0.0)));
    assert!(volume.foreground().unwrap().notice.contains("q_mask.nii"));
    let (slice, labels) = (volume.foreground_slice(1, 2).unwrap(), Mask::of_slice(&labels, 1, 2).unwrap());
    assert_eq!(slice, labels);
    assert!(volume.foreground_slice(1, 4).is_err());
    v.write("q_mask.nii", &v.reference["all"]);
    assert!(open().foreground().unwrap_err().to_string().contains("q_mask.nii: has dimensions"));
    std::fs::write(v.at("q_mask.nii"), volume::tests::nifti_u8(false, [5, 4, 2], &[1; 40])).unwrap();
    assert!(open().foreground().unwrap_err().to_string().contains("q_mask.nii: the mask has [5, 4, 2] voxels"));
}

#[test]
fn affines_are_those_of_nibabel_and_must_agree_within_a_set() {
    let v = Volumes::new();
    for (i, case) in v.reference["affines"].as_array().unwrap().iter().enumerate() {
        let volume = Volume::read_labels(&v.write("a.nii", &case["file"])).unwrap();
        for (row, want) in volume.affine.iter().zip(case["affine"].as_array().unwrap()) {
            let row: Vec<f32> = row.iter().map(|v| *v as f32).collect();
            for (f, w) in row.iter().zip(floats(want)) {
                assert!((f - w).abs() < 1e-4, "affine {i}: {f}, not {w}");
            }
        }
    }
    std::fs::remove_file(v.at("a.nii")).unwrap();
    v.write_channels();
    Volume::open(&v.set().unwrap(), &spec(4, Scaling::Fixed {})).unwrap();
    v.write("p_t1ce.nii", &v.reference["moved"]);
    let error = Volume::open(&v.set().unwrap(), &spec(4, Scaling::Fixed {})).unwrap_err().to_string();
    assert!(error.contains("p_t1ce.nii: does not lie where p_t1"), "{error}");
    std::fs::write(v.at("p_t1ce.nii"), volume::tests::nifti_u8(false, [5, 4, 2], &[1; 40])).unwrap();
    let error = Volume::open(&v.set().unwrap(), &spec(4, Scaling::Fixed {})).unwrap_err().to_string();
    assert!(error.contains("p_t1ce.nii: has [5, 4, 2] voxels, but p_t1"), "{error}");
}

#[test]
fn a_volume_of_other_channels_is_refused_naming_both() {
    let v = Volumes::new();
    let path = v.write("q.nii", &v.reference["all"]);
    let open = |channels, path: &Path| Volume::open(&Input::of_file(path), &spec(channels, Scaling::Fixed {}));
    let error = open(3, &path).unwrap_err().to_string();
    assert!(error.contains("q.nii") && error.contains("4 channels") && error.contains("takes 3"), "{error}");
    let one = v.write("one.nii", &v.reference["channels"][0]);
    let error = open(4, &one).unwrap_err().to_string();
    assert!(error.contains("has one channel, but the model takes 4"), "{error}");
    assert_eq!(open(3, &one).unwrap().slice(0, 0).unwrap().to_channels(3).unwrap().channels, 3);
    // Its map has one channel and can be read again.
    let volume = open(4, &path).unwrap();
    VolumeMap::new(&volume).write(&v.at("map.nii")).unwrap();
    assert_eq!(Volume::read_labels(&v.at("map.nii")).unwrap().dims, volume.dims);
}

#[test]
fn settings_are_strict() {
    let read = |text: &str| serde_json::from_str::<Scaling>(text);
    assert_eq!(read(r#"{"kind":"fixed"}"#).unwrap(), Scaling::default());
    assert_eq!(read(r#"{"kind":"min_max","over":"volume"}"#).unwrap(), Scaling::MinMax { over: Over::Volume });
    let percentiles = Scaling::Percentiles { low: 1.0, high: 99.0, over: Over::Mask };
    assert_eq!(read(r#"{"kind":"percentiles","low":1,"high":99,"over":"mask"}"#).unwrap(), percentiles);
    assert_eq!(read(&serde_json::to_string(&percentiles).unwrap()).unwrap(), percentiles);
    for bad in [r#"{"kind":"fixed","over":"image"}"#, r#"{"kind":"min_max"}"#, r#"{"kind":"min_max","over":"slice"}"#] {
        assert!(read(bad).is_err(), "{bad}");
    }
    for (low, high) in [(5.0, 5.0), (-1.0, 50.0), (1.0, 100.5), (f64::NAN, 5.0), (1.0, f64::NAN)] {
        assert!(Scaling::Percentiles { low, high, over: Over::Image }.check().is_err(), "{low} {high}");
    }
    let good = InputSpec { suffixes: suffixes(), ..spec(4, percentiles) };
    good.check().unwrap();
    let with =
        |suffixes: &[&str]| InputSpec { suffixes: suffixes.iter().map(|s| (*s).into()).collect(), ..good.clone() };
    for bad in [&["_t1"][..], &["_a", "_b", "_c", "_A"], &["_a", "_b", "", "_c"], &["_a", "_b", "_c", "_seg"]] {
        assert!(matches!(with(bad).check(), Err(Error::Invalid(text)) if text.contains("suffixes")), "{bad:?}");
    }
    assert!(InputSpec { channels: 5, ..good.clone() }.check().is_err());
    assert!(InputSpec { range: ValueRange { low: 1.0, high: 1.0 }, ..good.clone() }.check().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the values: in 0..1 with both ends reached, in the order that they had, or refused by name.
    #[test]
    fn scaled_values_keep_their_order(
        values in proptest::collection::vec(prop_oneof![Just(0.0f32), -1e6f32..1e6, any::<f32>()], 1..80),
        low in 0.0f64..60.0, span in 0.1f64..40.0, over in 0usize..3, kind in any::<bool>(),
    ) {
        let over = [Over::Image, Over::Volume, Over::Mask][over];
        let scaling = if kind { Scaling::MinMax { over } } else { Scaling::Percentiles { low, high: low + span, over } };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        match read_array(&path, values.clone(), &[1, values.len() as u64], &spec(1, scaling)) {
            Ok(found) => {
                prop_assert!(found.data.iter().all(|v| (0.0..=1.0).contains(v)));
                prop_assert!(found.data.contains(&0.0) && found.data.iter().any(|v| *v > 0.99));
                let mut order: Vec<usize> = (0..values.len()).collect();
                order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
                prop_assert!(order.windows(2).all(|w| found.data[w[0]] <= found.data[w[1]]));
            }
            Err(e) => prop_assert!(e.to_string().contains("x.npy: ")),
        }
    }
}
