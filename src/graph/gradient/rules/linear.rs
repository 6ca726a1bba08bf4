//! Linear layers on one vector a sample.
use super::{times_slope, total};
use crate::graph::NodeId;
use crate::graph::gradient::Backward;
use crate::kernels::conv::transpose;
use crate::kernels::conv_gradient::ConvGradient;
use crate::kernels::linear::Linear;
use crate::kernels::pointwise::Activation;
use crate::kernels::sample_sum::SampleSum;
use crate::{Error, Result};

/// y = post(W·pre(x) + b). What `post` is given is computed once more, since the graph does not hold it.
pub(super) fn rule(b: &mut Backward, linear: &Linear, x: NodeId, dy: NodeId) -> Result<()> {
    if !linear.pre.has_slope() || !linear.post.has_slope() {
        return Err(Error::graph(&b.node.name, format!("{:?} or {:?} has no slope", linear.pre, linear.post)));
    }
    let name = format!("{} (gradient)", b.node.name);
    let inside = match linear.post {
        Activation::Identity => dy,
        post => {
            let before = b.g.push(&name, Linear { post: Activation::Identity, ..linear.clone() }, &[x])?;
            times_slope(b.g, &name, dy, before, post)?
        }
    };
    let cin = b.g.shape(x).c;
    b.input(0, |g, name| {
        let sizes = [cin, linear.cout].map(|c| c.next_multiple_of(4));
        let weight = &g.weights[linear.weight.0];
        let (title, data) = (format!("{} (transposed)", weight.name), transpose(&weight.data, sizes, false));
        let weight = g.weight(&title, data);
        let identity = Activation::Identity;
        let op = Linear { cout: cin, weight, bias: None, pre: identity, post: identity };
        let dx = g.push(name, op, &[inside])?;
        times_slope(g, name, dx, x, linear.pre)
    })?;
    b.weight(linear.weight, |g, name| {
        let from = if linear.pre == Activation::Identity { x } else { g.map(name, x, linear.pre, 1.0, 0.0)? };
        let parts = g.push(name, ConvGradient { kernel: [1, 1], stride: 1, pad: [0, 0] }, &[from, inside])?;
        if g.shape(parts).n > 1 { g.push(name, SampleSum, &[parts]) } else { Ok(parts) }
    })?;
    match linear.bias {
        Some(bias) => b.weight(bias, |g, name| total(g, name, inside)),
        None => Ok(()),
    }
}
