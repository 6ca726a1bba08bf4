//! AnoDDPM (Wyatt et al., CVPR Workshops 2022): noise the image to level lambda, denoise it, and look at what changed.
//!
//! One graph holds everything: `start` noises, `body` is one step back (run for every row of the step table), `gather`
//! adds a finished reconstruction to the mean over runs, `finish` makes the map. Between the upload of a batch and the
//! read-back of its results nothing leaves the device.
use super::ModelFolder;
use super::config::{BlurConfig, NoiseConfig, NoisePer, SamplerConfig, ScheduleConfig, VarianceKind, must};
use super::job::{Job, Phase};
use super::map::MapStates;
use super::settings::{Range, Setting};
use crate::diffusion::{
    Method, Noise, NoiseSource, Quiet, Sampler, Timesteps, chain_step, noise_to, seed as number_draws, step_time,
};
use crate::graph::Graph;
use crate::kernels::score::ResidualKind;
use crate::kernels::{Op, StepRow, pointwise::Activation, sampler::Accumulate};
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
        let (input, network) = (model.config.image()?, model.networks.denoiser()?);
        let shape = Shape::new(n, input.height, input.width, input.channels);
        let (sampler, steps) = (self.sampler()?, self.timesteps()?);
        let draws_per_run = if sampler.noisy() { 1 + steps.list.len() } else { 1 };
        let mut g = Graph::new();
        let (image, x) = (g.state("image", shape), g.state("x", shape));
        let states = MapStates::new(&mut g, image);
        let reconstruction = states.reconstruction;
        let noise = Noise::new(&mut g, source.unwrap_or(self.noise.into()), shape, self.runs * draws_per_run);

        let clear = g.section("clear");
        let zero = g.read(image);
        let zero = g.map("clear", zero, Activation::Identity, 0.0, 0.0)?;
        g.write(reconstruction, zero)?;

        let start = g.section("start");
        let z = noise.draw(&mut g)?;
        let x0 = g.read(image);
        let noised = noise_to(&mut g, x0, z)?;
        g.write(x, noised)?;

        let body = chain_step(&mut g, "body", x, &sampler, Some(&noise), |g, now| {
            let t = step_time(g, n)?;
            network.build(g, &[now, t])
        })?;

        let gather = g.section("gather");
        let (mean, last) = (g.read(reconstruction), g.read(x));
        let mean = g.push("gather", Op::Accumulate(Accumulate), &[mean, last])?;
        g.write(reconstruction, mean)?;

        let finish = g.section("finish");
        let mean = g.read(reconstruction);
        states.compare(&mut g, mean, self.residual, self.blur, 1.0)?;

        // For each run its noising, its steps, its gathering.
        let back = sampler.rows(&steps)?;
        let mut rows: Vec<StepRow> = Vec::new();
        let mut phases = vec![Phase { section: clear, row: 0 }];
        for run in 0..self.runs {
            let first = rows.len();
            let noising = sampler.noising(self.lambda - 1)?;
            rows.push(StepRow { weight: 1.0 / self.runs as f32, ..noising });
            rows.extend(&back);
            number_draws(&mut rows[first..], 0, (run * draws_per_run) as u32);
            phases.push(Phase { section: start, row: first });
            phases.extend((0..back.len()).map(|i| Phase { section: body, row: first + 1 + i }));
            phases.push(Phase { section: gather, row: first });
        }
        phases.push(Phase { section: finish, row: 0 });
        Ok(Job::new(g, image, Some(noise), (phases, rows), states.outputs(), body))
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
