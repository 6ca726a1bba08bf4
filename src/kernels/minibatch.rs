//! What a training step draws: a minibatch, a time for each of its rows, and the rows at those times.
use crate::gpu::shader_file;
use crate::kernels::noise::philox4x32_10;
use crate::kernels::{Args, Io, Kernel, Real, Shader, WeightId, grid_1d};
use crate::{Result, Shape};

/// Minibatch number `draw` of an epoch: table (M,1,1,D), order (1,1,1,M) of row numbers → (B,1,1,D). The last minibatch is filled up from
/// the beginning of the order. M < 2²⁴, since row numbers are f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gather {
    /// Rows of a minibatch, B.
    pub batch: usize,
}

/// A time for each row, uniform over 0…steps−1: (B,1,1,1). From Philox at the counter (row, draw, stream, 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Rows of a minibatch, B.
    pub batch: usize,
    /// Number of times.
    pub steps: usize,
    /// Separates uses within one draw.
    pub stream: u32,
}

/// `signal[t]·x + noise[t]·ε` with a time for each row: x and ε (B,1,1,D), t (B,1,1,1) → (B,1,1,D).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diffuse {
    /// Number of times.
    pub steps: usize,
    /// (signal, noise, 0, 0) for each time.
    pub schedule: WeightId,
}

impl Kernel for Gather {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [x, o] if self.batch > 0 && [x.h, x.w] == [1; 2] && *o == Shape::new(1, 1, 1, x.n) && x.n < 1 << 24 => {
                Ok(Shape { n: self.batch, ..*x })
            }
            _ => Err(format!("a table (M,1,1,D) and an order (1,1,1,M), M below 2^24, are needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let cv = io.output.c_pad() / 4;
        let consts = vec![("B", self.batch.into()), ("CV", cv.into()), ("ROWS", io.inputs[0].n.into())];
        let grid = grid_1d((self.batch * cv).div_ceil(256));
        Shader { label: "gather_f32".into(), file: shader_file!("gather.wgsl"), consts, grid }
    }
    fn flops(&self, _io: &Io) -> u64 {
        0
    }
}

impl Gather {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (cp, rows) = (a.io.output.c_pad(), a.io.inputs[0].n);
        for (i, y) in a.output.chunks_exact_mut(cp).enumerate() {
            let place = (a.step.draw as usize * self.batch + i) % rows;
            let row = (a.inputs[1][place].f64() as usize).min(rows - 1);
            y.copy_from_slice(&a.inputs[0][row * cp..][..cp]);
        }
    }
}

impl Kernel for Times {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [] if self.batch > 0 && self.steps > 0 => Ok(Shape::new(self.batch, 1, 1, 1)),
            _ => Err("no input is needed, and at least one row and one time".into()),
        }
    }
    fn shader(&self, _io: &Io) -> Shader {
        let consts = vec![("B", self.batch.into()), ("STEPS", self.steps.into()), ("STREAM", self.stream.into())];
        Shader {
            label: "times_f32".into(),
            file: shader_file!("times.wgsl"),
            consts,
            grid: grid_1d(self.batch.div_ceil(256)),
        }
    }
}

impl Times {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let key = [a.step.seed_lo, a.step.seed_hi];
        for (row, y) in a.output.chunks_exact_mut(4).enumerate() {
            let word = philox4x32_10([row as u32, a.step.draw, self.stream, 0], key)[0];
            y.fill(T::zero());
            y[0] = T::of(((self.steps as u64 * u64::from(word)) >> 32) as f64);
        }
    }
}

