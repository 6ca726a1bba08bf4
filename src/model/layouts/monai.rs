//! MONAI's `DiffusionModelUNet`: GenerativeModels' and, since 1.4, the core's.
use super::blocks::{self, Body, Names, Settings};
use super::{Layout, source::Heads, source::Source};
use crate::model::unet::{Layer, Resample, UnetSpec};
use crate::{Error, Result};

pub(super) const CORE: Names = Names {
    blocks: ["down_blocks", "up_blocks"],
    up_reversed: false,
    lists: ["resnets", "attentions"],
    time: "time_emb_proj",
    conv: ".conv",
    skip: "skip_connection.conv",
    down: "downsampler",
    down_convs: ["op.conv", "op.conv"],
    up: "upsampler",
    up_conv: "postconv.conv",
    middle: ["middle_block.resnet_1", "middle_block.attention", "middle_block.resnet_2"],
    attn_norm: "norm",
    attn: [["attn.to_q", ""], ["attn.to_k", ""], ["attn.to_v", ""], ["attn.out_proj", ""]],
    attn_fused: "attn.qkv",
    attn_dead: "",
};

/// GenerativeModels makes `proj_attn` but never applies it (GenerativeModels#503, MONAI#7991).
pub(super) const GENERATIVE: Names = Names {
    up_conv: "conv.conv",
    attn: [["to_q", ""], ["to_k", ""], ["to_v", ""], ["", ""]],
    attn_fused: "",
    attn_dead: "proj_attn",
    ..CORE
};

/// Describes the network.
pub(super) fn read(mut src: Source, layout: Layout) -> Result<UnetSpec> {
    src.norms(["norm_num_groups", "norm_eps"], (32, 1e-6), true)?;
    let cfg = src.cfg;
    src.agree("spatial_dims", cfg.count("spatial_dims")?, 2)?;
    if cfg.flag("with_conditioning")? == Some(true) {
        return Err(Error::file(cfg.path(), "`with_conditioning` (cross-attention) is not supported"));
    }
    let names = if layout == Layout::MonaiCore { &CORE } else { &GENERATIVE };
    let settings =
        Settings { heads: heads(&src)?, right_bottom: false, ..Settings::plain(Heads::Width(1), 1, src.groups) };
    let body = blocks::read(&src, names, &settings)?;
    if body.middle.len() != 3 {
        return Err(src.missing(format!("{}.norm.weight", names.middle[1])));
    }
    let spec = UnetSpec {
        layout,
        sample_size: cfg.size("sample_size")?,
        center_input: false,
        time: src.time(["time_embed.0", "time_embed.2"], true, 0.0)?,
        class: src.class("class_embedding", "num_class_embeds")?,
        semantic: None,
        conv_in: src.conv("conv_in.conv")?,
        norm_out: src.norm("out.0")?,
        conv_out: src.conv("out.2.conv")?,
        encoder: body.encoder.clone(),
        middle: body.middle.clone(),
        decoder: body.decoder.clone(),
    };
    agree(&src, &spec, &body)?;
    Ok(spec)
}

/// Channels of one head for each level; 8 where a config leaves it out, as the constructor does.
fn heads(src: &Source) -> Result<Vec<Heads>> {
    let levels = blocks::levels(src, &CORE);
    if let Some(heads) = src.heads_override()? {
        return Ok(vec![heads; levels]);
    }
    let widths = src.cfg.counts("num_head_channels", levels)?;
    Ok(match widths {
        Some(widths) if widths.len() == levels => widths.into_iter().map(Heads::Width).collect(),
        Some(widths) => {
            let fault = format!("`num_head_channels` has {} entries, but there are {levels} levels", widths.len());
            return Err(Error::file(src.cfg.path(), fault));
        }
        None if src.cfg.exists() => vec![Heads::Width(8); levels],
        None => vec![Heads::Unknown { name: "num_head_channels" }; levels],
    })
}

fn agree(src: &Source, spec: &UnetSpec, body: &Body) -> Result<()> {
    let cfg = src.cfg;
    let levels = &body.levels;
    src.agree("in_channels", cfg.count("in_channels")?, spec.in_channels())?;
    src.agree("out_channels", cfg.count("out_channels")?, spec.out_channels())?;
    // Renamed between the two.
    let key = cfg.alias(&["channels", "num_channels"]);
    src.agree(key, cfg.counts(key, levels.len())?, levels.iter().map(|l| l.width).collect())?;
    let blocks: Vec<usize> = levels.iter().map(|l| l.blocks).collect();
    src.agree("num_res_blocks", cfg.counts("num_res_blocks", blocks.len())?, blocks)?;
    let says = cfg.get("attention_levels").and_then(|v| v.as_array()?.iter().map(|b| b.as_bool()).collect());
    src.agree("attention_levels", says, levels.iter().map(|l| l.attention).collect::<Vec<bool>>())?;
    if levels.len() > 1 {
        let updown = spec.layers().any(|l| matches!(l, Layer::Res(r) if r.resample != Resample::None));
        src.agree("resblock_updown", cfg.flag("resblock_updown")?, updown)?;
    }
    Ok(())
}
