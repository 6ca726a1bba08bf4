//! Linear layers on one vector per sample (time embeddings, heads). Tokens go through the 1×1 convolution.
use super::matmul::{Mat, matmul};
use super::{Args, Io, Kernel, MAX_GROUPS, Real, Shader, Value, WeightId, pointwise::Activation};
use crate::gpu::shader_file;
use crate::{Result, Shape};

/// `y = post(W·pre(x) + b)` on (N,1,1,Cin) → (N,1,1,Cout).
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// Output values a sample.
    pub cout: usize,
    /// Packed as [`super::conv::pack`] of (Cout,Cin,1,1): `[cin_pad][cout_pad]`.
    pub weight: WeightId,
    /// `cout` padded to a multiple of four.
    pub bias: Option<WeightId>,
    /// Activation of the input.
    pub pre: Activation,
    /// Activation of the output.
    pub post: Activation,
}

impl Kernel for Linear {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [x] if x.h == 1 && x.w == 1 => Ok(x.with_c(self.cout)),
            _ => Err(format!("one input of shape (N,1,1,C) is needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, o) = (io.inputs[0], io.output);
        let out_c4 = o.c_pad() / 4;
        let consts = vec![
            self.pre.constant(),
            ("POST", Value::T(self.post.name().into())),
            ("IN_C4", (x.c_pad() / 4).into()),
            ("OUT_C4", out_c4.into()),
            ("C_TAIL", (o.c - (out_c4 - 1) * 4).into()),
            ("ROWS", o.n.into()),
            ("BIAS", self.bias.is_some().into()),
        ];
        // A batch beyond the limit of a dimension is taken in several strides.
        let grid = [out_c4.div_ceil(8) as u32, (o.n as u32).min(MAX_GROUPS), 1];
        Shader { label: "linear_f32".into(), file: shader_file!("linear.wgsl"), consts, grid }
    }
    fn weights(&self) -> Vec<WeightId> {
        std::iter::once(self.weight).chain(self.bias).collect()
    }
    fn flops(&self, io: &Io) -> u64 {
        2 * (io.output.len() * io.inputs[0].c) as u64
    }
}

impl Linear {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (x, o) = (a.io.inputs[0], a.io.output);
        let (cp, op) = (x.c_pad(), o.c_pad());
        let pre: Vec<T> = a.inputs[0].iter().map(|&v| self.pre.apply(v)).collect();
        let (from, w) = (Mat { data: &pre, stride: cp }, Mat { data: a.weights[0], stride: op });
        matmul([o.n, op, cp], from, w, a.output, op, false);
        let zero = vec![T::zero(); op];
        let bias = a.weights.get(1).copied().unwrap_or(&zero);
        for y in a.output.chunks_exact_mut(op) {
            for (i, (y, &b)) in y.iter_mut().zip(bias).enumerate() {
                *y = if i < o.c { self.post.apply(*y + b) } else { T::zero() };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::conv::tests::{nmse, run, tensor, validates, weights};
    use super::super::testing::{PRODUCT, check, random};
    use super::super::{Op, StepRow};
    use super::*;

    #[test]
    fn agrees_with_the_definition_and_validates() {
        for (n, cin, cout) in [(1, 1, 1), (3, 5, 3), (2, 127, 33), (1, 128, 512), (70, 32, 31)] {
            for bias in [None, Some(WeightId(1))] {
                let (pre, post) = (Activation::Silu, Activation::Sigmoid);
                let l = Linear { cout, weight: WeightId(0), bias, pre, post };
                let x = Shape::new(n, 1, 1, cin);
                let io = Io { inputs: vec![x], output: l.output(&[x]).unwrap() };
                let inputs = [tensor(x, 1)];
                let mut w = vec![weights([cout, cin, 1, 1], 2)];
                w.extend(bias.map(|_| tensor(Shape::new(1, 1, 1, cout), 4)));
                let (cp, op) = (x.c_pad(), io.output.c_pad());
                let mut want = vec![0.0; io.output.padded_len()];
                for (i, y) in want.iter_mut().enumerate().filter(|(i, _)| i % op < cout) {
                    let k = |c: usize| pre.apply(inputs[0][i / op * cp + c]) * w[0][c * op + i % op];
                    *y = post.apply((0..cin).map(k).sum::<f64>() + bias.map_or(0.0, |_| w[1][i % op]));
                }
                assert!(nmse(&run::<f64>(&io, &inputs, &w, |a| l.cpu(a)), &want) < 1e-24);
                assert!(nmse(&run::<f32>(&io, &inputs, &w, |a| l.cpu(a)), &want) < 1e-11);
                validates(&l.shader(&io), 1);
                let w: Vec<_> = w.iter().map(|w| w.iter().map(|&v| v as f32).collect()).collect();
                check(&Op::Linear(l), &[random(x, 5)], &w, &StepRow::default(), PRODUCT);
            }
        }
    }
}
