//! DiffAE's `BeatGANsAutoencModel`: guided-diffusion's UNet, whose blocks are modulated by the embedding of an image after the time, and
//! the encoder that makes the embedding.
use super::guided::{self, NAMES};
use super::numbered::{self, Grammar, Names, Settings};
use super::{Layout, levels, source::Heads, source::Source};
use crate::Result;
use crate::model::semantic::SemanticEncoder;
use crate::model::trunk::Trunk;
use crate::model::unet::UnetSpec;

/// The encoder's keys. Its blocks end after their first convolution.
const ENCODER: Names =
    Names { input: "encoder.input_blocks", middle: "encoder.middle_block", output: "", emb: "", ..NAMES };

/// Describes the network.
pub(super) fn read(mut src: Source) -> Result<UnetSpec> {
    src.norms(["norm_num_groups", "norm_eps"], (32, 1e-5), false)?;
    // As its `normalization` has it: min(32, channels).
    src.fewer_groups = true;
    // Every published config has one head.
    let one = |h| if matches!(h, Heads::Unknown { .. }) { Heads::Count(1) } else { h };
    let (heads, heads_up) = guided::heads(&src)?;
    let settings = Settings { heads: one(heads), heads_up: one(heads_up), order: guided::order(&src)? };
    let body = numbered::read(&src, &NAMES, &settings)?;
    let semantic = src.under("encoder.").then(|| encoder(&src, &settings)).transpose()?;
    let spec = UnetSpec {
        layout: Layout::DiffAe,
        sample_size: src.cfg.size("image_size")?,
        center_input: false,
        time: src.time(["time_embed.time_embed.0", "time_embed.time_embed.2"], true, 0.0)?,
        class: src.class("label_emb", "num_classes")?,
        semantic,
        norm_out: src.norm("out.0")?,
        conv_out: src.conv("out.2")?,
        conv_in: src.conv("input_blocks.0.0")?,
        encoder: body.encoder.clone(),
        middle: body.middle.clone(),
        decoder: body.decoder.clone(),
    };
    src.agree("in_channels", src.cfg.count("in_channels")?, spec.in_channels())?;
    src.agree("out_channels", src.cfg.count("out_channels")?, spec.out_channels())?;
    src.agree("model_channels", src.cfg.count("model_channels")?, spec.time.base)?;
    src.agree("embed_channels", src.cfg.count("embed_channels")?, spec.time.linear2.cout)?;
    let keys = ["num_res_blocks", "channel_mult", "attention_resolutions"];
    agree(&src, &spec.trunk(), &body.blocks, spec.time.base, keys)?;
    Ok(spec)
}

fn encoder(src: &Source, settings: &Settings) -> Result<SemanticEncoder> {
    if let Some(pool) = src.cfg.text("enc_pool")?.filter(|pool| *pool != "adaptivenonzero") {
        return Err(src.fault(format!("an encoder with the pool `{pool}` is not supported, only `adaptivenonzero`")));
    }
    let grammar = Grammar::new(src, &ENCODER, settings.order);
    let keys = ["enc_num_res_block", "enc_channel_mult"];
    let read = numbered::encoder(&grammar, settings.heads, |g, last| levels::turns(g, last, keys, None))?;
    let encoder = SemanticEncoder {
        conv_in: src.conv("encoder.input_blocks.0.0")?,
        encoder: read.stages,
        middle: read.middle,
        norm_out: src.norm("encoder.out.0")?,
        linear: src.linear("encoder.out.3")?,
    };
    src.agree("enc_out_channels", src.cfg.count("enc_out_channels")?, encoder.width())?;
    let keys = ["enc_num_res_block", "enc_channel_mult", "enc_attn_resolutions"];
    agree(src, &encoder.trunk(), &read.blocks, encoder.conv_in.cout, keys)?;
    Ok(encoder)
}

/// Compares levels with what the config says of them: blocks, widths as multiples of `base`, and the sizes of the image, in pixels,
/// at which there is attention.
fn agree(src: &Source, trunk: &Trunk, blocks: &[usize], base: usize, keys: [&str; 3]) -> Result<()> {
    let (found, [blocks_key, mult_key, attention_key]) = (trunk.levels(), keys);
    src.agree(blocks_key, src.cfg.counts(blocks_key, blocks.len())?, blocks.to_vec())?;
    guided::agree_widths(src, trunk, base, mult_key)?;
    if let (Some(sizes), Some((side, _))) = (src.cfg.counts(attention_key, 1)?, src.cfg.size("image_size")?) {
        let said = (0..found.len()).map(|l| sizes.contains(&(side >> l.min(62)))).collect();
        src.agree(attention_key, Some(said), found.iter().map(|l| l.attention).collect::<Vec<bool>>())?;
    }
    Ok(())
}
