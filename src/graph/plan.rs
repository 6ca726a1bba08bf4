//! From a graph to a flat list of launches with places in memory.
//!
//! A wgpu buffer cannot be read and written in one dispatch, so activations live in a few arenas ("colours") and no
//! launch writes into an arena that it reads. Every state has an arena of its own. A kernel that updates its output works on
//! the state itself, at its place in the order of nodes: what reads the state is to come before it. Other values go into
//! states at the end of a section, as if all at once.
use super::{Graph, NodeId, SectionId, StateId};
use crate::Shape;
use crate::kernels::{Io, Op, WeightId, pointwise::Map};
use std::collections::BTreeSet;

/// A place in memory, in f32 elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Arena: states first, in their order, then the colours.
    pub arena: usize,
    /// First element, a multiple of 64 (256 bytes, WebGPU's default alignment).
    pub offset: usize,
    /// Number of elements.
    pub len: usize,
}

/// Alignment of a slot in elements: 256 bytes, WebGPU's default for storage offsets.
pub const ALIGN: usize = 64;

/// The most elements a colour may hold: 128 MiB, WebGPU's default binding size; a value that needs more has its own.
pub const ARENA_MAX: usize = 128 * 1024 * 1024 / 4;

/// One kernel on its slots.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The node's name.
    pub name: String,
    /// The kernel.
    pub op: Op,
    /// Its shapes.
    pub io: Io,
    /// Where its inputs lie.
    pub inputs: Vec<Slot>,
    /// Where its output goes.
    pub output: Slot,
    /// Its weights, in binding order.
    pub weights: Vec<WeightId>,
}

impl Launch {
    /// The kernel with its tile: `conv_gemm_64x64_f32`.
    pub fn kernel(&self) -> String {
        self.op.kernel().map_or_else(String::new, |k| k.shader(&self.io).label)
    }
}

/// Launches by section, and the sizes of the arenas.
#[derive(Clone, Debug)]
pub struct Plan {
    /// One list for each section.
    pub sections: Vec<Vec<Launch>>,
    /// Elements of each arena: the states, then the colours.
    pub arenas: Vec<usize>,
    /// Elements of each state, alignment not counted.
    pub state_lens: Vec<usize>,
    /// How many of the arenas are states.
    pub states: usize,
}

/// The blocks in use of one colour: (offset, length, node).
#[derive(Default)]
struct Colour {
    blocks: Vec<(usize, usize, usize)>,
    peak: usize,
}

impl Colour {
    /// The lowest offset with room for `len`.
    fn place(&self, len: usize) -> usize {
        let mut at = 0;
        for &(offset, size, _) in &self.blocks {
            if at + len <= offset {
                break;
            }
            at = at.max(offset + size);
        }
        at
    }
}

impl Plan {
    /// Plans every section. Colours are shared by the sections, which never run at the same time.
    pub fn new(graph: &Graph) -> Plan {
        let states = graph.states.len();
        let mut sizes: Vec<usize> = Vec::new();
        let sections =
            (0..graph.sections.len()).map(|s| plan_section(graph, SectionId(s), states, &mut sizes)).collect();
        let state_sizes = graph.states.iter().map(|s| s.shape.padded_len().next_multiple_of(ALIGN));
        let state_lens = graph.states.iter().map(|s| s.shape.padded_len()).collect();
        Plan { sections, arenas: state_sizes.chain(sizes).collect(), state_lens, states }
    }
    /// Elements of a state, its alignment not counted.
    pub fn states_len(&self, state: StateId) -> usize {
        self.state_lens[state.0]
    }
    /// The weights that launches read; those that another form has replaced are not among them.
    pub fn weights(&self) -> BTreeSet<WeightId> {
        self.sections.iter().flatten().flat_map(|launch| launch.weights.iter().copied()).collect()
    }
    /// Bytes of all arenas.
    pub fn bytes(&self) -> u64 {
        4 * self.arenas.iter().map(|&a| a as u64).sum::<u64>()
    }
}

