//! The job of DiffAD.
//!
//! `encode` makes the latents of the image, of which `condition` may make noised ones. `start` draws noise, and each run of `denoise` is
//! one step of DDIM, the condition behind the latents in the denoiser's input. `interpolate` puts the latents between the drawn ones and
//! the image's own, `decode` makes a picture of them, which `keep` keeps; `drawn` does so for the drawn ones, the reconstruction.
//! `compare` gives the pictures to the comparer and makes the map. The denoiser and the decoder are in one section each, so that
//! their weights are on the device once.
use super::{Condition, DiffAd};
use crate::detect::ModelFolder;
use crate::detect::job::{Job, Outputs, Phase};
use crate::detect::map::{self, MapStates};
use crate::diffusion::{Noise, NoiseSource, chain_step, noise_to, step_time};
use crate::graph::{ConvSpec, Graph, NodeId, SectionId, StateId};
use crate::kernels::StepRow;
use crate::kernels::pointwise::Activation::Identity;
use crate::model::Network;
use crate::{Result, Shape};

/// The states between the sections, all (N,h,w,c).
struct States {
    /// The latents of the image.
    own: StateId,
    /// What the denoiser is given of them.
    condition: StateId,
    /// What is drawn.
    latent: StateId,
    /// What is decoded.
    decoded: StateId,
}

impl DiffAd {
    /// What a batch of `n` images runs. Draws of noise: the first begins the chain, where the condition is noised the next noises it, and
    /// where DDIM is noisy one for each step follows.
    pub(in crate::detect) fn job(&self, model: &ModelFolder, n: usize, source: Option<NoiseSource>) -> Result<Job> {
        let (input, autoencoder) = (model.config.image()?, model.networks.autoencoder()?);
        let shape = Shape::new(n, input.height, input.width, input.channels);
        let z = autoencoder.as_autoencoder()?.latent_shape(shape)?;
        let (sampler, timesteps) = (self.sampler()?, self.timesteps()?);
        let (noised, swap) = (self.condition() == Condition::Noised, self.swaps(Some(input)));
        let first = 1 + usize::from(noised);
        let draws = first + if sampler.noisy() { timesteps.list.len() } else { 0 };

        let mut g = Graph::new();
        let image = g.state("image", shape);
        let pictures = MapStates::new(&mut g, image);
        let interpolated = self.interpolated.then(|| g.state("interpolated", shape));
        let own = g.state("own", z);
        let condition = if noised { g.state("condition", z) } else { own };
        let states = States { own, condition, latent: g.state("latent", z), decoded: g.state("decoded", z) };
        let noise = Noise::new(&mut g, source.unwrap_or(NoiseSource::Gaussian), z, draws);

        let encode = g.section("encode");
        let x = g.read(image);
        let x = if swap { reversed(&mut g, "colours", x)? } else { x };
        let encoded = autoencoder.as_autoencoder()?.encode(&autoencoder.checkpoint, &mut g, x)?;
        g.write(states.own, encoded.latent)?;
        let mut phases = vec![Phase { section: encode, row: 0 }];
        let mut rows = vec![StepRow::default()];
        let mut run = |section: SectionId, row: StepRow| {
            phases.push(Phase { section, row: rows.len() });
            rows.push(row);
        };
        if noised {
            let section = noise_into(&mut g, "condition", (states.own, states.condition), &noise)?;
            run(section, StepRow { draw: 1, ..sampler.noising(self.condition_step)? });
        }
        // Noise alone: the latents that it is laid over count nothing.
        let start = noise_into(&mut g, "start", (states.own, states.latent), &noise)?;
        run(start, StepRow { signal: 0.0, noise: 1.0, ..StepRow::default() });
        let denoise = self.denoise(&mut g, model.networks.denoiser()?, (states.latent, states.condition), &noise)?;
        for (i, row) in sampler.rows(&timesteps)?.into_iter().enumerate() {
            run(denoise, StepRow { draw: (first + i) as u32, ..row });
        }
        let decode = decode(&mut g, autoencoder, states.decoded, pictures.reconstruction, swap)?;
        if let Some(kept) = interpolated {
            let between = self.between(&mut g, &states)?;
            let keep = g.copy("keep", pictures.reconstruction, kept)?;
            for section in [between, decode, keep] {
                run(section, StepRow::default());
            }
        }
        let drawn = g.copy("drawn", states.latent, states.decoded)?;
        let compare = self.compare(&mut g, model.networks.comparer()?, (&pictures, interpolated), swap)?;
        for section in [drawn, decode, compare] {
            run(section, StepRow::default());
        }
        let outputs = Outputs { interpolated, ..pictures.outputs() };
        Ok(Job::new(g, image, Some(noise), (phases, rows), outputs, denoise))
    }
    /// The section `denoise`, which takes latents (N,h,w,c) one step of the table further: the denoiser's input is they and, behind them, the
    /// condition, of the same shape. Rows are those of [`DiffAd::sampler`] at [`DiffAd::timesteps`].
    /// # Errors
    /// As [`chain_step`].
    pub(crate) fn denoise(
        &self,
        g: &mut Graph,
        denoiser: &Network,
        (latent, condition): (StateId, StateId),
        noise: &Noise,
    ) -> Result<SectionId> {
        let n = g.states[latent.0].shape.n;
        chain_step(g, "denoise", latent, &self.sampler()?, Some(noise), |g, now| {
            let given = g.read(condition);
            let both = g.concat("condition", now, given)?;
            let t = step_time(g, n)?;
            denoiser.build(g, &[both, t])
        })
    }
    /// The section `interpolate`: `mix` of the drawn latents and the rest of the image's own are to be decoded.
    fn between(&self, g: &mut Graph, states: &States) -> Result<SectionId> {
        let section = g.section("interpolate");
        let (drawn, own) = (g.read(states.latent), g.read(states.own));
        let drawn = g.map("drawn", drawn, Identity, self.mix as f32, 0.0)?;
        let own = g.map("own", own, Identity, (1.0 - self.mix) as f32, 0.0)?;
        let sum = g.add("between", drawn, own)?;
        g.write(states.decoded, sum)?;
        Ok(section)
    }
    /// The section `compare`: the reconstruction, the interpolated picture if there is one, and the image, one behind the other, to the
    /// map.
    fn compare(
        &self,
        g: &mut Graph,
        network: &Network,
        (pictures, interpolated): (&MapStates, Option<StateId>),
        swap: bool,
    ) -> Result<SectionId> {
        let section = g.section("compare");
        let mut given = g.read(pictures.reconstruction);
        for state in interpolated.into_iter().chain([pictures.image]) {
            let next = g.read(state);
            given = g.concat("pictures", given, next)?;
        }
        let given = if swap { reversed(g, "colours", given)? } else { given };
        let comparer = network.as_comparer()?;
        let logits = comparer.build(&network.checkpoint, g, given)?;
        let probability = comparer.probability(g, logits)?;
        let map = map::blur(g, probability, self.blur)?;
        pictures.finish(g, map)?;
        Ok(section)
    }
}

