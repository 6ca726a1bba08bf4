//! One value in, one value out: activations, scaling, addition, copying.
use super::{Args, Io, Kernel, Real, Shader, Value, grid_1d, widest};
use crate::gpu::shader_file;
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
    /// The nearest float16, ties to even: what a tensor keeps of its values when it is stored as one.
    RoundF16,
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
            Activation::RoundF16 => "round_f16",
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
            Activation::RoundF16 => T::of(nearest_f16(x.f64())),
        }
    }
    /// Its derivative; that of ReLU at 0 is taken as 0, and rounding has none ([`Activation::has_slope`]).
    #[inline(always)]
    pub fn slope<T: Real>(self, x: T) -> T {
        let one = T::one();
        let sigmoid = |x: T| one / (one + (-x).exp_fast());
        match self {
            Activation::Identity => one,
            Activation::Silu => {
                let s = sigmoid(x);
                s * (one + x * (one - s))
            }
            Activation::Relu if x > T::zero() => one,
            Activation::Relu | Activation::RoundF16 => T::zero(),
            // Φ(x) + x·φ(x), of the standard normal distribution.
            Activation::Gelu => {
                let x = x.f64();
                let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
                T::of(0.5 * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)) + x * density)
            }
            Activation::Tanh => one - x.tanh() * x.tanh(),
            Activation::Sigmoid => sigmoid(x) * (one - sigmoid(x)),
        }
    }
    /// Whether it can be differentiated.
    pub fn has_slope(self) -> bool {
        self != Activation::RoundF16
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

/// The nearest float16, ties to even, infinity from 65520 on.
fn nearest_f16(x: f64) -> f64 {
    // A float16 has eleven significant bits and none below 2⁻²⁴. Powers of two scale exactly.
    let exponent = (((x.to_bits() >> 52) & 0x7ff) as i32 - 1023).clamp(-14, 15);
    let unit = f64::from_bits(((exponent - 10 + 1023) as u64) << 52);
    let rounded = (x / unit).round_ties_even() * unit;
    if rounded.abs() > 65504.0 { f64::INFINITY.copysign(x) } else { rounded }
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
    use crate::kernels::testing::{ELEMENTWISE, check, random};
    use crate::kernels::{Op, StepRow};
    use crate::{Shape, Tensor};
    use half::f16;

    /// Every float16 that is finite, the middle between it and the next (a tie) and f32's neighbours of that middle; both signs;
    /// and f32s over all exponents.
    fn for_f16() -> Vec<f32> {
        let mut all = Vec::new();
        for bits in 0..0x7c00u16 {
            let (low, high) = (f16::from_bits(bits).to_f32(), f16::from_bits(bits + 1).to_f32());
            let high = if high.is_finite() { high } else { 65536.0 };
            let middle = 0.5 * (low + high);
            all.extend([low, middle, middle.next_down(), middle.next_up()]);
        }
        all.extend((0..0x7f80_0000u32 / 40_009).map(|i| f32::from_bits(i * 40_009)));
        all.iter().flat_map(|&v| [v, -v]).collect()
    }

    #[test]
    fn rounding_to_float16_is_that_of_the_half_crate() {
        let all = for_f16();
        assert!(all.len() > 250_000);
        for &v in &all {
            let want = f16::from_f32(v).to_f32();
            assert_eq!(Activation::RoundF16.apply(v).to_bits(), want.to_bits(), "{v:e}");
            assert_eq!(Activation::RoundF16.apply(f64::from(v)).to_bits(), f64::from(want).to_bits(), "{v:e}");
        }
        assert!(Activation::RoundF16.apply(f32::NAN).is_nan());
        assert_eq!(Activation::RoundF16.apply(f32::NEG_INFINITY), f32::NEG_INFINITY);
    }

    #[test]
    fn every_device_rounds_to_the_same_float16() {
        // Infinity has no place in an NMSE; f32's own subnormal numbers may be flushed to zero, which is what they round to.
        let finite: Vec<f32> = for_f16().into_iter().filter(|v| v.abs() < 65520.0).collect();
        let tensor = Tensor::new(Shape::new(1, 1, finite.len(), 1), finite).unwrap();
        let op = Op::Map(Map { act: Activation::RoundF16, scale: 1.0, shift: 0.0 });
        check(&op, &[tensor], &[], &StepRow::default(), 0.0);
    }

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
