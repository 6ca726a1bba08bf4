//! The files that one image leaves behind.
use crate::Result;
use crate::data::{Map, Picture, clear_image, create_folder, is_whole, write_bytes, write_npy};
use crate::detect::{Scored, System};
use crate::report::{heatmap, mask_picture, overlay, picture};
use std::path::Path;

/// Whether everything that a system leaves of a finished image is in its folder, and `map.npy` when `raw`.
pub(super) fn are_there(folder: &Path, system: &System, raw: bool) -> bool {
    let files: &[&str] = if system.has_map() { &["heatmap.png", "overlay.png", "mask.png"] } else { &["input.png"] };
    let own = match system {
        System::DiffAd(s) if s.interpolated => Some(&"interpolated.png"),
        System::Pinaya(s) if s.paints() => Some(&"latent-mask.png"),
        _ => None,
    };
    files.iter().chain(own).chain(raw.then_some(&"map.npy")).all(|file| is_whole(&folder.join(file)))
}

/// Writes the pictures of one image, `input.png` for what is no picture file, and `map.npy` when `raw`; each whole or not at
/// all. Pixels in `mask` (row by row) are drawn as anomalous. What an earlier run wrote for it goes before.
pub(super) fn write(out: &Path, scored: &Scored, mask: Option<&[bool]>, limit: Option<f64>, raw: bool) -> Result<()> {
    let (item, folder) = (&scored.item, out.join(&scored.item.folder));
    create_folder(&folder)?;
    clear_image(&folder)?;
    if let (true, Some(map)) = (raw, &scored.map) {
        write_npy(&folder.join("map.npy"), map)?;
    }
    let array = item.path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy"));
    if scored.map.is_none() || array || item.slice.is_some() || item.input.files.len() > 1 {
        write_bytes(&folder.join("input.png"), &picture(&scored.picture).png()?)?;
    }
    for (name, made) in [("reconstruction.png", &scored.reconstruction), ("interpolated.png", &scored.interpolated)] {
        if let Some(made) = made {
            write_bytes(&folder.join(name), &picture(made).png()?)?;
        }
    }
    if let Some(mask) = &scored.latent_mask {
        let drawn = mask_picture(mask.width, mask.height, &mask.data)?;
        write_bytes(&folder.join("latent-mask.png"), &drawn.png()?)?;
    }
    match &scored.map {
        Some(map) => draw(&folder, &scored.picture, map, limit, mask),
        None => Ok(()),
    }
}

/// Writes what depends on the pixels' threshold: `heatmap.png`, `overlay.png` and `mask.png`. Without a `mask` it is what
/// exceeds the threshold.
pub(in crate::cli) fn draw(
    folder: &Path,
    input: &Picture,
    map: &Map,
    threshold: Option<f64>,
    mask: Option<&[bool]>,
) -> Result<()> {
    let (w, h) = (map.width, map.height);
    let mask = match (mask, threshold) {
        (Some(mask), _) => mask.to_vec(),
        (None, Some(t)) => map.mask(t as f32),
        (None, None) => vec![false; w * h],
    };
    // Colour has a meaning across images when there is a threshold: it turns hot at the middle of the scale.
    let scale = threshold.map_or(map.max(), |t| 2.0 * t as f32).max(f32::MIN_POSITIVE);
    write_bytes(&folder.join("heatmap.png"), &heatmap(map, scale).png()?)?;
    write_bytes(&folder.join("overlay.png"), &overlay(input, map, scale, Some(&mask))?.png()?)?;
    write_bytes(&folder.join("mask.png"), &mask_picture(w, h, &mask)?.png()?)
}
