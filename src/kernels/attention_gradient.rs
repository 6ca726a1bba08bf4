//! The gradient of self-attention, flash-style (Dao et al. 2022, "FlashAttention", section 3.1 and appendix B.2): the (L,L)
//! matrix of weights is computed again from two numbers of every row and never held whole.
//!
//! For one head, forward, S = q·kᵀ/√d, P = softmax(S) by rows and out = P·v. With dP = dout·vᵀ and
//! dS = P∘(dP − delta), delta of a row being Σ out∘dout = Σ P∘dP,
//! `dq = dS·k/√d`, `dk = dSᵀ·q/√d` and `dv = Pᵀ·dout`.
//! [`AttentionRows`] makes each row's delta and the logarithm of its Σ exp S, from which P = exp(S − logarithm);
//! [`AttentionGradient`] makes the three gradients.
use super::{
    Args, Io, Kernel, Real, Shader,
    attention::{Attention, Tiling, block, exponentials},
    matmul::{Mat, matmul_transposed},
    widest,
};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

mod cpu;
#[cfg(test)]
mod tests;

/// [q | k | v] (N,H,W,3C) as [`Attention`] takes it, dL/dout and out (N,H,W,C) → (N,H,W,2·heads): the logarithm of Σ exp(q·k/√d)
/// over all keys, for every head, then Σ out∘dout over the head's channels, for every head.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionRows {
    /// Attention heads; they share the channels evenly.
    pub heads: usize,
}

/// The gradient of [`Attention`]: [q | k | v] (N,H,W,3C), dL/dout (N,H,W,C) and [`AttentionRows`]' (N,H,W,2·heads) →
/// (N,H,W,3C), the gradient of [q | k | v].
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionGradient {
    /// Attention heads; they share the channels evenly.
    pub heads: usize,
}

/// Whether `y` is what attention makes of [q | k | v].
fn fits(heads: usize, qkv: Shape, y: Shape) -> Result<(), String> {
    let attention = Attention::new(heads);
    let o = attention.output(&[qkv])?;
    if o == y { Ok(()) } else { Err(format!("{o} is needed, as attention makes it, not {y}")) }
}

impl Kernel for AttentionRows {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let &[qkv, dy, y] = inputs else { return Err(format!("three inputs are needed, not {}", inputs.len())) };
        fits(self.heads, qkv, dy)?;
        fits(self.heads, qkv, y)?;
        Ok(qkv.with_c(2 * self.heads))
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, o) = (io.inputs[0], io.output);
        let Tiling { mut consts, rows, scalar, .. } = Tiling::new(x, self.heads, 1);
        consts.push(("ROWS_ROW", o.c_pad().into()));
        let label = format!("attention_rows_{rows}x32_{scalar}f32");
        let grid = [(o.h * o.w).div_ceil(rows) as u32, self.heads as u32, o.n as u32];
        Shader { label, file: shader_file!("attention_rows.wgsl"), consts, grid }
    }
    fn flops(&self, io: &Io) -> u64 {
        let (l, y) = (io.output.h * io.output.w, io.inputs[1]);
        2 * ((l + 1) * y.len()) as u64
    }
}

impl AttentionRows {
    /// The CPU half: blocks of queries, each with one matrix product per head.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (x, y, o) = (a.io.inputs[0], a.io.inputs[1], a.io.output);
        let (l, d) = (o.h * o.w, y.c / self.heads);
        let [row, y_row, out_row] = [x, y, o].map(|s| s.c_pad());
        let scale = T::of(1.0 / (d as f64).sqrt());
        let block = block(o.n, l);
        let both = a.inputs[1].par_chunks(l * y_row).zip(a.inputs[2].par_chunks(l * y_row));
        let samples = a.output.par_chunks_mut(l * out_row).zip(a.inputs[0].par_chunks(l * row));
        samples.zip(both).for_each(|((out, qkv), (dy, y))| {
            let both = dy.par_chunks(block * y_row).zip(y.par_chunks(block * y_row));
            let blocks = out.par_chunks_mut(block * out_row).zip(qkv.par_chunks(block * row));
            blocks.zip(both).for_each_init(
                || vec![T::zero(); block * l],
                |scores, ((out, q), (dy, y))| {
                    out.fill(T::zero());
                    for head in 0..self.heads {
                        let [q, k] =
                            [&q[head * d..], &qkv[(self.heads + head) * d..]].map(|data| Mat { data, stride: row });
                        matmul_transposed([out.len() / out_row, l, d], q, k, scores, l);
                        let given = dy.chunks_exact(y_row).zip(y.chunks_exact(y_row));
                        let rows = out.chunks_exact_mut(out_row).zip(scores.chunks_exact_mut(l));
                        for ((out, scores), (dy, y)) in rows.zip(given) {
                            let (top, sum) = widest(|| exponentials(scores, scale));
                            out[head] = top * scale + sum.ln();
                            let (dy, y) = (&dy[head * d..][..d], &y[head * d..][..d]);
                            out[self.heads + head] = dy.iter().zip(y).map(|(&a, &b)| a * b).sum();
                        }
                    }
                },
            );
        });
    }
}

impl Kernel for AttentionGradient {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let &[qkv, dy, rows] = inputs else { return Err(format!("three inputs are needed, not {}", inputs.len())) };
        fits(self.heads, qkv, dy)?;
        match qkv.with_c(2 * self.heads) {
            o if o == rows => Ok(qkv),
            o => Err(format!("two numbers of every row and head are needed, {o}, not {rows}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let o = io.output;
        // Of q, of k and of v, each by workgroups of its own.
        let Tiling { mut consts, rows, parts, scalar } = Tiling::new(o, self.heads, 3);
        consts.push(("ROWS_ROW", io.inputs[2].c_pad().into()));
        let label = format!("attention_gradient_{rows}x32_{scalar}f32");
        let grid = [(o.h * o.w).div_ceil(rows) as u32, (3 * self.heads * parts) as u32, o.n as u32];
        Shader { label, file: shader_file!("attention_gradient.wgsl"), consts, grid }
    }
    fn flops(&self, io: &Io) -> u64 {
        10 * (io.output.h * io.output.w * io.inputs[1].len()) as u64
    }
}
