//! guided-diffusion's `UNetModel`: OpenAI's, improved-diffusion's, LDM's, Wolleb's, pDDPM's.
use super::numbered::{self, Body, Names, Settings};
use super::{Layout, source::Heads, source::Source};
use crate::Result;
use crate::model::config::AttentionOrder;
use crate::model::unet::{Layer, ResBlock, Resample, UnetSpec};

const NAMES: Names = Names {
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
    src.norms(["norm_num_groups", "norm_eps"], (32, 1e-5), Layout::Guided)?;
    if src.under("label_emb.0.") {
        return Err(src.fault("`label_emb.0` (a feature vector as condition, cDDPM) is not supported"));
    }
    let (heads, heads_up) = heads(&src)?;
    let flag = src.cfg.flag("use_new_attention_order")?;
    // Every version's default is the legacy order; only a file that comes with no settings at all is asked for it.
    let order = match flag {
        Some(true) => Some(AttentionOrder::New),
        Some(false) => Some(AttentionOrder::Legacy),
        None => src.cfg.exists().then_some(AttentionOrder::Legacy),
    };
    let body = numbered::read(&src, &NAMES, &Settings { heads, heads_up, order })?;
    let conv_in = src.conv("input_blocks.0.0")?;
    let spec = UnetSpec {
        layout: Layout::Guided,
        sample_size: src.cfg.size("image_size")?,
        center_input: false,
        time: src.time(["time_embed.0", "time_embed.2"], true, 0.0)?,
        class: src.class("label_emb", "num_classes")?,
        norm_out: src.norm("out.0")?,
        conv_out: src.conv("out.2")?,
        conv_in,
        encoder: body.encoder.clone(),
        middle: body.middle.clone(),
        decoder: body.decoder.clone(),
    };
    agree(&src, &spec, &body)?;
    Ok(spec)
}

fn heads(src: &Source) -> Result<(Heads, Heads)> {
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
pub(super) fn agree(src: &Source, spec: &UnetSpec, body: &Body) -> Result<()> {
    let cfg = src.cfg;
    let alias = |keys: &[&'static str]| cfg.alias(keys);
    // `num_channels` is the scripts' name, `base_channels` AnoDDPM's.
    let base_key = alias(&["model_channels", "base_channels", "num_channels"]);
    src.agree("in_channels", cfg.count("in_channels")?, spec.in_channels())?;
    src.agree("out_channels", cfg.count("out_channels")?, spec.out_channels())?;
    src.agree(base_key, cfg.count(base_key)?, spec.time.base)?;
    let levels = body.blocks.len();
    src.agree("num_res_blocks", cfg.counts("num_res_blocks", levels)?, body.blocks.clone())?;
    let mult_key = alias(&["channel_mult", "channel_mults"]);
    let base = spec.time.base as f64;
    let widths = |mults: Vec<f64>| mults.iter().map(|m| (m * base) as usize).collect::<Vec<_>>();
    src.agree(mult_key, cfg.numbers(mult_key)?.map(widths), level_widths(spec, body))?;
    let res = |f: fn(&ResBlock) -> bool| spec.layers().any(|l| matches!(l, Layer::Res(r) if f(r)));
    src.agree("use_scale_shift_norm", cfg.flag("use_scale_shift_norm")?, res(|r| r.scale_shift))?;
    if levels > 1 {
        let updown = res(|r| r.resample != Resample::None);
        src.agree("resblock_updown", cfg.flag("resblock_updown")?, updown)?;
    }
    // Lists are down-sampling factors; text is the scripts' and AnoDDPM's, in sizes, which AnoDDPM ignores.
    if cfg.get("attention_resolutions").is_some_and(|v| v.is_array()) {
        let factors = cfg.counts("attention_resolutions", 1)?.unwrap_or_default();
        let said: Vec<bool> = (0..levels).map(|l| factors.contains(&(1 << l.min(62)))).collect();
        src.agree("attention_resolutions", Some(said), level_attention(spec, body))?;
    }
    Ok(())
}

/// For each level, the encoder's stages without the halving one.
fn level_stages<'a>(spec: &'a UnetSpec, body: &Body) -> Vec<&'a [Vec<Layer>]> {
    let starts = body.blocks.iter().scan(0, |at, &n| {
        *at += n + 1;
        Some(*at - n - 1)
    });
    starts.zip(&body.blocks).map(|(at, &n)| spec.encoder.get(at..at + n).unwrap_or_default()).collect()
}

fn level_widths(spec: &UnetSpec, body: &Body) -> Vec<usize> {
    let width = |stages: &[Vec<Layer>]| {
        let mut widths = stages.iter().flatten().filter_map(|l| match l {
            Layer::Res(r) => Some(r.conv2.cout),
            _ => None,
        });
        widths.next().unwrap_or(0)
    };
    level_stages(spec, body).into_iter().map(width).collect()
}

fn level_attention(spec: &UnetSpec, body: &Body) -> Vec<bool> {
    let has = |stages: &[Vec<Layer>]| stages.iter().flatten().any(|l| matches!(l, Layer::Attention(_)));
    level_stages(spec, body).into_iter().map(has).collect()
}
