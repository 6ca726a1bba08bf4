//! The grammar of guided-diffusion and AnoDDPM: numbered stages of numbered layers.
use super::source::{Heads, Source};
use crate::Result;
use crate::kernels::pointwise::Activation;
use crate::model::config::AttentionOrder;
use crate::model::unet::{Attention, Downsample, Layer, Qkv, ResBlock, Resample, Stage, Upsample};
use std::collections::BTreeSet;

/// The words in which the two differ.
pub(super) struct Names {
    pub input: &'static str,
    pub middle: &'static str,
    pub output: &'static str,
    pub emb: &'static str,
    pub qkv: &'static str,
    /// The strided convolution.
    pub down: &'static str,
    /// The convolution after nearest neighbour.
    pub up: &'static str,
}

/// Settings that the weights do not tell.
pub(super) struct Settings {
    pub heads: Heads,
    /// In the decoder.
    pub heads_up: Heads,
    pub order: Option<AttentionOrder>,
}

/// The stages, and where the levels begin.
pub(super) struct Body {
    pub encoder: Vec<Stage>,
    pub middle: Stage,
    pub decoder: Vec<Stage>,
    /// Residual blocks of each level, the widest image first.
    pub blocks: Vec<usize>,
}

/// What reads stages.
pub(super) struct Grammar<'a> {
    pub src: &'a Source<'a>,
    pub names: &'a Names,
    order: Option<AttentionOrder>,
}

/// The stages before the decoder, and residual blocks of each level, the widest image first.
pub(super) struct Encoder {
    pub stages: Vec<Stage>,
    pub middle: Stage,
    pub blocks: Vec<usize>,
}

/// Reads all stages.
pub(super) fn read(src: &Source, names: &Names, settings: &Settings) -> Result<Body> {
    let g = Grammar::new(src, names, settings.order);
    let last_out = g.indices(names.output)?.last().copied().unwrap_or(0);
    let Encoder { stages: encoder, middle, blocks } =
        encoder(&g, settings.heads, |g, _| Ok(g.turns_of_decoder(last_out)))?;
    let doubled = doubling_stages(&blocks);
    let mut decoder = Vec::with_capacity(last_out + 1);
    for n in 0..=last_out {
        let name = format!("{}.{n}", names.output);
        let mut stage = g.stage(&name, [Resample::None, Resample::Nearest], settings.heads_up)?;
        if doubled.contains(&n) && !stage.iter().any(Layer::doubles) {
            g.bare_upsample(&name, &encoder, &mut stage)?;
        }
        decoder.push(stage);
    }
    Ok(Body { encoder, middle, decoder, blocks })
}

/// Reads all stages but the decoder's. `turns` finds the encoder blocks that halve the image where residual blocks do it, given the
/// last block.
pub(super) fn encoder(
    g: &Grammar,
    heads: Heads,
    turns: impl FnOnce(&Grammar, usize) -> Result<Vec<usize>>,
) -> Result<Encoder> {
    let (src, names) = (g.src, g.names);
    let inputs = g.indices(names.input)?;
    let last = inputs.last().copied().unwrap_or(0);
    let strided = |n: &usize| !inputs.contains(n) || src.under(&format!("{}.{n}.0.{}.", names.input, names.down));
    let found: Vec<usize> = (1..=last).filter(strided).collect();
    let updown = found.is_empty();
    let turns = if updown { turns(g, last)? } else { found };
    let mut stages = Vec::with_capacity(last);
    for n in 1..=last {
        let resample = if updown && turns.contains(&n) { Resample::AvgPool } else { Resample::None };
        let mut stage = g.stage(&format!("{}.{n}", names.input), [resample; 2], heads)?;
        if stage.is_empty() && !inputs.contains(&n) {
            let name = format!("{}.{n}.0", names.input);
            stage.push(Layer::Down(Downsample { name, conv: None, right_bottom: false }));
        }
        stages.push(stage);
    }
    let middle = g.stage(names.middle, [Resample::None; 2], heads)?;
    if middle.len() < 3 {
        let first = if middle.len() == 1 { "norm" } else { "in_layers.0" };
        return Err(src.missing(format!("{}.{}.{first}.weight", names.middle, middle.len())));
    }
    let blocks = level_blocks(&turns, last)
        .ok_or_else(|| src.fault(format!("{last} blocks of `{}` do not make levels", names.input)))?;
    Ok(Encoder { stages, middle, blocks })
}

/// Residual blocks of each level, given the encoder blocks at which levels end.
fn level_blocks(turns: &[usize], last: usize) -> Option<Vec<usize>> {
    let ends = turns.iter().copied().chain([last + 1]);
    ends.scan(0, |before, end| Some(end.checked_sub(std::mem::replace(before, end) + 1))).collect()
}

/// Decoder stages that end with doubling: the last of every level but the first.
fn doubling_stages(blocks: &[usize]) -> BTreeSet<usize> {
    let lengths = blocks.iter().skip(1).rev().map(|b| b + 1);
    lengths
        .scan(0, |end, length| {
            *end += length;
            Some(*end - 1)
        })
        .collect()
}

impl<'a> Grammar<'a> {
    pub fn new(src: &'a Source<'a>, names: &'a Names, order: Option<AttentionOrder>) -> Self {
        Grammar { src, names, order }
    }

    /// The numbers of `prefix.N.`, which must be plausible ones.
    fn indices(&self, prefix: &str) -> Result<BTreeSet<usize>> {
        let number = |k: &str| k.strip_prefix(prefix)?.strip_prefix('.')?.split('.').next()?.parse().ok();
        let found: BTreeSet<usize> = self.src.ck.keys().filter_map(number).collect();
        match found.last() {
            // A block without weights (an average pool) lies between two with weights.
            Some(&last) if last < 2 * found.len() => Ok(found),
            Some(last) => Err(self.src.fault(format!("`{prefix}.{last}` without the blocks before it"))),
            None => Err(self.src.missing(format!("{prefix}.0.0.weight"))),
        }
    }

