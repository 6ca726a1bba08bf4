//! The one list of kernels. A new kernel adds its variant here and its two files.
use super::{
    Args, Kernel, Real, attention, concat, conv, conv_transpose, embedding, linear, neighbours, noise, norm, patches,
    pointwise, resample, sampler, score, simplex, train, winograd,
};

/// A node's operation, with every choice that is fixed before the shapes are known.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Reads a state (a named, persistent buffer); no launch.
    Read(usize),
    /// Activation, scale and shift.
    Map(pointwise::Map),
    /// Addition.
    Add(pointwise::Add),
    /// Convolution.
    Conv(conv::Conv),
    /// Winograd's first launch.
    WinogradInput(winograd::WinogradInput),
    /// Winograd's second launch.
    WinogradGemm(winograd::WinogradGemm),
    /// Winograd's third launch.
    WinogradOutput(winograd::WinogradOutput),
    /// Transposed convolution.
    ConvTranspose(conv_transpose::ConvTranspose),
    /// Linear layer on a vector per sample.
    Linear(linear::Linear),
    /// Smallest distances.
    Neighbours(neighbours::Neighbours),
    /// GroupNorm's statistics.
    GroupNormStats(norm::GroupNormStats),
    /// Channel-wise affine map and activation.
    Affine(norm::Affine),
    /// Self-attention.
    Attention(attention::Attention),
    /// Nearest neighbour, twice the size.
    Upsample(resample::Upsample),
    /// Average or maximum pooling.
    Pool(resample::Pool),
    /// Concatenation of channels.
    Concat(concat::Concat),
    /// Sinusoids of a time.
    TimeEmbedding(embedding::TimeEmbedding),
    /// Row of a table.
    Embedding(embedding::Embedding),
    /// The step's time.
    StepTime(embedding::StepTime),
    /// Noising to level t.
    NoiseTo(sampler::NoiseTo),
    /// From level t to the next.
    SamplerStep(sampler::SamplerStep),
    /// Mean over runs.
    Accumulate(sampler::Accumulate),
    /// Images with one noised patch each.
    PatchCompose(patches::PatchCompose),
    /// Sum of the predictions inside their cells.
    PatchStitch(patches::PatchStitch),
    /// Mean of the predictions of overlapping cells.
    PatchMean(patches::PatchMean),
    /// Gaussian noise.
    Gaussian(noise::Gaussian),
    /// Noise given by the caller.
    Given(noise::Given),
    /// Simplex noise.
    Simplex(simplex::Simplex),
    /// Residual map.
    Residual(score::Residual),
    /// Blur along one axis.
    Blur(score::Blur),
    /// Mean, maximum, minimum.
    Reduce(score::Reduce),
    /// A minibatch of a table.
    Gather(train::Gather),
    /// A random time for each row.
    Times(train::Times),
    /// Rows at their times.
    Diffuse(train::Diffuse),
    /// A linear layer that is trained, and its gradients.
    Dense(train::Dense),
    /// BatchNorm over a minibatch, and its gradients.
    BatchNorm(train::BatchNorm),
    /// Dropout.
    Dropout(train::Dropout),
    /// An activation's slope.
    ActGradient(train::ActGradient),
    /// A loss, or its gradient.
    Loss(train::Loss),
    /// A step of Adam.
    Adam(train::Adam),
}

impl Op {
    /// The kernel's static side; none for [`Op::Read`].
    pub fn kernel(&self) -> Option<&dyn Kernel> {
        Some(match self {
            Op::Read(_) => return None,
            Op::Map(k) => k,
            Op::Add(k) => k,
            Op::Conv(k) => k,
            Op::WinogradInput(k) => k,
            Op::WinogradGemm(k) => k,
            Op::WinogradOutput(k) => k,
            Op::ConvTranspose(k) => k,
            Op::Linear(k) => k,
            Op::Neighbours(k) => k,
            Op::GroupNormStats(k) => k,
            Op::Affine(k) => k,
            Op::Attention(k) => k,
            Op::Upsample(k) => k,
            Op::Pool(k) => k,
            Op::Concat(k) => k,
            Op::TimeEmbedding(k) => k,
            Op::Embedding(k) => k,
            Op::StepTime(k) => k,
            Op::NoiseTo(k) => k,
            Op::SamplerStep(k) => k,
            Op::Accumulate(k) => k,
            Op::PatchCompose(k) => k,
            Op::PatchStitch(k) => k,
            Op::PatchMean(k) => k,
            Op::Gaussian(k) => k,
            Op::Given(k) => k,
            Op::Simplex(k) => k,
            Op::Residual(k) => k,
            Op::Blur(k) => k,
            Op::Reduce(k) => k,
            Op::Gather(k) => k,
            Op::Times(k) => k,
            Op::Diffuse(k) => k,
            Op::Dense(k) => k,
            Op::BatchNorm(k) => k,
            Op::Dropout(k) => k,
            Op::ActGradient(k) => k,
            Op::Loss(k) => k,
            Op::Adam(k) => k,
        })
    }
    /// Runs the kernel's CPU half.
    pub fn run_cpu<T: Real>(&self, args: Args<T>) {
        match self {
            Op::Read(_) => {}
            Op::Map(k) => k.cpu(args),
            Op::Add(k) => k.cpu(args),
            Op::Conv(k) => k.cpu(args),
            Op::WinogradInput(k) => k.cpu(args),
            Op::WinogradGemm(k) => k.cpu(args),
            Op::WinogradOutput(k) => k.cpu(args),
            Op::ConvTranspose(k) => k.cpu(args),
            Op::Linear(k) => k.cpu(args),
            Op::Neighbours(k) => k.cpu(args),
            Op::GroupNormStats(k) => k.cpu(args),
            Op::Affine(k) => k.cpu(args),
            Op::Attention(k) => k.cpu(args),
            Op::Upsample(k) => k.cpu(args),
            Op::Pool(k) => k.cpu(args),
            Op::Concat(k) => k.cpu(args),
            Op::TimeEmbedding(k) => k.cpu(args),
            Op::Embedding(k) => k.cpu(args),
            Op::StepTime(k) => k.cpu(args),
            Op::NoiseTo(k) => k.cpu(args),
            Op::SamplerStep(k) => k.cpu(args),
            Op::Accumulate(k) => k.cpu(args),
            Op::PatchCompose(k) => k.cpu(args),
            Op::PatchStitch(k) => k.cpu(args),
            Op::PatchMean(k) => k.cpu(args),
            Op::Gaussian(k) => k.cpu(args),
            Op::Given(k) => k.cpu(args),
            Op::Simplex(k) => k.cpu(args),
            Op::Residual(k) => k.cpu(args),
            Op::Blur(k) => k.cpu(args),
            Op::Reduce(k) => k.cpu(args),
            Op::Gather(k) => k.cpu(args),
            Op::Times(k) => k.cpu(args),
            Op::Diffuse(k) => k.cpu(args),
            Op::Dense(k) => k.cpu(args),
            Op::BatchNorm(k) => k.cpu(args),
            Op::Dropout(k) => k.cpu(args),
            Op::ActGradient(k) => k.cpu(args),
            Op::Loss(k) => k.cpu(args),
            Op::Adam(k) => k.cpu(args),
        }
    }
}
