//! TIFFs as tifffile and Pillow write them (`tests/reference/pictures.py`), against the picture that all of them hold.
use super::corpus_tests::{corpus, gray, rgb};
use super::{InputSpec, Picture, ValueRange, decode_image};
use crate::Result;
use std::path::Path;

fn read(name: &str) -> Result<Picture> {
    let bytes = std::fs::read(corpus(&format!("images/{name}.tif"))).unwrap();
    decode_image(&bytes, Path::new("p.tif"), ValueRange::UNIT)
}

#[test]
fn every_type_layout_and_compression_gives_the_same_gray() {
    let names = "gray gray-white-is-zero gray-16-big-endian gray-float64 gray-float32-predictor gray-float64-predictor \
                 gray-int16 gray-int32 gray-uint32";
    for name in names.split(' ') {
        let found = read(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        // Integers that hold 8 bits and could hold more are a guess, which is said.
        let guessed = usize::from(name.contains("int"));
        assert_eq!((found.width, found.height, found.channels, found.warnings.len()), (24, 18, 1, guessed), "{name}");
        for (p, v) in found.data.iter().enumerate() {
            assert!((v - gray(p) / 255.0).abs() < 1e-6, "{name}, pixel {p}: {v}");
        }
    }
    let half = read("gray-float16").unwrap();
    assert!(half.data.iter().enumerate().all(|(p, v)| (v - gray(p) / 255.0).abs() < 5e-4));
    // Twelve bits, sixteen times the eight.
    let twelve = read("gray-12").unwrap();
    assert!(twelve.data.iter().enumerate().all(|(p, v)| (v - 16.0 * gray(p) / 4095.0).abs() < 1e-6));
    let bits = read("bits-fax4").unwrap();
    assert!(bits.data.iter().enumerate().all(|(p, v)| *v == f32::from(u8::from(gray(p) > 100.0))));
}

#[test]
fn every_layout_and_compression_gives_the_same_colours() {
    let names = "rgb-strips rgb-big rgb-tiles rgb-planar-tiles rgb-predictor rgb-16-predictor rgb-tiff_lzw rgb-packbits \
                 rgb-thumbnail-first rgb-pages rgb-orientation-6 rgb-extra rgb-jpeg";
    for name in names.split(' ') {
        let found = read(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((found.width, found.height, found.channels), (24, 18, 3), "{name}");
        let most =
            found.data.iter().enumerate().map(|(i, v)| (255.0 * v - rgb(i / 3)[i % 3]).abs()).fold(0.0, f32::max);
        let near = if name == "rgb-jpeg" { 90.0 } else { 1e-3 };
        assert!(most < near, "{name}: {most}");
        let says = match name {
            "rgb-thumbnail-first" => "its first page, a reduced picture or a mask (12x9), was passed over",
            "rgb-pages" => "only the first of its 2 pages was read",
            "rgb-orientation-6" => "orientation tag (6)",
            "rgb-extra" => "its channel 4, which it does not call alpha, was left out",
            _ => "",
        };
        assert_eq!(found.warnings.len(), usize::from(!says.is_empty()), "{name}: {:?}", found.warnings);
        assert!(found.warnings.iter().all(|w| w.contains(says)), "{name}: {:?}", found.warnings);
    }
    let alpha = read("rgb-alpha").unwrap();
    assert!(alpha.data.iter().enumerate().all(|(i, v)| (v - rgb(i / 3)[i % 3] / 255.0 * 0.2).abs() < 1e-6));
    assert!(alpha.warnings[0].contains("blended over black"), "{:?}", alpha.warnings);
}

#[test]
fn what_is_not_read_is_refused_in_words() {
    for (name, words) in
        [("zstandard", "its compression, Zstandard, is not read"), ("bits-fax3", "CCITT group 3 (fax)")]
    {
        let error = read(name).unwrap_err().to_string();
        assert!(error.starts_with("p.tif: ") && error.contains(words), "{error}");
    }
}

#[test]
fn a_cut_file_is_no_picture() {
    for name in ["gray", "rgb-tiles", "rgb-tiff_lzw", "rgb-predictor", "rgb-jpeg", "rgb-planar-tiles"] {
        let bytes = std::fs::read(corpus(&format!("images/{name}.tif"))).unwrap();
        for keep in [bytes.len() * 9 / 10, bytes.len() / 2, 9] {
            let read = super::image::decode(&bytes[..keep], Path::new("p.tif"), 3);
            assert!(read.is_err(), "{name} cut to {keep} of {}", bytes.len());
        }
    }
}

#[test]
fn floats_are_read_in_the_models_range() {
    let bytes = std::fs::read(corpus("images/gray-float64.tif")).unwrap();
    assert!(super::image::is_float_tiff(&bytes));
    assert!(!super::image::is_float_tiff(&std::fs::read(corpus("images/gray.tif")).unwrap()));
    let raw = super::image::decode(&bytes, Path::new("p.tif"), 1).unwrap();
    let spec = InputSpec { floats: None, ..InputSpec::fixed(1, ValueRange { low: 0.0, high: 2.0 }) };
    // Nothing above 1: taken in [0, 1], which is said.
    let found = raw.scaled(&spec, None).unwrap();
    assert!((found.data[30] - gray(30) / 255.0).abs() < 1e-6);
    assert!(found.warnings[0].contains("taken in [0, 1]"), "{:?}", found.warnings);
}
