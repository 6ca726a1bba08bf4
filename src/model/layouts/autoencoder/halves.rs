//! Encoder and decoder in the grammar of blocks: first convolution, blocks, middle, norm, SiLU, last convolution.
use super::super::blocks::{Grammar, Level, Names, Settings};
use super::super::source::Source;
use crate::Result;
use crate::kernels::pointwise::Activation::Silu;
use crate::model::autoencoder::{Step, Strided};
use crate::model::unet::Stage;

/// Both halves, with the 1x1 convolutions before and after the latent where they are there.
pub(super) struct Halves {
    pub encoder: Vec<Step>,
    pub decoder: Vec<Step>,
    pub levels: Vec<Level>,
    /// Of the encoder.
    pub middle: Stage,
}

/// Reads both; `norm_out` is the name of the last norm.
pub(super) fn read(src: &Source, names: &Names, set: &Settings, norm_out: &str) -> Result<Halves> {
    let grammar = |at| Grammar { src, names, set, at };
    let same = |key: &str| Ok::<_, crate::Error>(Step::Conv(Strided::same(src.conv(key)?)));
    let optional = |key: &str| src.under(&format!("{key}.")).then(|| same(key)).transpose();
    let head = |at: &str| {
        Ok::<_, crate::Error>([
            Step::Norm(src.norm(&format!("{at}.{norm_out}"))?, Silu),
            same(&format!("{at}.conv_out"))?,
        ])
    };
    let layers = |stages: Vec<Stage>| stages.into_iter().flatten().map(Step::Layer);

    let (stages, levels) = grammar("encoder.").encoder()?;
    let middle = grammar("encoder.").middle()?;
    let mut encoder = vec![same("encoder.conv_in")?];
    encoder.extend(layers(stages));
    encoder.extend(middle.iter().cloned().map(Step::Layer));
    encoder.extend(head("encoder")?);
    encoder.extend(optional("quant_conv")?);

    let mut decoder: Vec<Step> = optional("post_quant_conv")?.into_iter().collect();
    decoder.push(same("decoder.conv_in")?);
    decoder.extend(layers(vec![grammar("decoder.").middle()?]));
    decoder.extend(layers(grammar("decoder.").decoder(levels.len())?));
    decoder.extend(head("decoder")?);
    Ok(Halves { encoder, decoder, levels, middle })
}

/// How many levels the encoder has.
pub(super) fn levels(src: &Source, names: &Names) -> usize {
    src.children(&format!("encoder.{}", names.blocks[0]))
}
