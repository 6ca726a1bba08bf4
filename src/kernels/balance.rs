//! Two maps as one, of which the second is brought to the first one's size.
use super::{Args, Io, Kernel, Real, Shader, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};

/// `a + factor·(max a/max b)·b` of two maps (N,H,W,1), whose reductions (N,1,1,3) by [`super::score::Reduce`] hold their maxima: each
/// sample's own, or with `batch` those over all samples. A map `b` without a value above zero adds nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Balance {
    /// What the second map counts.
    pub factor: f32,
    /// The maxima are over the whole batch.
    pub batch: bool,
}

impl Kernel for Balance {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let numbers = |x: &Shape| Shape::new(x.n, 1, 1, 3);
        match inputs {
            [a, b, top_a, top_b] if a.c == 1 && a == b && top_a == top_b && *top_a == numbers(a) => Ok(*a),
            _ => Err(format!("two maps and the reductions of each are needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, len) = (io.output, io.output.pixels());
        let consts = vec![
            ("LEN", len.into()),
            ("PIXELS", (x.h * x.w).into()),
            ("SAMPLES", x.n.into()),
            ("FACTOR", self.factor.into()),
            ("BATCH", self.batch.into()),
        ];
        let label = if self.batch { "balance_batch_f32" } else { "balance_f32" };
        Shader { label: label.into(), file: shader_file!("balance.wgsl"), consts, grid: grid_1d(len.div_ceil(256)) }
    }
    fn flops(&self, io: &Io) -> u64 {
        3 * io.output.pixels() as u64
    }
}

impl Balance {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let x = a.io.output;
        let top = |input: usize, sample: usize| match self.batch {
            true => a.inputs[input].chunks_exact(4).map(|v| v[1]).fold(T::neg_infinity(), T::max),
            false => a.inputs[input][4 * sample + 1],
        };
        for sample in 0..x.n {
            let (first, second) = (top(2, sample), top(3, sample));
            let scale = if second > T::zero() { T::of(self.factor.into()) * first / second } else { T::zero() };
            let range = 4 * sample * x.h * x.w..4 * (sample + 1) * x.h * x.w;
            let pairs = a.inputs[0][range.clone()].chunks_exact(4).zip(a.inputs[1][range.clone()].chunks_exact(4));
            for (out, (p, q)) in a.output[range].chunks_exact_mut(4).zip(pairs) {
                out.fill(T::zero());
                out[0] = p[0] + scale * q[0];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, cases::Case};

    fn case(shape: Shape, op: Balance) -> Case {
        let numbers = Shape::new(shape.n, 1, 1, 3);
        let mut case = Case::new(Op::Balance(op), &[shape, shape, numbers, numbers], vec![]);
        for k in [0, 1] {
            case.inputs[k].iter_mut().for_each(|v| *v = v.abs() * (1.0 + 4.0 * k as f32));
            for n in 0..shape.n {
                let pixels = case.inputs[k].chunks(4 * shape.h * shape.w).nth(n).unwrap();
                case.inputs[2 + k][4 * n + 1] = pixels.iter().copied().fold(0.0, f32::max);
            }
        }
        case
    }

    #[test]
    fn the_second_map_reaches_as_high_as_the_first() {
        for (n, h, w) in [(1, 1, 1), (3, 5, 7), (2, 17, 40)] {
            for (factor, batch) in [(1.0, false), (7.0, false), (1.5, true)] {
                let shape = Shape::new(n, h, w, 1);
                let case = case(shape, Balance { factor, batch });
                let found = case.check(1e-11);
                let tops = |k: usize| case.inputs[k].chunks(4).map(|v| f64::from(v[1])).collect::<Vec<_>>();
                let top = |k: usize, i: usize| {
                    if batch { tops(k).into_iter().fold(0.0, f64::max) } else { tops(k)[i] }
                };
                for (p, found) in found.chunks(4).enumerate() {
                    let (i, at) = (p / (h * w), |k: usize| f64::from(case.inputs[k][4 * p]));
                    let want = at(0) + f64::from(factor) * top(2, i) / top(3, i) * at(1);
                    assert!((found[0] - want).abs() < 1e-11 && found[1..] == [0.0; 3], "{n} {h} {w} {batch}");
                }
            }
        }
    }

    #[test]
    fn a_map_of_zeros_adds_nothing() {
        for batch in [false, true] {
            let mut case = case(Shape::new(1, 2, 3, 1), Balance { factor: 2.0, batch });
            case.inputs[1].fill(0.0);
            case.inputs[3].fill(0.0);
            let found = case.check(1e-11);
            assert!(found.iter().zip(&case.inputs[0]).step_by(4).all(|(f, a)| *f == f64::from(*a)));
        }
        let x = Shape::new(2, 3, 3, 1);
        assert!(Balance { factor: 1.0, batch: false }.output(&[x, x, x, x]).is_err());
    }
}
