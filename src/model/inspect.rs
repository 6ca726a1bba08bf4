//! What a checkpoint is, in a few lines or as JSON.
use super::stored::OtherDict;
use super::{Architecture, network::Network};
use super::{classifier, comparer};
use latent::{AutoencoderSettings, ComparerSettings};
use serde::Serialize;
use std::collections::BTreeMap;
use unet::UnetSettings;

pub(super) mod latent;
pub(super) mod unet;

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
    /// Numbers that are trained, see [`super::Architecture::parameters`].
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
    /// An autoencoder's settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoencoder: Option<AutoencoderSettings>,
    /// A comparer's settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparer: Option<ComparerSettings>,
    /// The layout in words.
    #[serde(skip)]
    title: String,
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
        let (mut config, mut resnet, mut autoencoder, mut compares) = (None, None, None, None);
        let (layout, title) = match &network.architecture {
            Architecture::Unet(spec) => {
                config = Some(UnetSettings::new(spec));
                (format!("{:?}", spec.layout), spec.layout.to_string())
            }
            Architecture::Classifier(spec) => {
                config = Some(UnetSettings::of_classifier(spec));
                ("GuidedClassifier".into(), classifier::TITLE.into())
            }
            Architecture::ResNet(net) => {
                ["fc.weight", "fc.bias"].iter().for_each(|key| ck.ignore(key));
                resnet = Some(net.to_string());
                ("Torchvision".into(), "torchvision ResNet".into())
            }
            Architecture::Autoencoder(net) => {
                autoencoder = Some(AutoencoderSettings::new(net));
                (net.title().replace(' ', ""), net.title().to_owned())
            }
            Architecture::Comparer(net) => {
                compares = Some(ComparerSettings::new(net));
                ("Draem".into(), comparer::TITLE.into())
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
            autoencoder,
            comparer: compares,
            title,
        }
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
        self.autoencoder.iter().try_for_each(|settings| write!(f, "{settings}"))?;
        self.comparer.iter().try_for_each(|settings| write!(f, "{settings}"))?;
        if self.set_aside > 0 {
            writeln!(f, "  set aside    {} tensors (schedules, counters, other networks or copies)", self.set_aside)?;
        }
        if !self.surplus.is_empty() {
            writeln!(f, "  surplus      {}", self.surplus.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::anoddpm;
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
}
