//! Convolution's CPU half: slabs of the padded, activated input, and matrix products straight from them.
//!
//! A chunk is a few output rows of one sample. Its input rows, padded to the width `wp`, are laid into a slab
//! that stays in the cache. With channels last, one kernel row under one output pixel is contiguous: kw·cin
//! numbers; the next output pixel's begins stride·cin further. So at stride 1 the patch matrix of one kernel row is
//! the slab itself, read with overlapping rows, and nothing is copied kh·kw times:
//! ```text
//! slab, one row   | p0 p1 p2 p3 … |      patch of output 0: p0 p1 p2
//!                                         patch of output 1:    p1 p2 p3
//! ```
//! A chunk's rows form one product for each kernel row; the kw−1 outputs that would straddle two image rows are
//! computed and dropped. On narrow maps those are too many, and at a stride most are: there the patches are copied,
//! which wide layers hardly notice, and multiplied at once.
use super::super::matmul::{Mat, matmul, matmul_threads};
use super::super::{Args, Io, Real, widest, winograd};
use super::{Activation, Conv};
use rayon::prelude::*;

/// Output pixels of one chunk: enough to amortise that every chunk reads all weights, little enough for the cache.
const CHUNK_PIXELS: std::ops::RangeInclusive<usize> = 256..=512;
/// Maps at most this wide have their patches copied.
const NARROW: usize = 32;

/// The inputs behind x, as the flags of [`Conv`] say.
struct Extra<'a, T> {
    affine: Option<&'a [T]>,
    per_sample: Option<&'a [T]>,
    residual: Option<&'a [T]>,
}

/// [`matmul`] or [`matmul_threads`].
type Product<T> = fn([usize; 3], Mat<T>, Mat<T>, &mut [T], usize, bool);

/// One thread's buffers.
#[derive(Default)]
struct Scratch<T> {
    slab: Vec<T>,
    patches: Vec<T>,
    product: Vec<T>,
    winograd: winograd::Scratch<T>,
}

/// A chunk: output rows of sample `n` from `row` on, and where they go.
struct Chunk<'a, T> {
    n: usize,
    row: usize,
    y: &'a mut [T],
}

