//! AnoDDPM (Wyatt et al., CVPR Workshops 2022): noise the image to level lambda, denoise it, and look at what changed.
use super::ModelFolder;
use super::config::{BlurConfig, NoiseConfig, NoisePer, SamplerConfig, ScheduleConfig, VarianceKind, must};
use super::job::Job;
use super::map;
use super::rebuild::Rebuild;
use super::settings::{Range, Setting};
use crate::diffusion::{Method, NoiseSource, Quiet, Sampler, Timesteps};
use crate::graph::{Graph, NodeId};
use crate::kernels::score::ResidualKind;
use crate::{Error, Result, Shape};
use serde::{Deserialize, Serialize};

/// Its settings; absent ones are as published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnoDdpm {
    /// The noise schedule that the network was trained with.
    pub schedule: ScheduleConfig,
    /// The noise, in both directions.
    pub noise: NoiseConfig,
    /// What shares one noise.
    pub noise_per: NoisePer,
    /// Noising goes to t = lambda − 1; 1 ..= train_steps.
    pub lambda: usize,
    /// The way back.
    pub sampler: SamplerConfig,
    /// Clamp the estimate of x0 to ±`clip_range`.
    pub clip: bool,
    /// Where that clamp is; 1 where nothing else is said.
    #[serde(skip_serializing_if = "is_one")]
    pub clip_range: f64,
    /// Independent reconstructions, averaged before the residual; 1 ..= 1000.
    pub runs: usize,
    /// From image and reconstruction to the map.
    pub residual: ResidualKind,
    /// Smoothing of the map at the network's size.
    pub blur: Option<BlurConfig>,
}

impl Default for AnoDdpm {
    fn default() -> Self {
        AnoDdpm {
            schedule: ScheduleConfig::default(),
            noise: NoiseConfig::default(),
            noise_per: NoisePer::default(),
            lambda: 250,
            sampler: SamplerConfig::default(),
            clip: true,
            clip_range: 1.0,
            runs: 1,
            residual: ResidualKind::Squared,
            blur: None,
        }
    }
}

fn is_one(range: &f64) -> bool {
    *range == 1.0
}

/// Its settings by name.
pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("lambda", Range::Count(1, 100_000), "noise level: noising goes to t = lambda - 1"),
    Setting::new("sampler", Range::Sampler, "the way back"),
    Setting::new("sampler.steps", Range::DdimSteps(1, 100_000), "DDIM steps on the way back"),
    Setting::new("runs", Range::Count(1, 1000), "independent reconstructions that are averaged"),
    Setting::new("noise", Range::Noise, "the noise of both directions"),
    Setting::new("noise_per", Range::Words(&["run", "volume", "image"]), "what shares one noise"),
    Setting::new("clip", Range::Flag, "clamp the estimate of the clean image to the input's range"),
    Setting::new("residual", Range::Words(RESIDUALS), "from image and reconstruction to the map"),
    Setting::new("blur", Range::Blur, "smoothing of the map, in pixels of the network's input"),
];

/// The names of [`ResidualKind`].
pub(super) const RESIDUALS: &[&str] = &["squared", "absolute", "positive", "negative"];

impl AnoDdpm {
    /// Forward passes of the network for an image.
    pub fn passes(&self) -> usize {
        let steps = if let SamplerConfig::Ddim { steps, .. } = self.sampler { steps } else { self.lambda };
        steps * self.runs
    }
    pub(super) fn check(&self) -> Result<()> {
        let steps = self.schedule.train_steps;
        must((1..=steps).contains(&self.lambda), "lambda", &format!("1..=schedule.train_steps, which is {steps}"))?;
        must((1..=1000).contains(&self.runs), "runs", "1..=1000")?;
        let range = self.clip_range > 0.0 && self.clip_range <= f64::from(f32::MAX);
        must(range, "clip_range", "above 0")?;
        self.noise.check()?;
        self.blur.map_or(Ok(()), BlurConfig::check)?;
        self.timesteps()?;
        self.sampler().map(drop)
    }
    /// The timesteps of the way back.
    /// # Errors
    /// [`Error::Invalid`] for more steps than lambda.
    pub fn timesteps(&self) -> Result<Timesteps> {
        match self.sampler {
            SamplerConfig::Ddpm => Timesteps::all(self.lambda),
            SamplerConfig::Ddim { steps, .. } => Timesteps::descending(self.lambda, steps),
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
            clip: self.clip.then_some(self.clip_range),
            quiet: Quiet::AtEnd,
            variance_channels: self.schedule.variance == VarianceKind::LearnedRange,
            ..Sampler::guided(self.schedule.schedule()?, prediction, method)
        })
    }
    /// What a batch of `n` images runs.
    pub(super) fn job(&self, model: &ModelFolder, n: usize, source: Option<NoiseSource>) -> Result<Job> {
        self.rebuild(model, n, source)?.job(|g, image, mean| self.map(g, image, mean))
    }
    /// The same with the score, and its gradient with respect to the images.
    pub(super) fn differentiable(&self, model: &ModelFolder, n: usize, source: Option<NoiseSource>) -> Result<Job> {
        let rebuild = self.rebuild(model, n, source)?;
        rebuild.differentiable(model.config.score, |g, image, mean| self.map(g, image, mean))
    }
    fn rebuild<'a>(&self, model: &'a ModelFolder, n: usize, source: Option<NoiseSource>) -> Result<Rebuild<'a>> {
        let input = model.config.image()?;
        Ok(Rebuild {
            network: model.networks.denoiser()?,
            shape: Shape::new(n, input.height, input.width, input.channels),
            sampler: self.sampler()?,
            timesteps: self.timesteps()?,
            noise: Some(source.unwrap_or(self.noise.into())),
            runs: self.runs,
        })
    }
    fn map(&self, g: &mut Graph, image: NodeId, reconstruction: NodeId) -> Result<NodeId> {
        map::residual(g, [image, reconstruction], self.residual, self.blur, 1.0)
    }
}

impl From<NoiseConfig> for NoiseSource {
    fn from(c: NoiseConfig) -> Self {
        match c {
            NoiseConfig::Gaussian {} => NoiseSource::Gaussian,
            NoiseConfig::Simplex { octaves, persistence, frequency } => {
                NoiseSource::Simplex { octaves, persistence, frequency }
            }
        }
    }
}
