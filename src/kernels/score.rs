//! From an image and its reconstruction to a map: residuals, blur, reductions.
use super::{Args, Io, Kernel, Real, Shader, Value, WeightId, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

/// The residual's form, per value, with d = image − reconstruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResidualKind {
    /// d² (AnoDDPM, as published).
    Squared,
    /// |d|
    Absolute,
    /// max(d, 0)
    Positive,
    /// max(−d, 0)
    Negative,
}

impl ResidualKind {
    /// The name of its function in `residual.wgsl`.
    pub fn name(self) -> &'static str {
        match self {
            ResidualKind::Squared => "squared",
            ResidualKind::Absolute => "absolute",
            ResidualKind::Positive => "positive",
            ResidualKind::Negative => "negative",
        }
    }
    /// What the shaders of the residual of x and of its gradient are both told; `len` threads each.
    pub(super) fn consts(self, x: Shape, len: usize) -> Vec<(&'static str, Value)> {
        vec![
            ("LEN", len.into()),
            ("CV", (x.c_pad() / 4).into()),
            ("C", x.c.into()),
            ("KIND", Value::T(self.name().into())),
        ]
    }
    /// The function of d = image − reconstruction.
    #[inline(always)]
    pub fn apply<T: Real>(self, d: T) -> T {
        match self {
            ResidualKind::Squared => d * d,
            ResidualKind::Absolute => d.abs(),
            ResidualKind::Positive => d.max(T::zero()),
            ResidualKind::Negative => (-d).max(T::zero()),
        }
    }
}

/// Mean of the residual over the channels: image and reconstruction (N,H,W,C) → (N,H,W,1).
#[derive(Clone, Debug, PartialEq)]
pub struct Residual {
    /// What becomes of a difference.
    pub kind: ResidualKind,
}

/// Correlation along one axis with an odd-length symmetric kernel, borders reflected about the edge (d c b a | a b c d,
/// SciPy's `reflect`): Gaussian or box by the weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Blur {
    /// `2·radius + 1` factors, padded to a multiple of four.
    pub weight: WeightId,
    /// Half the kernel's length.
    pub radius: usize,
    /// Along the rows (x) or along the columns (y).
    pub horizontal: bool,
}

/// Mean, maximum and minimum over each sample's pixels and channels: (N,H,W,C) → (N,1,1,3).
#[derive(Clone, Debug, PartialEq)]
pub struct Reduce;

/// The `2·radius + 1` factors of SciPy's `gaussian_filter1d`: radius = ⌊truncate·sigma + ½⌋, their sum is 1. A sigma of
/// zero or less is no blur: one factor.
pub fn gaussian_weights(sigma: f32, truncate: f32) -> Vec<f32> {
    if sigma.is_nan() || sigma <= 0.0 {
        return vec![1.0];
    }
    let (sigma, truncate) = (f64::from(sigma), f64::from(truncate));
    let radius = (truncate * sigma + 0.5) as i32;
    let phi: Vec<f64> = (-radius..=radius).map(|x| (-0.5 * f64::from(x * x) / (sigma * sigma)).exp()).collect();
    let sum: f64 = phi.iter().sum();
    phi.iter().map(|p| (p / sum) as f32).collect()
}

/// The factors of a mean over `size` neighbours; an even size takes the next odd one, so that the blur stays centred.
pub fn box_weights(size: usize) -> Vec<f32> {
    let size = size | 1;
    vec![(1.0 / size as f64) as f32; size]
}

impl Kernel for Residual {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [a, b] if a == b => Ok(a.with_c(1)),
            _ => Err(format!("an image and its reconstruction are needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, len) = (io.inputs[0], io.output.pixels());
        let consts = self.kind.consts(x, len);
        let label = format!("residual_{}_f32", self.kind.name());
        Shader { label, file: shader_file!("residual.wgsl"), consts, grid: grid_1d(len.div_ceil(256)) }
    }
}

impl Residual {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (c, cp) = (a.io.inputs[0].c, a.io.inputs[0].c_pad());
        let pairs = a.inputs[0].chunks_exact(cp).zip(a.inputs[1].chunks_exact(cp));
        for (out, (x, y)) in a.output.chunks_exact_mut(4).zip(pairs) {
            let sum: T = x.iter().zip(y).map(|(&x, &y)| self.kind.apply(x - y)).sum();
            out.fill(T::zero());
            out[0] = sum / T::of(c as f64);
        }
    }
}

