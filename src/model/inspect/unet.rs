//! A UNet's settings, or a classifier's, in a few lines or as JSON.
use crate::model::trunk::Trunk;
use crate::model::unet::{Attention, Layer, Norm, Qkv, Resample, UnetSpec};
use crate::model::{AttentionOrder, ClassifierSpec};
use serde::Serialize;

/// A UNet's settings, or a classifier's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnetSettings {
    /// Channels in.
    pub in_channels: usize,
    /// Channels out; of a classifier its classes.
    pub out_channels: usize,
    /// (height, width) of training, where a config says.
    pub sample_size: Option<(usize, usize)>,
    /// Width of each level, the widest image first.
    pub widths: Vec<usize>,
    /// Residual blocks of each level of the encoder.
    pub blocks: Vec<usize>,
    /// Levels of the encoder with attention.
    pub attention: Vec<bool>,
    /// Heads of each attention, in the order they run.
    pub heads: Vec<usize>,
    /// Order of fused qkv rows, where they are fused.
    pub attention_order: Option<AttentionOrder>,
    /// Groups of the GroupNorms.
    pub groups: usize,
    /// Epsilon of the GroupNorms.
    pub norm_eps: f32,
    /// The time scales and shifts, instead of being added.
    pub scale_shift: bool,
    /// How the image is halved.
    pub downsampling: &'static str,
    /// Width of the sinusoids.
    pub time_base: usize,
    /// [cos, sin] instead of [sin, cos].
    pub cos_first: bool,
    /// Subtracted from half the width in the exponent.
    pub freq_shift: f32,
    /// Classes of a conditional network.
    pub classes: Option<usize>,
    /// Width of the embedding of an image that the blocks are modulated by, of a network with an encoder for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding: Option<usize>,
    /// How a classifier makes logits of features.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
}

impl UnetSettings {
    /// Reads them off a description.
    pub fn new(spec: &UnetSpec) -> Self {
        let own = Self::of(&spec.trunk(), &spec.layers().collect::<Vec<_>>(), Some(&spec.norm_out));
        UnetSettings { out_channels: spec.out_channels(), sample_size: spec.sample_size, ..own }
    }
    /// The same of a classifier.
    pub fn of_classifier(spec: &ClassifierSpec) -> Self {
        let (trunk, pool) = (spec.trunk(), Some(spec.pool.to_string()));
        let own = Self::of(&trunk, &trunk.layers().collect::<Vec<_>>(), None);
        UnetSettings { out_channels: spec.classes(), sample_size: spec.sample_size, pool, ..own }
    }
    /// What a trunk tells, with all layers of its network and one of its norms, if not that of the first block.
    fn of(trunk: &Trunk, layers: &[&Layer], norm: Option<&Norm>) -> Self {
        let levels = trunk.levels();
        let attentions = || layers.iter().filter_map(|l| as_attention(l));
        let res = || layers.iter().filter_map(|l| if let Layer::Res(r) = l { Some(r) } else { None });
        let norm = norm.or(res().map(|r| &r.norm1).next());
        UnetSettings {
            in_channels: trunk.conv_in.cin,
            out_channels: 0,
            sample_size: None,
            widths: levels.iter().map(|l| l.width).collect(),
            blocks: levels.iter().map(|l| l.blocks).collect(),
            attention: levels.iter().map(|l| l.attention).collect(),
            heads: attentions().map(|a| a.heads).collect(),
            attention_order: attentions().find_map(|a| match a.qkv {
                Qkv::Fused { order, .. } => Some(order),
                Qkv::Separate { .. } => None,
            }),
            groups: norm.map_or(0, |n| n.groups),
            norm_eps: norm.map_or(0.0, |n| n.eps),
            scale_shift: res().any(|r| r.scale_shift),
            downsampling: trunk.encoder.iter().flatten().find_map(downsampling).unwrap_or("none"),
            time_base: trunk.time.map_or(0, |t| t.base),
            cos_first: trunk.time.is_some_and(|t| t.cos_first),
            freq_shift: trunk.time.map_or(0.0, |t| t.freq_shift),
            classes: trunk.class.map(|c| c.classes),
            embedding: trunk.condition,
            pool: None,
        }
    }
}

fn as_attention(layer: &Layer) -> Option<&Attention> {
    if let Layer::Attention(a) = layer { Some(a) } else { None }
}

fn downsampling(layer: &Layer) -> Option<&'static str> {
    match layer {
        Layer::Down(d) if d.conv.is_none() => Some("average pool"),
        Layer::Down(d) if d.right_bottom => Some("convolution, padded right and bottom"),
        Layer::Down(_) => Some("convolution, padded on all sides"),
        Layer::Res(r) if r.resample == Resample::AvgPool => Some("residual block with average pool"),
        _ => None,
    }
}

impl std::fmt::Display for UnetSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let order = match self.attention_order {
            Some(AttentionOrder::New) => ", new order",
            Some(AttentionOrder::Legacy) => ", legacy order",
            None => "",
        };
        let time = if self.scale_shift { "scale and shift" } else { "added" };
        let sinusoids = if self.cos_first { "[cos, sin]" } else { "[sin, cos]" };
        match &self.pool {
            None => writeln!(f, "  channels     {} in, {} out", self.in_channels, self.out_channels)?,
            Some(pool) => {
                writeln!(f, "  channels     {} in", self.in_channels)?;
                writeln!(f, "  classes      {}, told apart by the pool `{pool}`", self.out_channels)?;
            }
        }
        if let Some((h, w)) = self.sample_size {
            writeln!(f, "  size         {h} x {w}")?;
        }
        writeln!(f, "  widths       {:?}, blocks {:?}", self.widths, self.blocks)?;
        writeln!(f, "  attention    {:?} and the middle; heads {:?}{order}", self.attention, self.heads)?;
        writeln!(f, "  group norm   {} groups, epsilon {:e}", self.groups, self.norm_eps)?;
        writeln!(f, "  time         {} wide, {sinusoids}, freq_shift {}; {time}", self.time_base, self.freq_shift)?;
        if let Some(classes) = self.classes {
            writeln!(f, "  classes      {classes}")?;
        }
        if let Some(width) = self.embedding {
            writeln!(f, "  embedding    of an image, {width} wide, by an encoder of its own")?;
        }
        writeln!(f, "  halved by    {}", self.downsampling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{anoddpm, guided};
    use crate::model::{Config, Overrides, read};

    #[test]
    fn one_description_for_the_same_network_under_two_names() {
        let over = Overrides { heads: Some(1), groups: Some(4), ..Overrides::default() };
        let settings = |keys: crate::model::testing::Keys| {
            UnetSettings::new(&read(&keys.open(), &Config::default(), &over).unwrap())
        };
        let (a, mut b) = (settings(guided()), settings(anoddpm()));
        assert_ne!((a.cos_first, a.attention_order), (b.cos_first, b.attention_order));
        (b.cos_first, b.attention_order) = (a.cos_first, a.attention_order);
        assert_eq!(a, b);
    }
}
