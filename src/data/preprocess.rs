//! From a picture to what a classifier's backbone takes: resized, cropped, standardised.
use super::Picture;
use crate::{Error, Result, Shape, Tensor};
use serde::{Deserialize, Serialize};

/// Resize, centre crop and standardisation, as torchvision's `ImageClassification` preset has them.
///
/// Resizing differs from the preset on files in one respect: the preset rounds its result to eight bits, this does not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Pixels of the shorter side after resizing by the antialiased triangle filter; the ratio of the sides stays.
    pub size: usize,
    /// Side of the square that is cut from the middle, at most `size`.
    pub crop: usize,
    /// Subtracted from each channel, in units of `[0,1]`.
    pub mean: Vec<f32>,
    /// Divides each channel after that; one for each of `mean`.
    pub std: Vec<f32>,
}

impl Preprocessing {
    /// That of torchvision's ImageNet weights: 256, 224, and the mean and deviation of ImageNet's colours.
    pub fn imagenet() -> Self {
        Preprocessing { size: 256, crop: 224, mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225] }
    }

    /// The same with the standardisation that a network has by its config.
    pub fn of(mean: &[f32], std: &[f32]) -> Self {
        Preprocessing { mean: mean.to_vec(), std: std.to_vec(), ..Self::imagenet() }
    }

    /// Checks the settings.
    /// # Errors
    /// [`Error::Invalid`]: a size of zero or above 16384, a crop of zero or above the size, neither 1 nor 3 channels, means and
    /// deviations of different numbers, not finite, or a deviation that is not positive.
    pub fn check(&self) -> Result<()> {
        let fault = |text: String| Err(Error::Invalid(text));
        let Preprocessing { size, crop, mean, std } = self;
        if !(1..=16384).contains(size) || !(1..=*size).contains(crop) {
            return fault(format!("a crop of {crop} from {size} pixels: 1 <= crop <= size <= 16384 is needed"));
        }
        if !matches!(mean.len(), 1 | 3) || mean.len() != std.len() {
            return fault(format!("{} means and {} deviations; 1 or 3 of both are needed", mean.len(), std.len()));
        }
        match mean.iter().all(|m| m.is_finite()) && std.iter().all(|s| s.is_finite() && *s > 0.0) {
            true => Ok(()),
            false => fault(format!("means {mean:?} and deviations {std:?}: finite numbers, deviations positive")),
        }
    }

    /// The picture as a tensor (1,C,crop,crop), C being the number of means; gray is repeated where that is 3, and RGB
    /// becomes luma where it is 1.
    /// # Errors
    /// [`Error::Invalid`] for settings that [`Preprocessing::check`] refuses, and when the resized picture would have too many
    /// pixels.
    pub fn apply(&self, picture: &Picture) -> Result<Tensor> {
        self.check()?;
        let (w, h, size, crop) = (picture.width, picture.height, self.size, self.crop);
        let long = |long: usize, short: usize| size * long / short;
        let (width, height) = if w <= h { (size, long(h, w)) } else { (long(w, h), size) };
        let small = picture.to_channels(self.mean.len())?.resize(width, height)?;
        let (left, top) = (middle(width - crop), middle(height - crop));
        let channels = self.mean.len();
        let shape = Shape::new(1, crop, crop, channels);
        let mut data = Vec::with_capacity(shape.len());
        for (c, (mean, std)) in self.mean.iter().zip(&self.std).enumerate() {
            let at = |i: usize| small.data[((top + i / crop) * width + left + i % crop) * channels + c];
            data.extend((0..crop * crop).map(|i| (at(i) - mean) / std));
        }
        Tensor::new(shape, data)
    }
}

/// Half, ties to even: Python's `round`, which torchvision places its crop by.
fn middle(room: usize) -> usize {
    let half = room / 2;
    if room.is_multiple_of(2) { half } else { half.next_multiple_of(2) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn picture(width: usize, height: usize, channels: usize) -> Picture {
        let data = (0..width * height * channels).map(|i| ((7 * i * i + 3 * i) % 11) as f32 / 10.0).collect();
        Picture::new(Path::new("x.png"), width, height, channels, data).unwrap()
    }

    // Made with torchvision 0.29 on PyTorch 2.15, from tensors of the same values.
    const WIDE: [f32; 27] = [
        -0.986503, 0.854887, -0.976578, 0.211062, -0.376778, -0.099908, -0.228927, -0.709887, 0.594813, -0.442776,
        -1.245879, 0.145698, -0.185741, -0.201351, -0.855384, -0.635552, 0.660028, -0.66599, -0.339798, 0.708376,
        -0.289293, -0.676498, 0.437721, -0.211852, 0.171987, -1.01812, -0.0233,
    ];
    const TALL: [f32; 12] = [
        -0.847558, -1.244542, -0.942224, -0.100053, -0.737013, -1.142857, -0.833791, 0.027178, -0.511515, -0.915556,
        -0.607863, 0.24928,
    ];

    #[test]
    fn it_is_that_of_torchvision() {
        let with = |size, crop| Preprocessing { size, crop, ..Preprocessing::imagenet() };
        for (picture, settings, want) in
            [(picture(9, 5, 3), with(4, 3), &WIDE[..]), (picture(6, 9, 1), with(5, 2), &TALL[..])]
        {
            let found = settings.apply(&picture).unwrap();
            assert_eq!(found.shape, Shape::new(1, settings.crop, settings.crop, 3));
            for (i, (f, w)) in found.data.iter().zip(want).enumerate() {
                assert!((f - w).abs() < 5e-6, "{i}: {f} {w}");
            }
        }
        let gray = Preprocessing { size: 9, crop: 9, mean: vec![0.25], std: vec![0.5] };
        let gray = gray.apply(&picture(9, 9, 3)).unwrap();
        assert_eq!(gray.shape, Shape::new(1, 9, 9, 1));
        let luma = picture(9, 9, 3).to_channels(1).unwrap().data;
        assert!(gray.data.iter().zip(&luma).all(|(g, l)| *g == (l - 0.25) / 0.5));
    }

    #[test]
    fn bad_settings_are_refused() {
        let good = Preprocessing::imagenet();
        good.check().unwrap();
        let three = |v: f32| vec![0.5, v, 0.5];
        for bad in [
            Preprocessing { crop: 257, ..good.clone() },
            Preprocessing { crop: 0, ..good.clone() },
            Preprocessing { size: 1 << 20, ..good.clone() },
            Preprocessing { mean: vec![0.5], ..good.clone() },
            Preprocessing { mean: vec![0.5; 2], std: vec![0.5; 2], ..good.clone() },
            Preprocessing { mean: three(f32::NAN), ..good.clone() },
            Preprocessing { std: three(0.0), ..good.clone() },
        ] {
            assert!(bad.check().is_err() && bad.apply(&picture(4, 4, 3)).is_err(), "{bad:?}");
        }
        // 256 times 2^20 pixels.
        assert!(good.apply(&picture(1 << 20, 1, 1)).is_err());
    }
}
