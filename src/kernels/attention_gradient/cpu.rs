//! The processor's half of [`AttentionGradient`]: every tile of weights is computed once, for all three gradients.
use super::AttentionGradient;
use crate::kernels::{
    Args, Real,
    matmul::{Mat, matmul, matmul_transposed, product},
    widest,
};
use rayon::prelude::*;

/// Queries, and keys, of a tile at most: its weights stay in a core's cache.
const TILE: usize = 128;

/// What all tiles of a sample read, and the numbers of a row in each.
struct Sample<'a, T> {
    qkv: &'a [T],
    dy: &'a [T],
    rows: &'a [T],
    /// Of `qkv`, `dy` and `rows`.
    pitch: [usize; 3],
    heads: usize,
    /// Channels of a head.
    d: usize,
}

impl AttentionGradient {
    /// The CPU half. A sample's L rows are cut into B blocks. In turn r, block j of the keys meets block j + r mod B of the queries,
    /// for all j at once: no two write the same rows, and the order of every sum is the same on any number of threads.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (x, y) = (a.io.output, a.io.inputs[1]);
        let (l, c) = (x.h * x.w, y.c);
        let pitch = [x.c_pad(), y.c_pad(), a.io.inputs[2].c_pad()];
        let sample = |n: usize| {
            let [qkv, dy, rows] = [0, 1, 2].map(|i| &a.inputs[i][n * l * pitch[i]..][..l * pitch[i]]);
            Sample { qkv, dy, rows, pitch, heads: self.heads, d: c / self.heads }
        };
        let samples: Vec<Sample<T>> = (0..x.n).map(sample).collect();
        // Short rows are cut as well, so that threads have blocks.
        let block = l.div_ceil(8).clamp(32, TILE).min(l);
        let (mut dq, mut dkv) = (vec![T::zero(); x.n * l * c], vec![T::zero(); x.n * l * 2 * c]);
        let mut queries: Vec<Vec<(usize, &mut [T])>> =
            dq.chunks_mut(l * c).map(|dq| dq.chunks_mut(block * c).enumerate().collect()).collect();
        let mut keys: Vec<Vec<(usize, &mut [T])>> =
            dkv.chunks_mut(2 * l * c).map(|dkv| dkv.chunks_mut(2 * block * c).enumerate().collect()).collect();
        for _ in 0..l.div_ceil(block) {
            let turn = samples.par_iter().zip(queries.par_iter_mut().zip(&mut keys));
            turn.for_each(|(sample, (queries, keys))| {
                queries.par_iter_mut().zip(keys).for_each_init(
                    || [(); 2].map(|()| vec![T::zero(); block * block]),
                    |scratch, ((i, dq), (j, dkv))| sample.tile([*i * block, *j * block], dq, dkv, scratch),
                );
            });
            queries.iter_mut().for_each(|blocks| blocks.rotate_left(1));
        }
        let parts = dq.par_chunks(c).zip(dkv.par_chunks(2 * c));
        a.output.par_chunks_mut(pitch[0]).zip(parts).for_each(|(to, (dq, dkv))| {
            to[..c].copy_from_slice(dq);
            to[c..3 * c].copy_from_slice(dkv);
            to[3 * c..].fill(T::zero());
        });
    }
}

impl<T: Real> Sample<'_, T> {
    /// Adds what the queries from `q0` on and the keys from `k0` on give each other: to dq (m,C) and to [dk | dv] (n,2C).
    fn tile(&self, [q0, k0]: [usize; 2], dq: &mut [T], dkv: &mut [T], [p, ds]: &mut [Vec<T>; 2]) {
        let (d, c, [row, dy_row, rows_row]) = (self.d, self.heads * self.d, self.pitch);
        let (m, n) = (dq.len() / c, dkv.len() / (2 * c));
        let scale = T::of(1.0 / (d as f64).sqrt());
        let of = |pixel: usize, which: usize, head: usize| Mat {
            data: &self.qkv[pixel * row + which * c + head * d..],
            stride: row,
        };
        for head in 0..self.heads {
            let (q, k, v) = (of(q0, 0, head), of(k0, 1, head), of(k0, 2, head));
            let dy = Mat { data: &self.dy[q0 * dy_row + head * d..], stride: dy_row };
            matmul_transposed([m, n, d], q, k, p, n);
            matmul_transposed([m, n, d], dy, v, ds, n);
            let of_rows = self.rows[q0 * rows_row..].chunks_exact(rows_row);
            for ((p, ds), of_row) in p.chunks_exact_mut(n).zip(ds.chunks_exact_mut(n)).zip(of_rows).take(m) {
                let (log_sum, delta) = (of_row[head], of_row[self.heads + head]);
                widest(|| weights(p, ds, scale, log_sum, delta));
            }
            let (p, ds) = (Mat { data: p, stride: n }, Mat { data: ds, stride: n });
            matmul([m, d, n], ds, k, &mut dq[head * d..], c, true);
            product([n, d, m], (ds, true), (q, false), &mut dkv[head * d..], 2 * c, true, false);
            product([n, d, m], (p, true), (dy, false), &mut dkv[c + head * d..], 2 * c, true, false);
        }
    }
}

/// Turns a row of products q·k into weights P, and its dP into dS/√d.
#[inline(always)]
fn weights<T: Real>(p: &mut [T], ds: &mut [T], scale: T, log_sum: T, delta: T) {
    for (p, ds) in p.iter_mut().zip(ds) {
        *p = (*p * scale - log_sum).exp_fast();
        *ds = *p * (*ds - delta) * scale;
    }
}
