//! Concatenation of channels.
use super::{Args, Io, Kernel, Real, Shader, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

/// `[a, b]` along the channels; neither needs to be a multiple of four.
#[derive(Clone, Debug, PartialEq)]
pub struct Concat;

impl Kernel for Concat {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [a, b] if a.with_c(0) == b.with_c(0) => Ok(a.with_c(a.c + b.c)),
            _ => Err(format!("{inputs:?} cannot be joined along the channels")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (a, b, o) = (io.inputs[0], io.inputs[1], io.output);
        let (len, aligned) = (o.padded_len() / 4, a.c.is_multiple_of(4));
        let consts = vec![
            ("LEN", len.into()),
            ("CV", (o.c_pad() / 4).into()),
            ("A_CV", (a.c_pad() / 4).into()),
            ("B_CV", (b.c_pad() / 4).into()),
            ("C_A", a.c.into()),
            ("C_B", b.c.into()),
            ("ALIGNED", aligned.into()),
        ];
        let label = if aligned { "concat_vec4_f32" } else { "concat_f32" };
        Shader { label: label.into(), file: shader_file!("concat.wgsl"), consts, grid: grid_1d(len.div_ceil(256)) }
    }
}

impl Concat {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, args: Args<T>) {
        let (a, b, o) = (args.io.inputs[0], args.io.inputs[1], args.io.output);
        let pixels = (16384 / o.c_pad()).max(1);
        let from_a = args.inputs[0].par_chunks(pixels * a.c_pad());
        let from_b = args.inputs[1].par_chunks(pixels * b.c_pad());
        args.output.par_chunks_mut(pixels * o.c_pad()).zip(from_a.zip(from_b)).for_each(|(out, (from_a, from_b))| {
            let pairs = from_a.chunks_exact(a.c_pad()).zip(from_b.chunks_exact(b.c_pad()));
            for (out, (from_a, from_b)) in out.chunks_exact_mut(o.c_pad()).zip(pairs) {
                out[..a.c].copy_from_slice(&from_a[..a.c]);
                out[a.c..o.c].copy_from_slice(&from_b[..b.c]);
                out[o.c..].fill(T::zero());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, cases::Case};

    #[test]
    fn channels_follow_each_other() {
        for (ca, cb) in [(1, 1), (3, 3), (4, 1), (1, 4), (64, 128), (5, 7), (6, 2), (8, 3)] {
            for (n, h, w) in [(1, 1, 1), (2, 3, 5), (1, 33, 8)] {
                let (a, b) = (Shape::new(n, h, w, ca), Shape::new(n, h, w, cb));
                let case = Case::new(Op::Concat(Concat), &[a, b], vec![]);
                let y = case.check(0.0);
                for (p, y) in y.chunks(case.io.output.c_pad()).enumerate() {
                    for (k, y) in y[..ca + cb].iter().enumerate() {
                        let from = match k.checked_sub(ca) {
                            None => case.inputs[0][p * a.c_pad() + k],
                            Some(k) => case.inputs[1][p * b.c_pad() + k],
                        };
                        assert_eq!(*y, f64::from(from));
                    }
                }
            }
        }
    }
}
