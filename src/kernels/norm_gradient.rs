//! The gradient of GroupNorm with the activation after it (Wu and He 2018), in three kernels.
//!
//! Forward, z = u·x̂ + v and y = act(z) with x̂ = (x − mean)·rstd of the channel's group, u = gamma·(1 + s) and
//! v = beta·(1 + s) + h. With dz = dL/dy·act'(z), and means over the group's m channels and pixels,
//! `dL/dx = rstd·(u·dz − mean(u·dz) − x̂·mean(u·dz·x̂))`. [`NormSums`] makes Σ dz·x̂ and Σ dz of every channel, [`NormPart`] what they
//! mean for the group or for a parameter, [`NormGradient`] the gradient of x.
use super::{Args, Io, Kernel, Real, Shader, Value, WeightId, grid_1d, pointwise::Activation, widest};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

/// Inputs dL/dy and x (N,H,W,C), the forward pass's (a, b) and (rstd, −mean·rstd), both (N,1,2,C) → (N,P,2,C): row 0 is Σ dz·x̂ and
/// row 1 is Σ dz over each of the P parts of a sample's pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NormSums {
    /// The activation after the map.
    pub act: Activation,
}

/// What the sums become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormPartKind {
    /// (N,1,2,C): the rows −rstd·mean(u·dz·x̂) and −rstd·mean(u·dz), for [`NormGradient`].
    Coefficients,
    /// (N,1,1,2C): the gradient of (s, h).
    ScaleShift,
    /// (N,1,1,C): each sample's share of the gradient of gamma.
    Gamma,
    /// (N,1,1,C): each sample's share of the gradient of beta.
    Beta,
}

/// Inputs: [`NormSums`]' sums, (rstd, −mean·rstd), and, with `scale_shift`, the forward pass's (N,1,1,2C) of (s, h).
#[derive(Clone, Debug, PartialEq)]
pub struct NormPart {
    /// Which part of the gradient.
    pub kind: NormPartKind,
    /// Groups of the norm.
    pub groups: usize,
    /// Pixels of a sample.
    pub pixels: usize,
    /// gamma, `c` padded to a multiple of four.
    pub gamma: WeightId,
    /// beta, likewise.
    pub beta: WeightId,
    /// The forward pass had a scale and a shift.
    pub scale_shift: bool,
}

/// dL/dx = a·dz + q·x̂ + p: inputs dL/dy, x, (a, b), (rstd, −mean·rstd), (q, p).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NormGradient {
    /// The activation after the map.
    pub act: Activation,
}

fn image_and_vectors(inputs: &[Shape], vectors: usize) -> Result<Shape, String> {
    match inputs {
        [dy, x, rest @ ..]
            if dy == x && rest.len() == vectors && rest.iter().all(|r| *r == Shape::new(x.n, 1, 2, x.c)) =>
        {
            Ok(*x)
        }
        _ => Err(format!("a gradient, its image and {vectors} (N,1,2,C) of it are needed, not {inputs:?}")),
    }
}

impl NormSums {
    /// Parts of a sample's pixels: for the processor's threads and a GPU's groups, and for short sums.
    fn parts(x: Shape) -> usize {
        (x.h * x.w).div_ceil(1024).min(64)
    }
}

impl Kernel for NormSums {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let x = image_and_vectors(inputs, 2)?;
        Ok(Shape::new(x.n, Self::parts(x), 2, x.c))
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, o) = (io.inputs[0], io.output);
        let cv = x.c_pad() / 4;
        let consts = vec![
            self.act.constant(),
            ("CV", cv.into()),
            ("PIXELS", (x.h * x.w).into()),
            ("PER_PART", (x.h * x.w).div_ceil(o.h).into()),
            ("PARTS", o.h.into()),
        ];
        Shader {
            label: format!("norm_sums_{}_f32", self.act.name()),
            file: shader_file!("norm_sums.wgsl"),
            consts,
            grid: [cv.div_ceil(4) as u32, o.h as u32, x.n as u32],
        }
    }
    fn flops(&self, io: &Io) -> u64 {
        8 * io.inputs[0].len() as u64
    }
}

