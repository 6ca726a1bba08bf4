//! GroupNorm with its activation: the statistics and the map that takes them are differentiated as one.
use crate::graph::NodeId;
use crate::graph::gradient::Backward;
use crate::kernels::Op;
use crate::kernels::norm::GroupNormStats;
use crate::kernels::norm_gradient::{NormGradient, NormPart, NormPartKind, NormSums};
use crate::kernels::pointwise::Activation;
use crate::kernels::sample_sum::SampleSum;
use crate::{Error, Result};

pub(super) fn rule(b: &mut Backward, act: Activation, x: NodeId, stats: NodeId, dy: NodeId) -> Result<()> {
    let of = b.g.nodes[stats.0].clone();
    let (norm, modulation) = match (&of.op, &of.inputs[..]) {
        (Op::GroupNormStats(norm), [of, rest @ ..]) if *of == x => (norm.clone(), rest.first().copied()),
        _ => return Err(Error::graph(&b.node.name, "is no GroupNorm of its own input, so that it has no gradient")),
    };
    let (name, shape) = (format!("{} (gradient)", b.node.name), b.g.shape(x));
    // (rstd, -mean·rstd): the statistics of the norm alone.
    let gamma = b.g.vector(&format!("{name}, one"), &vec![1.0; shape.c]);
    let beta = b.g.vector(&format!("{name}, zero"), &vec![0.0; shape.c]);
    let plain = GroupNormStats { gamma, beta, scale_shift: false, ..norm.clone() };
    let plain = b.g.push(&name, plain, &[x])?;
    let sums = b.g.push(&name, NormSums { act }, &[dy, x, stats, plain])?;

    let given: Vec<NodeId> = [sums, plain].into_iter().chain(modulation).collect();
    let part = |kind| NormPart {
        kind,
        groups: norm.groups,
        pixels: shape.h * shape.w,
        gamma: norm.gamma,
        beta: norm.beta,
        scale_shift: norm.scale_shift,
    };
    b.input(0, |g, name| {
        let coefficients = g.push(name, part(NormPartKind::Coefficients), &given)?;
        g.push(name, NormGradient { act }, &[dy, x, stats, plain, coefficients])
    })?;
    if let Some(modulation) = modulation {
        b.node(modulation, |g, name| g.push(name, part(NormPartKind::ScaleShift), &given))?;
    }
    for (weight, kind) in [(norm.gamma, NormPartKind::Gamma), (norm.beta, NormPartKind::Beta)] {
        b.weight(weight, |g, name| {
            let each = g.push(name, part(kind), &given)?;
            g.push(name, SampleSum, &[each])
        })?;
    }
    Ok(())
}