impl Conv {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let out = a.io.output;
        let mut rest = a.inputs[1..].iter().copied();
        let mut take = |on: bool| on.then(|| rest.next()).flatten();
        let extra =
            Extra { affine: take(self.affine), per_sample: take(self.per_sample), residual: take(self.residual) };
        let (row, threads) = (out.w * out.c_pad(), rayon::current_num_threads());
        // Two chunks a thread, so that threads end together, within reason.
        let pixels = (out.pixels() / (2 * threads)).clamp(*CHUNK_PIXELS.start(), *CHUNK_PIXELS.end());
        let rows = pixels.div_ceil(out.w).min(out.h);
        // Winograd's tiles are two rows high.
        let rows = if self.winograd { rows.next_multiple_of(2) } else { rows };
        let mut chunks: Vec<_> = (a.output.chunks_mut(out.h * row).enumerate())
            .flat_map(|(n, sample)| {
                sample.chunks_mut(rows * row).enumerate().map(move |(i, y)| Chunk { n, row: i * rows, y })
            })
            .collect();
        let (io, x, w) = (a.io, a.inputs[0], a.weights);
        if chunks.len() < threads {
            // Too little for everyone: one chunk after the other, the products in parallel.
            let mut s = Scratch::default();
            chunks.iter_mut().for_each(|c| self.chunk(io, x, w, &extra, c, &mut s, true));
        } else {
            chunks.par_iter_mut().for_each_init(Scratch::default, |s, c| self.chunk(io, x, w, &extra, c, s, false));
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn chunk<T: Real>(
        &self,
        io: &Io,
        x: &[T],
        weights: &[&[T]],
        extra: &Extra<T>,
        c: &mut Chunk<T>,
        s: &mut Scratch<T>,
        threads: bool,
    ) {
        let (cp, out) = (io.inputs[0].c_pad(), io.output);
        let matmul = if threads { matmul_threads } else { matmul };
        let op = out.c_pad();
        let first = (c.n * out.h + c.row) * out.w;
        let pixels = c.y.len() / op;
        if self.winograd {
            let (w, rows) = (out.w, pixels / out.w);
            let wp = w.next_multiple_of(2) + 2;
            self.fill_slab(io, x, extra.affine, c, [rows.next_multiple_of(2) + 2, wp], &mut s.slab);
            winograd::convolve([&s.slab, weights[0]], [wp, cp], c.y, [w, op], &mut s.winograd, threads);
        } else if self.kernel == [1, 1] && self.stride == 1 && self.pad == [0; 4] && !self.prologue() {
            let (from, w) = (Mat { data: &x[first * cp..], stride: cp }, Mat { data: weights[0], stride: op });
            matmul([pixels, op, cp], from, w, c.y, op, false);
        } else {
            let [_, left, _, right] = self.pad;
            let wp = (io.inputs[0].w << usize::from(self.upsample)) + left + right;
            let in_rows = (pixels / out.w - 1) * self.stride + self.kernel[0];
            self.fill_slab(io, x, extra.affine, c, [in_rows, wp], &mut s.slab);
            if self.stride == 1 && (out.w > NARROW || self.kernel[1] == 1) {
                self.overlapping(io, weights[0], wp, s, c.y, matmul);
            } else {
                self.copied(io, weights[0], wp, s, c.y, matmul);
            }
        }
        let per_sample = extra.per_sample.map(|p| &p[c.n * op..][..op]);
        let residual = extra.residual.map(|r| &r[first * op..][..c.y.len()]);
        finish(c.y, op, self.scale, [weights.get(1).copied(), per_sample], residual);
    }

    /// Whether the input is changed before it is convolved.
    pub(crate) fn prologue(&self) -> bool {
        self.affine || self.upsample || self.act != Activation::Identity
    }

    /// Writes the activated input rows under a chunk, padded to the width `wp`.
    fn fill_slab<T: Real>(
        &self,
        io: &Io,
        x: &[T],
        affine: Option<&[T]>,
        chunk: &Chunk<T>,
        [rows, wp]: [usize; 2],
        slab: &mut Vec<T>,
    ) {
        let s = io.inputs[0];
        let (cp, up) = (s.c_pad(), usize::from(self.upsample));
        let (h, w) = (s.h << up, s.w << up);
        let [top, left, ..] = self.pad;
        slab.resize(rows * wp * cp, T::zero());
        let ab = affine.map(|ab| ab[chunk.n * 2 * cp..][..2 * cp].split_at(cp));
        widest(|| {
            for (r, line) in slab.chunks_exact_mut(wp * cp).enumerate() {
                let y = chunk.row * self.stride + r;
                if y < top || y >= top + h {
                    line.fill(T::zero());
                    continue;
                }
                let from = &x[(chunk.n * s.h + ((y - top) >> up)) * s.w * cp..][..s.w * cp];
                let (before, line) = line.split_at_mut(left * cp);
                let (line, after) = line.split_at_mut(w * cp);
                before.fill(T::zero());
                after.fill(T::zero());
                if up == 0 {
                    line.copy_from_slice(from);
                } else {
                    for (two, one) in line.chunks_exact_mut(2 * cp).zip(from.chunks_exact(cp)) {
                        two[..cp].copy_from_slice(one);
                        two[cp..].copy_from_slice(one);
                    }
                }
                if let Some((a, b)) = ab {
                    for pixel in line.chunks_exact_mut(cp) {
                        for ((v, &a), &b) in pixel.iter_mut().zip(a).zip(b) {
                            *v = a * *v + b;
                        }
                    }
                }
                self.act.apply_all(line);
            }
        });
    }

    /// The chunk's outputs at stride 1: a product for each kernel row, its patches read in place.
    fn overlapping<T: Real>(
        &self,
        io: &Io,
        weight: &[T],
        wp: usize,
        s: &mut Scratch<T>,
        y: &mut [T],
        matmul: Product<T>,
    ) {
        let (cp, op, w) = (io.inputs[0].c_pad(), io.output.c_pad(), io.output.w);
        let k = self.kernel[1] * cp;
        let m = (y.len() / (w * op) - 1) * wp + w;
        s.product.resize(m * op, T::zero());
        for ky in 0..self.kernel[0] {
            let patches = Mat { data: &s.slab[ky * wp * cp..], stride: cp };
            let taps = Mat { data: &weight[ky * k * op..], stride: op };
            matmul([m, op, k], patches, taps, &mut s.product, op, ky > 0);
        }
        for (to, from) in y.chunks_exact_mut(w * op).zip(s.product.chunks(wp * op)) {
            to.copy_from_slice(&from[..w * op]);
        }
    }

    /// The chunk's outputs at any stride: one product with copied patches.
    fn copied<T: Real>(&self, io: &Io, weight: &[T], wp: usize, s: &mut Scratch<T>, y: &mut [T], matmul: Product<T>) {
        let (cp, op, w) = (io.inputs[0].c_pad(), io.output.c_pad(), io.output.w);
        let line = self.kernel[1] * cp;
        let k = self.kernel[0] * line;
        let m = y.len() / op;
        s.patches.resize(m * k, T::zero());
        for (i, to) in s.patches.chunks_exact_mut(line).enumerate() {
            let (pixel, ky) = (i / self.kernel[0], i % self.kernel[0]);
            let at = ((pixel / w * self.stride + ky) * wp + pixel % w * self.stride) * cp;
            to.copy_from_slice(&s.slab[at..][..line]);
        }
        let patches = Mat { data: &s.patches, stride: k };
        matmul([m, op, k], patches, Mat { data: weight, stride: op }, y, op, false);
    }
}

/// scale·(y + bias + per_sample + residual), in place.
pub(crate) fn finish<T: Real>(y: &mut [T], op: usize, scale: f32, vectors: [Option<&[T]>; 2], residual: Option<&[T]>) {
    widest(|| {
        for v in vectors.into_iter().flatten() {
            for pixel in y.chunks_exact_mut(op) {
                for (y, &v) in pixel.iter_mut().zip(v) {
                    *y += v;
                }
            }
        }
        if let Some(r) = residual {
            for (y, &r) in y.iter_mut().zip(r) {
                *y += r;
            }
        }
        if scale != 1.0 {
            let scale = T::of(scale.into());
            for y in y {
                *y = *y * scale;
            }
        }
    });
}
