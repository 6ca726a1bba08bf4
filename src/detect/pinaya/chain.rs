//! The job of Pinaya et al.
//!
//! `encode` makes the clean latents. For each step of the band `noised` takes them there, `judge` asks the denoiser about several steps
//! at once, and for each `divergence` adds its part to the map. `mask` cuts that map. Painting noises the latents to the first step
//! (`begin`) and goes back by `predict` and `step`, and after each step `put back` restores what is outside the mask, noised to the
//! level reached, at the end not at all. `decode` and `finish` make the picture and the map. The denoiser is built for two batch sizes, on
//! the same weights; the decoder is in one section.
use super::{Pinaya, Reference};
use crate::detect::ModelFolder;
use crate::detect::job::{Job, Outputs, Phase};
use crate::detect::map::{self, MapStates};
use crate::diffusion::{Method, Noise, NoiseSource, Sampler, Schedule, Timesteps, noise_to, sampler_step, step_time};
use crate::graph::{Graph, NodeId, SectionId, StateId};
use crate::kernels::axis_map::Taps;
use crate::kernels::pointwise::Activation;
use crate::kernels::region::{Above, Blend};
use crate::kernels::score::{Residual, ResidualKind};
use crate::kernels::{StepRow, keep::Keep, noise::Given, sampler::Accumulate};
use crate::model::Network;
use crate::{Error, Result, Shape};

/// What a step's mean squared error of the clean latents is multiplied by to be the mean divergence: KL(q(z_{t−1} | z_t, z) ‖
/// p(z_{t−1} | z_t)) = c²/(2v)·(z − ẑ)², as both are normal and share the variance v = (1−ᾱ_{t−1})/(1−ᾱ_t)·β_t, and c =
/// √ᾱ_{t−1}·β_t/(1−ᾱ_t) is the factor of the clean latents in their means (Ho 2020, eq. 7). For t from 1 on.
pub(super) fn weight(schedule: &Schedule, t: usize) -> Result<f64> {
    let (now, before) = (schedule.alpha_bar(t)?, schedule.alpha_bar(t - 1)?);
    let beta = 1.0 - now / before;
    Ok(before * beta / (2.0 * (1.0 - now) * (1.0 - before)))
}

/// The states between the sections.
struct States {
    /// (N,h,w,c): the latents of the image, as the denoiser knows them.
    clean: StateId,
    /// (N,h,w,c): what is noised and denoised.
    latent: StateId,
    /// (N,h,w,1): the number of the code of each latent, of the image and then of what was painted.
    indices: StateId,
    /// (N,h,w,1): the divergence.
    divergence: StateId,
    /// (N,h,w,1): 1 where latents are painted.
    mask: StateId,
}

/// The sections that judge the latents over the band.
struct Band {
    noised: SectionId,
    judge: SectionId,
    divergence: SectionId,
}

/// How many samples the denoiser is asked about at once, at most, where that is more than the images: steps of the band.
const AT_ONCE: usize = 16;

/// Steps of the band that are judged at once, of `steps` for `n` images: as even parts as there can be.
fn at_once(steps: usize, n: usize) -> usize {
    steps.div_ceil(steps.div_ceil((AT_ONCE / n).max(1)).max(1)).max(1)
}

/// Sections with their rows, in the order they run.
#[derive(Default)]
struct Course {
    phases: Vec<Phase>,
    rows: Vec<StepRow>,
}

impl Course {
    fn run(&mut self, sections: &[SectionId], row: StepRow) {
        self.phases.extend(sections.iter().map(|&section| Phase { section, row: self.rows.len() }));
        self.rows.push(row);
    }
}

