//! The logarithm of a class's probability.
use super::{Args, Io, Kernel, Real, Shader, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};

/// The logarithm of the probability that logits give a class, `ln softmax(z)[y] = z[y] − ln Σₖ exp(z[k])`: z (N,1,1,C) and the
/// class y (N,1,1,1) → (N,1,1,1). The class is rounded to the nearest whole number, and one that is out of range is the nearest
/// that is not. With `gradient`, z, y and dL/dout (N,1,1,1) → dL/dz (N,1,1,C), `dL/dout·([k = y] − softmax(z)[k])`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSoftmaxPick {
    /// The gradient instead of the value.
    pub gradient: bool,
}

impl Kernel for LogSoftmaxPick {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let one = |z: &Shape| Shape::new(z.n, 1, 1, 1);
        let rows = |z: &Shape| one(z).with_c(z.c) == *z;
        match inputs {
            [z, y] if !self.gradient && rows(z) && *y == one(z) => Ok(one(z)),
            [z, y, dy] if self.gradient && rows(z) && *y == one(z) && *dy == one(z) => Ok(*z),
            _ => Err(format!("{inputs:?} are no logits and one class for each sample")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let z = io.inputs[0];
        let consts = vec![
            ("ROWS", z.n.into()),
            ("C", z.c.into()),
            ("ROW", z.c_pad().into()),
            ("GRADIENT", self.gradient.into()),
        ];
        let label = if self.gradient { "log_softmax_pick_gradient_f32" } else { "log_softmax_pick_f32" };
        let file = shader_file!("log_softmax_pick.wgsl");
        Shader { label: label.into(), file, consts, grid: grid_1d(z.n.div_ceil(64)) }
    }
    fn flops(&self, io: &Io) -> u64 {
        4 * io.inputs[0].len() as u64
    }
}

impl LogSoftmaxPick {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (z, o) = (a.io.inputs[0], a.io.output);
        for (n, (out, row)) in a.output.chunks_exact_mut(o.c_pad()).zip(a.inputs[0].chunks_exact(z.c_pad())).enumerate()
        {
            let logits = &row[..z.c];
            // The conversion takes NaN and negatives to class 0.
            let class = (a.inputs[1][n * 4].f64().round_ties_even() as usize).min(z.c - 1);
            // Not `max`, which passes a NaN over.
            let top = logits.iter().copied().fold(T::neg_infinity(), |top, v| if v <= top { top } else { v });
            let sum: T = logits.iter().map(|&v| (v - top).exp()).sum();
            out.fill(T::zero());
            if self.gradient {
                let scale = a.inputs[2][n * 4] / sum;
                out.iter_mut().zip(logits).for_each(|(g, &v)| *g = -scale * (v - top).exp());
                // The others' sum, since 1 − softmax(z)[y] would lose its digits where the class is all but certain.
                let others = logits.iter().enumerate().filter(|(k, _)| *k != class);
                out[class] = scale * others.map(|(_, &v)| (v - top).exp()).sum::<T>();
            } else {
                out[0] = logits[class] - top - sum.ln();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, cases::Case};

    fn case(n: usize, c: usize, gradient: bool, gain: f32) -> Case {
        let (one, z) = (Shape::new(n, 1, 1, 1), Shape::new(n, 1, 1, c));
        let shapes = [z, one, one];
        let mut case =
            Case::new(Op::LogSoftmaxPick(LogSoftmaxPick { gradient }), &shapes[..2 + usize::from(gradient)], vec![]);
        case.inputs[0].iter_mut().for_each(|v| *v *= gain);
        (0..n).for_each(|i| case.inputs[1][i * 4] = (i % c) as f32);
        case
    }

    #[test]
    fn it_is_the_logarithm_of_the_softmax() {
        for (n, c, gain) in [(1, 1, 1.0), (3, 2, 5.0), (65, 7, 1.0), (2, 1000, 3.0), (4, 10, 80.0)] {
            let case = case(n, c, false, gain);
            let out = case.check(1e-11);
            for (i, out) in out.chunks(4).enumerate() {
                let z = &case.inputs[0][i * c.next_multiple_of(4)..][..c];
                let sum: f64 = z.iter().map(|&v| f64::from(v).exp()).sum();
                let want = f64::from(z[i % c]) - sum.ln();
                assert!((out[0] - want).abs() < 1e-12 * (1.0 + want.abs()), "{c}: {} is not {want}", out[0]);
            }
        }
    }

    #[test]
    fn its_gradient_is_one_minus_the_softmax_at_the_class() {
        for (n, c, gain) in [(1, 2, 1.0), (3, 5, 4.0), (66, 3, 1.0), (2, 1000, 3.0), (4, 10, 80.0)] {
            let case = case(n, c, true, gain);
            let cp = c.next_multiple_of(4);
            for (i, g) in case.check(1e-11).into_iter().enumerate().filter(|(i, _)| i % cp < c) {
                let (row, k) = (i / cp, i % cp);
                let z = &case.inputs[0][row * cp..][..c];
                let sum: f64 = z.iter().map(|&v| f64::from(v).exp()).sum();
                let hot = if k == row % c { 1.0 } else { 0.0 };
                let want = f64::from(case.inputs[2][row * 4]) * (hot - f64::from(z[k]).exp() / sum);
                assert!((g - want).abs() < 1e-13, "{c} at {i}: {g} is not {want}");
            }
        }
    }

    #[test]
    fn a_class_out_of_range_is_the_nearest() {
        for gradient in [false, true] {
            let mut wild = case(5, 3, gradient, 1.0);
            let mut tame = case(5, 3, gradient, 1.0);
            for (i, (wrong, right)) in [(-5.0, 0.0), (1.2, 1.0), (1e9, 2.0), (3.0, 2.0), (-0.4, 0.0)].iter().enumerate()
            {
                (wild.inputs[1][i * 4], tame.inputs[1][i * 4]) = (*wrong, *right);
            }
            assert_eq!(wild.check(1e-11), tame.check(1e-11));
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let s = Shape::new;
        let refused = |gradient, shapes: &[Shape]| LogSoftmaxPick { gradient }.output(shapes).is_err();
        assert!(refused(false, &[s(2, 1, 2, 3), s(2, 1, 1, 1)]));
        assert!(refused(false, &[s(2, 1, 1, 3), s(1, 1, 1, 1)]));
        assert!(refused(true, &[s(2, 1, 1, 3), s(2, 1, 1, 1)]));
        assert!(refused(true, &[s(2, 1, 1, 3), s(2, 1, 1, 1), s(2, 1, 1, 3)]));
    }
}
