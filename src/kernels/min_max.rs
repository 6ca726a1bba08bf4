//! Every channel of every sample, from its least to its greatest value, to 0..1.
use super::{Args, Io, Kernel, Real, Shader, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

/// (N,H,W,C) → the same: `(x − min)/(max − min)`, with minimum and maximum over the pixels of one channel of one sample. A channel
/// of one value becomes 0: it has nothing to be scaled by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinMax;

impl Kernel for MinMax {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [x] = inputs else { return Err(format!("one input is needed, not {}", inputs.len())) };
        Ok(*x)
    }
    fn shader(&self, io: &Io) -> Shader {
        let x = io.output;
        let cv = x.c_pad() / 4;
        let consts = vec![("GROUPS", (x.n * cv).into()), ("PIXELS", (x.h * x.w).into()), ("CV", cv.into())];
        Shader { label: "min_max_f32".into(), file: shader_file!("min_max.wgsl"), consts, grid: grid_1d(x.n * cv) }
    }
    fn flops(&self, io: &Io) -> u64 {
        4 * io.output.padded_len() as u64
    }
}

impl MinMax {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (x, cp) = (a.io.output, a.io.output.c_pad());
        let one = x.h * x.w * cp;
        a.output.par_chunks_exact_mut(one).zip(a.inputs[0].par_chunks_exact(one)).for_each(|(out, sample)| {
            out.fill(T::zero());
            for c in 0..x.c {
                let values = sample.iter().skip(c).step_by(cp);
                let (low, high) =
                    values.clone().fold((T::infinity(), T::neg_infinity()), |(l, h), &v| (l.min(v), h.max(v)));
                if high > low {
                    let scale = T::one() / (high - low);
                    out.iter_mut().skip(c).step_by(cp).zip(values).for_each(|(y, &v)| *y = (v - low) * scale);
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
    fn every_channel_goes_from_zero_to_one() {
        for (n, h, w, c) in [(1, 1, 2, 1), (2, 5, 7, 3), (3, 17, 31, 4), (1, 40, 9, 6)] {
            let shape = Shape::new(n, h, w, c);
            let mut case = Case::new(Op::MinMax(MinMax), &[shape], vec![]);
            // Above zero everywhere in one channel, below it in the others: padding is neither's minimum.
            let cp = shape.c_pad();
            for (i, v) in case.inputs[0].iter_mut().enumerate().filter(|(i, _)| i % cp < c) {
                *v += if i % cp == 0 { 3.0 } else { -2.0 };
            }
            let y = case.check(1e-11);
            for (sample, x) in y.chunks(h * w * cp).zip(case.inputs[0].chunks(h * w * cp)) {
                for k in 0..cp {
                    let of = |v: &[f64]| v.iter().skip(k).step_by(cp).copied().collect::<Vec<f64>>();
                    let (y, x) = (of(sample), of(&x.iter().map(|&v| f64::from(v)).collect::<Vec<_>>()));
                    let (low, high) = x.iter().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
                    let want = |v: f64| if k < c { (v - low) / (high - low) } else { 0.0 };
                    assert!(y.iter().zip(&x).all(|(y, &x)| (y - want(x)).abs() < 1e-12));
                }
            }
        }
    }

    #[test]
    fn what_is_one_value_becomes_zero() {
        let shape = Shape::new(2, 3, 3, 2);
        let mut case = Case::new(Op::MinMax(MinMax), &[shape], vec![]);
        case.inputs[0].iter_mut().enumerate().filter(|(i, _)| i % 4 == 1).for_each(|(_, v)| *v = 0.7);
        let y = case.check(1e-11);
        assert!(y.iter().skip(1).step_by(4).all(|&v| v == 0.0) && y.iter().step_by(4).any(|&v| v == 1.0));
    }
}
