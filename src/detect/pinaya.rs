//! Pinaya et al. (MICCAI 2022, arXiv 2206.03461, *Fast Unsupervised Brain Anomaly Detection and Segmentation with Diffusion Models*): the
//! latents of a slice are held against a diffusion model of healthy ones; where they fit badly they are painted anew, and what the
//! decoder makes of that is the slice without its anomaly.
//!
//! No code was published. What is not in the abstract is a reconstruction, each default with its reason here; no number of the paper is
//! repeated. The job is in `chain`, the measurement of healthy latents that sets the mask's threshold in [`super::HealthyLatents`].
use super::config::{
    BlurConfig, InputConfig, NoisePer, SamplerConfig, ScheduleConfig, ScheduleKind, VarianceKind, must,
};
use super::networks::{self, Denoised, latents};
use super::pddpm::{EROSION, MEDIAN};
use super::settings::{Range, Setting};
use super::{ModelFolder, Postprocessing};
use crate::diffusion::{Method, Quiet, Sampler, Timesteps};
use crate::kernels::score::ResidualKind;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

mod chain;
#[cfg(test)]
mod tests;

/// Its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pinaya {
    /// The noise schedule that the denoiser was trained with: 0.0015 to 0.0195 by their roots in 1000 steps, as in the authors' public
    /// latent diffusion.
    pub schedule: ScheduleConfig,
    /// What shares one noise. Each image has its own; `run` lets images go through the networks in batches.
    pub noise_per: NoisePer,
    /// The diffusion model knows latents as the codebook gives them; otherwise as the encoder does. Either way the nearest codes are
    /// decoded.
    pub quantised: bool,
    /// What latents are multiplied by for the denoiser; 1 where its training multiplied by nothing.
    pub latent_scale: f64,
    /// The steps at which latents are judged. Near 0 little noise hides anything, near the end nothing is left to judge: the middle tells.
    pub band: Band,
    /// The mask's threshold is this quantile of the divergence of healthy latents, which `residua calibrate` measures.
    pub quantile: f64,
    /// The mask's threshold itself, which goes before `quantile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Latents around the mask that are painted with it, in steps along rows and columns.
    pub grow: usize,
    /// Painting begins at this step.
    pub start: usize,
    /// The way back: DDPM takes every step, DDIM some, evenly spaced from `start` to 0.
    pub sampler: SamplerConfig,
    /// From image and reconstruction to the map.
    pub residual: ResidualKind,
    /// What the reconstruction is compared with.
    pub reference: Reference,
    /// Multiply the residual by the mask, so that what the autoencoder loses elsewhere does not count.
    pub filter: bool,
    /// Smoothing of that mask, in pixels of the image.
    pub smooth: Option<BlurConfig>,
    /// Smoothing of the map.
    pub blur: Option<BlurConfig>,
    /// Steps by which the foreground's mask is eroded before the map is multiplied by it; 0, as by default, for none. With it
    /// what an autoencoder loses at the skull does not count. This and the median are pDDPM's, published for the same scans.
    pub erosion: usize,
    /// Side of the median's window over a volume, odd; 1, as by default, for none.
    pub median: usize,
    /// What the map is.
    pub map: MapOf,
}

/// Steps of a range, evenly spaced: `first + (last − first)·i/(steps − 1)`, halves up; one step is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Band {
    /// The first, 1 at least.
    pub first: usize,
    /// The last, inside the schedule.
    pub last: usize,
    /// How many.
    pub steps: usize,
}

/// What a reconstruction is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reference {
    /// The image itself.
    #[default]
    Input,
    /// The image decoded from its own codes, which lacks the same as the reconstruction.
    Decoded,
}

/// What the map is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MapOf {
    /// The difference between the image and what was painted.
    #[default]
    Residual,
    /// The divergence of the latents, enlarged. Nothing is painted.
    Divergence,
}

impl Default for Band {
    fn default() -> Self {
        Band { first: 400, last: 600, steps: 201 }
    }
}

