//! Networks as they are trained: every parameter is a state that Adam changes.
use crate::detect::dte::networks::{BINS, NetworkKind, RESIDUAL, SCALES, TRUNK};
use crate::graph::{Graph, NodeId, StateId};
use crate::kernels::Op;
use crate::kernels::batch_norm::BatchNorm;
use crate::kernels::dense::{Dense, DenseWay};
use crate::kernels::dropout::Dropout;
use crate::kernels::noise::philox4x32_10;
use crate::kernels::pointwise::Activation;
use crate::{Result, Shape, Tensor};

/// What a parameter state belongs to; its name is that of the module, as PyTorch would call it.
pub(super) struct Parameter {
    pub name: String,
    pub state: StateId,
    /// A BatchNorm's running mean and variance, two rows; none for a linear layer.
    pub running: Option<StateId>,
}

/// Adds layers to a graph and remembers their parameters.
pub(super) struct Layers<'a> {
    pub g: &'a mut Graph,
    pub parameters: Vec<Parameter>,
    /// The next dropout's stream; those below belong to the minibatch's noise and times.
    pub stream: u32,
}

impl Layers<'_> {
    fn linear(&mut self, name: &str, x: NodeId, cout: usize) -> Result<NodeId> {
        let shape = Shape::new(3 * (self.g.shape(x).c + 1), 1, 1, cout);
        let state = self.g.state(name, shape);
        self.parameters.push(Parameter { name: name.into(), state, running: None });
        let p = self.g.read(state);
        self.g.push(name, Op::Dense(Dense { way: DenseWay::Forward }), &[x, p])
    }
    fn act(&mut self, x: NodeId, act: Activation) -> Result<NodeId> {
        self.g.map(act.name(), x, act, 1.0, 0.0)
    }
    fn dropout(&mut self, x: NodeId, p: f32) -> Result<NodeId> {
        self.stream += 1;
        self.g.push("dropout", Op::Dropout(Dropout { p, stream: self.stream }), &[x])
    }
    /// BatchNorm; its running statistics keep nine tenths of what they were (PyTorch's momentum 0.1).
    fn batch_norm(&mut self, name: &str, x: NodeId) -> Result<NodeId> {
        let c = self.g.shape(x).c;
        let state = self.g.state(name, Shape::new(6, 1, 1, c));
        let running = self.g.state(&format!("{name}.running"), Shape::new(2, 1, 1, c));
        self.parameters.push(Parameter { name: name.into(), state, running: Some(running) });
        let p = self.g.read(state);
        let y = self.g.push(name, Op::BatchNorm(BatchNorm::Forward), &[x, p])?;
        let (old, new) = (self.g.read(running), self.g.push(name, Op::BatchNorm(BatchNorm::Moments), &[x])?);
        let old = self.g.map(name, old, Activation::Identity, 0.9, 0.0)?;
        let new = self.g.map(name, new, Activation::Identity, 0.1, 0.0)?;
        let mean = self.g.add(name, old, new)?;
        self.g.write(running, mean)?;
        Ok(y)
    }
    /// The network of a kind on noised rows at times t.
    pub fn network(&mut self, kind: NetworkKind, x: NodeId, t: NodeId) -> Result<NodeId> {
        match kind {
            NetworkKind::Categorical => self.trunk(x, BINS, true),
            NetworkKind::InverseGamma => self.trunk(x, SCALES, false),
            NetworkKind::Residual => self.residual(x, t),
        }
    }
    /// The layers of [`TRUNK`], each with ReLU and after the first with dropout if so, and one with `outputs`.
    fn trunk(&mut self, x: NodeId, outputs: usize, dropout: bool) -> Result<NodeId> {
        let mut h = x;
        for (i, width) in TRUNK.into_iter().enumerate() {
            h = self.linear(&format!("layers.{i}"), h, width)?;
            h = self.act(h, Activation::Relu)?;
            if dropout && i > 0 {
                h = self.dropout(h, 0.5)?;
            }
        }
        self.linear("layers.3", h, outputs)
    }
    /// The noise predictor of the DDPM baseline.
    fn residual(&mut self, x: NodeId, t: NodeId) -> Result<NodeId> {
        let columns = self.g.shape(x).c;
        let e = self.g.time_embedding("time_embed", t, RESIDUAL.time, true, 0.0)?;
        let e = self.linear("time_embed.0", e, RESIDUAL.time)?;
        let e = self.act(e, Activation::Silu)?;
        let e = self.linear("time_embed.2", e, RESIDUAL.time)?;
        let e = self.act(e, Activation::Silu)?;
        let e = self.linear("resnet.mlp.1", e, RESIDUAL.width)?;
        let h = self.linear("resnet.first_layer", x, RESIDUAL.width)?;
        let mut h = self.g.add("time", h, e)?;
        for i in 0..RESIDUAL.blocks {
            let block = format!("resnet.blocks.{i}");
            let r = self.batch_norm(&format!("{block}.normalization"), h)?;
            let r = self.linear(&format!("{block}.linear_first"), r, RESIDUAL.hidden)?;
            let r = self.act(r, Activation::Relu)?;
            let r = self.dropout(r, 0.4)?;
            let r = self.linear(&format!("{block}.linear_second"), r, RESIDUAL.width)?;
            let r = self.dropout(r, 0.1)?;
            h = self.g.add(&block, h, r)?;
        }
        let h = self.batch_norm("resnet.head.normalization", h)?;
        let h = self.act(h, Activation::Relu)?;
        self.linear("resnet.head.linear", h, columns)
    }
}

impl Parameter {
    /// The state before training: a linear layer's weights and biases uniform within 1/√fan_in (PyTorch's default), a BatchNorm's γ 1
    /// and β 0; moments zero.
    pub fn initial(&self, shape: Shape, seed: u64, index: u32) -> Tensor {
        let mut t = Tensor::zeros(shape);
        let (rows, c) = (shape.n / 3, shape.c);
        if self.running.is_some() {
            t.data[..c].fill(1.0);
            return t;
        }
        let bound = 1.0 / ((rows - 1) as f32).sqrt();
        for (i, four) in t.data[..rows * c].chunks_mut(4).enumerate() {
            let words = philox4x32_10([i as u32, index, u32::MAX, 1], [seed as u32, (seed >> 32) as u32]);
            for (v, w) in four.iter_mut().zip(words) {
                *v = bound * ((w >> 8) as f32 / (1 << 23) as f32 - 1.0);
            }
        }
        t
    }
}
