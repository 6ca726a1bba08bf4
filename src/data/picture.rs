//! What every reader yields and every writer takes: pictures and single-channel maps on the host.
use crate::{Error, Result, Shape, Tensor};
use std::path::{Path, PathBuf};

/// The values that a model takes for black and for white.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ValueRange {
    /// Black.
    pub low: f32,
    /// White; greater than `low`.
    pub high: f32,
}

impl ValueRange {
    /// `[0,1]`.
    pub const UNIT: ValueRange = ValueRange { low: 0.0, high: 1.0 };
    /// `[-1,1]`.
    pub const SIGNED: ValueRange = ValueRange { low: -1.0, high: 1.0 };

    /// Brings floats in this range to `[0,1]`, in place. A hair of rounding (1e-4 of the range) beyond the ends is clamped.
    /// # Errors
    /// [`Error::File`] on NaN or infinite values (with their count), and when the values lie outside the range (with
    /// their minimum and maximum).
    pub fn normalise(self, path: &Path, values: &mut [f32]) -> Result<()> {
        let bad = values.iter().filter(|v| !v.is_finite()).count();
        if bad > 0 {
            return Err(Error::file(path, format!("{bad} of {} values are NaN or infinite", values.len())));
        }
        let min = values.iter().copied().fold(f32::INFINITY, f32::min);
        let max = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let span = self.high - self.low;
        if !self.holds(min) || !self.holds(max) {
            let or = if self == ValueRange::UNIT { "" } else { " or to [0, 1]" };
            return Err(Error::file(
                path,
                format!(
                    "its values lie in [{min}, {max}], which contradicts the model's value range [{}, {}]; scale them to that{or}",
                    self.low, self.high
                ),
            ));
        }
        for v in values {
            *v = ((*v - self.low) / span).clamp(0.0, 1.0);
        }
        Ok(())
    }

    /// Whether a value lies in the range, or a hair of rounding beyond.
    pub(super) fn holds(self, value: f32) -> bool {
        let slack = 1e-4 * (self.high - self.low);
        (self.low - slack..=self.high + slack).contains(&value)
    }
}

/// A still picture: gray, RGB or of up to four channels of another meaning, channels-last, in `[0,1]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Columns, at least 1.
    pub width: usize,
    /// Rows, at least 1.
    pub height: usize,
    /// 1 (gray), 3 (RGB), 2 or 4 (what the model says).
    pub channels: usize,
    /// `height * width * channels` values in `[0,1]`, ordered row, column, channel.
    pub data: Vec<f32>,
    /// The file it came from.
    pub source: PathBuf,
    /// What to call it: the file's stem, for a slice with its position.
    pub name: String,
    /// What was done to it that the user should know, such as a blended alpha channel.
    pub warnings: Vec<String>,
}

impl Picture {
    /// A picture named after `source`.
    /// # Errors
    /// [`Error::File`] when a side is zero, `channels` is not 1 to 4, or `data` has another length.
    pub fn new(source: &Path, width: usize, height: usize, channels: usize, data: Vec<f32>) -> Result<Self> {
        let need = width.checked_mul(height).and_then(|n| n.checked_mul(channels));
        if width == 0 || height == 0 || !(1..=4).contains(&channels) || need != Some(data.len()) {
            return Err(Error::file(
                source,
                format!("{} values do not make a {width}x{height} picture of {channels} channels", data.len()),
            ));
        }
        let name = super::names::stem(source);
        Ok(Picture { width, height, channels, data, source: source.to_owned(), name, warnings: Vec::new() })
    }

    /// In a model's channels. RGB becomes gray by ITU-R 601 luma, the weights of PIL's mode `L`, without rounding to
    /// eight bits; gray becomes RGB by repetition; others stay what they are.
    /// # Errors
    /// [`Error::File`] for any other pair of counts.
    pub fn to_channels(&self, channels: usize) -> Result<Picture> {
        match as_channels(&self.data, self.channels, channels) {
            Some(data) => Ok(Picture { channels, data, ..self.clone_header() }),
            None => Err(self.wrong_channels(channels)),
        }
    }

    /// Whether it is RGB, and its channels differ by more than what a JPEG of a grey picture has (2 % of the range).
    pub fn is_coloured(&self) -> bool {
        let apart = |p: &[f32]| (p[0] - p[1]).abs().max((p[1] - p[2]).abs()) > 0.02;
        self.channels == 3 && self.data.chunks_exact(3).any(apart)
    }

    /// That it cannot be made a picture of so many channels.
    pub(super) fn wrong_channels(&self, channels: usize) -> Error {
        let count = |n: usize| if n == 1 { "one channel".to_owned() } else { format!("{n} channels") };
        let (has, takes) = (count(self.channels), count(channels));
        Error::file(&self.source, format!("has {has}, but the model takes {takes}"))
    }

    /// A fault of one of its channels, named where it has several.
    pub(super) fn fault_of_channel(&self, channel: usize, fault: &str) -> Error {
        match self.channels {
            1 => Error::file(&self.source, fault),
            _ => Error::file(&self.source, format!("channel {channel} {fault}")),
        }
    }

    /// As people look at it, gray or RGB: of a picture of two or four channels the first.
    pub fn for_display(&self) -> Picture {
        match self.channels {
            1 | 3 => self.clone(),
            n => Picture { channels: 1, data: self.data.iter().step_by(n).copied().collect(), ..self.clone_header() },
        }
    }

    /// Resized as PIL does with `BILINEAR` in mode `F`: see [`super::resize_triangle`].
    /// # Errors
    /// [`Error::Invalid`] when a side is zero or the result is larger than [`super::MAX_PIXELS`].
    pub fn resize(&self, width: usize, height: usize) -> Result<Picture> {
        let data = super::resize_triangle(&self.data, (self.width, self.height), self.channels, (width, height))?;
        Ok(Picture { width, height, data, ..self.clone_header() })
    }

