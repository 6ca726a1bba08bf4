//! From an image and its reconstruction to the map, for every system that makes its map so.
use super::config::BlurConfig;
use super::job::Outputs;
use crate::graph::{Graph, NodeId, StateId};
use crate::kernels::axis_map::{AxisMap, Taps};
use crate::kernels::score::{self, ResidualKind};
use crate::kernels::{Op, WeightId, pointwise::Activation, score::Residual};
use crate::{Result, Shape};

/// The states of a system that reconstructs: what comes in, what is made of it, and how they differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct MapStates {
    /// (N,H,W,C), in the networks' range.
    pub image: StateId,
    /// (N,H,W,C).
    pub reconstruction: StateId,
    map: StateId,
    summary: StateId,
}

impl MapStates {
    /// Adds all but the image for images of shape (N,H,W,C).
    pub fn new(g: &mut Graph, image: StateId) -> Self {
        let shape = g.states[image.0].shape;
        MapStates {
            image,
            reconstruction: g.state("reconstruction", shape),
            map: g.state("map", shape.with_c(1)),
            summary: g.state("reduced", Shape::new(shape.n, 1, 1, 3)),
        }
    }
    /// Writes the map (N,H,W,1), which is finished in the current section, and its mean, maximum and minimum: (N,1,1,3).
    /// # Errors
    /// [`crate::Error::Graph`] when the shapes do not fit.
    pub fn finish(&self, g: &mut Graph, map: NodeId) -> Result<NodeId> {
        g.write(self.map, map)?;
        let numbers = g.push("reduce", Op::Reduce(score::Reduce), &[map])?;
        g.write(self.summary, numbers)?;
        Ok(numbers)
    }
    /// As the outputs of a job.
    pub fn outputs(&self) -> Outputs {
        let MapStates { reconstruction, map, summary, .. } = *self;
        let (map, reconstruction, summary) = (Some(map), Some(reconstruction), Some(summary));
        Outputs { map, reconstruction, summary, ..Outputs::default() }
    }
}

/// Residual and blur of an image and its reconstruction, in the current section: (N,H,W,1). Differences count in units of 1/`unit` of
/// the networks' range.
/// # Errors
/// [`crate::Error::Graph`] when the shapes do not fit.
pub(super) fn residual(
    g: &mut Graph,
    pair: [NodeId; 2],
    kind: ResidualKind,
    smoothing: Option<BlurConfig>,
    unit: f32,
) -> Result<NodeId> {
    let mut residual = g.push("residual", Op::Residual(Residual { kind }), &pair)?;
    if unit != 1.0 {
        let scale = if kind == ResidualKind::Squared { unit * unit } else { unit };
        residual = g.map("unit", residual, Activation::Identity, scale, 0.0)?;
    }
    blur(g, residual, smoothing)
}

/// The factors of a blur along one axis; one of 1 for none.
pub(super) fn blur_factors(by: Option<BlurConfig>) -> Vec<f32> {
    match by {
        None => vec![1.0],
        Some(BlurConfig::Gaussian { sigma }) => score::gaussian_weights(sigma, 4.0),
        Some(BlurConfig::Box { size }) => score::box_weights(size),
    }
}

/// Both passes of the blur, borders reflected about the edge.
pub(super) fn blur(g: &mut Graph, map: NodeId, by: Option<BlurConfig>) -> Result<NodeId> {
    if by.is_none() {
        return Ok(map);
    }
    let weights = blur_factors(by);
    let radius = weights.len() / 2;
    let weight = g.vector("blur", &weights);
    let across = g.push("blur x", Op::Blur(score::Blur { weight, radius, horizontal: true }), &[map])?;
    g.push("blur y", Op::Blur(score::Blur { weight, radius, horizontal: false }), &[across])
}

/// x brought to `height` and `width` by the taps that `filter` gives for a length before and after, along the rows and then along the
/// columns; a pass that changes nothing is left out.
/// # Errors
/// [`crate::Error::Graph`] for a size of zero.
pub(super) fn resized(
    g: &mut Graph,
    x: NodeId,
    [height, width]: [usize; 2],
    filter: fn(usize, usize) -> Taps,
) -> Result<NodeId> {
    let mut now = x;
    for (horizontal, from, to) in [(true, g.shape(x).w, width), (false, g.shape(x).h, height)] {
        if from != to {
            let (table, line) = filter(from, to).table();
            let table: WeightId = g.weight(&format!("taps {from} to {to}"), table);
            let op = AxisMap { table, line, inputs: from, outputs: to, horizontal };
            now = g.push("resize", op, &[now])?;
        }
    }
    Ok(now)
}
