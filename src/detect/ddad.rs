//! DDAD (Mousakhan, Brox and Tayyub 2023, arXiv 2305.15956, *Anomaly Detection with Conditioned Denoising Diffusion Models*, code
//! arimousa/DDAD): the image is noised a little, and each step back is pulled towards the image itself, so that only what the model has
//! never seen stays apart; the map joins the distances of pixels and of features (`distance`).
//!
//! The public code tunes `w`, `v` and the features for each category of its data sets on test images; there are no settings that suit
//! all.
use super::ModelFolder;
use super::config::{BlurConfig, InputConfig, NoisePer, PredictionKind, ScheduleConfig, VarianceKind, Variant, must};
use super::distance::{Distance, Normalisation};
use super::job::{Job, Phase};
use super::map::MapStates;
use super::networks;
use super::settings::{Range, Setting};
use crate::diffusion::{Method, Noise, NoiseSource, Quiet, Sampler, Timesteps, noise_to, sampler_step, step_time};
use crate::graph::{Graph, NodeId};
use crate::kernels::pointwise::Activation::Identity;
use crate::kernels::{StepRow, sampler::Accumulate};
use crate::model::Network;
use crate::{Result, Shape};
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// Its settings; absent ones are as published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ddad {
    /// `published`: the image is noised to `t_start`, and the first step takes it for one at the last multiple of `skip` before, as the
    /// public code does; the distances are brought together over the batch. `paper`: it is noised to the step that the first step takes
    /// it for, and the distances are brought together image by image.
    pub variant: Variant,
    /// The noise schedule that the denoiser was trained with: linear, 0.0001 to 0.02 in 1000 steps.
    pub schedule: ScheduleConfig,
    /// What shares one noise. The public code draws one for each image; `run` lets images go through the networks in batches.
    pub noise_per: NoisePer,
    /// Where the way back begins: the code's `test_trajectoy_steps`.
    pub t_start: usize,
    /// From one step to the next.
    pub skip: usize,
    /// How hard each step is pulled towards the image, from 0 (not at all) on. The public table has 0 to 11, by category.
    pub w: f64,
    /// Noise of DDIM's steps: 0 for none, 1 for as much as DDPM's.
    pub eta: f64,
    /// What the distance of pixels counts beside that of features.
    pub v: f64,
    /// The layers of the network of features whose maps are compared; none for the distance of pixels alone.
    pub layers: Vec<usize>,
    /// What brings the distance of pixels to that of features.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalisation: Option<Normalisation>,
    /// The factor of the distance of pixels, where `normalisation` is fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Smoothing of the map at the networks' size; borders are mirrored without repeating the outermost pixel.
    pub blur: Option<BlurConfig>,
    /// Side of the square in the middle that is judged; the map is zero around it.
    pub crop: Option<usize>,
}

impl Default for Ddad {
    fn default() -> Self {
        Ddad {
            variant: Variant::Published,
            schedule: ScheduleConfig::default(),
            noise_per: NoisePer::Image,
            t_start: 250,
            skip: 25,
            w: 2.0,
            eta: 1.0,
            v: 1.0,
            layers: vec![2, 3],
            normalisation: None,
            ratio: None,
            blur: Some(BlurConfig::Gaussian { sigma: 4.0 }),
            crop: Some(224),
        }
    }
}

