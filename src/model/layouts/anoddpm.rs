//! AnoDDPM's `UNetModel`: guided-diffusion's grammar in other words, sines before cosines, legacy order.
use super::numbered::{self, Names, Settings};
use super::{Layout, guided, source::Heads, source::Source};
use crate::Result;
use crate::model::config::AttentionOrder;
use crate::model::unet::UnetSpec;

const NAMES: Names = Names {
    input: "down",
    middle: "middle",
    output: "up",
    emb: "embed_layers.1",
    qkv: "to_qkv",
    down: "downsample",
    up: "conv",
};

/// Describes the network. The head count is asked for when nobody gives it: the published training
/// code uses two heads, the published evaluation code one, on the same weights.
pub(super) fn read(mut src: Source) -> Result<UnetSpec> {
    src.norms(["norm_num_groups", "norm_eps"], (32, 1e-5), false)?;
    let heads = heads(&src)?;
    let order = Some(AttentionOrder::Legacy);
    let body = numbered::read(&src, &NAMES, &Settings { heads, heads_up: heads, order })?;
    let spec = UnetSpec {
        layout: Layout::AnoDdpm,
        sample_size: src.cfg.size("img_size")?,
        center_input: false,
        time: src.time(["time_embedding.1", "time_embedding.3"], false, 0.0)?,
        class: None,
        semantic: None,
        conv_in: src.conv("down.0.0")?,
        encoder: body.encoder.clone(),
        middle: body.middle.clone(),
        decoder: body.decoder.clone(),
        norm_out: src.norm("out.0")?,
        conv_out: src.conv("out.2")?,
    };
    guided::agree(&src, &spec.trunk(), spec.out_channels(), &body.blocks)?;
    Ok(spec)
}

fn heads(src: &Source) -> Result<Heads> {
    if let Some(heads) = src.heads_override()? {
        return Ok(heads);
    }
    let given = |keys: [&'static str; 2]| {
        let key = src.cfg.alias(&keys);
        Ok::<_, crate::Error>(src.cfg.number(key)?.filter(|&n| n >= 1.0).map(|n| n as usize))
    };
    if let Some(width) = given(["n_head_channels", "num_head_channels"])? {
        return Ok(Heads::Width(width));
    }
    Ok(match given(["n_heads", "num_heads"])? {
        Some(n) => Heads::Count(n),
        // As in guided-diffusion: a config that names its class lists constructor arguments, whose default is 1.
        None if src.cfg.get("_class_name").is_some() => Heads::Count(1),
        None => Heads::Unknown { name: "n_heads" },
    })
}
