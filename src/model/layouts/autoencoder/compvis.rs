//! CompVis' latent-diffusion: `AutoencoderKL` and `VQModel`, whose two halves stand in `ddconfig`.
use super::super::blocks::{Names, Settings};
use super::super::source::{Heads, Source};
use super::{codebook, halves, refuse};
use crate::kernels::pointwise::Activation;
use crate::model::autoencoder::{Autoencoder, AutoencoderLayout, Latent, Step};
use crate::{Error, Result};

const NAMES: Names = Names {
    blocks: ["down", "up"],
    up_reversed: true,
    lists: ["block", "attn"],
    time: "",
    conv: "",
    skip: "nin_shortcut",
    down: "downsample",
    down_convs: ["conv", "conv"],
    up: "upsample",
    up_conv: "conv",
    middle: ["mid.block_1", "mid.attn_1", "mid.block_2"],
    attn_norm: "norm",
    attn: [["q", ""], ["k", ""], ["v", ""], ["proj_out", "proj_out"]],
    attn_fused: "",
    attn_dead: "",
};

/// Describes the network.
pub(super) fn read(mut outer: Source) -> Result<Autoencoder> {
    outer.norms(["norm_num_groups", "norm_eps"], (32, 1e-6), false)?;
    refuse(&outer, "remap", true)?;
    let inner = outer.cfg.group("ddconfig")?;
    let cfg = inner.as_ref().unwrap_or(outer.cfg);
    let src = Source { cfg, ..outer };
    refuse(&src, "use_linear_attn", cfg.flag("use_linear_attn")?.unwrap_or(false))?;
    refuse(&src, "give_pre_end", cfg.flag("give_pre_end")?.unwrap_or(false))?;
    let kinds = ["vanilla", "vanilla-xformers", "memory-efficient-cross-attn", "none"];
    refuse(&src, "attn_type", cfg.text("attn_type")?.is_some_and(|kind| !kinds.contains(&kind)))?;
    if src.under("encoder.mid.attn_1.to_qkv.") {
        return Err(src.fault("`encoder.mid.attn_1.to_qkv` (linear attention) is not supported"));
    }
    let heads = src.heads_override()?.unwrap_or(Heads::Count(1));
    let bare = !cfg.flag("resamp_with_conv")?.unwrap_or(true);
    let set = Settings { bare, ..Settings::plain(heads, halves::levels(&src, &NAMES), src.groups) };
    let mut found = halves::read(&src, &NAMES, &set, "norm_out")?;
    if cfg.flag("tanh_out")?.unwrap_or(false) {
        found.decoder.push(Step::Activation(Activation::Tanh));
    }
    let net = Autoencoder {
        layout: AutoencoderLayout::CompVis,
        sample_size: cfg.size("resolution")?,
        encoder: found.encoder.clone(),
        latent: codebook(&src, "quantize.embedding")?.unwrap_or(Latent::Normal),
        decoder: found.decoder.clone(),
    };
    agree(&src, &net, &found)?;
    outer.agree("embed_dim", outer.cfg.count("embed_dim")?, net.latent_channels())?;
    match net.codes() {
        Some(rows) => outer.agree("n_embed", outer.cfg.count("n_embed")?, rows)?,
        None => refuse(&outer, "n_embed", true)?,
    }
    Ok(net)
}

fn agree(src: &Source, net: &Autoencoder, found: &halves::Halves) -> Result<()> {
    let (cfg, levels) = (src.cfg, &found.levels);
    src.agree("in_channels", cfg.count("in_channels")?, net.in_channels())?;
    src.agree("out_ch", cfg.count("out_ch")?, net.out_channels())?;
    src.agree("double_z", cfg.flag("double_z")?, net.codes().is_none())?;
    let z = cfg.count("z_channels")?;
    src.agree("z_channels", z, src.conv("decoder.conv_in")?.cin)?;
    let widths: Vec<usize> = levels.iter().map(|l| l.width).collect();
    if let (Some(ch), Some(mults)) = (cfg.count("ch")?, cfg.numbers("ch_mult")?) {
        let says = mults.iter().map(|m| (m * ch as f64) as usize).collect();
        src.agree("ch_mult", Some(says), widths)?;
    }
    let blocks: Vec<usize> = levels.iter().map(|l| l.blocks).collect();
    src.agree("num_res_blocks", cfg.counts("num_res_blocks", blocks.len())?, blocks)?;
    if let (Some((side, _)), Some(list)) = (net.sample_size, cfg.counts("attn_resolutions", 1)?) {
        let says = (0..levels.len()).map(|l| list.contains(&(side >> l.min(63)))).collect();
        src.agree("attn_resolutions", Some(says), levels.iter().map(|l| l.attention).collect::<Vec<_>>())?;
    }
    let none = cfg.text("attn_type")? == Some("none");
    if none && super::attends(&found.middle) {
        return Err(Error::file(cfg.path(), "`attn_type` is `none`, but the weights have an attention in the middle"));
    }
    Ok(())
}
