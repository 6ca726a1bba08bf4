//! The pictures of one image in the report, and how they are embedded in it.
use super::pictures::{Raster, picture};
use super::record::Record;
use crate::data::{FileKind, ValueRange, read_picture};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;

/// The files in a record's folder that the report shows, after the input itself; `input.png` may be there too, for
/// inputs that are no picture file, such as a slice of a volume.
pub const FILES: [&str; 6] =
    ["overlay.png", "heatmap.png", "reconstruction.png", "mask.png", "interpolated.png", "latent-mask.png"];

/// A kind of picture: what it is called, and its file in a record's folder.
pub(super) struct Kind {
    pub caption: &'static str,
    pub file: &'static str,
}

const fn kind(caption: &'static str, file: &'static str) -> Kind {
    Kind { caption, file }
}

/// In the order in which they are shown; `report.js` knows them by their places.
pub(super) const PICTURES: [Kind; 7] = [
    kind("Input", "input.png"),
    kind("Overlay", FILES[0]),
    kind("Heat map", FILES[1]),
    kind("Reconstruction", FILES[2]),
    kind("Mask", FILES[3]),
    kind("Interpolated", FILES[4]),
    kind("Latent mask", FILES[5]),
];

/// The pictures of one image; what is missing is left out of the report.
#[derive(Clone, Debug, Default)]
pub struct Tiles {
    /// The input as it was.
    pub input: Option<Raster>,
    /// Whether the input is a file of the output folder.
    pub input_kept: bool,
    /// The input with heat and outline.
    pub overlay: Option<Raster>,
    /// The heat map.
    pub heatmap: Option<Raster>,
    /// The reconstruction.
    pub reconstruction: Option<Raster>,
    /// What exceeds the threshold.
    pub mask: Option<Raster>,
    /// What lies between the input and the reconstruction, of a system that makes such a picture.
    pub interpolated: Option<Raster>,
    /// Where latents were painted anew, of a system with a mask of latents.
    pub latent_mask: Option<Raster>,
}

impl Tiles {
    /// Loads what [`FILES`] names from the record's folder under `out`, and the input from `input.png` there or from
    /// the record's path. Files that are missing or damaged are left out.
    pub fn load(out: &Path, record: &Record) -> Tiles {
        // The signed range also takes files in [0,1].
        let read = |path: &Path| read_picture(path, ValueRange::SIGNED).ok().map(|p| picture(&p));
        let folder = out.join(&record.folder);
        let [overlay, heatmap, reconstruction, mask, interpolated, latent_mask] =
            FILES.map(|file| read(&folder.join(file)));
        // A volume is no picture, and would be read once for each of its slices.
        let own = || if FileKind::of(&record.path) == FileKind::Volume { None } else { read(&record.path) };
        let kept = read(&folder.join("input.png"));
        let input_kept = kept.is_some();
        let input = kept.or_else(own);
        Tiles { input_kept, input, overlay, heatmap, reconstruction, mask, interpolated, latent_mask }
    }

    /// As [`PICTURES`] orders them.
    pub(super) fn in_order(&self) -> [Option<&Raster>; 7] {
        let Tiles { input, overlay, heatmap, reconstruction, mask, interpolated, latent_mask, .. } = self;
        [input, overlay, heatmap, reconstruction, mask, interpolated, latent_mask].map(Option::as_ref)
    }
}

/// The longest side of an embedded picture, by the number of images.
pub(super) fn side(images: usize) -> usize {
    if images <= 16 { 512 } else { 256 }
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
