//! The pictures of one image in the report, and how they are embedded in it.
use super::pictures::{Raster, picture};
use super::record::Record;
use crate::data::{FileKind, ValueRange, read_picture};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;

/// The files in a record's folder that the report shows, after the input itself; `input.png` may be there too, for
/// inputs that are no picture file, such as a slice of a volume.
pub const FILES: [&str; 4] = ["overlay.png", "heatmap.png", "reconstruction.png", "mask.png"];

/// The pictures of one image; what is missing is left out of the report.
#[derive(Clone, Debug, Default)]
pub struct Tiles {
    /// The input as it was.
    pub input: Option<Raster>,
    /// The input with heat and outline.
    pub overlay: Option<Raster>,
    /// The heat map.
    pub heatmap: Option<Raster>,
    /// The reconstruction.
    pub reconstruction: Option<Raster>,
    /// What exceeds the threshold.
    pub mask: Option<Raster>,
}

impl Tiles {
    /// Loads what [`FILES`] names from the record's folder under `out`, and the input from `input.png` there or from
    /// the record's path. Files that are missing or damaged are left out.
    pub fn load(out: &Path, record: &Record) -> Tiles {
        // The signed range also takes files in [0,1].
        let read = |path: &Path| read_picture(path, ValueRange::SIGNED).ok().map(|p| picture(&p));
        let folder = out.join(&record.folder);
        let [overlay, heatmap, reconstruction, mask] = FILES.map(|file| read(&folder.join(file)));
        // A volume is no picture, and would be read once for each of its slices.
        let own = || if FileKind::of(&record.path) == FileKind::Volume { None } else { read(&record.path) };
        let input = read(&folder.join("input.png")).or_else(own);
        Tiles { input, overlay, heatmap, reconstruction, mask }
    }

    /// Captions and pictures in the order in which they are shown.
    pub(super) fn captioned(&self) -> [(&'static str, Option<&Raster>); 5] {
        [
            ("Input", self.input.as_ref()),
            ("Overlay", self.overlay.as_ref()),
            ("Heat map", self.heatmap.as_ref()),
            ("Reconstruction", self.reconstruction.as_ref()),
            ("Mask", self.mask.as_ref()),
        ]
    }
}

/// The longest side of an embedded picture, so that a report of thousands still opens: 60 KB an image at 256 pixels.
pub(super) fn side(images: usize) -> usize {
    match images {
        0..=16 => 512,
        17..=512 => 256,
        _ => 160,
    }
}

/// A picture as a `data:` URI, shrunk to `side`. Small and binary pictures stay exact, others become JPEG; `None` if
/// the encoder refuses it.
pub(super) fn data_uri(raster: &Raster, side: usize, exact: bool) -> Option<String> {
    let small = raster.thumbnail(side).ok()?;
    let (kind, bytes) = if exact || small.width().max(small.height()) <= 128 {
        ("png", small.png().ok()?)
    } else {
        ("jpeg", small.jpeg(88).ok()?)
    };
    Some(format!("data:image/{kind};base64,{}", STANDARD.encode(bytes)))
}
