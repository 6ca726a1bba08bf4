//! JPEGs as Pillow writes them (`tests/reference/pictures.py`): whole ones are read, cut ones are not.
use super::corpus_tests::{corpus, rgb};
use super::{Picture, ValueRange, decode_image, jpeg};
use crate::Result;
use std::path::Path;

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(corpus(&format!("images/{name}.jpg"))).unwrap()
}

fn read(bytes: &[u8]) -> Result<Picture> {
    decode_image(bytes, Path::new("p.jpg"), ValueRange::UNIT)
}

#[test]
fn data_that_break_off_are_an_error_even_with_an_end_marker() {
    let cut = read(&bytes("half-with-end-marker")).unwrap_err().to_string();
    assert_eq!(cut, "p.jpg: the JPEG data is truncated: it breaks off before the end of the picture");
    for name in ["baseline", "progressive", "restarts", "gray-progressive"] {
        let whole = bytes(name);
        read(&whole).unwrap_or_else(|e| panic!("{name}: {e}"));
        let scan = whole.windows(2).position(|w| w == [0xff, 0xda]).unwrap() + 20;
        for part in 1..10 {
            // Behind a whole byte of data, not within an escape or a marker.
            let mut at = scan + (whole.len() - scan - 8) * part / 10;
            while whole[at - 1] == 0xff || whole[at - 2] == 0xff {
                at += 1;
            }
            let cut = [&whole[..at], &[0xff, 0xd9]].concat();
            let error = read(&cut).err().unwrap_or_else(|| panic!("{name} cut to {at} of {} was read", whole.len()));
            assert!(error.to_string().contains("p.jpg: "), "{error}");
        }
        // What follows the end is not ours.
        assert!(read(&[&whole[..], b"\xff\xd8 another picture"].concat()).is_ok(), "{name}");
    }
}

#[test]
fn colours_are_told_as_libjpeg_tells_them() {
    for (name, near) in [("stored-as-rgb", 6.0), ("cmyk", 90.0)] {
        let found = read(&bytes(name)).unwrap();
        let apart = |(i, v): (usize, &f32)| (255.0 * v - rgb(i / 3)[i % 3]).abs();
        let mean = found.data.iter().enumerate().map(apart).sum::<f32>() / found.data.len() as f32;
        assert_eq!((found.width, found.height, found.channels), (24, 18, 3));
        assert!(mean < near / 3.0, "{name}: {mean}");
    }
}

#[test]
fn the_orientation_of_exif_is_obeyed_and_said() {
    let found = read(&bytes("orientation-8")).unwrap();
    assert_eq!((found.width, found.height), (24, 18));
    let apart = |(i, v): (usize, &f32)| (255.0 * v - rgb(i / 3)[i % 3]).abs();
    let mean = found.data.iter().enumerate().map(apart).sum::<f32>() / found.data.len() as f32;
    assert!(mean < 4.0, "{mean}");
    assert!(found.warnings[0].contains("orientation tag (8)"), "{:?}", found.warnings);
}

#[test]
fn kinds_that_are_not_read_are_named() {
    let edited = |at: &[u8], edit: fn(&mut [u8])| {
        let mut bytes = bytes("baseline");
        let place = bytes.windows(2).position(|w| w == at).unwrap();
        edit(&mut bytes[place..]);
        jpeg::decode(bytes, None).err().unwrap()
    };
    assert!(edited(&[0xff, 0xc0], |b| b[1] = 0xc9).contains("arithmetic coding"));
    assert!(edited(&[0xff, 0xc0], |b| b[1] = 0xc3).contains("lossless"));
    assert!(edited(&[0xff, 0xc0], |b| b[4] = 12).contains("is a JPEG of 12 bits"));
    assert!(edited(&[0xff, 0xc0], |b| b[5..9].fill(0xff)).contains("more than the"));
}
