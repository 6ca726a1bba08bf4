//! The gradient of a table of which rows were taken.
use super::{Args, Io, Kernel, Real, Shader, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};

/// The gradient of [`super::embedding::Embedding`]'s table: y (N,1,1,1) and dL/dout (N,1,1,dim) → (1,1,classes,dim), row k being
/// the sum of dL/dout over the samples whose row is k.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingGradient {
    /// Rows of the table.
    pub classes: usize,
}

impl Kernel for EmbeddingGradient {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [y, dy] if *y == Shape::new(dy.n, 1, 1, 1) && *dy == Shape::new(dy.n, 1, 1, dy.c) => {
                Ok(Shape::new(1, 1, self.classes, dy.c))
            }
            _ => Err(format!("a number and a vector per sample are needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let len = io.output.padded_len() / 4;
        let consts = vec![
            ("LEN", len.into()),
            ("CV", (io.output.c_pad() / 4).into()),
            ("SAMPLES", io.inputs[0].n.into()),
            ("CLASSES", self.classes.into()),
        ];
        Shader {
            label: "embedding_gradient_f32".into(),
            file: shader_file!("embedding_gradient.wgsl"),
            consts,
            grid: grid_1d(len.div_ceil(64)),
        }
    }
}

impl EmbeddingGradient {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let cp = a.io.output.c_pad();
        a.output.fill(T::zero());
        for (n, dy) in a.inputs[1].chunks_exact(cp).enumerate() {
            let row = (a.inputs[0][n * 4].f64().round_ties_even() as usize).min(self.classes - 1);
            a.output[row * cp..][..cp].iter_mut().zip(dy).for_each(|(to, &dy)| *to += dy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, cases::Case};

    #[test]
    fn each_sample_goes_to_its_row() {
        for (classes, dim) in [(1, 1), (2, 64), (10, 7)] {
            let rows = [0.0, 1.2, -5.0, 1e9, 1.0];
            let shapes = [Shape::new(rows.len(), 1, 1, 1), Shape::new(rows.len(), 1, 1, dim)];
            let mut case = Case::new(Op::EmbeddingGradient(EmbeddingGradient { classes }), &shapes, vec![]);
            for (n, y) in rows.into_iter().enumerate() {
                case.inputs[0][n * 4] = y;
            }
            let (out, cp) = (case.check(1e-11), case.io.output.c_pad());
            let mut want = vec![0.0; out.len()];
            for (n, class) in [0, 1.min(classes - 1), 0, classes - 1, 1.min(classes - 1)].into_iter().enumerate() {
                (0..cp).for_each(|c| want[class * cp + c] += f64::from(case.inputs[1][n * cp + c]));
            }
            assert_eq!(out, want);
        }
    }
}
