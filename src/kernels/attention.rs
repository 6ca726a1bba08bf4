//! Self-attention, flash-style: the (L,L) matrix never exists.
use super::{
    Args, Io, Kernel, Real, Shader, Value,
    matmul::{Mat, matmul, matmul_transposed},
    widest,
};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

mod tile;
pub use tile::{Staged, Tile};

/// Multi-head self-attention over the pixels: (N,H,W,3C) holding [q | k | v], each with its heads contiguous, → (N,H,W,C);
/// `softmax(q·kᵀ/√d)·v` with d = C/heads. C must be a multiple of `heads`; d is otherwise free.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// Attention heads; they share the channels evenly.
    pub heads: usize,
    /// How a GPU's workgroups divide the work.
    pub tile: Tile,
}

impl Attention {
    /// Attention with the tile that takes any width.
    pub fn new(heads: usize) -> Self {
        Attention { heads, tile: Tile::default() }
    }
}

/// The output channels that one workgroup holds in registers at most.
const PART: usize = 512;
/// Below this many workgroups a GPU idles, and smaller query tiles pay for their extra reads.
const ENOUGH_GROUPS: usize = 128;

/// How a GPU goes through attention's gradients: tiles of a head's rows against 32 others at a time.
pub(super) struct Tiling {
    /// What every shader of the gradients is told.
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
            ("SCALE", scale(d).into()),
        ];
        Tiling { consts, rows, parts, scalar: if aligned { "" } else { "scalar_" } }
    }
}

/// The factor of q·k, in units of log2.
fn scale(d: usize) -> f32 {
    (1.0 / (d as f64).sqrt() * std::f64::consts::LOG2_E) as f32
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
        let Tile { rows, tx, keys, staged, .. } = self.tile;
        let d = o.c / self.heads;
        let (parts, aligned) = (d.div_ceil(tile::PART), d.is_multiple_of(4));
        let mut consts = self.tile.consts(d);
        consts.extend([
            ("ALIGNED", aligned.into()),
            ("L", (x.h * x.w).into()),
            ("HEADS", self.heads.into()),
            ("D", d.into()),
            ("C", o.c.into()),
            ("DV", d.div_ceil(4).into()),
            ("ROW", x.c_pad().into()),
            ("OUT_ROW", o.c_pad().into()),
            ("PARTS", parts.into()),
            ("PART", (tile::PART / 4).into()),
            ("SCALE", scale(d).into()),
        ]);
        let (scalar, whole) =
            (if aligned { "" } else { "scalar_" }, if staged == Staged::Whole { "whole_" } else { "" });
        let label = format!("attention_flash_{rows}x{}_{whole}{scalar}f32", tx * keys);
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
mod tests;
