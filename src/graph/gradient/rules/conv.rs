//! Convolution. Gradients are taken of graphs before fusion, so that nothing is fused in.
use super::{scaled, total};
use crate::graph::gradient::Backward;
use crate::graph::{Graph, NodeId};
use crate::kernels::conv::{Conv, transpose};
use crate::kernels::conv_gradient::ConvGradient;
use crate::kernels::conv_transpose::ConvTranspose;
use crate::kernels::sample_sum::SampleSum;
use crate::kernels::{WeightId, pointwise::Activation};
use crate::{Error, Result, Shape};

/// The input gets the transposed convolution of dy, which at stride 1 is a convolution with the kernel turned round.
pub(super) fn rule(b: &mut Backward, conv: &Conv, x: NodeId, dy: NodeId) -> Result<()> {
    let fused = conv.affine || conv.upsample || conv.per_sample || conv.residual || conv.act != Activation::Identity;
    if fused || conv.winograd {
        return Err(Error::graph(&b.node.name, "is fused; gradients are taken before fusion"));
    }
    let input = b.g.shape(x);
    b.input(0, |g, name| {
        let dx = transposed(g, name, conv, input, dy)?;
        scaled(g, name, dx, conv.scale)
    })?;
    let [top, left, ..] = conv.pad;
    b.weight(conv.weight, |g, name| {
        let op = ConvGradient { kernel: conv.kernel, stride: conv.stride, pad: [top, left] };
        let parts = g.push(name, op, &[x, dy])?;
        let sum = if g.shape(parts).n > 1 { g.push(name, SampleSum, &[parts])? } else { parts };
        scaled(g, name, sum, conv.scale)
    })?;
    match conv.bias {
        Some(bias) => b.weight(bias, |g, name| {
            let sum = total(g, name, dy)?;
            scaled(g, name, sum, conv.scale)
        }),
        None => Ok(()),
    }
}

/// A transposed convolution: its input gets the convolution of dy by the same kernel. Its weights are not trained.
pub(super) fn of_transposed(b: &mut Backward, op: &ConvTranspose, x: NodeId, dy: NodeId) -> Result<()> {
    let input = b.g.shape(x);
    b.input(0, |g, name| {
        let sizes = [input.c, op.cout].map(|c| c.next_multiple_of(4));
        let weight = &g.weights[op.weight.0];
        let (title, data) = (format!("{} (transposed)", weight.name), transpose(&weight.data, sizes, false));
        let weight = g.weight(&title, data);
        let dx = g.push(name, Conv::plain(op.kernel, op.stride, op.pad, input.c, weight), &[dy])?;
        let fault = || Error::graph(name, format!("an output padding of {:?} has no gradient", op.output_pad));
        if g.shape(dx) == input { Ok(dx) } else { Err(fault()) }
    })?;
    let weights = std::iter::once(op.weight).chain(op.bias);
    weights.into_iter().try_for_each(|weight| {
        b.weight(weight, |_, name| Err(Error::graph(name, "weights of a transposed convolution have no gradient")))
    })
}

fn transposed(g: &mut Graph, name: &str, conv: &Conv, x: Shape, dy: NodeId) -> Result<NodeId> {
    let ([kh, kw], [top, left, bottom, right]) = (conv.kernel, conv.pad);
    let turned = conv.stride == 1 && top < kh && bottom < kh && left < kw && right < kw;
    let weight = packed(g, conv, x.c, turned);
    if turned {
        let pad = [kh - 1 - top, kw - 1 - left, kh - 1 - bottom, kw - 1 - right];
        return g.push(name, Conv { cout: x.c, pad, weight, bias: None, scale: 1.0, ..conv.clone() }, &[dy]);
    }
    // Input pixels behind the last window.
    let rest = |size: usize, pad: usize, k: usize| (size + pad - k) % conv.stride;
    let output_pad = [rest(x.h, top + bottom, kh), rest(x.w, left + right, kw)];
    let op = ConvTranspose {
        kernel: conv.kernel,
        stride: conv.stride,
        pad: conv.pad,
        output_pad,
        cout: x.c,
        weight,
        bias: None,
    };
    g.push(name, op, &[dy])
}

/// The weights with inputs and outputs exchanged.
fn packed(g: &mut Graph, conv: &Conv, cin: usize, turned: bool) -> WeightId {
    let [ip, op] = [cin, conv.cout].map(|c| c.next_multiple_of(4));
    let weight = &g.weights[conv.weight.0];
    let (name, data) = (format!("{} (transposed)", weight.name), transpose(&weight.data, [ip, op], turned));
    g.weight(&name, data)
}
