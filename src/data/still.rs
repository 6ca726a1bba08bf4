//! Still pictures as a model takes them: from one file or a set, whatever it is and however its values are scaled.
use super::beside::mask_file;
use super::decode::read_raw;
use super::foreground::{Foreground, without_mask};
use super::names::stem;
use super::raw::Raw;
use super::sets::Input;
use super::{FileKind, InputSpec, Mask, Over, Picture};
use crate::{Error, Result};

/// Reads a still picture, an image file or a `.npy` array, whichever its content is, as a model takes it.
///
/// Of a set, each file gives one channel. The picture has the file's own channels where they are scaled by
/// [`super::Scaling::Fixed`], and the model's otherwise; [`Picture::to_channels`] does the rest. Its warnings say where the
/// foreground comes from, where that matters.
/// # Errors
/// [`Error::Io`] when a file cannot be read; [`Error::File`], with the file: damaged, too large, a volume, values that are
/// not finite, that contradict the range, or without contrast, channels that cannot be made the model's, a set whose
/// pictures differ in size, a mask of another size or an empty one.
pub fn read_still(input: &Input, spec: &InputSpec) -> Result<Picture> {
    if input.kind == FileKind::Volume {
        return Err(Error::file(&input.path, "is a volume, not a picture"));
    }
    let raws = raws(input, spec)?;
    let size = (raws[0].picture.width, raws[0].picture.height);
    let mask = match spec.scaling.over() {
        Some(Over::Mask) => masked(input, size)?,
        _ => None,
    };
    let mut picture = match <[Raw; 1]>::try_from(raws) {
        Ok([raw]) => raw.scaled(spec, mask.as_ref())?,
        Err(raws) => {
            let one = InputSpec { channels: 1, ..spec.clone() };
            let channel = |raw: Raw| raw.scaled(&one, mask.as_ref())?.to_channels(1);
            let mut channels = raws.into_iter().map(channel).collect::<Result<Vec<Picture>>>()?;
            let rest = channels.split_off(1);
            interleave(channels.swap_remove(0), &rest)
        }
    };
    if spec.scaling.over() == Some(Over::Mask) {
        picture.warnings.push(mask.map_or_else(|| without_mask(&input.name), |m| m.notice));
    }
    picture.name.clone_from(&input.name);
    Ok(picture)
}

/// The foreground of a still picture at its own size, and a sentence on where it comes from: the mask beside it
/// (NAME_mask), or the pixels that lie above the lowest value in any channel. [`Mask::resize`] brings it to the network's
/// size; [`super::Volume::foreground`] is its like for volumes.
/// # Errors
/// As [`read_still`], and [`Error::File`] where all pixels are the same.
pub fn read_foreground(input: &Input, spec: &InputSpec) -> Result<(Mask, String)> {
    let raws = raws(input, spec)?;
    let (width, height) = (raws[0].picture.width, raws[0].picture.height);
    let found = match masked(input, (width, height))? {
        Some(found) => found,
        None => {
            let count = raws.len();
            let channels = if count == 1 { spec.channels } else { 1 };
            let plain = raws.into_iter().map(|raw| raw.plain(channels)).collect::<Result<Vec<Picture>>>()?;
            let of = |c: usize| plain.iter().flat_map(move |p| p.data.iter().skip(c).step_by(channels).copied());
            let values: Vec<f32> = (0..channels).flat_map(of).collect();
            Foreground::of_values(&input.path, &input.name, &values, count * channels)?
        }
    };
    Ok((Mask { width, height, data: found.inside }, found.notice))
}

/// The input's files, decoded; at least one, and all of one size.
fn raws(input: &Input, spec: &InputSpec) -> Result<Vec<Raw>> {
    let channels = if input.files.len() > 1 { 1 } else { spec.channels };
    let raws = input.files.iter().map(|path| read_raw(path, channels)).collect::<Result<Vec<Raw>>>()?;
    let Some(first) = raws.first() else {
        return Err(Error::file(&input.path, "is an input without files"));
    };
    if raws.len() > 1 && raws.len() != spec.channels {
        return Err(Error::file(
            &input.path,
            format!("is one of {} files, but the model takes {} channels", raws.len(), spec.channels),
        ));
    }
    let (width, height) = (first.picture.width, first.picture.height);
    match raws.iter().find(|r| (r.picture.width, r.picture.height) != (width, height)) {
        None => Ok(raws),
        Some(Raw { picture: other, .. }) => {
            let first = stem(&first.picture.source);
            let fault = format!(
                "is {}x{}, but {first}, another channel of the same image, {width}x{height}",
                other.width, other.height
            );
            Err(Error::file(&other.source, fault))
        }
    }
}

/// The foreground by the mask beside a still picture, if there is one.
fn masked(input: &Input, (width, height): (usize, usize)) -> Result<Option<Foreground>> {
    let Some(path) = mask_file(&input.path, &input.name)? else { return Ok(None) };
    let mask = Mask::read(&path)?;
    mask.check_size(&path, width, height)?;
    Foreground::of_file(&path, mask.data).map(Some)
}

/// A picture of one channel with further ones of its size as its channels.
fn interleave(mut first: Picture, rest: &[Picture]) -> Picture {
    let pixel = |(i, &v): (usize, &f32)| std::iter::once(v).chain(rest.iter().map(move |p| p.data[i]));
    first.data = first.data.iter().enumerate().flat_map(pixel).collect();
    first.channels += rest.len();
    first.warnings.extend(rest.iter().flat_map(|p| p.warnings.iter().cloned()));
    first.warnings.dedup();
    first
}
