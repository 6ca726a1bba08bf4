//! Each kernel on every device, against the sums of its formula. The gradient as a whole is held to central differences in
//! `graph/gradient/tests`.
use super::*;
use crate::kernels::{
    Op,
    cases::{Case, random},
};

fn shapes() -> [(Shape, usize); 7] {
    [
        (Shape::new(1, 1, 1, 4), 1),
        (Shape::new(2, 1, 3, 32), 4),
        (Shape::new(1, 7, 5, 3), 1),
        (Shape::new(2, 3, 11, 6), 6),
        (Shape::new(3, 13, 17, 96), 32),
        (Shape::new(1, 45, 47, 10), 5),
        (Shape::new(1, 33, 64, 5), 1),
    ]
}

fn rows(x: Shape) -> Shape {
    Shape::new(x.n, 1, 2, x.c)
}

/// Values of a case's input in f64: of channel c of row r of sample n.
fn at(case: &Case, input: usize, n: usize, r: usize, c: usize) -> f64 {
    let shape = case.io.inputs[input];
    f64::from(case.inputs[input][(n * shape.h * shape.w + r) * shape.c_pad() + c])
}

#[test]
fn sums_over_pixels() {
    for (i, (x, _)) in shapes().into_iter().enumerate() {
        // One of them for each shape: a software driver takes a second for each shader.
        let act = [Activation::Identity, Activation::Silu, Activation::Gelu][i % 3];
        let case = Case::new(Op::NormSums(NormSums { act }), &[x, x, rows(x), rows(x)], vec![]);
        let (y, cp, parts) = (case.check(1e-11), x.c_pad(), case.io.output.h);
        for (n, c) in (0..x.n).flat_map(|n| (0..x.c).map(move |c| (n, c))) {
            let each = |p: usize| {
                let (dy, v) = (at(&case, 0, n, p, c), at(&case, 1, n, p, c));
                let [a, b, r, m] = [(2, 0), (2, 1), (3, 0), (3, 1)].map(|(i, row)| at(&case, i, n, row, c));
                (dy * act.slope(a * v + b), r * v + m)
            };
            let with: f64 = (0..x.h * x.w).map(|p| each(p).0 * each(p).1).sum();
            let alone: f64 = (0..x.h * x.w).map(|p| each(p).0).sum();
            let sum = |row: usize| (0..parts).map(|p| y[((n * parts + p) * 2 + row) * cp + c]).sum::<f64>();
            assert!((sum(0) - with).abs() < 1e-10 && (sum(1) - alone).abs() < 1e-10, "{x} {act:?}");
        }
    }
}

#[test]
fn parts_of_every_kind() {
    for ((x, groups), scale_shift) in shapes().into_iter().zip([false, true].into_iter().cycle()) {
        let sums = Shape::new(x.n, NormSums::parts(x), 2, x.c);
        let mut given = vec![sums, rows(x)];
        given.extend(scale_shift.then_some(Shape::new(x.n, 1, 1, 2 * x.c)));
        let vector = Shape::new(1, 1, 1, x.c);
        let weights = [random(vector, 1), random(vector, 2)];
        use NormPartKind::{Beta, Coefficients, Gamma, ScaleShift};
        for kind in [Coefficients, ScaleShift, Gamma, Beta] {
            let pixels = x.h * x.w;
            let op = NormPart { kind, groups, pixels, gamma: WeightId(0), beta: WeightId(1), scale_shift };
            let count = op.weights().len();
            let case = Case::new(Op::NormPart(op), &given, weights[..count].to_vec());
            let y = case.check(1e-11);
            let per = y.len() / x.n;
            let total =
                |n: usize, row: usize, c: usize| (0..sums.h).map(|p| at(&case, 0, n, 2 * p + row, c)).sum::<f64>();
            let factor = |n: usize, c: usize| if scale_shift { 1.0 + at(&case, 2, n, 0, c) } else { 1.0 };
            let (gamma, beta) = (|c: usize| f64::from(weights[0][c]), |c: usize| f64::from(weights[1][c]));
            for (n, c) in (0..x.n).flat_map(|n| (0..x.c).map(move |c| (n, c))) {
                let group = x.c / groups;
                let mean = |row: usize| {
                    let of = |k: usize| gamma(k) * factor(n, k) * total(n, row, k);
                    (c / group * group..(c / group + 1) * group).map(of).sum::<f64>() / (group * pixels) as f64
                };
                let rstd = at(&case, 1, n, 0, c);
                let want: Vec<(usize, f64)> = match kind {
                    Coefficients => vec![(c, -rstd * mean(0)), (x.c_pad() + c, -rstd * mean(1))],
                    ScaleShift => {
                        let scale = gamma(c) * total(n, 0, c) + beta(c) * total(n, 1, c);
                        vec![(c, scale), (x.c + c, total(n, 1, c))]
                    }
                    Gamma => vec![(c, factor(n, c) * total(n, 0, c))],
                    Beta => vec![(c, factor(n, c) * total(n, 1, c))],
                };
                for (i, want) in want {
                    assert!((y[n * per + i] - want).abs() < 1e-10, "{kind:?} of {x} in {groups}");
                }
            }
        }
    }
}

#[test]
fn the_gradient_of_a_pixel() {
    for (i, (x, _)) in shapes().into_iter().enumerate() {
        let act = [Activation::Silu, Activation::Relu, Activation::Identity][i % 3];
        let op = Op::NormGradient(NormGradient { act });
        let case = Case::new(op, &[x, x, rows(x), rows(x), rows(x)], vec![]);
        let (y, cp) = (case.check(1e-11), x.c_pad());
        for (n, p, c) in (0..x.n).flat_map(|n| (0..x.h * x.w).flat_map(move |p| (0..x.c).map(move |c| (n, p, c)))) {
            let [[a, b], [r, m], [q, k]] = [2, 3, 4].map(|i| [0, 1].map(|row| at(&case, i, n, row, c)));
            let (dy, v) = (at(&case, 0, n, p, c), at(&case, 1, n, p, c));
            let want = a * dy * act.slope(a * v + b) + q * (r * v + m) + k;
            assert!((y[(n * x.h * x.w + p) * cp + c] - want).abs() < 1e-12, "{x} {act:?}");
        }
    }
}
