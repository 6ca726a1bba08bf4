//! diffusers' `UNet2DModel`, with the attention names of today and of 0.16 and before.
use super::blocks::{self, Body, Names, Settings};
use super::{Layout, source::Heads, source::Source};
use crate::kernels::pointwise::Activation;
use crate::model::unet::{Layer, UnetSpec};
use crate::{Error, Result};

pub(super) const NAMES: Names = Names {
    blocks: ["down_blocks", "up_blocks"],
    up_reversed: false,
    lists: ["resnets", "attentions"],
    time: "time_emb_proj",
    conv: "",
    skip: "conv_shortcut",
    down: "downsamplers.0",
    down_convs: ["conv", "Conv2d_0"],
    up: "upsamplers.0",
    up_conv: "conv",
    middle: ["mid_block.resnets.0", "mid_block.attentions.0", "mid_block.resnets.1"],
    attn_norm: "group_norm",
    attn: [["to_q", "query"], ["to_k", "key"], ["to_v", "value"], ["to_out.0", "proj_attn"]],
    attn_fused: "",
    attn_dead: "",
};

/// Describes the network.
pub(super) fn read(mut src: Source) -> Result<UnetSpec> {
    src.norms(["norm_num_groups", "norm_eps"], (32, 1e-5), true)?;
    refuse_unsupported(&src)?;
    let (cfg, over) = (src.cfg, src.over);
    let padding = over.downsample_padding.or(cfg.count("downsample_padding")?).unwrap_or(1);
    if padding > 1 {
        return Err(src.fault(format!("a downsample_padding of {padding} is not supported, only 0 and 1")));
    }
    let divisor = cfg.number("mid_block_scale_factor")?.unwrap_or(1.0) as f32;
    if !divisor.is_normal() {
        return Err(Error::file(cfg.path(), format!("`mid_block_scale_factor` is {divisor}")));
    }
    let settings = Settings {
        heads: vec![heads(&src)?; blocks::levels(&src, &NAMES)],
        right_bottom: padding == 0,
        mid_groups: cfg.count("attn_norm_num_groups")?.unwrap_or(src.groups),
        mid_divisor: divisor,
        bare: false,
        act: Activation::Silu,
    };
    let body = blocks::read(&src, &NAMES, &settings)?;
    let cos_first = over.flip_sin_to_cos.or(cfg.flag("flip_sin_to_cos")?).unwrap_or(true);
    let freq_shift = over.freq_shift.or(cfg.number("freq_shift")?.map(|f| f as f32)).unwrap_or(0.0);
    let spec = UnetSpec {
        layout: Layout::Diffusers,
        sample_size: cfg.size("sample_size")?,
        center_input: cfg.flag("center_input_sample")?.unwrap_or(false),
        time: src.time(["time_embedding.linear_1", "time_embedding.linear_2"], cos_first, freq_shift)?,
        class: src.class("class_embedding", "num_class_embeds")?,
        semantic: None,
        conv_in: src.conv("conv_in")?,
        norm_out: src.norm("conv_norm_out")?,
        conv_out: src.conv("conv_out")?,
        encoder: body.encoder.clone(),
        middle: body.middle.clone(),
        decoder: body.decoder.clone(),
    };
    agree(&src, &spec, &body)?;
    Ok(spec)
}

/// Channels of one head: null is one head; a config without the key means 8, every version's default.
fn heads(src: &Source) -> Result<Heads> {
    if let Some(heads) = src.heads_override()? {
        return Ok(heads);
    }
    Ok(match src.cfg.count("attention_head_dim")? {
        Some(width) => Heads::Width(width),
        None if src.cfg.has("attention_head_dim") => Heads::Count(1),
        None if src.cfg.exists() => Heads::Width(8),
        None => Heads::Unknown { name: "attention_head_dim" },
    })
}

fn refuse_unsupported(src: &Source) -> Result<()> {
    let cfg = src.cfg;
    let refuse = |what: String| Err(Error::file(cfg.path(), format!("{what} is not supported")));
    for (key, allowed) in [
        ("time_embedding_type", &["positional"][..]),
        ("act_fn", &["silu", "swish"]),
        ("mid_block_type", &["UNetMidBlock2D"]),
        ("resnet_time_scale_shift", &["default", "scale_shift"]),
    ] {
        if let Some(value) = cfg.text(key)?.filter(|v| !allowed.contains(v)) {
            return refuse(format!("`{key}`: `{value}`"));
        }
    }
    if let Some(kind) = cfg.get("class_embed_type") {
        return refuse(format!("`class_embed_type`: {kind}"));
    }
    for key in ["down_block_types", "up_block_types"] {
        for block in block_types(src, key)?.unwrap_or_default() {
            let known = ["DownBlock2D", "AttnDownBlock2D", "UpBlock2D", "AttnUpBlock2D"].contains(&block.as_str());
            let resnet = ["ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D"].contains(&block.as_str());
            if !known && !resnet {
                return refuse(format!("`{key}`: `{block}`"));
            }
        }
    }
    if src.under("time_proj.") {
        return Err(src.fault("`time_proj` (a Fourier or learned time embedding) is not supported"));
    }
    Ok(())
}

/// A list of block types without the `UNetRes` that old files write before them.
pub(super) fn block_types(src: &Source, key: &str) -> Result<Option<Vec<String>>> {
    let Some(value) = src.cfg.get(key) else { return Ok(None) };
    let name = |v: &serde_json::Value| v.as_str().map(|s| s.strip_prefix("UNetRes").unwrap_or(s).to_owned());
    // Names in one text, separated by commas, are a list, too; a printed one is read as such already.
    let plain = |c: char| c.is_ascii_alphanumeric() || "_, ".contains(c);
    let names: Option<Vec<String>> = match value {
        serde_json::Value::String(text) if !text.is_empty() && text.chars().all(plain) => {
            text.split(',').map(|n| name(&n.trim().into())).collect()
        }
        other => other.as_array().and_then(|list| list.iter().map(name).collect()),
    };
    let fault = || Error::file(src.cfg.path(), format!("`{key}` is {value}, not a list of block types"));
    names.map(Some).ok_or_else(fault)
}

fn agree(src: &Source, spec: &UnetSpec, body: &Body) -> Result<()> {
    let cfg = src.cfg;
    let levels = &body.levels;
    src.agree("in_channels", cfg.count("in_channels")?, spec.in_channels())?;
    src.agree("out_channels", cfg.count("out_channels")?, spec.out_channels())?;
    let widths: Vec<usize> = levels.iter().map(|l| l.width).collect();
    src.agree("block_out_channels", cfg.counts("block_out_channels", widths.len())?, widths)?;
    let blocks: Vec<usize> = levels.iter().map(|l| l.blocks).collect();
    src.agree("layers_per_block", cfg.counts("layers_per_block", blocks.len())?, blocks)?;
    let attends = |types: Vec<String>| types.iter().map(|t| t.starts_with("Attn")).collect::<Vec<_>>();
    let attention: Vec<bool> = levels.iter().map(|l| l.attention).collect();
    src.agree("down_block_types", block_types(src, "down_block_types")?.map(attends), attention)?;
    let scale_shift = spec.layers().any(|l| matches!(l, Layer::Res(r) if r.scale_shift));
    let says = cfg.text("resnet_time_scale_shift")?.map(|s| s == "scale_shift");
    src.agree("resnet_time_scale_shift", says, scale_shift)?;
    if !body.middle.is_empty() {
        let attention = body.middle.iter().any(|l| matches!(l, Layer::Attention(_)));
        src.agree("add_attention", cfg.flag("add_attention")?, attention)?;
    }
    Ok(())
}
