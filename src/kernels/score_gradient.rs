//! The gradients of residuals and of reductions.
use super::{Args, Io, Kernel, Real, Shader, grid_1d, score::ResidualKind};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

/// The gradient of [`super::score::Residual`] at its image: dL/dy (N,H,W,1), image and reconstruction (N,H,W,C) →
/// dL/dy·f'(image − reconstruction)/C. At the reconstruction it is the opposite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResidualGradient {
    /// What became of a difference.
    pub kind: ResidualKind,
}

/// The gradient of [`super::score::Reduce`]: dL/dy (N,1,1,3), the input (N,H,W,C) and the reduction (N,1,1,3) → (N,H,W,C). The
/// mean's goes to all values alike, the maximum's and the minimum's to the first value that is it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReduceGradient;

impl ResidualKind {
    /// The derivative by d, 0 at the corner of those that have one (as in PyTorch).
    #[inline(always)]
    pub fn slope<T: Real>(self, d: T) -> T {
        let step = |above: bool| if above { T::one() } else { T::zero() };
        match self {
            ResidualKind::Squared => d + d,
            ResidualKind::Absolute => step(d > T::zero()) - step(d < T::zero()),
            ResidualKind::Positive => step(d > T::zero()),
            ResidualKind::Negative => -step(d < T::zero()),
        }
    }
}

impl Kernel for ResidualGradient {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [dy, a, b] if a == b && *dy == a.with_c(1) => Ok(*a),
            _ => Err(format!("a gradient, an image and its reconstruction are needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, len) = (io.output, io.output.padded_len() / 4);
        let consts = self.kind.consts(x, len);
        let label = format!("residual_gradient_{}_f32", self.kind.name());
        Shader { label, file: shader_file!("residual_gradient.wgsl"), consts, grid: grid_1d(len.div_ceil(256)) }
    }
}

impl ResidualGradient {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (c, cp) = (a.io.output.c, a.io.output.c_pad());
        let pairs = a.inputs[1].chunks_exact(cp).zip(a.inputs[2].chunks_exact(cp));
        let given = a.inputs[0].chunks_exact(4).zip(pairs);
        for (out, (dy, (x, y))) in a.output.chunks_exact_mut(cp).zip(given) {
            // The padding is zero in both, where every slope is zero.
            let share = dy[0] / T::of(c as f64);
            out.iter_mut().zip(x.iter().zip(y)).for_each(|(o, (&x, &y))| *o = share * self.kind.slope(x - y));
        }
    }
}

impl Kernel for ReduceGradient {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [dy, x, y] if dy == y && *y == Shape::new(x.n, 1, 1, 3) => Ok(*x),
            _ => Err(format!("a gradient, an input and its reduction are needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let x = io.output;
        let cv = x.c_pad() / 4;
        let consts = vec![
            ("SAMPLES", x.n.into()),
            ("PER_SAMPLE", (x.h * x.w * cv).into()),
            ("CV", cv.into()),
            ("C_TAIL", (x.c - (cv - 1) * 4).into()),
            ("COUNT", (x.h * x.w * x.c).into()),
        ];
        let file = shader_file!("reduce_gradient.wgsl");
        Shader { label: "reduce_gradient_f32".into(), file, consts, grid: grid_1d(x.n) }
    }
}

impl ReduceGradient {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let x = a.io.output;
        let (each, c, cp) = (x.h * x.w * x.c_pad(), x.c, x.c_pad());
        let given = a.inputs[0].par_chunks_exact(4).zip(a.inputs[2].par_chunks_exact(4));
        let given = a.inputs[1].par_chunks_exact(each).zip(given);
        a.output.par_chunks_exact_mut(each).zip(given).for_each(|(out, (x, (dy, y)))| {
            let share = dy[0] / T::of((each / cp * c) as f64);
            out.iter_mut().enumerate().for_each(|(i, o)| *o = if i % cp < c { share } else { T::zero() });
            for k in [1, 2] {
                let first = x.iter().enumerate().position(|(i, &v)| i % cp < c && v == y[k]);
                first.into_iter().for_each(|i| out[i] += dy[k]);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;
    use crate::kernels::{Op, StepRow, cases::Case, score::Reduce, testing};

    #[test]
    fn slopes_of_residuals_are_central_differences() {
        use ResidualKind::*;
        for kind in [Squared, Absolute, Positive, Negative] {
            for (n, h, w, c) in [(1, 1, 1, 1), (2, 5, 7, 3), (1, 19, 17, 6), (2, 3, 3, 8)] {
                let x = Shape::new(n, h, w, c);
                let case = Case::new(Op::ResidualGradient(ResidualGradient { kind }), &[x.with_c(1), x, x], vec![]);
                for (i, found) in case.check(1e-11).iter().enumerate().filter(|(i, _)| i % x.c_pad() < c) {
                    let d = f64::from(case.inputs[1][i]) - f64::from(case.inputs[2][i]);
                    let slope = (kind.apply(d + 1e-6) - kind.apply(d - 1e-6)) / 2e-6;
                    let want = f64::from(case.inputs[0][i / x.c_pad() * 4]) * slope / c as f64;
                    assert!(d.abs() < 1e-6 || (found - want).abs() < 1e-8, "{kind:?} {i}: {found} {want}");
                }
            }
            assert_eq!(kind.slope(0.0), 0.0);
        }
    }

    #[test]
    fn extremes_go_to_the_first_of_their_value() {
        for (n, h, w, c) in [(1, 1, 1, 1), (3, 5, 7, 3), (2, 31, 33, 1), (1, 8, 8, 8), (2, 23, 40, 5)] {
            let x = Shape::new(n, h, w, c);
            // Few values, so that each extreme is met again and again.
            let data: Vec<f32> = testing::random(x, 3).data.iter().map(|v| (v * 3.0).round() - 4.0).collect();
            let x = Tensor::new(x, data).unwrap();
            let step = StepRow::default();
            let y = testing::check(&Op::Reduce(Reduce), std::slice::from_ref(&x), &[], &step, 1e-11);
            let y = Tensor::new(Shape::new(n, 1, 1, 3), y.iter().map(|v| *v as f32).collect()).unwrap();
            let dy = testing::random(y.shape, 4);
            let op = Op::ReduceGradient(ReduceGradient);
            let found = testing::check(&op, &[dy.clone(), x.clone(), y.clone()], &[], &step, 1e-11);
            let each = h * w * c;
            for s in 0..n {
                let (x, y, dy) = (&x.data[s * each..][..each], &y.data[3 * s..], &dy.data[3 * s..]);
                // In the order of memory: pixels, then channels.
                let order: Vec<usize> = (0..h * w).flat_map(|p| (0..c).map(move |k| k * h * w + p)).collect();
                let first = |v: f32| order.iter().copied().find(|&i| x[i] == v).unwrap();
                let mut want = vec![f64::from(dy[0]) / each as f64; each];
                want[first(y[1])] += f64::from(dy[1]);
                want[first(y[2])] += f64::from(dy[2]);
                for (found, want) in found[s * each..][..each].iter().zip(want) {
                    assert!((found - want).abs() < 1e-7, "{found} {want}");
                }
            }
        }
    }
}
