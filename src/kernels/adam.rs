//! Adam (Kingma and Ba, ICLR 2015).
use crate::gpu::shader_file;
use crate::kernels::{Args, Io, Kernel, Real, Shader, StepRow, grid_1d, widest};
use crate::{Result, Shape};

/// One step on a parameter state, in place: gradient (R,1,1,C) → state (3R,1,1,C), whose rows are R of values, R of first and R of
/// second moments. β = (0.9, 0.999), ε = 1e-8, as PyTorch's default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// L2 penalty: `decay`·w is added to the gradient.
    pub decay: f32,
}

impl StepRow {
    /// The row's part for Adam's step number `step`, from 0 on, at a learning rate.
    pub fn adam(step: u64, rate: f64) -> StepRow {
        let power = |beta: f64| 1.0 - beta.powf(step as f64 + 1.0);
        StepRow { rate: (rate / power(0.9)) as f32, root: power(0.999).sqrt().recip() as f32, ..StepRow::default() }
    }
}

impl Kernel for Adam {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [g] if [g.h, g.w] == [1; 2] => Ok(Shape { n: 3 * g.n, ..*g }),
            _ => Err(format!("a gradient of shape (R,1,1,C) is needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let len = io.inputs[0].padded_len() / 4;
        let consts = vec![("LEN", len.into()), ("DECAY", self.decay.into())];
        Shader { label: "adam_f32".into(), file: shader_file!("adam.wgsl"), consts, grid: grid_1d(len.div_ceil(256)) }
    }
    fn updates(&self) -> bool {
        true
    }
    fn flops(&self, io: &Io) -> u64 {
        14 * io.inputs[0].padded_len() as u64
    }
}

impl Adam {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let gradient = a.inputs[0];
        let (w, moments) = a.output.split_at_mut(gradient.len());
        let (m, v) = moments.split_at_mut(gradient.len());
        let of = |x: f64| T::of(x);
        let (decay, rate, root) = (of(self.decay.into()), of(a.step.rate.into()), of(a.step.root.into()));
        let (b1, c1, b2, c2, eps) = (of(0.9), of(0.1), of(0.999), of(0.001), of(1e-8));
        widest(
            #[inline(always)]
            || {
                for (((w, m), v), &g) in w.iter_mut().zip(m).zip(v).zip(gradient) {
                    let g = g + decay * *w;
                    *m = b1 * *m + c1 * g;
                    *v = b2 * *v + c2 * g * g;
                    *w = *w - rate * *m / (root * v.sqrt() + eps);
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Graph, SectionId};
    use crate::kernels::{Op, testing};
    use crate::{Device, Tensor};

    /// torch.optim.Adam(lr=0.01, weight_decay=0.1) on w = (1, -2, 0.5) with the gradients (0.3, -0.4, 0), (0.1, 0.2, -1), (0, 0, 2), in
    /// float64.
    #[test]
    fn three_steps_are_pytorchs_on_every_device() {
        let want = [
            9.722823644835e-01,
            -1.976396850728e+00,
            4.935904765048e-01,
            6.011685547194e-02,
            -6.834311835717e-02,
            1.234307948847e-01,
            2.088590004303e-04,
            3.986166173710e-04,
            5.107294275948e-03,
        ];
        let mut g = Graph::new();
        let (gradient, state) = (g.state("g", Shape::new(1, 1, 1, 3)), g.state("p", Shape::new(3, 1, 1, 3)));
        g.section("step");
        let read = g.read(gradient);
        let node = g.push("adam", Op::Adam(Adam { decay: 0.1 }), &[read]).unwrap();
        g.write(state, node).unwrap();
        let mut devices = vec![Device::Cpu];
        devices.extend(testing::gpus().iter().map(|g| Device::Gpu(g.clone())));
        for device in devices {
            let found = device.drive(async {
                let mut session = device.session(&g, 3).await.unwrap();
                let start = vec![1.0, -2.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
                session.upload(state, &Tensor::new(Shape::new(3, 1, 1, 3), start).unwrap()).unwrap();
                session.set_steps(&[0, 1, 2].map(|i| StepRow::adam(i, 0.01))).unwrap();
                for (i, d) in [[0.3, -0.4, 0.0], [0.1, 0.2, -1.0], [0.0, 0.0, 2.0]].into_iter().enumerate() {
                    session.upload(gradient, &Tensor::new(Shape::new(1, 1, 1, 3), d.to_vec()).unwrap()).unwrap();
                    session.run(&[(SectionId(0), i)], |_| true).await.unwrap();
                }
                session.read(state).await.unwrap().data
            });
            for (a, b) in found.iter().zip(want) {
                assert!((f64::from(*a) - b).abs() < 1e-6 * b.abs().max(1e-3), "{} {found:?}", device.name());
            }
        }
    }
}
