//! Fusion: what comes before a convolution moves into its loads, what comes after into its store.
use super::{Graph, NodeId};
use crate::kernels::{Op, conv::Conv, pointwise::Activation};

/// Which fusions to make; all by default, none for the tests that compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fusion {
    /// Every fusion that applies.
    Full,
    /// The graph as it was built.
    None,
}

/// The graph with its fusable neighbours merged into convolutions. Node ids change; states, sections and weights do not.
pub fn fuse(graph: &Graph, fusion: Fusion) -> Graph {
    let mut g = graph.clone();
    if fusion == Fusion::None {
        return g;
    }
    for i in 0..g.nodes.len() {
        if matches!(g.nodes[i].op, Op::Conv(_)) {
            while absorb_before(&mut g, i) {}
        }
    }
    for i in 0..g.nodes.len() {
        absorb_after(&mut g, i);
    }
    g
}

/// One step of moving x's producer into the convolution at `i`.
fn absorb_before(g: &mut Graph, i: usize) -> bool {
    let x = g.nodes[i].inputs[0].0;
    let from = g.nodes[x].clone();
    let inputs = &mut g.nodes[i].inputs.clone();
    let Op::Conv(conv) = &mut g.nodes[i].op else { return false };
    match from.op {
        // Doubling commutes with a pointwise map, so it may be absorbed before the affine but not after it.
        Op::Upsample(_) if !conv.upsample && !conv.affine && conv.act == Activation::Identity => {
            conv.upsample = true;
            inputs[0] = from.inputs[0];
        }
        Op::Affine(a) if !conv.affine && conv.act == Activation::Identity => {
            conv.affine = true;
            conv.act = a.act;
            inputs[0] = from.inputs[0];
            inputs.insert(1, from.inputs[1]);
        }
        Op::Map(m) if !conv.affine && conv.act == Activation::Identity && m.scale == 1.0 && m.shift == 0.0 => {
            conv.act = m.act;
            inputs[0] = from.inputs[0];
        }
        _ => return false,
    }
    g.nodes[i].inputs = inputs.clone();
    true
}

/// Turns an addition or a scaling at `i` into its convolution's epilogue, when the convolution has no other reader. The
/// convolution moves to `i`, where all of its inputs are known.
fn absorb_after(g: &mut Graph, i: usize) {
    let node = g.nodes[i].clone();
    let conv_at = |g: &Graph, n: NodeId| match &g.nodes[n.0].op {
        Op::Conv(c) if readers(g, n) == 1 => Some(c.clone()),
        _ => None,
    };
    let merged: Option<(NodeId, Conv, Option<NodeId>)> = match (&node.op, &node.inputs[..]) {
        (Op::Add(_), &[a, b]) if g.shape(b) != g.shape(a) => conv_at(g, a)
            .filter(|c| !c.per_sample && !c.residual && c.scale == 1.0)
            .map(|c| (a, Conv { per_sample: true, ..c }, Some(b))),
        (Op::Add(_), &[a, b]) => [(a, b), (b, a)].into_iter().find_map(|(n, other)| {
            let c = conv_at(g, n).filter(|c| !c.residual && c.scale == 1.0)?;
            (n != other).then_some((n, Conv { residual: true, ..c }, Some(other)))
        }),
        (Op::Map(m), &[a]) if m.act == Activation::Identity && m.shift == 0.0 => {
            conv_at(g, a).map(|c| (a, Conv { scale: c.scale * m.scale, ..c }, None))
        }
        _ => None,
    };
    if let Some((from, conv, extra)) = merged {
        let mut inputs = g.nodes[from.0].inputs.clone();
        inputs.extend(extra);
        let name = g.nodes[from.0].name.clone();
        g.nodes[i] = super::Node { name, op: Op::Conv(conv), inputs, ..node };
    }
}

/// How many nodes and states take this node's value.
fn readers(g: &Graph, n: NodeId) -> usize {
    let live = super::plan::reachable(g, g.writes.iter().map(|w| w.0));
    let nodes = g.nodes.iter().zip(&live).filter(|(_, live)| **live).flat_map(|(m, _)| &m.inputs);
    nodes.filter(|&&m| m == n).count() + g.writes.iter().filter(|w| w.0 == n).count()
}
