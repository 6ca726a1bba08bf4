//! Gradients against central differences in f64, over every op that has a rule.
use super::*;
mod detection;
mod networks;
mod pools;

use crate::Shape;
use crate::cpu::Session;
use crate::graph::SectionId;
use crate::kernels::StepRow;
use crate::kernels::batch_norm::BatchNorm;
use crate::kernels::dense::{Dense, DenseWay};
use crate::kernels::dropout::Dropout;
use crate::kernels::noise::Given;
use crate::kernels::pointwise::Activation;
use crate::kernels::testing::random;

/// A graph with one section and an output; L is the sum of the output's values, each times its weight.
struct Checked {
    g: Graph,
    states: Vec<StateId>,
}

/// A step with everything in it.
fn row() -> StepRow {
    StepRow {
        seed_lo: 5,
        draw: 1,
        signal: 0.75,
        noise: 0.625,
        clip: 0.875,
        x0_x: 1.25,
        x0_m: -0.5,
        eps_x: 0.375,
        eps_m: 0.75,
        eps_0: -0.25,
        next_0: 0.5,
        next_x: 0.625,
        next_e: -0.375,
        sigma: 0.75,
        log_min: -3.0,
        log_max: -0.5,
        ..StepRow::default()
    }
}

impl Checked {
    fn new(states: &[(&str, Shape)]) -> (Checked, Vec<NodeId>) {
        let mut g = Graph::new();
        let states: Vec<_> = states.iter().map(|(name, shape)| g.state(name, *shape)).collect();
        g.section("main");
        let reads = states.iter().map(|&s| g.read(s)).collect();
        (Checked { g, states }, reads)
    }

    /// Holds the gradient with respect to each first of `wrt` to central differences, for which the second is moved: the state
    /// that a node stands for, or the state or weight itself.
    fn check(mut self, output: NodeId, wrt: &[(Wrt, Wrt)]) {
        let weights = self.g.state("weights", self.g.shape(output));
        let gradient = self.g.read(weights);
        let asked: Vec<Wrt> = wrt.iter().map(|w| w.0).collect();
        let found = gradients(&mut self.g, (output, gradient), &asked).unwrap();
        let out = self.keep("out", output);
        let kept: Vec<_> = found.iter().map(|&n| (self.g.shape(n), self.keep("gradient", n))).collect();
        self.states.push(weights);
        let data: Vec<Vec<f32>> = (0..).zip(&self.states).map(|(i, &s)| self.values(s, i)).collect();
        let (session, _) = self.run(&data, out);
        for ((w, moves), (shape, kept)) in wrt.iter().zip(kept) {
            let gradient = &session.state(kept)[..shape.padded_len()];
            let largest = gradient.iter().fold(0.0f64, |a, g| a.max(g.abs()));
            assert!(largest > 0.0, "{w:?}: no gradient");
            let places: Vec<_> = (0..gradient.len()).filter(|i| i % shape.c_pad() < shape.c).collect();
            let mut smooth = 0;
            for &i in &places {
                let slope = |by: f32| {
                    let moved = |by: f32| self.moved(*moves, i, by, &data, out);
                    (moved(by) - moved(-by)) / f64::from(2.0 * by)
                };
                // A ReLU's edge between the two sides shows as a difference between two widths. Extrapolated to none
                // (Richardson), the error is of the fourth order.
                let (wide, narrow) = (slope(1.0 / 512.0), slope(1.0 / 1024.0));
                if (wide - narrow).abs() > 1e-3 * largest {
                    continue;
                }
                smooth += 1;
                let (want, got) = ((4.0 * narrow - wide) / 3.0, gradient[i]);
                assert!((want - got).abs() < 1e-7 * largest, "{w:?} at {i}: {got}, not {want}");
            }
            assert!(smooth * 10 >= places.len() * 9, "{w:?}: only {smooth} of {} are smooth", places.len());
        }
    }
    /// L with the value `i` of a state or a weight moved.
    fn moved(&self, what: Wrt, i: usize, by: f32, data: &[Vec<f32>], out: StateId) -> f64 {
        let mut data = data.to_vec();
        match what {
            Wrt::State(state) => {
                let at = self.states.iter().position(|s| *s == state).unwrap();
                data[at][i] += by;
                self.run(&data, out).1
            }
            Wrt::Weight(id) => {
                let mut g = self.g.clone();
                let mut values = g.weights[id.0].data.to_vec();
                values[i] += by;
                g.weights[id.0].data = values.into();
                Checked { g, states: self.states.clone() }.run(&data, out).1
            }
            Wrt::Node(_) => unreachable!("a node is moved by the state that it stands for"),
        }
    }
    fn keep(&mut self, name: &str, node: NodeId) -> StateId {
        let state = self.g.state(name, self.g.shape(node));
        self.g.write(state, node).unwrap();
        state
    }
    /// Random values in device layout, multiples of 1/4096, so that small moves of them are exact.
    fn values(&self, state: StateId, seed: u64) -> Vec<f32> {
        let data = random(self.g.states[state.0].shape, seed + 1).to_device_layout();
        data.into_iter().map(|v| (v * 4096.0).round() / 4096.0).collect()
    }
    /// Everything computed, and L.
    fn run(&self, data: &[Vec<f32>], out: StateId) -> (Session<f64>, f64) {
        let mut session = Session::<f64>::new(&self.g);
        self.states.iter().zip(data).for_each(|(&s, d)| session.upload(s, d));
        session.run(SectionId(0), &row());
        let weights = data.last().unwrap();
        let loss = session.state(out).iter().zip(weights).map(|(y, &w)| y * f64::from(w)).sum();
        (session, loss)
    }
}

