//! Certificates: what no perturbation up to an l2 radius can change, by randomised smoothing. An image is scored many times under
//! Gaussian noise; from the draws come a certified verdict ([`Decision`], Cohen et al. 2019) and certified bounds of the median score
//! ([`Bounds`], Chiang et al. 2020).
//!
//! What is certified is the smoothed detector: its verdict is that of most draws, its score their median. The detector's own noise is
//! that of the run for every draw, so that what is smoothed is a function of the image alone and all draws are independent.
mod decision;
mod median;
mod summary;

pub use decision::Decision;
pub use median::{Bounds, certified_auroc, median};
pub use summary::{at_radius, record};

use super::scorer::named_seed;
use super::{Item, Scorer};
use crate::data::{Picture, mask_file};
use crate::eval::normal_quantile;
use crate::kernels::noise::standard_normals;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Keeps the noise of the smoothing apart from a detector's own.
const STREAM: u32 = 1;

/// How images are smoothed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Smoothing {
    /// Standard deviation of the noise, in units of the 0..1 image; above 0.
    pub sigma: f64,
    /// Draws that choose the verdict to be certified, at least 1.
    pub first: usize,
    /// Further draws that certify, at least 1.
    pub draws: usize,
    /// The probability that a certificate is wrong, for each image; above 0 and below 1.
    pub alpha: f64,
}

/// The scores of an image under noise, in the order of the draws.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draws {
    /// [`Smoothing::first`] scores.
    pub first: Vec<f64>,
    /// [`Smoothing::draws`] scores.
    pub scores: Vec<f64>,
}

impl Smoothing {
    /// The greatest l2 radius that so many draws can certify anything at: that at which all of them agree. `alpha` is the
    /// probability of an error.
    pub fn reach(&self, alpha: f64) -> f64 {
        self.sigma * normal_quantile(alpha.powf(1.0 / self.draws as f64))
    }
    /// Holds the settings to their ranges.
    /// # Errors
    /// [`Error::Invalid`] naming the setting.
    pub fn check(&self) -> Result<()> {
        let fault = |text: &str| Err(Error::Invalid(text.into()));
        match self {
            s if !(s.sigma > 0.0 && s.sigma.is_finite()) => fault("sigma must be above 0"),
            s if s.first == 0 || s.draws == 0 => fault("at least one draw of each kind is needed"),
            s if s.first.saturating_add(s.draws) > u32::MAX as usize => fault("so many draws cannot be numbered"),
            s if !(s.alpha > 0.0 && s.alpha < 1.0) => fault("alpha must lie between 0 and 1"),
            _ => Ok(()),
        }
    }
    /// Scores an image under all draws of noise. It is smoothed as the networks see it ([`Scorer::as_seen`]); noise is not clipped to
    /// 0..1. What the user should know of the input comes with the draws.
    /// # Errors
    /// As [`Scorer::variants`]; [`Error::Interrupted`]; [`Error::File`] where the score is of a foreground that is found in the image
    /// itself, which a perturbation would change as well.
    pub fn draw(&self, scorer: &mut Scorer, item: &Item, seed: u64) -> Result<(Draws, Vec<String>)> {
        self.check()?;
        let beside = || mask_file(&item.path, &item.input.name);
        if scorer.model.config.judges_foregrounds() && (item.slice.is_some() || beside()?.is_none()) {
            let fault = "its score is of a foreground, which is found in the image itself where no mask lies beside it: a \
                         certificate would not hold, as a perturbation changes both";
            return Err(Error::file(&item.path, fault));
        }
        let seen = scorer.as_seen(item)?;
        let (own, noise) = (scorer.seed_of(item), named_seed(seed, &format!("smoothing {}", item.folder)));
        let all = self.first + self.draws;
        let mut scores = Vec::with_capacity(all);
        while scores.len() < all {
            let numbers = scores.len()..all.min(scores.len() + scorer.images_at_once());
            let noised = numbers.map(|n| (item.clone(), self.noised(&seen, noise, n as u32))).collect();
            scores.extend(scorer.variants(noised, own)?.iter().map(|s| s.score));
            scorer.step(scores.len(), all)?;
        }
        let certify = scores.split_off(self.first);
        Ok((Draws { first: scores, scores: certify }, seen.warnings))
    }

    /// The image with draw number `draw` of the noise.
    fn noised(&self, picture: &Picture, seed: u64, draw: u32) -> Picture {
        let z = standard_normals(seed, draw, STREAM, picture.data.len());
        let data = picture.data.iter().zip(z).map(|(v, z)| (f64::from(*v) + self.sigma * z) as f32).collect();
        Picture { data, ..picture.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn settings_out_of_range_are_refused_and_the_reach_is_that_of_all_draws_agreeing() {
        let good = Smoothing { sigma: 0.25, first: 10, draws: 100, alpha: 0.001 };
        good.check().unwrap();
        for bad in [
            Smoothing { sigma: 0.0, ..good },
            Smoothing { sigma: f64::NAN, ..good },
            Smoothing { first: 0, ..good },
            Smoothing { draws: 0, ..good },
            Smoothing { alpha: 0.0, ..good },
            Smoothing { alpha: 1.0, ..good },
            Smoothing { draws: usize::MAX, ..good },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        // 0.25 * scipy.stats.norm.ppf(0.001 ** (1 / 100)).
        assert!((good.reach(good.alpha) - 0.375118756030159).abs() < 1e-12, "{}", good.reach(good.alpha));
    }

    #[test]
    fn noise_has_its_deviation_is_not_clipped_and_differs_by_draw() {
        let picture = Picture::new(Path::new("x"), 64, 64, 3, vec![0.5; 64 * 64 * 3]).unwrap();
        let s = Smoothing { sigma: 0.5, first: 1, draws: 1, alpha: 0.001 };
        let noised = s.noised(&picture, 4, 9);
        let n = noised.data.len() as f64;
        let variance = noised.data.iter().map(|v| (f64::from(*v) - 0.5).powi(2)).sum::<f64>() / n;
        // Four standard errors: 0.25·sqrt(2/n).
        assert!((variance - 0.25).abs() < 4.0 * 0.25 * (2.0 / n).sqrt(), "{variance}");
        assert!(noised.data.iter().any(|v| *v < 0.0) && noised.data.iter().any(|v| *v > 1.0));
        assert_ne!(noised.data, s.noised(&picture, 4, 10).data);
        assert_eq!(noised.data, s.noised(&picture, 4, 9).data);
    }
}
