//! Masks as annotators' tools write them.
use super::Mask;
use super::corpus_tests::{corpus, marked};
use image::{GrayImage, Luma, LumaA, Rgb, RgbImage, Rgba, RgbaImage};
use std::path::PathBuf;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }
    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn gray(&self, values: [u8; 4]) -> PathBuf {
        GrayImage::from_fn(4, 1, |x, _| Luma([values[x as usize]])).save(self.at("m.png")).unwrap();
        self.at("m.png")
    }
    fn rgba(&self, values: [[u8; 4]; 4]) -> PathBuf {
        RgbaImage::from_fn(4, 1, |x, _| Rgba(values[x as usize])).save(self.at("m.png")).unwrap();
        self.at("m.png")
    }
}

fn read(path: &std::path::Path) -> Vec<bool> {
    Mask::read(path).unwrap().data
}

fn fault(path: &std::path::Path) -> String {
    Mask::read(path).unwrap_err().to_string()
}

#[test]
fn whatever_is_not_black_is_marked() {
    let f = Folder::new();
    assert_eq!(read(&f.gray([0, 64, 255, 0])), [false, true, true, false]);
    assert_eq!(read(&f.gray([0, 1, 4, 0])), [false, true, true, false]);
    assert_eq!(read(&f.gray([0, 127, 128, 255])), [false, true, true, true]);
    assert!(!Mask::read(&f.gray([0; 4])).unwrap().any());
    let colours = [[0, 0, 0], [255, 0, 0], [0, 128, 0], [0, 0, 1]];
    RgbImage::from_fn(4, 1, |x, _| Rgb(colours[x as usize])).save(f.at("m.png")).unwrap();
    assert_eq!(read(&f.at("m.png")), [false, true, true, true]);
    let error = Mask::read(&f.gray([0; 4])).unwrap().check_size(&f.at("m.png"), 4, 2).unwrap_err().to_string();
    assert!(error.contains("m.png: the mask is 4x1, but the image is 4x2"), "{error}");
}

#[test]
fn palettes_labels_and_lossy_files_mark_the_same() {
    for name in
        "palette-voc.png palette-all-black.png palette-transparent.png labels-int32.tif labels-int64.npy black-on-transparent.png".split(' ')
    {
        let found = Mask::read(&corpus(&format!("masks/{name}"))).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((found.width, found.height), (24, 18), "{name}");
        assert!(found.data.iter().enumerate().all(|(p, m)| *m == marked(p)), "{name}");
    }
    for name in ["white.jpg", "white.webp"] {
        let found = Mask::read(&corpus(&format!("masks/{name}"))).unwrap_or_else(|e| panic!("{name}: {e}"));
        let wrong = found.data.iter().enumerate().filter(|(p, m)| **m != marked(*p)).count();
        assert!(wrong <= 2, "{name}: {wrong}");
    }
}

#[test]
fn alpha_is_read_where_it_says_something() {
    let f = Folder::new();
    // Drawn in red on a transparent ground that is white underneath; drawn in black; opaque throughout.
    let (white, red, ink, black) = ([255, 255, 255, 0], [255, 0, 0, 255], [0, 0, 0, 255], [0, 0, 0, 0]);
    assert_eq!(read(&f.rgba([white, red, white, red])), [false, true, false, true]);
    assert_eq!(read(&f.rgba([black, ink, ink, black])), [false, true, true, false]);
    assert_eq!(read(&f.rgba([ink, red, ink, red])), [false, true, false, true]);
    assert_eq!(read(&f.rgba([ink, red, black, red])), [false, true, false, true]);
    let gray = [[0, 0], [0, 255], [0, 0], [0, 40]];
    image::ImageBuffer::from_fn(4, 1, |x, _| LumaA::<u8>(gray[x as usize])).save(f.at("m.png")).unwrap();
    assert_eq!(read(&f.at("m.png")), [false, true, false, true]);
}

#[test]
fn what_cannot_be_told_is_refused() {
    let f = Folder::new();
    assert!(fault(&corpus("masks/palette-no-black.png")).contains("no pixel of the mask is black or transparent"));
    assert!(fault(&f.gray([10, 20, 20, 10])).contains("which colour is the background"));
    // All of one colour may be a defect everywhere.
    assert_eq!(read(&f.gray([255; 4])), [true; 4]);
    let dark = fault(&corpus("masks/dark.jpg"));
    assert!(dark.contains("labels cannot be told from noise"), "{dark}");
    // A JPEG's noise around a white square, saved as PNG.
    let noise = |x: u32, y: u32| {
        if (60..70).contains(&x) && (60..70).contains(&y) { 250 } else { ((x * 7 + y * 13) % 6) as u8 }
    };
    GrayImage::from_fn(100, 100, |x, y| Luma([noise(x, y)])).save(f.at("m.png")).unwrap();
    assert!(fault(&f.at("m.png")).contains("such as the noise of a JPEG"), "{}", fault(&f.at("m.png")));
    // A soft edge is no noise, and many labels are none.
    let soft = |x: u32, y: u32| (255 - (8 * x.abs_diff(50).max(y.abs_diff(50))).min(255)) as u8;
    GrayImage::from_fn(100, 100, |x, y| Luma([soft(x, y)])).save(f.at("m.png")).unwrap();
    assert_eq!(read(&f.at("m.png")).iter().filter(|m| **m).count(), 63 * 63);
    let labels = |x: u32, y: u32| (if x % 10 < 6 && y % 10 < 6 { x / 10 + 10 * (y / 10) + 1 } else { 0 }) as u8;
    GrayImage::from_fn(100, 100, |x, y| Luma([labels(x, y)])).save(f.at("m.png")).unwrap();
    assert_eq!(read(&f.at("m.png")).iter().filter(|m| **m).count(), 3600);
}

#[test]
fn several_masks_of_one_image_are_joined() {
    let f = Folder::new();
    let save = |name: &str, width: u32, at: u32| {
        GrayImage::from_fn(width, 1, |x, _| Luma([if x == at { 9 } else { 0 }])).save(f.at(name)).unwrap();
        f.at(name)
    };
    let (a, b, wide) = (save("a.png", 4, 1), save("b.png", 4, 3), save("w.png", 5, 0));
    assert_eq!(Mask::read_joined(&[a.clone(), b]).unwrap().data, [false, true, false, true]);
    assert!(Mask::read_joined(&[a, wide]).unwrap_err().to_string().contains("w.png: the mask is 5x1"));
    assert!(Mask::read_joined(&[]).is_err());
}
