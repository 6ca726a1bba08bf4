//! The gradients of a sampler's step at the state and at the network's output.
use super::{Args, Io, Kernel, Real, Shader, grid_1d, sampler::SamplerStep};
use crate::gpu::shader_file;
use crate::{Result, Shape};

/// The gradient of [`SamplerStep`], by the same row of the step table. Inputs: dL/dx' (N,H,W,C) and the step's own inputs. Where the
/// estimate of x0 is clamped, nothing comes through it; at the clamp itself it still does (as in PyTorch).
#[derive(Clone, Debug, PartialEq)]
pub struct SamplerGradient {
    /// The step.
    pub step: SamplerStep,
    /// At the network's output, of its shape, instead of at the state x.
    pub at_output: bool,
}

impl Kernel for SamplerGradient {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [dy, own @ ..] = inputs else { return Err("a gradient and the step's inputs are needed".into()) };
        let made = self.step.output(own)?;
        if made != *dy {
            return Err(format!("the step gives {made}, but its gradient is {dy}"));
        }
        Ok(own[usize::from(self.at_output)])
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, o) = (io.inputs[1], io.output);
        let (cv, len) = (o.c_pad() / 4, o.padded_len() / 4);
        let learned = self.at_output && self.step.learned_range && self.step.noisy;
        let mut consts = vec![
            ("LEN", len.into()),
            ("CV", cv.into()),
            ("C", x.c.into()),
            ("X_CV", (x.c_pad() / 4).into()),
            ("M_CV", (io.inputs[2].c_pad() / 4).into()),
            ("AT_OUTPUT", self.at_output.into()),
            ("NOISY", self.step.noisy.into()),
            ("LEARNED", learned.into()),
        ];
        if self.step.noisy {
            consts.push(("Z_LEN", io.inputs[3].padded_len().into()));
        }
        let label = match (self.at_output, learned) {
            (false, _) => "sampler_gradient_state_f32",
            (true, false) => "sampler_gradient_output_f32",
            (true, true) => "sampler_gradient_learned_f32",
        };
        let file = shader_file!("sampler_gradient.wgsl");
        Shader { label: label.into(), file, consts, grid: grid_1d(len.div_ceil(256)) }
    }
    fn flops(&self, io: &Io) -> u64 {
        12 * io.output.padded_len() as u64
    }
}

