//! `detector.json`: everything about a detector that its network's weights do not say.
use crate::diffusion::{Method, Quiet, Sampler, Timesteps};
use crate::kernels::score::ResidualKind;
use crate::model::Overrides;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

mod parts;
mod schedule;

pub use parts::{BlurConfig, Input, NoiseConfig, SamplerConfig, ScoreConfig, Thresholds};
pub use schedule::{PredictionKind, ScheduleConfig, ScheduleKind, VarianceKind};

/// The file itself. Absent fields are AnoDDPM's as published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorConfig {
    /// Version of this format: 1.
    pub format: u32,
    /// The published system: `anoddpm`.
    pub method: String,
    /// A name for results and reports.
    #[serde(default)]
    pub name: String,
    /// The safetensors file, in the model folder; found by itself when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// What the network sees.
    pub input: Input,
    /// The noise schedule that it was trained with.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// The noise, in both directions.
    #[serde(default)]
    pub noise: NoiseConfig,
    /// Noising goes to t = lambda − 1; 1 ..= train_steps.
    #[serde(default = "published_lambda")]
    pub lambda: usize,
    /// The way back.
    #[serde(default)]
    pub sampler: SamplerConfig,
    /// Clamp the estimate of x0 to the input's range −1..1.
    #[serde(default = "yes")]
    pub clip: bool,
    /// Independent reconstructions, averaged before the residual.
    #[serde(default = "one")]
    pub runs: usize,
    /// From image and reconstruction to the map.
    #[serde(default = "squared")]
    pub residual: ResidualKind,
    /// Smoothing of the map at the network's size.
    #[serde(default)]
    pub blur: Option<BlurConfig>,
    /// From the map to one number.
    #[serde(default)]
    pub score: ScoreConfig,
    /// Where normal ends.
    #[serde(default)]
    pub threshold: Thresholds,
    /// What cannot be inferred from the weights (heads, attention order).
    #[serde(default)]
    pub unet: Overrides,
}

fn published_lambda() -> usize {
    250
}
fn yes() -> bool {
    true
}
fn one() -> usize {
    1
}
fn squared() -> ResidualKind {
    ResidualKind::Squared
}

impl DetectorConfig {
    /// AnoDDPM as published, for a network of this input: lambda 250, six octaves of simplex noise, every DDPM step with
    /// the large variance, the squared error, a pixel being anomalous above 0.5.
    pub fn as_published(input: Input) -> Self {
        DetectorConfig {
            format: 1,
            method: "anoddpm".into(),
            name: "AnoDDPM, as published".into(),
            network: None,
            input,
            schedule: ScheduleConfig::default(),
            noise: NoiseConfig::default(),
            lambda: published_lambda(),
            sampler: SamplerConfig::default(),
            clip: true,
            runs: 1,
            residual: ResidualKind::Squared,
            blur: None,
            score: ScoreConfig::default(),
            threshold: Thresholds { pixel: Some(0.5), image: None },
            unet: Overrides::default(),
        }
    }
    /// Reads and checks a `detector.json`.
    /// # Errors
    /// [`Error::Io`], or [`Error::File`] naming the field.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let config: DetectorConfig = serde_json::from_slice(&text).map_err(|e| Error::file(path, e.to_string()))?;
        config.check().map_err(|fault| Error::file(path, fault.to_string()))?;
        Ok(config)
    }
    /// Holds every value to its range.
    /// # Errors
    /// [`Error::Invalid`] naming the field.
    pub fn check(&self) -> Result<()> {
        let size = |v: usize| (1..=4096).contains(&v);
        let [low, high] = self.input.range;
        let checks = [
            (self.format == 1, "format", "must be 1"),
            (self.method == "anoddpm", "method", "must be `anoddpm`"),
            (size(self.input.width) && size(self.input.height), "input", "width and height must be 1..=4096"),
            (matches!(self.input.channels, 1 | 3), "input.channels", "must be 1 or 3"),
            (low.is_finite() && high.is_finite() && low < high, "input.range", "must rise"),
            ((1..=self.schedule.train_steps).contains(&self.lambda), "lambda", "must be 1..=schedule.train_steps"),
            ((1..=1000).contains(&self.runs), "runs", "must be 1..=1000"),
            (self.noise_fits(), "noise", "octaves must be 1..=12, frequency 1..=4096, persistence in 0..=1"),
            (self.blur_fits(), "blur", "sigma must be in 0..=64 (above 0), size odd and up to 255"),
            (self.score_fits(), "score.fraction", "must be above 0 and at most 1"),
            (self.network.as_deref().is_none_or(plain_name), "network", "must be a file name without folders"),
        ];
        match checks.iter().find(|c| !c.0) {
            Some((_, field, must)) => Err(Error::Invalid(format!("`{field}` {must}"))),
            None => self.timesteps().map(drop).and_then(|()| self.sampler().map(drop)),
        }
    }
    fn noise_fits(&self) -> bool {
        match self.noise {
            NoiseConfig::Gaussian {} => true,
            NoiseConfig::Simplex { octaves, persistence, frequency } => {
                (1..=12).contains(&octaves) && (0.0..=1.0).contains(&persistence) && (1..=4096).contains(&frequency)
            }
        }
    }
    fn blur_fits(&self) -> bool {
        match self.blur {
            None => true,
            Some(BlurConfig::Gaussian { sigma }) => sigma > 0.0 && sigma <= 64.0,
            Some(BlurConfig::Box { size }) => size % 2 == 1 && size <= 255,
        }
    }
    fn score_fits(&self) -> bool {
        !matches!(self.score, ScoreConfig::Top { fraction } if !(fraction > 0.0 && fraction <= 1.0))
    }
    /// The timesteps of the way back.
    /// # Errors
    /// [`Error::Invalid`] for more steps than lambda.
    pub fn timesteps(&self) -> Result<Timesteps> {
        match self.sampler {
            SamplerConfig::Ddpm => Timesteps::all(self.lambda),
            SamplerConfig::Ddim { steps, .. } => Timesteps::descending(self.lambda, steps),
        }
    }
    /// The sampler of the way back.
    /// # Errors
    /// [`Error::Invalid`] for an eta outside 0..=1.
    pub fn sampler(&self) -> Result<Sampler> {
        let (variance, prediction) = (self.schedule.variance.into(), self.schedule.prediction.into());
        let method = match self.sampler {
            SamplerConfig::Ddpm => Method::Ddpm(variance),
            SamplerConfig::Ddim { eta, .. } if (0.0..=1.0).contains(&eta) => {
                Method::Ddim { eta, clipped_epsilon: true }
            }
            SamplerConfig::Ddim { eta, .. } => {
                return Err(Error::Invalid(format!("`sampler.eta` is {eta}, not 0..=1")));
            }
        };
        Ok(Sampler {
            clip: self.clip.then_some(1.0),
            quiet: Quiet::AtEnd,
            variance_channels: self.schedule.variance == VarianceKind::LearnedRange,
            ..Sampler::guided(self.schedule.schedule()?, prediction, method)
        })
    }
}

fn plain_name(name: &str) -> bool {
    Path::new(name).components().count() == 1 && !matches!(name, "." | "..")
}
