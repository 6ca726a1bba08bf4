//! diffusers' `scheduler_config.json`, for DDPMScheduler and DDIMScheduler.
use super::{
    Method, Precision, Prediction, Quiet, Sampler, Schedule, ScheduleKind, Timesteps, Variance, schedule::MAX_STEPS,
};
use crate::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// How inference timesteps are spread over the training ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// [`Timesteps::leading`].
    Leading,
    /// [`Timesteps::trailing`].
    Trailing,
    /// [`Timesteps::linspace`].
    Linspace,
}

/// What the file says, with diffusers' defaults for what it leaves out.
#[derive(Clone, Debug, PartialEq)]
pub struct SchedulerConfig {
    /// The schedule, in float32 as diffusers makes it.
    pub schedule: Schedule,
    /// The network's target.
    pub prediction: Prediction,
    /// Spacing of the timesteps.
    pub spacing: Spacing,
    /// Added to leading timesteps.
    pub steps_offset: usize,
    /// Clamp of the x0 estimate, if any.
    pub clip: Option<f64>,
    /// The ancestral variance; none for a DDIMScheduler.
    pub variance: Option<Variance>,
    /// ᾱ below DDIM's last step is 1 rather than ᾱ_0.
    pub set_alpha_to_one: bool,
    /// `beta_schedule`.
    pub kind: ScheduleKind,
    /// `beta_start` and `beta_end`.
    pub ends: [f64; 2],
    /// `trained_betas`, which go before those.
    pub trained_betas: Option<Vec<f64>>,
    /// `rescale_betas_zero_snr`.
    pub zero_snr: bool,
}

/// Every field that the two schedulers have, and those that older versions had and that no longer do anything.
const FIELDS: [&str; 19] = [
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "variance_type",
    "clip_sample",
    "prediction_type",
    "thresholding",
    "dynamic_thresholding_ratio",
    "clip_sample_range",
    "sample_max_value",
    "timestep_spacing",
    "steps_offset",
    "rescale_betas_zero_snr",
    "set_alpha_to_one",
    "predict_epsilon",
    "tensor_format",
    "timestep_values",
];

/// The object with the file's name, for errors.
struct Fields<'a> {
    object: &'a serde_json::Map<String, Value>,
    path: &'a Path,
}

impl Fields<'_> {
    fn fault<T>(&self, name: &str, wanted: &str) -> Result<T> {
        let found = self.object.get(name).unwrap_or(&Value::Null);
        Err(Error::file(self.path, format!("`{name}` is {found}, but {wanted}")))
    }
    /// The value; none when absent, which stands for the default. diffusers takes a null for what it is: no list, not true, and
    /// an error where a number or a text is needed.
    fn get(&self, name: &str) -> Option<&Value> {
        self.object.get(name)
    }
    fn flag(&self, name: &str, default: bool) -> Result<bool> {
        match self.get(name) {
            None => Ok(default),
            Some(Value::Null) => Ok(false),
            Some(v) => v.as_bool().map_or_else(|| self.fault(name, "must be true or false"), Ok),
        }
    }
    fn number(&self, name: &str, default: f64) -> Result<f64> {
        self.get(name).map_or(Ok(default), |v| v.as_f64().map_or_else(|| self.fault(name, "must be a number"), Ok))
    }
    fn count(&self, name: &str, default: usize) -> Result<usize> {
        let Some(v) = self.get(name) else { return Ok(default) };
        let whole = v.as_u64().or_else(|| v.as_f64().filter(|f| f.fract() == 0.0 && *f >= 0.0).map(|f| f as u64));
        match whole {
            Some(n) if n <= MAX_STEPS as u64 => Ok(n as usize),
            _ => self.fault(name, &format!("must be a whole number up to {MAX_STEPS}")),
        }
    }
    fn text(&self, name: &str, default: &'static str) -> Result<&str> {
        self.get(name).map_or(Ok(default), |v| v.as_str().map_or_else(|| self.fault(name, "must be a text"), Ok))
    }
}

