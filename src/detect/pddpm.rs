//! pDDPM (Behrendt, Bhattacharya, Krueger, Opfer, Schlaefer, MIDL 2023, arXiv 2303.03758): each patch of a slice is noised and
//! estimated from its clean surroundings, by one call of the network.
//!
//! `noising` noises the whole slice to t = lambda − 1. Each run of `patches` takes some of the patches: a copy of the clean slice
//! for each, in which only the patch is noised, goes through the network, and of the estimate of x0 only the patch is kept.
//! `finish` divides where patches overlap, and makes the map. What follows on the host, over a whole volume, is
//! [`Postprocessing`].
use super::config::{
    BlurConfig, InputConfig, NoiseConfig, NoisePer, PredictionKind, ScheduleConfig, ScheduleKind, VarianceKind,
    Variant, must,
};
use super::job::{Job, Phase};
use super::map::{self, MapStates};
use super::settings::{Range, Setting};
use super::{ModelFolder, Postprocessing};
use crate::diffusion::{Method, Noise, NoiseSource, Sampler, Timesteps, noise_to, sampler_step, step_time};
use crate::graph::Graph;
use crate::kernels::patches::{PatchCompose, PatchMean, PatchStitch};
use crate::kernels::score::ResidualKind;
use crate::kernels::{Op, StepRow, pointwise::Activation};
use crate::{Result, Shape};
use grid::Patch;
use serde::{Deserialize, Serialize};

mod grid;

pub use grid::Overlap;

/// Its settings; absent ones are as published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pddpm {
    /// `published`: the noise is rounded to float16, as the public code does. `paper`: it is not.
    pub variant: Variant,
    /// The noise schedule that the network was trained with.
    pub schedule: ScheduleConfig,
    /// The noise.
    pub noise: NoiseConfig,
    /// What shares one noise.
    pub noise_per: NoisePer,
    /// Noising, and the network's one call, are at t = lambda − 1; 1 ..= train_steps.
    pub lambda: usize,
    /// Side of a patch, in pixels of the network's input.
    pub patch: usize,
    /// From patch to patch; patches are spread evenly, so that none is further apart than this. At most the patch.
    pub stride: usize,
    /// What is kept where patches overlap.
    pub overlap: Overlap,
    /// Patches of an image that go through the network at once; as many as memory allows where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patches_per_call: Option<usize>,
    /// From image and reconstruction to the map.
    pub residual: ResidualKind,
    /// Smoothing of the map at the network's size, before anything else.
    pub blur: Option<BlurConfig>,
    /// Steps by which the foreground's mask is eroded before the map is multiplied by it; 0 for none. As published, the
    /// height of the network's input over 25, rounded down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erosion: Option<usize>,
    /// Side of the median's window over a volume, odd; 1 for none.
    pub median: usize,
    /// Of the mask, components of up to so many voxels, holes filled, are dropped; 0 keeps all.
    pub min_component: usize,
}

impl Default for Pddpm {
    fn default() -> Self {
        let schedule = ScheduleConfig {
            kind: ScheduleKind::Cosine,
            prediction: PredictionKind::Sample,
            ..ScheduleConfig::default()
        };
        Pddpm {
            variant: Variant::Published,
            schedule,
            noise: NoiseConfig::default(),
            noise_per: NoisePer::Volume,
            lambda: 500,
            patch: 48,
            stride: 48,
            overlap: Overlap::Average,
            patches_per_call: None,
            residual: ResidualKind::Absolute,
            blur: None,
            erosion: None,
            median: 5,
            min_component: 7,
        }
    }
}

/// Its settings by name.
pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("variant", Range::Words(&["published", "paper"]), "published rounds the noise to float16"),
    Setting::new("lambda", Range::Count(1, 100_000), "noise level: one call of the network at t = lambda - 1"),
    Setting::new("patch", Range::Count(1, 4096), "side of a patch, in pixels of the network's input"),
    Setting::new("stride", Range::Count(1, 4096), "from patch to patch, at most the patch"),
    Setting::new("overlap", Range::Words(&["average", "cut"]), "what is kept where patches overlap"),
    Setting::new("patches_per_call", Range::Count(1, 4096), "patches at once; as memory allows where it is not set"),
    Setting::new("noise", Range::Noise, "the noise"),
    Setting::new("noise_per", Range::Words(&["run", "volume", "image"]), "what shares one noise"),
    Setting::new("residual", Range::Words(super::anoddpm::RESIDUALS), "from image and reconstruction to the map"),
    Setting::new("blur", Range::Blur, "smoothing of the map, in pixels of the network's input"),
    EROSION,
    MEDIAN,
    Setting::new("min_component", Range::Count(0, 1_000_000_000), "largest component of the mask that is dropped"),
];

/// Erosion of the foreground, as all systems name it that have one.
pub(super) const EROSION: Setting =
    Setting::new("erosion", Range::Count(0, 4096), "steps of eroding the foreground; 0 for none");
/// The median over a volume, likewise.
pub(super) const MEDIAN: Setting =
    Setting::new("median", Range::Count(1, 31), "side of the median's window over a volume, odd; 1 for none");

/// Bytes of activations that a call of the network may take at most; one patch of each image is always taken.
const ACTIVATIONS: u64 = 256 << 20;

