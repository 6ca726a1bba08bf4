//! Paths as text and back: names that are no UTF-8 survive.
use serde::{Deserialize, Deserializer, Serializer};
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What a path that is written in percent-encoding begins with.
const ENCODED: &str = "file:";

/// A path as text from which [`text_path`] makes the same path: as it is, or, where it is no UTF-8, as `file:` and the
/// path in percent-encoding, so that an absolute one is a URL.
pub fn path_text(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.starts_with(ENCODED) => text.to_owned(),
        _ => {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
            let put = |mut text: String, &b: &u8| {
                if plain(b) {
                    text.push(char::from(b))
                } else {
                    percent(&mut text, b)
                }
                text
            };
            path.as_os_str().as_encoded_bytes().iter().fold(ENCODED.to_owned(), put)
        }
    }
}

/// The path of a text that [`path_text`] has made.
pub fn text_path(text: &str) -> PathBuf {
    match text.strip_prefix(ENCODED) {
        None => text.into(),
        Some(encoded) => decoded(encoded).into(),
    }
}

/// For `#[serde(with = "path_text")]`.
pub(crate) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&path_text(path))
}

/// For `#[serde(with = "path_text")]`.
pub(crate) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<PathBuf, D::Error> {
    String::deserialize(from).map(|text| text_path(&text))
}

/// A file's name as text, with what is no UTF-8 in percent-encoding, so that different names stay different.
pub(crate) fn name_text(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        text += chunk.valid();
        chunk.invalid().iter().for_each(|&b| percent(&mut text, b));
    }
    text
}

/// The name of a file that is called after another: `text` was made from `of` by [`name_text`] and changed.
pub(crate) fn name_like(of: &OsStr, text: &str) -> OsString {
    if of.to_str().is_some() { text.into() } else { decoded(text) }
}

fn percent(text: &mut String, byte: u8) {
    // Writing to a string cannot fail.
    let _ = write!(text, "%{byte:02X}");
}

/// With `%FC` and its like as bytes; a percent sign that is not followed by two digits stays.
fn decoded(text: &str) -> OsString {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    let digit = |b: u8| char::from(b).to_digit(16);
    while let Some((&first, after)) = rest.split_first() {
        let value = match (first, after) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        bytes.push(value.map_or(first, |(high, low)| (high << 4 | low) as u8));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    os_string(bytes)
}

#[cfg(unix)]
fn os_string(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

#[cfg(not(unix))]
fn os_string(bytes: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_stays_as_it_is() {
        for text in ["in/a.png", "ü/100%.png", "/x/%FC.png", ""] {
            assert_eq!(path_text(Path::new(text)), text);
            assert_eq!(text_path(text), Path::new(text));
        }
        let text = path_text(Path::new("file:a%.png"));
        assert_eq!((text.as_str(), text_path(&text)), ("file:file%3Aa%25.png", PathBuf::from("file:a%.png")));
        assert_eq!(text_path("file:%f%G0%"), Path::new("%f%G0%"));
    }

    #[cfg(unix)]
    #[test]
    fn other_names_come_back_byte_for_byte_and_stay_apart() {
        let name = |bytes: &[u8]| os_string(bytes.to_vec());
        let path = Path::new("in dir").join(name(b"M\xfcller%41.png"));
        assert_eq!(path_text(&path), "file:in%20dir/M%FCller%2541.png");
        assert_eq!(text_path(&path_text(&path)), path);
        let (u, o) = (name(b"M\xfc.png"), name(b"M\xf6.png"));
        assert_eq!((name_text(&u), name_text(&o)), ("M%FC.png".into(), "M%F6.png".into()));
        assert_eq!(name_like(&u, "M%FC_mask.png"), name(b"M\xfc_mask.png"));
        assert_eq!(name_like(OsStr::new("100%25.png"), "100%25_mask.png"), "100%25_mask.png");
    }
}
