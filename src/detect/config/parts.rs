//! The parts of `detector.json` that stand by themselves.
use super::must;
use crate::Result;
use crate::data::{InputSpec, Scaling, ValueRange};
use serde::{Deserialize, Serialize};

/// Size and value range of the network's input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputConfig {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 to 4: grey, RGB, or as many sequences of a scan.
    pub channels: usize,
    /// The values that 0 and 1 (black and white) become: [-1, 1] or [0, 1].
    pub range: [f32; 2],
    /// From the values of a file to 0..1.
    #[serde(default, skip_serializing_if = "is_fixed")]
    pub scaling: Scaling,
    /// What the names of the files end in that make one image, a channel each; empty where a file is a whole image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suffixes: Vec<String>,
}

fn is_fixed(scaling: &Scaling) -> bool {
    *scaling == Scaling::default()
}

impl InputConfig {
    /// A square input of the usual range, −1 to 1.
    pub fn square(side: usize, channels: usize) -> Self {
        let (scaling, suffixes) = Default::default();
        InputConfig { width: side, height: side, channels, range: [-1.0, 1.0], scaling, suffixes }
    }
    pub(super) fn check(&self) -> Result<()> {
        let size = |v: usize| (1..=4096).contains(&v);
        must(size(self.width) && size(self.height), "input", "of a width and a height in 1..=4096")?;
        self.spec().check()?;
        // Noise of unit variance and the clamp of the estimate are meant for these.
        let known = [[-1.0, 1.0], [0.0, 1.0]].contains(&self.range);
        must(
            known,
            "input.range",
            "[-1, 1] or [0, 1]: the values that the network was trained on, not those of the files",
        )
    }
    /// How files become these images.
    pub fn spec(&self) -> InputSpec {
        let (scaling, suffixes) = (self.scaling, self.suffixes.clone());
        InputSpec { channels: self.channels, range: self.value_range(), scaling, floats: None, suffixes }
    }
    /// The range as the readers want it.
    pub fn value_range(&self) -> ValueRange {
        ValueRange { low: self.range[0], high: self.range[1] }
    }
}

/// Which of two accounts of a system is followed where they differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// What the public code does, its quirks included.
    #[default]
    Published,
    /// What the paper describes.
    Paper,
}

/// What shares one noise. It is always chosen by the seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoisePer {
    /// All images of a run.
    #[default]
    Run,
    /// The slices of a volume; each picture is a volume of one slice. Files of the same name have the same noise.
    Volume,
    /// Nothing: every picture and every slice has its own, by its name.
    Image,
}

/// The noise of both directions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum NoiseConfig {
    /// N(0,1).
    Gaussian {},
    /// Octaves of simplex noise (AnoDDPM).
    Simplex {
        /// Number of octaves.
        octaves: u32,
        /// Amplitude from one octave to the next.
        persistence: f64,
        /// Size in pixels of the first octave's features.
        frequency: u32,
    },
}

impl Default for NoiseConfig {
    fn default() -> Self {
        NoiseConfig::Simplex { octaves: 6, persistence: 0.8, frequency: 64 }
    }
}

/// The way back from lambda.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum SamplerConfig {
    /// Every step, lambda − 1 … 0.
    #[default]
    Ddpm,
    /// Few steps: t_i = round((lambda−1)(S−1−i)/(S−1)), the last one to x0.
    Ddim {
        /// How many.
        steps: usize,
        /// 0 (deterministic) to 1.
        #[serde(default)]
        eta: f64,
    },
}

/// Smoothing, in pixels of the network's input; borders reflect.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum BlurConfig {
    /// Gaussian, cut off at four sigma.
    Gaussian {
        /// Standard deviation.
        sigma: f32,
    },
    /// Mean of a square.
    Box {
        /// Its side, odd.
        size: usize,
    },
}

impl NoiseConfig {
    pub(in crate::detect) fn check(self) -> Result<()> {
        let NoiseConfig::Simplex { octaves, persistence, frequency } = self else { return Ok(()) };
        let fits = (1..=12).contains(&octaves) && (0.0..=1.0).contains(&persistence) && (1..=4096).contains(&frequency);
        must(fits, "noise", "of 1..=12 octaves, frequency 1..=4096, persistence in 0..=1")
    }
}

impl BlurConfig {
    pub(in crate::detect) fn check(self) -> Result<()> {
        let fits = match self {
            BlurConfig::Gaussian { sigma } => sigma > 0.0 && sigma <= 64.0,
            BlurConfig::Box { size } => size % 2 == 1 && size <= 255,
        };
        must(fits, "blur", "of a sigma in 0..=64 (above 0), or of an odd size up to 255")
    }
}

/// From the map, at the image's own size, to one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ScoreConfig {
    /// Its largest value.
    Max,
    /// Its mean.
    #[default]
    Mean,
    /// The mean of its largest values.
    Top {
        /// Which part of the pixels, above 0 and up to 1.
        fraction: f64,
    },
    /// Its mean over the foreground: inside the mask beside the image, or where the image is above its background.
    Foreground,
    /// The largest mean of a square of the map at the networks' size; what lies beyond its borders counts as zeros (DRAEM's and DiffAD's
    /// score of an image).
    Window {
        /// Its side in pixels, odd, 1 to 255.
        side: usize,
    },
}

impl ScoreConfig {
    /// Whether it is made of the map at the networks' size, not at the image's own.
    pub fn at_networks_size(self) -> bool {
        matches!(self, ScoreConfig::Foreground | ScoreConfig::Window { .. })
    }
}

/// Values above are anomalous.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Of a pixel of the map.
    pub pixel: Option<f64>,
    /// Of the score.
    pub image: Option<f64>,
}
