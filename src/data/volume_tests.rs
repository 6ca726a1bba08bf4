//! Volumes as nibabel writes them (`tests/reference/pictures.py`), and segmentations that lie in another order.
use super::corpus_tests::corpus;
use super::{Mask, Volume, VolumeMap};
use crate::Result;
use std::path::Path;

/// The value of a voxel of the volume of 6, 5 and 4 voxels.
fn voxel(at: usize) -> f32 {
    let (i, j, k) = (at % 6, at / 6 % 5, at / 30);
    ((37 * i + 11 * j + 5 * k) % 100 + 1) as f32
}

/// Whether a voxel is of the segmentation.
fn label(at: usize) -> bool {
    let (i, j, k) = (at % 6, at / 6 % 5, at / 30);
    ((1..3).contains(&i) && (2..4).contains(&j) && k == 1) || (i, j, k) == (4, 1, 2)
}

fn read(name: &str) -> Result<Volume> {
    Volume::read(&corpus(&format!("volumes/{name}")))
}

#[test]
fn every_type_and_version_gives_the_same_voxels_and_place() {
    let place = read("p.nii").unwrap().affine;
    let names = "p.nii int8.nii uint16.nii uint32.nii int64.nii float64.nii second.nii second.nii.gz big-endian.nii \
                 extension.nii frame.nii pair.img pair.hdr sform-and-qform.nii";
    for name in names.split(' ') {
        let found = read(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((found.dims, found.channels), ([6, 5, 4], 1), "{name}");
        assert!(found.voxels.iter().enumerate().all(|(at, v)| *v == voxel(at)), "{name}");
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-4;
        assert!(found.affine.as_flattened().iter().zip(place.as_flattened()).all(near), "{name}: {:?}", found.affine);
        let torn = name == "sform-and-qform.nii";
        assert_eq!(found.warnings.iter().any(|w| w.contains("the sform counts")), torn, "{name}: {:?}", found.warnings);
        // Its map has its place, whatever it was itself.
        let folder = tempfile::tempdir().unwrap();
        VolumeMap::new(&found).write(&folder.path().join("map.nii.gz")).unwrap();
        let map = Volume::read_labels(&folder.path().join("map.nii.gz")).unwrap();
        assert_eq!(
            (map.dims, map.affine),
            (found.dims, found.affine.map(|r| r.map(|v| f64::from(v as f32)))),
            "{name}"
        );
    }
    let error = read("colours.nii").unwrap_err().to_string();
    assert!(error.contains("its voxels are colours (RGB), which are not read"), "{error}");
}

#[test]
fn a_segmentation_is_compared_in_space() {
    let volume = read("p.nii").unwrap();
    let labels = |name: &str| Volume::read_labels(&corpus(&format!("volumes/p-labels{name}.nii.gz"))).unwrap();
    for name in ["", "-LPS", "-SRA", "-ASL", "-IRP"] {
        let found = volume.aligned(labels(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(found.dims, volume.dims, "{name}");
        assert!(found.voxels.iter().enumerate().all(|(at, v)| (*v > 0.0) == label(at)), "{name}");
        let marked: usize =
            (0..4).map(|k| Mask::of_slice(&found, 2, k).unwrap().data.iter().filter(|m| **m).count()).sum();
        assert_eq!(marked, 5, "{name}");
    }
    for (name, words) in [("-moved", "their affines differ"), ("-nowhere", "only one says where it lies")] {
        let error = volume.aligned(labels(name)).unwrap_err().to_string();
        assert!(error.contains(&format!("p-labels{name}.nii.gz: ")) && error.contains(words), "{error}");
    }
    let mut below = labels("");
    below.voxels[7] = -1.0;
    assert!(volume.aligned(below).unwrap_err().to_string().contains("holds -1, which is no label"));
}

#[test]
fn the_foreground_lies_in_space_too() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::copy(corpus("volumes/p.nii"), at("p.nii")).unwrap();
    std::fs::copy(corpus("volumes/p-labels-ASL.nii.gz"), at("p_mask.nii.gz")).unwrap();
    let inside = &Volume::read(&at("p.nii")).unwrap().foreground().unwrap().inside.clone();
    assert!(inside.iter().enumerate().all(|(at, v)| *v == label(at)));
}

#[test]
fn a_stream_that_is_damaged_anywhere_is_an_error() {
    let error = read("changed-byte.nii.gz").unwrap_err().to_string();
    assert!(error.contains("changed-byte.nii.gz: damaged gzip data"), "{error}");
    let whole = std::fs::read(corpus("volumes/p-labels.nii.gz")).unwrap();
    let path = Path::new("v.nii.gz");
    let read = |bytes: &[u8]| super::volume_read::stored(bytes, bytes.len() as u64, path, 1).map(|_| ());
    read(&whole).unwrap();
    // Two streams, the second an empty one, are one.
    let empty = super::volume::tests::gzip(b"");
    read(&[&whole[..], &empty].concat()).unwrap();
    let (end, mut length) = (whole.len(), whole.clone());
    length[end - 1] ^= 1;
    for bad in [&whole[..end - 1], &whole[..end - 8], &whole[..end - 20], &[&whole[..], b"garbage"].concat(), &length] {
        let error = read(bad).unwrap_err().to_string();
        assert!(error.contains("v.nii.gz: ") && error.contains("gzip data"), "{error}");
    }
}

#[test]
fn half_a_pair_is_refused_by_the_name_of_the_other() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(corpus("volumes/pair.hdr"), folder.path().join("x.hdr")).unwrap();
    let error = Volume::read(&folder.path().join("x.hdr")).unwrap_err().to_string();
    assert!(error.contains("x.hdr: is one file of a pair") && error.contains("no x.img"), "{error}");
    let mut analyze = std::fs::read(corpus("volumes/pair.hdr")).unwrap();
    analyze[344..348].fill(0);
    std::fs::write(folder.path().join("x.hdr"), analyze).unwrap();
    let error = Volume::read(&folder.path().join("x.hdr")).unwrap_err().to_string();
    assert!(error.contains("is an Analyze 7.5 header"), "{error}");
}
