//! Graphs with static shapes. A graph has *states* (named buffers that outlive a launch) and *sections* (lists of
//! nodes that are run as a whole: what comes before the denoising loop, its body, what comes after). Nodes of one
//! section see each other; sections see each other only through states.
mod build;
mod fuse;
mod gradient;
mod lower;
mod plan;
mod recompute;
#[cfg(test)]
mod state_tests;

pub use build::ConvSpec;
pub use fuse::{Fusion, fuse};
pub use gradient::{Wrt, gradients};
pub(crate) use lower::{Transformed, lower_cpu_with, lower_with};
pub use lower::{lower, lower_cpu, lower_for};
pub use plan::{Launch, Plan, Slot};
pub use recompute::Pass;
pub(crate) use recompute::within_memory;

use crate::kernels::{Io, Op, WeightId};
use crate::{Error, Result, Shape};

/// A node's index in [`Graph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub usize);

/// A state's index in [`Graph::states`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateId(pub usize);

/// A section's index in [`Graph::sections`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SectionId(pub usize);

/// One operation on earlier nodes of its section.
#[derive(Clone, Debug)]
pub struct Node {
    /// A name for messages and profiles: the checkpoint's key where there is one.
    pub name: String,
    /// What it does.
    pub op: Op,
    /// Its inputs.
    pub inputs: Vec<NodeId>,
    /// The shape of its output.
    pub shape: Shape,
    /// The section it belongs to.
    pub section: SectionId,
}

/// A buffer that keeps its content between launches: inputs, outputs and what the loop carries.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name, for uploads and read-backs.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
}

/// A constant tensor in the layout that its kernel wants.
#[derive(Clone, Debug)]
pub struct Weight {
    /// The checkpoint's key.
    pub name: String,
    /// Packed values.
    pub data: std::sync::Arc<[f32]>,
}

/// States, sections, nodes and weights.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// All nodes, every one after its inputs.
    pub nodes: Vec<Node>,
    /// All states.
    pub states: Vec<State>,
    /// Names of the sections.
    pub sections: Vec<String>,
    /// What a section writes into states when its nodes are done.
    pub writes: Vec<(NodeId, StateId)>,
    /// All weights.
    pub weights: Vec<Weight>,
    /// The backward passes that [`gradients`] has appended, in their order.
    pub passes: Vec<Pass>,
    /// The most bytes that the values may take when the graph is planned: where backward passes would keep more, they compute
    /// values of their forward passes again. Without it they keep everything.
    pub memory: Option<u64>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }
    /// Adds a state.
    pub fn state(&mut self, name: &str, shape: Shape) -> StateId {
        self.states.push(State { name: name.to_owned(), shape });
        StateId(self.states.len() - 1)
    }
    /// Begins a section; nodes added from now on belong to it.
    pub fn section(&mut self, name: &str) -> SectionId {
        self.sections.push(name.to_owned());
        SectionId(self.sections.len() - 1)
    }
    /// Adds a weight that is already packed; its length must be a multiple of four. One of the same name and values that is there
    /// already is taken instead, so that a network that is built into several sections is held once.
    pub fn weight(&mut self, name: &str, data: Vec<f32>) -> WeightId {
        debug_assert_eq!(data.len() % 4, 0, "{name} is not padded");
        if let Some(there) = self.weights.iter().position(|w| w.name == name && *w.data == *data) {
            return WeightId(there);
        }
        self.weights.push(Weight { name: name.to_owned(), data: data.into() });
        WeightId(self.weights.len() - 1)
    }
    /// The state's content as a node of the current section.
    pub fn read(&mut self, state: StateId) -> NodeId {
        let State { name, shape } = self.states[state.0].clone();
        self.insert(name, Op::Read(state.0), Vec::new(), shape)
    }
    /// At the end of the current section, the node's value goes into the state. All states of a section are written at once: a
    /// node that reads a state has the value from before, whichever state it is written to.
    /// # Errors
    /// When the shapes differ, the node belongs to another section than the current one, or this section writes the state
    /// already.
    pub fn write(&mut self, state: StateId, node: NodeId) -> Result<()> {
        let (have, want) = (self.nodes[node.0].shape, self.states[state.0].shape);
        let refused = |fault: String| Err(Error::graph(&self.states[state.0].name, fault));
        if have != want {
            return refused(format!("holds {want}, but is given {have}"));
        }
        let (of, section) = (&self.nodes[node.0], SectionId(self.sections.len().saturating_sub(1)));
        if of.section != section {
            return refused(format!("is given `{}`, which belongs to another section", of.name));
        }
        let again = self.writes.iter().any(|&(n, s)| s == state && self.nodes[n.0].section == section);
        if again {
            return refused(format!("is written a second time by the section `{}`", self.sections[section.0]));
        }
        self.writes.push((node, state));
        Ok(())
    }
    /// Adds a node, of a kernel or an op, and infers its shape.
    /// # Errors
    /// [`Error::Graph`] with the node's name and the shapes when the inputs do not fit.
    pub fn push(&mut self, name: &str, op: impl Into<Op>, inputs: &[NodeId]) -> Result<NodeId> {
        let op = op.into();
        let shapes: Vec<_> = inputs.iter().map(|i| self.nodes[i.0].shape).collect();
        let section = self.current();
        if let Some(i) = inputs.iter().find(|i| self.nodes[i.0].section != section) {
            return Err(Error::graph(name, format!("its input `{}` belongs to another section", self.nodes[i.0].name)));
        }
        let kernel = op.kernel().ok_or_else(|| Error::graph(name, "states are read by Graph::read"))?;
        let shape = kernel.output(&shapes).map_err(|f| Error::graph(name, f))?;
        if shape.is_empty() {
            return Err(Error::graph(name, format!("has an empty output {shape}")));
        }
        Ok(self.insert(name.to_owned(), op, inputs.to_vec(), shape))
    }
    /// The shape of a node.
    pub fn shape(&self, node: NodeId) -> Shape {
        self.nodes[node.0].shape
    }
    /// The shapes that a node's kernel works on.
    pub fn io(&self, node: &Node) -> Io {
        Io { inputs: node.inputs.iter().map(|i| self.nodes[i.0].shape).collect(), output: node.shape }
    }
    /// Floating-point operations of one run of a section.
    pub fn flops(&self, section: SectionId) -> u64 {
        let nodes = self.nodes.iter().filter(|n| n.section == section);
        nodes.filter_map(|n| n.op.kernel().map(|k| k.flops(&self.io(n)))).sum()
    }
    fn current(&mut self) -> SectionId {
        if self.sections.is_empty() {
            self.section("main");
        }
        SectionId(self.sections.len() - 1)
    }
    fn insert(&mut self, name: String, op: Op, inputs: Vec<NodeId>, shape: Shape) -> NodeId {
        let section = self.current();
        self.nodes.push(Node { name, op, inputs, shape, section });
        NodeId(self.nodes.len() - 1)
    }
}
