//! The CPU halves of Winograd's three launches.
use super::super::conv::finish;
use super::super::matmul::{Mat, matmul};
use super::super::{Args, Real, widest};
use super::{WinogradGemm, WinogradInput, WinogradOutput};
use rayon::prelude::*;

/// Tiles of one chunk of the products.
const CHUNK_TILES: usize = 256;

/// `L` channels; loops over arrays of a fixed length become vector instructions, those over 32 slices do not.
#[inline(always)]
fn lanes<T: Real, const L: usize>(f: impl Fn(usize) -> T) -> [T; L] {
    let mut out = [T::zero(); L];
    for (i, v) in out.iter_mut().enumerate() {
        *v = f(i);
    }
    out
}

#[inline(always)]
fn add<T: Real, const L: usize>(a: [T; L], b: [T; L]) -> [T; L] {
    lanes(|i| a[i] + b[i])
}

#[inline(always)]
fn sub<T: Real, const L: usize>(a: [T; L], b: [T; L]) -> [T; L] {
    lanes(|i| a[i] - b[i])
}

#[inline(always)]
fn load<T: Real, const L: usize>(from: &[T], at: usize) -> [T; L] {
    let from = &from[at..at + L];
    lanes(|i| from[i])
}

/// One tile's `L` channels: the patch begins at `from` in four lines of `width`, V's sixteen parts at `to` in the planes.
#[inline(always)]
fn tile_in<T: Real, const L: usize>(lines: &[T], [from, width, cp]: [usize; 3], planes: &mut [&mut [T]], to: usize) {
    let mut e = [[[T::zero(); L]; 4]; 4];
    for (s, e) in e.iter_mut().enumerate() {
        let d = |r: usize| load::<T, L>(lines, r * width + from + s * cp);
        let d = [d(0), d(1), d(2), d(3)];
        *e = [sub(d[0], d[2]), add(d[1], d[2]), sub(d[2], d[1]), sub(d[1], d[3])];
    }
    for r in 0..4 {
        let e = [e[0][r], e[1][r], e[2][r], e[3][r]];
        planes[4 * r][to..to + L].copy_from_slice(&sub(e[0], e[2]));
        planes[4 * r + 1][to..to + L].copy_from_slice(&add(e[1], e[2]));
        planes[4 * r + 2][to..to + L].copy_from_slice(&sub(e[2], e[1]));
        planes[4 * r + 3][to..to + L].copy_from_slice(&sub(e[1], e[3]));
    }
}

/// Transforms a row of tiles: `lines` are its four padded input rows, `planes` its part of each of the sixteen planes.
#[inline(always)]
fn tiles_in<T: Real>(lines: &[T], cp: usize, planes: &mut [&mut [T]]) {
    let width = lines.len() / 4;
    for t in 0..width / cp / 2 - 1 {
        let mut c = 0;
        while c + 8 <= cp {
            tile_in::<T, 8>(lines, [2 * t * cp + c, width, cp], planes, t * cp + c);
            c += 8;
        }
        if c < cp {
            tile_in::<T, 4>(lines, [2 * t * cp + c, width, cp], planes, t * cp + c);
        }
    }
}

/// One tile's `L` channels back: its sixteen products begin at `from`, its outputs at `to` in one or two rows of `y`,
/// the second `op` further where there is one.
#[inline(always)]
fn tile_out<T: Real, const L: usize>(m: &[&[T]; 16], from: usize, y: &mut [T], [to, row, op]: [usize; 3], two: bool) {
    let mut e = [[[T::zero(); L]; 2]; 4];
    for (s, e) in e.iter_mut().enumerate() {
        let m = |r: usize| load::<T, L>(m[4 * r + s], from);
        let m = [m(0), m(1), m(2), m(3)];
        *e = [add(add(m[0], m[1]), m[2]), sub(sub(m[1], m[2]), m[3])];
    }
    for (r, line) in y.chunks_exact_mut(row).enumerate() {
        let e = [e[0][r], e[1][r], e[2][r], e[3][r]];
        line[to..to + L].copy_from_slice(&add(add(e[0], e[1]), e[2]));
        if two {
            line[to + op..to + op + L].copy_from_slice(&sub(sub(e[1], e[2]), e[3]));
        }
    }
}

/// Transforms a row of tiles back: `m` is its part of each of the sixteen products, `y` its two output rows of `row`
/// elements, or only one at the end of an odd map.
#[inline(always)]
fn tiles_out<T: Real>(m: [&[T]; 16], op: usize, y: &mut [T], row: usize) {
    let w = row / op;
    for t in 0..w.div_ceil(2) {
        let (mut c, two) = (0, 2 * t + 1 < w);
        while c + 8 <= op {
            tile_out::<T, 8>(&m, t * op + c, y, [2 * t * op + c, row, op], two);
            c += 8;
        }
        if c < op {
            tile_out::<T, 4>(&m, t * op + c, y, [2 * t * op + c, row, op], two);
        }
    }
}

/// One thread's V and products.
#[derive(Default)]
pub(crate) struct Scratch<T> {
    v: Vec<T>,
    products: Vec<T>,
}

/// The three steps for a few rows of tiles, small enough for V and the products to stay in the cache: `slab` is rows of
/// `wp` padded pixels, `y` rows of `w` outputs, `u` the transformed weights. With `threads` the products run in parallel.
pub(crate) fn convolve<T: Real>(
    [slab, u]: [&[T]; 2],
    [wp, cp]: [usize; 2],
    y: &mut [T],
    [w, op]: [usize; 2],
    s: &mut Scratch<T>,
    threads: bool,
) {
    let (row, tw) = (w * op, w.div_ceil(2));
    let tiles = tw * (y.len() / row).div_ceil(2);
    s.v.resize(16 * tiles * cp, T::zero());
    s.products.resize(16 * tiles * op, T::zero());
    for r in 0..tiles / tw {
        let planes = s.v.chunks_exact_mut(tiles * cp).map(|p| &mut p[r * tw * cp..][..tw * cp]);
        let mut planes: Vec<&mut [T]> = planes.collect();
        widest(|| tiles_in(&slab[2 * r * wp * cp..][..4 * wp * cp], cp, &mut planes));
    }
    let v = &s.v;
    let product = |(p, m): (usize, &mut [T])| {
        let from = Mat { data: &v[p * tiles * cp..][..tiles * cp], stride: cp };
        let u = Mat { data: &u[p * cp * op..][..cp * op], stride: op };
        matmul([tiles, op, cp], from, u, m, op, false);
    };
    if threads {
        s.products.par_chunks_exact_mut(tiles * op).enumerate().for_each(product);
    } else {
        s.products.chunks_exact_mut(tiles * op).enumerate().for_each(product);
    }
    for (r, y) in y.chunks_mut(2 * row).enumerate() {
        let m = std::array::from_fn(|p| &s.products[(p * tiles + r * tw) * op..][..tw * op]);
        widest(|| tiles_out(m, op, y, row));
    }
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
            widest(|| tiles_in(lines, cp, &mut planes));
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
            let m = std::array::from_fn(|p| &products[(p * m.w + first) * op..][..tw * op]);
            widest(|| tiles_out(m, op, y, row));
            let per_sample = per_sample.map(|p| &p[n * op..][..op]);
            let residual = residual.map(|r| &r[(n * o.h + 2 * i) * row..][..y.len()]);
            finish(y, op, self.scale, [bias, per_sample], residual);
        });
    }
}
