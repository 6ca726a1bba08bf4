//! Self-attention, flash-style: the (L,L) matrix never exists.
use super::{
    Args, Io, Kernel, Real, Shader, Value,
    matmul::{Mat, matmul, matmul_transposed},
    widest,
};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

/// Multi-head self-attention over the pixels: (N,H,W,3C) holding [q | k | v], each with its heads contiguous, → (N,H,W,C);
/// `softmax(q·kᵀ/√d)·v` with d = C/heads. C must be a multiple of `heads`; d is otherwise free.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// Attention heads; they share the channels evenly.
    pub heads: usize,
}

/// The output channels that one workgroup holds in registers at most.
const PART: usize = 512;
/// Below this many workgroups a GPU idles, and smaller query tiles pay for their extra reads.
const ENOUGH_GROUPS: usize = 128;

/// How a GPU goes through attention and its gradients: tiles of a head's rows against 32 others at a time.
pub(super) struct Tiling {
    /// What every shader of attention is told.
    pub consts: Vec<(&'static str, Value)>,
    /// Rows of a tile.
    pub rows: usize,
    /// Slices of a head's channels, each made by a workgroup of its own.
    pub parts: usize,
    /// For labels: that single numbers are read, where no vec4s lie.
    pub scalar: &'static str,
}

impl Tiling {
    /// For [q | k | v] of shape x; `copies`: how many workgroups take the same tile, parts not counted.
    pub fn new(x: Shape, heads: usize, copies: usize) -> Self {
        let (l, c) = (x.h * x.w, x.c / 3);
        let d = c / heads;
        let dv = d.div_ceil(4);
        let parts = d.div_ceil(PART);
        let chunks = dv.min(PART / 4).div_ceil(8);
        // Scores: the width in equal chunks of at most 8 vec4s, rows of odd length in shared memory.
        let s_chunks = dv.div_ceil(8);
        let sv = dv.div_ceil(s_chunks);
        let groups = |rows: usize| x.n * heads * copies * l.div_ceil(rows);
        let rows = [32, 16, 8].into_iter().find(|&rows| groups(rows) >= ENOUGH_GROUPS).unwrap_or(8);
        // TY rows of threads with RQ rows each. A thread has room for 16 vec4s of output.
        let rq = [4, 2, 1].into_iter().find(|rq| rq * chunks <= 16 && rows / rq >= 8).unwrap_or(1);
        let aligned = d.is_multiple_of(4);
        let consts = vec![
            ("ALIGNED", aligned.into()),
            ("L", l.into()),
            ("HEADS", heads.into()),
            ("D", d.into()),
            ("C", c.into()),
            ("DV", dv.into()),
            ("ROW", x.c_pad().into()),
            ("OUT_ROW", x.with_c(c).c_pad().into()),
            ("PARTS", parts.into()),
            ("SV", sv.into()),
            ("SPAD", (sv | 1).into()),
            ("S_CHUNKS", s_chunks.into()),
            ("TY", (rows / rq).into()),
            ("RQ", rq.into()),
            ("NC", chunks.into()),
            ("SCALE", ((1.0 / (d as f64).sqrt() * std::f64::consts::LOG2_E) as f32).into()),
        ];
        Tiling { consts, rows, parts, scalar: if aligned { "" } else { "scalar_" } }
    }
}

impl Kernel for Attention {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [x] if self.heads > 0 && x.c % (3 * self.heads) == 0 => Ok(x.with_c(x.c / 3)),
            _ => Err(format!("{inputs:?} is not q, k and v of {} heads", self.heads)),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, o) = (io.inputs[0], io.output);
        let Tiling { consts, rows, parts, scalar } = Tiling::new(x, self.heads, 1);
        let label = format!("attention_flash_{rows}x32_{scalar}f32");
        let grid = [(o.h * o.w).div_ceil(rows) as u32, (self.heads * parts) as u32, o.n as u32];
        Shader { label, file: shader_file!("attention.wgsl"), consts, grid }
    }
    fn flops(&self, io: &Io) -> u64 {
        let (l, n) = (io.output.h * io.output.w, io.output.n);
        4 * (n * l * l * io.output.c) as u64
    }
}

