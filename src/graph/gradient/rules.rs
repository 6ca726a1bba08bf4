//! How each op passes a gradient on to its inputs, in terms of ops. An op without an arm here has no gradient.
use super::Backward;
use crate::graph::{Graph, NodeId};
use crate::kernels::Op;
use crate::kernels::batch_norm::BatchNorm;
use crate::kernels::dense::{Dense, DenseWay};
use crate::kernels::dropout::ActGradient;
use crate::kernels::pointwise::{Activation, Map};
use crate::kernels::resample::{Pool, PoolKind};
use crate::{Error, Result, Shape};

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
        (Op::Map(map), &[x]) => match slope(map.act) {
            Slope::One => b.input(0, |g, name| scaled(g, name, dy, map.scale)),
            Slope::Of(op) => b.input(0, |g, name| {
                let dx = g.push(name, Op::ActGradient(op), &[dy, x])?;
                scaled(g, name, dx, map.scale)
            }),
            Slope::Unknown => Err(Error::graph(&node.name, format!("the activation {:?} has no gradient", map.act))),
        },
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
        (Op::Pool(pool), &[x]) if halves(pool, b.g.shape(x)) => b.input(0, |g, name| {
            let spread = g.upsample(name, dy)?;
            scaled(g, name, spread, 0.25)
        }),
        _ => Err(Error::graph(&node.name, format!("{} has no gradient", node.op.name()))),
    }
}

/// An activation's derivative.
enum Slope {
    One,
    Of(ActGradient),
    Unknown,
}

fn slope(act: Activation) -> Slope {
    match act {
        Activation::Identity => Slope::One,
        Activation::Relu => Slope::Of(ActGradient::Relu),
        Activation::Silu => Slope::Of(ActGradient::Silu),
        _ => Slope::Unknown,
    }
}

/// Whether it is the mean of every two by two pixels, each in one window alone.
fn halves(pool: &Pool, x: Shape) -> bool {
    *pool == Pool::square(PoolKind::Average, 2, 2) && x.h.is_multiple_of(2) && x.w.is_multiple_of(2)
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
