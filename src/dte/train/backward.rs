//! Reverse-mode differentiation (Linnainmaa 1970) of what networks are trained of: gradient nodes appended to a graph.
use crate::graph::{Graph, NodeId, StateId};
use crate::kernels::Op;
use crate::kernels::batch_norm::BatchNorm;
use crate::kernels::dense::{Dense, Way};
use crate::kernels::dropout::ActGradient;
use crate::kernels::pointwise::Activation;
use crate::{Error, Result};
use std::collections::HashMap;

/// Gradients with respect to all parameter states that `output` was made from, given the loss's gradient at it, all in the current
/// section. A state that is read more than once comes once for each time.
/// # Errors
/// [`Error::Graph`] for a node whose op has no gradient here, or two shapes added.
pub(super) fn backward(g: &mut Graph, output: NodeId, gradient: NodeId) -> Result<Vec<(StateId, NodeId)>> {
    let mut flows: HashMap<NodeId, NodeId> = HashMap::from([(output, gradient)]);
    let mut found = Vec::new();
    for id in (0..=output.0).rev().map(NodeId) {
        let Some(dy) = flows.remove(&id) else { continue };
        let node = g.nodes[id.0].clone();
        let name = format!("{} (gradient)", node.name);
        let weights = format!("{} (gradient of weights)", node.name);
        let back: Vec<(NodeId, NodeId)> = match (&node.op, &node.inputs[..]) {
            (Op::Dense(_), &[x, p]) => {
                found.push((state(g, p)?, g.push(&weights, Op::Dense(Dense { way: Way::Weight }), &[x, dy])?));
                vec![(x, g.push(&name, Op::Dense(Dense { way: Way::Input }), &[dy, p])?)]
            }
            (Op::BatchNorm(_), &[x, p]) => {
                found.push((state(g, p)?, g.push(&weights, Op::BatchNorm(BatchNorm::Weight), &[x, dy])?));
                vec![(x, g.push(&name, Op::BatchNorm(BatchNorm::Input), &[x, dy, p])?)]
            }
            (Op::Map(m), &[x]) if m.scale == 1.0 => {
                let op = match m.act {
                    Activation::Relu => ActGradient::Relu,
                    Activation::Silu => ActGradient::Silu,
                    _ => return Err(no_gradient(&node.name)),
                };
                vec![(x, g.push(&name, Op::ActGradient(op), &[dy, x])?)]
            }
            (op @ Op::Dropout(_), &[x]) => vec![(x, g.push(&name, op.clone(), &[dy])?)],
            (Op::Add(_), &[a, b]) if g.shape(a) == g.shape(b) => vec![(a, dy), (b, dy)],
            // Data and what is drawn.
            (Op::Read(_) | Op::Gather(_) | Op::Diffuse(_) | Op::TimeEmbedding(_), _) => Vec::new(),
            _ => return Err(no_gradient(&node.name)),
        };
        for (to, more) in back {
            let sum = match flows.get(&to) {
                Some(&already) => g.add(&name, already, more)?,
                None => more,
            };
            flows.insert(to, sum);
        }
    }
    Ok(found)
}

fn no_gradient(name: &str) -> Error {
    Error::graph(name, "has no gradient")
}

fn state(g: &Graph, parameter: NodeId) -> Result<StateId> {
    match g.nodes[parameter.0].op {
        Op::Read(state) => Ok(StateId(state)),
        _ => Err(no_gradient(&g.nodes[parameter.0].name)),
    }
}
