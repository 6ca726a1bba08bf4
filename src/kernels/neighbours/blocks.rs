//! Rows in an order in which every so many of them lie close together.
use crate::Shape;
use crate::kernels::Real;
use std::cmp::Ordering;

/// The least and the greatest value of each column.
pub(super) type Bounds<T> = (Vec<T>, Vec<T>);

/// Rows (N,1,1,C) in the order of the leaves of a k-d tree, a block being a leaf.
pub(super) struct Blocks<'a, T> {
    data: &'a [T],
    shape: Shape,
    /// Which row is where.
    pub order: Vec<usize>,
    /// Of each block.
    pub boxes: Vec<Bounds<T>>,
}

impl<'a, T: Real> Blocks<'a, T> {
    /// Orders the rows; every block but the last has `size`.
    pub fn new(data: &'a [T], shape: Shape, size: usize) -> Self {
        let mut blocks = Blocks { data, shape, order: (0..shape.n).collect(), boxes: Vec::new() };
        let mut order = std::mem::take(&mut blocks.order);
        blocks.split(&mut order, size);
        blocks.boxes = order.chunks(size).map(|rows| blocks.bounds(rows)).collect();
        blocks.order = order;
        blocks
    }

    fn row(&self, i: usize) -> &'a [T] {
        &self.data[i * self.shape.c_pad()..][..self.shape.c]
    }

    fn bounds(&self, rows: &[usize]) -> Bounds<T> {
        let (mut low, mut high) = (vec![T::infinity(); self.shape.c], vec![T::neg_infinity(); self.shape.c]);
        for &i in rows {
            for ((l, h), &v) in low.iter_mut().zip(&mut high).zip(self.row(i)) {
                // What is not a number stays, and then nothing is left out for this column.
                *l = if v < *l || v.is_nan() { v } else { *l };
                *h = if v > *h || v.is_nan() { v } else { *h };
            }
        }
        (low, high)
    }

    /// Halves the rows at the median of their widest column until they fit into a block.
    fn split(&self, rows: &mut [usize], size: usize) {
        if rows.len() <= size {
            return;
        }
        let (low, high) = self.bounds(rows);
        let spread = |c: &usize| high[*c] - low[*c];
        let compare = |a: &T, b: &T| a.partial_cmp(b).unwrap_or(Ordering::Equal);
        let widest = (0..self.shape.c).max_by(|a, b| compare(&spread(a), &spread(b))).unwrap_or(0);
        let half = (rows.len() / 2).next_multiple_of(size);
        let value = |i: usize| self.row(i)[widest].f64();
        rows.select_nth_unstable_by(half, |&a, &b| value(a).total_cmp(&value(b)));
        let (a, b) = rows.split_at_mut(half);
        rayon::join(|| self.split(a, size), || self.split(b, size));
    }

    /// The blocks with the least that a row of each can be off a point of `from`, squared; the nearest first.
    pub fn by_distance(&self, from: &Bounds<T>) -> Vec<(T, usize)> {
        let gap = |(((&al, &ah), &bl), &bh): (((&T, &T), &T), &T)| {
            let d = (al - bh).max(bl - ah).max(T::zero());
            d * d
        };
        // Neither this sum nor those it is compared with are exact.
        let safe = T::one() - (T::epsilon() * T::of(4.0 * (self.shape.c + 4) as f64)).min(T::one());
        let mut all: Vec<(T, usize)> = Vec::with_capacity(self.boxes.len());
        for (i, (low, high)) in self.boxes.iter().enumerate() {
            let sum: T = from.0.iter().zip(&from.1).zip(low).zip(high).map(gap).sum();
            all.push((sum * safe, i));
        }
        all.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal));
        all
    }

    /// The rows in their order as panels of W rows, `[panel][c][W]`, without the padding of C; rows past the end hold
    /// `filler`.
    pub fn pack<const W: usize>(&self, filler: T) -> Vec<T> {
        let c = self.shape.c;
        let mut out = vec![filler; self.shape.n.next_multiple_of(W) * c];
        for (at, &i) in self.order.iter().enumerate() {
            let panel = &mut out[at / W * W * c..][..W * c];
            for (k, &v) in self.row(i).iter().enumerate() {
                panel[k * W + at % W] = v;
            }
        }
        out
    }
}
