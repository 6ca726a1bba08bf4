//! The one UNet, as a description: blocks in the order they run, each with the names of its weights in
//! the checkpoint. Layouts write it; [`UnetSpec::build`] turns it into a graph.
use super::Layout;
use super::config::AttentionOrder;
use super::semantic::SemanticEncoder;
use super::trunk::Trunk;
use crate::kernels::pointwise::Activation;

/// A square convolution with a bias; weights (cout, cin, kernel, kernel).
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// Key of the weights without `.weight`.
    pub key: String,
    /// Channels in.
    pub cin: usize,
    /// Channels out.
    pub cout: usize,
    /// Rows and columns of the kernel: 1 or 3, but in the VQVAE's own layers.
    pub kernel: usize,
}

/// A linear layer with a bias; weights (cout, cin).
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// Key of the weights without `.weight`.
    pub key: String,
    /// Width in.
    pub cin: usize,
    /// Width out.
    pub cout: usize,
}

/// A GroupNorm with weight and bias.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// Key without `.weight`.
    pub key: String,
    /// Channels, a multiple of `groups`.
    pub channels: usize,
    /// Groups.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f32,
}

/// What a residual block does to the size of the image, on both of its paths, after the first SiLU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resample {
    /// Nothing.
    None,
    /// 2x2 average pool.
    AvgPool,
    /// Nearest neighbour, twice the size.
    Nearest,
}

/// norm1, SiLU, (resample), conv1, (time), (condition), norm2, SiLU, conv2, + skip(x), / `divisor`.
#[derive(Clone, Debug, PartialEq)]
pub struct ResBlock {
    /// Name in the checkpoint.
    pub name: String,
    /// Before conv1.
    pub norm1: Norm,
    /// 3x3.
    pub conv1: Conv,
    /// On SiLU of the embedding: cout rows, or 2 cout (scale, then shift) with `scale_shift`; absent in an autoencoder.
    pub time: Option<Linear>,
    /// norm2(h)·(1 + scale) + shift, instead of h + time before norm2.
    pub scale_shift: bool,
    /// On SiLU of the embedding of an image: cout rows, by 1 + which the modulated norm2(h) is multiplied, before its SiLU. It takes
    /// `scale_shift`.
    pub condition: Option<Linear>,
    /// norm2 and conv2, which is 3x3; absent in DiffAE's encoder of images, whose blocks are norm1, SiLU, conv1 alone.
    pub second: Option<(Norm, Conv)>,
    /// On x, where widths differ: 1x1 or 3x3.
    pub skip: Option<Conv>,
    /// The change of size.
    pub resample: Resample,
    /// The sum is divided by it.
    pub divisor: f32,
    /// In place of both SiLUs.
    pub act: Activation,
}

impl ResBlock {
    /// Channels of its output.
    pub fn width(&self) -> usize {
        self.second.as_ref().map_or(self.conv1.cout, |(_, conv2)| conv2.cout)
    }
}

/// Where the rows of q, k and v lie in the checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum Qkv {
    /// One matrix of 3C rows.
    Fused {
        /// Key without `.weight`.
        key: String,
        /// Order of its rows.
        order: AttentionOrder,
    },
    /// Three matrices of C rows.
    Separate {
        /// Keys without `.weight`: q, k, v.
        keys: [String; 3],
    },
}

/// (norm), q k v, softmax(q kᵀ/√(C/heads)) v, (proj), + x, / `divisor`. Heads are contiguous channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// Name in the checkpoint.
    pub name: String,
    /// Channels of its input and of its output.
    pub channels: usize,
    /// A divisor of C.
    pub heads: usize,
    /// Absent in diffusers' middle block with scale-shift.
    pub norm: Option<Norm>,
    /// The projections in.
    pub qkv: Qkv,
    /// The projection out; absent where the original never applies one.
    pub proj: Option<Linear>,
    /// The sum is divided by it.
    pub divisor: f32,
}

/// Half the size: a 3x3 convolution of stride 2, or a 2x2 average pool where there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Downsample {
    /// Name in the checkpoint.
    pub name: String,
    /// The convolution.
    pub conv: Option<Conv>,
    /// It pads right and bottom by one, instead of all sides.
    pub right_bottom: bool,
}

