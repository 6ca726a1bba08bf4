//! The slopes of activations.
use super::{Args, Io, Kernel, Real, Shader, grid_1d, pointwise::Activation, widest};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

/// dL/dx = dL/dy·act'(x): inputs dL/dy and x of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActGradient {
    /// The activation, of those that have a slope.
    pub act: Activation,
}

impl Kernel for ActGradient {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [a, b] if a == b && self.act.has_slope() => Ok(*a),
            [a, b] if a == b => Err(format!("the activation {:?} has no slope", self.act)),
            _ => Err(format!("a gradient and an input of one shape are needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let len = io.output.padded_len() / 4;
        let consts = vec![("LEN", len.into()), self.act.constant()];
        let label = format!("act_gradient_{}_f32", self.act.name());
        Shader { label, file: shader_file!("act_gradient.wgsl"), consts, grid: grid_1d(len.div_ceil(256)) }
    }
}

impl ActGradient {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        const CHUNK: usize = 16384;
        let given = a.inputs[0].par_chunks(CHUNK).zip(a.inputs[1].par_chunks(CHUNK));
        a.output.par_chunks_mut(CHUNK).zip(given).for_each(|(dx, (dy, x))| {
            // One loop for each common activation, so that it is vectorised.
            match self.act {
                Activation::Silu => widest(|| times_slope(dx, dy, x, |x| Activation::Silu.slope(x))),
                Activation::Relu => widest(|| times_slope(dx, dy, x, |x| Activation::Relu.slope(x))),
                other => times_slope(dx, dy, x, |x| other.slope(x)),
            }
        });
    }
}

#[inline(always)]
fn times_slope<T: Real>(dx: &mut [T], dy: &[T], x: &[T], slope: impl Fn(T) -> T) {
    for ((dx, &dy), &x) in dx.iter_mut().zip(dy).zip(x) {
        *dx = dy * slope(x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, StepRow, testing};
    use testing::{ELEMENTWISE, check, random};

    #[test]
    fn slopes_are_central_differences() {
        let shape = Shape::new(5, 1, 1, 13);
        let (dy, x) = (random(shape, 1), random(shape, 2));
        use Activation::{Elu, Gelu, Identity, LeakyRelu, Mish, Relu, Sigmoid, Silu, Tanh};
        for act in [Identity, Silu, Relu, LeakyRelu, Elu, Mish, Gelu, Tanh, Sigmoid] {
            let op = Op::ActGradient(ActGradient { act });
            let dx = check(&op, &[dy.clone(), x.clone()], &[], &StepRow::default(), ELEMENTWISE);
            for ((dx, &dy), &x) in dx.iter().zip(&dy.data).zip(&x.data) {
                let x = f64::from(x);
                let slope = (act.apply(x + 1e-6) - act.apply(x - 1e-6)) / 2e-6;
                assert!((dx - f64::from(dy) * slope).abs() < 1e-8, "{op:?} at {x}");
            }
        }
        assert!(ActGradient { act: Activation::RoundF16 }.output(&[shape, shape]).is_err());
    }
}
