//! `preview.jpg`: the pictures of one image side by side, small, for reports that are too large to hold them.
use super::pictures::Raster;
use super::record::Record;
use super::tiles::{PICTURES, Tiles};
use crate::data::write_bytes;
use crate::{Error, Result};
use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The longest side of a picture in it.
const SIDE: usize = 256;

/// What a preview holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Preview {
    /// The places of its pictures in [`PICTURES`], a digit each, from left to right.
    pub pictures: String,
    /// The width of each in pixels.
    pub width: usize,
    /// Their height in pixels.
    pub height: usize,
    /// Whether the folder holds the input as `input.png`.
    pub input_kept: bool,
}

impl Preview {
    /// The preview in a record's folder, made again unless it was made of the pictures that are there now; none when there are none.
    /// # Errors
    /// [`crate::Error::Io`] when it cannot be written.
    pub fn of(out: &Path, record: &Record) -> Result<Option<Preview>> {
        let folder = out.join(&record.folder);
        let path = folder.join("preview.jpg");
        let sources = sources(&folder);
        let input_kept = folder.join("input.png").is_file();
        if let Some(found) = read(&path, &sources, input_kept) {
            return Ok(Some(found));
        }
        if !folder.is_dir() {
            return Ok(None);
        }
        let tiles = Tiles::load(out, record);
        let mut pictures = String::new();
        let mut small: Vec<Raster> = Vec::new();
        for (place, raster) in tiles.in_order().into_iter().enumerate() {
            let Some(raster) = raster else { continue };
            small.push(raster.thumbnail(SIDE)?);
            let _ = write!(pictures, "{place}");
        }
        let Some(strip) = Raster::side_by_side(&small) else { return Ok(None) };
        let (width, height) = (strip.width() / small.len(), strip.height());
        let text = format!("residua {pictures} {width} {height} {sources}");
        write_bytes(&path, &with_comment(strip.jpeg(85)?, &text)?)?;
        Ok(Some(Preview { pictures, width, height, input_kept }))
    }
}

/// What tells whether the pictures of a folder are those that a preview was made of: lengths and times of the files.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for picture in &PICTURES {
        let Ok(found) = std::fs::metadata(folder.join(picture.file)) else { continue };
        let time = found.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
        let _ = write!(all, "{}:{:x}:{:x},", picture.file, found.len(), time.map_or(0, |t| t.as_nanos()));
    }
    all
}

/// The preview at hand, from its comment, if it was made of these sources.
fn read(path: &Path, sources: &str, input_kept: bool) -> Option<Preview> {
    let mut start = Vec::new();
    File::open(path).ok()?.take(1024).read_to_end(&mut start).ok()?;
    let length = usize::from(u16::from_be_bytes([*start.get(4)?, *start.get(5)?]));
    let comment = start.strip_prefix(&[0xff, 0xd8, 0xff, 0xfe])?.get(2..length)?;
    let text = std::str::from_utf8(comment).ok()?.strip_prefix("residua ")?;
    let mut words = text.splitn(4, ' ');
    let (pictures, width, height) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let known = pictures.bytes().all(|b| b.is_ascii_digit());
    (known && words.next()? == sources).then(|| Preview { pictures: pictures.into(), width, height, input_kept })
}

/// A JPEG file with a comment after its first marker.
fn with_comment(jpeg: Vec<u8>, text: &str) -> Result<Vec<u8>> {
    let length = u16::try_from(text.len() + 2).map_err(|_| Error::Invalid("a comment is too long".into()))?;
    let (start, rest) = jpeg.split_at(2);
    Ok([start, &[0xff, 0xfe], &length.to_be_bytes(), text.as_bytes(), rest].concat())
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;
    use crate::data::{ValueRange, decode_image};
    use crate::report::mask_picture;

    #[test]
    fn a_preview_holds_the_pictures_in_order_and_is_made_again_when_one_changes() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record { path: "not/there.png".into(), ..record("a", 0.5) };
        assert_eq!(Preview::of(folder.path(), &record).unwrap(), None);
        std::fs::create_dir(folder.path().join("a")).unwrap();
        assert_eq!(Preview::of(folder.path(), &record).unwrap(), None);
        let plain = |white: bool| mask_picture(64, 48, &[white; 64 * 48]).unwrap().png().unwrap();
        std::fs::write(folder.path().join("a/overlay.png"), plain(false)).unwrap();
        std::fs::write(folder.path().join("a/mask.png"), plain(true)).unwrap();
        let wanted = Preview { pictures: "14".into(), width: 64, height: 48, input_kept: false };
        assert_eq!(Preview::of(folder.path(), &record).unwrap(), Some(wanted.clone()));
        let path = folder.path().join("a/preview.jpg");
        let pixel = |x: usize| {
            let p = decode_image(&std::fs::read(&path).unwrap(), &path, ValueRange::UNIT).unwrap();
            assert_eq!((p.width, p.height), (128, 48));
            p.data[(20 * 128 + x) * p.channels]
        };
        assert!(pixel(30) < 0.05 && pixel(100) > 0.95);
        let time = || std::fs::metadata(&path).unwrap().modified().unwrap();
        let first = time();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert_eq!(Preview::of(folder.path(), &record).unwrap(), Some(wanted));
        assert_eq!(time(), first, "it is not made again");
        std::fs::write(folder.path().join("a/overlay.png"), plain(true)).unwrap();
        std::fs::write(folder.path().join("a/input.png"), plain(false)).unwrap();
        let again = Preview::of(folder.path(), &record).unwrap().unwrap();
        assert_eq!((&*again.pictures, again.input_kept), ("014", true));
    }

    #[test]
    fn a_foreign_or_damaged_preview_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("preview.jpg");
        for bytes in [
            &b""[..],
            b"\xff\xd8\xff\xfe\xff\xff",
            b"\xff\xd8\xff\xfe\x00\x00residua",
            b"\xff\xd8\xff\xfe\x00\x0bresidua 1",
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read(&path, "", false), None);
        }
    }
}
