//! GroupNorm (Wu and He 2018), split into a statistics kernel and an affine map that other kernels take in.
use super::{Args, Io, Kernel, Real, Shader, WeightId, grid_1d, pointwise::Activation};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

/// Statistics of GroupNorm, already combined with its weights: x (N,H,W,C) → (N,1,2,C), row 0 is a and row 1 is b of
/// `GroupNorm(x) = a·x + b`. With `scale_shift` a second input (N,1,1,2C) holds (s, h) and the pair becomes that of
/// `GroupNorm(x)·(1 + s) + h`. The variance is the biased one.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupNormStats {
    /// Groups; must divide the channels.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f32,
    /// gamma, `c` padded to a multiple of four.
    pub gamma: WeightId,
    /// beta, likewise.
    pub beta: WeightId,
    /// A second input modulates the result.
    pub scale_shift: bool,
}

/// `y = act(a·x + b)` with inputs x and the (N,1,2,C) of [`GroupNormStats`].
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// Activation after the map.
    pub act: Activation,
}

impl Kernel for GroupNormStats {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let x = *inputs.first().ok_or("an input is needed")?;
        if self.groups == 0 || x.c % self.groups != 0 {
            return Err(format!("{} channels cannot be split into {} groups", x.c, self.groups));
        }
        match (self.scale_shift, &inputs[1..]) {
            (false, []) => {}
            (true, [s]) if *s == Shape::new(x.n, 1, 1, 2 * x.c) => {}
            (_, rest) => return Err(format!("scale and shift for {x} are given as {rest:?}")),
        }
        Ok(Shape::new(x.n, 1, 2, x.c))
    }
    fn shader(&self, io: &Io) -> Shader {
        let x = io.inputs[0];
        let per_group = x.c / self.groups;
        let wide = per_group.is_multiple_of(4);
        let lanes = if wide { 4 } else { 1 };
        let elements = x.h * x.w * per_group / lanes;
        let threads = if elements <= 256 { 64 } else { 256 };
        let consts = vec![
            ("WG", threads.into()),
            ("WIDE", wide.into()),
            ("SCALE_SHIFT", self.scale_shift.into()),
            ("C", x.c.into()),
            ("C_PAD", x.c_pad().into()),
            ("C_PAD2", x.with_c(2 * x.c).c_pad().into()),
            ("GROUPS", self.groups.into()),
            ("C_GROUP", per_group.into()),
            ("PER", (per_group / lanes).into()),
            ("STRIDE", (x.c_pad() / lanes).into()),
            ("ELEMENTS", elements.into()),
            ("CHUNKS", (elements / (8 * threads)).into()),
            ("EPS", self.eps.into()),
        ];
        let label = if wide { "groupnorm_stats_vec4_f32" } else { "groupnorm_stats_f32" };
        Shader {
            label: label.into(),
            file: shader_file!("groupnorm_stats.wgsl"),
            consts,
            grid: [self.groups as u32, x.n as u32, 1],
        }
    }
    fn weights(&self) -> Vec<WeightId> {
        vec![self.gamma, self.beta]
    }
    fn flops(&self, io: &Io) -> u64 {
        4 * io.inputs[0].len() as u64
    }
}

/// Mean and sum of squared deviations of every channel over a few pixels: `out` is the row of means, then the row of sums.
fn block_moments<T: Real>(x: &[T], cp: usize, out: &mut [T]) {
    let (mean, m2) = out.split_at_mut(cp);
    let (first, rest) = x.split_at(cp);
    // About the first pixel: the sum of numbers far from zero would lose the digits that tell them apart.
    for row in rest.chunks_exact(cp) {
        for ((s, &v), &f) in mean.iter_mut().zip(row).zip(first) {
            *s += v - f;
        }
    }
    let inverse = T::one() / T::of((x.len() / cp) as f64);
    mean.iter_mut().zip(first).for_each(|(m, &f)| *m = f + *m * inverse);
    for row in x.chunks_exact(cp) {
        for ((s, &m), &v) in m2.iter_mut().zip(&*mean).zip(row) {
            *s += (v - m) * (v - m);
        }
    }
}

