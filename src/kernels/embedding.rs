//! Time embedding and rows of a table.
use super::{Args, Io, Kernel, Real, Shader, Value, WeightId, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};

/// Sinusoids of a time (N,1,1,1) → (N,1,1,dim) (Vaswani et al. 2017): angles `t·exp(−ln(10000)·i/(half − freq_shift))`,
/// i = 0..half, half = dim/2; cosines first or sines first; an odd `dim` ends with a zero.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeEmbedding {
    /// Values of the embedding.
    pub dim: usize,
    /// [cos, sin] instead of [sin, cos].
    pub cos_first: bool,
    /// Subtracted from `half` in the exponent (diffusers' freq_shift, 0 or 1).
    pub freq_shift: f32,
}

/// Row `round(y)` of a table (classes, dim) for every pixel: y (N,H,W,1) → (N,H,W,dim). An index out of range takes the nearest row.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// The table, rows padded to a multiple of four.
    pub table: WeightId,
    /// Rows of the table.
    pub classes: usize,
    /// Width of a row.
    pub dim: usize,
}

/// The step's time from the step table, as (N,1,1,1).
#[derive(Clone, Debug, PartialEq)]
pub struct StepTime {
    /// Samples that get the time.
    pub n: usize,
}

fn shader(label: &str, mode: u32, io: &Io, more: Vec<(&'static str, Value)>) -> Shader {
    let len = io.output.padded_len() / 4;
    let mut consts = vec![("MODE", mode.into()), ("LEN", len.into()), ("CV", (io.output.c_pad() / 4).into())];
    consts.extend(more);
    Shader { label: label.into(), file: shader_file!("embedding.wgsl"), consts, grid: grid_1d(len.div_ceil(64)) }
}

fn vector(inputs: &[Shape], dim: usize) -> Result<Shape, String> {
    match inputs {
        [t] if *t == Shape::new(t.n, 1, 1, 1) => Ok(t.with_c(dim)),
        _ => Err(format!("one number per sample is needed, not {inputs:?}")),
    }
}

impl Kernel for TimeEmbedding {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        vector(inputs, self.dim)
    }
    fn shader(&self, io: &Io) -> Shader {
        let frequencies = self.frequencies();
        let count = frequencies.len().max(1);
        let text: Vec<_> = frequencies.iter().map(|f| format!("{f:?}")).collect();
        let text = if text.is_empty() { "0.0".into() } else { text.join(", ") };
        let more = vec![
            ("DIM", self.dim.into()),
            ("HALF", (self.dim / 2).into()),
            ("COS_FIRST", self.cos_first.into()),
            ("COUNT", count.into()),
            ("FREQUENCIES", Value::T(text)),
        ];
        shader("time_embedding_f32", 0, io, more)
    }
}

impl TimeEmbedding {
    /// The frequencies, rounded to f32 where PyTorch rounds: the logarithm, its product with i, the quotient, the
    /// exponential. At t = 1000 another rounding would already show in the angle's fifth decimal.
    pub fn frequencies(&self) -> Vec<f32> {
        let half = self.dim / 2;
        let log = -(10000f64.ln() as f32);
        let exponent = |i: usize| log * i as f32 / (half as f32 - self.freq_shift);
        // i = 0 is 1 even where the divisor is 0.
        (0..half).map(|i| if i == 0 { 1.0 } else { f64::from(exponent(i)).exp() as f32 }).collect()
    }
    /// The CPU half.
    ///
    /// The angle is the product rounded to f32 for f64 too: that is what PyTorch computes.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (half, cp, frequencies) = (self.dim / 2, a.io.output.c_pad(), self.frequencies());
        for (n, out) in a.output.chunks_exact_mut(cp).enumerate() {
            out.fill(T::zero());
            let t = a.inputs[0][n * 4].f64() as f32;
            for (i, f) in frequencies.iter().enumerate() {
                let (sin, cos) = f64::from(t * f).sin_cos();
                let (first, second) = if self.cos_first { (cos, sin) } else { (sin, cos) };
                (out[i], out[half + i]) = (T::of(first), T::of(second));
            }
        }
    }
}

