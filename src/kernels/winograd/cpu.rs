//! The CPU halves of Winograd's three launches.
use super::super::conv::finish;
use super::super::matmul::{Mat, matmul};
use super::super::{Args, Real};
use super::{WinogradGemm, WinogradInput, WinogradOutput};
use rayon::prelude::*;

/// Tiles of one chunk of the products.
const CHUNK_TILES: usize = 256;

#[inline(always)]
fn add<T: Real>(a: [T; 4], b: [T; 4]) -> [T; 4] {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]]
}

#[inline(always)]
fn sub<T: Real>(a: [T; 4], b: [T; 4]) -> [T; 4] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2], a[3] - b[3]]
}

impl WinogradInput {
    /// The CPU half: bands of tile rows in parallel; a band's input rows are activated once, then transformed.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (x, v) = (a.io.inputs[0], a.io.output);
        let Some([n, h, w]) = self.nhw(x) else { return };
        let (th, tw, cp) = (h.div_ceil(2), w.div_ceil(2), x.c_pad());
        let plane = v.w * cp;
        // Row r of tiles has a part in each of the sixteen planes.
        let mut parts: Vec<Vec<&mut [T]>> = (0..n * th).map(|_| Vec::with_capacity(16)).collect();
        for plane in a.output.chunks_exact_mut(plane) {
            plane.chunks_exact_mut(tw * cp).zip(&mut parts).for_each(|(p, parts)| parts.push(p));
        }
        let input = a.inputs[0];
        parts.into_par_iter().enumerate().for_each_init(Vec::new, |lines: &mut Vec<T>, (r, mut planes)| {
            let (sample, row) = (r / th, r % th * 2);
            let wp = 2 * tw + 2;
            lines.clear();
            lines.resize(4 * wp * cp, T::zero());
            let ab = a.inputs.get(1).map(|ab| ab[sample * 2 * cp..][..2 * cp].split_at(cp));
            for (i, line) in lines.chunks_exact_mut(wp * cp).enumerate() {
                self.line(x, input, ab, sample, row + i, line);
            }
            // Four channels at a time: the compiler makes vectors of these arrays, but not of loops over 32 slices.
            let line = |i: usize| lines[i * wp * cp..][..wp * cp].as_chunks::<4>().0;
            let d = [line(0), line(1), line(2), line(3)];
            for t in 0..tw {
                for c in 0..cp / 4 {
                    let e = [0, 1, 2, 3].map(|s| {
                        let d = d.map(|d| d[(2 * t + s) * (cp / 4) + c]);
                        [sub(d[0], d[2]), add(d[1], d[2]), sub(d[2], d[1]), sub(d[1], d[3])]
                    });
                    for r in 0..4 {
                        let e = e.map(|e| e[r]);
                        let v = [sub(e[0], e[2]), add(e[1], e[2]), sub(e[2], e[1]), sub(e[1], e[3])];
                        for (plane, v) in planes[r * 4..].iter_mut().zip(v) {
                            plane.as_chunks_mut::<4>().0[t * (cp / 4) + c] = v;
                        }
                    }
                }
            }
        });
    }

    /// One padded row of the mapped input; `line` is zero where the image is not.
    fn line<T: Real>(
        &self,
        x: crate::Shape,
        input: &[T],
        ab: Option<(&[T], &[T])>,
        n: usize,
        y: usize,
        line: &mut [T],
    ) {
        let (cp, up) = (x.c_pad(), usize::from(self.upsample));
        let Some(y) = y.checked_sub(self.pad[0]).filter(|&y| y < x.h << up) else { return };
        let from = &input[(n * x.h + (y >> up)) * x.w * cp..][..x.w * cp];
        let to = line.chunks_exact_mut(cp).skip(self.pad[1]).take(x.w << up);
        for (i, to) in to.enumerate() {
            to.copy_from_slice(&from[(i >> up) * cp..][..cp]);
            if let Some((a, b)) = ab {
                for ((v, &a), &b) in to.iter_mut().zip(a).zip(b) {
                    *v = a * *v + b;
                }
            }
            self.act.apply_all(to);
        }
    }
}

impl WinogradGemm {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (v, m) = (a.io.inputs[0], a.io.output);
        let (cp, op, tiles) = (v.c_pad(), m.c_pad(), v.w);
        let chunks: Vec<_> = (a.output.chunks_exact_mut(tiles * op).enumerate())
            .flat_map(|(p, plane)| plane.chunks_mut(CHUNK_TILES * op).enumerate().map(move |(i, y)| (p, i, y)))
            .collect();
        chunks.into_par_iter().for_each(|(p, i, y)| {
            let from = Mat { data: &a.inputs[0][(p * tiles + i * CHUNK_TILES) * cp..], stride: cp };
            let u = Mat { data: &a.weights[0][p * cp * op..][..cp * op], stride: op };
            matmul([y.len() / op, op, cp], from, u, y, op, false);
        });
    }
}

impl WinogradOutput {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (m, o) = (a.io.inputs[0], a.io.output);
        let (op, th, tw) = (o.c_pad(), o.h.div_ceil(2), o.w.div_ceil(2));
        let per_sample = self.per_sample.then(|| a.inputs[1]);
        let residual = if self.residual { a.inputs.last() } else { None };
        let bias = a.weights.first().copied();
        let products = a.inputs[0];
        let row = o.w * op;
        // Two output rows at a time, the last of an odd map alone; samples apart.
        let bands: Vec<_> = (a.output.chunks_exact_mut(o.h * row).enumerate())
            .flat_map(|(n, sample)| sample.chunks_mut(2 * row).enumerate().map(move |(i, y)| (n, i, y)))
            .collect();
        bands.into_par_iter().for_each(|(n, i, y)| {
            let first = (n * th + i) * tw;
            for t in 0..tw {
                let m: [&[[T; 4]]; 16] =
                    std::array::from_fn(|p| products[(p * m.w + first + t) * op..][..op].as_chunks().0);
                for c in 0..op / 4 {
                    let e = [0, 1, 2, 3].map(|s| {
                        let m = [0, 4, 8, 12].map(|r| m[r + s][c]);
                        [add(add(m[0], m[1]), m[2]), sub(sub(m[1], m[2]), m[3])]
                    });
                    for (r, line) in y.chunks_exact_mut(row).enumerate() {
                        let (e, line) = (e.map(|e| e[r]), line.as_chunks_mut::<4>().0);
                        line[2 * t * (op / 4) + c] = add(add(e[0], e[1]), e[2]);
                        if 2 * t + 1 < o.w {
                            line[(2 * t + 1) * (op / 4) + c] = sub(sub(e[1], e[2]), e[3]);
                        }
                    }
                }
            }
            let per_sample = per_sample.map(|p| &p[n * op..][..op]);
            let residual = residual.map(|r| &r[(n * o.h + 2 * i) * row..][..y.len()]);
            finish(y, op, self.scale, [bias, per_sample], residual);
        });
    }
}
