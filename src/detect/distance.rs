//! The map that DDAD makes of an image and its reconstruction (Mousakhan, Brox and Tayyub 2023, section 3.4): how far their pixels
//! are apart, and how far the features that a network trained on ImageNet has of them.
use super::config::{BlurConfig, InputConfig, NoisePer, Variant, must};
use super::map;
use super::{ModelFolder, networks::Role};
use crate::graph::{ConvSpec, Graph, NodeId};
use crate::kernels::axis_map::{AxisMap, Taps};
use crate::kernels::pointwise::Activation::Identity;
use crate::kernels::resample::{Pool, PoolKind};
use crate::kernels::score::{Reduce, ResidualKind};
use crate::kernels::{balance::Balance, cosine::Cosine};
use crate::model::{Architecture, ResNet};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// What brings the distance of pixels to that of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalisation {
    /// The ratio of the largest values over all images that go through the networks together, as the public code has it: an image's
    /// scores depend on the others.
    Batch,
    /// The ratio of the image's own largest values.
    Image,
    /// A ratio that is given, the same for all images.
    Fixed,
}

impl Normalisation {
    /// That which is said; else the published one, or the paper's.
    pub(super) fn of(said: Option<Self>, variant: Variant) -> Self {
        said.unwrap_or(match variant {
            Variant::Published => Normalisation::Batch,
            Variant::Paper => Normalisation::Image,
        })
    }
}

/// The settings of the map, of which systems have their own copies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Distance<'a> {
    /// What the distance of pixels counts beside that of features.
    pub v: f64,
    /// The layers of the network of features; none for the distance of pixels alone.
    pub layers: &'a [usize],
    pub normalisation: Normalisation,
    /// That of [`Normalisation::Fixed`].
    pub ratio: Option<f64>,
    pub blur: Option<BlurConfig>,
    /// Side of the square in the middle that is judged; the map is zero around it.
    pub crop: Option<usize>,
}

impl Distance<'_> {
    /// Whether it needs a network of features.
    pub fn has_features(&self) -> bool {
        !self.layers.is_empty()
    }
    /// Holds the settings to their ranges and to each other.
    pub fn check(&self, input: Option<&InputConfig>) -> Result<()> {
        must((0.0..=1000.0).contains(&self.v), "v", "0 to 1000")?;
        let rising = self.layers.is_sorted_by(|a, b| a < b) && self.layers.iter().all(|l| (1..=4).contains(l));
        must(rising, "layers", "numbers from 1 to 4, rising, or none")?;
        let fixed = self.normalisation == Normalisation::Fixed && self.has_features();
        must(
            fixed == self.ratio.is_some(),
            "ratio",
            "given where `normalisation` is fixed and there are `layers`, and only there",
        )?;
        must(self.ratio.is_none_or(|r| r > 0.0 && r <= 1e6), "ratio", "above 0, and 1000000 at most")?;
        must(
            self.has_features() || self.v == 1.0,
            "v",
            "1 where there are no `layers`: the distance of pixels is all there is",
        )?;
        if let (Some(side), Some(input)) = (self.crop, input) {
            let least = input.width.min(input.height);
            must((1..=least).contains(&side), "crop", &format!("1 to {least}, which is the input's shorter side"))?;
        }
        self.blur.map_or(Ok(()), BlurConfig::check)
    }
    /// The network of features where it is needed, for images of the model's input.
    /// # Errors
    /// [`Error::File`] where it is missing, ends too early, or takes other channels.
    pub fn agree(&self, model: &ModelFolder) -> Result<()> {
        if self.has_features() {
            let (net, path) = (features(model)?, model.networks.get(Role::Features)?.checkpoint.path());
            let (last, input) = (self.layers.last().copied().unwrap_or(0), model.config.image()?.channels);
            if last > net.layers() {
                let fault = format!("has {} layers, but `layers` names layer {last}", net.layers());
                return Err(Error::file(path, fault));
            }
            takes(net, input).map_err(|fault| Error::file(path, fault))?;
        }
        Ok(())
    }
    /// Why a setting has no effect beside the others, if it has none.
    pub fn idle(&self, name: &str) -> Option<&'static str> {
        match name {
            "v" | "normalisation" | "ratio" if !self.has_features() => {
                Some("there are no `layers` of features beside the pixels")
            }
            "normalisation" | "ratio" if self.v == 0.0 => {
                Some("`v` is 0, so that the distance of pixels counts nothing")
            }
            _ => None,
        }
    }
    /// What results take for granted, in sentences. An image whose noise is its own goes through the networks alone.
    pub fn taken(&self, noise_per: NoisePer) -> Option<String> {
        let several = noise_per != NoisePer::Image && self.normalisation == Normalisation::Batch;
        let batch = several && self.has_features() && self.v != 0.0;
        batch.then(|| {
            "The distance of pixels was scaled by the largest values of all images that went through the networks together, as published \
             (`normalisation` is batch): scores depend on which images those were."
                .into()
        })
    }
    /// The map (N,H,W,1) of an image and its reconstruction (N,H,W,C), in the current section. Pixels: the mean absolute difference over the
    /// channels, in a range from −1 to 1. Features: the sum over the layers of one less the cosine between what both images have there,
    /// averaged over 3×3 places with zeros around, and enlarged linearly with aligned corners.
    /// # Errors
    /// As [`ResNet::maps`].
    pub fn map(&self, g: &mut Graph, model: &ModelFolder, pair: [NodeId; 2]) -> Result<NodeId> {
        let [low, high] = model.config.image()?.range;
        let pixels = map::residual(g, pair, ResidualKind::Absolute, None, 2.0 / (high - low))?;
        let made = if self.has_features() { self.joined(g, model, pair, pixels)? } else { pixels };
        self.finished(g, made)
    }
    fn joined(&self, g: &mut Graph, model: &ModelFolder, pair: [NodeId; 2], pixels: NodeId) -> Result<NodeId> {
        let far = self.of_features(g, model, pair)?;
        if self.v == 0.0 {
            return Ok(far);
        }
        if let Some(ratio) = self.ratio {
            let scaled = g.map("pixels", pixels, Identity, (self.v * ratio) as f32, 0.0)?;
            return g.add("distance", far, scaled);
        }
        let top_far = g.push("largest of the features", Reduce, &[far])?;
        let top_pixels = g.push("largest of the pixels", Reduce, &[pixels])?;
        let op = Balance { factor: self.v as f32, batch: self.normalisation == Normalisation::Batch };
        g.push("distance", op, &[far, pixels, top_far, top_pixels])
    }
    fn of_features(&self, g: &mut Graph, model: &ModelFolder, pair: [NodeId; 2]) -> Result<NodeId> {
        let (net, size) = (model.networks.get(Role::Features)?, g.shape(pair[0]));
        let mut seen = Vec::new();
        for x in pair {
            let x = standardised(g, model, x)?;
            seen.push(features(model)?.maps(&net.checkpoint, g, x, self.layers)?);
        }
        let mut sum: Option<NodeId> = None;
        for (&of_image, &of_rebuilt) in seen[0].iter().zip(&seen[1]) {
            let pool = Pool { kind: PoolKind::Average, size: [3; 2], stride: 1, pad: 1 };
            let (a, b) = (g.push("patches", pool.clone(), &[of_image])?, g.push("patches", pool, &[of_rebuilt])?);
            let apart = g.push("apart", Cosine, &[a, b])?;
            let large = map::resized(g, apart, [size.h, size.w], Taps::aligned)?;
            sum = Some(match sum {
                Some(before) => g.add("layers", before, large)?,
                None => large,
            });
        }
        sum.ok_or_else(|| Error::Invalid("no layer of features".into()))
    }
    /// The blur, borders mirrored without repeating the outermost pixel as kornia does it, and zeros outside of the crop.
    fn finished(&self, g: &mut Graph, mut made: NodeId) -> Result<NodeId> {
        let factors = map::blur_factors(self.blur);
        if factors.len() == 1 && self.crop.is_none() {
            return Ok(made);
        }
        let size = g.shape(made);
        for (horizontal, n) in [(true, size.w), (false, size.h)] {
            let taps = Taps::mirrored(&factors, n).center(self.crop.unwrap_or(n));
            let (table, line) = taps.table();
            let table = g.weight(&format!("blur of {n}"), table);
            made = g.push("blur", AxisMap { table, line, inputs: n, outputs: n, horizontal }, &[made])?;
        }
        Ok(made)
    }
}

