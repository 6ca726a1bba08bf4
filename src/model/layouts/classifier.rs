//! guided-diffusion's `EncoderUNetModel`: the keys of its `UNetModel` without a decoder, and the head of a classifier.
use super::guided::{self, NAMES};
use super::levels;
use super::numbered::{self, Grammar};
use super::source::{Heads, Source};
use crate::Result;
use crate::model::classifier::{ClassifierPool, ClassifierSpec};

/// Describes the network.
pub(super) fn read(mut src: Source) -> Result<ClassifierSpec> {
    src.norms(["norm_num_groups", "norm_eps"], (32, 1e-5), false)?;
    let (heads, _) = guided::heads(&src)?;
    let pool = pool(&src)?;
    let grammar = Grammar::new(&src, &NAMES, guided::order(&src)?);
    let encoder = numbered::encoder(&grammar, heads, |g, last| {
        let halvings = halvings(&src, &pool)?;
        let keys = ["num_res_blocks", src.cfg.alias(&["channel_mult", "channel_mults"])];
        levels::turns(g, last, keys, halvings)
    })?;
    let mut spec = ClassifierSpec {
        sample_size: src.cfg.size("image_size")?,
        time: src.time(["time_embed.0", "time_embed.2"], true, 0.0)?,
        conv_in: src.conv("input_blocks.0.0")?,
        encoder: encoder.stages,
        middle: encoder.middle,
        pool,
    };
    guided::agree(&src, &spec.trunk(), spec.classes(), &encoder.blocks)?;
    src.agree("pool", src.cfg.text("pool")?, spec.pool.name())?;
    if let ClassifierPool::Attention { side, .. } = spec.pool {
        let size = side.checked_shl(spec.halvings()).map(|size| (size, size));
        src.agree("image_size", spec.sample_size, size.unwrap_or_default())?;
        spec.sample_size = size;
    }
    Ok(spec)
}

/// The head, which the keys tell.
fn pool(src: &Source) -> Result<ClassifierPool> {
    if src.under("out.2.positional_embedding") || src.under("out.2.qkv_proj.") {
        return attention(src);
    }
    let matrix = |key: &str| src.weight(key).is_ok_and(|shape| shape.len() > 1);
    match (src.under("out.1."), src.under("out.2."), src.under("out.3.")) {
        (true, _, _) => Ok(ClassifierPool::Spatial {
            linear1: src.linear("out.0")?,
            norm: Some(src.norm("out.1")?),
            linear2: src.linear("out.3")?,
        }),
        (false, false, true) => {
            Ok(ClassifierPool::Adaptive { norm: src.norm("out.0")?, linear: src.linear("out.3")? })
        }
        (false, true, false) if matrix("out.0") => Ok(ClassifierPool::Spatial {
            linear1: src.linear("out.0")?,
            norm: None,
            linear2: src.linear("out.2")?,
        }),
        _ => Err(src.fault(
            "its layers `out.N` are none of the pools adaptive, attention, spatial and spatial_v2 of a guided-diffusion \
             classifier (EncoderUNetModel)",
        )),
    }
}

fn attention(src: &Source) -> Result<ClassifierPool> {
    let (norm, qkv) = (src.norm("out.0")?, src.linear("out.2.qkv_proj")?);
    let positions = "out.2.positional_embedding";
    let tokens = match src.ck.shape(positions) {
        Some(&[_, tokens]) => tokens,
        Some(shape) => {
            return Err(src.fault(format!("tensor `{positions}` has the shape {shape:?}, not (channels, tokens)")));
        }
        None => return Err(src.missing(positions)),
    };
    let pixels = tokens.saturating_sub(1);
    let side = pixels.isqrt();
    if side == 0 || side * side != pixels {
        return Err(
            src.fault(format!("tensor `{positions}` has {tokens} tokens, which are not one more than a square"))
        );
    }
    // The original takes no other setting for this head, whatever the rest of the network has.
    let rule = match (src.heads_override()?, src.cfg.count("num_head_channels")?) {
        (Some(rule), _) => rule,
        (None, Some(width)) => Heads::Width(width),
        (None, None) => Heads::Unknown { name: "num_head_channels" },
    };
    let heads = src.heads(rule, "out.2", norm.channels)?;
    Ok(ClassifierPool::Attention {
        norm,
        positions: positions.into(),
        side,
        qkv,
        heads,
        proj: src.linear("out.2.c_proj")?,
    })
}

/// How often the image is halved, where the config and the number of positions say so together.
fn halvings(src: &Source, pool: &ClassifierPool) -> Result<Option<u32>> {
    let (ClassifierPool::Attention { side, .. }, Some((height, _))) = (pool, src.cfg.size("image_size")?) else {
        return Ok(None);
    };
    let times = height / side;
    Ok((times * side == height && times.is_power_of_two()).then(|| times.ilog2()))
}