impl Kernel for Diffuse {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [x, e, t] if x == e && [x.h, x.w] == [1; 2] && *t == x.with_c(1) => Ok(*x),
            _ => Err(format!("rows, noise of their shape and a time for each row are needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let len = io.output.padded_len() / 4;
        let consts = vec![("LEN", len.into()), ("CV", (io.output.c_pad() / 4).into()), ("STEPS", self.steps.into())];
        Shader {
            label: "diffuse_f32".into(),
            file: shader_file!("diffuse.wgsl"),
            consts,
            grid: grid_1d(len.div_ceil(256)),
        }
    }
    fn weights(&self) -> Vec<WeightId> {
        vec![self.schedule]
    }
    fn flops(&self, io: &Io) -> u64 {
        3 * io.output.len() as u64
    }
}

impl Diffuse {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let cp = a.io.output.c_pad();
        let times = a.inputs[2].chunks_exact(4).map(|t| (t[0].f64() as usize).min(self.steps - 1));
        let rows = a.inputs[0].chunks_exact(cp).zip(a.inputs[1].chunks_exact(cp)).zip(times);
        for (y, ((x, e), t)) in a.output.chunks_exact_mut(cp).zip(rows) {
            let s = &a.weights[0][4 * t..];
            for ((y, &x), &e) in y.iter_mut().zip(x).zip(e) {
                *y = s[0] * x + s[1] * e;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, StepRow, testing};
    use testing::{ELEMENTWISE, check, random};

    #[test]
    fn minibatches_go_through_the_order_and_around() {
        let table = random(Shape::new(7, 1, 1, 5), 1);
        let order = crate::Tensor::new(Shape::new(1, 1, 1, 7), vec![3.0, 0.0, 6.0, 1.0, 5.0, 2.0, 4.0]).unwrap();
        let op = Op::Gather(Gather { batch: 3 });
        for (draw, rows) in [(0, [3, 0, 6]), (1, [1, 5, 2]), (2, [4, 3, 0])] {
            let step = StepRow { draw, ..Default::default() };
            let found = check(&op, &[table.clone(), order.clone()], &[], &step, ELEMENTWISE);
            let want: Vec<f64> = rows.iter().flat_map(|r| &table.data[r * 5..][..5]).map(|&v| v.into()).collect();
            assert_eq!(found, want);
        }
        assert!(Gather { batch: 3 }.output(&[Shape::new(7, 1, 1, 5), Shape::new(1, 1, 1, 6)]).is_err());
    }

    #[test]
    fn times_are_uniform_and_the_same_everywhere() {
        let step = StepRow { seed_lo: 5, seed_hi: 2, draw: 9, ..Default::default() };
        let found = check(&Op::Times(Times { batch: 6000, steps: 300, stream: 1 }), &[], &[], &step, ELEMENTWISE);
        assert!(found.iter().all(|t| (0.0..300.0).contains(t) && t.fract() == 0.0));
        let mut counts = [0.0; 30];
        found.iter().for_each(|t| counts[*t as usize / 10] += 1.0);
        // χ² with 29 degrees of freedom is above 58 once in a thousand.
        let chi: f64 = counts.iter().map(|n: &f64| (n - 200.0).powi(2) / 200.0).sum();
        assert!(chi < 58.0, "{chi}");
    }

    #[test]
    fn rows_are_diffused_to_their_own_times() {
        let (x, e) = (random(Shape::new(3, 1, 1, 5), 1), random(Shape::new(3, 1, 1, 5), 2));
        let t = crate::Tensor::new(Shape::new(3, 1, 1, 1), vec![1.0, 0.0, 2.0]).unwrap();
        let schedule = vec![1.0, 0.1, 0.0, 0.0, 0.5, 0.25, 0.0, 0.0, 0.25, 2.0, 0.0, 0.0];
        let op = Op::Diffuse(Diffuse { steps: 3, schedule: WeightId(0) });
        let found = check(&op, &[x.clone(), e.clone(), t], &[schedule], &StepRow::default(), ELEMENTWISE);
        for (i, v) in found.iter().enumerate() {
            let (s, n) = [(0.5, 0.25), (1.0, 0.1f32.into()), (0.25, 2.0)][i / 5];
            assert_eq!(*v, s * f64::from(x.data[i]) + n * f64::from(e.data[i]));
        }
    }
}
