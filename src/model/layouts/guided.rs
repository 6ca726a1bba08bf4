//! guided-diffusion's `UNetModel`: OpenAI's, improved-diffusion's, LDM's, Wolleb's, pDDPM's.
use super::numbered::{self, Names, Settings};
use super::{Layout, source::Heads, source::Source};
use crate::Result;
use crate::model::config::AttentionOrder;
use crate::model::trunk::Trunk;
use crate::model::unet::{Layer, ResBlock, Resample, UnetSpec};

pub(super) const NAMES: Names = Names {
    input: "input_blocks",
    middle: "middle_block",
    output: "output_blocks",
    emb: "emb_layers.1",
    qkv: "qkv",
    down: "op",
    up: "conv",
};

/// Describes the network.
pub(super) fn read(mut src: Source) -> Result<UnetSpec> {
    src.norms(["norm_num_groups", "norm_eps"], (32, 1e-5), false)?;
    if src.under("label_emb.0.") {
        return Err(src.fault("`label_emb.0` (a feature vector as condition, cDDPM) is not supported"));
    }
    let (heads, heads_up) = heads(&src)?;
    let body = numbered::read(&src, &NAMES, &Settings { heads, heads_up, order: order(&src)? })?;
    let conv_in = src.conv("input_blocks.0.0")?;
    let spec = UnetSpec {
        layout: Layout::Guided,
        sample_size: src.cfg.size("image_size")?,
        center_input: false,
        time: src.time(["time_embed.0", "time_embed.2"], true, 0.0)?,
        class: src.class("label_emb", "num_classes")?,
        semantic: None,
        norm_out: src.norm("out.0")?,
        conv_out: src.conv("out.2")?,
        conv_in,
        encoder: body.encoder.clone(),
        middle: body.middle.clone(),
        decoder: body.decoder.clone(),
    };
    agree(&src, &spec.trunk(), spec.out_channels(), &body.blocks)?;
    Ok(spec)
}

/// The order of qkv rows, where something says it.
pub(super) fn order(src: &Source) -> Result<Option<AttentionOrder>> {
    let flag = src.cfg.flag("use_new_attention_order")?;
    // Every version's default is the legacy order; only a file that comes with no settings at all is asked for it.
    Ok(match flag {
        Some(true) => Some(AttentionOrder::New),
        Some(false) => Some(AttentionOrder::Legacy),
        None => src.cfg.exists().then_some(AttentionOrder::Legacy),
    })
}

/// Heads of the encoder with the middle, and of the decoder.
pub(super) fn heads(src: &Source) -> Result<(Heads, Heads)> {
    if let Some(heads) = src.heads_override()? {
        return Ok((heads, heads));
    }
    let given = |key: &str| Ok::<_, crate::Error>(src.cfg.number(key)?.filter(|&n| n >= 1.0).map(|n| n as usize));
    if let Some(width) = given("num_head_channels")? {
        return Ok((Heads::Width(width), Heads::Width(width)));
    }
    let heads = match given("num_heads")? {
        Some(n) => Heads::Count(n),
        // A config that names its class lists constructor arguments, of which this one's default is 1. The
        // command-line scripts have another default, so a list of flags must say.
        None if src.cfg.get("_class_name").is_some() => Heads::Count(1),
        None => Heads::Unknown { name: "num_heads" },
    };
    Ok((heads, given("num_heads_upsample")?.map_or(heads, Heads::Count)))
}

/// Compares what the config says with what the weights say.
pub(super) fn agree(src: &Source, trunk: &Trunk, out: usize, blocks: &[usize]) -> Result<()> {
    let cfg = src.cfg;
    let alias = |keys: &[&'static str]| cfg.alias(keys);
    // `num_channels` is the scripts' name, `base_channels` AnoDDPM's.
    let base_key = alias(&["model_channels", "base_channels", "num_channels"]);
    src.agree("in_channels", cfg.count("in_channels")?, trunk.conv_in.cin)?;
    src.agree("out_channels", cfg.count("out_channels")?, out)?;
    let base = trunk.time.map_or(0, |t| t.base);
    src.agree(base_key, cfg.count(base_key)?, base)?;
    let levels = blocks.len();
    src.agree("num_res_blocks", cfg.counts("num_res_blocks", levels)?, blocks.to_vec())?;
    let mult_key = alias(&["channel_mult", "channel_mults"]);
    let found = trunk.levels();
    agree_widths(src, trunk, base, mult_key)?;
    let res = |f: fn(&ResBlock) -> bool| trunk.layers().any(|l| matches!(l, Layer::Res(r) if f(r)));
    src.agree("use_scale_shift_norm", cfg.flag("use_scale_shift_norm")?, res(|r| r.scale_shift))?;
    if levels > 1 {
        let updown = res(|r| r.resample != Resample::None);
        src.agree("resblock_updown", cfg.flag("resblock_updown")?, updown)?;
    }
    // Lists are down-sampling factors; text is the scripts' and AnoDDPM's, in sizes, which AnoDDPM ignores.
    if cfg.get("attention_resolutions").is_some_and(|v| v.is_array()) {
        let factors = cfg.counts("attention_resolutions", 1)?.unwrap_or_default();
        let said: Vec<bool> = (0..levels).map(|l| factors.contains(&(1 << l.min(62)))).collect();
        src.agree("attention_resolutions", Some(said), found.iter().map(|l| l.attention).collect())?;
    }
    Ok(())
}

/// Compares the widths of the levels with multiples of `base`.
pub(super) fn agree_widths(src: &Source, trunk: &Trunk, base: usize, key: &str) -> Result<()> {
    let widths = |mults: Vec<f64>| mults.iter().map(|m| (m * base as f64) as usize).collect::<Vec<_>>();
    src.agree(key, src.cfg.numbers(key)?.map(widths), trunk.levels().iter().map(|l| l.width).collect())
}