/// Numbers that a loop keeps at once: two vectors, so that operations need not wait for each other.
const LANES: usize = 16;

/// Turns a row of products q·k into weights that are not yet divided by their sum, and returns the largest product and the sum.
#[inline(always)]
pub(super) fn exponentials<T: Real>(row: &mut [T], scale: T) -> (T, T) {
    let larger = |a: T, b: T| if a > b { a } else { b };
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    let mut tops = [T::neg_infinity(); LANES];
    for chunk in &*chunks {
        for (t, &v) in tops.iter_mut().zip(chunk) {
            *t = larger(*t, v);
        }
    }
    let top = tops.iter().chain(&*rest).copied().fold(T::neg_infinity(), larger);
    let mut sums = [T::zero(); LANES];
    for chunk in chunks {
        for (v, s) in chunk.iter_mut().zip(&mut sums) {
            *v = ((*v - top) * scale).exp_fast();
            *s += *v;
        }
    }
    for v in rest {
        *v = ((*v - top) * scale).exp_fast();
        sums[0] += *v;
    }
    (top, sums.into_iter().sum())
}

/// Queries that are taken at once: several blocks for every thread, each large enough for the packing of k and v to pay.
pub(super) fn block(samples: usize, l: usize) -> usize {
    (samples * l).div_ceil(4 * rayon::current_num_threads()).clamp(16, 128).min(l)
}

impl Attention {
    /// The CPU half: blocks of queries, each with two matrix products per head.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (x, o) = (a.io.inputs[0], a.io.output);
        let (l, d, row, out_row) = (o.h * o.w, o.c / self.heads, x.c_pad(), o.c_pad());
        let scale = T::of(1.0 / (d as f64).sqrt());
        let block = block(o.n, l);
        let samples = a.output.par_chunks_mut(l * out_row).zip(a.inputs[0].par_chunks(l * row));
        samples.for_each(|(out, qkv)| {
            let blocks = out.par_chunks_mut(block * out_row).zip(qkv.par_chunks(block * row));
            blocks.for_each_init(
                || vec![T::zero(); block * l],
                |scores, (out, q)| {
                    let m = out.len() / out_row;
                    for head in 0..self.heads {
                        let (q, k, v) = (&q[head * d..], &qkv[o.c + head * d..], &qkv[2 * o.c + head * d..]);
                        let [q, k, v] = [q, k, v].map(|data| Mat { data, stride: row });
                        matmul_transposed([m, l, d], q, k, scores, l);
                        let rows = scores.chunks_exact_mut(l).take(m);
                        let sums: Vec<T> = rows.map(|row| widest(|| exponentials(row, scale)).1).collect();
                        let weights = Mat { data: &scores[..], stride: l };
                        matmul([m, d, l], weights, v, &mut out[head * d..], out_row, false);
                        for (out, sum) in out.chunks_exact_mut(out_row).zip(sums) {
                            out[head * d..][..d].iter_mut().for_each(|y| *y = *y / sum);
                        }
                    }
                    out.chunks_exact_mut(out_row).for_each(|out| out[o.c..].fill(T::zero()));
                },
            );
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let mut case = Case::new(Op::Attention(Attention { heads }), &[x], vec![]);
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
    fn every_query_tile() {
        // Enough work for 32 and for 16 queries a tile; the widths need different register tiles.
        check(43, 5, 13, 1, 64, 1.0);
        check(43, 5, 13, 1, 160, 1.0);
        check(26, 5, 13, 1, 160, 1.0);
    }

    #[test]
    fn large_scores_do_not_overflow() {
        check(1, 5, 9, 1, 32, 30.0);
    }
}
