//! diffusers' `scheduler_config.json`, for DDPMScheduler and DDIMScheduler.
use super::{Method, Precision, Prediction, Quiet, Sampler, Schedule, Timesteps, Variance, schedule::MAX_STEPS};
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
}

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
    /// The value; none when absent or null, both of which stand for the default.
    fn get(&self, name: &str) -> Option<&Value> {
        self.object.get(name).filter(|v| !v.is_null())
    }
    fn flag(&self, name: &str, default: bool) -> Result<bool> {
        self.get(name)
            .map_or(Ok(default), |v| v.as_bool().map_or_else(|| self.fault(name, "must be true or false"), Ok))
    }
    fn number(&self, name: &str, default: f64) -> Result<f64> {
        self.get(name).map_or(Ok(default), |v| v.as_f64().map_or_else(|| self.fault(name, "must be a number"), Ok))
    }
    fn count(&self, name: &str, default: usize) -> Result<usize> {
        let Some(v) = self.get(name) else { return Ok(default) };
        match v.as_u64() {
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

    /// Interprets the file's content; `path` is for messages. Unknown fields are passed over. Old files may lack
    /// `prediction_type`, `steps_offset` and `clip_sample`, or say `predict_epsilon: false` for a network that puts out x0.
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
        Ok(SchedulerConfig {
            schedule: schedule(&f)?,
            prediction: prediction(&f)?,
            spacing,
            steps_offset: f.count("steps_offset", 0)?,
            clip: f.flag("clip_sample", true)?.then_some(clip_range),
            variance: if ddim { None } else { Some(variance(&f)?) },
            set_alpha_to_one: f.flag("set_alpha_to_one", true)?,
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

fn schedule(f: &Fields) -> Result<Schedule> {
    let steps = f.count("num_train_timesteps", 1000)?;
    let (start, end) = (f.number("beta_start", 1e-4)?, f.number("beta_end", 0.02)?);
    let single = Precision::Single;
    let name = f.text("beta_schedule", "linear")?;
    let made = if f.get("trained_betas").is_some() {
        let betas = f.object["trained_betas"].as_array().and_then(|a| a.iter().map(Value::as_f64).collect());
        let Some(betas) = betas else { return f.fault("trained_betas", "must be a list of numbers") };
        Schedule::from_betas(betas, single)
    } else {
        match name {
            "linear" => Schedule::linear(steps, start, end, single),
            "scaled_linear" => Schedule::scaled_linear(steps, start, end, single),
            "squaredcos_cap_v2" => Schedule::cosine(steps, single),
            "sigmoid" => Schedule::sigmoid(steps, start, end, single),
            _ => return f.fault("beta_schedule", "linear, scaled_linear, squaredcos_cap_v2 and sigmoid are supported"),
        }
    };
    let zero_snr = f.flag("rescale_betas_zero_snr", false)?;
    made.and_then(|s| if zero_snr { s.rescaled_to_zero_snr() } else { Ok(s) })
        .map_err(|e| Error::file(f.path, format!("beta_schedule {name}: {e}")))
}

fn prediction(f: &Fields) -> Result<Prediction> {
    let default = if f.flag("predict_epsilon", true)? { "epsilon" } else { "sample" };
    match f.text("prediction_type", default)? {
        "epsilon" => Ok(Prediction::Epsilon),
        "sample" => Ok(Prediction::Sample),
        "v_prediction" => Ok(Prediction::V),
        _ => f.fault("prediction_type", "epsilon, sample and v_prediction are supported"),
    }
}

fn variance(f: &Fields) -> Result<Variance> {
    match f.text("variance_type", "fixed_small")? {
        "fixed_small" | "fixed_small_log" => Ok(Variance::FixedSmall),
        "fixed_large" => Ok(Variance::FixedLarge),
        "learned_range" => Ok(Variance::LearnedRange),
        _ => f.fault("variance_type", "fixed_small, fixed_small_log, fixed_large and learned_range are supported"),
    }
}
