//! The last choices before planning: which kernel computes each convolution.
use super::{Graph, Node, NodeId};
use crate::kernels::{
    Io, Op, WeightId,
    attention::{self, Attention},
    class::Target,
    conv::{Conv, Tile},
    winograd,
};
use std::collections::HashMap;
use std::sync::Arc;

/// Weights in Winograd's form, by those they were made of: kept by who lowers several forms of one graph.
pub(crate) type Transformed = HashMap<WeightId, Arc<[f32]>>;

/// Where the graph that is made has them.
struct Ids<'a> {
    made: &'a mut Transformed,
    ids: HashMap<WeightId, WeightId>,
}

/// [`lower`] for the processor: 3×3 convolutions at stride 1 that are large enough go through Winograd in their own launch.
pub fn lower_cpu(graph: &Graph) -> Graph {
    lower_cpu_with(graph, &mut Transformed::new())
}

/// [`lower_cpu`] for several forms of one graph.
pub(crate) fn lower_cpu_with(graph: &Graph, made: &mut Transformed) -> Graph {
    let mut out = graph.clone();
    let mut transformed = Ids { made, ids: HashMap::new() };
    for i in 0..out.nodes.len() {
        let io = out.io(&out.nodes[i]);
        let Op::Conv(conv) = &out.nodes[i].op else { continue };
        if conv.kernel != [3, 3] || conv.stride != 1 || !pays(&io) {
            continue;
        }
        let mut conv = Conv { winograd: true, ..conv.clone() };
        conv.weight = transform(&mut out, &conv, &io, &mut transformed);
        out.nodes[i].op = Op::Conv(conv);
    }
    out
}

/// The id of a convolution's transformed weights, which are made where they are not there yet.
fn transform(out: &mut Graph, conv: &Conv, io: &Io, transformed: &mut Ids) -> WeightId {
    *transformed.ids.entry(conv.weight).or_insert_with(|| {
        let packed = &out.weights[conv.weight.0];
        let make = || winograd::transform(&packed.data, io.inputs[0].c_pad(), conv.cout.next_multiple_of(4)).into();
        let data = transformed.made.entry(conv.weight).or_insert_with(make).clone();
        let name = format!("{} (Winograd)", packed.name);
        out.weights.push(super::Weight { name, data });
        WeightId(out.weights.len() - 1)
    })
}

/// Chooses every convolution's and attention's tile and, with `winograd`, replaces 3×3 convolutions at stride 1 that are large enough by
/// Winograd's three launches. Node ids change; states, sections and weights keep theirs (new weights are appended). The
/// tiles are those that every GPU takes; [`lower_for`] knows which it is.
pub fn lower(graph: &Graph, winograd: bool) -> Graph {
    lower_for(graph, winograd, Target::default())
}

/// [`lower`] with the tiles of a GPU.
pub fn lower_for(graph: &Graph, winograd: bool, target: Target) -> Graph {
    lower_with(graph, winograd, target, &mut Transformed::new())
}

/// [`lower_for`] for several forms of one graph.
pub(crate) fn lower_with(graph: &Graph, winograd: bool, target: Target, made: &mut Transformed) -> Graph {
    let mut out = Graph { nodes: Vec::new(), writes: Vec::new(), passes: Vec::new(), ..graph.clone() };
    let mut ids: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    let mut transformed = Ids { made, ids: HashMap::new() };
    for node in &graph.nodes {
        let inputs: Vec<NodeId> = node.inputs.iter().map(|n| ids[n.0]).collect();
        let id = match &node.op {
            Op::Conv(conv) => {
                let split =
                    if winograd { split(&mut out, graph, node, conv, &inputs, target, &mut transformed) } else { None };
                split.unwrap_or_else(|| {
                    let tile = Tile::choose(target.class, node.shape.pixels(), node.shape.c_pad(), 1);
                    add(&mut out, Node { op: Op::Conv(Conv { tile, ..conv.clone() }), inputs, ..node.clone() })
                })
            }
            Op::Attention(attention) => {
                let tile = attention::Tile::choose(target, graph.shape(node.inputs[0]), attention.heads);
                add(
                    &mut out,
                    Node { op: Op::Attention(Attention { tile, ..attention.clone() }), inputs, ..node.clone() },
                )
            }
            _ => add(&mut out, Node { inputs, ..node.clone() }),
        };
        ids.push(id);
    }
    out.writes = graph.writes.iter().map(|&(n, s)| (ids[n.0], s)).collect();
    out
}

fn add(out: &mut Graph, node: Node) -> NodeId {
    out.nodes.push(node);
    NodeId(out.nodes.len() - 1)
}

/// Winograd's launches instead of one convolution, where they pay.
fn split(
    out: &mut Graph,
    graph: &Graph,
    node: &Node,
    conv: &Conv,
    inputs: &[NodeId],
    target: Target,
    transformed: &mut Ids,
) -> Option<NodeId> {
    let io = graph.io(node);
    if !pays(&io) {
        return None;
    }
    let (input, mut gemm, output) = winograd::lower(conv, &io, conv.weight, target.class)?;
    gemm.weight = transform(out, conv, &io, transformed);
    let (before, after) = inputs.split_at(1 + usize::from(conv.affine));
    let mut push = |name: &str, op: Op, inputs: &[NodeId]| {
        let shapes: Vec<_> = inputs.iter().map(|i| out.nodes[i.0].shape).collect();
        let shape = op.kernel()?.output(&shapes).ok()?;
        let name = format!("{}{name}", node.name);
        out.nodes.push(Node { name, op, inputs: inputs.to_vec(), shape, section: node.section });
        Some(NodeId(out.nodes.len() - 1))
    };
    let v = push(" (in)", Op::WinogradInput(input), before)?;
    let m = push(" (product)", Op::WinogradGemm(gemm), &[v])?;
    let rest: Vec<NodeId> = std::iter::once(m).chain(after.iter().copied()).collect();
    push("", Op::WinogradOutput(output), &rest)
}

/// With few channels or small maps the two transforms cost more than the multiplications that they save, on any device.
fn pays(io: &Io) -> bool {
    io.inputs[0].c >= 32 && io.output.c >= 32 && io.output.pixels() >= 256
}
