//! From a described ResNet to nodes of a graph, each BatchNorm folded into the convolution before it.
use super::{ConvNorm, ResNet};
use crate::graph::{ConvSpec, Graph, NodeId};
use crate::kernels::pointwise::Activation::Relu;
use crate::model::Checkpoint;
use crate::{Error, Result};

/// PyTorch's default, which torchvision keeps.
const EPS: f64 = 1e-5;

impl ResNet {
    /// Adds the network to a graph: normalised image `x` (N,H,W,[`ResNet::in_channels`]) of any size to features
    /// (N,1,1,[`ResNet::features`]). `fc.*` is passed over; any other tensor that the network does not use is refused, as it
    /// would change the features.
    /// # Errors
    /// What [`Checkpoint::take`] says, [`Error::File`] for a variance below zero and for tensors that are not used,
    /// [`Error::Graph`] when shapes do not fit.
    pub fn build(&self, ck: &Checkpoint, g: &mut Graph, x: NodeId) -> Result<NodeId> {
        let h = conv(ck, g, &self.stem, x)?;
        // ReLU after the maximum is ReLU before it, on a quarter of the values.
        let h = g.max_pool("maxpool", h, 3, 2, 1)?;
        let mut h = relu(g, "bn1", h)?;
        for block in self.layers.iter().flatten() {
            let identity = match &block.downsample {
                Some(d) => conv(ck, g, d, h)?,
                None => h,
            };
            for (i, c) in block.convs.iter().enumerate() {
                h = if i > 0 { relu(g, &block.convs[i - 1].norm, h)? } else { h };
                h = conv(ck, g, c, h)?;
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

/// conv·(γ/√(σ² + ε)) + (β − μ·γ/√(σ² + ε)): computed in f64, rounded once.
fn conv(ck: &Checkpoint, g: &mut Graph, c: &ConvNorm, x: NodeId) -> Result<NodeId> {
    let [cout, _, kernel, _] = c.shape;
    let mut weight = ck.take(&format!("{}.weight", c.key), &c.shape)?;
    let norm = |name: &str| ck.take(&format!("{}.{name}", c.norm), &[cout]);
    let (gamma, beta, mean, variance) = (norm("weight")?, norm("bias")?, norm("running_mean")?, norm("running_var")?);
    if let Some(at) = variance.iter().position(|&v| v < 0.0) {
        let fault = format!("tensor `{}.running_var` holds {} at element {at}, below zero", c.norm, variance[at]);
        return Err(Error::file(ck.path(), fault));
    }
    let mut bias = Vec::with_capacity(cout);
    let each = weight.len() / cout;
    for (o, filter) in weight.chunks_exact_mut(each).enumerate() {
        let scale = f64::from(gamma[o]) / (f64::from(variance[o]) + EPS).sqrt();
        filter.iter_mut().for_each(|w| *w = (f64::from(*w) * scale) as f32);
        bias.push((f64::from(beta[o]) - f64::from(mean[o]) * scale) as f32);
    }
    let pad = [kernel / 2; 4];
    g.conv(&c.key, x, &ConvSpec { weight: &weight, shape: c.shape, bias: Some(&bias), stride: c.stride, pad })
}
