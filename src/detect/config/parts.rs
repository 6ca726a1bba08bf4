//! The parts of `detector.json` that stand by themselves.
use crate::data::ValueRange;
use serde::{Deserialize, Serialize};

/// Size and value range of the network's input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// The values that 0 and 1 (black and white) become.
    pub range: [f32; 2],
}

impl Input {
    /// The range as the readers want it.
    pub fn value_range(&self) -> ValueRange {
        ValueRange { low: self.range[0], high: self.range[1] }
    }
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
        /// S.
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
