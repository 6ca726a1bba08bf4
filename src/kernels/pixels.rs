//! A range of pixels, as a sequence in row order, brought into another shape.
use super::{Args, Io, Kernel, Real, Shader, Value, WeightId, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};

/// (N,H,W,C) → (N,height,width,C): pixel j of the output, counted row by row, is pixel `from` + j of the input, zero where there is
/// none. A part of the pixels, or, with a `from` below zero, the pixels between zeros; the two are each other's gradient. With
/// `table`, its row j is added to pixel j of every sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// The input pixel of output pixel 0; may lie before the first.
    pub from: isize,
    /// Rows of the output.
    pub height: usize,
    /// Columns of the output.
    pub width: usize,
    /// One vector for each output pixel, each padded to a multiple of four: (height·width, C).
    pub table: Option<WeightId>,
}

impl Pixels {
    /// The op that carries a gradient back to an input of this shape.
    pub fn transposed(self, input: Shape) -> Self {
        Pixels { from: -self.from, height: input.h, width: input.w, table: None }
    }
    /// The output pixels that an input of `len` pixels fills: the first, and how many.
    fn filled(self, len: usize) -> (usize, usize) {
        let first = (-self.from).max(0) as usize;
        let last = (len as isize - self.from).clamp(0, (self.height * self.width) as isize) as usize;
        (first.min(last), last - first.min(last))
    }
}

impl Kernel for Pixels {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [x] if self.filled(x.h * x.w).1 > 0 => Ok(Shape::new(x.n, self.height, self.width, x.c)),
            _ => Err(format!("{}x{} pixels from {} on have nothing of {inputs:?}", self.height, self.width, self.from)),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, o) = (io.inputs[0], io.output);
        let (len, cv) = (o.padded_len() / 4, o.c_pad() / 4);
        let consts = vec![
            ("LEN", len.into()),
            ("CV", cv.into()),
            ("IN_PIXELS", (x.h * x.w).into()),
            ("PIXELS", (o.h * o.w).into()),
            ("FROM", Value::T(self.from.to_string())),
            ("TABLE", self.table.is_some().into()),
        ];
        let label = if self.table.is_some() { "pixels_table_f32" } else { "pixels_f32" };
        Shader { label: label.into(), file: shader_file!("pixels.wgsl"), consts, grid: grid_1d(len.div_ceil(256)) }
    }
    fn weights(&self) -> Vec<WeightId> {
        self.table.into_iter().collect()
    }
}

impl Pixels {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (x, o) = (a.io.inputs[0], a.io.output);
        let (cp, pixels) = (o.c_pad(), x.h * x.w);
        let (first, count) = self.filled(pixels);
        let source = (first as isize + self.from).max(0) as usize;
        let samples = a.output.chunks_exact_mut(o.h * o.w * cp).zip(a.inputs[0].chunks_exact(pixels * cp));
        for (out, from) in samples {
            out.fill(T::zero());
            out[first * cp..][..count * cp].copy_from_slice(&from[source * cp..][..count * cp]);
            if let Some(table) = a.weights.first() {
                out.iter_mut().zip(*table).for_each(|(y, &t)| *y += t);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, cases};

    #[test]
    fn each_comes_from_its_place() {
        for (h, w, c, from, height, width) in [
            (1, 1, 1, 0, 1, 1),
            (2, 3, 5, -1, 1, 7),
            (1, 7, 5, 1, 2, 3),
            (4, 5, 8, 0, 1, 1),
            (1, 1, 3, 0, 3, 7),
            (3, 3, 4, 2, 2, 5),
            (1, 40, 7, -3, 9, 5),
        ] {
            for (n, tabled) in [(1, false), (3, true)] {
                let table = tabled.then_some(WeightId(0));
                let op = Pixels { from, height, width, table };
                let one = Shape::new(1, height, width, c);
                let weights: Vec<_> = table.iter().map(|_| cases::random(one, 5)).collect();
                let case = cases::Case::new(Op::Pixels(op), &[Shape::new(n, h, w, c)], weights);
                let cp = case.io.output.c_pad();
                for (i, y) in case.check(1e-11).into_iter().enumerate() {
                    let (sample, pixel) = (i / cp / one.pixels(), i / cp % one.pixels());
                    let at = pixel as isize + from;
                    let inside = (0..(h * w) as isize).contains(&at);
                    let x = if inside { case.inputs[0][(sample * h * w + at as usize) * cp + i % cp] } else { 0.0 };
                    let t = case.weights.first().map_or(0.0, |t| t[pixel * cp + i % cp]);
                    assert_eq!(y, f64::from(x) + f64::from(t), "{op:?} at {i}");
                }
            }
        }
        let none = Pixels { from: 6, height: 1, width: 2, table: None };
        assert!(none.output(&[Shape::new(1, 2, 3, 4)]).unwrap_err().contains("from 6 on"));
    }
}
