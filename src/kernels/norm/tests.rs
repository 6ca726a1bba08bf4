use super::*;
use crate::kernels::{
    Op,
    cases::{Case, random},
};

fn stats(x: Shape, groups: usize, scale_shift: bool) -> Case {
    let op = GroupNormStats { groups, eps: 1e-5, gamma: WeightId(0), beta: WeightId(1), scale_shift };
    let row = Shape::new(1, 1, 1, x.c);
    let mut shapes = vec![x];
    shapes.extend(scale_shift.then_some(Shape::new(x.n, 1, 1, 2 * x.c)));
    Case::new(Op::GroupNormStats(op), &shapes, vec![random(row, 1), random(row, 2)])
}

/// The two passes of the definition, strided as it is written, applied to x.
fn naive(case: &Case, groups: usize) -> Vec<f64> {
    let x = case.io.inputs[0];
    let (cp, hw, per) = (x.c_pad(), x.h * x.w, x.c / groups);
    let mut out = vec![0.0; x.padded_len()];
    for (n, g) in (0..x.n).flat_map(|n| (0..groups).map(move |g| (n, g))) {
        let index = |p: usize, k: usize| (n * hw + p) * cp + g * per + k;
        let each = || (0..hw * per).map(|i| index(i / per, i % per));
        let mean = each().map(|i| f64::from(case.inputs[0][i])).sum::<f64>() / (hw * per) as f64;
        let variance = each().map(|i| (f64::from(case.inputs[0][i]) - mean).powi(2)).sum::<f64>() / (hw * per) as f64;
        for i in each() {
            let c = i % cp;
            let y = (f64::from(case.inputs[0][i]) - mean) / (variance + f64::from(1e-5f32)).sqrt();
            out[i] = y * f64::from(case.weights[0][c]) + f64::from(case.weights[1][c]);
            if let Some(s) = case.inputs.get(1) {
                let row = n * x.with_c(2 * x.c).c_pad();
                out[i] = out[i] * (1.0 + f64::from(s[row + c])) + f64::from(s[row + x.c + c]);
            }
        }
    }
    out
}

fn check(x: Shape, groups: usize, scale_shift: bool, offset: f32) {
    let mut case = stats(x, groups, scale_shift);
    let cp = x.c_pad();
    case.inputs[0].iter_mut().enumerate().filter(|(i, _)| i % cp < x.c).for_each(|(_, v)| *v += offset);
    let ab = case.check(1e-11);
    let sample = x.h * x.w * cp;
    for (i, y) in naive(&case, groups).iter().enumerate() {
        let (n, c) = (i / sample, i % cp);
        let z = ab[n * 2 * cp + c] * f64::from(case.inputs[0][i]) + ab[n * 2 * cp + cp + c];
        assert!((y - z).abs() < 1e-8 * (1.0 + f64::from(offset.abs())), "{x} in {groups}: {z} is not {y}");
    }
}

#[test]
fn statistics_agree_with_the_definition() {
    for (x, groups) in [
        (Shape::new(1, 1, 1, 4), 1),
        (Shape::new(2, 1, 1, 32), 4),
        (Shape::new(1, 7, 5, 3), 1),
        (Shape::new(2, 3, 11, 6), 6),
        (Shape::new(1, 13, 17, 96), 32),
        (Shape::new(2, 16, 16, 128), 32),
        (Shape::new(1, 45, 47, 10), 5),
        (Shape::new(1, 64, 33, 64), 8),
        (Shape::new(1, 3, 3, 1300), 1),
    ] {
        for scale_shift in [false, true] {
            check(x, groups, scale_shift, 0.0);
        }
    }
}

#[test]
fn a_mean_far_above_the_deviation_costs_no_digits() {
    check(Shape::new(1, 33, 31, 32), 8, false, 1000.0);
    check(Shape::new(1, 33, 31, 30), 10, false, -300.0);
}

#[test]
fn a_constant_image_becomes_beta() {
    let mut case = stats(Shape::new(1, 5, 5, 8), 2, false);
    case.inputs[0].fill(3.0);
    let ab = case.check(1e-11);
    for c in 0..8 {
        assert!((ab[c] * 3.0 + ab[8 + c] - f64::from(case.weights[1][c])).abs() < 1e-12);
    }
}

#[test]
fn affine_with_every_activation() {
    use Activation::*;
    for act in [Identity, Silu, Relu, LeakyRelu, Elu, Mish, Tanh, Sigmoid] {
        for (n, h, w, c) in [(1, 1, 1, 1), (2, 5, 7, 3), (3, 8, 8, 64), (1, 17, 3, 30)] {
            let x = Shape::new(n, h, w, c);
            let case = Case::new(Op::Affine(Affine { act }), &[x, Shape::new(n, 1, 2, c)], vec![]);
            let (y, cp) = (case.check(1e-11), x.c_pad());
            for (i, y) in y.iter().enumerate().filter(|(i, _)| i % cp < c) {
                let at = i / (h * w * cp) * 2 * cp + i % cp;
                let [a, b, x] = [case.inputs[1][at], case.inputs[1][at + cp], case.inputs[0][i]].map(f64::from);
                assert!((y - act.apply(a * x + b)).abs() < 1e-12);
            }
        }
    }
}
