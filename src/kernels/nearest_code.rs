//! The nearest row of a codebook for every pixel: what quantises a latent (van den Oord, Vinyals, Kavukcuoglu, NeurIPS 2017).
use super::{Args, Io, Kernel, Real, Shader, WeightId, grid_1d, widest};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

/// (N,H,W,D) → (N,H,W,1), the number of the row e of the codebook whose distance `(|z|² + |e|²) − 2z·e` is smallest, as a whole
/// number from 0 on; of several that are equally near the first. That form and its order are those of the published quantisers, so
/// that rounding makes the same rows equally near. All rows are computed alike: rows that are the same have the same distance to the
/// last bit. A pixel that holds no number gets row 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NearestCode {
    /// Rows of the codebook, fewer than 2²⁴, so that a float holds the number of every row.
    pub codes: usize,
    /// Width of a row.
    pub width: usize,
    /// The codebook, rows padded to a multiple of four by zeros.
    pub table: WeightId,
    /// |e|² of every row, then zeros up to a multiple of four.
    pub squares: WeightId,
}

/// The most rows, exclusive.
pub const MAX_CODES: usize = 1 << 24;

/// Rows that are compared side by side.
const LANES: usize = 16;
/// Pixels of a task.
const TASK: usize = 64;

/// |e|² of every row of a codebook of rows of `width` values, summed in f64; padded to a multiple of four by zeros.
pub fn squares(table: &[f32], width: usize) -> Vec<f32> {
    let square = |row: &[f32]| row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() as f32;
    let mut squares: Vec<f32> = table.chunks_exact(width.max(1)).map(square).collect();
    squares.resize(squares.len().next_multiple_of(4), 0.0);
    squares
}

impl Kernel for NearestCode {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [z] if z.c == self.width && (1..MAX_CODES).contains(&self.codes) => Ok(z.with_c(1)),
            _ => Err(format!("{} codes of {} channels do not fit {inputs:?}", self.codes, self.width)),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (z, pixels) = (io.inputs[0], io.inputs[0].pixels());
        let consts = vec![("PIXELS", pixels.into()), ("CODES", self.codes.into()), ("CV", (z.c_pad() / 4).into())];
        let (label, grid) = ("nearest_code_f32".into(), grid_1d(pixels.div_ceil(64)));
        Shader { label, file: shader_file!("nearest_code.wgsl"), consts, grid }
    }
    fn weights(&self) -> Vec<WeightId> {
        vec![self.table, self.squares]
    }
    fn flops(&self, io: &Io) -> u64 {
        2 * (io.inputs[0].len() * self.codes) as u64
    }
}