/// A section that noises one state's latents, at its step's level, into another state.
fn noise_into(g: &mut Graph, name: &str, (from, to): (StateId, StateId), noise: &Noise) -> Result<SectionId> {
    let section = g.section(name);
    let (clean, drawn) = (g.read(from), noise.draw(g)?);
    let noised = noise_to(g, clean, drawn)?;
    g.write(to, noised)?;
    Ok(section)
}

/// The section `decode`: the picture of latents, its colours in the order of files.
fn decode(g: &mut Graph, network: &Network, from: StateId, to: StateId, swap: bool) -> Result<SectionId> {
    let section = g.section("decode");
    let latent = g.read(from);
    let picture = network.as_autoencoder()?.decode(&network.checkpoint, g, latent)?;
    let picture = if swap { reversed(g, "colours of the picture", picture)? } else { picture };
    g.write(to, picture)?;
    Ok(section)
}

/// Every three channels of x in reverse order. A convolution of ones and zeros, so that values stay what they are.
fn reversed(g: &mut Graph, name: &str, x: NodeId) -> Result<NodeId> {
    let c = g.shape(x).c;
    let from = |to: usize| to / 3 * 3 + 2 - to % 3;
    let weight: Vec<f32> = (0..c * c).map(|i| if i % c == from(i / c) { 1.0 } else { 0.0 }).collect();
    g.conv(name, x, &ConvSpec { weight: &weight, shape: [c, c, 1, 1], bias: None, stride: 1, pad: [0; 4] })
}
