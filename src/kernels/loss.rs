//! The losses of diffusion time estimation and their gradients.
use crate::gpu::shader_file;
use crate::kernels::{Args, Io, Kernel, Real, Shader, WeightId, grid_1d};
use crate::{Result, Shape};

/// A loss: output of the network (B,1,1,C) and goal → the loss of each row (B,1,1,1), or the gradient of their mean (B,1,1,C).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Which loss.
    pub kind: LossKind,
    /// The gradient instead of the loss.
    pub gradient: bool,
}

/// The losses (Livernoche et al. 2024).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LossKind {
    /// `−ln softmax(softmax(z))[bin]`, bin = ⌊t·C/steps⌋; the goal is t (B,1,1,1). The softmax is taken twice, as in the original.
    Categorical {
        /// Number of times.
        steps: usize,
    },
    /// `β/σ²[t] − (d/2 − 1)·ln(β + 1e-5)`, β = ‖g‖², g being all outputs of a row; the goal is t (B,1,1,1).
    InverseGamma {
        /// The shape of the inverse gamma distribution, d/2 − 1 for rows of d columns.
        shape: f32,
        /// Number of times.
        steps: usize,
        /// σ² of each, padded to a multiple of four.
        variances: WeightId,
    },
    /// Mean of (z − ε)² over the columns; the goal is ε, of z's shape.
    MeanSquare,
}

impl Kernel for Loss {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [z, goal] = inputs else { return Err(format!("an output and a goal are needed, not {inputs:?}")) };
        let fits = match self.kind {
            LossKind::Categorical { .. } | LossKind::InverseGamma { .. } => goal.c == 1,
            LossKind::MeanSquare => goal.c == z.c,
        };
        if !fits || [z.h, z.w] != [1; 2] || z.with_c(goal.c) != *goal {
            return Err(format!("{:?} does not take {z} and {goal}", self.kind));
        }
        Ok(if self.gradient { *z } else { z.with_c(1) })
    }
    fn shader(&self, io: &Io) -> Shader {
        let z = io.inputs[0];
        let (kind, steps, shape) = match self.kind {
            LossKind::Categorical { steps } => (0, steps, 0.0),
            LossKind::InverseGamma { shape, steps, .. } => (1, steps, shape),
            LossKind::MeanSquare => (2, 1, 0.0),
        };
        let consts = vec![
            ("B", z.n.into()),
            ("C", z.c.into()),
            ("CV", (z.c_pad() / 4).into()),
            ("STEPS", steps.into()),
            ("A", shape.into()),
            ("KIND", kind.into()),
            ("GRADIENT", self.gradient.into()),
        ];
        let what = ["categorical", "inverse_gamma", "mean_square"][kind];
        let label = format!("loss_{what}{}_f32", if self.gradient { "_gradient" } else { "" });
        Shader { label, file: shader_file!("loss.wgsl"), consts, grid: grid_1d(z.n.div_ceil(64)) }
    }
    fn weights(&self) -> Vec<WeightId> {
        match self.kind {
            LossKind::InverseGamma { variances, .. } => vec![variances],
            _ => Vec::new(),
        }
    }
}

impl Loss {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (z, goal, o) = (a.io.inputs[0], a.io.inputs[1], a.io.output);
        let rows = a.inputs[0].chunks_exact(z.c_pad()).zip(a.inputs[1].chunks_exact(goal.c_pad()));
        let n = T::of(z.n as f64);
        for (out, (z, goal)) in a.output.chunks_exact_mut(o.c_pad()).zip(rows.map(|(r, g)| (&r[..z.c], g))) {
            out.fill(T::zero());
            let gradient = &mut out[..o.c];
            let loss = match self.kind {
                LossKind::Categorical { steps } => categorical(z, goal[0].f64() as usize, steps, gradient),
                LossKind::InverseGamma { shape, steps, .. } => {
                    let v = a.weights[0][(goal[0].f64() as usize).min(steps - 1)];
                    let (shape, small) = (T::of(shape.into()), T::of(1e-5));
                    let beta: T = z.iter().map(|&g| g * g).sum();
                    let slope = T::of(2.0) * (T::one() / v - shape / (beta + small));
                    gradient.iter_mut().zip(z).for_each(|(to, &g)| *to = slope * g);
                    beta / v - shape * (beta + small).ln()
                }
                LossKind::MeanSquare => {
                    let c = T::of(z.len() as f64);
                    let differences = z.iter().zip(goal).map(|(&z, &e)| z - e);
                    gradient.iter_mut().zip(differences.clone()).for_each(|(g, d)| *g = T::of(2.0) * d / c);
                    differences.map(|d| d * d).sum::<T>() / c
                }
            };
            if self.gradient {
                gradient.iter_mut().for_each(|g| *g = *g / n);
            } else {
                out[0] = loss;
            }
        }
    }
}