    /// A tensor (1,C,H,W) in the model's range.
    pub fn to_tensor(&self, range: ValueRange) -> Tensor {
        let shape = Shape::new(1, self.height, self.width, self.channels);
        let pixels = self.width * self.height;
        let mut data = Vec::with_capacity(shape.len());
        for c in 0..self.channels {
            data.extend((0..pixels).map(|p| range.low + self.data[p * self.channels + c] * (range.high - range.low)));
        }
        Tensor { shape, data }
    }

    /// Sample `n` of a batch in the model's range, such as a reconstruction, clamped to `[0,1]`. It takes its name and
    /// source from `of`.
    /// # Errors
    /// [`Error::Invalid`] when there is no such sample or it has more than 4 channels.
    pub fn from_tensor(batch: &Tensor, n: usize, range: ValueRange, of: &Picture) -> Result<Picture> {
        let Shape { h, w, c, .. } = batch.shape;
        let pixels = h * w;
        let sample = batch.data.get(n * c * pixels..(n + 1) * c * pixels);
        let (Some(sample), true) = (sample, (1..=4).contains(&c) && pixels > 0) else {
            return Err(Error::Invalid(format!("sample {n} of a batch of shape {} is not a picture", batch.shape)));
        };
        let scale = 1.0 / (range.high - range.low);
        let mut data = Vec::with_capacity(sample.len());
        for p in 0..pixels {
            data.extend((0..c).map(|k| ((sample[k * pixels + p] - range.low) * scale).clamp(0.0, 1.0)));
        }
        Ok(Picture { width: w, height: h, channels: c, data, ..of.clone_header() })
    }

    /// Everything but the pixels.
    fn clone_header(&self) -> Picture {
        Picture {
            data: Vec::new(),
            source: self.source.clone(),
            name: self.name.clone(),
            warnings: self.warnings.clone(),
            ..*self
        }
    }
}

/// Pixels of `from` channels in `to` channels, `None` where there is no way; see [`Picture::to_channels`].
pub(super) fn as_channels(data: &[f32], from: usize, to: usize) -> Option<Vec<f32>> {
    match (from, to) {
        (a, b) if a == b => Some(data.to_vec()),
        (3, 1) => Some(data.chunks_exact(3).map(|p| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]).collect()),
        (1, 3) => Some(data.iter().flat_map(|&v| [v; 3]).collect()),
        _ => None,
    }
}

/// Whether a picture of `from` channels can be made one of `to`.
pub(super) fn same_channels(from: usize, to: usize) -> bool {
    from == to || matches!((from, to), (1, 3) | (3, 1))
}

/// One value a pixel: an anomaly map.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width` values, row by row.
    pub data: Vec<f32>,
}

impl Map {
    /// Wraps row-major values.
    /// # Errors
    /// [`Error::Invalid`] when a side is zero or `data` has another length.
    pub fn new(width: usize, height: usize, data: Vec<f32>) -> Result<Self> {
        if width == 0 || height == 0 || width.checked_mul(height) != Some(data.len()) {
            return Err(Error::Invalid(format!("{} values do not make a {width}x{height} map", data.len())));
        }
        Ok(Map { width, height, data })
    }
    /// Resized as PyTorch's `interpolate(mode="bilinear", align_corners=False)`: see [`super::resize_bilinear`].
    /// # Errors
    /// [`Error::Invalid`] when a side is zero or the result is larger than [`super::MAX_PIXELS`].
    pub fn resize(&self, width: usize, height: usize) -> Result<Map> {
        let data = super::resize_bilinear(&self.data, (self.width, self.height), 1, (width, height))?;
        Ok(Map { width, height, data })
    }
    /// The greatest value; 0 if none is above.
    pub fn max(&self) -> f32 {
        self.data.iter().copied().fold(0.0, f32::max)
    }
    /// Where the map exceeds the threshold.
    pub fn mask(&self, threshold: f32) -> Vec<bool> {
        self.data.iter().map(|&v| v > threshold).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(channels: usize, data: Vec<f32>) -> Picture {
        Picture::new(Path::new("a/x.png"), data.len() / channels, 1, channels, data).unwrap()
    }

    #[test]
    fn luma_and_repetition() {
        let rgb = picture(3, vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!(rgb.to_channels(1).unwrap().data, [0.299, 0.587, 0.114]);
        assert_eq!(picture(1, vec![0.5]).to_channels(3).unwrap().data, [0.5; 3]);
        let error = rgb.to_channels(2).unwrap_err().to_string();
        assert_eq!(error, "a/x.png: has 3 channels, but the model takes 2 channels");
        let two = picture(2, vec![0.25, 1.0, 0.5, 1.0]);
        assert_eq!((two.for_display().channels, two.for_display().data), (1, vec![0.25, 0.5]));
        assert_eq!(rgb.name, "x");
    }

    #[test]
    fn tensors_are_planar_and_in_the_range() {
        let rgb = picture(3, vec![0.0, 0.25, 0.5, 1.0, 0.75, 0.5]);
        let t = rgb.to_tensor(ValueRange::SIGNED);
        assert_eq!((t.shape, &t.data[..]), (Shape::new(1, 1, 2, 3), &[-1.0, 1.0, -0.5, 0.5, 0.0, 0.0][..]));
        assert_eq!(Picture::from_tensor(&t, 0, ValueRange::SIGNED, &rgb).unwrap(), rgb);
        assert!(Picture::from_tensor(&t, 1, ValueRange::SIGNED, &rgb).is_err());
    }
}
