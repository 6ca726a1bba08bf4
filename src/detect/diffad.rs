//! DiffAD (Zhang et al., ICCV 2023, *Unsupervised Surface Anomaly Detection with Diffusion Probabilistic Model*, code
//! Loco-Roco/DiffAD at 0c39d44): a latent diffusion model, which is given the latents of the image, draws those of a good one beside
//! them; a network compares the image with what is decoded from them, and marks what is anomalous.
//!
//! The job is in `chain`. The paper's text was not at hand, so that what is called `paper` here is what its code does not do by itself but
//! names: see [`DiffAd::variant`].
use super::ModelFolder;
use super::config::{
    BlurConfig, InputConfig, NoisePer, SamplerConfig, ScheduleConfig, ScheduleKind, ScoreConfig, VarianceKind, Variant,
    must,
};
use super::networks::{self, Denoised, latents};
use super::settings::{Range, Setting};
use crate::diffusion::{Method, Quiet, Sampler, Timesteps};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

mod chain;
#[cfg(test)]
mod tests;

/// The published score of an image: the map averaged over 21x21 pixels, zeros around, and its maximum (`seg_network/test.py`).
pub(super) const SCORE: ScoreConfig = ScoreConfig::Window { side: 21 };

/// Its settings; absent ones are as published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiffAd {
    /// What `condition` and `sampler` are where they are not said. `published`: a clean condition and 10 steps, as the public code tests.
    /// `paper`: the noised condition, which the denoiser is trained on and the code's README recommends for strong deformations, and
    /// 50 steps, of which the code makes the comparer's training images.
    pub variant: Variant,
    /// The noise schedule that the denoiser was trained with: 0.0015 to 0.02 by their roots in 1000 steps (the code's `ldm` configs).
    pub schedule: ScheduleConfig,
    /// What shares one noise. The public code draws one for each image; `run` lets images go through the networks in batches.
    pub noise_per: NoisePer,
    /// What the denoiser is given behind the latents that it draws: those of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// The step that a noised condition is noised to. The code draws one of 400 to 499 for each image; here it is their middle.
    pub condition_step: usize,
    /// The way from noise to latents: DDIM at every `train_steps / steps`-th step, the lowest of them 1 (latent-diffusion's spacing).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampler: Option<SamplerConfig>,
    /// The comparer is also given a picture between the image and its reconstruction, as published.
    pub interpolated: bool,
    /// How much of that picture's latents are drawn; the rest are the image's own. Published is one half.
    pub mix: f64,
    /// The order in which the networks know three channels. The public code reads images with OpenCV and never changes its blue, green,
    /// red.
    pub colours: Colours,
    /// Smoothing of the map at the networks' size; published is none.
    pub blur: Option<BlurConfig>,
}

/// What the denoiser is given of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// Its latents.
    Clean,
    /// Its latents, noised to a step, so that less of an anomaly is left in them.
    Noised,
}

/// The order of three channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colours {
    /// Blue, green, red.
    #[default]
    Bgr,
    /// Red, green, blue.
    Rgb,
}

impl Default for DiffAd {
    fn default() -> Self {
        let schedule = ScheduleConfig {
            kind: ScheduleKind::ScaledLinear,
            beta_start: 0.0015,
            beta_end: 0.02,
            ..ScheduleConfig::default()
        };
        DiffAd {
            variant: Variant::Published,
            schedule,
            noise_per: NoisePer::Image,
            condition: None,
            condition_step: 450,
            sampler: None,
            interpolated: true,
            mix: 0.5,
            colours: Colours::Bgr,
            blur: None,
        }
    }
}

/// Its settings by name.
pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("variant", Range::Words(&["published", "paper"]), "paper: noised condition, 50 steps, if not said"),
    Setting::new("condition", Range::Words(&["clean", "noised"]), "the image's latents as the denoiser is given them"),
    Setting::new("condition_step", Range::Count(0, 99_999), "the step that a noised condition is noised to"),
    Setting::new("sampler", Range::Ddim, "the way from noise to latents, by ddim; 10 steps as published"),
    Setting::new("sampler.steps", Range::DdimSteps(1, 50_000), "DDIM steps from noise to latents"),
    Setting::new("interpolated", Range::Flag, "the comparer is given a picture between image and reconstruction"),
    Setting::new("mix", Range::Number(0.0, 1.0), "how much of that picture's latents are drawn"),
    Setting::new("colours", Range::Words(&["bgr", "rgb"]), "the order in which the networks know three channels"),
    Setting::new("blur", Range::Blur, "smoothing of the map, in pixels of the networks' input"),
    Setting::new("noise_per", Range::Words(&["run", "volume", "image"]), "what shares one noise"),
];