impl Default for Pinaya {
    fn default() -> Self {
        let schedule = ScheduleConfig {
            kind: ScheduleKind::ScaledLinear,
            beta_start: 0.0015,
            beta_end: 0.0195,
            variance: VarianceKind::FixedSmall,
            ..ScheduleConfig::default()
        };
        Pinaya {
            schedule,
            noise_per: NoisePer::Image,
            quantised: true,
            latent_scale: 1.0,
            band: Band::default(),
            quantile: 0.975,
            threshold: None,
            grow: 0,
            start: 500,
            sampler: SamplerConfig::Ddpm,
            residual: ResidualKind::Absolute,
            reference: Reference::Input,
            filter: true,
            smooth: None,
            blur: None,
            erosion: 0,
            median: 1,
            map: MapOf::Residual,
        }
    }
}

/// Its settings by name.
pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("band.first", Range::Count(1, 99_999), "first step at which latents are judged"),
    Setting::new("band.last", Range::Count(1, 99_999), "last step at which latents are judged"),
    Setting::new("band.steps", Range::Count(1, 10_000), "steps of the band, evenly spaced"),
    Setting::new("quantile", Range::Number(0.0, 1.0), "of healthy latents' divergence: the mask's threshold"),
    Setting::new("threshold", Range::Number(0.0, 1e6), "the mask's threshold itself, instead of a quantile"),
    Setting::new("grow", Range::Count(0, 64), "latents around the mask that are painted with it"),
    Setting::new("start", Range::Count(1, 99_999), "the step that painting begins at"),
    Setting::new("sampler", Range::Sampler, "the way back; ddpm takes every step"),
    Setting::new("sampler.steps", Range::DdimSteps(1, 100_000), "DDIM steps on the way back"),
    Setting::new("residual", Range::Words(super::anoddpm::RESIDUALS), "from image and reconstruction to the map"),
    Setting::new("reference", Range::Words(&["input", "decoded"]), "what the reconstruction is compared with"),
    Setting::new("filter", Range::Flag, "multiply the residual by the mask"),
    Setting::new("smooth", Range::Blur, "smoothing of that mask, in pixels of the image"),
    Setting::new("blur", Range::Blur, "smoothing of the map, in pixels of the image"),
    EROSION,
    MEDIAN,
    Setting::new("map", Range::Words(&["residual", "divergence"]), "what the map is; divergence paints nothing"),
    Setting::new("quantised", Range::Flag, "the denoiser knows latents as the codebook gives them"),
    Setting::new("latent_scale", Range::Number(1e-6, 1e6), "what latents are multiplied by for the denoiser"),
    Setting::new("noise_per", Range::Words(&["run", "volume", "image"]), "what shares one noise"),
];

impl Band {
    /// The steps, from the first to the last.
    pub fn list(&self) -> Vec<usize> {
        let (wide, gaps) = (self.last - self.first, self.steps.saturating_sub(1).max(1));
        (0..self.steps).map(|i| self.first + (2 * wide * i + gaps) / (2 * gaps)).collect()
    }
}