impl Kernel for Blur {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [x] = inputs else { return Err(format!("one input is needed, not {}", inputs.len())) };
        Ok(*x)
    }
    fn shader(&self, io: &Io) -> Shader {
        let len = io.output.padded_len() / 4;
        let (line, step) = self.axis(io.output);
        let consts = vec![
            ("LEN", len.into()),
            ("LINE", line.into()),
            ("STEP", (step / 4).into()),
            ("RADIUS", self.radius.into()),
            ("LIFT", self.radius.next_multiple_of(2 * line).into()),
        ];
        let label = if self.horizontal { "blur_x_f32" } else { "blur_y_f32" };
        Shader { label: label.into(), file: shader_file!("blur.wgsl"), consts, grid: grid_1d(len.div_ceil(256)) }
    }
    fn weights(&self) -> Vec<WeightId> {
        vec![self.weight]
    }
}

impl Blur {
    /// Pixels along the axis, and the elements from one of them to the next.
    fn axis(&self, x: Shape) -> (usize, usize) {
        if self.horizontal { (x.w, x.c_pad()) } else { (x.h, x.w * x.c_pad()) }
    }
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (line, step) = self.axis(a.io.output);
        let lift = self.radius.next_multiple_of(2 * line);
        let least = (4096 / step).max(1);
        a.output.par_chunks_mut(step).with_min_len(least).enumerate().for_each(|(i, out)| {
            out.fill(T::zero());
            for (k, &w) in a.weights[0][..2 * self.radius + 1].iter().enumerate() {
                let m = (i % line + lift - self.radius + k) % (2 * line);
                let from = i - i % line + m.min(2 * line - 1 - m);
                for (y, &x) in out.iter_mut().zip(&a.inputs[0][from * step..][..step]) {
                    *y += w * x;
                }
            }
        });
    }
}

impl Kernel for Reduce {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [x] = inputs else { return Err(format!("one input is needed, not {}", inputs.len())) };
        Ok(Shape::new(x.n, 1, 1, 3))
    }
    fn shader(&self, io: &Io) -> Shader {
        let x = io.inputs[0];
        let cv = x.c_pad() / 4;
        let consts = vec![
            ("SAMPLES", x.n.into()),
            ("PER_SAMPLE", (x.h * x.w * cv).into()),
            ("CV", cv.into()),
            ("C_TAIL", (x.c - (cv - 1) * 4).into()),
            ("COUNT", (x.h * x.w * x.c).into()),
        ];
        Shader { label: "reduce_f32".into(), file: shader_file!("reduce.wgsl"), consts, grid: grid_1d(x.n) }
    }
}

