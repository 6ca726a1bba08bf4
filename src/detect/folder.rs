//! What a user points at: a folder with `detector.json` and its networks, a plain diffusers folder, a folder that `dte fit` wrote,
//! or one file.
use super::config::{DetectorConfig, InputConfig};
use super::networks::{Networks, Role};
use super::plain::{self, Scheduler};
use super::{FromNormal, HealthyLatents, MeanMap, System, dte};
use crate::model::Overrides;
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
    /// That of what they do not tell, see [`Networks::config_sha256`].
    pub config_sha256: Option<String>,
}

impl ModelFolder {
    /// Opens a model folder or a checkpoint, which says all that is needed; see [`ModelFolder::open_with`].
    /// # Errors
    /// As there.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path.as_ref(), |unet| unet, None, |_| Ok(()))
    }
    /// Opens a model folder or a checkpoint. `overrides` changes what is said of a UNet's weights, `adjust` the settings
    /// (command-line flags), before they are checked against the weights; `size` is the side of the input where nothing else
    /// says it. Without a `detector.json` the settings are AnoDDPM's as published, on the input size and channels that the
    /// checkpoint's own config names, and with diffusers' scheduler file if there is one; of a folder that
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
        } else if !overrides(Overrides::default()).is_empty() {
            let fault = "has no denoiser, so that flags about its weights (--heads, --head-channels, --attention-order, \
                         --weights) do not apply";
            return Err(Error::file(path, fault));
        }
        let networks = Networks::open(path, &config)?;
        let mut scheduler = None;
        if bare {
            scheduler = Scheduler::beside(networks.denoiser()?.checkpoint.path())?;
            config = plain::published(&networks, config, scheduler.as_ref(), size)?;
        } else if let Some(side) = size {
            agree_on_size(path, &config, side)?;
        }
        if let (System::Dte(said), Some(estimator)) = (&mut config.system, &networks.estimator) {
            let fitted = estimator.model.method;
            if settings.is_file() && said.estimator.is_some_and(|e| e != fitted) {
                let fault = format!("system.estimator is not that of the model, which is {}", fitted.name());
                return Err(Error::file(&settings, fault));
            }
            said.estimator = Some(fitted);
        }
        if config.name.is_empty() {
            config.name = path.file_name().map_or("model".into(), |n| n.to_string_lossy().into_owned());
        }
        let before = config.clone();
        adjust(&mut config)?;
        // What is wrong only now is not the files' fault.
        let blame = |e: Error| if config == before { Error::file(path, e.to_string()) } else { e };
        config.check().map_err(blame)?;
        scheduler.iter().try_for_each(|s| s.agree(&config.system))?;
        Self::of(path, config, networks)
    }
    /// From settings and networks that are there already; `path` is what errors and measurements name.
    /// # Errors
    /// When settings and networks do not fit together.
    pub fn of(path: &Path, config: DetectorConfig, mut networks: Networks) -> Result<Self> {
        match config.system.from_normal() {
            Some(FromNormal::MeanMap) => networks.mean_map = MeanMap::open(path)?,
            Some(FromNormal::Latents) => networks.healthy_latents = HealthyLatents::open(path)?,
            None => {}
        }
        let (path, settings) = (path.to_owned(), path.join("detector.json"));
        let (sha256, config_sha256) = (networks.sha256(), networks.config_sha256());
        let model = ModelFolder { path, settings, config, networks, sha256, config_sha256 };
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

/// `--size` says what a model's own settings do not; it does not change them.
fn agree_on_size(path: &Path, config: &DetectorConfig, side: usize) -> Result<()> {
    match &config.input {
        None => Err(Error::Invalid("--size is for images; this model takes rows".into())),
        Some(i) if (i.width, i.height) == (side, side) => Ok(()),
        Some(i) => {
            let fault = format!("input is {} x {}, so that --size {side} does not apply", i.height, i.width);
            Err(Error::file(path.join("detector.json"), fault))
        }
    }
}
