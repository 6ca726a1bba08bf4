//! Doubling by nearest neighbour, and pooling.
use super::{Args, Io, Kernel, Real, Shader, Value, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;
use std::ops::Range;

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

/// Pooling as PyTorch's `max_pool2d` and `avg_pool2d` do it: incomplete windows at the end are dropped; padding never wins
/// a maximum and counts as zeros in a mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Mean or maximum.
    pub kind: PoolKind,
    /// Rows and columns of the window.
    pub size: [usize; 2],
    /// Step, the same in both directions.
    pub stride: usize,
    /// Padding on all four sides, at most half of the window.
    pub pad: usize,
}

impl Pool {
    /// A square window without padding.
    pub fn square(kind: PoolKind, size: usize, stride: usize) -> Self {
        Pool { kind, size: [size; 2], stride, pad: 0 }
    }
    /// The rows (axis 0) or columns (axis 1) of an input of `size` that output row or column `out` takes.
    pub(super) fn inside(&self, out: usize, axis: usize, size: usize) -> Range<usize> {
        let at = out * self.stride;
        at.max(self.pad) - self.pad..(at + self.size[axis] - self.pad).min(size)
    }
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
        Shader {
            label: "upsample_f32".into(),
            file: shader_file!("resample.wgsl"),
            consts,
            grid: grid_1d(len.div_ceil(256)),
        }
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
        let [rows, columns] = self.size;
        if self.stride == 0 || rows == 0 || columns == 0 || 2 * self.pad > rows.min(columns) {
            return Err(format!("{rows}x{columns} with step {} and padding {} is no window", self.stride, self.pad));
        }
        let side = |size: usize, window: usize| Some((size + 2 * self.pad).checked_sub(window)? / self.stride + 1);
        let (h, w) = side(x.h, rows)
            .zip(side(x.w, columns))
            .ok_or_else(|| format!("a window of {rows}x{columns} with padding {} does not fit into {x}", self.pad))?;
        Ok(Shape::new(x.n, h, w, x.c))
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, o) = (io.inputs[0], io.output);
        let len = o.padded_len() / 4;
        let mut consts = self.consts(x, o);
        consts.extend([("LEN", len.into()), ("PADDED", (self.pad > 0).into())]);
        let label = if self.kind == PoolKind::Max { "pool_max_f32" } else { "pool_average_f32" };
        Shader { label: label.into(), file: shader_file!("pool.wgsl"), consts, grid: grid_1d(len.div_ceil(256)) }
    }
}

impl Pool {
    /// What the shaders of pooling x to y and of its gradient are both told.
    pub(super) fn consts(&self, x: Shape, y: Shape) -> Vec<(&'static str, Value)> {
        vec![
            ("H", y.h.into()),
            ("W", y.w.into()),
            ("IN_H", x.h.into()),
            ("IN_W", x.w.into()),
            ("CV", (x.c_pad() / 4).into()),
            ("ROWS", self.size[0].into()),
            ("COLUMNS", self.size[1].into()),
            ("STRIDE", self.stride.into()),
            ("PAD", self.pad.into()),
            ("MAX", (self.kind == PoolKind::Max).into()),
        ]
    }
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (x, o, cp) = (a.io.inputs[0], a.io.output, a.io.output.c_pad());
        let share = T::one() / T::of((self.size[0] * self.size[1]) as f64);
        let start = if self.kind == PoolKind::Max { T::neg_infinity() } else { T::zero() };
        a.output.par_chunks_mut(o.w * cp).enumerate().for_each(|(row, out)| {
            let (first, ys) = (row / o.h * x.h, self.inside(row % o.h, 0, x.h));
            for (col, y) in out.chunks_exact_mut(cp).enumerate() {
                y.fill(start);
                for (r, c) in ys.clone().flat_map(|r| self.inside(col, 1, x.w).map(move |c| (r, c))) {
                    let u = &a.inputs[0][((first + r) * x.w + c) * cp..][..cp];
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

    /// A window's values, straight from PyTorch's definition; `None` is padding.
    fn window(case: &Case, pool: &Pool, i: usize) -> Vec<Option<f64>> {
        let (x, o, cp) = (case.io.inputs[0], case.io.output, case.io.output.c_pad());
        let (p, k) = (i / cp, i % cp);
        let (n, row, col) = (p / (o.h * o.w), p / o.w % o.h, p % o.w);
        let at = |j: usize| {
            let r = (row * pool.stride + j / pool.size[1]).checked_sub(pool.pad).filter(|&r| r < x.h)?;
            let c = (col * pool.stride + j % pool.size[1]).checked_sub(pool.pad).filter(|&c| c < x.w)?;
            Some(f64::from(case.inputs[0][((n * x.h + r) * x.w + c) * cp + k]))
        };
        (0..pool.size[0] * pool.size[1]).map(at).collect()
    }

    #[test]
    fn pooling_drops_incomplete_windows_and_pads() {
        use PoolKind::{Average, Max};
        for (kind, size, stride, pad) in [
            (Average, [2, 2], 2, 0),
            (Max, [2, 2], 2, 0),
            (Max, [3, 3], 2, 0),
            (Average, [3, 3], 1, 0),
            (Max, [3, 3], 2, 1),
            (Average, [3, 3], 2, 1),
            (Max, [2, 3], 1, 1),
            (Average, [3, 2], 3, 0),
        ] {
            for (n, h, w, c) in [(1, 3, 3, 1), (2, 7, 5, 3), (2, 8, 9, 20)] {
                let pool = Pool { kind, size, stride, pad };
                let mut case = Case::new(Op::Pool(pool.clone()), &[Shape::new(n, h, w, c)], vec![]);
                // All negative: a zero of the padding would win the maximum.
                let cp = case.io.output.c_pad();
                case.inputs[0].iter_mut().enumerate().filter(|(i, _)| i % cp < c).for_each(|(_, v)| *v -= 3.0);
                for (i, y) in case.check(1e-11).iter().enumerate() {
                    let window = window(&case, &pool, i);
                    let expected = match kind {
                        Average => window.iter().flatten().sum::<f64>() / window.len() as f64,
                        Max => window.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max),
                    };
                    assert!((y - expected).abs() < 1e-12, "{pool:?} {y} {expected}");
                }
            }
        }
    }

    #[test]
    fn windows_that_do_not_fit_are_refused() {
        let output =
            |size, stride, pad| Pool { kind: PoolKind::Max, size, stride, pad }.output(&[Shape::new(1, 4, 6, 1)]);
        assert_eq!(output([3, 3], 2, 1), Ok(Shape::new(1, 2, 3, 1)));
        assert_eq!(output([4, 6], 1, 0), Ok(Shape::new(1, 1, 1, 1)));
        for (size, stride, pad, says) in [
            ([5, 5], 1, 0, "5x5"),
            ([3, 3], 1, 2, "no window"),
            ([2, 2], 0, 0, "no window"),
            ([0, 2], 1, 0, "no window"),
        ] {
            assert!(output(size, stride, pad).unwrap_err().contains(says), "{size:?}");
        }
    }
}
