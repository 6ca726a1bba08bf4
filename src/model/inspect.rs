//! What a checkpoint is, in a few lines or as JSON.
use super::network::{Architecture, Network};
use super::stored::OtherDict;
use super::trunk::Trunk;
use super::unet::{Attention, Layer, Norm, Qkv, Resample, UnetSpec};
use super::{AttentionOrder, ClassifierSpec, classifier};
use serde::Serialize;
use std::collections::BTreeMap;

/// A checkpoint and its network, summed up. Memory and compute of a step: [`super::Cost`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The file.
    pub path: String,
    /// SHA-256 of the file, or of the hashes of several.
    pub sha256: String,
    /// Bytes of the file.
    pub bytes: usize,
    /// How its keys are named.
    pub layout: String,
    /// Numbers that the network uses.
    pub parameters: usize,
    /// Tensors that it uses.
    pub tensors: usize,
    /// Tensors of each dtype that it uses.
    pub dtypes: BTreeMap<String, usize>,
    /// Tensors that it does not use.
    pub surplus: Vec<String>,
    /// Tensors that are schedules, counters, other networks or the other copy of the weights.
    pub set_aside: usize,
    /// Which copy of the weights is read, of a file with two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Dictionaries of tensors that are not read, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_read: Option<String>,
    /// A UNet's or a classifier's settings as inferred and as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<UnetSettings>,
    /// A ResNet's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resnet: Option<String>,
    /// The layout in words.
    #[serde(skip)]
    title: String,
}

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
    /// How a classifier makes logits of features.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
}

impl Summary {
    /// Sums up a network and its checkpoint. Hashes the file. Tensors count as surplus here when the description does not name
    /// them, whether or not they were read.
    pub fn new(network: &Network) -> Self {
        let (ck, params) = (&network.checkpoint, network.params());
        params.iter().for_each(|(key, _)| ck.ignore(key));
        let mut dtypes = BTreeMap::new();
        for dtype in params.iter().filter_map(|(key, _)| ck.dtype(key)) {
            *dtypes.entry(dtype.to_string()).or_default() += 1;
        }
        let (layout, title, config, resnet) = match &network.architecture {
            Architecture::Unet(spec) => {
                (format!("{:?}", spec.layout), spec.layout.to_string(), Some(UnetSettings::new(spec)), None)
            }
            Architecture::Classifier(spec) => {
                let settings = UnetSettings::of_classifier(spec);
                ("GuidedClassifier".into(), classifier::TITLE.into(), Some(settings), None)
            }
            Architecture::ResNet(net) => {
                ["fc.weight", "fc.bias"].iter().for_each(|key| ck.ignore(key));
                ("Torchvision".into(), "torchvision ResNet".into(), None, Some(net.to_string()))
            }
        };
        Summary {
            path: ck.path().display().to_string(),
            sha256: ck.sha256(),
            bytes: ck.file_len(),
            layout,
            parameters: network.parameters(),
            tensors: params.len(),
            dtypes,
            surplus: ck.surplus().into_iter().map(String::from).collect(),
            set_aside: ck.set_aside().len(),
            weights: ck.copies().map(ToString::to_string),
            not_read: (!ck.others().is_empty()).then(|| OtherDict::list(ck.others())),
            config,
            resnet,
            title,
        }
    }
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
            time_base: trunk.time.base,
            cos_first: trunk.time.cos_first,
            freq_shift: trunk.time.freq_shift,
            classes: trunk.class.map(|c| c.classes),
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

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dtypes: Vec<String> = self.dtypes.iter().map(|(d, n)| format!("{n} {d}")).collect();
        writeln!(f, "{}", self.path)?;
        writeln!(f, "  sha256       {}", self.sha256)?;
        writeln!(f, "  layout       {}", self.title)?;
        writeln!(
            f,
            "  parameters   {} in {} tensors ({}), {} bytes",
            self.parameters,
            self.tensors,
            dtypes.join(", "),
            self.bytes
        )?;
        self.weights.iter().try_for_each(|weights| writeln!(f, "  weights      {weights}"))?;
        self.not_read.iter().try_for_each(|others| writeln!(f, "  not read     {others}"))?;
        self.resnet.iter().try_for_each(|name| writeln!(f, "  network      {name}"))?;
        self.config.iter().try_for_each(|settings| write!(f, "{settings}"))?;
        if self.set_aside > 0 {
            writeln!(f, "  set aside    {} tensors (schedules, counters, other networks or copies)", self.set_aside)?;
        }
        if !self.surplus.is_empty() {
            writeln!(f, "  surplus      {}", self.surplus.join(", "))?;
        }
        Ok(())
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
        writeln!(f, "  halved by    {}", self.downsampling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{anoddpm, guided};
    use crate::model::{Config, Overrides, read};

    #[test]
    fn a_summary_says_what_was_inferred() {
        let over = Overrides { heads: Some(2), groups: Some(4), ..Overrides::default() };
        let mut keys = anoddpm();
        keys.pair("extra.thing", &[3]);
        let checkpoint = keys.open();
        let architecture = Architecture::Unet(read(&checkpoint, &Config::default(), &over).unwrap());
        let summary = Summary::new(&Network { checkpoint, architecture });
        let config = summary.config.as_ref().unwrap();
        assert_eq!((config.widths.clone(), config.blocks.clone()), (vec![8, 16], vec![1, 1]));
        assert_eq!(config.attention, [false, true]);
        assert_eq!(config.heads, [2; 4]);
        assert_eq!(summary.surplus, ["extra.thing.bias", "extra.thing.weight"]);
        assert_eq!(summary.dtypes["F32"], summary.tensors);
        let counted: usize = anoddpm().0.values().map(|s| s.iter().product::<usize>()).sum();
        assert_eq!(summary.parameters, counted);
        let text = summary.to_string();
        assert!(text.contains("AnoDDPM") && text.contains("legacy order") && text.contains("[sin, cos]"), "{text}");
        assert!(serde_json::to_string(&summary).unwrap().contains("\"layout\":\"AnoDdpm\""));
    }

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
