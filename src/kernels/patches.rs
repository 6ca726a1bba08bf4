//! Patches of an image, noised and predicted one at a time (pDDPM, Behrendt et al., MIDL 2023): each network call sees the
//! clean image with one rectangle of it noised, and of each prediction one cell is kept.
//!
//! A table holds eight numbers a patch, whole pixels: the rectangle (y, x, height, width) that is noised, then the cell
//! (y, x, height, width) that is kept of the prediction. Areas may reach beyond the image and may overlap. A patch whose
//! rectangle has no height is padding and does nothing.
use super::{Args, Io, Kernel, Real, Shader, Value, WeightId, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;
use std::ops::Range;

/// The network's inputs for `patches_per_call` patches from [`super::StepRow::patch`] on: clean images (N,H,W,C) and noised
/// ones of the same shape → (N·P,H,W,C). Element n·P + j is image n, with the rectangle of the j-th patch taken from the noised
/// one. Patches from `count` on leave it clean.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchCompose {
    /// P, the patches of one network call.
    pub patches_per_call: usize,
    /// The table of patches, `8·count` numbers.
    pub table: WeightId,
    /// Patches in the table.
    pub count: usize,
}

/// What is kept of the predictions, added to what earlier calls kept: a sum (N,H,W,C) and the network's outputs for the images of
/// [`PatchCompose`] (N·P,H,W,C) → (N,H,W,C).
#[derive(Clone, Debug, PartialEq)]
pub struct PatchStitch {
    /// P, the patches of one network call.
    pub patches_per_call: usize,
    /// The table of patches, `8·count` numbers.
    pub table: WeightId,
    /// Patches in the table.
    pub count: usize,
}

/// The sum of [`PatchStitch`] over all patches → its mean, of one shape: divided by the number of cells that hold the pixel; 0
/// where none does.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchMean {
    /// The table of patches, `8·count` numbers.
    pub table: WeightId,
    /// Patches in the table.
    pub count: usize,
}

fn shader(label: &str, mode: u32, io: &Io, count: usize, patches: usize) -> Shader {
    let (o, len) = (io.output, io.output.padded_len() / 4);
    let mut consts: Vec<(_, Value)> = vec![
        ("MODE", mode.into()),
        ("LEN", len.into()),
        ("CV", (o.c_pad() / 4).into()),
        ("HEIGHT", o.h.into()),
        ("WIDTH", o.w.into()),
        ("COUNT", count.into()),
    ];
    if mode != 2 {
        consts.push(("P", patches.into()));
    }
    Shader { label: label.into(), file: shader_file!("patches.wgsl"), consts, grid: grid_1d(len.div_ceil(256)) }
}

/// An area's pixels inside an image, as elements of it: one range for each of its rows.
fn rows<T: Real>(area: &[T], image: Shape) -> impl Iterator<Item = Range<usize>> {
    let span = |from: T, size: T, end: usize| {
        let place = |v: T| (v.f64().ceil().max(0.0) as usize).min(end);
        (place(from), place(from + size))
    };
    let (top, bottom) = span(area[0], area[2], image.h);
    let (left, right) = span(area[1], area[3], image.w);
    let (cp, line) = (image.c_pad(), image.w * image.c_pad());
    (top..bottom).map(move |y| y * line + left * cp..y * line + right.max(left) * cp)
}

/// A patch's rectangle and cell; none for padding and beyond the table.
fn patch<T: Real>(table: &[T], count: usize, k: usize) -> Option<(&[T], &[T])> {
    let entry = table.get(8 * k..8 * k + 8).filter(|e| k < count && e[2] > T::zero())?;
    Some(entry.split_at(4))
}

impl Kernel for PatchCompose {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            _ if self.patches_per_call == 0 || self.count == 0 => Err("at least one patch is needed".into()),
            [clean, noised] if clean == noised => Ok(Shape { n: clean.n * self.patches_per_call, ..*clean }),
            _ => Err(format!("clean images and noised ones of the same shape are needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        shader("patch_compose_f32", 0, io, self.count, self.patches_per_call)
    }
    fn weights(&self) -> Vec<WeightId> {
        vec![self.table]
    }
}

impl PatchCompose {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (shape, len) = (a.io.inputs[0], a.io.inputs[0].padded_len() / a.io.inputs[0].n);
        a.output.par_chunks_mut(len).enumerate().for_each(|(e, out)| {
            let (n, j) = (e / self.patches_per_call, e % self.patches_per_call);
            out.copy_from_slice(&a.inputs[0][n * len..][..len]);
            let noised = &a.inputs[1][n * len..][..len];
            if let Some((rectangle, _)) = patch(a.weights[0], self.count, a.step.patch as usize + j) {
                rows(rectangle, shape).for_each(|r| out[r.clone()].copy_from_slice(&noised[r]));
            }
        });
    }
}

