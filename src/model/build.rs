//! From a described UNet to nodes of a graph: plain ones, the fusion pass comes later.
use super::trunk::Trunk;
use super::unet::{
    Attention, ClassEmbed, Conv, Downsample, Layer, Linear, Norm, ResBlock, Resample, TimeEmbed, UnetSpec, Upsample,
};
use super::{Checkpoint, qkv};
use crate::graph::{ConvSpec, Graph, NodeId};
use crate::kernels::modulate::Modulate;
use crate::kernels::pointwise::Activation::{self, Identity, Silu};
use crate::{Error, Result, Shape};

/// What is being built, and from what.
pub(super) struct Builder<'a> {
    pub ck: &'a Checkpoint,
    pub g: &'a mut Graph,
}

/// What residual blocks are given beside the image, where the network has it.
#[derive(Clone, Copy, Default)]
pub(super) struct Given {
    /// Time and class, (N,1,1,width).
    pub time: Option<NodeId>,
    /// The embedding of an image, (N,1,1,width).
    pub condition: Option<NodeId>,
}

/// What a trunk gives.
pub(super) struct Features {
    /// What its residual blocks were given.
    pub given: Given,
    /// The outputs of the first convolution and of every stage of the encoder.
    pub kept: Vec<NodeId>,
    /// The output of the middle.
    pub last: NodeId,
}

impl UnetSpec {
    /// Adds the network to a graph: image `x` (N,H,W,in), times `t` (N,1,1,1) as the original's integers, and, where the network is
    /// conditional, `y`: classes (N,1,1,1), or embeddings of images (N,1,1,width), such as [`UnetSpec::semantic`] makes. Returns the output (N,H,W,out). Weights are read,
    /// and thereby marked as used, here: call [`Checkpoint::settle`] afterwards.
    /// # Errors
    /// What [`Checkpoint::take`] says, [`Error::Invalid`] when `y` is missing or out of place or H and W cannot be
    /// halved as often as the network does, [`Error::Graph`] when shapes do not fit.
    pub fn build(&self, ck: &Checkpoint, g: &mut Graph, x: NodeId, t: NodeId, y: Option<NodeId>) -> Result<NodeId> {
        self.accepts(g.shape(x), y.is_some())?;
        let mut b = Builder { ck, g };
        let x = if self.center_input { b.g.map("center_input", x, Identity, 2.0, -1.0)? } else { x };
        let Features { given, mut kept, last } = b.trunk(&self.trunk(), x, Some(t), y)?;
        let mut h = last;
        for stage in &self.decoder {
            let name = stage.first().map_or("skip", Layer::name);
            let skip = kept.pop().ok_or_else(|| Error::graph(name, "no output of the encoder is left for it"))?;
            h = b.g.concat(&format!("{name}.skip"), h, skip)?;
            h = b.stage(stage, h, given)?;
        }
        h = b.norm(&self.norm_out, h, None, Silu)?;
        b.conv(&self.conv_out, h, 1, SYMMETRIC)
    }

    /// Checks an input's shape and whether a class, or the embedding of an image, comes with it.
    /// # Errors
    /// [`Error::Invalid`] with the shape and what the network needs.
    pub fn accepts(&self, x: Shape, given: bool) -> Result<()> {
        self.trunk().accepts(self.layout, x, given)
    }
}

/// One pixel on every side, for 3x3 convolutions.
pub(super) const SYMMETRIC: [usize; 4] = [1; 4];
/// One pixel to the right and below.
const RIGHT_BOTTOM: [usize; 4] = [0, 0, 1, 1];