impl Reduce {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let x = a.io.inputs[0];
        let samples = a.output.par_chunks_exact_mut(4).zip(a.inputs[0].par_chunks(x.h * x.w * x.c_pad()));
        samples.for_each(|(out, sample)| {
            let (mut sum, mut top, mut low) = (0.0, T::neg_infinity(), T::infinity());
            for &v in sample.chunks_exact(x.c_pad()).flat_map(|pixel| &pixel[..x.c]) {
                sum += v.f64();
                (top, low) = (top.max(v), low.min(v));
            }
            out.copy_from_slice(&[T::of(sum / (x.h * x.w * x.c) as f64), top, low, T::zero()]);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, cases::Case};

    #[test]
    fn residuals_are_means_over_real_channels() {
        use ResidualKind::*;
        for kind in [Squared, Absolute, Positive, Negative] {
            for (n, h, w, c) in [(1, 1, 1, 1), (2, 5, 7, 3), (1, 19, 17, 6)] {
                let x = Shape::new(n, h, w, c);
                let case = Case::new(Op::Residual(Residual { kind }), &[x, x], vec![]);
                let (y, cp) = (case.check(1e-11), x.c_pad());
                for (p, y) in y.chunks(4).enumerate() {
                    let d = |k| f64::from(case.inputs[0][p * cp + k]) - f64::from(case.inputs[1][p * cp + k]);
                    let f = |d: f64| match kind {
                        Squared => d * d,
                        Absolute => d.abs(),
                        Positive => d.max(0.0),
                        Negative => (-d).max(0.0),
                    };
                    let mean = (0..c).map(|k| f(d(k))).sum::<f64>() / c as f64;
                    assert!((y[0] - mean).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn blur_reflects_as_often_as_it_takes() {
        // One step at a time: beyond either end the walk turns round and sees the edge again.
        let reflect = |from: i64, line: i64| {
            let mut i = from;
            while i < 0 || i >= line {
                i = if i < 0 { -1 - i } else { 2 * line - 1 - i };
            }
            i
        };
        for (h, w, c, sigma, horizontal) in [
            (1, 1, 1, 2.0, true),
            (3, 40, 1, 1.5, true),
            (23, 5, 3, 2.0, false),
            (2, 7, 5, 4.0, false),
            (5, 2, 1, 9.0, true),
        ] {
            let factors = gaussian_weights(sigma, 4.0);
            let radius = factors.len() / 2;
            let mut padded = factors.clone();
            padded.resize(factors.len().next_multiple_of(4), 0.0);
            let op = Op::Blur(Blur { weight: WeightId(0), radius, horizontal });
            let case = Case::new(op, &[Shape::new(2, h, w, c)], vec![padded]);
            let (y, cp) = (case.check(1e-11), case.io.output.c_pad());
            for (i, y) in y.iter().enumerate() {
                let (n, row, col) = (i / cp / (h * w), i / cp / w % h, i / cp % w);
                let mut sum = 0.0;
                for (k, &f) in factors.iter().enumerate() {
                    let j = k as i64 - radius as i64;
                    let (row, col) = match horizontal {
                        true => (row, reflect(col as i64 + j, w as i64) as usize),
                        false => (reflect(row as i64 + j, h as i64) as usize, col),
                    };
                    sum += f64::from(f) * f64::from(case.inputs[0][((n * h + row) * w + col) * cp + i % cp]);
                }
                assert!((y - sum).abs() < 1e-12, "{y} is not {sum}");
            }
        }
    }

    #[test]
    fn reductions_leave_the_padding_out() {
        for (n, h, w, c) in [(1, 1, 1, 1), (3, 5, 7, 3), (2, 31, 33, 1), (1, 8, 8, 8)] {
            let mut case = Case::new(Op::Reduce(Reduce), &[Shape::new(n, h, w, c)], vec![]);
            let cp = case.io.inputs[0].c_pad();
            // All negative: a zero of the padding would win the maximum.
            case.inputs[0].iter_mut().enumerate().filter(|(i, _)| i % cp < c).for_each(|(_, v)| *v -= 3.0);
            for (y, x) in case.check(1e-11).chunks(4).zip(case.inputs[0].chunks(h * w * cp)) {
                let real: Vec<f64> = x.chunks(cp).flat_map(|p| &p[..c]).map(|&v| v.into()).collect();
                assert!((y[0] - real.iter().sum::<f64>() / real.len() as f64).abs() < 1e-12);
                assert_eq!(y[1], real.iter().copied().fold(f64::NEG_INFINITY, f64::max));
                assert_eq!(y[2], real.iter().copied().fold(f64::INFINITY, f64::min));
            }
        }
    }

    #[test]
    fn weights_are_those_of_scipy() {
        // scipy.ndimage.gaussian_filter1d of an impulse, sigma 1, truncate 4, read to nine digits.
        let expected = [1.33830625e-4, 4.43186162e-3, 5.39911274e-2, 2.41971446e-1, 3.98943469e-1];
        let w = gaussian_weights(1.0, 4.0);
        assert_eq!(w.len(), 9);
        assert!(w.iter().zip(expected).all(|(&a, b)| (f64::from(a) - b).abs() < 3e-8));
        assert_eq!(gaussian_weights(0.0, 4.0), [1.0]);
        assert_eq!(box_weights(3), [1.0 / 3.0; 3]);
    }
}
