//! A system's job with the score as a node of its graph, and the score's gradient with respect to the image.
use super::config::ScoreConfig;
use super::job::{Job, Outputs, Phase, Slope};
use super::rebuild::{Rebuild, Shared};
use super::{ModelFolder, System};
use crate::diffusion::{NoiseSource, sampler_step, seed as number_draws};
use crate::graph::{Graph, NodeId, SectionId, gradients};
use crate::kernels::{StepRow, channels::Channels, keep::Keep, noise::Given, pointwise::Activation};
use crate::{Error, Result, Shape};

impl ModelFolder {
    /// What a batch of `n` images runs, with the score of each and the gradient of that score with respect to the image:
    /// [`Outputs::slope`], and [`super::Batch::score`] and [`super::Batch::gradient`] of what it gives. The gradient goes through the
    /// noising, the network and the map, and through the image that the reconstruction is compared with. The noise is drawn as in
    /// [`ModelFolder::job`], the same for all images of a batch; with [`NoiseSource::Given`] the caller gives each image its own
    /// before every run ([`super::Runner::give_noise`]), so that a mean over draws is a mean over runs. Scores are those of the
    /// map at the networks' size: what a scorer gives for an image that has this size itself.
    /// # Errors
    /// [`Error::Invalid`] for a system, a setting or a score that has no gradient, by name, with the reason; otherwise as
    /// [`ModelFolder::job`].
    pub fn differentiable(&self, n: usize, noise: Option<NoiseSource>) -> Result<Job> {
        let refused = |why: &str| {
            let title = self.config.system.title();
            Err(Error::Invalid(format!("{title} gives no gradient of its score: {why}")))
        };
        match &self.config.system {
            System::AnoDdpm(s) => s.differentiable(self, n, noise),
            System::AdvRad(s) => s.differentiable(self, n, noise),
            System::Pddpm(_) => {
                refused("its maps go through a median over the volume and an erosion, outside of the graph")
            }
            System::Dte(_) => refused("it scores rows of numbers, not an image"),
            System::Wolleb(_) => {
                refused("each of its steps takes a gradient itself, and second derivatives have no rules")
            }
            System::Pinaya(_) => refused("its mask and its codes are choices, which have no slope"),
            System::DiffAd(_) => refused("its chain of latents is not differentiated through two other networks"),
            System::Xu(_) => {
                refused("its chain is not differentiated through the embedding that guides it and the comparer")
            }
            System::Ddad(_) => {
                refused("its chain is not differentiated through the pull towards the image and the features")
            }
        }
    }
}

/// The channel of a reduction (mean, maximum, minimum) that is the score.
fn channel(score: ScoreConfig) -> Result<isize> {
    let refused = |what: &str| {
        Err(Error::Invalid(format!("`score` is {what}, which has no gradient here: max and mean have one")))
    };
    match score {
        ScoreConfig::Mean => Ok(0),
        ScoreConfig::Max => Ok(1),
        ScoreConfig::Top { .. } => refused("top, the mean over a choice of pixels"),
        ScoreConfig::Foreground => refused("foreground, which depends on a mask outside of the graph"),
        ScoreConfig::Window { .. } => refused("window, a mean that is made outside of the graph"),
    }
}

