//! What a user points at: a folder with `detector.json` and safetensors, a plain diffusers folder, a folder that `dte fit` wrote, or
//! one file.
use super::config::{DetectorConfig, InputConfig, ScheduleConfig};
use super::networks::{Networks, Role};
use super::{System, dte};
use crate::model::{Config, Overrides, locate};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// A detector's settings and its networks, checked against each other.
pub struct ModelFolder {
    /// What the user pointed at.
    pub path: PathBuf,
    /// `detector.json`, whether or not it is there: what errors about settings name.
    pub settings: PathBuf,
    /// The settings: of `detector.json`, or as published.
    pub config: DetectorConfig,
    /// The networks.
    pub networks: Networks,
    /// SHA-256 of the weights, see [`Networks::sha256`].
    pub sha256: String,
}

impl ModelFolder {
    /// Opens a model folder or a safetensors file, which says all that is needed; see [`ModelFolder::open_with`].
    /// # Errors
    /// As there.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path.as_ref(), |unet| unet, None, |_| Ok(()))
    }
    /// Opens a model folder or a safetensors file. `overrides` changes what is said of a UNet's weights, `adjust` the settings
    /// (command-line flags), before they are checked against the weights; `size` is the side of the input where nothing else
    /// says it. Without a `detector.json` the settings are AnoDDPM's as published, on the input size and channels that the
    /// checkpoint's own config names, and with the schedule of diffusers' scheduler file if there is one; of a folder that
    /// `residua dte fit` wrote, those of diffusion time estimation.
    /// # Errors
    /// Whatever is wrong with the files, by name; [`Error::MissingSetting`] for what they do not say.
    pub fn open_with(
        path: &Path,
        overrides: impl Fn(Overrides) -> Overrides,
        size: Option<usize>,
        adjust: impl FnOnce(&mut DetectorConfig) -> Result<()>,
    ) -> Result<Self> {
        if !path.exists() {
            return Err(Error::file(path, "there is no such model folder or file"));
        }
        let settings = path.join("detector.json");
        let found = match settings.is_file() {
            true => Some(DetectorConfig::read(&settings)?),
            false => dte::Model::is_in(path).then(|| DetectorConfig::new("", None, System::Dte(Default::default()))),
        };
        let bare = found.is_none();
        let mut config = found.unwrap_or_else(|| DetectorConfig::as_published(InputConfig::square(1, 1)));
        // What the flags say of the weights goes before what the file says, for the network that it is about.
        if config.system.roles().contains(&Role::Denoiser) {
            let said = config.networks.remove(&Role::Denoiser).unwrap_or_default();
            let denoiser = super::networks::NetworkFile { unet: overrides(said.unet), ..said };
            if denoiser != Default::default() {
                config.networks.insert(Role::Denoiser, denoiser);
            }
        }
        let networks = Networks::open(path, &config)?;
        if bare {
            config = published(path, &networks, config, size)?;
        }
        if let (System::Dte(settings), Some(estimator)) = (&mut config.system, &networks.estimator) {
            settings.estimator = estimator.model.method;
        }
        if config.name.is_empty() {
            config.name = path.file_name().map_or("model".into(), |n| n.to_string_lossy().into_owned());
        }
        adjust(&mut config)?;
        let named = if settings.is_file() { &settings } else { path };
        config.check().map_err(|e| Error::file(named, e.to_string()))?;
        Self::of(path, config, networks)
    }
    /// From settings and networks that are there already; `path` is what errors and measurements name.
    /// # Errors
    /// When settings and networks do not fit together.
    pub fn of(path: &Path, config: DetectorConfig, networks: Networks) -> Result<Self> {
        let (path, settings, sha256) = (path.to_owned(), path.join("detector.json"), networks.sha256());
        let model = ModelFolder { path, settings, config, networks, sha256 };
        model.config.system.agree(&model)?;
        Ok(model)
    }
    /// Numbers that the networks use.
    pub fn parameters(&self) -> usize {
        self.networks.parameters()
    }
    /// Reads every weight once, so that bad values and surplus tensors are heard of before any work is done.
    /// # Errors
    /// NaN or infinite weights; with `strict`, tensors that the network does not use.
    pub fn settle(&self, strict: bool) -> Result<()> {
        self.networks.settle(strict)
    }
    /// What a batch of `n` runs, with the noise that the settings name.
    /// # Errors
    /// As [`System::job`].
    pub fn job(&self, n: usize) -> Result<super::Job> {
        self.config.system.job(self, n, None)
    }
}

/// AnoDDPM's settings as published, for a plain checkpoint.
fn published(path: &Path, networks: &Networks, config: DetectorConfig, size: Option<usize>) -> Result<DetectorConfig> {
    let network = networks.denoiser()?;
    let (file, spec) = (network.checkpoint.path(), network.as_unet()?);
    let beside = Config::beside(file)?;
    let key = beside.alias(&["sample_size", "image_size", "img_size"]);
    let missing = || Error::MissingSetting { path: file.to_owned(), name: "input size", flag: "--size" };
    let (height, width) = size.map(|s| (s, s)).or(beside.size(key)?).ok_or_else(missing)?;
    let input = InputConfig { width, height, ..InputConfig::square(1, spec.in_channels()) };
    let mut published = DetectorConfig { networks: config.networks, ..DetectorConfig::as_published(input) };
    if let (Some(scheduler), System::AnoDdpm(system)) = (scheduler_of(&locate(path)?), &mut published.system) {
        system.schedule = ScheduleConfig::from_diffusers(&scheduler)?;
    }
    Ok(published)
}

/// diffusers' scheduler file, beside the weights or in the pipeline's folder for it.
fn scheduler_of(file: &Path) -> Option<PathBuf> {
    let places = ["scheduler_config.json", "../scheduler/scheduler_config.json"];
    places.iter().filter_map(|p| Some(file.parent()?.join(p))).find(|p| p.is_file())
}
