use super::*;
use crate::kernels::{Op, cases::Case};

/// Straight from the formula, for one sample, in device layout: the output, and the gradient of [q | k | v].
fn naive(x: &[f64], dy: &[f64], l: usize, c: usize, heads: usize) -> (Vec<f64>, Vec<f64>) {
    let (row, y_row, d) = ((3 * c).next_multiple_of(4), c.next_multiple_of(4), c / heads);
    let (mut out, mut dx) = (vec![0.0; l * y_row], vec![0.0; l * row]);
    for h in 0..heads {
        let at = |i: usize, which: usize, k: usize| i * row + which * c + h * d + k;
        let of_y = |i: usize, k: usize| i * y_row + h * d + k;
        let scale = 1.0 / (d as f64).sqrt();
        for i in 0..l {
            let scores: Vec<f64> =
                (0..l).map(|j| (0..d).map(|k| x[at(i, 0, k)] * x[at(j, 1, k)]).sum::<f64>() * scale).collect();
            let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = scores.iter().map(|s| (s - top).exp()).sum();
            let p: Vec<f64> = scores.iter().map(|s| (s - top).exp() / sum).collect();
            let dp: Vec<f64> = (0..l).map(|j| (0..d).map(|k| dy[of_y(i, k)] * x[at(j, 2, k)]).sum()).collect();
            let mean: f64 = p.iter().zip(&dp).map(|(p, dp)| p * dp).sum();
            for (j, k) in (0..l).flat_map(|j| (0..d).map(move |k| (j, k))) {
                let ds = p[j] * (dp[j] - mean) * scale;
                out[of_y(i, k)] += p[j] * x[at(j, 2, k)];
                dx[at(i, 0, k)] += ds * x[at(j, 1, k)];
                dx[at(j, 1, k)] += ds * x[at(i, 0, k)];
                dx[at(j, 2, k)] += p[j] * dy[of_y(i, k)];
            }
        }
    }
    (out, dx)
}

fn check([n, h, w]: [usize; 3], heads: usize, d: usize, gain: f32) {
    let (l, c) = (h * w, heads * d);
    let x = Shape::new(n, h, w, 3 * c);
    let y = x.with_c(c);
    let mut rows = Case::new(Op::AttentionRows(AttentionRows { heads }), &[x, y, y], vec![]);
    rows.inputs[0].iter_mut().for_each(|v| *v *= gain);
    let wide = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let (qkv, dy) = (wide(&rows.inputs[0]), wide(&rows.inputs[1]));
    let samples = qkv.chunks(x.padded_len() / n).zip(dy.chunks(y.padded_len() / n));
    let (out, dx): (Vec<_>, Vec<_>) = samples.map(|(x, dy)| naive(x, dy, l, c, heads)).unzip();
    rows.inputs[2] = out.concat().iter().map(|&v| v as f32).collect();
    // A score's rounding error grows with the score, and the weights' with it.
    let tolerance = 1e-10f64.max(1e-14 * f64::from(gain).powi(4));
    let found = rows.check(1e-10);

    let shape = rows.io.output;
    let mut case = Case::new(Op::AttentionGradient(AttentionGradient { heads }), &[x, y, shape], vec![]);
    case.inputs[0] = rows.inputs[0].clone();
    case.inputs[1] = rows.inputs[1].clone();
    case.inputs[2] = found.iter().map(|&v| v as f32).collect();
    let got = case.check(tolerance);
    let want = dx.concat();
    let largest = want.iter().fold(0.0f64, |a, v| a.max(v.abs()));
    // What the rows' two numbers lose as f32 is all that is lost.
    let bound = 1e-5 * f64::from(gain) * largest;
    for (i, (a, b)) in got.iter().zip(&want).enumerate() {
        assert!((a - b).abs() <= bound, "{n}x{h}x{w}, {heads} heads of {d}, at {i}: {a}, not {b}");
    }
}

#[test]
fn every_width_and_length() {
    // Length 1, primes, the tile of 32 and its neighbours, more than one block of the processor's.
    for (h, w, d) in [(1, 1, 5), (1, 31, 3), (4, 8, 8), (1, 67, 36), (17, 16, 4)] {
        check([1, h, w], 1, d, 2.0);
    }
}

#[test]
fn heads_and_samples() {
    check([2, 5, 7], 3, 5, 3.0);
    check([3, 4, 4], 4, 8, 1.0);
}

#[test]
fn a_head_past_one_part() {
    check([1, 3, 11], 1, 516, 1.0);
}

#[test]
fn every_query_tile() {
    check([15, 5, 13], 1, 64, 1.0);
    check([22, 5, 13], 1, 160, 1.0);
}

#[test]
fn large_scores_do_not_overflow() {
    check([1, 5, 9], 1, 32, 20.0);
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let x = Shape::new(2, 3, 3, 24);
    let (y, rows) = (x.with_c(8), x.with_c(4));
    let of_rows = |inputs: &[Shape]| AttentionRows { heads: 2 }.output(inputs);
    let gradient = |inputs: &[Shape]| AttentionGradient { heads: 2 }.output(inputs);
    assert_eq!((of_rows(&[x, y, y]), gradient(&[x, y, rows])), (Ok(rows), Ok(x)));
    assert!(of_rows(&[x, y, rows]).unwrap_err().contains("(2,3,3,4)"));
    assert!(gradient(&[x, rows, rows]).unwrap_err().contains("(2,3,3,8) is needed"));
    assert!(gradient(&[x, y, y]).unwrap_err().contains("two numbers"));
    assert!(gradient(&[x, y]).unwrap_err().contains("three inputs"));
    assert!(AttentionGradient { heads: 0 }.output(&[x, y, rows]).is_err());
}
