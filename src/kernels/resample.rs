//! Doubling by nearest neighbour, and pooling.
use super::{Args, Io, Kernel, Real, Shader, grid_1d};
use crate::{Result, Shape};
use rayon::prelude::*;

/// Twice the rows and columns, each value repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct Upsample;

/// How a window becomes one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// The mean of the window.
    Average,
    /// Its largest value.
    Max,
}

/// Pooling without padding; incomplete windows at the end are dropped, as PyTorch does.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Mean or maximum.
    pub kind: PoolKind,
    /// Side of the window.
    pub size: usize,
    /// Step.
    pub stride: usize,
}

impl Kernel for Upsample {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [x] = inputs else { return Err(format!("one input is needed, not {}", inputs.len())) };
        Ok(Shape::new(x.n, 2 * x.h, 2 * x.w, x.c))
    }
    fn shader(&self, io: &Io) -> Shader {
        let o = io.output;
        let len = o.padded_len() / 4;
        let consts = vec![("LEN", len.into()), ("W", o.w.into()), ("CV", (o.c_pad() / 4).into())];
        Shader { label: "upsample_f32".into(), file: "resample.wgsl", consts, grid: grid_1d(len.div_ceil(256)) }
    }
}

impl Upsample {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (cp, row) = (a.io.output.c_pad(), a.io.inputs[0].w * a.io.inputs[0].c_pad());
        // Two output rows come from one input row, across samples too.
        a.output.par_chunks_mut(4 * row).zip(a.inputs[0].par_chunks(row)).for_each(|(rows, x)| {
            let (first, second) = rows.split_at_mut(2 * row);
            for (y, x) in first.chunks_exact_mut(2 * cp).zip(x.chunks_exact(cp)) {
                y[..cp].copy_from_slice(x);
                y[cp..].copy_from_slice(x);
            }
            second.copy_from_slice(first);
        });
    }
}

impl Kernel for Pool {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [x] = inputs else { return Err(format!("one input is needed, not {}", inputs.len())) };
        if self.size == 0 || self.stride == 0 || x.h < self.size || x.w < self.size {
            return Err(format!("a window of {} does not fit into {x}", self.size));
        }
        Ok(Shape::new(x.n, (x.h - self.size) / self.stride + 1, (x.w - self.size) / self.stride + 1, x.c))
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, o) = (io.inputs[0], io.output);
        let len = o.padded_len() / 4;
        let consts = vec![
            ("LEN", len.into()),
            ("H", o.h.into()),
            ("W", o.w.into()),
            ("IN_H", x.h.into()),
            ("IN_W", x.w.into()),
            ("CV", (o.c_pad() / 4).into()),
            ("SIZE", self.size.into()),
            ("STRIDE", self.stride.into()),
            ("MAX", (self.kind == PoolKind::Max).into()),
        ];
        let label = if self.kind == PoolKind::Max { "pool_max_f32" } else { "pool_average_f32" };
        Shader { label: label.into(), file: "pool.wgsl", consts, grid: grid_1d(len.div_ceil(256)) }
    }
}

impl Pool {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (x, o, cp) = (a.io.inputs[0], a.io.output, a.io.output.c_pad());
        let share = T::one() / T::of((self.size * self.size) as f64);
        a.output.par_chunks_mut(o.w * cp).enumerate().for_each(|(row, out)| {
            for (col, y) in out.chunks_exact_mut(cp).enumerate() {
                let first = (row / o.h * x.h + row % o.h * self.stride) * x.w + col * self.stride;
                y.copy_from_slice(&a.inputs[0][first * cp..][..cp]);
                for k in 1..self.size * self.size {
                    let u = &a.inputs[0][(first + k / self.size * x.w + k % self.size) * cp..][..cp];
                    for (y, &u) in y.iter_mut().zip(u) {
                        *y = match self.kind {
                            PoolKind::Average => *y + u,
                            // Not `max`: a NaN must survive, as in PyTorch.
                            PoolKind::Max if u > *y || u.is_nan() => u,
                            PoolKind::Max => *y,
                        };
                    }
                }
                if self.kind == PoolKind::Average {
                    y.iter_mut().for_each(|y| *y = *y * share);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, cases::Case};

    #[test]
    fn upsample_repeats_every_value() {
        for (n, h, w, c) in [(1, 1, 1, 1), (2, 3, 5, 3), (1, 8, 8, 64), (3, 7, 1, 10)] {
            let case = Case::new(Op::Upsample(Upsample), &[Shape::new(n, h, w, c)], vec![]);
            let (y, cp) = (case.check(1e-11), case.io.output.c_pad());
            for (i, y) in y.iter().enumerate() {
                let (p, k) = (i / cp, i % cp);
                let (n, row, col) = (p / (4 * h * w), p / (2 * w) % (2 * h), p % (2 * w));
                let from = ((n * h + row / 2) * w + col / 2) * cp + k;
                assert_eq!(*y, f64::from(case.inputs[0][from]));
            }
        }
    }

    #[test]
    fn pooling_drops_incomplete_windows() {
        for (kind, size, stride) in
            [(PoolKind::Average, 2, 2), (PoolKind::Max, 2, 2), (PoolKind::Max, 3, 2), (PoolKind::Average, 3, 1)]
        {
            for (n, h, w, c) in [(1, 3, 3, 1), (2, 7, 5, 3), (2, 8, 9, 20)] {
                let op = Op::Pool(Pool { kind, size, stride });
                let case = Case::new(op, &[Shape::new(n, h, w, c)], vec![]);
                let (y, o, cp) = (case.check(1e-11), case.io.output, case.io.output.c_pad());
                for (i, y) in y.iter().enumerate() {
                    let (p, k) = (i / cp, i % cp);
                    let (n, row, col) = (p / (o.h * o.w), p / o.w % o.h, p % o.w);
                    let window: Vec<f64> = (0..size * size)
                        .map(|j| ((n * h + row * stride + j / size) * w + col * stride + j % size) * cp + k)
                        .map(|at| f64::from(case.inputs[0][at]))
                        .collect();
                    let expected = match kind {
                        PoolKind::Average => window.iter().sum::<f64>() / (size * size) as f64,
                        PoolKind::Max => window.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                    };
                    assert!((y - expected).abs() < 1e-12);
                }
            }
        }
    }
}
