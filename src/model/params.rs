//! Which tensors a described UNet needs, in which shapes; and that its widths fit together.
use super::Checkpoint;
use super::trunk::Trunk;
use super::unet::{Attention, Conv, Layer, Linear, Norm, Qkv, ResBlock, UnetSpec};
use crate::{Error, Result};

/// A tensor's key and shape.
pub type Param = (String, Vec<usize>);

fn pair(key: &str, weight: Vec<usize>, out: &mut Vec<Param>) {
    let bias = weight.first().copied().unwrap_or(0);
    out.push((format!("{key}.weight"), weight));
    out.push((format!("{key}.bias"), vec![bias]));
}
pub(super) fn conv(c: &Conv, out: &mut Vec<Param>) {
    pair(&c.key, vec![c.cout, c.cin, c.kernel, c.kernel], out);
}
pub(super) fn linear(l: &Linear, out: &mut Vec<Param>) {
    pair(&l.key, vec![l.cout, l.cin], out);
}
pub(super) fn norm(n: &Norm, out: &mut Vec<Param>) {
    pair(&n.key, vec![n.channels], out);
}
fn res(r: &ResBlock, out: &mut Vec<Param>) {
    norm(&r.norm1, out);
    conv(&r.conv1, out);
    r.time.iter().chain(&r.condition).for_each(|l| linear(l, out));
    if let Some((norm2, conv2)) = &r.second {
        norm(norm2, out);
        conv(conv2, out);
    }
    r.skip.iter().for_each(|c| conv(c, out));
}
fn attention(a: &Attention, out: &mut Vec<Param>) {
    let c = a.channels;
    a.norm.iter().for_each(|n| norm(n, out));
    match &a.qkv {
        Qkv::Fused { key, .. } => pair(key, vec![3 * c, c], out),
        Qkv::Separate { keys } => keys.iter().for_each(|key| pair(key, vec![c, c], out)),
    }
    a.proj.iter().for_each(|l| linear(l, out));
}
pub(super) fn layer(l: &Layer, out: &mut Vec<Param>) {
    match l {
        Layer::Res(r) => res(r, out),
        Layer::Attention(a) => attention(a, out),
        Layer::Down(d) => d.conv.iter().for_each(|c| conv(c, out)),
        Layer::Up(u) => u.conv.iter().for_each(|c| conv(c, out)),
    }
}

impl Trunk<'_> {
    /// Every tensor that it takes from its checkpoint.
    pub fn params(&self) -> Vec<Param> {
        let mut out = Vec::new();
        if let Some(time) = self.time {
            linear(&time.linear1, &mut out);
            linear(&time.linear2, &mut out);
        }
        out.extend(self.class.iter().map(|c| (c.key.clone(), vec![c.classes, c.width])));
        conv(self.conv_in, &mut out);
        self.layers().for_each(|l| layer(l, &mut out));
        out
    }

    /// Checks that each block takes what the one before gives. Returns the widths of the outputs of the first convolution, of each
    /// stage of the encoder and of the middle, or the first block that does not fit.
    pub fn widths(&self) -> Result<Vec<usize>, String> {
        let mut walk = self.walk(self.conv_in.cout);
        if let Some(time) = self.time {
            fits("time embedding", time.base, time.linear1.cin)?;
            fits("time embedding", time.linear1.cout, time.linear2.cin)?;
            self.class.map_or(Ok(()), |class| fits(&class.key, time.linear2.cout, class.width))?;
        }
        let mut widths = vec![walk.c];
        for stage in self.encoder.iter().map(Vec::as_slice).chain([self.middle]) {
            stage.iter().try_for_each(|l| walk.layer(l))?;
            widths.push(walk.c);
        }
        Ok(widths)
    }

    /// At a point of the network where it is `c` channels wide.
    fn walk(&self, c: usize) -> Walk {
        Walk { c, time: self.time.map(|t| t.linear2.cout), condition: self.condition }
    }
}

impl UnetSpec {
    /// Every tensor that the network takes from its checkpoint.
    pub fn params(&self) -> Vec<Param> {
        let mut out = self.trunk().params();
        self.semantic.iter().for_each(|s| out.extend(s.params()));
        self.decoder.iter().flatten().for_each(|l| layer(l, &mut out));
        norm(&self.norm_out, &mut out);
        conv(&self.conv_out, &mut out);
        out
    }

