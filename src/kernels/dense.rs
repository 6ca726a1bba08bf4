//! The linear layer that is trained: y = x·W + b, and what its gradient is made of.
use crate::gpu::shader_file;
use crate::kernels::matmul::{Mat, product};
use crate::kernels::{Args, Io, Kernel, Real, Shader, Value, grid_1d};
use crate::{Result, Shape};

/// With W and b as the rows of one parameter state (see [`super::adam::Adam`]), (3(Cin+1),1,1,Cout), of which the first Cin rows are Wᵀ
/// as PyTorch stores it and the next is b:
///
/// | way | inputs | output |
/// | --- | --- | --- |
/// | forward | x (B,1,1,Cin), parameters | y (B,1,1,Cout) |
/// | input | dL/dy (B,1,1,Cout), parameters | dL/dx (B,1,1,Cin) |
/// | weight | x (B,1,1,Cin), dL/dy (B,1,1,Cout) | dL/d(W, b) (Cin+1,1,1,Cout) |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dense {
    /// Which of the three products.
    pub way: DenseWay,
}

/// The three products of a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenseWay {
    /// The layer's output.
    Forward,
    /// The gradient with respect to its input.
    Input,
    /// The gradient with respect to its parameters.
    Weight,
}

/// Rows of a parameter state in one of its three parts.
fn rows(parameters: Shape) -> usize {
    parameters.n / 3
}

impl Kernel for Dense {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let fault = || format!("{:?} of a linear layer does not fit {inputs:?}", self.way);
        let [a, b] = inputs else { return Err(fault()) };
        let vectors = [a.h, a.w, b.h, b.w] == [1; 4];
        match self.way {
            DenseWay::Forward if vectors && b.n == 3 * (a.c + 1) => Ok(a.with_c(b.c)),
            DenseWay::Input if vectors && b.c == a.c && b.n % 3 == 0 && b.n > 3 => Ok(a.with_c(rows(*b) - 1)),
            DenseWay::Weight if vectors && a.n == b.n => Ok(Shape::new(a.c + 1, 1, 1, b.c)),
            _ => Err(fault()),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (a, b, o) = (io.inputs[0], io.inputs[1], io.output);
        let (ap, bp) = (a.c_pad(), b.c_pad());
        // Rows, columns and depth of the product; strides of A and B.
        let (k, strides) = match self.way {
            DenseWay::Forward => (a.c, [ap, 1, bp, 1]),
            DenseWay::Input => (a.c, [ap, 1, 1, bp]),
            DenseWay::Weight => (a.n, [1, ap, bp, 1]),
        };
        let tiles_n = o.c_pad().div_ceil(32);
        let tiles = o.n.div_ceil(32) * tiles_n;
        let mut consts: Vec<(&'static str, Value)> =
            vec![("M", o.n.into()), ("N", o.c.into()), ("K", k.into()), ("OUT_PAD", o.c_pad().into())];
        consts.extend(["A_ROW", "A_COL", "B_ROW", "B_COL"].into_iter().zip(strides.map(Value::from)));
        consts.extend([("TILES", tiles.into()), ("TILES_N", tiles_n.into())]);
        consts.extend([
            ("BIAS", (self.way == DenseWay::Forward).into()),
            ("ONES", (self.way == DenseWay::Weight).into()),
        ]);
        let label = format!("dense_{:?}_f32", self.way).to_lowercase();
        Shader { label, file: shader_file!("dense.wgsl"), consts, grid: grid_1d(tiles) }
    }
    fn flops(&self, io: &Io) -> u64 {
        let depth = if self.way == DenseWay::Weight { io.inputs[0].n } else { io.inputs[0].c };
        2 * (io.output.len() * depth) as u64
    }
}

impl Dense {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, args: Args<T>) {
        let (a, b, o) = (args.io.inputs[0], args.io.inputs[1], args.io.output);
        let (ap, bp, op) = (a.c_pad(), b.c_pad(), o.c_pad());
        let (x, y) = (Mat { data: args.inputs[0], stride: ap }, Mat { data: args.inputs[1], stride: bp });
        let out = args.output;
        match self.way {
            DenseWay::Forward => {
                product([o.n, op, a.c], (x, false), (y, false), out, op, false, true);
                let bias = &args.inputs[1][a.c * bp..][..bp];
                out.chunks_exact_mut(op).for_each(|row| row.iter_mut().zip(bias).for_each(|(v, &b)| *v += b));
            }
            DenseWay::Input => {
                product([o.n, o.c, a.c], (x, false), (y, true), out, op, false, true);
                out.chunks_exact_mut(op).for_each(|row| row[o.c..].fill(T::zero()));
            }
            DenseWay::Weight => {
                let (weights, bias) = out.split_at_mut(a.c * op);
                product([a.c, op, a.n], (x, true), (y, false), weights, op, false, true);
                bias.fill(T::zero());
                args.inputs[1].chunks_exact(bp).for_each(|r| bias.iter_mut().zip(r).for_each(|(s, &v)| *s += v));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, StepRow, testing};
    use testing::{PRODUCT, check, random};

    #[test]
    fn every_device_agrees_with_the_definition() {
        for (n, i, o) in [(1, 1, 1), (3, 5, 2), (64, 33, 7), (70, 10, 65), (31, 64, 32)] {
            let v = |n, c, seed| random(Shape::new(n, 1, 1, c), seed);
            let (x, p, dy) = (v(n, i, 1), v(3 * (i + 1), o, 2), v(n, o, 3));
            let (at_x, at_p, at_dy) = (
                |r: usize, c: usize| f64::from(x.data[r * i + c]),
                |r: usize, c: usize| f64::from(p.data[r * o + c]),
                |r: usize, c: usize| f64::from(dy.data[r * o + c]),
            );
            let run = |way, a: &crate::Tensor, b: &crate::Tensor| {
                check(&Op::Dense(Dense { way }), &[a.clone(), b.clone()], &[], &StepRow::default(), PRODUCT)
            };
            let close = |a: &[f64], want: &dyn Fn(usize, usize) -> f64, columns: usize| {
                for (j, v) in a.iter().enumerate() {
                    let w = want(j / columns, j % columns);
                    assert!((v - w).abs() <= 1e-12 * (1.0 + w.abs()), "{n} {i} {o}: {v} {w}");
                }
            };
            let y = |r: usize, c: usize| (0..i).map(|k| at_x(r, k) * at_p(k, c)).sum::<f64>() + at_p(i, c);
            close(&run(DenseWay::Forward, &x, &p), &y, o);
            close(&run(DenseWay::Input, &dy, &p), &|r, c| (0..o).map(|k| at_dy(r, k) * at_p(c, k)).sum(), i);
            let one = |k: usize, r: usize| if r < i { at_x(k, r) } else { 1.0 };
            close(&run(DenseWay::Weight, &x, &dy), &|r, c| (0..n).map(|k| one(k, r) * at_dy(k, c)).sum(), o);
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let s = |n, c| Shape::new(n, 1, 1, c);
        for (way, a, b) in [
            (DenseWay::Forward, s(4, 3), s(9, 2)),
            (DenseWay::Input, s(4, 3), s(12, 2)),
            (DenseWay::Weight, s(4, 3), s(5, 2)),
        ] {
            assert!(Dense { way }.output(&[a, b]).is_err());
        }
    }
}
