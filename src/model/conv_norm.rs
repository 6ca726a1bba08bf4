//! A convolution and the BatchNorm after it, which is folded into it when the network is built.
use super::{Checkpoint, Param};
use crate::graph::{ConvSpec, Graph, NodeId};
use crate::{Error, Result};

/// A convolution and the BatchNorm after it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ConvNorm {
    /// Of the convolution, without `.weight`.
    pub key: String,
    /// Of the BatchNorm.
    pub norm: String,
    /// (Cout,Cin,k,k).
    pub shape: [usize; 4],
    pub stride: usize,
    /// The convolution has a bias of its own.
    pub bias: bool,
    /// Added to the variance.
    pub eps: f64,
}

/// PyTorch's default of [`ConvNorm::eps`].
pub(super) const EPS: f64 = 1e-5;

/// The BatchNorm's vectors.
const NORM: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

impl ConvNorm {
    /// A convolution by the shape of its weight, whose trailing sizes of one may be left out; square, with `kernel / 2` pixels of
    /// padding.
    /// # Errors
    /// [`Error::MissingTensor`] where it is not there, [`Error::File`] for a weight that is no convolution's.
    pub fn read(ck: &Checkpoint, key: &str, norm: &str, stride: usize) -> Result<Self> {
        let (shape, bias) = (conv_shape(ck, key)?, ck.contains(&format!("{key}.bias")));
        Ok(ConvNorm { key: key.into(), norm: norm.into(), shape, stride, bias, eps: EPS })
    }

    /// Every tensor that it takes from its checkpoint.
    pub fn params(&self) -> Vec<Param> {
        let cout = vec![self.shape[0]];
        let mut out = vec![(format!("{}.weight", self.key), self.shape.to_vec())];
        out.extend(self.bias.then(|| (format!("{}.bias", self.key), cout.clone())));
        out.extend(NORM.map(|name| (format!("{}.{name}", self.norm), cout.clone())));
        out
    }

    /// conv·(γ/√(σ² + ε)) + (β − (μ − b)·γ/√(σ² + ε)): computed in f64, rounded once.
    /// # Errors
    /// What [`Checkpoint::take`] says; [`Error::File`] for a variance below zero; [`Error::Graph`] when shapes do not fit.
    pub fn build(&self, ck: &Checkpoint, g: &mut Graph, x: NodeId) -> Result<NodeId> {
        let [cout, _, kernel, _] = self.shape;
        let mut weight = ck.take(&format!("{}.weight", self.key), &self.shape)?;
        let own = self.bias.then(|| ck.take(&format!("{}.bias", self.key), &[cout])).transpose()?;
        let norm = |name: &str| ck.take(&format!("{}.{name}", self.norm), &[cout]);
        let (gamma, beta, mean, variance) = (norm(NORM[0])?, norm(NORM[1])?, norm(NORM[2])?, norm(NORM[3])?);
        if let Some(at) = variance.iter().position(|&v| v < 0.0) {
            let fault =
                format!("tensor `{}.running_var` holds {} at element {at}, below zero", self.norm, variance[at]);
            return Err(Error::file(ck.path(), fault));
        }
        let mut bias = Vec::with_capacity(cout);
        let each = weight.len() / cout;
        for (o, filter) in weight.chunks_exact_mut(each).enumerate() {
            let scale = f64::from(gamma[o]) / (f64::from(variance[o]) + self.eps).sqrt();
            filter.iter_mut().for_each(|w| *w = (f64::from(*w) * scale) as f32);
            let center = f64::from(mean[o]) - own.as_ref().map_or(0.0, |b| f64::from(b[o]));
            bias.push((f64::from(beta[o]) - center * scale) as f32);
        }
        let pad = [kernel / 2; 4];
        let spec = ConvSpec { weight: &weight, shape: self.shape, bias: Some(&bias), stride: self.stride, pad };
        g.conv(&self.key, x, &spec)
    }
}

/// The shape (Cout,Cin,k,k) of a convolution's weight, whose trailing sizes of one may be left out.
/// # Errors
/// As [`ConvNorm::read`].
pub(super) fn conv_shape(ck: &Checkpoint, key: &str) -> Result<[usize; 4]> {
    let weight = format!("{key}.weight");
    let found =
        ck.shape(&weight).ok_or_else(|| Error::MissingTensor { path: ck.path().into(), key: weight.clone() })?;
    let mut shape = [1; 4];
    if found.is_empty() || found.len() > 4 || found.contains(&0) {
        let fault = format!("tensor `{weight}` is {found:?}, not (Cout,Cin,k,k)");
        return Err(Error::file(ck.path(), fault));
    }
    shape[..found.len()].copy_from_slice(found);
    Ok(shape)
}
