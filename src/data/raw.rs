//! A decoded picture before its values are scaled, and the one way from there to a [`Picture`].
use super::foreground::{Foreground, above_lowest};
use super::picture::{as_channels, same_channels};
use super::{InputSpec, Over, Picture, Scaling, ValueRange};
use crate::{Error, Result};

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
            return self.fixed(spec.range);
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
    fn fixed(mut self, range: ValueRange) -> Result<Picture> {
        let Picture { data, source, .. } = &mut self.picture;
        match self.values {
            Values::Unit => {}
            Values::Floats => range.normalise(source, data)?,
            Values::Wide => {
                if let Some(v) = data.iter().find(|v| !(0.0..=255.0).contains(*v)) {
                    let fault = format!("holds {v}; integers wider than 8 bits (but u16) must be 0..=255");
                    return Err(Error::file(source, fault));
                }
                data.iter_mut().for_each(|v| *v /= 255.0);
            }
        }
        blend(self.picture, self.alpha)
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
