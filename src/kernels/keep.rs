//! What a step of a chain leaves for the way back through it.
use super::{Args, Io, Kernel, Real, Shader, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};

/// Puts x (N,H,W,C) into the slot number `StepRow::draw` of a state (slots·N,H,W,C), in place; [`super::noise::Given`] reads it again.
/// The others stay as they are. Numbers past the end begin again with the first slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// How many there are, one at least.
    pub slots: usize,
}

impl Kernel for Keep {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [x] if self.slots > 0 => Ok(Shape { n: self.slots * x.n, ..*x }),
            _ => Err(format!("one input and a slot at least are needed, not {inputs:?} and {}", self.slots)),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let len = io.inputs[0].padded_len() / 4;
        let consts = vec![("LEN", len.into()), ("SLOTS", self.slots.into())];
        Shader { label: "keep_f32".into(), file: shader_file!("keep.wgsl"), consts, grid: grid_1d(len.div_ceil(256)) }
    }
    fn updates(&self) -> bool {
        true
    }
    fn flops(&self, _io: &Io) -> u64 {
        0
    }
}

impl Keep {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let len = a.inputs[0].len();
        let slot = a.step.draw as usize % self.slots;
        a.output[slot * len..][..len].copy_from_slice(a.inputs[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Graph, SectionId};
    use crate::kernels::{Op, StepRow, noise::Given, testing};
    use crate::{Device, Tensor};

    #[test]
    fn what_is_kept_is_given_again_on_every_device() {
        for (n, h, w, c) in [(1, 1, 1, 1), (2, 5, 7, 3), (1, 19, 17, 6)] {
            let (one, slots) = (Shape::new(n, h, w, c), 3);
            let mut g = Graph::new();
            let (x, trail) = (g.state("x", one), g.state("trail", Shape { n: slots * n, ..one }));
            let y = g.state("y", one);
            let put = g.section("put");
            let read = g.read(x);
            let kept = g.push("keep", Op::Keep(Keep { slots }), &[read]).unwrap();
            g.write(trail, kept).unwrap();
            let get = g.section("get");
            let read = g.read(trail);
            let given = g.push("given", Op::Given(Given { n }), &[read]).unwrap();
            g.write(y, given).unwrap();
            assert_eq!((put, get), (SectionId(0), SectionId(1)));

            let mut devices = vec![Device::Cpu];
            devices.extend(testing::gpus().iter().map(|g| Device::Gpu(g.clone())));
            for device in devices {
                let values: Vec<Tensor> = (0..3).map(|i| testing::random(one, i)).collect();
                let found = device.drive(async {
                    let mut session = device.session(&g, 3).await.unwrap();
                    let rows = [2, 0, 8].map(|draw| StepRow { draw, ..StepRow::default() });
                    session.set_steps(&rows).unwrap();
                    // The third overwrites the first: number 8 is slot 2 of three.
                    for (i, value) in values.iter().enumerate() {
                        session.upload(x, value).unwrap();
                        session.run(&[(put, i)], |_| true).await.unwrap();
                    }
                    let mut found = Vec::new();
                    for row in [0, 1] {
                        session.run(&[(get, row)], |_| true).await.unwrap();
                        found.push(session.read(y).await.unwrap());
                    }
                    found
                });
                assert_eq!(found, [values[2].clone(), values[1].clone()], "{}", device.name());
            }
        }
    }
}
