//! diffusers' `AutoencoderKL` and `VQModel`, with the attention names of today and of 0.16 and before.
use super::super::blocks::{Names, Settings};
use super::super::diffusers::{NAMES as UNET, block_types};
use super::super::source::{Heads, Source};
use super::{attends, codebook, halves, refuse};
use crate::kernels::pointwise::Activation;
use crate::model::autoencoder::{Autoencoder, AutoencoderLayout, Latent};
use crate::{Error, Result};

const NAMES: Names = Names { time: "", ..UNET };

/// The block types that are read: of the encoder, of the decoder; without and with attention.
const TYPES: [(&str, [&str; 2]); 2] = [
    ("down_block_types", ["DownEncoderBlock2D", "AttnDownEncoderBlock2D"]),
    ("up_block_types", ["UpDecoderBlock2D", "AttnUpDecoderBlock2D"]),
];

/// Describes the network.
pub(super) fn read(mut src: Source) -> Result<Autoencoder> {
    src.norms(["norm_num_groups", "norm_eps"], (32, 1e-6), true)?;
    let cfg = src.cfg;
    refuse(&src, "norm_type", cfg.text("norm_type")?.is_some_and(|kind| kind != "group"))?;
    for (key, known) in TYPES {
        let types = block_types(&src, key)?.unwrap_or_default();
        if let Some(kind) = types.iter().find(|kind| !known.contains(&kind.as_str())) {
            return Err(Error::file(cfg.path(), format!("`{key}`: `{kind}` is not supported in an autoencoder")));
        }
    }
    let heads = src.heads_override()?.unwrap_or(Heads::Count(1));
    let levels = halves::levels(&src, &NAMES);
    let set = Settings { act: activation(&src)?, ..Settings::plain(heads, levels, src.groups) };
    let found = halves::read(&src, &NAMES, &set, "conv_norm_out")?;
    let net = Autoencoder {
        layout: AutoencoderLayout::Diffusers,
        sample_size: cfg.size("sample_size")?,
        encoder: found.encoder.clone(),
        latent: codebook(&src, "quantize.embedding")?.unwrap_or(Latent::Normal),
        decoder: found.decoder.clone(),
    };
    agree(&src, &net, &found)?;
    Ok(net)
}

/// That of the residual blocks; the last one of either half is always SiLU.
fn activation(src: &Source) -> Result<Activation> {
    match src.cfg.text("act_fn")? {
        None | Some("silu" | "swish") => Ok(Activation::Silu),
        Some("relu") => Ok(Activation::Relu),
        Some("gelu") => Ok(Activation::Gelu),
        Some("mish") => Ok(Activation::Mish),
        Some(other) => Err(Error::file(src.cfg.path(), format!("`act_fn`: `{other}` is not supported"))),
    }
}

fn agree(src: &Source, net: &Autoencoder, found: &halves::Halves) -> Result<()> {
    let (cfg, levels) = (src.cfg, &found.levels);
    let latent = if cfg.get("vq_embed_dim").is_some() { "vq_embed_dim" } else { "latent_channels" };
    super::agree(src, net, ["in_channels", "out_channels", latent, "num_vq_embeddings"])?;
    src.agree("latent_channels", cfg.count("latent_channels")?, src.conv("decoder.conv_in")?.cin)?;
    let widths: Vec<usize> = levels.iter().map(|l| l.width).collect();
    src.agree("block_out_channels", cfg.counts("block_out_channels", widths.len())?, widths)?;
    let blocks: Vec<usize> = levels.iter().map(|l| l.blocks).collect();
    src.agree("layers_per_block", cfg.counts("layers_per_block", blocks.len())?, blocks)?;
    let attention: Vec<bool> = levels.iter().map(|l| l.attention).collect();
    let says = block_types(src, "down_block_types")?.map(|t| t.iter().map(|t| t.starts_with("Attn")).collect());
    src.agree("down_block_types", says, attention)?;
    src.agree("mid_block_add_attention", cfg.flag("mid_block_add_attention")?, attends(&found.middle))?;
    src.agree("use_quant_conv", cfg.flag("use_quant_conv")?, src.under("quant_conv."))?;
    src.agree("use_post_quant_conv", cfg.flag("use_post_quant_conv")?, src.under("post_quant_conv."))
}
