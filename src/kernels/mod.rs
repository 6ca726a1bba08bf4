//! Kernels. One kernel is one `.wgsl` file and one `.rs` file, which holds, in this order: the static
//! choices, the dispatch grid, the CPU half (generic over f32 and f64) and its tests; and one line in the list below.
//!
//! Binding order, the same for every kernel, all in group 0: binding 0 is the step's row
//! ([`StepRow`], uniform, dynamic offset), then the inputs (read), the output (read_write) and the
//! weights (read). The preprocessor supplies the numbers as `$BIND_IN0`…, `$BIND_OUT`, `$BIND_W0`….
use crate::gpu::ShaderFile;
use crate::{Result, Shape};

pub mod activation;
#[cfg(test)]
mod cases;
pub mod class;
mod exp;
pub(crate) mod matmul;
#[macro_use]
mod op;
mod step_row;
#[cfg(test)]
pub mod testing;

pub use step_row::StepRow;

// The one list of kernels. A new one is its .rs file, its .wgsl file and its line here: module, types, what each is.
kernels! {
    act_gradient { ActGradient: "The slope of an activation, times a gradient." }
    adam { Adam: "A step of Adam." }
    attention { Attention: "Self-attention." }
    attention_gradient {
        AttentionRows: "Self-attention's gradient: two numbers of every row.",
        AttentionGradient: "Self-attention's gradient with respect to q, k and v.",
    }
    axis_map { AxisMap: "A sparse linear map along one axis." }
    balance { Balance: "Two maps as one, brought to the same maximum." }
    batch_norm { BatchNorm: "BatchNorm over a minibatch, and its gradients." }
    channels { Channels: "A range of channels." }
    concat { Concat: "Concatenation of channels." }
    conv { Conv: "Convolution." }
    conv_gradient { ConvGradient: "The gradient of a convolution's weights." }
    conv_transpose { ConvTranspose: "Transposed convolution." }
    cosine { Cosine: "One less the cosine between the channels of two images." }
    dense { Dense: "A linear layer that is trained, and its gradients." }
    dropout { Dropout: "Dropout." }
    embedding { TimeEmbedding: "Sinusoids of a time.", Embedding: "A row of a table.", StepTime: "The step's time." }
    embedding_gradient { EmbeddingGradient: "The gradient of a table of which rows were taken." }
    keep { Keep: "A value kept in a slot of a state." }
    linear { Linear: "A linear layer on one vector a sample." }
    log_softmax_pick { LogSoftmaxPick: "The logarithm of a class's probability, or its gradient." }
    loss { Loss: "A loss, or its gradient." }
    min_max { MinMax: "Every channel of every sample to 0..1." }
    minibatch {
        Gather: "A minibatch of a table.",
        Times: "A random time for each row.",
        Diffuse: "Rows noised to their times.",
    }
    modulate { Modulate: "Two modulations of the same channels as one." }
    nearest_code { NearestCode: "The nearest row of a codebook." }
    neighbours { Neighbours: "The smallest distances between rows of two tables." }
    noise { Gaussian: "Gaussian noise.", Given: "Noise given by the caller." }
    norm { GroupNormStats: "GroupNorm's statistics.", Affine: "A channel-wise affine map and an activation." }
    norm_gradient {
        NormSums: "GroupNorm's gradient: sums over pixels.",
        NormPart: "GroupNorm's gradient: what the sums give for each channel.",
        NormGradient: "GroupNorm's gradient with respect to its input.",
    }
    patches {
        PatchCompose: "Images with one noised patch each.",
        PatchStitch: "The sum of predictions inside their cells.",
        PatchMean: "That sum over the number of cells that hold a pixel.",
    }
    pixels { Pixels: "A range of pixels." }
    pointwise { Map: "Activation, scale and shift.", Add: "Addition." }
    pool_gradient { PoolGradient: "The gradient of pooling." }
    posterior { Posterior: "What an autoencoder's encoder gives, as a normal distribution." }
    region { Above: "Where a map is above a threshold.", Blend: "Two images by a weight for each pixel." }
    resample { Upsample: "Twice the size by nearest neighbour.", Pool: "Average or maximum pooling." }
    sampler {
        NoiseTo: "Noising to level t.",
        SamplerStep: "From level t to the next.",
        Accumulate: "A weighted addition: the mean over runs, a guidance.",
    }
    sampler_gradient { SamplerGradient: "The gradient of a sampler's step." }
    sample_sum { SampleSum: "The sum over the samples of a batch." }
    score { Residual: "The residual map.", Blur: "A blur along one axis.", Reduce: "Mean, maximum and minimum." }
    score_gradient {
        ResidualGradient: "The gradient of the residual map.",
        ReduceGradient: "The gradient of mean, maximum and minimum.",
    }
    simplex { Simplex: "Simplex noise." }
    winograd {
        WinogradInput: "Winograd's first launch: the transform of the input.",
        WinogradGemm: "Winograd's second launch: the products.",
        WinogradOutput: "Winograd's third launch: the transform of the products.",
    }
}

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
    /// Its file under `shaders/`.
    pub file: ShaderFile,
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
    /// The shapes of inputs and output.
    pub io: &'a Io,
    /// The values of this step of the loop.
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
