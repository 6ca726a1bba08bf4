//! A range of channels.
use super::{Args, Io, Kernel, Real, Shader, Value, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

/// Channel j of the output is channel `from` + j of the input, zero where there is none: a part of the channels, or, with a
/// `from` below zero, the channels between zeros. The two are each other's gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    /// The input channel of output channel 0; may lie before the first.
    pub from: isize,
    /// Output channels.
    pub count: usize,
}

impl Channels {
    /// The op that carries a gradient back to an input of `channels` channels.
    pub fn transposed(self, channels: usize) -> Self {
        Channels { from: -self.from, count: channels }
    }
    /// The output channels that an input of `c` channels fills: the first, and how many.
    fn filled(self, c: usize) -> (usize, usize) {
        let first = (-self.from).max(0) as usize;
        let last = (c as isize - self.from).clamp(0, self.count as isize) as usize;
        (first.min(last), last - first.min(last))
    }
}

impl Kernel for Channels {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [x] if self.filled(x.c).1 > 0 => Ok(x.with_c(self.count)),
            _ => Err(format!("{} channels from {} on have nothing of {inputs:?}", self.count, self.from)),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, o) = (io.inputs[0], io.output);
        let len = o.padded_len() / 4;
        let aligned = self.from % 4 == 0 && (o.c.is_multiple_of(4) || o.c as isize + self.from >= x.c as isize);
        let consts = vec![
            ("LEN", len.into()),
            ("CV", (o.c_pad() / 4).into()),
            ("IN_CV", (x.c_pad() / 4).into()),
            ("C_IN", x.c.into()),
            ("C_OUT", o.c.into()),
            ("FROM", Value::T(self.from.to_string())),
            ("FROM_V", Value::T((self.from / 4).to_string())),
            ("ALIGNED", aligned.into()),
        ];
        let label = if aligned { "channels_vec4_f32" } else { "channels_f32" };
        Shader { label: label.into(), file: shader_file!("channels.wgsl"), consts, grid: grid_1d(len.div_ceil(256)) }
    }
}

impl Channels {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (x, o) = (a.io.inputs[0], a.io.output);
        let (first, count) = self.filled(x.c);
        let source = (first as isize + self.from).max(0) as usize;
        let pixels = (16384 / o.c_pad()).max(1);
        let from = a.inputs[0].par_chunks(pixels * x.c_pad());
        a.output.par_chunks_mut(pixels * o.c_pad()).zip(from).for_each(|(out, from)| {
            for (out, from) in out.chunks_exact_mut(o.c_pad()).zip(from.chunks_exact(x.c_pad())) {
                out.fill(T::zero());
                out[first..first + count].copy_from_slice(&from[source..source + count]);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, cases::Case};

    #[test]
    fn each_comes_from_its_place() {
        for (c, from, count) in [
            (8, 0, 4),
            (8, 4, 4),
            (8, 4, 3),
            (7, 4, 3),
            (7, 1, 5),
            (5, 0, 2),
            (3, -2, 9),
            (4, -4, 12),
            (6, 2, 9),
            (9, -3, 5),
        ] {
            for (n, h, w) in [(1, 1, 1), (2, 3, 5), (1, 33, 8)] {
                let op = Channels { from, count };
                let case = Case::new(Op::Channels(op), &[Shape::new(n, h, w, c)], vec![]);
                let y = case.check(0.0);
                let (cp, op) = (case.io.inputs[0].c_pad(), case.io.output.c_pad());
                for (p, y) in y.chunks(op).enumerate() {
                    for (j, y) in y[..count].iter().enumerate() {
                        let at = j as isize + from;
                        let inside = (0..c as isize).contains(&at);
                        let want = if inside { case.inputs[0][p * cp + at as usize] } else { 0.0 };
                        assert_eq!(*y, f64::from(want), "{c} {from} {count}");
                    }
                }
            }
        }
        assert!(Channels { from: 4, count: 2 }.output(&[Shape::new(1, 1, 1, 4)]).is_err());
    }
}
