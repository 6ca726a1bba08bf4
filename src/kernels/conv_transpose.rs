//! Transposed convolution.
use super::matmul::{Mat, matmul};
use super::{Args, Io, Kernel, Real, Shader, WeightId, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

/// Transposed convolution: `y[s·i + k − pad] += x[i]·w[k]`, output side `(in−1)·stride − pad + kernel + output_pad` with the padding
/// of both ends.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvTranspose {
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Output pixels from one input pixel to the next.
    pub stride: usize,
    /// Padding removed: top, left, bottom, right.
    pub pad: [usize; 4],
    /// Extra rows at the bottom and columns at the right.
    pub output_pad: [usize; 2],
    /// Output channels.
    pub cout: usize,
    /// Packed weights as [`super::conv::pack`] makes them of (Cout,Cin,kh,kw) — the caller swaps PyTorch's (Cin,Cout,kh,kw).
    pub weight: WeightId,
    /// `cout` padded to a multiple of four.
    pub bias: Option<WeightId>,
}

impl Kernel for ConvTranspose {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [x] = inputs else { return Err(format!("one input is needed, not {}", inputs.len())) };
        let side = |s: usize, axis: usize| {
            let whole = (s - 1) * self.stride + self.kernel[axis] + self.output_pad[axis];
            whole.checked_sub(self.pad[axis] + self.pad[axis + 2]).filter(|&o| o > 0)
        };
        let (h, w) =
            side(x.h, 0).zip(side(x.w, 1)).ok_or_else(|| format!("padding {:?} leaves nothing of {x}", self.pad))?;
        Ok(Shape::new(x.n, h, w, self.cout))
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, o) = (io.inputs[0], io.output);
        // Columns of one residue modulo the stride, in groups of four.
        let groups_x = o.w.div_ceil(4 * self.stride) * self.stride;
        let threads = o.n * o.h * groups_x * (o.c_pad() / 4);
        let consts = vec![
            ("THREADS", threads.into()),
            ("GROUPS_X", groups_x.into()),
            ("IN_H", x.h.into()),
            ("IN_W", x.w.into()),
            ("IN_C4", (x.c_pad() / 4).into()),
            ("OUT_H", o.h.into()),
            ("OUT_W", o.w.into()),
            ("OUT_C4", (o.c_pad() / 4).into()),
            ("KH", self.kernel[0].into()),
            ("KW", self.kernel[1].into()),
            ("STRIDE", self.stride.into()),
            ("PAD_TOP", self.pad[0].into()),
            ("PAD_LEFT", self.pad[1].into()),
            ("BIAS", self.bias.is_some().into()),
        ];
        let label = format!("conv_transpose_{}x{}_f32", self.kernel[0], self.kernel[1]);
        Shader { label, file: shader_file!("conv_transpose.wgsl"), consts, grid: grid_1d(threads.div_ceil(64)) }
    }
    fn weights(&self) -> Vec<WeightId> {
        std::iter::once(self.weight).chain(self.bias).collect()
    }
    fn flops(&self, io: &Io) -> u64 {
        2 * (io.inputs[0].len() * self.cout * self.kernel[0] * self.kernel[1]) as u64
    }
}

impl ConvTranspose {
    /// The CPU half: for each output row, one matrix product for each tap that hits it, an input row by the tap's
    /// weights, added to every `stride`-th output pixel.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (x, out) = (a.io.inputs[0], a.io.output);
        let (cp, op, s) = (x.c_pad(), out.c_pad(), self.stride);
        let bias = a.weights.get(1).copied();
        a.output.par_chunks_mut(out.w * op).enumerate().for_each(|(row, y)| {
            let (n, oy) = (row / out.h, row % out.h);
            for pixel in y.chunks_exact_mut(op) {
                match bias {
                    Some(b) => pixel.copy_from_slice(b),
                    None => pixel.fill(T::zero()),
                }
            }
            for ky in 0..self.kernel[0] {
                let Some(iy) = self.source(oy, ky, x.h) else { continue };
                for kx in 0..self.kernel[1] {
                    // Output columns i·s + kx − pad that exist: i from `first` up to `last`, not included.
                    let left = self.pad[1];
                    let first = left.saturating_sub(kx).div_ceil(s);
                    let last = (out.w + left).saturating_sub(kx).div_ceil(s).min(x.w);
                    if first >= last {
                        continue;
                    }
                    let from = &a.inputs[0][((n * x.h + iy) * x.w + first) * cp..];
                    let taps = &a.weights[0][(ky * self.kernel[1] + kx) * cp * op..];
                    let to = &mut y[(first * s + kx - left) * op..];
                    let (from, taps) = (Mat { data: from, stride: cp }, Mat { data: taps, stride: op });
                    matmul([last - first, op, cp], from, taps, to, s * op, true);
                }
            }
        });
    }

    /// The input row that tap `k` carries to output row `o`.
    fn source(&self, o: usize, k: usize, size: usize) -> Option<usize> {
        let i = (o + self.pad[0]).checked_sub(k)?;
        (i % self.stride == 0 && i / self.stride < size).then_some(i / self.stride)
    }
}