impl Kernel for Embedding {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [y] if y.c == 1 => Ok(y.with_c(self.dim)),
            _ => Err(format!("one number per pixel is needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        shader("embedding_f32", 1, io, vec![("CLASSES", self.classes.into())])
    }
    fn weights(&self) -> Vec<WeightId> {
        vec![self.table]
    }
}

impl Embedding {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let cp = a.io.output.c_pad();
        for (n, out) in a.output.chunks_exact_mut(cp).enumerate() {
            // The conversion takes NaN and negatives to row 0.
            let row = (a.inputs[0][n * 4].f64().round_ties_even() as usize).min(self.classes - 1);
            out.copy_from_slice(&a.weights[0][row * cp..][..cp]);
        }
    }
}

impl Kernel for StepTime {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        if inputs.is_empty() { Ok(Shape::new(self.n, 1, 1, 1)) } else { Err("no input is needed".into()) }
    }
    fn shader(&self, io: &Io) -> Shader {
        shader("step_time_f32", 2, io, Vec::new())
    }
}

impl StepTime {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        for out in a.output.chunks_exact_mut(4) {
            out.fill(T::zero());
            out[0] = T::of(a.step.t.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{
        Op,
        cases::{Case, random},
    };

    #[test]
    fn sinusoids_at_small_and_large_times() {
        for (dim, cos_first, freq_shift) in
            [(1, true, 0.0), (2, false, 1.0), (7, true, 0.0), (64, false, 1.0), (320, true, 0.0)]
        {
            let op = TimeEmbedding { dim, cos_first, freq_shift };
            let t = [0.0, 1.0, 17.0, 499.5, 999.0, 1000.0, -3.0];
            let mut case = Case::new(Op::TimeEmbedding(op), &[Shape::new(t.len(), 1, 1, 1)], vec![]);
            t.iter().enumerate().for_each(|(n, &t)| case.inputs[0][n * 4] = t);
            let (out, half) = (case.check(1e-11), dim / 2);
            for (row, t) in out.chunks(case.io.output.c_pad()).zip(t) {
                for i in 0..half {
                    let angle =
                        f64::from(t) * (-(10000f64.ln()) * i as f64 / (half as f64 - f64::from(freq_shift))).exp();
                    let angle = if i == 0 { f64::from(t) } else { angle };
                    let (first, second) =
                        if cos_first { (angle.cos(), angle.sin()) } else { (angle.sin(), angle.cos()) };
                    // f32 frequencies leave this much at t = 1000.
                    assert!((row[i] - first).abs() < 2e-4 && (row[half + i] - second).abs() < 2e-4, "{i} at {t}");
                }
            }
        }
    }

    #[test]
    fn rows_of_a_table_with_indices_out_of_range() {
        for (classes, dim) in [(1, 1), (2, 64), (10, 7)] {
            let table = random(Shape::new(1, 1, classes, dim), 3);
            let op = Op::Embedding(Embedding { table: WeightId(0), classes, dim });
            let mut case = Case::new(op, &[Shape::new(4, 1, 1, 1)], vec![table.clone()]);
            for (n, y) in [0.0, 1.2, -5.0, 1e9].into_iter().enumerate() {
                case.inputs[0][n * 4] = y;
            }
            let (out, cp) = (case.check(0.0), case.io.output.c_pad());
            for (row, class) in out.chunks(cp).zip([0, 1.min(classes - 1), 0, classes - 1]) {
                assert!(row.iter().zip(&table[class * cp..]).all(|(&a, &b)| a == f64::from(b)));
            }
            // Of pixels it is the same as of samples.
            let pixels =
                Case { io: Io { inputs: vec![Shape::new(1, 2, 2, 1)], output: Shape::new(1, 2, 2, dim) }, ..case };
            assert_eq!(pixels.check(0.0), out);
        }
    }

    #[test]
    fn the_step_has_a_time() {
        let mut case = Case::new(Op::StepTime(StepTime { n: 3 }), &[], vec![]);
        case.step.t = 249.0;
        assert_eq!(case.check(0.0), [249.0, 0.0, 0.0, 0.0].repeat(3));
    }
}