impl GroupNormStats {
    /// The CPU half: moments of every channel over blocks of pixels that stay in cache, merged per group in f64
    /// (Chan, Golub and LeVeque 1979). Memory is read in order, and no sum of raw squares loses digits.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let x = a.io.inputs[0];
        let (cp, hw) = (x.c_pad(), x.h * x.w);
        let block = (8192 / cp).clamp(16, 128).min(hw);
        let mut moments = vec![T::zero(); x.n * hw.div_ceil(block) * 2 * cp];
        let samples = moments.par_chunks_mut(hw.div_ceil(block) * 2 * cp).zip(a.inputs[0].par_chunks(hw * cp));
        samples.for_each(|(m, x)| {
            m.par_chunks_mut(2 * cp).zip(x.par_chunks(block * cp)).for_each(|(m, x)| block_moments(x, cp, m));
        });
        let (gamma, beta) = (a.weights[0], a.weights[1]);
        for (n, moments) in moments.chunks(hw.div_ceil(block) * 2 * cp).enumerate() {
            let (mean, rstd) = self.group_moments(moments, x, block);
            let (row_a, row_b) = a.output[n * 2 * cp..][..2 * cp].split_at_mut(cp);
            for c in 0..cp {
                if c >= x.c {
                    (row_a[c], row_b[c]) = (T::zero(), T::zero());
                    continue;
                }
                let g = c / (x.c / self.groups);
                let scale = gamma[c].f64() * rstd[g];
                let (mut scale, mut shift) = (scale, beta[c].f64() - mean[g] * scale);
                if self.scale_shift {
                    let s = &a.inputs[1][n * x.with_c(2 * x.c).c_pad()..];
                    let factor = 1.0 + s[c].f64();
                    (scale, shift) = (scale * factor, shift * factor + s[x.c + c].f64());
                }
                (row_a[c], row_b[c]) = (T::of(scale), T::of(shift));
            }
        }
    }

    /// Mean and 1/√(variance + eps) of every group of a sample, from its blocks' channel moments.
    fn group_moments<T: Real>(&self, moments: &[T], x: Shape, block: usize) -> (Vec<f64>, Vec<f64>) {
        let (cp, hw, per) = (x.c_pad(), x.h * x.w, x.c / self.groups);
        let total = (hw * per) as f64;
        let pixels = |b: usize| block.min(hw - b * block) as f64;
        let mut mean = vec![0.0; self.groups];
        for (b, rows) in moments.chunks(2 * cp).enumerate() {
            for (m, channels) in mean.iter_mut().zip(rows.chunks(per)) {
                *m += pixels(b) * channels.iter().map(|v| v.f64()).sum::<f64>() / total;
            }
        }
        let mut variance = vec![0.0; self.groups];
        for (b, rows) in moments.chunks(2 * cp).enumerate() {
            let (means, m2) = rows.split_at(cp);
            for ((v, &m), (means, m2)) in variance.iter_mut().zip(&mean).zip(means.chunks(per).zip(m2.chunks(per))) {
                let between: f64 = means.iter().map(|x| (x.f64() - m).powi(2)).sum();
                *v += (m2.iter().map(|x| x.f64()).sum::<f64>() + pixels(b) * between) / total;
            }
        }
        let rstd = variance.iter().map(|v| 1.0 / (v + f64::from(self.eps)).sqrt()).collect();
        (mean, rstd)
    }
}

impl Kernel for Affine {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [x, ab] if *ab == Shape::new(x.n, 1, 2, x.c) => Ok(*x),
            _ => Err(format!("an image and its (N,1,2,C) affine are needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let o = io.output;
        let (cv, len) = (o.c_pad() / 4, o.padded_len() / 4);
        let consts = vec![
            self.act.constant(),
            ("LEN", len.into()),
            ("PER_SAMPLE", (o.h * o.w * cv).into()),
            ("CV", cv.into()),
            ("C_TAIL", (o.c - (cv - 1) * 4).into()),
        ];
        let label = format!("affine_{}_f32", self.act.name());
        Shader { label, file: shader_file!("affine.wgsl"), consts, grid: grid_1d(len.div_ceil(256)) }
    }
}

/// `y = act(a·x + b)` over whole pixels of `cp` stored channels, of which `c` are real; `ab` is the row of a, then of b.
pub fn affine_pixels<T: Real>(act: Activation, x: &[T], ab: &[T], [c, cp]: [usize; 2], y: &mut [T]) {
    // One loop per activation, so that each is vectorised.
    match act {
        Activation::Identity => each_pixel(x, ab, [c, cp], y, |v| v),
        Activation::Silu => each_pixel(x, ab, [c, cp], y, |v| Activation::Silu.apply(v)),
        Activation::Relu => each_pixel(x, ab, [c, cp], y, |v| Activation::Relu.apply(v)),
        other => each_pixel(x, ab, [c, cp], y, |v| other.apply(v)),
    }
}

#[inline(always)]
fn each_pixel<T: Real>(x: &[T], ab: &[T], [c, cp]: [usize; 2], y: &mut [T], f: impl Fn(T) -> T) {
    let (a, b) = ab.split_at(cp);
    for (y, x) in y.chunks_exact_mut(cp).zip(x.chunks_exact(cp)) {
        for (((y, &x), &a), &b) in y.iter_mut().zip(x).zip(a).zip(b) {
            *y = f(a * x + b);
        }
        y[c..].fill(T::zero());
    }
}

impl Affine {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let x = a.io.output;
        let (cp, sample) = (x.c_pad(), x.h * x.w * x.c_pad());
        let chunk = (16384 / cp).max(1) * cp;
        let samples = a.output.par_chunks_mut(sample).zip(a.inputs[0].par_chunks(sample));
        samples.zip(a.inputs[1].par_chunks(2 * cp)).for_each(|((y, x_), ab)| {
            let chunks = y.par_chunks_mut(chunk).zip(x_.par_chunks(chunk));
            chunks.for_each(|(y, x_)| affine_pixels(self.act, x_, ab, [x.c, cp], y));
        });
    }
}

#[cfg(test)]
mod tests;
