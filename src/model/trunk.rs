//! What a UNet, a classifier and an encoder of images have in common: time, first convolution, encoder, middle.
use super::unet::{ClassEmbed, Conv, Layer, Stage, TimeEmbed};
use crate::{Error, Result, Shape};
use std::fmt::Display;

/// The first half of a network, in its description's own parts.
#[derive(Clone, Copy)]
pub(super) struct Trunk<'a> {
    /// Time embedding; an encoder of images has none.
    pub time: Option<&'a TimeEmbed>,
    /// Class embedding.
    pub class: Option<&'a ClassEmbed>,
    /// Width of the embedding of an image that its blocks are modulated by.
    pub condition: Option<usize>,
    /// First convolution.
    pub conv_in: &'a Conv,
    /// Stages whose outputs are kept, after that of the first convolution.
    pub encoder: &'a [Stage],
    /// What comes after them.
    pub middle: &'a [Layer],
}

/// Width, residual blocks and attention of a level of the encoder.
pub(super) struct Level {
    pub width: usize,
    pub blocks: usize,
    pub attention: bool,
}

impl<'a> Trunk<'a> {
    /// All layers in the order they run.
    pub fn layers(&self) -> impl Iterator<Item = &'a Layer> + use<'a> {
        self.encoder.iter().flatten().chain(self.middle)
    }

    /// How often the image is halved: both sides must be multiples of 2 to this power.
    pub fn halvings(&self) -> u32 {
        self.encoder.iter().flatten().filter(|l| l.halves()).count() as u32
    }

    /// Levels of the encoder, the widest image first; what halves the image belongs to none.
    pub fn levels(&self) -> Vec<Level> {
        let none = || Level { width: 0, blocks: 0, attention: false };
        let mut levels = vec![none()];
        for layer in self.encoder.iter().flatten() {
            if layer.halves() {
                levels.push(none());
                continue;
            }
            let Some(last) = levels.last_mut() else { continue };
            match layer {
                Layer::Res(r) => {
                    last.width = r.width();
                    last.blocks += 1;
                }
                Layer::Attention(_) => last.attention = true,
                Layer::Down(_) | Layer::Up(_) => {}
            }
        }
        levels
    }

    /// Checks an image's shape, and whether a class, or the embedding of an image, comes with it; `what` names the network.
    /// # Errors
    /// [`Error::Invalid`] with the shape and what the network needs.
    pub fn accepts(&self, what: impl Display, x: Shape, given: bool) -> Result<()> {
        accepts(&what, x, self.conv_in.cin, self.halvings())?;
        match (self.class, self.condition, given) {
            (Some(c), _, false) => {
                fault(&what, format!("is conditional: one of its {} classes must be given", c.classes))
            }
            (_, Some(width), false) => {
                fault(&what, format!("is conditional: the embedding of an image, {width} wide, must be given"))
            }
            (None, None, true) => fault(&what, "knows no classes".into()),
            _ => Ok(()),
        }
    }
}

/// Checks an image's channels, and its size against how often a network halves it; `what` names the network.
/// # Errors
/// [`Error::Invalid`] with the shape and what the network needs.
pub(super) fn accepts(what: impl Display, x: Shape, channels: usize, halvings: u32) -> Result<()> {
    let side = 1usize.checked_shl(halvings).unwrap_or(usize::MAX);
    if x.c != channels {
        return fault(what, format!("takes {channels} channels, not {}", x.c));
    }
    if x.is_empty() || !x.h.is_multiple_of(side) || !x.w.is_multiple_of(side) {
        return fault(what, format!("halves the image {halvings} times; {}x{} is no multiple of {side}", x.h, x.w));
    }
    Ok(())
}

fn fault(what: impl Display, text: String) -> Result<()> {
    Err(Error::Invalid(format!("the network ({what}) {text}")))
}
