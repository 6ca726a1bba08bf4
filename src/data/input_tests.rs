//! From names of files to inputs, and from inputs to pictures of several channels.
use super::npy::tests::npy;
use super::*;
use ::image::{GrayImage, ImageBuffer, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use npyz::Order;
use std::path::{Path, PathBuf};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }
    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn touch(&self, names: &[&str]) {
        for name in names {
            std::fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
            std::fs::write(self.at(name), b"").unwrap();
        }
    }
    fn gray(&self, name: &str, values: [u8; 4]) -> PathBuf {
        GrayImage::from_fn(4, 1, |x, _| Luma([values[x as usize]])).save(self.at(name)).unwrap();
        self.at(name)
    }
    fn find(&self, suffixes: &[&str]) -> crate::Result<Vec<Input>> {
        find_inputs(&[self.0.path().to_owned()], &owned(suffixes))
    }
    fn fault(&self, suffixes: &[&str]) -> String {
        self.find(suffixes).unwrap_err().to_string()
    }
}

const BRATS: [&str; 4] = ["_t1", "_t1ce", "_t2", "_flair"];

fn owned(suffixes: &[&str]) -> Vec<String> {
    suffixes.iter().map(|s| (*s).into()).collect()
}
fn names(input: &Input) -> Vec<&str> {
    input.files.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect()
}
fn read(path: &Path, channels: usize) -> crate::Result<Picture> {
    read_still(&Input::of_file(path), &InputSpec::fixed(channels, ValueRange::SIGNED))
}

#[test]
fn sets_are_formed_by_the_longest_suffix_in_the_models_order() {
    let f = Folder::new();
    f.touch(&["b/x_flair.nii.gz", "b/x_T1.nii.gz", "b/x_t1ce.nii.gz", "b/x_t2.nii.gz", "b/x_seg.nii.gz"]);
    f.touch(&["a/x_t1.npy", "a/x_t1ce.npy", "a/x_t2.npy", "a/x_flair.npy", "a/x_mask.npy", "notes.txt"]);
    let found = f.find(&BRATS).unwrap();
    let of: Vec<_> = found.iter().map(|i| (i.name.as_str(), i.folder.as_str(), i.kind)).collect();
    assert_eq!(of, [("x", "a__x", FileKind::Array), ("x", "b__x", FileKind::Volume)]);
    assert_eq!(names(&found[1]), ["x_T1.nii.gz", "x_t1ce.nii.gz", "x_t2.nii.gz", "x_flair.nii.gz"]);
    assert_eq!(found[1].path, found[1].files[0]);
    // One file given by name stands for its set; one without a suffix for itself.
    f.touch(&["whole.nii"]);
    let given = find_inputs(&[f.at("a/x_t2.npy"), f.at("whole.nii"), f.at("a/x_t1.npy")], &owned(&BRATS)).unwrap();
    assert_eq!(given.iter().map(|i| i.files.len()).collect::<Vec<_>>(), [4, 1]);
    assert_eq!(names(&given[0]), ["x_t1.npy", "x_t1ce.npy", "x_t2.npy", "x_flair.npy"]);
}

#[test]
fn what_makes_no_set_is_refused_by_name() {
    let f = Folder::new();
    f.touch(&["x_t1.nii", "x_t1ce.nii"]);
    let fault = f.fault(&BRATS);
    assert!(fault.contains("x_t1.nii") && fault.contains("x_t2, x_flair missing"), "{fault}");
    f.touch(&["x_t2.nii", "x_flair.nii", "y.nii"]);
    assert!(f.fault(&BRATS).contains("y.nii: its name ends in none of"), "{}", f.fault(&BRATS));
    std::fs::rename(f.at("y.nii"), f.at("x_t2.nii.gz")).unwrap();
    assert!(f.fault(&BRATS).contains("the same channel"), "{}", f.fault(&BRATS));
    std::fs::remove_file(f.at("x_t2.nii.gz")).unwrap();
    std::fs::rename(f.at("x_flair.nii"), f.at("x_flair.png")).unwrap();
    assert!(f.fault(&BRATS).contains("one is a volume"), "{}", f.fault(&BRATS));
}

