//! One value in, one value out: activations, scaling, addition, copying.
use super::{Args, Io, Kernel, Real, Shader, Value, grid_1d, widest};
use crate::{Result, Shape};

/// The activations, as PyTorch defines them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activation {
    /// x
    #[default]
    Identity,
    /// x·sigmoid(x)
    Silu,
    /// max(x, 0)
    Relu,
    /// ½x(1 + erf(x/√2)), the exact form
    Gelu,
    /// tanh(x)
    Tanh,
    /// 1/(1+e⁻ˣ)
    Sigmoid,
}

impl Activation {
    /// The name that `lib/activation.wgsl` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Identity => "identity",
            Activation::Silu => "silu",
            Activation::Relu => "relu",
            Activation::Gelu => "gelu",
            Activation::Tanh => "tanh",
            Activation::Sigmoid => "sigmoid",
        }
    }
    /// The text constant `$ACT`.
    pub fn constant(self) -> (&'static str, Value) {
        ("ACT", Value::T(self.name().into()))
    }
    /// The function itself.
    #[inline(always)]
    pub fn apply<T: Real>(self, x: T) -> T {
        let one = T::one();
        match self {
            Activation::Identity => x,
            Activation::Silu => x / (one + (-x).exp_fast()),
            Activation::Relu => x.max(T::zero()),
            Activation::Gelu => T::of(0.5) * x * (one + T::of(erf(x.f64() * std::f64::consts::FRAC_1_SQRT_2))),
            Activation::Tanh => x.tanh(),
            Activation::Sigmoid => one / (one + (-x).exp_fast()),
        }
    }
    /// The function on a slice, in place. The choice is made outside the loop so that the common ones vectorise.
    #[inline(always)]
    pub fn apply_all<T: Real>(self, x: &mut [T]) {
        match self {
            Activation::Identity => {}
            Activation::Silu => x.iter_mut().for_each(|v| *v = Activation::Silu.apply(*v)),
            Activation::Relu => x.iter_mut().for_each(|v| *v = Activation::Relu.apply(*v)),
            other => x.iter_mut().for_each(|v| *v = other.apply(*v)),
        }
    }
}

/// erf to 1e-15: its Maclaurin series below 3, a continued fraction for erfc above.
fn erf(x: f64) -> f64 {
    let z = x.abs();
    if z < 3.0 {
        let (mut term, mut sum, mut n) = (z, z, 0.0);
        while term.abs() > 1e-17 * sum.abs() {
            n += 1.0;
            term *= -z * z / n;
            sum += term / (2.0 * n + 1.0);
        }
        return (sum * std::f64::consts::FRAC_2_SQRT_PI).copysign(x);
    }
    let mut f = 0.0;
    for k in (1..60).rev() {
        f = k as f64 / 2.0 / (z + f);
    }
    (1.0 - (-z * z).exp() / (z + f) / std::f64::consts::PI.sqrt()).copysign(x)
}

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
    Shader { label, file: "pointwise.wgsl", consts, grid: grid_1d(len.div_ceil(256)) }
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
    use crate::kernels::testing::{ELEMENTWISE, check, random};
    use crate::kernels::{Op, StepRow};

    #[test]
    fn erf_agrees_with_tabulated_values() {
        // Abramowitz and Stegun, table 7.1.
        for (x, y) in [(0.0, 0.0), (0.5, 0.5204998778), (1.0, 0.8427007929), (2.0, 0.9953222650), (3.5, 0.9999992569)] {
            assert!((erf(x) - y).abs() < 1e-10, "erf({x})");
            assert!((erf(-x) + y).abs() < 1e-10);
        }
    }

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
                Activation::Gelu,
                Activation::Tanh,
                Activation::Sigmoid,
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
