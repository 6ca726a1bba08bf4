//! The chain around a network, and what makes a score of its end: noising, sampler's steps, residual, resizing, blur, reduction.
use crate::graph::gradient::Backward;
use crate::graph::{Graph, NodeId};
use crate::kernels::Op;
use crate::kernels::axis_map::{AxisMap, Taps};
use crate::kernels::pointwise::Activation;
use crate::kernels::sample_sum::SampleSum;
use crate::kernels::sampler::NoiseTo;
use crate::kernels::sampler_gradient::SamplerGradient;
use crate::kernels::score_gradient::{ReduceGradient, ResidualGradient};
use crate::{Error, Result};

pub(super) fn rule(b: &mut Backward, dy: NodeId) -> Result<()> {
    let node = b.node;
    match (&node.op, &node.inputs[..]) {
        (Op::NoiseTo(_), &[x0, noise]) => {
            // The same op on a gradient in place of one part and on zeros in place of the other.
            b.input(0, |g, name| {
                let nothing = zeros(g, name, noise)?;
                g.push(name, NoiseTo, &[dy, nothing])
            })?;
            b.input(1, |g, name| {
                let nothing = zeros(g, name, x0)?;
                let each = g.push(name, NoiseTo, &[nothing, dy])?;
                if g.shape(noise) == g.shape(x0) { Ok(each) } else { g.push(name, SampleSum, &[each]) }
            })
        }
        (Op::SamplerStep(step), own) => {
            let given: Vec<NodeId> = std::iter::once(dy).chain(own.iter().copied()).collect();
            for (i, at_output) in [(0, false), (1, true)] {
                b.input(i, |g, name| g.push(name, SamplerGradient { step: step.clone(), at_output }, &given))?;
            }
            let of_noise = || Error::graph(&node.name, "has no gradient by the noise that it adds");
            if own.len() > 2 { b.input(2, |_, _| Err(of_noise())) } else { Ok(()) }
        }
        (Op::Residual(residual), &[image, reconstruction]) => {
            let kind = residual.kind;
            let at_image =
                |g: &mut Graph, name: &str| g.push(name, ResidualGradient { kind }, &[dy, image, reconstruction]);
            b.input(0, at_image)?;
            b.input(1, |g, name| {
                let at_image = at_image(g, name)?;
                g.map(name, at_image, Activation::Identity, -1.0, 0.0)
            })
        }
        (Op::Reduce(_), &[x]) => b.input(0, |g, name| {
            let again = g.push(name, node.op.clone(), &[x])?;
            g.push(name, ReduceGradient, &[dy, x, again])
        }),
        // With a symmetric kernel and borders reflected about the edge, what p takes from q, directly and from q's mirror images, q
        // takes from p: the blur is its own transpose.
        (Op::Blur(_), _) => b.input(0, |g, name| g.push(name, node.op.clone(), &[dy])),
        (Op::AxisMap(map), _) => b.input(0, |g, name| {
            let table = &g.weights[map.table.0];
            let taps = Taps::of_table(&table.data, map.line, map.inputs, map.outputs).transposed();
            let ((numbers, line), title) = (taps.table(), format!("{} (transposed)", table.name));
            let (inputs, outputs) = (map.outputs, map.inputs);
            let op = AxisMap { table: g.weight(&title, numbers), line, inputs, outputs, horizontal: map.horizontal };
            g.push(name, op, &[dy])
        }),
        _ => Err(Error::graph(&node.name, format!("{} has no gradient", node.op.name()))),
    }
}

/// Zeros of a node's shape.
fn zeros(g: &mut Graph, name: &str, like: NodeId) -> Result<NodeId> {
    g.map(name, like, Activation::Identity, 0.0, 0.0)
}