#[test]
fn masks_beside_an_image_are_no_inputs_and_alone_they_are() {
    let f = Folder::new();
    f.touch(&["a/x.png", "a/x_mask.png", "a/X_SEG.png", "b/y_flair.nii.gz", "b/y_seg.nii.gz", "c/z_mask.png"]);
    let found = f.find(&[]).unwrap();
    assert_eq!(found.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(), ["x", "y_flair", "z_mask"]);
    assert_eq!(find_inputs(&[f.at("a/x_mask.png")], &[]).unwrap().len(), 1);
    assert_eq!(list_files(&[f.0.path().to_owned()]).unwrap().len(), 6);
}

#[test]
fn a_set_of_pictures_is_one_picture_and_must_fit() {
    let f = Folder::new();
    f.gray("p_a.png", [0, 51, 255, 0]);
    f.gray("p_b.png", [51, 51, 0, 255]);
    let spec = |channels| InputSpec { suffixes: owned(&["_a", "_b"]), ..InputSpec::fixed(channels, ValueRange::UNIT) };
    let input = f.find(&["_a", "_b"]).unwrap().swap_remove(0);
    let picture = read_still(&input, &spec(2)).unwrap();
    assert_eq!((picture.channels, picture.name.as_str()), (2, "p"));
    assert_eq!(picture.data, [0.0, 0.2, 0.2, 0.2, 1.0, 0.0, 0.0, 1.0]);
    let stretched = InputSpec { scaling: Scaling::MinMax { over: Over::Mask }, ..spec(2) };
    let masked = read_still(&input, &stretched).unwrap();
    // Above the lowest values: 51 and 255, 51, 51 and 255.
    assert_eq!(masked.data, [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    assert!(masked.warnings.concat().contains("no file p_mask"), "{:?}", masked.warnings);
    f.gray("p_mask.png", [255, 0, 255, 255]);
    let masked = read_still(&input, &stretched).unwrap();
    assert_eq!(masked.data, [0.0, 0.2, 0.2, 0.2, 1.0, 0.0, 0.0, 1.0]);
    assert!(masked.warnings.concat().contains("mask p_mask.png"), "{:?}", masked.warnings);
    let (mask, notice) = read_foreground(&input, &spec(2)).unwrap();
    assert_eq!((mask.data, notice.contains("p_mask.png")), (vec![true, false, true, true], true));
    assert!(read_still(&input, &spec(3)).unwrap_err().to_string().contains("one of 2 files"));

    GrayImage::new(3, 3).save(f.at("p_b.png")).unwrap();
    let error = read_still(&input, &spec(2)).unwrap_err().to_string();
    assert!(error.contains("p_b.png: is 3x3, but p_a, another channel of the same image, 4x1"), "{error}");
}

#[test]
fn masks_of_stills_are_checked() {
    let f = Folder::new();
    let input = Input::of_file(&f.gray("x.png", [7, 7, 9, 7]));
    let spec = InputSpec { scaling: Scaling::MinMax { over: Over::Mask }, ..InputSpec::fixed(1, ValueRange::UNIT) };
    let fault = |words: &str| {
        let error = read_still(&input, &spec).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    // Only one value is above the lowest.
    fault("x.png: has no contrast");
    let (mask, notice) = read_foreground(&input, &spec).unwrap();
    assert_eq!((mask.data, notice.contains("no file x_mask")), (vec![false, false, true, false], true));
    GrayImage::new(2, 2).save(f.at("x_mask.png")).unwrap();
    fault("x_mask.png: the mask is 2x2, but the image is 4x1");
    f.gray("x_mask.png", [0; 4]);
    fault("x_mask.png: the mask is empty");
    f.gray("x_mask.bmp", [0; 4]);
    fault("both masks of x");
    f.gray("flat.png", [7; 4]);
    let flat = Input::of_file(&f.at("flat.png"));
    assert!(read_foreground(&flat, &spec).unwrap_err().to_string().contains("flat.png: has no foreground"));
    let spec = InputSpec { scaling: Scaling::MinMax { over: Over::Image }, ..spec };
    assert!(read_still(&flat, &spec).unwrap_err().to_string().contains("flat.png: has no contrast"));
}

#[test]
fn arrays_of_two_and_four_channels() {
    let f = Folder::new();
    let write = |shape: &[u64]| {
        let values = (0..shape.iter().product::<u64>()).map(|v| v as u8).collect();
        std::fs::write(f.at("x.npy"), npy(shape, Order::C, values)).unwrap();
        f.at("x.npy")
    };
    let last = read(&write(&[2, 3, 4]), 4).unwrap();
    assert_eq!((last.width, last.height, last.channels, last.data[5]), (3, 2, 4, 5.0 / 255.0));
    let first = read(&write(&[4, 2, 3]), 4).unwrap();
    assert_eq!((first.width, first.height, first.channels, first.data[1]), (3, 2, 4, 6.0 / 255.0));
    assert_eq!(read(&write(&[5, 4, 2]), 2).unwrap().channels, 2);
    let error = read(&write(&[4, 9, 4]), 4).unwrap_err().to_string();
    assert!(error.contains("x.npy: shape [4, 9, 4] can be read as (H,W,C) as well as (C,H,W)"), "{error}");
    assert!(read(&write(&[2, 3, 4]), 3).unwrap_err().to_string().contains("C 1 or 3"));
    assert!(read(&write(&[2, 3]), 4).unwrap_err().to_string().contains("neither (H,W,4) nor (4,H,W)"));
    // As it always was: the last axis first.
    assert_eq!(read(&write(&[3, 5, 3]), 3).unwrap().height, 3);
}

#[test]
fn a_fourth_channel_is_alpha_unless_the_model_has_four() {
    let f = Folder::new();
    for ending in ["png", "tif"] {
        let path = f.at(&format!("x.{ending}"));
        RgbaImage::from_pixel(2, 1, Rgba([255, 255, 0, 51])).save(&path).unwrap();
        let four = read(&path, 4).unwrap();
        assert_eq!((four.channels, &four.data[..4], four.warnings.len()), (4, &[1.0, 1.0, 0.0, 0.2][..], 0));
        let three = read(&path, 3).unwrap();
        assert_eq!((three.channels, &three.data[..3], three.warnings.len()), (3, &[0.2, 0.2, 0.0][..], 1));
    }
    RgbImage::from_pixel(2, 1, Rgb([1, 2, 3])).save(f.at("rgb.png")).unwrap();
    let error = read(&f.at("rgb.png"), 4).unwrap_err().to_string();
    assert!(error.contains("rgb.png: has 3 channels, but the model takes 4 channels"), "{error}");
}

#[test]
fn colours_become_the_models_channels_before_they_are_scaled() {
    let f = Folder::new();
    let image: ImageBuffer<Rgb<u8>, _> =
        ImageBuffer::from_raw(3, 1, vec![10u8, 10, 10, 30, 30, 30, 50, 90, 50]).unwrap();
    image.save(f.at("x.png")).unwrap();
    let input = Input::of_file(&f.at("x.png"));
    let of = |channels| InputSpec {
        scaling: Scaling::Percentiles { low: 0.0, high: 100.0, over: Over::Image },
        ..InputSpec::fixed(channels, ValueRange::UNIT)
    };
    let gray = read_still(&input, &of(1)).unwrap();
    let luma = 0.299 * 50.0 + 0.587 * 90.0 + 0.114 * 50.0;
    assert_eq!(gray.channels, 1);
    assert!((gray.data[1] - 20.0 / (luma - 10.0)).abs() < 1e-6 && gray.data[2] == 1.0, "{:?}", gray.data);
    let rgb = read_still(&input, &of(3)).unwrap();
    assert!((rgb.data[3] - 0.5).abs() < 1e-6 && (rgb.data[4] - 0.25).abs() < 1e-6, "{:?}", rgb.data);
}

#[test]
fn floats_of_any_unit_are_taken_where_they_are_scaled() {
    let f = Folder::new();
    std::fs::write(f.at("x.npy"), npy(&[1, 3], Order::C, vec![-1000.0f32, 0.0, 3000.0])).unwrap();
    let input = Input::of_file(&f.at("x.npy"));
    let spec = InputSpec { scaling: Scaling::MinMax { over: Over::Image }, ..InputSpec::fixed(1, ValueRange::UNIT) };
    assert_eq!(read_still(&input, &spec).unwrap().data, [0.0, 0.25, 1.0]);
    assert!(
        read_still(&input, &InputSpec::fixed(1, ValueRange::UNIT)).unwrap_err().to_string().contains("contradicts")
    );
    std::fs::write(f.at("x.npy"), npy(&[1, 3], Order::C, vec![-500i16, 0, 1500])).unwrap();
    assert_eq!(read_still(&input, &spec).unwrap().data, [0.0, 0.25, 1.0]);
    std::fs::write(f.at("x.npy"), npy(&[1, 2], Order::C, vec![f64::NAN, 0.0])).unwrap();
    assert!(read_still(&input, &spec).unwrap_err().to_string().contains("x.npy: 1 of 2 values are NaN"));
}
