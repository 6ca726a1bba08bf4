//! Gradients of whole networks: every golden against central differences in f64, and fused against not fused.

use crate::common::{Case, RESNETS, denoisers_and_classifiers, golden, network, random};
use crate::tolerance::TWO_WAYS;
use residua::graph::{Fusion, Graph, NodeId, Plan, StateId, Wrt, fuse, gradients, lower, lower_cpu};
use residua::kernels::{Op, StepRow, WeightId};
use residua::model::Network;
use residua::{Shape, cpu};
use std::ops::Range;

fn resnet(name: &str) -> Case {
    let network = Network::resnet(&golden(name)).unwrap();
    let x = random(Shape::new(2, 32, 40, network.in_channels()), 1);
    let call = network.call(x.shape).unwrap();
    Case { graph: call.graph, section: call.section, inputs: vec![(call.inputs[0], x)], out: call.out }
}

/// A network with the gradients of L = Σ out·weights with respect to its image and all of its weights.
struct Differentiated {
    case: Case,
    weights: Vec<f32>,
    /// What L depends on, and the state that holds the gradient by it.
    found: Vec<(Wrt, StateId)>,
    graph: Graph,
}

impl Differentiated {
    fn new(case: Case, by_weights: bool) -> Self {
        let mut g = case.graph.clone();
        let output = g.writes.iter().find(|w| w.1 == case.out).unwrap().0;
        let weights = random(g.shape(output), 7).to_device_layout();
        let state = g.state("weights of the output", g.shape(output));
        let dy = g.read(state);
        let used = Plan::new(&case.graph).weights();
        let of_weights = used.into_iter().map(Wrt::from).filter(|_| by_weights);
        let wrt: Vec<Wrt> = std::iter::once(case.inputs[0].0.into()).chain(of_weights).collect();
        let nodes = gradients(&mut g, (output, dy), &wrt).unwrap();
        let keep = |(i, node): (usize, NodeId)| {
            let kept = g.state(&format!("gradient {i}"), g.shape(node));
            g.write(kept, node).unwrap();
            kept
        };
        let kept: Vec<StateId> = nodes.into_iter().enumerate().map(keep).collect();
        let found = wrt.into_iter().zip(kept).collect();
        Differentiated { case, weights, found, graph: g }
    }
    /// The gradients, one after the other in device layout, with their shapes.
    fn run<T: residua::kernels::Real>(&self, graph: &Graph) -> Vec<(Shape, Vec<T>)> {
        let mut session = cpu::Session::<T>::new(graph);
        self.case.inputs.iter().for_each(|(s, t)| session.upload(*s, &t.to_device_layout()));
        let seed = self.graph.states.iter().position(|s| s.name == "weights of the output").unwrap();
        session.upload(StateId(seed), &self.weights);
        session.run(self.case.section, &StepRow::default());
        self.found.iter().map(|(_, s)| (self.graph.states[s.0].shape, session.state(*s).to_vec())).collect()
    }
}

/// The exponent of the largest magnitude.
fn exponent(values: &[f32]) -> i32 {
    let largest = values.iter().fold(0.0f32, |a, v| a.max(v.abs()));
    if largest > 0.0 { largest.log2().floor() as i32 } else { 0 }
}

/// Rounded to 22 bits below the largest, so that small moves of them are exact.
fn rounded(values: &mut [f32]) {
    let unit = 2f32.powi(exponent(values) - 21);
    values.iter_mut().for_each(|v| *v = (*v / unit).round() * unit);
}

/// Which direction each tensor moves in: at most 2^-`fine` of its largest magnitude, exact in f32 after [`rounded`] values.
fn direction(values: &[f32], shape: Shape, seed: u64, fine: i32) -> Vec<f32> {
    let unit = 2f32.powi(exponent(values) - 21);
    let moves = random(shape, seed).to_device_layout();
    moves.into_iter().map(|v| (v * 2f32.powi(21 - fine)).round() * unit).collect()
}

/// L of the network as it is, in f64.
fn loss(case: &Case, graph: &Graph, image: &[f32], weights: &[f32]) -> f64 {
    let mut session = cpu::Session::<f64>::new(graph);
    case.inputs.iter().for_each(|(s, t)| session.upload(*s, &t.to_device_layout()));
    session.upload(case.inputs[0].0, image);
    session.run(case.section, &StepRow::default());
    session.state(case.out).iter().zip(weights).map(|(y, &w)| y * f64::from(w)).sum()
}

