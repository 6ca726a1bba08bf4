//! Layouts of autoencoders. Recognised from the keys, as those of the UNet.
mod compvis;
mod diffusers;
mod halves;
mod monai_kl;
mod monai_vq;

use super::source::Source;
use crate::model::autoencoder::{Autoencoder, AutoencoderLayout, Latent};
use crate::model::config::{Config, Overrides};
use crate::model::{Checkpoint, unet::Layer};
use crate::{Error, Result};

/// Recognises an autoencoder from its keys.
pub(in crate::model) fn recognise(ck: &Checkpoint) -> Option<AutoencoderLayout> {
    let has = |prefix: &str| ck.has_under(prefix);
    let first = |prefix: &str| has(&format!("encoder.{prefix}")) && has("decoder.");
    match () {
        () if first("blocks.0.") && has("quantizer.") => Some(AutoencoderLayout::MonaiVq),
        () if first("blocks.0.") && has("quant_conv_mu.") => Some(AutoencoderLayout::MonaiKl),
        () if first("down_blocks.0.") => Some(AutoencoderLayout::Diffusers),
        () if first("down.0.") => Some(AutoencoderLayout::CompVis),
        () => None,
    }
}

/// The class names of configs, what stands before a dot aside, and whether they have a codebook.
const CLASSES: [(&str, bool); 4] =
    [("AutoencoderKL", false), ("VQModel", true), ("VQModelInterface", true), ("VQVAE", true)];

/// Whether a config's `_class_name` is that of an autoencoder that is read here.
pub fn is_autoencoder_class(name: &str) -> bool {
    of_class(name).is_some()
}

/// Whether a class of autoencoders has a codebook; none for another class.
fn of_class(name: &str) -> Option<bool> {
    let class = name.rsplit('.').next().unwrap_or(name);
    CLASSES.iter().find(|(known, _)| *known == class).map(|c| c.1)
}

/// Describes the autoencoder that a checkpoint holds: structure from the weights, the rest from the overrides, else from the
/// config, else from the original's documented defaults.
/// # Errors
/// [`Error::File`] for another network, for a setting that is not supported, and for a config that contradicts the weights; what
/// [`Autoencoder::check`] says.
pub fn read_autoencoder(ck: &Checkpoint, cfg: &Config, over: &Overrides) -> Result<Autoencoder> {
    let Some(layout) = recognise(ck) else {
        let what = super::recognise(ck).map(|layout| layout.to_string());
        let fault =
            what.map_or("holds no autoencoder of a known layout".into(), |w| format!("is a {w}, no autoencoder"));
        return Err(Error::file(ck.path(), fault));
    };
    let src = Source::new(ck, cfg, over);
    let net = match layout {
        AutoencoderLayout::CompVis => compvis::read(src),
        AutoencoderLayout::Diffusers => diffusers::read(src),
        AutoencoderLayout::MonaiKl => monai_kl::read(src),
        AutoencoderLayout::MonaiVq => monai_vq::read(src),
    }?;
    if let Some(class) = cfg.text("_class_name")? {
        let monai_vq = layout == AutoencoderLayout::MonaiVq;
        let fits = of_class(class) == Some(net.codes().is_some()) && class.ends_with("VQVAE") == monai_vq;
        if !fits {
            let path = ck.path().display();
            let fault = format!("`_class_name` is `{class}`, but the weights in {path} are a {}", net.title());
            return Err(Error::file(cfg.path(), fault));
        }
    }
    net.check(ck)?;
    Ok(net)
}

/// The codebook under `key`, where there is one.
fn codebook(src: &Source, key: &str) -> Result<Option<Latent>> {
    if !src.under(&format!("{key}.")) {
        return Ok(None);
    }
    match *src.weight(key)? {
        [count, width] => Ok(Some(Latent::Codes { key: format!("{key}.weight"), count, width })),
        ref s => Err(src.fault(format!("tensor `{key}.weight` of shape {s:?} is no codebook"))),
    }
}

/// The keys by which configs call the latent's channels and the codebook's rows, against the weights.
fn agree(src: &Source, net: &Autoencoder, keys: [&str; 4]) -> Result<()> {
    let [image, out, latent, codes] = keys;
    let cfg = src.cfg;
    src.agree(image, cfg.count(image)?, net.in_channels())?;
    src.agree(out, cfg.count(out)?, net.out_channels())?;
    src.agree(latent, cfg.count(latent)?, net.latent_channels())?;
    match net.codes() {
        Some(rows) => src.agree(codes, cfg.count(codes)?, rows),
        None => Ok(()),
    }
}

/// Refuses a setting by its name, where it is not what the networks here do.
fn refuse(src: &Source, key: &str, unsupported: bool) -> Result<()> {
    match src.cfg.get(key) {
        Some(value) if unsupported => {
            Err(Error::file(src.cfg.path(), format!("`{key}`: {value} is not supported in an autoencoder")))
        }
        _ => Ok(()),
    }
}

/// Whether a stage has an attention.
fn attends(stage: &[Layer]) -> bool {
    stage.iter().any(|l| matches!(l, Layer::Attention(_)))
}
