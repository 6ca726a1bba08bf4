//! The published systems: the only list of them.
use super::config::{InputConfig, NoisePer, ScoreConfig};
use super::settings::Setting;
use super::xu::MapBy;
use super::{
    Job, ModelFolder, Postprocessing, advrad::AdvRad, anoddpm::AnoDdpm, ddad::Ddad, diffad::DiffAd, dte::Dte,
    networks::Role, pddpm::Pddpm, pinaya::Pinaya, wolleb::Wolleb, xu::Xu,
};
use crate::diffusion::NoiseSource;
use crate::{Error, Result};
use serde::Serialize;

mod by_name;
mod read;

/// A published system with its settings; in `detector.json` told apart by `method`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "method")]
pub enum System {
    /// AnoDDPM (Wyatt et al. 2022).
    #[serde(rename = "anoddpm")]
    AnoDdpm(AnoDdpm),
    /// pDDPM (Behrendt et al. 2023).
    #[serde(rename = "pddpm")]
    Pddpm(Pddpm),
    /// AdvRAD (Cao et al. 2024).
    #[serde(rename = "advrad")]
    AdvRad(AdvRad),
    /// Diffusion time estimation and its DDPM baseline (Livernoche et al. 2024).
    #[serde(rename = "dte")]
    Dte(Dte),
    /// Wolleb et al. 2022: DDIM's encoding, and decoding under a classifier.
    #[serde(rename = "wolleb")]
    Wolleb(Wolleb),
    /// Pinaya et al. 2022: latents that fit badly are painted anew.
    #[serde(rename = "pinaya")]
    Pinaya(Pinaya),
    /// DiffAD (Zhang et al. 2023): good latents drawn beside the image's own, and a network that compares.
    #[serde(rename = "diffad")]
    DiffAd(DiffAd),
    /// Xu et al. 2023: an image drawn anew from one noise, guided by an embedding, and a network that compares.
    #[serde(rename = "xu")]
    Xu(Xu),
    /// DDAD (Mousakhan et al. 2023): a noised image pulled back towards itself, compared by pixels and features.
    #[serde(rename = "ddad")]
    Ddad(Ddad),
}