/// L's slope by central differences and by the gradient, along a random direction of what `range` names of [`Differentiated::found`],
/// and the sum of the magnitudes of what each of these contributes.
fn slopes(d: &Differentiated, found: &[(Shape, Vec<f64>)], range: Range<usize>, seed: u64, fine: i32) -> [f64; 3] {
    let image = d.case.inputs[0].1.to_device_layout();
    let base = |i: usize| match d.found[i].0 {
        Wrt::Weight(WeightId(w)) => d.case.graph.weights[w].data.to_vec(),
        _ => image.clone(),
    };
    let moves: Vec<(usize, Vec<f32>)> =
        range.map(|i| (i, direction(&base(i), found[i].0, seed + i as u64, fine))).collect();
    let moved = |by: f32| {
        let (mut graph, mut image) = (d.case.graph.clone(), image.clone());
        for (i, moves) in &moves {
            let to: Vec<f32> = base(*i).iter().zip(moves).map(|(v, m)| v + by * m).collect();
            match d.found[*i].0 {
                Wrt::Weight(WeightId(w)) => graph.weights[w].data = to.into(),
                _ => image = to,
            }
        }
        loss(&d.case, &graph, &image, &d.weights)
    };
    let dot =
        |(i, moves): &(usize, Vec<f32>)| found[*i].1.iter().zip(moves).map(|(g, &v)| g * f64::from(v)).sum::<f64>();
    let each: Vec<f64> = moves.iter().map(dot).collect();
    // Two widths, extrapolated to none (Richardson): the error is of the fourth order.
    let (wide, narrow) = ((moved(2.0) - moved(-2.0)) / 4.0, (moved(1.0) - moved(-1.0)) / 2.0);
    [(4.0 * narrow - wide) / 3.0, each.iter().sum(), each.iter().map(|s| s.abs()).sum()]
}

/// Moves the image, then all weights at once, along random directions, `directions` of them at most, until L's slope is the
/// gradient's.
fn check(name: &str, mut case: Case, fine: i32, directions: u64) {
    case.inputs.iter_mut().take(1).for_each(|(_, t)| rounded(&mut t.data));
    for weight in &mut case.graph.weights {
        let mut values = weight.data.to_vec();
        rounded(&mut values);
        weight.data = values.into();
    }
    let d = Differentiated::new(case, true);
    let found = d.run::<f64>(&d.graph);
    for (what, range) in [("image", 0..1), ("weights", 1..found.len())] {
        let agree = (0..directions).any(|i| {
            let [slope, want, size] = slopes(&d, &found, range.clone(), 100 + 1000 * i, fine);
            let error = (slope - want).abs() / size;
            println!("{name}, {what}: {slope:.6e}, by the gradient {want:.6e}, off by {error:.1e} of {size:.2e}");
            error <= 1e-6
        });
        assert!(agree, "{name}, {what}: the gradient is not the slope");
    }
}

#[test]
fn of_unets_and_classifiers_they_are_central_differences() {
    // The pool `spatial` has a ReLU, for which see below.
    let smooth = |name: &&str| *name != "classifier-spatial";
    for name in denoisers_and_classifiers().filter(smooth) {
        check(name, network(&golden(name)), 10, 1);
    }
}

/// Between edges of ReLUs and changes of the largest in a window a network is smooth. The moves are the smallest there are, so that
/// in some directions no edge lies between the two sides of a difference; a wrong gradient is wrong in all of them.
#[test]
fn of_networks_with_edges_they_are_central_differences() {
    for name in RESNETS {
        check(name, resnet(name), 21, 8);
    }
    check("classifier-spatial", network(&golden("classifier-spatial")), 21, 8);
}

/// The convolutions of the forward pass, as they are after fusion.
fn convolutions(graph: &Graph, forward: &Graph) -> Vec<Op> {
    let fused = fuse(graph, Fusion::Full);
    let live = Plan::new(&fused).sections.concat();
    let names = forward.nodes.iter().filter(|n| matches!(n.op, Op::Conv(_))).map(|n| &n.name);
    let find = |name: &String| live.iter().find(|l| l.name == *name && matches!(l.op, Op::Conv(_)));
    names.map(|name| find(name).unwrap_or_else(|| panic!("{name} is gone")).op.clone()).collect()
}

#[test]
fn fusion_leaves_what_gradients_read_and_fuses_the_rest() {
    for name in denoisers_and_classifiers() {
        for by_weights in [false, true] {
            let d = Differentiated::new(network(&golden(name)), by_weights);
            assert_eq!(convolutions(&d.graph, &d.case.graph), convolutions(&d.case.graph, &d.case.graph), "{name}");
            if !by_weights {
                continue;
            }
            let truth = d.run::<f64>(&d.graph);
            let rms = |v: &[f64]| (v.iter().map(|v| v * v).sum::<f64>() / v.len() as f64).sqrt();
            let largest = truth.iter().map(|(_, v)| rms(v)).fold(0.0, f64::max);
            let fused = fuse(&d.graph, Fusion::Full);
            for (how, graph) in [("one launch", lower_cpu(&fused)), ("three launches", lower(&fused, true))] {
                for ((wrt, _), ((_, a), (_, b))) in d.found.iter().zip(d.run::<f32>(&graph).iter().zip(&truth)) {
                    let off: Vec<f64> = a.iter().zip(b).map(|(a, b)| f64::from(*a) - b).collect();
                    // Before a norm a bias changes nothing: its gradient is a sum of large numbers that is nearly zero.
                    let bound = (TWO_WAYS.sqrt() * rms(b)).max(1e-6 * largest);
                    assert!(rms(&off) <= bound, "{name}, {how}, {wrt:?}: {:e} of {:e}", rms(&off), rms(b));
                }
            }
        }
    }
}
