//! The tiles of `conv.wgsl`, and which of them a GPU gets.
use super::super::class::Class;
use super::super::{Shader, Value, grid_1d};
use crate::gpu::shader_file;

/// The output tile of one workgroup: pixels × channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tile {
    /// 256×4, for the last layers' few channels.
    T256x4,
    /// 32×32 by 64 threads of 4×4, for small maps.
    #[default]
    T32,
    /// 32×64 by 64 threads of 4×8.
    T32x64,
    /// 64×64 by 64 threads of 8×8.
    T64,
    /// 64×64 by 128 threads of 4×8: half the registers.
    T64Light,
    /// 64×128 by 128 threads of 8×8.
    T64x128,
    /// 128×128 by 256 threads of 8×8, for large maps.
    T128,
}

/// Every tile, for tests.
#[cfg(test)]
pub(crate) const TILES: [Tile; 7] =
    [Tile::T256x4, Tile::T32, Tile::T32x64, Tile::T64, Tile::T64Light, Tile::T64x128, Tile::T128];

/// A matrix product's sizes in vec4s: `batch` times [pixels × 4·k4] · [4·k4 × 4·out_c4].
pub(crate) struct Product {
    pub pixels: usize,
    pub k4: usize,
    pub in_c4: usize,
    pub out_c4: usize,
    pub batch: usize,
}

/// A big tile reads less of shared memory for each multiply-add, but only pays once there is a workgroup for every core; 64
/// are a middling GPU's.
const ENOUGH_GROUPS: usize = 64;

impl Tile {
    /// The tile for a product of `pixels` × `channels` (padded), `batch` of them at once.
    pub fn choose(class: Class, pixels: usize, channels: usize, batch: usize) -> Tile {
        if channels <= 8 {
            return Tile::T256x4;
        }
        let groups = |tile: Tile| pixels.div_ceil(tile.pixels()) * channels.div_ceil(tile.channels()) * batch;
        // A tile half of which lies past the last channel makes half of its products for nothing.
        let fits = |tile: Tile| channels > tile.channels() / 2 && groups(tile) >= ENOUGH_GROUPS;
        let (largest_first, small) = Tile::of(class);
        largest_first.iter().copied().find(|&tile| fits(tile)).unwrap_or(small)
    }

    /// The tiles of a class from the largest on, and that of small maps.
    ///
    /// The table is that of `benches/isa/RESULTS.md`, which is read from what Mesa's compilers make of the kernels: RADV (ACO)
    /// for AMD, NVK (NAK) for NVIDIA, ANV for Intel. 8×8 outputs a thread need more registers than an Intel thread has (it
    /// spills), and fewer than 8×8 leave NVIDIA's index arithmetic in the way. Of Apple's compiler nothing is known here: its
    /// row is Intel's, the one with the fewest registers, as is that of unknown GPUs. The row of software is what ran
    /// fastest on lavapipe.
    fn of(class: Class) -> (&'static [Tile], Tile) {
        match class {
            Class::Amd | Class::Nvidia => (&[Tile::T128, Tile::T64x128, Tile::T64], Tile::T32x64),
            Class::Intel | Class::Apple => (&[Tile::T64Light], Tile::T32x64),
            Class::WebGpu => (&[Tile::T64Light], Tile::T32),
            Class::Software => (&[Tile::T64], Tile::T32),
        }
    }

    /// [TX, TY, TM, TN4, BK4] of `conv.wgsl`.
    fn shape(self) -> [usize; 5] {
        match self {
            Tile::T256x4 => [1, 64, 4, 1, 2],
            Tile::T32 => [8, 8, 4, 1, 4],
            Tile::T32x64 => [8, 8, 4, 2, 4],
            Tile::T64 => [8, 8, 8, 2, 4],
            Tile::T64Light => [8, 16, 4, 2, 4],
            Tile::T64x128 => [16, 8, 8, 2, 2],
            Tile::T128 => [16, 16, 8, 2, 2],
        }
    }
    /// Pixels of a tile.
    pub(crate) fn pixels(self) -> usize {
        let [_, ty, tm, ..] = self.shape();
        ty * tm
    }
    /// Channels of a tile.
    pub(crate) fn channels(self) -> usize {
        let [tx, _, _, tn4, _] = self.shape();
        4 * tx * tn4
    }
    /// `conv.wgsl` for a product: the tile's constants and `more`.
    pub(crate) fn shader(self, name: &str, p: &Product, more: Vec<(&'static str, Value)>) -> Shader {
        let [tx, ty, tm, tn4, bk4] = self.shape();
        let (bm, bn4, threads) = (ty * tm, tx * tn4, tx * ty);
        let tiles_n = p.out_c4.div_ceil(bn4);
        let tiles = p.pixels.div_ceil(bm) * tiles_n;
        // The last turn reads past the last k; some threads have no weights to stage.
        let (k_tail, w_part) = (!p.k4.is_multiple_of(bk4), !(bk4 * 4 * bn4).is_multiple_of(threads));
        let mut consts = vec![
            ("M", p.pixels.into()),
            ("K4", p.k4.into()),
            ("IN_C4", p.in_c4.into()),
            ("OUT_C4", p.out_c4.into()),
            ("TILES", tiles.into()),
            ("TILES_N", tiles_n.into()),
            ("BM", bm.into()),
            ("BN4", bn4.into()),
            ("BK4", bk4.into()),
            ("TX", tx.into()),
            ("TY", ty.into()),
            ("TM", tm.into()),
            ("TN4", tn4.into()),
            ("LOADS_X", (bm * bk4 / threads).into()),
            ("LOADS_W", (bk4 * 4 * bn4).div_ceil(threads).into()),
            ("K_TAIL", k_tail.into()),
            ("W_TAIL", (k_tail || w_part).into()),
            ("W_PART", w_part.into()),
            ("ONE_TAP", p.in_c4.is_multiple_of(bk4).into()),
            ("BATCH", (p.batch > 1).into()),
        ];
        consts.extend(more);
        let [x, y, _] = grid_1d(tiles);
        let light = if self == Tile::T64Light { "_light" } else { "" };
        let label = format!("{name}_gemm_{bm}x{}{light}_f32", bn4 * 4);
        Shader { label, file: shader_file!("conv.wgsl"), consts, grid: [x, y, p.batch as u32] }
    }
}
