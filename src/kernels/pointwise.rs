//! One value in, one value out: activations, scaling, addition, copying.
use super::{Args, Io, Kernel, Real, Shader, Value, grid_1d, widest};
use crate::gpu::shader_file;
use crate::{Result, Shape};

pub use super::activation::Activation;

/// y = scale·act(x) + shift. With identity, 1 and 0 it is a copy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Map {
    /// The activation.
    pub act: Activation,
    /// Factor after the activation.
    pub scale: f32,
    /// Added last.
    pub shift: f32,
}

/// y = a + b; b has a's shape or is (N,1,1,C) and then belongs to every pixel of its sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Add;

fn shader(label: String, mode: u32, io: &Io, more: Vec<(&'static str, Value)>) -> Shader {
    let o = io.output;
    let (cv, len) = (o.c_pad() / 4, o.padded_len() / 4);
    let mut consts = vec![
        ("MODE", mode.into()),
        ("LEN", len.into()),
        ("PER_SAMPLE", (o.h * o.w * cv).into()),
        ("CV", cv.into()),
        ("C_TAIL", (o.c - (cv - 1) * 4).into()),
    ];
    consts.extend(more);
    Shader { label, file: shader_file!("pointwise.wgsl"), consts, grid: grid_1d(len.div_ceil(256)) }
}

impl Kernel for Map {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [x] = inputs else { return Err(format!("one input is needed, not {}", inputs.len())) };
        Ok(*x)
    }
    fn shader(&self, io: &Io) -> Shader {
        let more = vec![self.act.constant(), ("ALPHA", self.scale.into()), ("BETA", self.shift.into())];
        shader(format!("map_{}_f32", self.act.name()), 0, io, more)
    }
}

impl Map {
    /// A plain copy.
    pub const COPY: Map = Map { act: Activation::Identity, scale: 1.0, shift: 0.0 };
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (scale, shift) = (T::of(self.scale.into()), T::of(self.shift.into()));
        let (c, cp) = (a.io.output.c, a.io.output.c_pad());
        a.output.copy_from_slice(a.inputs[0]);
        if *self == Map::COPY {
            return;
        }
        widest(
            #[inline(always)]
            || {
                self.act.apply_all(a.output);
                a.output.iter_mut().for_each(|y| *y = scale * *y + shift);
            },
        );
        if c < cp {
            a.output.chunks_exact_mut(cp).for_each(|row| row[c..].fill(T::zero()));
        }
    }
}

impl Kernel for Add {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [a, b] = inputs else { return Err(format!("two inputs are needed, not {}", inputs.len())) };
        if a != b && *b != Shape::new(a.n, 1, 1, a.c) {
            return Err(format!("{b} can be added to {a} neither pixel by pixel nor sample by sample"));
        }
        Ok(*a)
    }
    fn shader(&self, io: &Io) -> Shader {
        let mode = if io.inputs[0] == io.inputs[1] { 1 } else { 2 };
        shader("add_f32".into(), mode, io, vec![("ACT", false.into())])
    }
}

impl Add {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (x, b) = (a.inputs[0], a.inputs[1]);
        if a.io.inputs[0] == a.io.inputs[1] {
            for ((y, &x), &b) in a.output.iter_mut().zip(x).zip(b) {
                *y = x + b;
            }
            return;
        }
        let (cp, per_sample) = (a.io.output.c_pad(), a.io.output.padded_len() / a.io.output.n);
        for (i, (y, &x)) in a.output.iter_mut().zip(x).enumerate() {
            *y = x + b[i / per_sample * cp + i % cp];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;
    use crate::kernels::testing::{ELEMENTWISE, check, random};
    use crate::kernels::{Op, StepRow};

    #[test]
    fn every_device_agrees_with_f64() {
        let step = StepRow::default();
        for shape in [Shape::new(1, 1, 1, 1), Shape::new(2, 3, 5, 7), Shape::new(3, 16, 17, 33)] {
            let (a, b) = (random(shape, 1), random(shape, 2));
            let c = random(Shape::new(shape.n, 1, 1, shape.c), 3);
            for act in [
                Activation::Identity,
                Activation::Silu,
                Activation::Relu,
                Activation::LeakyRelu,
                Activation::Elu,
                Activation::Mish,
                Activation::Gelu,
                Activation::Tanh,
                Activation::Sigmoid,
                Activation::RoundF16,
            ] {
                let op = Op::Map(Map { act, scale: 1.5, shift: -0.25 });
                check(&op, std::slice::from_ref(&a), &[], &step, ELEMENTWISE);
            }
            let sum = check(&Op::Add(Add), &[a.clone(), b.clone()], &[], &step, ELEMENTWISE);
            assert!(sum.iter().zip(a.data.iter().zip(&b.data)).all(|(s, (a, b))| *s == f64::from(*a) + f64::from(*b)));
            check(&Op::Add(Add), &[a, c], &[], &step, ELEMENTWISE);
        }
    }
}
