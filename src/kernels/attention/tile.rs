//! The tiles of `attention.wgsl`, and which of them a GPU gets.
use super::super::Value;
use super::super::class::{Class, Target};
use crate::Shape;

/// How a workgroup goes through a head: `rows` queries against tx·keys keys at a time, by tx·rows/rq threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Queries of a workgroup.
    pub rows: usize,
    /// Threads in a row of threads.
    pub tx: usize,
    /// Queries of a thread.
    pub rq: usize,
    /// Keys of a thread: 1, 2 or 4.
    pub keys: usize,
    /// What passes through shared memory at once.
    pub staged: Staged,
}

/// What of a head passes through shared memory at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Staged {
    /// The queries once, and a turn's keys and values as a whole: one wait for memory a turn.
    Whole,
    /// The queries once, keys and values in chunks of the width.
    Chunks,
    /// All in chunks of the width.
    AllChunks,
}

/// The tile that takes any head. Heads that no other takes are wide: many threads in a row keep the outputs of each, and the
/// kernel's text, few.
impl Default for Tile {
    fn default() -> Self {
        Tile { rows: 8, tx: 16, rq: 1, keys: 2, staged: Staged::AllChunks }
    }
}

/// Output channels of a workgroup at most: a wider head is divided among several. With more, its text grows until drivers take
/// minutes to compile it.
pub(super) const PART: usize = 256;

const fn tile(rows: usize, tx: usize, rq: usize, keys: usize, staged: Staged) -> Tile {
    Tile { rows, tx, rq, keys, staged }
}

/// A class's tiles, the best first; where none fits the shared memory, the default does.
///
/// The table is that of `benches/isa/RESULTS.md`, from what Mesa's compilers make of the kernels (RADV for AMD, NVK for NVIDIA,
/// ANV for Intel): at a width of 128 the first row of a class takes at most 128 registers on RDNA3 and spills nowhere; at 256
/// only the others fit. Apple's row is chosen for its 32 KiB of shared memory, without a compiler to ask. Software: many
/// keys a turn, as barriers cost a processor much; on lavapipe it takes half the time of the tile that was there before.
pub(super) const fn tiles(class: Class) -> &'static [Tile] {
    use Staged::{Chunks, Whole};
    match class {
        Class::Amd => const { &[tile(32, 8, 1, 2, Whole), tile(16, 16, 1, 1, Whole), tile(16, 16, 1, 2, Chunks)] },
        Class::Nvidia => const { &[tile(32, 8, 1, 2, Whole), tile(16, 8, 1, 4, Chunks)] },
        Class::Intel => const { &[tile(32, 8, 1, 2, Whole), tile(16, 16, 1, 2, Chunks)] },
        Class::Apple => const { &[tile(16, 8, 1, 2, Whole), tile(16, 16, 1, 2, Chunks)] },
        Class::Software => const { &[tile(16, 8, 2, 4, Chunks)] },
        Class::WebGpu => const { &[tile(16, 8, 1, 4, Chunks), tile(8, 8, 1, 2, Chunks)] },
    }
}

/// Fewer workgroups than this leave most of a GPU idle; smaller tiles then pay for what they read more often.
const ENOUGH_GROUPS: usize = 32;

impl Tile {
    /// The tile for [q | k | v] of shape x.
    pub fn choose(target: Target, x: Shape, heads: usize) -> Tile {
        let width = x.c / (3 * heads);
        let groups = |t: &Tile| x.n * heads * (x.h * x.w).div_ceil(t.rows);
        let fitting = || tiles(target.class).iter().filter(|t| t.shared(width) <= target.shared);
        fitting()
            .find(|t| groups(t) >= ENOUGH_GROUPS)
            .or_else(|| fitting().min_by_key(|t| t.rows))
            .copied()
            .unwrap_or_default()
    }

    /// Bytes of shared memory for a head of this width.
    pub(crate) fn shared(self, width: usize) -> usize {
        let s = self.sizes(width);
        let whole = if self.staged == Staged::Whole { self.keys * self.tx * s.chunks * self.tx } else { 0 };
        16 * (self.rows * s.q_row + s.stage + whole)
            + 4 * self.keys.max(2) * self.rows * (self.tx + 1)
            + 4 * self.rows * self.tx
    }

    fn sizes(self, width: usize) -> Sizes {
        let dv = width.div_ceil(4);
        let once = self.staged != Staged::AllChunks;
        let s_chunks = if self.staged == Staged::Whole { 1 } else { dv.div_ceil(8) };
        let sv = dv.div_ceil(s_chunks);
        // Rows of odd length, so that reads of different rows meet different banks.
        let spad = sv | 1;
        let (turn, values) = (self.keys * self.tx, if self.staged == Staged::Whole { 0 } else { self.tx });
        Sizes {
            s_chunks,
            sv,
            spad,
            q_row: if once { dv | 1 } else { spad },
            stage: turn * spad.max(values),
            chunks: dv.min(PART / 4).div_ceil(self.tx),
        }
    }

    /// The constants of `attention.wgsl` that depend on the tile.
    pub(super) fn consts(self, width: usize) -> Vec<(&'static str, Value)> {
        let Tile { rows, tx, rq, keys, staged } = self;
        let Sizes { s_chunks, sv, spad, q_row, stage, chunks } = self.sizes(width);
        let (threads, turn, whole) = (tx * rows / rq, keys * tx, staged == Staged::Whole);
        // What is staged of the values at once, in vec4s.
        let values = turn * tx * if whole { chunks } else { 1 };
        let text = |n: usize| Value::T(n.to_string());
        vec![
            ("SV", sv.into()),
            ("SPAD", spad.into()),
            ("S_CHUNKS", s_chunks.into()),
            ("TX", tx.into()),
            ("TY", (rows / rq).into()),
            ("RQ", rq.into()),
            ("NC", chunks.into()),
            ("OUTS", (rq * chunks).into()),
            ("KEYS", text(keys)),
            ("LANES", text(keys.max(2))),
            ("Q_ROW", q_row.into()),
            ("STAGE", stage.into()),
            ("WHOLE", whole.into()),
            ("Q_ONCE", (staged != Staged::AllChunks).into()),
            ("LOADS_K", (turn * sv).div_ceil(threads).into()),
            ("K_PART", (!(turn * sv).is_multiple_of(threads)).into()),
            ("LOADS_V", values.div_ceil(threads).into()),
            ("V_PART", (!values.is_multiple_of(threads)).into()),
        ]
    }
}

struct Sizes {
    s_chunks: usize,
    sv: usize,
    spad: usize,
    q_row: usize,
    stage: usize,
    chunks: usize,
}
