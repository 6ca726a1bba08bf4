use super::*;
use crate::kernels::class::{Class, NAMED, Target};
use crate::kernels::{Op, cases::Case};

/// Straight from the formula, for one sample.
fn naive(x: &[f32], l: usize, row: usize, c: usize, heads: usize) -> Vec<f64> {
    let (d, at) = (c / heads, |i: usize, k: usize| f64::from(x[i * row + k]));
    let mut out = vec![0.0; l * c.next_multiple_of(4)];
    for (i, y) in out.chunks_exact_mut(c.next_multiple_of(4)).enumerate() {
        for h in 0..heads {
            let score = |j: usize| (0..d).map(|k| at(i, h * d + k) * at(j, c + h * d + k)).sum::<f64>();
            let scores: Vec<f64> = (0..l).map(|j| score(j) / (d as f64).sqrt()).collect();
            let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for k in 0..d {
                y[h * d + k] = (0..l).map(|j| weights[j] * at(j, 2 * c + h * d + k)).sum::<f64>() / sum;
            }
        }
    }
    out
}

fn check(n: usize, h: usize, w: usize, heads: usize, d: usize, gain: f32) {
    let x = Shape::new(n, h, w, 3 * heads * d);
    check_tile(x, heads, Tile::choose(Target::default(), x, heads), gain);
}

fn check_tile(x: Shape, heads: usize, tile: Tile, gain: f32) {
    let (n, h, w, d) = (x.n, x.h, x.w, x.c / (3 * heads));
    let mut case = Case::new(Op::Attention(Attention { heads, tile }), &[x], vec![]);
    case.inputs[0].iter_mut().for_each(|v| *v *= gain);
    let out = case.check(1e-10);
    let (c, one, out_one) = (heads * d, x.padded_len() / n, case.io.output.padded_len() / n);
    for (out, x) in out.chunks(out_one).zip(case.inputs[0].chunks(one)) {
        for (a, b) in out.iter().zip(naive(x, h * w, x.len() / (h * w), c, heads)) {
            assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        }
    }
}

#[test]
fn every_width_and_length() {
    // Length 1, primes, the tile of 32 keys and its neighbours; widths below, at and past a chunk of 32.
    // Every case is one more pipeline, and a software driver takes seconds for each.
    for (h, w, d) in [(1, 1, 5), (1, 31, 3), (4, 8, 8), (3, 11, 30), (1, 61, 32), (1, 67, 36)] {
        check(1, h, w, 1, d, 2.0);
    }
}

#[test]
fn heads_and_samples() {
    check(2, 5, 7, 3, 5, 3.0);
}

#[test]
fn a_head_past_one_part() {
    check(1, 3, 11, 1, 516, 1.0);
}

#[test]
fn every_tile() {
    // Each class's, at a width and a length that fill no tile, and one of each kind at a width of no whole vec4s, whose loads
    // are others; on every device, as all fit into WebGPU's shared memory at these widths.
    let mut done: Vec<(Tile, usize)> = Vec::new();
    let mut odd: Vec<Staged> = Vec::new();
    let tiles = NAMED.iter().map(|&(_, class)| class).chain([Class::Software]).flat_map(tile::tiles);
    for t in tiles.copied().chain([Tile::default()]) {
        for d in [36, 13] {
            assert!(t.shared(d) <= Target::default().shared, "{t:?} at {d}");
            let again = done.contains(&(t, d)) || d == 13 && odd.contains(&t.staged);
            if !again {
                done.push((t, d));
                odd.extend((d == 13).then_some(t.staged));
                check_tile(Shape::new(1, 5, 13, 6 * d), 2, t, 1.0);
            }
        }
    }
}

#[test]
fn wide_heads_keep_to_the_shared_memory() {
    for (_, class) in NAMED {
        for shared in [16 << 10, 32 << 10, 48 << 10, 64 << 10] {
            for d in [1, 3, 32, 64, 128, 160, 256, 512, 516, 2048] {
                let x = Shape::new(1, 32, 32, 3 * d);
                let tile = Tile::choose(Target { class, shared }, x, 1);
                assert!(tile.shared(d) <= shared, "{tile:?} of {class:?} at {d}");
            }
        }
    }
}

#[test]
fn large_scores_do_not_overflow() {
    check(1, 5, 9, 1, 32, 30.0);
}
