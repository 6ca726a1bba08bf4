//! A decoded picture before its values are scaled, and the one way from there to a [`Picture`].
use super::foreground::{Foreground, above_lowest};
use super::picture::{as_channels, same_channels};
use super::{FloatRange, InputSpec, Over, Picture, Scaling};
use crate::{Error, Result};
use image::metadata::Orientation;

/// What the numbers of a file stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Values {
    /// Divided by the greatest value of their format: in `[0,1]`.
    Unit,
    /// Integers as they are, of a format that is wider than what is usually put into it.
    Wide,
    /// Floats as they are.
    Floats,
}

/// A decoded picture on its way to a [`Picture`].
#[derive(Clone, Debug)]
pub(super) struct Raw {
    /// Without alpha; its values are those of the file.
    pub picture: Picture,
    /// One value a pixel in `[0,1]`.
    pub alpha: Option<Vec<f32>>,
    /// What the values are.
    pub values: Values,
}

impl Raw {
    /// Scaled to `[0,1]`. By their format's range pictures keep their channels; otherwise they get those of the model
    /// first, as each is scaled by itself. `mask` is the foreground's, where the scaling asks for it.
    /// # Errors
    /// [`Error::File`]: NaN or infinite values, values outside the format's or the model's range, channels that cannot be
    /// made the model's, no contrast.
    pub fn scaled(self, spec: &InputSpec, mask: Option<&Foreground>) -> Result<Picture> {
        if !same_channels(self.picture.channels, spec.channels) {
            return Err(self.picture.wrong_channels(spec.channels));
        }
        if spec.scaling == (Scaling::Fixed {}) {
            let integers = self.values == Values::Unit;
            let mut scaled = self.fixed(spec)?;
            let fewer = || fewer_bits(&scaled.data).filter(|_| integers);
            let said = little_used(&scaled.data).or_else(fewer);
            scaled.warnings.extend(said);
            return Ok(scaled);
        }
        let mut picture = self.plain(spec.channels)?;
        let channels = picture.channels;
        for c in 0..channels {
            let own = |p: &Picture| p.data.iter().skip(c).step_by(channels).copied().collect::<Vec<f32>>();
            let values = own(&picture);
            let chosen: Vec<f32> = match (spec.scaling.over(), mask) {
                (Some(Over::Mask), Some(mask)) => mask.choose(&values).collect(),
                (Some(Over::Mask), None) => {
                    above_lowest(&values).zip(&values).filter(|(i, _)| *i).map(|(_, v)| *v).collect()
                }
                _ => values,
            };
            let window = match spec.scaling.window(chosen.into_iter()) {
                Some(window) => window.map_err(|fault| picture.fault_of_channel(c, &fault))?,
                None => continue,
            };
            let scale = window.scaler();
            picture.data.iter_mut().skip(c).step_by(channels).for_each(|v| *v = scale(*v));
        }
        Ok(picture)
    }

    /// By the full range of its format.
    fn fixed(mut self, spec: &InputSpec) -> Result<Picture> {
        let Picture { data, source, warnings, .. } = &mut self.picture;
        match self.values {
            Values::Unit => {}
            Values::Floats => {
                let range = spec.floats.clone().unwrap_or_else(|| FloatRange::of_values(data, spec.range));
                range.check(source, data, spec.range)?;
                range.range.normalise(source, data)?;
                warnings.extend(range.doubt(source, data, spec.range));
            }
            Values::Wide => {
                if let Some(v) = data.iter().find(|v| !(0.0..=255.0).contains(*v)) {
                    let fault = format!("holds {v}; integers wider than 8 bits (but u16) must be 0..=255");
                    return Err(Error::file(source, fault));
                }
                data.iter_mut().for_each(|v| *v /= 255.0);
                warnings.push(
                    "its integers are of a type wider than what they hold, and are taken as 0 to 255; were they meant otherwise, the \
                     result is wrong: store them as 8 or 16 bits over the whole range, or as floats in [0, 1]"
                        .into(),
                );
            }
        }
        blend(self.picture, self.alpha)
    }