/// Its settings by name.
pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("variant", Range::Words(&["published", "paper"]), "paper: noised to the first step, own maxima"),
    Setting::new("t_start", Range::Count(2, 99_999), "the step that the image is noised to"),
    Setting::new("skip", Range::Count(1, 99_999), "from one step to the next"),
    Setting::new("w", Range::Number(0.0, 1000.0), "how hard each step is pulled towards the image"),
    Setting::new("eta", Range::Number(0.0, 1.0), "noise of the steps, 1 for as much as DDPM's"),
    Setting::new("v", Range::Number(0.0, 1000.0), "what the distance of pixels counts beside that of features"),
    Setting::new("layers", Range::Layers, "the layers of the network of features that are compared"),
    Setting::new("normalisation", Range::Words(&["batch", "image", "fixed"]), "what brings both distances together"),
    Setting::new("ratio", Range::Number(1e-6, 1e6), "the factor of the distance of pixels, with normalisation fixed"),
    Setting::new("blur", Range::Blur, "smoothing of the map, in pixels of the networks' input"),
    Setting::new("crop", Range::OrNone(1, 4096), "side of the square in the middle that is judged"),
    Setting::new("noise_per", Range::Words(&["run", "volume", "image"]), "what shares one noise"),
];

impl Ddad {
    /// What brings the distance of pixels to that of features.
    pub fn normalisation(&self) -> Normalisation {
        Normalisation::of(self.normalisation, self.variant)
    }
    pub(super) fn distance(&self) -> Distance<'_> {
        let (v, layers, ratio, blur, crop) = (self.v, &self.layers[..], self.ratio, self.blur, self.crop);
        Distance { v, layers, normalisation: self.normalisation(), ratio, blur, crop }
    }
    /// The timesteps: the multiples of `skip` below `t_start`, falling.
    /// # Errors
    /// [`crate::Error::Invalid`] where there is none.
    pub fn timesteps(&self) -> Result<Timesteps> {
        Timesteps::listed((0..self.t_start).step_by(self.skip.max(1)).rev().collect())
    }
    /// The step that the image is noised to.
    fn noised_to(&self) -> Result<usize> {
        Ok(match self.variant {
            Variant::Published => self.t_start,
            Variant::Paper => self.timesteps()?.list[0],
        })
    }
    /// Calls of the denoiser for an image.
    pub fn passes(&self) -> usize {
        self.timesteps().map_or(0, |t| t.list.len())
    }
    /// The sampler, without the pull: DDIM without a clamp.
    /// # Errors
    /// [`crate::Error::Invalid`] for a schedule that is none.
    pub fn sampler(&self) -> Result<Sampler> {
        let method = Method::Ddim { eta: self.eta, clipped_epsilon: false };
        Ok(Sampler {
            clip: None,
            quiet: Quiet::AtEnd,
            ..Sampler::guided(self.schedule.schedule()?, self.schedule.prediction.into(), method)
        })
    }
    pub(super) fn check(&self, input: Option<&InputConfig>) -> Result<()> {
        let steps = self.schedule.train_steps;
        must(self.schedule.prediction == PredictionKind::Epsilon, "schedule.prediction", "epsilon, which is pulled")?;
        must(self.schedule.variance != VarianceKind::LearnedRange, "schedule.variance", "another than learned_range")?;
        must(
            (2..steps).contains(&self.t_start),
            "t_start",
            &format!("2 to {}, below the schedule's steps", steps - 1),
        )?;
        let fault = format!("1 to {}, below `t_start`: the step 0 alone changes nothing", self.t_start - 1);
        must((1..self.t_start).contains(&self.skip), "skip", &fault)?;
        must((0.0..=1000.0).contains(&self.w), "w", "0 to 1000")?;
        must((0.0..=1.0).contains(&self.eta), "eta", "0 to 1")?;
        self.distance().check(input)?;
        self.sampler()?.rows(&self.timesteps()?).map(drop)
    }
    /// Why a setting has no effect beside the others, if it has none.
    pub(super) fn idle(&self, name: &str) -> Option<&'static str> {
        match name {
            "normalisation"
                if self.noise_per == NoisePer::Image && self.normalisation == Some(Normalisation::Batch) =>
            {
                Some("images go through the networks one by one (`noise_per` is image), so that batch is image")
            }
            _ => self.distance().idle(name),
        }
    }
    /// What results take for granted, in sentences.
    pub(super) fn taken(&self) -> Vec<String> {
        let crop = self.crop.map(|side| {
            format!("Only the middle {side} x {side} pixels of the networks' input are judged; the map is zero around them (`crop`).")
        });
        let below = self.noised_to().ok().filter(|_| self.variant == Variant::Paper).map(|step| {
            format!(
                "The image was noised to step {step}, the last multiple of `skip` below `t_start`, where the way back begins \
                 (`variant` is paper)."
            )
        });
        crop.into_iter().chain(below).chain(self.distance().taken(self.noise_per)).collect()
    }
    /// A denoiser of the image, and a network of features where its settings need one.
    pub(super) fn agree(&self, model: &ModelFolder) -> Result<()> {
        networks::agree(model, false, false)?;
        self.distance().agree(model)
    }
    /// What a batch of `n` images runs: `noise` noises the image, each run of `denoise` is one step back, and `finish` makes the map.
    /// Draws of noise: the first noises, and where steps are noisy one for each follows.
    pub(in crate::detect) fn job(&self, model: &ModelFolder, n: usize, source: Option<NoiseSource>) -> Result<Job> {
        let (input, denoiser) = (model.config.image()?, model.networks.denoiser()?);
        let shape = Shape::new(n, input.height, input.width, input.channels);
        let (sampler, timesteps) = (self.sampler()?, self.timesteps()?);
        let draws = 1 + if sampler.noisy() { timesteps.list.len() } else { 0 };

        let mut g = Graph::new();
        let image = g.state("image", shape);
        let pictures = MapStates::new(&mut g, image);
        let noise = Noise::new(&mut g, source.unwrap_or(NoiseSource::Gaussian), shape, draws);

        let section = g.section("noise");
        let (clean, drawn) = (g.read(image), noise.draw(&mut g)?);
        let noised = noise_to(&mut g, clean, drawn)?;
        g.write(pictures.reconstruction, noised)?;
        let mut phases = vec![Phase { section, row: 0 }];
        let mut rows = vec![sampler.noising(self.noised_to()?)?];

        let denoise = g.section("denoise");
        let (now, target) = (g.read(pictures.reconstruction), g.read(image));
        let pulled = pulled(&mut g, denoiser, now, target)?;
        let drawn = sampler.noisy().then(|| noise.draw(&mut g)).transpose()?;
        let next = sampler_step(&mut g, &sampler, now, pulled, drawn)?;
        g.write(pictures.reconstruction, next)?;
        for (i, row) in sampler.rows(&timesteps)?.into_iter().enumerate() {
            phases.push(Phase { section: denoise, row: rows.len() });
            rows.push(StepRow { draw: 1 + i as u32, weight: -(self.w * f64::from(row.noise)) as f32, ..row });
        }

        let section = g.section("finish");
        let pair = [g.read(image), g.read(pictures.reconstruction)];
        let map = self.distance().map(&mut g, model, pair)?;
        pictures.finish(&mut g, map)?;
        phases.push(Phase { section, row: rows.len() });
        rows.push(StepRow::default());
        Ok(Job::new(g, image, Some(noise), (phases, rows), pictures.outputs(), denoise))
    }
}

/// The denoiser's noise ε of `now` (N,H,W,C), pulled towards a target of the same shape: ε − w·√(1−ᾱ)·(y_t − x_t), where y_t is the
/// target under that same noise (algorithm 1). The step's row has signal √ᾱ, noise √(1−ᾱ) and weight −w·√(1−ᾱ).
/// # Errors
/// As [`Network::build`].
pub(crate) fn pulled(g: &mut Graph, denoiser: &Network, now: NodeId, target: NodeId) -> Result<NodeId> {
    let t = step_time(g, g.shape(now).n)?;
    let epsilon = denoiser.build(g, &[now, t])?;
    let there = noise_to(g, target, epsilon)?;
    let back = g.map("back", now, Identity, -1.0, 0.0)?;
    let apart = g.add("apart", there, back)?;
    g.push("pulled", Accumulate, &[epsilon, apart])
}
