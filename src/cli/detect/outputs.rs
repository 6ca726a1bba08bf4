//! The files that one image leaves behind.
use super::Item;
use crate::Result;
use crate::data::{Map, Picture, create_folder, write_bytes, write_npy};
use crate::report::{heatmap, mask_picture, overlay, picture};
use std::path::Path;

/// What was found in one image, at its own size.
pub(super) struct Found<'a> {
    /// The image.
    pub input: &'a Picture,
    /// The healed image.
    pub reconstruction: &'a Picture,
    /// The map.
    pub map: &'a Map,
    /// Pixels above are in the mask.
    pub pixel_threshold: Option<f64>,
}

/// The file that a finished image has last: with it in place, everything else is.
pub(super) const LAST: &str = "mask.png";

/// Writes the four pictures, `input.png` for what is no picture file, and `map.npy` when `raw`; each whole or not at all.
pub(super) fn write(out: &Path, item: &Item, found: &Found, raw: bool) -> Result<()> {
    let folder = out.join(&item.folder);
    create_folder(&folder)?;
    if raw {
        write_npy(&folder.join("map.npy"), found.map)?;
    }
    if item.slice.is_some() || item.path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy")) {
        write_bytes(&folder.join("input.png"), &picture(found.input).png()?)?;
    }
    write_bytes(&folder.join("reconstruction.png"), &picture(found.reconstruction).png()?)?;
    draw(&folder, found.input, found.map, found.pixel_threshold)
}

/// Writes what depends on the pixels' threshold: `heatmap.png`, `overlay.png` and `mask.png`.
pub(in crate::cli) fn draw(folder: &Path, input: &Picture, map: &Map, threshold: Option<f64>) -> Result<()> {
    let (w, h) = (map.width, map.height);
    let mask = match threshold {
        Some(t) => map.mask(t as f32),
        None => vec![false; w * h],
    };
    // Colour has a meaning across images when there is a threshold: it turns hot at the middle of the scale.
    let scale = threshold.map_or(map.max(), |t| 2.0 * t as f32).max(f32::MIN_POSITIVE);
    write_bytes(&folder.join("heatmap.png"), &heatmap(map, scale).png()?)?;
    write_bytes(&folder.join("overlay.png"), &overlay(input, map, scale, Some(&mask))?.png()?)?;
    write_bytes(&folder.join(LAST), &mask_picture(w, h, &mask)?.png()?)
}
