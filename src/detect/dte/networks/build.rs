//! Networks as they are run: rows as pixels of 1×1 convolutions, BatchNorm folded.
use super::{Network, NetworkKind, Part, RESIDUAL, TRUNK, transposed};
use crate::diffusion::step_time;
use crate::graph::{ConvSpec, Graph, NodeId, StateId};
use crate::kernels::Op;
use crate::kernels::batch_norm::EPS;
use crate::kernels::norm::Affine;
use crate::kernels::pointwise::Activation;
use crate::{Result, Shape, Tensor};

/// A state that is to be filled once.
pub(in crate::detect::dte) type Constant = (StateId, Tensor);

impl Part {
    /// `a` and `b` of a BatchNorm's a·x + b with its running statistics.
    fn affine(&self) -> (Vec<f32>, Vec<f32>) {
        let (gamma, beta) = self.values.split_at(self.columns);
        let running = self.running.as_deref().unwrap_or_default();
        let (mean, variance) = running.split_at(running.len() / 2);
        let pairs = gamma.iter().zip(beta).zip(mean.iter().zip(variance));
        let one = |((&g, &b), (&m, &v)): ((&f32, &f32), (&f32, &f32))| {
            let a = f64::from(g) / (f64::from(v) + EPS).sqrt();
            (a as f32, (f64::from(b) - a * f64::from(m)) as f32)
        };
        pairs.map(one).unzip()
    }
    /// W (Cout,Cin) and b, of a BatchNorm and this layer after it as one.
    fn after(&self, norm: Option<&Part>) -> (Vec<f32>, Vec<f32>) {
        let c = self.columns;
        let (rows, bias) = self.values.split_at(self.values.len() - c);
        let (mut rows, mut sum) = (rows.to_vec(), bias.iter().map(|&b| f64::from(b)).collect::<Vec<_>>());
        if let Some((a, b)) = norm.map(Part::affine) {
            for ((row, a), b) in rows.chunks_exact_mut(c).zip(a).zip(b) {
                sum.iter_mut().zip(&*row).for_each(|(s, &w)| *s += f64::from(w) * f64::from(b));
                row.iter_mut().for_each(|w| *w *= a);
            }
        }
        (transposed(&rows, c), sum.into_iter().map(|v| v as f32).collect())
    }
}

impl Network {
    /// Adds the network on x (1,N,1,D), a pixel a row; the baseline's time is the step's.
    pub(super) fn build(&self, g: &mut Graph, x: NodeId) -> Result<(NodeId, Vec<Constant>)> {
        match self.kind {
            NetworkKind::Categorical | NetworkKind::InverseGamma => {
                let mut h = self.linear(g, "layers.0", None, x)?;
                for i in 1..=TRUNK.len() {
                    h = g.map("relu", h, Activation::Relu, 1.0, 0.0)?;
                    h = self.linear(g, &format!("layers.{i}"), None, h)?;
                }
                Ok((h, Vec::new()))
            }
            NetworkKind::Residual => self.residual(g, x),
        }
    }
    /// A linear layer, with the BatchNorm before it.
    fn linear(&self, g: &mut Graph, name: &str, norm: Option<&str>, x: NodeId) -> Result<NodeId> {
        let (part, cin) = (self.part(name)?, g.shape(x).c);
        let norm = norm.map(|n| self.part(n)).transpose()?;
        let (weight, bias) = part.after(norm);
        let shape = [part.columns, cin, 1, 1];
        g.conv(name, x, &ConvSpec { weight: &weight, shape, bias: Some(&bias), stride: 1, pad: [0; 4] })
    }
    fn residual(&self, g: &mut Graph, x: NodeId) -> Result<(NodeId, Vec<Constant>)> {
        let t = step_time(g, 1)?;
        let e = g.time_embedding("time_embed", t, RESIDUAL.time, true, 0.0)?;
        let e = self.linear(g, "time_embed.0", None, e)?;
        let e = g.map("silu", e, Activation::Silu, 1.0, 0.0)?;
        let e = self.linear(g, "time_embed.2", None, e)?;
        let e = g.map("silu", e, Activation::Silu, 1.0, 0.0)?;
        let e = self.linear(g, "resnet.mlp.1", None, e)?;
        let h = self.linear(g, "resnet.first_layer", None, x)?;
        let mut h = g.add("time", h, e)?;
        for i in 0..RESIDUAL.blocks {
            let block = format!("resnet.blocks.{i}");
            let norm = format!("{block}.normalization");
            let r = self.linear(g, &format!("{block}.linear_first"), Some(&norm), h)?;
            let r = g.map("relu", r, Activation::Relu, 1.0, 0.0)?;
            let r = self.linear(g, &format!("{block}.linear_second"), None, r)?;
            h = g.add(&block, h, r)?;
        }
        // ReLU stands between this one and its linear layer, so it stays an affine map.
        let name = "resnet.head.normalization";
        let (a, b) = self.part(name)?.affine();
        let state = g.state(name, Shape::new(1, 1, 2, RESIDUAL.width));
        let pairs: Vec<f32> = a.iter().zip(&b).flat_map(|(a, b)| [*a, *b]).collect();
        let constant = (state, Tensor::new(Shape::new(1, 1, 2, RESIDUAL.width), pairs)?);
        let affine = g.read(state);
        let h = g.push(name, Op::Affine(Affine { act: Activation::Relu }), &[h, affine])?;
        Ok((self.linear(g, "resnet.head.linear", None, h)?, vec![constant]))
    }
}