impl SamplerGradient {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let of = |v: f32| T::of(v.into());
        let s = a.step;
        let (c, xp, mp, op) = (a.io.inputs[1].c, a.io.inputs[1].c_pad(), a.io.inputs[2].c_pad(), a.io.output.c_pad());
        let (dy, x, m) = (a.inputs[0], a.inputs[1], a.inputs[2]);
        // What x0 counts in x', and what the others do besides.
        let by_x0 = of(s.next_0) + of(s.next_e) * of(s.eps_0);
        let (through, beside) = match self.at_output {
            true => (by_x0 * of(s.x0_m), of(s.next_e) * of(s.eps_m)),
            false => (by_x0 * of(s.x0_x), of(s.next_x) + of(s.next_e) * of(s.eps_x)),
        };
        for (i, out) in a.output.iter_mut().enumerate() {
            let (pixel, k) = (i / op, i % op);
            *out = if k < c {
                let (dy, x, m) = (dy[pixel * xp + k], x[pixel * xp + k], m[pixel * mp + k]);
                let x0 = of(s.x0_x) * x + of(s.x0_m) * m;
                dy * (beside + if x0.abs() <= of(s.clip) { through } else { T::zero() })
            } else if k < a.io.output.c && self.step.noisy {
                let f = of(0.5) * m[pixel * mp + k] + of(0.5);
                let sigma = of(s.sigma) * (of(0.5) * (f * of(s.log_max) + (T::one() - f) * of(s.log_min))).exp();
                let (at, z) = (pixel * xp + k - c, a.inputs[3]);
                dy[at] * z[at % z.len()] * sigma * of(0.25) * (of(s.log_max) - of(s.log_min))
            } else {
                T::zero()
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;
    use crate::kernels::testing::{ELEMENTWISE, check, random};
    use crate::kernels::{Op, StepRow};

    #[test]
    fn it_is_central_differences_on_every_device() {
        let step = StepRow {
            clip: 0.9,
            x0_x: 1.4,
            x0_m: -1.1,
            eps_x: 1.5,
            eps_m: 0.2,
            eps_0: -1.2,
            next_0: 0.8,
            next_x: 0.3,
            next_e: 0.4,
            sigma: 1.0,
            log_min: -9.0,
            log_max: -3.5,
            ..Default::default()
        };
        for (h, w, c) in [(1, 1, 1), (5, 7, 3), (4, 3, 4), (3, 4, 5)] {
            let shape = Shape::new(2, h, w, c);
            for (learned_range, noisy, shared) in [
                (false, false, false),
                (false, true, false),
                (true, false, false),
                (true, true, false),
                (true, true, true),
            ] {
                let op = SamplerStep { learned_range, noisy };
                let m = shape.with_c(if learned_range { 2 * c } else { c });
                let z = if shared { Shape { n: 1, ..shape } } else { shape };
                let own: Vec<Tensor> =
                    [shape, m, z].iter().zip(1..).take(2 + usize::from(noisy)).map(|(s, i)| random(*s, i)).collect();
                let dy = random(shape, 9);
                for at_output in [false, true] {
                    let inputs: Vec<Tensor> = std::iter::once(&dy).chain(&own).cloned().collect();
                    let kernel = SamplerGradient { step: op.clone(), at_output };
                    let found = check(&Op::SamplerGradient(kernel), &inputs, &[], &step, ELEMENTWISE);
                    let want = differences(&op, &own, usize::from(at_output), &dy, &step);
                    for (found, want) in found.iter().zip(want) {
                        // A clamp between the two sides.
                        let Some(want) = want else { continue };
                        assert!((found - want).abs() < 1e-7, "{op:?} {at_output}: {found} {want}");
                    }
                }
            }
        }
    }

    /// The slope of Σ dy·x' at each value of an input, in f64; none where it is another on either side.
    fn differences(op: &SamplerStep, own: &[Tensor], of: usize, dy: &Tensor, step: &StepRow) -> Vec<Option<f64>> {
        let wide = |t: &Tensor| -> Vec<f64> { t.to_device_layout().into_iter().map(f64::from).collect() };
        let values: Vec<Vec<f64>> = own.iter().map(wide).collect();
        let shapes: Vec<Shape> = own.iter().map(|t| t.shape).collect();
        let io = Io { output: op.output(&shapes).unwrap(), inputs: shapes.clone() };
        let dy = wide(dy);
        let total = |values: &[Vec<f64>]| -> f64 {
            let mut out = vec![0.0; dy.len()];
            let inputs: Vec<&[f64]> = values.iter().map(|v| &v[..]).collect();
            op.cpu(Args { inputs: &inputs, output: &mut out, weights: &[], io: &io, step });
            out.iter().zip(&dy).map(|(a, b)| a * b).sum()
        };
        let (s, here) = (shapes[of], total(&values));
        let slope = |at: usize| {
            let moved = |by: f64| {
                let mut v = values.clone();
                v[of][at] += by;
                total(&v)
            };
            let (up, down) = ((moved(1e-5) - here) / 1e-5, (here - moved(-1e-5)) / 1e-5);
            ((up - down).abs() < 1e-4).then_some((up + down) / 2.0)
        };
        let place = |n: usize, k: usize, p: usize| (n * s.h * s.w + p) * s.c_pad() + k;
        let each = (0..s.n).flat_map(|n| (0..s.c).flat_map(move |k| (0..s.h * s.w).map(move |p| (n, k, p))));
        each.map(|(n, k, p)| slope(place(n, k, p))).collect()
    }
}
