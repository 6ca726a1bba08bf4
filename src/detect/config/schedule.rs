//! The schedule's part of `detector.json`, and how diffusers' scheduler file becomes it.
use crate::diffusion::{Precision, Prediction, Schedule, SchedulerConfig, Variance};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The noise schedule, see [`Schedule`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// `linear`, `scaled_linear` or `cosine`.
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
}

/// The schedule's family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// Betas in equal steps.
    Linear,
    /// Square roots of betas in equal steps.
    ScaledLinear,
    /// Nichol and Dhariwal 2021.
    Cosine,
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
        }
    }
}

impl ScheduleConfig {
    /// The schedule that diffusers' `scheduler_config.json` describes.
    /// # Errors
    /// As [`SchedulerConfig::read`]; [`Error::File`] for a schedule that `detector.json` has no name for.
    pub fn from_diffusers(path: &Path) -> Result<Self> {
        let read = SchedulerConfig::read(path)?;
        let text = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let raw: serde_json::Value = serde_json::from_slice(&text).map_err(|e| Error::file(path, e.to_string()))?;
        let kind = match raw.get("beta_schedule").and_then(|v| v.as_str()).unwrap_or("linear") {
            "linear" => ScheduleKind::Linear,
            "scaled_linear" => ScheduleKind::ScaledLinear,
            "squaredcos_cap_v2" => ScheduleKind::Cosine,
            other => return Err(Error::file(path, format!("`beta_schedule` {other} is not supported here"))),
        };
        for field in ["trained_betas", "rescale_betas_zero_snr"] {
            if raw.get(field).is_some_and(|v| !v.is_null() && v != false) {
                return Err(Error::file(path, format!("`{field}` is not supported here")));
            }
        }
        let beta = |name, default| raw.get(name).and_then(serde_json::Value::as_f64).unwrap_or(default);
        Ok(ScheduleConfig {
            kind,
            train_steps: read.schedule.steps(),
            beta_start: beta("beta_start", 1e-4),
            beta_end: beta("beta_end", 0.02),
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
        })
    }
    /// The schedule, in double precision as AnoDDPM has it.
    /// # Errors
    /// [`Error::Invalid`] for betas out of range.
    pub fn schedule(&self) -> Result<Schedule> {
        match self.kind {
            ScheduleKind::Linear => {
                Schedule::linear(self.train_steps, self.beta_start, self.beta_end, Precision::Double)
            }
            ScheduleKind::ScaledLinear => {
                Schedule::scaled_linear(self.train_steps, self.beta_start, self.beta_end, Precision::Double)
            }
            ScheduleKind::Cosine => Schedule::cosine(self.train_steps, Precision::Double),
        }
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
