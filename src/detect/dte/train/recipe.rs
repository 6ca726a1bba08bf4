//! How long, how fast and how often a network is trained.
use crate::detect::dte::networks::NetworkKind;
use crate::{Error, Result};

/// How a network is trained: by Adam, at a rate that falls to zero along half a cosine (Loshchilov and Hutter, ICLR 2017), where the
/// paper trains at a steady 1e-4 for 400 epochs; the falling rate reaches the same AUROC in a small part of the steps. What is not
/// given is chosen for the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// Passes over the rows at most.
    pub epochs: usize,
    /// Steps of Adam at most. By default 4000 or 60 epochs, whichever is more; for DTE-IG 2000 or 100.
    pub max_steps: Option<usize>,
    /// Rows of a step. By default 256 for DTE-IG and the paper's 64 for the others.
    pub batch: Option<usize>,
    /// Learning rate at the beginning. By default 6e-4 for DTE-IG and 1e-3 for the others.
    pub rate: Option<f64>,
    /// L2 penalty (added to the gradient). By default 0 for DTE-IG, as in its later public version, and the paper's 5e-4 for the others.
    pub decay: Option<f32>,
    /// Networks whose scores are averaged. By default 5 for DTE-IG and 1 for the others.
    pub members: Option<usize>,
    /// Decides weights, order and noise.
    pub seed: u32,
}

impl Default for Recipe {
    fn default() -> Self {
        Recipe { epochs: 400, max_steps: None, batch: None, rate: None, decay: None, members: None, seed: 0 }
    }
}

/// A [`Recipe`] for one kind of network, with nothing left open.
pub(super) struct FullRecipe {
    kind: NetworkKind,
    epochs: usize,
    max_steps: Option<usize>,
    pub batch: usize,
    pub rate: f64,
    pub decay: f32,
}

impl Recipe {
    /// # Errors
    /// [`Error::Invalid`] for settings out of range.
    pub(super) fn full(&self, kind: NetworkKind) -> Result<FullRecipe> {
        let (batch, rate, decay) = if kind == NetworkKind::InverseGamma { (256, 6e-4, 0.0) } else { (64, 1e-3, 5e-4) };
        let Recipe { epochs, max_steps, .. } = *self;
        let (batch, rate) = (self.batch.unwrap_or(batch), self.rate.unwrap_or(rate));
        if epochs == 0 || batch == 0 || max_steps == Some(0) || !(rate > 0.0 && rate.is_finite()) {
            let fault = "training needs at least one epoch, one step, one row in a batch and a positive learning rate";
            return Err(Error::Invalid(fault.into()));
        }
        Ok(FullRecipe { kind, epochs, max_steps, batch, rate, decay: self.decay.unwrap_or(decay) })
    }

    /// A recipe for each network of an ensemble; the first keeps the seed.
    /// # Errors
    /// [`Error::Invalid`] for none.
    pub(in crate::detect::dte) fn ensemble(&self, kind: NetworkKind) -> Result<Vec<Recipe>> {
        // What a single DTE-IG makes of rows far from the data differs from seed to seed.
        let count = self.members.unwrap_or(if kind == NetworkKind::InverseGamma { 5 } else { 1 });
        if count == 0 {
            return Err(Error::Invalid("an ensemble needs one network at least".into()));
        }
        // Far apart, so that neighbouring seeds share no member.
        let seed = |i: usize| self.seed.wrapping_add((i as u32).wrapping_mul(0x9e37_79b9));
        Ok((0..count).map(|i| Recipe { seed: seed(i), ..*self }).collect())
    }
}

impl FullRecipe {
    /// Steps of Adam for so many rows.
    pub fn steps(&self, rows: usize) -> usize {
        let batches = self.batches(rows);
        let (steps, epochs) = if self.kind == NetworkKind::InverseGamma { (2000, 100) } else { (4000, 60) };
        (self.epochs * batches).min(self.max_steps.unwrap_or(steps.max(epochs * batches)))
    }
    /// Steps of an epoch. The baseline leaves out what does not fill a minibatch.
    pub fn batches(&self, rows: usize) -> usize {
        let whole = if self.kind == NetworkKind::Residual { rows / self.batch } else { rows.div_ceil(self.batch) };
        whole.max(1)
    }
    /// Learning rate of a step of `total`.
    pub fn rate(&self, step: usize, total: usize) -> f64 {
        self.rate * 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / total as f64).cos())
    }
}
