//! From a described autoencoder to nodes of a graph.
use super::{Autoencoder, Latent, Step, Strided};
use crate::graph::{ConvSpec, Graph, NodeId};
use crate::kernels::channels::Channels;
use crate::kernels::conv_transpose::ConvTranspose;
use crate::kernels::nearest_code::{NearestCode, squares};
use crate::kernels::pointwise::Activation::Relu;
use crate::kernels::posterior::Posterior;
use crate::kernels::{conv, embedding::Embedding};
use crate::model::build::{Builder, Given, SYMMETRIC};
use crate::model::{Checkpoint, unet::Conv};
use crate::{Error, Result};

/// What an encoder gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The mean of the normal distribution, (N,h,w,c), which is also its mode; with a codebook the latent before it is quantised.
    pub latent: NodeId,
    /// The logarithm of its variance as the encoder gives it, not yet clamped, of the same shape; none with a codebook.
    pub raw_log_variance: Option<NodeId>,
}

/// A latent, and what a codebook made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantised {
    /// The number of the nearest row for every pixel, (N,h,w,1), from 0 on; of several that are equally near the first.
    pub indices: NodeId,
    /// These rows, (N,h,w,c).
    pub codes: NodeId,
}

impl Encoded {
    /// The logarithm of the variance, clamped to −30…20 as in the originals, (N,h,w,c).
    /// # Errors
    /// [`Error::Invalid`] for an autoencoder with a codebook.
    pub fn log_variance(&self, g: &mut Graph) -> Result<NodeId> {
        g.push("posterior.log_variance", Posterior::LogVariance, &[self.raw()?])
    }
    /// The standard deviation, (N,h,w,c).
    /// # Errors
    /// As [`Encoded::log_variance`].
    pub fn deviation(&self, g: &mut Graph) -> Result<NodeId> {
        g.push("posterior.deviation", Posterior::Deviation, &[self.raw()?])
    }
    /// A sample: the mean and the standard deviation times `noise` (N,h,w,c), which is standard normal.
    /// # Errors
    /// As [`Encoded::log_variance`]; [`Error::Graph`] for noise of another shape.
    pub fn sample(&self, g: &mut Graph, noise: NodeId) -> Result<NodeId> {
        g.push("posterior.sample", Posterior::Sample, &[self.latent, self.raw()?, noise])
    }
    fn raw(&self) -> Result<NodeId> {
        let fault = || Error::Invalid("an autoencoder with a codebook gives no variance".into());
        self.raw_log_variance.ok_or_else(fault)
    }
}

impl Autoencoder {
    /// Adds the encoder to a graph: image `x` (N,H,W,[`Autoencoder::in_channels`]) to the latent, see
    /// [`Autoencoder::latent_shape`]. Weights are read, and thereby marked as used, here and in the functions below: call
    /// [`Checkpoint::settle`] when the network is complete.
    /// # Errors
    /// What [`Checkpoint::take`] and [`Autoencoder::latent_shape`] say.
    pub fn encode(&self, ck: &Checkpoint, g: &mut Graph, x: NodeId) -> Result<Encoded> {
        self.latent_shape(g.shape(x))?;
        let mut b = Builder { ck, g };
        let h = b.steps(&self.encoder, x)?;
        match &self.latent {
            Latent::Codes { .. } => Ok(Encoded { latent: h, raw_log_variance: None }),
            Latent::NormalBy { mean, log_variance } => {
                let latent = b.conv(mean, h, 1, SYMMETRIC)?;
                Ok(Encoded { latent, raw_log_variance: Some(b.conv(log_variance, h, 1, SYMMETRIC)?) })
            }
            Latent::Normal => {
                let count = self.latent_channels();
                let latent = g.push("posterior.mean", Channels { from: 0, count }, &[h])?;
                let second = Channels { from: count as isize, count };
                Ok(Encoded { latent, raw_log_variance: Some(g.push("posterior.variance", second, &[h])?) })
            }
        }
    }

    /// Adds the quantiser: latents (N,h,w,c) to the nearest rows of the codebook. It has no gradient.
    /// # Errors
    /// What [`Checkpoint::take`] says; [`Error::Invalid`] for an autoencoder without a codebook; [`Error::Graph`] for another
    /// number of channels.
    pub fn quantise(&self, ck: &Checkpoint, g: &mut Graph, latent: NodeId) -> Result<Quantised> {
        let (table, name, [codes, width]) = self.codebook(ck)?;
        let squares = g.vector(&format!("{name}.squares"), &squares(&table, width));
        let table = g.rows(&format!("{name}.weight"), &table, width);
        let indices = g.push(&format!("{name}.nearest"), NearestCode { codes, width, table, squares }, &[latent])?;
        let codes = g.push(name, Embedding { table, classes: codes, dim: width }, &[indices])?;
        Ok(Quantised { indices, codes })
    }

    /// Adds the look-up alone: numbers of rows (N,h,w,1) to rows (N,h,w,c).
    /// # Errors
    /// As [`Autoencoder::quantise`].
    pub fn look_up(&self, ck: &Checkpoint, g: &mut Graph, indices: NodeId) -> Result<NodeId> {
        let (table, name, [classes, dim]) = self.codebook(ck)?;
        let table = g.rows(&format!("{name}.weight"), &table, dim);
        g.push(name, Embedding { table, classes, dim }, &[indices])
    }