    /// Encoder blocks that halve the image, as told by the residual blocks that double it in the decoder.
    fn turns_of_decoder(&self, last_out: usize) -> Vec<usize> {
        let up = |n: &usize| (1..3).any(|j| self.src.under(&format!("{}.{n}.{j}.in_layers.", self.names.output)));
        let ups: Vec<usize> = (0..=last_out).filter(up).collect();
        // Level lengths of the decoder, the widest image first, are each one more than the encoder's; so is
        // the number of encoder blocks up to and with the halving one.
        let mut turns = Vec::with_capacity(ups.len());
        let mut end = last_out;
        for &up in ups.iter().rev() {
            turns.push(turns.last().copied().unwrap_or(0) + end - up);
            end = up;
        }
        turns
    }

    /// The layers of one stage; `resample` is that of its first residual block and of later ones.
    fn stage(&self, name: &str, resample: [Resample; 2], heads: Heads) -> Result<Stage> {
        let mut stage = Stage::new();
        for j in 0..self.src.children(name) {
            let resample = if j == 0 { resample[0] } else { resample[1] };
            stage.push(self.layer(&format!("{name}.{j}"), resample, heads)?);
        }
        Ok(stage)
    }

    fn layer(&self, name: &str, resample: Resample, heads: Heads) -> Result<Layer> {
        let Names { qkv, down, up, .. } = self.names;
        let has = |child: &str| self.src.under(&format!("{name}.{child}."));
        if has("in_layers") {
            self.res(name, resample).map(Layer::Res)
        } else if has(qkv) {
            self.attention(name, heads).map(Layer::Attention)
        } else if has(down) {
            let conv = Some(self.src.conv(&format!("{name}.{down}"))?);
            Ok(Layer::Down(Downsample { name: name.into(), conv, right_bottom: false }))
        } else if has(up) {
            let conv = Some(self.src.conv(&format!("{name}.{up}"))?);
            Ok(Layer::Up(Upsample { name: name.into(), conv }))
        } else if has("transformer_blocks") {
            Err(self.src.fault(format!("`{name}` is a SpatialTransformer (cross-attention), which is not supported")))
        } else if has("norm") || has("proj_out") {
            Err(self.src.missing(format!("{name}.{qkv}.weight")))
        } else {
            Err(self.src.missing(format!("{name}.in_layers.0.weight")))
        }
    }

    fn res(&self, name: &str, resample: Resample) -> Result<ResBlock> {
        let src = self.src;
        let conv1 = src.conv(&format!("{name}.in_layers.2"))?;
        let (time, second) = match self.names.emb {
            "" => (None, None),
            emb => {
                let second = (src.norm(&format!("{name}.out_layers.0"))?, src.conv(&format!("{name}.out_layers.3"))?);
                (Some(src.linear(&format!("{name}.{emb}"))?), Some(second))
            }
        };
        let scale_shift = time.as_ref().map_or(Ok(false), |t| scale_shift(src, &t.key, t.cout, conv1.cout))?;
        let condition = format!("{name}.cond_emb_layers.1");
        let condition = src.under(&format!("{condition}.")).then(|| src.linear(&condition)).transpose()?;
        if condition.is_some() && !scale_shift {
            let fault = "is modulated by an image's embedding, but not by a scale and a shift of the time, which is not supported";
            return Err(src.fault(format!("`{name}` {fault}")));
        }
        let skip = format!("{name}.skip_connection");
        Ok(ResBlock {
            name: name.into(),
            norm1: src.norm(&format!("{name}.in_layers.0"))?,
            scale_shift,
            time,
            condition,
            act: Activation::Silu,
            second,
            skip: src.under(&format!("{skip}.")).then(|| src.conv(&skip)).transpose()?,
            resample,
            divisor: 1.0,
            conv1,
        })
    }

    fn attention(&self, name: &str, rule: Heads) -> Result<Attention> {
        let norm = self.src.norm(&format!("{name}.norm"))?;
        let channels = norm.channels;
        let heads = self.src.heads(rule, name, channels)?;
        let order = self.src.order(self.order, heads)?;
        let qkv = Qkv::Fused { key: format!("{name}.{}", self.names.qkv), order };
        let proj = Some(self.src.linear(&format!("{name}.proj_out"))?);
        Ok(Attention { name: name.into(), channels, heads, norm: Some(norm), qkv, proj, divisor: 1.0 })
    }

    /// Doubling without weights, which is right only where halving has none either.
    fn bare_upsample(&self, name: &str, encoder: &[Stage], stage: &mut Stage) -> Result<()> {
        let name = format!("{name}.{}", stage.len());
        if encoder.iter().flatten().any(|l| matches!(l, Layer::Down(d) if d.conv.is_some())) {
            return Err(self.src.missing(format!("{name}.{}.weight", self.names.up)));
        }
        stage.push(Layer::Up(Upsample { name, conv: None }));
        Ok(())
    }
}

/// Whether the time's `rows` are a scale and a shift for `channels`, or one addend.
pub(super) fn scale_shift(src: &Source, key: &str, rows: usize, channels: usize) -> Result<bool> {
    match rows {
        r if r == channels => Ok(false),
        r if r == 2 * channels => Ok(true),
        _ => Err(src.fault(format!("`{key}` has {rows} rows, which are neither once nor twice {channels} channels"))),
    }
}