    /// Turned and mirrored as its file asks for, which its warnings then say.
    pub fn oriented(mut self, orientation: Orientation) -> Raw {
        if orientation == Orientation::NoTransforms {
            return self;
        }
        let Picture { width, height, channels, .. } = self.picture;
        use Orientation::{
            FlipHorizontal, FlipVertical, NoTransforms, Rotate90, Rotate90FlipH, Rotate180, Rotate270, Rotate270FlipH,
        };
        let turned = matches!(orientation, Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH);
        let (across, down) = if turned { (height, width) } else { (width, height) };
        // The stored pixel that is shown in column x of row y.
        let from = |x: usize, y: usize| match orientation {
            NoTransforms => (x, y),
            FlipHorizontal => (width - 1 - x, y),
            Rotate180 => (width - 1 - x, height - 1 - y),
            FlipVertical => (x, height - 1 - y),
            Rotate90FlipH => (y, x),
            Rotate90 => (y, height - 1 - x),
            Rotate270FlipH => (width - 1 - y, height - 1 - x),
            Rotate270 => (width - 1 - y, x),
        };
        let places: Vec<usize> =
            (0..across * down).map(|p| from(p % across, p / across)).map(|(x, y)| y * width + x).collect();
        let data = &self.picture.data;
        self.picture.data = places.iter().flat_map(|p| &data[p * channels..(p + 1) * channels]).copied().collect();
        self.alpha = self.alpha.map(|alpha| places.iter().map(|p| alpha[*p]).collect());
        (self.picture.width, self.picture.height) = (across, down);
        let note = format!("it was turned or mirrored as its orientation tag ({}) asks for", orientation.to_exif());
        self.picture.warnings.push(note);
        self
    }

    /// The values as they are, finite, with transparent pixels blended over zero, in these channels.
    pub fn plain(self, channels: usize) -> Result<Picture> {
        let Raw { picture, alpha, .. } = self;
        let bad = picture.data.iter().filter(|v| !v.is_finite()).count();
        if bad > 0 {
            let fault = format!("{bad} of {} values are NaN or infinite", picture.data.len());
            return Err(Error::file(&picture.source, fault));
        }
        let mut picture = blend(picture, alpha)?;
        picture.data =
            as_channels(&picture.data, picture.channels, channels).ok_or_else(|| picture.wrong_channels(channels))?;
        picture.channels = channels;
        Ok(picture)
    }
}

/// What is said of a picture that leaves its format's range all but empty, such as 12 bits of a camera in a format of 16.
fn little_used(data: &[f32]) -> Option<String> {
    let least = data.iter().copied().fold(1.0, f32::min);
    let most = data.iter().copied().fold(0.0, f32::max);
    let span = most - least;
    (most <= 1.0 / 16.0 || (span > 0.0 && span <= 1.0 / 16.0)).then(|| {
        format!(
            "its values lie between {least:.4} and {most:.4} of its format's range, a sixteenth of it or less: if it holds fewer \
             bits than its format, such as 12 in 16, scale it to the whole range"
        )
    })
}

/// What is said of a picture of 16 bits whose brightest value is the greatest of fewer bits, as where a camera of 14 is saturated;
/// the lowest bits may be empty, as where eight bits were shifted. One that is merely dark has such a value by chance alone.
fn fewer_bits(data: &[f32]) -> Option<String> {
    let (mut most, mut all) = (0, 0);
    for value in data.iter().map(|v| v * 65535.0) {
        if (value - value.round()).abs() > 0.02 {
            return None;
        }
        most = most.max(value.round() as u32);
        all |= value.round() as u32;
    }
    let next = most + (1 << all.trailing_zeros().min(16));
    let bits = next.trailing_zeros();
    (most > 0 && next.is_power_of_two() && (9..16).contains(&bits)).then(|| {
        format!(
            "its brightest value is {most} of 65535, the greatest of {bits} bits: if it holds {bits} bits in a format of 16, scale \
             it to the whole range"
        )
    })
}

/// Drops an alpha channel that says nothing, and blends any other over black.
fn blend(mut picture: Picture, alpha: Option<Vec<f32>>) -> Result<Picture> {
    let Some(alpha) = alpha else { return Ok(picture) };
    if alpha.iter().any(|a| !(0.0..=1.0).contains(a)) {
        return Err(Error::file(&picture.source, "its alpha channel is not in [0, 1]"));
    }
    if alpha.iter().any(|&a| a < 1.0) {
        for (pixel, a) in picture.data.chunks_exact_mut(picture.channels).zip(&alpha) {
            pixel.iter_mut().for_each(|v| *v *= a);
        }
        picture.warnings.push("its transparent pixels were blended over black".into());
    }
    Ok(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_bits_in_sixteen_are_told_from_dark_pictures() {
        let of = |values: &[u32]| fewer_bits(&values.iter().map(|&v| v as f32 / 65535.0).collect::<Vec<_>>());
        for bits in 9..16 {
            let said = of(&[0, 77, (1 << bits) - 1]).unwrap();
            assert!(said.contains(&format!("the greatest of {bits} bits")), "{said}");
        }
        // Eight bits that were shifted by six.
        assert!(of(&[64, 128, 255 * 64]).unwrap().contains("16320 of 65535, the greatest of 14 bits"));
        // Dark ones, those of eight bits, and those that use the whole range.
        for quiet in
            [&[0, 77, 16000][..], &[257, 63 * 257], &[127 * 257, 0], &[0, 65535], &[5, 255 * 256], &[0, 0], &[]]
        {
            assert_eq!(of(quiet), None, "{quiet:?}");
        }
    }
}
