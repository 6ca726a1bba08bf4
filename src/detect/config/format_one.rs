//! `detector.json`, format 1: AnoDDPM alone, its settings side by side with the input's. Read for ever, never written.
use super::{
    BlurConfig, DetectorConfig, InputConfig, NoiseConfig, SamplerConfig, ScheduleConfig, ScoreConfig, Thresholds,
};
use crate::detect::networks::{NetworkFile, Role};
use crate::detect::{System, anoddpm::AnoDdpm};
use crate::kernels::score::ResidualKind;
use crate::model::Overrides;
use crate::{Error, Result};
use serde::Deserialize;

/// The file. Absent fields are AnoDDPM's as published.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormatOne {
    #[allow(dead_code)]
    format: u32,
    method: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    network: Option<String>,
    input: InputConfig,
    #[serde(default)]
    schedule: ScheduleConfig,
    #[serde(default)]
    noise: NoiseConfig,
    #[serde(default)]
    lambda: Option<usize>,
    #[serde(default)]
    sampler: SamplerConfig,
    #[serde(default)]
    clip: Option<bool>,
    #[serde(default)]
    runs: Option<usize>,
    #[serde(default)]
    residual: Option<ResidualKind>,
    #[serde(default)]
    blur: Option<BlurConfig>,
    #[serde(default)]
    score: ScoreConfig,
    #[serde(default)]
    threshold: Thresholds,
    #[serde(default)]
    unet: Overrides,
}

impl FormatOne {
    /// The same detector in format 2.
    /// # Errors
    /// [`Error::Invalid`] for another method than `anoddpm`.
    pub fn into_two(self) -> Result<DetectorConfig> {
        if self.method != "anoddpm" {
            return Err(Error::Invalid("`method` must be `anoddpm` in format 1; format 2 knows other systems".into()));
        }
        let published = AnoDdpm::default();
        let system = AnoDdpm {
            schedule: self.schedule,
            noise: self.noise,
            lambda: self.lambda.unwrap_or(published.lambda),
            sampler: self.sampler,
            clip: self.clip.unwrap_or(published.clip),
            runs: self.runs.unwrap_or(published.runs),
            residual: self.residual.unwrap_or(published.residual),
            blur: self.blur,
            ..published
        };
        let mut config = DetectorConfig::new(&self.name, Some(self.input), System::AnoDdpm(system));
        let denoiser = NetworkFile { file: self.network, unet: self.unet };
        if denoiser != NetworkFile::default() {
            config.networks.insert(Role::Denoiser, denoiser);
        }
        (config.score, config.threshold) = (self.score, self.threshold);
        Ok(config)
    }
}