fn plan_section(graph: &Graph, section: SectionId, states: usize, sizes: &mut Vec<usize>) -> Vec<Launch> {
    let writes: Vec<_> = graph.writes.iter().filter(|(n, _)| graph.nodes[n.0].section == section).collect();
    let needed = reachable(graph, writes.iter().map(|w| w.0));
    let order: Vec<usize> =
        (0..graph.nodes.len()).filter(|&i| needed[i] && graph.nodes[i].section == section).collect();
    let mut last_use = vec![0usize; graph.nodes.len()];
    for &i in &order {
        graph.nodes[i].inputs.iter().for_each(|n| last_use[n.0] = i);
    }
    writes.iter().for_each(|w| last_use[w.0.0] = usize::MAX);

    let mut slots: Vec<Option<Slot>> = vec![None; graph.nodes.len()];
    let mut colours: Vec<Colour> = Vec::new();
    let mut launches = Vec::new();
    let mut kept: Vec<(NodeId, Slot)> = Vec::new();
    for &n in overwritten(graph, &writes).iter() {
        // What this state held goes into another one while this one is overwritten, so it is put aside first.
        let (node, len) = (&graph.nodes[n.0], graph.nodes[n.0].shape.padded_len());
        let Op::Read(state) = node.op else { continue };
        let aside = allocate(&mut colours, states, &[], len, n.0);
        launches.push(copy(&node.name, node.shape, Slot { arena: state, offset: 0, len }, aside));
        kept.push((n, aside));
    }
    for &i in &order {
        let node = &graph.nodes[i];
        let len = node.shape.padded_len();
        if let Op::Read(state) = node.op {
            slots[i] = Some(Slot { arena: state, offset: 0, len });
            continue;
        }
        let inputs: Vec<Slot> = node.inputs.iter().filter_map(|n| slots[n.0]).collect();
        let own = node.op.kernel().filter(|k| k.updates());
        let own = own.and_then(|_| writes.iter().find(|w| w.0.0 == i)).map(|w| Slot { arena: w.1.0, offset: 0, len });
        let taken: Vec<usize> = inputs.iter().map(|s| s.arena).collect();
        let output = own.unwrap_or_else(|| allocate(&mut colours, states, &taken, len, i));
        slots[i] = Some(output);
        let weights = node.op.kernel().map(|k| k.weights()).unwrap_or_default();
        launches.push(Launch {
            name: node.name.clone(),
            op: node.op.clone(),
            io: graph.io(node),
            inputs,
            output,
            weights,
        });
        for c in &mut colours {
            c.blocks.retain(|&(_, _, n)| last_use[n] > i);
        }
    }
    for (node, state) in writes {
        let aside = kept.iter().find(|k| k.0 == *node).map(|k| k.1);
        let Some(from) = aside.or(slots[node.0]) else { continue };
        let output = Slot { arena: state.0, offset: 0, len: from.len };
        if from != output {
            launches.push(copy(&graph.states[state.0].name, graph.nodes[node.0].shape, from, output));
        }
    }
    for (c, colour) in colours.iter().enumerate() {
        if c == sizes.len() {
            sizes.push(0);
        }
        sizes[c] = sizes[c].max(colour.peak.next_multiple_of(ALIGN));
    }
    launches
}

/// The nodes that read one state and are written into another, where the section writes the state that they read as well.
fn overwritten(graph: &Graph, writes: &[&(NodeId, StateId)]) -> BTreeSet<NodeId> {
    let written = |state: usize| writes.iter().any(|w| w.1.0 == state);
    let reads = writes.iter().filter(|w| match graph.nodes[w.0.0].op {
        Op::Read(state) => state != w.1.0 && written(state),
        _ => false,
    });
    reads.map(|w| w.0).collect()
}

fn copy(name: &str, shape: Shape, from: Slot, output: Slot) -> Launch {
    let io = Io { inputs: vec![shape], output: shape };
    Launch { name: name.to_owned(), op: Op::Map(Map::COPY), io, inputs: vec![from], output, weights: Vec::new() }
}

