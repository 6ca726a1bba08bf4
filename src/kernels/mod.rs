//! Kernels. One kernel is one `.wgsl` file and one `.rs` file, which holds, in this order: the static
//! choices, the dispatch grid, the CPU half (generic over f32 and f64) and its tests.
//!
//! Binding order, the same for every kernel, all in group 0: binding 0 is the step's row
//! ([`StepRow`], uniform, dynamic offset), then the inputs (read), the output (read_write) and the
//! weights (read). The preprocessor supplies the numbers as `$BIND_IN0`…, `$BIND_OUT`, `$BIND_W0`….
use crate::{Result, Shape};

pub mod attention;
#[cfg(test)]
mod cases;
pub mod concat;
pub mod conv;
pub mod conv_transpose;
pub mod embedding;
mod exp;
pub mod linear;
pub(crate) mod matmul;
pub mod neighbours;
pub mod noise;
pub mod norm;
mod op;
pub mod patches;
pub mod pointwise;
pub mod resample;
pub mod sampler;
pub mod score;
pub mod simplex;
mod step_row;
#[cfg(test)]
pub mod testing;
pub mod train;
pub mod winograd;

pub use op::Op;
pub use step_row::StepRow;

/// Index of a weight tensor in [`crate::graph::Graph::weights`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WeightId(pub usize);

/// The shapes that a launch works on.
#[derive(Clone, Debug)]
pub struct Io {
    /// Shapes of the inputs, in order.
    pub inputs: Vec<Shape>,
    /// Shape of the output.
    pub output: Shape,
}

/// A constant that the preprocessor writes into the shader's text.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An unsigned integer; `#const` declares it as `u32`.
    U(u32),
    /// A float; `#const` declares it as `f32`.
    F(f32),
    /// A flag for `#if`; 1 or 0 as text.
    B(bool),
    /// Text, for `$NAME` substitution (an expression or an identifier).
    T(String),
}

impl From<usize> for Value {
    fn from(v: usize) -> Self {
        Value::U(v as u32)
    }
}
impl From<u32> for Value {
    fn from(v: u32) -> Self {
        Value::U(v)
    }
}
impl From<f32> for Value {
    fn from(v: f32) -> Self {
        Value::F(v)
    }
}
impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Value::B(v)
    }
}

/// A specialised shader and its dispatch grid.
#[derive(Clone, Debug)]
pub struct Shader {
    /// The pipeline's label, the timestamp's, the benchmark's row: `conv_gemm_64x64_f32`.
    pub label: String,
    /// File under `shaders/`, such as `pointwise.wgsl`.
    pub file: &'static str,
    /// Text constants.
    pub consts: Vec<(&'static str, Value)>,
    /// Workgroups in x, y and z, each at most 65535.
    pub grid: [u32; 3],
}

/// What every kernel tells the graph and the GPU about itself.
pub trait Kernel {
    /// Shape of the output.
    /// # Errors
    /// A sentence with the shapes when the inputs do not fit.
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String>;
    /// The shader for these shapes; every choice that the shapes fix is a text constant.
    fn shader(&self, io: &Io) -> Shader;
    /// Weights in binding order.
    fn weights(&self) -> Vec<WeightId> {
        Vec::new()
    }
    /// Whether it changes its output in place, which then is a state and keeps what it does not write.
    fn updates(&self) -> bool {
        false
    }
    /// Floating-point operations, a multiply-add counted as two.
    fn flops(&self, io: &Io) -> u64 {
        io.output.padded_len() as u64
    }
}

/// What a kernel's CPU half receives. Slices are in device layout (padded NHWC).
pub struct Args<'a, T> {
    /// One slice for each input.
    pub inputs: &'a [&'a [T]],
    /// The output, to be written whole, padding lanes as zeros; with [`Kernel::updates`], what it was.
    pub output: &'a mut [T],
    /// One slice for each weight.
    pub weights: &'a [&'a [T]],
    /// The shapes.
    pub io: &'a Io,
    /// The step's values.
    pub step: &'a StepRow,
}

/// Runs `f` with the widest vector instructions that this processor has: loops in it, and in what is inlined into it, are
/// compiled for those too, not only for what every processor of this architecture has.
#[inline(always)]
pub(crate) fn widest<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

/// The number type of a CPU half: f32 runs, f64 is the tests' oracle.
pub trait Real:
    num_traits::Float
    + num_traits::FromPrimitive
    + std::ops::AddAssign
    + std::iter::Sum
    + Default
    + std::fmt::Debug
    + Send
    + Sync
    + 'static
{
    /// From f64, rounded.
    fn of(v: f64) -> Self;
    /// To f64, exactly.
    fn f64(self) -> f64;
    /// eˣ to two units in the last place, without a call or a branch, so that loops over it are vectorised.
    fn exp_fast(self) -> Self;
}
impl Real for f32 {
    fn of(v: f64) -> Self {
        v as f32
    }
    fn f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn exp_fast(self) -> Self {
        exp::exp(self)
    }
}
impl Real for f64 {
    fn of(v: f64) -> Self {
        v
    }
    fn f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn exp_fast(self) -> Self {
        self.exp()
    }
}

/// The most workgroups a dimension may have (WebGPU's default limit).
pub const MAX_GROUPS: u32 = 65535;

/// A grid of `groups` workgroups folded over x and y; the shader recovers the flat index as
/// `wg.y * num_groups.x + wg.x` and leaves when it is past the end.
pub fn grid_1d(groups: usize) -> [u32; 3] {
    let groups = groups.max(1) as u32;
    if groups <= MAX_GROUPS {
        return [groups, 1, 1];
    }
    let y = groups.div_ceil(MAX_GROUPS);
    [groups.div_ceil(y), y, 1]
}
