//! MONAI's `VQVAE`: two flat lists of convolutions and residual units, whose steps stand in the config.
use super::super::source::Source;
use super::codebook;
use crate::kernels::pointwise::Activation;
use crate::model::autoencoder::{Autoencoder, AutoencoderLayout, Step, Strided};
use crate::model::unet::Conv;
use crate::{Error, Result};
use serde_json::Value;

/// The largest step, padding and dilation that are read.
const MAX_STEP: usize = 64;

/// Describes the network.
pub(super) fn read(src: Source) -> Result<Autoencoder> {
    let cfg = src.cfg;
    src.agree("spatial_dims", cfg.count("spatial_dims")?, 2)?;
    let act = activation(&src, "act")?.unwrap_or(Activation::Relu);
    let encoder = encoder(&src, act)?;
    let decoder = decoder(&src, act)?;
    let latent = codebook(&src, "quantizer.quantizer.embedding")?;
    let latent = latent.ok_or_else(|| src.missing("quantizer.quantizer.embedding.weight"))?;
    ["ema_cluster_size", "ema_w"].iter().for_each(|b| src.ck.ignore(&format!("quantizer.quantizer.{b}")));
    let net = Autoencoder {
        layout: AutoencoderLayout::MonaiVq,
        sample_size: cfg.size("sample_size")?,
        encoder,
        latent,
        decoder,
    };
    super::agree(&src, &net, ["in_channels", "out_channels", "embedding_dim", "num_embeddings"])?;
    agree(&src, &net)?;
    Ok(net)
}

/// Numbers of blocks of a list that are convolutions by themselves.
fn convolutions(src: &Source, at: &str) -> Vec<usize> {
    (0..src.children(at)).filter(|n| src.under(&format!("{at}.{n}.conv."))).collect()
}

/// A convolution for each level, behind it its residual units; at the end a convolution.
fn encoder(src: &Source, act: Activation) -> Result<Vec<Step>> {
    let at = "encoder.blocks";
    let places = convolutions(src, at);
    let levels = places.len().saturating_sub(1);
    let mut set = parameters(src, "downsample_parameters", [2, 4, 1, 1], levels)?.into_iter();
    let mut steps = Vec::new();
    for n in 0..src.children(at) {
        let name = format!("{at}.{n}");
        if !places.contains(&n) {
            steps.push(unit(src, &name, act)?);
            continue;
        }
        let conv = src.square(&format!("{name}.conv"))?;
        match set.next() {
            Some([stride, kernel, dilation, pad]) => {
                agree_kernel(src, "downsample_parameters", &conv, kernel)?;
                steps.push(Step::Conv(Strided { conv, stride, pad, dilation, output_pad: 0 }));
                steps.push(Step::Activation(act));
            }
            None => steps.push(Step::Conv(Strided::same(conv))),
        }
    }
    Ok(steps)
}

/// A convolution; for each level residual units and a transposed convolution, with an activation behind all of these but the last.
fn decoder(src: &Source, act: Activation) -> Result<Vec<Step>> {
    let at = "decoder.blocks";
    let places = convolutions(src, at);
    let levels = places.len().saturating_sub(1);
    let mut set = parameters(src, "upsample_parameters", [2, 4, 1, 1, 0], levels)?.into_iter();
    let mut steps = Vec::new();
    for n in 0..src.children(at) {
        let name = format!("{at}.{n}");
        if !places.contains(&n) {
            steps.push(unit(src, &name, act)?);
            continue;
        }
        let conv = src.square(&format!("{name}.conv"))?;
        if places.first() == Some(&n) {
            steps.push(Step::Conv(Strided::same(conv)));
            continue;
        }
        let Some([stride, kernel, dilation, pad, output_pad]) = set.next() else { continue };
        let conv = Conv { cin: conv.cout, cout: conv.cin, ..conv };
        agree_kernel(src, "upsample_parameters", &conv, kernel)?;
        if output_pad >= stride.max(dilation) {
            let fault = format!("`upsample_parameters`: an output padding of {output_pad} at a stride of {stride}");
            return Err(Error::file(src.cfg.path(), fault));
        }
        steps.push(Step::Transposed(Strided { conv, stride, pad, dilation, output_pad }));
        if places.last() != Some(&n) {
            steps.push(Step::Activation(act));
        }
    }
    steps.extend(activation(src, "output_act")?.map(Step::Activation));
    Ok(steps)
}

