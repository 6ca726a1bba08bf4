//! A checkpoint without a `detector.json`: AnoDDPM as published, with what stands beside the weights and in their file.
use super::System;
use super::anoddpm::AnoDdpm;
use super::config::{DetectorConfig, InputConfig, NoiseConfig, SamplerConfig, ScheduleConfig, ScheduleKind};
use super::networks::Networks;
use crate::diffusion::{SchedulerConfig, Spacing};
use crate::model::{Checkpoint, Config, Layout};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// diffusers' scheduler file.
pub struct Scheduler {
    /// The file.
    pub path: PathBuf,
    config: SchedulerConfig,
}

impl Scheduler {
    /// Reads it, beside the weights or in the pipeline's folder for it; none where there is no such file.
    /// # Errors
    /// As [`SchedulerConfig::read`].
    pub fn beside(weights: &Path) -> Result<Option<Self>> {
        let places = ["scheduler_config.json", "../scheduler/scheduler_config.json"];
        let path = places.iter().filter_map(|p| Some(weights.parent()?.join(p))).find(|p| p.is_file());
        path.map(|path| Ok(Scheduler { config: SchedulerConfig::read(&path)?, path })).transpose()
    }
    fn apply(&self, system: &mut AnoDdpm) {
        system.schedule = ScheduleConfig::from_diffusers(&self.config);
        system.clip = self.config.clip.is_some();
        system.clip_range = self.config.clip.unwrap_or(1.0);
    }
    /// Refuses what a chain of few steps from lambda does not do. A chain that takes every step is the same under all of it.
    /// # Errors
    /// [`Error::File`] naming the field.
    pub fn agree(&self, system: &System) -> Result<()> {
        let System::AnoDdpm(AnoDdpm { sampler: SamplerConfig::Ddim { steps, .. }, .. }) = system else { return Ok(()) };
        let c = &self.config;
        let field = match c {
            SchedulerConfig { spacing: Spacing::Trailing, .. } => "`timestep_spacing` is \"trailing\"".to_owned(),
            SchedulerConfig { steps_offset: 1.., .. } => format!("`steps_offset` is {}", c.steps_offset),
            SchedulerConfig { variance: None, set_alpha_to_one: false, .. } => "`set_alpha_to_one` is false".to_owned(),
            _ => return Ok(()),
        };
        let fault = format!(
            "{field}, but {steps} DDIM steps go evenly from lambda to 0 and end at the image itself; --set sampler=ddpm takes \
             every step, and a detector.json beside the weights goes before this file"
        );
        Err(Error::file(&self.path, fault))
    }
}

/// AnoDDPM's settings as published, on the network's channels and on the size that something says.
/// # Errors
/// [`Error::MissingSetting`] when nothing says the size; what the files say that cannot be.
pub fn published(
    networks: &Networks,
    config: DetectorConfig,
    scheduler: Option<&Scheduler>,
    size: Option<usize>,
) -> Result<DetectorConfig> {
    let network = networks.denoiser()?;
    let (checkpoint, spec) = (&network.checkpoint, network.as_unet()?);
    let (height, width) = size.map_or_else(|| input_size(checkpoint), |side| Ok((side, side)))?;
    let input = InputConfig { width, height, ..InputConfig::square(1, spec.in_channels()) };
    let mut published = DetectorConfig { networks: config.networks, ..DetectorConfig::as_published(input) };
    if let System::AnoDdpm(system) = &mut published.system {
        match scheduler {
            Some(scheduler) => scheduler.apply(system),
            None if spec.layout == Layout::AnoDdpm => of_training(checkpoint, system)?,
            None => {}
        }
    }
    Ok(published)
}

fn input_size(checkpoint: &Checkpoint) -> Result<(usize, usize)> {
    let said = Config::of(checkpoint)?;
    let key = said.alias(&["sample_size", "image_size", "img_size"]);
    let path = checkpoint.path().to_owned();
    said.size(key)?.ok_or(Error::MissingSetting { path, name: "input size", flag: "--size" })
}

/// The arguments of AnoDDPM's training, which its checkpoints hold: `T`, `beta_schedule` and `noise_fn`.
fn of_training(checkpoint: &Checkpoint, system: &mut AnoDdpm) -> Result<()> {
    let config = Config::of(checkpoint)?;
    let Some(args) = config.about("args").filter(|a| a.get("noise_fn").is_some()) else { return Ok(()) };
    let fault = |name: &str, known: &str| {
        Error::file(checkpoint.path(), format!("`args.{name}` is {}, but {known} are known", args[name]))
    };
    let schedule = &mut system.schedule;
    if let Some(steps) = args["T"].as_u64().and_then(|t| usize::try_from(t).ok()).filter(|t| *t > 0) {
        // guided-diffusion's scaling, so that the last level is the same for any number of steps.
        let scale = 1000.0 / steps as f64;
        (schedule.train_steps, schedule.beta_start, schedule.beta_end) = (steps, scale * 1e-4, scale * 0.02);
    }
    match args["beta_schedule"].as_str() {
        Some("linear") | None => schedule.kind = ScheduleKind::Linear,
        Some("cosine") => schedule.kind = ScheduleKind::Cosine,
        Some(_) => return Err(fault("beta_schedule", "linear and cosine")),
    }
    match args["noise_fn"].as_str() {
        Some("gauss") => system.noise = NoiseConfig::Gaussian {},
        Some("simplex") => {}
        _ => return Err(fault("noise_fn", "gauss and simplex")),
    }
    tracing::warn!(
        "{}: trained with T {}, the schedule {} and the noise {}, by its own `args`",
        checkpoint.path().display(),
        schedule.train_steps,
        args["beta_schedule"],
        args["noise_fn"]
    );
    Ok(())
}
