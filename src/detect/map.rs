//! From an image and its reconstruction to the map, for every system that makes its map so.
use super::config::BlurConfig;
use super::job::Outputs;
use crate::graph::{Graph, NodeId, StateId};
use crate::kernels::score::{self, ResidualKind};
use crate::kernels::{Op, pointwise::Activation, score::Residual};
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
    /// Adds residual, blur, and mean, maximum and minimum to the current section, `reconstruction` being finished in it.
    /// Differences count in units of 1/`unit` of the networks' range.
    /// # Errors
    /// [`crate::Error::Graph`] when the shapes do not fit.
    pub fn compare(
        &self,
        g: &mut Graph,
        reconstruction: NodeId,
        kind: ResidualKind,
        smoothing: Option<BlurConfig>,
        unit: f32,
    ) -> Result<()> {
        let image = g.read(self.image);
        self.compare_to(g, (image, reconstruction), kind, smoothing, unit)
    }
    /// [`MapStates::compare`] of any two images of one shape.
    /// # Errors
    /// As there.
    pub fn compare_to(
        &self,
        g: &mut Graph,
        (image, reconstruction): (NodeId, NodeId),
        kind: ResidualKind,
        smoothing: Option<BlurConfig>,
        unit: f32,
    ) -> Result<()> {
        let mut residual = g.push("residual", Op::Residual(Residual { kind }), &[image, reconstruction])?;
        if unit != 1.0 {
            let scale = if kind == ResidualKind::Squared { unit * unit } else { unit };
            residual = g.map("unit", residual, Activation::Identity, scale, 0.0)?;
        }
        let blurred = blur(g, residual, smoothing)?;
        g.write(self.map, blurred)?;
        let numbers = g.push("reduce", Op::Reduce(score::Reduce), &[blurred])?;
        g.write(self.summary, numbers)
    }
    /// As the outputs of a job.
    pub fn outputs(&self) -> Outputs {
        let MapStates { reconstruction, map, summary, .. } = *self;
        let statistics = Vec::new();
        Outputs { map: Some(map), reconstruction: Some(reconstruction), summary: Some(summary), statistics }
    }
}

/// Both passes of the blur.
fn blur(g: &mut Graph, map: NodeId, by: Option<BlurConfig>) -> Result<NodeId> {
    let weights = match by {
        None => return Ok(map),
        Some(BlurConfig::Gaussian { sigma }) => score::gaussian_weights(sigma, 4.0),
        Some(BlurConfig::Box { size }) => score::box_weights(size),
    };
    let radius = weights.len() / 2;
    let weight = g.vector("blur", &weights);
    let across = g.push("blur x", Op::Blur(score::Blur { weight, radius, horizontal: true }), &[map])?;
    g.push("blur y", Op::Blur(score::Blur { weight, radius, horizontal: false }), &[across])
}
