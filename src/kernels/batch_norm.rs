//! BatchNorm over a minibatch (Ioffe and Szegedy, ICML 2015).
use crate::gpu::shader_file;
use crate::kernels::{Args, Io, Kernel, Real, Shader, grid_1d};
use crate::{Result, Shape};

/// `y = γ·x̂ + β`, `x̂ = (x − mean)/√(var + 1e-5)`, with mean and biased variance of each column over the B rows; γ and β are the two
/// rows of a parameter state (see [`super::adam::Adam`]), (6,1,1,C):
///
/// | part | inputs | output |
/// | --- | --- | --- |
/// | forward | x (B,1,1,C), parameters | y (B,1,1,C) |
/// | input | x, dL/dy (B,1,1,C), parameters | dL/dx (B,1,1,C) |
/// | weight | x, dL/dy (B,1,1,C) | dL/d(γ, β) (2,1,1,C) |
/// | moments | x (B,1,1,C) | mean and unbiased variance (2,1,1,C) |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchNorm {
    /// The normalised minibatch.
    Forward,
    /// The gradient with respect to the input.
    Input,
    /// The gradient with respect to the parameters.
    Weight,
    /// What the running statistics are averaged from.
    Moments,
}

/// Added to the variance.
pub const EPS: f64 = 1e-5;

impl Kernel for BatchNorm {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let parameters = |x: &Shape, p: &Shape| *p == Shape { n: 6, ..*x };
        match (self, inputs) {
            (_, [x, ..]) if [x.h, x.w] != [1; 2] => Err(format!("rows (B,1,1,C) are needed, not {x}")),
            (BatchNorm::Forward, [x, p]) if parameters(x, p) => Ok(*x),
            (BatchNorm::Input, [x, dy, p]) if x == dy && parameters(x, p) => Ok(*x),
            (BatchNorm::Weight, [x, dy]) if x == dy => Ok(Shape { n: 2, ..*x }),
            (BatchNorm::Moments, [x]) => Ok(Shape { n: 2, ..*x }),
            _ => Err(format!("{self:?} of a BatchNorm does not fit {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, mode) = (io.inputs[0], *self as usize);
        let cv = x.c_pad() / 4;
        let consts = vec![("B", x.n.into()), ("CV", cv.into()), ("MODE", mode.into())];
        let label = format!("batch_norm_{self:?}_f32").to_lowercase();
        Shader { label, file: shader_file!("batch_norm.wgsl"), consts, grid: grid_1d(cv) }
    }
    fn flops(&self, io: &Io) -> u64 {
        8 * io.inputs[0].len() as u64
    }
}

impl BatchNorm {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let shape = a.io.inputs[0];
        let (cp, n) = (shape.c_pad(), T::of(shape.n as f64));
        let x = &a.inputs[0][..shape.n * cp];
        let mean: Vec<T> = sums(cp, x, x, |_, v, _| v).into_iter().map(|s| s / n).collect();
        let squares = sums(cp, x, x, |c, v, _| (v - mean[c]) * (v - mean[c]));
        let scale: Vec<T> = squares.iter().map(|&s| T::one() / (s / n + T::of(EPS)).sqrt()).collect();
        match self {
            BatchNorm::Forward => {
                let (gamma, beta) = a.inputs[1].split_at(cp);
                each(cp, a.output, x, x, |c, v, _| gamma[c] * ((v - mean[c]) * scale[c]) + beta[c]);
            }
            BatchNorm::Moments => {
                let more = T::of(shape.n.max(2) as f64 - 1.0);
                let (first, second) = a.output.split_at_mut(cp);
                first.copy_from_slice(&mean);
                second.iter_mut().zip(squares).for_each(|(v, s)| *v = s / more);
            }
            BatchNorm::Input | BatchNorm::Weight => {
                let dy = a.inputs[1];
                let beta = sums(cp, x, dy, |_, _, d| d);
                let gamma = sums(cp, x, dy, |c, v, d| d * ((v - mean[c]) * scale[c]));
                if *self == BatchNorm::Weight {
                    a.output[..cp].copy_from_slice(&gamma);
                    a.output[cp..2 * cp].copy_from_slice(&beta);
                    return;
                }
                let weight = a.inputs[2];
                each(cp, a.output, x, dy, |c, v, d| {
                    weight[c] * scale[c] * (d - (beta[c] + (v - mean[c]) * scale[c] * gamma[c]) / n)
                });
            }
        }
    }
}

/// The sum over the rows of x and y, `cp` values each, of what `f` makes of a column's number and values.
fn sums<T: Real>(cp: usize, x: &[T], y: &[T], f: impl Fn(usize, T, T) -> T) -> Vec<T> {
    let mut sums = vec![T::zero(); cp];
    for (x, y) in x.chunks_exact(cp).zip(y.chunks_exact(cp)) {
        sums.iter_mut().zip(x).zip(y).enumerate().for_each(|(c, ((s, &x), &y))| *s += f(c, x, y));
    }
    sums
}

/// The same, kept for each row.
fn each<T: Real>(cp: usize, out: &mut [T], x: &[T], y: &[T], f: impl Fn(usize, T, T) -> T) {
    for ((out, x), y) in out.chunks_exact_mut(cp).zip(x.chunks_exact(cp)).zip(y.chunks_exact(cp)) {
        out.iter_mut().zip(x).zip(y).enumerate().for_each(|(c, ((o, &x), &y))| *o = f(c, x, y));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, StepRow, testing};
    use testing::{PRODUCT, check, random};

    #[test]
    fn every_device_agrees_with_the_definition() {
        for (n, c) in [(9, 1), (5, 6), (64, 131)] {
            let (x, dy) = (random(Shape::new(n, 1, 1, c), 1), random(Shape::new(n, 1, 1, c), 2));
            let p = random(Shape::new(6, 1, 1, c), 3);
            let run = |op, inputs: &[&crate::Tensor]| {
                let inputs: Vec<_> = inputs.iter().map(|t| (*t).clone()).collect();
                check(&Op::BatchNorm(op), &inputs, &[], &StepRow::default(), PRODUCT)
            };
            let (y, moments) = (run(BatchNorm::Forward, &[&x, &p]), run(BatchNorm::Moments, &[&x]));
            for k in 0..c {
                let column: Vec<f64> = (0..n).map(|r| x.data[r * c + k].into()).collect();
                let mean = column.iter().sum::<f64>() / n as f64;
                let square = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
                assert!(
                    (moments[k] - mean).abs() < 1e-12 && (moments[c + k] - square / (n as f64 - 1.0)).abs() < 1e-12
                );
                for (r, v) in column.iter().enumerate() {
                    let normal = (v - mean) / (square / n as f64 + EPS).sqrt();
                    let want = f64::from(p.data[k]) * normal + f64::from(p.data[c + k]);
                    assert!((y[r * c + k] - want).abs() < 1e-10);
                }
            }
            // The gradients' values are held to central differences where networks are trained.
            run(BatchNorm::Input, &[&x, &dy, &p]);
            run(BatchNorm::Weight, &[&x, &dy]);
        }
        assert!(BatchNorm::Forward.output(&[Shape::new(4, 1, 1, 3), Shape::new(2, 1, 1, 3)]).is_err());
    }
}