impl NearestCode {
    /// The CPU half: the product z·eᵀ, a panel of rows at a time, and the smallest distance so far.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let cp = a.io.inputs[0].c_pad();
        let panels = self.panels(a.weights[0], cp);
        let squares = a.weights[1];
        let tasks = a.output.par_chunks_mut(4 * TASK).zip(a.inputs[0].par_chunks(cp * TASK));
        tasks.for_each(|(out, z)| {
            out.fill(T::zero());
            for (out, z) in out.chunks_exact_mut(4).zip(z.chunks_exact(cp)) {
                let row = widest(
                    #[inline(always)]
                    || self.nearest(&z[..self.width], &panels, squares),
                );
                out[0] = T::of(row as f64);
            }
        });
    }

    /// The codebook in panels of LANES rows, in each the values of one column side by side; zeros where there is no row.
    fn panels<T: Real>(&self, table: &[T], cp: usize) -> Vec<T> {
        let mut panels = vec![T::zero(); self.codes.next_multiple_of(LANES) * self.width];
        for (code, row) in table.chunks_exact(cp).take(self.codes).enumerate() {
            let panel = &mut panels[code / LANES * LANES * self.width..];
            row[..self.width].iter().enumerate().for_each(|(c, &v)| panel[c * LANES + code % LANES] = v);
        }
        panels
    }

    #[inline(always)]
    fn nearest<T: Real>(&self, z: &[T], panels: &[T], squares: &[T]) -> usize {
        let square = z.iter().fold(T::zero(), |s, &v| s + v * v);
        let (mut least, mut found) = (T::infinity(), 0);
        for (panel, first) in panels.chunks_exact(LANES * self.width).zip((0..).step_by(LANES)) {
            let mut products = [T::zero(); LANES];
            for (&z, e) in z.iter().zip(panel.chunks_exact(LANES)) {
                products.iter_mut().zip(e).for_each(|(p, &e)| *p += z * e);
            }
            for (code, &p) in (first..self.codes).zip(&products) {
                let distance = (square + squares[code]) - T::of(2.0) * p;
                if distance < least {
                    (least, found) = (distance, code);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cases::{Case, random};
    use crate::kernels::{Op, WeightId};

    fn case(codes: usize, width: usize, z: Shape) -> Case {
        let table = random(Shape::new(1, 1, codes, width), 3);
        let rows: Vec<f32> = table.chunks_exact(width.next_multiple_of(4)).flat_map(|r| &r[..width]).copied().collect();
        let op = NearestCode { codes, width, table: WeightId(0), squares: WeightId(1) };
        Case::new(Op::NearestCode(op), &[z], vec![table, squares(&rows, width)])
    }

    #[test]
    fn every_device_finds_the_row_of_the_definition() {
        for (codes, width) in [(1, 1), (2, 3), (7, 4), (16, 5), (33, 8), (64, 3), (257, 32), (1000, 6)] {
            for (n, h, w) in [(1, 1, 1), (2, 3, 5), (1, 9, 17)] {
                let case = case(codes, width, Shape::new(n, h, w, width));
                let (found, cp) = (case.check(0.0), width.next_multiple_of(4));
                for (found, z) in found.chunks_exact(4).zip(case.inputs[0].chunks_exact(cp)) {
                    let distance = |e: &[f32]| -> f64 {
                        e.iter().zip(z).map(|(&e, &z)| (f64::from(e) - f64::from(z)).powi(2)).sum()
                    };
                    let all: Vec<f64> = case.weights[0].chunks_exact(cp).map(distance).collect();
                    let least = all.iter().copied().fold(f64::INFINITY, f64::min);
                    assert!(all[found[0] as usize] <= least + 1e-6, "{codes} {width}: {found:?}");
                    assert_eq!(found[1..], [0.0; 3]);
                }
            }
        }
    }

    #[test]
    fn of_equally_near_rows_the_first_wins() {
        for (codes, width) in [(5, 3), (40, 8), (130, 33)] {
            let mut case = case(codes, width, Shape::new(1, 1, codes, width));
            let cp = width.next_multiple_of(4);
            // Every row is there again at the end of the table, and every row is a pixel.
            let copy: Vec<f32> = case.weights[0][..codes / 2 * cp].to_vec();
            case.weights[0][codes.div_ceil(2) * cp..].copy_from_slice(&copy);
            let rows: Vec<f32> = case.weights[0].chunks_exact(cp).flat_map(|r| &r[..width]).copied().collect();
            case.weights[1] = squares(&rows, width);
            case.inputs[0] = case.weights[0].clone();
            for (pixel, found) in case.check(0.0).chunks_exact(4).enumerate() {
                assert_eq!(found[0], (pixel % codes.div_ceil(2)) as f64);
            }
        }
        // Opposite rows are equally near to the origin.
        let mut case = case(4, 2, Shape::new(1, 1, 1, 2));
        case.weights = vec![
            [2.0, 1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0].into(),
            vec![5.0, 2.0, 2.0, 2.0],
        ];
        case.inputs = vec![vec![0.0; 4]];
        assert_eq!(case.check(0.0)[0], 1.0);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let op = NearestCode { codes: 8, width: 4, table: WeightId(0), squares: WeightId(1) };
        assert!(op.output(&[Shape::new(1, 2, 2, 5)]).unwrap_err().contains("8 codes of 4 channels"));
        assert!(NearestCode { codes: MAX_CODES, ..op }.output(&[Shape::new(1, 2, 2, 4)]).is_err());
    }
}
