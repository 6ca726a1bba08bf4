//! MONAI's `AutoencoderKL`: two flat lists of blocks, whose keys tell what each is. No activation comes between the last norm and
//! the last convolution.
use super::super::blocks::{Grammar, Names, Settings};
use super::super::monai::{CORE, GENERATIVE};
use super::super::source::{Heads, Source};
use crate::kernels::pointwise::Activation;
use crate::model::autoencoder::{Autoencoder, AutoencoderLayout, Latent, Step, Strided};
use crate::model::unet::{Conv, Downsample, Layer, Resample, Upsample};
use crate::{Error, Result};

/// Describes the network.
pub(super) fn read(mut src: Source) -> Result<Autoencoder> {
    src.norms(["norm_num_groups", "norm_eps"], (32, 1e-6), true)?;
    let cfg = src.cfg;
    src.agree("spatial_dims", cfg.count("spatial_dims")?, 2)?;
    let old =
        |k: &str| k.ends_with(".proj_attn.weight") || k.ends_with(".to_q.weight") && !k.ends_with(".attn.to_q.weight");
    let names = if src.ck.keys().any(old) { GENERATIVE } else { CORE };
    let names = Names { time: "", skip: "nin_shortcut.conv", ..names };
    let heads = src.heads_override()?.unwrap_or(Heads::Count(1));
    let set = Settings::plain(heads, 1, src.groups);
    let reader = Reader { grammar: Grammar { src: &src, names: &names, set: &set, at: "" }, heads };
    let encoder = reader.list("encoder.blocks", false)?;
    let mut decoder = vec![Step::Conv(Strided::same(src.conv("post_quant_conv.conv")?))];
    decoder.extend(reader.list("decoder.blocks", true)?);
    let latent = Latent::NormalBy {
        mean: src.conv("quant_conv_mu.conv")?,
        log_variance: src.conv("quant_conv_log_sigma.conv")?,
    };
    let net = Autoencoder {
        layout: AutoencoderLayout::MonaiKl,
        sample_size: cfg.size("sample_size")?,
        encoder,
        latent,
        decoder,
    };
    super::agree(&src, &net, ["in_channels", "out_channels", "latent_channels", ""])?;
    agree(&src, &net)?;
    Ok(net)
}

struct Reader<'a> {
    grammar: Grammar<'a>,
    heads: Heads,
}

impl Reader<'_> {
    /// The blocks of one half; in the decoder a convolution of a convolution doubles the image, in the encoder it halves it.
    fn list(&self, at: &str, doubles: bool) -> Result<Vec<Step>> {
        (0..self.grammar.src.children(at)).map(|n| self.block(&format!("{at}.{n}"), doubles)).collect()
    }

    fn block(&self, name: &str, doubles: bool) -> Result<Step> {
        let src = self.grammar.src;
        let has = |part: &str| src.under(&format!("{name}.{part}."));
        let up = |conv: Conv| Step::Layer(Layer::Up(Upsample { name: name.into(), conv: Some(conv) }));
        if has("norm1") {
            return Ok(Step::Layer(Layer::Res(self.grammar.res(name, Resample::None, 1.0)?)));
        }
        if has("norm") {
            return Ok(Step::Layer(Layer::Attention(self.grammar.attention(name, self.heads, src.groups, 1.0)?)));
        }
        if has("postconv") {
            return Ok(up(src.conv(&format!("{name}.postconv.conv"))?));
        }
        if has("deconv") {
            let conv = transposed(src, &format!("{name}.deconv"))?;
            // The core's: the step is the size of the kernel.
            return Ok(Step::Transposed(Strided { stride: conv.kernel, pad: 0, dilation: 1, output_pad: 0, conv }));
        }
        if has("conv.conv") && doubles {
            let key = format!("{name}.conv.conv");
            return match src.cfg.flag("use_convtranspose")?.unwrap_or(false) {
                // GenerativeModels': the output is twice the input.
                true => {
                    let conv = transposed(src, &key)?;
                    Ok(Step::Transposed(Strided { stride: 2, pad: 1, dilation: 1, output_pad: 1, conv }))
                }
                false => Ok(up(src.conv(&key)?)),
            };
        }
        if has("conv.conv") {
            let conv = Some(src.conv(&format!("{name}.conv.conv"))?);
            return Ok(Step::Layer(Layer::Down(Downsample { name: name.into(), conv, right_bottom: true })));
        }
        if has("conv") {
            return Ok(Step::Conv(Strided::same(src.conv(&format!("{name}.conv"))?)));
        }
        if src.ck.contains(&format!("{name}.weight")) {
            return Ok(Step::Norm(src.norm(name)?, Activation::Identity));
        }
        Err(src.fault(format!("`{name}` is no block of an AutoencoderKL")))
    }
}

/// A transposed convolution, whose weights have the inputs first.
fn transposed(src: &Source, key: &str) -> Result<Conv> {
    let conv = src.square(key)?;
    Ok(Conv { cin: conv.cout, cout: conv.cin, ..conv })
}

/// One level of the encoder: its width, its residual blocks, whether each has an attention.
struct Level {
    width: usize,
    blocks: usize,
    attention: bool,
}

fn agree(src: &Source, net: &Autoencoder) -> Result<()> {
    let cfg = src.cfg;
    let none = || Level { width: 0, blocks: 0, attention: false };
    let mut levels = vec![none()];
    for layer in net.encoder.iter().filter_map(Step::layer) {
        let Some(last) = levels.last_mut() else { continue };
        match layer {
            Layer::Down(_) => levels.push(none()),
            Layer::Res(r) => {
                last.width = r.width();
                last.blocks += 1;
            }
            Layer::Attention(_) => last.attention = true,
            Layer::Up(_) => {}
        }
    }
    let key = cfg.alias(&["channels", "num_channels"]);
    src.agree(key, cfg.counts(key, levels.len())?, levels.iter().map(|l| l.width).collect())?;
    let Some(last) = levels.last_mut() else { return Ok(()) };
    // Behind the last level comes the middle: a residual block, an attention and a residual block, unless the config leaves it out.
    let middle = cfg.flag("with_encoder_nonlocal_attn")?.unwrap_or(true);
    match last.blocks.checked_sub(2) {
        Some(blocks) if middle => last.blocks = blocks,
        _ => {}
    }
    let attentions = last.attention;
    let blocks: Vec<usize> = levels.iter().map(|l| l.blocks).collect();
    src.agree("num_res_blocks", cfg.counts("num_res_blocks", blocks.len())?, blocks)?;
    if middle && !attentions {
        let fault = "`with_encoder_nonlocal_attn` is true, or left out, which means the same, but the weights have no such attention";
        return if cfg.exists() { Err(Error::file(cfg.path(), fault)) } else { Ok(()) };
    }
    // Of the last level the middle hides it.
    let says: Option<Vec<bool>> =
        cfg.get("attention_levels").and_then(|v| v.as_array()?.iter().map(|b| b.as_bool()).collect());
    let known = levels.len() - usize::from(middle);
    let found: Vec<bool> = levels.iter().take(known).map(|l| l.attention).collect();
    src.agree("attention_levels", says.map(|s| s.into_iter().take(known).collect()), found)
}
