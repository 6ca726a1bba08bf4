//! The activations.
use super::{Real, Value};

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
    /// x above 0, x/100 below
    LeakyRelu,
    /// x above 0, eˣ − 1 below
    Elu,
    /// x·tanh(ln(1 + eˣ))
    Mish,
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
            Activation::LeakyRelu => "leaky_relu",
            Activation::Elu => "elu",
            Activation::Mish => "mish",
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
            Activation::LeakyRelu if x < T::zero() => x * T::of(LEAK),
            Activation::LeakyRelu => x,
            Activation::Elu if x < T::zero() => x.exp_m1(),
            Activation::Elu => x,
            Activation::Mish => x * mish(x),
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
            Activation::LeakyRelu => {
                if x > T::zero() {
                    one
                } else {
                    T::of(LEAK)
                }
            }
            Activation::Elu => {
                if x > T::zero() {
                    one
                } else {
                    x.exp()
                }
            }
            // tanh(s) + x·(1 − tanh²(s))·s', of s = ln(1 + eˣ), whose slope is the sigmoid.
            Activation::Mish => {
                let t = mish(x);
                t + x * (one - t * t) * sigmoid(x)
            }
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

/// The slope of LeakyReLU below 0, PyTorch's default.
const LEAK: f64 = 0.01;

/// tanh(ln(1 + eˣ)) = n/(n + 2) with n = eˣ(eˣ + 2), which loses no digits; 1 in either precision from 20 on.
fn mish<T: Real>(x: T) -> T {
    let (e, two) = (x.min(T::of(20.0)).exp(), T::of(2.0));
    let n = e * (e + two);
    n / (n + two)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::pointwise::Map;
    use crate::kernels::testing::check;
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
    fn elu_and_mish_agree_with_pytorch() {
        // torch.nn.functional.elu and mish in float64.
        for (act, x, y) in [
            (Activation::Elu, -1.5, -0.7768698398515702),
            (Activation::Elu, 2.5, 2.5),
            (Activation::LeakyRelu, -3.0, -0.03),
            (Activation::LeakyRelu, 3.0, 3.0),
            (Activation::Mish, -1.5, -0.29809974216680674),
            (Activation::Mish, 0.75, 0.6100183352182934),
            (Activation::Mish, 30.0, 30.0),
        ] {
            let found: f64 = act.apply(x);
            assert!((found - y).abs() < 1e-12, "{act:?}({x}) is {found}");
        }
    }
}
