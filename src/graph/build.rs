//! Shorthands for the nodes that networks are made of. Weights come as PyTorch stores them and are packed here.
use super::{Graph, NodeId, SectionId, StateId};
use crate::kernels::{
    Op, WeightId, attention,
    axis_map::{AxisMap, Taps},
    concat,
    conv::{self, Conv},
    embedding, linear,
    log_softmax_pick::LogSoftmaxPick,
    norm,
    pixels::Pixels,
    pointwise::{self, Activation},
    resample,
};
use crate::{Result, Shape};

/// A convolution's weights and geometry.
pub struct ConvSpec<'a> {
    /// Factors in PyTorch's order, (Cout,Cin,kh,kw).
    pub weight: &'a [f32],
    /// The four sizes of `weight`.
    pub shape: [usize; 4],
    /// One value for each output channel.
    pub bias: Option<&'a [f32]>,
    /// Input pixels from one output pixel to the next.
    pub stride: usize,
    /// Zero padding: top, left, bottom, right.
    pub pad: [usize; 4],
}

impl Graph {
    /// A section of its own that copies a state into another one.
    pub fn copy(&mut self, name: &str, from: StateId, to: StateId) -> Result<SectionId> {
        let section = self.section(name);
        let now = self.read(from);
        let now = self.push(name, pointwise::Map::COPY, &[now])?;
        self.write(to, now)?;
        Ok(section)
    }
    /// A vector, padded to a multiple of four by zeros.
    pub fn vector(&mut self, name: &str, values: &[f32]) -> WeightId {
        let mut v = values.to_vec();
        v.resize(values.len().next_multiple_of(4), 0.0);
        self.weight(name, v)
    }
    /// Convolution without anything fused.
    pub fn conv(&mut self, name: &str, x: NodeId, spec: &ConvSpec) -> Result<NodeId> {
        let [cout, cin, kh, kw] = spec.shape;
        if spec.weight.len() != cout * cin * kh * kw || self.shape(x).c != cin {
            let fault = format!("weights {:?} do not fit an input {}", spec.shape, self.shape(x));
            return Err(crate::Error::graph(name, fault));
        }
        let weight = self.weight(&format!("{name}.weight"), conv::pack(spec.weight, spec.shape));
        let bias = spec.bias.map(|b| self.vector(&format!("{name}.bias"), b));
        let plain = Conv::plain([kh, kw], spec.stride, spec.pad, cout, weight);
        self.push(name, Op::Conv(Conv { bias, ..plain }), &[x])
    }
    /// Linear layer (Cout,Cin) on (N,1,1,Cin), with activations before and after.
    pub fn linear(
        &mut self,
        name: &str,
        x: NodeId,
        weight: &[f32],
        bias: Option<&[f32]>,
        pre: Activation,
        post: Activation,
    ) -> Result<NodeId> {
        let cin = self.shape(x).c;
        let cout = weight.len() / cin.max(1);
        if cout * cin != weight.len() {
            return Err(crate::Error::graph(name, format!("{} weights do not fit {cin} inputs", weight.len())));
        }
        let w = self.weight(&format!("{name}.weight"), conv::pack(weight, [cout, cin, 1, 1]));
        let bias = bias.map(|b| self.vector(&format!("{name}.bias"), b));
        self.push(name, Op::Linear(linear::Linear { cout, weight: w, bias, pre, post }), &[x])
    }
    /// GroupNorm, then an activation; with `scale_shift` (N,1,1,2C), `GN(x)·(1 + s) + h` in between.
    #[allow(clippy::too_many_arguments)]
    pub fn group_norm(
        &mut self,
        name: &str,
        x: NodeId,
        (gamma, beta): (&[f32], &[f32]),
        groups: usize,
        eps: f32,
        scale_shift: Option<NodeId>,
        act: Activation,
    ) -> Result<NodeId> {
        let (gamma, beta) = (self.vector(&format!("{name}.weight"), gamma), self.vector(&format!("{name}.bias"), beta));
        let op = norm::GroupNormStats { groups, eps, gamma, beta, scale_shift: scale_shift.is_some() };
        let inputs: Vec<_> = std::iter::once(x).chain(scale_shift).collect();
        let stats = self.push(&format!("{name}.stats"), Op::GroupNormStats(op), &inputs)?;
        self.push(name, Op::Affine(norm::Affine { act }), &[x, stats])
    }
    /// Self-attention on [q | k | v].
    pub fn attention(&mut self, name: &str, qkv: NodeId, heads: usize) -> Result<NodeId> {
        self.push(name, Op::Attention(attention::Attention::new(heads)), &[qkv])
    }
    /// a + b, b of a's shape or (N,1,1,C).
    pub fn add(&mut self, name: &str, a: NodeId, b: NodeId) -> Result<NodeId> {
        self.push(name, Op::Add(pointwise::Add), &[a, b])
    }
    /// scale·act(x) + shift.
    pub fn map(&mut self, name: &str, x: NodeId, act: Activation, scale: f32, shift: f32) -> Result<NodeId> {
        self.push(name, Op::Map(pointwise::Map { act, scale, shift }), &[x])
    }
    /// Nearest neighbour, twice the size.
    pub fn upsample(&mut self, name: &str, x: NodeId) -> Result<NodeId> {
        self.push(name, Op::Upsample(resample::Upsample), &[x])
    }
    /// Linear interpolation along rows and columns, twice the size, the corners' middles kept in place (`align_corners=True`).
    pub fn upsample_bilinear(&mut self, name: &str, x: NodeId) -> Result<NodeId> {
        [true, false].into_iter().try_fold(x, |x, horizontal| {
            let Shape { h, w, .. } = self.shape(x);
            let inputs = if horizontal { w } else { h };
            let (table, line) = Taps::aligned(inputs, 2 * inputs).table();
            let table = self.weight(&format!("bilinear {inputs} to {}", 2 * inputs), table);
            self.push(name, AxisMap { table, line, inputs, outputs: 2 * inputs, horizontal }, &[x])
        })
    }
    /// Average pooling 2×2.
    pub fn avg_pool(&mut self, name: &str, x: NodeId) -> Result<NodeId> {
        let op = resample::Pool::square(resample::PoolKind::Average, 2, 2);
        self.push(name, Op::Pool(op), &[x])
    }
    /// The mean of every channel over all pixels, (N,1,1,C).
    pub fn global_avg_pool(&mut self, name: &str, x: NodeId) -> Result<NodeId> {
        let Shape { h, w, .. } = self.shape(x);
        let op = resample::Pool { kind: resample::PoolKind::Average, size: [h, w], stride: 1, pad: 0 };
        self.push(name, Op::Pool(op), &[x])
    }
    /// Maximum pooling of square windows.
    pub fn max_pool(&mut self, name: &str, x: NodeId, size: usize, stride: usize, pad: usize) -> Result<NodeId> {
        let op = resample::Pool { kind: resample::PoolKind::Max, size: [size; 2], stride, pad };
        self.push(name, Op::Pool(op), &[x])
    }
    /// [a, b] along the channels.
    pub fn concat(&mut self, name: &str, a: NodeId, b: NodeId) -> Result<NodeId> {
        self.push(name, Op::Concat(concat::Concat), &[a, b])
    }
    /// The sequence that an attention pool works on: the mean over all pixels, then the pixels row by row, (N,1,1 + H·W,C), to
    /// each of which its row of `positions` (1 + H·W, C) is added.
    pub fn tokens(&mut self, name: &str, x: NodeId, positions: &[f32]) -> Result<NodeId> {
        let Shape { h, w, c, .. } = self.shape(x);
        let width = 1 + h * w;
        if positions.len() != width * c {
            let fault = format!("{} positions do not fit {width} tokens of {c} channels", positions.len());
            return Err(crate::Error::graph(name, fault));
        }
        let table = Some(self.rows(&format!("{name}.positions"), positions, c));
        let pixels = Pixels { from: -1, height: 1, width, table };
        let pixels = self.push(&format!("{name}.pixels"), pixels, &[x])?;
        let mean = self.global_avg_pool(&format!("{name}.mean"), x)?;
        let first = Pixels { from: 0, height: 1, width, table: None };
        let first = self.push(&format!("{name}.first"), first, &[mean])?;
        self.add(name, pixels, first)
    }
    /// The first pixel of every sample, (N,1,1,C).
    pub fn first_pixel(&mut self, name: &str, x: NodeId) -> Result<NodeId> {
        self.push(name, Pixels { from: 0, height: 1, width: 1, table: None }, &[x])
    }
    /// The logarithm of the probability that `logits` (N,1,1,C) give the class (N,1,1,1), a whole number from 0 on: (N,1,1,1).
    pub fn log_softmax_pick(&mut self, name: &str, logits: NodeId, class: NodeId) -> Result<NodeId> {
        self.push(name, LogSoftmaxPick { gradient: false }, &[logits, class])
    }
    /// Sinusoids of the time.
    pub fn time_embedding(
        &mut self,
        name: &str,
        t: NodeId,
        dim: usize,
        cos_first: bool,
        freq_shift: f32,
    ) -> Result<NodeId> {
        self.push(name, Op::TimeEmbedding(embedding::TimeEmbedding { dim, cos_first, freq_shift }), &[t])
    }
    /// Row y of a table (classes, dim).
    pub fn embedding(&mut self, name: &str, y: NodeId, table: &[f32], dim: usize) -> Result<NodeId> {
        let classes = table.len() / dim.max(1);
        let table = self.rows(&format!("{name}.weight"), table, dim);
        self.push(name, Op::Embedding(embedding::Embedding { table, classes, dim }), &[y])
    }
    /// A table of rows of `dim` values, each padded to a multiple of four by zeros.
    pub(crate) fn rows(&mut self, name: &str, table: &[f32], dim: usize) -> WeightId {
        let padded = dim.next_multiple_of(4);
        let mut rows = vec![0.0; table.len() / dim.max(1) * padded];
        for (to, from) in rows.chunks_mut(padded.max(1)).zip(table.chunks(dim.max(1))) {
            to[..dim].copy_from_slice(from);
        }
        self.weight(name, rows)
    }
}