impl DiffAd {
    /// What the denoiser is given.
    pub fn condition(&self) -> Condition {
        self.condition.unwrap_or(match self.variant {
            Variant::Published => Condition::Clean,
            Variant::Paper => Condition::Noised,
        })
    }
    /// DDIM's steps where nothing is said.
    pub(super) fn usual_steps(&self) -> usize {
        if self.variant == Variant::Paper { 50 } else { 10 }
    }
    /// DDIM's steps, as asked for, and its eta.
    /// # Errors
    /// [`Error::Invalid`] for DDPM, and an eta outside 0..=1.
    fn ddim(&self) -> Result<(usize, f64)> {
        match self.sampler.unwrap_or(SamplerConfig::Ddim { steps: self.usual_steps(), eta: 0.0 }) {
            SamplerConfig::Ddim { steps, eta } if (0.0..=1.0).contains(&eta) => Ok((steps, eta)),
            SamplerConfig::Ddim { eta, .. } => Err(Error::Invalid(format!("`sampler.eta` is {eta}, not 0..=1"))),
            SamplerConfig::Ddpm => Err(Error::Invalid("`sampler` must be ddim, by which this system draws".into())),
        }
    }
    /// Calls of the denoiser for an image; none for settings that [`DiffAd::timesteps`] refuses.
    pub fn passes(&self) -> usize {
        self.timesteps().map_or(0, |t| t.list.len())
    }
    /// The timesteps. Where the steps do not divide those of training they are more than were asked for, as in the public code.
    /// # Errors
    /// [`Error::Invalid`] for another sampler than DDIM, and where the steps lead past those of training.
    pub fn timesteps(&self) -> Result<Timesteps> {
        Timesteps::uniform(self.schedule.train_steps, self.ddim()?.0)
    }
    /// The sampler. Latents are not clamped. The last step ends at the first level of training, not at clean latents, so that a little
    /// noise remains: `ddim_alphas_prev` begins with the first ᾱ.
    /// # Errors
    /// [`Error::Invalid`] as [`DiffAd::timesteps`], and for a schedule that is none.
    pub fn sampler(&self) -> Result<Sampler> {
        let (schedule, eta) = (self.schedule.schedule()?, self.ddim()?.1);
        let final_alpha_bar = schedule.alpha_bar(0)?;
        let method = Method::Ddim { eta, clipped_epsilon: false };
        Ok(Sampler {
            clip: None,
            quiet: Quiet::AtZero,
            final_alpha_bar,
            variance_channels: self.schedule.variance == VarianceKind::LearnedRange,
            ..Sampler::guided(schedule, self.schedule.prediction.into(), method)
        })
    }
    pub(super) fn check(&self, input: Option<&InputConfig>) -> Result<()> {
        let (usual, steps) = (DiffAd::default(), self.schedule.train_steps);
        must(self.condition_step < steps, "condition_step", &format!("below schedule.train_steps, which is {steps}"))?;
        let idle = self.condition() == Condition::Clean && self.condition_step != usual.condition_step;
        must(!idle, "condition_step", "left as it is where the condition is clean, which nothing is noised for")?;
        must((0.0..=1.0).contains(&self.mix), "mix", "0 to 1")?;
        must(self.interpolated || self.mix == usual.mix, "mix", "left as it is where `interpolated` is false")?;
        if let Some(input) = input {
            let grey = input.channels != 3 && self.colours != usual.colours;
            must(!grey, "colours", &format!("left as it is for an input of {} channels", input.channels))?;
        }
        self.blur.map_or(Ok(()), BlurConfig::check)?;
        self.timesteps()?;
        self.sampler().map(drop)
    }
    /// What results take for granted, in sentences.
    pub(super) fn taken(&self, input: Option<&InputConfig>) -> Vec<String> {
        let step = self.condition_step;
        let noised = (self.condition() == Condition::Noised)
            .then(|| format!("The denoiser was given the image's latents noised to step {step}."));
        let swapped = (self.swaps(input))
            .then(|| "The networks were given blue, green and red in this order (`colours` is bgr).".to_owned());
        let more = self.ddim().ok().map(|(asked, _)| (asked, self.passes())).filter(|(asked, taken)| taken > asked).map(|(asked, taken)| {
            format!("{asked} DDIM steps were asked for, and {taken} were taken: {asked} do not divide the schedule's, as in the public code.")
        });
        noised.into_iter().chain(swapped).chain(more).collect()
    }
    /// Whether the networks know the channels in another order than files have.
    fn swaps(&self, input: Option<&InputConfig>) -> bool {
        self.colours == Colours::Bgr && input.is_some_and(|i| i.channels == 3)
    }
    /// A KL autoencoder for images of the input's size, a denoiser of its latents that is given others behind them, and a comparer of
    /// as many pictures as it is given.
    pub(super) fn agree(&self, model: &ModelFolder) -> Result<()> {
        let network = model.networks.autoencoder()?;
        let autoencoder = network.as_autoencoder()?;
        if autoencoder.codes().is_some() {
            let fault = format!("is a {}, which has a codebook: this system needs a KL one", autoencoder.title());
            return Err(Error::file(network.checkpoint.path(), fault));
        }
        let (latent, whose) = (latents(model)?, "the number of the latents' ");
        let learned = self.schedule.variance == VarianceKind::LearnedRange;
        networks::agree_on(model, Denoised { beside: latent.c, learned, whose, ..Denoised::of(latent) })?;

        let (pictures, which) = match self.interpolated {
            true => (3, "the reconstruction, the interpolated picture and the image"),
            false => (2, "the reconstruction and the image"),
        };
        networks::compares(model, pictures, which, "interpolated")
    }
}
