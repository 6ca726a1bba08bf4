//! From a described classifier to nodes of a graph.
use super::{ClassifierPool, ClassifierSpec};
use crate::Result;
use crate::graph::{Graph, NodeId};
use crate::kernels::pointwise::Activation::{Identity, Relu, Silu};
use crate::model::Checkpoint;
use crate::model::build::{Builder, Features};
use crate::model::unet::Norm;

impl ClassifierSpec {
    /// Adds the network to a graph: image `x` (N,H,W,in) and times `t` (N,1,1,1) as the original's integers to logits
    /// (N,1,1,classes). Weights are read, and thereby marked as used, here: call [`Checkpoint::settle`] afterwards.
    /// # Errors
    /// What [`Checkpoint::take`] says, what [`ClassifierSpec::accepts`] says, [`crate::Error::Graph`] when shapes do not fit.
    pub fn build(&self, ck: &Checkpoint, g: &mut Graph, x: NodeId, t: NodeId) -> Result<NodeId> {
        self.accepts(g.shape(x))?;
        let mut b = Builder { ck, g };
        let features = b.trunk(&self.trunk(), x, Some(t), None)?;
        b.pool(&self.pool, &features)
    }
}

impl Builder<'_> {
    fn pool(&mut self, pool: &ClassifierPool, features: &Features) -> Result<NodeId> {
        match pool {
            ClassifierPool::Adaptive { norm, linear } => {
                let h = self.norm(norm, features.last, None, Silu)?;
                let h = self.g.global_avg_pool("out.mean", h)?;
                self.linear(linear, h, Identity)
            }
            ClassifierPool::Attention { norm, positions, side, qkv, heads, proj } => {
                let h = self.norm(norm, features.last, None, Silu)?;
                let rows = self.positions(positions, norm, 1 + side * side)?;
                let h = self.g.tokens("out.tokens", h, &rows)?;
                let h = self.pixelwise(qkv, h)?;
                let h = self.g.attention("out.attention", h, *heads)?;
                let h = self.g.first_pixel("out.token", h)?;
                self.linear(proj, h, Identity)
            }
            ClassifierPool::Spatial { linear1, norm, linear2 } => {
                let mut all = None;
                for (i, &kept) in features.kept.iter().chain([&features.last]).enumerate() {
                    let mean = self.g.global_avg_pool(&format!("out.mean.{i}"), kept)?;
                    all = Some(match all {
                        Some(before) => self.g.concat(&format!("out.means.{i}"), before, mean)?,
                        None => mean,
                    });
                }
                let h = self.linear(linear1, all.unwrap_or(features.last), Identity)?;
                match norm {
                    Some(norm) => {
                        let h = self.norm(norm, h, None, Silu)?;
                        self.linear(linear2, h, Identity)
                    }
                    None => self.linear(linear2, h, Relu),
                }
            }
        }
    }

    /// The positions as rows, one a token; the checkpoint has one a channel.
    fn positions(&self, key: &str, norm: &Norm, tokens: usize) -> Result<Vec<f32>> {
        let columns = self.ck.take(key, &[norm.channels, tokens])?;
        Ok((0..tokens).flat_map(|t| columns.iter().skip(t).step_by(tokens).copied()).collect())
    }
}
