//! guided-diffusion's classifier of noised images (`EncoderUNetModel`; Dhariwal and Nichol 2021, section 4 and appendix H): the first
//! half of a UNet, and one of four pools that make logits of it.
mod build;
mod config;
#[cfg(test)]
mod tests;

use super::params::{fits, linear, norm};
use super::trunk::Trunk;
use super::unet::{Conv, Linear, Norm, Stage, TimeEmbed};
use super::{Checkpoint, Param};
use crate::{Error, Result, Shape};
use std::fmt;

/// The name under which messages know it.
pub(crate) const TITLE: &str = "guided-diffusion EncoderUNetModel";

/// A classifier of noised images.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassifierSpec {
    /// (height, width) it was trained at, where its weights or a config say so.
    pub sample_size: Option<(usize, usize)>,
    /// Time embedding.
    pub time: TimeEmbed,
    /// First convolution.
    pub conv_in: Conv,
    /// Down.
    pub encoder: Vec<Stage>,
    /// After it, at the smallest size.
    pub middle: Stage,
    /// From the features to logits.
    pub pool: ClassifierPool,
}

/// How a classifier makes logits of features, by its original's names.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassifierPool {
    /// `adaptive`: GroupNorm, SiLU, the mean over all pixels, a linear layer.
    Adaptive {
        /// On the middle's output.
        norm: Norm,
        /// From its channels to the classes.
        linear: Linear,
    },
    /// `attention`: GroupNorm and SiLU; of the tokens [mean over all pixels, pixel, pixel, ...], each with its own position added,
    /// the first attends to all; a linear layer on what it gets.
    Attention {
        /// On the middle's output.
        norm: Norm,
        /// Key of the positions (C, 1 + side²).
        positions: String,
        /// Rows and columns of the features, which the number of positions fixes.
        side: usize,
        /// From C channels to [q | k | v], each with its heads contiguous.
        qkv: Linear,
        /// A divisor of C.
        heads: usize,
        /// From C channels to the classes.
        proj: Linear,
    },
    /// `spatial` and `spatial_v2`: the means over all pixels of the outputs of the first convolution, of every stage and of the middle,
    /// one behind the other; a linear layer, an activation, a linear layer.
    Spatial {
        /// From all of these channels.
        linear1: Linear,
        /// `spatial_v2`: GroupNorm and SiLU between the layers, instead of ReLU.
        norm: Option<Norm>,
        /// To the classes.
        linear2: Linear,
    },
}

impl ClassifierPool {
    /// The original's name.
    pub fn name(&self) -> &'static str {
        match self {
            ClassifierPool::Adaptive { .. } => "adaptive",
            ClassifierPool::Attention { .. } => "attention",
            ClassifierPool::Spatial { norm: None, .. } => "spatial",
            ClassifierPool::Spatial { norm: Some(_), .. } => "spatial_v2",
        }
    }
    /// The layer that gives the logits.
    fn last(&self) -> &Linear {
        match self {
            ClassifierPool::Adaptive { linear, .. } => linear,
            ClassifierPool::Attention { proj, .. } => proj,
            ClassifierPool::Spatial { linear2, .. } => linear2,
        }
    }
    fn params(&self) -> Vec<Param> {
        let mut out = Vec::new();
        match self {
            ClassifierPool::Adaptive { norm: n, linear: l } => {
                norm(n, &mut out);
                linear(l, &mut out);
            }
            ClassifierPool::Attention { norm: n, positions, side, qkv, proj, .. } => {
                norm(n, &mut out);
                out.push((positions.clone(), vec![n.channels, 1 + side * side]));
                linear(qkv, &mut out);
                linear(proj, &mut out);
            }
            ClassifierPool::Spatial { linear1, norm: n, linear2 } => {
                linear(linear1, &mut out);
                n.iter().for_each(|n| norm(n, &mut out));
                linear(linear2, &mut out);
            }
        }
        out
    }
    /// Checks that its widths fit together and to those of the features (see [`Trunk::widths`]).
    fn check(&self, features: &[usize]) -> Result<(), String> {
        let last = features.last().copied().unwrap_or(0);
        match self {
            ClassifierPool::Adaptive { norm, linear } => {
                fits(&norm.key, last, norm.channels)?;
                fits(&linear.key, last, linear.cin)
            }
            ClassifierPool::Attention { norm, qkv, heads, proj, .. } => {
                fits(&norm.key, last, norm.channels)?;
                fits(&qkv.key, last, qkv.cin)?;
                fits(&proj.key, last, proj.cin)?;
                if qkv.cout != 3 * last || *heads == 0 || !last.is_multiple_of(*heads) {
                    return Err(format!("`{}` of {} rows is not q, k and v of {heads} heads", qkv.key, qkv.cout));
                }
                Ok(())
            }
            ClassifierPool::Spatial { linear1, norm, linear2 } => {
                fits(&linear1.key, features.iter().sum(), linear1.cin)?;
                norm.as_ref().map_or(Ok(()), |norm| fits(&norm.key, linear1.cout, norm.channels))?;
                fits(&linear2.key, linear1.cout, linear2.cin)
            }
        }
    }
}

impl fmt::Display for ClassifierPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            ClassifierPool::Attention { side, heads, .. } => write!(f, ", {} tokens, {heads} heads", 1 + side * side),
            ClassifierPool::Spatial { linear1, .. } => write!(f, ", {} wide", linear1.cout),
            ClassifierPool::Adaptive { .. } => Ok(()),
        }
    }
}

impl ClassifierSpec {
    /// Channels of the image that it takes.
    pub fn in_channels(&self) -> usize {
        self.conv_in.cin
    }
    /// Classes that it tells apart.
    pub fn classes(&self) -> usize {
        self.pool.last().cout
    }
    /// How often the image is halved: both sides must be multiples of 2 to this power.
    pub fn halvings(&self) -> u32 {
        self.trunk().halvings()
    }
    /// All of it before the pool.
    pub(super) fn trunk(&self) -> Trunk<'_> {
        let ClassifierSpec { time, conv_in, encoder, middle, .. } = self;
        Trunk { time: Some(time), class: None, condition: None, conv_in, encoder, middle }
    }
    /// Every tensor that the network takes from its checkpoint.
    pub fn params(&self) -> Vec<Param> {
        self.trunk().params().into_iter().chain(self.pool.params()).collect()
    }
    /// Checks that every tensor is there in its shape, and that each block takes what the one before gives.
    /// # Errors
    /// The first tensor that is missing or misshapen, or the first block that does not fit.
    pub fn check(&self, ck: &Checkpoint) -> Result<()> {
        self.params().iter().try_for_each(|(key, shape)| ck.check(key, shape))?;
        let features = self.trunk().widths().and_then(|widths| self.pool.check(&widths));
        features.map_err(|fault| Error::file(ck.path(), fault))
    }
    /// Checks an image's shape.
    /// # Errors
    /// [`Error::Invalid`] with the shape and what the network needs.
    pub fn accepts(&self, x: Shape) -> Result<()> {
        self.trunk().accepts(TITLE, x, false)?;
        let ClassifierPool::Attention { side, .. } = self.pool else { return Ok(()) };
        let side = side.checked_shl(self.halvings()).unwrap_or(usize::MAX);
        if [x.h, x.w] != [side; 2] {
            let fault =
                format!("the network ({TITLE}) has an attention pool for {side}x{side} alone, not {}x{}", x.h, x.w);
            return Err(Error::Invalid(fault));
        }
        Ok(())
    }
}