/// The network of features.
/// # Errors
/// [`Error::File`] naming the model folder where there is none.
pub(super) fn features(model: &ModelFolder) -> Result<&ResNet> {
    let Some(network) = model.networks.graphs.get(&Role::Features) else {
        let fault = "has no network of features (features.safetensors, or what `networks.features.file` names), which these settings need";
        return Err(Error::file(&model.path, fault));
    };
    match &network.architecture {
        Architecture::ResNet(net) => Ok(net),
        _ => Err(Error::file(network.checkpoint.path(), "is no ResNet, which makes features of images")),
    }
}

/// Whether it takes images of so many channels: of grey ones it may be given three equal channels.
pub(super) fn takes(net: &ResNet, channels: usize) -> Result<(), String> {
    let takes = net.in_channels();
    if takes != channels && channels != 1 {
        return Err(format!("takes images of {takes} channels, but `input.channels` is {channels}"));
    }
    if net.standard.is_none() {
        let fault = "and a network of other than colour images needs a config (features.json) with `image_mean` and `image_std`";
        return Err(format!("takes images of {takes} channels, {fault}"));
    }
    Ok(())
}

/// An image in the model's range (N,H,W,C) as the network of features takes it: to 0..1, standardised, a grey one repeated. One
/// convolution of 1×1.
/// # Errors
/// [`Error::Graph`] when the shapes do not fit.
pub(super) fn standardised(g: &mut Graph, model: &ModelFolder, x: NodeId) -> Result<NodeId> {
    let (net, [low, high]) = (features(model)?, model.config.image()?.range);
    let (out, channels) = (net.in_channels(), g.shape(x).c);
    let (scale, shift) = (1.0 / f64::from(high - low), -f64::from(low) / f64::from(high - low));
    let (mut weight, mut bias) = (vec![0.0; out * channels], Vec::with_capacity(out));
    let unknown = || Error::Invalid("nobody says how images are standardised for the network of features".into());
    let standard = net.standard.as_ref().ok_or_else(unknown)?;
    for (o, (&mean, &std)) in standard.mean.iter().zip(&standard.std).enumerate() {
        weight[o * channels + o % channels] = (scale / f64::from(std)) as f32;
        bias.push(((shift - f64::from(mean)) / f64::from(std)) as f32);
    }
    let spec = ConvSpec { weight: &weight, shape: [out, channels, 1, 1], bias: Some(&bias), stride: 1, pad: [0; 4] };
    g.conv("standardised", x, &spec)
}
