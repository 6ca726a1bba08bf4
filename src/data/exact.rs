//! Pictures in files that keep small differences: arrays of float32, which keep every value, and PNG of 16 bits.
use super::decode::read_raw;
use super::npy::write_array;
use super::{InputSpec, Picture, ValueRange, write_bytes};
use crate::{Error, Result};
use ::image::codecs::png::PngEncoder;
use ::image::{ExtendedColorType, ImageEncoder};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A kind of file that a picture comes back from as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExactFormat {
    /// `.npy`, float32, (H,W) or (H,W,C): any value.
    Npy,
    /// PNG of 16 bits a channel: multiples of 1/65535, in 1, 3 or 4 channels.
    Png,
}

impl ExactFormat {
    /// What its files' names end in, without the point.
    pub fn extension(self) -> &'static str {
        match self {
            ExactFormat::Npy => "npy",
            ExactFormat::Png => "png",
        }
    }
    /// Whether files of this format hold pictures of so many channels.
    /// # Errors
    /// [`Error::Invalid`] for PNG and two channels, the second of which would be its alpha.
    pub fn holds(self, channels: usize) -> Result<()> {
        match (self, channels) {
            (ExactFormat::Png, 2) => Err(Error::Invalid("a PNG does not hold two channels; .npy does".into())),
            _ => Ok(()),
        }
    }
    /// The values in 0..1 that a file can hold, nearest to these.
    pub fn round(self, values: &[f32]) -> Vec<f32> {
        match self {
            ExactFormat::Npy => values.to_vec(),
            ExactFormat::Png => values.iter().map(|v| of_level(level(*v))).collect(),
        }
    }
    /// The same, each value rounded towards that of `centre`, which a file can hold: no value lies further from its centre's
    /// than before.
    pub fn round_towards(self, centre: &[f32], values: &[f32]) -> Vec<f32> {
        let nearer = |(c, v): (&f32, &f32)| {
            let distance = |x: f32| (f64::from(x) - f64::from(*c)).abs();
            let (mut at, end) = (level(*v), level(*c));
            while at != end && distance(of_level(at)) > distance(*v) {
                at = if at > end { at - 1 } else { at + 1 };
            }
            of_level(at)
        };
        match self {
            ExactFormat::Npy => values.to_vec(),
            ExactFormat::Png => centre.iter().zip(values).map(nearer).collect(),
        }
    }
    /// Writes a picture whose values the format holds ([`ExactFormat::round`]), whole or not at all, and reads it again.
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] when what is read is not what was written, to the last bit.
    pub fn write(self, path: &Path, picture: &Picture) -> Result<Picture> {
        self.holds(picture.channels)?;
        match self {
            ExactFormat::Npy if picture.channels == 1 => {
                write_array(path, &[picture.height, picture.width], &picture.data)?
            }
            ExactFormat::Npy => write_array(path, &[picture.height, picture.width, picture.channels], &picture.data)?,
            ExactFormat::Png => write_bytes(path, &png(picture)?)?,
        }
        let read = Self::read(path, picture.channels)?;
        match (read.width, read.height, &read.data) == (picture.width, picture.height, &picture.data) {
            true => Ok(read),
            false => Err(Error::file(path, "does not hold what was written into it")),
        }
    }
    /// Reads a picture of so many channels, its values being in 0..1 already, whatever the format.
    /// # Errors
    /// As [`super::read_still`].
    pub fn read(path: &Path, channels: usize) -> Result<Picture> {
        read_raw(path, channels)?.scaled(&InputSpec::fixed(channels, ValueRange::UNIT), None)
    }
}

/// The sixteen bits of a value in 0..1, and the value of sixteen bits as it is read.
fn level(value: f32) -> u16 {
    (f64::from(value) * 65535.0).round() as u16
}

fn of_level(level: u16) -> f32 {
    f32::from(level) / 65535.0
}

fn png(picture: &Picture) -> Result<Vec<u8>> {
    let Picture { width, height, channels, .. } = *picture;
    let kind = match channels {
        1 => ExtendedColorType::L16,
        3 => ExtendedColorType::Rgb16,
        _ => ExtendedColorType::Rgba16,
    };
    let refused = |why: &str| Error::Invalid(format!("a {width}x{height} picture: {why}"));
    let (Ok(w), Ok(h)) = (u32::try_from(width), u32::try_from(height)) else { return Err(refused("too large")) };
    let values: Vec<u8> = picture.data.iter().flat_map(|v| level(*v).to_ne_bytes()).collect();
    let mut out = Vec::new();
    PngEncoder::new(&mut out).write_image(&values, w, h, kind).map_err(|e| refused(&e.to_string()))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::noise::uniforms;

    #[test]
    fn what_is_written_is_read_to_the_last_bit() {
        let dir = tempfile::tempdir().unwrap();
        for format in [ExactFormat::Npy, ExactFormat::Png] {
            for channels in 1..=4 {
                let values: Vec<f32> = uniforms(1, 0, 0, 7 * 5 * channels).iter().map(|u| *u as f32).collect();
                let data = format.round(&values);
                assert!(data.iter().zip(&values).all(|(a, b)| (a - b).abs() <= 0.51 / 65535.0));
                let path = dir.path().join(format!("{channels}.{}", format.extension()));
                let picture = Picture::new(&path, 7, 5, channels, data).unwrap();
                if format.holds(channels).is_err() {
                    assert!((format, channels) == (ExactFormat::Png, 2) && format.write(&path, &picture).is_err());
                    continue;
                }
                assert_eq!(format.write(&path, &picture).unwrap().data, picture.data);
            }
        }
        let path = dir.path().join("x.png");
        let uneven = Picture::new(&path, 1, 1, 1, vec![0.123_456_7]).unwrap();
        assert!(ExactFormat::Png.write(&path, &uneven).unwrap_err().to_string().contains("does not hold"));
    }

    #[test]
    fn rounding_towards_a_centre_moves_no_value_away_from_it() {
        let centre = ExactFormat::Png.round(&uniforms(2, 0, 0, 5000).iter().map(|u| *u as f32).collect::<Vec<_>>());
        let shifts = uniforms(3, 0, 0, 5000);
        for reach in [1e-6, 2.0 / 255.0, 0.5] {
            let moved: Vec<f32> = centre
                .iter()
                .zip(&shifts)
                .map(|(c, u)| (c + reach * (2.0 * *u as f32 - 1.0)).clamp(0.0, 1.0))
                .collect();
            let kept = ExactFormat::Png.round_towards(&centre, &moved);
            assert_eq!(kept, ExactFormat::Png.round(&kept));
            for ((c, v), k) in centre.iter().zip(&moved).zip(&kept) {
                assert!((f64::from(*k) - f64::from(*c)).abs() <= (f64::from(*v) - f64::from(*c)).abs());
                assert!((k - v).abs() < 1.01 / 65535.0);
            }
        }
    }
}
