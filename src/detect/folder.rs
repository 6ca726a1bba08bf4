//! What a user points at: a folder with `detector.json` and safetensors, or a plain diffusers folder, or one file.
use super::config::{DetectorConfig, Input, ScheduleConfig};
use crate::model::{Checkpoint, Config, Overrides, locate, read, unet::UnetSpec};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// A detector's settings and its network, checked against each other.
pub struct ModelFolder {
    /// What the user pointed at.
    pub path: PathBuf,
    /// `detector.json`, or the published settings.
    pub config: DetectorConfig,
    /// The weights.
    pub checkpoint: Checkpoint,
    /// The network they make.
    pub spec: UnetSpec,
    /// SHA-256 of the safetensors file.
    pub sha256: String,
}

impl ModelFolder {
    /// Opens a model folder or a safetensors file. `adjust` may change the settings (command-line flags) before they
    /// are checked against the weights; `size` is the side of the input where nothing else says it. Without a
    /// `detector.json` the settings are AnoDDPM's as published, on the input size and channels that the checkpoint's own
    /// config names, and with the schedule of diffusers' scheduler file if there is one.
    /// # Errors
    /// Whatever is wrong with the files, by name; [`Error::MissingSetting`] for what they do not say.
    pub fn open(
        path: &Path,
        overrides: impl Fn(Overrides) -> Overrides,
        size: Option<usize>,
        adjust: impl FnOnce(&mut DetectorConfig) -> Result<()>,
    ) -> Result<Self> {
        if !path.exists() {
            return Err(Error::file(path, "there is no such model folder or file"));
        }
        let settings = path.join("detector.json");
        let found = settings.is_file().then(|| DetectorConfig::read(&settings)).transpose()?;
        let file = match found.as_ref().and_then(|c| c.network.as_ref()) {
            Some(name) => path.join(name),
            None => locate(path)?,
        };
        let checkpoint = Checkpoint::open(&file)?;
        let unet = overrides(found.as_ref().map(|c| c.unet).unwrap_or_default());
        let beside = Config::beside(&file)?;
        let spec = read(&checkpoint, &beside, &unet)?;
        let mut config = match found {
            Some(c) => c,
            None => {
                let mut published = DetectorConfig::as_published(input_of(&spec, &beside, &file, size)?);
                if let Some(scheduler) = scheduler_of(&file) {
                    published.schedule = ScheduleConfig::from_diffusers(&scheduler)?;
                }
                published
            }
        };
        config.unet = unet;
        if config.name.is_empty() {
            config.name = path.file_name().map_or("model".into(), |n| n.to_string_lossy().into_owned());
        }
        adjust(&mut config)?;
        config.check().map_err(|e| Error::file(if settings.is_file() { &settings } else { path }, e.to_string()))?;
        agree(&config, &spec, &settings)?;
        let sha256 = checkpoint.sha256();
        Ok(ModelFolder { path: path.to_owned(), config, checkpoint, spec, sha256 })
    }
    /// Parameters of the network.
    pub fn parameters(&self) -> usize {
        self.spec.params().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }
    /// Reads every weight once, so that bad values and surplus tensors are heard of before any work is done.
    /// # Errors
    /// NaN or infinite weights; with `strict`, tensors that the network does not use.
    pub fn settle(&self, strict: bool) -> Result<()> {
        for (key, shape) in self.spec.params() {
            self.checkpoint.take(&key, &shape)?;
        }
        self.checkpoint.settle(strict)
    }
}

/// diffusers' scheduler file, beside the weights or in the pipeline's folder for it.
fn scheduler_of(file: &Path) -> Option<PathBuf> {
    let places = ["scheduler_config.json", "../scheduler/scheduler_config.json"];
    places.iter().filter_map(|p| Some(file.parent()?.join(p))).find(|p| p.is_file())
}

/// The input that a plain checkpoint's own config describes.
fn input_of(spec: &UnetSpec, config: &Config, file: &Path, size: Option<usize>) -> Result<Input> {
    let key = config.alias(&["sample_size", "image_size", "img_size"]);
    let missing = || Error::MissingSetting { path: file.to_owned(), name: "input size", flag: "--size" };
    let (height, width) = size.map(|s| (s, s)).or(config.size(key)?).ok_or_else(missing)?;
    Ok(Input { width, height, channels: spec.in_channels(), range: [-1.0, 1.0] })
}

/// Settings and weights must be about the same network.
fn agree(config: &DetectorConfig, spec: &UnetSpec, settings: &Path) -> Result<()> {
    let input = &config.input;
    let learned = config.sampler()?.variance_channels;
    let out = if learned { 2 * input.channels } else { input.channels };
    if spec.in_channels() != input.channels {
        let fault = format!("input.channels is {}, but the network takes {}", input.channels, spec.in_channels());
        return Err(Error::file(settings, fault));
    }
    if spec.out_channels() != out {
        let fault = format!("the network gives {} channels, but {out} are needed", spec.out_channels());
        return Err(Error::file(settings, fault));
    }
    spec.accepts(crate::Shape::new(1, input.height, input.width, input.channels), false)
}
