//! From a described ResNet to nodes of a graph, each BatchNorm folded into the convolution before it.
use super::{Block, LAYERS, ResNet};
use crate::graph::{Graph, NodeId};
use crate::kernels::pointwise::Activation::Relu;
use crate::model::Checkpoint;
use crate::{Error, Result};

impl ResNet {
    /// Adds the network to a graph: normalised image `x` (N,H,W,[`ResNet::in_channels`]) of any size to features
    /// (N,1,1,[`ResNet::features`]). `fc.*` is passed over; any other tensor that the network does not use is refused, as it
    /// would change the features.
    /// # Errors
    /// What [`Checkpoint::take`] says, [`Error::File`] for a variance below zero, for tensors that are not used and for a network
    /// without its last layer, [`Error::Graph`] when shapes do not fit.
    pub fn build(&self, ck: &Checkpoint, g: &mut Graph, x: NodeId) -> Result<NodeId> {
        if self.is_cut() {
            let fault = format!("ends with layer{}: it gives maps, but no features of an image", self.layers.len());
            return Err(Error::file(ck.path(), fault));
        }
        let last = self.maps(ck, g, x, &[LAYERS])?[0];
        g.global_avg_pool("avgpool", last)
    }
    /// Adds the network as far as it is needed: normalised image `x` to what comes out of each of `layers`, from 1 on and rising. Layer
    /// i gives (N,h,w,C), an image's sides divided by 2^(i+1) and rounded up. What comes behind is passed over.
    /// # Errors
    /// As [`ResNet::build`], and [`Error::File`] for a layer that the network does not have.
    pub fn maps(&self, ck: &Checkpoint, g: &mut Graph, x: NodeId, layers: &[usize]) -> Result<Vec<NodeId>> {
        let last = layers.last().copied().unwrap_or(0);
        if layers.is_empty() || layers[0] == 0 || last > self.layers.len() || !layers.is_sorted_by(|a, b| a < b) {
            let fault = format!("has the layers 1 to {}, not {layers:?}", self.layers.len());
            return Err(Error::file(ck.path(), fault));
        }
        let h = self.stem.build(ck, g, x)?;
        // ReLU after the maximum is ReLU before it, on a quarter of the values.
        let h = g.max_pool("maxpool", h, 3, 2, 1)?;
        let mut h = relu(g, "bn1", h)?;
        let mut found = Vec::with_capacity(layers.len());
        for (i, layer) in self.layers[..last].iter().enumerate() {
            h = self.layer(ck, g, h, layer)?;
            if layers.contains(&(i + 1)) {
                found.push(h);
            }
        }
        let behind =
            |k: &str| k.starts_with("fc.") || (last + 1..=LAYERS).any(|l| k.starts_with(&format!("layer{l}.")));
        ck.keys().filter(|k| behind(k)).for_each(|key| ck.ignore(key));
        ck.settle(true)?;
        Ok(found)
    }
    /// The blocks of a layer.
    fn layer(&self, ck: &Checkpoint, g: &mut Graph, mut h: NodeId, blocks: &[Block]) -> Result<NodeId> {
        for block in blocks {
            let identity = match &block.downsample {
                Some(d) => d.build(ck, g, h)?,
                None => h,
            };
            for (i, c) in block.convs.iter().enumerate() {
                h = if i > 0 { relu(g, &block.convs[i - 1].norm, h)? } else { h };
                h = c.build(ck, g, h)?;
            }
            let name = block.convs.last().map_or("block", |c| &c.norm);
            let sum = g.add(&format!("{name}.sum"), h, identity)?;
            h = relu(g, &format!("{name}.sum"), sum)?;
        }
        Ok(h)
    }
}

fn relu(g: &mut Graph, name: &str, x: NodeId) -> Result<NodeId> {
    g.map(&format!("{name}.relu"), x, Relu, 1.0, 0.0)
}
