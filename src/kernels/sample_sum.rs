//! The sum over the samples of a batch.
use super::{Args, Io, Kernel, Real, Shader, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};

/// (N,H,W,C) → (1,H,W,C): y = Σₙ x\[n\].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleSum;

impl Kernel for SampleSum {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [x] => Ok(Shape::new(1, x.h, x.w, x.c)),
            _ => Err(format!("one input is needed, not {}", inputs.len())),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let len = io.output.padded_len() / 4;
        let consts = vec![("LEN", len.into()), ("SAMPLES", io.inputs[0].n.into())];
        Shader {
            label: "sample_sum_f32".into(),
            file: shader_file!("sample_sum.wgsl"),
            consts,
            grid: grid_1d(len.div_ceil(256)),
        }
    }
    fn flops(&self, io: &Io) -> u64 {
        io.inputs[0].len() as u64
    }
}

impl SampleSum {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        a.output.fill(T::zero());
        for sample in a.inputs[0].chunks_exact(a.output.len()) {
            a.output.iter_mut().zip(sample).for_each(|(y, &x)| *y += x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, cases::Case};

    #[test]
    fn it_is_the_sum() {
        for (n, h, w, c) in [(1, 1, 1, 1), (3, 2, 5, 7), (64, 3, 3, 4)] {
            let case = Case::new(Op::SampleSum(SampleSum), &[Shape::new(n, h, w, c)], vec![]);
            let y = case.check(1e-11);
            for (i, y) in y.iter().enumerate() {
                let want: f64 = (0..n).map(|s| f64::from(case.inputs[0][s * case.io.output.padded_len() + i])).sum();
                assert!((y - want).abs() < 1e-12);
            }
        }
    }
}