#[cfg(test)]
mod tests {
    use super::super::conv::tests::{nmse, run, tensor, validates, weights};
    use super::super::testing::{PRODUCT, check, random};
    use super::super::{Op, StepRow};
    use super::*;

    /// Every kernel, stride and padding that networks have, and some that they do not.
    fn cases() -> Vec<(ConvTranspose, Shape)> {
        let mut v = Vec::new();
        for (kernel, stride, pad, output_pad) in [
            (1, 1, [0; 4], [0; 2]),
            (2, 2, [0; 4], [0; 2]),
            (3, 2, [1; 4], [1; 2]),
            (3, 1, [1; 4], [0; 2]),
            (4, 2, [1; 4], [0; 2]),
            (5, 3, [2; 4], [1; 2]),
            (2, 3, [0; 4], [0; 2]),
            (3, 2, [0, 1, 1, 0], [1, 0]),
        ] {
            for (x, cout) in [(Shape::new(2, 3, 5, 6), 5), (Shape::new(1, 7, 17, 3), 33), (Shape::new(1, 2, 2, 1), 1)] {
                for bias in [None, Some(WeightId(1))] {
                    let weight = WeightId(0);
                    let kernel = [kernel, kernel];
                    v.push((ConvTranspose { kernel, stride, pad, output_pad, cout, weight, bias }, x));
                }
            }
        }
        v
    }

    /// The definition: every input is scattered.
    fn naive(t: &ConvTranspose, io: &Io, x: &[f64], w: &[Vec<f64>]) -> Vec<f64> {
        let (s, o) = (io.inputs[0], io.output);
        let (cp, op) = (s.c_pad(), o.c_pad());
        let mut y = vec![0.0; o.padded_len()];
        for (i, y) in y.iter_mut().enumerate() {
            *y = if t.bias.is_some() { w[1][i % op] } else { 0.0 };
        }
        for (i, &v) in x.iter().enumerate() {
            let (pixel, ci) = (i / cp, i % cp);
            let (n, iy, ix) = (pixel / (s.h * s.w), pixel / s.w % s.h, pixel % s.w);
            for tap in 0..t.kernel[0] * t.kernel[1] {
                let oy = (iy * t.stride + tap / t.kernel[1]).checked_sub(t.pad[0]).filter(|&p| p < o.h);
                let ox = (ix * t.stride + tap % t.kernel[1]).checked_sub(t.pad[1]).filter(|&p| p < o.w);
                let (Some(oy), Some(ox)) = (oy, ox) else { continue };
                for co in 0..op {
                    y[((n * o.h + oy) * o.w + ox) * op + co] += v * w[0][(tap * cp + ci) * op + co];
                }
            }
        }
        y
    }

    #[test]
    fn agrees_with_the_definition_and_validates() {
        for (i, (t, x)) in cases().into_iter().enumerate() {
            let io = Io { inputs: vec![x], output: t.output(&[x]).unwrap() };
            let inputs = [tensor(x, 1)];
            let mut w = vec![weights([t.cout, x.c, t.kernel[0], t.kernel[1]], 2)];
            w.extend(t.bias.map(|_| tensor(Shape::new(1, 1, 1, t.cout), 4)));
            let want = naive(&t, &io, &inputs[0], &w);
            let y = run::<f64>(&io, &inputs, &w, |a| t.cpu(a));
            assert!(nmse(&y, &want) < 1e-24, "{t:?} on {x}: {}", nmse(&y, &want));
            assert!(nmse(&run::<f32>(&io, &inputs, &w, |a| t.cpu(a)), &want) < 1e-11, "{t:?} on {x}");
            validates(&t.shader(&io), 1);
            // A pipeline each, slow to compile for software drivers: a selection.
            if i % 4 != 1 {
                continue;
            }
            let w: Vec<_> = w.iter().map(|w| w.iter().map(|&v| v as f32).collect()).collect();
            check(&Op::ConvTranspose(t), &[random(x, 5)], &w, &StepRow::default(), PRODUCT);
        }
    }
}
