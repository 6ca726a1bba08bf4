//! The normal distribution that an autoencoder's encoder gives (Kingma and Welling, ICLR 2014): its deviation, and a sample of it.
use super::{Args, Io, Kernel, Real, Shader, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

/// The variance is e to the power of what the encoder gives, clamped to −30…20 as the published autoencoders do it:
///
/// | part | inputs, all of one shape | output |
/// | --- | --- | --- |
/// | log variance | v | clamp(v, −30, 20) |
/// | deviation | v | σ = exp(clamp(v, −30, 20)/2) |
/// | sample | mean, v, standard normal noise | mean + σ·noise |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posterior {
    /// The logarithm of the variance.
    LogVariance,
    /// Its root.
    Deviation,
    /// The mean, and noise of this deviation.
    Sample,
}

impl Kernel for Posterior {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let wanted = if *self == Posterior::Sample { 3 } else { 1 };
        match inputs {
            [x, ..] if inputs.len() == wanted && inputs.iter().all(|i| i == x) => Ok(*x),
            _ => Err(format!("{wanted} inputs of one shape are needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let o = io.output;
        let (len, cv) = (o.padded_len() / 4, o.c_pad() / 4);
        let consts = vec![
            ("LEN", len.into()),
            ("CV", cv.into()),
            ("C_TAIL", (o.c - (cv - 1) * 4).into()),
            ("MODE", (*self as usize).into()),
        ];
        let label = format!("posterior_{self:?}_f32").to_lowercase();
        Shader { label, file: shader_file!("posterior.wgsl"), consts, grid: grid_1d(len.div_ceil(256)) }
    }
}

impl Posterior {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (c, cp) = (a.io.output.c, a.io.output.c_pad());
        let v = a.inputs[if *self == Posterior::Sample { 1 } else { 0 }];
        let clamped = |v: T| v.max(T::of(-30.0)).min(T::of(20.0));
        let deviation = |v: T| (clamped(v) * T::of(0.5)).exp_fast();
        a.output.par_chunks_mut(cp).enumerate().for_each(|(pixel, out)| {
            for (k, out) in out.iter_mut().enumerate() {
                let i = pixel * cp + k;
                *out = match self {
                    _ if k >= c => T::zero(),
                    Posterior::LogVariance => clamped(v[i]),
                    Posterior::Deviation => deviation(v[i]),
                    Posterior::Sample => a.inputs[0][i] + deviation(v[i]) * a.inputs[2][i],
                };
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, cases::Case, testing::ELEMENTWISE};

    #[test]
    fn every_device_agrees_with_the_definition() {
        for (n, h, w, c) in [(1, 1, 1, 1), (2, 3, 5, 3), (1, 9, 17, 4), (2, 7, 7, 10)] {
            let x = Shape::new(n, h, w, c);
            for part in [Posterior::LogVariance, Posterior::Deviation, Posterior::Sample] {
                let inputs = vec![x; if part == Posterior::Sample { 3 } else { 1 }];
                let mut case = Case::new(Op::Posterior(part), &inputs, vec![]);
                let at = inputs.len() / 2;
                // Some beyond both bounds.
                case.inputs[at].iter_mut().for_each(|v| *v *= 9.0);
                case.inputs[at][0] = 88.0;
                if n > 1 {
                    case.inputs[at][x.padded_len() / 2] = -1000.0;
                }
                let (found, cp) = (case.check(ELEMENTWISE), x.c_pad());
                for (i, &found) in found.iter().enumerate().filter(|(i, _)| i % cp < c) {
                    let value = |k: usize| f64::from(case.inputs[k][i]);
                    let v = value(at).clamp(-30.0, 20.0);
                    let want = match part {
                        Posterior::LogVariance => v,
                        Posterior::Deviation => (v / 2.0).exp(),
                        Posterior::Sample => value(0) + (v / 2.0).exp() * value(2),
                    };
                    assert!((found - want).abs() <= 1e-12 * want.abs().max(1.0), "{part:?}: {found} {want}");
                }
            }
        }
        assert!(Posterior::Sample.output(&[Shape::new(1, 1, 1, 1); 2]).is_err());
    }
}
