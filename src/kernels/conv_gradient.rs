//! The gradient of a convolution's weights.
use super::matmul::{Mat, product};
use super::{Args, Io, Kernel, Real, Shader};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;
use std::ops::Range;

/// The gradient of [`super::conv::Conv`]'s weights: x (N,H,W,Cin) and dL/dy (N,H',W',Cout) → (S,kh·kw,Cin,Cout), Cin padded to a
/// multiple of four, so that a sample is what [`super::conv::pack`] makes of the weights. Each of the S samples is the sum over
/// some of the output's rows; their sum is the gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvGradient {
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Step, the same in both directions.
    pub stride: usize,
    /// Zero padding at the top and at the left.
    pub pad: [usize; 2],
}

/// Rows of the result in the shader's tile.
const ROWS: usize = 32;
/// Its channels in the tile, in vec4s.
const COLUMNS4: usize = 8;
/// Pixels that are taken at once.
const DEPTH: usize = 16;

impl ConvGradient {
    fn rows(&self, x: Shape) -> usize {
        self.kernel[0] * self.kernel[1] * x.c_pad()
    }
    /// Into how many sums the rows of the output are split: enough for every core of a middling GPU to have a tile.
    fn splits(&self, x: Shape, dy: Shape) -> usize {
        let tiles = self.rows(x).div_ceil(ROWS) * dy.c_pad().div_ceil(4 * COLUMNS4);
        64usize.div_ceil(tiles).min(dy.pixels().div_ceil(256)).min(dy.n * dy.h)
    }
    /// Output positions along an axis whose tap `k` lies inside an input of `size`.
    fn inside(&self, k: usize, axis: usize, size: usize, out: usize) -> Range<usize> {
        let pad = self.pad[axis];
        let first = pad.saturating_sub(k).div_ceil(self.stride);
        let last = (size + pad).saturating_sub(k).div_ceil(self.stride).min(out);
        first..last.max(first)
    }
}