impl System {
    /// What `detector.json` calls the systems.
    pub const METHODS: [&'static str; 9] =
        ["anoddpm", "pddpm", "advrad", "dte", "wolleb", "pinaya", "diffad", "xu", "ddad"];

    /// A system by the name of its method, as published.
    /// # Errors
    /// [`Error::Invalid`] for a name that no system has.
    pub fn named(method: &str) -> Result<Self> {
        match method {
            "anoddpm" => Ok(System::AnoDdpm(AnoDdpm::default())),
            "pddpm" => Ok(System::Pddpm(Pddpm::default())),
            "advrad" => Ok(System::AdvRad(AdvRad::default())),
            "dte" => Ok(System::Dte(Dte::default())),
            "wolleb" => Ok(System::Wolleb(Wolleb::default())),
            "pinaya" => Ok(System::Pinaya(Pinaya::default())),
            "diffad" => Ok(System::DiffAd(DiffAd::default())),
            "xu" => Ok(System::Xu(Xu::default())),
            "ddad" => Ok(System::Ddad(Ddad::default())),
            _ => {
                let known = System::METHODS.join(", ");
                Err(Error::Invalid(format!("there is no method `{method}`; these are known: {known}")))
            }
        }
    }
    /// What `detector.json` calls it.
    pub fn method(&self) -> &'static str {
        match self {
            System::AnoDdpm(_) => "anoddpm",
            System::Pddpm(_) => "pddpm",
            System::AdvRad(_) => "advrad",
            System::Dte(_) => "dte",
            System::Wolleb(_) => "wolleb",
            System::Pinaya(_) => "pinaya",
            System::DiffAd(_) => "diffad",
            System::Xu(_) => "xu",
            System::Ddad(_) => "ddad",
        }
    }
    /// What publications call it.
    pub fn title(&self) -> &'static str {
        match self {
            System::AnoDdpm(_) => "AnoDDPM",
            System::Pddpm(_) => "pDDPM",
            System::AdvRad(_) => "AdvRAD",
            System::Dte(d) => d.estimator.unwrap_or_default().name(),
            System::Wolleb(_) => "Wolleb et al.",
            System::Pinaya(_) => "Pinaya et al.",
            System::DiffAd(_) => "DiffAD",
            System::Xu(_) => "Xu et al.",
            System::Ddad(_) => "DDAD",
        }
    }
    /// The networks that it may have.
    pub fn roles(&self) -> &'static [Role] {
        match self {
            System::AnoDdpm(_) | System::Pddpm(_) | System::AdvRad(_) => &[Role::Denoiser],
            System::Dte(_) => &[Role::Estimator, Role::Features],
            System::Wolleb(_) => &[Role::Denoiser, Role::Classifier],
            System::Pinaya(_) => &[Role::Denoiser, Role::Autoencoder],
            System::DiffAd(_) => &[Role::Denoiser, Role::Autoencoder, Role::Comparer],
            System::Xu(_) => &[Role::Denoiser, Role::Comparer, Role::Features],
            System::Ddad(_) => &[Role::Denoiser, Role::Features],
        }
    }
    /// Whether a network that it may have must be there, whatever its settings.
    pub(super) fn needs(&self, role: Role) -> bool {
        role != Role::Features && !(role == Role::Comparer && matches!(self, System::Xu(s) if s.map == MapBy::Distance))
    }
    /// Whether its networks see the image itself, brought to their size; otherwise it takes rows of numbers.
    pub fn takes_image(&self) -> bool {
        !matches!(self, System::Dte(_))
    }
    /// Whether it tells where in an image something is anomalous. A system without maps gives a score alone.
    pub fn has_map(&self) -> bool {
        !matches!(self, System::Dte(_))
    }
    /// Whether it draws noise when it scores.
    pub fn draws_noise(&self) -> bool {
        match self {
            System::AnoDdpm(_) | System::Pddpm(_) | System::Pinaya(_) | System::DiffAd(_) | System::Ddad(_) => true,
            System::Xu(s) => s.draws_noise(),
            System::AdvRad(s) => s.noise != super::advrad::Diffusion::None,
            System::Dte(_) => false,
            System::Wolleb(s) => s.variant == super::config::Variant::Published,
        }
    }
    /// What shares one noise.
    pub fn noise_per(&self) -> NoisePer {
        match self {
            System::AnoDdpm(s) => s.noise_per,
            System::Pddpm(s) => s.noise_per,
            System::AdvRad(s) => s.noise_per(),
            System::Dte(_) => NoisePer::Run,
            System::Wolleb(s) => s.noise_per(),
            System::Pinaya(s) => s.noise_per,
            System::DiffAd(s) => s.noise_per,
            System::Xu(s) => s.noise_per_in_use(),
            System::Ddad(s) => s.noise_per,
        }
    }
    /// Forward passes of the denoiser for an image of this size: what its time is proportional to, on every device.
    pub fn passes(&self, input: Option<&InputConfig>) -> usize {
        match self {
            System::AnoDdpm(s) => s.passes(),
            System::Pddpm(s) => input.map_or(1, |i| s.patches(i.height, i.width).len()),
            System::AdvRad(s) => s.passes(),
            System::Dte(_) => 1,
            System::Wolleb(s) => s.passes(),
            System::Pinaya(s) => s.passes(),
            System::DiffAd(s) => s.passes(),
            System::Xu(s) => s.passes(),
            System::Ddad(s) => s.passes(),
        }
    }
    /// Whether each map has its own threshold for pixels, by Otsu's method.
    pub fn cuts_by_otsu(&self) -> bool {
        matches!(self, System::Wolleb(s) if s.otsu)
    }
    /// How a map becomes a score where nothing else is said: that of AdvRAD and DDAD is the maximum, that of DiffAD and Xu et al. the
    /// maximum of the mean over a window, the others' the mean.
    pub fn usual_score(&self) -> ScoreConfig {
        match self {
            System::AdvRad(_) | System::Ddad(_) => ScoreConfig::Max,
            System::DiffAd(_) | System::Xu(_) => super::diffad::SCORE,
            _ => ScoreConfig::default(),
        }
    }
    /// What is done with the maps of a whole volume; none for a system whose slices stand alone.
    pub fn postprocessing(&self, input: Option<&InputConfig>) -> Option<Postprocessing> {
        match self {
            System::Pddpm(s) => input.map(|i| s.postprocessing(i.height)),
            System::Pinaya(s) => s.postprocessing(),
            _ => None,
        }
    }
    /// Whether its maps are zero outside of a mask of its own, so that zeros alone say that nothing was found.
    pub fn has_own_mask(&self) -> bool {
        matches!(self, System::Pinaya(s) if s.paints() && s.filter)
    }
    /// Why a setting has no effect beside the others, if it has none.
    pub fn idle(&self, name: &str) -> Option<&'static str> {
        match self {
            System::Pinaya(s) => s.idle(name),
            System::Xu(s) => s.idle(name),
            System::Ddad(s) => s.idle(name),
            _ => None,
        }
    }
    /// Holds every setting to its range.
    /// # Errors
    /// [`Error::Invalid`] naming the field.
    pub fn check(&self, input: Option<&InputConfig>) -> Result<()> {
        match self {
            System::AnoDdpm(s) => s.check(),
            System::Pddpm(s) => s.check(input),
            System::AdvRad(s) => s.check(input),
            System::Dte(_) => Ok(()),
            System::Wolleb(s) => s.check(input),
            System::Pinaya(s) => s.check(input),
            System::DiffAd(s) => s.check(input),
            System::Xu(s) => s.check(input),
            System::Ddad(s) => s.check(input),
        }
    }
    /// Holds the networks of a model folder against the settings.
    /// # Errors
    /// [`Error::File`] or [`Error::Invalid`] for a network that is missing, or is another than the settings need.
    pub(super) fn agree(&self, model: &ModelFolder) -> Result<()> {
        match self {
            System::AnoDdpm(s) => super::networks::agree(model, s.sampler()?.variance_channels, false),
            System::Pddpm(s) => super::networks::agree(model, s.sampler()?.variance_channels, false),
            System::AdvRad(s) => super::networks::agree(model, s.sampler()?.variance_channels, false),
            System::Dte(s) => s.agree(model),
            System::Wolleb(s) => s.agree(model),
            System::Pinaya(s) => s.agree(model),
            System::DiffAd(s) => s.agree(model),
            System::Xu(s) => s.agree(model),
            System::Ddad(s) => s.agree(model),
        }
    }
    /// What a batch of `n` images, or rows, runs. `noise` replaces the source that the settings name.
    /// # Errors
    /// Shapes that do not fit, settings out of range, a network that is missing.
    pub fn job(&self, model: &ModelFolder, n: usize, noise: Option<NoiseSource>) -> Result<Job> {
        match self {
            System::AnoDdpm(s) => s.job(model, n, noise),
            System::Pddpm(s) => s.job(model, n, noise),
            System::AdvRad(s) => s.job(model, n, noise),
            System::Dte(s) => s.job(model, n),
            System::Wolleb(s) => s.job(model, n, noise),
            System::Pinaya(s) => s.job(model, n, noise),
            System::DiffAd(s) => s.job(model, n, noise),
            System::Xu(s) => s.job(model, n, noise),
            System::Ddad(s) => s.job(model, n, noise),
        }
    }
    /// Its settings by name.
    pub fn settings(&self) -> &'static [Setting] {
        match self {
            System::AnoDdpm(_) => super::anoddpm::SETTINGS,
            System::Pddpm(_) => super::pddpm::SETTINGS,
            System::AdvRad(_) => super::advrad::SETTINGS,
            System::Dte(_) => super::dte::SETTINGS,
            System::Wolleb(_) => super::wolleb::SETTINGS,
            System::Pinaya(_) => super::pinaya::SETTINGS,
            System::DiffAd(_) => super::diffad::SETTINGS,
            System::Xu(_) => super::xu::SETTINGS,
            System::Ddad(_) => super::ddad::SETTINGS,
        }
    }
    /// The settings that trade speed for quality, which `residua dial` measures. Names of parts come after that of the whole.
    pub fn dialled(&self) -> &'static [&'static str] {
        match self {
            System::AnoDdpm(_) => &["lambda", "runs", "sampler", "sampler.steps"],
            System::Pddpm(_) => &["lambda", "patch", "stride", "overlap"],
            System::AdvRad(_) => &["k", "sampler", "sampler.steps", "scales", "blur"],
            System::Dte(_) => &["estimate"],
            System::Wolleb(_) => &["noise_level", "scale", "respacing"],
            System::Pinaya(_) => {
                &["quantile", "start", "sampler", "sampler.steps", "grow", "residual", "reference", "filter"]
            }
            System::DiffAd(_) => &["sampler", "sampler.steps", "condition", "mix", "blur"],
            System::Xu(_) => &["start", "lambda", "sampler", "sampler.steps", "blur"],
            System::Ddad(_) => &["t_start", "skip", "w", "eta", "v", "layers", "blur"],
        }
    }
}