impl Rebuild<'_> {
    /// The job with the score and its gradient; `map` as in [`Rebuild::job`].
    pub fn differentiable(
        &self,
        score: ScoreConfig,
        map: impl FnOnce(&mut Graph, NodeId, NodeId) -> Result<NodeId>,
    ) -> Result<Job> {
        let channel = channel(score)?;
        if self.runs > 1 {
            let fault =
                "the gradient is that of one reconstruction: --set runs=1, and a mean over draws of the noise instead";
            return Err(Error::Invalid(format!("`runs` is {}: {fault}", self.runs)));
        }
        if self.timesteps.list.len() == 1 { self.at_once(channel, map) } else { self.by_steps(channel, map) }
    }
    /// One step is one section, in which nothing is computed twice.
    fn at_once(&self, channel: isize, map: impl FnOnce(&mut Graph, NodeId, NodeId) -> Result<NodeId>) -> Result<Job> {
        let mut g = Graph::new();
        let shared = self.states(&mut g);
        let slope = self.slope(&mut g);
        let section = g.section("body");
        let (clean, noised) = self.noised(&mut g, &shared)?;
        // The last step of a chain adds no noise.
        let prediction = self.predict(&mut g, noised)?;
        let rebuilt = sampler_step(&mut g, &self.sampler, noised, prediction, None)?;
        g.write(shared.states.reconstruction, rebuilt)?;
        let score = self.score(&mut g, &shared, slope, channel, (clean, rebuilt), map)?;
        let gradient = gradients(&mut g, score, &[shared.states.image.into()])?;
        g.write(slope.gradient, gradient[0])?;
        // The row of the only step is that of the noising as well.
        let rows = self.rows()?.split_off(1);
        let phases = vec![Phase { section, row: 0 }];
        Ok(self.job_of(g, &shared, slope, (phases, rows), section))
    }
    /// Every step keeps the state that it starts from. On the way back each is run again from there, so that no more than one step's
    /// activations are held at a time (Chen et al. 2016, *Training deep nets with sublinear memory cost*).
    fn by_steps(&self, channel: isize, map: impl FnOnce(&mut Graph, NodeId, NodeId) -> Result<NodeId>) -> Result<Job> {
        let mut g = Graph::new();
        let shared = self.states(&mut g);
        let slope = self.slope(&mut g);
        let (steps, shape) = (self.timesteps.list.len(), self.shape);
        // By the rows' draws: slot 0, the noising's, stays empty.
        let slots = steps + 1;
        let trail = g.state("trail", Shape { n: slots * shape.n, ..shape });
        // The gradient at the state that a step ends with, and then at the one that it started from.
        let (flow, image) = (g.state("flow", shape), shared.states.image);

        let start = self.start(&mut g, &shared)?;
        let body = self.body(&mut g, &shared)?;
        let now = g.read(shared.x);
        let kept = g.push("keep", Keep { slots }, &[now])?;
        g.write(trail, kept)?;

        let finish = g.section("finish");
        let (clean, rebuilt) = (g.read(image), g.read(shared.x));
        g.write(shared.states.reconstruction, rebuilt)?;
        let score = self.score(&mut g, &shared, slope, channel, (clean, rebuilt), map)?;
        let found = gradients(&mut g, score, &[clean.into(), rebuilt.into()])?;
        g.write(slope.gradient, found[0])?;
        g.write(flow, found[1])?;

        let back = g.section("back");
        let all = g.read(trail);
        let now = g.push("again", Given { n: shape.n }, &[all])?;
        let next = self.next(&mut g, &shared, now)?;
        let after = g.read(flow);
        let before = gradients(&mut g, (next, after), &[now.into()])?;
        g.write(flow, before[0])?;

        let through = g.section("through");
        let (clean, noised) = self.noised(&mut g, &shared)?;
        let (direct, after) = (g.read(slope.gradient), g.read(flow));
        let before = gradients(&mut g, (noised, after), &[clean.into()])?;
        let sum = g.add("gradient", direct, before[0])?;
        g.write(slope.gradient, sum)?;

        let mut rows = self.rows()?;
        number_draws(&mut rows, 0, 0);
        let forward = (1..=steps).map(|row| Phase { section: body, row });
        let backward = (1..=steps).rev().map(|row| Phase { section: back, row });
        let one = |section| std::iter::once(Phase { section, row: 0 });
        let phases = one(start).chain(forward).chain(one(finish)).chain(backward).chain(one(through)).collect();
        Ok(self.job_of(g, &shared, slope, (phases, rows), body))
    }
    /// The state after a step, with the noise of its row.
    fn next(&self, g: &mut Graph, shared: &Shared, now: NodeId) -> Result<NodeId> {
        let prediction = self.predict(g, now)?;
        let noise = shared.noise.filter(|_| self.sampler.noisy());
        let drawn = noise.map(|n| n.draw(g)).transpose()?;
        sampler_step(g, &self.sampler, now, prediction, drawn)
    }
    fn job_of(
        &self,
        g: Graph,
        shared: &Shared,
        slope: Slope,
        run: (Vec<Phase>, Vec<StepRow>),
        network: SectionId,
    ) -> Job {
        let outputs = Outputs { slope: Some(slope), ..shared.states.outputs() };
        Job::new(g, shared.states.image, shared.noise, run, outputs, network)
    }
    fn slope(&self, g: &mut Graph) -> Slope {
        let score = g.state("score", Shape::new(self.shape.n, 1, 1, 1));
        Slope { score, gradient: g.state("gradient", self.shape) }
    }
    /// The map and the score into their states; the score's node, and the gradient of the sum of all scores at it, which is 1.
    fn score(
        &self,
        g: &mut Graph,
        shared: &Shared,
        slope: Slope,
        channel: isize,
        (clean, rebuilt): (NodeId, NodeId),
        map: impl FnOnce(&mut Graph, NodeId, NodeId) -> Result<NodeId>,
    ) -> Result<(NodeId, NodeId)> {
        let made = map(g, clean, rebuilt)?;
        let numbers = shared.states.finish(g, made)?;
        let score = g.push("score", Channels { from: channel, count: 1 }, &[numbers])?;
        g.write(slope.score, score)?;
        Ok((score, g.map("one", score, Activation::Identity, 0.0, 1.0)?))
    }
}

#[cfg(test)]
mod tests;
