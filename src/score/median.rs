//! The median of every voxel's neighbourhood, exact and fast.
use super::Voxels;
use crate::{Error, Result};
use rayon::prelude::*;

/// The largest window.
pub const MAX_SIDE: usize = 63;
/// Columns of voxels that are filtered together, slices times rows.
const TILE_COLUMNS: usize = 64;
/// Their greatest length.
const TILE_WIDTH: usize = 256;

/// The median of the `side`×`side`×`side` window around every voxel; a side of 1 changes nothing.
///
/// `scipy.ndimage.median_filter` as it comes: at the borders the volume is mirrored with its outermost voxels repeated
/// (`d c b a | a b c d | d c b a`), again and again where it is thinner than the window, so a volume of one slice works.
/// Of equal zeros either sign may come out. pDDPM's side is 5.
///
/// Time a voxel grows with `side²`. A tile's values are sorted once; the window is then a set of ranks, one bit each, in
/// which the median moves a little as one face of the window leaves and another enters (Huang et al. 1979, with ranks
/// for gray levels).
/// # Errors
/// [`Error::Invalid`] for an even side or one above [`MAX_SIDE`], and for a map with NaN, which has no order.
pub fn median3d(map: &Voxels<f32>, side: usize) -> Result<Voxels<f32>> {
    if side.is_multiple_of(2) || side > MAX_SIDE {
        return Err(Error::Invalid(format!("a median over {side} voxels: the side is odd, from 1 to {MAX_SIDE}")));
    }
    if map.data().iter().any(|v| v.is_nan()) {
        return Err(Error::Invalid("a map with NaN has no median".into()));
    }
    if side == 1 {
        return Ok(map.clone());
    }
    let filter = |scratch: &mut Scratch, tile: Tile| (tile, scratch.filter(map, side, tile));
    let done: Vec<_> = tiles(map.dims()).into_par_iter().map_init(Scratch::default, filter).collect();
    let [_, height, width] = map.dims();
    let mut data = vec![0.0; map.data().len()];
    for (Tile { origin: [z, y, x], size: [_, rows, columns] }, values) in done {
        for (row, values) in values.chunks_exact(columns).enumerate() {
            let at = ((z + row / rows) * height + y + row % rows) * width + x;
            data[at..at + columns].copy_from_slice(values);
        }
    }
    Ok(map.with(data))
}

/// A box of voxels.
#[derive(Clone, Copy)]
struct Tile {
    origin: [usize; 3],
    size: [usize; 3],
}

/// The volume cut into boxes: large ones share more of the sorting, small ones keep ranks close to each other.
fn tiles(dims: [usize; 3]) -> Vec<Tile> {
    let slices = dims[0].min(8);
    let step = [slices, TILE_COLUMNS / slices, TILE_WIDTH];
    let starts = |axis: usize| (0..dims[axis]).step_by(step[axis]);
    let tile = |origin: [usize; 3]| Tile { origin, size: [0, 1, 2].map(|a| step[a].min(dims[a] - origin[a])) };
    starts(0).flat_map(|z| starts(1).flat_map(move |y| starts(2).map(move |x| tile([z, y, x])))).collect()
}

/// Where a position outside an axis is mirrored to.
fn mirror(position: isize, len: usize) -> usize {
    let at = position.rem_euclid(2 * len as isize) as usize;
    if at < len { at } else { 2 * len - 1 - at }
}

