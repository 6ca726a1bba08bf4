//! The settings of an autoencoder and of a comparer, in a few lines or as JSON.
use crate::model::unet::Layer;
use crate::model::{Autoencoder, Comparer};
use serde::Serialize;
use std::fmt;

/// An autoencoder's settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AutoencoderSettings {
    /// Channels of the image.
    pub in_channels: usize,
    /// Channels of the image that it decodes.
    pub out_channels: usize,
    /// (height, width) of training, where a config says.
    pub sample_size: Option<(usize, usize)>,
    /// Channels of the latent.
    pub latent_channels: usize,
    /// How many times smaller the latent is than the image.
    pub factor: usize,
    /// Rows of the codebook, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codes: Option<usize>,
    /// Groups and epsilon of the GroupNorms, if it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub norm: Option<(usize, f32)>,
    /// Attentions in the encoder, and in the decoder.
    pub attentions: [usize; 2],
}

/// A comparer's settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparerSettings {
    /// Channels in: of the image and of its reconstructions.
    pub in_channels: usize,
    /// Channels out.
    pub out_channels: usize,
    /// Width of the first stage.
    pub base_channels: usize,
    /// How often the image is halved.
    pub halvings: u32,
}

impl AutoencoderSettings {
    /// Reads them off a description.
    pub fn new(net: &Autoencoder) -> Self {
        let layers = |steps: &[crate::model::autoencoder::Step]| -> Vec<Layer> {
            steps.iter().filter_map(|s| s.layer().cloned()).collect()
        };
        let halves = [layers(&net.encoder), layers(&net.decoder)];
        let norm = halves.iter().flatten().find_map(|l| match l {
            Layer::Res(r) => Some((r.norm1.groups, r.norm1.eps)),
            _ => None,
        });
        let attentions = halves.each_ref().map(|half| half.iter().filter(|l| matches!(l, Layer::Attention(_))).count());
        AutoencoderSettings {
            in_channels: net.in_channels(),
            out_channels: net.out_channels(),
            sample_size: net.sample_size,
            latent_channels: net.latent_channels(),
            factor: net.factor(),
            codes: net.codes(),
            norm,
            attentions,
        }
    }
}

impl ComparerSettings {
    /// Reads them off a description.
    pub fn new(net: &Comparer) -> Self {
        ComparerSettings {
            in_channels: net.in_channels(),
            out_channels: net.out_channels(),
            base_channels: net.base_channels(),
            halvings: net.halvings(),
        }
    }
}

impl fmt::Display for AutoencoderSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AutoencoderSettings { in_channels, out_channels, latent_channels, factor, attentions, .. } = self;
        writeln!(f, "  channels     {in_channels} in, {out_channels} out")?;
        if let Some((h, w)) = self.sample_size {
            writeln!(f, "  size         {h} x {w}")?;
        }
        writeln!(f, "  latent       {latent_channels} channels, {factor} times smaller than the image")?;
        match self.codes {
            Some(rows) => writeln!(f, "  codebook     {rows} codes")?,
            None => writeln!(f, "  codebook     none: a normal distribution")?,
        }
        if let Some((groups, eps)) = self.norm {
            writeln!(f, "  group norm   {groups} groups, epsilon {eps:e}")?;
        }
        writeln!(f, "  attention    {} in the encoder, {} in the decoder", attentions[0], attentions[1])
    }
}

impl fmt::Display for ComparerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ComparerSettings { in_channels, out_channels, base_channels, halvings } = self;
        writeln!(f, "  channels     {in_channels} in, {out_channels} out")?;
        writeln!(f, "  widths       from {base_channels} on; the image is halved {halvings} times")
    }
}
