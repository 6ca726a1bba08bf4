//! Nearest neighbours: the smallest squared distances from each query to the rows of a table, exactly.
use super::{Args, Io, Kernel, Real, Shader, Value, grid_1d, widest};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

mod blocks;

use blocks::Blocks;

/// The `k` smallest ‖x − r‖² over all rows r, ascending: queries (N,1,1,D), rows (M,1,1,D) → (N,1,1,k), 1 ≤ k ≤ 32, M ≥ k.
/// By direct differences: the expansion ‖x‖² + ‖r‖² − 2x·r loses what is left of it where rows repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbours {
    /// How many of the smallest distances are kept.
    pub k: usize,
}

/// The most neighbours; the shader keeps their lists in workgroup memory.
pub const MAX_K: usize = 32;

/// Rows side by side in a panel: two vectors of AVX2 in f32.
const LANES: usize = 16;
/// Queries that share a panel's loads; with LANES, as many sums as registers hold.
const GROUP: usize = 4;
/// Queries of a task: as compact as a block of rows.
const TASK: usize = 64;
/// Rows of a block, a multiple of LANES.
const BLOCK: usize = 128;

impl Kernel for Neighbours {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [x, r] if [x.h, x.w, r.h, r.w] == [1; 4] && x.c == r.c && (1..=MAX_K.min(r.n)).contains(&self.k) => {
                Ok(x.with_c(self.k))
            }
            _ => Err(format!("{} of 1 to {MAX_K} neighbours need (N,1,1,D) and (M,1,1,D), not {inputs:?}", self.k)),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, o) = (io.inputs[0], io.output);
        let consts = vec![
            ("QUERIES", x.n.into()),
            ("ROWS", io.inputs[1].n.into()),
            ("CV", (x.c_pad() / 4).into()),
            ("K", self.k.into()),
            ("KP", o.c_pad().into()),
            ("LISTS", Value::T((64 * self.k).to_string())),
        ];
        Shader {
            label: "neighbours_f32".into(),
            file: shader_file!("neighbours.wgsl"),
            consts,
            grid: grid_1d(x.n.div_ceil(64)),
        }
    }
    fn flops(&self, io: &Io) -> u64 {
        3 * (io.inputs[0].len() * io.inputs[1].n) as u64
    }
}

impl Neighbours {
    /// The CPU half. Rows and queries are each ordered so that blocks of them are compact; a task's queries go over the
    /// blocks of rows from the nearest on, and a block whose bounding box lies farther off than the neighbours found so far
    /// is left out: brute force on the leaves of a k-d tree (Bentley 1975). What is compared is compared by direct
    /// differences, four queries with a panel of rows at a time.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (x, r) = (a.io.inputs[0], a.io.inputs[1]);
        let kp = a.io.output.c_pad();
        let rows = Blocks::new(a.inputs[1], r, BLOCK);
        let panels = rows.pack::<LANES>(T::infinity());
        let queries = Blocks::new(a.inputs[0], x, TASK);
        let groups = queries.pack::<GROUP>(T::zero());
        let tasks: Vec<Vec<T>> = (0..queries.boxes.len())
            .into_par_iter()
            .map(|task| {
                let count = queries.order[task * TASK..].len().min(TASK);
                let mut best = vec![T::infinity(); count.next_multiple_of(GROUP) * self.k];
                let groups = &groups[task * TASK * x.c..][..count.next_multiple_of(GROUP) * x.c];
                let near = rows.by_distance(&queries.boxes[task]);
                widest(
                    #[inline(always)]
                    || search(groups, &panels, &near, x.c, self.k, &mut best),
                );
                best
            })
            .collect();
        a.output.fill(T::zero());
        for (best, order) in tasks.iter().zip(queries.order.chunks(TASK)) {
            for (best, &i) in best.chunks_exact(self.k).zip(order) {
                a.output[i * kp..][..self.k].copy_from_slice(best);
            }
        }
    }
}