impl Pinaya {
    /// Calls of the denoiser for an image.
    pub fn passes(&self) -> usize {
        let painted = match self.sampler {
            SamplerConfig::Ddim { steps, .. } => steps,
            SamplerConfig::Ddpm => self.start + 1,
        };
        self.band.steps + if self.paints() { painted } else { 0 }
    }
    /// Why a setting has no effect beside the others, if it has none.
    pub(super) fn idle(&self, name: &str) -> Option<&'static str> {
        let whole = name.split('.').next().unwrap_or_default();
        let painting =
            ["quantile", "threshold", "grow", "start", "sampler", "residual", "reference", "filter", "smooth"];
        match whole {
            name if !self.paints() && painting.contains(&name) => Some("with `map` = divergence nothing is painted"),
            "quantile" if self.threshold.is_some() => Some("`threshold` goes before it"),
            "smooth" if !self.filter => Some("`filter` is false, so that no mask is smoothed"),
            _ => None,
        }
    }
    /// Whether anything is painted anew, for which a mask is needed.
    pub fn paints(&self) -> bool {
        self.map == MapOf::Residual
    }
    pub(super) fn check(&self, _: Option<&InputConfig>) -> Result<()> {
        let (steps, band) = (self.schedule.train_steps, self.band);
        let inside = format!("below schedule.train_steps, which is {steps}");
        must(band.first >= 1, "band.first", "1 at least: step 0 has no divergence")?;
        must(band.last >= band.first, "band.last", &format!("band.first at least, which is {}", band.first))?;
        must(band.last < steps, "band.last", &inside)?;
        let wide = band.last - band.first + 1;
        must((1..=wide).contains(&band.steps), "band.steps", &format!("1 to {wide}, as many as the band has"))?;
        must((1..steps).contains(&self.start), "start", &format!("1 at least and {inside}"))?;
        must((0.0..=1.0).contains(&self.quantile), "quantile", "0 to 1")?;
        must(self.threshold.is_none_or(|t| (0.0..=1e6).contains(&t)), "threshold", "0 to 1000000")?;
        must(self.grow <= 64, "grow", "0 to 64")?;
        must((1e-6..=1e6).contains(&self.latent_scale), "latent_scale", "0.000001 to 1000000")?;
        for blur in [self.smooth, self.blur] {
            blur.map_or(Ok(()), BlurConfig::check)?;
        }
        must(self.erosion <= 4096, "erosion", "up to 4096")?;
        Postprocessing { median: self.median, ..Postprocessing::default() }.check()?;
        self.timesteps()?;
        self.sampler().map(drop)
    }
    /// What is done with the maps of a volume on the host; none where nothing is, and slices stand alone.
    pub(super) fn postprocessing(&self) -> Option<Postprocessing> {
        let all = Postprocessing { erosion: self.erosion, median: self.median, min_component: 0 };
        Some(all).filter(Postprocessing::does_anything)
    }
    /// What results take for granted, in a sentence.
    pub(super) fn taken(&self) -> Option<String> {
        let limit = match self.threshold {
            Some(threshold) => format!("{threshold}"),
            None => format!("the quantile {} of that of healthy latents", self.quantile),
        };
        Some(match self.paints() {
            true => format!("Latents were painted anew where their divergence is above {limit}."),
            false => "The map is the divergence of the latents; nothing was painted anew.".into(),
        })
    }
    /// The timesteps of the way back.
    /// # Errors
    /// [`Error::Invalid`] for more steps than there are from `start` to 0.
    pub fn timesteps(&self) -> Result<Timesteps> {
        match self.sampler {
            SamplerConfig::Ddpm => Timesteps::all(self.start + 1),
            SamplerConfig::Ddim { steps, .. } => Timesteps::descending(self.start + 1, steps),
        }
    }
    /// The sampler of the way back. Estimates of clean latents are not clamped: codes may lie anywhere.
    /// # Errors
    /// [`Error::Invalid`] for an eta outside 0..=1, or a schedule that is none.
    pub fn sampler(&self) -> Result<Sampler> {
        self.sampler_by(match self.sampler {
            SamplerConfig::Ddpm => Method::Ddpm(self.schedule.variance.into()),
            SamplerConfig::Ddim { eta, .. } if (0.0..=1.0).contains(&eta) => {
                Method::Ddim { eta, clipped_epsilon: true }
            }
            SamplerConfig::Ddim { eta, .. } => {
                return Err(Error::Invalid(format!("`sampler.eta` is {eta}, not 0..=1")));
            }
        })
    }
    fn sampler_by(&self, method: Method) -> Result<Sampler> {
        Ok(Sampler {
            clip: None,
            quiet: Quiet::AtEnd,
            variance_channels: self.schedule.variance == VarianceKind::LearnedRange,
            ..Sampler::guided(self.schedule.schedule()?, self.schedule.prediction.into(), method)
        })
    }
    /// An autoencoder with a codebook for images of the input's size, and a denoiser of its latents.
    pub(super) fn agree(&self, model: &ModelFolder) -> Result<()> {
        let network = model.networks.autoencoder()?;
        let autoencoder = network.as_autoencoder()?;
        if autoencoder.codes().is_none() {
            let fault = format!("is a {}, which has no codebook: this system needs a VQ one", autoencoder.title());
            return Err(Error::file(network.checkpoint.path(), fault));
        }
        let learned = self.schedule.variance == VarianceKind::LearnedRange;
        let whose = "the number of the latents' ";
        networks::agree_on(model, Denoised { learned, whose, ..Denoised::of(latents(model)?) })
    }
}
