//! The network that compares an image with its reconstruction and marks where they differ: DRAEM's discriminative sub-network
//! (Zavrtanik, Kristan, Skočaj, ICCV 2021), which DiffAD takes over. Described by its keys and shapes alone.
mod build;
#[cfg(test)]
mod tests;

use super::conv_norm::{ConvNorm, conv_shape};
use super::params::{Param, fits};
use super::trunk::accepts;
use super::{Checkpoint, Config};
use crate::{Error, Result, Shape};

/// The name under which messages know it.
pub(crate) const TITLE: &str = "DRAEM discriminative sub-network";

/// The key before the stages that halve the image, and that before those that double it.
const HALVES: [&str; 2] = ["encoder_segment.", "decoder_segment."];

/// Stages of two 3x3 convolutions, each with BatchNorm and ReLU, and a 2x2 maximum between them; then as many times but one: twice
/// the size by bilinear interpolation with aligned corners, a convolution, the stage of that size joined behind it along the
/// channels, two convolutions; at the end a convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparer {
    /// The stages that halve the image, the largest first.
    pub(super) down: Vec<[ConvNorm; 2]>,
    /// Those that double it: the convolution after the interpolation, and the two after the concatenation.
    pub(super) up: Vec<(ConvNorm, [ConvNorm; 2])>,
    /// Key of the last convolution, without `.weight`.
    pub(super) last: String,
    /// Its shape (Cout,Cin,k,k).
    pub(super) last_shape: [usize; 4],
}

/// Whether the keys are those of such a network.
pub fn is_comparer(ck: &Checkpoint) -> bool {
    HALVES.iter().all(|half| ck.has_under(half))
}

impl Comparer {
    /// Recognises the network: its stages are counted by their keys, all widths come from the shapes. A config may only repeat them.
    /// # Errors
    /// [`Error::MissingTensor`] or [`Error::TensorShape`] where the keys do not make such a network; [`Error::File`] where widths
    /// do not fit together or the config contradicts the weights.
    pub fn read(ck: &Checkpoint, cfg: &Config) -> Result<Self> {
        let [encoder, decoder] = HALVES;
        let pair = |at: String| -> Result<[ConvNorm; 2]> {
            let one = |i: usize| ConvNorm::read(ck, &format!("{at}.{i}"), &format!("{at}.{}", i + 1), 1);
            Ok([one(0)?, one(3)?])
        };
        let count = (1..).take_while(|i| ck.has_under(&format!("{encoder}block{i}."))).count();
        if count < 2 {
            return Err(Error::file(ck.path(), format!("has {count} stages `{encoder}blockN`; two are the least")));
        }
        let down = (1..=count).map(|i| pair(format!("{encoder}block{i}"))).collect::<Result<Vec<_>>>()?;
        // `up_b` comes first, then `up1`, `up2`, ...
        let name = |i: usize| if i == 0 { "_b".to_owned() } else { i.to_string() };
        let stage = |i: usize| {
            let at = format!("{decoder}up{}", name(i));
            let first = ConvNorm::read(ck, &format!("{at}.1"), &format!("{at}.2"), 1)?;
            Ok((first, pair(format!("{decoder}db{}", name(i)))?))
        };
        let up = (0..count - 1).map(stage).collect::<Result<Vec<_>>>()?;
        let last = format!("{decoder}fin_out.0");
        let net = Comparer { down, up, last_shape: conv_shape(ck, &last)?, last };
        net.check(ck)?;
        cfg.agree(ck, "in_channels", cfg.count("in_channels")?, net.in_channels())?;
        cfg.agree(ck, "out_channels", cfg.count("out_channels")?, net.out_channels())?;
        let base = cfg.alias(&["base_channels", "base_width"]);
        cfg.agree(ck, base, cfg.count(base)?, net.base_channels())?;
        Ok(net)
    }
    /// Channels that it takes: of the image and of its reconstructions, one behind the other.
    pub fn in_channels(&self) -> usize {
        self.down.first().map_or(0, |stage| stage[0].shape[1])
    }
    /// Channels that it gives, logits: as published two, of normal and of anomalous.
    pub fn out_channels(&self) -> usize {
        self.last_shape[0]
    }
    /// Width of the first stage.
    pub fn base_channels(&self) -> usize {
        self.down.first().map_or(0, |stage| stage[1].shape[0])
    }
    /// How often the image is halved: both sides must be multiples of 2 to this power.
    pub fn halvings(&self) -> u32 {
        self.up.len() as u32
    }
    /// Every convolution but the last, in order.
    fn convs(&self) -> impl Iterator<Item = &ConvNorm> {
        let up = self.up.iter().flat_map(|(first, pair)| std::iter::once(first).chain(pair));
        self.down.iter().flatten().chain(up)
    }
    /// Every tensor that the network takes from its checkpoint.
    pub fn params(&self) -> Vec<Param> {
        let mut out: Vec<Param> = self.convs().flat_map(ConvNorm::params).collect();
        out.push((format!("{}.weight", self.last), self.last_shape.to_vec()));
        out.push((format!("{}.bias", self.last), vec![self.last_shape[0]]));
        out
    }
    /// Checks an image's shape.
    /// # Errors
    /// [`Error::Invalid`] with the shape and what the network needs.
    pub fn accepts(&self, x: Shape) -> Result<()> {
        accepts(TITLE, x, self.in_channels(), self.halvings())
    }
    /// Widths fit together, and every tensor is there in its shape.
    fn check(&self, ck: &Checkpoint) -> Result<()> {
        self.params().iter().try_for_each(|(key, shape)| ck.check(key, shape))?;
        self.fits().map_err(|fault| Error::file(ck.path(), fault))
    }
    fn fits(&self) -> Result<(), String> {
        for c in self.convs().map(|c| (&c.key, c.shape)).chain([(&self.last, self.last_shape)]) {
            if c.1[2..] != [3, 3] {
                return Err(format!("`{}` is a {}x{} convolution, not a 3x3 one", c.0, c.1[2], c.1[3]));
            }
        }
        let mut c = self.in_channels();
        let through = |conv: &ConvNorm, c: usize| fits(&conv.key, c, conv.shape[1]).map(|()| conv.shape[0]);
        let mut kept = Vec::new();
        for stage in &self.down {
            for conv in stage {
                c = through(conv, c)?;
            }
            kept.push(c);
        }
        kept.pop();
        for (first, pair) in &self.up {
            c = through(first, c)? + kept.pop().unwrap_or(0);
            for conv in pair {
                c = through(conv, c)?;
            }
        }
        fits(&self.last, c, self.last_shape[1])
    }
}