/// The loss of one row of logits; its gradient goes into as much of `gradient` as there is.
fn categorical<T: Real>(z: &[T], t: usize, steps: usize, gradient: &mut [T]) -> T {
    let softmax = |z: &[T]| -> Vec<T> {
        let top = z.iter().copied().fold(T::neg_infinity(), T::max);
        let e: Vec<T> = z.iter().map(|&z| (z - top).exp()).collect();
        let sum: T = e.iter().copied().sum();
        e.into_iter().map(|e| e / sum).collect()
    };
    let bin = (t * z.len() / steps).min(z.len() - 1);
    let p = softmax(z);
    let q = softmax(&p);
    let d = |i: usize| q[i] - if i == bin { T::one() } else { T::zero() };
    let mean: T = p.iter().enumerate().map(|(i, &p)| p * d(i)).sum();
    gradient.iter_mut().enumerate().for_each(|(i, g)| *g = p[i] * (d(i) - mean));
    -q[bin].ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;
    use crate::kernels::{Op, StepRow, testing};
    use testing::{ELEMENTWISE, check, random};

    #[test]
    fn gradients_are_central_differences_on_every_device() {
        let variances = vec![0.1, 0.2, 0.4, 0.8];
        let kinds = [
            (LossKind::Categorical { steps: 4 }, 7, 1, vec![]),
            (LossKind::InverseGamma { shape: 1.5, steps: 4, variances: WeightId(0) }, 1, 1, vec![variances.clone()]),
            (LossKind::InverseGamma { shape: 4.0, steps: 4, variances: WeightId(0) }, 9, 1, vec![variances]),
            (LossKind::MeanSquare, 5, 5, vec![]),
        ];
        for (kind, c, goals, weights) in kinds {
            let n = 70;
            let z = random(Shape::new(n, 1, 1, c), 1);
            let goal = match goals {
                1 => Tensor::new(Shape::new(n, 1, 1, 1), (0..n).map(|i| (i % 4) as f32).collect()).unwrap(),
                _ => random(z.shape, 2),
            };
            let run = |z: &Tensor, gradient| {
                check(
                    &Op::Loss(Loss { kind, gradient }),
                    &[z.clone(), goal.clone()],
                    &weights,
                    &StepRow::default(),
                    ELEMENTWISE,
                )
            };
            run(&z, false);
            let found = run(&z, true);
            let io = |o| Io { inputs: vec![z.shape, goal.shape], output: z.shape.with_c(o) };
            let wide = |t: &Tensor| -> Vec<f64> { t.to_device_layout().into_iter().map(f64::from).collect() };
            let (values, goal) = (wide(&z), wide(&goal));
            let weights: Vec<Vec<f64>> = weights.iter().map(|w| w.iter().map(|&v| v.into()).collect()).collect();
            let total = |values: &[f64]| -> f64 {
                let mut out = vec![0.0; 4 * n];
                let (inputs, weights) = ([values, &goal[..]], weights.iter().map(|w| &w[..]).collect::<Vec<_>>());
                let step = StepRow::default();
                let args = Args { inputs: &inputs, output: &mut out, weights: &weights, io: &io(1), step: &step };
                Loss { kind, gradient: false }.cpu(args);
                out.iter().sum::<f64>() / n as f64
            };
            let cp = z.shape.c_pad();
            for (i, g) in found.iter().enumerate().step_by(11) {
                let moved = |by: f64| {
                    let mut v = values.clone();
                    v[i / c * cp + i % c] += by;
                    total(&v)
                };
                let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((g - slope).abs() < 1e-7 * (1.0 + slope.abs()), "{kind:?} {i}: {g} {slope}");
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let s = |n, c| Shape::new(n, 1, 1, c);
        let refused = |kind, z, goal| Loss { kind, gradient: true }.output(&[z, goal]).is_err();
        assert!(refused(LossKind::MeanSquare, s(4, 3), s(4, 2)));
        assert!(refused(LossKind::Categorical { steps: 3 }, s(4, 3), s(5, 1)));
        assert!(refused(LossKind::InverseGamma { shape: 1.0, steps: 3, variances: WeightId(0) }, s(4, 3), s(4, 2)));
    }
}