/// Every query against every block of rows, `near` saying how far each is off at the least, from the nearest on. `best`
/// holds k sorted values for each query.
#[inline(always)]
fn search<T: Real>(groups: &[T], panels: &[T], near: &[(T, usize)], c: usize, k: usize, best: &mut [T]) {
    for &(least, block) in near {
        let first = block * BLOCK * c;
        let panels = &panels[first..panels.len().min(first + BLOCK * c)];
        for (group, best) in groups.chunks_exact(GROUP * c).zip(best.chunks_exact_mut(GROUP * k)) {
            // Not a number is never above.
            if best.chunks_exact(k).all(|b| least > b[k - 1]) {
                continue;
            }
            for panel in panels.chunks_exact(LANES * c) {
                let distances = distances(group, panel);
                for (d, best) in distances.iter().zip(best.chunks_exact_mut(k)) {
                    let worst = best[k - 1];
                    if d.iter().fold(false, |any, &v| any | (v < worst)) {
                        d.iter().for_each(|&v| insert(best, v));
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn distances<T: Real>(group: &[T], panel: &[T]) -> [[T; LANES]; GROUP] {
    let mut sums = [[T::zero(); LANES]; GROUP];
    for (q, r) in group.chunks_exact(GROUP).zip(panel.chunks_exact(LANES)) {
        for (sum, &q) in sums.iter_mut().zip(q) {
            for (s, &r) in sum.iter_mut().zip(r) {
                let d = q - r;
                *s += d * d;
            }
        }
    }
    sums
}

/// Lets v sink to its place in a sorted list; what falls off the end is lost.
fn insert<T: Real>(best: &mut [T], v: T) {
    let Some(last) = best.len().checked_sub(1).filter(|&last| v < best[last]) else { return };
    let at = best.partition_point(|&b| b <= v);
    best.copy_within(at..last, at + 1);
    best[at] = v;
}

#[cfg(test)]
mod tests {
    use super::super::Op;
    use super::super::cases::Case;
    use super::super::testing::ELEMENTWISE;
    use super::*;

    #[test]
    fn agrees_with_the_definition_on_every_device() {
        let sizes = [(1, 1, 1, 1), (3, 5, 2, 5), (4, 7, 3, 2), (63, 31, 5, 4), (64, 32, 64, 5), (65, 33, 65, 5)];
        let wide = [(67, 97, 131, 32), (130, 257, 10, 3), (300, 1000, 2, 5)];
        for (n, m, c, k) in sizes.into_iter().chain(wide) {
            let shapes = [Shape::new(n, 1, 1, c), Shape::new(m, 1, 1, c)];
            let case = Case::new(Op::Neighbours(Neighbours { k }), &shapes, vec![]);
            let found = case.check(ELEMENTWISE);
            let cp = shapes[0].c_pad();
            for (i, x) in case.inputs[0].chunks(cp).enumerate() {
                let square = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).powi(2);
                let rows = case.inputs[1].chunks(cp);
                let mut want: Vec<f64> = rows.map(|r| x.iter().zip(r).map(square).sum()).collect();
                want.sort_by(f64::total_cmp);
                let kp = k.next_multiple_of(4);
                for (a, b) in found[i * kp..].iter().zip(&want[..k]) {
                    assert!((a - b).abs() <= 1e-12 * b, "{n} {m} {c} {k}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn repeated_rows_are_at_no_distance() {
        let shapes = [Shape::new(2, 1, 1, 3), Shape::new(4, 1, 1, 3)];
        let mut case = Case::new(Op::Neighbours(Neighbours { k: 3 }), &shapes, vec![]);
        let row = [1000.1, -2000.7, 3e-5, 0.0];
        case.inputs = vec![[row, [0.0; 4]].concat(), [row, row, row, [1.0, 2.0, 2.0, 0.0]].concat()];
        assert_eq!(case.check(ELEMENTWISE)[..4], [0.0; 4]);
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let s = |n, c| Shape::new(n, 1, 1, c);
        for (k, shapes) in
            [(0, [s(2, 3), s(9, 3)]), (33, [s(2, 3), s(99, 3)]), (5, [s(2, 3), s(4, 3)]), (1, [s(2, 3), s(4, 4)])]
        {
            assert!(Neighbours { k }.output(&shapes).is_err());
        }
    }
}
