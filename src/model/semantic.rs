//! DiffAE's encoder of images (Preechakul et al., *Diffusion autoencoders*, CVPR 2022): the first half of a UNet without a time, the mean over
//! all pixels and a linear layer.
use super::build::Builder;
use super::params::{fits, linear, norm};
use super::trunk::Trunk;
use super::unet::{Conv, Linear, Norm, Stage};
use super::{Checkpoint, Param};
use crate::graph::{Graph, NodeId};
use crate::kernels::pointwise::Activation::{Identity, Silu};
use crate::{Result, Shape};

/// The encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct SemanticEncoder {
    /// First convolution.
    pub conv_in: Conv,
    /// Down.
    pub encoder: Vec<Stage>,
    /// After it, at the smallest size.
    pub middle: Stage,
    /// Before the last SiLU and the mean.
    pub norm_out: Norm,
    /// From the middle's channels to the embedding.
    pub linear: Linear,
}

impl SemanticEncoder {
    /// Width of the embedding.
    pub fn width(&self) -> usize {
        self.linear.cout
    }
    /// How often the image is halved: both sides must be multiples of 2 to this power.
    pub fn halvings(&self) -> u32 {
        self.trunk().halvings()
    }
    pub(super) fn trunk(&self) -> Trunk<'_> {
        let SemanticEncoder { conv_in, encoder, middle, .. } = self;
        Trunk { time: None, class: None, condition: None, conv_in, encoder, middle }
    }
    /// Every tensor that it takes from its checkpoint.
    pub(super) fn params(&self) -> Vec<Param> {
        let mut out = self.trunk().params();
        norm(&self.norm_out, &mut out);
        linear(&self.linear, &mut out);
        out
    }
    /// Checks that each block takes what the one before gives.
    pub(super) fn fits(&self) -> Result<(), String> {
        let last = self.trunk().widths()?.last().copied().unwrap_or(0);
        fits(&self.norm_out.key, last, self.norm_out.channels)?;
        fits(&self.linear.key, last, self.linear.cin)
    }
    /// Checks an image's shape.
    /// # Errors
    /// [`crate::Error::Invalid`] with the shape and what the network needs.
    pub fn accepts(&self, x: Shape) -> Result<()> {
        self.trunk().accepts("DiffAE's encoder", x, false)
    }
    /// Adds it to a graph: image `x` (N,H,W,in), values in −1..1 as the UNet's, to its embedding (N,1,1,width). Weights are read, and
    /// thereby marked as used, here.
    /// # Errors
    /// What [`Checkpoint::take`] and [`SemanticEncoder::accepts`] say, [`crate::Error::Graph`] when shapes do not fit.
    pub fn build(&self, ck: &Checkpoint, g: &mut Graph, x: NodeId) -> Result<NodeId> {
        self.accepts(g.shape(x))?;
        let mut b = Builder { ck, g };
        let features = b.trunk(&self.trunk(), x, None, None)?;
        let h = b.norm(&self.norm_out, features.last, None, Silu)?;
        let h = b.g.global_avg_pool(&format!("{}.mean", self.norm_out.key), h)?;
        b.linear(&self.linear, h, Identity)
    }
}
