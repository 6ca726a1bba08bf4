//! Dropout (Srivastava et al., JMLR 2014).
use crate::gpu::shader_file;
use crate::kernels::noise::philox_lanes;
use crate::kernels::{Args, Io, Kernel, Real, Shader, grid_1d, widest};
use crate::{Result, Shape};

/// y = x/(1−p) where kept, else 0. The mask depends on seed, draw and stream alone, so the gradient goes through the same op. p is
/// rounded to 16 bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The part that is dropped, 0 ≤ p < 1.
    pub p: f32,
    /// Separates uses within one draw.
    pub stream: u32,
}

/// Philox blocks side by side on the processor.
const LANES: usize = 8;

impl Dropout {
    /// Of 65 536 numbers, those below it keep their value.
    fn keep(&self) -> u32 {
        ((1.0 - self.p) * 65536.0).round() as u32
    }
    fn scale(&self) -> f32 {
        1.0 / (1.0 - self.p)
    }
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (keep, scale) = (self.keep(), T::of(self.scale().into()));
        let (key, draw) = ([a.step.seed_lo, a.step.seed_hi], a.step.draw);
        let parts = a.output.chunks_mut(8 * LANES).zip(a.inputs[0].chunks(8 * LANES));
        widest(
            #[inline(always)]
            || {
                for (part, (y, x)) in parts.enumerate() {
                    let blocks = std::array::from_fn(|i| (part * LANES + i) as u32);
                    let words = philox_lanes([blocks, [draw; LANES], [self.stream; LANES], [0; LANES]], key);
                    let mut kept = [T::zero(); 8 * LANES];
                    for i in 0..LANES {
                        for lane in 0..8 {
                            let number = (words[lane / 2][i] >> (16 * (lane % 2))) & 0xffff;
                            kept[8 * i + lane] = if number < keep { scale } else { T::zero() };
                        }
                    }
                    y.iter_mut().zip(x).zip(kept).for_each(|((y, &x), kept)| *y = kept * x);
                }
            },
        );
    }
}

impl Kernel for Dropout {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [x] if (0.0..1.0).contains(&self.p) => Ok(*x),
            _ => Err(format!("one input and 0 <= p < 1 are needed, not p = {} and {inputs:?}", self.p)),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let len = io.output.padded_len() / 4;
        let consts = vec![
            ("LEN", len.into()),
            ("KEEP", self.keep().into()),
            ("SCALE", self.scale().into()),
            ("STREAM", self.stream.into()),
        ];
        Shader {
            label: "dropout_f32".into(),
            file: shader_file!("dropout.wgsl"),
            consts,
            grid: grid_1d(len.div_ceil(512)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, StepRow, testing};
    use testing::{ELEMENTWISE, check, random};

    #[test]
    fn the_right_part_is_dropped_the_same_on_every_device() {
        for (n, c) in [(1, 1), (3, 7), (64, 512)] {
            let x = random(Shape::new(n, 1, 1, c), 1);
            for p in [0.0, 0.1, 0.5] {
                let step = StepRow { seed_lo: 3, draw: 8, ..Default::default() };
                let op = Op::Dropout(Dropout { p, stream: 2 });
                let y = check(&op, std::slice::from_ref(&x), &[], &step, ELEMENTWISE);
                let kept =
                    y.iter().zip(&x.data).filter(|(y, x)| (**y - f64::from(**x / (1.0 - p))).abs() < 1e-6).count();
                let dropped = y.iter().filter(|y| **y == 0.0).count();
                assert_eq!(kept + dropped, y.len());
                let (want, n) = (f64::from(p) * y.len() as f64, y.len() as f64);
                assert!((dropped as f64 - want).abs() <= 4.0 * (want * (1.0 - want / n)).sqrt() + 1e-9, "{dropped}");
                let other =
                    check(&Op::Dropout(Dropout { p, stream: 3 }), std::slice::from_ref(&x), &[], &step, ELEMENTWISE);
                assert!(p == 0.0 || n < 100.0 || other != y);
            }
        }
        assert!(Dropout { p: 1.0, stream: 0 }.output(&[Shape::new(1, 1, 1, 1)]).is_err());
    }
}
