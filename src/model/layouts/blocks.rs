//! The grammar of diffusers, MONAI and CompVis' autoencoders: blocks that go down, a middle, blocks that go up, each with lists of
//! layers.
use super::numbered::scale_shift;
use super::source::{Heads, Source};
use crate::Result;
use crate::kernels::pointwise::Activation;
use crate::model::config::AttentionOrder;
use crate::model::unet::{Attention, Downsample, Layer, Linear, Qkv, ResBlock, Resample, Stage, Upsample};

/// The words in which they differ.
pub(super) struct Names {
    /// The blocks that go down, and those that go up.
    pub blocks: [&'static str; 2],
    /// The blocks that go up are numbered as those that go down: the last comes first.
    pub up_reversed: bool,
    /// The lists of residual blocks, and of attentions, in each of them.
    pub lists: [&'static str; 2],
    /// The residual block's layer on the time; empty where there is no time.
    pub time: &'static str,
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
    /// Where no convolution is there, the image is halved by a pool and doubled by itself.
    pub bare: bool,
    /// Of the residual blocks.
    pub act: Activation,
}

impl Settings {
    /// Of an autoencoder: as many heads in each of `levels`, and nothing out of the ordinary.
    pub fn plain(heads: Heads, levels: usize, groups: usize) -> Self {
        let (heads, act) = (vec![heads; levels.max(1)], Activation::Silu);
        Settings { heads, right_bottom: true, mid_groups: groups, mid_divisor: 1.0, bare: false, act }
    }
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

/// The blocks of one network, or of one half of an autoencoder.
pub(super) struct Grammar<'a> {
    pub src: &'a Source<'a>,
    pub names: &'a Names,
    pub set: &'a Settings,
    /// What stands before all of its keys.
    pub at: &'a str,
}

/// How many levels there are.
pub(super) fn levels(src: &Source, names: &Names) -> usize {
    src.children(names.blocks[0])
}

/// Reads all stages. `settings.heads` has one rule a level.
pub(super) fn read(src: &Source, names: &Names, set: &Settings) -> Result<Body> {
    let g = Grammar { src, names, set, at: "" };
    let (encoder, levels) = g.encoder()?;
    let middle = g.middle()?;
    let decoder = g.decoder(levels.len())?;
    Ok(Body { encoder, middle, decoder, levels })
}

impl Grammar<'_> {
    /// The stages that go down, and what their weights tell of each level.
    pub fn encoder(&self) -> Result<(Vec<Stage>, Vec<Level>)> {
        let blocks = format!("{}{}", self.at, self.names.blocks[0]);
        let count = self.src.children(&blocks);
        let (mut encoder, mut levels) = (Vec::new(), Vec::new());
        for i in 0..count {
            let block = format!("{blocks}.{i}");
            let stages = self.stages(&block, self.rule(i))?;
            let width = match stages.first().and_then(|s| s.first()) {
                Some(Layer::Res(r)) => r.width(),
                _ => 0,
            };
            let attention = stages.iter().any(|s| s.len() > 1);
            levels.push(Level { blocks: stages.len(), width, attention });
            encoder.extend(stages);
            let down = format!("{block}.{}", self.names.down);
            if i + 1 < count || self.src.under(&format!("{down}.")) {
                encoder.push(vec![self.down(&down)?]);
            }
        }
        Ok((encoder, levels))
    }

    /// The stages that go up, of as many blocks as go down.
    pub fn decoder(&self, count: usize) -> Result<Vec<Stage>> {
        let [down, up] = self.names.blocks.map(|b| format!("{}{b}", self.at));
        let ups = self.src.children(&up);
        if ups != count {
            let fault = format!("{count} blocks `{down}.N`, but {ups} blocks `{up}.N` without a gap");
            return Err(self.src.fault(fault));
        }
        let mut decoder = Vec::new();
        for i in 0..ups {
            let number = if self.names.up_reversed { ups - 1 - i } else { i };
            let block = format!("{up}.{number}");
            let mut stages = self.stages(&block, self.rule(count - 1 - i))?;
            let name = format!("{block}.{}", self.names.up);
            if i + 1 < ups || self.src.under(&format!("{name}.")) {
                let layer = self.up(&name)?;
                stages.last_mut().into_iter().for_each(|s| s.push(layer.clone()));
            }
            decoder.extend(stages);
        }
        Ok(decoder)
    }

    fn rule(&self, level: usize) -> Heads {
        self.set.heads.get(level).copied().unwrap_or(Heads::Unknown { name: "num_head_channels" })
    }

    /// Residual blocks of one block, each with its attention if it has one.
    fn stages(&self, block: &str, rule: Heads) -> Result<Vec<Stage>> {
        let [resnets, attentions] = self.names.lists.map(|list| format!("{block}.{list}"));
        let count = self.src.children(&resnets);
        if count == 0 {
            return Err(self.src.missing(format!("{resnets}.0.norm1.weight")));
        }
        let attends = self.src.under(&format!("{attentions}."));
        let stage = |j| {
            let mut stage = vec![Layer::Res(self.res(&format!("{resnets}.{j}"), Resample::None, 1.0)?)];
            if attends {
                let name = format!("{attentions}.{j}");
                stage.push(Layer::Attention(self.attention(&name, rule, self.src.groups, 1.0)?));
            }
            Ok(stage)
        };
        (0..count).map(stage).collect()
    }

    /// The stage between; empty where there is none.
    pub fn middle(&self) -> Result<Stage> {
        let [first, attention, second] = &self.names.middle.map(|name| format!("{}{name}", self.at));
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

    pub fn res(&self, name: &str, resample: Resample, divisor: f32) -> Result<ResBlock> {
        let (src, wrap) = (self.src, self.names.conv);
        let conv1 = src.conv(&format!("{name}.conv1{wrap}"))?;
        let time = match self.names.time {
            "" => None,
            time => Some(src.linear(&format!("{name}.{time}"))?),
        };
        let scale_shift = time.as_ref().map_or(Ok(false), |t| scale_shift(src, &t.key, t.cout, conv1.cout))?;
        let skip = format!("{name}.{}", self.names.skip);
        Ok(ResBlock {
            name: name.into(),
            norm1: src.norm(&format!("{name}.norm1"))?,
            scale_shift,
            time,
            act: self.set.act,
            condition: None,
            second: Some((src.norm(&format!("{name}.norm2"))?, src.conv(&format!("{name}.conv2{wrap}"))?)),
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
        let bare = self.set.bare && !has(&key);
        let conv = if bare { None } else { Some(self.src.conv(&key)?) };
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
        let bare = self.set.bare && !self.src.under(&format!("{name}."));
        let conv = if bare { None } else { Some(self.src.conv(&format!("{name}.{}", self.names.up_conv))?) };
        Ok(Layer::Up(Upsample { name: name.into(), conv }))
    }

    pub fn attention(&self, name: &str, rule: Heads, groups: usize, divisor: f32) -> Result<Attention> {
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
