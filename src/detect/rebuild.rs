//! Noise an image to a level, denoise it, and make a map of what changed: the job that systems share which do this, and the same
//! with the gradient of the score with respect to the image.
//!
//! `start` noises, `body` is one step back (run for every row of the step table), `gather` adds a finished reconstruction to the
//! mean over runs, `finish` makes the map. Between the upload of a batch and the read-back of its results nothing leaves the
//! device.
use super::job::{Job, Phase};
use super::map::MapStates;
use crate::diffusion::{Noise, NoiseSource, Sampler, Timesteps, chain_step, noise_to, seed as number_draws, step_time};
use crate::graph::{Graph, NodeId, SectionId, StateId};
use crate::kernels::{Op, StepRow, pointwise::Activation, sampler::Accumulate};
use crate::model::Network;
use crate::{Result, Shape};

/// What is run. Noising goes to the first of the timesteps.
pub(super) struct Rebuild<'a> {
    /// What denoises.
    pub network: &'a Network,
    /// (N,H,W,C) of a batch.
    pub shape: Shape,
    /// The way back.
    pub sampler: Sampler,
    /// Its timesteps.
    pub timesteps: Timesteps,
    /// The noise of both directions; none: the image is only scaled, and no step adds any.
    pub noise: Option<NoiseSource>,
    /// Independent reconstructions, averaged.
    pub runs: usize,
}

/// The states that all sections share.
pub(super) struct Shared {
    pub noise: Option<Noise>,
    pub x: StateId,
    pub states: MapStates,
}

impl Rebuild<'_> {
    /// The job. `map` makes the map (N,H,W,1) of nodes for the image and its reconstruction.
    pub fn job(&self, map: impl FnOnce(&mut Graph, NodeId, NodeId) -> Result<NodeId>) -> Result<Job> {
        let mut g = Graph::new();
        let shared = self.states(&mut g);
        let (x, states) = (shared.x, shared.states);
        let (image, reconstruction) = (states.image, states.reconstruction);

        let clear = g.section("clear");
        let zero = g.read(image);
        let zero = g.map("clear", zero, Activation::Identity, 0.0, 0.0)?;
        g.write(reconstruction, zero)?;

        let start = self.start(&mut g, &shared)?;
        let body = self.body(&mut g, &shared)?;

        let gather = g.section("gather");
        let (mean, last) = (g.read(reconstruction), g.read(x));
        let mean = g.push("gather", Op::Accumulate(Accumulate), &[mean, last])?;
        g.write(reconstruction, mean)?;

        let finish = g.section("finish");
        let (clean, mean) = (g.read(image), g.read(reconstruction));
        let made = map(&mut g, clean, mean)?;
        states.finish(&mut g, made)?;

        // For each run its noising, its steps, its gathering.
        let (per_run, rows) = (self.draws_per_run(), self.rows()?);
        let mut all: Vec<StepRow> = Vec::new();
        let mut phases = vec![Phase { section: clear, row: 0 }];
        for run in 0..self.runs {
            let first = all.len();
            all.extend(&rows);
            number_draws(&mut all[first..], 0, (run * per_run) as u32);
            phases.push(Phase { section: start, row: first });
            phases.extend((1..rows.len()).map(|i| Phase { section: body, row: first + i }));
            phases.push(Phase { section: gather, row: first });
        }
        phases.push(Phase { section: finish, row: 0 });
        Ok(Job::new(g, image, shared.noise, (phases, all), states.outputs(), body))
    }
    /// The states, and the noise with all of its draws.
    pub fn states(&self, g: &mut Graph) -> Shared {
        let (image, x) = (g.state("image", self.shape), g.state("x", self.shape));
        let states = MapStates::new(g, image);
        let draws = self.runs * self.draws_per_run();
        Shared { noise: self.noise.map(|source| Noise::new(g, source, self.shape, draws)), x, states }
    }
    fn draws_per_run(&self) -> usize {
        if self.sampler.noisy() { 1 + self.timesteps.list.len() } else { 1 }
    }
    /// The row of the noising, and those of the steps.
    pub fn rows(&self) -> Result<Vec<StepRow>> {
        let noising = self.sampler.noising(self.timesteps.list[0])?;
        let first = StepRow { weight: 1.0 / self.runs as f32, ..noising };
        Ok(std::iter::once(first).chain(self.sampler.rows(&self.timesteps)?).collect())
    }
    /// The image brought to the first level, in the current section: the image's node and what it becomes.
    pub fn noised(&self, g: &mut Graph, shared: &Shared) -> Result<(NodeId, NodeId)> {
        let clean = g.read(shared.states.image);
        let z = match &shared.noise {
            Some(noise) => noise.draw(g)?,
            None => g.map("no noise", clean, Activation::Identity, 0.0, 0.0)?,
        };
        Ok((clean, noise_to(g, clean, z)?))
    }
    /// The section `start`.
    pub fn start(&self, g: &mut Graph, shared: &Shared) -> Result<SectionId> {
        let section = g.section("start");
        let (_, noised) = self.noised(g, shared)?;
        g.write(shared.x, noised)?;
        Ok(section)
    }
    /// The section `body`, one step back.
    pub fn body(&self, g: &mut Graph, shared: &Shared) -> Result<SectionId> {
        chain_step(g, "body", shared.x, &self.sampler, shared.noise.as_ref(), |g, now| self.predict(g, now))
    }
    /// The network's output for a state of the chain, at the step's time.
    pub fn predict(&self, g: &mut Graph, now: NodeId) -> Result<NodeId> {
        let t = step_time(g, self.shape.n)?;
        self.network.build(g, &[now, t])
    }
}
