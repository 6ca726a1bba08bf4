//! Recomputation (Griewank and Walther 2000, "Revolve"; Chen et al. 2016, "Training deep nets with sublinear memory cost"): a
//! backward pass that would keep too many values of its forward pass computes them again instead. The forward pass is cut into
//! parts of about the same size; what crosses from part to part is kept, and before the backward pass comes to a part, the
//! nodes of this part that it reads are computed once more. The values are the same to the last bit.
use super::{Graph, Node, NodeId, Plan};
use crate::kernels::Op;
use std::collections::HashMap;
use std::ops::Range;

/// What one call of [`super::gradients`] has appended to a graph.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The node that is differentiated: its ancestors are the forward pass.
    pub output: NodeId,
    /// The nodes of the backward pass.
    pub nodes: Range<usize>,
}

/// The numbers of parts that are tried, in this order.
const PARTS: [usize; 11] = [2, 3, 4, 6, 8, 11, 16, 22, 32, 45, 64];

/// A value this much smaller than the largest of its forward pass is kept: it is hardly worth a launch.
const SMALL: usize = 256;

/// The graph as `optimise` makes it, with as few values computed twice as [`Graph::memory`] allows; where no number of parts
/// fits, the one that takes the least memory.
pub(crate) fn within_memory(graph: &Graph, mut optimise: impl FnMut(&Graph) -> Graph) -> Graph {
    let mut best = optimise(graph);
    let Some(memory) = graph.memory.filter(|_| !graph.passes.is_empty()) else { return best };
    let mut least = Plan::new(&best).bytes();
    for parts in PARTS {
        if least <= memory {
            break;
        }
        let tried = optimise(&recompute(graph, parts));
        let bytes = Plan::new(&tried).bytes();
        if bytes < least {
            (best, least) = (tried, bytes);
        }
    }
    if least > memory {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        tracing::warn!("the values take {} MiB at least, more than the {} MiB allowed", mib(least), mib(memory));
    }
    best
}

/// The graph with every backward pass recomputing its forward pass in `parts` parts. Node ids change; states, sections and
/// weights do not.
pub(super) fn recompute(graph: &Graph, parts: usize) -> Graph {
    let mut out = Graph { nodes: Vec::new(), writes: Vec::new(), passes: Vec::new(), ..graph.clone() };
    let mut passes: Vec<Forward> = graph.passes.iter().map(|p| Forward::new(graph, p, parts)).collect();
    let mut ids: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    for (i, node) in graph.nodes.iter().enumerate() {
        let within = graph.passes.iter().position(|p| p.nodes.contains(&i));
        let inputs = node.inputs.iter().map(|&n| match within {
            Some(p) => passes[p].value(&mut out, &ids, n),
            None => ids[n.0],
        });
        let inputs = inputs.collect();
        out.nodes.push(Node { inputs, ..node.clone() });
        ids.push(NodeId(out.nodes.len() - 1));
    }
    out.writes = graph.writes.iter().map(|&(n, s)| (ids[n.0], s)).collect();
    out
}

/// A forward pass in parts, while its backward pass is written.
struct Forward<'a> {
    graph: &'a Graph,
    /// The part of each node whose value may be computed again; of no other.
    part: HashMap<usize, usize>,
    /// Those of them that the backward pass needs, by part, in order.
    again: Vec<Vec<usize>>,
    /// What computes them again, once written.
    copies: HashMap<usize, NodeId>,
}

impl<'a> Forward<'a> {
    fn new(graph: &'a Graph, pass: &Pass, parts: usize) -> Self {
        let before = super::plan::reachable(graph, std::iter::once(pass.output));
        let nodes: Vec<usize> = (0..pass.nodes.start).filter(|&i| before[i]).collect();
        let size = |i: usize| graph.nodes[i].shape.padded_len();
        let (total, largest) = (nodes.iter().map(|&i| size(i)).sum::<usize>(), nodes.iter().map(|&i| size(i)).max());
        let mut part = HashMap::new();
        let mut sum = 0;
        for &i in &nodes {
            part.insert(i, (sum * parts / total.max(1)).min(parts - 1));
            sum += size(i);
        }
        // What is not computed again: what crosses into a later part, the last part, states and what is small.
        let crossing = nodes.iter().flat_map(|&i| graph.nodes[i].inputs.iter().map(move |n| (i, n.0)));
        let kept: Vec<usize> = crossing.filter(|(i, n)| part[i] != part[n]).map(|(_, n)| n).collect();
        for n in kept {
            part.remove(&n);
        }
        let small = largest.unwrap_or(0) / SMALL;
        part.retain(|&i, p| *p + 1 < parts && size(i) > small && !matches!(graph.nodes[i].op, Op::Read(_)));
        let mut again = vec![Vec::new(); parts];
        let mut wanted = vec![false; graph.nodes.len()];
        let read = graph.nodes[pass.nodes.clone()].iter().flat_map(|n| &n.inputs);
        read.for_each(|n| wanted[n.0] = true);
        for &i in nodes.iter().rev().filter(|i| part.contains_key(i)) {
            if wanted[i] {
                graph.nodes[i].inputs.iter().for_each(|n| wanted[n.0] = true);
                again[part[&i]].push(i);
            }
        }
        again.iter_mut().for_each(|nodes| nodes.reverse());
        Forward { graph, part, again, copies: HashMap::new() }
    }
    /// The node that holds a value for the backward pass: the copy, with which its whole part is written, or the value itself.
    fn value(&mut self, out: &mut Graph, ids: &[NodeId], n: NodeId) -> NodeId {
        let Some(&part) = self.part.get(&n.0) else { return ids[n.0] };
        for i in std::mem::take(&mut self.again[part]) {
            let node = &self.graph.nodes[i];
            let inputs = node.inputs.iter().map(|n| self.copies.get(&n.0).copied().unwrap_or(ids[n.0])).collect();
            out.nodes.push(Node { name: format!("{} (again)", node.name), inputs, ..node.clone() });
            self.copies.insert(i, NodeId(out.nodes.len() - 1));
        }
        self.copies.get(&n.0).copied().unwrap_or(ids[n.0])
    }
}

#[cfg(test)]
mod tests;
