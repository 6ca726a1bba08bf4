//! Two modulations of the same channels as one.
use super::{Args, Io, Kernel, Real, Shader, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};

/// `[scale | shift]` (N,1,1,2C) and `more` (N,1,1,C) → the scale and the shift (N,1,1,2C) of both: x·(1 + scale) + shift, times
/// 1 + more, is x·(1 + s) + b with s = (1 + scale)(1 + more) − 1 and b = shift·(1 + more). DiffAE's blocks are modulated by the time and
/// then by the embedding of an image (Preechakul et al., *Diffusion autoencoders*, CVPR 2022, equation 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modulate;

impl Kernel for Modulate {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [both, more] if both.c == 2 * more.c && *both == more.with_c(both.c) => Ok(*both),
            _ => Err(format!("(N,1,1,2C) and (N,1,1,C) are needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (both, more) = (io.output, io.inputs[1]);
        let len = both.padded_len();
        let consts = vec![
            ("LEN", len.into()),
            ("C", more.c.into()),
            ("ROW", both.c_pad().into()),
            ("MORE_ROW", more.c_pad().into()),
        ];
        let file = shader_file!("modulate.wgsl");
        Shader { label: "modulate_f32".into(), file, consts, grid: grid_1d(len.div_ceil(256)) }
    }
    fn flops(&self, io: &Io) -> u64 {
        3 * io.output.padded_len() as u64
    }
}

impl Modulate {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (both, more) = (a.io.output, a.io.inputs[1]);
        let rows = a.inputs[0].chunks_exact(both.c_pad()).zip(a.inputs[1].chunks_exact(more.c_pad()));
        for (out, (row, more_row)) in a.output.chunks_exact_mut(both.c_pad()).zip(rows) {
            out.fill(T::zero());
            for (c, &m) in more_row[..more.c].iter().enumerate() {
                out[c] = row[c] * m + row[c] + m;
                out[more.c + c] = row[more.c + c] * m + row[more.c + c];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, cases::Case};

    #[test]
    fn one_modulation_does_what_two_do() {
        for (n, c) in [(1, 1), (2, 3), (3, 8), (1, 130), (5, 6)] {
            let shapes = [Shape::new(n, 1, 1, 2 * c), Shape::new(n, 1, 1, c)];
            let case = Case::new(Op::Modulate(Modulate), &shapes, vec![]);
            let y = case.check(1e-12);
            for i in 0..n {
                let at = |v: &[f32], shape: Shape, k: usize| f64::from(v[i * shape.c_pad() + k]);
                for k in 0..c {
                    let (scale, shift) = (at(&case.inputs[0], shapes[0], k), at(&case.inputs[0], shapes[0], c + k));
                    let more = at(&case.inputs[1], shapes[1], k);
                    for x in [-2.0, 0.3, 5.0] {
                        let twice = (x * (1.0 + scale) + shift) * (1.0 + more);
                        let row = &y[i * shapes[0].c_pad()..];
                        assert!((x * (1.0 + row[k]) + row[c + k] - twice).abs() < 1e-12, "{n} {c} {k}");
                    }
                }
            }
        }
    }

    #[test]
    fn other_shapes_are_refused() {
        let both = Shape::new(2, 1, 1, 8);
        for more in [Shape::new(2, 1, 1, 8), Shape::new(1, 1, 1, 4), Shape::new(2, 2, 1, 4)] {
            assert!(Modulate.output(&[both, more]).is_err(), "{more:?}");
        }
        assert!(Modulate.output(&[both]).is_err());
    }
}
