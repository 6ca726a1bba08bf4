//! Autoencoders of latent space: with a normal distribution between (AutoencoderKL: Kingma and Welling, ICLR 2014; Rombach et al.,
//! CVPR 2022) or with a codebook (VQVAE, VQModel: van den Oord, Vinyals, Kavukcuoglu, NeurIPS 2017). A description, which layouts
//! write and [`Autoencoder::encode`], [`Autoencoder::quantise`] and [`Autoencoder::decode`] turn into nodes of a graph.
mod build;
mod check;
mod size;
#[cfg(test)]
mod tests;

use super::unet::{Conv, Layer, Norm};
use crate::kernels::pointwise::Activation;

pub use build::{Encoded, Quantised};

/// The layouts of autoencoders' checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AutoencoderLayout {
    /// CompVis' latent-diffusion: `AutoencoderKL` and `VQModel`.
    CompVis,
    /// Hugging Face diffusers' `AutoencoderKL` and `VQModel`.
    Diffusers,
    /// MONAI's `AutoencoderKL`, GenerativeModels' and the core's.
    MonaiKl,
    /// MONAI's `VQVAE`, GenerativeModels' and the core's.
    MonaiVq,
}

/// An encoder, what lies between, and a decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Autoencoder {
    /// Where it came from.
    pub layout: AutoencoderLayout,
    /// (height, width) it was trained at, where a config says so.
    pub sample_size: Option<(usize, usize)>,
    /// From the image to the moments, or to the latent before it is quantised.
    pub encoder: Vec<Step>,
    /// What lies between.
    pub latent: Latent,
    /// From the latent to the image.
    pub decoder: Vec<Step>,
}

/// What lies between encoder and decoder.
#[derive(Clone, Debug, PartialEq)]
pub enum Latent {
    /// A normal distribution: the first half of the encoder's channels is the mean, the second the logarithm of the variance.
    Normal,
    /// The same, each by a convolution on the encoder's output.
    NormalBy {
        /// Gives the mean.
        mean: Conv,
        /// Gives the logarithm of the variance.
        log_variance: Conv,
    },
    /// A codebook: every pixel of the latent becomes the row that is nearest.
    Codes {
        /// Key of the table (count, width), with `.weight`.
        key: String,
        /// Rows.
        count: usize,
        /// Width of a row: channels of the latent.
        width: usize,
    },
}

/// A convolution with all that it can have here, or a transposed one.
#[derive(Clone, Debug, PartialEq)]
pub struct Strided {
    /// Key, channels and kernel; of a transposed one the weights are (cin, cout, kernel, kernel).
    pub conv: Conv,
    /// Pixels from one output to the next; of a transposed one from one input to the next.
    pub stride: usize,
    /// On all sides.
    pub pad: usize,
    /// Pixels from one row of the kernel to the next.
    pub dilation: usize,
    /// Of a transposed one: rows at the bottom and columns at the right that are added to its output.
    pub output_pad: usize,
}

/// A step of an encoder or a decoder.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A convolution.
    Conv(Strided),
    /// A transposed convolution.
    Transposed(Strided),
    /// A layer of the UNet, without a time.
    Layer(Layer),
    /// GroupNorm, then an activation.
    Norm(Norm, Activation),
    /// An activation.
    Activation(Activation),
    /// ReLU(x + conv2(act(conv1(x)))).
    Unit {
        /// Name in the checkpoint.
        name: String,
        /// The first convolution.
        conv1: Strided,
        /// Between the two.
        act: Activation,
        /// The second.
        conv2: Strided,
    },
}

impl Strided {
    /// One that keeps the size.
    pub(super) fn same(conv: Conv) -> Self {
        Strided { stride: 1, pad: conv.kernel / 2, dilation: 1, output_pad: 0, conv }
    }
}

impl Autoencoder {
    /// Channels of the image.
    pub fn in_channels(&self) -> usize {
        match self.encoder.first() {
            Some(Step::Conv(c)) => c.conv.cin,
            _ => 0,
        }
    }
    /// Channels of the image that it decodes.
    pub fn out_channels(&self) -> usize {
        let conv = |s: &Step| match s {
            Step::Conv(c) | Step::Transposed(c) => Some(c.conv.cout),
            _ => None,
        };
        self.decoder.iter().rev().find_map(conv).unwrap_or(0)
    }
    /// Channels of the latent.
    pub fn latent_channels(&self) -> usize {
        match (&self.latent, self.encoder.last()) {
            (Latent::Codes { width, .. }, _) => *width,
            (Latent::NormalBy { mean, .. }, _) => mean.cout,
            (Latent::Normal, Some(Step::Conv(c))) => c.conv.cout / 2,
            (Latent::Normal, _) => 0,
        }
    }
    /// Rows of the codebook, if it has one.
    pub fn codes(&self) -> Option<usize> {
        match self.latent {
            Latent::Codes { count, .. } => Some(count),
            _ => None,
        }
    }
    /// Its class in the original's words.
    pub fn title(&self) -> &'static str {
        match (self.layout, self.codes()) {
            (AutoencoderLayout::CompVis, None) => "CompVis AutoencoderKL",
            (AutoencoderLayout::CompVis, Some(_)) => "CompVis VQModel",
            (AutoencoderLayout::Diffusers, None) => "diffusers AutoencoderKL",
            (AutoencoderLayout::Diffusers, Some(_)) => "diffusers VQModel",
            (AutoencoderLayout::MonaiKl, _) => "MONAI AutoencoderKL",
            (AutoencoderLayout::MonaiVq, _) => "MONAI VQVAE",
        }
    }
}