impl Builder<'_> {
    /// The first half of a network, on an image and, where it has them, a time and a class or the embedding of an image.
    pub fn trunk(&mut self, trunk: &Trunk, x: NodeId, t: Option<NodeId>, y: Option<NodeId>) -> Result<Features> {
        let time = match (trunk.time, t) {
            (Some(time), Some(t)) => Some(self.time(time, trunk.class.zip(y), t)?),
            _ => None,
        };
        let given = Given { time, condition: y.filter(|_| trunk.condition.is_some()) };
        let mut h = self.conv(trunk.conv_in, x, 1, SYMMETRIC)?;
        let mut kept = vec![h];
        for stage in trunk.encoder {
            h = self.stage(stage, h, given)?;
            kept.push(h);
        }
        let last = self.stage(trunk.middle, h, given)?;
        Ok(Features { given, kept, last })
    }

    /// Time and class, as one vector a sample.
    fn time(&mut self, time: &TimeEmbed, class: Option<(&ClassEmbed, NodeId)>, t: NodeId) -> Result<NodeId> {
        let TimeEmbed { base, cos_first, freq_shift, linear1, linear2 } = time;
        let h = self.g.time_embedding("time_embedding", t, *base, *cos_first, *freq_shift)?;
        let h = self.linear(linear1, h, Identity)?;
        let h = self.linear(linear2, h, Silu)?;
        let Some((class, y)) = class else { return Ok(h) };
        let table = self.ck.take(&class.key, &[class.classes, class.width])?;
        let row = self.g.embedding(class.key.trim_end_matches(".weight"), y, &table, class.width)?;
        self.g.add("time_and_class", h, row)
    }

    fn stage(&mut self, stage: &[Layer], x: NodeId, given: Given) -> Result<NodeId> {
        stage.iter().try_fold(x, |h, layer| self.layer(layer, h, given))
    }

    /// One layer.
    pub fn layer(&mut self, layer: &Layer, x: NodeId, given: Given) -> Result<NodeId> {
        match layer {
            Layer::Res(r) => self.res(r, x, given),
            Layer::Attention(a) => self.attention(a, x),
            Layer::Down(d) => self.down(d, x),
            Layer::Up(u) => self.up(u, x),
        }
    }

    fn res(&mut self, r: &ResBlock, x: NodeId, given: Given) -> Result<NodeId> {
        let h = self.norm(&r.norm1, x, None, r.act)?;
        let (h, x) = match r.resample {
            Resample::None => (h, x),
            Resample::AvgPool => {
                (self.g.avg_pool(&format!("{}.pool", r.name), h)?, self.g.avg_pool(&format!("{}.pool_x", r.name), x)?)
            }
            Resample::Nearest => {
                (self.g.upsample(&format!("{}.up", r.name), h)?, self.g.upsample(&format!("{}.up_x", r.name), x)?)
            }
        };
        let h = self.conv(&r.conv1, h, 1, SYMMETRIC)?;
        let mut on = |layer: &Option<Linear>, embedding: Option<NodeId>| {
            layer.as_ref().zip(embedding).map(|(layer, e)| self.linear(layer, e, Silu)).transpose()
        };
        let (time, condition) = (on(&r.time, given.time)?, on(&r.condition, given.condition)?);
        let h = match &r.second {
            Some((norm2, conv2)) => {
                let (h, modulation) = match time {
                    Some(time) if r.scale_shift => (h, Some(self.modulation(&r.name, time, condition)?)),
                    Some(time) => (self.g.add(&format!("{}.time", r.name), h, time)?, None),
                    None => (h, None),
                };
                let h = self.norm(norm2, h, modulation, r.act)?;
                self.conv(conv2, h, 1, SYMMETRIC)?
            }
            None => h,
        };
        let x = r.skip.as_ref().map_or(Ok(x), |skip| self.conv(skip, x, 1, SYMMETRIC))?;
        self.sum(&r.name, h, x, r.divisor)
    }

    /// The scale and the shift of a block, those of the condition after those of the time.
    fn modulation(&mut self, name: &str, time: NodeId, condition: Option<NodeId>) -> Result<NodeId> {
        let both = |c| self.g.push(&format!("{name}.modulation"), Modulate, &[time, c]);
        condition.map_or(Ok(time), both)
    }

    fn attention(&mut self, a: &Attention, x: NodeId) -> Result<NodeId> {
        let h = a.norm.as_ref().map_or(Ok(x), |norm| self.norm(norm, x, None, Identity))?;
        let (weight, bias) = qkv::load(self.ck, a)?;
        let shape = [3 * a.channels, a.channels, 1, 1];
        let spec = ConvSpec { weight: &weight, shape, bias: Some(&bias), stride: 1, pad: [0; 4] };
        let h = self.g.conv(&format!("{}.qkv", a.name), h, &spec)?;
        let h = self.g.attention(&a.name, h, a.heads)?;
        let h = a.proj.as_ref().map_or(Ok(h), |l| self.pixelwise(l, h))?;
        self.sum(&a.name, h, x, a.divisor)
    }

    fn down(&mut self, d: &Downsample, x: NodeId) -> Result<NodeId> {
        let pad = if d.right_bottom { RIGHT_BOTTOM } else { SYMMETRIC };
        match &d.conv {
            Some(conv) => self.conv(conv, x, 2, pad),
            None => self.g.avg_pool(&d.name, x),
        }
    }

    fn up(&mut self, u: &Upsample, x: NodeId) -> Result<NodeId> {
        let h = self.g.upsample(&u.name, x)?;
        u.conv.as_ref().map_or(Ok(h), |conv| self.conv(conv, h, 1, SYMMETRIC))
    }

    /// (h + x)/divisor.
    fn sum(&mut self, name: &str, h: NodeId, x: NodeId, divisor: f32) -> Result<NodeId> {
        let sum = self.g.add(&format!("{name}.sum"), h, x)?;
        if divisor == 1.0 { Ok(sum) } else { self.g.map(&format!("{name}.divide"), sum, Identity, 1.0 / divisor, 0.0) }
    }

    /// A linear layer on every pixel.
    pub fn pixelwise(&mut self, l: &Linear, x: NodeId) -> Result<NodeId> {
        self.conv(&Conv { key: l.key.clone(), cin: l.cin, cout: l.cout, kernel: 1 }, x, 1, SYMMETRIC)
    }

    /// A convolution; `pad` is that of a 3x3 kernel, smaller ones have none.
    pub fn conv(&mut self, c: &Conv, x: NodeId, stride: usize, pad: [usize; 4]) -> Result<NodeId> {
        let shape = [c.cout, c.cin, c.kernel, c.kernel];
        let weight = self.ck.take(&format!("{}.weight", c.key), &shape)?;
        let bias = self.ck.take(&format!("{}.bias", c.key), &[c.cout])?;
        let pad = if c.kernel == 1 { [0; 4] } else { pad };
        self.g.conv(&c.key, x, &ConvSpec { weight: &weight, shape, bias: Some(&bias), stride, pad })
    }

    /// A linear layer on its activated input.
    pub fn linear(&mut self, l: &Linear, x: NodeId, before: Activation) -> Result<NodeId> {
        let weight = self.ck.take(&format!("{}.weight", l.key), &[l.cout, l.cin])?;
        let bias = self.ck.take(&format!("{}.bias", l.key), &[l.cout])?;
        self.g.linear(&l.key, x, &weight, Some(&bias), before, Identity)
    }

    /// GroupNorm, then an activation.
    pub fn norm(&mut self, n: &Norm, x: NodeId, scale_shift: Option<NodeId>, act: Activation) -> Result<NodeId> {
        let gamma = self.ck.take(&format!("{}.weight", n.key), &[n.channels])?;
        let beta = self.ck.take(&format!("{}.bias", n.key), &[n.channels])?;
        self.g.group_norm(&n.key, x, (&gamma, &beta), n.groups, n.eps, scale_shift, act)
    }
}

#[cfg(test)]
mod tests;
