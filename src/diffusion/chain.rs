//! A sampler's chain as a graph: one section is one step, down or up, run once for each row of the step table.
use super::{Noise, Sampler};
use crate::Result;
use crate::graph::{Graph, NodeId, SectionId, StateId};
use crate::kernels::{Op, embedding, sampler};

/// Adds the section `name`, which takes the state `x` (N,H,W,C) from level t to the next (see [`crate::kernels::StepRow`]).
/// `predict` adds the network to the graph and returns its output for what `x` holds. `noise` is drawn when the
/// sampler's steps add any.
/// # Errors
/// What `predict` returns; [`crate::Error::Graph`] when its output does not fit `x`.
pub fn chain_step(
    g: &mut Graph,
    name: &str,
    x: StateId,
    sampler: &Sampler,
    noise: Option<&Noise>,
    predict: impl FnOnce(&mut Graph, NodeId) -> Result<NodeId>,
) -> Result<SectionId> {
    let section = g.section(name);
    let now = g.read(x);
    let next = next_level(g, now, sampler, noise, predict)?;
    g.write(x, next)?;
    Ok(section)
}

/// [`chain_step`], to which the step's weight times what `guide` returns is added: the gradient (N,H,W,C) by which a chain is
/// guided, for the rows of [`Sampler::guided_hops`]. `guide` is given what `x` holds.
/// # Errors
/// As [`chain_step`], and what `guide` returns.
pub fn guided_step(
    g: &mut Graph,
    name: &str,
    x: StateId,
    sampler: &Sampler,
    predict: impl FnOnce(&mut Graph, NodeId) -> Result<NodeId>,
    guide: impl FnOnce(&mut Graph, NodeId) -> Result<NodeId>,
) -> Result<SectionId> {
    let section = g.section(name);
    let now = g.read(x);
    let next = next_level(g, now, sampler, None, predict)?;
    let gradient = guide(g, now)?;
    let next = g.push("guide", Op::Accumulate(sampler::Accumulate), &[next, gradient])?;
    g.write(x, next)?;
    Ok(section)
}

fn next_level(
    g: &mut Graph,
    now: NodeId,
    sampler: &Sampler,
    noise: Option<&Noise>,
    predict: impl FnOnce(&mut Graph, NodeId) -> Result<NodeId>,
) -> Result<NodeId> {
    let prediction = predict(g, now)?;
    let noise = noise.filter(|_| sampler.noisy());
    let drawn = noise.map(|n| n.draw(g)).transpose()?;
    sampler_step(g, sampler, now, prediction, drawn)
}

/// One update by the step's row: from `x` and the network's output, and a draw of noise if there is one, to the next level.
/// # Errors
/// [`crate::Error::Graph`] when the shapes do not fit.
pub fn sampler_step(
    g: &mut Graph,
    sampler: &Sampler,
    x: NodeId,
    prediction: NodeId,
    drawn: Option<NodeId>,
) -> Result<NodeId> {
    let op = sampler::SamplerStep { learned_range: sampler.variance_channels, noisy: drawn.is_some() };
    let inputs: Vec<NodeId> = [x, prediction].into_iter().chain(drawn).collect();
    g.push("step", Op::SamplerStep(op), &inputs)
}

/// The step's time, once for each of `n` samples: (N,1,1,1).
/// # Errors
/// [`crate::Error::Graph`] for no sample.
pub fn step_time(g: &mut Graph, n: usize) -> Result<NodeId> {
    g.push("time", Op::StepTime(embedding::StepTime { n }), &[])
}

/// `x_t = √ᾱ·x0 + √(1−ᾱ)·ε` at the step's level (Ho 2020, eq. 4).
/// # Errors
/// [`crate::Error::Graph`] when the shapes do not fit.
pub fn noise_to(g: &mut Graph, x0: NodeId, noise: NodeId) -> Result<NodeId> {
    g.push("noising", Op::NoiseTo(sampler::NoiseTo), &[x0, noise])
}