/// An integer that orders as the number does.
fn key(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// What a thread keeps from tile to tile.
#[derive(Default)]
struct Scratch {
    /// The tile's values and its surroundings', x slowest and y fastest: what enters a window that moves along x lies
    /// in short runs.
    values: Vec<f32>,
    /// Key and index of each, sorted.
    order: Vec<u64>,
    /// The place of each in that order.
    ranks: Vec<u32>,
    window: Window,
}

impl Scratch {
    fn filter(&mut self, map: &Voxels<f32>, side: usize, tile: Tile) -> Vec<f32> {
        let [slices, rows, columns] = tile.size;
        self.gather(map, side, tile);
        let first = self.values[0];
        if self.values.iter().all(|&v| v == first) {
            return vec![first; slices * rows * columns];
        }
        self.rank();
        let (width, face) = (rows + side - 1, (slices + side - 1) * (rows + side - 1));
        let mut medians = Vec::with_capacity(slices * rows * columns);
        for row in 0..slices * rows {
            let corner = row / rows * width + row % rows;
            self.window.clear(self.values.len());
            for x in 0..columns + side - 1 {
                if x >= side {
                    self.window.remove(&self.ranks[(x - side) * face + corner..], width, side);
                }
                self.window.insert(&self.ranks[x * face + corner..], width, side);
                if x + 1 >= side {
                    let index = self.order[self.window.median(side.pow(3) / 2)] as u32;
                    medians.push(self.values[index as usize]);
                }
            }
        }
        medians
    }

    /// The tile and what its windows reach beyond it.
    fn gather(&mut self, map: &Voxels<f32>, side: usize, tile: Tile) {
        let [_, height, width] = map.dims();
        let places = [0, 1, 2].map(|a| -> Vec<usize> {
            let first = tile.origin[a] as isize - (side / 2) as isize;
            (first..first + (tile.size[a] + side - 1) as isize).map(|p| mirror(p, map.dims()[a])).collect()
        });
        self.values.clear();
        for x in &places[2] {
            for z in &places[0] {
                self.values.extend(places[1].iter().map(|y| map.data()[(z * height + y) * width + x]));
            }
        }
    }

    fn rank(&mut self) {
        self.order.clear();
        self.order.extend(self.values.iter().enumerate().map(|(i, &v)| u64::from(key(v)) << 32 | i as u64));
        self.order.sort_unstable();
        self.ranks.resize(self.values.len(), 0);
        for (rank, &entry) in self.order.iter().enumerate() {
            self.ranks[entry as u32 as usize] = rank as u32;
        }
    }
}

/// A set of ranks and a place in it.
#[derive(Default)]
struct Window {
    bits: Vec<u64>,
    /// The first rank of a word of `bits`.
    place: u32,
    /// Members below that place.
    below: usize,
}

impl Window {
    /// Empties it, for so many ranks. The place stays: the next window's median is not far.
    fn clear(&mut self, ranks: usize) {
        self.bits.clear();
        self.bits.resize(ranks.div_ceil(64), 0);
        self.place = self.place.min(ranks as u32 - 1) / 64 * 64;
        self.below = 0;
    }

    /// Takes in a face: `side` runs of `side` ranks, `width` apart.
    fn insert(&mut self, face: &[u32], width: usize, side: usize) {
        for run in face.chunks(width).take(side) {
            for &rank in &run[..side] {
                self.bits[rank as usize / 64] |= 1 << (rank % 64);
                self.below += usize::from(rank < self.place);
            }
        }
    }

    /// The reverse.
    fn remove(&mut self, face: &[u32], width: usize, side: usize) {
        for run in face.chunks(width).take(side) {
            for &rank in &run[..side] {
                self.bits[rank as usize / 64] &= !(1 << (rank % 64));
                self.below -= usize::from(rank < self.place);
            }
        }
    }

    /// The member with so many others below it.
    fn median(&mut self, half: usize) -> usize {
        let mut word = self.place as usize / 64;
        while self.below > half {
            word -= 1;
            self.below -= self.bits[word].count_ones() as usize;
        }
        let mut inside = self.bits[word].count_ones() as usize;
        while self.below + inside <= half {
            self.below += inside;
            word += 1;
            inside = self.bits[word].count_ones() as usize;
        }
        self.place = word as u32 * 64;
        let mut bits = self.bits[word];
        for _ in self.below..half {
            bits &= bits - 1;
        }
        word * 64 + bits.trailing_zeros() as usize
    }
}