impl Kernel for ConvGradient {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [x, dy] if x.n == dy.n && self.stride > 0 => {
                Ok(Shape::new(self.splits(*x, *dy), self.kernel[0] * self.kernel[1], x.c_pad(), dy.c))
            }
            _ => Err(format!("an input and a gradient of as many samples are needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, dy) = (io.inputs[0], io.inputs[1]);
        let (rows, out_c4) = (self.rows(x), dy.c_pad() / 4);
        let tiles = [rows.div_ceil(ROWS), out_c4.div_ceil(COLUMNS4)];
        let consts = vec![
            ("K4", (rows / 4).into()),
            ("IN_H", x.h.into()),
            ("IN_W", x.w.into()),
            ("IN_C4", (x.c_pad() / 4).into()),
            ("OUT_H", dy.h.into()),
            ("OUT_W", dy.w.into()),
            ("OUT_C4", out_c4.into()),
            ("KW", self.kernel[1].into()),
            ("STRIDE", self.stride.into()),
            ("PAD_TOP", self.pad[0].into()),
            ("PAD_LEFT", self.pad[1].into()),
            ("PIXELS", dy.pixels().into()),
            ("PER_SPLIT", ((dy.n * dy.h).div_ceil(io.output.n) * dy.w).into()),
            ("ROWS4", (ROWS / 4).into()),
            ("COLUMNS4", COLUMNS4.into()),
            ("DEPTH", DEPTH.into()),
            ("TILES_N", tiles[1].into()),
        ];
        Shader {
            label: format!("conv_gradient_{}x{}_f32", self.kernel[0], self.kernel[1]),
            file: shader_file!("conv_gradient.wgsl"),
            consts,
            grid: [(tiles[0] * tiles[1]) as u32, io.output.n as u32, 1],
        }
    }
    fn flops(&self, io: &Io) -> u64 {
        2 * (io.inputs[1].len() * io.inputs[0].c * self.kernel[0] * self.kernel[1]) as u64
    }
}

impl ConvGradient {
    /// The CPU half: for each tap and row of the output, the product of the input's pixels under the tap, transposed, and the
    /// gradient's.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (x, dy, o) = (a.io.inputs[0], a.io.inputs[1], a.io.output);
        let (cp, op, rows) = (x.c_pad(), dy.c_pad(), (dy.n * dy.h).div_ceil(o.n));
        a.output.par_chunks_mut(cp * op).enumerate().for_each(|(i, to)| {
            let (split, tap) = (i / o.h, i % o.h);
            let (ky, kx) = (tap / self.kernel[1], tap % self.kernel[1]);
            let (ys, xs) = (self.inside(ky, 0, x.h, dy.h), self.inside(kx, 1, x.w, dy.w));
            to.fill(T::zero());
            for row in split * rows..((split + 1) * rows).min(dy.n * dy.h) {
                let (n, oy) = (row / dy.h, row % dy.h);
                if !ys.contains(&oy) || xs.is_empty() {
                    continue;
                }
                let (iy, ix) = (oy * self.stride + ky - self.pad[0], xs.start * self.stride + kx - self.pad[1]);
                let pixels = Mat { data: &a.inputs[0][((n * x.h + iy) * x.w + ix) * cp..], stride: self.stride * cp };
                let gradient = Mat { data: &a.inputs[1][(row * dy.w + xs.start) * op..], stride: op };
                product([cp, op, xs.len()], (pixels, true), (gradient, false), to, op, true, false);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, cases::Case};

    /// The definition, summed over the splits.
    fn naive(op: &ConvGradient, x: Shape, dy: Shape, data: &[Vec<f32>]) -> Vec<f64> {
        let (cp, out_cp) = (x.c_pad(), dy.c_pad());
        let mut w = vec![0.0; op.rows(x) * out_cp];
        for p in 0..dy.pixels() {
            let (n, oy, ox) = (p / (dy.h * dy.w), p / dy.w % dy.h, p % dy.w);
            for tap in 0..op.kernel[0] * op.kernel[1] {
                let iy = (oy * op.stride + tap / op.kernel[1]).checked_sub(op.pad[0]).filter(|&i| i < x.h);
                let ix = (ox * op.stride + tap % op.kernel[1]).checked_sub(op.pad[1]).filter(|&i| i < x.w);
                let (Some(iy), Some(ix)) = (iy, ix) else { continue };
                for (ci, co) in (0..cp).flat_map(|ci| (0..out_cp).map(move |co| (ci, co))) {
                    let v = f64::from(data[0][((n * x.h + iy) * x.w + ix) * cp + ci]);
                    w[(tap * cp + ci) * out_cp + co] += v * f64::from(data[1][p * out_cp + co]);
                }
            }
        }
        w
    }

    #[test]
    fn it_is_the_sum_over_pixels() {
        let cases = [
            ([3, 3], 1, [1, 1], Shape::new(2, 5, 7, 3), 5),
            ([3, 3], 2, [1, 1], Shape::new(1, 9, 6, 4), 33),
            ([3, 3], 2, [0, 0], Shape::new(2, 8, 8, 6), 1),
            ([1, 1], 1, [0, 0], Shape::new(3, 16, 17, 33), 31),
            ([2, 5], 3, [1, 4], Shape::new(1, 7, 11, 2), 4),
            ([3, 3], 1, [1, 1], Shape::new(1, 40, 33, 8), 9),
        ];
        for (kernel, stride, pad, x, cout) in cases {
            let op = ConvGradient { kernel, stride, pad };
            let side = |s: usize, axis: usize| (s + 2 * pad[axis] - kernel[axis]) / stride + 1;
            let dy = Shape::new(x.n, side(x.h, 0), side(x.w, 1), cout);
            let case = Case::new(Op::ConvGradient(op.clone()), &[x, dy], vec![]);
            let (y, one) = (case.check(1e-10), case.io.output.padded_len() / case.io.output.n);
            for (i, want) in naive(&op, x, dy, &case.inputs).into_iter().enumerate() {
                let sum: f64 = y.iter().skip(i).step_by(one).sum();
                assert!((sum - want).abs() < 1e-10, "{op:?} at {i}: {sum}, not {want}");
            }
        }
    }
}
