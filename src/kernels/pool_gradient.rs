//! The gradient of pooling.
use super::resample::{Pool, PoolKind};
use super::{Args, Io, Kernel, Real, Shader, grid_1d, widest};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

/// dL/dx of [`Pool`]: dL/dy (N,H',W',C) and, of a maximum, x (N,H,W,C) → (N,H,W,C). A mean's gradient goes to its window in equal
/// shares; a maximum's to the first of the largest values, row by row, and to the last NaN where there is one, as in PyTorch.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolGradient {
    /// The pooling.
    pub pool: Pool,
    /// Rows and columns of x.
    pub input: [usize; 2],
}

impl PoolGradient {
    /// The output's rows (axis 0) or columns (axis 1), of `out`, whose windows hold row or column `at` of x.
    fn windows(&self, at: usize, axis: usize, out: usize) -> std::ops::Range<usize> {
        let at = at + self.pool.pad;
        let first = (at + 1).saturating_sub(self.pool.size[axis]).div_ceil(self.pool.stride);
        first..(at / self.pool.stride + 1).min(out).max(first)
    }
}

impl Kernel for PoolGradient {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [dy, given @ ..] = inputs else { return Err("a gradient is needed".into()) };
        let x = Shape::new(dy.n, self.input[0], self.input[1], dy.c);
        let wanted = &[x][..usize::from(self.pool.kind == PoolKind::Max)];
        match self.pool.output(&[x])? {
            y if y == *dy && given == wanted => Ok(x),
            _ => Err(format!("{inputs:?} are no gradient of a pooled {x}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, y) = (io.output, io.inputs[0]);
        let len = x.padded_len() / 4;
        let mut consts = self.pool.consts(x, y);
        consts.push(("LEN", len.into()));
        let max = self.pool.kind == PoolKind::Max;
        let label = if max { "pool_max_gradient_f32" } else { "pool_average_gradient_f32" };
        Shader {
            label: label.into(),
            file: shader_file!("pool_gradient.wgsl"),
            consts,
            grid: grid_1d(len.div_ceil(256)),
        }
    }
}

impl PoolGradient {
    /// The CPU half. A row of x gathers from the windows that reach it, so that rows can be made side by side.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (x, y, cp) = (a.io.output, a.io.inputs[0], a.io.output.c_pad());
        let share = T::one() / T::of((self.pool.size[0] * self.pool.size[1]) as f64);
        let scratch = || (vec![T::zero(); cp], vec![0; cp]);
        a.output.par_chunks_mut(x.w * cp).enumerate().for_each_init(scratch, |(top, at), (row, dx)| {
            let (n, row) = (row / x.h, row % x.h);
            dx.fill(T::zero());
            for (oy, ox) in self.windows(row, 0, y.h).flat_map(|oy| (0..y.w).map(move |ox| (oy, ox))) {
                let dy = &a.inputs[0][((n * y.h + oy) * y.w + ox) * cp..][..cp];
                let columns = self.pool.inside(ox, 1, x.w);
                if self.pool.kind == PoolKind::Average {
                    for to in dx[columns.start * cp..columns.end * cp].chunks_exact_mut(cp) {
                        widest(|| to.iter_mut().zip(dy).for_each(|(to, &dy)| *to += dy * share));
                    }
                    continue;
                }
                let rows = self.pool.inside(oy, 0, x.h);
                let image = &a.inputs[1][n * x.h * x.w * cp..][..x.h * x.w * cp];
                top.fill(T::neg_infinity());
                at.fill(rows.start * x.w + columns.start);
                for pixel in rows.flat_map(|r| columns.clone().map(move |c| r * x.w + c)) {
                    widest(|| larger(&image[pixel * cp..][..cp], pixel, top, at));
                }
                for (c, (&at, &dy)) in at.iter().zip(dy).enumerate() {
                    if at / x.w == row {
                        dx[at % x.w * cp + c] += dy;
                    }
                }
            }
        });
    }
}

/// Puts a pixel's values in the place of those that are not as large.
#[inline(always)]
fn larger<T: Real>(u: &[T], pixel: usize, top: &mut [T], at: &mut [usize]) {
    for ((&u, top), at) in u.iter().zip(top).zip(at) {
        let wins = u > *top || u.is_nan();
        *top = if wins { u } else { *top };
        *at = if wins { pixel } else { *at };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, cases::Case};
    use PoolKind::{Average, Max};

    /// Each output's gradient, put where it belongs.
    fn scattered(case: &Case, pool: &Pool) -> Vec<f64> {
        let (x, y, cp) = (case.io.output, case.io.inputs[0], case.io.output.c_pad());
        let mut dx = vec![0.0; x.padded_len()];
        for (i, &dy) in case.inputs[0].iter().enumerate() {
            let (p, c) = (i / cp, i % cp);
            let (n, oy, ox) = (p / (y.h * y.w), p / y.w % y.h, p % y.w);
            let place = |j: usize| {
                let r = (oy * pool.stride + j / pool.size[1]).checked_sub(pool.pad).filter(|&r| r < x.h)?;
                let c = (ox * pool.stride + j % pool.size[1]).checked_sub(pool.pad).filter(|&c| c < x.w)?;
                Some((n * x.h + r) * x.w + c)
            };
            let places = (0..pool.size[0] * pool.size[1]).filter_map(place);
            if pool.kind == Average {
                let share = f64::from(dy) / (pool.size[0] * pool.size[1]) as f64;
                places.for_each(|at| dx[at * cp + c] += share);
                continue;
            }
            let value = |at: usize| case.inputs[1][at * cp + c];
            let better = |best: usize, at: usize| if value(at) > value(best) || value(at).is_nan() { at } else { best };
            dx[places.reduce(better).unwrap() * cp + c] += f64::from(dy);
        }
        dx
    }

    fn case(pool: &Pool, x: Shape) -> Case {
        let dy = pool.output(&[x]).unwrap();
        let op = Op::PoolGradient(PoolGradient { pool: pool.clone(), input: [x.h, x.w] });
        let inputs: &[Shape] = if pool.kind == Max { &[dy, x] } else { &[dy] };
        Case::new(op, inputs, vec![])
    }

    #[test]
    fn every_window_gives_back_what_it_took() {
        for (kind, size, stride, pad) in [
            (Average, [2, 2], 2, 0),
            (Max, [2, 2], 2, 0),
            (Max, [3, 3], 2, 0),
            (Average, [3, 3], 1, 0),
            (Max, [3, 3], 2, 1),
            (Average, [3, 3], 2, 1),
            (Max, [2, 3], 1, 1),
            (Average, [3, 2], 3, 0),
            (Max, [1, 2], 3, 0),
        ] {
            for (n, h, w, c) in [(1, 3, 3, 1), (2, 7, 5, 3), (2, 8, 9, 20)] {
                let pool = Pool { kind, size, stride, pad };
                let mut case = case(&pool, Shape::new(n, h, w, c));
                // A few values only, so that windows have several largest ones.
                case.inputs.iter_mut().skip(1).flatten().for_each(|v| *v = (*v * 2.0).round());
                for (got, want) in case.check(1e-11).iter().zip(scattered(&case, &pool)) {
                    assert!((got - want).abs() < 1e-12, "{pool:?} {got} {want}");
                }
            }
        }
        let whole = Pool { kind: Average, size: [5, 7], stride: 1, pad: 0 };
        let case = case(&whole, Shape::new(2, 5, 7, 6));
        assert!(case.check(1e-11).iter().zip(scattered(&case, &whole)).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn infinite_values_and_nans_have_their_places() {
        let pool = Pool::square(Max, 2, 2);
        let mut case = case(&pool, Shape::new(1, 2, 6, 1));
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let rows = [[-inf, -inf, nan, 1.0, inf, 2.0], [-inf, -inf, nan, 3.0, 2.0, inf]];
        for (i, v) in rows.concat().into_iter().enumerate() {
            case.inputs[1][4 * i] = v;
        }
        // On the processor alone: WGSL lets a compiler take for granted that there are no NaNs and no infinities.
        case.validate();
        let dx = case.cpu();
        let places: Vec<usize> = (0..12).filter(|i| dx[4 * i] != 0.0).collect();
        assert_eq!(places, [0, 4, 8]);
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let of = |kind, input, inputs: &[Shape]| PoolGradient { pool: Pool::square(kind, 2, 2), input }.output(inputs);
        let (x, dy) = (Shape::new(2, 5, 4, 3), Shape::new(2, 2, 2, 3));
        assert_eq!((of(Max, [5, 4], &[dy, x]), of(Average, [5, 4], &[dy])), (Ok(x), Ok(x)));
        for refused in [
            of(Max, [5, 4], &[dy]),
            of(Average, [5, 4], &[dy, x]),
            of(Average, [6, 4], &[dy]),
            of(Max, [4, 4], &[dy, x]),
        ] {
            assert!(refused.unwrap_err().contains("no gradient of a pooled"));
        }
        assert!(of(Average, [1, 4], &[dy]).unwrap_err().contains("does not fit"));
    }
}