/// The colour that grows least among those the launch does not read; a new one when none fits.
fn allocate(colours: &mut Vec<Colour>, states: usize, taken: &[usize], len: usize, node: usize) -> Slot {
    let size = len.next_multiple_of(ALIGN);
    let best = (0..colours.len())
        .filter(|c| !taken.contains(&(states + c)))
        .map(|c| (colours[c].place(size), c))
        .filter(|(at, _)| at + size <= ARENA_MAX)
        .min_by_key(|&(at, c)| ((at + size).saturating_sub(colours[c].peak), at));
    let (offset, c) = best.unwrap_or_else(|| {
        colours.push(Colour::default());
        (0, colours.len() - 1)
    });
    let colour = &mut colours[c];
    let index = colour.blocks.partition_point(|&(o, _, _)| o < offset);
    colour.blocks.insert(index, (offset, size, node));
    colour.peak = colour.peak.max(offset + size);
    Slot { arena: states + c, offset, len }
}

/// Nodes that some output needs.
pub(super) fn reachable(graph: &Graph, from: impl Iterator<Item = NodeId>) -> Vec<bool> {
    let mut needed = vec![false; graph.nodes.len()];
    let mut stack: Vec<NodeId> = from.collect();
    while let Some(n) = stack.pop() {
        if !std::mem::replace(&mut needed[n.0], true) {
            stack.extend(&graph.nodes[n.0].inputs);
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::pointwise::Add;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn random_graphs_never_alias(picks in prop::collection::vec((0usize..1000, 0usize..1000, any::<bool>()), 1..60), outs in prop::collection::vec(0usize..1000, 1..4)) {
            let shape = Shape::new(1, 5, 3, 7);
            let mut g = Graph::new();
            let x = g.state("x", shape);
            let results: Vec<_> = (0..outs.len()).map(|i| g.state(&format!("y{i}"), shape)).collect();
            g.section("main");
            let mut nodes = vec![g.read(x)];
            for (a, b, unary) in picks {
                let (a, b) = (nodes[a % nodes.len()], nodes[b % nodes.len()]);
                let op = if unary { Op::Map(Map::COPY) } else { Op::Add(Add) };
                let both = [a, b];
                nodes.push(g.push("n", op, &both[..if unary { 1 } else { 2 }]).unwrap());
            }
            for (s, o) in results.iter().zip(&outs) {
                g.write(*s, nodes[o % nodes.len()]).unwrap();
            }
            let plan = Plan::new(&g);
            // Each element of memory remembers which launch wrote it; a reader must find its producer's mark.
            let mut memory: Vec<Vec<usize>> = plan.arenas.iter().map(|&n| vec![usize::MAX; n]).collect();
            for (i, l) in plan.sections[0].iter().enumerate() {
                prop_assert!(l.inputs.iter().all(|s| s.arena != l.output.arena));
                prop_assert!(l.output.offset % ALIGN == 0 && l.output.offset + l.output.len <= plan.arenas[l.output.arena]);
                for s in &l.inputs {
                    let cells = &memory[s.arena][s.offset..s.offset + s.len];
                    prop_assert!(cells.iter().all(|&c| c == cells[0]));
                    if s.arena >= plan.states { prop_assert!(cells[0] < i); }
                }
                let o = l.output;
                memory[o.arena][o.offset..o.offset + o.len].fill(i);
            }
            // The numbers themselves, on the CPU, against a direct evaluation.
            let mut direct: Vec<Vec<f32>> = Vec::new();
            let x0: Vec<f32> = (0..shape.padded_len()).map(|i| if i % 8 < 7 { i as f32 * 1e-6 } else { 0.0 }).collect();
            for n in &g.nodes {
                let v = match (&n.op, &n.inputs[..]) {
                    (Op::Add(_), [a, b]) => direct[a.0].iter().zip(&direct[b.0]).map(|(a, b)| a + b).collect(),
                    (Op::Map(_), [a]) => direct[a.0].clone(),
                    _ => x0.clone(),
                };
                direct.push(v);
            }
            let mut cpu = crate::cpu::Session::<f32>::new(&g);
            cpu.upload(x, &x0);
            cpu.run(SectionId(0), &Default::default());
            for (s, o) in results.iter().zip(&outs) {
                prop_assert_eq!(cpu.state(*s), &direct[o % nodes.len()][..]);
            }
        }
    }
}