impl SchedulerConfig {
    /// Reads a file.
    /// # Errors
    /// [`Error::Io`] when it cannot be read, otherwise as [`SchedulerConfig::from_json`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        let value = serde_json::from_str(&text).map_err(|e| Error::file(path, format!("is no JSON: {e}")))?;
        Self::from_json(&value, path)
    }

    /// Interprets the file's content; `path` is for messages. Fields of other schedulers, which diffusers passes over, are named in a
    /// warning. Old files may lack `prediction_type`, `steps_offset` and `clip_sample`, or say `predict_epsilon: false` for a
    /// network that puts out x0.
    /// # Errors
    /// [`Error::File`] naming the setting: another scheduler, dynamic thresholding, the variances "learned" and
    /// "fixed_large_log" (the latter is a NaN in diffusers), the schedule "laplace", or a value of the wrong kind or range.
    pub fn from_json(value: &Value, path: &Path) -> Result<Self> {
        let Some(object) = value.as_object() else {
            return Err(Error::file(path, "is no JSON object"));
        };
        let f = Fields { object, path };
        let ddim = match f.text("_class_name", "DDPMScheduler")? {
            "DDPMScheduler" | "DDPMParallelScheduler" => false,
            "DDIMScheduler" | "DDIMParallelScheduler" => true,
            _ => return f.fault("_class_name", "DDPMScheduler and DDIMScheduler are supported"),
        };
        let foreign = |name: &&String| !name.starts_with('_') && !FIELDS.contains(&name.as_str());
        let foreign: Vec<&str> = object.keys().filter(foreign).map(String::as_str).collect();
        if !foreign.is_empty() {
            let class = if ddim { "DDIMScheduler" } else { "DDPMScheduler" };
            tracing::warn!("{}: {class} has no {}, which is passed over", path.display(), foreign.join(", "));
        }
        if f.flag("thresholding", false)? {
            return f.fault("thresholding", "dynamic thresholding is not supported");
        }
        let spacing = match f.text("timestep_spacing", "leading")? {
            "leading" => Spacing::Leading,
            "trailing" => Spacing::Trailing,
            "linspace" => Spacing::Linspace,
            _ => return f.fault("timestep_spacing", "leading, trailing and linspace are supported"),
        };
        let clip_range = f.number("clip_sample_range", 1.0)?;
        if !(clip_range > 0.0 && clip_range <= f64::from(f32::MAX)) {
            return f.fault("clip_sample_range", "must be positive");
        }
        let (trained_betas, zero_snr) = (trained_betas(&f)?, f.flag("rescale_betas_zero_snr", false)?);
        Ok(SchedulerConfig {
            schedule: schedule(&f, trained_betas.as_deref(), zero_snr)?,
            prediction: prediction(&f)?,
            spacing,
            steps_offset: f.count("steps_offset", 0)?,
            clip: f.flag("clip_sample", true)?.then_some(clip_range),
            variance: if ddim { None } else { Some(variance(&f)?) },
            set_alpha_to_one: f.flag("set_alpha_to_one", true)?,
            kind: kind(&f)?,
            ends: ends(&f)?,
            trained_betas,
            zero_snr,
        })
    }

    /// The timesteps of a chain of `steps`.
    /// # Errors
    /// [`Error::Invalid`] when the schedule cannot give so many.
    pub fn timesteps(&self, steps: usize) -> Result<Timesteps> {
        let total = self.schedule.steps();
        match self.spacing {
            Spacing::Leading => Timesteps::leading(total, steps, self.steps_offset),
            Spacing::Trailing => Timesteps::trailing(total, steps),
            Spacing::Linspace => Timesteps::linspace(total, steps),
        }
    }

    /// The scheduler that the file names. `eta` and `clipped_epsilon` are arguments of DDIM's step, not settings of the file,
    /// and are passed over for DDPM.
    pub fn sampler(&self, eta: f64, clipped_epsilon: bool) -> Sampler {
        let method = self.variance.map_or(Method::Ddim { eta, clipped_epsilon }, Method::Ddpm);
        Sampler {
            schedule: self.schedule.clone(),
            prediction: self.prediction,
            method,
            clip: self.clip,
            quiet: Quiet::AtZero,
            final_alpha_bar: if self.set_alpha_to_one { 1.0 } else { self.schedule.alpha_bars[0] },
            variance_channels: self.variance == Some(Variance::LearnedRange),
            time_scale: 1.0,
        }
    }
}

