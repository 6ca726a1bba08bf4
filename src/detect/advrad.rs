//! AdvRAD (Cao, Lin, Chen 2024, *Adversarially Robust Industrial Anomaly Detection Through Diffusion Model*, arXiv 2408.04839): noise
//! the image to level k, estimate it from there in one call of the network, and look at the error at several scales.
//!
//! x_k = √ᾱ_k·x + √(1−ᾱ_k)·ε and x̃ = (x_k − √(1−ᾱ_k)·ε_θ(x_k, k)) / √ᾱ_k (Ho 2020, eq. 4 and 15). For each scale, x and x̃ are reduced
//! by the antialiased bilinear filter, squared differences are averaged over the channels and brought back to full size by
//! the same filter; their mean over the scales goes through a mean filter. The map is the distance of this error from its mean over
//! normal images ([`super::MeanMap`]), the score its maximum. The noise is what is to drown an attacker's small perturbation; every part
//! is differentiable, so that this can be tried ([`super::ModelFolder::differentiable`]).
use super::ModelFolder;
use super::config::{BlurConfig, InputConfig, NoisePer, SamplerConfig, ScheduleConfig, VarianceKind, must};
use super::job::Job;
use super::map;
use super::rebuild::Rebuild;
use super::settings::{Range, Setting};
use crate::diffusion::{Method, NoiseSource, Quiet, Sampler, Timesteps};
use crate::graph::{Graph, NodeId, StateId};
use crate::kernels::score::{Residual, ResidualKind};
use crate::kernels::{axis_map::Taps, pointwise::Activation};
use crate::{Error, Result, Shape, Tensor};
use serde::{Deserialize, Serialize};

/// Its settings. What the paper leaves open, or could not be found, has a default with its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdvRad {
    /// The noise schedule that the network was trained with: linear, 1e-4 to 0.02 in 1000 steps, ε-prediction.
    pub schedule: ScheduleConfig,
    /// `gaussian` as published; `none` for the control of an attack: the same network and error without the noise, so that what an
    /// attack does to the noise's protection can be told from what it does to the rest.
    pub noise: Diffusion,
    /// What shares one noise. The paper draws one for each image, which is the default; `run` lets images go through the network
    /// in batches.
    pub noise_per: NoisePer,
    /// Noising, and the first call of the network, are at t = k, from 0 on. The paper's value is not known here. At 100 under the
    /// default schedule ᾱ is 0.895, so that the noise has a third of the image's weight (at 50 a sixth, at 200 three quarters):
    /// far more than a perturbation of a few 255ths, and the image is still there. Choose it on images of one's own.
    pub k: usize,
    /// The way back: one step of DDIM is the published one-shot estimate, more steps, evenly spaced from k to 0, the iterative one.
    pub sampler: SamplerConfig,
    /// Clamp the estimate of x0 to ±1. The published formula has no clamp; it would also hide the gradient where it clamps.
    pub clip: bool,
    /// The error is taken at so many scales: 1, 1/2, 1/4, ... Sides are rounded down. Published are four.
    pub scales: usize,
    /// The mean filter, on the average over the scales. Its size is not published; 3×3, the smallest, blurs defects least.
    /// Borders reflect.
    pub blur: Option<BlurConfig>,
    /// The map is the distance of the error from its mean over normal images, as published; otherwise it is the error.
    pub mean_map: bool,
}

/// The noise in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Diffusion {
    /// N(0,1).
    #[default]
    Gaussian,
    /// None: the image is scaled by √ᾱ_k, and that is all.
    None,
}

impl Default for AdvRad {
    fn default() -> Self {
        AdvRad {
            schedule: ScheduleConfig::default(),
            noise: Diffusion::Gaussian,
            noise_per: NoisePer::Image,
            k: 100,
            sampler: SamplerConfig::Ddim { steps: 1, eta: 0.0 },
            clip: false,
            scales: 4,
            blur: Some(BlurConfig::Box { size: 3 }),
            mean_map: true,
        }
    }
}

/// Its settings by name.
pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("k", Range::Count(0, 99_999), "noise level: noising, and the network's first call, are at t = k"),
    Setting::new("sampler", Range::Sampler, "the way back; one DDIM step is the published estimate"),
    Setting::new("sampler.steps", Range::DdimSteps(1, 100_000), "DDIM steps on the way back"),
    Setting::new("noise", Range::Words(&["gaussian", "none"]), "none leaves the noise out, the control of an attack"),
    Setting::new("noise_per", Range::Words(&["run", "volume", "image"]), "what shares one noise"),
    Setting::new("clip", Range::Flag, "clamp the estimate of the clean image to the input's range"),
    Setting::new("scales", Range::Count(1, 12), "scales at which the error is taken: 1, 1/2, 1/4, ..."),
    Setting::new("blur", Range::Blur, "the mean filter, in pixels of the network's input"),
    Setting::new("mean_map", Range::Flag, "take the distance from the mean error of normal images"),
];

