//! How far the features of two images point apart.
use super::{Args, Io, Kernel, Real, Shader, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

/// Two (N,H,W,C) → (N,H,W,1): `1 − a·b/(max(‖a‖, ε)·max(‖b‖, ε))` of the channels of each pixel, ε = 1e-8, as PyTorch's
/// `cosine_similarity` has it. From 0 (the same direction) to 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cosine;

/// The least length that a vector counts as.
const EPSILON: f32 = 1e-8;

impl Kernel for Cosine {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [a, b] if a == b => Ok(a.with_c(1)),
            _ => Err(format!("features of two images, of one shape, are needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, len) = (io.inputs[0], io.output.pixels());
        let consts = vec![("LEN", len.into()), ("CV", (x.c_pad() / 4).into()), ("EPSILON", EPSILON.into())];
        let file = shader_file!("cosine.wgsl");
        Shader { label: "cosine_f32".into(), file, consts, grid: grid_1d(len.div_ceil(64)) }
    }
    fn flops(&self, io: &Io) -> u64 {
        6 * io.inputs[0].padded_len() as u64
    }
}

impl Cosine {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let cp = a.io.inputs[0].c_pad();
        let least = T::of(EPSILON.into());
        let pairs = a.inputs[0].par_chunks_exact(cp).zip(a.inputs[1].par_chunks_exact(cp));
        a.output.par_chunks_exact_mut(4).zip(pairs).for_each(|(out, (x, y))| {
            let dot = |p: &[T], q: &[T]| p.iter().zip(q).map(|(&p, &q)| p * q).sum::<T>();
            let length = |v: &[T]| dot(v, v).sqrt().max(least);
            out.fill(T::zero());
            out[0] = T::one() - dot(x, y) / (length(x) * length(y));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, cases::Case};

    #[test]
    fn it_is_one_less_the_cosine_of_the_angle() {
        for (n, h, w, c) in [(1, 1, 1, 1), (2, 3, 5, 3), (1, 9, 7, 8), (2, 4, 4, 130)] {
            let x = Shape::new(n, h, w, c);
            let case = Case::new(Op::Cosine(Cosine), &[x, x], vec![]);
            let (found, cp) = (case.check(1e-11), x.c_pad());
            for (p, found) in found.chunks(4).enumerate() {
                let at = |i: usize| case.inputs[i][p * cp..][..c].iter().map(|&v| f64::from(v));
                let dot = |i: usize, j: usize| at(i).zip(at(j)).map(|(a, b)| a * b).sum::<f64>();
                let want = 1.0 - dot(0, 1) / (dot(0, 0).sqrt() * dot(1, 1).sqrt());
                assert!((found[0] - want).abs() < 1e-12 && found[1..] == [0.0; 3], "{n} {h} {w} {c}");
            }
        }
    }

    #[test]
    fn nothing_has_no_direction() {
        let x = Shape::new(1, 1, 2, 4);
        let mut case = Case::new(Op::Cosine(Cosine), &[x, x], vec![]);
        case.inputs[0][..4].fill(0.0);
        let twice: Vec<f32> = case.inputs[0][4..].iter().map(|v| 2.0 * v).collect();
        case.inputs[1][4..].copy_from_slice(&twice);
        let found = case.check(1e-11);
        assert_eq!(found[0], 1.0);
        assert!(found[4].abs() < 1e-6);
        assert!(Cosine.output(&[x, x.with_c(8)]).is_err());
    }
}