impl Kernel for PatchStitch {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            _ if self.patches_per_call == 0 || self.count == 0 => Err("at least one patch is needed".into()),
            [sum, p] if *p == (Shape { n: sum.n * self.patches_per_call, ..*sum }) => Ok(*sum),
            _ => Err(format!("a sum and {} predictions a sample are needed, not {inputs:?}", self.patches_per_call)),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        shader("patch_stitch_f32", 1, io, self.count, self.patches_per_call)
    }
    fn weights(&self) -> Vec<WeightId> {
        vec![self.table]
    }
}

impl PatchStitch {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (shape, len) = (a.io.output, a.io.output.padded_len() / a.io.output.n);
        a.output.par_chunks_mut(len).enumerate().for_each(|(n, out)| {
            out.copy_from_slice(&a.inputs[0][n * len..][..len]);
            for j in 0..self.patches_per_call {
                let prediction = &a.inputs[1][(n * self.patches_per_call + j) * len..][..len];
                let Some((_, cell)) = patch(a.weights[0], self.count, a.step.patch as usize + j) else { continue };
                for r in rows(cell, shape) {
                    out[r.clone()].iter_mut().zip(&prediction[r]).for_each(|(y, &p)| *y += p);
                }
            }
        });
    }
}

impl Kernel for PatchMean {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            _ if self.count == 0 => Err("at least one patch is needed".into()),
            [sum] => Ok(*sum),
            _ => Err(format!("one input is needed, not {}", inputs.len())),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        shader("patch_mean_f32", 2, io, self.count, 0)
    }
    fn weights(&self) -> Vec<WeightId> {
        vec![self.table]
    }
}