impl AdvRad {
    /// What shares one noise; without any, all images are alike.
    pub(super) fn noise_per(&self) -> NoisePer {
        if self.noise == Diffusion::None { NoisePer::Run } else { self.noise_per }
    }
    /// Forward passes of the network for an image.
    pub fn passes(&self) -> usize {
        if let SamplerConfig::Ddim { steps, .. } = self.sampler { steps } else { self.k + 1 }
    }
    pub(super) fn check(&self, input: Option<&InputConfig>) -> Result<()> {
        let steps = self.schedule.train_steps;
        must(self.k < steps, "k", &format!("below schedule.train_steps, which is {steps}"))?;
        must((1..=12).contains(&self.scales), "scales", "1..=12")?;
        if let Some(input) = input {
            let side = input.width.min(input.height);
            must(
                side >> (self.scales - 1) > 0,
                "scales",
                &format!("so few that {side} pixels keep one at the smallest"),
            )?;
        }
        self.blur.map_or(Ok(()), BlurConfig::check)?;
        self.timesteps()?;
        self.sampler().map(drop)
    }
    /// The timesteps of the way back.
    /// # Errors
    /// [`Error::Invalid`] for more steps than there are from k to 0.
    pub fn timesteps(&self) -> Result<Timesteps> {
        match self.sampler {
            SamplerConfig::Ddpm => Timesteps::all(self.k + 1),
            SamplerConfig::Ddim { steps, .. } => Timesteps::descending(self.k + 1, steps),
        }
    }
    /// The sampler of the way back.
    /// # Errors
    /// [`Error::Invalid`] for an eta outside 0..=1.
    pub fn sampler(&self) -> Result<Sampler> {
        let (variance, prediction) = (self.schedule.variance.into(), self.schedule.prediction.into());
        let method = match self.sampler {
            SamplerConfig::Ddpm => Method::Ddpm(variance),
            SamplerConfig::Ddim { eta, .. } if (0.0..=1.0).contains(&eta) => {
                Method::Ddim { eta, clipped_epsilon: true }
            }
            SamplerConfig::Ddim { eta, .. } => {
                return Err(Error::Invalid(format!("`sampler.eta` is {eta}, not 0..=1")));
            }
        };
        Ok(Sampler {
            clip: self.clip.then_some(1.0),
            quiet: Quiet::AtEnd,
            variance_channels: self.schedule.variance == VarianceKind::LearnedRange,
            ..Sampler::guided(self.schedule.schedule()?, prediction, method)
        })
    }
    /// What a batch of `n` images runs.
    pub(super) fn job(&self, model: &ModelFolder, n: usize, source: Option<NoiseSource>) -> Result<Job> {
        let rebuild = self.rebuild(model, n, source)?;
        let mut normal = self.normal(model, n)?;
        let job = rebuild.job(|g, image, rebuilt| self.map(g, [image, rebuilt], &mut normal))?;
        Ok(job.with_constants(Normal::constants(normal)))
    }
    /// The same with the score, and its gradient with respect to the images.
    pub(super) fn differentiable(&self, model: &ModelFolder, n: usize, source: Option<NoiseSource>) -> Result<Job> {
        let rebuild = self.rebuild(model, n, source)?;
        let mut normal = self.normal(model, n)?;
        let score = model.config.score;
        let job = rebuild.differentiable(score, |g, image, rebuilt| self.map(g, [image, rebuilt], &mut normal))?;
        Ok(job.with_constants(Normal::constants(normal)))
    }
    fn rebuild<'a>(&self, model: &'a ModelFolder, n: usize, source: Option<NoiseSource>) -> Result<Rebuild<'a>> {
        let input = model.config.image()?;
        let noise = match self.noise {
            Diffusion::Gaussian => Some(source.unwrap_or(NoiseSource::Gaussian)),
            Diffusion::None => None,
        };
        Ok(Rebuild {
            network: model.networks.denoiser()?,
            shape: Shape::new(n, input.height, input.width, input.channels),
            sampler: self.sampler()?,
            timesteps: self.timesteps()?,
            noise,
            runs: 1,
        })
    }
    /// The mean error of normal images, where it is asked for.
    fn normal(&self, model: &ModelFolder, n: usize) -> Result<Option<Normal>> {
        if !self.mean_map {
            return Ok(None);
        }
        let mean = model.mean_map()?;
        let shape = Shape::new(n, mean.map.height, mean.map.width, 1);
        Ok(Some(Normal { mean: Tensor::new(shape, mean.map.data.repeat(n))?, state: None }))
    }
    /// The map of an image and its reconstruction, in the current section.
    fn map(&self, g: &mut Graph, pair: [NodeId; 2], normal: &mut Option<Normal>) -> Result<NodeId> {
        let Shape { h, w, .. } = g.shape(pair[0]);
        let mut sum = None;
        for scale in 0..self.scales {
            let (small, large) = ([h >> scale, w >> scale], [h, w]);
            let reduced =
                [map::resized(g, pair[0], small, Taps::triangle)?, map::resized(g, pair[1], small, Taps::triangle)?];
            let error = g.push("error", Residual { kind: ResidualKind::Squared }, &reduced)?;
            let error = map::resized(g, error, large, Taps::triangle)?;
            sum = Some(sum.map_or(Ok(error), |sum| g.add("sum over scales", sum, error))?);
        }
        let sum = sum.ok_or_else(|| Error::Invalid("`scales` must be 1 at least".into()))?;
        let mean = g.map("mean over scales", sum, Activation::Identity, 1.0 / self.scales as f32, 0.0)?;
        let smooth = map::blur(g, mean, self.blur)?;
        let Some(Normal { mean, state }) = normal else { return Ok(smooth) };
        let state = *state.insert(g.state("mean map", mean.shape));
        let mean = g.read(state);
        g.push("distance", Residual { kind: ResidualKind::Absolute }, &[smooth, mean])
    }
}

/// The mean error of normal images, once for each image of a batch, and the state that holds it.
struct Normal {
    mean: Tensor,
    state: Option<StateId>,
}

impl Normal {
    fn constants(normal: Option<Normal>) -> Vec<(StateId, Tensor)> {
        normal.and_then(|n| Some((n.state?, n.mean))).into_iter().collect()
    }
}
