//! Sparse linear maps along one axis, by a table of taps: antialiased resizing, and its transpose.
use super::{Args, Io, Kernel, Real, Shader, WeightId, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

mod taps;

pub use taps::{Tap, Taps};

/// `out[p] = Σⱼ weight[p][j]·in[first[p] + j]` along the rows or the columns: (N,H,W,C) with `inputs` pixels along the axis → as
/// many as the table has lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisMap {
    /// The table, see [`Taps::table`].
    pub table: WeightId,
    /// Numbers in a line of the table.
    pub line: usize,
    /// Pixels along the axis, before.
    pub inputs: usize,
    /// Pixels along the axis, after.
    pub outputs: usize,
    /// Along the rows (x) or along the columns (y).
    pub horizontal: bool,
}

impl Kernel for AxisMap {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [x] = inputs else { return Err(format!("one input is needed, not {}", inputs.len())) };
        let (have, out) = match self.horizontal {
            true => (x.w, Shape { w: self.outputs, ..*x }),
            false => (x.h, Shape { h: self.outputs, ..*x }),
        };
        if have != self.inputs {
            return Err(format!("the map takes {} pixels along its axis, but the input is {x}", self.inputs));
        }
        Ok(out)
    }
    fn shader(&self, io: &Io) -> Shader {
        let len = io.output.padded_len() / 4;
        let consts = vec![
            ("LEN", len.into()),
            ("INPUTS", self.inputs.into()),
            ("OUTPUTS", self.outputs.into()),
            ("STEP", (self.step(io.output) / 4).into()),
            ("LINE", self.line.into()),
        ];
        let label = if self.horizontal { "axis_map_x_f32" } else { "axis_map_y_f32" };
        Shader { label: label.into(), file: shader_file!("axis_map.wgsl"), consts, grid: grid_1d(len.div_ceil(256)) }
    }
    fn weights(&self) -> Vec<WeightId> {
        vec![self.table]
    }
    fn flops(&self, io: &Io) -> u64 {
        2 * ((self.line - 2) * io.output.padded_len()) as u64
    }
}

impl AxisMap {
    /// Elements from one pixel along the axis to the next.
    fn step(&self, x: Shape) -> usize {
        if self.horizontal { x.c_pad() } else { x.w * x.c_pad() }
    }
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let step = self.step(a.io.output);
        let least = (4096 / step).max(1);
        a.output.par_chunks_mut(step).with_min_len(least).enumerate().for_each(|(i, out)| {
            let [first, count, ref weights @ ..] = a.weights[0][i % self.outputs * self.line..][..self.line] else {
                return;
            };
            let from = i / self.outputs * self.inputs + first.f64() as usize;
            out.fill(T::zero());
            for (j, &w) in weights[..count.f64() as usize].iter().enumerate() {
                for (y, &x) in out.iter_mut().zip(&a.inputs[0][(from + j) * step..][..step]) {
                    *y += w * x;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::resize_triangle;
    use crate::kernels::{Op, cases::Case};

    fn case(taps: &Taps, horizontal: bool, x: Shape) -> Case {
        let (table, line) = taps.table();
        let (inputs, outputs) = (taps.inputs, taps.outputs.len());
        let op = AxisMap { table: WeightId(0), line, inputs, outputs, horizontal };
        Case::new(Op::AxisMap(op), &[x], vec![table])
    }

    /// Sizes before and after: smaller, larger, odd, one pixel, none changed.
    const SIZES: &[(usize, usize)] = &[(7, 3), (8, 1), (5, 9), (1, 6), (16, 2), (17, 17), (33, 4), (2, 31), (1, 1)];

    #[test]
    fn both_passes_are_pils_resize() {
        for (i, &(from, to)) in SIZES.iter().enumerate() {
            let (n, c, other) = (1 + i % 2, 1 + i % 6, 1 + (i * 5) % 11);
            for horizontal in [true, false] {
                let (h, w) = if horizontal { (other, from) } else { (from, other) };
                let case = case(&Taps::triangle(from, to), horizontal, Shape::new(n, h, w, c));
                let (y, o, cp) = (case.check(1e-11), case.io.output, case.io.output.c_pad());
                for sample in 0..n {
                    let x: Vec<f32> = case.inputs[0]
                        .chunks(cp)
                        .skip(sample * h * w)
                        .take(h * w)
                        .flat_map(|p| p[..c].to_vec())
                        .collect();
                    let want = resize_triangle(&x, (w, h), c, (o.w, o.h)).unwrap();
                    let found = y.chunks(cp).skip(sample * o.h * o.w).take(o.h * o.w).flat_map(|p| p[..c].to_vec());
                    assert!(found.zip(&want).all(|(y, &w)| (y - f64::from(w)).abs() < 1e-6), "{from} to {to}");
                }
            }
        }
    }

    #[test]
    fn aligned_corners_stay_and_between_them_it_is_linear() {
        for &(from, to) in &[(1, 2), (2, 4), (3, 6), (7, 14), (48, 96), (5, 5), (4, 1)] {
            let taps = Taps::aligned(from, to);
            let case = case(&taps, true, Shape::new(2, 3, from, 5));
            let (y, cp) = (case.check(1e-11), 8);
            for (i, y) in y.iter().enumerate().filter(|(i, _)| i % cp < 5) {
                let (row, x, c) = (i / cp / to, i / cp % to, i % cp);
                let at = if to > 1 { x as f64 * (from - 1) as f64 / (to - 1) as f64 } else { 0.0 };
                let value = |column: usize| f64::from(case.inputs[0][(row * from + column.min(from - 1)) * cp + c]);
                let want = value(at as usize) * (1.0 - at.fract()) + value(at as usize + 1) * at.fract();
                assert!((y - want).abs() < 1e-4, "{from} to {to} at {x}: {y} {want}");
            }
        }
    }

    #[test]
    fn the_transpose_is_the_transpose_on_every_device() {
        for &(from, to) in SIZES {
            let taps = Taps::triangle(from, to);
            let back = taps.transposed();
            assert_eq!((back.inputs, back.outputs.len()), (to, from));
            // ⟨Ax, y⟩ = ⟨x, Aᵀy⟩.
            let (forward, backward) =
                (case(&taps, true, Shape::new(2, 3, from, 5)), case(&back, true, Shape::new(2, 3, to, 5)));
            let dot = |a: &[f64], b: &[f32]| a.iter().zip(b).map(|(a, &b)| a * f64::from(b)).sum::<f64>();
            let (one, other) =
                (dot(&forward.check(1e-11), &backward.inputs[0]), dot(&backward.check(1e-11), &forward.inputs[0]));
            assert!((one - other).abs() < 1e-5 * (1.0 + one.abs()), "{from} to {to}: {one} {other}");
        }
    }

    #[test]
    fn tables_keep_their_maps() {
        let taps = Taps {
            inputs: 5,
            outputs: vec![Tap { first: 1, weights: vec![0.5, 0.25] }, Tap { first: 4, weights: vec![2.0] }],
        };
        let (table, line) = taps.table();
        assert_eq!((table.len() % 4, line), (0, 4));
        assert_eq!(Taps::of_table(&table, line, 5, 2), taps);
        assert_eq!(taps.transposed().transposed(), taps);
        // An input that no output takes gives nothing.
        assert!(taps.transposed().outputs[0].weights.is_empty());
        let op = AxisMap { table: WeightId(0), line, inputs: 5, outputs: 2, horizontal: false };
        assert!(op.output(&[Shape::new(1, 4, 5, 1)]).unwrap_err().contains("5 pixels"));
    }
}
