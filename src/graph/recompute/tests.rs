//! What is computed again is the same, takes less memory, and is chosen by what the memory allows.
use super::*;
use crate::cpu::Session;
use crate::graph::{ConvSpec, Fusion, StateId, fuse, gradients};
use crate::kernels::StepRow;
use crate::kernels::pointwise::Activation;
use crate::kernels::testing::random;
use crate::{Shape, graph::SectionId};
use proptest::prelude::*;

/// A chain of blocks of two convolutions with a skip around each, and the gradient of what they make: (graph, x, weights of the
/// output, output, gradient).
fn blocks(count: usize, side: usize) -> (Graph, [StateId; 4]) {
    let shape = Shape::new(1, side, side, 8);
    let mut g = Graph::new();
    let [x, v, out, dx] = ["x", "v", "out", "dx"].map(|name| g.state(name, shape));
    g.section("main");
    let input = g.read(x);
    let mut h = input;
    for i in 0..count {
        let name = |part| format!("block {i} {part}");
        let weight: Vec<f32> = random(Shape::new(1, 1, 1, 8 * 8 * 9), i as u64).data.iter().map(|v| v * 0.1).collect();
        let spec = ConvSpec { weight: &weight, shape: [8, 8, 3, 3], bias: None, stride: 1, pad: [1; 4] };
        let (gamma, beta) = ([1.0; 8], [0.1; 8]);
        let y = g.group_norm(&name("norm"), h, (&gamma, &beta), 2, 1e-5, None, Activation::Silu).unwrap();
        let y = g.conv(&name("conv"), y, &spec).unwrap();
        let y = g.group_norm(&name("norm 2"), y, (&gamma, &beta), 2, 1e-5, None, Activation::Silu).unwrap();
        let y = g.conv(&name("conv 2"), y, &spec).unwrap();
        h = g.add(&name("skip"), y, h).unwrap();
    }
    let given = g.read(v);
    let gradient = gradients(&mut g, (h, given), &[input.into()]).unwrap()[0];
    g.write(out, h).unwrap();
    g.write(dx, gradient).unwrap();
    (g, [x, v, out, dx])
}

/// The output and the gradient, in f64.
fn run(g: &Graph, [x, v, out, dx]: [StateId; 4]) -> [Vec<f64>; 2] {
    let mut session = Session::<f64>::new(g);
    session.upload(x, &random(g.states[x.0].shape, 1).to_device_layout());
    session.upload(v, &random(g.states[v.0].shape, 2).to_device_layout());
    session.run(SectionId(0), &StepRow::default());
    [out, dx].map(|s| session.state(s).to_vec())
}

fn optimise(g: &Graph) -> Graph {
    fuse(g, Fusion::Full)
}

#[test]
fn the_same_gradient_in_less_memory() {
    let (mut g, states) = blocks(24, 8);
    let whole = optimise(&g);
    let want = run(&whole, states);
    assert!(want[1].iter().any(|v| v.abs() > 0.01));
    let bytes = |g: &Graph| Plan::new(g).bytes();
    for parts in [2, 3, 5, 11] {
        let less = optimise(&recompute(&g, parts));
        assert_eq!(run(&less, states), want, "{parts} parts");
        assert!(bytes(&less) < bytes(&whole), "{parts} parts take {}, not below {}", bytes(&less), bytes(&whole));
    }
    // Without a limit, and with one that is kept anyway, nothing is computed again.
    let launches = |g: &Graph| Plan::new(g).sections[0].len();
    assert_eq!(launches(&within_memory(&g, optimise)), launches(&whole));
    g.memory = Some(bytes(&whole));
    assert_eq!(launches(&within_memory(&g, optimise)), launches(&whole));
    // Half of it is kept to, and so is the least when that is still too much.
    g.memory = Some(bytes(&whole) / 2);
    let half = within_memory(&g, optimise);
    let (taken, allowed) = (bytes(&half), bytes(&whole) / 2);
    assert!(taken <= allowed && launches(&half) > launches(&whole), "{taken} of {allowed}");
    assert!(launches(&half) < launches(&whole) * 3 / 2, "at most the forward pass is computed once more");
    assert_eq!(run(&half, states), want);
    g.memory = Some(0);
    let least = within_memory(&g, optimise);
    assert!(bytes(&least) < bytes(&half));
    assert_eq!(run(&least, states), want);
}

#[test]
fn two_passes_one_after_the_other() {
    // The second is of what the first has found: a chain with guidance in each of two steps.
    let shape = Shape::new(1, 6, 6, 8);
    let (mut g, states) = blocks(3, 6);
    let (input, given) = (NodeId(0), g.read(states[1]));
    let found = g.writes[1].0;
    let weight: Vec<f32> = random(Shape::new(1, 1, 1, 64), 9).data;
    let spec = ConvSpec { weight: &weight, shape: [8, 8, 1, 1], bias: None, stride: 1, pad: [0; 4] };
    let h = g.add("step", input, found).unwrap();
    let h = g.map("silu", h, Activation::Silu, 1.0, 0.0).unwrap();
    let h = g.conv("more", h, &spec).unwrap();
    let h = g.map("silu again", h, Activation::Silu, 1.0, 0.0).unwrap();
    let second = gradients(&mut g, (h, given), &[found.into()]).unwrap()[0];
    assert_eq!(g.shape(second), shape);
    g.writes[1].0 = second;
    assert_eq!(g.passes.len(), 2);
    let want = run(&optimise(&g), states);
    for parts in [2, 4, 7] {
        assert_eq!(run(&optimise(&recompute(&g, parts)), states), want, "{parts} parts");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Any graph of additions and activations, cut anywhere.
    #[test]
    fn of_random_graphs(picks in prop::collection::vec((0usize..1000, 0usize..1000, any::<bool>()), 1..40), parts in 2usize..12) {
        let shape = Shape::new(1, 3, 2, 5);
        let mut g = Graph::new();
        let states = ["x", "v", "out", "dx"].map(|name| g.state(name, shape));
        g.section("main");
        let input = g.read(states[0]);
        let mut nodes = vec![g.map("first", input, Activation::Silu, 1.0, 0.0).unwrap()];
        for (a, b, unary) in picks {
            let (a, b) = (nodes[nodes.len() - 1 - a % nodes.len().min(4)], nodes[b % nodes.len()]);
            let node = if unary { g.map("silu", a, Activation::Silu, 0.5, 0.1) } else { g.add("sum", a, b) };
            nodes.push(node.unwrap());
        }
        let (last, given) = (*nodes.last().unwrap(), g.read(states[1]));
        let gradient = gradients(&mut g, (last, given), &[input.into()]).unwrap()[0];
        g.write(states[2], last).unwrap();
        g.write(states[3], gradient).unwrap();
        prop_assert_eq!(run(&recompute(&g, parts), states), run(&g, states));
    }
}
