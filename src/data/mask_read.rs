//! Masks from files: pictures, arrays, slices of volumes of labels.
use super::decode::raw_of;
use super::image::is_lossy;
use super::limits::read_bytes;
use super::mask_shades::{Shades, of_shades};
use super::png_index::as_gray;
use super::raw::Raw;
use super::{Mask, Volume};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

impl Mask {
    /// Reads a picture or an array. Every pixel that is not black (zero) is marked, whatever its colour or its label. A mask that
    /// is drawn in black on a transparent ground is read by its alpha, one whose palette is all black by its indices. Of a
    /// compression that alters values, such as JPEG, what is brighter than half of white is marked. What had to be guessed is
    /// logged as a warning.
    /// # Errors
    /// [`Error::Io`] and [`Error::File`]: a file that cannot be read as a picture, labels below zero or not finite; no pixel that is
    /// background; shades that may be labels as well as the noise of a compression.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read_bytes(path)?;
        let of = |bytes: &[u8]| {
            let raw = raw_of(bytes, path, 3)?;
            marked(raw, is_lossy(bytes)).map_err(|fault| Error::file(path, fault))
        };
        let (mut mask, mut said) = of(&bytes)?;
        if let Some(indices) = as_gray(&bytes).filter(|_| !mask.any()) {
            (mask, said) = of(&indices)?;
            if mask.any() {
                said.push(
                    "has a palette of nothing but black, so it is read by its indices: all but 0 are marked".into(),
                );
            }
        }
        for what in said {
            tracing::warn!("{}: the mask {what}", path.display());
        }
        Ok(mask)
    }

    /// Reads several masks of one image, joined: what any of them marks.
    /// # Errors
    /// As [`Mask::read`], and [`Error::File`] for masks of different sizes and for an empty list.
    pub fn read_joined(paths: &[PathBuf]) -> Result<Self> {
        let (first, others) = paths.split_first().ok_or_else(|| Error::Invalid("there is no mask to read".into()))?;
        let mut mask = Mask::read(first)?;
        for path in others {
            let other = Mask::read(path)?;
            other.check_size(path, mask.width, mask.height)?;
            mask.data.iter_mut().zip(other.data).for_each(|(m, o)| *m |= o);
        }
        Ok(mask)
    }

    /// A slice of a volume of labels ([`Volume::read_labels`]): every label above zero is marked.
    /// # Errors
    /// As [`Volume::slice`].
    pub fn of_slice(labels: &Volume, axis: usize, index: usize) -> Result<Self> {
        let picture = labels.slice(axis, index)?;
        let data = picture.data.iter().map(|&v| v > 0.0).collect();
        Ok(Mask { width: picture.width, height: picture.height, data })
    }
}

/// What is marked, and what the user should know of it.
fn marked(raw: Raw, lossy: bool) -> Result<(Mask, Vec<String>), String> {
    let Raw { picture, alpha, .. } = raw;
    let (width, height, channels) = (picture.width, picture.height, picture.channels);
    if let Some(v) = picture.data.iter().find(|v| !v.is_finite() || **v < 0.0) {
        return Err(format!("the mask holds {v}, which is no label"));
    }
    let mut said = Vec::new();
    let mut values: Vec<f32> =
        picture.data.chunks_exact(channels).map(|p| p.iter().copied().fold(0.0, f32::max)).collect();
    let mut colours = picture.data.chunks_exact(channels);
    if let Some(alpha) = alpha.filter(|alpha| alpha.iter().any(|a| *a < 1.0)) {
        let drawn = values.iter().zip(&alpha).any(|(v, a)| *v > 0.0 && *a > 0.0);
        let (transparent, visible) = (alpha.contains(&0.0), alpha.iter().any(|a| *a > 0.0));
        if drawn {
            let black = values.iter().zip(&alpha).any(|(v, a)| *v == 0.0 && *a > 0.0);
            if transparent && black {
                said.push("holds black and transparent pixels: both count as background".into());
            }
            values.iter_mut().zip(&alpha).for_each(|(v, a)| *v *= a);
        } else if transparent && visible {
            said.push("has no colour but black, so it is read by its alpha: what is not transparent is marked".into());
            values = alpha;
        }
    }
    let first = colours.next();
    if !lossy && values.iter().all(|v| *v > 0.0) && colours.any(|c| Some(c) != first) {
        return Err(
            "no pixel of the mask is black or transparent, so that it does not tell which colour is the background"
                .into(),
        );
    }
    let shades = Shades { width, values: &values, lossy };
    said.extend(of_shades(&shades)?);
    let limit = if lossy { 0.5 } else { 0.0 };
    let data = values.iter().map(|&v| v > limit).collect();
    Ok((Mask { width, height, data }, said))
}