fn kind(f: &Fields) -> Result<ScheduleKind> {
    match f.text("beta_schedule", "linear")? {
        "linear" => Ok(ScheduleKind::Linear),
        "scaled_linear" => Ok(ScheduleKind::ScaledLinear),
        "squaredcos_cap_v2" => Ok(ScheduleKind::Cosine),
        "sigmoid" => Ok(ScheduleKind::Sigmoid),
        _ => f.fault("beta_schedule", "linear, scaled_linear, squaredcos_cap_v2 and sigmoid are supported"),
    }
}

fn ends(f: &Fields) -> Result<[f64; 2]> {
    Ok([f.number("beta_start", 1e-4)?, f.number("beta_end", 0.02)?])
}

fn trained_betas(f: &Fields) -> Result<Option<Vec<f64>>> {
    match f.get("trained_betas") {
        None | Some(Value::Null) => Ok(None),
        Some(list) => match list.as_array().and_then(|a| a.iter().map(Value::as_f64).collect()) {
            None => f.fault("trained_betas", "must be a list of numbers"),
            betas => Ok(betas),
        },
    }
}

fn schedule(f: &Fields, betas: Option<&[f64]>, zero_snr: bool) -> Result<Schedule> {
    let (steps, single) = (f.count("num_train_timesteps", 1000)?, Precision::Single);
    let (kind, ends) = (kind(f)?, ends(f)?);
    if let Some(betas) = betas.filter(|b| f.get("num_train_timesteps").is_some() && b.len() != steps) {
        return f.fault("num_train_timesteps", &format!("`trained_betas` holds {}", betas.len()));
    }
    let field = if betas.is_some() { "trained_betas" } else { "beta_schedule" };
    let made = match betas {
        Some(betas) => Schedule::from_betas(betas.to_vec(), single),
        None => Schedule::of(kind, steps, ends, single),
    };
    made.and_then(|s| if zero_snr { s.rescaled_to_zero_snr() } else { Ok(s) })
        .map_err(|e| Error::file(f.path, format!("`{field}`: {e}")))
}

fn prediction(f: &Fields) -> Result<Prediction> {
    let old = f.get("predict_epsilon").is_none_or(Value::is_null) || f.flag("predict_epsilon", true)?;
    let default = if old { "epsilon" } else { "sample" };
    match f.text("prediction_type", default)? {
        "epsilon" => Ok(Prediction::Epsilon),
        "sample" => Ok(Prediction::Sample),
        "v_prediction" => Ok(Prediction::V),
        _ => f.fault("prediction_type", "epsilon, sample and v_prediction are supported"),
    }
}

fn variance(f: &Fields) -> Result<Variance> {
    if f.get("variance_type") == Some(&Value::Null) {
        // diffusers then computes the small variance.
        return Ok(Variance::FixedSmall);
    }
    match f.text("variance_type", "fixed_small")? {
        "fixed_small" | "fixed_small_log" => Ok(Variance::FixedSmall),
        "fixed_large" => Ok(Variance::FixedLarge),
        "learned_range" => Ok(Variance::LearnedRange),
        _ => f.fault("variance_type", "fixed_small, fixed_small_log, fixed_large and learned_range are supported"),
    }
}
