//! Which tensors a described autoencoder needs, in which shapes; and that its widths fit together.
use super::{Autoencoder, Latent, Step, Strided};
use crate::kernels::nearest_code::MAX_CODES;
use crate::model::params::{self, Param, Walk, fits};
use crate::model::{Checkpoint, unet::Layer};
use crate::{Error, Result};

impl Autoencoder {
    /// Every tensor that the network takes from its checkpoint.
    pub fn params(&self) -> Vec<Param> {
        let mut out = Vec::new();
        self.encoder.iter().for_each(|s| step(s, &mut out));
        match &self.latent {
            Latent::Normal => {}
            Latent::NormalBy { mean, log_variance } => {
                [mean, log_variance].into_iter().for_each(|c| params::conv(c, &mut out));
            }
            Latent::Codes { key, count, width } => out.push((key.clone(), vec![*count, *width])),
        }
        self.decoder.iter().for_each(|s| step(s, &mut out));
        out
    }

    /// Checks that every tensor is there in its shape, and that each step takes what the one before gives.
    /// # Errors
    /// The first tensor that is missing or misshapen, or the first step that does not fit.
    pub fn check(&self, ck: &Checkpoint) -> Result<()> {
        self.params().iter().try_for_each(|(key, shape)| ck.check(key, shape))?;
        self.fits().map_err(|fault| Error::file(ck.path(), fault))
    }

    fn fits(&self) -> Result<(), String> {
        let mut walk = Walk { c: self.in_channels(), time: None, condition: None };
        self.encoder.iter().try_for_each(|s| walk_step(&mut walk, s))?;
        let latent = self.latent_channels();
        match &self.latent {
            Latent::Normal if !walk.c.is_multiple_of(2) || latent == 0 => {
                return Err(format!("the encoder gives {} channels, which are no mean and variance", walk.c));
            }
            Latent::Normal => {}
            Latent::NormalBy { mean, log_variance } => {
                fits(&mean.key, walk.c, mean.cin)?;
                fits(&log_variance.key, walk.c, log_variance.cin)?;
                fits(&log_variance.key, mean.cout, log_variance.cout)?;
            }
            Latent::Codes { key, count, width } => {
                fits(key, walk.c, *width)?;
                if *count >= MAX_CODES {
                    return Err(format!("`{key}` has {count} rows; fewer than {MAX_CODES} are supported"));
                }
            }
        }
        walk.c = latent;
        self.decoder.iter().try_for_each(|s| walk_step(&mut walk, s))
    }
}

fn step(s: &Step, out: &mut Vec<Param>) {
    match s {
        Step::Conv(c) => params::conv(&c.conv, out),
        Step::Transposed(Strided { conv: c, .. }) => {
            out.push((format!("{}.weight", c.key), vec![c.cin, c.cout, c.kernel, c.kernel]));
            out.push((format!("{}.bias", c.key), vec![c.cout]));
        }
        Step::Layer(l) => params::layer(l, out),
        Step::Norm(n, _) => params::norm(n, out),
        Step::Activation(_) => {}
        Step::Unit { conv1, conv2, .. } => [conv1, conv2].into_iter().for_each(|c| params::conv(&c.conv, out)),
    }
}

fn walk_step(walk: &mut Walk, s: &Step) -> Result<(), String> {
    match s {
        Step::Conv(c) | Step::Transposed(c) => walk.conv(Some(&c.conv)),
        Step::Layer(l) => walk.layer(l),
        Step::Norm(n, _) => fits(&n.key, walk.c, n.channels),
        Step::Activation(_) => Ok(()),
        Step::Unit { name, conv1, conv2, .. } => {
            let before = walk.c;
            walk.conv(Some(&conv1.conv))?;
            walk.conv(Some(&conv2.conv))?;
            fits(name, walk.c, before)
        }
    }
}

impl Step {
    /// The layer that it is, if it is one of the UNet's.
    pub(in crate::model) fn layer(&self) -> Option<&Layer> {
        if let Step::Layer(l) = self { Some(l) } else { None }
    }
}