impl Pddpm {
    /// The patches of an image.
    pub(super) fn patches(&self, height: usize, width: usize) -> Vec<Patch> {
        grid::patches((height, width), self.patch, self.stride, self.overlap)
    }
    /// What is done with the maps of a volume on the host, for a network's input of this height.
    pub fn postprocessing(&self, height: usize) -> Postprocessing {
        let erosion = self.erosion.unwrap_or(height / 25);
        Postprocessing { erosion, median: self.median, min_component: self.min_component }
    }
    pub(super) fn check(&self, input: Option<&InputConfig>) -> Result<()> {
        let steps = self.schedule.train_steps;
        must((1..=steps).contains(&self.lambda), "lambda", &format!("1..=schedule.train_steps, which is {steps}"))?;
        must(self.patch >= 1, "patch", "1 at least")?;
        must((1..=self.patch).contains(&self.stride), "stride", "1..=patch")?;
        must(self.patches_per_call.is_none_or(|n| (1..=4096).contains(&n)), "patches_per_call", "1..=4096")?;
        self.postprocessing(1).check()?;
        self.noise.check()?;
        self.blur.map_or(Ok(()), BlurConfig::check)?;
        if let Some(input) = input {
            must(self.patch <= input.width.min(input.height), "patch", "no larger than the input")?;
            let count = self.patches(input.height, input.width).len();
            must(count <= 4096, "stride", "large enough for 4096 patches at most")?;
        }
        self.sampler().map(drop)
    }
    /// One step from lambda − 1 to x0, which is not clamped.
    pub(super) fn sampler(&self) -> Result<Sampler> {
        let method = Method::Ddim { eta: 0.0, clipped_epsilon: true };
        Ok(Sampler {
            clip: None,
            variance_channels: self.schedule.variance == VarianceKind::LearnedRange,
            ..Sampler::guided(self.schedule.schedule()?, self.schedule.prediction.into(), method)
        })
    }
    /// What a batch of `n` slices runs.
    pub(super) fn job(&self, model: &ModelFolder, n: usize, source: Option<NoiseSource>) -> Result<Job> {
        let (input, network) = (model.config.image()?, model.networks.denoiser()?);
        let shape = Shape::new(n, input.height, input.width, input.channels);
        let sampler = self.sampler()?;
        let patches = self.patches(input.height, input.width);
        let one = network.cost(Shape { n: 1, ..shape })?.activation_bytes.max(1);
        let fitting = self.patches_per_call.unwrap_or((ACTIVATIONS / one) as usize / n);
        let at_once = fitting.clamp(1, patches.len());

        let mut g = Graph::new();
        let image = g.state("image", shape);
        let (noised, sum) = (g.state("noised", shape), g.state("sum", shape));
        let states = MapStates::new(&mut g, image);
        let noise = Noise::new(&mut g, source.unwrap_or(self.noise.into()), shape, 1)
            .rounded_to_f16(self.variant == Variant::Published);
        let numbers: Vec<f32> = patches.iter().flat_map(|p| p.numbers()).collect();
        let (table, count) = (g.vector("patches", &numbers), patches.len());

        let noising = g.section("noising");
        let (x0, z) = (g.read(image), noise.draw(&mut g)?);
        let xt = noise_to(&mut g, x0, z)?;
        g.write(noised, xt)?;
        let zero = g.map("clear", x0, Activation::Identity, 0.0, 0.0)?;
        g.write(sum, zero)?;

        let section = g.section("patches");
        let (clean, xt) = (g.read(image), g.read(noised));
        let compose = Op::PatchCompose(PatchCompose { patches_per_call: at_once, table, count });
        let x = g.push("compose", compose, &[clean, xt])?;
        let t = step_time(&mut g, n * at_once)?;
        let prediction = network.build(&mut g, &[x, t])?;
        let estimate = sampler_step(&mut g, &sampler, x, prediction, None)?;
        let before = g.read(sum);
        let stitch = Op::PatchStitch(PatchStitch { patches_per_call: at_once, table, count });
        let after = g.push("stitch", stitch, &[before, estimate])?;
        g.write(sum, after)?;

        let finish = g.section("finish");
        let total = g.read(sum);
        let mean = g.push("mean", Op::PatchMean(PatchMean { table, count }), &[total])?;
        g.write(states.reconstruction, mean)?;
        // As published, maps are in units of the image's own range.
        let unit = 1.0 / (input.range[1] - input.range[0]);
        let clean = g.read(image);
        let made = map::residual(&mut g, [clean, mean], self.residual, self.blur, unit)?;
        states.finish(&mut g, made)?;

        let step = sampler.rows(&Timesteps::listed(vec![self.lambda - 1])?)?[0];
        let mut rows = vec![sampler.noising(self.lambda - 1)?];
        let mut phases = vec![Phase { section: noising, row: 0 }];
        for first in (0..count).step_by(at_once) {
            phases.push(Phase { section, row: rows.len() });
            rows.push(StepRow { patch: first as u32, ..step });
        }
        phases.push(Phase { section: finish, row: 0 });
        Ok(Job::new(g, image, Some(noise), (phases, rows), states.outputs(), section))
    }
}
