//! From a described ResNet to nodes of a graph, each BatchNorm folded into the convolution before it.
use super::ResNet;
use crate::Result;
use crate::graph::{Graph, NodeId};
use crate::kernels::pointwise::Activation::Relu;
use crate::model::Checkpoint;

impl ResNet {
    /// Adds the network to a graph: normalised image `x` (N,H,W,[`ResNet::in_channels`]) of any size to features
    /// (N,1,1,[`ResNet::features`]). `fc.*` is passed over; any other tensor that the network does not use is refused, as it
    /// would change the features.
    /// # Errors
    /// What [`Checkpoint::take`] says, [`crate::Error::File`] for a variance below zero and for tensors that are not used,
    /// [`crate::Error::Graph`] when shapes do not fit.
    pub fn build(&self, ck: &Checkpoint, g: &mut Graph, x: NodeId) -> Result<NodeId> {
        let h = self.stem.build(ck, g, x)?;
        // ReLU after the maximum is ReLU before it, on a quarter of the values.
        let h = g.max_pool("maxpool", h, 3, 2, 1)?;
        let mut h = relu(g, "bn1", h)?;
        for block in self.layers.iter().flatten() {
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
        for key in ck.keys().filter(|k| k.starts_with("fc.")) {
            ck.ignore(key);
        }
        ck.settle(true)?;
        g.global_avg_pool("avgpool", h)
    }
}

fn relu(g: &mut Graph, name: &str, x: NodeId) -> Result<NodeId> {
    g.map(&format!("{name}.relu"), x, Relu, 1.0, 0.0)
}
