//! How each op passes a gradient on to its inputs, in terms of ops. An op without an arm here has no gradient.
mod attention;
mod conv;
mod linear;
mod modulate;
mod norm;
mod score;

use super::Backward;
use crate::graph::{Graph, NodeId};
use crate::kernels::Op;
use crate::kernels::act_gradient::ActGradient;
use crate::kernels::batch_norm::BatchNorm;
use crate::kernels::channels::Channels;
use crate::kernels::dense::{Dense, DenseWay};
use crate::kernels::embedding_gradient::EmbeddingGradient;
use crate::kernels::log_softmax_pick::LogSoftmaxPick;
use crate::kernels::pointwise::{Activation, Map};
use crate::kernels::pool_gradient::PoolGradient;
use crate::kernels::resample::PoolKind;
use crate::kernels::sample_sum::SampleSum;
use crate::{Error, Result};

/// Gives each input of a node its gradient, `dy` being the node's own.
pub(super) fn rule(b: &mut Backward, dy: NodeId) -> Result<()> {
    let node = b.node;
    let inputs = &node.inputs[..];
    match (&node.op, inputs) {
        (Op::Dense(Dense { way: DenseWay::Forward }), &[x, parameters]) => {
            let dense = |way| Op::Dense(Dense { way });
            b.input(1, |g, name| g.push(name, dense(DenseWay::Weight), &[x, dy]))?;
            b.input(0, |g, name| g.push(name, dense(DenseWay::Input), &[dy, parameters]))
        }
        (Op::BatchNorm(BatchNorm::Forward), &[x, parameters]) => {
            b.input(1, |g, name| g.push(name, Op::BatchNorm(BatchNorm::Weight), &[x, dy]))?;
            b.input(0, |g, name| g.push(name, Op::BatchNorm(BatchNorm::Input), &[x, dy, parameters]))
        }
        (Op::Map(map), &[x]) => b.input(0, |g, name| {
            let dx = times_slope(g, name, dy, x, map.act)?;
            scaled(g, name, dx, map.scale)
        }),
        (Op::Attention(attention), &[qkv]) => attention::rule(b, attention, qkv, dy),
        (Op::Conv(conv), &[x]) => conv::rule(b, conv, x, dy),
        (Op::ConvTranspose(op), &[x]) => conv::of_transposed(b, op, x, dy),
        (Op::Linear(linear), &[x]) => linear::rule(b, linear, x, dy),
        (Op::Modulate(_), &[both, more]) => modulate::rule(b, both, more, dy),
        (Op::Affine(affine), &[x, stats]) => norm::rule(b, affine.act, x, stats, dy),
        (Op::Concat(_), &[one, other]) => {
            let (first, second) = (b.g.shape(one).c, b.g.shape(other).c);
            b.input(0, |g, name| g.push(name, Channels { from: 0, count: first }, &[dy]))?;
            b.input(1, |g, name| g.push(name, Channels { from: first as isize, count: second }, &[dy]))
        }
        (Op::Channels(part), &[x]) => {
            let channels = b.g.shape(x).c;
            b.input(0, |g, name| g.push(name, part.transposed(channels), &[dy]))
        }
        (Op::Pixels(part), &[x]) => {
            let input = b.g.shape(x);
            b.input(0, |g, name| g.push(name, part.transposed(input), &[dy]))?;
            let Some(table) = part.table else { return Ok(()) };
            b.weight(table, |g, name| g.push(name, SampleSum, &[dy]))
        }
        (Op::LogSoftmaxPick(LogSoftmaxPick { gradient: false }), &[logits, class]) => {
            b.input(0, |g, name| g.push(name, LogSoftmaxPick { gradient: true }, &[logits, class, dy]))?;
            b.input(1, |g, name| nothing(g, name, class))
        }
        (Op::Embedding(table), &[y]) => {
            let classes = table.classes;
            b.weight(table.table, |g, name| g.push(name, EmbeddingGradient { classes }, &[y, dy]))?;
            b.input(0, |g, name| nothing(g, name, y))
        }
        // The mask does not depend on the values: what was dropped gets nothing, what was kept is scaled alike.
        (op @ Op::Dropout(_), _) => b.input(0, |g, name| g.push(name, op.clone(), &[dy])),
        (Op::Add(_), &[one, other]) => {
            let (one, other) = (b.g.shape(one), b.g.shape(other));
            b.input(0, |_, _| Ok(dy))?;
            // A vector that was added to every pixel gets the sum over all pixels.
            b.input(1, |g, name| if one == other { Ok(dy) } else { pixel_sum(g, name, dy) })
        }
        // Every pixel went to four.
        (Op::Upsample(_), _) => b.input(0, |g, name| {
            let mean = g.avg_pool(name, dy)?;
            scaled(g, name, mean, 4.0)
        }),
        (Op::Pool(pool), &[x]) => b.input(0, |g, name| {
            let op = PoolGradient { pool: pool.clone(), input: [g.shape(x).h, g.shape(x).w] };
            let given = [dy, x];
            g.push(name, op, if pool.kind == PoolKind::Max { &given } else { &given[..1] })
        }),
        (Op::NoiseTo(_) | Op::SamplerStep(_) | Op::Residual(_) | Op::Reduce(_) | Op::Blur(_) | Op::AxisMap(_), _) => {
            score::rule(b, dy)
        }
        _ => Err(Error::graph(&node.name, format!("{} has no gradient", node.op.name()))),
    }
}

/// The gradient of a whole number that chooses a row or a class: between whole numbers nothing changes.
fn nothing(g: &mut Graph, name: &str, chosen: NodeId) -> Result<NodeId> {
    g.map(name, chosen, Activation::Identity, 0.0, 0.0)
}

/// dy·act'(x).
fn times_slope(g: &mut Graph, name: &str, dy: NodeId, x: NodeId, act: Activation) -> Result<NodeId> {
    if act == Activation::Identity {
        return Ok(dy);
    }
    g.push(name, ActGradient { act }, &[dy, x])
}

/// factor·x; x itself for 1.
fn scaled(g: &mut Graph, name: &str, x: NodeId, factor: f32) -> Result<NodeId> {
    if factor == 1.0 {
        return Ok(x);
    }
    g.push(name, Op::Map(Map { act: Activation::Identity, scale: factor, shift: 0.0 }), &[x])
}

/// (N,H,W,C) → (N,1,1,C).
fn pixel_sum(g: &mut Graph, name: &str, x: NodeId) -> Result<NodeId> {
    let pixels = g.shape(x).h * g.shape(x).w;
    let mean = g.global_avg_pool(name, x)?;
    scaled(g, name, mean, pixels as f32)
}

/// (N,H,W,C) → (1,1,1,C), the sum over all pixels and samples.
fn total(g: &mut Graph, name: &str, x: NodeId) -> Result<NodeId> {
    let sums = pixel_sum(g, name, x)?;
    g.push(name, SampleSum, &[sums])
}