fn unit(src: &Source, name: &str, act: Activation) -> Result<Step> {
    let conv = |part: &str| src.conv(&format!("{name}.{part}.conv")).map(Strided::same);
    Ok(Step::Unit { name: name.into(), conv1: conv("conv1")?, act, conv2: conv("conv2")? })
}

/// The numbers of every level: a list for each, or one list for all. Only a file that comes with no config at all is warned of.
fn parameters<const N: usize>(src: &Source, key: &str, default: [usize; N], levels: usize) -> Result<Vec<[usize; N]>> {
    let cfg = src.cfg;
    let Some(value) = cfg.get(key) else {
        if !cfg.exists() {
            let path = src.ck.path().display();
            tracing::warn!("{path}: does not say `{key}`, for which {default:?} are assumed at every level");
        }
        return Ok(vec![default; levels]);
    };
    let one = |v: &Value| -> Option<[usize; N]> {
        let numbers: Option<Vec<usize>> = v.as_array()?.iter().map(|n| usize::try_from(n.as_u64()?).ok()).collect();
        let numbers: [usize; N] = numbers?.try_into().ok()?;
        (numbers.iter().all(|&n| n <= MAX_STEP) && numbers[..3].iter().all(|&n| n > 0)).then_some(numbers)
    };
    let read = || -> Option<Vec<[usize; N]>> {
        let list = value.as_array()?;
        match list.first()?.is_array() {
            true => list.iter().map(one).collect(),
            false => one(value).map(|numbers| vec![numbers; levels]),
        }
    };
    let found = read().ok_or_else(|| {
        Error::file(cfg.path(), format!("`{key}` is {value}, not {N} counts up to {MAX_STEP} for each level"))
    })?;
    src.agree(key, Some(found.len()), levels)?;
    Ok(found)
}

fn agree_kernel(src: &Source, key: &str, conv: &Conv, says: usize) -> Result<()> {
    // Without a config the kernel is the weights'.
    src.agree(key, src.cfg.get(key).map(|_| format!("a kernel of {says}")), format!("a kernel of {}", conv.kernel))
}

/// An activation by MONAI's name for it, `NAME` or `[NAME, {}]`.
fn activation(src: &Source, key: &str) -> Result<Option<Activation>> {
    let Some(value) = src.cfg.get(key) else { return Ok(None) };
    let refused = || Error::file(src.cfg.path(), format!("`{key}`: {value} is not supported"));
    let (name, arguments) = match value {
        Value::Array(list) => (list.first(), list.get(1)),
        one => (Some(one), None),
    };
    if arguments.is_some_and(|a| a.as_object().is_none_or(|a| a.keys().any(|k| k != "inplace"))) {
        return Err(refused());
    }
    let name = name.and_then(Value::as_str).ok_or_else(refused)?;
    Ok(Some(match name.to_ascii_uppercase().as_str() {
        "RELU" => Activation::Relu,
        "LEAKYRELU" => Activation::LeakyRelu,
        "ELU" => Activation::Elu,
        "GELU" => Activation::Gelu,
        "MISH" => Activation::Mish,
        "SWISH" | "MEMSWISH" | "SILU" => Activation::Silu,
        "SIGMOID" => Activation::Sigmoid,
        "TANH" => Activation::Tanh,
        _ => return Err(refused()),
    }))
}

fn agree(src: &Source, net: &Autoencoder) -> Result<()> {
    let cfg = src.cfg;
    let (mut widths, mut units, mut inner) = (Vec::new(), Vec::new(), Vec::new());
    for step in &net.encoder {
        match step {
            Step::Conv(c) => {
                widths.push(c.conv.cout);
                units.push(0);
            }
            Step::Unit { conv1, .. } => {
                if units.last() == Some(&0) {
                    inner.push(conv1.conv.cout);
                }
                units.last_mut().into_iter().for_each(|n| *n += 1);
            }
            _ => {}
        }
    }
    // The last convolution is no level.
    widths.pop();
    units.pop();
    let levels = widths.len();
    let key = cfg.alias(&["channels", "num_channels"]);
    src.agree(key, cfg.counts(key, levels)?, widths)?;
    src.agree("num_res_layers", cfg.counts("num_res_layers", levels)?, units)?;
    if inner.len() == levels {
        src.agree("num_res_channels", cfg.counts("num_res_channels", levels)?, inner)?;
    }
    Ok(())
}