impl NormSums {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (x, o, cp) = (a.io.inputs[0], a.io.output, a.io.output.c_pad());
        let (hw, per) = (x.h * x.w, (x.h * x.w).div_ceil(o.h));
        a.output.par_chunks_mut(2 * cp).enumerate().for_each(|(i, sums)| {
            let (n, part) = (i / o.h, i % o.h);
            let range = (n * hw + (part * per).min(hw)) * cp..(n * hw + ((part + 1) * per).min(hw)) * cp;
            let vectors = [2, 3].map(|v| &a.inputs[v][n * 2 * cp..][..2 * cp]);
            let (dy, x) = (&a.inputs[0][range.clone()], &a.inputs[1][range]);
            match self.act {
                Activation::Silu => widest(|| sums_of(dy, x, vectors, sums, |z| Activation::Silu.slope(z))),
                Activation::Identity => widest(|| sums_of(dy, x, vectors, sums, |_| T::one())),
                other => sums_of(dy, x, vectors, sums, |z| other.slope(z)),
            }
        });
    }
}

/// Adds up a part's pixels; padding channels have a gradient of zero.
#[inline(always)]
fn sums_of<T: Real>(dy: &[T], x: &[T], [ab, plain]: [&[T]; 2], sums: &mut [T], slope: impl Fn(T) -> T) {
    let cp = sums.len() / 2;
    sums.fill(T::zero());
    let (with, alone) = sums.split_at_mut(cp);
    let ((a, b), (r, m)) = (ab.split_at(cp), plain.split_at(cp));
    for (dy, x) in dy.chunks_exact(cp).zip(x.chunks_exact(cp)) {
        for c in 0..cp {
            let dz = dy[c] * slope(a[c] * x[c] + b[c]);
            with[c] += dz * (r[c] * x[c] + m[c]);
            alone[c] += dz;
        }
    }
}

impl Kernel for NormPart {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (sums, plain) = match inputs {
            [sums, plain, ..] => (*sums, *plain),
            _ => return Err(format!("sums and statistics are needed, not {inputs:?}")),
        };
        let (n, c) = (sums.n, sums.c);
        let wanted: &[Shape] = &[Shape::new(n, 1, 1, 2 * c)];
        let fits = sums.w == 2 && plain == Shape::new(n, 1, 2, c) && self.groups > 0 && c % self.groups == 0;
        if !fits || inputs[2..] != wanted[..usize::from(self.scale_shift)] {
            return Err(format!("{inputs:?} are no sums of {} groups", self.groups));
        }
        Ok(match self.kind {
            NormPartKind::Coefficients => plain,
            NormPartKind::ScaleShift => Shape::new(n, 1, 1, 2 * c),
            NormPartKind::Gamma | NormPartKind::Beta => Shape::new(n, 1, 1, c),
        })
    }
    fn shader(&self, io: &Io) -> Shader {
        let (sums, o) = (io.inputs[0], io.output);
        let (kind, grid) = match self.kind {
            NormPartKind::Coefficients => ("coefficients", [self.groups as u32, o.n as u32, 1]),
            NormPartKind::ScaleShift => ("scale_shift", grid_1d(o.padded_len().div_ceil(64))),
            NormPartKind::Gamma => ("gamma", grid_1d(o.padded_len().div_ceil(64))),
            NormPartKind::Beta => ("beta", grid_1d(o.padded_len().div_ceil(64))),
        };
        let consts = vec![
            ("KIND", Value::T(kind.into())),
            ("SCALE_SHIFT", self.scale_shift.into()),
            ("LEN", o.padded_len().into()),
            ("C", sums.c.into()),
            ("C_PAD", sums.c_pad().into()),
            ("C_PAD2", sums.with_c(2 * sums.c).c_pad().into()),
            ("PARTS", sums.h.into()),
            ("GROUPS", self.groups.into()),
            ("C_GROUP", (sums.c / self.groups).into()),
            ("COUNT", ((sums.c / self.groups * self.pixels) as f32).into()),
        ];
        Shader { label: format!("norm_{kind}_gradient_f32"), file: shader_file!("norm_part.wgsl"), consts, grid }
    }
    fn weights(&self) -> Vec<WeightId> {
        match self.kind {
            NormPartKind::Coefficients => vec![self.gamma],
            NormPartKind::ScaleShift => vec![self.gamma, self.beta],
            NormPartKind::Gamma | NormPartKind::Beta => Vec::new(),
        }
    }
}