#[test]
fn of_images_they_are_central_differences() {
    let x = Shape::new(2, 4, 6, 3);
    let (mut n, reads) = Checked::new(&[("x", x), ("v", Shape::new(2, 1, 1, 3)), ("zero", x)]);
    let [x, v, zero] = reads[..] else { unreachable!() };
    let g = &mut n.g;
    let h = g.add("middle", x, zero).unwrap();
    let middle = h;
    let h = g.map("silu", h, Activation::Silu, 1.5, 0.2).unwrap();
    let h = g.add("vector", h, v).unwrap();
    let h = g.upsample("up", h).unwrap();
    let h = g.map("relu", h, Activation::Relu, -0.5, 1.0).unwrap();
    let again = g.read(n.states[1]);
    let h = g.add("vector again", h, again).unwrap();
    let h = g.map("silu", h, Activation::Silu, 1.0, 0.0).unwrap();
    let h = g.avg_pool("down", h).unwrap();
    let h = g.push("dropout", Op::Dropout(Dropout { p: 0.25, stream: 1 }), &[h]).unwrap();
    let h = g.add("skip", h, middle).unwrap();
    let output = g.map("twice", h, Activation::Identity, 2.0, -3.0).unwrap();
    let [sx, sv, sz] = n.states[..] else { unreachable!() };
    // What is computed counts like what is given, here with the same gradient.
    let [sx, sv, sz] = [sx, sv, sz].map(Wrt::from);
    n.check(output, &[(sx, sx), (sv, sv), (x.into(), sx), (middle.into(), sz)]);
}

#[test]
fn of_trained_layers_they_are_central_differences() {
    let rows = |n, c| Shape::new(n, 1, 1, c);
    let states = [("x", rows(9, 5)), ("first", rows(18, 7)), ("norm", rows(6, 7)), ("shared", rows(24, 7))];
    let (mut n, reads) = Checked::new(&states);
    let [x, first, norm, shared] = reads[..] else { unreachable!() };
    let again = n.g.read(n.states[3]);
    let mut push = |name, op, inputs: &[NodeId]| n.g.push(name, op, inputs).unwrap();
    let dense = || Op::Dense(Dense { way: DenseWay::Forward });
    let relu = || Op::Map(crate::kernels::pointwise::Map { act: Activation::Relu, scale: 1.0, shift: 0.0 });
    let h = push("first", dense(), &[x, first]);
    let h = push("norm", Op::BatchNorm(BatchNorm::Forward), &[h, norm]);
    let skip = push("relu", relu(), &[h]);
    let h = push("shared", dense(), &[skip, shared]);
    let h = push("dropout", Op::Dropout(Dropout { p: 0.5, stream: 2 }), &[h]);
    let h = push("shared again", dense(), &[h, again]);
    let output = n.g.add("skip", h, skip).unwrap();
    let wrt: Vec<(Wrt, Wrt)> = n.states.iter().map(|&s| (s.into(), s.into())).collect();
    n.check(output, &wrt);
}

#[test]
fn what_nothing_depends_on_is_not_differentiated() {
    let x = Shape::new(1, 2, 2, 4);
    let (mut n, reads) = Checked::new(&[("x", x), ("other", Shape { n: 2, ..x }), ("free", x)]);
    let [x, other, free] = reads[..] else { unreachable!() };
    let h = n.g.map("silu", x, Activation::Silu, 1.0, 0.0).unwrap();
    let drawn = n.g.push("draw", Given { n: 1 }, &[other]).unwrap();
    let drawn = n.g.map("relu", drawn, Activation::Relu, 1.0, 0.0).unwrap();
    let output = n.g.add("sum", h, drawn).unwrap();
    let [sx, so, sf] = n.states[..] else { unreachable!() };
    let before = n.g.nodes.len();

    // One node, the slope of SiLU; nothing of the draw's branch.
    let found = gradients(&mut n.g, (output, free), &[sx.into()]).unwrap();
    assert_eq!(found, [NodeId(before)]);
    assert_eq!(n.g.nodes.len(), before + 1);
    // At the output itself, nothing at all.
    assert_eq!(gradients(&mut n.g, (output, free), &[output.into()]).unwrap(), [free]);
    assert_eq!(n.g.nodes.len(), before + 1);

    let mut fault = |of, wrt: Wrt| gradients(&mut n.g, of, &[wrt]).unwrap_err().to_string();
    let text = fault((output, free), so.into());
    assert!(text.contains("draw") && text.contains("Given has no gradient"), "{text}");
    let text = fault((output, free), sf.into());
    assert!(text.contains("sum") && text.contains("does not depend on `free`"), "{text}");
    let text = fault((output, other), sx.into());
    assert!(text.contains("(1,2,2,4)") && text.contains("(2,2,2,4)"), "{text}");
}