    /// Checks that every tensor is there in its shape, and that each block takes what the one before gives.
    /// # Errors
    /// The first tensor that is missing or misshapen, or the first block that does not fit.
    pub fn check(&self, ck: &Checkpoint) -> Result<()> {
        self.params().iter().try_for_each(|(key, shape)| ck.check(key, shape))?;
        let fault = |text: String| Error::file(ck.path(), text);
        if let Some(encoder) = &self.semantic {
            encoder.fits().map_err(fault)?;
            fits("the embedding of an image", encoder.width(), self.condition().unwrap_or(0)).map_err(fault)?;
        }
        let mut kept = self.trunk().widths().map_err(fault)?;
        let mut walk = self.trunk().walk(kept.pop().unwrap_or(0));
        if kept.len() != self.decoder.len() {
            let counts = format!("{} outputs of the encoder for {} decoder blocks", kept.len(), self.decoder.len());
            return Err(fault(counts));
        }
        for stage in &self.decoder {
            walk.c += kept.pop().unwrap_or(0);
            stage.iter().try_for_each(|l| walk.layer(l)).map_err(fault)?;
        }
        fits(&self.norm_out.key, walk.c, self.norm_out.channels).map_err(fault)?;
        fits(&self.conv_out.key, walk.c, self.conv_out.cin).map_err(fault)?;
        let halved = self.layers().filter(|l| l.halves()).count();
        let doubled = self.layers().filter(|l| l.doubles()).count();
        if halved != doubled {
            return Err(fault(format!("the image would be halved {halved} times, but doubled {doubled} times")));
        }
        Ok(())
    }
}

/// The width at one point of the network, and those of the embeddings of the time and of an image, if there are any.
pub(super) struct Walk {
    pub c: usize,
    pub time: Option<usize>,
    pub condition: Option<usize>,
}

impl Walk {
    pub fn layer(&mut self, layer: &Layer) -> Result<(), String> {
        match layer {
            Layer::Res(r) => self.res(r),
            Layer::Attention(a) => self.attention(a),
            Layer::Down(d) => self.conv(d.conv.as_ref()),
            Layer::Up(u) => self.conv(u.conv.as_ref()),
        }
    }
    pub fn conv(&mut self, conv: Option<&Conv>) -> Result<(), String> {
        let Some(conv) = conv else { return Ok(()) };
        fits(&conv.key, self.c, conv.cin)?;
        self.c = conv.cout;
        Ok(())
    }
    fn attention(&self, a: &Attention) -> Result<(), String> {
        fits(&a.name, self.c, a.channels)?;
        if let Some(norm) = &a.norm {
            fits(&norm.key, self.c, norm.channels)?;
        }
        let Some(proj) = &a.proj else { return Ok(()) };
        fits(&proj.key, self.c, proj.cin)?;
        fits(&a.name, proj.cout, self.c)
    }
    fn res(&mut self, r: &ResBlock) -> Result<(), String> {
        fits(&r.norm1.key, self.c, r.norm1.channels)?;
        fits(&r.conv1.key, self.c, r.conv1.cin)?;
        modulates(&r.name, "time", r.time.as_ref(), self.time)?;
        modulates(&r.name, "embedding of an image", r.condition.as_ref(), self.condition)?;
        let x = match &r.skip {
            Some(skip) => fits(&skip.key, self.c, skip.cin).map(|()| skip.cout)?,
            None => self.c,
        };
        self.c = r.conv1.cout;
        if let Some(condition) = &r.condition {
            fits(&condition.key, condition.cout, self.c)?;
        }
        if let Some((norm2, conv2)) = &r.second {
            fits(&norm2.key, self.c, norm2.channels)?;
            fits(&conv2.key, self.c, conv2.cin)?;
        }
        fits(&r.name, r.width(), x)?;
        fits(&r.name, r.width(), self.c)
    }
}

/// A block's layer on an embedding, where the network has the embedding, and none where it has not.
fn modulates(block: &str, what: &str, layer: Option<&Linear>, width: Option<usize>) -> Result<(), String> {
    match (layer, width) {
        (Some(layer), Some(width)) => fits(&layer.key, width, layer.cin),
        (None, None) => Ok(()),
        (Some(layer), None) => Err(format!("`{}` needs the {what}, which this network has none of", layer.key)),
        (None, Some(_)) => Err(format!("`{block}` has no weights for the {what}")),
    }
}

/// An error that names the layer where what comes in is not as wide as it needs.
pub(super) fn fits(name: &str, comes: usize, needs: usize) -> Result<(), String> {
    let fault = || format!("`{name}` is {needs} wide, but what comes in is {comes} wide");
    if comes == needs { Ok(()) } else { Err(fault()) }
}
