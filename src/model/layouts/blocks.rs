//! The grammar of diffusers and MONAI: `down_blocks`, a middle, `up_blocks`, each with lists of layers.
use super::numbered::scale_shift;
use super::source::{Heads, Source};
use crate::Result;
use crate::model::config::AttentionOrder;
use crate::model::unet::{Attention, Downsample, Layer, Linear, Qkv, ResBlock, Resample, Stage, Upsample};

/// The words in which the two, and the two of MONAI, differ.
pub(super) struct Names {
    /// After `conv1`, `conv2`: MONAI wraps each convolution.
    pub conv: &'static str,
    pub skip: &'static str,
    pub down: &'static str,
    /// The strided convolution under `down`, and an alias of old files.
    pub down_convs: [&'static str; 2],
    pub up: &'static str,
    pub up_conv: &'static str,
    /// res, attention, res.
    pub middle: [&'static str; 3],
    pub attn_norm: &'static str,
    /// Two spellings each of q, k, v and the projection out; the last may be empty, and is then never applied.
    pub attn: [[&'static str; 2]; 4],
    /// One matrix for q, k and v.
    pub attn_fused: &'static str,
    /// Weights that the original never applies.
    pub attn_dead: &'static str,
}

/// Settings that the weights do not tell.
pub(super) struct Settings {
    /// For each level, the widest image first; the middle takes the last.
    pub heads: Vec<Heads>,
    pub right_bottom: bool,
    /// Of the middle's GroupNorms in attention.
    pub mid_groups: usize,
    pub mid_divisor: f32,
}

/// The stages, and what a config could contradict.
pub(super) struct Body {
    pub encoder: Vec<Stage>,
    pub middle: Stage,
    pub decoder: Vec<Stage>,
    pub levels: Vec<Level>,
}

/// One level of the encoder, as the weights tell it.
pub(super) struct Level {
    pub blocks: usize,
    pub width: usize,
    pub attention: bool,
}

struct Grammar<'a> {
    src: &'a Source<'a>,
    names: &'a Names,
    set: &'a Settings,
}

/// How many levels there are.
pub(super) fn levels(src: &Source) -> usize {
    src.children("down_blocks")
}

/// Reads all stages. `settings.heads` has one rule a level.
pub(super) fn read(src: &Source, names: &Names, set: &Settings) -> Result<Body> {
    let g = Grammar { src, names, set };
    let count = levels(src);
    let (mut encoder, mut decoder, mut levels) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..count {
        let block = format!("down_blocks.{i}");
        let stages = g.stages(&block, g.rule(i))?;
        let width = match stages.first().and_then(|s| s.first()) {
            Some(Layer::Res(r)) => r.conv2.cout,
            _ => 0,
        };
        let attention = stages.iter().any(|s| s.len() > 1);
        levels.push(Level { blocks: stages.len(), width, attention });
        encoder.extend(stages);
        if i + 1 < count || src.under(&format!("{block}.{}.", names.down)) {
            encoder.push(vec![g.down(&format!("{block}.{}", names.down))?]);
        }
    }
    let middle = g.middle()?;
    let ups = src.children("up_blocks");
    if ups != count {
        let fault = format!("{count} blocks `down_blocks.N`, but {ups} blocks `up_blocks.N` without a gap");
        return Err(src.fault(fault));
    }
    for i in 0..ups {
        let block = format!("up_blocks.{i}");
        let mut stages = g.stages(&block, g.rule(count - 1 - i))?;
        if i + 1 < ups || src.under(&format!("{block}.{}.", names.up)) {
            let up = g.up(&format!("{block}.{}", names.up))?;
            stages.last_mut().into_iter().for_each(|s| s.push(up.clone()));
        }
        decoder.extend(stages);
    }
    Ok(Body { encoder, middle, decoder, levels })
}

impl Grammar<'_> {
    fn rule(&self, level: usize) -> Heads {
        self.set.heads.get(level).copied().unwrap_or(Heads::Unknown { name: "num_head_channels" })
    }

    /// Residual blocks of one block, each with its attention if it has one.
    fn stages(&self, block: &str, rule: Heads) -> Result<Vec<Stage>> {
        let count = self.src.children(&format!("{block}.resnets"));
        if count == 0 {
            return Err(self.src.missing(format!("{block}.resnets.0.norm1.weight")));
        }
        let attentions = self.src.under(&format!("{block}.attentions."));
        let stage = |j| {
            let mut stage = vec![Layer::Res(self.res(&format!("{block}.resnets.{j}"), Resample::None, 1.0)?)];
            if attentions {
                let name = format!("{block}.attentions.{j}");
                stage.push(Layer::Attention(self.attention(&name, rule, self.src.groups, 1.0)?));
            }
            Ok(stage)
        };
        (0..count).map(stage).collect()
    }

    fn middle(&self) -> Result<Stage> {
        let [first, attention, second] = self.names.middle;
        let divisor = self.set.mid_divisor;
        let mut stage = Stage::new();
        if ![first, second].iter().any(|n| self.src.under(&format!("{n}."))) {
            return Ok(stage); // diffusers' mid_block_type: null
        }
        stage.push(Layer::Res(self.res(first, Resample::None, divisor)?));
        if self.src.under(&format!("{attention}.")) {
            let rule = self.set.heads.last().copied().unwrap_or(Heads::Unknown { name: "num_head_channels" });
            stage.push(Layer::Attention(self.attention(attention, rule, self.set.mid_groups, divisor)?));
        }
        stage.push(Layer::Res(self.res(second, Resample::None, divisor)?));
        Ok(stage)
    }

    fn res(&self, name: &str, resample: Resample, divisor: f32) -> Result<ResBlock> {
        let (src, wrap) = (self.src, self.names.conv);
        let conv1 = src.conv(&format!("{name}.conv1{wrap}"))?;
        let time = src.linear(&format!("{name}.time_emb_proj"))?;
        let skip = format!("{name}.{}", self.names.skip);
        Ok(ResBlock {
            name: name.into(),
            norm1: src.norm(&format!("{name}.norm1"))?,
            scale_shift: scale_shift(src, &time.key, time.cout, conv1.cout)?,
            time,
            norm2: src.norm(&format!("{name}.norm2"))?,
            conv2: src.conv(&format!("{name}.conv2{wrap}"))?,
            skip: src.under(&format!("{skip}.")).then(|| src.conv(&skip)).transpose()?,
            resample,
            divisor,
            conv1,
        })
    }

    /// A strided convolution, or a residual block that pools.
    fn down(&self, name: &str) -> Result<Layer> {
        if self.src.under(&format!("{name}.norm1.")) {
            return self.res(name, Resample::AvgPool, 1.0).map(Layer::Res);
        }
        let [key, alias] = self.names.down_convs.map(|c| format!("{name}.{c}"));
        let has = |key: &str| self.src.under(&format!("{key}."));
        let (key, other) = if has(&key) || !has(&alias) { (key, alias) } else { (alias, key) };
        let conv = Some(self.src.conv(&key)?);
        if other != key {
            ["weight", "bias"].iter().for_each(|p| self.src.ck.ignore(&format!("{other}.{p}")));
        }
        Ok(Layer::Down(Downsample { name: name.into(), conv, right_bottom: self.set.right_bottom }))
    }

    /// Nearest neighbour and a convolution, or a residual block with nearest neighbour.
    fn up(&self, name: &str) -> Result<Layer> {
        if self.src.under(&format!("{name}.norm1.")) {
            return self.res(name, Resample::Nearest, 1.0).map(Layer::Res);
        }
        let conv = Some(self.src.conv(&format!("{name}.{}", self.names.up_conv))?);
        Ok(Layer::Up(Upsample { name: name.into(), conv }))
    }

    fn attention(&self, name: &str, rule: Heads, groups: usize, divisor: f32) -> Result<Attention> {
        let src = self.src;
        if src.under(&format!("{name}.transformer_blocks.")) {
            return Err(src.fault(format!("`{name}` is a transformer (cross-attention), which is not supported")));
        }
        let [q, k, v, out] = self.names.attn.map(|spellings| self.spelled(name, spellings));
        let fused = format!("{name}.{}", self.names.attn_fused);
        let is_fused = !self.names.attn_fused.is_empty() && src.under(&format!("{fused}."));
        let channels = src.linear(if is_fused { &fused } else { &q })?.cin;
        let qkv = match is_fused {
            true => Qkv::Fused { key: fused, order: AttentionOrder::New },
            false => Qkv::Separate { keys: [q, k, v] },
        };
        let norm = format!("{name}.{}", self.names.attn_norm);
        let norm = src.under(&format!("{norm}.")).then(|| src.norm_of(&norm, groups)).transpose()?;
        if !self.names.attn_dead.is_empty() {
            ["weight", "bias"].iter().for_each(|p| src.ck.ignore(&format!("{name}.{}.{p}", self.names.attn_dead)));
        }
        let heads = src.heads(rule, name, channels)?;
        Ok(Attention { name: name.into(), channels, heads, norm, qkv, proj: self.projection(&out)?, divisor })
    }

    /// The spelling that the file uses; the first when it uses none.
    fn spelled(&self, name: &str, spellings: [&str; 2]) -> String {
        let [first, second] = spellings.map(|s| format!("{name}.{s}"));
        let use_second =
            !spellings[1].is_empty() && !self.src.under(&format!("{first}.")) && self.src.under(&format!("{second}."));
        if use_second { second } else { first }
    }

    fn projection(&self, key: &str) -> Result<Option<Linear>> {
        let applied = !self.names.attn[3][0].is_empty();
        // MONAI core leaves it out with `include_fc=False`; diffusers always has one.
        let optional = self.names.attn[3][1].is_empty() && !self.src.under(&format!("{key}."));
        if applied && !optional { self.src.linear(key).map(Some) } else { Ok(None) }
    }
}