impl NormPart {
    /// The CPU half, its sums in f64.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (sums, o) = (a.io.inputs[0], a.io.output);
        let (c, cp, out) = (sums.c, sums.c_pad(), o.padded_len() / o.n);
        a.output.fill(T::zero());
        for (n, to) in a.output.chunks_exact_mut(out).enumerate() {
            let parts = &a.inputs[0][n * sums.h * 2 * cp..][..sums.h * 2 * cp];
            // Row 0: Σ dz·x̂, row 1: Σ dz.
            let sum =
                |row: usize, c: usize| parts.iter().skip(row * cp + c).step_by(2 * cp).map(|v| v.f64()).sum::<f64>();
            let modulation =
                |row: usize, at: usize| if self.scale_shift { a.inputs[2][n * row + at].f64() } else { 0.0 };
            let factor = |at: usize| 1.0 + modulation(sums.with_c(2 * c).c_pad(), at);
            match self.kind {
                NormPartKind::Coefficients => {
                    let per = c / self.groups;
                    for group in 0..self.groups {
                        let channels = group * per..(group + 1) * per;
                        let mean = |row: usize| {
                            let u = |c: usize| a.weights[0][c].f64() * factor(c);
                            channels.clone().map(|c| u(c) * sum(row, c)).sum::<f64>() / (per * self.pixels) as f64
                        };
                        let means = [mean(0), mean(1)];
                        for c in channels.clone() {
                            let rstd = a.inputs[1][n * 2 * cp + c].f64();
                            (to[c], to[cp + c]) = (T::of(-rstd * means[0]), T::of(-rstd * means[1]));
                        }
                    }
                }
                NormPartKind::ScaleShift => (0..c).for_each(|k| {
                    let (gamma, beta) = (a.weights[0][k].f64(), a.weights[1][k].f64());
                    (to[k], to[c + k]) = (T::of(gamma * sum(0, k) + beta * sum(1, k)), T::of(sum(1, k)));
                }),
                NormPartKind::Gamma => (0..c).for_each(|k| to[k] = T::of(factor(k) * sum(0, k))),
                NormPartKind::Beta => (0..c).for_each(|k| to[k] = T::of(factor(k) * sum(1, k))),
            }
        }
    }
}

impl Kernel for NormGradient {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        image_and_vectors(inputs, 3)
    }
    fn shader(&self, io: &Io) -> Shader {
        let o = io.output;
        let (cv, len) = (o.c_pad() / 4, o.padded_len() / 4);
        let consts =
            vec![self.act.constant(), ("LEN", len.into()), ("PER_SAMPLE", (o.h * o.w * cv).into()), ("CV", cv.into())];
        let label = format!("norm_gradient_{}_f32", self.act.name());
        Shader { label, file: shader_file!("norm_gradient.wgsl"), consts, grid: grid_1d(len.div_ceil(256)) }
    }
    fn flops(&self, io: &Io) -> u64 {
        8 * io.output.len() as u64
    }
}

impl NormGradient {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (o, cp) = (a.io.output, a.io.output.c_pad());
        let (sample, chunk) = (o.h * o.w * cp, (16384 / cp).max(1) * cp);
        a.output.par_chunks_mut(sample).enumerate().for_each(|(n, dx)| {
            let vectors = [2, 3, 4].map(|v| &a.inputs[v][n * 2 * cp..][..2 * cp]);
            let given = [0, 1].map(|i| a.inputs[i][n * sample..][..sample].par_chunks(chunk));
            let [dy, x] = given;
            dx.par_chunks_mut(chunk).zip(dy.zip(x)).for_each(|(dx, (dy, x))| match self.act {
                Activation::Silu => widest(|| gradient_of(dx, dy, x, vectors, |z| Activation::Silu.slope(z))),
                Activation::Identity => widest(|| gradient_of(dx, dy, x, vectors, |_| T::one())),
                other => gradient_of(dx, dy, x, vectors, |z| other.slope(z)),
            });
        });
    }
}

/// Over whole pixels; in padding channels all that is given is zero.
#[inline(always)]
fn gradient_of<T: Real>(dx: &mut [T], dy: &[T], x: &[T], [ab, plain, qp]: [&[T]; 3], slope: impl Fn(T) -> T) {
    let cp = ab.len() / 2;
    let ((a, b), (r, m), (q, p)) = (ab.split_at(cp), plain.split_at(cp), qp.split_at(cp));
    for ((dx, dy), x) in dx.chunks_exact_mut(cp).zip(dy.chunks_exact(cp)).zip(x.chunks_exact(cp)) {
        for c in 0..cp {
            dx[c] = a[c] * dy[c] * slope(a[c] * x[c] + b[c]) + (q[c] * (r[c] * x[c] + m[c]) + p[c]);
        }
    }
}

#[cfg(test)]
mod tests;
