//! Datasets with masks as annotators write them: any colour, several files, in space; what is missing or empty is said.

use crate::common::run;
use image::GrayImage;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A file of the corpus.
pub fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name)
}

/// The corpus' bricks with masks of two classes (64 and 255; red and green) in a layout of the test's own.
struct Bricks(TempDir);

impl Bricks {
    fn new() -> Self {
        let b = Bricks(TempDir::new().unwrap());
        for file in ["test/defect/000.png", "test/defect/001.png", "test/good/brick-1.png", "test/good/brick-2.png"] {
            b.copy(&format!("bricks/{file}"), &format!("data/{file}"));
        }
        b
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn copy(&self, from: &str, to: &str) {
        std::fs::create_dir_all(self.path(to).parent().unwrap()).unwrap();
        std::fs::write(self.path(to), std::fs::read(corpus(&format!("masks/{from}"))).unwrap()).unwrap();
    }
    /// Standard error and exit code of an evaluation, and its numbers.
    fn eval(&self) -> (i32, String, serde_json::Value) {
        let [data, out] = ["data", "out"].map(|p| self.path(p).to_str().unwrap().to_owned());
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/texture");
        let model = model.to_str().unwrap();
        let few = ["--device", "cpu", "--runs", "1", "--steps", "2"];
        let (code, _, err) = run(&[&["eval", &data, "--model", model, "--out", &out][..], &few].concat());
        let json = std::fs::read(self.path("out/eval.json")).unwrap_or_else(|e| panic!("{e}: {err}"));
        (code, err, serde_json::from_slice(&json).unwrap())
    }
}

#[test]
fn classes_in_any_colour_in_folders_of_their_image_are_joined() {
    let b = Bricks::new();
    b.copy("bricks/ground_truth/defect/001_mask.png", "data/ground_truth/defect/001/000.png");
    // The classes of the other mask in files of their own, beside what is no picture.
    let both = image::open(corpus("masks/bricks/ground_truth/defect/000_mask.png")).unwrap().into_luma8();
    let folder = b.path("data/ground_truth/defect/000");
    std::fs::create_dir_all(&folder).unwrap();
    for class in [64, 255] {
        let own = GrayImage::from_fn(both.width(), both.height(), |x, y| {
            let value = both.get_pixel(x, y)[0];
            image::Luma([if value == class { value } else { 0 }])
        });
        own.save(folder.join(format!("{class}.png"))).unwrap();
    }
    for file in ["000/Thumbs.db", "000/labels.json", "notes.txt", ".DS_Store"] {
        std::fs::write(b.path("data/ground_truth/defect").join(file), b"no picture").unwrap();
    }
    let (code, err, json) = b.eval();
    assert_eq!(code, 0, "{err}");
    // scikit-learn's average_precision_score of the maps against what is not black.
    let found = json["pixel"]["auprc"].as_f64().unwrap();
    assert!((found - 0.80913).abs() < 2e-4, "{found}");
}

#[test]
fn an_empty_mask_and_a_missing_one_are_said() {
    let b = Bricks::new();
    b.copy("bricks/ground_truth/defect/000_mask.png", "data/ground_truth/defect/000_mask.png");
    GrayImage::new(128, 128).save(b.path("data/ground_truth/defect/001_mask.png")).unwrap();
    let (code, err, json) = b.eval();
    assert!(
        code == 2 && err.contains("001_mask.png: the mask marks nothing, but ") && err.contains("labelled defect"),
        "{err}"
    );
    assert_eq!(json["failures"].as_array().unwrap().len(), 1);
    // Masks of another defect alone.
    std::fs::rename(b.path("data/ground_truth/defect"), b.path("data/ground_truth/other")).unwrap();
    let (code, err, json) = b.eval();
    assert!(code == 0 && err.contains("there is no mask for `defect`"), "{err}");
    assert_eq!(json["pixel"]["reason"], "of the 2 images with a defect none has a mask");
}

#[test]
fn masks_of_normal_images_strays_and_masks_beside_images_count() {
    let b = Bricks::new();
    for name in ["000", "001"] {
        b.copy(
            &format!("bricks/ground_truth/defect/{name}_mask.png"),
            &format!("data/ground_truth/defect/{name}_mask.png"),
        );
    }
    b.copy("bricks/ground_truth/defect/000_mask.png", "data/ground_truth/defect/zzz_mask.png");
    b.copy("bricks/ground_truth/defect/000_mask.png", "data/ground_truth/good/brick-1_mask.png");
    let (code, err, _) = b.eval();
    assert!(code == 2 && err.contains("1 masks belong to no image, such as ") && err.contains("zzz_mask.png"), "{err}");
    assert!(err.contains("brick-1_mask.png: shows a defect, but "), "{err}");
    // Beside their images, without a folder of masks.
    std::fs::remove_dir_all(b.path("data/ground_truth")).unwrap();
    for name in ["000", "001"] {
        b.copy(&format!("bricks/ground_truth/defect/{name}_mask.png"), &format!("data/test/defect/{name}_mask.png"));
    }
    let (code, err, json) = b.eval();
    assert_eq!(code, 0, "{err}");
    let found = json["pixel"]["auprc"].as_f64().unwrap();
    assert!((found - 0.80913).abs() < 2e-4, "{found}");
}

#[test]
fn a_second_mask_of_an_image_is_joined_and_one_of_no_image_refused() {
    let b = Bricks::new();
    b.copy("bricks/ground_truth/defect/001_mask.png", "data/ground_truth/defect/001_mask.png");
    let both = image::open(corpus("masks/bricks/ground_truth/defect/000_mask.png")).unwrap().into_luma8();
    let class = |class: u8, name: &str| {
        let of = |x, y| image::Luma([if both.get_pixel(x, y)[0] == class { 255 } else { 0 }]);
        GrayImage::from_fn(both.width(), both.height(), of).save(b.path(name)).unwrap();
    };
    let agrees = |says: &str| {
        let (code, err, json) = b.eval();
        assert!(code == 0 && err.contains(says), "{err}");
        let found = json["pixel"]["auprc"].as_f64().unwrap();
        assert!((found - 0.80913).abs() < 2e-4, "{found}");
    };
    let says = "1 image has several masks, such as ";
    for names in [["000_mask", "000_mask2"], ["000_mask", "000_mask (2)"], ["000_gt_1", "000_gt_2"]] {
        let files = names.map(|n| format!("data/ground_truth/defect/{n}.png"));
        class(64, &files[0]);
        class(255, &files[1]);
        agrees(says);
        files.iter().for_each(|f| std::fs::remove_file(b.path(f)).unwrap());
    }
    // Of no image.
    class(64, "data/ground_truth/defect/000_mask.png");
    class(255, "data/ground_truth/defect/zzz_mask2.png");
    let [data, out] = ["data", "out2"].map(|p| b.path(p).to_str().unwrap().to_owned());
    let (code, _, err) = run(&["eval", &data, "--out", &out, "--device", "cpu"]);
    assert!(code == 2 && err.contains("zzz_mask2.png: is named as one of several masks of zzz, but"), "{err}");
    // Beside their images.
    std::fs::remove_dir_all(b.path("data/ground_truth")).unwrap();
    b.copy("bricks/ground_truth/defect/001_mask.png", "data/test/defect/001_mask.png");
    class(64, "data/test/defect/000_mask.png");
    class(255, "data/test/defect/000_mask2.png");
    agrees(says);
    // Of a volume.
    let scans = b.path("scans");
    std::fs::create_dir(&scans).unwrap();
    for name in ["a.nii", "a_seg.nii", "a_seg2.nii"] {
        let voxels: Vec<u8> = (0..512).map(|i| (i % 7) as u8).collect();
        crate::common::volume::nifti(&scans.join(name), [8, 8, 8], 1, &voxels);
    }
    let (code, _, err) = run(&["eval", scans.to_str().unwrap(), "--out", &out, "--device", "cpu"]);
    assert!(code == 2 && err.contains("a_seg2.nii: is named as a further segmentation of one volume"), "{err}");
}