/// Twice the size by nearest neighbour, then a 3x3 convolution if there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Upsample {
    /// Name in the checkpoint.
    pub name: String,
    /// The convolution.
    pub conv: Option<Conv>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// A residual block.
    Res(ResBlock),
    /// Self-attention.
    Attention(Attention),
    /// Half the size.
    Down(Downsample),
    /// Twice the size.
    Up(Upsample),
}

/// Layers between two skip connections: in the encoder the output is kept, in the decoder a kept one is
/// concatenated behind the input first, the last kept first.
pub type Stage = Vec<Layer>;

/// Sinusoids of t, then linear, SiLU, linear.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeEmbed {
    /// Width of the sinusoids; period 10000.
    pub base: usize,
    /// [cos, sin] instead of [sin, cos].
    pub cos_first: bool,
    /// Frequencies are exp(−ln 10000 · i/(base/2 − freq_shift)).
    pub freq_shift: f32,
    /// base to width.
    pub linear1: Linear,
    /// width to width.
    pub linear2: Linear,
}

/// A row of a table, added to the time embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassEmbed {
    /// Key of the table, with `.weight`.
    pub key: String,
    /// Rows.
    pub classes: usize,
    /// Width.
    pub width: usize,
}

/// A whole UNet.
#[derive(Clone, Debug, PartialEq)]
pub struct UnetSpec {
    /// Where it came from.
    pub layout: Layout,
    /// (height, width) it was trained at, where a config says so.
    pub sample_size: Option<(usize, usize)>,
    /// The input is mapped by 2x − 1 first.
    pub center_input: bool,
    /// Time embedding.
    pub time: TimeEmbed,
    /// Class embedding.
    pub class: Option<ClassEmbed>,
    /// The encoder whose embedding of an image all residual blocks are modulated by (DiffAE); none where the embedding comes from
    /// elsewhere.
    pub semantic: Option<SemanticEncoder>,
    /// First convolution; its output is the first that is kept.
    pub conv_in: Conv,
    /// Down.
    pub encoder: Vec<Stage>,
    /// Between; no skip connection.
    pub middle: Stage,
    /// Up.
    pub decoder: Vec<Stage>,
    /// Before the last SiLU and convolution.
    pub norm_out: Norm,
    /// Last convolution.
    pub conv_out: Conv,
}

impl UnetSpec {
    /// Channels of the image that it takes.
    pub fn in_channels(&self) -> usize {
        self.conv_in.cin
    }
    /// Channels that it returns; twice the image's when the variance is learned.
    pub fn out_channels(&self) -> usize {
        self.conv_out.cout
    }
    /// Width of the embedding of an image that its blocks are modulated by, where they are.
    pub fn condition(&self) -> Option<usize> {
        let width = |layer: &Layer| if let Layer::Res(r) = layer { Some(r.condition.as_ref()?.cin) } else { None };
        self.encoder.iter().flatten().chain(&self.middle).find_map(width)
    }
    /// All layers in the order they run.
    pub fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.trunk().layers().chain(self.decoder.iter().flatten())
    }
    /// How often the image is halved: both sides must be multiples of 2 to this power.
    pub fn halvings(&self) -> u32 {
        self.trunk().halvings()
    }
    /// All of it before the decoder.
    pub(super) fn trunk(&self) -> Trunk<'_> {
        let UnetSpec { time, class, conv_in, encoder, middle, .. } = self;
        let condition = self.condition();
        Trunk { time: Some(time), class: class.as_ref(), condition, conv_in, encoder, middle }
    }
}

impl Layer {
    /// Its name in the checkpoint.
    pub fn name(&self) -> &str {
        match self {
            Layer::Res(r) => &r.name,
            Layer::Attention(a) => &a.name,
            Layer::Down(d) => &d.name,
            Layer::Up(u) => &u.name,
        }
    }
    /// Whether the image is half as large afterwards.
    pub fn halves(&self) -> bool {
        matches!(self, Layer::Down(_) | Layer::Res(ResBlock { resample: Resample::AvgPool, .. }))
    }
    /// Whether the image is twice as large afterwards.
    pub fn doubles(&self) -> bool {
        matches!(self, Layer::Up(_) | Layer::Res(ResBlock { resample: Resample::Nearest, .. }))
    }
}
