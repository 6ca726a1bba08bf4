//! The chain around a network, and what makes a score of its end.
use super::*;
use crate::kernels::axis_map::{AxisMap, Taps};
use crate::kernels::sampler::{NoiseTo, SamplerStep};
use crate::kernels::score::{Blur, Reduce, Residual, ResidualKind, box_weights, gaussian_weights};

fn all(n: &Checked) -> Vec<(Wrt, Wrt)> {
    n.states.iter().map(|&s| (Wrt::from(s), Wrt::from(s))).collect()
}

#[test]
fn noising_with_own_and_with_shared_noise() {
    for samples in [1, 3] {
        let x = Shape::new(3, 2, 5, 3);
        let (mut n, reads) = Checked::new(&[("x", x), ("noise", Shape { n: samples, ..x })]);
        let y = n.g.push("noising", NoiseTo, &reads).unwrap();
        let y = n.g.map("silu", y, Activation::Silu, 1.0, 0.0).unwrap();
        let wrt = all(&n);
        n.check(y, &wrt);
    }
}

#[test]
fn steps_of_samplers() {
    for (learned_range, noisy) in [(false, false), (false, true), (true, false), (true, true)] {
        let x = Shape::new(2, 3, 5, 3);
        let m = x.with_c(if learned_range { 6 } else { 3 });
        let (mut n, reads) = Checked::new(&[("x", x), ("output", m), ("noise", Shape { n: 1, ..x })]);
        let step = SamplerStep { learned_range, noisy };
        let y = n.g.push("step", step, &reads[..2 + usize::from(noisy)]).unwrap();
        let y = n.g.map("silu", y, Activation::Silu, 1.0, 0.0).unwrap();
        let wrt = all(&n);
        n.check(y, &wrt[..2]);
    }
    let x = Shape::new(1, 2, 2, 1);
    let (mut n, reads) = Checked::new(&[("x", x), ("output", x), ("noise", x)]);
    let y = n.g.push("step", SamplerStep { learned_range: false, noisy: true }, &reads).unwrap();
    let fault = gradients(&mut n.g, (y, reads[0]), &[n.states[2].into()]).unwrap_err().to_string();
    assert!(fault.contains("noise"), "{fault}");
}

#[test]
fn residuals_of_every_kind() {
    use ResidualKind::*;
    for kind in [Squared, Absolute, Positive, Negative] {
        let x = Shape::new(2, 3, 5, 5);
        let (mut n, reads) = Checked::new(&[("image", x), ("reconstruction", x)]);
        let y = n.g.push("residual", Residual { kind }, &reads).unwrap();
        let y = n.g.map("silu", y, Activation::Silu, 1.0, 0.0).unwrap();
        let wrt = all(&n);
        n.check(y, &wrt);
    }
}

#[test]
fn blurs_are_their_own_transposes() {
    for (factors, x) in [
        (box_weights(3), Shape::new(2, 5, 4, 3)),
        (box_weights(9), Shape::new(1, 3, 2, 1)),
        (gaussian_weights(1.5, 4.0), Shape::new(1, 7, 9, 2)),
    ] {
        let (mut n, reads) = Checked::new(&[("x", x)]);
        let (radius, weight) = (factors.len() / 2, n.g.vector("blur", &factors));
        let y = n.g.push("x", Blur { weight, radius, horizontal: true }, &reads).unwrap();
        let y = n.g.push("y", Blur { weight, radius, horizontal: false }, &[y]).unwrap();
        let wrt = all(&n);
        n.check(y, &wrt);
    }
}

#[test]
fn resizing_along_both_axes() {
    for (from, to) in [([7, 9], [3, 4]), ([3, 2], [8, 5]), ([5, 1], [5, 6]), ([16, 11], [2, 1])] {
        let (mut n, reads) = Checked::new(&[("x", Shape::new(2, from[0], from[1], 3))]);
        let mut y = reads[0];
        for (horizontal, inputs, outputs) in [(true, from[1], to[1]), (false, from[0], to[0])] {
            let (numbers, line) = Taps::triangle(inputs, outputs).table();
            let table = n.g.weight(&format!("{inputs} to {outputs}"), numbers);
            y = n.g.push("resize", AxisMap { table, line, inputs, outputs, horizontal }, &[y]).unwrap();
        }
        assert_eq!([n.g.shape(y).h, n.g.shape(y).w], to);
        let wrt = all(&n);
        n.check(y, &wrt);
    }
}

#[test]
fn means_and_extremes() {
    // Their extremes are further apart than they are moved.
    for x in [Shape::new(2, 4, 5, 3), Shape::new(1, 3, 3, 1), Shape::new(1, 2, 2, 6)] {
        let (mut n, reads) = Checked::new(&[("x", x)]);
        let y = n.g.push("reduce", Reduce, &reads).unwrap();
        let y = n.g.map("silu", y, Activation::Silu, 1.0, 0.0).unwrap();
        let wrt = all(&n);
        n.check(y, &wrt);
    }
}
