//! Reverse-mode differentiation (Linnainmaa 1970) as a graph transformation: gradient nodes appended to a graph. They are ops
//! like all others, so they are planned, run and timed like all others, on any device.
mod rules;
#[cfg(test)]
mod tests;

use super::{Graph, Node, NodeId, Pass, StateId};
use crate::kernels::{Op, WeightId};
use crate::{Error, Result};
use std::collections::HashMap;

/// What a gradient is taken with respect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrt {
    /// A node's value: an input or anything computed from one.
    Node(NodeId),
    /// A state's content, wherever its section reads it. Of a state that is trained (see [`crate::kernels::adam::Adam`]) the
    /// gradient covers the parameters, the first third of its rows, and not Adam's moments behind them.
    State(StateId),
    /// A weight of a network, wherever nodes use it: (1,rows,columns,C) of the values as they are packed.
    Weight(WeightId),
}

impl From<NodeId> for Wrt {
    fn from(node: NodeId) -> Self {
        Wrt::Node(node)
    }
}
impl From<StateId> for Wrt {
    fn from(state: StateId) -> Self {
        Wrt::State(state)
    }
}

impl From<WeightId> for Wrt {
    fn from(weight: WeightId) -> Self {
        Wrt::Weight(weight)
    }
}

impl Wrt {
    /// Whether it is what this node stands for or, of a weight, whether this node uses it.
    fn is(self, id: NodeId, node: &Node) -> bool {
        match self {
            Wrt::Node(n) => n == id,
            Wrt::State(s) => matches!(node.op, Op::Read(r) if r == s.0),
            Wrt::Weight(w) => node.op.kernel().is_some_and(|k| k.weights().contains(&w)),
        }
    }
    fn name(self, g: &Graph) -> Option<&str> {
        match self {
            Wrt::Node(n) => g.nodes.get(n.0).map(|n| &n.name[..]),
            Wrt::State(s) => g.states.get(s.0).map(|s| &s.name[..]),
            Wrt::Weight(w) => g.weights.get(w.0).map(|w| &w.name[..]),
        }
    }
}

/// The gradients of a scalar L with respect to each of `wrt`, in its order, given a node `of.0` that L was made of and L's gradient
/// `of.1` at that node; the new nodes belong to the current section, which must be that of `of`. With any v for `of.1` they
/// are the vector-Jacobian products vᵀ·∂of/∂wrt. A state that is read more than once gets the sum. Nodes that depend on none of
/// `wrt` are not differentiated, and need no rule.
/// # Errors
/// [`Error::Graph`] with the node's name for an op that has no rule, for a gradient of another shape than its node, and for a
/// `wrt` on which the node does not depend.
pub fn gradients(g: &mut Graph, of: (NodeId, NodeId), wrt: &[Wrt]) -> Result<Vec<NodeId>> {
    let (output, gradient) = of;
    let (shape, given) = (g.shape(output), g.shape(gradient));
    if shape != given {
        return Err(Error::graph(&g.nodes[output.0].name, format!("is {shape}, but its gradient {given}")));
    }
    let needed = dependent(g, output, wrt);
    let mut flows: HashMap<Wrt, NodeId> = HashMap::new();
    if needed[output.0] {
        flows.insert(output.into(), gradient);
    }
    let first = g.nodes.len();
    for id in (0..=output.0).rev().map(NodeId) {
        let Some(&dy) = flows.get(&id.into()) else { continue };
        let node = g.nodes[id.0].clone();
        let weighs = wrt.iter().any(|w| matches!(w, Wrt::Weight(_)) && w.is(id, &node));
        if weighs || node.inputs.iter().any(|i| needed[i.0]) {
            rules::rule(&mut Backward { g, id, node: &node, needed: &needed, wrt, flows: &mut flows }, dy)?;
        }
    }
    let found = wrt.iter().map(|&w| collect(g, &flows, output, w)).collect();
    g.passes.push(Pass { output, nodes: first..g.nodes.len() });
    found
}

/// Which nodes up to the output depend on one of `wrt`, or are one.
fn dependent(g: &Graph, output: NodeId, wrt: &[Wrt]) -> Vec<bool> {
    let mut needed: Vec<bool> = Vec::with_capacity(output.0 + 1);
    let section = g.nodes[output.0].section;
    for (i, node) in g.nodes[..=output.0].iter().enumerate() {
        let itself = wrt.iter().any(|w| w.is(NodeId(i), node));
        needed.push(node.section == section && (itself || node.inputs.iter().any(|n| needed[n.0])));
    }
    needed
}

/// The gradient that has arrived at one of `wrt`: at the node or the weight, or at all the nodes that read the state.
fn collect(g: &mut Graph, flows: &HashMap<Wrt, NodeId>, output: NodeId, wrt: Wrt) -> Result<NodeId> {
    let name = wrt.name(g).unwrap_or("an unknown node or state").to_owned();
    let places: Vec<Wrt> = match wrt {
        Wrt::State(_) => {
            let nodes = g.nodes[..=output.0].iter().enumerate().filter(|(i, n)| wrt.is(NodeId(*i), n));
            nodes.map(|(i, _)| NodeId(i).into()).collect()
        }
        Wrt::Node(_) | Wrt::Weight(_) => vec![wrt],
    };
    let mut found = places.iter().filter_map(|place| flows.get(place).copied());
    let Some(first) = found.next() else {
        return Err(Error::graph(&g.nodes[output.0].name, format!("does not depend on `{name}`")));
    };
    found.try_fold(first, |sum, more| g.add(&format!("{name} (gradient)"), sum, more))
}

/// A node whose gradient is known, and where the gradients of its inputs and weights go: what a rule works on.
struct Backward<'a> {
    g: &'a mut Graph,
    id: NodeId,
    node: &'a Node,
    needed: &'a [bool],
    wrt: &'a [Wrt],
    flows: &'a mut HashMap<Wrt, NodeId>,
}

impl Backward<'_> {
    /// Adds to an input's gradient what `make` appends, which is given the graph and a name for its nodes. `make` is not called
    /// for an input that no gradient depends on.
    fn input(&mut self, i: usize, make: impl FnOnce(&mut Graph, &str) -> Result<NodeId>) -> Result<()> {
        self.node(self.node.inputs[i], make)
    }
    /// The same for any node before this one.
    fn node(&mut self, to: NodeId, make: impl FnOnce(&mut Graph, &str) -> Result<NodeId>) -> Result<()> {
        if !self.needed[to.0] {
            return Ok(());
        }
        let name = format!("{} (gradient by {})", self.node.name, self.g.nodes[to.0].name);
        self.add(to.into(), &name, make)
    }
    /// The same for a weight.
    fn weight(&mut self, id: WeightId, make: impl FnOnce(&mut Graph, &str) -> Result<NodeId>) -> Result<()> {
        if !self.wants(id) {
            return Ok(());
        }
        let name = format!("{} (gradient by {})", self.node.name, self.g.weights[id.0].name);
        self.add(id.into(), &name, make)
    }
    /// Whether this weight's gradient is asked for.
    fn wants(&self, id: WeightId) -> bool {
        self.wrt.contains(&id.into())
    }
    fn add(&mut self, to: Wrt, name: &str, make: impl FnOnce(&mut Graph, &str) -> Result<NodeId>) -> Result<()> {
        let more = make(self.g, name)?;
        let sum = match self.flows.get(&to) {
            Some(&already) => self.g.add(name, already, more)?,
            None => more,
        };
        self.flows.insert(to, sum);
        Ok(())
    }
}