impl PatchMean {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let plane = Shape { n: 1, ..a.io.output };
        let mut covers = vec![T::zero(); plane.padded_len()];
        for (_, cell) in (0..self.count).filter_map(|k| patch(a.weights[0], self.count, k)) {
            rows(cell, plane).for_each(|r| covers[r].iter_mut().for_each(|c| *c += T::one()));
        }
        for (y, (&sum, &covers)) in a.output.iter_mut().zip(a.inputs[0].iter().zip(covers.iter().cycle())) {
            *y = if covers > T::zero() { sum / covers } else { T::zero() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, StepRow, cases::Case};

    /// Rectangle and cell of eleven patches on an image of 7 rows and 9 columns.
    const TABLE: [[i32; 8]; 11] = [
        [0, 0, 3, 4, 0, 0, 3, 4],
        [0, 2, 4, 4, 0, 2, 4, 4],     // overlaps the first
        [2, 3, 9, 3, 2, 3, 9, 3],     // cut by the lower border
        [3, 7, 2, 5, 3, 7, 2, 5],     // by the right one
        [-2, -3, 4, 5, -2, -3, 4, 5], // by the upper and the left one
        [0, 0, 0, 9, 0, 0, 7, 9],     // padding
        [1, 1, 5, 5, 2, 2, 3, 3],     // a cell inside its rectangle
        [4, 4, 1, 1, 0, 0, 7, 9],     // a cell larger than its rectangle
        [2, 2, 3, 0, 5, 5, 1, 0],     // no width
        [20, 20, 4, 4, 20, 20, 4, 4], // outside
        [6, 8, 1, 1, 6, 8, 1, 1],
    ];

    fn table() -> Vec<f32> {
        TABLE.as_flattened().iter().map(|&v| v as f32).collect()
    }
    /// Whether a patch's rectangle (0) or cell (1) holds a pixel; by the definition, in integers.
    fn holds(k: usize, which: usize, y: i32, x: i32) -> bool {
        let Some(p) = TABLE.get(k).filter(|p| p[2] > 0) else { return false };
        let a = &p[4 * which..];
        (a[0]..a[0] + a[2]).contains(&y) && (a[1]..a[1] + a[3]).contains(&x)
    }
    /// Calls `f` with the output's element and its n, y, x and c, real channels only.
    fn each(o: Shape, mut f: impl FnMut(usize, [usize; 4])) {
        for (i, _) in (0..o.padded_len()).enumerate().filter(|(i, _)| i % o.c_pad() < o.c) {
            let p = i / o.c_pad();
            f(i, [p / (o.h * o.w), p / o.w % o.h, p % o.w, i % o.c_pad()]);
        }
    }
    fn at(s: Shape, [n, y, x, c]: [usize; 4]) -> usize {
        ((n * s.h + y) * s.w + x) * s.c_pad() + c
    }
    fn cases(f: impl Fn(Shape, usize, StepRow)) {
        for c in [1, 2, 3, 4, 5] {
            for n in [1, 2] {
                // 4 does not divide 11, and the last call reaches beyond the table.
                for (patches, first) in [(1, 1), (4, 0), (4, 4), (4, 8), (3, 11), (13, 0)] {
                    f(Shape::new(n, 7, 9, c), patches, StepRow { patch: first, ..Default::default() });
                }
            }
        }
    }

    #[test]
    fn rectangles_come_from_the_noised_image() {
        cases(|x, patches_per_call, step| {
            let op = PatchCompose { patches_per_call, table: WeightId(0), count: TABLE.len() };
            let case = Case { step, ..Case::new(Op::PatchCompose(op), &[x, x], vec![table()]) };
            let found = case.check(0.0);
            assert_eq!(case.io.output, Shape { n: x.n * patches_per_call, ..x });
            each(case.io.output, |i, [e, row, col, c]| {
                let k = step.patch as usize + e % patches_per_call;
                let from = &case.inputs[usize::from(holds(k, 0, row as i32, col as i32))];
                assert_eq!(found[i], f64::from(from[at(x, [e / patches_per_call, row, col, c])]));
            });
        });
    }

    #[test]
    fn cells_are_kept_of_the_predictions_and_their_mean_counts_covers() {
        cases(|x, patches_per_call, step| {
            let op = PatchStitch { patches_per_call, table: WeightId(0), count: TABLE.len() };
            let predictions = Shape { n: x.n * patches_per_call, ..x };
            let case = Case { step, ..Case::new(Op::PatchStitch(op), &[x, predictions], vec![table()]) };
            let found = case.check(1e-11);
            each(x, |i, [n, row, col, c]| {
                let kept = |j: &usize| holds(step.patch as usize + j, 1, row as i32, col as i32);
                let value = |j: usize| f64::from(case.inputs[1][at(x, [n * patches_per_call + j, row, col, c])]);
                let sum: f64 = (0..patches_per_call).filter(kept).map(value).sum();
                assert!((found[i] - f64::from(case.inputs[0][i]) - sum).abs() < 1e-14);
            });

            let op = PatchMean { table: WeightId(0), count: TABLE.len() };
            let case = Case::new(Op::PatchMean(op), &[x], vec![table()]);
            let found = case.check(1e-11);
            each(x, |i, [_, row, col, _]| {
                let covers = (0..TABLE.len()).filter(|&k| holds(k, 1, row as i32, col as i32)).count();
                assert_eq!(found[i], f64::from(case.inputs[0][i]) / covers as f64);
            });
        });
    }

    #[test]
    fn no_cell_is_no_value_and_what_does_not_fit_is_refused() {
        let x = Shape::new(1, 2, 2, 1);
        let mean = Op::PatchMean(PatchMean { table: WeightId(0), count: 1 });
        let found = Case::new(mean, &[x], vec![vec![0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 2.0, 1.0]]).check(0.0);
        assert!(found[0] != 0.0 && found[4] == 0.0 && found[8] != 0.0 && found[12] == 0.0, "{found:?}");
        let compose = |patches_per_call, count| PatchCompose { patches_per_call, table: WeightId(0), count };
        let stitch = PatchStitch { patches_per_call: 3, table: WeightId(0), count: 5 };
        assert!(compose(1, 1).output(&[x, x.with_c(2)]).is_err());
        assert!(compose(0, 1).output(&[x, x]).is_err() && compose(1, 0).output(&[x, x]).is_err());
        assert!(stitch.output(&[x, x]).is_err() && stitch.output(&[x, Shape { n: 3, ..x }]).is_ok());
    }
}
