//! From a described comparer to nodes of a graph.
use super::Comparer;
use crate::graph::{ConvSpec, Graph, NodeId};
use crate::kernels::pointwise::Activation::{Relu, Sigmoid};
use crate::model::Checkpoint;
use crate::model::conv_norm::ConvNorm;
use crate::{Error, Result};

impl Comparer {
    /// Adds the network to a graph: images with their reconstructions `x` (N,H,W,[`Comparer::in_channels`]) to logits
    /// (N,H,W,[`Comparer::out_channels`]). Weights are read, and thereby marked as used, here: call [`Checkpoint::settle`]
    /// afterwards.
    /// # Errors
    /// What [`Checkpoint::take`] and [`Comparer::accepts`] say, [`Error::File`] for a variance below zero.
    pub fn build(&self, ck: &Checkpoint, g: &mut Graph, x: NodeId) -> Result<NodeId> {
        self.accepts(g.shape(x))?;
        let mut h = x;
        let mut kept = Vec::new();
        for (i, stage) in self.down.iter().enumerate() {
            if i > 0 {
                kept.push(h);
                h = g.max_pool(&format!("{}.pool", stage[0].key), h, 2, 2, 0)?;
            }
            h = pair(ck, g, stage, h)?;
        }
        for (first, stage) in &self.up {
            h = g.upsample_bilinear(&format!("{}.up", first.key), h)?;
            h = conv(ck, g, first, h)?;
            let skip = kept.pop().ok_or_else(|| Error::graph(&first.key, "no stage is left for it"))?;
            h = g.concat(&format!("{}.skip", first.key), h, skip)?;
            h = pair(ck, g, stage, h)?;
        }
        let weight = ck.take(&format!("{}.weight", self.last), &self.last_shape)?;
        let bias = ck.take(&format!("{}.bias", self.last), &self.last_shape[..1])?;
        let spec = ConvSpec { weight: &weight, shape: self.last_shape, bias: Some(&bias), stride: 1, pad: [1; 4] };
        g.conv(&self.last, h, &spec)
    }

    /// Adds what is made of the logits of [`Comparer::build`] (N,H,W,2): the probability (N,H,W,1) that a pixel is anomalous, the
    /// second of the two of their softmax.
    /// # Errors
    /// [`Error::Invalid`] for a network that does not give two channels.
    pub fn probability(&self, g: &mut Graph, logits: NodeId) -> Result<NodeId> {
        if self.out_channels() != 2 {
            let fault = format!("a comparer of {} channels, where two are needed", self.out_channels());
            return Err(Error::Invalid(fault));
        }
        // Of two, softmax is the sigmoid of the difference.
        let weight = [-1.0, 1.0];
        let spec = ConvSpec { weight: &weight, shape: [1, 2, 1, 1], bias: None, stride: 1, pad: [0; 4] };
        let difference = g.conv("softmax.difference", logits, &spec)?;
        g.map("softmax", difference, Sigmoid, 1.0, 0.0)
    }
}

fn conv(ck: &Checkpoint, g: &mut Graph, c: &ConvNorm, x: NodeId) -> Result<NodeId> {
    let h = c.build(ck, g, x)?;
    g.map(&format!("{}.relu", c.norm), h, Relu, 1.0, 0.0)
}

fn pair(ck: &Checkpoint, g: &mut Graph, pair: &[ConvNorm; 2], x: NodeId) -> Result<NodeId> {
    pair.iter().try_fold(x, |h, c| conv(ck, g, c, h))
}
