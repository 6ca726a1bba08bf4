//! The schedule's part of `detector.json`, and how diffusers' scheduler file becomes it.
pub use crate::diffusion::ScheduleKind;
use crate::diffusion::{Precision, Prediction, Schedule, SchedulerConfig, Variance};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The noise schedule, see [`Schedule`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// `linear`, `scaled_linear`, `cosine` or `sigmoid`.
    pub kind: ScheduleKind,
    /// Steps of training, T.
    pub train_steps: usize,
    /// First beta.
    pub beta_start: f64,
    /// Last beta.
    pub beta_end: f64,
    /// What the network predicts: `epsilon`, `sample` or `v`.
    pub prediction: PredictionKind,
    /// Variance of DDPM's steps: `fixed_small`, `fixed_large` or `learned_range`.
    pub variance: VarianceKind,
    /// All betas one by one, `train_steps` of them, instead of the schedule's kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub betas: Option<Vec<f64>>,
    /// Shifted and stretched so that nothing of the image is left at the last step (Lin et al. 2023).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub zero_snr: bool,
}

/// What the network predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionKind {
    /// The noise.
    Epsilon,
    /// x0.
    Sample,
    /// v (Salimans and Ho 2022).
    V,
}

/// DDPM's variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VarianceKind {
    /// The posterior's.
    FixedSmall,
    /// beta.
    FixedLarge,
    /// Interpolated by the network's second half of channels.
    LearnedRange,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        ScheduleConfig {
            kind: ScheduleKind::Linear,
            train_steps: 1000,
            beta_start: 1e-4,
            beta_end: 0.02,
            prediction: PredictionKind::Epsilon,
            variance: VarianceKind::FixedLarge,
            betas: None,
            zero_snr: false,
        }
    }
}

impl ScheduleConfig {
    /// The schedule that diffusers' `scheduler_config.json` describes.
    pub fn from_diffusers(read: &SchedulerConfig) -> Self {
        ScheduleConfig {
            kind: read.kind,
            train_steps: read.schedule.steps(),
            beta_start: read.ends[0],
            beta_end: read.ends[1],
            prediction: match read.prediction {
                Prediction::Epsilon => PredictionKind::Epsilon,
                Prediction::Sample => PredictionKind::Sample,
                Prediction::V => PredictionKind::V,
            },
            variance: match read.variance {
                Some(Variance::FixedSmall) => VarianceKind::FixedSmall,
                Some(Variance::LearnedRange) => VarianceKind::LearnedRange,
                Some(Variance::FixedLarge) | None => VarianceKind::FixedLarge,
            },
            betas: read.trained_betas.clone(),
            zero_snr: read.zero_snr,
        }
    }
    /// The schedule, in double precision as AnoDDPM has it.
    /// # Errors
    /// [`Error::Invalid`] for betas out of range, or another number of them than `train_steps`.
    pub fn schedule(&self) -> Result<Schedule> {
        self.schedule_in(Precision::Double)
    }
    /// The schedule in an arithmetic.
    /// # Errors
    /// As [`ScheduleConfig::schedule`].
    pub fn schedule_in(&self, precision: Precision) -> Result<Schedule> {
        let steps = self.train_steps;
        let made = match &self.betas {
            Some(betas) if betas.len() != steps => {
                let fault = format!("`schedule.betas` holds {}, but `schedule.train_steps` is {steps}", betas.len());
                return Err(Error::Invalid(fault));
            }
            Some(betas) => Schedule::from_betas(betas.clone(), precision),
            None => Schedule::of(self.kind, steps, [self.beta_start, self.beta_end], precision),
        }?;
        if self.zero_snr { made.rescaled_to_zero_snr() } else { Ok(made) }
    }
}

impl From<VarianceKind> for Variance {
    fn from(kind: VarianceKind) -> Self {
        match kind {
            VarianceKind::FixedSmall => Variance::FixedSmall,
            VarianceKind::FixedLarge => Variance::FixedLarge,
            VarianceKind::LearnedRange => Variance::LearnedRange,
        }
    }
}

impl From<PredictionKind> for Prediction {
    fn from(kind: PredictionKind) -> Self {
        match kind {
            PredictionKind::Epsilon => Prediction::Epsilon,
            PredictionKind::Sample => Prediction::Sample,
            PredictionKind::V => Prediction::V,
        }
    }
}