    /// Adds the decoder: latents (N,h,w,c), of an autoencoder with a codebook rows of it, to images, see
    /// [`Autoencoder::image_shape`].
    /// # Errors
    /// What [`Checkpoint::take`] and [`Autoencoder::image_shape`] say.
    pub fn decode(&self, ck: &Checkpoint, g: &mut Graph, latent: NodeId) -> Result<NodeId> {
        self.image_shape(g.shape(latent))?;
        Builder { ck, g }.steps(&self.decoder, latent)
    }

    /// Adds all of it: an image to its reconstruction from the mean, or from the nearest rows of the codebook.
    /// # Errors
    /// As [`Autoencoder::encode`], [`Autoencoder::quantise`] and [`Autoencoder::decode`].
    pub fn build(&self, ck: &Checkpoint, g: &mut Graph, x: NodeId) -> Result<NodeId> {
        let latent = self.encode(ck, g, x)?.latent;
        let latent = if self.codes().is_some() { self.quantise(ck, g, latent)?.codes } else { latent };
        self.decode(ck, g, latent)
    }

    /// The codebook, its name and its sizes.
    fn codebook(&self, ck: &Checkpoint) -> Result<(Vec<f32>, &str, [usize; 2])> {
        let Latent::Codes { key, count, width } = &self.latent else {
            return Err(Error::file(ck.path(), format!("is a {}, which has no codebook", self.title())));
        };
        let table = ck.take(key, &[*count, *width])?;
        Ok((table, key.trim_end_matches(".weight"), [*count, *width]))
    }
}

impl Builder<'_> {
    fn steps(&mut self, steps: &[Step], x: NodeId) -> Result<NodeId> {
        let mut before = String::from("input");
        steps.iter().try_fold(x, |h, step| {
            let node = match step {
                Step::Conv(c) => self.strided(c, h),
                Step::Transposed(c) => self.transposed(c, h),
                Step::Layer(l) => self.layer(l, h, Given::default()),
                Step::Norm(n, act) => self.norm(n, h, None, *act),
                Step::Activation(act) => self.g.map(&format!("{before}.{}", act.name()), h, *act, 1.0, 0.0),
                Step::Unit { name, conv1, act, conv2 } => {
                    let inner = self.strided(conv1, h)?;
                    let inner = self.g.map(&format!("{name}.{}", act.name()), inner, *act, 1.0, 0.0)?;
                    let inner = self.strided(conv2, inner)?;
                    let sum = self.g.add(&format!("{name}.sum"), inner, h)?;
                    self.g.map(&format!("{name}.relu"), sum, Relu, 1.0, 0.0)
                }
            }?;
            before.clone_from(&self.g.nodes[node.0].name);
            Ok(node)
        })
    }

    fn strided(&mut self, s: &Strided, x: NodeId) -> Result<NodeId> {
        let Conv { key, cin, cout, kernel } = &s.conv;
        let weight = self.ck.take(&format!("{key}.weight"), &[*cout, *cin, *kernel, *kernel])?;
        let bias = self.ck.take(&format!("{key}.bias"), &[*cout])?;
        let (weight, kernel) = dilate(weight, *kernel, s.dilation);
        let shape = [*cout, *cin, kernel, kernel];
        let spec = ConvSpec { weight: &weight, shape, bias: Some(&bias), stride: s.stride, pad: [s.pad; 4] };
        self.g.conv(key, x, &spec)
    }

    fn transposed(&mut self, s: &Strided, x: NodeId) -> Result<NodeId> {
        let Conv { key, cin, cout, kernel } = &s.conv;
        let (cin, cout) = (*cin, *cout);
        let weight = self.ck.take(&format!("{key}.weight"), &[cin, cout, *kernel, *kernel])?;
        let bias = self.ck.take(&format!("{key}.bias"), &[cout])?;
        let (weight, kernel) = dilate(weight, *kernel, s.dilation);
        // PyTorch has the inputs first, the kernel the outputs.
        let each = kernel * kernel;
        let exchanged: Vec<f32> =
            (0..cout * cin).flat_map(|i| &weight[(i % cin * cout + i / cin) * each..][..each]).copied().collect();
        let packed = conv::pack(&exchanged, [cout, cin, kernel, kernel]);
        let weight = self.g.weight(&format!("{key}.weight"), packed);
        let bias = Some(self.g.vector(&format!("{key}.bias"), &bias));
        let (kernel, output_pad) = ([kernel; 2], [s.output_pad; 2]);
        let op = ConvTranspose { kernel, stride: s.stride, pad: [s.pad; 4], output_pad, cout, weight, bias };
        self.g.push(key, op, &[x])
    }
}

/// Square kernels of `size` with `dilation` − 1 rows and columns of zeros between their own, and their size.
pub(super) fn dilate(weight: Vec<f32>, size: usize, dilation: usize) -> (Vec<f32>, usize) {
    if dilation == 1 {
        return (weight, size);
    }
    let wide = (size - 1) * dilation + 1;
    let mut out = vec![0.0; weight.len() / (size * size) * wide * wide];
    for (i, w) in weight.into_iter().enumerate() {
        let (kernel, row, column) = (i / (size * size), i / size % size, i % size);
        out[(kernel * wide + row * dilation) * wide + column * dilation] = w;
    }
    (out, wide)
}