impl Pinaya {
    /// What a batch of `n` images runs. Draws of the noise, in order: one for each step of the band, that of the painting's start,
    /// one for what is put back after each step but the last, and where the sampler adds noise one for each of its steps.
    pub(in crate::detect) fn job(&self, model: &ModelFolder, n: usize, source: Option<NoiseSource>) -> Result<Job> {
        let (input, denoiser) = (model.config.image()?, model.networks.denoiser()?);
        let autoencoder = model.networks.autoencoder()?;
        let shape = Shape::new(n, input.height, input.width, input.channels);
        let z = autoencoder.as_autoencoder()?.latent_shape(shape)?;
        let (sampler, timesteps) = (self.sampler()?, self.timesteps()?);
        let (judged, painted) = (self.band.list(), timesteps.list.len());
        let putting = judged.len() + 1;
        let stepping = putting + painted - 1;
        let draws = match (self.paints(), sampler.noisy()) {
            (false, _) => judged.len(),
            (true, false) => stepping,
            (true, true) => stepping + painted,
        };

        let mut g = Graph::new();
        let image = g.state("image", shape);
        let pictures = MapStates::new(&mut g, image);
        let states = States {
            clean: g.state("codes", z),
            latent: g.state("latent", z),
            indices: g.state("indices", z.with_c(1)),
            divergence: g.state("divergence", z.with_c(1)),
            mask: g.state("mask", z.with_c(1)),
        };
        let noise = Noise::new(&mut g, source.unwrap_or(NoiseSource::Gaussian), z, draws);

        let encode = self.encode(&mut g, autoencoder, image, &states)?;
        let judge = self.sampler_by(Method::Ddim { eta: 0.0, clipped_epsilon: true })?;
        let slots = at_once(judged.len(), n);
        let band = self.band_sections(&mut g, denoiser, (&states, slots), &noise, &judge)?;
        let mut course = Course::default();
        course.run(&[encode], StepRow::default());
        for (part, steps) in judged.chunks(slots).enumerate() {
            let row = |(i, &t): (usize, &usize)| {
                let one = judge.rows(&Timesteps::listed(vec![t])?)?[0];
                let weight = (weight(&judge.schedule, t)? / judged.len() as f64) as f32;
                Ok::<_, Error>(StepRow { draw: (part * slots + i) as u32, weight, ..one })
            };
            let rows = steps.iter().enumerate().map(row).collect::<Result<Vec<_>>>()?;
            rows.iter().for_each(|row| course.run(&[band.noised], *row));
            course.run(&[band.judge], StepRow::default());
            rows.iter().for_each(|row| course.run(&[band.divergence], *row));
        }
        let mut reference = image;
        let mut soft = None;
        if self.paints() {
            let cut = g.section("mask");
            let map = g.read(states.divergence);
            let above = Above { threshold: self.limit(model)?, grow: self.grow };
            let inside = g.push("mask", above, &[map])?;
            g.write(states.mask, inside)?;

            let begin = g.section("begin");
            let (clean, drawn) = (g.read(states.clean), noise.draw(&mut g)?);
            let moved = noise_to(&mut g, clean, drawn)?;
            g.write(states.latent, moved)?;

            let predict = g.section("predict");
            let (now, t) = (g.read(states.latent), step_time(&mut g, n)?);
            let predicted = denoiser.build(&mut g, &[now, t])?;
            let prediction = g.state("prediction", g.shape(predicted));
            g.write(prediction, predicted)?;

            let step = g.section("step");
            let (now, predicted) = (g.read(states.latent), g.read(prediction));
            let drawn = sampler.noisy().then(|| noise.draw(&mut g)).transpose()?;
            let next = sampler_step(&mut g, &sampler, now, predicted, drawn)?;
            g.write(states.latent, next)?;

            let put_back = g.section("put back");
            let (clean, drawn) = (g.read(states.clean), noise.draw(&mut g)?);
            let known = noise_to(&mut g, clean, drawn)?;
            let (inside, now) = (g.read(states.mask), g.read(states.latent));
            let both = g.push("put back", Blend, &[inside, now, known])?;
            g.write(states.latent, both)?;

            let decode = self.decode(&mut g, autoencoder, &pictures, &states)?;
            if self.reference == Reference::Decoded {
                reference = g.state("reference", shape);
                let keep = g.copy("reference", pictures.reconstruction, reference)?;
                let own = g.copy("clean", states.clean, states.latent)?;
                course.run(&[own, decode, keep], StepRow::default());
            }
            course.run(&[cut], StepRow::default());
            course.run(&[begin], StepRow { draw: judged.len() as u32, ..sampler.noising(timesteps.list[0])? });
            for (i, row) in sampler.rows(&timesteps)?.into_iter().enumerate() {
                course.run(&[predict, step], StepRow { draw: (stepping + i) as u32, ..row });
                let known = match timesteps.list.get(i + 1) {
                    Some(&next) => StepRow { draw: (putting + i) as u32, ..sampler.noising(next)? },
                    // The last are the latents themselves; the draw is idle.
                    None => StepRow { signal: 1.0, noise: 0.0, ..StepRow::default() },
                };
                course.run(&[put_back], known);
            }
            course.run(&[decode], StepRow::default());
            soft = self.filter.then_some(states.mask);
        } else {
            let decode = self.decode(&mut g, autoencoder, &pictures, &states)?;
            let own = g.copy("clean", states.clean, states.latent)?;
            course.run(&[own, decode], StepRow::default());
        }

        let finish = g.section("finish");
        let made = match self.paints() {
            true => {
                let pair = [g.read(reference), g.read(pictures.reconstruction)];
                let unit = 1.0 / (input.range[1] - input.range[0]);
                let residual = map::residual(&mut g, pair, self.residual, None, unit)?;
                soft.map_or(Ok(residual), |mask| self.filtered(&mut g, residual, mask))?
            }
            false => {
                let map = g.read(states.divergence);
                map::resized(&mut g, map, [shape.h, shape.w], Taps::nearest)?
            }
        };
        let made = map::blur(&mut g, made, self.blur)?;
        pictures.finish(&mut g, made)?;
        course.run(&[finish], StepRow::default());
        let outputs = Outputs { latent_mask: self.paints().then_some(states.mask), ..pictures.outputs() };
        Ok(Job::new(g, image, Some(noise), (course.phases, course.rows), outputs, band.judge))
    }
    /// The sections that judge the latents: `noised` puts them, noised to the step of its row, into a slot of `slots`, and the step's time
    /// beside; `judge` asks the denoiser about all slots; `divergence` adds what it says of one.
    fn band_sections(
        &self,
        g: &mut Graph,
        denoiser: &Network,
        (states, slots): (&States, usize),
        noise: &Noise,
        sampler: &Sampler,
    ) -> Result<Band> {
        let z = g.states[states.clean.0].shape;
        let several = Shape { n: slots * z.n, ..z };
        let (trail, times) = (g.state("several", several), g.state("times", Shape::new(several.n, 1, 1, 1)));
        let noised = g.section("noised");
        let (clean, drawn, t) = (g.read(states.clean), noise.draw(g)?, step_time(g, z.n)?);
        let moved = noise_to(g, clean, drawn)?;
        for (name, state, node) in [("slot", trail, moved), ("slot of the time", times, t)] {
            let kept = g.push(name, Keep { slots }, &[node])?;
            g.write(state, kept)?;
        }
        let judge = g.section("judge");
        let (x, t) = (g.read(trail), g.read(times));
        let predicted = denoiser.build(g, &[x, t])?;
        let predictions = g.state("predictions", g.shape(predicted));
        g.write(predictions, predicted)?;

        let divergence = g.section("divergence");
        let (clean, all, said) = (g.read(states.clean), g.read(trail), g.read(predictions));
        let now = g.push("of the slot", Given { n: z.n }, &[all])?;
        let said = g.push("said of it", Given { n: z.n }, &[said])?;
        // One step of DDIM to where nothing is noise is the estimate of the clean latents.
        let estimate = sampler_step(g, sampler, now, said, None)?;
        let error = g.push("error", Residual { kind: ResidualKind::Squared }, &[clean, estimate])?;
        let sum = g.read(states.divergence);
        let sum = g.push("divergence", Accumulate, &[sum, error])?;
        g.write(states.divergence, sum)?;
        Ok(Band { noised, judge, divergence })
    }
    /// What the divergence of a latent that is painted is above.
    fn limit(&self, model: &ModelFolder) -> Result<f32> {
        match self.threshold {
            Some(threshold) => Ok(threshold as f32),
            None => Ok(model.healthy_latents()?.quantile(self.quantile)),
        }
    }
    /// The section `encode`: the clean latents, and a divergence of nothing.
    fn encode(&self, g: &mut Graph, network: &Network, image: StateId, states: &States) -> Result<SectionId> {
        let (net, ck) = (network.as_autoencoder()?, &network.checkpoint);
        let section = g.section("encode");
        let image = g.read(image);
        let encoded = net.encode(ck, g, image)?.latent;
        let quantised = net.quantise(ck, g, encoded)?;
        g.write(states.indices, quantised.indices)?;
        let latent = if self.quantised { quantised.codes } else { encoded };
        let clean = g.map("clean", latent, Activation::Identity, self.latent_scale as f32, 0.0)?;
        g.write(states.clean, clean)?;
        let nothing = g.map("clear", quantised.indices, Activation::Identity, 0.0, 0.0)?;
        g.write(states.divergence, nothing)?;
        Ok(section)
    }
    /// The section `decode`: the picture of the codes that are nearest to the latents.
    fn decode(&self, g: &mut Graph, network: &Network, pictures: &MapStates, states: &States) -> Result<SectionId> {
        let (net, ck) = (network.as_autoencoder()?, &network.checkpoint);
        let section = g.section("decode");
        let latent = g.read(states.latent);
        let latent = g.map("unscaled", latent, Activation::Identity, (1.0 / self.latent_scale) as f32, 0.0)?;
        let quantised = net.quantise(ck, g, latent)?;
        g.write(states.indices, quantised.indices)?;
        let picture = net.decode(ck, g, quantised.codes)?;
        g.write(pictures.reconstruction, picture)?;
        Ok(section)
    }
    /// A map times the mask at its size, smoothed.
    fn filtered(&self, g: &mut Graph, map: NodeId, mask: StateId) -> Result<NodeId> {
        let Shape { h, w, .. } = g.shape(map);
        let mask = g.read(mask);
        let wide = map::resized(g, mask, [h, w], Taps::nearest)?;
        let soft = map::blur(g, wide, self.smooth)?;
        let nothing = g.map("nothing", map, Activation::Identity, 0.0, 0.0)?;
        g.push("filter", Blend, &[soft, map, nothing])
    }
}
