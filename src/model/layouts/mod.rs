//! Checkpoint layouts: how published code names and arranges the one UNet. Recognised from the keys.
mod anoddpm;
mod autoencoder;
mod blocks;
mod classifier;
mod diffae;
mod diffusers;
mod guided;
mod levels;
mod monai;
mod numbered;
mod source;

use super::config::{Config, Overrides};
use super::{Checkpoint, ClassifierSpec, Layout, unet::UnetSpec};
use crate::{Error, Result};
use source::Source;

pub use autoencoder::{is_autoencoder_class, read_autoencoder};

/// Networks that are recognised, so that the error can name them, but are no UNet that this crate runs.
const OTHERS: [(&str, &str, &str); 5] = [
    (
        "middle_block.resnet_1.",
        "out.3.",
        "a MONAI classifier (DiffusionModelEncoder), whose head takes one size of image alone",
    ),
    ("encoder.blocks.", "quantizer.", "a MONAI VQVAE"),
    ("encoder.blocks.", "quant_conv_mu.", "a MONAI AutoencoderKL"),
    ("encoder.down_blocks.", "decoder.", "a diffusers autoencoder"),
    ("encoder.down.0.", "decoder.", "a CompVis autoencoder"),
];

/// Recognises a UNet from its keys.
/// # Errors
/// [`Error::File`] naming the network it is instead, or some keys of one that is not known.
pub fn recognise(ck: &Checkpoint) -> Result<Layout> {
    let has = |prefix: &str| ck.has_under(prefix);
    if has("input_blocks.") && has("output_blocks.") {
        return Ok(if has("time_embed.time_embed.") { Layout::DiffAe } else { Layout::Guided });
    }
    if has("middle_block.resnet_1.") && (has("up_blocks.") || !has("out.3.")) {
        let old = ck.keys().any(|k| k.ends_with(".proj_attn.weight"));
        let old = old || ck.contains("middle_block.attention.to_q.weight");
        return Ok(if old { Layout::MonaiGenerative } else { Layout::MonaiCore });
    }
    if has("down_blocks.") && (has("time_embedding.linear_") || has("mid_block.")) {
        return Ok(Layout::Diffusers);
    }
    if has("down.0.") && has("time_embedding.") {
        return Ok(Layout::AnoDdpm);
    }
    if is_classifier(ck) {
        return Err(Error::file(
            ck.path(),
            "this is a guided-diffusion classifier (EncoderUNetModel), not a diffusion UNet",
        ));
    }
    if let Some((.., what)) = OTHERS.iter().find(|(a, b, _)| has(a) && has(b)) {
        return Err(Error::file(ck.path(), format!("this is {what}, not a diffusion UNet")));
    }
    if is_resnet(ck) {
        return Err(Error::file(ck.path(), "this is a ResNet, which makes features of images, not a diffusion UNet"));
    }
    let keys: Vec<String> = ck.keys().take(3).map(|k| format!("`{k}`")).collect();
    Err(Error::file(ck.path(), format!("not a UNet of a known layout; its keys begin {}", keys.join(", "))))
}

/// Whether the keys are those of a ResNet in torchvision's layout.
pub fn is_resnet(ck: &Checkpoint) -> bool {
    ck.has_under("layer1.0.") && ck.contains("conv1.weight")
}

/// Whether the keys are those of guided-diffusion's classifier, `EncoderUNetModel`: a UNet's without a decoder.
pub fn is_classifier(ck: &Checkpoint) -> bool {
    let has = |prefix: &str| ck.has_under(prefix);
    let all = ["input_blocks.", "middle_block.", "time_embed.0.", "out."].into_iter().all(has);
    all && !has("output_blocks.") && !has("middle_block.resnet_1.")
}

/// Whether the keys are those of an autoencoder of a known layout.
pub fn is_autoencoder(ck: &Checkpoint) -> bool {
    autoencoder::recognise(ck).is_some()
}

/// The layouts that a config's `_class_name` may stand for; none when the name is not known.
fn of_class(name: &str) -> &'static [Layout] {
    match name {
        n if n.ends_with("UNet2DModel") => &[Layout::Diffusers],
        n if n.ends_with("DiffusionModelUNet") => &[Layout::MonaiCore, Layout::MonaiGenerative],
        n if n.starts_with("AnoDDPM") => &[Layout::AnoDdpm],
        n if n.ends_with("BeatGANsAutoencModel") => &[Layout::DiffAe],
        n if n.ends_with(CLASSIFIER) => &[],
        n if n.ends_with("UNetModel") => &[Layout::Guided, Layout::AnoDdpm],
        _ => &[],
    }
}

/// The classifier's class, in a config.
pub(super) const CLASSIFIER: &str = "EncoderUNetModel";

/// Describes the classifier that a checkpoint holds, by the same rules as [`read`].
/// # Errors
/// As [`read`], and what [`ClassifierSpec::check`] says.
pub fn read_classifier(ck: &Checkpoint, cfg: &Config, over: &Overrides) -> Result<ClassifierSpec> {
    if !is_classifier(ck) {
        let what = match recognise(ck) {
            Ok(layout) => layout.to_string(),
            Err(other) => return Err(other),
        };
        return Err(Error::file(
            ck.path(),
            format!("this is a {what}, not a classifier (guided-diffusion's {CLASSIFIER})"),
        ));
    }
    let class = cfg.text("_class_name")?.unwrap_or(CLASSIFIER);
    if !class.ends_with(CLASSIFIER) && !of_class(class).is_empty() {
        let fault =
            format!("`_class_name` is `{class}`, but the weights in {} are a classifier's", ck.path().display());
        return Err(Error::file(cfg.path(), fault));
    }
    let spec = classifier::read(Source::new(ck, cfg, over))?;
    spec.check(ck)?;
    Ok(spec)
}

/// Describes the UNet that a checkpoint holds: structure from the weights, the rest from the overrides,
/// else from the config, else from the original's documented defaults.
/// # Errors
/// [`Error::MissingSetting`] for a head count or an attention order that nobody gives, [`Error::File`] for
/// another network or a config that contradicts the weights, and what [`UnetSpec::check`] says.
pub fn read(ck: &Checkpoint, cfg: &Config, over: &Overrides) -> Result<UnetSpec> {
    let layout = recognise(ck)?;
    let class = cfg.text("_class_name")?.unwrap_or_default();
    let named = of_class(class);
    if !named.is_empty() && !named.contains(&layout) {
        let fault = format!("`_class_name` is `{class}`, but the weights in {} are {layout}", ck.path().display());
        return Err(Error::file(cfg.path(), fault));
    }
    let src = Source::new(ck, cfg, over);
    let spec = match layout {
        Layout::Diffusers => diffusers::read(src),
        Layout::Guided => guided::read(src),
        Layout::DiffAe => diffae::read(src),
        Layout::AnoDdpm => anoddpm::read(src),
        Layout::MonaiCore | Layout::MonaiGenerative => monai::read(src, layout),
    }?;
    spec.check(ck)?;
    Ok(spec)
}

#[cfg(test)]
mod tests;
