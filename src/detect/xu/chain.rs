//! The job of Xu et al.
//!
//! `embed` makes the embedding of the image, `start` puts the noise, or the noised image, where the reconstruction will be, each run of
//! `denoise` is one step of DDIM under the embedding, and `compare` makes the map.
use super::{Embedding, MapBy, Start, Xu};
use crate::detect::ModelFolder;
use crate::detect::config::Variant;
use crate::detect::distance;
use crate::detect::job::{Job, Phase};
use crate::detect::map::{self, MapStates};
use crate::diffusion::{Noise, NoiseSource, chain_step, noise_to, step_time};
use crate::graph::{Graph, NodeId};
use crate::kernels::StepRow;
use crate::kernels::pointwise::Activation::Identity;
use crate::{Error, Result, Shape};

impl Xu {
    /// What a batch of `n` images runs. Draws of noise: the first is what the chain begins with, unless a file holds it; where DDIM is
    /// noisy one for each step follows.
    pub(in crate::detect) fn job(&self, model: &ModelFolder, n: usize, source: Option<NoiseSource>) -> Result<Job> {
        let (input, denoiser) = (model.config.image()?, model.networks.denoiser()?);
        let shape = Shape::new(n, input.height, input.width, input.channels);
        let (sampler, timesteps) = (self.sampler()?, self.timesteps()?);
        let width = denoiser.as_unet()?.condition().ok_or_else(|| Error::Invalid("no embedding guides it".into()))?;
        // Noise that is given goes before that of the file: a recorded chain is replayed.
        let stored = model.networks.fixed_noise.as_ref().filter(|_| source != Some(NoiseSource::Given));

        let mut g = Graph::new();
        let image = g.state("image", shape);
        let pictures = MapStates::new(&mut g, image);
        let embedding = g.state("embedding", Shape::new(n, 1, 1, width));
        let draws = 1 + if sampler.noisy() { timesteps.list.len() } else { 0 };
        let noise = (stored.is_none() || sampler.noisy())
            .then(|| Noise::new(&mut g, source.unwrap_or(NoiseSource::Gaussian), shape, draws));
        let constant = stored.map(|s| (g.state("x_T", s.noise.shape), s.noise.clone()));

        let embed = g.section("embed");
        let x = g.read(image);
        let z = self.embedded(&mut g, model, x)?;
        g.write(embedding, z)?;

        let start = g.section("start");
        let clean = g.read(image);
        let drawn = match (&constant, &noise) {
            (Some((state, _)), _) => g.read(*state),
            (None, Some(noise)) => noise.draw(&mut g)?,
            (None, None) => return Err(Error::Invalid("the chain has no noise to begin with".into())),
        };
        let begun = noise_to(&mut g, clean, drawn)?;
        g.write(pictures.reconstruction, begun)?;

        let denoise = chain_step(&mut g, "denoise", pictures.reconstruction, &sampler, noise.as_ref(), |g, now| {
            let (t, z) = (step_time(g, n)?, g.read(embedding));
            denoiser.build(g, &[now, t, z])
        })?;

        let compare = g.section("compare");
        let pair = [g.read(image), g.read(pictures.reconstruction)];
        let made = match self.map {
            MapBy::Comparer => self.compared(&mut g, model, pair)?,
            MapBy::Distance => self.distance().map(&mut g, model, pair)?,
        };
        pictures.finish(&mut g, made)?;

        let begin = match self.start {
            // Noise alone: the image that it is laid over counts nothing.
            Start::Noise => StepRow { signal: 0.0, noise: 1.0, ..StepRow::default() },
            Start::Input => sampler.noising(timesteps.list[0])?,
        };
        let steps = sampler.rows(&timesteps)?.into_iter().enumerate();
        let steps = steps.map(|(i, row)| (denoise, StepRow { draw: 1 + i as u32, ..row }));
        let before = [(embed, StepRow::default()), (start, begin)];
        let all = before.into_iter().chain(steps).chain([(compare, StepRow::default())]);
        let (phases, rows) = all.enumerate().map(|(row, (section, values))| (Phase { section, row }, values)).unzip();
        let job = Job::new(g, image, noise, (phases, rows), pictures.outputs(), denoise);
        Ok(job.with_constants(constant.into_iter().collect()))
    }
    /// The embedding (N,1,1,width) of the image (N,H,W,C).
    fn embedded(&self, g: &mut Graph, model: &ModelFolder, x: NodeId) -> Result<NodeId> {
        let denoiser = model.networks.denoiser()?;
        match (self.embedding, &denoiser.as_unet()?.semantic) {
            (Embedding::Encoder, Some(encoder)) => encoder.build(&denoiser.checkpoint, g, x),
            (Embedding::Encoder, None) => Err(Error::Invalid("the denoiser has no encoder of images".into())),
            (Embedding::Features, _) => {
                let x = distance::standardised(g, model, x)?;
                let network = model.networks.get(crate::detect::networks::Role::Features)?;
                distance::features(model)?.build(&network.checkpoint, g, x)
            }
        }
    }
    /// The comparer's map (N,H,W,1) of the reconstruction and the image, one behind the other.
    fn compared(&self, g: &mut Graph, model: &ModelFolder, [image, rebuilt]: [NodeId; 2]) -> Result<NodeId> {
        let ([low, high], network) = (model.config.image()?.range, model.networks.comparer()?);
        // From the networks' range to one that begins at `from` and is `wide`.
        let mut to = |name: &str, x: NodeId, from: f32, wide: f32| match (from, from + wide) == (low, high) {
            true => Ok(x),
            false => g.map(name, x, Identity, wide / (high - low), from - low * wide / (high - low)),
        };
        let rebuilt = match self.variant {
            Variant::Published => to("picture", rebuilt, -1.0, 2.0)?,
            Variant::Paper => to("picture", rebuilt, 0.0, 1.0)?,
        };
        let image = to("image", image, 0.0, 1.0)?;
        let given = g.concat("pictures", rebuilt, image)?;
        let comparer = network.as_comparer()?;
        let logits = comparer.build(&network.checkpoint, g, given)?;
        let probability = comparer.probability(g, logits)?;
        map::blur(g, probability, self.blur)
    }
}
