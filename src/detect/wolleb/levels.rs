//! Which levels the image goes through.
//!
//! Levels are counted in the (respaced) schedule, k = 0, 1, …; level k has ᾱ of its k-th timestep.
//!
//! `published` is what the public code does (github.com/JuliaWolleb/diffusion-anomaly, `ddim_sample_loop_known`): the image is noised
//! to level 0 by one draw, which the method does not need; it is encoded from there, read as level 1, by the steps k = 1 … L−1, each to
//! level k+1 (past the last there is ᾱ = 0); the result, at level L, is decoded by the steps k = L−2 … 0 as if it were at level
//! L−2, each to the level below, the last to the clean image. `paper` is its algorithm 1: no noise, encoding by k = 0 … L−1, decoding
//! by k = L … 1. The paper's level t is taken as the schedule's timestep t, as its first author does in MONAI's tutorial, so
//! that the image counts as level 0 and decoding ends there.
//!
//! With respacing the public code feeds the UNet the timestep of training, but the classifier the number of the step, which it
//! was not trained for. Here both are fed the timestep of training.
use super::Wolleb;
use crate::detect::config::Variant;
use crate::diffusion::{Hop, Level, Timesteps};
use crate::{Error, Result};
use std::ops::RangeInclusive;

/// The steps of an image.
pub(super) struct Chain {
    /// The timestep to which it is noised before; none where it is not.
    pub noised: Option<usize>,
    /// Up.
    pub encode: Vec<Hop>,
    /// Down.
    pub decode: Vec<Hop>,
}

/// The levels that there are.
pub(super) struct Levels {
    /// Rising: level k is at timestep `t[k]`.
    pub t: Vec<usize>,
    /// What `noise_level` may be.
    pub allowed: RangeInclusive<usize>,
}

impl Wolleb {
    /// The levels under schedule, respacing and variant.
    pub(super) fn levels(&self) -> Result<Levels> {
        let total = self.schedule.train_steps;
        let all = match &self.respacing {
            Some(spacing) => {
                Timesteps::respaced(total, spacing).map_err(|e| Error::Invalid(format!("`respacing`: {e}")))?
            }
            None => Timesteps::all(total)?,
        };
        let t: Vec<usize> = all.list.into_iter().rev().collect();
        let allowed = match self.variant {
            Variant::Published => 2..=t.len(),
            Variant::Paper => 1..=t.len() - 1,
        };
        match allowed.is_empty() {
            true => Err(Error::Invalid("`respacing` must leave two steps or more".into())),
            false => Ok(Levels { t, allowed }),
        }
    }
    /// The steps under the settings.
    pub(super) fn chain(&self) -> Result<Chain> {
        let Levels { t, allowed } = self.levels()?;
        let level = self.noise_level;
        if !allowed.contains(&level) {
            let (steps, respaced) = (t.len(), if self.respacing.is_some() { " after respacing" } else { "" });
            let fault = format!(
                "`noise_level` is {level}, but a level is counted in steps of the schedule, which has {steps}{respaced}: it must \
                 be {} to {}",
                allowed.start(),
                allowed.end()
            );
            return Err(Error::Invalid(fault));
        }
        let at = |k: usize| t.get(k).map_or(Level::Noise, |&t| Level::At(t));
        let up = |k: usize| Hop { from: t[k], to: at(k + 1) };
        let down = |k: usize| Hop { from: t[k], to: k.checked_sub(1).map_or(Level::Clean, at) };
        Ok(match self.variant {
            Variant::Published => Chain {
                noised: Some(t[0]),
                encode: (1..level).map(up).collect(),
                decode: (0..level - 1).rev().map(down).collect(),
            },
            Variant::Paper => Chain {
                noised: None,
                encode: (0..level).map(up).collect(),
                decode: (1..=level).rev().map(down).collect(),
            },
        })
    }
}
